"""Model of the `SequencerFeed`. Specification, Sequencer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from breakwater.model.chain import Chain, Contract, Refused, Word, reentrant, view
from breakwater.model.feeds import ask
from breakwater.units import DAY, HOUR

UP, GRACE, DOWN = range(3)

GRACE_TIME = HOUR
"""[s] after the sequencer came back"""
MAX_OUTAGE = 7 * DAY
"""[s] for which a feed that says down is believed"""


class SequencerFeed(Contract):
    """Whether a layer 2 takes everybody's transactions."""

    NAME = "SequencerFeed"

    def __init__(self, chain: Chain, address: str, feed: str) -> None:
        if feed not in chain.contracts:
            raise Refused("feed has no code")
        super().__init__(chain, address)
        self.feed = feed

    def poke(self, sender: str) -> None:
        """Keeps the start of a grace."""
        since, is_down = self._read()
        if not is_down and since >= self.get("last_grace") + DAY:
            self.put(since, "last_grace")
            self.emit("Grace", since=since)

    @reentrant
    def state(self, sender: str) -> int:
        """Up, up again with grace, or down."""
        since, is_down = self._read()
        elapsed, last = self.chain.now - since, self.get("last_grace")
        if since == 0:
            return UP
        if is_down:
            return DOWN if elapsed <= MAX_OUTAGE else UP
        is_new = since >= last + DAY and elapsed < GRACE_TIME
        return GRACE if is_new or self.chain.now < last + GRACE_TIME else UP

    @view
    def uptime_feed(self, sender: str) -> str:
        """Chainlink's."""
        return self.feed

    @view
    def last_grace(self, sender: str) -> int:
        """Start of the last that a poke saw."""
        return int(self.get("last_grace"))

    def _read(self) -> tuple[int, bool]:
        """Since when, and whether it is down; zero and up where the feed is not believed."""
        answer = ask(self.chain, self.address, self.feed, "latestRoundData")
        if answer is None or len(answer) != 5:
            return 0, False
        number, said, since, updated_at, answered_in = answer
        if said > 1 or updated_at == 0 or answered_in < number or since > self.chain.now:
            return 0, False
        return since, said == 1 and since != 0

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """One word."""
        if name == "last_grace":
            yield Word(name, keys, self.get(name))
        else:
            yield from super().words(name, keys)
