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
from contracts.interfaces import ICreditEngine
from contracts.interfaces import IRiskEngine
from contracts.modules import asset_config
from contracts.modules import legs


interface ICreditEngineViews:
    def words_of(account: bytes32) -> uint256[4]: view
    def position_of(account: bytes32) -> uint256[4]: view
    def book_of(asset: address) -> (uint256, uint256, uint256, bool): view
    def debt_of(asset: address) -> (uint256, address, uint256): view
    def risk_engine() -> address: view


interface IVaultViews:
    def asset() -> address: view
    def fund() -> address: view
    def cash() -> uint256: view
    def debt_assets() -> uint256: view
    def debt_shares() -> uint256: view
    def debt_index() -> uint256: view
    def totalAssets() -> uint256: view
    def totalSupply() -> uint256: view
    def balanceOf(owner: address) -> uint256: view
    def convertToAssets(shares: uint256) -> uint256: view
    def utilization() -> uint256: view
    def borrow_rate() -> uint256: view
    def level() -> uint256: view
    def caps() -> (uint256, uint256): view


WAD: constant(uint256) = 10**18
RAY: constant(uint256) = 10**27
BPS: constant(uint256) = 10_000
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
    level: uint256  # 0 NORMAL, 1 CAUTION, 2 HALT


struct Liquidation:
    repay: uint256  # [debt assets] from the liquidator, towards the debt
    fund_fee: uint256  # [debt assets] from the liquidator, for the fund
    write_off: uint256  # [debt assets] nobody pays
    seized: uint256  # [units] of the collateral asked for
    health_factor: uint256  # [WAD] before
    incentive: uint256  # [WAD]
    collaterals: DynArray[address, 8]  # all that would be seized
    amounts: DynArray[uint256, 8]  # [units]


CREDIT_ENGINE: immutable(ICreditEngineViews)
RISK_ENGINE: immutable(IRiskEngine)


@deploy
def __init__(credit_engine: address):
    CREDIT_ENGINE = ICreditEngineViews(credit_engine)
    RISK_ENGINE = IRiskEngine(staticcall ICreditEngineViews(credit_engine).risk_engine())


# ------------------------------------------------------------------ accounts


@view
@external
def account(id: bytes32) -> AccountState:
    """
    @notice Everything about one account.
    """
    words: uint256[4] = staticcall CREDIT_ENGINE.words_of(id)
    position: uint256[4] = staticcall CREDIT_ENGINE.position_of(id)
    state: AccountState = empty(AccountState)
    state.health = staticcall RISK_ENGINE.health_of(position)
    state.margin = staticcall RISK_ENGINE.margin_of(position)
    state.leverage = self._leverage(state.health)
    for word: uint256 in words:
        if legs._is_stamped(word):
            state.at_risk_block = True
    for i: uint256 in range(8):
        tag: uint256 = legs._tag(position, i)
        if tag == 0:
            break
        asset: address = staticcall RISK_ENGINE.asset_of(tag & 127)
        quote: IRiskEngine.Quote = staticcall RISK_ENGINE.quote(asset)
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
def health_factors(ids: DynArray[bytes32, MAX_ACCOUNTS]) -> DynArray[uint256, MAX_ACCOUNTS]:
    """
    @notice Health factors of up to 400 accounts [WAD]; max_value without debt.
    """
    result: DynArray[uint256, MAX_ACCOUNTS] = []
    for id: bytes32 in ids:
        position: uint256[4] = staticcall CREDIT_ENGINE.position_of(id)
        result.append((staticcall RISK_ENGINE.health_of(position)).health_factor)
    return result


@view
@external
def liquidation_price(id: bytes32, asset: address) -> uint256:
    """
    @notice Price of a collateral at which the account's health is 1, all else equal [WAD]. 0 when
            no price of it would do, or the account holds none.
    """
    position: uint256[4] = staticcall CREDIT_ENGINE.position_of(id)
    tag: uint256 = staticcall RISK_ENGINE.id_of(asset)
    for i: uint256 in range(8):
        if tag != 0 and legs._tag(position, i) == tag:
            health: IRiskEngine.Health = staticcall RISK_ENGINE.health_of(position)
            return self._liquidation_price(health, position, i, asset)
    return 0


