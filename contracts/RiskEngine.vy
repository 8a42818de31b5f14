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
from contracts.modules import initial_margin
from contracts.modules import latch
from contracts.modules import legs
from contracts.modules import maintenance
from contracts.modules import price_oracle
from snekmate.auth import ownable

implements: IRiskEngine

initializes: ownable
# levels of assets act where prices are read
initializes: latch
initializes: price_oracle[latch := latch]
initializes: maintenance[price_oracle := price_oracle]
initializes: initial_margin[price_oracle := price_oracle, maintenance := maintenance]

exports: (ownable.owner, ownable.transfer_ownership)

breaker: public(address)
configurator: public(address)


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
        legs._fail("caller is not the breaker")
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
        legs._fail("caller is not the breaker")
    if price_oracle.ids[asset] == 0:
        legs._fail("asset is not listed")
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
        legs._fail("caller is not configurator")
    id: uint256 = price_oracle.ids[asset]
    if id == 0:
        id = price_oracle.count + 1
        if id > 127:
            legs._fail("too many assets")
        price_oracle.count = id
        price_oracle._begin(asset, id, rule)
    else:
        latched: uint256 = price_oracle.rules[id] & price_oracle.LATCHED
        price_oracle.rules[id] = rule & ~price_oracle.LATCHED | latched
    maintenance.terms[id] = term
    log IRiskEngine.WriteAsset(asset=asset, id=id, rule=rule, term=term)
    return id


@external
def set_breaker(breaker: address):
    """
    @notice Names the circuit breaker, which alone pokes and latches. For the owner.
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
        id: uint256 = rest & 127
        rest = rest >> 8
        state: uint256 = price_oracle._read(id, price_oracle.rules[id])[4]
        if state >> 2 & 3 > level:
            level = state >> 2 & 3
            why = initial_margin._level_reason(state)
    if level == 0:
        why = initial_margin._initial(after, 0)
    if why == initial_margin.MARGIN_OK:
        return True
    if level == 2 or not initial_margin._is_safer(before, after):
        initial_margin._explain(why)
    return False


@view
@external
@reentrant
def check_listable(id: uint256) -> bool:
    if price_oracle._read(id, price_oracle.rules[id])[1] == 0:
        legs._fail("price is stale")
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
def margin_of(position: uint256[4]) -> IRiskEngine.Margin:
    return initial_margin._margin(position)


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
def _id(asset: address) -> uint256:
    id: uint256 = price_oracle.ids[asset]
    if id == 0:
        legs._fail("asset is not listed")
    return id
