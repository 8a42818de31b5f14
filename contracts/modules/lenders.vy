# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Lenders of a vault
@license MIT
@notice ERC-4626: deposits, withdrawals, and how much of them there may be.
@dev    WIND-DOWN: what cash there is, and what payments bring later, is for every share alike: who
        held h of all s shares may have taken, in all, the h-th part of what was ever there to take
        since. That part of the cash never falls, and what he took is noted in assets: neither
        the price at which he took it nor a loss before it or after changes what he gets in all. The
        price counts what was paid and redeemed with what is there (`ledger`), so payments leave it
        as it is. What was redeemed stays noted with him, and his other shares stay too (`share`);
        after a loss those beyond his claim are worth nothing.
        The fund redeems nothing itself: the part of its shares waits for those who leave it.
"""

from contracts.modules import compact
from contracts.modules import flow_limits
from contracts.modules import ledger
from contracts.modules import share
from contracts.modules import vault_level
from ethereum.ercs import IERC20
from ethereum.ercs import IERC4626

uses: ledger
uses: share
uses: vault_level

M112: constant(uint256) = 2**112 - 1
M127: constant(uint256) = 2**127 - 1
M128: constant(uint256) = 2**128 - 1
CAUTION: constant(uint256) = 1
HALT: constant(uint256) = 2
WIND_DOWN: constant(uint256) = 3

# initial price 1 / 10**6 assets, closed below a millionth of it
CLOSED_BELOW: constant(uint256) = 10**12

# what a holder took since the vault was wound down [assets]
_taken: HashMap[address, uint256]


# ------------------------------------------------------------------------- in and out


@external
def deposit(assets: uint256, receiver: address) -> uint256:
    return self._enter(assets, receiver, False)


@external
def mint(shares: uint256, receiver: address) -> uint256:
    return self._enter(shares, receiver, True)


@external
def withdraw(assets: uint256, receiver: address, owner: address) -> uint256:
    return self._exit(assets, receiver, owner, False)


@external
def redeem(shares: uint256, receiver: address, owner: address) -> uint256:
    return self._exit(shares, receiver, owner, True)


# -------------------------------------------------------------------------- internals


@internal
def _enter(amount: uint256, receiver: address, by_shares: bool) -> uint256:
    """
    @dev Deposits `amount` assets, or mints `amount` shares; returns the other number.
    """
    books: uint256 = ledger._books
    if books >> 255 != 0:
        vault_level._check_level(CAUTION)
    if amount == 0:
        share._fail_zero()
    config: uint256 = ledger._config
    word: uint256 = ledger._accrued(books, config)
    config = ledger._in_window(books, word, config)
    total: uint256 = ledger._total(books, word)
    claims: uint256 = ledger._claims
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = ledger._price(total, claims, config)
    if unsafe_mul(all_assets, CLOSED_BELOW) < all_shares:
        share._fail("vault is closed")
    if amount >> 128 != 0:
        share._fail_large()

    assets: uint256 = amount
    shares: uint256 = amount
    if by_shares:
        # below 2**128 * 2**113
        assets = ledger._ceil_div(unsafe_mul(amount, all_assets), all_shares)
    if unsafe_add(total, assets) > compact._decode(config >> ledger.DEPOSIT_CAP_AT):
        if ledger._fund == empty(address):
            share._fail_closed()
        share._fail("deposit cap is reached")
    if not by_shares:
        # the cap keeps assets below 2**104
        shares = unsafe_div(unsafe_mul(amount, all_shares), all_assets)
        if shares == 0:
            share._fail("zero shares")

    # a supply below 2**127 leaves room for what was redeemed in `share`
    if unsafe_add(shares, claims & M128) > M127:
        share._fail("too many shares")

    books = unsafe_add(books, assets)
    ledger._claims = unsafe_add(unsafe_add(claims, shares), unsafe_mul(assets, 2**128))
    share._credit(receiver, shares)
    ledger._close(books, word, config)
    log IERC20.Transfer(sender=empty(address), receiver=receiver, value=shares)
    log IERC4626.Deposit(sender=msg.sender, owner=receiver, assets=assets, shares=shares)
    vault_level._pull(msg.sender, assets)
    if by_shares:
        return assets
    return shares


@internal
def _exit(amount: uint256, receiver: address, owner: address, by_shares: bool) -> uint256:
    """
    @dev Withdraws `amount` assets, or redeems `amount` shares; returns the other number.
    """
    books: uint256 = ledger._books
    level: uint256 = 0
    if books >> 255 != 0:
        level = vault_level._level()
        if level == HALT:
            share._fail_halted()
    if amount == 0:
        share._fail_zero()
    if receiver == empty(address):
        share._fail_receiver()
    config: uint256 = ledger._config
    word: uint256 = ledger._accrued(books, config)
    config = ledger._in_window(books, word, config)
    total: uint256 = ledger._total(books, word)
    claims: uint256 = ledger._claims
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = ledger._price(total, claims, config)

    assets: uint256 = amount
    shares: uint256 = amount
    if by_shares:
        if amount > share._balances[owner] & M128:
            share._fail_balance()
        # below 2**128 * 2**113
        assets = unsafe_div(unsafe_mul(amount, all_assets), all_shares)
        if assets == 0:
            share._fail("zero assets")
    least: uint256 = compact._decode(config >> ledger.LEAST_CASH_AT)
    if level != 0:
        least = self._least_cash(ledger._window, level)
    cash: uint256 = books & M112
    if assets > unsafe_sub(max(cash, least), least):
        self._fail_outflow(assets, cash)
    if not by_shares:
        # below 2**112 * 2**129
        shares = ledger._ceil_div(unsafe_mul(amount, all_shares), all_assets)
    share._spend_allowance(owner, shares)

    base: uint256 = unsafe_div(claims, 2**128)
    if assets > base or level == WIND_DOWN:
        # lenders take gains out: the fund's part of them first. The price from before serves: it
        # is at most the price after. What the base still lacks is worth no fee. In WIND-DOWN the
        # fund's part of the cash waits for its shares.
        claims = ledger._settle(total, claims, config)
        base = max(unsafe_div(claims, 2**128), assets)
    held: uint256 = share._balances[owner]
    if shares > held & M128:
        share._fail_balance()
    if level == WIND_DOWN:
        if assets > self._claim(owner, held, books, claims):
            share._fail("part of the cash is taken")
        self._taken[owner] = unsafe_add(self._taken[owner], assets)
        # shares that there are and that were redeemed are at most M127 together
        held = unsafe_add(held, shares << 128)
        ledger._paid = unsafe_add(ledger._paid, shares | assets << 128)

    books = unsafe_sub(books, assets)
    ledger._claims = unsafe_sub(claims & M128, shares) | unsafe_sub(base, assets) << 128
    share._balances[owner] = unsafe_sub(held, shares)
    ledger._close(books, word, config)
    log IERC20.Transfer(sender=owner, receiver=empty(address), value=shares)
    log IERC4626.Withdraw(
        sender=msg.sender, receiver=receiver, owner=owner, assets=assets, shares=shares
    )
    vault_level._send(receiver, assets)
    if by_shares:
        return assets
    return shares


@view
@internal
def _claim(owner: address, held: uint256, books: uint256, claims: uint256) -> uint256:
    """
    @dev What a holder may take now in WIND-DOWN [assets], rounded down: his part of what was taken
         and of the cash, less what he took.
    @param held His word, see `share`.
    """
    paid: uint256 = ledger._paid
    # below 2**127 * 2**114
    part: uint256 = unsafe_div(
        unsafe_mul(
            unsafe_add(held & M128, held >> 128 & M127),
            unsafe_add(paid >> 128, books & M112),
        ),
        unsafe_add(paid & M128, claims & M128),
    )
    return unsafe_sub(part, min(part, self._taken[owner]))


@view
@internal
def _room(receiver: address) -> (uint256, uint256):
    """
    @dev Most assets that can be deposited for `receiver`, and most shares minted: never reverts.
    """
    if receiver == empty(address) or share._balances[receiver] >> 255 != 0:
        return 0, 0
    if vault_level._level() >= HALT or vault_level._flash_out != 0:
        return 0, 0
    config: uint256 = ledger._config
    total: uint256 = ledger._total_now()
    cap: uint256 = compact._decode(config >> ledger.DEPOSIT_CAP_AT)
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = ledger._price(total, ledger._claims, config)
    if total >= cap or unsafe_mul(all_assets, CLOSED_BELOW) < all_shares:
        return 0, 0

    left: uint256 = unsafe_sub(M127 + ledger.VIRTUAL_SHARES, all_shares)
    room: uint256 = unsafe_sub(cap, total)
    shares: uint256 = min(unsafe_div(unsafe_mul(room, all_shares), all_assets), left)
    if shares == 0:
        return 0, 0
    # most assets that mint no more than `left`, rounded down
    most: uint256 = unsafe_sub(unsafe_mul(unsafe_add(left, 1), all_assets), 1)
    return min(room, unsafe_div(most, all_shares)), shares


@view
@internal
def _leaving(owner: address) -> (uint256, uint256, uint256[2]):
    """
    @dev What may leave for `owner` now [assets], his shares, and the price: assets, shares.
    """
    books: uint256 = ledger._books
    config: uint256 = ledger._config
    word: uint256 = ledger._accrued(books, config)
    claims: uint256 = ledger._claims
    total: uint256 = ledger._total(books, word)
    price: uint256[2] = [0, 0]
    price[0], price[1] = ledger._price(total, claims, config)
    level: uint256 = vault_level._level()
    if level == HALT or vault_level._flash_out != 0:
        return 0, 0, price
    held: uint256 = share._balances[owner]
    cash: uint256 = books & M112
    least: uint256 = self._least_cash(ledger._window_now(books, word, config), level)
    assets: uint256 = unsafe_sub(cash, min(cash, least))
    if level == WIND_DOWN:
        # the fee is settled first
        claims = unsafe_add(claims, ledger._fee_shares(total, claims, config))
        assets = min(cash, self._claim(owner, held, books, claims))
    return assets, held & M128, price


@pure
@internal
def _least_cash(window: uint256, level: uint256) -> uint256:
    """
    @dev What a lender has to leave [assets]; `window` as of now.
    """
    if level == WIND_DOWN:
        return 0
    return compact._decode(flow_limits._least_cash(window, 2 if level == CAUTION else 1))


@pure
@internal
def _fail_outflow(assets: uint256, cash: uint256):
    if assets > cash:
        share._fail_cash()
    share._fail("outflow limit is reached")
