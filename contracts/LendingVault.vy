# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Lending vault
@license MIT
@notice One for each borrowable asset. Lenders deposit and hold shares (ERC-4626, EIP-2612), the
        credit engine lends and collects (`IDebtVault`), anyone takes flash loans (ERC-3156).

        ACCOUNTING
        total = cash + flash_out + debt, debt = floor(debt_shares * index / RAY). Only our own
        transfers move cash; the token's `balanceOf` is read nowhere but around the seed in `open`
        and where a halt is judged in `set_level`, so a donation changes nothing here. All is clipped at 2**112 - 1 units of the asset.
        Of each gain (total - base) the reserve factor is owed to the insurance fund. What is left
        of the total is `totalAssets`, the claim of the shares. The owed fee becomes the fund's
        shares, at the net price, in `settle_fee`, before a loss, before a change of the
        configuration, and where a withdrawal exceeds the base; no share's value changes by it.

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

        LAYOUT (bits)
          _books    0-111 cash (flash_out included) · 112-223 debt shares · 224-230 flash fee
                    [BPS] · 231-254 free · 255 a level is latched
          _rates    0-111 index [RAY] · 112-151 borrow rate · 152-191 rate at target
                    [WAD a second] · 192-223 time mod 2**32 · 224-255 free
          _claims   0-127 share supply · 128-239 base [assets] · 240-255 free
          _config   0-12 reserve factor · 13-26 target utilization · 27-43 steepness [BPS]
                    44-63 adjustment speed · 64-78 initial rate · 79-93 least rate
                    94-108 highest rate [BPS a year] · 109-154 least adaptive debt
                    155-200 deposit cap · 201-246 debt cap [assets] · 247-255 free
          _balances 0-127 shares · 255 this is the insurance fund
        An amount of 46 bits is m * 10**e with m in bits 0-40 and e in bits 41-45. Lending reads
        books, rates and config, deposits and withdrawals claims besides, a flash loan only books.
        The latched bit can't be lost: it is set in mid-call at the earliest after the action in
        progress wrote its books.
