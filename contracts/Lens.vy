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
from contracts.modules import exposure
from contracts.modules import legs
from contracts.modules import vault_config


interface ICreditEngineViews:
    def words_of(account: bytes32) -> uint256[4]: view
    def position_of(account: bytes32) -> uint256[4]: view
    def book_word(asset: address) -> uint256: view
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
    def config() -> (uint256, uint256): view
    def limits() -> (uint256, uint256, uint256): view


WAD: constant(uint256) = 10**18
RAY: constant(uint256) = 10**27
BPS: constant(uint256) = 10_000
MASK_96: constant(uint256) = 2**96 - 1
MAX_ACCOUNTS: constant(uint256) = 32


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
    state.margin = self._margin(position)
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
    @notice Health factors of up to 32 accounts [WAD]; max_value without debt.
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
def max_deposit(id: bytes32, asset: address) -> uint256:
    """
    @notice Most of `asset` that the account's owner could add now [token units that arrive]: cap,
            growth limit, what a leg holds; below maintenance what the account lacks, if more.
    """
    book: uint256 = exposure._opened(staticcall CREDIT_ENGINE.book_word(asset))
    tag: uint256 = exposure._id(book)
    if tag == 0:
        return 0
    words: uint256[4] = staticcall CREDIT_ENGINE.words_of(id)
    leg: uint256 = legs._find(words, tag)
    held: uint256 = 0
    if leg != legs.MAX_LEGS:
        held = legs._amount(words, leg)
    elif self._why_not_new(words, tag) != "":
        return 0
    most: uint256 = max(exposure._room(book), self._lacking(id, words, leg, tag))
    return min(most, min(legs.MAX_AMOUNT - held, exposure.MAX_TOTAL - (book & exposure.MAX_TOTAL)))


@view
@external
def why_blocked(
    id: bytes32, action: ICreditEngine.Action, asset: address, amount: uint256
) -> String[32]:
    """
    @notice Reason for which BORROW, WITHDRAW or DEPOSIT of `amount` by the account's owner would be
            refused now; empty when it would pass. DEPOSIT: of what arrives.
    """
    if action == ICreditEngine.Action.DEPOSIT:
        return self._why_not_deposited(id, asset, amount)
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
            if level == 3:
                return "vault is wound down"
            return "vault is in caution" if level == 1 else "vault is halted"
        why: String[32] = self._why_unlent(vault, amount)[0]
        if why != "":
            return why
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
    may_pass: bool = (terms.write_off != 0 or terms.repay <= 2 * min(min_debt, legs.MAX_AMOUNT))
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
        asset: address = staticcall RISK_ENGINE.asset_of(tag)
        book: uint256 = staticcall CREDIT_ENGINE.book_word(asset)
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
def collateral(asset: address) -> CollateralState:
    """
    @notice How much of a collateral is held, and what its limits leave; zeros when it is none.
    """
    book: uint256 = exposure._opened(staticcall CREDIT_ENGINE.book_word(asset))
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
    debt_id, vault, min_debt = staticcall CREDIT_ENGINE.debt_of(asset)
    if debt_id == 0:
        return empty(VaultState)
    fund_shares: uint256 = staticcall IVaultViews(vault).balanceOf(
        staticcall IVaultViews(vault).fund()
    )
    config: IConfigurator.VaultConfig = self._vault_config(vault)
    outflow_left: uint256 = 0
    growth_left: uint256 = 0
    window_ends: uint256 = 0
    outflow_left, growth_left, window_ends = staticcall IVaultViews(vault).limits()
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
        deposit_cap=config.deposit_cap,
        debt_cap=config.debt_cap,
        outflow_left=outflow_left,
        growth_left=growth_left,
        window_ends=window_ends,
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
        asset: address = staticcall RISK_ENGINE.asset_of(tag & 127)
        rule: uint256 = 0
        term: uint256 = 0
        checkpoint: uint256 = 0
        observation: uint256 = 0
        rule, term, checkpoint, observation = staticcall RISK_ENGINE.words_of(asset)
        quote: IRiskEngine.Quote = staticcall RISK_ENGINE.quote(asset)
        amount: uint256 = legs._amount(position, i)
        margin.max_leverage = min(margin.max_leverage, rule >> 214 & 255)
        if tag >= legs.DEBT:
            price: uint256 = max(quote.high, quote.average)
            if quote.price == 0:
                price = min(checkpoint & MASK_96, checkpoint >> 96 & MASK_96)
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
def _vault_config(vault: address) -> IConfigurator.VaultConfig:
    word: uint256 = 0
    flash_fee: uint256 = 0
    word, flash_fee = staticcall IVaultViews(vault).config()
    return vault_config._unpack(word, flash_fee)


