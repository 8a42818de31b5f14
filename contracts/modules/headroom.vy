# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title Headroom
@license MIT
@notice What an account may still borrow, withdraw and add, and why not more; for `Lens`.
"""

from contracts.interfaces import IConfigurator
from contracts.interfaces import ICreditEngine
from contracts.interfaces import IRiskEngine
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


RAY: constant(uint256) = 10**27

CREDIT_ENGINE: immutable(ICreditEngineViews)
RISK_ENGINE: immutable(IRiskEngine)


@deploy
def __init__(credit_engine: address):
    CREDIT_ENGINE = ICreditEngineViews(credit_engine)
    RISK_ENGINE = IRiskEngine(staticcall ICreditEngineViews(credit_engine).risk_engine())


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
    if tag == 0 or book & exposure.ENDED != 0:
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
    return self._check(legs._sub(position, leg, taken), tag)


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
    if book & exposure.ENDED != 0:
        return "asset is settled"
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
