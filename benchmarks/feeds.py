"""Gas of one quote of each kind of feed, on anvil, every address and slot cold.

`python -m benchmarks.feeds` prints the table and writes `snapshots/feeds.json`. A quote is what a
transaction to `quote` uses beyond its own 21,064; of a feed whose aggregators all burn what they
are given too, which gets `gas_limit` and no more, and must answer all the same.
Sources are `AggregatorMock` (a Chainlink proxy takes about 12,000 more each), the Curve pool is a
mock, the Uniswap v3 pool is the real one with 200 observations.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, NamedTuple

from benchmarks.node import NodeHost, anvil
from breakwater import artifacts, foreign
from breakwater.abi import Interface
from breakwater.driver import CheckedFeed, CurveEmaFeed, MedianFeed, NavFeed, RateFeed
from breakwater.driver import UniswapTwapFeed as TwapFeed
from breakwater.errors import UserError
from breakwater.foreign import Pool
from breakwater.mocks import (
    AggregatorMock,
    BadFeedMock,
    CallerMock,
    CurvePoolMock,
    StakedTokenMock,
    TokenMock,
)
from breakwater.units import DAY, WAD

SNAPSHOT = artifacts.ROOT / "snapshots" / "feeds.json"
QUOTE = Interface(artifacts.load("MedianFeed").abi).function("quote", 0).encode([])
INTRINSIC = 21_000 + 16 * len(QUOTE)
BURN = 2
"""Mode of `BadFeedMock`."""

Feed = CheckedFeed | CurveEmaFeed | MedianFeed | NavFeed | RateFeed | TwapFeed


class Gas(NamedTuple):
    """Of one quote."""

    quote: int
    burning: int
    gas_limit: int


class World:
    """Feeds, good ones and ones whose every source can be made to burn."""

    def __init__(self, host: NodeHost) -> None:
        self.host = host
        self.me = host.account("deployer")
        self.caller = CallerMock.deploy(host, sender=self.me)
        self.bad: list[BadFeedMock] = []
        self.asset = TokenMock.deploy(host, "Asset", "AST", 18, sender=self.me)
        self.pool = Pool(host, (18, 18), tick=0)
        host.advance(DAY)

    def source(self, burning: bool) -> Any:
        """A dollar, of 8 decimals."""
        if not burning:
            return AggregatorMock.deploy(self.host, 8, 10**8, sender=self.me)
        bad = BadFeedMock.deploy(self.host, 8, sender=self.me)
        bad.set_words([1, 10**8, self.host.now, self.host.now, 1], sender=self.me)
        self.bad.append(bad)
        return bad

    def median(self, count: int, burning: bool) -> MedianFeed:
        """Of so many sources."""
        sources = [self.source(burning) for _ in range(count)]
        ages = [68 * 3_600] * count
        return MedianFeed.deploy(self.host, sources, ages, 1, 200, False, "", sender=self.me)

    def rate(self, count: int, burning: bool) -> RateFeed:
        """Over a median."""
        vault = StakedTokenMock.deploy(self.host, "", "", self.asset, sender=self.me)
        base = self.median(count, burning)
        return RateFeed.deploy(self.host, vault, base, 1_000, sender=self.me)

    def curve(self, count: int, burning: bool) -> CurveEmaFeed:
        """Over a median."""
        coins = [self.asset, self.asset]
        pool = CurvePoolMock.deploy(self.host, coins, [WAD, WAD], WAD, sender=self.me)
        base = self.median(count, burning)
        rules = 1, False, True, 600, 1, 2**128 - 1
        return CurveEmaFeed.deploy(self.host, pool, base, *rules, sender=self.me)

    def twap(self, count: int, burning: bool) -> TwapFeed:
        """Over a median."""
        base = self.median(count, burning)
        args = self.pool.address, self.pool.tokens[0], base, 1_800, 1
        return TwapFeed.deploy(self.host, *args, sender=self.me)

    def nav(self) -> NavFeed:
        """A dollar."""
        return NavFeed.deploy(self.host, WAD, self.me, DAY, 0, sender=self.me)

    def checked(self, base: Feed, market: Feed) -> CheckedFeed:
        """Within 2 %."""
        return CheckedFeed.deploy(self.host, base, market, 200, False, sender=self.me)

    def measure(self, good: Feed, burning: Feed) -> Gas:
        """Of a good one, and of one of the same kind whose aggregators burn."""
        used = self._used(good)
        if self._attempt(good)[1:] == (0,) * 5:
            raise UserError(f"{good.NAME} has no price")
        for bad in self.bad:
            bad.set_mode(BURN, sender=self.me)
        burnt = self._used(burning)
        answered, *_ = self._attempt(burning)
        if not answered:
            raise UserError(f"{burning.NAME} does not answer within its gas_limit")
        self.bad.clear()
        return Gas(used, burnt, good.gas_limit())

    def _used(self, feed: Feed) -> int:
        receipt = self.host.transact(feed.address, feed.NAME, "quote", [], sender=self.me)
        assert receipt.gas_used is not None
        return receipt.gas_used - INTRINSIC

    def _attempt(self, feed: Feed) -> tuple[int, ...]:
        """Whether it answered within its gas_limit, and what."""
        args = [feed.address, QUOTE, feed.gas_limit()]
        ok, answer = self.host.call(
            self.caller.address, "CallerMock", "attempt", args, sender=self.me
        )
        words = (int.from_bytes(answer[i : i + 32], "big") for i in range(0, 160, 32))
        return int(ok), *words


def measure(host: NodeHost) -> dict[str, Gas]:
    """Every kind by name."""
    world = World(host)
    found = {}

    def take(name: str, kind: Any) -> None:
        found[name] = world.measure(kind(False), kind(True))

    for count, sources in ((1, "1 source"), (2, "2 sources"), (3, "3 sources")):
        take(f"MedianFeed, {sources}", lambda burning, n=count: world.median(n, burning))
        take(f"RateFeed over it, {sources}", lambda burning, n=count: world.rate(n, burning))
        if count < 3:
            take(f"CurveEmaFeed over it, {sources}", lambda b, n=count: world.curve(n, b))
    take("UniswapTwapFeed over 1 source", lambda burning: world.twap(1, burning))
    take("NavFeed", lambda burning: world.nav())

    def checked_rate(burning: bool) -> CheckedFeed:
        return world.checked(world.rate(1, burning), world.median(1, burning))

    def checked_nav(burning: bool) -> CheckedFeed:
        return world.checked(world.nav(), world.twap(1, burning))

    take("CheckedFeed, rate over 1 source by 1 source", checked_rate)
    take("CheckedFeed, NAV by a TWAP over 1 source", checked_nav)
    return found


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.feeds", description=(__doc__ or "").partition("\n")[0]
    )
    parser.parse_args()
    try:
        if not foreign.is_installed():
            raise UserError("Uniswap's contracts are not installed: run `make node`")
        with anvil() as host:
            found = measure(host)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    width = max(map(len, found))
    print(f"{'':{width}}  {'quote':>8}{'burning':>9}{'gas_limit':>11}")
    for name, gas in found.items():
        print(f"{name:{width}}  {gas.quote:>8,}{gas.burning:>9,}{gas.gas_limit:>11,}")
    SNAPSHOT.write_text(
        json.dumps({name: gas._asdict() for name, gas in found.items()}, indent=2) + "\n"
    )
    print(f"wrote {SNAPSHOT.relative_to(artifacts.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
