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
          repay or add to what is there.
        CUSTODY
          `books` says how much of each token the engine holds. `balanceOf` is read only around
          our own transfer of a token that is listed as taking fees. Rebasing-down tokens must not
          be listed.
        FLOW
          check, compute, write, check margin, emit, transfer. Debt is the exception: `lend` and
          `collect` tell the shares, so the vault moves first, under our lock, and its own books
          are written before its tokens move.
        LEVELS
          act where the price is read (`RiskEngine`) and where the money is lent (`LendingVault`).
        ROLES
          owner: lists assets, sets caps and least debts. It can touch no account.
"""

from contracts.interfaces import ICreditEngine
from contracts.interfaces import IDebtVault
from contracts.interfaces import IRiskEngine
from contracts.modules import compact
from contracts.modules import legs
from contracts.modules import operators
from ethereum.ercs import IERC20
from snekmate.auth import ownable

implements: ICreditEngine

initializes: ownable
# who may act for an account, and for how much
initializes: operators

exports: (
    ownable.owner,
    ownable.transfer_ownership,
    operators.set_operator,
    operators.set_operator_by_signature,
    operators.cancel_nonce,
    operators.operator_of,
    operators.is_nonce_used,
    operators.DOMAIN_SEPARATOR,
)


interface ILiquidator:
    def on_liquidate(
        account: bytes32,
        debt_asset: address,
        owed: uint256,
        collateral: address,
        seized: uint256,
        data: Bytes[1_024],
    ): nonpayable


RAY: constant(uint256) = 10**27
MAX_BATCH: constant(uint256) = 16
MAX_TOUCHED: constant(uint256) = 2 * MAX_BATCH
MAX_TOTAL: constant(uint256) = 2**112 - 1

RISK_ENGINE: immutable(address)

# Positions, see `legs`.
accounts: HashMap[bytes32, uint256[4]]

# Book of a collateral token:
#   bits   0-111  total held for accounts [token units]
#   bits 112-119  id
#   bits 120-143  cap [token units], see `compact`
#   bit  144      takes a fee on transfer
# (bits 160-255 are left for windows of growth and of seizure)
books: HashMap[address, uint256]

# Debt asset, by address and by id:
#   bits   0-159  vault
#   bits 160-167  id
#   bits 168-191  least debt [token units], see `compact`
debts: HashMap[address, uint256]
debts_by_id: uint256[128]

# What a batch has touched so far: accounts, their words at first touch, and one byte for the tag
# of each leg that raised risk. A row is written before it is read; only the count is reset.
touched_count: transient (uint256)
touched: transient (bytes32[MAX_TOUCHED])
touched_before: transient (uint256[4][MAX_TOUCHED])
touched_tags: transient (uint256[MAX_TOUCHED])


@deploy
def __init__(risk_engine: address, owner: address):
    """
    @param risk_engine Margin rules and prices, for good.
    @param owner May list and set.
    """
    assert risk_engine.is_contract, "risk engine has no code"
    assert owner != empty(address), "owner is zero"
    RISK_ENGINE = risk_engine
    ownable.__init__()
    ownable._transfer_ownership(owner)


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
        self._touch(step.account)
        if step.action == ICreditEngine.Action.DEPOSIT:
            self._deposit(step.account, step.asset, step.amount)
        elif step.action == ICreditEngine.Action.WITHDRAW:
            self._withdraw(step.account, step.asset, step.amount, step.receiver, False)
            self._raise(step.account, self._id(step.asset))
        elif step.action == ICreditEngine.Action.BORROW:
            self._borrow(step.account, step.asset, step.amount, step.receiver, False)
            self._raise(step.account, legs.DEBT | self._debt_id(step.asset))
        elif step.action == ICreditEngine.Action.REPAY:
            self._repay(step.account, step.asset, step.amount)
        elif step.action == ICreditEngine.Action.MOVE:
            self._touch(step.other)
            self._move(step.account, step.other, step.asset, step.amount, False)
            self._raise(step.account, self._id(step.asset))
        elif step.action == ICreditEngine.Action.LIQUIDATE:
            if step.other != empty(bytes32):
                self._touch(step.other)
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
    self._end_check()
    self.touched_count = 0


# ------------------------------------------------------------------ administration


@external
def list_collateral(asset: address, cap: uint256, takes_fee: bool):
    """
    @notice Lets accounts hold `asset`, which the risk engine has listed.
    @param cap [token units] for all accounts together, rounded down to 16 significant bits.
    @param takes_fee The token may deliver less than is sent.
    """
    ownable._check_owner()
    if self.books[asset] != 0:
        legs._fail("collateral is listed already")
    id: uint256 = staticcall IRiskEngine(RISK_ENGINE).id_of(asset)
    if id == 0:
        legs._fail("asset is not listed")
    self.books[asset] = (id << 112) | (convert(takes_fee, uint256) << 144)
    log ICreditEngine.ListCollateral(asset=asset, id=id, cap=cap, takes_fee=takes_fee)
    self._set_cap(asset, cap)


@external
def set_cap(asset: address, cap: uint256):
    """
    @notice Sets how much of a collateral all accounts together may hold. For the owner.
    @param cap [token units] rounded down to 16 significant bits. Zero stops adding, except by
           accounts below maintenance.
    """
    ownable._check_owner()
    if self.books[asset] == 0:
        legs._fail("asset is no collateral")
    self._set_cap(asset, cap)


@external
def list_debt(vault: address, min_debt: uint256):
    """
    @notice Lets accounts borrow what `vault` lends; the risk engine has listed its asset.
    @param min_debt [token units] smallest debt an account may leave, rounded down to 16 bits.
    """
    ownable._check_owner()
    asset: address = staticcall IDebtVault(vault).asset()
    if self.debts[asset] != 0:
        legs._fail("debt is listed already")
    id: uint256 = staticcall IRiskEngine(RISK_ENGINE).id_of(asset)
    if id == 0:
        legs._fail("asset is not listed")
    log ICreditEngine.ListDebt(asset=asset, vault=vault, id=id, min_debt=min_debt)
    self._write_debt(asset, convert(vault, uint256) | (id << 160), min_debt)


@external
def set_min_debt(asset: address, min_debt: uint256):
    """
    @notice Sets the smallest debt an account may leave. For the owner.
    @param min_debt [token units] rounded down to 16 significant bits.
    """
    ownable._check_owner()
    self._write_debt(asset, self._debt(asset), min_debt)


# ------------------------------------------------------------------ views


@view
@external
def words_of(account: bytes32) -> uint256[4]:
    """
    @notice Legs of the account as stored, debt in debt shares; see `legs`.
    """
    return self._load(account)


@view
@external
def position_of(account: bytes32) -> uint256[4]:
    """
    @notice Legs of the account with debt in assets as of now, as the risk engine takes them.
    """
    return self._position(self._load(account))


@view
@external
def book_of(asset: address) -> (uint256, uint256, uint256, bool):
    """
    @notice Id of a collateral (0: none), total held, cap [token units], whether it takes a fee.
    """
    book: uint256 = self.books[asset]
    return (
        (book >> 112) & 255, book & MAX_TOTAL, compact._decode(book >> 120), (book >> 144) & 1 == 1
    )


@view
@external
def debt_of(asset: address) -> (uint256, address, uint256):
    """
    @notice Id of a debt asset (0: none), its vault, the least debt [token units].
    """
    word: uint256 = self.debts[asset]
    return (word >> 160) & 255, self._vault(word), compact._decode(word >> 168)


@view
@external
@reentrant
def risk_engine() -> address:
    """
    @notice Where margin is judged and prices are read.
    """
    return RISK_ENGINE


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
    book: uint256 = self.books[asset]
    id: uint256 = (book >> 112) & 255
    if id == 0:
        legs._fail("asset is no collateral")
    received: uint256 = amount
    if (book >> 144) & 1 == 1:
        before: uint256 = staticcall IERC20(asset).balanceOf(self)
        self._pull(asset, amount)
        received = staticcall IERC20(asset).balanceOf(self) - before
        if received > amount:
            received = amount
    if received == 0:
        legs._fail("amount is zero")
    if received > legs.MAX_AMOUNT:
        legs._fail("amount is too large")

    words: uint256[4] = self._load(account)
    leg: uint256 = legs._find(words, id)
    if (book & MAX_TOTAL) + received > compact._decode(book >> 120):
        # above the cap only an account below maintenance may add, up to the health that a
        # liquidation restores, and not one that got there by what it did in this block
        if leg == legs.MAX_LEGS or legs._has_stamp(words):
            legs._fail("collateral cap is reached")
        if received > staticcall IRiskEngine(RISK_ENGINE).shortfall(self._position(words), id):
            legs._fail("collateral cap is reached")
    if (book & MAX_TOTAL) + received > MAX_TOTAL:
        legs._fail("amount is too large")
    if leg == legs.MAX_LEGS:
        operators._authorize(account, ICreditEngine.Action.DEPOSIT, asset, 0)
        assert staticcall IRiskEngine(RISK_ENGINE).check_listable(id)
    self._store(account, words, legs._add(words, leg, id, received))
    self.books[asset] = book + received
    log ICreditEngine.DepositCollateral(
        account=account, asset=asset, payer=msg.sender, amount=received
    )
    if (book >> 144) & 1 == 0:
        self._pull(asset, amount)
    return received


@internal
def _withdraw(
    account: bytes32, asset: address, amount: uint256, receiver: address, checked: bool
) -> uint256:
    id: uint256 = self._id(asset)
    words: uint256[4] = self._load(account)
    leg: uint256 = legs._find(words, id)
    sent: uint256 = self._sub_amount(words, leg, amount)
    operators._authorize(account, ICreditEngine.Action.WITHDRAW, asset, sent)
    if receiver == empty(address) or receiver == self:
        legs._fail("receiver is not valid")
    after: uint256[4] = self._lower(words, leg, sent)
    self._store(account, words, after)
    self.books[asset] -= sent
    if checked and legs._has_debt(after):
        assert staticcall IRiskEngine(RISK_ENGINE).check_initial(self._position(after), id)
    log ICreditEngine.WithdrawCollateral(
        account=account, asset=asset, receiver=receiver, amount=sent
    )
    self._push(asset, receiver, sent)
    return sent


@internal
def _borrow(
    account: bytes32, asset: address, amount: uint256, receiver: address, checked: bool
) -> uint256:
    word: uint256 = self._debt(asset)
    tag: uint256 = legs.DEBT | ((word >> 160) & 255)
    operators._authorize(account, ICreditEngine.Action.BORROW, asset, amount)
    if amount == 0:
        legs._fail("amount is zero")
    if receiver == empty(address) or receiver == self:
        legs._fail("receiver is not valid")
    vault: address = self._vault(word)
    shares: uint256 = extcall IDebtVault(vault).lend(amount, receiver)

    words: uint256[4] = self._load(account)
    leg: uint256 = legs._find(words, tag)
    after: uint256[4] = legs._add(words, leg, tag, shares)
    if leg == legs.MAX_LEGS:
        leg = legs._find(after, tag)
    after[leg >> 1] = legs._stamp(after[leg >> 1])
    self._store(account, words, after)

    index: uint256 = staticcall IDebtVault(vault).debt_index()
    if self._owed(legs._amount(after, leg), index) < compact._decode(word >> 168):
        legs._fail("debt is below the minimum")
    if checked:
        assert staticcall IRiskEngine(RISK_ENGINE).check_initial(
            self._position_with(after, tag, index), tag
        )
    log ICreditEngine.Borrow(
        account=account, asset=asset, receiver=receiver, assets=amount, shares=shares
    )
    return shares


@internal
def _repay(account: bytes32, asset: address, amount: uint256) -> (uint256, uint256):
    word: uint256 = self._debt(asset)
    tag: uint256 = legs.DEBT | ((word >> 160) & 255)
    words: uint256[4] = self._load(account)
    leg: uint256 = legs._find(words, tag)
    if leg == legs.MAX_LEGS:
        legs._fail("account has no such debt")
    owed: uint256 = legs._amount(words, leg)  # [debt shares]
    vault: address = self._vault(word)
    assets: uint256 = 0
    shares: uint256 = 0
    assets, shares = extcall IDebtVault(vault).collect(amount, owed, msg.sender, 0)
    if shares == 0:
        legs._fail("amount is too small")
    if shares != owed:
        index: uint256 = staticcall IDebtVault(vault).debt_index()
        if self._owed(owed - shares, index) < compact._decode(word >> 168):
            legs._fail("debt is below the minimum")
    self._store(account, words, self._sub(words, leg, shares))
    log ICreditEngine.Repay(
        account=account, asset=asset, payer=msg.sender, assets=assets, shares=shares
    )
    return assets, shares


@internal
def _move(
    source: bytes32, target: bytes32, asset: address, amount: uint256, checked: bool
) -> uint256:
    id: uint256 = self._id(asset)
    if source == target:
        legs._fail("accounts are the same")
    if operators._owner(source) != operators._owner(target):
        legs._fail("accounts of two owners")
    words: uint256[4] = self._load(source)
    leg: uint256 = legs._find(words, id)
    moved: uint256 = self._sub_amount(words, leg, amount)
    operators._authorize(source, ICreditEngine.Action.MOVE, asset, moved)
    after: uint256[4] = self._lower(words, leg, moved)
    self._store(source, words, after)
    self._credit(target, asset, id, moved, False)
    if checked and legs._has_debt(after):
        assert staticcall IRiskEngine(RISK_ENGINE).check_initial(self._position(after), id)
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
    if credit == empty(bytes32) and (receiver == empty(address) or receiver == self):
        legs._fail("receiver is not valid")
    debt: uint256 = self._debt(debt_asset)
    tag: uint256 = legs.DEBT | (debt >> 160 & 255)
    id: uint256 = self.books[collateral] >> 112 & 255
    words: uint256[4] = self._load(account)
    if legs._has_stamp(words):
        legs._fail("risk was raised in this block")
    position: uint256[4] = self._position(words)
    terms: IRiskEngine.Terms = staticcall IRiskEngine(RISK_ENGINE).liquidation_terms(
        position, tag, id, max_repay, compact._decode(debt >> 168)
    )

    # 1. the collateral leaves the account; empty legs stay until the debt is settled
    seized: uint256 = 0
    emptied: bool = False
    after: uint256[4] = words
    for i: uint256 in range(4):
        if terms.seize[i] == 0:
            continue
        # field by field: no more is taken than a leg holds
        after[i] = unsafe_sub(words[i], terms.seize[i])
        for side: uint256 in range(2):
            offset: uint256 = unsafe_mul(legs.AMOUNT_BITS, side)
            taken: uint256 = terms.seize[i] >> offset & legs.MAX_AMOUNT
            if taken == 0:
                continue
            emptied = emptied or after[i] >> offset & legs.MAX_AMOUNT == 0
            taken_id: uint256 = words[i] >> unsafe_add(208, unsafe_mul(8, side)) & 255
            asset: address = collateral
            if taken_id == id:
                seized = taken
            else:
                asset = staticcall IRiskEngine(RISK_ENGINE).asset_of(taken_id)
                log ICreditEngine.Seize(account=account, asset=asset, amount=taken)
            if credit == empty(bytes32):
                self.books[asset] = unsafe_sub(self.books[asset], taken)
            else:
                self._credit(credit, asset, taken_id, taken, True)
    self._store(account, words, after)
    if seized < min_seized:
        legs._fail("too little would be seized")
    if credit == empty(bytes32):
        self._push_seized(words, terms.seize, collateral, id, receiver)

    if len(data) != 0:
        extcall ILiquidator(msg.sender).on_liquidate(
            account, debt_asset, terms.repay + terms.fund_fee, collateral, seized, data
        )
    leg: uint256 = legs._find(words, tag)
    held: uint256 = legs._amount(words, leg)  # [debt shares]
    left: uint256 = held
    paid: uint256 = 0
    if terms.repay != 0:
        shares: uint256 = 0
        paid, shares = extcall IDebtVault(self._vault(debt)).collect(
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
            bad_debt = extcall IDebtVault(self._vault(debt)).write_off(lost)
            left -= lost
    if left == held:
        legs._fail("nothing to repay")
    settled: uint256[4] = after
    settled[leg >> 1] = legs._set_amount(after[leg >> 1], leg & 1, left)
    if emptied or left == 0:
        settled = legs._compacted(settled)
    self._store(account, after, settled)
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


@internal
def _push_seized(
    words: uint256[4], seize: uint256[4], collateral: address, id: uint256, receiver: address
):
    """
    @dev Sends what was seized, after all books are written.
    """
    for i: uint256 in range(4):
        if seize[i] == 0:
            continue
        for side: uint256 in range(2):
            taken: uint256 = (seize[i] >> unsafe_mul(legs.AMOUNT_BITS, side) & legs.MAX_AMOUNT)
            if taken == 0:
                continue
            taken_id: uint256 = words[i] >> unsafe_add(208, unsafe_mul(8, side)) & 255
            asset: address = collateral
            if taken_id != id:
                asset = staticcall IRiskEngine(RISK_ENGINE).asset_of(taken_id)
            self._push(asset, receiver, taken)


# ------------------------------------------------------------------ batches


@internal
def _touch(account: bytes32):
    """
    @dev Remembers the account as it stands, at its first touch in the batch.
    """
    count: uint256 = self.touched_count
    for i: uint256 in range(MAX_TOUCHED):
        if i == count:
            self.touched[i] = account
            self.touched_before[i] = self._load(account)
            self.touched_tags[i] = 0
            self.touched_count = count + 1
            return
        if self.touched[i] == account:
            return


@internal
def _raise(account: bytes32, tag: uint256):
    for i: uint256 in range(MAX_TOUCHED):
        if self.touched[i] == account:
            self.touched_tags[i] = (self.touched_tags[i] << 8) | tag
            return


@internal
def _end_check():
    count: uint256 = self.touched_count
    for i: uint256 in range(MAX_TOUCHED):
        if i == count:
            break
        if self.touched_tags[i] == 0:
            continue
        account: bytes32 = self.touched[i]
        after: uint256[4] = self._load(account)
        if not legs._has_debt(after):
            continue
        before: uint256[4] = self.touched_before[i]
        raised: bool = staticcall IRiskEngine(RISK_ENGINE).check_batch(
            self._position(before), self._position(after), self.touched_tags[i]
        )
        if not raised and not legs._has_stamp(before):
            # safer than before: that buys no block without liquidation
            self._store(account, after, legs._unstamped(after))


# ------------------------------------------------------------------ legs


@view
@internal
def _load(account: bytes32) -> uint256[4]:
    word: uint256 = self.accounts[account][0]
    words: uint256[4] = [word, 0, 0, 0]
    count: uint256 = word >> 244 & 15
    if count > 2:
        words[1] = self.accounts[account][1]
        if count > 4:
            words[2] = self.accounts[account][2]
            if count > 6:
                words[3] = self.accounts[account][3]
    return words


@internal
def _store(account: bytes32, before: uint256[4], after: uint256[4]):
    """
    @dev Writes the words that changed. Written out, since every action passes here.
    """
    if after[0] != before[0]:
        self.accounts[account][0] = after[0]
    if after[1] != before[1]:
        self.accounts[account][1] = after[1]
    if after[2] != before[2]:
        self.accounts[account][2] = after[2]
    if after[3] != before[3]:
        self.accounts[account][3] = after[3]


@pure
@internal
def _sub_amount(words: uint256[4], leg: uint256, amount: uint256) -> uint256:
    """
    @dev What leaves a collateral leg when `amount` is asked for.
    """
    if leg == legs.MAX_LEGS:
        legs._fail("account has no such collateral")
    held: uint256 = legs._amount(words, leg)
    if amount == max_value(uint256):
        return held
    if amount == 0:
        legs._fail("amount is zero")
    if amount > held:
        legs._fail("not enough collateral")
    return amount


@view
@internal
def _sub(words: uint256[4], leg: uint256, amount: uint256) -> uint256[4]:
    after: uint256[4] = words
    left: uint256 = legs._amount(words, leg) - amount
    after[leg >> 1] = legs._set_amount(words[leg >> 1], leg & 1, left)
    if left == 0:
        return legs._compacted(after)
    return after


@view
@internal
def _lower(words: uint256[4], leg: uint256, amount: uint256) -> uint256[4]:
    """
    @dev Less collateral; with debt this raises risk, and the word is stamped.
    """
    stamped: uint256[4] = words
    if legs._has_debt(words):
        stamped[leg >> 1] = legs._stamp(words[leg >> 1])
    return self._sub(stamped, leg, amount)


@internal
def _credit(account: bytes32, asset: address, id: uint256, amount: uint256, is_seized: bool):
    """
    @dev Adds collateral that the engine holds already. What was seized had a price, and that its
         asset may be brought to no account is in no liquidation's way.
    """
    words: uint256[4] = self._load(account)
    leg: uint256 = legs._find(words, id)
    if leg == legs.MAX_LEGS:
        operators._authorize(account, ICreditEngine.Action.DEPOSIT, asset, 0)
        if not is_seized:
            assert staticcall IRiskEngine(RISK_ENGINE).check_listable(id)
    self._store(account, words, legs._add(words, leg, id, amount))


@view
@internal
def _position(words: uint256[4]) -> uint256[4]:
    return self._position_with(words, 0, 0)


@view
@internal
def _position_with(words: uint256[4], known: uint256, known_index: uint256) -> uint256[4]:
    """
    @dev The legs with debt in assets as of now. The index of the debt with tag `known` is given.
    """
    position: uint256[4] = words
    for i: uint256 in range(4):
        word: uint256 = words[i]
        if word & legs.DEBT_TAGS == 0:
            continue
        for side: uint256 in range(2):
            tag: uint256 = word >> unsafe_add(208, unsafe_mul(8, side)) & 255
            if tag < legs.DEBT:
                continue
            index: uint256 = known_index
            if tag != known:
                vault: address = self._vault(self.debts_by_id[tag & 127])
                index = staticcall IDebtVault(vault).debt_index()
            offset: uint256 = unsafe_mul(legs.AMOUNT_BITS, side)
            owed: uint256 = self._owed(word >> offset & legs.MAX_AMOUNT, index)
            word = (word & ~(legs.MAX_AMOUNT << offset)) | min(owed, legs.MAX_AMOUNT) << offset
        position[i] = word
    return position


@pure
@internal
def _owed(shares: uint256, index: uint256) -> uint256:
    # shares < 2**104, index < 2**112
    return unsafe_div(unsafe_add(unsafe_mul(shares, index), RAY - 1), RAY)


# ------------------------------------------------------------------ books, rights, tokens


@view
@internal
def _id(asset: address) -> uint256:
    id: uint256 = (self.books[asset] >> 112) & 255
    if id == 0:
        legs._fail("asset is no collateral")
    return id


@view
@internal
def _debt(asset: address) -> uint256:
    word: uint256 = self.debts[asset]
    if word == 0:
        legs._fail("asset is no debt asset")
    return word


@view
@internal
def _debt_id(asset: address) -> uint256:
    return (self.debts[asset] >> 160) & 255


@pure
@internal
def _vault(word: uint256) -> address:
    return convert(word & (2**160 - 1), address)


@internal
def _set_cap(asset: address, cap: uint256):
    code: uint256 = compact._encode(cap)
    self.books[asset] = (self.books[asset] & ~((2**24 - 1) << 120)) | (code << 120)
    log ICreditEngine.SetCap(asset=asset, cap=compact._decode(code))


@internal
def _write_debt(asset: address, word: uint256, min_debt: uint256):
    code: uint256 = compact._encode(min_debt)
    written: uint256 = (word & (2**168 - 1)) | (code << 168)
    self.debts[asset] = written
    self.debts_by_id[(word >> 160) & 255] = written
    log ICreditEngine.SetMinDebt(asset=asset, min_debt=compact._decode(code))


@internal
def _pull(asset: address, amount: uint256):
    if not extcall IERC20(asset).transferFrom(msg.sender, self, amount, default_return_value=True):
        legs._fail("token transfer failed")


@internal
def _push(asset: address, receiver: address, amount: uint256):
    if not extcall IERC20(asset).transfer(receiver, amount, default_return_value=True):
        legs._fail("token transfer failed")
