"""A listed asset, from its words: prices, average, levels, terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from breakwater.observation.words import M96, bits
from breakwater.units import BPS, WAD

VALID: Final = 0
JUMP: Final = 1
DISPERSED: Final = 2
STALE: Final = 3
"""Status of a price."""

WIND_DOWN: Final = 3
"""Level of an asset that is settled."""

TARGET_CEILING: Final = 1_250 * 10**15
"""[WAD] Where a liquidation with a higher target health closes whole debts."""

_AVERAGE_TIME: Final = 2_700
_CONFIRM_TIME_BIT: Final = 237
_FADE_TIME: Final = 86_400
_MAX_GAP: Final = 3_600
_WAIT_TIME: Final = 1_800
_DAY: Final = 86_400


class Source(NamedTuple):
    """What a price source answers; all zeros when it is not valid."""

    low: int
    price: int
    high: int
    updated_at: int
    status: int


NO_PRICE: Final = Source(0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Asset:
    """The words of a listed asset, and its source's answer. Layouts: price_oracle, RiskEngine."""

    address: str
    id: int
    rule: int
    term: int
    checkpoint: int
    seen: int
    latch: int
    breaker: int
    source: Source

    @property
    def decimals(self) -> int:
        """Of the token."""
        return bits(self.rule, 222, 5)

    @property
    def debt_weight(self) -> int:
        """[BPS]"""
        return BPS + bits(self.rule, 206, 8) * 100

    @property
    def tip(self) -> int:
        """[WAD]"""
        return bits(self.term, 92, 14) * 10**14

    @property
    def incentive_max(self) -> int:
        """[WAD]"""
        return bits(self.term, 120, 14) * 10**14

    @property
    def volatility(self) -> int:
        """Daily [WAD]."""
        return bits(self.checkpoint, 192, 32) * 10**9

    def liquidation_ltv(self, now: int) -> int:
        """[BPS], along its ramp."""
        start, target = bits(self.term, 0, 14), bits(self.term, 14, 14)
        elapsed, duration = now - bits(self.term, 28, 40), bits(self.term, 68, 24)
        if start == target or elapsed >= duration:
            return target
        if target > start:
            return start + (target - start) * elapsed // duration
        return start - (start - target) * elapsed // duration

    @property
    def borrow_ltv(self) -> int:
        """[BPS], lowered by volatility."""
        base = bits(self.rule, 184, 14)
        slope, reference = bits(self.rule, 228, 7), bits(self.rule, 235, 8) * 10 * 10**14
        if slope == 0 or self.volatility <= reference:
            return base
        drop = (self.volatility - reference) * slope // 10**15
        floor = max(base - bits(self.rule, 198, 8) * 50, 0)
        return max(floor, base - drop, 0)

    def average(self, now: int) -> int:
        """[WAD]"""
        spot, average = self.checkpoint & M96, bits(self.checkpoint, 96, 96)
        elapsed = min(now - (self.checkpoint >> 224), _AVERAGE_TIME // 3)
        x = elapsed * WAD // _AVERAGE_TIME
        weight = x - x * x // (2 * WAD) + x * x // WAD * x // (6 * WAD)
        if spot >= average:
            return average + (spot - average) * weight // WAD
        return average - (average - spot) * weight // WAD

    def status(self, now: int) -> int:
        """VALID, JUMP, DISPERSED or STALE."""
        if self.source.price == 0:
            return STALE
        if self.source.status == 3:
            return DISPERSED
        return JUMP if self._is_jump(self.average(now)) else VALID

    def _is_jump(self, average: int) -> bool:
        band = bits(self.rule, 177, 7) * 50
        return abs(self.source.price - average) * BPS > average * band

    @property
    def is_settled(self) -> bool:
        """Wound down: it has its settlement price for good."""
        return bits(self.rule, 0, 160) == 0

    @property
    def hold(self) -> tuple[int, int]:
        """Start and end of the last hold of liquidations [unix seconds]."""
        return bits(self.term, 185, 32), bits(self.term, 217, 32)

    def level(self, now: int) -> int:
        """What is true now, or latched."""
        if self.is_settled:
            return WIND_DOWN
        true = (0, 1, 1, 2)[self.status(now)]
        latched = 0
        if now < bits(self.latch, 0, 64):
            latched = 1
        if now < bits(self.latch, 64, 64):
            latched = 2
        return max(true, latched)

    def liquidation_prices(self, now: int, patience: int = 0) -> tuple[int, int, bool]:
        """As collateral, as debt [WAD], and whether there is a valid price."""
        source, status = self.source, self.status(now)
        if status == VALID:
            return source.high, source.low, True
        if status == STALE:
            spot, average = self.checkpoint & M96, bits(self.checkpoint, 96, 96)
            left = _FADE_TIME - self._faded(now)
            return max(spot, average) * left // _FADE_TIME, min(spot, average), False
        average, low, high = self.average(now), source.low, source.high
        if status == JUMP or self._waited(now) >= _WAIT_TIME:
            if status == DISPERSED:
                low = high = source.price
            since = bits(self.seen, 128, 32)
            poked = (
                since != 0
                and (source.price > average) == bool(self.seen >> 236 & 1)
                and now <= (self.checkpoint >> 224) + _MAX_GAP
                and not self._is_jump(self.checkpoint & M96)
            )
            confirmed = source.status == 2 or (poked and bool(self.seen >> _CONFIRM_TIME_BIT & 1))
            if patience:
                confirmed = confirmed and poked and now >= since + patience
            if confirmed:
                return high, low, True
        if not self._is_jump(average):
            return high, low, True
        return max(high, average), min(low, average), True

    def _faded(self, now: int) -> int:
        last = bits(self.seen, 160, 32)
        if last == 0:
            return 0
        return min((self.seen >> 239) + min(now - last, _MAX_GAP), _FADE_TIME)

    def _waited(self, now: int) -> int:
        waited = bits(self.seen, 224, 12)
        if self.seen >> 238 & 1:
            return min(waited + now - (self.checkpoint >> 224), _WAIT_TIME)
        return 0 if now >= bits(self.seen, 192, 32) + _DAY else waited


def target_health(rule: int, term: int, volatility: int) -> int:
    """[WAD] what a liquidation restores; TARGET_CEILING where it closes whole debts."""
    excess = max(volatility - bits(rule, 235, 8) * 10 * 10**14, 0)
    target = bits(term, 150, 14) * 10**14 + excess * bits(term, 164, 20) // BPS
    return TARGET_CEILING if term >> 184 & 1 else min(target, TARGET_CEILING)
