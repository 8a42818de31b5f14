"""Terms of a liquidation. Specification, Liquidation.

    beta = min( clamp(beta_min + slope x (1 - health), beta_min, beta_max),
                max(tip, C/D - 1), max(tip, health x w/L - 1) )
    r    = min( (H x sum wD - sum LC) / (H x w - (1 + beta) x L), d, c/(1 + beta) )

Where C <= (1 + tip) x D: beta = tip, each debt gets its part of every collateral, the rest of it is
written off.

ROUNDING: what the liquidator pays is rounded up, what he takes down; the incentive and health are
WAD rounded down. `Terms.exact_repay` is unrounded, so that a test can tell both the integer and
whom the rounding favours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from breakwater.model import exact as sides
from breakwater.model.chain import Refused as Refused
from breakwater.model.margin import (
    MAX_VALUE,
    Health,
    Leg,
    Prices,
    Rules,
    collateral_value,
    debt_value,
    health,
)
from breakwater.units import BPS, HOUR, WAD, mul_div_down, mul_div_up

FUND_SHARE = 1_000
"""[BPS] of the incentive above the tip, for the insurance fund."""

TARGET_CEILING = 1_250 * 10**15
"""[WAD] a higher target health closes whole debts."""

DUST_VALUE = WAD
"""[WAD] collateral worth less goes to the liquidator for nothing."""

BPS_WAD = WAD // BPS

HOLD_SHARE = 10
"""A leg worth this part of all debts is one that a liquidation rests on."""

GRACE_TIME = HOUR
"""[s] after a hold, and after an outage of the sequencer."""

GRACE_HEALTH = 95 * WAD // 100
"""Below it grace protects nobody."""


@dataclass(frozen=True)
class Schedule:
    """Of each part the largest among the account's collaterals [WAD]."""

    tip: int
    incentive_min: int
    incentive_max: int
    slope: int
    target: int | None
    """None: whole debts are closed"""


@dataclass(frozen=True)
class Terms:
    """What one call may do; amounts in token units."""

    repay: int
    fund_fee: int
    write_off: int
    seize: dict[Any, int]
    health_factor: int
    incentive: int
    under_water: bool
    exact: tuple[int, int] = (0, 1)
    """[units] what the formula asks for, before it is rounded, as a ratio"""

    @property
    def exact_repay(self) -> Fraction:
        """[units] what the formula asks for, before it is rounded."""
        return Fraction(*self.exact)


def schedule(
    legs: Sequence[Leg], rules: Mapping[Any, Rules], prices: Mapping[Any, Prices]
) -> Schedule:
    """One schedule for all pairs of an account. H = H_0 + k x max(0, volatility - reference)."""
    held = [leg.asset for leg in legs if not leg.is_debt]
    targets: list[int | None] = []
    for asset in held:
        rule = rules[asset]
        excess = max(0, prices[asset].volatility - rule.volatility_ref * BPS_WAD)
        target = rule.target_health * BPS_WAD + excess * rule.target_slope // BPS
        targets.append(None if rule.closes_whole or target > TARGET_CEILING else target)
    return Schedule(
        tip=max((rules[a].tip for a in held), default=0) * BPS_WAD,
        incentive_min=max((rules[a].incentive_min for a in held), default=0) * BPS_WAD,
        incentive_max=max((rules[a].incentive_max for a in held), default=0) * BPS_WAD,
        slope=max((rules[a].incentive_slope for a in held), default=0) * BPS_WAD,
        target=None if None in targets else max((t for t in targets if t is not None), default=0),
    )