"""

from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed
from ethereum.ercs import IERC4626
from snekmate.auth import ownable

from contracts.interfaces import IDebtVault
from contracts.interfaces import ILendingVault
from contracts.modules import interest
from contracts.modules import latch
from contracts.modules import rate_model

implements: IERC20
implements: IERC4626
implements: IDebtVault
implements: ILendingVault


interface IFlashBorrower:
    def onFlashLoan(
        initiator: address, token: address, amount: uint256, fee: uint256, data: Bytes[1_024]
    ) -> bytes32: nonpayable


# caps, configuration and breaker are the owner's
initializes: ownable
# the vault's own level, under its own address
initializes: latch

exports: (ownable.owner, ownable.transfer_ownership)

WAD: constant(uint256) = 10**18
RAY: constant(uint256) = 10**27
BPS: constant(uint256) = 10_000
YEAR: constant(uint256) = 365 * 86_400
WAD_PER_BPS: constant(uint256) = 10**14

M32: constant(uint256) = 2**32 - 1
M40: constant(uint256) = 2**40 - 1
M112: constant(uint256) = 2**112 - 1
M128: constant(uint256) = 2**128 - 1
RATE_MASK: constant(uint256) = M40 << 112

TARGET_AT: constant(uint256) = 13
STEEPNESS_AT: constant(uint256) = 27
SPEED_AT: constant(uint256) = 44
INITIAL_RATE_AT: constant(uint256) = 64
MIN_RATE_AT: constant(uint256) = 79
MAX_RATE_AT: constant(uint256) = 94
MIN_DEBT_AT: constant(uint256) = 109
DEPOSIT_CAP_AT: constant(uint256) = 155
DEBT_CAP_AT: constant(uint256) = 201
FLASH_FEE_AT: constant(uint256) = 224  # of the books
MANTISSA: constant(uint256) = 2**41 - 1
AMOUNT_MASK: constant(uint256) = 2**46 - 1
MAX_AMOUNT: constant(uint256) = 2**104 - 1
CAPS_MASK: constant(uint256) = (2**92 - 1) << 155
FLASH_FEE_MASK: constant(uint256) = (2**7 - 1) << 224
FLAG: constant(uint256) = 1 << 255

VIRTUAL_SHARES: constant(uint256) = 10**6
VIRTUAL_ASSETS: constant(uint256) = 1
# initial price 1 / 10**6 assets, closed below a millionth of it
CLOSED_BELOW: constant(uint256) = 10**12

CAUTION: constant(uint256) = 1
HALT: constant(uint256) = 2

FLASH_CALLBACK: constant(bytes32) = keccak256("ERC3156FlashBorrower.onFlashLoan")
PERMIT_TYPE: constant(bytes32) = keccak256(
    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
)
DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
VERSION_HASH: constant(bytes32) = keccak256("1")

ASSET: immutable(address)
ENGINE: immutable(address)
NAME: immutable(String[64])
SYMBOL: immutable(String[32])
NAME_HASH: immutable(bytes32)
DECIMALS: immutable(uint8)


# units and bits: see LAYOUT
_books: uint256
_rates: uint256
_claims: uint256
_config: uint256
_fund: address
_breaker: address
_balances: HashMap[address, uint256]
_allowances: HashMap[address, HashMap[address, uint256]]
_nonces: HashMap[address, uint256]
# end of a halt that found the vault short and spends none of the hold budget [unix seconds]
_short_until: uint256
_flash_out: transient (uint256)


@deploy
def __init__(
    asset: address,
    engine: address,
    breaker: address,
    name: String[64],
    symbol: String[32],
    config: ILendingVault.VaultConfig,
    owner: address,
):
    """
    @param asset Token that is lent, 6 to 24 decimals.
    @param engine The credit engine.
    @param breaker The circuit breaker; may be set later.
    @param owner Sets caps, configuration and breaker, and opens the vault.
    """
    ownable.__init__()
    if owner == empty(address):
        self._fail("owner is zero")
    ownable._transfer_ownership(owner)

    decimals: uint8 = staticcall IERC20Detailed(asset).decimals()
    if decimals < 6 or decimals > 24:
        self._fail("decimals out of range")
    ASSET = asset
    ENGINE = engine
    NAME = name
    SYMBOL = symbol
    NAME_HASH = keccak256(name)
    DECIMALS = decimals + 6

    packed: uint256 = self._pack_config(config)
    self._config = packed
    self._books = config.flash_fee << FLASH_FEE_AT
    self._fix_rate(
        0,
        RAY | (config.initial_rate * WAD_PER_BPS // YEAR) << 152 | (block.timestamp & M32) << 192,
        packed,
    )
    self._breaker = breaker
    log ILendingVault.SetConfig(config=config)
    log ILendingVault.SetBreaker(breaker=breaker)


# ------------------------------------------------------------------------- lenders


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


# -------------------------------------------------------------------------- engine


@external
@reentrant
def accrue() -> uint256:
    """
    @dev Re-entrant: calls nobody.
    """
    books: uint256 = self._books
    config: uint256 = self._config
    word: uint256 = self._accrued(books, config)
    self._fix_rate(books, word, config)
    return word & M112


@external
def lend(assets: uint256, receiver: address) -> uint256:
    self._only_engine()
    books: uint256 = self._books
    if books >> 255 != 0:
        self._check_level(0)
    if assets == 0:
        self._fail("amount is zero")
    if assets > books & M112:
        self._fail("not enough cash")
    config: uint256 = self._config
    word: uint256 = self._accrued(books, config)
    index: uint256 = word & M112
    # assets < 2**112 and index >= RAY: at least one share
    shares: uint256 = self._ceil_div(unsafe_mul(assets, RAY), index)
    owed: uint256 = unsafe_add(books >> 112 & M112, shares)
    # both below 2**113, and the debt cap is below 2**104: debt shares fit
    if unsafe_div(unsafe_mul(owed, index), RAY) > self._expand(config >> DEBT_CAP_AT):
        self._fail("debt cap is reached")

    books = unsafe_sub(unsafe_add(books, unsafe_mul(shares, 2**112)), assets)
    self._books = books
    self._fix_rate(books, word, config)
    log ILendingVault.Lend(receiver=receiver, assets=assets, shares=shares)
    self._send(receiver, assets)
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
    config: uint256 = self._config
    books: uint256 = self._books
    word: uint256 = self._accrued(books, config)
    index: uint256 = word & M112

    shares: uint256 = min(max_shares, books >> 112 & M112)
    # both below 2**112
    taken: uint256 = self._ceil_div(unsafe_mul(shares, index), RAY)
    if assets < taken:
        # below 2**135; less than the price of all shares cancels fewer than all
        taken = assets
        shares = unsafe_div(unsafe_mul(assets, RAY), index)

    if fund_fee > M112 or unsafe_add(unsafe_add(books & M112, taken), fund_fee) > M112:
        self._fail("cash is full")
    if fund_fee != 0:
        # the fund's shares are priced before the payment is booked
        self._reward_fund(fund_fee, books, word, config)
    paid: uint256 = unsafe_add(taken, fund_fee)
    books = unsafe_add(unsafe_sub(books, unsafe_mul(shares, 2**112)), paid)
    self._books = books
    self._fix_rate(books, word, config)
    log ILendingVault.Collect(payer=payer, assets=taken, shares=shares, fund_fee=fund_fee)
    if paid != 0:
        self._pull(payer, paid)
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
    config: uint256 = self._config
    books: uint256 = self._books
    if shares > books >> 112 & M112:
        self._fail("more than is owed")
    word: uint256 = self._accrued(books, config)
    loss: uint256 = self._ceil_div(unsafe_mul(shares, word & M112), RAY)

    total: uint256 = self._total(books, word)
    claims: uint256 = self._settle(total, self._claims, config)
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price(total, claims, config)
    fund: address = self._fund
    held: uint256 = self._balances[fund]
    # below 2**113 * 2**129
    burnt: uint256 = self._ceil_div(unsafe_mul(min(loss, all_assets), all_shares), all_assets)
    fund_loss: uint256 = loss
    if burnt > held & M128:
        burnt = held & M128
        # less than the loss: burnt < loss * S / T
        fund_loss = unsafe_div(unsafe_mul(burnt, all_assets), all_shares)

    books = unsafe_sub(books, unsafe_mul(shares, 2**112))
    self._books = books
    # the fee was settled: gains count from here
    self._claims = unsafe_sub(claims & M128, burnt) | self._total(books, word) << 128
    self._balances[fund] = unsafe_sub(held, burnt)
    self._fix_rate(books, word, config)
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
    books: uint256 = self._books
    if books >> 255 != 0:
        self._check_level(CAUTION)
    if token != ASSET:
        self._fail("token is not lent")
    if amount == 0:
        self._fail("amount is zero")
    if amount > books & M112:
        self._fail("not enough cash")
    fee: uint256 = self._flash_fee(amount, books)

    self._flash_out = amount
    self._send(receiver, amount)
    answer: bytes32 = extcall IFlashBorrower(receiver).onFlashLoan(
        msg.sender, token, amount, fee, data
    )
    if answer != FLASH_CALLBACK:
        self._fail("flash callback failed")
    self._flash_out = 0

    if fee != 0:
        books = self._books
        config: uint256 = self._config
        word: uint256 = self._accrued(books, config)
        if unsafe_add(books & M112, fee) > M112:
            self._fail("cash is full")
        books = unsafe_add(books, fee)
        self._books = books
        self._fix_rate(books, word, config)
    log ILendingVault.FlashLoan(receiver=receiver, initiator=msg.sender, assets=amount, fee=fee)
    self._pull(receiver, unsafe_add(amount, fee))
    return True


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
    self._approve(msg.sender, spender, amount)
    return True


@external
def permit(
    owner: address,
    spender: address,
    amount: uint256,
    deadline: uint256,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    if block.timestamp > deadline:
        self._fail("permit has expired")
    nonce: uint256 = self._nonces[owner]
    self._nonces[owner] = unsafe_add(nonce, 1)
    message: bytes32 = keccak256(abi_encode(PERMIT_TYPE, owner, spender, amount, nonce, deadline))
    digest: bytes32 = keccak256(concat(b"\x19\x01", self._domain_separator(), message))
    # the nonce makes a second form of the same signature worthless
    if owner == empty(address) or ecrecover(digest, v, r, s) != owner:
        self._fail("signature is not valid")
    self._approve(owner, spender, amount)


# --------------------------------------------------------------------------- admin


@external
def settle_fee() -> uint256:
    config: uint256 = self._config
    books: uint256 = self._books
    word: uint256 = self._accrued(books, config)
    before: uint256 = self._claims
    claims: uint256 = self._settle(self._total(books, word), before, config)
    if claims != before:
        self._claims = claims
    self._fix_rate(books, word, config)
    return unsafe_sub(claims & M128, before & M128)


@external
def open(fund: address, seed: uint256, deposit_cap: uint256, debt_cap: uint256):
    ownable._check_owner()
    if self._fund != empty(address):
        self._fail("vault is open already")
    if fund == empty(address) or staticcall IERC4626(fund).asset() != self:
        self._fail("fund is of another vault")
    self._fund = fund
    self._set_caps(deposit_cap, debt_cap)
    log ILendingVault.Open(fund=fund, seed=seed)

    before: uint256 = staticcall IERC20(ASSET).balanceOf(self)
    self._enter(seed, fund, False)
    # from here on nobody but the fund and this vault adds to the fund's shares
    self._balances[fund] |= FLAG
    if staticcall IERC20(ASSET).balanceOf(self) < before + seed:
        self._fail("token takes a fee")


@external
def set_caps(deposit_cap: uint256, debt_cap: uint256):
    ownable._check_owner()
    if self._fund == empty(address):
        self._fail("vault is not open")
    self._set_caps(deposit_cap, debt_cap)


@external
def set_config(config: ILendingVault.VaultConfig):
    ownable._check_owner()
    old: uint256 = self._config
    books: uint256 = self._books
    word: uint256 = self._accrued(books, old)
    total: uint256 = self._total(books, word)
    # gains until now have paid the old fee
    self._claims = self._settle(total, self._claims, old) & M128 | total << 128

    packed: uint256 = self._pack_config(config) | old & CAPS_MASK
    self._config = packed
    books = books & ~FLASH_FEE_MASK | config.flash_fee << FLASH_FEE_AT
    self._books = books
    least: uint256 = config.min_rate * WAD_PER_BPS // YEAR
    highest: uint256 = config.max_rate * WAD_PER_BPS // YEAR
    rate: uint256 = min(max(word >> 152 & M40, least), highest)
    self._fix_rate(books, word & ~(M40 << 152) | rate << 152, packed)
    log ILendingVault.SetConfig(config=config)


@external
def set_breaker(breaker: address):
    ownable._check_owner()
    self._breaker = breaker
    log ILendingVault.SetBreaker(breaker=breaker)


@external
@reentrant
def set_level(caution_until: uint256, halt_until: uint256, held_until: uint256):
    """
    @dev Re-entrant: a sensor may trip in mid-call. See LAYOUT.
    """
    if msg.sender != self._breaker:
        self._fail("caller is not the breaker")
    # every halt counts, so that lenders are locked in for at most 7 days in any 30, but for one
    # that nobody holds while there is less than the books say
    held: uint256 = held_until
    short_until: uint256 = min(self._short_until, halt_until)
    if halt_until > max(held_until, short_until):
        if staticcall IERC20(ASSET).balanceOf(self) + self._flash_out < self._books & M112:
            short_until = halt_until
        else:
            held = halt_until
    self._short_until = short_until
    latch._set(self, caution_until, halt_until, held)
    books: uint256 = self._books & ~FLAG
    if max(caution_until, halt_until) > block.timestamp:
        books |= FLAG
    self._books = books
    log ILendingVault.SetLevel(caution_until=caution_until, halt_until=halt_until)


# ----------------------------------------------------------------- views, ERC-4626


@view
@external
@reentrant
def asset() -> address:
    return ASSET


@view
@external
@reentrant
def totalAssets() -> uint256:
    """
    @notice What the shares claim: the total without the fee owed to the fund.
    """
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price_now()
    return all_assets - VIRTUAL_ASSETS


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
    @notice Shares that a deposit mints now; limits aside, see `maxDeposit`.
    """
    return self._to_shares(assets, False)


