# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Insurance fund
@license MIT
@notice One for each lending vault: an ERC-4626 over the vault's own share. It earns the vault's fee
        and loses first: the vault burns shares held here before any lender loses.

        ACCOUNTING
        `totalAssets` is the vault shares held, the fee that the vault owes included. There is no
        count of its own and none is needed: the vault lets nobody add to this address but itself
        (fees, the seed) and this contract (deposits), so a donation is impossible. The vault
        burns from here without a call.
        Every entry and exit settles the vault's fee first, so none is priced before a fee that
        is already earned; every view is of the state after that settlement.

        RESERVE
        What the fund holds before its first staker (the seed, the first fees) is nobody's. At the
        first deposit it becomes `reserve_shares`, one for each vault share held and one for the
        virtual asset, so the first staker's price is exactly 1 and he can't take any of it;
        it stays for good, earns and loses its part like every staker, and is the virtual supply
        that keeps the price fine-grained when all stakers have left. A fund with less than
        10**12 vault shares (10**6 units of the asset at the first price) has no first staker: its
        shares would be too coarse beside the fees to come.

        EXITS
        A ticket is usable from 20 to 22 days after its request and then lapses. Shares in it are
        slashed like all others and can't be transferred while it runs, so who sees a loss coming
        can't leave before it is booked, and one ticket never serves other shares than its own.

        ROUNDING
        Against who calls, in both directions. A fund whose share fell below a millionth of its
        first price takes no more deposits.
