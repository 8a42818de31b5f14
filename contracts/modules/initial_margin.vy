# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Initial margin
@license MIT
@notice Whether new risk may be taken: initial margin at pessimistic prices, leverage cap, levels
        of what was touched, and the clause for batches that make an account safer.
@dev    Part of the `RiskEngine`. ROUNDING: collateral values down, debt values up.
"""

from contracts.modules import asset_config
from contracts.modules import legs
from contracts.modules import maintenance
from contracts.modules import price_oracle
from contracts.modules import price_words
from contracts.modules import sequencer

uses: price_oracle
uses: maintenance
uses: sequencer

WAD: constant(uint256) = 10**18
BPS: constant(uint256) = 10_000

# Why a margin check failed.
MARGIN_OK: constant(uint256) = 0
MARGIN_LOW: constant(uint256) = 1
LEVERAGE_HIGH: constant(uint256) = 2
PRICE_STALE: constant(uint256) = 3
LEVEL_JUMP: constant(uint256) = 4
LEVEL_DISPERSED: constant(uint256) = 5
HELD: constant(uint256) = 6
LEVEL_CAUTION: constant(uint256) = 7
LEVEL_HALT: constant(uint256) = 8
LEVEL_SETTLED: constant(uint256) = 9
OUTAGE: constant(uint256) = 10


@view
@internal
def _initial(position: uint256[4], touched: uint256) -> uint256:
    """
    @dev Why the position fails its initial margin, or MARGIN_OK. Debts are counted first, then
         collateral leg by leg until it suffices; of the rest only whether it would shield the
         debt. On the path of every loan: no part of it is a function of its own, and the sums are
         unsafe, values being below 2**120 and weights below 2**16.
    """
    required: uint256 = 0  # [WAD * BPS]
    debt: uint256 = 0  # [WAD]
    max_leverage: uint256 = 255  # [5_000 bps]
    unseen: uint256 = touched
    rest: uint256 = 0  # collateral legs not looked at
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
            rest = unsafe_add(rest, 1)
            continue
        id: uint256 = tag & 127
        rule: uint256 = price_oracle.rules[id]
        low, price, high, average, state = price_oracle._read(id, rule)
        if tag == unseen:
            if state & price_oracle.LEVEL != 0:
                return self._level_reason(state)
            unseen = 0
        # without a source; what it is counted at nobody may pay
        if rule & asset_config.SOURCE == 0:
            return LEVEL_SETTLED
        # nobody who rests on it is liquidated
        if rule & price_oracle.LATCHED != 0 and maintenance._is_held(id):
            return HELD
        if price == 0:
            return PRICE_STALE
        value: uint256 = asset_config._value_up(word & legs.MAX_AMOUNT, max(high, average), rule)
        debt = unsafe_add(debt, value)
        required = unsafe_add(required, unsafe_mul(value, asset_config._debt_weight(rule)))
        max_leverage = min(max_leverage, rule >> asset_config.LEVERAGE_AT & 255)

    enough: bool = debt == 0
    collateral: uint256 = 0  # [WAD * BPS]
    exposure: uint256 = 0  # [WAD]
    for i: uint256 in range(8):
        if rest == 0 or debt | unseen == 0:
            break
        word: uint256 = position[i >> 1]
        if i & 1 == 1:
            word = (word >> 104 & legs.MAX_AMOUNT) | ((word >> 216 & 255) << 208)
        tag: uint256 = word >> 208 & 255
        if tag >= legs.DEBT:
            continue
        rest = unsafe_sub(rest, 1)
        rule: uint256 = price_oracle.rules[tag]
        if debt != 0:
            # else it would shield the debt
            if rule & asset_config.SOURCE == 0:
                return LEVEL_SETTLED
            if rule & price_oracle.LATCHED != 0 and maintenance._is_held(tag):
                return HELD
        if enough and tag != unseen:
            continue
        low, price, high, average, state = price_oracle._read(tag, rule)
        if tag == unseen:
            if state & price_oracle.LEVEL != 0:
                return self._level_reason(state)
            unseen = 0
        if enough or state & price_oracle.HALTED != 0:
            continue
        value: uint256 = asset_config._value_down(word & legs.MAX_AMOUNT, min(low, average), rule)
        exposure = unsafe_add(exposure, value)
        collateral = unsafe_add(
            collateral,
            unsafe_mul(value, asset_config._borrow_ltv(rule, price_oracle._volatility_of(state))),
        )
        max_leverage = min(max_leverage, rule >> asset_config.LEVERAGE_AT & 255)
        # exposure / (exposure - debt) <= max_leverage / 2, without division
        enough = collateral >= required and unsafe_mul(
            exposure, unsafe_sub(max_leverage, 2)
        ) >= unsafe_mul(debt, max_leverage)

    if not enough:
        return MARGIN_LOW if collateral < required else LEVERAGE_HIGH
    if unseen != 0:
        # a leg that was emptied by what raised the risk; of what is settled that is the way out
        id: uint256 = unseen & 127
        state = price_oracle._read(id, price_oracle.rules[id])[4]
        if state & price_oracle.LEVEL != 0 and state & price_oracle.LEVEL != price_oracle.LEVEL:
            return self._level_reason(state)
    return MARGIN_OK


@view
@internal
def _is_safer(before: uint256[4], after: uint256[4]) -> bool:
    """
    @dev Whether `after` owes no more of anything, and neither health nor collateral over debt is
         lower, wherever between spot and average each price truly is: so that no swap gains from
         a price that is away from its average. Debt that stays counts at the higher of the two,
         what was repaid at the lower; a collateral that falls by more than the debt at the
         higher, any other at the lower, which is zero for what carries no new debt: at HALT, or
         with a borrow_ltv of zero. Collateral that was added counts nothing.
         Unsafe: sums of debt are below 2**126, and those of products below 2**249.
    """
    old: uint256[2] = [0, 0]
    new: uint256[2] = [0, 0]
    may_be: bool = False
    old, new, may_be = self._debts(before, after)
    if not may_be:
        return False
    low: uint256 = 0
    price: uint256 = 0
    high: uint256 = 0
    average: uint256 = 0
    state: uint256 = 0
    more: uint256[2] = [0, 0]  # collateral after * debt before
    less: uint256[2] = [0, 0]  # collateral before * debt after
    for i: uint256 in range(8):
        tag: uint256 = legs._tag(before, i)
        if tag == 0 or tag >= legs.DEBT:
            continue
        had: uint256 = legs._amount(before, i)
        # what was added counts nothing: it passes no level, no cap and no borrow_ltv
        has: uint256 = min(self._held(after, tag), had)
        rule: uint256 = price_oracle.rules[tag]
        low, price, high, average, state = price_oracle._read(tag, rule)
        if (
            state & price_oracle.HALTED != 0
            or rule >> asset_config.BORROW_LTV_AT & asset_config.MASK_14 == 0
        ):
            low = 0
        ltv: uint256 = asset_config._liquidation_ltv(maintenance.terms[tag])
        for k: uint256 in range(2):
            counted: uint256 = min(low, average)
            if unsafe_mul(has, old[k]) < unsafe_mul(had, new[k]):
                counted = max(high, average)
            weight: uint256 = BPS if k == 0 else ltv
            value: uint256 = asset_config._value_down(has, counted, rule)
            value = unsafe_mul(value, weight) // BPS
            more[k] = unsafe_add(more[k], unsafe_mul(value, old[k]))
            value = asset_config._value_down(had, counted, rule)
            value = unsafe_mul(value, weight) // BPS
            less[k] = unsafe_add(less[k], unsafe_mul(value, new[k]))
    return more[0] >= less[0] and more[1] >= less[1]


@view
@internal
def _debts(before: uint256[4], after: uint256[4]) -> (uint256[2], uint256[2], bool):
    """
    @dev Debt before and after, at its value and weighted [WAD], and whether no debt is larger or
         without a price. Unsafe: amounts are below 2**104, values below 2**120 and weights at most
         3.55.
    """
    low: uint256 = 0
    price: uint256 = 0
    high: uint256 = 0
    average: uint256 = 0
    state: uint256 = 0
    old: uint256[2] = [0, 0]
    new: uint256[2] = [0, 0]
    for i: uint256 in range(16):
        # the legs of `before`, then those that are new in `after`
        tag: uint256 = legs._tag(before, i) if i < 8 else legs._tag(after, i - 8)
        if tag < legs.DEBT or (i >= 8 and legs._find(before, tag) != legs.MAX_LEGS):
            continue
        had: uint256 = self._held(before, tag)
        has: uint256 = self._held(after, tag)
        rule: uint256 = price_oracle.rules[tag & 127]
        low, price, high, average, state = price_oracle._read(tag & 127, rule)
        # nothing is safer while what is owed has no price, or one that ended
        if has > had or (
            has != 0 and (price == 0 or state & price_oracle.LEVEL == price_oracle.LEVEL)
        ):
            return old, new, False
        kept: uint256 = asset_config._value_up(has, max(high, average), rule)
        paid: uint256 = asset_config._value_down(unsafe_sub(had, has), min(low, average), rule)
        weight: uint256 = asset_config._debt_weight(rule)
        whole: uint256 = unsafe_add(kept, paid)
        new[0] = unsafe_add(new[0], kept)
        new[1] = unsafe_add(new[1], unsafe_mul(kept, weight) // BPS)
        old[0] = unsafe_add(old[0], whole)
        old[1] = unsafe_add(old[1], unsafe_mul(whole, weight) // BPS)
    return old, new, True


@view
@internal
def _check_not_held(id: uint256, rule: uint256):
    """
    @dev What is held, or in the grace after it, comes into no account: it would shield it.
    """
    if rule & price_oracle.LATCHED != 0 and maintenance._is_held(id):
        self._explain(HELD)


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
def _level_reason(state: uint256) -> uint256:
    """
    @dev Why a level above NORMAL holds, out of what `price_oracle._read` returns.
    """
    status: uint256 = state & 3
    if status == price_words.STALE:
        return PRICE_STALE
    if state & price_oracle.HALTED != 0:
        return LEVEL_SETTLED if state & 4 != 0 else LEVEL_HALT
    if status == price_words.JUMP:
        return LEVEL_JUMP
    if status == price_words.DISPERSED:
        return LEVEL_DISPERSED
    return LEVEL_CAUTION


@view
@internal
def _explain(why: uint256):
    if why == OUTAGE:
        sequencer._check(True)
    if why == MARGIN_LOW:
        legs._fail("initial margin is not met")
    if why == LEVERAGE_HIGH:
        legs._fail("leverage is too high")
    if why == PRICE_STALE:
        legs._fail("price is stale")
    if why == LEVEL_JUMP:
        legs._fail("price is in a jump")
    if why == LEVEL_DISPERSED:
        legs._fail("price sources disagree")
    if why == LEVEL_CAUTION:
        legs._fail("asset is in caution")
    if why == LEVEL_HALT:
        legs._fail("asset is halted")
    if why == HELD:
        legs._fail("asset is held")
    legs._fail("asset is settled")
