# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Configurator
@license MIT
@notice Lists assets and moves what may be moved: everything that an owner can do to the rules of
        an asset, its caps and its feed. It owns the credit engine and is the configurator of the
        risk engine; nobody can change either's rules without it, or put another in its place.
@dev    LISTING CONDITIONS
          tip <= incentive_min <= incentive_max, one tip for all assets,
          (1 + highest incentive_max) * highest liquidation_ltv < 1 over all assets, so for every
          pair (debt_weight >= 1), target_health > 1, borrow_ltv <= liquidation_ltv - 2 %.
          The source must answer with a valid price.
        GENESIS
          Until `seal` any number of assets may be listed, at full caps, with vaults, and nothing
          has steps. Once sealed, there is:
        A SCHEDULE
          One listing a week, see `new_assets`. max_price of a new asset is at most MAX_RISE times
          its price. Nobody adds to a new asset above its cap. Vaults come at genesis only: who
          names a vault of his own names its debt index too.
        STEPS OF THE OWNER
          Tightening is at once and without limit. Loosening: one step every `steps.INTERVAL` for
          each parameter of an asset,
            cap               to twice its value, or to what a new asset begins with
            borrow_ltv        by LTV_STEP
            liquidation_ltv   by LTV_STEP above where its ramp stands
            min_debt          to half or twice its value
            max_price         to twice its value
            growth, depth     to twice its value, never back to no limit
        STEPS OF THE STEWARD
          Cap and borrow_ltv of an asset move together or not at all, up or down, one step every
          `steps.INTERVAL`: STEWARD_CAP of the cap, or STEWARD_LTV of the ltv, or a part of each.
        FEEDS
          A new source must agree with the old one, and blends in over 24 hours: see `BlendFeed`.
        NO SURPRISE
          Nothing set here makes a healthy account liquidatable in that block: liquidation_ltv
          falls only along a ramp of at least MIN_RAMP, feeds blend in, debt_weight never changes,
          borrow_ltv and caps bind new risk alone.
        ROLES
          owner (the timelock): everything but `steer`. steward: `steer`.
          Anyone: `grow`, `finish_replacement`.
