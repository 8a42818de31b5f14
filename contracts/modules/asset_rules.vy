# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Rules of assets
@license MIT
@notice Caps, ltvs, limits and bounds of listed assets, as owner and steward move them: see
        `Configurator` for how far a step goes.
"""

from contracts.interfaces import IConfigurator
from contracts.modules import asset_config
from contracts.modules import exposure
from contracts.modules import new_assets
from contracts.modules import rulebook
from contracts.modules import steps
from snekmate.auth import ownable

uses: ownable
uses: new_assets
uses: rulebook
uses: steps

BPS: constant(uint256) = 10_000
DAY: constant(uint256) = 86_400
MIN_RAMP: constant(uint256) = 3 * DAY  # [s]
MAX_RAMP: constant(uint256) = 180 * DAY  # [s]
LTV_STEP: constant(uint256) = 500  # [BPS]
STEWARD_CAP: constant(uint256) = 2_000  # [BPS] of the cap
STEWARD_LTV: constant(uint256) = 100  # [BPS]

steward: public(address)

# What holds for every pair of assets, whichever an account mixes. The maxima never fall.
max_incentive: public(uint256)  # [BPS]
max_liquidation_ltv: public(uint256)  # [BPS]


@external
def set_cap(asset: address, cap: uint256):
    """
    @notice Sets how much of a collateral all accounts together may hold. That of a new asset only
            falls, and its target to it: growth ends there, also at the cap that there is.
    @param cap [token units] rounded down to 16 significant bits. Zero stops adding, except by
           accounts below maintenance.
    """
    ownable._check_owner()
    new_assets._check_cap(cap <= new_assets.MAX_CAP)
    before: uint256 = rulebook._cap(asset)
    if new_assets._is_new(asset):
        new_assets._lower(asset, cap, before)
    elif cap > before and rulebook._step(asset, steps.CAP):
        if cap > 2 * before:
            rulebook._check_step(rulebook._is_first(asset, cap))
    rulebook._write_cap(asset, cap)


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
    rule, term = rulebook._words(asset)
    before: uint256 = asset_config._base_ltv(rule)
    if borrow_ltv > before and rulebook._step(asset, steps.BORROW_LTV):
        rulebook._check_step(borrow_ltv <= before + LTV_STEP)
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
    rule, term = rulebook._words(asset)
    start: uint256 = asset_config._liquidation_ltv(term)
    assert target >= start or duration >= MIN_RAMP, "ramp is too fast"
    assert duration <= MAX_RAMP, "ramp is too slow"
    if target > min(start, (term >> asset_config.TARGET_LTV_AT) & asset_config.MASK_14):
        if rulebook._step(asset, steps.LIQUIDATION_LTV):
            rulebook._check_step(target <= start + LTV_STEP)
    self._check_pairs((term >> asset_config.INCENTIVE_MAX_AT) & asset_config.MASK_14, target)

    lowest: uint256 = min(start, target)
    highest: uint256 = lowest - asset_config.GAP if lowest > asset_config.GAP else 0
    if asset_config._base_ltv(rule) > highest:
        rule = asset_config._with_borrow_ltv(rule, highest)
        log IConfigurator.SetBorrowLtv(asset=asset, borrow_ltv=highest)
    term = (
        (term >> asset_config.TIP_AT << asset_config.TIP_AT)
        | start
        | (target << asset_config.TARGET_LTV_AT)
        | (block.timestamp << asset_config.RAMP_START_AT)
        | (duration << asset_config.RAMP_TIME_AT)
    )
    rulebook._write(asset, rule, term)
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
    self._check_min_debt(min_debt)
    if rulebook._step(asset, steps.MIN_DEBT):
        before: uint256 = (
            staticcall rulebook.ICreditEngine(rulebook.CREDIT_ENGINE).debt_of(asset)
        )[2]
        rulebook._check_twice(before, min_debt)
    extcall rulebook.ICreditEngine(rulebook.CREDIT_ENGINE).set_min_debt(asset, min_debt)


@external
def set_growth(asset: address, growth: uint256):
    """
    @notice Sets by how much the total of a collateral may grow in a day, see
            `CreditEngine.set_growth`. More is a step.
    @param growth [percent of the cap] at most 100; 0: no limit, which once sealed only a new asset
           begins with.
    """
    ownable._check_owner()
    before: uint256 = exposure._growth(self._book(asset))
    if rulebook._is_looser(before, growth) and rulebook._step(asset, steps.GROWTH):
        rulebook._check_limit(before, growth)
    extcall rulebook.ICreditEngine(rulebook.CREDIT_ENGINE).set_growth(asset, growth)


@external
def set_depth(asset: address, depth: uint256):
    """
    @notice Sets how much of a collateral liquidations may seize in an hour. Up or down, it is a
            step; where there is no limit, from all that is held.
    @param depth [token units] rounded down to 16 significant bits; 0: no limit, as for growth.
    """
    ownable._check_owner()
    book: uint256 = self._book(asset)
    before: uint256 = exposure._depth(book)
    is_step: bool = depth != before
    if before == 0:
        before = book & exposure.MAX_TOTAL
        is_step = depth != 0 and depth < before
    if is_step and rulebook._step(asset, steps.DEPTH):
        rulebook._check_twice(before, depth)
    extcall rulebook.ICreditEngine(rulebook.CREDIT_ENGINE).set_depth(asset, depth)


@external
def raise_max_price(asset: address, max_price: uint256):
    """
    @notice Raises the price above which none is valid.
    @param max_price [WAD] kept as a power of two, rounded up.
    """
    ownable._check_owner()
    rule: uint256 = 0
    term: uint256 = 0
    rule, term = rulebook._words(asset)
    before: uint256 = asset_config._max_price(rule)
    rule = asset_config._with_max_price(rule, max_price)
    if rulebook._step(asset, steps.MAX_PRICE):
        rulebook._check_step(asset_config._max_price(rule) <= 2 * before)
    rulebook._write(asset, rule, term)
    log IConfigurator.SetMaxPrice(asset=asset, max_price=asset_config._max_price(rule))


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
    @param cap [token units] of a new asset: at most what it is; its target falls by the same part.
    @param borrow_ltv [BPS] as for `set_borrow_ltv`.
    """
    assert msg.sender == self.steward, "caller is not steward"
    rule: uint256 = 0
    term: uint256 = 0
    rule, term = rulebook._words(asset)
    before: uint256 = rulebook._cap(asset)
    ltv: uint256 = asset_config._base_ltv(rule)
    steps._take(asset, steps.STEWARD)
    # [BPS] of the whole step, rounded up
    part: uint256 = (max(ltv, borrow_ltv) - min(ltv, borrow_ltv)) * BPS // STEWARD_LTV
    if cap != before:
        rulebook._check_step(cap <= 2 * before)
        most: uint256 = before * STEWARD_CAP
        part += ((max(cap, before) - min(cap, before)) * BPS * BPS + most - 1) // most
    rulebook._check_step(part <= BPS)
    if new_assets._is_new(asset):
        new_assets._scale(asset, cap, before)
    self._write_borrow_ltv(asset, rule, term, borrow_ltv)
    rulebook._write_cap(asset, cap)
    log IConfigurator.Steer(asset=asset, cap=cap, borrow_ltv=borrow_ltv)


@pure
@internal
def _check_min_debt(min_debt: uint256):
    assert min_debt <= new_assets.MAX_CAP, "min_debt is too high"


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
        <= min(
            asset_config._liquidation_ltv(term),
            (term >> asset_config.TARGET_LTV_AT) & asset_config.MASK_14,
        )
    ), "borrow_ltv is too high"
    rulebook._write(asset, asset_config._with_borrow_ltv(rule, borrow_ltv), term)


@view
@internal
def _book(asset: address) -> uint256:
    """
    @dev See `exposure`.
    """
    return staticcall rulebook.ICreditEngine(rulebook.CREDIT_ENGINE).book_word(asset)
