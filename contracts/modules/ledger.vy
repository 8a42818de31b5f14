# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Books of a vault
@license MIT
@notice The words of a `LendingVault` and the arithmetic on them: interest, rates, the price of
        shares, the fee owed to the insurance fund, and the views of all that.
@dev    An action reads the words, takes the rates to now with `_accrued`, opens the window of the
        limits where it is the first in it, changes the words, stores them and fixes the next rate
        with `_fix_rate`. Nothing here calls out.

        LAYOUT (bits)
          _books    0-111 cash (flash_out included) · 112-223 debt shares · 224-230 flash fee
                    [BPS] · 231-254 free · 255 a level may be latched
          _rates    0-111 index [RAY] · 112-151 borrow rate · 152-191 rate at target
                    [WAD a second] · 192-223 time mod 2**32 · 224-255 free
          _claims   0-127 share supply, below 2**127 · 128-239 base [assets] · 240-255 free
          _config   0-12 reserve factor · 13-26 target utilization · 27-43 steepness [BPS]
                    44-63 adjustment speed · 64-78 initial rate · 79-93 least rate
                    94-108 highest rate [BPS a year] · 109-132 least adaptive debt
                    133-156 deposit cap · 157-180 least cash · 181-204 most debt of the window
                    [assets, see `compact`] · 205-220 its number mod 2**16 · 221-254 free
                    255 wound down
          _window   anchors and rules of the limits, see `flow_limits`
        Lending reads books, rates and config, deposits and withdrawals claims besides, a flash
        loan only books; who opens a window, its word.
