# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Configurator
@license MIT
@notice Lists assets, opens vaults and moves what may be moved: everything that an owner can do to
        the rules of an asset, its caps and its feed, and to a vault. It owns the credit engine and
        the vaults and is the configurator of the risk engine; nobody can change the rules of any
        without it, or put another in its place.
@dev    LISTING CONDITIONS
          tip <= incentive_min <= incentive_max, one tip for all assets,
          (1 + highest incentive_max) * highest liquidation_ltv < 1 over all assets, so for every
          pair (debt_weight >= 1), target_health > 1, borrow_ltv <= liquidation_ltv - 2 %.
          The source must answer with a valid price.
        GENESIS
          Until `seal` any number of assets may be listed, at full caps, vaults be opened and
          listed, and nothing has steps. Once sealed, there is:
        A SCHEDULE
          One listing a week, see `new_assets`. max_price of a new asset is at most MAX_RISE times
          its price. Nobody adds to a new asset above its cap. Vaults come at genesis only: who
          names a vault of his own names its debt index too.
        STEPS OF THE OWNER
          Tightening is at once and without limit. Loosening: one step every `steps.INTERVAL` for
          each parameter of an asset, and for all that is kept of a vault together,
            cap               to twice its value, or to what a new asset begins with
            borrow_ltv        by LTV_STEP
            liquidation_ltv   by LTV_STEP above where its ramp stands
            min_debt, depth   to half or twice its value; no depth, 0, counts as all that is held,
                              and is not come back to
            max_price         to twice its value
            growth            to twice its value, never back to no limit
            caps of a vault, floor of its limits
                              to twice its value, or to what a new asset begins with
            outflow and growth limit of a vault
                              to twice its value, never back to no limit
            target utilization, steepness, least and highest rate of a vault
                              to half or twice its value
          What else is set for a vault is at once; so is its end.
        STEPS OF THE STEWARD
          Cap and borrow_ltv of an asset move together or not at all, up or down, one step every
          `steps.INTERVAL`: STEWARD_CAP of the cap, or STEWARD_LTV of the ltv, or a part of each.
        FEEDS
          A new source must agree with the old one, and blends in over 24 hours: see `BlendFeed`.
        SETTLEMENT
          Announced with its price 24 hours before it may come.
        NO SURPRISE
          Nothing set here makes a healthy account liquidatable in that block: liquidation_ltv
          falls only along a ramp of at least MIN_RAMP, feeds blend in, debt_weight never changes,
          borrow_ltv and caps bind new risk alone.
        ROLES
          owner (the timelock): everything but `steer`. steward: `steer`.
          The breaker of an engine or a vault stays as it is.
          Anyone: `grow`, `finish_replacement`.
