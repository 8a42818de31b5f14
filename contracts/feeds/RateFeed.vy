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

# Both calls at their limit, and what else is done here, fit into the gas a feed is called with.
VAULT_GAS: constant(uint256) = 40_000
BASE_GAS: constant(uint256) = 136_000

INVALID: constant(uint256) = 0

VAULT: public(immutable(address))
BASE: public(immutable(address))
GROWTH: public(immutable(uint256))  # [BPS a year]
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

    rate: uint256 = self._rate(vault, 10**share_decimals, 10**asset_decimals)
    assert rate != 0, "rate is not valid"
    assert aggregator._read_feed(base, BASE_GAS)[4] != INVALID, "base is not valid"
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
        return 0, 0, 0, 0, INVALID
    low: uint256 = 0
    price: uint256 = 0
    high: uint256 = 0
    updated_at: uint256 = 0
    status: uint256 = 0
    low, price, high, updated_at, status = aggregator._read_feed(BASE, BASE_GAS)
    if status == INVALID:
        return 0, 0, 0, 0, INVALID

    low = min(actual, self._bounded()) * low // WAD
    price = actual * price // WAD
    high = (actual * high + WAD - 1) // WAD
    if low == 0 or high > MAX_PRICE:
        return 0, 0, 0, 0, INVALID
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
    # who leaves too little gas could make a good vault look dead
    assert msg.gas >= VAULT_GAS * 64 // 63 + 6_600, "too little gas"

    ok: bool = False
    answer: Bytes[64] = b""
    # one word more than is wanted, so that a longer answer shows
    ok, answer = raw_call(
        vault,
        abi_encode(one_share, method_id=method_id("convertToAssets(uint256)")),
        max_outsize=64,
        gas=VAULT_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not ok or len(answer) != 32:
        return 0
    assets: uint256 = abi_decode(answer, uint256)
    if assets > MAX_PRICE:
        return 0
    rate: uint256 = assets * WAD // one_asset
    if rate < MIN_RATE or rate > MAX_RATE:
        return 0
    return rate
