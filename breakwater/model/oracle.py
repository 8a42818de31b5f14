"""Model of the price oracle: from a source to what an asset is read at.

Specification, Prices and Parameters. Prices are WAD per whole token, parameters basis points, times
seconds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from breakwater.abi import checksum_bytes
from breakwater.model import average, margin
from breakwater.model.average import DISPERSED, JUMP, STALE, VALID, Checkpoint
from breakwater.model.chain import ZERO_ADDRESS
from breakwater.model.feeds import AGREED, Answer, aggregator_price, feed_quote
from breakwater.model.feeds import DISPERSED as SOURCES_DISAGREE
from breakwater.units import BPS

IS_FEED = 31
"""In place of an aggregator's decimals: the source gives quotes."""
NORMAL, CAUTION, HALT, WIND_DOWN = range(4)


class Rule(NamedTuple):
    """Rules of an asset, in steps as they are kept; see `RULE` for units."""

    source: str = ZERO_ADDRESS
    max_age: int = 0
    feed_decimals: int = 0
    jump_band: int = 0
    borrow_ltv: int = 0
    drop: int = 0
    """borrow_ltv less its floor"""
    debt_weight: int = 0
    """above 1"""
    max_leverage: int = 0
    decimals: int = 0
    is_latched: int = 0
    """a level may be latched"""
    volatility_slope: int = 0
    volatility_ref: int = 0
    upper: int = 0
    """prices from 2^upper are not valid"""
    span: int = 0
    """prices below 2^(upper - span) are not valid"""

    @property
    def is_settled(self) -> bool:
        """Wound down, at its settlement price."""
        return self.source == ZERO_ADDRESS

    @property
    def band(self) -> int:
        """[BPS] away from the average beyond which a price is in a jump."""
        return self.jump_band * 50

    @property
    def floor(self) -> int:
        """[BPS] below which volatility takes no borrow_ltv."""
        return max(self.borrow_ltv - self.drop * 50, 0)

    def with_borrow_ltv(self, borrow_ltv: int) -> Rule:
        """Another borrow_ltv. Its floor stays, moved up to a whole step below it, or comes down."""
        drop = max(borrow_ltv - self.floor, 0) // 50
        return self._replace(borrow_ltv=borrow_ltv, drop=min(drop, 255))


RULE = (160, 12, 5, 7, 14, 8, 8, 8, 5, 1, 7, 8, 7, 6)
"""Bits of each, lowest first. Age in minutes, band and drop in 50 bps, weight in 100, leverage in
5,000, slope in 1,000, reference in 10.
"""


class Term(NamedTuple):
    """Terms of an asset, read for maintenance alone; basis points and seconds."""

    start: int = 0
    """liquidation_ltv where its ramp begins"""
    target: int = 0
    since: int = 0
    duration: int = 0
    tip: int = 0
    incentive_min: int = 0
    incentive_max: int = 0
    incentive_slope: int = 0
    target_health: int = 0
    target_slope: int = 0
    closes_whole: int = 0
    held_from: int = 0
    """start of the last hold of liquidations"""
    held_until: int = 0
    is_new: int = 0
    """nobody may add above its cap"""
    rest: int = 0
    """bits that mean nothing"""

    def liquidation_ltv(self, now: int) -> int:
        """As of now, rounded towards the start of its ramp."""
        if self.start == self.target:
            return self.target
        return margin.ramp(self.start, self.target, now - self.since, self.duration)


TERM = (14, 14, 40, 24, 14, 14, 14, 16, 14, 20, 1, 32, 32, 1, 6)
"""Bits of each, lowest first."""


@lru_cache(maxsize=1_024)
def rule_of(word: int) -> Rule:
    """Out of its word."""
    source, *rest = _split(word, RULE)
    return Rule(_address(source), *rest)


@lru_cache(maxsize=1_024)
def term_of(word: int) -> Term:
    """Out of its word."""
    return Term(*_split(word, TERM))


def rule_word(rule: Rule) -> int:
    """As stored."""
    return _join((int(rule.source, 16), *rule[1:]), RULE)


def term_word(term: Term) -> int:
    """As stored."""
    return _join(term, TERM)


@lru_cache(maxsize=1_024)
def rules_at(rule: Rule, term: Term, liquidation_ltv: int) -> margin.Rules:
    """What margin and liquidation go by, with liquidation_ltv as of some time."""
    return margin.Rules(
        decimals=rule.decimals,
        borrow_ltv=rule.borrow_ltv,
        borrow_ltv_floor=rule.floor,
        liquidation_ltv=liquidation_ltv,
        debt_weight=BPS + rule.debt_weight * 100,
        max_leverage=rule.max_leverage * 5_000,
        volatility_ref=rule.volatility_ref * 10,
        volatility_slope=rule.volatility_slope * 1_000,
        tip=term.tip,
        incentive_min=term.incentive_min,
        incentive_max=term.incentive_max,
        incentive_slope=term.incentive_slope,
        target_health=term.target_health,
        target_slope=term.target_slope,
        closes_whole=bool(term.closes_whole),
    )