@view
@internal
def _lendable(vault: address) -> uint256:
    """
    @dev What the vault would lend: its cash, within its limits and its debt cap, at level NORMAL.
    """
    if staticcall IVaultViews(vault).level() != 0:
        return 0
    return self._why_unlent(vault, max_value(uint256))[1]


@view
@internal
def _why_unlent(vault: address, amount: uint256) -> (String[32], uint256):
    """
    @dev Reason for which the vault would not lend `amount` at level NORMAL, and the most it would.
    """
    outflow_left: uint256 = 0
    growth_left: uint256 = 0
    ends: uint256 = 0
    outflow_left, growth_left, ends = staticcall IVaultViews(vault).limits()
    lendable: uint256 = min(outflow_left, growth_left)
    if amount <= lendable:
        return "", lendable
    if amount > staticcall IVaultViews(vault).cash():
        return "not enough cash", lendable
    if amount > outflow_left:
        return "outflow limit is reached", lendable
    # what the vault would owe, rounded as it rounds
    index: uint256 = staticcall IVaultViews(vault).debt_index()
    shares: uint256 = staticcall IVaultViews(vault).debt_shares()
    debt: uint256 = (shares + (amount * RAY + index - 1) // index) * index // RAY
    if debt > self._vault_config(vault).debt_cap:
        return "debt cap is reached", lendable
    return "debt growth limit is reached", lendable


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
def _why_not_deposited(id: bytes32, asset: address, amount: uint256) -> String[32]:
    book: uint256 = exposure._opened(staticcall CREDIT_ENGINE.book_word(asset))
    tag: uint256 = exposure._id(book)
    if tag == 0:
        return "asset is no collateral"
    if amount == 0:
        return "amount is zero"
    if amount > legs.MAX_AMOUNT:
        return "amount is too large"
    words: uint256[4] = staticcall CREDIT_ENGINE.words_of(id)
    leg: uint256 = legs._find(words, tag)
    total: uint256 = (book & exposure.MAX_TOTAL) + amount
    if amount > max(exposure._room(book), self._lacking(id, words, leg, tag)):
        if total > exposure._cap(book):
            return "collateral cap is reached"
        return "exposure growth limit is reached"
    if total > exposure.MAX_TOTAL:
        return "amount is too large"
    if leg == legs.MAX_LEGS:
        return self._why_not_new(words, tag)
    return "amount is too large" if legs._amount(words, leg) + amount > legs.MAX_AMOUNT else ""


@view
@internal
def _why_not_new(words: uint256[4], tag: uint256) -> String[32]:
    """
    @dev Why an account cannot be given a collateral that it does not hold; or empty.
    """
    why: String[32] = self._reason(abi_encode(tag, method_id=method_id("check_listable(uint256)")))
    if why == "" and words[0] >> 244 & 15 == legs.MAX_LEGS:
        return "account holds 8 assets"
    return why


@view
@internal
def _lacking(id: bytes32, words: uint256[4], leg: uint256, tag: uint256) -> uint256:
    """
    @dev What an account below maintenance may add above the limits.
    """
    if leg == legs.MAX_LEGS or legs._has_stamp(words):
        return 0
    return staticcall RISK_ENGINE.shortfall(staticcall CREDIT_ENGINE.position_of(id), tag)


@view
@internal
def _check(position: uint256[4], tag: uint256) -> String[32]:
    return self._reason(
        abi_encode(position, tag, method_id=method_id("check_initial(uint256[4],uint256)"))
    )


@view
@internal
def _reason(data: Bytes[164]) -> String[32]:
    """
    @dev Why the risk engine refuses a call; or empty.
    """
    ok: bool = False
    answer: Bytes[132] = b""
    ok, answer = raw_call(
        RISK_ENGINE.address,
        data,
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
