# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Risk engine
@license MIT
@notice Margin rules and liquidation terms over positions that are handed in. Holds no money and
        no account; owns the rules of every asset and, as a module, the price oracle.
@dev    INITIAL MARGIN (new risk)
          sum of collateral * P_low * borrow_ltv >= sum of debt * P_high * debt_weight
          P_low = min(low, average), P_high = max(high, average);
          borrow_ltv falls with volatility, never below its floor.
          exposure / equity <= the smallest leverage cap among the assets counted.
          Refused while the sequencer of a layer 2 is down, and for an hour after.
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
          configurator: writes rules and terms of assets within the bounds of `Configurator`, and
          winds an asset down at a price that pokes have seen.
          breaker: writes what pokes saw of prices, latches levels, holds liquidations.
          owner: names the two.
"""

from contracts.interfaces import ICircuitBreaker
from contracts.interfaces import IRiskEngine
from contracts.modules import asset_config
from contracts.modules import initial_margin
from contracts.modules import latch
from contracts.modules import legs
from contracts.modules import maintenance
from contracts.modules import price_oracle
from contracts.modules import sequencer
from snekmate.auth import ownable

implements: IRiskEngine

initializes: ownable
# levels of assets act where prices are read
initializes: latch
initializes: price_oracle[latch := latch]
# while users of a layer 2 cannot act, nobody is liquidated
initializes: sequencer
initializes: maintenance[price_oracle := price_oracle, sequencer := sequencer]
initializes: initial_margin[
    price_oracle := price_oracle, maintenance := maintenance, sequencer := sequencer
]

exports: (ownable.owner, ownable.transfer_ownership)

breaker: public(address)
configurator: public(address)


@deploy
def __init__(breaker: address, owner: address, sequencer_feed: address):
    """
    @param breaker Circuit breaker that writes checkpoints and latches.
    @param owner May replace it, and names the configurator.
    @param sequencer_feed SequencerFeed of a layer 2, for good; zero: none.
    """
    assert breaker != empty(address), "breaker is zero"
    assert owner != empty(address), "owner is zero"
    ownable.__init__()
    sequencer.__init__(sequencer_feed)
    ownable._transfer_ownership(owner)
    self.breaker = breaker
    log IRiskEngine.SetBreaker(breaker=breaker)


# ------------------------------------------------------------------ prices and levels


@external
def write_checkpoint(asset: address, checkpoint: uint256, observation: uint256):
    self._check_breaker()
    id: uint256 = self._id(asset)
    price_oracle.checkpoints[id] = checkpoint
    price_oracle.observations[id] = observation


@external
@reentrant
def set_level(asset: address, caution_until: uint256, halt_until: uint256, held_until: uint256):
    self._check_breaker()
    id: uint256 = self._id(asset)
    latch._set(asset, caution_until, halt_until, held_until)
    until: uint256 = max(
        max(caution_until, halt_until), maintenance._hold_end(id) + maintenance.GRACE_TIME
    )
    rule: uint256 = price_oracle.rules[id] & ~price_oracle.LATCHED
    if until > block.timestamp:
        rule |= price_oracle.LATCHED
    price_oracle.rules[id] = rule
    log IRiskEngine.SetLevel(asset=asset, caution_until=caution_until, halt_until=halt_until)


@external
@reentrant
def hold(asset: address, duration: uint256):
    self._check_breaker()
    id: uint256 = self._id(asset)
    until: uint256 = maintenance._hold(id, duration)
    price_oracle.rules[id] |= price_oracle.LATCHED
    log IRiskEngine.Hold(asset=asset, until=until)


# ------------------------------------------------------------------ administration


@external
def write_asset(asset: address, rule: uint256, term: uint256) -> uint256:
    """
    @notice Lists an asset, with a valid price as its first checkpoint, or rewrites its rules and
            terms. For the configurator, which holds the bounds and the ramps.
    @param rule Packed as `price_oracle.rules`; what is latched is kept.
    @param term Packed as `maintenance.terms`; what is held is kept.
    @return Its id, 1 to 127.
    """
    self._check_configurator()
    id: uint256 = price_oracle.ids[asset]
    if id == 0:
        id = price_oracle.count + 1
        if id > 127:
            legs._fail("too many assets")
        price_oracle.count = id
        price_oracle._begin(asset, id, rule)
    else:
        old: uint256 = price_oracle.rules[id]
        if (old & asset_config.SOURCE == 0) != (rule & asset_config.SOURCE == 0):
            legs._fail("source cannot come or go")
        price_oracle.rules[id] = rule ^ ((rule ^ old) & price_oracle.LATCHED)
    maintenance.terms[id] = term ^ ((term ^ maintenance.terms[id]) & maintenance.HOLD_BITS)
    log IRiskEngine.WriteAsset(asset=asset, id=id, rule=rule, term=term)
    return id


@external
def settle(asset: address, price: uint256):
    self._check_configurator()
    id: uint256 = self._id(asset)
    # the breaker knows what pokes saw, and refuses a price beyond that
    price_oracle.checkpoints[id] = staticcall ICircuitBreaker(self.breaker).settlement_of(
        asset, price
    )
    price_oracle.rules[id] &= ~asset_config.SOURCE
    log IRiskEngine.Settle(asset=asset, price=price)


@external
def set_breaker(breaker: address):
    """
    @notice Names the circuit breaker, which alone writes checkpoints and latches. For the owner.
    """
    ownable._check_owner()
    if breaker == empty(address):
        legs._fail("breaker is zero")
    self.breaker = breaker
    log IRiskEngine.SetBreaker(breaker=breaker)


@external
def set_configurator(configurator: address):
    """
    @notice Names the configurator, which alone lists assets and writes their rules. For the owner.
    """
    ownable._check_owner()
    if configurator == empty(address):
        legs._fail("configurator is zero")
    self.configurator = configurator
    log IRiskEngine.SetConfigurator(configurator=configurator)


# ------------------------------------------------------------------ margin


@view
@external
@reentrant
def check_initial(position: uint256[4], touched: uint256) -> bool:
    if sequencer.FEED != empty(address):
        sequencer._check(True)
    why: uint256 = initial_margin._initial(position, touched)
    if why != initial_margin.MARGIN_OK:
        initial_margin._explain(why)
    return True


@view
@external
@reentrant
def check_batch(before: uint256[4], after: uint256[4], touched: uint256) -> bool:
    level: uint256 = 0
    why: uint256 = initial_margin.MARGIN_OK
    rest: uint256 = touched
    for i: uint256 in range(32):
        if rest == 0:
            break
        tag: uint256 = rest & 255
        id: uint256 = tag & 127
        rule: uint256 = price_oracle.rules[id]
        if tag >= legs.DEBT:
            initial_margin._check_not_held(id, rule)
        rest = rest >> 8
        state: uint256 = price_oracle._read(id, rule)[4]
        if (
            state & price_oracle.LEVEL == price_oracle.LEVEL
            and tag < legs.DEBT
            and initial_margin._held(after, tag) == 0
        ):
            # all of what is settled may leave
            continue
        if state >> 2 & 3 > level:
            level = state >> 2 & 3
            why = initial_margin._level_reason(state)
    if level == 0:
        if sequencer._state() == 0:
            why = initial_margin._initial(after, 0)
        else:
            why = initial_margin.OUTAGE
    if why == initial_margin.MARGIN_OK:
        return True
    if level >= 2 or not initial_margin._is_safer(before, after):
        initial_margin._explain(why)
    return False


@view
@external
@reentrant
def check_listable(id: uint256) -> bool:
    rule: uint256 = price_oracle.rules[id]
    if price_oracle._read(id, rule)[1] == 0:
        initial_margin._explain(initial_margin.PRICE_STALE)
    if rule & asset_config.SOURCE == 0:
        initial_margin._explain(initial_margin.LEVEL_SETTLED)
    initial_margin._check_not_held(id, rule)
    return True


@view
@external
@reentrant
def shortfall(position: uint256[4], tag: uint256) -> uint256:
    return maintenance._shortfall(position, tag)


@view
@external
@reentrant
def health_of(position: uint256[4]) -> IRiskEngine.Health:
    return maintenance._valuation(position, 0, 0, 0).health


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
    return maintenance._liquidation_terms(position, debt_tag, collateral_tag, max_repay, min_debt)


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
def sequencer_feed() -> address:
    return sequencer.FEED


@view
@external
@reentrant
def words_of(asset: address) -> (uint256, uint256, uint256, uint256):
    id: uint256 = self._id(asset)
    return (
        price_oracle.rules[id],
        maintenance.terms[id],
        price_oracle.checkpoints[id],
        price_oracle.observations[id],
    )


# ------------------------------------------------------------------ rules


@view
@internal
def _check_breaker():
    if msg.sender != self.breaker:
        legs._fail("caller is not the breaker")


@view
@internal
def _check_configurator():
    if msg.sender != self.configurator:
        legs._fail("caller is not configurator")


@view
@internal
def _id(asset: address) -> uint256:
    id: uint256 = price_oracle.ids[asset]
    if id == 0:
        legs._fail("asset is not listed")
    return id
