# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title Lens
@license MIT
@notice All that a bot, a test or a page needs to know, in one call. Reads only, holds nothing;
        may be replaced at any time.
@dev    Values and prices as in `IRiskEngine`. Everything is as of now, interest included.
"""

from contracts.interfaces import IConfigurator
from contracts.interfaces import IRiskEngine
from contracts.modules import asset_config
from contracts.modules import exposure
from contracts.modules import headroom
from contracts.modules import legs
from contracts.modules import price_words

# the engines, and what accounts may still do
initializes: headroom

exports: (headroom.max_borrow, headroom.max_deposit, headroom.why_blocked)

WAD: constant(uint256) = 10**18
BPS: constant(uint256) = 10_000
MASK_96: constant(uint256) = 2**96 - 1
MAX_ACCOUNTS: constant(uint256) = 400


struct LegState:
    asset: address
    is_debt: bool
    amount: uint256  # [token units]
    price: uint256  # [WAD] spot; 0 without a valid one
    average: uint256  # [WAD]
    liquidation_price: uint256  # [WAD] price at which health is 1, all else equal; 0: none


struct AccountState:
    health: IRiskEngine.Health
    margin: IRiskEngine.Margin
    leverage: uint256  # [WAD] exposure / equity at liquidation prices; max_value: no equity
    at_risk_block: bool  # risk was raised in this block: no liquidation before the next
    legs: DynArray[LegState, 8]


struct CollateralState:
    asset: address
    total: uint256  # [token units] of all accounts
    cap: uint256  # [token units]
    growth: uint256  # [percent of the cap] what a day may add; 0: no limit
    room: uint256  # [token units] what may be added now, by cap and growth
    room_until: uint256  # [unix seconds] when a day begins, and growth anew; 0: no limit of it
    depth: uint256  # [token units] what an hour may seize; 0: no limit
    seizable: uint256  # [token units] what may be seized now; max_value: no limit
    seizable_until: uint256  # [unix seconds] when an hour begins, and depth anew; 0: no limit


struct VaultState:
    asset: address
    cash: uint256  # [assets]
    debt: uint256  # [assets] interest included
    total_assets: uint256  # [assets] what the shares claim
    total_shares: uint256
    fund_assets: uint256  # [assets] what the insurance fund's shares claim
    utilization: uint256  # [WAD]
    borrow_rate: uint256  # [WAD per second]
    debt_index: uint256  # [RAY]
    deposit_cap: uint256  # [assets]
    debt_cap: uint256  # [assets]
    outflow_left: uint256  # [assets] cash that the outflow limit lets leave; at CAUTION for lenders
    growth_left: uint256  # [assets] most that cap and growth limit let be lent
    window_ends: uint256  # [unix seconds] when the next window of the limits begins
    level: uint256  # 0 NORMAL, 1 CAUTION, 2 HALT, 3 WIND-DOWN


struct Liquidation:
    repay: uint256  # [debt assets] from the liquidator, towards the debt
    fund_fee: uint256  # [debt assets] from the liquidator, for the fund
    write_off: uint256  # [debt assets] nobody pays
    seized: uint256  # [units] of the collateral asked for
    health_factor: uint256  # [WAD] before
    incentive: uint256  # [WAD]
    collaterals: DynArray[address, 8]  # all that would be seized
    amounts: DynArray[uint256, 8]  # [units]


@deploy
def __init__(credit_engine: address):
    headroom.__init__(credit_engine)


# ------------------------------------------------------------------ accounts


@view
@external
def account(id: bytes32) -> AccountState:
    """
    @notice Everything about one account.
    """
    words: uint256[4] = staticcall headroom.CREDIT_ENGINE.words_of(id)
    position: uint256[4] = staticcall headroom.CREDIT_ENGINE.position_of(id)
    state: AccountState = empty(AccountState)
    state.health = staticcall headroom.RISK_ENGINE.health_of(position)
    state.margin = self._margin(position)
    state.leverage = self._leverage(state.health)
    for word: uint256 in words:
        if legs._is_stamped(word):
            state.at_risk_block = True
    for i: uint256 in range(8):
        tag: uint256 = legs._tag(position, i)
        if tag == 0:
            break
        asset: address = staticcall headroom.RISK_ENGINE.asset_of(tag & 127)
        quote: IRiskEngine.Quote = staticcall headroom.RISK_ENGINE.quote(asset)
        state.legs.append(
            LegState(
                asset=asset,
                is_debt=tag >= legs.DEBT,
                amount=legs._amount(position, i),
                price=quote.price,
                average=quote.average,
                liquidation_price=self._liquidation_price(state.health, position, i, asset),
            )
        )
    return state


@view
@external
def margin_of(position: uint256[4]) -> IRiskEngine.Margin:
    """
    @notice The sums behind `IRiskEngine.check_initial`, over all legs. Collateral without a valid
            price, at HALT or wound down, counts zero; debt without a valid price counts as for
            `health_of`.
    """
    return self._margin(position)


@view
@external
def health_factors(ids: DynArray[bytes32, MAX_ACCOUNTS]) -> DynArray[uint256, MAX_ACCOUNTS]:
    """
    @notice Health factors of up to 400 accounts [WAD]; max_value without debt.
    """
    result: DynArray[uint256, MAX_ACCOUNTS] = []
    for id: bytes32 in ids:
        position: uint256[4] = staticcall headroom.CREDIT_ENGINE.position_of(id)
        result.append((staticcall headroom.RISK_ENGINE.health_of(position)).health_factor)
    return result


@view
@external
def liquidation_price(id: bytes32, asset: address) -> uint256:
    """
    @notice Price of a collateral at which the account's health is 1, all else equal [WAD]. 0 when
            no price of it would do, or the account holds none.
    """
    position: uint256[4] = staticcall headroom.CREDIT_ENGINE.position_of(id)
    tag: uint256 = staticcall headroom.RISK_ENGINE.id_of(asset)
    for i: uint256 in range(8):
        if tag != 0 and legs._tag(position, i) == tag:
            health: IRiskEngine.Health = staticcall headroom.RISK_ENGINE.health_of(position)
            return self._liquidation_price(health, position, i, asset)
    return 0


@view
@external
def preview_liquidate(
    id: bytes32, debt_asset: address, collateral: address, max_repay: uint256
) -> Liquidation:
    """
    @notice What `CreditEngine.liquidate` would do now; reverts with its reasons.
    """
    debt_id: uint256 = 0
    vault: address = empty(address)
    min_debt: uint256 = 0
    debt_id, vault, min_debt = staticcall headroom.CREDIT_ENGINE.debt_of(debt_asset)
    assert debt_id != 0, "asset is no debt asset"
    position: uint256[4] = staticcall headroom.CREDIT_ENGINE.position_of(id)
    wanted: uint256 = staticcall headroom.RISK_ENGINE.id_of(collateral)
    terms: IRiskEngine.Terms = staticcall headroom.RISK_ENGINE.liquidation_terms(
        position, legs.DEBT | debt_id, wanted, max_repay, min_debt
    )
    may_pass: bool = (terms.under_water or terms.repay <= 2 * min(min_debt, legs.MAX_AMOUNT))
    result: Liquidation = empty(Liquidation)
    result.repay = terms.repay
    result.fund_fee = terms.fund_fee
    result.write_off = terms.write_off
    result.health_factor = terms.health_factor
    result.incentive = terms.incentive
    for i: uint256 in range(8):
        taken: uint256 = legs._amount(terms.seize, i)
        if taken == 0:
            continue
        tag: uint256 = legs._tag(position, i)
        if tag == wanted:
            result.seized = taken
        asset: address = staticcall headroom.RISK_ENGINE.asset_of(tag)
        book: uint256 = staticcall headroom.CREDIT_ENGINE.book_word(asset)
        if book & exposure.DEPTH != 0:
            assert may_pass or taken <= exposure._depth_left(book), "liquidation limit is reached"
        result.collaterals.append(asset)
        result.amounts.append(taken)
    return result


# ------------------------------------------------------------------ assets and vaults


@view
@external
def quote(asset: address) -> IRiskEngine.Quote:
    """
    @notice Price, average, volatility, status and level of an asset as of now.
    """
    return staticcall headroom.RISK_ENGINE.quote(asset)


@view
@external
def config_of(asset: address) -> IConfigurator.AssetConfig:
    """
    @notice The rules of an asset as they apply now: liquidation_ltv along its ramp, price bounds
            as the powers of two they are kept as.
    """
    rule: uint256 = 0
    term: uint256 = 0
    checkpoint: uint256 = 0
    observation: uint256 = 0
    rule, term, checkpoint, observation = staticcall headroom.RISK_ENGINE.words_of(asset)
    return asset_config._unpack(rule, term)


@view
@external
def collateral(asset: address) -> CollateralState:
    """
    @notice How much of a collateral is held, and what its limits leave; zeros when it is none.
    """
    book: uint256 = exposure._opened(staticcall headroom.CREDIT_ENGINE.book_word(asset))
    if exposure._id(book) == 0:
        return empty(CollateralState)
    state: CollateralState = CollateralState(
        asset=asset,
        total=book & exposure.MAX_TOTAL,
        cap=exposure._cap(book),
        growth=exposure._growth(book),
        room=exposure._room(book),
        room_until=0,
        depth=exposure._depth(book),
        seizable=max_value(uint256),
        seizable_until=0,
    )
    if state.growth != 0:
        state.room_until = (block.timestamp // exposure.DAY + 1) * exposure.DAY
    if state.depth != 0:
        state.seizable = exposure._depth_left(book)
        state.seizable_until = (block.timestamp // exposure.HOUR + 1) * exposure.HOUR
    return state


@view
@external
def vault(asset: address) -> VaultState:
    """
    @notice The vault that lends `asset`; zeros when there is none.
    """
    debt_id: uint256 = 0
    vault: address = empty(address)
    min_debt: uint256 = 0
    debt_id, vault, min_debt = staticcall headroom.CREDIT_ENGINE.debt_of(asset)
    if debt_id == 0:
        return empty(VaultState)
    fund_shares: uint256 = staticcall headroom.IVaultViews(vault).balanceOf(
        staticcall headroom.IVaultViews(vault).fund()
    )
    config: IConfigurator.VaultConfig = headroom._vault_config(vault)
    outflow_left: uint256 = 0
    growth_left: uint256 = 0
    window_ends: uint256 = 0
    outflow_left, growth_left, window_ends = staticcall headroom.IVaultViews(vault).limits()
    return VaultState(
        asset=asset,
        cash=staticcall headroom.IVaultViews(vault).cash(),
        debt=staticcall headroom.IVaultViews(vault).debt_assets(),
        total_assets=staticcall headroom.IVaultViews(vault).totalAssets(),
        total_shares=staticcall headroom.IVaultViews(vault).totalSupply(),
        fund_assets=staticcall headroom.IVaultViews(vault).convertToAssets(fund_shares),
        utilization=staticcall headroom.IVaultViews(vault).utilization(),
        borrow_rate=staticcall headroom.IVaultViews(vault).borrow_rate(),
        debt_index=staticcall headroom.IVaultViews(vault).debt_index(),
        deposit_cap=config.deposit_cap,
        debt_cap=config.debt_cap,
        outflow_left=outflow_left,
        growth_left=growth_left,
        window_ends=window_ends,
        level=staticcall headroom.IVaultViews(vault).level(),
    )


# ------------------------------------------------------------------ internals


@pure
@internal
def _leverage(health: IRiskEngine.Health) -> uint256:
    if health.debt_value == 0:
        return WAD
    if health.collateral_value <= health.debt_value:
        return max_value(uint256)
    return health.collateral_value * WAD // (health.collateral_value - health.debt_value)


@view
@internal
def _margin(position: uint256[4]) -> IRiskEngine.Margin:
    """
    @dev Collateral rounded down, what is required up.
    """
    margin: IRiskEngine.Margin = empty(IRiskEngine.Margin)
    margin.max_leverage = 255  # [5_000 bps] until the end
    for i: uint256 in range(8):
        tag: uint256 = legs._tag(position, i)
        if tag == 0:
            break
        asset: address = staticcall headroom.RISK_ENGINE.asset_of(tag & 127)
        rule: uint256 = 0
        term: uint256 = 0
        checkpoint: uint256 = 0
        observation: uint256 = 0
        rule, term, checkpoint, observation = staticcall headroom.RISK_ENGINE.words_of(asset)
        quote: IRiskEngine.Quote = staticcall headroom.RISK_ENGINE.quote(asset)
        amount: uint256 = legs._amount(position, i)
        margin.max_leverage = min(margin.max_leverage, rule >> asset_config.LEVERAGE_AT & 255)
        if tag >= legs.DEBT:
            price: uint256 = max(quote.high, quote.average)
            if quote.price == 0:
                price = min(checkpoint & MASK_96, checkpoint >> price_words.AVERAGE_AT & MASK_96)
            value: uint256 = asset_config._value_up(amount, price, rule)
            margin.debt += value
            margin.required += value * asset_config._debt_weight(rule)
        elif quote.level < 2:
            value: uint256 = asset_config._value_down(amount, min(quote.low, quote.average), rule)
            margin.exposure += value
            margin.collateral += value * asset_config._borrow_ltv(rule, quote.volatility)
    margin.collateral = margin.collateral // BPS
    margin.required = (margin.required + BPS - 1) // BPS
    margin.max_leverage *= WAD // 2
    return margin


@view
@internal
def _liquidation_price(
    health: IRiskEngine.Health, position: uint256[4], leg: uint256, asset: address
) -> uint256:
    """
    @dev Collateral: (wD - L_other) / (amount * L), rounded up. Debt: none is given.
    """
    tag: uint256 = legs._tag(position, leg)
    amount: uint256 = legs._amount(position, leg)
    if tag >= legs.DEBT or health.weighted_debt == 0 or amount == 0:
        return 0
    rule: uint256 = 0
    term: uint256 = 0
    checkpoint: uint256 = 0
    observation: uint256 = 0
    rule, term, checkpoint, observation = staticcall headroom.RISK_ENGINE.words_of(asset)
    ltv: uint256 = asset_config._liquidation_ltv(term)
    if ltv == 0:
        return 0
    alone: uint256[4] = empty(uint256[4])
    alone[0] = amount | (tag << 208)
    own: uint256 = (staticcall headroom.RISK_ENGINE.health_of(alone)).weighted_collateral
    others: uint256 = health.weighted_collateral - min(own, health.weighted_collateral)
    if others >= health.weighted_debt:
        return 0
    unit: uint256 = asset_config._unit(rule)
    need: uint256 = (health.weighted_debt - others) * BPS * unit
    return (need + amount * ltv - 1) // (amount * ltv)
