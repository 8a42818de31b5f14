"""Model of `BlendFeed`, from an old source to a new one.

Specification, Feeds that are replaced. Sources are packed as in a rule: address, highest age in
minutes, decimals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from breakwater.abi import checksum_bytes
from breakwater.model.chain import ZERO_ADDRESS, Chain, Contract, Refused, reentrant, view
from breakwater.model.feeds import (
    AGGREGATOR_GAS,
    AGREED,
    CALL_GAS,
    DISPERSED,
    NO_QUOTE,
    SINGLE,
    Quote,
    aggregator_price,
    ask,
    feed_quote,
    gas_of,
    need,
)
from breakwater.units import BPS, DAY

IS_FEED = 31
NOBODY, OLD, BOTH, NEW = range(4)
"""Whose quote a blend gives."""
_M96 = 2**96 - 1


class BlendFeed(Contract):
    """A straight line over 24 hours. Nothing in it changes."""

    NAME = "BlendFeed"

    def __init__(
        self, chain: Chain, address: str, risk: str, asset: str, old: int, new: int, band: int,
        second: str,
    ) -> None:  # fmt: skip
        super().__init__(chain, address)
        self.risk, self.asset = risk, asset
        self.old, self.new = old, new
        self.band, self.start = band, chain.now
        old_gas = self._gas(old) if second == ZERO_ADDRESS else 0
        self.gas = old_gas + 20_000 + 2 * CALL_GAS + need(self._gas(new)) + 8_000
        self.lower = self.middle = self.higher = 0
        fresh = self._read(new)
        if fresh == NO_QUOTE:
            raise Refused("source is not valid")
        if fresh[4] == DISPERSED:
            raise Refused("sources disagree")
        if second == ZERO_ADDRESS:
            other = self._read(old)
            if other == NO_QUOTE:
                raise Refused("source is not dead for a day")
            if not self._agree(fresh[1], other[1]):
                raise Refused("source is apart from the old")
            return
        spot, last = self._last()
        self.lower, self.middle, self.higher = min(spot, last), last, max(spot, last)
        agrees = self._agree(fresh[1], last)
        if not agrees and second != risk:
            other = feed_quote(ask(chain, address, second, "quote"), chain.now)
            agrees = other != NO_QUOTE and self._agree(fresh[1], other[1])
        if not agrees:
            raise Refused("source is apart from the last")

    @reentrant
    def quote(self, sender: str) -> Quote:
        """See the module."""
        return self._quote()[0]

    @reentrant
    def is_over(self, sender: str) -> bool:
        """Whether the new source may stand alone."""
        is_new = self.chain.now - self.start >= DAY and self._quote()[1] == NEW
        return is_new and self._is_calm()

    @reentrant
    def is_refused(self, sender: str) -> bool:
        """Whether the old source may stand alone again."""
        return self._quote()[1] == OLD and self._is_calm()

    @reentrant
    def gas_limit(self, sender: str) -> int:
        """What a caller gives."""
        return self.gas

    @view
    def OLD(self, sender: str) -> int:
        """Packed."""
        return self.old

    @view
    def NEW(self, sender: str) -> int:
        """Packed."""
        return self.new

    @view
    def BAND(self, sender: str) -> int:
        """[BPS]"""
        return self.band

    @view
    def START(self, sender: str) -> int:
        """[unix seconds]"""
        return self.start

    @view
    def AVERAGE(self, sender: str) -> int:
        """[WAD] of a source that was dead from the start, else 0."""
        return self.middle

    def _is_calm(self) -> bool:
        """No jump is confirmed by the call that ends this."""
        words: Sequence[Any] = self.chain.call(self.address, self.risk, "quote", (self.asset,))
        return words[0] == 0 or self._agree(words[0], words[3])

    def _quote(self) -> tuple[Quote, int]:
        new = self._read(self.new)
        elapsed = self.chain.now - self.start
        if self.middle:
            if new == NO_QUOTE:
                return NO_QUOTE, NOBODY
            old = self.lower, self.middle, self.higher, new[3], new[4]
        else:
            old = self._read(self.old)
            if old == NO_QUOTE:
                agrees = new != NO_QUOTE and self._agree(new[1], self._last()[1])
                return (new, NEW) if agrees else (NO_QUOTE, NOBODY)
            if new == NO_QUOTE:
                return old, OLD
            if not self._agree(old[1], new[1]):
                return (*old[:4], DISPERSED), OLD
        if elapsed >= DAY:
            return new, NEW
        low, price, high = (
            (before * (DAY - elapsed) + after * elapsed) // DAY
            for before, after in zip(old[:3], new[:3], strict=True)
        )
        status = AGREED if old[4] == new[4] == AGREED else SINGLE
        if DISPERSED in (old[4], new[4]):
            status = DISPERSED
        if self.middle:
            low, high = min(low, new[0]), max(high, new[2])
        return (low, price, high, min(old[3], new[3]), status), BOTH

    def _read(self, source: int) -> Quote:
        target, max_age, decimals = unpacked(source)
        if decimals != IS_FEED:
            answer = ask(self.chain, self.address, target, "latestRoundData")
            price, updated_at = aggregator_price(answer, decimals, max_age, self.chain.now)
            return (price, price, price, updated_at, SINGLE) if price else NO_QUOTE
        found = feed_quote(ask(self.chain, self.address, target, "quote"), self.chain.now)
        return NO_QUOTE if self.chain.now - found[3] > max_age else found

    def _gas(self, source: int) -> int:
        target, _, decimals = unpacked(source)
        return AGGREGATOR_GAS if decimals != IS_FEED else gas_of(self.chain, self.address, target)

    def _last(self) -> tuple[int, int]:
        """Spot and average as the last poke with a price stored them."""
        words: Sequence[Any] = self.chain.call(self.address, self.risk, "words_of", (self.asset,))
        return words[2] & _M96, words[2] >> 96 & _M96

    def _agree(self, price: int, other: int) -> bool:
        return abs(price - other) * BPS <= min(price, other) * self.band


def packed(source: str, max_age: int, decimals: int) -> int:
    """A source as the lower 177 bits of a rule; `max_age` in seconds."""
    return int(source, 16) | max_age // 60 << 160 | decimals << 172


def unpacked(source: int) -> tuple[str, int, int]:
    """Address, highest age [seconds], decimals."""
    address = str(checksum_bytes((source & 2**160 - 1).to_bytes(20, "big")))
    return address, (source >> 160 & 4_095) * 60, source >> 172 & 31
