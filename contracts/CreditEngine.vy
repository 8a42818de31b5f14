# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Credit engine
@license MIT
@notice The accounts: custody of collateral, debt shares, margin checks, liquidation, batches.
        Where borrowers and liquidators act.
@dev    ACCOUNTS
          An account is a `bytes32`: its owner's 20 bytes, then a number of 12. At most 8 legs
          (see `legs`); nothing has to be opened. Only the owner, or an operator with the scope,
          may bring collateral that is new to an account, withdraw, borrow or move; anyone may
          repay or add to what is there, but of an asset that is wound down.
        CUSTODY
          A book (`exposure`) says how much of each token the engine holds. `balanceOf` is read only
          around our own transfer of a token that is listed as taking fees. Rebasing-down tokens
          must not be listed.
        FLOW
          check, compute, write, check margin, emit, transfer. Debt is the exception: `lend` and
          `collect` tell the shares, so the vault moves first, under our lock, and its own books
          are written before its tokens move.
        LEVELS
          act where the price is read (`RiskEngine`) and where the money is lent (`LendingVault`).
        ROLES
          owner: lists assets, sets caps, limits and least debts. It can touch no account.
"""

from contracts.interfaces import ICreditEngine
from contracts.interfaces import IDebtVault
from contracts.interfaces import ILiquidator
from contracts.interfaces import IRiskEngine
from contracts.modules import accounts
from contracts.modules import compact
from contracts.modules import exposure
from contracts.modules import legs
from contracts.modules import operators
from contracts.modules import register
from ethereum.ercs import IERC20
from snekmate.auth import ownable

implements: ICreditEngine

initializes: ownable
# what may be held and owed, and how much of it is held
initializes: register[ownable := ownable]
# legs of every account
initializes: accounts
# who may act for an account, and for how much
initializes: operators

exports: (
    ownable.owner,
    ownable.transfer_ownership,
    register.list_collateral,
    register.set_cap,
    register.set_growth,
    register.set_depth,
    register.end_collateral,
    register.list_debt,
    register.set_min_debt,
    register.book_of,
    register.book_word,
    register.debt_of,
    operators.set_operator,
    operators.set_operator_by_signature,
    operators.cancel_nonce,
    operators.operator_of,
    operators.is_nonce_used,
    operators.DOMAIN_SEPARATOR,
)

MAX_BATCH: constant(uint256) = accounts.MAX_BATCH


# What a liquidation takes of one collateral.
struct Seizure:
    asset: address
    amount: uint256  # [token units]


@deploy
def __init__(risk_engine: address, owner: address):
    """
    @param risk_engine Margin rules and prices, for good.
    @param owner May list and set.
    """
    assert risk_engine.is_contract, "risk engine has no code"
    assert owner != empty(address), "owner is zero"
    ownable.__init__()
    ownable._transfer_ownership(owner)
    register.__init__(risk_engine)


# ------------------------------------------------------------------ a position's life


@external
def deposit_collateral(account: bytes32, asset: address, amount: uint256) -> uint256:
    """
    @notice Adds `amount` of `asset` from the caller to the account.
    @return What arrived.
    """
    return self._deposit(account, asset, amount)


@external
def withdraw_collateral(
    account: bytes32, asset: address, amount: uint256, receiver: address
) -> uint256:
    """
    @notice Takes collateral out. With debt left the initial margin must be met.
    @param amount max_value(uint256): all of it.
    @return What was sent.
    """
    return self._withdraw(account, asset, amount, receiver, True)


@external
def borrow(account: bytes32, asset: address, amount: uint256, receiver: address) -> uint256:
    """
    @notice Borrows `amount` of `asset` to `receiver`.
    @return Debt shares recorded.
    """
    return self._borrow(account, asset, amount, receiver, True)


@external
def repay(account: bytes32, asset: address, amount: uint256) -> (uint256, uint256):
    """
    @notice Repays up to `amount` from the caller (approve the vault). Works in every state.
    @param amount max_value(uint256): the whole debt. A rest below the least debt is refused.
    @return Assets paid, debt shares cancelled.
    """
    return self._repay(account, asset, amount)


@external
def move_collateral(source: bytes32, target: bytes32, asset: address, amount: uint256) -> uint256:
    """
    @notice Moves collateral between two accounts of one owner. With debt left behind the initial
            margin must be met.
    @param amount max_value(uint256): all of it.
    @return What was moved.
    """
    return self._move(source, target, asset, amount, True)


@external
def liquidate(
    account: bytes32,
    debt_asset: address,
    collateral: address,
    max_repay: uint256,
    min_seized: uint256,
    receiver: address,
    credit: bytes32,
    data: Bytes[1_024],
) -> (uint256, uint256):
    """
    @notice Repays debt of an account below maintenance and takes collateral for it. An account
            that cannot pay debt and tip gives a part of every collateral; see
            `RiskEngine.liquidation_terms`.
    @param max_repay [debt assets] a cap, the fund's fee not counted.
    @param min_seized Least of `collateral` to receive.
    @param receiver Of the seized tokens.
    @param credit When not zero, the account that is credited instead: one that holds the asset,
           or where the caller may bring it.
    @param data When not empty, `on_liquidate` is called on the caller after the collateral has
           been sent and before the payment is taken.
    @return Debt assets paid (fee included), units of `collateral` seized.
    """
    return self._liquidate(
        account, debt_asset, collateral, max_repay, min_seized, receiver, credit, data
    )


@external
def batch(steps: DynArray[ICreditEngine.Leg, MAX_BATCH], data: Bytes[1_024]):
    """
    @notice Runs the legs in order and checks, once, every account whose risk one of them raised:
            initial margin, or safer than before its first touch.
    @param data Handed to the callback of every liquidation among the legs; empty: no callback.
    """
    for step: ICreditEngine.Leg in steps:
        accounts._touch(step.account)
        raised: uint256 = 0  # tag of the leg, where one raises risk
        if step.action == ICreditEngine.Action.DEPOSIT:
            self._deposit(step.account, step.asset, step.amount)
        elif step.action == ICreditEngine.Action.WITHDRAW:
            self._withdraw(step.account, step.asset, step.amount, step.receiver, False)
            raised = register._id(step.asset)
        elif step.action == ICreditEngine.Action.BORROW:
            self._borrow(step.account, step.asset, step.amount, step.receiver, False)
            raised = register._debt_tag(register._debt(step.asset))
        elif step.action == ICreditEngine.Action.REPAY:
            self._repay(step.account, step.asset, step.amount)
        elif step.action == ICreditEngine.Action.MOVE:
            accounts._touch(step.other)
            self._move(step.account, step.other, step.asset, step.amount, False)
            raised = register._id(step.asset)
        elif step.action == ICreditEngine.Action.LIQUIDATE:
            if step.other != empty(bytes32):
                accounts._touch(step.other)
            if len(data) != 0:
                # the caller must not hold unchecked risk while we call him
                self._end_check()
            self._liquidate(
                step.account,
                step.asset,
                step.collateral,
                step.amount,
                step.min_seized,
                step.receiver,
                step.other,
                data,
            )
        else:
            legs._fail("unknown action")
        if raised != 0:
            accounts._raise(step.account, raised)
    self._end_check()
    accounts.touched_count = 0


# ------------------------------------------------------------------ views


@view
@external
def words_of(account: bytes32) -> uint256[4]:
    """
    @notice Legs of the account as stored, debt in debt shares; see `legs`.
    """
    return accounts._load(account)


@view
@external
def position_of(account: bytes32) -> uint256[4]:
    """
    @notice Legs of the account with debt in assets as of now, as the risk engine takes them.
    """
    return register._position(accounts._load(account))


@view
@external
@reentrant
def risk_engine() -> address:
    """
    @notice Where margin is judged and prices are read.
    """
    return register.RISK_ENGINE.address


@view
@external
def is_unlocked() -> bool:
    """
    @notice True; reverts while a call of ours is in progress.
    """
    return True


# ------------------------------------------------------------------ actions


@internal
def _deposit(account: bytes32, asset: address, amount: uint256) -> uint256:
    book: uint256 = register._addable(asset)
    id: uint256 = book >> 112 & 127
    book = exposure._opened(book)
    received: uint256 = amount
    if book & exposure.TAKES_FEE != 0:
        before: uint256 = staticcall IERC20(asset).balanceOf(self)
        self._pull(asset, amount)
        received = staticcall IERC20(asset).balanceOf(self) - before
        if received > amount:
            received = amount
    if received == 0:
        legs._fail("amount is zero")
    if received > legs.MAX_AMOUNT:
        legs._fail("amount is too large")

    words: uint256[4] = accounts._load(account)
    leg: uint256 = legs._find(words, id)
    # received < 2**104
    total: uint256 = unsafe_add(book & exposure.MAX_TOTAL, received)
    if total > compact._decode(book >> 152):
        # above the limit only an account below maintenance may add, up to the health that a
        # liquidation restores, and not one that got there by what it did in this block
        allowed: uint256 = 0
        if leg != legs.MAX_LEGS and not legs._has_stamp(words):
            allowed = staticcall register.RISK_ENGINE.shortfall(register._position(words), id)
        if received > allowed:
            if total > exposure._cap(book):
                legs._fail("collateral cap is reached")
            legs._fail("exposure growth limit is reached")
    if total > exposure.MAX_TOTAL:
        legs._fail("amount is too large")
    if leg == legs.MAX_LEGS:
        self._check_new(account, asset, id, False)
    accounts._store(account, words, legs._add(words, leg, id, received))
    register.books[asset] = unsafe_add(book, received)
    log ICreditEngine.DepositCollateral(
        account=account, asset=asset, payer=msg.sender, amount=received
    )
    if book & exposure.TAKES_FEE == 0:
        self._pull(asset, amount)
    return received


@internal
def _withdraw(
    account: bytes32, asset: address, amount: uint256, receiver: address, checked: bool
) -> uint256:
    book: uint256 = register._book(asset)
    id: uint256 = exposure._id(book)
    words: uint256[4] = accounts._load(account)
    leg: uint256 = legs._find(words, id)
    sent: uint256 = legs._sub_amount(words, leg, amount)
    operators._authorize(account, ICreditEngine.Action.WITHDRAW, asset, sent)
    self._check_receiver(receiver)
    after: uint256[4] = legs._lower(words, leg, sent)
    accounts._store(account, words, after)
    register.books[asset] = exposure._opened(book) - sent
    if checked and legs._has_debt(after):
        assert staticcall register.RISK_ENGINE.check_initial(register._position(after), id)
    log ICreditEngine.WithdrawCollateral(
        account=account, asset=asset, receiver=receiver, amount=sent
    )
    self._push(asset, receiver, sent)
    return sent


@internal
def _borrow(
    account: bytes32, asset: address, amount: uint256, receiver: address, checked: bool
) -> uint256:
    word: uint256 = register._debt(asset)
    tag: uint256 = register._debt_tag(word)
    operators._authorize(account, ICreditEngine.Action.BORROW, asset, amount)
    if amount == 0:
        legs._fail("amount is zero")
    self._check_receiver(receiver)
    vault: address = register._vault(word)
    shares: uint256 = extcall IDebtVault(vault).lend(amount, receiver)

    words: uint256[4] = accounts._load(account)
    leg: uint256 = legs._find(words, tag)
    after: uint256[4] = legs._add(words, leg, tag, shares)
    if leg == legs.MAX_LEGS:
        leg = legs._find(after, tag)
    after[leg >> 1] = legs._stamp(after[leg >> 1])
    accounts._store(account, words, after)

    index: uint256 = staticcall IDebtVault(vault).debt_index()
    register._check_debt(legs._amount(after, leg), index, word)
    if checked:
        assert staticcall register.RISK_ENGINE.check_initial(
            register._position_with(after, tag, index), tag
        )
    log ICreditEngine.Borrow(
        account=account, asset=asset, receiver=receiver, assets=amount, shares=shares
    )
    return shares


@internal
def _repay(account: bytes32, asset: address, amount: uint256) -> (uint256, uint256):
    word: uint256 = register._debt(asset)
    words: uint256[4] = accounts._load(account)
    leg: uint256 = legs._find(words, register._debt_tag(word))
    if leg == legs.MAX_LEGS:
        legs._fail("account has no such debt")
    owed: uint256 = legs._amount(words, leg)  # [debt shares]
    vault: address = register._vault(word)
    assets: uint256 = 0
    shares: uint256 = 0
    assets, shares = extcall IDebtVault(vault).collect(amount, owed, msg.sender, 0)
    if shares == 0:
        legs._fail("amount is too small")
    if shares != owed:
        register._check_debt(owed - shares, staticcall IDebtVault(vault).debt_index(), word)
    accounts._store(account, words, legs._sub(words, leg, shares))
    log ICreditEngine.Repay(
        account=account, asset=asset, payer=msg.sender, assets=assets, shares=shares
    )
    return assets, shares


@internal
def _move(
    source: bytes32, target: bytes32, asset: address, amount: uint256, checked: bool
) -> uint256:
    id: uint256 = exposure._id(register._addable(asset))
    if source == target:
        legs._fail("accounts are the same")
    if operators._owner(source) != operators._owner(target):
        legs._fail("accounts of two owners")
    words: uint256[4] = accounts._load(source)
    leg: uint256 = legs._find(words, id)
    moved: uint256 = legs._sub_amount(words, leg, amount)
    operators._authorize(source, ICreditEngine.Action.MOVE, asset, moved)
    after: uint256[4] = legs._lower(words, leg, moved)
    accounts._store(source, words, after)
    self._credit(target, asset, id, moved, False)
    if checked and legs._has_debt(after):
        assert staticcall register.RISK_ENGINE.check_initial(register._position(after), id)
    log ICreditEngine.MoveCollateral(source=source, target=target, asset=asset, amount=moved)
    return moved


@internal
def _liquidate(
    account: bytes32,
    debt_asset: address,
    collateral: address,
    max_repay: uint256,
    min_seized: uint256,
    receiver: address,
    credit: bytes32,
    data: Bytes[1_024],
) -> (uint256, uint256):
    if credit == account:
        legs._fail("credit is the account itself")
    if credit == empty(bytes32):
        self._check_receiver(receiver)
    debt: uint256 = register._debt(debt_asset)
    vault: address = register._vault(debt)
    tag: uint256 = register._debt_tag(debt)
    words: uint256[4] = accounts._load(account)
    if legs._has_stamp(words):
        legs._fail("risk was raised in this block")
    index: uint256 = staticcall IDebtVault(vault).debt_index()
    position: uint256[4] = register._position_with(words, tag, index)
    named: uint256 = register.books[collateral]
    id: uint256 = named >> 112 & 127
    min_debt: uint256 = compact._decode(debt >> 168)
    terms: IRiskEngine.Terms = staticcall register.RISK_ENGINE.liquidation_terms(
        position, tag, id, max_repay, min_debt
    )
    # a small slice is not held back by what an hour may seize, and under water nothing waits
    may_pass: bool = (
        terms.under_water or terms.repay <= unsafe_mul(2, min(min_debt, legs.MAX_AMOUNT))
    )
    # 1. the collateral leaves the account; empty legs stay until the debt is settled
    seized: uint256 = 0
    emptied: bool = False
    after: uint256[4] = words
    leaving: DynArray[Seizure, legs.MAX_LEGS] = []
    for i: uint256 in range(4):
        word: uint256 = terms.seize[i]
        if word == 0:
            if words[i] == 0:
                break
            continue
        # field by field: no more is taken than a leg holds
        after[i] = unsafe_sub(words[i], word)
        for side: uint256 in range(2):
            offset: uint256 = unsafe_mul(legs.AMOUNT_BITS, side)
            taken: uint256 = word >> offset & legs.MAX_AMOUNT
            if taken == 0:
                continue
            emptied = emptied or after[i] >> offset & legs.MAX_AMOUNT == 0
            taken_id: uint256 = words[i] >> unsafe_add(208, unsafe_mul(8, side)) & 255
            asset: address = collateral
            book: uint256 = named
            if taken_id == id:
                seized = taken
            else:
                asset = staticcall register.RISK_ENGINE.asset_of(taken_id)
                log ICreditEngine.Seize(account=account, asset=asset, amount=taken)
                book = register.books[asset]
            if book & exposure.DEPTH != 0:
                book = exposure._seized(book, taken, may_pass)
            if credit == empty(bytes32):
                book = unsafe_sub(exposure._opened(book), taken)
                leaving.append(Seizure(asset=asset, amount=taken))
            else:
                self._credit(credit, asset, taken_id, taken, True)
            register.books[asset] = book
    accounts._store(account, words, after)
    if seized < min_seized:
        legs._fail("too little would be seized")
    # 2. all books are written: it is sent
    for seizure: Seizure in leaving:
        self._push(seizure.asset, receiver, seizure.amount)
    if len(data) != 0:
        extcall ILiquidator(msg.sender).on_liquidate(
            account, debt_asset, terms.repay + terms.fund_fee, collateral, seized, data
        )
    # 3. the debt
    leg: uint256 = legs._find(words, tag)
    held: uint256 = legs._amount(words, leg)  # [debt shares]
    left: uint256 = held
    paid: uint256 = 0
    if terms.repay != 0:
        shares: uint256 = 0
        paid, shares = extcall IDebtVault(vault).collect(
            terms.repay, left, msg.sender, terms.fund_fee
        )
        left -= shares
    bad_debt: uint256 = 0
    if terms.write_off != 0 and left != 0:
        lost: uint256 = left
        owed: uint256 = legs._amount(position, leg)
        if terms.repay + terms.write_off < owed:
            lost = left * terms.write_off // (owed - terms.repay)
        if lost != 0:
            bad_debt = extcall IDebtVault(vault).write_off(lost)
            left -= lost
    if left == held:
        legs._fail("nothing to repay")
    settled: uint256[4] = after
    settled[leg >> 1] = legs._set_amount(after[leg >> 1], leg & 1, left)
    if emptied or left == 0:
        settled = legs._compacted(settled)
    accounts._store(account, after, settled)
    log ICreditEngine.Liquidate(
        account=account,
        debt_asset=debt_asset,
        collateral=collateral,
        liquidator=msg.sender,
        repaid=paid,
        fund_fee=terms.fund_fee,
        bad_debt=bad_debt,
        seized=seized,
        health_factor=terms.health_factor,
        incentive=terms.incentive,
    )
    return paid + terms.fund_fee, seized


# ------------------------------------------------------------------ batches


@internal
def _end_check():
    count: uint256 = accounts.touched_count
    for i: uint256 in range(accounts.MAX_TOUCHED):
        if i == count:
            break
        if accounts.touched_tags[i] == 0:
            continue
        account: bytes32 = accounts.touched[i]
        after: uint256[4] = accounts._load(account)
        if not legs._has_debt(after):
            continue
        before: uint256[4] = accounts.touched_before[i]
        raised: bool = staticcall register.RISK_ENGINE.check_batch(
            register._position(before), register._position(after), accounts.touched_tags[i]
        )
        if not raised and not legs._has_stamp(before):
            # safer than before: that buys no block without liquidation
            accounts._store(account, after, legs._unstamped(after))


# ------------------------------------------------------------------ legs


@internal
def _credit(account: bytes32, asset: address, id: uint256, amount: uint256, is_seized: bool):
    """
    @dev Adds collateral that the engine holds already. What was seized had a price, and that its
         asset may be brought to no account is in no liquidation's way.
    """
    words: uint256[4] = accounts._load(account)
    leg: uint256 = legs._find(words, id)
    if leg == legs.MAX_LEGS:
        self._check_new(account, asset, id, is_seized)
    accounts._store(account, words, legs._add(words, leg, id, amount))


# ------------------------------------------------------------------ checks, tokens


@internal
def _check_new(account: bytes32, asset: address, id: uint256, is_seized: bool):
    operators._authorize(account, ICreditEngine.Action.DEPOSIT, asset, 0)
    if not is_seized:
        assert staticcall register.RISK_ENGINE.check_listable(id)


@view
@internal
def _check_receiver(receiver: address):
    if receiver == empty(address) or receiver == self:
        legs._fail("receiver is not valid")


@internal
def _pull(asset: address, amount: uint256):
    if not extcall IERC20(asset).transferFrom(msg.sender, self, amount, default_return_value=True):
        legs._fail("token transfer failed")


@internal
def _push(asset: address, receiver: address, amount: uint256):
    if not extcall IERC20(asset).transfer(receiver, amount, default_return_value=True):
        legs._fail("token transfer failed")
