# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Rate feed
@license MIT
@notice The price of an ERC-4626 share (a staked token): what a share converts to, times the quote
        of the asset behind it.

        ACCOUNTING
        actual  = convertToAssets(one whole share), as assets per share [WAD]
        bounded = reference * (1 + growth * seconds since the reference was stored)
        poke() stores min(actual, bounded) as the new reference. Only the rise is bounded: a fall
        is believed at once. Pokes compound, so over a time t the bound rises by a factor of at
        most exp(growth * t), however often anyone pokes.

        QUOTE
        low  = min(actual, bounded) * low of the base: a donation to the vault, or a rate that is
               pushed up, doesn't raise what new risk counts by more than the bound
        price = actual * price of the base
        high = actual * high of the base
        updated_at and status are those of the base.

        WHICH RATE COUNTS WHERE
        new risk      collateral at low, the lower rate; debt at high, never below the actual one
        liquidation   collateral at high, the actual rate, up and down at once: a donation lifts
                      nobody's limit to borrow, and is owned by the shares that it lifts, so it is
                      no reason to liquidate them as if it were not there
                      debt at low: what a rise beyond the bound adds to a debt is not demanded
                      until growth has caught up, however long that takes. A quote has one low, for
                      new collateral and for old debt, so no feed can end that after an hour without
                      lending on the donation. The gap is at most actual / bounded - 1: let growth
                      be twice what the rate ever grew, or list the share as no debt.

        ROUNDING
        The rate, low and price down, high up. An asset of few decimals has a coarse rate: 6
        decimals give steps of a millionth.

        ORACLE ASSUMPTIONS
        convertToAssets answers for an exchange that really takes place, and the base prices the
        vault's asset. Nobody can lower the rate and raise it again in one transaction; who could,
        might store a low reference, which lowers `low` until growth has caught up.

        LIVENESS
        A vault or base that reverts, has no code, burns its gas or answers nonsense is no price:
        INVALID, with zeros. A rate outside 1e-3 to 1e9 assets a share is nonsense. Without pokes
        the feed works on, and the bound widens.

        ROLES
        None: nothing can be changed but the reference, by anyone.
