"""What tests of several feeds share: bases that say what they are told, calls with little gas."""

from __future__ import annotations

from typing import Any

from breakwater.abi import Interface
from breakwater.artifacts import load
from breakwater.driver import MedianFeed
from breakwater.host import Host, decode_reason
from breakwater.mocks import AggregatorMock, BadFeedMock, CallerMock
from breakwater.units import WAD

NOTHING = (0, 0, 0, 0, 0)
INVALID, SINGLE, AGREED, DISPERSED = range(4)


class FeedWorld:
    """A host, one account that sends everything, and feeds."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.me = host.account("deployer")
        self.caller = CallerMock.deploy(host, sender=self.me)

    def told(self, *quote: int) -> BadFeedMock:
        """A feed that answers low, price, high; time (now) and status (2) may follow."""
        feed = BadFeedMock.deploy(self.host, 18, sender=self.me)
        self.tell(feed, *quote)
        return feed

    def tell(self, feed: BadFeedMock, *quote: int) -> None:
        """Another answer."""
        low, price, high, *rest = quote
        time, status = [*rest, *(self.host.now, AGREED)[len(rest) :]]
        feed.set_words([low, price, high, time, status], sender=self.me)

    def source(self, price: int) -> AggregatorMock:
        """An aggregator of 8 decimals that answers `price` [WAD]."""
        return AggregatorMock.deploy(self.host, 8, price // 10**10, sender=self.me)

    def median(self, *sources: Any, max_age: int = 86_400, **rules: Any) -> MedianFeed:
        """A median feed over sources."""
        rules = {"quorum": 1, "band": 100, "pegged": False, "description": "TEST", **rules}
        return MedianFeed.deploy(
            self.host, list(sources), [max_age] * len(sources), **rules, sender=self.me
        )

    def burning(self, count: int = 1) -> MedianFeed:
        """A median feed whose sources burn all that they are given, from now on."""
        sources = [BadFeedMock.deploy(self.host, 8, sender=self.me) for _ in range(count)]
        for source in sources:
            source.set_words([1, 10**8, self.host.now, self.host.now, 1], sender=self.me)
        feed = self.median(*sources)
        self.broken = sources
        return feed

    def break_all(self, mode: int = 2) -> None:
        """Let the sources of `burning` do so."""
        for source in self.broken:
            source.set_mode(mode, sender=self.me)

    def with_gas(self, feed: Any, gas: int) -> tuple[int, ...] | None:
        """What `quote` answers to a call with so much gas; None where it reverts."""
        data = Interface(load(feed.NAME).abi).function("quote", 0).encode([])
        arguments = [feed.address, data, gas]
        ok, answer = self.host.call(
            self.caller.address, "CallerMock", "attempt", arguments, sender=self.me
        )
        if not ok:
            return None
        return tuple(int.from_bytes(answer[i : i + 32], "big") for i in range(0, 160, 32))

    def refusal(self, feed: Any, gas: int) -> str:
        """Why `quote` reverts when it is called with so much gas."""
        data = Interface(load(feed.NAME).abi).function("quote", 0).encode([])
        arguments = [feed.address, data, gas]
        ok, answer = self.host.call(
            self.caller.address, "CallerMock", "attempt", arguments, sender=self.me
        )
        assert not ok
        return decode_reason(answer)

    def never_lies(self, feed: Any, steps: int = 60) -> None:
        """Whatever gas is given, a good feed is read right or the call reverts."""
        good = feed.quote()
        assert good[4] != INVALID
        seen = set()
        for gas in range(5_000, 2 * feed.gas_limit(), 2 * feed.gas_limit() // steps):
            found = self.with_gas(feed, gas)
            assert found in (None, good), gas
            seen.add(found)
            if gas >= feed.gas_limit():
                assert found == good, gas
        assert seen == {None, good}


def scaled(rate: int, quote: tuple[int, ...], least: int = 0, most: int = 0) -> tuple[int, ...]:
    """low, price and high of a quote times a rate [WAD]; low by `least`, high by `most`."""
    low, price, high = quote[:3]
    return (least or rate) * low // WAD, rate * price // WAD, -(-(most or rate) * high // WAD)
