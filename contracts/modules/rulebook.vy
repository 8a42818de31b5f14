# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Rulebook
@license MIT
@notice Where the rules stand that `Configurator` writes: the engines, what they know of an asset,
        and whether genesis is over. What is loosened from then on goes by steps.
"""

from contracts.interfaces import IAggregatorV3
from contracts.interfaces import IRiskEngine
from contracts.modules import asset_config
from contracts.modules import new_assets
from contracts.modules import steps

uses: steps
uses: new_assets


interface ICreditEngine:
    def list_collateral(asset: address, cap: uint256, takes_fee: bool): nonpayable
    def set_cap(asset: address, cap: uint256): nonpayable
    def list_debt(vault: address, min_debt: uint256): nonpayable
    def set_min_debt(asset: address, min_debt: uint256): nonpayable
    def set_growth(asset: address, growth: uint256): nonpayable
    def set_depth(asset: address, depth: uint256): nonpayable
    def end_collateral(asset: address): nonpayable
    def book_word(asset: address) -> uint256: view
    def book_of(asset: address) -> (uint256, uint256, uint256, bool): view
    def debt_of(asset: address) -> (uint256, address, uint256): view
    def risk_engine() -> address: view


RISK_ENGINE: immutable(address)
CREDIT_ENGINE: immutable(address)

# Genesis is over since [unix seconds]; 0: it is not
sealed_at: public(uint256)


@deploy
def __init__(credit_engine: address):
    CREDIT_ENGINE = credit_engine
    RISK_ENGINE = staticcall ICreditEngine(credit_engine).risk_engine()


@view
@external
def risk_engine() -> address:
    """
    @notice Where the rules are written.
    """
    return RISK_ENGINE


@view
@external
def credit_engine() -> address:
    """
    @notice Where caps and least debts are written.
    """
    return CREDIT_ENGINE


@view
@internal
def _check_genesis():
    assert self.sealed_at == 0, "genesis is over"


@internal
def _step(asset: address, lane: uint256) -> bool:
    """
    @dev Whether what is loosened has steps; takes one.
    """
    if self.sealed_at == 0:
        return False
    steps._take(asset, lane)
    return True


@pure
@internal
def _check_step(is_small: bool):
    assert is_small, "step is too large"


@pure
@internal
def _check_twice(before: uint256, after: uint256):
    """
    @dev A step to half or twice what it is, at most.
    """
    self._check_step(max(before, after) - min(before, after) <= min(before, after))


@pure
@internal
def _is_looser(before: uint256, after: uint256) -> bool:
    """
    @dev Of a limit in a window, where 0 is none: the loosest.
    """
    return before != 0 and (after == 0 or after > before)


@pure
@internal
def _check_limit(before: uint256, after: uint256):
    """
    @dev A step of such a limit.
    """
    self._check_step(after != 0 and after - before <= before)


@view
@internal
def _is_first(asset: address, cap: uint256) -> bool:
    """
    @dev Whether a cap is worth no more than that of an asset just listed may be.
    """
    unit: uint256 = asset_config._unit(self._words(asset)[0])
    return cap * self._price(asset) // unit <= new_assets.LIMIT >> new_assets.DOUBLINGS


@view
@internal
def _price(asset: address) -> uint256:
    price: uint256 = (staticcall IRiskEngine(RISK_ENGINE).quote(asset)).price
    assert price != 0, "price is not valid"
    return price


@view
@internal
def _cap(asset: address) -> uint256:
    return (staticcall ICreditEngine(CREDIT_ENGINE).book_of(asset))[2]


@view
@internal
def _feed_decimals(source: address, is_feed: bool) -> uint256:
    if is_feed:
        return asset_config.IS_FEED
    decimals: uint256 = convert(staticcall IAggregatorV3(source).decimals(), uint256)
    assert decimals < asset_config.IS_FEED, "feed decimals out of range"
    return decimals


@view
@internal
def _words(asset: address) -> (uint256, uint256):
    """
    @dev Rule and term; reverts for an asset that is not listed.
    """
    rule: uint256 = 0
    term: uint256 = 0
    checkpoint: uint256 = 0
    observation: uint256 = 0
    rule, term, checkpoint, observation = staticcall IRiskEngine(RISK_ENGINE).words_of(asset)
    return rule, term


@internal
def _write(asset: address, rule: uint256, term: uint256) -> uint256:
    """
    @dev Returns the asset's id.
    """
    return extcall IRiskEngine(RISK_ENGINE).write_asset(asset, rule, term)


@internal
def _write_cap(asset: address, cap: uint256):
    extcall ICreditEngine(CREDIT_ENGINE).set_cap(asset, cap)