@view
@external
@reentrant
def previewMint(shares: uint256) -> uint256:
    """
    @notice Assets that minting takes now; limits aside, see `maxMint`.
    """
    return self._to_assets(shares, True)


@view
@external
@reentrant
def previewWithdraw(assets: uint256) -> uint256:
    """
    @notice Shares that a withdrawal burns now; limits aside, see `maxWithdraw`.
    """
    return self._to_shares(assets, True)


@view
@external
@reentrant
def previewRedeem(shares: uint256) -> uint256:
    """
    @notice Assets that redeeming gives now; limits aside, see `maxRedeem`.
    """
    return self._to_assets(shares, False)


@view
@external
@reentrant
def maxDeposit(receiver: address) -> uint256:
    assets: uint256 = 0
    shares: uint256 = 0
    assets, shares = self._room(receiver)
    return assets


@view
@external
@reentrant
def maxMint(receiver: address) -> uint256:
    assets: uint256 = 0
    shares: uint256 = 0
    assets, shares = self._room(receiver)
    return shares


@view
@external
@reentrant
def maxWithdraw(owner: address) -> uint256:
    """
    @notice min(cash, worth of the owner's shares); 0 at HALT and during a flash loan.
    """
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price_now()
    held: uint256 = self._balances[owner] & M128
    return min(self._available(), held * all_assets // all_shares)


@view
@external
@reentrant
def maxRedeem(owner: address) -> uint256:
    """
    @notice Shares of the owner that cash can pay; 0 at HALT and during a flash loan, or where
            they are worth nothing.
    """
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price_now()
    held: uint256 = self._balances[owner] & M128
    # most shares whose worth, rounded down, is not above cash
    payable_shares: uint256 = ((self._available() + 1) * all_shares - 1) // all_assets
    shares: uint256 = min(held, payable_shares)
    if shares * all_assets < all_shares:
        return 0
    return shares


# ----------------------------------------------------------------- views, ERC-3156


@view
@external
@reentrant
def maxFlashLoan(token: address) -> uint256:
    if token != ASSET:
        return 0
    return self._available()


@view
@external
@reentrant
def flashFee(token: address, amount: uint256) -> uint256:
    if token != ASSET:
        self._fail("token is not lent")
    if amount > M112:
        self._fail("not enough cash")
    return self._flash_fee(amount, self._books)


# ------------------------------------------------------------------- views, ERC-20


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
    return self._claims & M128


@view
@external
@reentrant
def balanceOf(owner: address) -> uint256:
    return self._balances[owner] & M128


@view
@external
@reentrant
def allowance(owner: address, spender: address) -> uint256:
    return self._allowances[owner][spender]


@view
@external
@reentrant
def nonces(owner: address) -> uint256:
    return self._nonces[owner]


@view
@external
@reentrant
def DOMAIN_SEPARATOR() -> bytes32:
    return self._domain_separator()


# ------------------------------------------------------------------- views, lending


@view
@external
@reentrant
def debt_index() -> uint256:
    word: uint256 = self._rates
    elapsed: uint256 = unsafe_sub(block.timestamp, word >> 192) & M32
    return interest._grow(word & M112, word >> 112 & M40, elapsed)


@view
@external
def is_unlocked() -> bool:
    return True


@view
@external
@reentrant
def level() -> uint256:
    return latch._level(self)


@view
@external
@reentrant
def config() -> ILendingVault.VaultConfig:
    config: uint256 = self._config
    return ILendingVault.VaultConfig(
        reserve_factor=config & (2**13 - 1),
        target_utilization=config >> TARGET_AT & (2**14 - 1),
        steepness=config >> STEEPNESS_AT & (2**17 - 1),
        adjustment_speed=config >> SPEED_AT & (2**20 - 1),
        initial_rate=config >> INITIAL_RATE_AT & (2**15 - 1),
        min_rate=config >> MIN_RATE_AT & (2**15 - 1),
        max_rate=config >> MAX_RATE_AT & (2**15 - 1),
        flash_fee=self._books >> FLASH_FEE_AT & (2**7 - 1),
        min_adaptive_debt=self._expand(config >> MIN_DEBT_AT),
    )


@view
@external
@reentrant
def caps() -> (uint256, uint256):
    config: uint256 = self._config
    return self._expand(config >> DEPOSIT_CAP_AT), self._expand(config >> DEBT_CAP_AT)


@view
@external
@reentrant
def engine() -> address:
    return ENGINE


@view
@external
@reentrant
def breaker() -> address:
    return self._breaker


@view
@external
@reentrant
def fund() -> address:
    return self._fund


@view
@external
@reentrant
def cash() -> uint256:
    return (self._books & M112) - self._flash_out


@view
@external
@reentrant
def flash_out() -> uint256:
    return self._flash_out


@view
@external
@reentrant
def debt_shares() -> uint256:
    return self._books >> 112 & M112


@view
@external
@reentrant
def debt_assets() -> uint256:
    books: uint256 = self._books
    return self._debt(books, self._accrued(books, self._config))


@view
@external
@reentrant
def fee_owed() -> uint256:
    books: uint256 = self._books
    config: uint256 = self._config
    total: uint256 = self._total(books, self._accrued(books, config))
    return self._fee(total, self._claims, config)


@view
@external
@reentrant
def fee_shares() -> uint256:
    books: uint256 = self._books
    config: uint256 = self._config
    claims: uint256 = self._claims
    total: uint256 = self._total(books, self._accrued(books, config))
    return self._fee_shares(self._fee(total, claims, config), total, claims)


@view
@external
@reentrant
def utilization() -> uint256:
    books: uint256 = self._books
    return self._utilization(books, self._debt(books, self._accrued(books, self._config)))


@view
@external
@reentrant
def borrow_rate() -> uint256:
    return self._rates >> 112 & M40


@view
@external
@reentrant
def rate_at_target() -> uint256:
    return self._accrued(self._books, self._config) >> 152 & M40


# ------------------------------------------------------------- internals: in and out


@internal
def _enter(amount: uint256, receiver: address, by_shares: bool) -> uint256:
    """
    @dev Deposits `amount` assets, or mints `amount` shares; returns the other number.
    """
    books: uint256 = self._books
    if books >> 255 != 0:
        self._check_level(CAUTION)
    if amount == 0:
        self._fail("amount is zero")
    config: uint256 = self._config
    word: uint256 = self._accrued(books, config)
    total: uint256 = self._total(books, word)
    claims: uint256 = self._claims
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price(total, claims, config)
    if unsafe_mul(all_assets, CLOSED_BELOW) < all_shares:
        self._fail("vault is closed")
    if amount > M128:
        self._fail("amount is too large")

    assets: uint256 = amount
    shares: uint256 = amount
    if by_shares:
        # below 2**128 * 2**113
        assets = self._ceil_div(unsafe_mul(amount, all_assets), all_shares)
    if unsafe_add(total, assets) > self._expand(config >> DEPOSIT_CAP_AT):
        if self._fund == empty(address):
            self._fail("vault is not open")
        self._fail("deposit cap is reached")
    if not by_shares:
        # the cap keeps assets below 2**104
        shares = unsafe_div(unsafe_mul(amount, all_shares), all_assets)
        if shares == 0:
            self._fail("zero shares")
    if shares > unsafe_sub(M128, claims & M128):
        self._fail("too many shares")

    books = unsafe_add(books, assets)
    self._books = books
    self._claims = unsafe_add(unsafe_add(claims, shares), unsafe_mul(assets, 2**128))
    self._credit(receiver, shares)
    self._fix_rate(books, word, config)
    log IERC20.Transfer(sender=empty(address), receiver=receiver, value=shares)
    log IERC4626.Deposit(sender=msg.sender, owner=receiver, assets=assets, shares=shares)
    self._pull(msg.sender, assets)
    if by_shares:
        return assets
    return shares


@internal
def _exit(amount: uint256, receiver: address, owner: address, by_shares: bool) -> uint256:
    """
    @dev Withdraws `amount` assets, or redeems `amount` shares; returns the other number.
    """
    books: uint256 = self._books
    if books >> 255 != 0:
        self._check_level(CAUTION)
    if amount == 0:
        self._fail("amount is zero")
    if receiver == empty(address):
        self._fail("receiver is zero")
    config: uint256 = self._config
    word: uint256 = self._accrued(books, config)
    total: uint256 = self._total(books, word)
    claims: uint256 = self._claims
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price(total, claims, config)

    assets: uint256 = amount
    shares: uint256 = amount
    if by_shares:
        if amount > self._balances[owner] & M128:
            self._fail("balance too low")
        # below 2**128 * 2**113
        assets = unsafe_div(unsafe_mul(amount, all_assets), all_shares)
        if assets == 0:
            self._fail("zero assets")
    if assets > books & M112:
        self._fail("not enough cash")
    if not by_shares:
        # below 2**112 * 2**129
        shares = self._ceil_div(unsafe_mul(amount, all_shares), all_assets)
    self._spend_allowance(owner, shares)

    base: uint256 = unsafe_div(claims, 2**128)
    if assets > base:
        # lenders take gains out: the fund's part of them first. The price from before serves: it
        # is at most the price after. What the base still lacks is worth no fee.
        claims = self._settle(total, claims, config)
        base = max(unsafe_div(claims, 2**128), assets)
    held: uint256 = self._balances[owner]
    if shares > held & M128:
        self._fail("balance too low")

    books = unsafe_sub(books, assets)
    self._books = books
    self._claims = unsafe_sub(claims & M128, shares) | unsafe_sub(base, assets) << 128
    self._balances[owner] = unsafe_sub(held, shares)
    self._fix_rate(books, word, config)
    log IERC20.Transfer(sender=owner, receiver=empty(address), value=shares)
    log IERC4626.Withdraw(
        sender=msg.sender, receiver=receiver, owner=owner, assets=assets, shares=shares
    )
    self._send(receiver, assets)
    if by_shares:
        return assets
    return shares


@internal
def _reward_fund(assets: uint256, books: uint256, word: uint256, config: uint256):
    """
    @dev Owes the fund `assets` that a liquidator pays: the base falls until just that much more
         fee is owed, which costs no balance and no event until it is settled. Where there is no
         fee, or too little base, the fund's shares are minted now. Never reverts: a share too
         little is every lender's gain, a supply that is full is clipped.
    """
    claims: uint256 = self._claims
    supply: uint256 = claims & M128
    base: uint256 = claims >> 128
    reserve_factor: uint256 = config & (2**13 - 1)
    if reserve_factor != 0:
        # the gain whose fee is the payment; the total itself grows by the payment
        gain: uint256 = unsafe_div(unsafe_mul(assets, BPS), reserve_factor)
        if unsafe_add(base, assets) >= gain:
            self._claims = supply | min(unsafe_sub(unsafe_add(base, assets), gain), M112) << 128
            return
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price(self._total(books, word), claims, config)
    # below 2**112 * 2**129
    shares: uint256 = min(
        unsafe_div(unsafe_mul(assets, all_shares), all_assets), unsafe_sub(M128, supply)
    )
    self._claims = unsafe_add(supply, shares) | min(unsafe_add(base, assets), M112) << 128
    self._mint_to_fund(shares)


@internal
def _settle(total: uint256, claims: uint256, config: uint256) -> uint256:
    """
    @dev Mints the fund's shares for the fee owed. The base rises by just the gain that the minted
         fee stands for, so that settling often loses no fee.
    @return The claims word, for the caller to store.
    """
    fee: uint256 = self._fee(total, claims, config)
    shares: uint256 = self._fee_shares(fee, total, claims)
    if shares == 0:
        return claims
    self._mint_to_fund(shares)
    log ILendingVault.SettleFee(assets=fee, shares=shares)
    # a fee above zero has a reserve factor above zero
    gain: uint256 = self._ceil_div(unsafe_mul(fee, BPS), config & (2**13 - 1))
    return unsafe_add(unsafe_add(claims, shares), unsafe_mul(gain, 2**128))


@internal
def _mint_to_fund(shares: uint256):
    fund: address = self._fund
    # at most the supply
    self._balances[fund] = unsafe_add(self._balances[fund], shares)
    log IERC20.Transfer(sender=empty(address), receiver=fund, value=shares)


# ----------------------------------------------------------------- internals: shares


@internal
def _move(owner: address, receiver: address, amount: uint256):
    if receiver == empty(address):
        self._fail("receiver is zero")
    held: uint256 = self._balances[owner]
    if amount > held & M128:
        self._fail("balance too low")
    self._balances[owner] = unsafe_sub(held, amount)
    self._credit(receiver, amount)
    log IERC20.Transfer(sender=owner, receiver=receiver, value=amount)


@internal
def _credit(receiver: address, amount: uint256):
    if receiver == empty(address):
        self._fail("receiver is zero")
    held: uint256 = self._balances[receiver]
    if held >> 255 != 0 and msg.sender != receiver:
        self._fail("fund takes no transfers")
    # at most the supply
    self._balances[receiver] = unsafe_add(held, amount)


@internal
def _spend_allowance(owner: address, amount: uint256):
    if msg.sender == owner:
        return
    allowed: uint256 = self._allowances[owner][msg.sender]
    if allowed == max_value(uint256):
        return
    if amount > allowed:
        self._fail("allowance too low")
    self._allowances[owner][msg.sender] = unsafe_sub(allowed, amount)


@internal
def _approve(owner: address, spender: address, amount: uint256):
    self._allowances[owner][spender] = amount
    log IERC20.Approval(owner=owner, spender=spender, value=amount)


@view
@internal
def _domain_separator() -> bytes32:
    return keccak256(abi_encode(DOMAIN_TYPE, NAME_HASH, VERSION_HASH, chain.id, self))


# ------------------------------------------------------------- internals: arithmetic


@view
@internal
def _accrued(books: uint256, config: uint256) -> uint256:
    """
    @dev The rates word as of now: index grown, rate at target drifted, time set. The borrow rate
         is still the one that was fixed.
    """
    word: uint256 = self._rates
    # right across the wrap of 32 bits in 2106, for spans up to 136 years
    elapsed: uint256 = unsafe_sub(block.timestamp, word >> 192) & M32
    if elapsed == 0:
        return word
    index: uint256 = interest._grow(word & M112, word >> 112 & M40, elapsed)
    rate: uint256 = word >> 152 & M40
    debt: uint256 = self._debt(books, index)
    if debt >= self._expand(config >> MIN_DEBT_AT):
        rate = rate_model._drift(
            rate,
            self._utilization(books, debt),
            config >> TARGET_AT & (2**14 - 1),
            config >> SPEED_AT & (2**20 - 1),
            elapsed,
            unsafe_div((config >> MIN_RATE_AT & (2**15 - 1)) * WAD_PER_BPS, YEAR),
            unsafe_div((config >> MAX_RATE_AT & (2**15 - 1)) * WAD_PER_BPS, YEAR),
        )
    return index | word & RATE_MASK | rate << 152 | (block.timestamp & M32) << 192


@internal
def _fix_rate(books: uint256, word: uint256, config: uint256):
    """
    @dev Stores the rates word with the borrow rate that follows from `books`.
    """
    rate: uint256 = rate_model._borrow_rate(
        word >> 152 & M40,
        self._utilization(books, self._debt(books, word)),
        config >> TARGET_AT & (2**14 - 1),
        config >> STEEPNESS_AT & (2**17 - 1),
    )
    self._rates = word & ~RATE_MASK | rate << 112


@pure
@internal
def _debt(books: uint256, word: uint256) -> uint256:
    # 112 bits times 112 bits
    return unsafe_div(unsafe_mul(books >> 112 & M112, word & M112), RAY)


@pure
@internal
def _utilization(books: uint256, debt: uint256) -> uint256:
    """
    @dev Debt over cash + debt [WAD]: at most 1, and 0 without either.
    """
    # debt is below 2**135
    return unsafe_div(unsafe_mul(debt, WAD), max(unsafe_add(books & M112, debt), 1))


@pure
@internal
def _total(books: uint256, word: uint256) -> uint256:
    return min(unsafe_add(books & M112, self._debt(books, word)), M112)


@pure
@internal
def _fee(total: uint256, claims: uint256, config: uint256) -> uint256:
    """
    @dev The fund's part of what was gained since the base [assets], rounded down.
    """
    base: uint256 = unsafe_div(claims, 2**128)
    if total <= base:
        return 0
    return unsafe_div(unsafe_mul(unsafe_sub(total, base), config & (2**13 - 1)), BPS)


@pure
@internal
def _fee_shares(fee: uint256, total: uint256, claims: uint256) -> uint256:
    """
    @dev Shares for the fee at the price without it, rounded down, clipped where supply is full.
    """
    supply: uint256 = claims & M128
    # the fee is at most half of the total; 2**112 * 2**129
    return min(
        unsafe_div(
            unsafe_mul(fee, unsafe_add(supply, VIRTUAL_SHARES)),
            unsafe_add(unsafe_sub(total, fee), VIRTUAL_ASSETS),
        ),
        unsafe_sub(M128, supply),
    )


@pure
@internal
def _price(total: uint256, claims: uint256, config: uint256) -> (uint256, uint256):
    """
    @dev Net assets and shares, the virtual ones included: a share is worth the first over the
         second. At most 2**112 and 2**128 + 10**6, neither is zero.
    """
    return (
        unsafe_add(unsafe_sub(total, self._fee(total, claims, config)), VIRTUAL_ASSETS),
        unsafe_add(claims & M128, VIRTUAL_SHARES),
    )


@view
@internal
def _price_now() -> (uint256, uint256):
    books: uint256 = self._books
    config: uint256 = self._config
    total: uint256 = self._total(books, self._accrued(books, config))
    return self._price(total, self._claims, config)


@view
@internal
def _to_shares(assets: uint256, up: bool) -> uint256:
    if assets > M112:
        self._fail("amount is too large")
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price_now()
    if up:
        return self._ceil_div(assets * all_shares, all_assets)
    return assets * all_shares // all_assets


@view
@internal
def _to_assets(shares: uint256, up: bool) -> uint256:
    if shares > M128:
        self._fail("amount is too large")
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price_now()
    if up:
        return self._ceil_div(shares * all_assets, all_shares)
    return shares * all_assets // all_shares


@view
@internal
def _room(receiver: address) -> (uint256, uint256):
    """
    @dev Most assets that can be deposited for `receiver`, and most shares minted: never reverts.
    """
    if receiver == empty(address) or self._balances[receiver] >> 255 != 0:
        return 0, 0
    if latch._level(self) == HALT or self._flash_out != 0:
        return 0, 0
    books: uint256 = self._books
    config: uint256 = self._config
    total: uint256 = self._total(books, self._accrued(books, config))
    cap: uint256 = self._expand(config >> DEPOSIT_CAP_AT)
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price(total, self._claims, config)
    if total >= cap or all_assets * CLOSED_BELOW < all_shares:
        return 0, 0

    left: uint256 = M128 + VIRTUAL_SHARES - all_shares
    shares: uint256 = min((cap - total) * all_shares // all_assets, left)
    if shares == 0:
        return 0, 0
    # most assets that mint no more than `left`, rounded down
    return min(cap - total, ((left + 1) * all_assets - 1) // all_shares), shares


@view
@internal
def _available() -> uint256:
    """
    @dev Cash that may leave now.
    """
    if latch._level(self) == HALT or self._flash_out != 0:
        return 0
    return self._books & M112


@pure
@internal
def _flash_fee(amount: uint256, books: uint256) -> uint256:
    # rounded up; amount is below 2**112
    return self._ceil_div(unsafe_mul(amount, books >> FLASH_FEE_AT & (2**7 - 1)), BPS)


@pure
@internal
def _ceil_div(x: uint256, y: uint256) -> uint256:
    # x is below 2**242 and y above zero
    return unsafe_div(unsafe_add(x, unsafe_sub(y, 1)), y)


# ------------------------------------------------------------ internals: configuration


@internal
def _set_caps(deposit_cap: uint256, debt_cap: uint256):
    deposit_bits: uint256 = self._compress(deposit_cap)
    debt_bits: uint256 = self._compress(debt_cap)
    self._config = (
        self._config & ~CAPS_MASK | deposit_bits << DEPOSIT_CAP_AT | debt_bits << DEBT_CAP_AT
    )
    log ILendingVault.SetCaps(
        deposit_cap=self._expand(deposit_bits), debt_cap=self._expand(debt_bits)
    )


@pure
@internal
def _pack_config(config: ILendingVault.VaultConfig) -> uint256:
    if config.reserve_factor > 5_000:
        self._fail("reserve factor out of range")
    if config.target_utilization < 1_000 or config.target_utilization > 9_900:
        self._fail("target out of range")
    if config.steepness < 10_000 or config.steepness > 100_000:
        self._fail("steepness out of range")
    if config.adjustment_speed > 1_000_000:
        self._fail("speed out of range")
    if config.min_rate == 0 or config.max_rate > 20_000:
        self._fail("rate bounds out of range")
    if config.initial_rate < config.min_rate or config.initial_rate > config.max_rate:
        self._fail("initial rate out of range")
    if config.flash_fee > 100:
        self._fail("flash fee out of range")
    return (
        config.reserve_factor
        | config.target_utilization << TARGET_AT
        | config.steepness << STEEPNESS_AT
        | config.adjustment_speed << SPEED_AT
        | config.initial_rate << INITIAL_RATE_AT
        | config.min_rate << MIN_RATE_AT
        | config.max_rate << MAX_RATE_AT
        | self._compress(config.min_adaptive_debt) << MIN_DEBT_AT
    )


@pure
@internal
def _compress(amount: uint256) -> uint256:
    """
    @dev The 12 first digits of an amount, rounded down, in 46 bits; above 2**104 it is clipped.
    """
    mantissa: uint256 = min(amount, MAX_AMOUNT)
    exponent: uint256 = 0
    for i: uint256 in range(20):
        if mantissa <= MANTISSA:
            break
        mantissa //= 10
        exponent += 1
    return mantissa | exponent << 41


@pure
@internal
def _expand(bits: uint256) -> uint256:
    """
    @dev The amount in the lowest 46 bits; at most 2**104.
    """
    amount: uint256 = bits & AMOUNT_MASK
    return unsafe_mul(amount & MANTISSA, pow_mod256(10, amount >> 41))


# -------------------------------------------------------------------- internals: tokens


@internal
def _send(receiver: address, amount: uint256):
    if not extcall IERC20(ASSET).transfer(receiver, amount, default_return_value=True):
        self._fail("token transfer failed")


@internal
def _pull(payer: address, amount: uint256):
    if not extcall IERC20(ASSET).transferFrom(payer, self, amount, default_return_value=True):
        self._fail("token transfer failed")


# -------------------------------------------------------------------- internals: checks


@view
@internal
def _check_level(highest: uint256):
    """
    @dev Reverts above level `highest`.
    """
    level: uint256 = latch._level(self)
    if level > highest:
        if level == CAUTION:
            self._fail("vault is in caution")
        self._fail("vault is halted")


@view
@internal
def _only_engine():
    if msg.sender != ENGINE:
        self._fail("caller is not the engine")


@pure
@internal
def _fail(reason: String[32]):
    raise reason
