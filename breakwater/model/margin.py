"""Values, initial margin, leverage and health. Specification, Initial margin and Maintenance.

Assets are named by whatever rules and prices are keyed by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple, Self

from breakwater.model import exact
from breakwater.units import BPS, MAX_UINT256, WAD, mul_div_down, mul_div_up

MAX_VALUE = 2**120
"""[WAD] Where the value of one leg saturates."""

NO_DEBT = MAX_UINT256
"""Health factor of an account without debt."""

NO_CAP = 255 * 5_000
"""[BPS] the highest leverage cap an asset may have."""

VALID, JUMP, DISPERSED, STALE = range(4)


@dataclass(frozen=True)
class Rules:
    """What is known of an asset's risk; everything but `decimals` in basis points."""

    decimals: int
    borrow_ltv: int
    borrow_ltv_floor: int
    liquidation_ltv: int
    debt_weight: int
    max_leverage: int
    volatility_ref: int
    volatility_slope: int
    tip: int
    incentive_min: int
    incentive_max: int
    incentive_slope: int
    target_health: int
    target_slope: int
    closes_whole: bool

    @classmethod
    def of(cls, config: Any, decimals: int) -> Self:
        """From an `AssetConfig`; its other fields tell of the feed."""
        names = [name for name in cls.__dataclass_fields__ if name != "decimals"]
        return cls(decimals=decimals, **{name: getattr(config, name) for name in names})


@dataclass(frozen=True)
class Prices:
    """Quote of an asset, and what a liquidation may count it at [WAD per whole token]."""

    low: int
    price: int
    high: int
    average: int
    volatility: int = 0
    """[WAD] daily"""
    status: int = VALID
    level: int = 0
    as_collateral: int = 0
    """at which a liquidation counts it as collateral, see `average.liquidation_prices`"""
    as_debt: int = 0
    is_priced: bool = True
    last_low: int = 0
    """lower of spot and average that the last poke stored"""
    last_high: int = 0
    """higher of the two, not fading"""
    held_until: int = 0
    """end of the last hold of liquidations that rest on it [unix seconds]"""

    @classmethod
    def flat(cls, price: int, average: int | None = None, volatility: int = 0) -> Self:
        """One valid source, no jump."""
        return cls(
            low=price,
            price=price,
            high=price,
            average=price if average is None else average,
            volatility=volatility,
            as_collateral=price,
            as_debt=price,
        )


class Leg(NamedTuple):
    """One position of an account, in token units; debt with interest, rounded up."""

    asset: Any
    amount: int
    is_debt: bool = False


@dataclass(frozen=True)
class Health:
    """A position at liquidation prices, as `IRiskEngine.Health`."""

    health_factor: int
    """[WAD] rounded down"""
    collateral_value: int
    debt_value: int
    weighted_collateral: int
    """[WAD] rounded down"""
    weighted_debt: int
    """[WAD] rounded up"""
    ratio: tuple[int, int] | None = None
    """weighted sums, unrounded; None without debt"""

    @property
    def exact(self) -> Fraction | None:
        """Health factor over the rounded values, None without debt."""
        return None if self.ratio is None else Fraction(*self.ratio)


@dataclass(frozen=True)
class Margin:
    """The sums of the initial margin over all legs, as `IRiskEngine.Margin`."""

    collateral: int
    required: int
    exposure: int
    debt: int
    max_leverage: int


def collateral_value(amount: int, price: int, decimals: int) -> int:
    """amount x price / 10^decimals [WAD], rounded down, at most MAX_VALUE."""
    value = min(mul_div_down(amount, price, 10**decimals), MAX_VALUE)
    if exact.CHECK_ROUNDING and value < MAX_VALUE:
        exact.at_most(value, Fraction(amount * price, 10**decimals), what="collateral")
    return value


def debt_value(amount: int, price: int, decimals: int) -> int:
    """amount x price / 10^decimals [WAD], rounded up, at most MAX_VALUE."""
    value = min(mul_div_up(amount, price, 10**decimals), MAX_VALUE)
    if exact.CHECK_ROUNDING and value < MAX_VALUE:
        exact.at_least(value, Fraction(amount * price, 10**decimals), what="debt")
    return value


