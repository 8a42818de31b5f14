# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Lending vault
@license MIT
@notice One for each borrowable asset. Lenders deposit and hold shares (ERC-4626, EIP-2612), the
        credit engine lends and collects (`IDebtVault`), anyone takes flash loans (ERC-3156).

        ACCOUNTING
        total = cash + flash_out + debt, debt = floor(debt_shares * index / RAY). Only our own
        transfers move cash; the token's `balanceOf` is read nowhere but where a halt is judged in
        `set_level`, so a donation changes nothing here. All is clipped at 2**112 - 1 units of the
        asset.
        Of each gain (total - base) the reserve factor is owed to the insurance fund. What is left
        of the total is `totalAssets`, the claim of the shares. The owed fee becomes the fund's
        shares, at the net price, in `settle_fee`, before a loss, before a change of the
        configuration, where a withdrawal exceeds the base, and before one in WIND-DOWN; no share's
        value changes by it.

        RATES
        Each action accrues interest at the rate that the action before it fixed, lets the rate at
        target drift by the utilization that held meanwhile, and fixes the next rate from the
        state it leaves. `debt_index` therefore reads one word. A flash loan without a fee leaves
        the state as it was and fixes nothing.

        ROUNDING
        Always against who calls: shares out and assets out down, shares in and assets in up, debt
        recorded up, debt cancelled down. 10**6 virtual shares and 1 virtual asset stand beside
        the real ones; shares have 6 decimals more than the asset. A vault whose share is worth
        less than a millionth of its first price takes no more deposits.

        LOSSES
        The fund's shares burn first, ceil(loss * S / T) of them with S and T from before the loss;
        what they don't cover lowers every share alike. The fund holds ordinary shares of this
        vault. Nobody but the vault and the fund itself can add to them: transfers, mints and
        deposits to the fund are refused, so its books need no count of their own.

        CALLS OUT
        The only contract called is the token, and the borrower of a flash loan. Every function
        writes all its books before the call and none after it (a flash loan re-reads them), so a
        call that comes in meanwhile finds the state that would be there had the first call
        ended. That is why `collect`, `write_off` and `accrue` may be re-entered: whatever they
        interrupt, it is as if they came after it. Deposits, withdrawals, loans, flash loans and
        share transfers share one lock, which a flash loan holds until it is repaid. `collect`
        doesn't take it, so a token hook inside `collect` may deposit or withdraw: the payment is
        booked and its transfer is pending. Claims and cash are as after the payment, tokens that
        are not there yet cannot leave (the token's transfer fails), and where the payment fails
        all is undone. What comes from `is_unlocked` is whether the lock is free.

        TOKEN ASSUMPTIONS
        No fee on transfer, no falling rebase, supply below 2**112, 6 to 24 decimals. Missing
        return values are fine; `false` reverts.

        LIMITS
        In a window of 4 hours cash falls, and debt grows, by one limit at most (`flow_limits`); at
        CAUTION lenders have half of the outflow. Payments are never limited, and give room back.
        A flash loan counts nothing.

        WIND-DOWN
        No more interest, loans, deposits or flash loans. Debts are paid, liquidated and written off
        as before, and each holder redeems his part of the cash as often as there is some, the
        same in all whenever he does (`lenders`), and transfers no share any more once he did
        (`share`). The fund gets the fee owed as shares once more, and carries losses first.

        Levels, and what the vault latches itself after a loss: `vault_level`.
        The words of the books and what their bits mean: `ledger`.
"""

from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed
from ethereum.ercs import IERC4626
from snekmate.auth import ownable

from contracts.interfaces import IDebtVault
from contracts.interfaces import ILendingVault
from contracts.modules import compact
from contracts.modules import flow_limits
from contracts.modules import ledger
from contracts.modules import lenders
from contracts.modules import share
from contracts.modules import vault_level

implements: IERC20
implements: IERC4626
implements: IDebtVault
implements: ILendingVault


interface IFlashBorrower:
    def onFlashLoan(
        initiator: address, token: address, amount: uint256, fee: uint256, data: Bytes[1_024]
    ) -> bytes32: nonpayable


# opening, configuration, wind-down and breaker are the owner's: the configurator's
initializes: ownable
# who holds how many shares
initializes: share
# cash, debt, rates and limits; it mints the fund's shares
initializes: ledger[share := share]
# the token, and what works now
initializes: vault_level[ownable := ownable, ledger := ledger]
# deposits and withdrawals
initializes: lenders[ledger := ledger, share := share, vault_level := vault_level]

exports: (
    ownable.owner,
    ownable.transfer_ownership,
    share.transfer,
    share.transferFrom,
    share.approve,
    share.permit,
    share.name,
    share.symbol,
    share.decimals,
    share.balanceOf,
    share.allowance,
    share.nonces,
    share.DOMAIN_SEPARATOR,
    ledger.totalSupply,
    ledger.totalAssets,
    ledger.convertToShares,
    ledger.convertToAssets,
    ledger.previewDeposit,
    ledger.previewMint,
    ledger.previewWithdraw,
    ledger.previewRedeem,
    ledger.debt_index,
    ledger.debt_shares,
    ledger.debt_assets,
    ledger.fee_owed,
    ledger.fee_shares,
    ledger.utilization,
    ledger.borrow_rate,
    ledger.rate_at_target,
    ledger.config,
    ledger.fund,
    vault_level.set_breaker,
    vault_level.set_level,
    vault_level.breaker,
    vault_level.level,
    vault_level.asset,
    vault_level.cash,
    vault_level.flash_out,
    lenders.deposit,
    lenders.mint,
    lenders.withdraw,
    lenders.redeem,
)

RAY: constant(uint256) = 10**27
M112: constant(uint256) = 2**112 - 1
M128: constant(uint256) = 2**128 - 1

FLASH_CALLBACK: constant(bytes32) = keccak256("ERC3156FlashBorrower.onFlashLoan")

ENGINE: immutable(address)


@deploy
def __init__(
    asset: address,
    engine: address,
    breaker: address,
    name: String[64],
    symbol: String[32],
    owner: address,
):
    """
    @param asset Token that is lent, 6 to 24 decimals.
    @param engine The credit engine.
    @param breaker The circuit breaker. A vault whose owner is the configurator keeps it.
    @param owner Opens, configures and winds down the vault, and names the breaker: the
           configurator.
    """
    ownable.__init__()
    if owner == empty(address):
        share._fail("owner is zero")
    ownable._transfer_ownership(owner)

    decimals: uint8 = staticcall IERC20Detailed(asset).decimals()
    if decimals < 6 or decimals > 24:
        share._fail("decimals out of range")
    ENGINE = engine
    share.__init__(name, symbol, decimals + 6)
    ledger._rates = RAY | (block.timestamp & ledger.M32) << 192
    vault_level.__init__(asset, breaker)


# -------------------------------------------------------------------------- engine


@external
@reentrant
def accrue() -> uint256:
    """
    @dev Re-entrant: calls nobody.
    """
    books: uint256 = ledger._books
    config: uint256 = ledger._config
    word: uint256 = ledger._accrued(books, config)
    ledger._close(books, word, config)
    return word & M112


@external
def lend(assets: uint256, receiver: address) -> uint256:
    self._only_engine()
    books: uint256 = ledger._books
    if books >> 255 != 0:
        vault_level._check_level(0)
    if assets == 0:
        share._fail_zero()
    config: uint256 = ledger._config
    word: uint256 = ledger._accrued(books, config)
    if (
        config >> ledger.NUMBER_AT & ledger.M16
        != block.timestamp // flow_limits.WINDOW & ledger.M16
    ):
        config = ledger._open_window(books, word, config)
    cash: uint256 = books & M112
    least: uint256 = compact._decode(config >> ledger.LEAST_CASH_AT)
    if assets > unsafe_sub(max(cash, least), least):
        lenders._fail_outflow(assets, cash)
    index: uint256 = word & M112
    # assets < 2**112 and index >= RAY: at least one share
    shares: uint256 = ledger._ceil_div(unsafe_mul(assets, RAY), index)
    # both below 2**113, and the most debt is below 2**104: debt shares fit
    debt: uint256 = unsafe_div(unsafe_mul(unsafe_add(books >> 112 & M112, shares), index), RAY)
    if debt > compact._decode(config >> ledger.MOST_DEBT_AT):
        if debt > compact._decode(ledger._window >> flow_limits.RULES_AT):
            share._fail("debt cap is reached")
        share._fail("debt growth limit is reached")

    books = unsafe_sub(unsafe_add(books, unsafe_mul(shares, 2**112)), assets)
    ledger._books = books
    ledger._fix_rate(books, word, config, debt)
    log ILendingVault.Lend(receiver=receiver, assets=assets, shares=shares)
    vault_level._send(receiver, assets)
    return shares


@external
@reentrant
def collect(
    assets: uint256, max_shares: uint256, payer: address, fund_fee: uint256
) -> (uint256, uint256):
    """
    @dev Re-entrant, so that a flash loan cannot stop a repayment; see CALLS OUT.
    """
    self._only_engine()
    config: uint256 = ledger._config
    books: uint256 = ledger._books
    word: uint256 = ledger._accrued(books, config)
    index: uint256 = word & M112

    shares: uint256 = min(max_shares, books >> 112 & M112)
    # both below 2**112
    taken: uint256 = ledger._ceil_div(unsafe_mul(shares, index), RAY)
    if assets < taken:
        # below 2**135; less than the price of all shares cancels fewer than all
        taken = assets
        shares = unsafe_div(unsafe_mul(assets, RAY), index)

    paid: uint256 = unsafe_add(taken, fund_fee)
    if fund_fee > M112 or unsafe_add(books & M112, paid) > M112:
        share._fail_full()
    if fund_fee != 0:
        # the fund's shares are priced before the payment is booked
        ledger._reward_fund(fund_fee, books, word, config)
    config = ledger._in_window(books, word, config)
    books = unsafe_add(unsafe_sub(books, unsafe_mul(shares, 2**112)), paid)
    ledger._close(books, word, config)
    log ILendingVault.Collect(payer=payer, assets=taken, shares=shares, fund_fee=fund_fee)
    if paid != 0:
        vault_level._pull(payer, paid)
    return taken, shares


@external
@reentrant
def write_off(shares: uint256) -> uint256:
    """
    @dev Re-entrant, so that a liquidation within a flash loan can book its loss: calls nobody.
         A loss never exceeds T: ceil(shares * index) <= total + 1.
    """
    self._only_engine()
    if shares == 0:
        return 0
    config: uint256 = ledger._config
    books: uint256 = ledger._books
    if shares > books >> 112 & M112:
        share._fail("more than is owed")
    word: uint256 = ledger._accrued(books, config)
    loss: uint256 = ledger._ceil_div(unsafe_mul(shares, word & M112), RAY)

    total: uint256 = ledger._total(books, word)
    claims: uint256 = ledger._settle(total, ledger._claims, config)
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = ledger._price(total, claims, config)
    fund: address = ledger._fund
    held: uint256 = share._balances[fund]
    # below 2**114 * 2**128
    burnt: uint256 = ledger._ceil_div(unsafe_mul(min(loss, all_assets), all_shares), all_assets)
    fund_loss: uint256 = loss
    if burnt > held & M128:
        burnt = held & M128
        # less than the loss: burnt < loss * S / T
        fund_loss = unsafe_div(unsafe_mul(burnt, all_assets), all_shares)

    reference: uint256 = compact._decode(ledger._window_now(books, word, config))
    books = unsafe_sub(books, unsafe_mul(shares, 2**112))
    books = vault_level._after_loss(books, loss, min(total, reference))
    # the fee was settled: gains count from here
    ledger._claims = unsafe_sub(claims & M128, burnt) | ledger._total(books, word) << 128
    share._balances[fund] = unsafe_sub(held, burnt)
    ledger._close(books, word, config)
    if burnt != 0:
        log IERC20.Transfer(sender=fund, receiver=empty(address), value=burnt)
    log ILendingVault.WriteOff(
        shares=shares,
        loss=loss,
        fund_loss=fund_loss,
        lender_loss=unsafe_sub(loss, fund_loss),
        fund_shares=burnt,
    )
    return loss


# --------------------------------------------------------------------- flash loans


@external
def flashLoan(receiver: address, token: address, amount: uint256, data: Bytes[1_024]) -> bool:
    """
    @dev Tokens leave while `_books` still counts them and `_flash_out` says how many are out, so
         total assets and every price read during the loan are those from before it. The lock is
         held throughout. `collect` and `write_off` may come in meanwhile: what they write is
         read again after the callback, and without a fee nothing is written after it at all.
    """
    books: uint256 = ledger._books
    if books >> 255 != 0:
        vault_level._check_level(vault_level.CAUTION)
    if token != vault_level.ASSET:
        share._fail_token()
    if amount == 0:
        share._fail_zero()
    if amount > books & M112:
        share._fail_cash()
    fee: uint256 = ledger._flash_fee(amount, books)

    vault_level._flash_out = amount
    vault_level._send(receiver, amount)
    answer: bytes32 = extcall IFlashBorrower(receiver).onFlashLoan(
        msg.sender, token, amount, fee, data
    )
    if answer != FLASH_CALLBACK:
        share._fail("flash callback failed")
    vault_level._flash_out = 0

    if fee != 0:
        books = ledger._books
        config: uint256 = ledger._config
        word: uint256 = ledger._accrued(books, config)
        if unsafe_add(books & M112, fee) > M112:
            share._fail_full()
        books = unsafe_add(books, fee)
        ledger._close(books, word, config)
    log ILendingVault.FlashLoan(receiver=receiver, initiator=msg.sender, assets=amount, fee=fee)
    vault_level._pull(receiver, unsafe_add(amount, fee))
    return True


# --------------------------------------------------------------------------- admin


@external
def settle_fee() -> uint256:
    config: uint256 = ledger._config
    books: uint256 = ledger._books
    word: uint256 = ledger._accrued(books, config)
    before: uint256 = ledger._claims
    claims: uint256 = ledger._settle(ledger._total(books, word), before, config)
    if claims != before:
        ledger._claims = claims
    ledger._close(books, word, config)
    return unsafe_sub(claims & M128, before & M128)


@external
def open(fund: address, seed: uint256, config: uint256, flash_fee: uint256):
    ownable._check_owner()
    if ledger._fund != empty(address):
        share._fail("vault is open already")
    ledger._fund = fund
    ledger._rates = (
        ledger._rates & M112
        | ledger._per_second(config >> ledger.INITIAL_RATE_AT) << 152
        | (block.timestamp & ledger.M32) << 192
    )
    self._write_config(config, flash_fee)
    log ILendingVault.Open(fund=fund, seed=seed)

    lenders._enter(seed, fund, False)
    # from here on nobody but the fund and this vault adds to the fund's shares
    share._balances[fund] |= share.IS_FUND


@external
def write_config(config: uint256, flash_fee: uint256):
    self._check_open()
    self._write_config(config, flash_fee)


@external
def wind_down():
    self._check_open()
    config: uint256 = ledger._config
    if config >> 255 != 0:
        share._fail_wound_down()
    books: uint256 = ledger._books
    word: uint256 = ledger._accrued(books, config)
    ledger._settle_all(books, word, config)
    config |= ledger.WOUND_DOWN
    ledger._config = config
    ledger._books = books | ledger.FLAG
    ledger._fix_rate(books, word, config, 0)
    log ILendingVault.WindDown()


# ----------------------------------------------------------------- views, ERC-4626


@view
@external
@reentrant
def maxDeposit(receiver: address) -> uint256:
    assets: uint256 = 0
    shares: uint256 = 0
    assets, shares = lenders._room(receiver)
    return assets


@view
@external
@reentrant
def maxMint(receiver: address) -> uint256:
    assets: uint256 = 0
    shares: uint256 = 0
    assets, shares = lenders._room(receiver)
    return shares


@view
@external
@reentrant
def maxWithdraw(owner: address) -> uint256:
    """
    @notice min(cash, what the outflow limit leaves, worth of the owner's shares); 0 at HALT and
            during a flash loan. In WIND-DOWN his part of the cash.
    """
    assets: uint256 = 0
    shares: uint256 = 0
    price: uint256[2] = [0, 0]
    assets, shares, price = lenders._leaving(owner)
    return min(assets, unsafe_div(unsafe_mul(shares, price[0]), price[1]))


@view
@external
@reentrant
def maxRedeem(owner: address) -> uint256:
    """
    @notice Shares whose worth `maxWithdraw` allows; 0 also where they are worth nothing.
    """
    assets: uint256 = 0
    shares: uint256 = 0
    price: uint256[2] = [0, 0]
    assets, shares, price = lenders._leaving(owner)
    # most shares whose worth, rounded down, is not above the assets
    most: uint256 = unsafe_sub(unsafe_mul(unsafe_add(assets, 1), price[1]), 1)
    shares = min(shares, unsafe_div(most, price[0]))
    if unsafe_mul(shares, price[0]) < price[1]:
        return 0
    return shares


@view
@external
@reentrant
def limits() -> (uint256, uint256, uint256):
    books: uint256 = ledger._books
    config: uint256 = ledger._config
    word: uint256 = ledger._accrued(books, config)
    window: uint256 = ledger._window_now(books, word, config)
    cash: uint256 = books & M112
    least: uint256 = lenders._least_cash(window, vault_level._level())
    # most debt shares whose worth, rounded down, is not above the most debt, which is below 2**104
    most: uint256 = unsafe_add(compact._decode(flow_limits._most_debt(window)), 1)
    index: uint256 = word & M112
    shares: uint256 = unsafe_div(unsafe_sub(unsafe_mul(most, RAY), 1), index)
    owed: uint256 = books >> 112 & M112
    return (
        unsafe_sub(cash, min(cash, least)),
        unsafe_div(unsafe_mul(unsafe_sub(max(shares, owed), owed), index), RAY),
        unsafe_mul(block.timestamp // flow_limits.WINDOW + 1, flow_limits.WINDOW),
    )


# ----------------------------------------------------------------- views, ERC-3156


@view
@external
@reentrant
def maxFlashLoan(token: address) -> uint256:
    if token != vault_level.ASSET:
        return 0
    if vault_level._level() >= vault_level.HALT or vault_level._flash_out != 0:
        return 0
    return ledger._books & M112


@view
@external
@reentrant
def flashFee(token: address, amount: uint256) -> uint256:
    if token != vault_level.ASSET:
        share._fail_token()
    if amount > M112:
        share._fail_cash()
    return ledger._flash_fee(amount, ledger._books)


# ------------------------------------------------------------------------------ views


@view
@external
def is_unlocked() -> bool:
    return True


@view
@external
@reentrant
def engine() -> address:
    return ENGINE


# -------------------------------------------------------------------------- internals


@internal
def _write_config(config: uint256, flash_fee: uint256):
    old: uint256 = ledger._config
    books: uint256 = ledger._books
    word: uint256 = ledger._accrued(books, old)
    ledger._settle_all(books, word, old)

    anchors: uint256 = ledger._window_now(books, word, old) & (2**flow_limits.RULES_AT - 1)
    window: uint256 = anchors | config >> ledger.LEAST_CASH_AT << flow_limits.RULES_AT
    ledger._window = window
    written: uint256 = ledger._write_limits(
        config & ledger.RATES_MASK | old & ledger.WOUND_DOWN, window
    )
    old_fee: uint256 = books >> ledger.FLASH_FEE_AT & (2**7 - 1)
    books ^= (old_fee ^ flash_fee) << ledger.FLASH_FEE_AT
    least: uint256 = ledger._per_second(config >> ledger.MIN_RATE_AT)
    highest: uint256 = ledger._per_second(config >> ledger.MAX_RATE_AT)
    rate: uint256 = word >> 152 & ledger.M40
    word ^= (rate ^ min(max(rate, least), highest)) << 152
    ledger._close(books, word, written)
    log ILendingVault.WriteConfig(config=config, flash_fee=flash_fee)


@internal
def _check_open():
    """
    @dev That the owner calls, and that the vault is open.
    """
    ownable._check_owner()
    if ledger._fund == empty(address):
        share._fail_closed()


@view
@internal
def _only_engine():
    if msg.sender != ENGINE:
        share._fail("caller is not the engine")
