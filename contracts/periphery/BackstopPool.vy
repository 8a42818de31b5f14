# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Backstop pool
@license MIT
@notice Lenders of last resort for one debt asset, and the buyer of what nobody else liquidates.
@dev    ACCOUNTING
        `cash` belongs to the shares, `waiting` to deposits that have not joined. Both are counted,
        never read from `balanceOf`: a donation changes nothing. The collateral bought stays with
        the engine, in accounts of the pool, one for each asset: no token can block a purchase, and
        what one of them refuses delays the claims on it alone. What was settled, or is held and new
        to the pool, stays in the account that receives, and is claimed from there (`shelves`).
        Each unit bought goes to the shares of that moment, through a sum per share.

        ENTRY
        What is deposited in window w joins at the start of window w + 2, all at one price: it has
        stood an hour at least, which is longer than a mark counts. Who sees a purchase coming can
        not enter for it, and who has joined has no choice among purchases.

        SLICE
        In one window purchases take at most a tenth of the cash of each share. The bound is on a
        share, not on the pool: who leaves takes his part of the slice along, so a run leaves those
        who stay with no more than their own tenth.

        PRICE
        A share is never worth more than 10**-6 units, its first price: joining rounds shares down
        to no fewer than that gives, exits burn shares rounded up and pay whole units. So nobody
        can make a share dear, and joining loses at most two shares. Purchases lower the price;
        below a millionth of the first the pool takes no more deposits, and another is deployed.

        MARKS
        The pool buys late: an account must have been seen liquidatable WAIT ago, again within
        MARK_LASTS, and healthy by nobody who said so. What happened between two notes is not
        known; an account that was healthy for some minutes of them may be bought at once when it
        is not. That costs others a chance, and the pool nothing: the terms are the same.

        REFUSALS
        Whatever the engine refuses, and what at spot is worth less than it costs: the engine values
        for the borrower where a jump is young or sources disagree. What stays where it was received
        counts for nothing there, and a settled debt is not paid: its price has ended.

        ROUNDING
        Against who calls and who claims. No owner, nothing to set.

        BOUNDS
        Cash and deposits are below 2**104, shares below 1.3 * 10**12 a unit, so below 2**145.
        What an owner earned lies in the engine, in a leg below 2**104: times SCALE it fits.