@view
@external
def max_borrow(id: bytes32, asset: address) -> uint256:
    """
    @notice Most of `asset` that the account could borrow now: initial margin, leverage, levels,
            least debt, the vault's cash and cap. Found by bisection over `check_initial`; exact to
            1 part in 2**40 of the vault's cash, rounded down.
    """
    debt_id: uint256 = 0
    vault: address = empty(address)
    min_debt: uint256 = 0
    debt_id, vault, min_debt = staticcall CREDIT_ENGINE.debt_of(asset)
    if debt_id == 0:
        return 0
    highest: uint256 = self._lendable(vault)
    words: uint256[4] = staticcall CREDIT_ENGINE.words_of(id)
    index: uint256 = staticcall IVaultViews(vault).debt_index()
    position: uint256[4] = staticcall CREDIT_ENGINE.position_of(id)
    tag: uint256 = legs.DEBT | debt_id
    owed: uint256 = self._debt_after(words, tag, highest, index)
    if highest == 0 or self._why_not(position, tag, owed) == "":
        return highest if owed >= min_debt else 0
    lowest: uint256 = 0
    for i: uint256 in range(64):
        middle: uint256 = (lowest + highest) // 2
        if middle == lowest or (i >= 40 and highest - lowest <= highest >> 40):
            break
        owed = self._debt_after(words, tag, middle, index)
        if self._why_not(position, tag, owed) == "":
            lowest = middle
        else:
            highest = middle
    return lowest if self._debt_after(words, tag, lowest, index) >= min_debt else 0


@view
@external
def why_blocked(
    id: bytes32, action: ICreditEngine.Action, asset: address, amount: uint256
) -> String[32]:
    """
    @notice Reason for which BORROW or WITHDRAW of `amount` by the account's owner would be refused
            now; empty when it would pass.
    """
    position: uint256[4] = staticcall CREDIT_ENGINE.position_of(id)
    if action == ICreditEngine.Action.BORROW:
        debt_id: uint256 = 0
        vault: address = empty(address)
        min_debt: uint256 = 0
        debt_id, vault, min_debt = staticcall CREDIT_ENGINE.debt_of(asset)
        if debt_id == 0:
            return "asset is no debt asset"
        if amount == 0:
            return "amount is zero"
        level: uint256 = staticcall IVaultViews(vault).level()
        if level != 0:
            return "vault is in caution" if level == 1 else "vault is halted"
        if amount > staticcall IVaultViews(vault).cash():
            return "not enough cash"
        if amount > self._lendable(vault):
            return "debt cap is reached"
        tag: uint256 = legs.DEBT | debt_id
        owed: uint256 = self._debt_after(
            staticcall CREDIT_ENGINE.words_of(id),
            tag,
            amount,
            staticcall IVaultViews(vault).debt_index(),
        )
        if owed < min_debt:
            return "debt is below the minimum"
        return self._why_not(position, tag, owed)
    assert action == ICreditEngine.Action.WITHDRAW, "action is not explained"
    tag: uint256 = staticcall RISK_ENGINE.id_of(asset)
    has_debt: bool = False
    leg: uint256 = legs.MAX_LEGS
    for i: uint256 in range(8):
        found: uint256 = legs._tag(position, i)
        has_debt = has_debt or found >= legs.DEBT
        if found == tag and tag != 0:
            leg = i
    if leg == legs.MAX_LEGS:
        return "account has no such collateral"
    held: uint256 = legs._amount(position, leg)
    taken: uint256 = held if amount == max_value(uint256) else amount
    if taken == 0:
        return "amount is zero"
    if taken > held:
        return "not enough collateral"
    if not has_debt:
        return ""
    position[leg >> 1] = legs._set_amount(position[leg >> 1], leg & 1, held - taken)
    return self._check(position, tag)


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
    debt_id, vault, min_debt = staticcall CREDIT_ENGINE.debt_of(debt_asset)
    assert debt_id != 0, "asset is no debt asset"
    position: uint256[4] = staticcall CREDIT_ENGINE.position_of(id)
    wanted: uint256 = staticcall RISK_ENGINE.id_of(collateral)
    terms: IRiskEngine.Terms = staticcall RISK_ENGINE.liquidation_terms(
        position, legs.DEBT | debt_id, wanted, max_repay, min_debt
    )
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
        result.collaterals.append(staticcall RISK_ENGINE.asset_of(tag))
        result.amounts.append(taken)
    return result


# ------------------------------------------------------------------ assets and vaults


@view
@external
def quote(asset: address) -> IRiskEngine.Quote:
    """
    @notice Price, average, volatility, status and level of an asset as of now.
    """
    return staticcall RISK_ENGINE.quote(asset)


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
    rule, term, checkpoint, observation = staticcall RISK_ENGINE.words_of(asset)
    return asset_config._unpack(rule, term)