def dynamic_borrow_ltv(rules: Rules, volatility: int) -> int:
    """max(floor, base - k x max(0, volatility - reference)) [BPS]; the loss is rounded down."""
    excess = max(0, volatility - rules.volatility_ref * WAD // BPS)
    lost = excess * rules.volatility_slope // WAD
    if lost == 0:
        return rules.borrow_ltv
    return max(rules.borrow_ltv_floor, rules.borrow_ltv - lost, 0)


def leverage_fits(exposure: int, debt: int, max_leverage: int) -> bool:
    """exposure / (exposure - debt) <= max_leverage [BPS], in exact arithmetic."""
    return exposure * BPS <= max_leverage * (exposure - debt)


def initial(
    legs: Sequence[Leg], rules: Mapping[Any, Rules], prices: Mapping[Any, Prices]
) -> str | None:
    """Why new risk is refused, None when it is not.

    sum collateral x P_low x borrow_ltv >= sum debt x P_high x debt_weight, and exposure / equity
    at most the smallest leverage cap, where the collateral counted is that of some first legs:
    counting may stop as soon as it suffices. A halted collateral counts nothing.
    """
    required = debt = 0
    cap = NO_CAP
    for leg in legs:
        if not leg.is_debt:
            continue
        rule, price = rules[leg.asset], prices[leg.asset]
        if price.level >= 3:
            return "asset is settled"
        if price.status == STALE:
            return "price is stale"
        value = debt_value(leg.amount, max(price.high, price.average), rule.decimals)
        debt += value
        required += value * rule.debt_weight
        cap = min(cap, rule.max_leverage)
    if debt == 0:
        return None
    collateral = exposure = 0
    for leg in legs:
        rule, price = rules[leg.asset], prices[leg.asset]
        if leg.is_debt or price.level >= 2:
            continue
        value = collateral_value(leg.amount, min(price.low, price.average), rule.decimals)
        exposure += value
        collateral += value * dynamic_borrow_ltv(rule, price.volatility)
        cap = min(cap, rule.max_leverage)
        if collateral >= required and leverage_fits(exposure, debt, cap):
            return None
    return "initial margin is not met" if collateral < required else "leverage is too high"


def margin(legs: Sequence[Leg], rules: Mapping[Any, Rules], prices: Mapping[Any, Prices]) -> Margin:
    """Every sum of `initial`, over all legs; collateral rounded down, what is required up."""
    collateral = required = exposure = debt = 0
    cap = NO_CAP
    for leg in legs:
        rule, price = rules[leg.asset], prices[leg.asset]
        cap = min(cap, rule.max_leverage)
        if leg.is_debt:
            at = price.last_low if price.status == STALE else max(price.high, price.average)
            value = debt_value(leg.amount, at, rule.decimals)
            debt += value
            required += value * rule.debt_weight
        elif price.level < 2:
            value = collateral_value(leg.amount, min(price.low, price.average), rule.decimals)
            exposure += value
            collateral += value * dynamic_borrow_ltv(rule, price.volatility)
    sums = Margin(collateral // BPS, -(-required // BPS), exposure, debt, cap * WAD // BPS)
    if exact.CHECK_ROUNDING:
        exact.at_most(sums.collateral, Fraction(collateral, BPS), what="margin")
        exact.at_least(sums.required, Fraction(required, BPS), what="required")
    return sums


def is_safer(
    before: Sequence[Leg],
    after: Sequence[Leg],
    rules: Mapping[Any, Rules],
    prices: Mapping[Any, Prices],
) -> bool:
    """Whether `after` owes no more of anything, and neither health nor collateral over debt is
    lower wherever between spot and average each price is. Never while something owed has no price,
    or one that ended.

    new debt / old debt is at most that with what stays at the higher price and what was repaid at
    the lower; sum p x (has x old debt - had x new debt) >= 0, each p where its term is least.
    Collateral that was added counts nothing; one at HALT, or with a borrow_ltv of 0, nothing where
    it counts low.
    """
    changes: dict[tuple[str, bool], list[int]] = {}
    for when, legs in enumerate((before, after)):
        for leg in legs:
            changes.setdefault((leg.asset, leg.is_debt), [0, 0])[when] += leg.amount
    for weighted in (False, True):
        old = new = 0
        for (asset, is_debt), (had, has) in changes.items():
            if not is_debt:
                continue
            rule, price = rules[asset], prices[asset]
            if has > had or (has != 0 and (price.status == STALE or price.level >= 3)):
                return False
            weight = rule.debt_weight if weighted else BPS
            kept = debt_value(has, max(price.high, price.average), rule.decimals)
            paid = collateral_value(had - has, min(price.low, price.average), rule.decimals)
            new += kept * weight // BPS
            old += (kept + paid) * weight // BPS
        balance = 0
        for (asset, is_debt), (had, has) in changes.items():
            if is_debt:
                continue
            rule, price = rules[asset], prices[asset]
            weight = rule.liquidation_ltv if weighted else BPS
            has = min(has, had)
            no_new_debt = price.level >= 2 or rule.borrow_ltv == 0
            at = 0 if no_new_debt else min(price.low, price.average)
            if has * old < had * new:
                at = max(price.high, price.average)
            balance += collateral_value(has, at, rule.decimals) * weight // BPS * old
            balance -= collateral_value(had, at, rule.decimals) * weight // BPS * new
        if balance < 0:
            return False
    return True


def health(legs: Sequence[Leg], rules: Mapping[Any, Rules], prices: Mapping[Any, Prices]) -> Health:
    """health_factor = sum collateral x P x liquidation_ltv / sum debt x P x debt_weight."""
    value_of = {True: 0, False: 0}
    weighted = {True: 0, False: 0}
    for leg in legs:
        rule, price = rules[leg.asset], prices[leg.asset]
        if leg.is_debt:
            value = debt_value(leg.amount, price.as_debt, rule.decimals)
            weighted[True] += value * rule.debt_weight
        else:
            value = collateral_value(leg.amount, price.as_collateral, rule.decimals)
            weighted[False] += value * rule.liquidation_ltv
        value_of[leg.is_debt] += value
    factor, ratio = NO_DEBT, None
    if weighted[True]:
        factor = weighted[False] * WAD // weighted[True]
        ratio = (weighted[False], weighted[True])
    if exact.CHECK_ROUNDING and weighted[True]:
        exact.at_most(factor, Fraction(weighted[False] * WAD, weighted[True]), what="health")
    return Health(
        health_factor=factor,
        collateral_value=value_of[False],
        debt_value=value_of[True],
        weighted_collateral=weighted[False] // BPS,
        weighted_debt=-(-weighted[True] // BPS),
        ratio=ratio,
    )


def liquidation_price(
    legs: Sequence[Leg], rules: Mapping[Any, Rules], prices: Mapping[Any, Prices], asset: Any
) -> int:
    """Price of a collateral at which health is 1, all else equal [WAD], rounded up; 0: none."""
    state = health(legs, rules, prices)
    rule = rules[asset]
    amount = sum(leg.amount for leg in legs if leg.asset == asset and not leg.is_debt)
    others = health([leg for leg in legs if leg.is_debt or leg.asset != asset], rules, prices)
    if amount == 0 or rule.liquidation_ltv == 0 or state.weighted_debt == 0:
        return 0
    missing = state.weighted_debt - others.weighted_collateral
    if missing <= 0:
        return 0
    return mul_div_up(missing, BPS * 10**rule.decimals, amount * rule.liquidation_ltv)


def ramp(start: int, target: int, elapsed: int, duration: int) -> int:
    """A parameter on its straight way from start to target, rounded towards the start."""
    if start == target or elapsed >= duration:
        return target
    way = abs(target - start) * elapsed // duration
    return start + way if target > start else start - way
