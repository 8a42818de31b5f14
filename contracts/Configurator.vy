# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Configurator
@license MIT
@notice The rules of assets and vaults in words: lists assets in the risk engine, opens and
        configures the vaults that it owns, and moves what may be moved.
@dev    LISTING CONDITIONS
          tip <= incentive_min <= incentive_max, one tip for all assets,
          (1 + highest incentive_max) * highest liquidation_ltv < 1 over all assets, so for every
          pair (debt_weight >= 1), target_health > 1, borrow_ltv <= liquidation_ltv - 2 %.
          The source must answer with a valid price.
        NO SURPRISE
          Nothing set here makes a healthy account liquidatable in that block: liquidation_ltv
          falls only along a ramp of at least MIN_RAMP, debt_weight and feeds never change,
          borrow_ltv binds new risk alone.
        ROLES
          owner (the timelock): everything.
"""

from contracts.interfaces import IAggregatorV3
from contracts.interfaces import IConfigurator
from contracts.interfaces import ILendingVault
from contracts.interfaces import IRiskEngine
from contracts.modules import asset_config
from contracts.modules import vault_config
from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed
from ethereum.ercs import IERC4626
from snekmate.auth import ownable

initializes: ownable

exports: (ownable.owner, ownable.transfer_ownership)

BPS: constant(uint256) = 10_000
MIN_RAMP: constant(uint256) = 3 * 86_400  # [s]
MAX_RAMP: constant(uint256) = 180 * 86_400  # [s]

RISK_ENGINE: immutable(address)

# What holds for every pair of assets, whichever an account mixes. The maxima never fall.
tip: public(uint256)  # [BPS] the same for all assets; 0 before the first
max_incentive: public(uint256)  # [BPS]
max_liquidation_ltv: public(uint256)  # [BPS]


@deploy
def __init__(risk_engine: address, owner: address):
    assert risk_engine.is_contract, "risk engine has no code"
    assert owner != empty(address), "owner is zero"
    RISK_ENGINE = risk_engine
    ownable.__init__()
    ownable._transfer_ownership(owner)


@external
def list_asset(asset: address, config: IConfigurator.AssetConfig) -> uint256:
    """
    @notice Lists an asset, once.
    @return Its id.
    """
    ownable._check_owner()
    assert staticcall IRiskEngine(RISK_ENGINE).id_of(asset) == 0, "asset is listed already"
    decimals: uint256 = convert(staticcall IERC20Detailed(asset).decimals(), uint256)
    feed_decimals: uint256 = asset_config.IS_FEED
    if not config.is_feed:
        feed_decimals = convert(staticcall IAggregatorV3(config.source).decimals(), uint256)
        assert feed_decimals < asset_config.IS_FEED, "feed decimals out of range"
    rule: uint256 = 0
    term: uint256 = 0
    rule, term = asset_config._pack(config, decimals, feed_decimals)
    # else a dust of another asset would change who is under water; those without a
    # liquidation_ltv too, which may be held, and may get one
    assert self.tip == 0 or config.tip == self.tip, "tip differs from the others"
    self.tip = config.tip
    self._check_pairs(config.incentive_max, config.liquidation_ltv)
    id: uint256 = extcall IRiskEngine(RISK_ENGINE).write_asset(asset, rule, term)
    log IConfigurator.ListAsset(asset=asset, id=id, config=config)
    return id


@external
def set_borrow_ltv(asset: address, borrow_ltv: uint256):
    """
    @notice Sets the loan-to-value of new risk at once. Its floor stays, moved up by less than
            0.5 % to a whole step, or comes down with it.
    @param borrow_ltv [BPS] at least 2 % below the liquidation_ltv of now and of the ramp's end.
    """
    ownable._check_owner()
    rule: uint256 = 0
    term: uint256 = 0
    rule, term = self._words(asset)
    assert (
        borrow_ltv == 0
        or borrow_ltv + asset_config.GAP
        <= min(asset_config._liquidation_ltv(term), (term >> 14) & asset_config.MASK_14)
    ), "borrow_ltv is too high"
    rule = asset_config._with_borrow_ltv(rule, borrow_ltv)
    extcall IRiskEngine(RISK_ENGINE).write_asset(asset, rule, term)
    log IConfigurator.SetBorrowLtv(asset=asset, borrow_ltv=borrow_ltv)


@external
def ramp_liquidation_ltv(asset: address, target: uint256, duration: uint256):
    """
    @notice Moves liquidation_ltv from its present value to `target` in a straight line. A
            borrow_ltv that would stand too high is lowered at once.
    @param target [BPS] (1 + highest incentive_max) * target < 1.
    @param duration [s] at least 3 days when it falls, at most 180 days.
    """
    ownable._check_owner()
    rule: uint256 = 0
    term: uint256 = 0
    rule, term = self._words(asset)
    start: uint256 = asset_config._liquidation_ltv(term)
    assert target >= start or duration >= MIN_RAMP, "ramp is too fast"
    assert duration <= MAX_RAMP, "ramp is too slow"
    self._check_pairs((term >> 120) & asset_config.MASK_14, target)

    lowest: uint256 = min(start, target)
    highest: uint256 = lowest - asset_config.GAP if lowest > asset_config.GAP else 0
    if (rule >> 184) & asset_config.MASK_14 > highest:
        rule = asset_config._with_borrow_ltv(rule, highest)
        log IConfigurator.SetBorrowLtv(asset=asset, borrow_ltv=highest)
    term = (
        (term >> 92 << 92) | start | (target << 14) | (block.timestamp << 28) | (duration << 68)
    )
    extcall IRiskEngine(RISK_ENGINE).write_asset(asset, rule, term)
    log IConfigurator.RampLiquidationLtv(
        asset=asset,
        start=start,
        target=target,
        starts_at=block.timestamp,
        ends_at=block.timestamp + duration,
    )


@external
def settle(asset: address, price: uint256):
    """
    @notice Winds an asset down for good, see `IRiskEngine.settle`.
    @param price [WAD] within what pokes saw in 7 days.
    """
    ownable._check_owner()
    extcall IRiskEngine(RISK_ENGINE).settle(asset, price)


@external
def open_vault(vault: address, fund: address, seed: uint256, config: IConfigurator.VaultConfig):
    """
    @notice Opens a vault, once, with a seed from the owner (approve this contract).
    @param fund An `InsuranceFund` over the vault, which gets the seed's shares.
    @param seed [assets] above zero, at most the deposit cap. A token that takes a fee is refused.
    """
    ownable._check_owner()
    assert staticcall IERC4626(fund).asset() == vault, "fund is of another vault"
    asset: address = staticcall IERC4626(vault).asset()
    before: uint256 = staticcall IERC20(asset).balanceOf(self)
    assert extcall IERC20(asset).transferFrom(
        msg.sender, self, seed, default_return_value=True
    ), "token transfer failed"
    assert staticcall IERC20(asset).balanceOf(self) >= before + seed, "token takes a fee"
    extcall IERC20(asset).approve(vault, seed, default_return_value=True)
    extcall ILendingVault(vault).open(fund, seed, vault_config._pack(config), config.flash_fee)
    log IConfigurator.SetVault(vault=vault, config=config)


@external
def set_vault(vault: address, config: IConfigurator.VaultConfig):
    """
    @notice Everything that an owner sets for a vault. `initial_rate` changes nothing after the
            opening.
    """
    ownable._check_owner()
    extcall ILendingVault(vault).write_config(vault_config._pack(config), config.flash_fee)
    log IConfigurator.SetVault(vault=vault, config=config)


@external
def wind_down_vault(vault: address):
    """
    @notice Ends a vault, for good; see `ILendingVault.wind_down`.
    """
    ownable._check_owner()
    extcall ILendingVault(vault).wind_down()


@view
@external
def vault_config_of(vault: address) -> IConfigurator.VaultConfig:
    """
    @notice The configuration of a vault as it is kept; zeros before it is open.
    """
    word: uint256 = 0
    flash_fee: uint256 = 0
    word, flash_fee = staticcall ILendingVault(vault).config()
    return vault_config._unpack(word, flash_fee)


@view
@external
def risk_engine() -> address:
    """
    @notice Where the rules are written.
    """
    return RISK_ENGINE


@internal
def _check_pairs(incentive_max: uint256, liquidation_ltv: uint256):
    """
    @dev The highest incentive against the highest ltv: else a liquidation could lower health.
    """
    incentive: uint256 = max(self.max_incentive, incentive_max)
    highest: uint256 = max(self.max_liquidation_ltv, liquidation_ltv)
    assert (BPS + incentive) * highest < BPS * BPS, "incentive too high for an ltv"
    self.max_incentive = incentive
    self.max_liquidation_ltv = highest


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
