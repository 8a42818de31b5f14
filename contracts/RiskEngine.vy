# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Risk engine
@license MIT
@notice Margin rules and liquidation terms over positions that are handed in. Holds no money and
        no account; owns the rules of every asset and, as a module, the price oracle.
@dev    INITIAL MARGIN (new risk)
          sum of collateral * P_low * borrow_ltv >= sum of debt * P_high * debt_weight
          P_low = min(spot, average), P_high = max(spot, average);
          borrow_ltv falls with volatility, never below its floor.
          exposure / equity <= the smallest leverage cap among the assets counted.
        MAINTENANCE
          health factor = sum of collateral * P * liquidation_ltv / sum of debt * P * debt_weight
          P: see `price_oracle._liquidation_prices`.
        ROUNDING
          Collateral values are rounded down, debt values up; what a liquidator pays is rounded
          up, what he takes down.
        SATURATION
          The value of a leg is clipped to MAX_VALUE, so that no sum or product overflows: with
          amounts below 2**104 and prices below 2**94 the largest product, of two sums of values,
          stays below 2**124 * 2**124 < 2**256.
        ROLES
          configurator: writes rules and terms of assets within the bounds of `Configurator`.
          breaker: pokes prices, latches levels.
          owner: names the two.
"""

from contracts.interfaces import IRiskEngine
from contracts.modules import asset_config
from contracts.modules import latch
from contracts.modules import legs
from contracts.modules import price_oracle
from snekmate.auth import ownable

implements: IRiskEngine

initializes: ownable
# levels of assets act where prices are read
initializes: latch
initializes: price_oracle[latch := latch]

exports: (ownable.owner, ownable.transfer_ownership)

WAD: constant(uint256) = 10**18
BPS: constant(uint256) = 10_000
BPS_WAD: constant(uint256) = 10**14  # one basis point
MAX_VALUE: constant(uint256) = 2**120  # [WAD] value of one leg: 1.3e18 USD
FUND_SHARE: constant(uint256) = 1_000  # [BPS] of the incentive above the tip, for the fund
TARGET_CEILING: constant(uint256) = 1_250 * 10**15  # [WAD] a higher target closes whole debts
JUMP_PATIENCE: constant(uint256) = 600  # [s] before an account is found under water by a jump
DUST_VALUE: constant(uint256) = WAD  # collateral worth less goes to the liquidator for free

# Why a margin check failed.
MARGIN_OK: constant(uint256) = 0
MARGIN_LOW: constant(uint256) = 1
LEVERAGE_HIGH: constant(uint256) = 2
DEBT_UNPRICED: constant(uint256) = 3
LEVEL_JUMP: constant(uint256) = 4
LEVEL_DISPERSED: constant(uint256) = 5
LEVEL_STALE: constant(uint256) = 6
LEVEL_CAUTION: constant(uint256) = 7
LEVEL_HALT: constant(uint256) = 8


# A position valued for maintenance, with what a liquidation of one pair needs.
struct Valuation:
    health: IRiskEngine.Health
    priced_value: uint256  # [WAD] of the collateral that has a valid price
    unpriced: uint256  # bit i: leg i has no valid price
    debt_leg: uint256  # index of the pair's debt; MAX_LEGS: not held
    debt_price: uint256  # [WAD]
    debt_value: uint256  # [WAD]
    collateral_leg: uint256  # index of the pair's collateral; MAX_LEGS: not held
    collateral_price: uint256  # [WAD]
    collateral_value: uint256  # [WAD]
    # the strictest of the collaterals' schedules, part by part
    tip: uint256  # [WAD]
    incentive_min: uint256  # [WAD]
    incentive_max: uint256  # [WAD]
    slope: uint256  # [WAD]
    target: uint256  # [WAD] max_value: close whole debts


breaker: public(address)
configurator: public(address)

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
terms: uint256[128]


@deploy
def __init__(breaker: address, owner: address):
    """
    @param breaker Circuit breaker that may poke and latch.
    @param owner May replace it, and names the configurator.
    """
    assert breaker != empty(address), "breaker is zero"
    assert owner != empty(address), "owner is zero"
    ownable.__init__()
    ownable._transfer_ownership(owner)
    self.breaker = breaker
    log IRiskEngine.SetBreaker(breaker=breaker)


# ------------------------------------------------------------------ prices and levels


@external
def poke(asset: address) -> uint256:
    if msg.sender != self.breaker:
        self._fail("caller is not the breaker")
    id: uint256 = self._id(asset)
    quote: IRiskEngine.Quote = price_oracle._poke(id)
    log IRiskEngine.Poke(
        asset=asset,
        price=quote.price,
        average=quote.average,
        volatility=quote.volatility,
        status=quote.status,
    )
    return quote.status


@external
@reentrant
def set_level(asset: address, caution_until: uint256, halt_until: uint256, held_until: uint256):
    if msg.sender != self.breaker:
        self._fail("caller is not the breaker")
    if price_oracle.ids[asset] == 0:
        self._fail("asset is not listed")
    price_oracle._set_level(asset, caution_until, halt_until, held_until)
    log IRiskEngine.SetLevel(asset=asset, caution_until=caution_until, halt_until=halt_until)


# ------------------------------------------------------------------ administration


@external
def write_asset(asset: address, rule: uint256, term: uint256) -> uint256:
    """
    @notice Lists an asset, with a valid price as its first checkpoint, or rewrites its rules and
            terms. For the configurator, which holds the bounds and the ramps.
    @param rule Packed as `price_oracle.rules`; what is latched is kept.
    @param term Packed as `terms`.
    @return Its id, 1 to 127.
    """
    if msg.sender != self.configurator:
        self._fail("caller is not configurator")
    id: uint256 = price_oracle.ids[asset]
    if id == 0:
        id = price_oracle.count + 1
        if id > 127:
            self._fail("too many assets")
        price_oracle.count = id
        price_oracle._begin(asset, id, rule)
    else:
        latched: uint256 = price_oracle.rules[id] & price_oracle.LATCHED
        price_oracle.rules[id] = rule & ~price_oracle.LATCHED | latched
    self.terms[id] = term
    log IRiskEngine.WriteAsset(asset=asset, id=id, rule=rule, term=term)
    return id


@external
def set_breaker(breaker: address):
    ownable._check_owner()
    if breaker == empty(address):
        self._fail("breaker is zero")
    self.breaker = breaker
    log IRiskEngine.SetBreaker(breaker=breaker)


@external
def set_configurator(configurator: address):
    ownable._check_owner()
    if configurator == empty(address):
        self._fail("configurator is zero")
    self.configurator = configurator
    log IRiskEngine.SetConfigurator(configurator=configurator)


# ------------------------------------------------------------------ margin


@view
@external
@reentrant
def check_initial(position: uint256[4], touched: uint256) -> bool:
    why: uint256 = self._initial(position, touched)
    if why != MARGIN_OK:
        self._explain(why)
    return True


@view
@external
@reentrant
def check_batch(before: uint256[4], after: uint256[4], touched: uint256) -> bool:
    level: uint256 = 0
    why: uint256 = MARGIN_OK
    rest: uint256 = touched
    for i: uint256 in range(32):
        if rest == 0:
            break
        id: uint256 = rest & 127
        rest = rest >> 8
        state: uint256 = price_oracle._read(id, price_oracle.rules[id])[4]
        if state >> 2 & 3 > level:
            level = state >> 2 & 3
            why = self._level_reason(state)
    if level == 0:
        why = self._initial(after, 0)
    if why == MARGIN_OK:
        return True
    if level == 2 or not self._is_safer(before, after):
        self._explain(why)
    return False


@view
@external
@reentrant
def check_listable(id: uint256) -> bool:
    if price_oracle._read(id, price_oracle.rules[id])[1] == 0:
        self._fail("price is stale")
    return True


@view
@external
@reentrant
def shortfall(position: uint256[4], tag: uint256) -> uint256:
    margin: IRiskEngine.Margin = self._margin(position)
    if margin.collateral >= margin.required:
        return 0
    rule: uint256 = price_oracle.rules[tag & 127]
    quote: IRiskEngine.Quote = price_oracle._quote(tag & 127, rule)
    # at any level: who may be liquidated may top up, with what brings no new debt as well
    ltv: uint256 = self._borrow_ltv(rule, quote.volatility)
    if ltv == 0:
        ltv = asset_config._liquidation_ltv(self.terms[tag & 127])
    weight: uint256 = min(quote.low, quote.average) * ltv
    if weight == 0:
        return 0
    missing: uint256 = min(margin.required - margin.collateral, MAX_VALUE)
    return missing * BPS * 10**self._decimals(rule) // weight


@view
@external
@reentrant
def health_of(position: uint256[4]) -> IRiskEngine.Health:
    return self._valuation(position, 0, 0, 0).health


@view
@external
@reentrant
def margin_of(position: uint256[4]) -> IRiskEngine.Margin:
    return self._margin(position)


@view
@external
@reentrant
def liquidation_terms(
    position: uint256[4],
    debt_tag: uint256,
    collateral_tag: uint256,
    max_repay: uint256,
    min_debt: uint256,
) -> IRiskEngine.Terms:
    valuation: Valuation = self._valuation(position, 0, debt_tag, collateral_tag)
    if valuation.health.health_factor >= WAD:
        self._fail("account is healthy")
    under_water: bool = self._is_under_water(valuation)
    if under_water:
        # a loss that rests on a jump waits for it to last
        valuation = self._valuation(position, JUMP_PATIENCE, debt_tag, collateral_tag)
        if valuation.health.health_factor >= WAD:
            self._fail("price jump is too recent")
        under_water = self._is_under_water(valuation)
    if valuation.debt_leg == legs.MAX_LEGS:
        self._fail("account has no such debt")
    if valuation.unpriced >> valuation.debt_leg & 1 == 1:
        self._fail("debt has no valid price")
    if under_water:
        return self._terms_under_water(position, valuation, max_repay, min_debt)
    if valuation.collateral_leg == legs.MAX_LEGS:
        self._fail("account has no such collateral")
    if valuation.unpriced >> valuation.collateral_leg & 1 == 1:
        self._fail("collateral has no valid price")
    return self._terms_standard(position, valuation, collateral_tag, max_repay, min_debt)


# ------------------------------------------------------------------ views


@view
@external
@reentrant
def quote(asset: address) -> IRiskEngine.Quote:
    id: uint256 = self._id(asset)
    return price_oracle._quote(id, price_oracle.rules[id])


@view
@external
@reentrant
def id_of(asset: address) -> uint256:
    return price_oracle.ids[asset]


@view
@external
@reentrant
def asset_of(id: uint256) -> address:
    return price_oracle.assets[id]


@view
@external
@reentrant
def latch_of(asset: address) -> (uint256, uint256, uint256):
    caution_until: uint256 = 0
    halt_until: uint256 = 0
    caution_until, halt_until = latch._until(asset)
    return caution_until, halt_until, latch._held_until(asset)


@view
@external
@reentrant
def words_of(asset: address) -> (uint256, uint256, uint256, uint256):
    id: uint256 = self._id(asset)
    return (
        price_oracle.rules[id],
        self.terms[id],
        price_oracle.checkpoints[id],
        price_oracle.observations[id],
    )


# ------------------------------------------------------------------ initial margin


@view
@internal
def _initial(position: uint256[4], touched: uint256) -> uint256:
    """
    @dev Why the position fails its initial margin, or MARGIN_OK. Debts are counted first, then
         collateral leg by leg until it suffices. On the path of every loan: the sums are unsafe,
         values being below 2**120 and weights below 2**16.
    """
    required: uint256 = 0  # [WAD * BPS]
    debt: uint256 = 0  # [WAD]
    max_leverage: uint256 = 255  # [5_000 bps]
    unseen: uint256 = touched
    low: uint256 = 0
    price: uint256 = 0
    high: uint256 = 0
    average: uint256 = 0
    state: uint256 = 0
    for i: uint256 in range(8):
        word: uint256 = position[i >> 1]
        if i & 1 == 1:
            word = (word >> 104 & legs.MAX_AMOUNT) | ((word >> 216 & 255) << 208)
        tag: uint256 = word >> 208 & 255
        if tag < legs.DEBT:
            if tag == 0:
                break
            continue
        id: uint256 = tag & 127
        rule: uint256 = price_oracle.rules[id]
        low, price, high, average, state = price_oracle._read(id, rule)
        if tag == unseen:
            if state & 12 != 0:
                return self._level_reason(state)
            unseen = 0
        if price == 0:
            return DEBT_UNPRICED
        value: uint256 = self._value_up(word & legs.MAX_AMOUNT, max(high, average), rule)
        debt = unsafe_add(debt, value)
        required = unsafe_add(required, unsafe_mul(value, self._debt_weight(rule)))
        max_leverage = min(max_leverage, rule >> 214 & 255)

    enough: bool = debt == 0
    collateral: uint256 = 0  # [WAD * BPS]
    exposure: uint256 = 0  # [WAD]
    for i: uint256 in range(8):
        word: uint256 = position[i >> 1]
        if i & 1 == 1:
            word = (word >> 104 & legs.MAX_AMOUNT) | ((word >> 216 & 255) << 208)
        tag: uint256 = word >> 208 & 255
        if tag == 0 or (enough and unseen == 0):
            break
        if tag >= legs.DEBT or (enough and tag != unseen):
            continue
        rule: uint256 = price_oracle.rules[tag]
        low, price, high, average, state = price_oracle._read(tag, rule)
        if tag == unseen:
            if state & 12 != 0:
                return self._level_reason(state)
            unseen = 0
        if enough or state & 8 != 0:
            continue
        value: uint256 = self._value_down(word & legs.MAX_AMOUNT, min(low, average), rule)
        exposure = unsafe_add(exposure, value)
        collateral = unsafe_add(
            collateral,
            unsafe_mul(value, self._borrow_ltv(rule, price_oracle._volatility_of(state))),
        )
        max_leverage = min(max_leverage, rule >> 214 & 255)
        # exposure / (exposure - debt) <= max_leverage / 2, without division
        enough = collateral >= required and unsafe_mul(
            exposure, unsafe_sub(max_leverage, 2)
        ) >= unsafe_mul(debt, max_leverage)

    if not enough:
        return MARGIN_LOW if collateral < required else LEVERAGE_HIGH
    if unseen != 0:
        # a leg that was emptied by what raised the risk
        id: uint256 = unseen & 127
        low, price, high, average, state = price_oracle._read(id, price_oracle.rules[id])
        if state & 12 != 0:
            return self._level_reason(state)
    return MARGIN_OK


@view
@internal
def _margin(position: uint256[4]) -> IRiskEngine.Margin:
    margin: IRiskEngine.Margin = empty(IRiskEngine.Margin)
    max_leverage: uint256 = 255
    for i: uint256 in range(8):
        tag: uint256 = legs._tag(position, i)
        if tag == 0:
            continue
        rule: uint256 = price_oracle.rules[tag & 127]
        quote: IRiskEngine.Quote = price_oracle._quote(tag & 127, rule)
        amount: uint256 = legs._amount(position, i)
        max_leverage = min(max_leverage, (rule >> 214) & 255)
        if tag >= legs.DEBT:
            price: uint256 = max(quote.high, quote.average)
            if quote.status == price_oracle.STALE:
                price = price_oracle.checkpoints[tag & 127] & price_oracle.MASK_96
            value: uint256 = self._value_up(amount, price, rule)
            margin.debt += value
            margin.required += value * self._debt_weight(rule)
        elif quote.level != 2:
            value: uint256 = self._value_down(amount, min(quote.low, quote.average), rule)
            margin.exposure += value
            margin.collateral += value * self._borrow_ltv(rule, quote.volatility)
    margin.collateral = margin.collateral // BPS
    margin.required = (margin.required + BPS - 1) // BPS
    margin.max_leverage = max_leverage * WAD // 2
    return margin


@view
@internal
def _is_safer(before: uint256[4], after: uint256[4]) -> bool:
    """
    @dev Whether `after` owes no more of anything, and neither health nor collateral over debt is
         lower. Each asset counts at whichever of spot and average is the worse for the caller:
         collateral that leaves and debt that stays at the higher, all else at the lower. So no
         swap gains from a price that is away from its average.
    """
    old: IRiskEngine.Health = empty(IRiskEngine.Health)
    new: IRiskEngine.Health = empty(IRiskEngine.Health)
    low: uint256 = 0
    price: uint256 = 0
    high: uint256 = 0
    average: uint256 = 0
    state: uint256 = 0
    for i: uint256 in range(16):
        # the legs of `before`, then those that are new in `after`
        tag: uint256 = legs._tag(before, i) if i < 8 else legs._tag(after, i - 8)
        if tag == 0 or (i >= 8 and legs._find(before, tag) != legs.MAX_LEGS):
            continue
        had: uint256 = self._held(before, tag)
        has: uint256 = self._held(after, tag)
        rule: uint256 = price_oracle.rules[tag & 127]
        low, price, high, average, state = price_oracle._read(tag & 127, rule)
        low = min(low, average)
        high = max(high, average)
        if tag < legs.DEBT:
            ltv: uint256 = asset_config._liquidation_ltv(self.terms[tag])
            counted: uint256 = high if has < had else low
            value: uint256 = self._value_down(had, counted, rule)
            old.collateral_value += value
            old.weighted_collateral += value * ltv // BPS
            value = self._value_down(has, counted, rule)
            new.collateral_value += value
            new.weighted_collateral += value * ltv // BPS
            continue
        # nothing is safer while what is owed has no price
        if has > had or (price == 0 and has != 0):
            return False
        counted: uint256 = low if has < had else high
        value: uint256 = self._value_up(had, counted, rule)
        old.debt_value += value
        old.weighted_debt += value * self._debt_weight(rule) // BPS
        value = self._value_up(has, counted, rule)
        new.debt_value += value
        new.weighted_debt += value * self._debt_weight(rule) // BPS
    return (
        new.weighted_collateral * old.weighted_debt >= old.weighted_collateral * new.weighted_debt
        and new.collateral_value * old.debt_value >= old.collateral_value * new.debt_value
    )


# ------------------------------------------------------------------ maintenance


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
        word: uint256 = position[i >> 1] >> unsafe_mul(104, i & 1)
        tag: uint256 = position[i >> 1] >> unsafe_add(208, unsafe_mul(8, i & 1)) & 255
        if tag == 0:
            break
        rule: uint256 = price_oracle.rules[tag & 127]
        as_collateral, as_debt, volatility, priced = price_oracle._liquidation_prices(
            tag & 127, rule, patience
        )
        if not priced:
            result.unpriced |= 1 << i
        if tag >= legs.DEBT:
            value: uint256 = self._value_up(word & legs.MAX_AMOUNT, as_debt, rule)
            result.health.debt_value = unsafe_add(result.health.debt_value, value)
            debt = unsafe_add(debt, unsafe_mul(value, self._debt_weight(rule)))
            if tag == debt_tag:
                result.debt_leg = i
                result.debt_price = as_debt
                result.debt_value = value
        else:
            value: uint256 = self._value_down(word & legs.MAX_AMOUNT, as_collateral, rule)
            result.health.collateral_value = unsafe_add(result.health.collateral_value, value)
            if priced:
                result.priced_value = unsafe_add(result.priced_value, value)
            if tag == collateral_tag:
                result.collateral_leg = i
                result.collateral_price = as_collateral
                result.collateral_value = value
            term: uint256 = self.terms[tag]
            collateral = unsafe_add(
                collateral, unsafe_mul(value, asset_config._liquidation_ltv(term))
            )
            tip = max(tip, term >> 92 & 16_383)
            incentive_min = max(incentive_min, term >> 106 & 16_383)
            incentive_max = max(incentive_max, term >> 120 & 16_383)
            slope = max(slope, term >> 134 & 65_535)
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


@pure
@internal
def _target(rule: uint256, term: uint256, volatility: uint256) -> uint256:
    """
    @dev Health factor that a liquidation restores [WAD]; max_value closes whole debts.
         Volatility is below 2**63, the slope below 2**20.
    """
    reference: uint256 = unsafe_mul(rule >> 235 & 255, 10 * BPS_WAD)
    target: uint256 = unsafe_mul(term >> 150 & 16_383, BPS_WAD)
    if volatility > reference:
        target = unsafe_add(
            target,
            unsafe_mul(unsafe_sub(volatility, reference), term >> 164 & (2**20 - 1)) // BPS,
        )
    if target > TARGET_CEILING or term >> 184 & 1 == 1:
        return max_value(uint256)
    return target


@pure
@internal
def _is_under_water(valuation: Valuation) -> bool:
    return (
        valuation.health.collateral_value * WAD
        <= valuation.health.debt_value * (WAD + valuation.tip)
    )


@view
@internal
def _terms_standard(
    position: uint256[4],
    valuation: Valuation,
    collateral_id: uint256,
    max_repay: uint256,
    min_debt: uint256,
) -> IRiskEngine.Terms:
    """
    @dev A slice of one pair that lifts the account to its target health, and never lowers it.
         Bounds: health < 2**60, values < 2**123, prices < 2**94, units < 2**80, amounts < 2**104.
    """
    health: uint256 = valuation.health.health_factor
    leg: uint256 = valuation.collateral_leg
    debt_rule: uint256 = price_oracle.rules[legs._tag(position, valuation.debt_leg) & 127]
    weight: uint256 = self._debt_weight(debt_rule)  # [BPS]
    ltv: uint256 = asset_config._liquidation_ltv(self.terms[collateral_id])  # [BPS]

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
            if valuation.unpriced == 0 or self._has_admissible(position, valuation):
                self._fail("pair would lower health")
    factor: uint256 = unsafe_add(WAD, incentive)

    owed: uint256 = legs._amount(position, valuation.debt_leg)
    debt_price: uint256 = valuation.debt_price
    debt_unit: uint256 = 10**self._decimals(debt_rule)
    repay: uint256 = owed
    # a pair that is let pass for want of a price may not lift health at all: no slice then
    if valuation.target != max_value(uint256) and valuation.target * weight > factor * ltv + BPS:
        # (H * sum wD - sum LC) / (H * w - (1 + incentive) * L), rounded up; H > 1 > health
        lacking: uint256 = (
            valuation.target * valuation.health.weighted_debt // WAD
            - valuation.health.weighted_collateral
        )
        gain: uint256 = (valuation.target * weight - factor * ltv) // BPS
        wanted: uint256 = (lacking * WAD + gain - 1) // gain
        repay = min(owed, self._ceil_div(min(wanted, MAX_VALUE) * debt_unit, debt_price))

    affordable: uint256 = self._ceil_div(valuation.collateral_value * WAD, factor)
    affordable = self._ceil_div(affordable * debt_unit, debt_price)
    if owed - repay < min_debt:
        repay = owed
    takes_all: bool = affordable <= repay
    repay = min(repay, affordable)
    if max_repay < repay:
        takes_all = False
        repay = max_repay
        if owed - repay < min_debt:
            if owed <= min_debt:
                self._fail("repay leaves debt below min")
            repay = owed - min_debt
    if repay == 0:
        self._fail("nothing to repay")

    seized: uint256 = legs._amount(position, leg)
    if not takes_all:
        taken: uint256 = min(repay * debt_price // debt_unit, MAX_VALUE) * factor // WAD
        unit: uint256 = 10**self._decimals(price_oracle.rules[collateral_id])
        seized = min(seized, taken * unit // valuation.collateral_price)

    terms: IRiskEngine.Terms = empty(IRiskEngine.Terms)
    terms.repay = repay
    terms.fund_fee = repay * (incentive - tip) // WAD * FUND_SHARE // BPS
    terms.seize[leg >> 1] = seized << unsafe_mul(legs.AMOUNT_BITS, leg & 1)
    terms.health_factor = health
    terms.incentive = incentive
    return terms


@view
@internal
def _has_admissible(position: uint256[4], valuation: Valuation) -> bool:
    """
    @dev Whether, at the tip, some pair with prices lowers no health: the lowest ltv among the
         collaterals worth more than dust, against the highest weight among the debts.
    """
    ltv: uint256 = BPS
    weight: uint256 = 0
    for i: uint256 in range(8):
        tag: uint256 = legs._tag(position, i)
        if tag == 0 or valuation.unpriced >> i & 1 == 1:
            continue
        rule: uint256 = price_oracle.rules[tag & 127]
        if tag >= legs.DEBT:
            weight = max(weight, self._debt_weight(rule))
            continue
        price: uint256 = price_oracle._read(tag, rule)[1]
        if self._value_down(legs._amount(position, i), price, rule) > DUST_VALUE:
            ltv = min(ltv, asset_config._liquidation_ltv(self.terms[tag]))
    return (WAD + valuation.tip) * ltv <= valuation.health.health_factor * weight


@view
@internal
def _terms_under_water(
    position: uint256[4], valuation: Valuation, max_repay: uint256, min_debt: uint256
) -> IRiskEngine.Terms:
    """
    @dev Of an account that cannot pay debt and tip, each debt gets its proportional part of every
         collateral, whoever is repaid first, and the rest of that debt is written off at once.
         Collateral without a valid price is not seized, and while there is any nothing is
         written off.
    """
    all_priced: bool = True
    for i: uint256 in range(8):
        if valuation.unpriced >> i & 1 == 1 and legs._tag(position, i) < legs.DEBT:
            all_priced = False
    if valuation.priced_value == 0 and not all_priced:
        self._fail("collateral has no valid price")

    owed: uint256 = legs._amount(position, valuation.debt_leg)
    debt_value: uint256 = valuation.health.debt_value
    part: uint256 = valuation.debt_value
    repay: uint256 = 0
    if valuation.health.collateral_value >= DUST_VALUE:
        rule: uint256 = price_oracle.rules[legs._tag(position, valuation.debt_leg) & 127]
        repay = self._ceil_div(valuation.priced_value * WAD, WAD + valuation.tip)
        repay = self._ceil_div(repay * part, debt_value)
        repay = min(owed, self._ceil_div(repay * 10**self._decimals(rule), valuation.debt_price))

    fraction: uint256 = WAD
    if max_repay < repay:
        fraction = max_repay * WAD // repay
        repay = max_repay
        if fraction == 0:
            self._fail("nothing to repay")
    terms: IRiskEngine.Terms = empty(IRiskEngine.Terms)
    terms.repay = repay
    if all_priced:
        if fraction == WAD:
            terms.write_off = owed - repay
        else:
            terms.write_off = max(owed * fraction // WAD, repay) - repay
            if owed - repay - terms.write_off < min_debt:
                self._fail("repay leaves debt below min")
    terms.health_factor = valuation.health.health_factor
    terms.incentive = valuation.tip
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


# ------------------------------------------------------------------ rules


@view
@internal
def _id(asset: address) -> uint256:
    id: uint256 = price_oracle.ids[asset]
    if id == 0:
        self._fail("asset is not listed")
    return id


@pure
@internal
def _held(position: uint256[4], tag: uint256) -> uint256:
    """
    @dev Amount of the leg with `tag`; 0 when there is none.
    """
    i: uint256 = legs._find(position, tag)
    return 0 if i == legs.MAX_LEGS else legs._amount(position, i)


@pure
@internal
def _ceil_div(a: uint256, b: uint256) -> uint256:
    """
    @dev The callers keep a + b below 2**256.
    """
    return unsafe_add(a, unsafe_sub(b, 1)) // b


@pure
@internal
def _decimals(rule: uint256) -> uint256:
    return (rule >> 222) & 31


@pure
@internal
def _debt_weight(rule: uint256) -> uint256:
    """
    @dev [BPS] 10_000 to 35_500.
    """
    return unsafe_add(BPS, unsafe_mul(rule >> 206 & 255, 100))


@pure
@internal
def _value_down(amount: uint256, price: uint256, rule: uint256) -> uint256:
    """
    @dev amount < 2**104, price < 2**96; a token has 6 to 24 decimals.
    """
    return min(unsafe_div(unsafe_mul(amount, price), 10**(rule >> 222 & 31)), MAX_VALUE)


@pure
@internal
def _value_up(amount: uint256, price: uint256, rule: uint256) -> uint256:
    unit: uint256 = 10**(rule >> 222 & 31)
    return min(
        unsafe_div(unsafe_add(unsafe_mul(amount, price), unsafe_sub(unit, 1)), unit), MAX_VALUE
    )


@pure
@internal
def _floor(rule: uint256) -> uint256:
    base: uint256 = (rule >> 184) & 16_383
    drop: uint256 = ((rule >> 198) & 255) * 50
    return base - drop if base > drop else 0


@pure
@internal
def _borrow_ltv(rule: uint256, volatility: uint256) -> uint256:
    """
    @dev max(floor, base - slope * max(0, volatility - reference)) [BPS]
    """
    base: uint256 = rule >> 184 & 16_383
    slope: uint256 = rule >> 228 & 127  # [1_000 bps]
    if slope == 0:
        return base
    reference: uint256 = (rule >> 235 & 255) * 10 * BPS_WAD
    if volatility <= reference:
        return base
    drop: uint256 = (volatility - reference) * slope // (10 * BPS_WAD)
    return max(self._floor(rule), base - min(drop, base))


# ------------------------------------------------------------------ reasons


@pure
@internal
def _level_reason(state: uint256) -> uint256:
    """
    @dev Why a level above NORMAL holds, out of what `price_oracle._read` returns.
    """
    status: uint256 = state & 3
    if status == price_oracle.STALE:
        return LEVEL_STALE
    if state & 8 != 0:
        return LEVEL_HALT
    if status == price_oracle.JUMP:
        return LEVEL_JUMP
    if status == price_oracle.DISPERSED:
        return LEVEL_DISPERSED
    return LEVEL_CAUTION


@pure
@internal
def _explain(why: uint256):
    if why == MARGIN_LOW:
        self._fail("initial margin is not met")
    if why == LEVERAGE_HIGH:
        self._fail("leverage is too high")
    if why == DEBT_UNPRICED or why == LEVEL_STALE:
        self._fail("price is stale")
    if why == LEVEL_JUMP:
        self._fail("price is in a jump")
    if why == LEVEL_DISPERSED:
        self._fail("price sources disagree")
    if why == LEVEL_CAUTION:
        self._fail("asset is in caution")
    self._fail("asset is halted")


@pure
@internal
def _fail(why: String[32]):
    raise why