"""

from contracts.interfaces import ILendingVault
from contracts.modules import compact
from contracts.modules import interest
from contracts.modules import flow_limits
from contracts.modules import rate_model
from contracts.modules import share
from ethereum.ercs import IERC20

uses: share

WAD: constant(uint256) = 10**18
RAY: constant(uint256) = 10**27
BPS: constant(uint256) = 10_000
YEAR: constant(uint256) = 365 * 86_400
WAD_PER_BPS: constant(uint256) = 10**14

M16: constant(uint256) = 2**16 - 1
M32: constant(uint256) = 2**32 - 1
M40: constant(uint256) = 2**40 - 1
M112: constant(uint256) = 2**112 - 1
M127: constant(uint256) = 2**127 - 1
M128: constant(uint256) = 2**128 - 1
RATE_MASK: constant(uint256) = M40 << 112

FLASH_FEE_AT: constant(uint256) = 224  # of the books
FLAG: constant(uint256) = 1 << 255  # of the books: a level may be latched

TARGET_AT: constant(uint256) = 13
STEEPNESS_AT: constant(uint256) = 27
SPEED_AT: constant(uint256) = 44
INITIAL_RATE_AT: constant(uint256) = 64
MIN_RATE_AT: constant(uint256) = 79
MAX_RATE_AT: constant(uint256) = 94
MIN_DEBT_AT: constant(uint256) = 109
DEPOSIT_CAP_AT: constant(uint256) = 133
LEAST_CASH_AT: constant(uint256) = 157
MOST_DEBT_AT: constant(uint256) = 181
NUMBER_AT: constant(uint256) = 205
# what the owner writes to `_config`; the rest of his word goes to `_window`
RATES_MASK: constant(uint256) = 2**157 - 1
WOUND_DOWN: constant(uint256) = 1 << 255

VIRTUAL_SHARES: constant(uint256) = 10**6
VIRTUAL_ASSETS: constant(uint256) = 1

# units and bits: see LAYOUT
_books: uint256
_rates: uint256
_claims: uint256
_config: uint256
_window: uint256
# since the vault was wound down: bits 0-127 shares redeemed · 128-255 assets paid for them
_paid: uint256
_fund: address


# ---------------------------------------------------------------------------- views


@view
@external
@reentrant
def totalSupply() -> uint256:
    return self._claims & M128


@view
@external
@reentrant
def totalAssets() -> uint256:
    """
    @notice What the shares claim: the total without the fee owed to the fund.
    """
    total: uint256 = self._total_now()
    return unsafe_sub(total, self._fee(total, self._claims, self._config))


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
def debt_index() -> uint256:
    word: uint256 = self._rates
    elapsed: uint256 = unsafe_sub(block.timestamp, word >> 192) & M32
    return interest._grow(word & M112, word >> 112 & M40, elapsed)


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
    return self._fee(self._total_now(), self._claims, self._config)


@view
@external
@reentrant
def fee_shares() -> uint256:
    return self._fee_shares(self._total_now(), self._claims, self._config)


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


@view
@external
@reentrant
def config() -> (uint256, uint256):
    books: uint256 = self._books
    config: uint256 = (
        self._config & RATES_MASK | self._window >> flow_limits.RULES_AT << LEAST_CASH_AT
    )
    return config, books >> FLASH_FEE_AT & (2**7 - 1)


@view
@external
@reentrant
def fund() -> address:
    return self._fund


# ------------------------------------------------------------------------- interest


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
    if debt >= compact._decode(config >> MIN_DEBT_AT):
        rate = rate_model._drift(
            rate,
            self._utilization(books, debt),
            config >> TARGET_AT & (2**14 - 1),
            config >> SPEED_AT & (2**20 - 1),
            elapsed,
            self._per_second(config >> MIN_RATE_AT),
            self._per_second(config >> MAX_RATE_AT),
        )
    return index | word & RATE_MASK | rate << 152 | (block.timestamp & M32) << 192


@internal
def _close(books: uint256, word: uint256, config: uint256):
    """
    @dev What an action leaves: the books, and the rate that follows from them.
    """
    self._books = books
    self._fix_rate(books, word, config, self._debt(books, word))


@internal
def _fix_rate(books: uint256, word: uint256, config: uint256, debt: uint256):
    """
    @dev Stores the rates word with the borrow rate that follows from `books`, which owe `debt`;
         none once the vault is wound down.
    """
    rate: uint256 = 0
    if config >> 255 == 0:
        rate = rate_model._borrow_rate(
            word >> 152 & M40,
            self._utilization(books, debt),
            config >> TARGET_AT & (2**14 - 1),
            config >> STEEPNESS_AT & (2**17 - 1),
        )
    self._rates = word & ~RATE_MASK | rate << 112


@pure
@internal
def _per_second(code: uint256) -> uint256:
    """
    @dev A yearly rate in the lowest 15 bits [BPS], as WAD a second, rounded down.
    """
    return unsafe_div(unsafe_mul(code & (2**15 - 1), WAD_PER_BPS), YEAR)


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


# --------------------------------------------------------------------------- limits


@internal
def _in_window(books: uint256, word: uint256, config: uint256) -> uint256:
    """
    @dev The configuration word with the limits of the window of now, opened where it is not yet.
    """
    if config >> NUMBER_AT & M16 == block.timestamp // flow_limits.WINDOW & M16:
        return config
    return self._open_window(books, word, config)


@internal
def _open_window(books: uint256, word: uint256, config: uint256) -> uint256:
    """
    @dev Stores the word of the window of now, and stores and returns the configuration word with
         its limits. To be called before cash or debt move, where the window is not open.
    """
    window: uint256 = self._window_now(books, word, config)
    self._window = window
    return self._write_limits(config, window)


@view
@internal
def _window_now(books: uint256, word: uint256, config: uint256) -> uint256:
    """
    @dev The word of the window of now, which is open or would open from this state.
    """
    passed: uint256 = unsafe_sub(block.timestamp // flow_limits.WINDOW, config >> NUMBER_AT) & M16
    if passed == 0:
        return self._window
    debt: uint256 = self._debt(books, word)
    return flow_limits._opened(self._window, passed, books & M112, debt, self._total(books, word))


@internal
def _write_limits(config: uint256, window: uint256) -> uint256:
    """
    @dev Stores and returns the configuration word with the limits that follow from `window`.
    """
    written: uint256 = (
        config & (RATES_MASK | WOUND_DOWN)
        | flow_limits._least_cash(window, 1) << LEAST_CASH_AT
        | flow_limits._most_debt(window) << MOST_DEBT_AT
        | (block.timestamp // flow_limits.WINDOW & M16) << NUMBER_AT
    )
    self._config = written
    return written


# -------------------------------------------------------------------------- shares


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


@view
@internal
def _fee_shares(total: uint256, claims: uint256, config: uint256) -> uint256:
    """
    @dev The fund's shares for the fee owed.
    """
    return self._shares_for(self._fee(total, claims, config), total, claims, config)


@view
@internal
def _shares_for(assets: uint256, total: uint256, claims: uint256, config: uint256) -> uint256:
    """
    @dev The fund's shares for `assets`, at the price without the fee owed, rounded down, clipped
         where supply is full.
    """
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price(total, claims, config)
    # below 2**112 * 2**129
    return min(
        unsafe_div(unsafe_mul(assets, all_shares), all_assets),
        unsafe_sub(M127 + VIRTUAL_SHARES, all_shares),
    )


@view
@internal
def _price(total: uint256, claims: uint256, config: uint256) -> (uint256, uint256):
    """
    @dev Net assets and shares, the virtual ones included, in WIND-DOWN also what was paid and
         redeemed since: a share is worth the first over the second. Below 2**114 and at most
         2**127 + 10**6, neither is zero.
    """
    paid: uint256 = 0
    if config >> 255 != 0:
        paid = self._paid
    # what was paid had been cash, or a debt from before, or a fee on it
    return (
        unsafe_add(
            unsafe_sub(total, self._fee(total, claims, config)),
            unsafe_add(paid >> 128, VIRTUAL_ASSETS),
        ),
        unsafe_add(claims & M128, unsafe_add(paid & M128, VIRTUAL_SHARES)),
    )


@view
@internal
def _total_now() -> uint256:
    books: uint256 = self._books
    return self._total(books, self._accrued(books, self._config))


@view
@internal
def _price_now() -> (uint256, uint256):
    return self._price(self._total_now(), self._claims, self._config)


@view
@internal
def _to_shares(assets: uint256, up: bool) -> uint256:
    if assets >> 112 != 0:
        share._fail_large()
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price_now()
    if up:
        return self._ceil_div(unsafe_mul(assets, all_shares), all_assets)
    return unsafe_div(unsafe_mul(assets, all_shares), all_assets)


@view
@internal
def _to_assets(shares: uint256, up: bool) -> uint256:
    if shares >> 128 != 0:
        share._fail_large()
    all_assets: uint256 = 0
    all_shares: uint256 = 0
    all_assets, all_shares = self._price_now()
    if up:
        return self._ceil_div(unsafe_mul(shares, all_assets), all_shares)
    return unsafe_div(unsafe_mul(shares, all_assets), all_shares)


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
            self._claims = (supply | min(unsafe_sub(unsafe_add(base, assets), gain), M112) << 128)
            return
    shares: uint256 = self._shares_for(assets, self._total(books, word), claims, config)
    self._claims = (unsafe_add(supply, shares) | min(unsafe_add(base, assets), M112) << 128)
    self._mint_to_fund(shares)


@internal
def _settle(total: uint256, claims: uint256, config: uint256) -> uint256:
    """
    @dev Mints the fund's shares for the fee owed. The base rises by just the gain that the minted
         fee stands for, so that settling often loses no fee.
    @return The claims word, for the caller to store.
    """
    fee: uint256 = self._fee(total, claims, config)
    shares: uint256 = self._shares_for(fee, total, claims, config)
    if shares == 0:
        return claims
    self._mint_to_fund(shares)
    log ILendingVault.SettleFee(assets=fee, shares=shares)
    # a fee above zero has a reserve factor above zero
    gain: uint256 = self._ceil_div(unsafe_mul(fee, BPS), config & (2**13 - 1))
    return unsafe_add(unsafe_add(claims, shares), unsafe_mul(gain, 2**128))


@internal
def _settle_all(books: uint256, word: uint256, config: uint256):
    """
    @dev Gains until now pay their fee; what is too little for a share is the lenders'.
    """
    total: uint256 = self._total(books, word)
    self._claims = self._settle(total, self._claims, config) & M128 | total << 128


@internal
def _mint_to_fund(shares: uint256):
    fund: address = self._fund
    # at most the supply
    share._balances[fund] = unsafe_add(share._balances[fund], shares)
    log IERC20.Transfer(sender=empty(address), receiver=fund, value=shares)


@pure
@internal
def _flash_fee(amount: uint256, books: uint256) -> uint256:
    # rounded up; amount is below 2**112
    return self._ceil_div(unsafe_mul(amount, books >> FLASH_FEE_AT & (2**7 - 1)), BPS)


@pure
@internal
def _ceil_div(x: uint256, y: uint256) -> uint256:
    # x is below 2**243 and y above zero
    return unsafe_div(unsafe_add(x, unsafe_sub(y, 1)), y)