def shortfall(
    legs: Sequence[Leg], rules: Mapping[Any, Rules], prices: Mapping[Any, Prices], asset: Any
) -> int:
    """Units of a held collateral that lift an account below maintenance to the health that a
    liquidation restores, TARGET_CEILING where that closes whole debts: rounded down.

    (H x sum wD - sum LC) / (P x L), everything at liquidation prices. 0 for an account that is
    healthy, and for what is not held, has no valid price or lifts nothing.
    """
    state = health(legs, rules, prices)
    if state.health_factor >= WAD or _amount(legs, asset, False) is None:
        return 0
    rule, price = rules[asset], prices[asset]
    weight = price.as_collateral * rule.liquidation_ltv
    if weight == 0 or not price.is_priced:
        return 0
    target = schedule(legs, rules, prices).target or TARGET_CEILING
    missing = min(target * state.weighted_debt // WAD - state.weighted_collateral, MAX_VALUE)
    units = mul_div_down(missing, BPS * 10**rule.decimals, weight)
    if sides.CHECK_ROUNDING:
        sides.at_most(units, Fraction(missing * BPS * 10**rule.decimals, weight), what="shortfall")
    return units


def is_under_water(state: Health, tip: int) -> bool:
    """Whether C <= (1 + tip) x D, on raw values."""
    return state.collateral_value * WAD <= state.debt_value * (WAD + tip)


def incentive(state: Health, plan: Schedule, weight: int, ltv: int) -> int:
    """beta of one pair [WAD], rounded down: the schedule, cut by the surplus and by break-even."""
    result = min(
        plan.incentive_min + plan.slope * (WAD - state.health_factor) // WAD, plan.incentive_max
    )
    result = min(result, max(plan.tip, state.collateral_value * WAD // state.debt_value - WAD))
    if ltv:
        result = min(result, max(plan.tip, state.health_factor * weight // ltv - WAD))
    return result


OUTAGE_GRACE = "grace after an outage"


def hold_of(
    legs: Sequence[Leg],
    rules: Mapping[Any, Rules],
    prices: Mapping[Any, Prices],
    state: Health,
    now: int,
) -> str | None:
    """Why a hold of one of its assets, or the grace after one, keeps an account from liquidation:
    a leg of that asset is worth a tenth of all debts. None where nothing does.
    """
    for leg in legs:
        price, decimals = prices[leg.asset], rules[leg.asset].decimals
        if price.held_until == 0 or now >= price.held_until + GRACE_TIME:
            continue
        at = price.as_debt if leg.is_debt else price.as_collateral
        if collateral_value(leg.amount, at, decimals) * HOLD_SHARE < state.debt_value:
            continue
        if now < price.held_until:
            return "liquidation is held"
        if state.health_factor >= GRACE_HEALTH:
            return "grace after a hold"
    return None


def has_admissible(
    legs: Sequence[Leg],
    rules: Mapping[Any, Rules],
    prices: Mapping[Any, Prices],
    state: Health,
    tip: int,
) -> bool:
    """Whether at the tip some pair of priced legs, its collateral worth more than dust, lowers no
    health; without such a collateral an ltv of 1 is taken. While there is one a pair that lowers
    health is refused, whatever else has no price.
    """
    priced = [leg for leg in legs if prices[leg.asset].is_priced]
    ltvs = [
        rules[leg.asset].liquidation_ltv
        for leg in priced
        if not leg.is_debt
        and collateral_value(leg.amount, prices[leg.asset].price, rules[leg.asset].decimals)
        > DUST_VALUE
    ]
    weights = [rules[leg.asset].debt_weight for leg in priced if leg.is_debt]
    return (WAD + tip) * min(ltvs, default=BPS) <= state.health_factor * max(weights, default=0)


def terms(
    legs: Sequence[Leg],
    rules: Mapping[Any, Rules],
    prices: Mapping[Any, Prices],
    debt: Any,
    collateral: Any,
    max_repay: int,
    min_debt: int,
    patient: Callable[[], Mapping[Any, Prices]] | None = None,
    now: int = 0,
    outage: str | None = None,
) -> Terms:
    """What a liquidator may take who repays at most `max_repay` units of `debt`.

    Raises Refused with the reason. `prices` are those of the case at hand, and `patient` gives the
    prices at which an account is under water: see `average.liquidation_prices`. `outage`: what the
    sequencer refuses with, see `Sequencer`.
    """
    state = health(legs, rules, prices)
    if state.health_factor >= WAD:
        raise Refused("account is healthy")
    if outage is not None and (outage != OUTAGE_GRACE or state.health_factor >= GRACE_HEALTH):
        raise Refused(outage)
    if (why := hold_of(legs, rules, prices, state, now)) is not None:
        raise Refused(why)
    plan = schedule(legs, rules, prices)
    under_water = is_under_water(state, plan.tip)
    if under_water and patient is not None:
        prices = patient()
        state = health(legs, rules, prices)
        if state.health_factor >= WAD:
            raise Refused("price jump is too recent")
        under_water = is_under_water(state, plan.tip)
    owed = _amount(legs, debt, True)
    held = _amount(legs, collateral, False)
    if owed is None:
        raise Refused("account has no such debt")
    if not prices[debt].is_priced:
        raise Refused("debt has no valid price")
    if under_water:
        return _under_water(legs, rules, prices, state, plan, debt, owed, max_repay, min_debt)
    if held is None:
        raise Refused("account has no such collateral")
    if not prices[collateral].is_priced:
        raise Refused("collateral has no valid price")
    weight, ltv = rules[debt].debt_weight, rules[collateral].liquidation_ltv
    beta = incentive(state, plan, weight, ltv)
    if (WAD + beta) * ltv > state.health_factor * weight:
        all_priced = all(prices[leg.asset].is_priced for leg in legs)
        if all_priced or has_admissible(legs, rules, prices, state, plan.tip):
            raise Refused("pair would lower health")

    price, unit = prices[debt].as_debt, 10 ** rules[debt].decimals
    seized_price, seized_unit = prices[collateral].as_collateral, 10 ** rules[collateral].decimals
    worth = collateral_value(held, seized_price, rules[collateral].decimals)
    repay, exact = owed, (owed, 1)
    if plan.target is not None:
        lacking = plan.target * state.weighted_debt // WAD - state.weighted_collateral
        slope = plan.target * weight - (WAD + beta) * ltv
        value = min(mul_div_up(lacking, WAD, slope // BPS), MAX_VALUE)
        repay = min(owed, mul_div_up(value, unit, price))
        if value < MAX_VALUE and lacking * BPS * WAD * unit < owed * slope * price:
            exact = (lacking * BPS * WAD * unit, slope * price)
    if owed - repay < min_debt:
        repay, exact = owed, (owed, 1)
    affordable = mul_div_up(mul_div_up(worth, WAD, WAD + beta), unit, price)
    takes_all = affordable <= repay
    if takes_all:
        repay, exact = affordable, (worth * WAD * unit, (WAD + beta) * price)
    if max_repay < repay:
        takes_all = False
        repay = max_repay
        if owed - repay < min_debt:
            if owed <= min_debt:
                raise Refused("repay leaves debt below min")
            repay = owed - min_debt
        exact = (repay, 1)
    if repay == 0:
        raise Refused("nothing to repay")
    taken = held
    if not takes_all:
        value = min(mul_div_down(repay, price, unit), MAX_VALUE) * (WAD + beta) // WAD
        taken = min(held, mul_div_down(value, seized_unit, seized_price))
    fee = repay * (beta - plan.tip) // WAD * FUND_SHARE // BPS
    if sides.CHECK_ROUNDING:
        # what a whole leg is worth below one unit of value is not paid for
        bought = Fraction(repay * price * (WAD + beta), unit * WAD) + takes_all
        if not takes_all or worth < MAX_VALUE:
            sides.below(Fraction(taken * seized_price, seized_unit), bought, "seized")
        sides.below(Fraction(*exact), repay, "what the formula asks for")
        cut = Fraction(repay * (beta - plan.tip) * FUND_SHARE, WAD * BPS)
        sides.at_most(fee, cut, steps=2, what="fee")
    return Terms(
        repay=repay,
        fund_fee=fee,
        write_off=0,
        seize={collateral: taken},
        health_factor=state.health_factor,
        incentive=beta,
        under_water=False,
        exact=exact,
    )


def _amount(legs: Sequence[Leg], asset: Any, is_debt: bool) -> int | None:
    """Of a leg; None where there is none."""
    for leg in legs:
        if leg.asset == asset and leg.is_debt == is_debt:
            return leg.amount
    return None


def _under_water(
    legs: Sequence[Leg],
    rules: Mapping[Any, Rules],
    prices: Mapping[Any, Prices],
    state: Health,
    plan: Schedule,
    debt: Any,
    owed: int,
    max_repay: int,
    min_debt: int,
) -> Terms:
    """Each debt gets part = its value / D of every priced collateral, for value / (1 + tip).

    The rest of it is written off. Where collateral worth more than dust at its last price has none
    now, as much of the debt stays as all of that is worth, rounded up.
    """
    held = [leg for leg in legs if not leg.is_debt]
    priced = [leg for leg in held if prices[leg.asset].is_priced]
    price, unit = prices[debt].as_debt, 10 ** rules[debt].decimals
    part = debt_value(owed, price, rules[debt].decimals)
    worth = sum(
        collateral_value(leg.amount, prices[leg.asset].as_collateral, rules[leg.asset].decimals)
        for leg in priced
    )
    waiting = sum(
        collateral_value(leg.amount, prices[leg.asset].last_high, rules[leg.asset].decimals)
        for leg in held
        if not prices[leg.asset].is_priced
    )
    stays = 0
    if waiting >= DUST_VALUE:
        stays = min(owed, mul_div_up(waiting, unit, price))
    repay, exact = 0, (0, 1)
    if state.collateral_value >= DUST_VALUE:
        exact = (worth * WAD * part * unit, (WAD + plan.tip) * state.debt_value * price)
        value = -(-worth * WAD // (WAD + plan.tip))
        value = -(-value * part // state.debt_value)
        repay = min(owed, -(-value * unit // price))
        if sides.CHECK_ROUNDING and repay < owed:
            sides.below(Fraction(*exact), repay, "payment of a loss")
    share = WAD
    if max_repay < repay:
        share = max_repay * WAD // repay
        repay = max_repay
        exact = (repay, 1)
        if share == 0:
            raise Refused("nothing to repay")
    write_off = max((owed - stays) * share // WAD - repay, 0)
    if share != WAD and stays == 0 and owed - repay - write_off < min_debt:
        raise Refused("repay leaves debt below min")
    if worth == 0 and write_off == 0:
        raise Refused("collateral has no valid price")
    whole = share == WAD and part == state.debt_value
    seize = {
        leg.asset: leg.amount
        if whole
        else leg.amount * part // state.debt_value * share // WAD
        for leg in priced
    }  # fmt: skip
    if sides.CHECK_ROUNDING:
        for leg in priced:
            fair = Fraction(leg.amount * part * share, state.debt_value * WAD)
            sides.at_most(seize[leg.asset], fair, steps=2, what="seized of a loss")
    return Terms(
        repay=repay,
        fund_fee=0,
        write_off=write_off,
        seize=seize,
        health_factor=state.health_factor,
        incentive=plan.tip,
        under_water=True,
        exact=exact,
    )