"""

from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed
from ethereum.ercs import IERC4626
from snekmate.utils import math

from contracts.interfaces import IInsuranceFund
from contracts.interfaces import ILendingVault

implements: IERC20
implements: IERC4626
implements: IInsuranceFund

COOL_DOWN: constant(uint256) = 20 * 86_400
USABLE_FOR: constant(uint256) = 2 * 86_400
LEAST_RESERVE: constant(uint256) = 10**12  # [vault shares]
CLOSED_BELOW: constant(uint256) = 10**6
MAX_ASSETS: constant(uint256) = 2**128 - 1  # the vault's supply fits

VAULT: immutable(address)
NAME: immutable(String[64])
SYMBOL: immutable(String[32])
DECIMALS: immutable(uint8)

_supply: uint256  # [fund shares] of stakers
_reserve: uint256  # [fund shares] of nobody; 0 before the first deposit
_balances: HashMap[address, uint256]  # [fund shares]
_allowances: HashMap[address, HashMap[address, uint256]]
_tickets: HashMap[address, IInsuranceFund.Ticket]


@deploy
def __init__(vault: address, name: String[64], symbol: String[32]):
    """
    @param vault The lending vault whose losses are carried.
    """
    VAULT = vault
    NAME = name
    SYMBOL = symbol
    DECIMALS = staticcall IERC20Detailed(vault).decimals()


# ------------------------------------------------------------------------- stakers


@external
def deposit(assets: uint256, receiver: address) -> uint256:
    extcall ILendingVault(VAULT).settle_fee()
    if assets > MAX_ASSETS:
        self._fail("amount is too large")
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price()
    shares: uint256 = math._mul_div(assets, all_shares, all_assets, False)
    self._enter(assets, shares, receiver, all_assets, all_shares)
    return shares


@external
def mint(shares: uint256, receiver: address) -> uint256:
    extcall ILendingVault(VAULT).settle_fee()
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price()
    # an open fund has at most 10**6 shares for each vault share
    if shares > MAX_ASSETS * CLOSED_BELOW:
        self._fail("amount is too large")
    assets: uint256 = math._mul_div(shares, all_assets, all_shares, True)
    self._enter(assets, shares, receiver, all_assets, all_shares)
    return assets


@external
def request_exit(shares: uint256):
    if shares == 0:
        self._fail("zero shares")
    if shares > self._balances[msg.sender]:
        self._fail("balance too low")
    usable_from: uint256 = block.timestamp + COOL_DOWN
    usable_until: uint256 = usable_from + USABLE_FOR
    self._tickets[msg.sender] = IInsuranceFund.Ticket(
        shares=shares, usable_from=usable_from, usable_until=usable_until
    )
    log IInsuranceFund.RequestExit(
        owner=msg.sender, shares=shares, usable_from=usable_from, usable_until=usable_until
    )


@external
def cancel_exit():
    shares: uint256 = self._tickets[msg.sender].shares
    if shares == 0:
        self._fail("no ticket")
    self._tickets[msg.sender] = empty(IInsuranceFund.Ticket)
    log IInsuranceFund.CancelExit(owner=msg.sender, shares=shares)


@external
def withdraw(assets: uint256, receiver: address, owner: address) -> uint256:
    extcall ILendingVault(VAULT).settle_fee()
    if assets > MAX_ASSETS:
        self._fail("amount is too large")
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price()
    shares: uint256 = math._mul_div(assets, all_shares, all_assets, True)
    self._exit(assets, shares, receiver, owner)
    return shares


@external
def redeem(shares: uint256, receiver: address, owner: address) -> uint256:
    extcall ILendingVault(VAULT).settle_fee()
    if shares > self._supply:
        self._fail("balance too low")
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price()
    assets: uint256 = math._mul_div(shares, all_assets, all_shares, False)
    self._exit(assets, shares, receiver, owner)
    return assets


# -------------------------------------------------------------------------- shares


@external
def transfer(receiver: address, amount: uint256) -> bool:
    self._move(msg.sender, receiver, amount)
    return True


@external
def transferFrom(owner: address, receiver: address, amount: uint256) -> bool:
    self._spend_allowance(owner, amount)
    self._move(owner, receiver, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    self._allowances[msg.sender][spender] = amount
    log IERC20.Approval(owner=msg.sender, spender=spender, value=amount)
    return True


# ----------------------------------------------------------------- views, ERC-4626


@view
@external
@reentrant
def asset() -> address:
    return VAULT


@view
@external
@reentrant
def totalAssets() -> uint256:
    """
    @notice Vault shares held, those that the fee owed will become included.
    """
    return self._holding()


@view
@external
@reentrant
def convertToShares(assets: uint256) -> uint256:
    return self._to_shares(assets, False)


@view
@external
@reentrant
def convertToAssets(shares: uint256) -> uint256:
    return self._to_assets(shares, False)


@view
@external
@reentrant
def previewDeposit(assets: uint256) -> uint256:
    """
    @notice Shares that a deposit mints now; whether the fund is open aside, see `maxDeposit`.
    """
    return self._to_shares(assets, False)


@view
@external
@reentrant
def previewMint(shares: uint256) -> uint256:
    """
    @notice Assets that minting takes now; whether the fund is open aside, see `maxMint`.
    """
    return self._to_assets(shares, True)


@view
@external
@reentrant
def previewWithdraw(assets: uint256) -> uint256:
    """
    @notice Shares that a withdrawal burns now; tickets aside, see `maxWithdraw`.
    """
    return self._to_shares(assets, True)


@view
@external
@reentrant
def previewRedeem(shares: uint256) -> uint256:
    """
    @notice Assets that redeeming gives now; tickets aside, see `maxRedeem`.
    """
    return self._to_assets(shares, False)


@view
@external
@reentrant
def maxDeposit(receiver: address) -> uint256:
    """
    @notice 0 while the fund is closed or has no reserve; else what the vault's supply leaves.
    """
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price()
    if receiver == empty(address) or not self._is_open(all_assets, all_shares):
        return 0
    return MAX_ASSETS + 1 - min(all_assets, MAX_ASSETS)


@view
@external
@reentrant
def maxMint(receiver: address) -> uint256:
    """
    @notice Shares that `maxDeposit` would mint.
    """
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price()
    if receiver == empty(address) or not self._is_open(all_assets, all_shares):
        return 0
    return math._mul_div(
        MAX_ASSETS + 1 - min(all_assets, MAX_ASSETS), all_shares, all_assets, False
    )


@view
@external
@reentrant
def maxWithdraw(owner: address) -> uint256:
    """
    @notice Worth of the shares in the owner's ticket while it is usable, else 0.
    """
    return self._to_assets(self._redeemable(owner), False)


@view
@external
@reentrant
def maxRedeem(owner: address) -> uint256:
    """
    @notice Shares in the owner's ticket while it is usable, else 0; 0 where they are worth nothing.
    """
    shares: uint256 = self._redeemable(owner)
    if self._to_assets(shares, False) == 0:
        return 0
    return shares


# -------------------------------------------------------------------- views, others


@view
@external
@reentrant
def ticket_of(owner: address) -> IInsuranceFund.Ticket:
    return self._tickets[owner]


@view
@external
@reentrant
def reserve_shares() -> uint256:
    if self._reserve != 0:
        return self._reserve
    return self._holding() + 1


@view
@external
@reentrant
def name() -> String[64]:
    return NAME


@view
@external
@reentrant
def symbol() -> String[32]:
    return SYMBOL


@view
@external
@reentrant
def decimals() -> uint8:
    return DECIMALS


@view
@external
@reentrant
def totalSupply() -> uint256:
    return self._supply


@view
@external
@reentrant
def balanceOf(owner: address) -> uint256:
    return self._balances[owner]


@view
@external
@reentrant
def allowance(owner: address, spender: address) -> uint256:
    return self._allowances[owner][spender]


# ----------------------------------------------------------------------- internals


@internal
def _enter(
    assets: uint256, shares: uint256, receiver: address, all_assets: uint256, all_shares: uint256
):
    if assets == 0:
        self._fail("zero assets")
    if shares == 0:
        self._fail("zero shares")
    if receiver == empty(address):
        self._fail("receiver is zero")
    if not self._is_open(all_assets, all_shares):
        if self._reserve == 0:
            self._fail("fund has no reserve")
        self._fail("fund is closed")
    if self._reserve == 0:
        # without stakers all shares are the reserve
        self._reserve = all_shares

    self._supply += shares
    self._balances[receiver] += shares
    log IERC20.Transfer(sender=empty(address), receiver=receiver, value=shares)
    log IERC4626.Deposit(sender=msg.sender, owner=receiver, assets=assets, shares=shares)
    # the vault's share reverts where it doesn't return true
    extcall IERC20(VAULT).transferFrom(msg.sender, self, assets)


@internal
def _exit(assets: uint256, shares: uint256, receiver: address, owner: address):
    if assets == 0:
        self._fail("zero assets")
    ticket: IInsuranceFund.Ticket = self._tickets[owner]
    if ticket.shares == 0:
        self._fail("exit needs a ticket")
    if block.timestamp < ticket.usable_from:
        self._fail("ticket is not usable yet")
    if block.timestamp >= ticket.usable_until:
        self._fail("ticket has lapsed")
    if shares > ticket.shares:
        self._fail("more than the ticket")
    self._spend_allowance(owner, shares)

    if shares == ticket.shares:
        self._tickets[owner] = empty(IInsuranceFund.Ticket)
    else:
        self._tickets[owner].shares = ticket.shares - shares
    # a ticket that runs holds its shares in the balance
    self._balances[owner] -= shares
    self._supply -= shares
    log IERC20.Transfer(sender=owner, receiver=empty(address), value=shares)
    log IERC4626.Withdraw(
        sender=msg.sender, receiver=receiver, owner=owner, assets=assets, shares=shares
    )
    extcall IERC20(VAULT).transfer(receiver, assets)


@internal
def _move(owner: address, receiver: address, amount: uint256):
    if receiver == empty(address):
        self._fail("receiver is zero")
    held: uint256 = self._balances[owner]
    if amount > held:
        self._fail("balance too low")
    ticket: IInsuranceFund.Ticket = self._tickets[owner]
    if block.timestamp < ticket.usable_until and amount > held - ticket.shares:
        self._fail("shares are in a ticket")
    self._balances[owner] = held - amount
    self._balances[receiver] += amount
    log IERC20.Transfer(sender=owner, receiver=receiver, value=amount)


@internal
def _spend_allowance(owner: address, amount: uint256):
    if msg.sender == owner:
        return
    allowed: uint256 = self._allowances[owner][msg.sender]
    if allowed == max_value(uint256):
        return
    if amount > allowed:
        self._fail("allowance too low")
    self._allowances[owner][msg.sender] = allowed - amount


@view
@internal
def _holding() -> uint256:
    """
    @dev Vault shares held once the fee is settled.
    """
    return staticcall IERC20(VAULT).balanceOf(self) + staticcall ILendingVault(VAULT).fee_shares()


@view
@internal
def _price() -> (uint256, uint256):
    """
    @dev Vault shares and fund shares, the virtual asset and the reserve included; neither is zero.
    """
    all_assets: uint256 = self._holding() + 1
    reserve: uint256 = self._reserve
    if reserve == 0:
        # nobody has staked yet: price 1
        return all_assets, all_assets
    return all_assets, self._supply + reserve


@view
@internal
def _is_open(all_assets: uint256, all_shares: uint256) -> bool:
    if self._reserve == 0 and all_assets <= LEAST_RESERVE:
        return False
    return all_assets * CLOSED_BELOW >= all_shares


@view
@internal
def _redeemable(owner: address) -> uint256:
    ticket: IInsuranceFund.Ticket = self._tickets[owner]
    if block.timestamp < ticket.usable_from or block.timestamp >= ticket.usable_until:
        return 0
    return ticket.shares


@view
@internal
def _to_shares(assets: uint256, up: bool) -> uint256:
    if assets > MAX_ASSETS:
        self._fail("amount is too large")
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price()
    return math._mul_div(assets, all_shares, all_assets, up)


@view
@internal
def _to_assets(shares: uint256, up: bool) -> uint256:
    if shares > 2**160:
        self._fail("amount is too large")
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price()
    return math._mul_div(shares, all_assets, all_shares, up)


@pure
@internal
def _fail(reason: String[32]):
    raise reason
