# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Maintenance
@license MIT
@notice Health of a position at liquidation prices, and the terms on which it is liquidated.
@dev    Part of the `RiskEngine`; formulae in docs/specification.md, Liquidation. Holds what is
        kept of an asset for maintenance alone.
        ROUNDING: collateral values down, debt values up; what a liquidator pays up, what he takes
        down.
"""

from contracts.interfaces import IRiskEngine
from contracts.modules import asset_config
from contracts.modules import legs
from contracts.modules import price_oracle
from contracts.modules import sequencer

uses: price_oracle
uses: sequencer

WAD: constant(uint256) = 10**18
BPS: constant(uint256) = 10_000
BPS_WAD: constant(uint256) = 10**14  # one basis point
FUND_SHARE: constant(uint256) = 1_000  # [BPS] of the incentive above the tip, for the fund
TARGET_CEILING: constant(uint256) = 1_250 * 10**15  # [WAD] a higher target closes whole debts
JUMP_PATIENCE: constant(uint256) = 600  # [s] before an account is found under water by a jump
DUST_VALUE: constant(uint256) = WAD  # collateral worth less goes to the liquidator for free

MAX_HOLD: constant(uint256) = 4 * 3_600  # [s] a person holds liquidations that rest on an asset
HOLD_INTERVAL: constant(uint256) = 7 * 86_400  # [s] from the start of a hold to that of the next
HOLD_SHARE: constant(uint256) = 10  # a leg worth this part of all debts is rested on
GRACE_TIME: constant(uint256) = 3_600  # [s] after a hold
GRACE_HEALTH: constant(uint256) = 95 * 10**16  # [WAD] below it grace protects nobody
MASK_32: constant(uint256) = 2**32 - 1


# A position valued for maintenance, with what a liquidation of one pair needs.
struct Valuation:
    health: IRiskEngine.Health
    priced_value: uint256  # [WAD] of the collateral that has a valid price
    unpriced: uint256  # bit i: leg i has no valid price
    latched: uint256  # bit i: the asset of leg i may be held
    debt_leg: uint256  # index of the pair's debt; MAX_LEGS: not held
    debt_rule: uint256
    debt_amount: uint256  # [debt assets]
    debt_price: uint256  # [WAD]
    debt_value: uint256  # [WAD]
    collateral_leg: uint256  # index of the pair's collateral; MAX_LEGS: not held
    collateral_rule: uint256
    collateral_amount: uint256  # [token units]
    collateral_ltv: uint256  # [BPS] liquidation_ltv
    collateral_price: uint256  # [WAD]
    collateral_value: uint256  # [WAD]
    # the strictest of the collaterals' schedules, part by part
    tip: uint256  # [WAD]
    incentive_min: uint256  # [WAD]
    incentive_max: uint256  # [WAD]
    slope: uint256  # [WAD]
    target: uint256  # [WAD] max_value: close whole debts


# Terms of an asset, read only for maintenance, one word by id:
#   bits   0-13   liquidation_ltv at the start of the ramp [bps]
#   bits  14-27   liquidation_ltv at its end [bps]
#   bits  28-67   start of the ramp [unix seconds]
#   bits  68-91   its duration [s]
#   bits  92-105  tip [bps]
#   bits 106-119  incentive_min [bps]
#   bits 120-133  incentive_max [bps]
#   bits 134-149  incentive_slope [bps]
#   bits 150-163  target_health [bps]
#   bits 164-183  target_slope [bps]
#   bit  184      closes whole debts
#   bits 185-216  start of the last hold of liquidations [unix seconds]
#   bits 217-248  its end
#   bit  249      is new: nobody may add above its cap
terms: uint256[128]
HOLD_BITS: constant(uint256) = (2**64 - 1) << asset_config.HOLD_AT


@view
@internal
def _liquidation_terms(
    position: uint256[4],
    debt_tag: uint256,
    collateral_tag: uint256,
    max_repay: uint256,
    min_debt: uint256,
) -> IRiskEngine.Terms:
    valuation: Valuation = self._valuation(position, 0, debt_tag, collateral_tag)
    if valuation.health.health_factor >= WAD:
        legs._fail("account is healthy")
    if sequencer.FEED != empty(address):
        sequencer._check(valuation.health.health_factor >= GRACE_HEALTH)
    if valuation.latched != 0:
        self._check_hold(
            position,
            valuation.latched,
            valuation.health.debt_value,
            valuation.health.health_factor,
        )
    under_water: bool = self._is_under_water(valuation.health, valuation.tip)
    if under_water:
        # a loss that rests on a jump waits for it to last
        valuation = self._valuation(position, JUMP_PATIENCE, debt_tag, collateral_tag)
        if valuation.health.health_factor >= WAD:
            legs._fail("price jump is too recent")
        under_water = self._is_under_water(valuation.health, valuation.tip)
    if valuation.debt_leg == legs.MAX_LEGS:
        legs._fail("account has no such debt")
    if valuation.unpriced >> valuation.debt_leg & 1 == 1:
        legs._fail("debt has no valid price")
    if under_water:
        return self._terms_under_water(position, valuation, max_repay, min_debt)
    if valuation.collateral_leg == legs.MAX_LEGS:
        legs._fail("account has no such collateral")
    if valuation.unpriced >> valuation.collateral_leg & 1 == 1:
        legs._fail("collateral has no valid price")
    return self._terms_standard(position, valuation, max_repay, min_debt)


@view
@internal
def _check_hold(
    position: uint256[4], latched: uint256, debt_value: uint256, health_factor: uint256
):
    """
    @dev Who rests on an asset that is held is not liquidated: with a leg of it worth a tenth of all
         debts, so that no dust shields. For an hour after only who is below GRACE_HEALTH is.
    """
    for i: uint256 in range(8):
        if latched >> i & 1 == 0:
            continue
        tag: uint256 = legs._tag(position, i)
        if not self._is_held(tag & 127):
            continue
        rule: uint256 = price_oracle.rules[tag & 127]
        price: uint256 = 0
        as_debt: uint256 = 0
        volatility: uint256 = 0
        priced: bool = False
        price, as_debt, volatility, priced = price_oracle._liquidation_prices(tag & 127, rule, 0)
        if tag >= legs.DEBT:
            price = as_debt
        value: uint256 = asset_config._value_down(legs._amount(position, i), price, rule)
        if value * HOLD_SHARE < debt_value:
            continue
        if block.timestamp < self._hold_end(tag & 127):
            legs._fail("liquidation is held")
        if health_factor >= GRACE_HEALTH:
            legs._fail("grace after a hold")


@view
@internal
def _is_held(id: uint256) -> bool:
    """
    @dev Or in the grace after a hold.
    """
    return block.timestamp < self._hold_end(id) + GRACE_TIME


@view
@internal
def _hold_end(id: uint256) -> uint256:
    """
    @dev Of the last hold [unix seconds]; 0: there was none.
    """
    return self.terms[id] >> asset_config.HOLD_END_AT & MASK_32


@internal
def _hold(id: uint256, duration: uint256) -> uint256:
    """
    @dev Begins a hold, or with a duration of zero ends the one that runs; its end.
    """
    term: uint256 = self.terms[id]
    start: uint256 = term >> asset_config.HOLD_AT & MASK_32
    end: uint256 = min(term >> asset_config.HOLD_END_AT & MASK_32, block.timestamp)
    if duration != 0:
        if block.timestamp < start + HOLD_INTERVAL:
            legs._fail("hold was less than 7 days ago")
        start = block.timestamp
        end = block.timestamp + min(duration, MAX_HOLD)
    self.terms[id] = (
        term & ~HOLD_BITS | start << asset_config.HOLD_AT | end << asset_config.HOLD_END_AT
    )
    return end


@view
@internal
def _valuation(
    position: uint256[4], patience: uint256, debt_tag: uint256, collateral_tag: uint256
) -> Valuation:
    """
    @dev Values every leg at liquidation prices and gathers the liquidation schedule: of each of
         its parts the largest among the collaterals, so that an account has one schedule. Sums
         are unsafe: values are below 2**120, weights below 2**16.
    """
    result: Valuation = empty(Valuation)
    result.debt_leg = legs.MAX_LEGS
    result.collateral_leg = legs.MAX_LEGS
    collateral: uint256 = 0  # [WAD * BPS]
    debt: uint256 = 0  # [WAD * BPS]
    tip: uint256 = 0  # [BPS], as the three below
    incentive_min: uint256 = 0
    incentive_max: uint256 = 0
    slope: uint256 = 0
    as_collateral: uint256 = 0
    as_debt: uint256 = 0
    volatility: uint256 = 0
    priced: bool = False
    for i: uint256 in range(8):
        word: uint256 = position[i >> 1]
        tag: uint256 = word >> unsafe_add(208, unsafe_mul(8, i & 1)) & 255
        if tag == 0:
            break
        amount: uint256 = word >> unsafe_mul(legs.AMOUNT_BITS, i & 1) & legs.MAX_AMOUNT
        rule: uint256 = price_oracle.rules[tag & 127]
        as_collateral, as_debt, volatility, priced = price_oracle._liquidation_prices(
            tag & 127, rule, patience
        )
        if not priced:
            result.unpriced |= 1 << i
        if rule & price_oracle.LATCHED != 0:
            result.latched |= 1 << i
        if tag >= legs.DEBT:
            value: uint256 = asset_config._value_up(amount, as_debt, rule)
            result.health.debt_value = unsafe_add(result.health.debt_value, value)
            debt = unsafe_add(debt, unsafe_mul(value, asset_config._debt_weight(rule)))
            if tag == debt_tag:
                result.debt_leg = i
                result.debt_rule = rule
                result.debt_amount = amount
                result.debt_price = as_debt
                result.debt_value = value
        else:
            value: uint256 = asset_config._value_down(amount, as_collateral, rule)
            result.health.collateral_value = unsafe_add(result.health.collateral_value, value)
            if priced:
                result.priced_value = unsafe_add(result.priced_value, value)
            term: uint256 = self.terms[tag]
            ltv: uint256 = asset_config._liquidation_ltv(term)
            if tag == collateral_tag:
                result.collateral_leg = i
                result.collateral_rule = rule
                result.collateral_amount = amount
                result.collateral_ltv = ltv
                result.collateral_price = as_collateral
                result.collateral_value = value
            collateral = unsafe_add(collateral, unsafe_mul(value, ltv))
            tip = max(tip, term >> asset_config.TIP_AT & asset_config.MASK_14)
            incentive_min = max(
                incentive_min, term >> asset_config.INCENTIVE_MIN_AT & asset_config.MASK_14
            )
            incentive_max = max(
                incentive_max, term >> asset_config.INCENTIVE_MAX_AT & asset_config.MASK_14
            )
            slope = max(slope, term >> asset_config.INCENTIVE_SLOPE_AT & 65_535)
            if debt_tag != 0:
                result.target = max(result.target, self._target(rule, term, volatility))
    result.health.weighted_collateral = collateral // BPS
    result.health.weighted_debt = unsafe_add(debt, BPS - 1) // BPS
    result.health.health_factor = max_value(uint256)
    if debt != 0:
        result.health.health_factor = unsafe_div(unsafe_mul(collateral, WAD), debt)
    result.tip = unsafe_mul(tip, BPS_WAD)
    result.incentive_min = unsafe_mul(incentive_min, BPS_WAD)
    result.incentive_max = unsafe_mul(incentive_max, BPS_WAD)
    result.slope = unsafe_mul(slope, BPS_WAD)
    return result


@view
@internal
def _shortfall(position: uint256[4], tag: uint256) -> uint256:
    """
    @dev Units of collateral `tag` that lift a position below maintenance to the health that a
         liquidation restores, TARGET_CEILING where that closes whole debts; rounded down. 0 for
         any other position, and of what it does not hold, has no valid price or lifts nothing.
         `_valuation` computes the target for any tag of a debt, which need not be held.
         Bounds: prices < 2**96, ltvs and BPS < 2**14, MAX_VALUE 2**120, units < 2**80.
    """
    valuation: Valuation = self._valuation(position, 0, legs.DEBT, tag)
    leg: uint256 = valuation.collateral_leg
    if valuation.health.health_factor >= WAD or leg == legs.MAX_LEGS:
        return 0
    weight: uint256 = unsafe_mul(valuation.collateral_price, valuation.collateral_ltv)
    if (
        weight == 0
        or (valuation.unpriced >> leg | self.terms[tag] >> asset_config.IS_NEW_AT) & 1 == 1
    ):
        return 0
    missing: uint256 = self._lacking(valuation.health, min(valuation.target, TARGET_CEILING))
    unit: uint256 = asset_config._unit(valuation.collateral_rule)
    return unsafe_mul(unsafe_mul(min(missing, asset_config.MAX_VALUE), BPS), unit) // weight


@pure
@internal
def _lacking(health: IRiskEngine.Health, target: uint256) -> uint256:
    """
    @dev [WAD] H * sum wD - sum LC of a position below maintenance, for a target H above 1: below
         2**61 * 2**126, and not negative.
    """
    wanted: uint256 = unsafe_div(unsafe_mul(target, health.weighted_debt), WAD)
    return unsafe_sub(wanted, health.weighted_collateral)


@pure
@internal
def _target(rule: uint256, term: uint256, volatility: uint256) -> uint256:
    """
    @dev Health factor that a liquidation restores [WAD]; max_value closes whole debts.
         Volatility is below 2**63, the slope below 2**20.
    """
    reference: uint256 = unsafe_mul(rule >> asset_config.VOLATILITY_REF_AT & 255, 10 * BPS_WAD)
    target: uint256 = unsafe_mul(
        term >> asset_config.TARGET_HEALTH_AT & asset_config.MASK_14, BPS_WAD
    )
    if volatility > reference:
        target = unsafe_add(
            target,
            unsafe_div(
                unsafe_mul(
                    unsafe_sub(volatility, reference),
                    term >> asset_config.TARGET_SLOPE_AT & (2**20 - 1),
                ),
                BPS,
            ),
        )
    if target > TARGET_CEILING or term >> asset_config.CLOSES_WHOLE_AT & 1 == 1:
        return max_value(uint256)
    return target


@pure
@internal
def _is_under_water(health: IRiskEngine.Health, tip: uint256) -> bool:
    # values < 2**123, tip < 2**61
    return unsafe_mul(health.collateral_value, WAD) <= unsafe_mul(
        health.debt_value, unsafe_add(WAD, tip)
    )


@view
@internal
def _terms_standard(
    position: uint256[4],
    valuation: Valuation,
    max_repay: uint256,
    min_debt: uint256,
) -> IRiskEngine.Terms:
    """
    @dev A slice of one pair that lifts the account to its target health, and never lowers it.
         Bounds: health < 2**60, target and factor < 2**61, values < 2**123, those of one leg and
         what repays them <= 2**120, prices < 2**94, units < 2**80, amounts < 2**104.
    """
    health: uint256 = valuation.health.health_factor
    leg: uint256 = valuation.collateral_leg
    weight: uint256 = asset_config._debt_weight(valuation.debt_rule)  # [BPS]
    ltv: uint256 = valuation.collateral_ltv  # [BPS]

    # The incentive rises with violation; it takes neither the account below its debt nor its
    # health down.
    tip: uint256 = valuation.tip
    incentive: uint256 = min(
        unsafe_add(
            valuation.incentive_min,
            unsafe_div(unsafe_mul(valuation.slope, unsafe_sub(WAD, health)), WAD),
        ),
        valuation.incentive_max,
    )
    # above water: C / D > 1
    surplus: uint256 = unsafe_sub(
        unsafe_mul(valuation.health.collateral_value, WAD) // valuation.health.debt_value, WAD
    )
    incentive = min(incentive, max(tip, surplus))
    if ltv != 0:
        break_even: uint256 = unsafe_div(unsafe_mul(health, weight), ltv)
        incentive = min(incentive, max(tip, unsafe_sub(max(break_even, WAD), WAD)))
        if unsafe_mul(unsafe_add(WAD, incentive), ltv) > unsafe_mul(health, weight):
            # the pair that would not may have no price: then any priced one must do
            if valuation.unpriced == 0 or self._has_admissible(
                position, valuation.unpriced, tip, health
            ):
                legs._fail("pair would lower health")
    factor: uint256 = unsafe_add(WAD, incentive)

    owed: uint256 = valuation.debt_amount
    debt_price: uint256 = valuation.debt_price
    debt_unit: uint256 = asset_config._unit(valuation.debt_rule)
    repay: uint256 = owed
    if valuation.target != max_value(uint256):
        # (H * sum wD - sum LC) / (H * w - (1 + incentive) * L), rounded up; H > 1 > health
        lifted: uint256 = unsafe_mul(valuation.target, weight)
        lowered: uint256 = unsafe_mul(factor, ltv)
        # a pair that is let pass for want of a price may not lift health at all: no slice then
        if lifted > unsafe_add(lowered, BPS):
            lacking: uint256 = self._lacking(valuation.health, valuation.target)
            wanted: uint256 = self._ceil_div(
                unsafe_mul(lacking, WAD), unsafe_div(unsafe_sub(lifted, lowered), BPS)
            )
            wanted = unsafe_mul(min(wanted, asset_config.MAX_VALUE), debt_unit)
            repay = min(owed, self._ceil_div(wanted, debt_price))
    affordable: uint256 = self._ceil_div(unsafe_mul(valuation.collateral_value, WAD), factor)
    affordable = self._ceil_div(unsafe_mul(affordable, debt_unit), debt_price)
    if unsafe_sub(owed, repay) < min_debt:
        repay = owed
    takes_all: bool = affordable <= repay
    repay = min(repay, affordable)
    if max_repay < repay:
        takes_all = False
        repay = max_repay
        if unsafe_sub(owed, repay) < min_debt:
            if owed <= min_debt:
                legs._fail("repay leaves debt below min")
            repay = unsafe_sub(owed, min_debt)
    if repay == 0:
        legs._fail("nothing to repay")

    seized: uint256 = valuation.collateral_amount
    if not takes_all:
        taken: uint256 = min(
            unsafe_div(unsafe_mul(repay, debt_price), debt_unit), asset_config.MAX_VALUE
        )
        taken = unsafe_div(unsafe_mul(taken, factor), WAD)
        unit: uint256 = asset_config._unit(valuation.collateral_rule)
        seized = min(seized, unsafe_mul(taken, unit) // valuation.collateral_price)

    terms: IRiskEngine.Terms = empty(IRiskEngine.Terms)
    terms.repay = repay
    terms.fund_fee = unsafe_div(
        unsafe_mul(unsafe_div(unsafe_mul(repay, incentive - tip), WAD), FUND_SHARE), BPS
    )
    terms.seize[leg >> 1] = seized << unsafe_mul(legs.AMOUNT_BITS, leg & 1)
    terms.health_factor = health
    terms.incentive = incentive
    return terms


@view
@internal
def _has_admissible(position: uint256[4], unpriced: uint256, tip: uint256, health: uint256) -> bool:
    """
    @dev Whether, at the tip, some pair with prices lowers no health: the lowest ltv among the
         collaterals worth more than dust, against the highest weight among the debts.
    """
    ltv: uint256 = BPS
    weight: uint256 = 0
    for i: uint256 in range(8):
        tag: uint256 = legs._tag(position, i)
        if tag == 0 or unpriced >> i & 1 == 1:
            continue
        rule: uint256 = price_oracle.rules[tag & 127]
        if tag >= legs.DEBT:
            weight = max(weight, asset_config._debt_weight(rule))
            continue
        price: uint256 = price_oracle._read(tag, rule)[1]
        if asset_config._value_down(legs._amount(position, i), price, rule) > DUST_VALUE:
            ltv = min(ltv, asset_config._liquidation_ltv(self.terms[tag]))
    return (WAD + tip) * ltv <= health * weight


@view
@internal
def _terms_under_water(
    position: uint256[4], valuation: Valuation, max_repay: uint256, min_debt: uint256
) -> IRiskEngine.Terms:
    """
    @dev Of an account that cannot pay debt and tip, each debt gets its proportional part of every
         collateral, whoever is repaid first, and the rest of that debt is written off at once.
         Collateral without a valid price is not seized, and while there is any worth more than
         dust, as much of each debt stays as all of it is worth at its last price. Not only the
         debt's part of that: a second call would find a smaller part.
    """
    waiting: uint256 = 0  # [WAD] not fading: else silence would forgive debts
    for i: uint256 in range(8):
        tag: uint256 = legs._tag(position, i)
        if valuation.unpriced >> i & 1 == 1 and tag < legs.DEBT:
            waiting += asset_config._value_down(
                legs._amount(position, i), price_oracle._last(tag)[1], price_oracle.rules[tag]
            )
    owed: uint256 = valuation.debt_amount
    debt_value: uint256 = valuation.health.debt_value
    part: uint256 = valuation.debt_value
    unit: uint256 = asset_config._unit(valuation.debt_rule)
    repay: uint256 = 0
    if valuation.health.collateral_value >= DUST_VALUE:
        repay = self._ceil_div(valuation.priced_value * WAD, WAD + valuation.tip)
        repay = self._ceil_div(repay * part, debt_value)
        repay = min(owed, self._ceil_div(repay * unit, valuation.debt_price))
    stays: uint256 = 0
    if waiting >= DUST_VALUE:
        stays = min(owed, self._ceil_div(waiting * unit, valuation.debt_price))

    fraction: uint256 = WAD
    if max_repay < repay:
        fraction = max_repay * WAD // repay
        repay = max_repay
        if fraction == 0:
            legs._fail("nothing to repay")
    terms: IRiskEngine.Terms = empty(IRiskEngine.Terms)
    terms.repay = repay
    terms.write_off = max((owed - stays) * fraction // WAD, repay) - repay
    if fraction != WAD and stays == 0 and owed - repay - terms.write_off < min_debt:
        legs._fail("repay leaves debt below min")
    if valuation.priced_value == 0 and terms.write_off == 0:
        legs._fail("collateral has no valid price")
    terms.health_factor = valuation.health.health_factor
    terms.incentive = valuation.tip
    terms.under_water = True
    for i: uint256 in range(8):
        tag: uint256 = legs._tag(position, i)
        if tag == 0:
            break
        if tag < legs.DEBT and valuation.unpriced >> i & 1 == 0:
            taken: uint256 = legs._amount(position, i)
            if fraction != WAD or part != debt_value:
                taken = taken * part // debt_value * fraction // WAD
            terms.seize[i >> 1] |= taken << (legs.AMOUNT_BITS * (i & 1))
    return terms


@pure
@internal
def _ceil_div(a: uint256, b: uint256) -> uint256:
    """
    @dev The callers keep a + b below 2**256.
    """
    return unsafe_add(a, unsafe_sub(b, 1)) // b