"""

from contracts.interfaces import IAggregatorV3
from contracts.interfaces import IConfigurator
from contracts.interfaces import IDebtVault
from contracts.interfaces import IRiskEngine
from contracts.modules import asset_config
from contracts.modules import compact
from contracts.modules import exposure
from contracts.modules import new_assets
from contracts.modules import steps
from ethereum.ercs import IERC20Detailed
from snekmate.auth import ownable

initializes: ownable
# the schedule after genesis, and the clocks of steps
initializes: new_assets
initializes: steps

exports: (ownable.owner, ownable.transfer_ownership)


interface ICreditEngine:
    def list_collateral(asset: address, cap: uint256, takes_fee: bool): nonpayable
    def set_cap(asset: address, cap: uint256): nonpayable
    def list_debt(vault: address, min_debt: uint256): nonpayable
    def set_min_debt(asset: address, min_debt: uint256): nonpayable
    def set_growth(asset: address, growth: uint256): nonpayable
    def set_depth(asset: address, depth: uint256): nonpayable
    def book_word(asset: address) -> uint256: view
    def book_of(asset: address) -> (uint256, uint256, uint256, bool): view
    def debt_of(asset: address) -> (uint256, address, uint256): view
    def risk_engine() -> address: view


interface IBlendFeed:
    def OLD() -> uint256: view
    def NEW() -> uint256: view
    def is_over() -> bool: view
    def is_refused() -> bool: view


BPS: constant(uint256) = 10_000
DAY: constant(uint256) = 86_400
MIN_RAMP: constant(uint256) = 3 * DAY  # [s]
MAX_RAMP: constant(uint256) = 180 * DAY  # [s]
MAX_RISE: constant(uint256) = 4  # max_price over price, of a new asset
LTV_STEP: constant(uint256) = 500  # [BPS]
STEWARD_CAP: constant(uint256) = 2_000  # [BPS] of the cap
STEWARD_LTV: constant(uint256) = 100  # [BPS]
MAX_BAND: constant(uint256) = 500  # [BPS] between the old source and the new
MAX_GAP: constant(uint256) = 3_600  # [s] see `price_oracle`
IS_NEW: constant(uint256) = 1 << 249  # in the terms of an asset
SOURCE: constant(uint256) = 2**177 - 1  # in its rules: source, highest age, decimals

RISK_ENGINE: immutable(address)
CREDIT_ENGINE: immutable(address)
BLEND_FEED: immutable(address)

# Genesis is over since [unix seconds]; 0: it is not
sealed_at: public(uint256)
steward: public(address)
# By asset, the feed from its old source to a new one, as long as that is under way
blend_of: public(HashMap[address, address])

# What holds for every pair of assets, whichever an account mixes. The maxima never fall.
tip: public(uint256)  # [BPS] the same for all assets; 0 before the first
max_incentive: public(uint256)  # [BPS]
max_liquidation_ltv: public(uint256)  # [BPS]


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
    CREDIT_ENGINE = credit_engine
    RISK_ENGINE = staticcall ICreditEngine(credit_engine).risk_engine()
    BLEND_FEED = blend_feed
    ownable.__init__()
    ownable._transfer_ownership(owner)
    new_assets.__init__(new_limit)


# ------------------------------------------------------------------ listing


@external
def seal():
    """
    @notice Ends genesis, for good.
    """
    ownable._check_owner()
    assert self.sealed_at == 0, "genesis is over"
    self.sealed_at = block.timestamp
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
    assert staticcall IRiskEngine(RISK_ENGINE).id_of(asset) == 0, "asset is listed already"
    decimals: uint256 = convert(staticcall IERC20Detailed(asset).decimals(), uint256)
    rule: uint256 = 0
    term: uint256 = 0
    rule, term = asset_config._pack(
        config, decimals, self._feed_decimals(config.source, config.is_feed)
    )
    # else a dust of another asset would change who is under water; those without a
    # liquidation_ltv too, which may be held, and may get one
    assert self.tip == 0 or config.tip == self.tip, "tip differs from the others"
    self.tip = config.tip
    self._check_pairs(config.incentive_max, config.liquidation_ltv)
    if self.sealed_at != 0:
        term |= IS_NEW
    id: uint256 = extcall IRiskEngine(RISK_ENGINE).write_asset(asset, rule, term)
    log IConfigurator.ListAsset(asset=asset, id=id, config=config)

    assert cap <= new_assets.MAX_CAP, "cap is too high"
    first: uint256 = cap
    if self.sealed_at != 0:
        price: uint256 = self._price(asset)
        assert asset_config._max_price(rule) <= MAX_RISE * price, "max_price is too high"
        first = new_assets._add(asset, cap, price, 10**decimals)
        steps._take_all(asset)
        log IConfigurator.Grow(asset=asset, cap=first, value=new_assets.values[asset])
    if cap != 0:
        extcall ICreditEngine(CREDIT_ENGINE).list_collateral(asset, first, takes_fee)
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
    before: uint256 = self._cap(asset)
    rule: uint256 = 0
    term: uint256 = 0
    rule, term = self._words(asset)
    if new_assets._is_over(asset):
        new_assets._end(asset)
        extcall IRiskEngine(RISK_ENGINE).write_asset(asset, rule, term & ~IS_NEW)
        log IConfigurator.EndGrowth(asset=asset, cap=max(cap, before))
    else:
        assert cap > before, "nothing to grow yet"
        new_assets._value(asset, cap, self._price(asset), 10**asset_config._decimals(rule))
        log IConfigurator.Grow(asset=asset, cap=cap, value=new_assets.values[asset])
    if cap > before:
        extcall ICreditEngine(CREDIT_ENGINE).set_cap(asset, cap)


# ------------------------------------------------------------------ steps of the owner


@external
def set_cap(asset: address, cap: uint256):
    """
    @notice Sets how much of a collateral all accounts together may hold. That of a new asset only
            falls, and its target with it.
    @param cap [token units] rounded down to 16 significant bits. Zero stops adding, except by
           accounts below maintenance.
    """
    ownable._check_owner()
    assert cap <= new_assets.MAX_CAP, "cap is too high"
    before: uint256 = self._cap(asset)
    if new_assets._is_new(asset):
        assert cap <= before, "cap follows its schedule"
        new_assets.targets[asset] = cap
    elif cap > before and self._step(asset, steps.CAP):
        if cap > 2 * before:
            assert self._is_first(asset, cap), "step is too large"
    extcall ICreditEngine(CREDIT_ENGINE).set_cap(asset, cap)


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
    before: uint256 = asset_config._base_ltv(rule)
    if borrow_ltv > before and self._step(asset, steps.BORROW_LTV):
        assert borrow_ltv <= before + LTV_STEP, "step is too large"
    self._write_borrow_ltv(asset, rule, term, borrow_ltv)
    log IConfigurator.SetBorrowLtv(asset=asset, borrow_ltv=borrow_ltv)


@external
def ramp_liquidation_ltv(asset: address, target: uint256, duration: uint256):
    """
    @notice Moves liquidation_ltv from its present value to `target` in a straight line. A
            borrow_ltv that would stand too high is lowered at once.
    @param target [BPS] (1 + highest incentive_max) * target < 1. Above the present value, or
           above where it was going, is a step.
    @param duration [s] at least 3 days when it falls, at most 180 days.
    """
    ownable._check_owner()
    rule: uint256 = 0
    term: uint256 = 0
    rule, term = self._words(asset)
    start: uint256 = asset_config._liquidation_ltv(term)
    assert target >= start or duration >= MIN_RAMP, "ramp is too fast"
    assert duration <= MAX_RAMP, "ramp is too slow"
    if target > min(start, (term >> 14) & asset_config.MASK_14):
        if self._step(asset, steps.LIQUIDATION_LTV):
            assert target <= start + LTV_STEP, "step is too large"
    self._check_pairs((term >> 120) & asset_config.MASK_14, target)

    lowest: uint256 = min(start, target)
    highest: uint256 = lowest - asset_config.GAP if lowest > asset_config.GAP else 0
    if asset_config._base_ltv(rule) > highest:
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
def set_min_debt(asset: address, min_debt: uint256):
    """
    @notice Sets the smallest debt an account may leave. Up or down, it is a step.
    @param min_debt [token units] rounded down to 16 significant bits.
    """
    ownable._check_owner()
    assert min_debt <= new_assets.MAX_CAP, "min_debt is too high"
    if self._step(asset, steps.MIN_DEBT):
        before: uint256 = (staticcall ICreditEngine(CREDIT_ENGINE).debt_of(asset))[2]
        assert min_debt <= 2 * before and before <= 2 * min_debt, "step is too large"
    extcall ICreditEngine(CREDIT_ENGINE).set_min_debt(asset, min_debt)


@external
def set_growth(asset: address, growth: uint256):
    """
    @notice Sets by how much the total of a collateral may grow in a day. More is a step.
    @param growth [percent of the cap] at most 100; 0: no limit, which once sealed only a new asset
           begins with.
    """
    ownable._check_owner()
    self._step_limit(asset, steps.GROWTH, exposure._growth(self._book(asset)), growth)
    extcall ICreditEngine(CREDIT_ENGINE).set_growth(asset, growth)


@external
def set_depth(asset: address, depth: uint256):
    """
    @notice Sets how much of a collateral liquidations may seize in an hour. More is a step.
    @param depth [token units] rounded down to 16 significant bits; 0: no limit, as for growth.
    """
    ownable._check_owner()
    self._step_limit(asset, steps.DEPTH, exposure._depth(self._book(asset)), depth)
    extcall ICreditEngine(CREDIT_ENGINE).set_depth(asset, depth)


@external
def raise_max_price(asset: address, max_price: uint256):
    """
    @notice Raises the price above which none is valid.
    @param max_price [WAD] kept as a power of two, rounded up.
    """
    ownable._check_owner()
    rule: uint256 = 0
    term: uint256 = 0
    rule, term = self._words(asset)
    before: uint256 = asset_config._max_price(rule)
    rule = asset_config._with_max_price(rule, max_price)
    if self._step(asset, steps.MAX_PRICE):
        assert asset_config._max_price(rule) <= 2 * before, "step is too large"
    extcall IRiskEngine(RISK_ENGINE).write_asset(asset, rule, term)
    log IConfigurator.SetMaxPrice(asset=asset, max_price=asset_config._max_price(rule))


# ------------------------------------------------------------------ steps of the steward


@external
def set_steward(steward: address):
    """
    @notice Names who may `steer`; zero for nobody. For the owner.
    """
    ownable._check_owner()
    self.steward = steward
    log IConfigurator.SetSteward(steward=steward)


@external
def steer(asset: address, cap: uint256, borrow_ltv: uint256):
    """
    @notice Moves cap and borrow_ltv of an asset together. What both move, as parts of their steps,
            is at most one whole.
    @param cap [token units] of a new asset: at most what it is.
    @param borrow_ltv [BPS] as for `set_borrow_ltv`.
    """
    assert msg.sender == self.steward, "caller is not steward"
    rule: uint256 = 0
    term: uint256 = 0
    rule, term = self._words(asset)
    before: uint256 = self._cap(asset)
    ltv: uint256 = asset_config._base_ltv(rule)
    steps._take(asset, steps.STEWARD)
    # [BPS] of the whole step, rounded up
    part: uint256 = (max(ltv, borrow_ltv) - min(ltv, borrow_ltv)) * BPS // STEWARD_LTV
    if cap != before:
        assert cap <= 2 * before, "step is too large"
        most: uint256 = before * STEWARD_CAP
        part += ((max(cap, before) - min(cap, before)) * BPS * BPS + most - 1) // most
    assert part <= BPS, "step is too large"
    if new_assets._is_new(asset):
        assert cap <= before, "cap follows its schedule"
        new_assets.targets[asset] = min(new_assets.targets[asset], cap)
    self._write_borrow_ltv(asset, rule, term, borrow_ltv)
    extcall ICreditEngine(CREDIT_ENGINE).set_cap(asset, cap)
    log IConfigurator.Steer(asset=asset, cap=cap, borrow_ltv=borrow_ltv)


# ------------------------------------------------------------------ feeds


@external
def replace_feed(
    asset: address, source: address, is_feed: bool, max_age: uint256, second: address
) -> address:
    """
    @notice Begins to replace the source of an asset. It must agree with the old one to within
            jump_band and 5 %; where that has had no price for 24 hours, with the last average, or
            with `second`.
    @param source Chainlink aggregator, or a feed that keeps IPriceFeed.
    @param max_age [seconds] as in the configuration.
    @param second A feed to believe where the old source is dead; zero for none.
    @return The feed from the old source to the new.
    """
    ownable._check_owner()
    assert self.blend_of[asset] == empty(address), "replacement is under way"
    rule: uint256 = 0
    term: uint256 = 0
    rule, term = self._words(asset)
    assert rule & (2**160 - 1) != 0, "asset is settled"
    asset_config._check_age(max_age)
    new: uint256 = (
        convert(source, uint256)
        | (max_age // 60 << 160)
        | (self._feed_decimals(source, is_feed) << 172)
    )
    dead: address = empty(address)
    if self._is_dead(asset):
        # the risk engine stands for no second source
        dead = second if second != empty(address) else RISK_ENGINE
    blend: address = create_from_blueprint(
        BLEND_FEED,
        RISK_ENGINE,
        asset,
        rule & SOURCE,
        new,
        min(asset_config._jump_band(rule), MAX_BAND),
        dead,
    )
    self.blend_of[asset] = blend
    age: uint256 = max(max_age // 60, (rule >> 160) & 4_095)
    self._write_source(
        asset, convert(blend, uint256) | (age << 160) | (asset_config.IS_FEED << 172)
    )
    log IConfigurator.ReplaceFeed(asset=asset, source=source, blend=blend)
    return blend


@external
def cancel_replacement(asset: address):
    """
    @notice Puts the old source back, which lives, while the new one is apart from it or dead. For
            the owner.
    """
    ownable._check_owner()
    blend: address = self._blend(asset)
    assert staticcall IBlendFeed(blend).is_refused(), "new source is not refused"
    old: uint256 = staticcall IBlendFeed(blend).OLD()
    self._write_source(asset, old)
    log IConfigurator.CancelReplacement(asset=asset, source=convert(old & (2**160 - 1), address))


@external
def finish_replacement(asset: address):
    """
    @notice Points the asset straight at its new source, after 24 hours, when that is its price. For
            anyone.
    """
    blend: address = self._blend(asset)
    assert staticcall IBlendFeed(blend).is_over(), "replacement is not over"
    new: uint256 = staticcall IBlendFeed(blend).NEW()
    self._write_source(asset, new)
    log IConfigurator.FinishReplacement(asset=asset, source=convert(new & (2**160 - 1), address))


# ------------------------------------------------------------------ wind-down


@external
def settle(asset: address, price: uint256):
    """
    @notice Winds an asset down for good, see `IRiskEngine.settle`. A replacement of its feed ends.
    @param price [WAD] within what pokes saw in 7 days.
    """
    ownable._check_owner()
    self.blend_of[asset] = empty(address)
    extcall IRiskEngine(RISK_ENGINE).settle(asset, price)


# ------------------------------------------------------------------ views


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
@external
def blend_feed() -> address:
    """
    @notice Blueprint of the feeds that blend from an old source to a new one.
    """
    return BLEND_FEED


@view
@external
def new_limit() -> uint256:
    """
    @notice [WAD] What the caps of all new assets may be worth together, and the target of each.
    """
    return new_assets.LIMIT


@view
@external
def growth_of(asset: address) -> (uint256, uint256, uint256):
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


# ------------------------------------------------------------------ internals


@internal
def _list_debt(vault: address, min_debt: uint256):
    assert self.sealed_at == 0, "genesis is over"
    assert min_debt <= new_assets.MAX_CAP, "min_debt is too high"
    extcall ICreditEngine(CREDIT_ENGINE).list_debt(vault, min_debt)


@internal
def _step(asset: address, lane: uint256) -> bool:
    """
    @dev Whether what is loosened has steps; takes one.
    """
    if self.sealed_at == 0:
        return False
    steps._take(asset, lane)
    return True


@internal
def _step_limit(asset: address, lane: uint256, before: uint256, after: uint256):
    """
    @dev Of a limit in a window, where 0 is none: the loosest.
    """
    if before != 0 and (after == 0 or after > before) and self._step(asset, lane):
        assert after != 0 and after - before <= before, "step is too large"


@view
@internal
def _is_first(asset: address, cap: uint256) -> bool:
    """
    @dev Whether a cap is worth no more than that of an asset just listed may be.
    """
    rule: uint256 = self._words(asset)[0]
    unit: uint256 = 10**asset_config._decimals(rule)
    most: uint256 = new_assets.LIMIT >> new_assets.DOUBLINGS
    return cap * self._price(asset) // unit <= most


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


@internal
def _write_borrow_ltv(asset: address, rule: uint256, term: uint256, borrow_ltv: uint256):
    assert (
        borrow_ltv == 0
        or borrow_ltv + asset_config.GAP
        <= min(asset_config._liquidation_ltv(term), (term >> 14) & asset_config.MASK_14)
    ), "borrow_ltv is too high"
    extcall IRiskEngine(RISK_ENGINE).write_asset(
        asset, asset_config._with_borrow_ltv(rule, borrow_ltv), term
    )


@internal
def _write_source(asset: address, source: uint256):
    rule: uint256 = 0
    term: uint256 = 0
    rule, term = self._words(asset)
    extcall IRiskEngine(RISK_ENGINE).write_asset(asset, (rule & ~SOURCE) | source, term)


@internal
def _blend(asset: address) -> address:
    """
    @dev The replacement that ends now.
    """
    blend: address = self.blend_of[asset]
    assert blend != empty(address), "no replacement is under way"
    self.blend_of[asset] = empty(address)
    return blend


@view
@internal
def _is_dead(asset: address) -> bool:
    """
    @dev Whether pokes have seen no price for 24 hours, and there is none now.
    """
    rule: uint256 = 0
    term: uint256 = 0
    checkpoint: uint256 = 0
    seen: uint256 = 0
    rule, term, checkpoint, seen = staticcall IRiskEngine(RISK_ENGINE).words_of(asset)
    last: uint256 = (seen >> 160) & (2**32 - 1)
    return (
        last != 0
        and (seen >> 239) + min(block.timestamp - last, MAX_GAP) >= DAY
        and (staticcall IRiskEngine(RISK_ENGINE).quote(asset)).price == 0
    )


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
def _book(asset: address) -> uint256:
    """
    @dev See `exposure`.
    """
    return staticcall ICreditEngine(CREDIT_ENGINE).book_word(asset)


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