@view
@external
def vault(asset: address) -> VaultState:
    """
    @notice The vault that lends `asset`; zeros when there is none.
    """
    debt_id: uint256 = 0
    vault: address = empty(address)
    min_debt: uint256 = 0
    debt_id, vault, min_debt = staticcall CREDIT_ENGINE.debt_of(asset)
    if debt_id == 0:
        return empty(VaultState)
    fund_shares: uint256 = staticcall IVaultViews(vault).balanceOf(
        staticcall IVaultViews(vault).fund()
    )
    deposit_cap: uint256 = 0
    debt_cap: uint256 = 0
    deposit_cap, debt_cap = staticcall IVaultViews(vault).caps()
    return VaultState(
        asset=asset,
        cash=staticcall IVaultViews(vault).cash(),
        debt=staticcall IVaultViews(vault).debt_assets(),
        total_assets=staticcall IVaultViews(vault).totalAssets(),
        total_shares=staticcall IVaultViews(vault).totalSupply(),
        fund_assets=staticcall IVaultViews(vault).convertToAssets(fund_shares),
        utilization=staticcall IVaultViews(vault).utilization(),
        borrow_rate=staticcall IVaultViews(vault).borrow_rate(),
        debt_index=staticcall IVaultViews(vault).debt_index(),
        deposit_cap=deposit_cap,
        debt_cap=debt_cap,
        level=staticcall IVaultViews(vault).level(),
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
    rule, term, checkpoint, observation = staticcall RISK_ENGINE.words_of(asset)
    ltv: uint256 = asset_config._liquidation_ltv(term)
    if ltv == 0:
        return 0
    alone: uint256[4] = empty(uint256[4])
    alone[0] = amount | (tag << 208)
    own: uint256 = (staticcall RISK_ENGINE.health_of(alone)).weighted_collateral
    others: uint256 = health.weighted_collateral - min(own, health.weighted_collateral)
    if others >= health.weighted_debt:
        return 0
    unit: uint256 = 10**((rule >> 222) & 31)
    need: uint256 = (health.weighted_debt - others) * BPS * unit
    return (need + amount * ltv - 1) // (amount * ltv)


@view
@internal
def _lendable(vault: address) -> uint256:
    """
    @dev What the vault would lend: its cash, up to its debt cap, at level NORMAL.
    """
    if staticcall IVaultViews(vault).level() != 0:
        return 0
    deposit_cap: uint256 = 0
    debt_cap: uint256 = 0
    deposit_cap, debt_cap = staticcall IVaultViews(vault).caps()
    debt: uint256 = staticcall IVaultViews(vault).debt_assets()
    room: uint256 = debt_cap - debt if debt_cap > debt else 0
    return min(room, staticcall IVaultViews(vault).cash())


@pure
@internal
def _debt_after(words: uint256[4], tag: uint256, amount: uint256, index: uint256) -> uint256:
    """
    @dev What is owed after a loan of `amount` [assets], rounded as the vault rounds.
    """
    shares: uint256 = (amount * RAY + index - 1) // index
    for i: uint256 in range(8):
        if legs._tag(words, i) == tag:
            shares += legs._amount(words, i)
            break
    return (shares * index + RAY - 1) // RAY


@view
@internal
def _why_not(position: uint256[4], tag: uint256, owed: uint256) -> String[32]:
    """
    @dev Why the position with `owed` of debt `tag` fails its initial margin; or empty.
    """
    after: uint256[4] = position
    for i: uint256 in range(9):
        if i == legs.MAX_LEGS:
            return "account holds 8 assets"
        found: uint256 = legs._tag(after, i)
        if found == tag or found == 0:
            if owed > legs.MAX_AMOUNT:
                return "amount is too large"
            after[i >> 1] = legs._set_amount(after[i >> 1], i & 1, owed)
            if found == 0:
                after[i >> 1] |= tag << (208 + 8 * (i & 1))
            break
    return self._check(after, tag)


@view
@internal
def _check(position: uint256[4], tag: uint256) -> String[32]:
    ok: bool = False
    answer: Bytes[132] = b""
    ok, answer = raw_call(
        RISK_ENGINE.address,
        abi_encode(position, tag, method_id=method_id("check_initial(uint256[4],uint256)")),
        max_outsize=132,
        is_static_call=True,
        revert_on_failure=False,
    )
    if ok:
        return ""
    # Error(string): selector, offset, length, text
    if len(answer) < 68:
        return "reverted without a reason"
    return convert(slice(answer, 68, min(convert(slice(answer, 36, 32), uint256), 32)), String[32])