class Sourced(NamedTuple):
    """What stands behind an asset's price now. No price: zeros, but for updated_at."""

    low: int
    price: int
    high: int
    updated_at: int
    agreed: bool
    """at least two sources agree"""
    disagrees: bool


def sourced(rule: Rule, answer: Answer | None, now: int) -> Sourced:
    """Of what the asset's source answered. A price that is too old or out of bounds is none; what
    the source said of its time is kept.
    """
    max_age = rule.max_age * 60
    if rule.feed_decimals == IS_FEED:
        low, price, high, updated_at, status = feed_quote(answer, now)
        valid = status != 0 and now - updated_at <= max_age
    else:
        price, updated_at = aggregator_price(answer, rule.feed_decimals, max_age, now)
        low, high, status = price, price, 1
        valid = price != 0
    lowest = rule.upper - rule.span
    if not valid or lowest < 0 or low < 1 << lowest or high >= 1 << rule.upper:
        return Sourced(0, 0, 0, updated_at, False, False)
    return Sourced(low, price, high, updated_at, status == AGREED, status == SOURCES_DISAGREE)


class Reading(NamedTuple):
    """An asset's price now, and the level that follows from it alone."""

    low: int
    price: int
    high: int
    average: int
    volatility: int
    status: int
    level: int
    updated_at: int
    agreed: bool

    @property
    def lowest(self) -> int:
        """At which new risk counts collateral; 0 without a price."""
        return min(self.low, self.average)

    @property
    def highest(self) -> int:
        """At which new risk counts debt."""
        return max(self.high, self.average)

    @property
    def trouble(self) -> str:
        """Why the level is above NORMAL."""
        if self.status == STALE:
            return "price is stale"
        if self.level == WIND_DOWN:
            return "asset is settled"
        if self.level == HALT:
            return "asset is halted"
        if self.status == VALID:
            return "asset is in caution"
        return "price is in a jump" if self.status == JUMP else "price sources disagree"


@lru_cache(maxsize=4_096)
def reading(rule: Rule, checkpoint: Checkpoint, answer: Answer | None, now: int) -> Reading:
    """Of what the asset's source answered, without what is latched."""
    if rule.is_settled and checkpoint.spot:
        price = checkpoint.spot
        return Reading(
            price, price, price, price, checkpoint.volatility, VALID, WIND_DOWN, 0, False
        )
    found = sourced(rule, answer, now)
    mean = average.average_at(checkpoint, now)
    status, level = VALID, NORMAL
    if found.price == 0:
        status, level = STALE, HALT
    elif found.disagrees:
        status, level = DISPERSED, CAUTION
    elif average.is_jump(found.price, mean, rule.band):
        status, level = JUMP, CAUTION
    return Reading(
        low=found.low,
        price=found.price,
        high=found.high,
        average=mean,
        volatility=checkpoint.volatility,
        status=status,
        level=level,
        updated_at=found.updated_at,
        agreed=found.agreed,
    )


def prices_of(
    rule: Rule,
    checkpoint: Checkpoint,
    read: Reading,
    now: int,
    patience: int,
    held_until: int = 0,
) -> margin.Prices:
    """A reading with what a liquidation counts the asset at."""
    as_collateral, as_debt, is_priced = average.liquidation_prices(
        checkpoint,
        read.price,
        now,
        rule.band,
        patience,
        low=read.low,
        high=read.high,
        agreed=read.agreed,
        disagrees=read.status == DISPERSED,
    )
    return margin.Prices(
        low=read.low,
        price=read.price,
        high=read.high,
        average=read.average,
        volatility=read.volatility,
        status=read.status,
        level=read.level,
        as_collateral=as_collateral,
        as_debt=as_debt,
        is_priced=is_priced,
        last_low=checkpoint.lowest,
        last_high=checkpoint.highest,
        held_until=held_until,
    )


def _split(word: int, widths: tuple[int, ...]) -> list[int]:
    parts = []
    for width in widths:
        parts.append(word & ((1 << width) - 1))
        word >>= width
    return parts


def _join(parts: tuple[int, ...], widths: tuple[int, ...]) -> int:
    word = shift = 0
    for part, width in zip(parts, widths, strict=True):
        word |= part << shift
        shift += width
    return word


def _address(number: int) -> str:
    return checksum_bytes(number.to_bytes(20, "big"))