"""

from contracts.interfaces import IPriceFeed

implements: IPriceFeed


# Stateless.
from contracts.modules import aggregator


interface IShare:
    def asset() -> address: view
    def decimals() -> uint8: view


event Poke:
    actual: uint256
    reference: uint256


WAD: constant(uint256) = 10**18
BPS: constant(uint256) = 10_000
YEAR: constant(uint256) = 365 * 86_400
MAX_GROWTH: constant(uint256) = 10_000
MAX_DECIMALS: constant(uint256) = 24
MIN_RATE: constant(uint256) = 10**15
MAX_RATE: constant(uint256) = 10**27
MAX_PRICE: constant(uint256) = 2**128 - 1

VAULT_GAS: constant(uint256) = 40_000
OWN_GAS: constant(uint256) = 5_000  # without calls

VAULT: public(immutable(address))
BASE: public(immutable(address))
GROWTH: public(immutable(uint256))  # [BPS a year]
BASE_GAS: immutable(uint256)
GAS_LIMIT: immutable(uint256)
ONE_SHARE: immutable(uint256)  # [shares]
ONE_ASSET: immutable(uint256)  # [assets]

# bits 0-127 reference [WAD], 128-191 time it was stored [unix seconds]
packed_reference: uint256


@deploy
def __init__(vault: address, base: address, growth: uint256):
    """
    @param vault The ERC-4626 whose share is priced.
    @param base Feed of the vault's asset, which keeps IPriceFeed.
    @param growth [BPS a year] fastest rise of the rate that is believed, 1 to 10_000.
    """
    assert vault.is_contract, "vault has no code"
    assert base.is_contract, "base has no code"
    assert growth != 0 and growth <= MAX_GROWTH, "growth is out of range"
    asset: address = staticcall IShare(vault).asset()
    assert asset.is_contract, "asset has no code"
    share_decimals: uint256 = convert(staticcall IShare(vault).decimals(), uint256)
    asset_decimals: uint256 = convert(staticcall IShare(asset).decimals(), uint256)
    assert max(share_decimals, asset_decimals) <= MAX_DECIMALS, "too many decimals"

    VAULT = vault
    BASE = base
    GROWTH = growth
    ONE_SHARE = 10**share_decimals
    ONE_ASSET = 10**asset_decimals
    BASE_GAS = aggregator._gas_of(base)
    GAS_LIMIT = VAULT_GAS + aggregator.CALL_GAS + aggregator._need(BASE_GAS) + OWN_GAS
    assert GAS_LIMIT <= aggregator.FEED_GAS, "base needs too much gas"

    rate: uint256 = self._rate(vault, 10**share_decimals, 10**asset_decimals)
    assert rate != 0, "rate is not valid"
    assert aggregator._read_feed(base, BASE_GAS)[4] != aggregator.FEED_INVALID, "base is not valid"
    self.packed_reference = block.timestamp << 128 | rate


@external
def poke():
    """
    @notice Stores min(actual, bounded) as the new reference. For anyone.
    """
    actual: uint256 = self._rate(VAULT, ONE_SHARE, ONE_ASSET)
    assert actual != 0, "rate is not valid"
    reference: uint256 = min(actual, self._bounded())
    self.packed_reference = block.timestamp << 128 | reference
    log Poke(actual=actual, reference=reference)


@view
@external
@reentrant
def quote() -> (uint256, uint256, uint256, uint256, uint256):
    """
    @notice See `IPriceFeed.quote`.
    """
    actual: uint256 = self._rate(VAULT, ONE_SHARE, ONE_ASSET)
    if actual == 0:
        return 0, 0, 0, 0, aggregator.FEED_INVALID
    low: uint256 = 0
    price: uint256 = 0
    high: uint256 = 0
    updated_at: uint256 = 0
    status: uint256 = 0
    low, price, high, updated_at, status = aggregator._read_feed(BASE, BASE_GAS)
    if status == aggregator.FEED_INVALID:
        return 0, 0, 0, 0, aggregator.FEED_INVALID

    low = min(actual, self._bounded()) * low // WAD
    price = actual * price // WAD
    high = (actual * high + WAD - 1) // WAD
    if low == 0 or high > MAX_PRICE:
        return 0, 0, 0, 0, aggregator.FEED_INVALID
    return low, price, high, updated_at, status


@view
@external
@reentrant
def rates() -> (uint256, uint256):
    """
    @notice actual (0 when not valid) and bounded [WAD], assets per share.
    """
    return self._rate(VAULT, ONE_SHARE, ONE_ASSET), self._bounded()


@view
@external
@reentrant
def reference() -> (uint256, uint256):
    """
    @notice The stored rate [WAD], and when it was stored [unix seconds].
    """
    return self.packed_reference & MAX_PRICE, self.packed_reference >> 128


@view
@external
@reentrant
def gas_limit() -> uint256:
    """
    @notice See `IPriceFeed.gas_limit`.
    """
    return GAS_LIMIT


@view
@internal
def _bounded() -> uint256:
    """
    @dev The highest rate that is believed for new risk [WAD].
    """
    packed: uint256 = self.packed_reference
    elapsed: uint256 = block.timestamp - (packed >> 128)
    stored: uint256 = packed & MAX_PRICE
    return stored + stored * GROWTH * elapsed // (BPS * YEAR)


@view
@internal
def _rate(vault: address, one_share: uint256, one_asset: uint256) -> uint256:
    """
    @dev Assets per share [WAD], rounded down; 0 when the vault's answer is not valid.
    """
    ok: bool = False
    assets: uint256 = 0
    ok, assets = aggregator._word(
        vault,
        abi_encode(one_share, method_id=method_id("convertToAssets(uint256)")),
        VAULT_GAS,
    )
    if not ok or assets > MAX_PRICE:
        return 0
    rate: uint256 = assets * WAD // one_asset
    if rate < MIN_RATE or rate > MAX_RATE:
        return 0
    return rate