"""

from contracts.interfaces import IConfigurator
from contracts.interfaces import IDebtVault
from contracts.interfaces import IRiskEngine
from contracts.modules import asset_config
from contracts.modules import asset_rules
from contracts.modules import compact
from contracts.modules import feed_change
from contracts.modules import new_assets
from contracts.modules import rulebook
from contracts.modules import steps
from contracts.modules import vault_rules
from ethereum.ercs import IERC20Detailed
from snekmate.auth import ownable

initializes: ownable
# the schedule after genesis, and the clocks of steps
initializes: new_assets
initializes: steps
# the engines, and whether genesis is over
initializes: rulebook[new_assets := new_assets, steps := steps]
# what of assets, feeds and vaults may be moved
initializes: asset_rules[
    ownable := ownable, new_assets := new_assets, rulebook := rulebook, steps := steps
]
initializes: feed_change[ownable := ownable, rulebook := rulebook]
initializes: vault_rules[ownable := ownable, rulebook := rulebook]

exports: (
    ownable.owner,
    ownable.transfer_ownership,
    rulebook.risk_engine,
    rulebook.credit_engine,
    rulebook.sealed_at,
    asset_rules.set_cap,
    asset_rules.set_borrow_ltv,
    asset_rules.ramp_liquidation_ltv,
    asset_rules.set_min_debt,
    asset_rules.set_growth,
    asset_rules.set_depth,
    asset_rules.raise_max_price,
    asset_rules.set_steward,
    asset_rules.steer,
    asset_rules.steward,
    asset_rules.max_incentive,
    asset_rules.max_liquidation_ltv,
    feed_change.replace_feed,
    feed_change.cancel_replacement,
    feed_change.finish_replacement,
    feed_change.announce_settlement,
    feed_change.cancel_settlement,
    feed_change.settle,
    feed_change.announcement_of,
    feed_change.blend_of,
    feed_change.blend_feed,
    vault_rules.open_vault,
    vault_rules.set_vault,
    vault_rules.wind_down_vault,
    vault_rules.vault_config_of,
    vault_rules.next_vault_step,
)

MAX_RISE: constant(uint256) = 4  # max_price over price, of a new asset

# [BPS] the same for all assets; 0 before the first
tip: public(uint256)


@deploy
def __init__(credit_engine: address, blend_feed: address, new_limit: uint256, owner: address):
    """
    @param credit_engine Which this contract is given; its risk engine too.
    @param blend_feed Blueprint (ERC-5202) of `BlendFeed`.
    @param new_limit [WAD] what the caps of all new assets may be worth together, and the target of
           each of them.
    @param owner Everything, see above.
    """
    assert credit_engine.is_contract, "credit engine has no code"
    assert blend_feed.is_contract, "blend feed has no code"
    assert owner != empty(address), "owner is zero"
    rulebook.__init__(credit_engine)
    feed_change.__init__(blend_feed)
    ownable.__init__()
    ownable._transfer_ownership(owner)
    new_assets.__init__(new_limit)


@external
def seal():
    """
    @notice Ends genesis, for good.
    """
    ownable._check_owner()
    rulebook._check_genesis()
    rulebook.sealed_at = block.timestamp
    log IConfigurator.Seal()


@external
def list_asset(
    asset: address,
    config: IConfigurator.AssetConfig,
    cap: uint256,
    takes_fee: bool,
    vault: address,
    min_debt: uint256,
) -> uint256:
    """
    @notice Lists an asset, once: its rules, as collateral with its cap, and as a debt.
    @param cap [token units] for all accounts together; what it grows to where genesis is over. 0:
           it is no collateral.
    @param takes_fee The token may deliver less than is sent.
    @param vault That lends it, zero for none.
    @param min_debt [token units] smallest debt an account may leave.
    @return Its id.
    """
    ownable._check_owner()
    assert staticcall IRiskEngine(rulebook.RISK_ENGINE).id_of(asset) == 0, "asset is listed already"
    decimals: uint256 = convert(staticcall IERC20Detailed(asset).decimals(), uint256)
    rule: uint256 = 0
    term: uint256 = 0
    rule, term = asset_config._pack(
        config, decimals, rulebook._feed_decimals(config.source, config.is_feed)
    )
    # else a dust of another asset would change who is under water; those without a
    # liquidation_ltv too, which may be held, and may get one
    assert self.tip == 0 or config.tip == self.tip, "tip differs from the others"
    self.tip = config.tip
    asset_rules._check_pairs(config.incentive_max, config.liquidation_ltv)
    if rulebook.sealed_at != 0:
        term |= asset_config.IS_NEW
    id: uint256 = rulebook._write(asset, rule, term)
    log IConfigurator.ListAsset(asset=asset, id=id, config=config)

    new_assets._check_cap(cap <= new_assets.MAX_CAP)
    first: uint256 = cap
    if rulebook.sealed_at != 0:
        price: uint256 = rulebook._price(asset)
        assert asset_config._max_price(rule) <= MAX_RISE * price, "max_price is too high"
        first = new_assets._add(asset, cap, price, 10**decimals)
        steps._take_all(asset)
        log IConfigurator.Grow(asset=asset, cap=first, value=new_assets.values[asset])
    if cap != 0:
        extcall rulebook.ICreditEngine(rulebook.CREDIT_ENGINE).list_collateral(
            asset, first, takes_fee
        )
    if vault != empty(address):
        assert staticcall IDebtVault(vault).asset() == asset, "vault is of another asset"
        self._list_debt(vault, min_debt)
    return id


@external
def list_debt(vault: address, min_debt: uint256):
    """
    @notice Lets accounts borrow an asset that is listed already.
    @param min_debt [token units] smallest debt an account may leave.
    """
    ownable._check_owner()
    self._list_debt(vault, min_debt)


@external
def grow(asset: address):
    """
    @notice Raises the cap of a new asset to where its schedule stands. For anyone. The last step,
            after 30 days, ends what is special about it.
    """
    assert new_assets._is_new(asset), "asset is not new"
    # as the engine keeps it
    cap: uint256 = compact._decode(compact._encode(new_assets._scheduled(asset)))
    before: uint256 = rulebook._cap(asset)
    rule: uint256 = 0
    term: uint256 = 0
    rule, term = rulebook._words(asset)
    if new_assets._is_over(asset):
        new_assets._end(asset)
        rulebook._write(asset, rule, term & ~asset_config.IS_NEW)
        log IConfigurator.EndGrowth(asset=asset, cap=max(cap, before))
    else:
        assert cap > before, "nothing to grow yet"
        new_assets._value(asset, cap, rulebook._price(asset), asset_config._unit(rule))
        log IConfigurator.Grow(asset=asset, cap=cap, value=new_assets.values[asset])
    if cap > before:
        rulebook._write_cap(asset, cap)


@view
@external
def new_limit() -> uint256:
    """
    @notice [WAD] What the caps of all new assets may be worth together, and the target of each.
    """
    return new_assets.LIMIT


@view
@external
def schedule_of(asset: address) -> (uint256, uint256, uint256):
    """
    @notice When a new asset was listed [unix seconds], its target [token units] and what its cap
            was worth when it was last set [WAD]; zeros for any other.
    """
    if not new_assets._is_new(asset):
        return 0, 0, 0
    return new_assets.listed_at[asset], new_assets.targets[asset], new_assets.values[asset]


@view
@external
def next_step(asset: address, lane: uint256) -> uint256:
    """
    @notice When the next step of a parameter may come [unix seconds], see `steps` for lanes.
    """
    return steps._next(asset, lane)


@internal
def _list_debt(vault: address, min_debt: uint256):
    rulebook._check_genesis()
    asset_rules._check_min_debt(min_debt)
    extcall rulebook.ICreditEngine(rulebook.CREDIT_ENGINE).list_debt(vault, min_debt)