"""

from contracts.interfaces import IBackstopPool
from contracts.interfaces import IRiskEngine
from contracts.modules import legs
from contracts.modules import shelves
from ethereum.ercs import IERC20

implements: IBackstopPool

# its accounts in the engine, and what it asks there
initializes: shelves

WAD: constant(uint256) = 10**18
BPS: constant(uint256) = 10_000
WINDOW: constant(uint256) = 3_600  # [s]
WAIT: constant(uint256) = 600  # [s]
MARK_LASTS: constant(uint256) = 1_200  # [s]
SLICE: constant(uint256) = 10  # one part in so many
REWARD: constant(uint256) = 25 * 10**14  # [WAD] of what is seized
MOST_FEE: constant(uint256) = 500  # [BPS] of a payment: a tenth of the highest incentive listed
FIRST_SHARES: constant(uint256) = 10**6  # [shares per unit]
USED_UP: constant(uint256) = 10**12  # [shares per unit]
SCALE: constant(uint256) = 2**150
MAX_ASSETS: constant(uint256) = 2**104 - 1
MAX_COLLATERALS: constant(uint256) = 127  # ids of the risk engine


# Deposits of one window; `shares` is 0 until they join.
struct Batch:
    assets: uint256
    shares: uint256


# The books as the present window finds them.
struct Books:
    cash: uint256
    shares: uint256
    joined: uint256[2]  # [shares] of the batches of the last touched window - 1 and of that window


ASSET: immutable(address)
VAULT: immutable(address)

_cash: uint256  # [assets] of all shares
_shares: uint256
_waiting: uint256  # [assets] that have not joined
_window: uint256  # last one in which books were written
_start_cash: uint256  # [assets] at its start
_start_shares: uint256
_batches: HashMap[uint256, Batch]  # by window
_stakes: HashMap[address, IBackstopPool.Stake]
_marks: HashMap[bytes32, IBackstopPool.Mark]

_collaterals: DynArray[address, MAX_COLLATERALS]
_ids: HashMap[address, uint256]  # of the risk engine; number of the engine's account that holds it
_per_share: HashMap[address, uint256]  # [units * SCALE per share] since the first purchase
_opening: HashMap[uint256, HashMap[address, uint256]]  # that sum when a batch joined
_settled: HashMap[address, HashMap[address, uint256]]  # that sum when an owner was settled
_owed: HashMap[address, HashMap[address, uint256]]  # [units] earned until then, and rewards


@deploy
def __init__(engine: address, asset: address):
    """
    @param engine The credit engine, for good.
    @param asset A debt asset listed there.
    """
    assert engine.is_contract, "engine has no code"
    id: uint256 = 0
    vault: address = empty(address)
    min_debt: uint256 = 0
    id, vault, min_debt = staticcall shelves.ICreditEngine(engine).debt_of(asset)
    assert id != 0, "asset is no debt asset"
    shelves.__init__(engine)
    ASSET = asset
    VAULT = vault
    self._window = block.timestamp // WINDOW


# ------------------------------------------------------------------ lenders


@external
def deposit(assets: uint256):
    self._settle(msg.sender)
    if assets == 0:
        self._fail("zero assets")
    if self._cash * USED_UP < self._shares:
        self._fail("pool is used up")
    if assets > MAX_ASSETS or self._cash + self._waiting + assets > MAX_ASSETS:
        self._fail("amount is too large")
    window: uint256 = self._window
    stake: IBackstopPool.Stake = self._stakes[msg.sender]
    self._batches[stake.window].assets -= stake.waiting
    stake.waiting += assets
    stake.window = window
    self._batches[window].assets += stake.waiting
    self._stakes[msg.sender] = stake
    self._waiting += assets
    log IBackstopPool.Deposit(owner=msg.sender, assets=assets, window=window)
    before: uint256 = staticcall IERC20(ASSET).balanceOf(self)
    if not extcall IERC20(ASSET).transferFrom(msg.sender, self, assets, default_return_value=True):
        self._fail("token transfer failed")
    if staticcall IERC20(ASSET).balanceOf(self) < before + assets:
        self._fail("token takes a fee")


@external
def cancel_deposit(assets: uint256, receiver: address) -> uint256:
    self._settle(msg.sender)
    stake: IBackstopPool.Stake = self._stakes[msg.sender]
    sent: uint256 = assets
    if assets == max_value(uint256):
        sent = stake.waiting
    if sent == 0:
        self._fail("zero assets")
    if sent > stake.waiting:
        self._fail("more than what waits")
    self._batches[stake.window].assets -= sent
    self._stakes[msg.sender].waiting = stake.waiting - sent
    self._waiting -= sent
    log IBackstopPool.CancelDeposit(owner=msg.sender, receiver=receiver, assets=sent)
    self._push(receiver, sent)
    return sent


@external
def withdraw(assets: uint256, receiver: address) -> uint256:
    self._settle(msg.sender)
    cash: uint256 = self._cash
    shares: uint256 = self._shares
    held: uint256 = self._stakes[msg.sender].shares
    worth: uint256 = self._worth(held, cash, shares)
    sent: uint256 = assets
    if assets == max_value(uint256):
        sent = worth
    if sent == 0:
        self._fail("zero assets")
    if sent > worth:
        self._fail("balance too low")
    # not more than is held: what is held is worth as much
    burnt: uint256 = self._ceil_div(sent * shares, cash)
    self._stakes[msg.sender].shares = held - burnt
    self._shares = shares - burnt
    self._cash = cash - sent
    log IBackstopPool.Withdraw(owner=msg.sender, receiver=receiver, assets=sent, shares=burnt)
    self._push(receiver, sent)
    return sent


@external
def claim(asset: address, receiver: address) -> uint256:
    self._settle(msg.sender)
    if receiver == self:
        self._fail("receiver is not valid")
    amount: uint256 = self._owed[msg.sender][asset]
    if amount == 0:
        self._fail("nothing to claim")
    self._owed[msg.sender][asset] = 0
    log IBackstopPool.Claim(owner=msg.sender, asset=asset, receiver=receiver, amount=amount)
    return shelves._send(asset, self._ids[asset], amount, receiver)


# ------------------------------------------------------------------ liquidation


@external
def mark(account: bytes32):
    if not shelves._is_liquidatable(account):
        self._fail("account is healthy")
    mark: IBackstopPool.Mark = self._marks[account]
    if block.timestamp > mark.seen + MARK_LASTS:
        mark.since = block.timestamp
    mark.seen = block.timestamp
    self._marks[account] = mark
    log IBackstopPool.SetMark(account=account, since=mark.since)


@external
def unmark(account: bytes32):
    if self._marks[account].since == 0:
        self._fail("account is not marked")
    if shelves._is_liquidatable(account):
        self._fail("account is liquidatable")
    self._clear(account)


@external
def buy(account: bytes32, collateral: address, max_repay: uint256) -> uint256:
    self._roll()
    mark: IBackstopPool.Mark = self._marks[account]
    if mark.since == 0:
        self._fail("account is not marked")
    if block.timestamp < mark.since + WAIT:
        self._fail("mark is too young")
    if block.timestamp > mark.seen + MARK_LASTS:
        self._fail("mark has lapsed")
    room: uint256 = self._room(self._cash, self._shares, self._start_cash, self._start_shares)
    # the fund's part comes on top of what is repaid
    cap: uint256 = min(max_repay, room * BPS // (BPS + MOST_FEE))
    if max_repay == 0:
        self._fail("zero assets")
    if cap == 0:
        self._fail("slice is used up")
    if shelves._is_settled(ASSET):
        self._fail("asset is settled")

    inbox: bytes32 = shelves._account(0)
    before: uint256[4] = shelves._cleared(inbox)
    extcall IERC20(ASSET).approve(VAULT, room, default_return_value=True)
    paid: uint256 = (
        extcall shelves.ICreditEngine(shelves.ENGINE).liquidate(
            account, ASSET, collateral, cap, 0, self, inbox, b""
        )
    )[0]
    extcall IERC20(ASSET).approve(VAULT, 0, default_return_value=True)
    self._cash -= paid
    log IBackstopPool.Buy(account=account, collateral=collateral, caller=msg.sender, paid=paid)
    self._take(inbox, before, paid)
    if shelves._is_liquidatable(account):
        self._marks[account].seen = block.timestamp
    else:
        self._clear(account)
    return paid


# ------------------------------------------------------------------ views


@view
@external
@reentrant
def asset() -> address:
    return ASSET


@view
@external
@reentrant
def engine() -> address:
    return shelves.ENGINE


@view
@external
def totals() -> (uint256, uint256, uint256):
    books: Books = self._rolled()
    return books.cash, books.shares, self._cash + self._waiting - books.cash


@view
@external
def room() -> uint256:
    books: Books = self._rolled()
    if block.timestamp // WINDOW != self._window:
        return self._room(books.cash, books.shares, books.cash, books.shares)
    return self._room(books.cash, books.shares, self._start_cash, self._start_shares)


@view
@external
def stake_of(owner: address) -> IBackstopPool.Stake:
    return self._stake_now(owner, self._rolled())


@view
@external
def assets_of(owner: address) -> uint256:
    books: Books = self._rolled()
    return self._worth(self._stake_now(owner, books).shares, books.cash, books.shares)


@view
@external
def claimable(owner: address, asset: address) -> uint256:
    stake: IBackstopPool.Stake = self._stakes[owner]
    joined: uint256 = self._joined(stake, self._rolled())
    return self._owed[owner][asset] + self._earned(owner, asset, stake, joined)


@view
@external
def collaterals() -> DynArray[address, MAX_COLLATERALS]:
    return self._collaterals


@view
@external
def mark_of(account: bytes32) -> IBackstopPool.Mark:
    return self._marks[account]


# ------------------------------------------------------------------ windows and stakes


@internal
def _roll():
    """
    @dev At the first write in a window: what has stood joins, and a new slice begins.
    """
    now: uint256 = block.timestamp // WINDOW
    last: uint256 = self._window
    if now == last:
        return
    books: Books = self._rolled()
    for i: uint256 in range(2):
        shares: uint256 = books.joined[i]
        if shares == 0:
            continue
        window: uint256 = last + i - 1
        self._batches[window].shares = shares
        assets: uint256 = self._batches[window].assets
        self._waiting -= assets
        for asset: address in self._collaterals:
            self._opening[window][asset] = self._per_share[asset]
        log IBackstopPool.Join(window=window, assets=assets, shares=shares)
    self._cash = books.cash
    self._shares = books.shares
    self._start_cash = books.cash
    self._start_shares = books.shares
    self._window = now


@view
@internal
def _rolled() -> Books:
    """
    @dev Batches older than the two have joined when the last touched window began.
    """
    now: uint256 = block.timestamp // WINDOW
    books: Books = Books(cash=self._cash, shares=self._shares, joined=[0, 0])
    for i: uint256 in range(2):
        window: uint256 = self._window + i - 1
        if window + 2 > now:
            break
        assets: uint256 = self._batches[window].assets
        joined: uint256 = assets * FIRST_SHARES
        # there is cash if and only if there are shares
        if books.shares != 0:
            joined = assets * books.shares // books.cash
        books.cash += assets
        books.shares += joined
        books.joined[i] = joined
    return books


@internal
def _settle(owner: address):
    """
    @dev Rolls the window and brings the owner up to date: all he earned, and his deposit as shares.
    """
    self._roll()
    stake: IBackstopPool.Stake = self._stakes[owner]
    joined: uint256 = self._joined(stake, empty(Books))
    if stake.shares + joined == 0:
        return
    for asset: address in self._collaterals:
        earned: uint256 = self._earned(owner, asset, stake, joined)
        if earned != 0:
            self._owed[owner][asset] += earned
        if self._settled[owner][asset] != self._per_share[asset]:
            self._settled[owner][asset] = self._per_share[asset]
    if joined != 0:
        self._stakes[owner] = IBackstopPool.Stake(shares=stake.shares + joined, waiting=0, window=0)


@view
@internal
def _joined(stake: IBackstopPool.Stake, books: Books) -> uint256:
    """
    @dev Shares that the stake's deposit has become: in the batch, or in `books` where the window
         has not been rolled yet; 0 while it waits.
    """
    if stake.waiting == 0:
        return 0
    batch: Batch = self._batches[stake.window]
    if batch.shares == 0:
        batch.shares = books.joined[stake.window + 1 - self._window]
    return stake.waiting * batch.shares // batch.assets


@view
@internal
def _earned(owner: address, asset: address, stake: IBackstopPool.Stake, joined: uint256) -> uint256:
    """
    @dev Units that the shares earned since the owner was settled, those of a deposit since they
         joined.
    """
    now: uint256 = self._per_share[asset]
    earned: uint256 = stake.shares * (now - self._settled[owner][asset]) // SCALE
    if joined != 0 and self._batches[stake.window].shares != 0:
        earned += joined * (now - self._opening[stake.window][asset]) // SCALE
    return earned


@view
@internal
def _stake_now(owner: address, books: Books) -> IBackstopPool.Stake:
    stake: IBackstopPool.Stake = self._stakes[owner]
    joined: uint256 = self._joined(stake, books)
    if joined == 0:
        return stake
    return IBackstopPool.Stake(shares=stake.shares + joined, waiting=0, window=0)


@pure
@internal
def _worth(held: uint256, cash: uint256, shares: uint256) -> uint256:
    if shares == 0:
        return 0
    return held * cash // shares


@pure
@internal
def _room(cash: uint256, shares: uint256, start_cash: uint256, start_shares: uint256) -> uint256:
    """
    @dev Cash above what keeps nine tenths of a share's worth at the window's start, rounded down.
    """
    if shares == 0:
        return 0
    kept: uint256 = self._ceil_div(start_cash * shares * (SLICE - 1), start_shares * SLICE)
    return cash - min(cash, kept)


# ------------------------------------------------------------------ marks and purchases


@internal
def _clear(account: bytes32):
    self._marks[account] = empty(IBackstopPool.Mark)
    log IBackstopPool.ClearMark(account=account)


@internal
def _take(inbox: bytes32, before: uint256[4], paid: uint256):
    """
    @dev Shares out what was credited since `before`, asset by asset, between the caller and all
         shares. What of it could be put away must at spot be worth what was paid.
    """
    words: uint256[4] = staticcall shelves.ICreditEngine(shelves.ENGINE).words_of(inbox)
    assets: address[8] = empty(address[8])
    amounts: uint256[8] = empty(uint256[8])
    value: uint256 = 0  # [WAD]
    for i: uint256 in range(8):
        id: uint256 = legs._tag(words, i)
        if id == 0:
            break
        amounts[i] = legs._amount(words, i) - shelves._amount_of(before, id)
        if amounts[i] == 0:
            continue
        assets[i] = staticcall IRiskEngine(shelves.RISK_ENGINE).asset_of(id)
        if shelves._put_away(inbox, assets[i], id):
            value += shelves._value(assets[i], amounts[i], False)
    cost: uint256 = shelves._value(ASSET, paid, True)
    if value < cost:
        self._fail("worth less than it costs")
    part: uint256 = REWARD  # [WAD]
    if value != 0:
        part = min(REWARD, (value - cost) * WAD // (2 * value))
    for i: uint256 in range(8):
        if amounts[i] != 0:
            self._distribute(assets[i], legs._tag(words, i), amounts[i], part)


@internal
def _distribute(asset: address, id: uint256, amount: uint256, part: uint256):
    if self._ids[asset] == 0:
        self._ids[asset] = id
        self._collaterals.append(asset)
    reward: uint256 = amount * part // WAD
    self._owed[msg.sender][asset] += reward
    self._per_share[asset] += (amount - reward) * SCALE // self._shares
    log IBackstopPool.Take(asset=asset, amount=amount, reward=reward)


@internal
def _push(receiver: address, amount: uint256):
    if receiver == empty(address) or receiver == self:
        self._fail("receiver is not valid")
    if not extcall IERC20(ASSET).transfer(receiver, amount, default_return_value=True):
        self._fail("token transfer failed")


@pure
@internal
def _ceil_div(a: uint256, b: uint256) -> uint256:
    return (a + b - 1) // b


@pure
@internal
def _fail(reason: String[32]):
    raise reason
