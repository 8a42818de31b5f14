"""What a lending vault keeps, and the formulae on it. Specification: Interest, Vault shares.

Assets are units of the token, shares have 6 decimals more. All is rounded against who calls:
`SharePrice` says how.
"""

from __future__ import annotations

from typing import NamedTuple

from breakwater.model import interest
from breakwater.model.chain import Refused
from breakwater.model.shares import down, up
from breakwater.model.vault_limits import kept, value_of
from breakwater.units import BPS, WAD, YEAR

MAX_ASSETS = 2**112 - 1
"""At which totals are clipped."""
MAX_SHARES = 2**127 - 1
"""Most that there may be."""
MAX_ASKED = 2**128 - 1
"""Most that may be asked about."""
VIRTUAL_SHARES = 10**6
VIRTUAL_ASSETS = 1
CLOSED_BELOW = 10**12
"""A vault is closed once this many shares are worth less than one unit."""
MAX_AMOUNT = 2**104 - 1
"""At which amounts of the configuration are clipped."""
CLOCK = 2**32
"""Seconds after which the time that is stored begins again."""


class VaultConfig(NamedTuple):
    """What an owner sets, as in the ABI; see `IConfigurator`."""

    reserve_factor: int
    target_utilization: int
    steepness: int
    adjustment_speed: int
    initial_rate: int
    min_rate: int
    max_rate: int
    flash_fee: int
    min_adaptive_debt: int
    deposit_cap: int
    debt_cap: int
    limit_floor: int
    outflow_limit: int
    growth_limit: int


class VaultRules(NamedTuple):
    """The configuration as it is kept, and the limits of the window `number`; amounts as codes."""

    reserve_factor: int = 0
    target_utilization: int = 0
    steepness: int = 0
    adjustment_speed: int = 0
    initial_rate: int = 0
    min_rate: int = 0
    max_rate: int = 0
    min_adaptive_debt: int = 0
    deposit_cap: int = 0
    least_cash: int = 0
    most_debt: int = 0
    number: int = 0
    is_wound_down: bool = False

    @property
    def rate_bounds(self) -> tuple[int, int]:
        """Least and highest rate at target [WAD a second], rounded down."""
        return per_second(self.min_rate), per_second(self.max_rate)

    @property
    def word(self) -> int:
        """As it is stored."""
        return sum(value << at for value, at in zip(self, RULES_AT, strict=True))


RULES_AT = (0, 13, 27, 44, 64, 79, 94, 109, 133, 157, 181, 205, 255)
"""First bit of each of `VaultRules`."""
CONFIG_AT = (*RULES_AT[:9], 157, 181, 205, 212)
"""First bit of each part of the word that an owner writes: of all but the flash fee."""


class Books(NamedTuple):
    """What the vault has. `cash` includes what is out in a flash loan."""

    cash: int
    debt_shares: int
    flash_fee: int
    is_latched: bool = False
    """A level was set that had not expired then."""


class Rates(NamedTuple):
    """Debt index [RAY] and rates [WAD a second] as of `time`, modulo CLOCK."""

    debt_index: int
    borrow_rate: int
    at_target: int
    time: int


class Claims(NamedTuple):
    """Shares that exist, and the total [assets] above which gains owe a fee."""

    supply: int = 0
    base: int = 0


class Paid(NamedTuple):
    """Since a vault was wound down: shares redeemed, and assets paid for them."""

    shares: int = 0
    assets: int = 0


class Losses(NamedTuple):
    """Losses that were booked; times in unix seconds."""

    caution_until: int = 0
    at: int = 0
    """When the last of `uncounted` was booked."""
    uncounted: int = 0
    """Those that no CAUTION has followed, faded until then [assets]."""


class SharePrice(NamedTuple):
    """T_a and T_s of the specification: net assets and shares, the virtual ones included, in
    wind-down also what was paid and redeemed since.
    """

    assets: int
    shares: int

    def shares_down(self, assets: int) -> int:
        """Shares for a deposit."""
        return down(assets * self.shares, self.assets)

    def shares_up(self, assets: int) -> int:
        """Shares for a withdrawal."""
        return up(assets * self.shares, self.assets)

    def assets_down(self, shares: int) -> int:
        """Assets for shares redeemed."""
        return down(shares * self.assets, self.shares)

    def assets_up(self, shares: int) -> int:
        """Assets for shares minted."""
        return up(shares * self.assets, self.shares)

    @property
    def is_closed(self) -> bool:
        """Whether a share is worth less than a millionth of its first price."""
        return self.assets * CLOSED_BELOW < self.shares


def per_second(rate: int) -> int:
    """A yearly rate [BPS] as WAD a second, rounded down."""
    return down(rate * WAD, BPS * YEAR)


def debt_of(books: Books, index: int) -> int:
    """All debt [assets], rounded down."""
    return interest.owed_by_all(books.debt_shares, index)


def total_of(books: Books, index: int) -> int:
    """cash + flash_out + debt."""
    return min(books.cash + debt_of(books, index), MAX_ASSETS)


def utilization_of(books: Books, index: int) -> int:
    """Debt over cash + debt [WAD], rounded down; 0 without either."""
    debt = debt_of(books, index)
    return down(debt * WAD, books.cash + debt) if debt else 0


def fee_of(total: int, base: int, reserve_factor: int) -> int:
    """The fund's part of the gain [assets], rounded down."""
    return down(max(total - base, 0) * reserve_factor, BPS)


def price_of(total: int, claims: Claims, reserve_factor: int, paid: Paid) -> SharePrice:
    """What shares claim: the total without the fee that is owed."""
    fee = fee_of(total, claims.base, reserve_factor)
    return SharePrice(
        total - fee + VIRTUAL_ASSETS + paid.assets,
        claims.supply + VIRTUAL_SHARES + paid.shares,
    )


def fee_shares_of(total: int, claims: Claims, reserve_factor: int, paid: Paid) -> int:
    """Shares for the fee at the price without it, rounded down; as many as the supply takes."""
    fee = fee_of(total, claims.base, reserve_factor)
    shares = price_of(total, claims, reserve_factor, paid).shares_down(fee)
    return min(shares, MAX_SHARES - claims.supply - paid.shares)


def packed(config: VaultConfig) -> int:
    """The word that a vault takes. Refused at the first parameter outside its range."""
    if config.reserve_factor > BPS // 2:
        raise Refused("reserve factor out of range")
    if not BPS // 10 <= config.target_utilization <= BPS * 99 // 100:
        raise Refused("target out of range")
    if not BPS <= config.steepness <= 10 * BPS:
        raise Refused("steepness out of range")
    if config.adjustment_speed > 100 * BPS:
        raise Refused("speed out of range")
    if config.min_rate == 0 or config.max_rate > 2 * BPS:
        raise Refused("rate bounds out of range")
    if not config.min_rate <= config.initial_rate <= config.max_rate:
        raise Refused("initial rate out of range")
    if config.flash_fee > BPS // 100:
        raise Refused("flash fee out of range")
    if max(config.outflow_limit, config.growth_limit) > 100:
        raise Refused("limit out of range")
    amounts = (kept(min(amount, MAX_AMOUNT)) for amount in config[8:12])
    parts = (*config[:7], *amounts, *config[12:])
    return sum(value << at for value, at in zip(parts, CONFIG_AT, strict=True))


def parts_of(word: int) -> tuple[int, ...]:
    """Parts of the word that an owner writes, amounts as codes."""
    ends = (*CONFIG_AT[1:], 219)
    return tuple(
        word >> at & (2 ** (end - at) - 1) for at, end in zip(CONFIG_AT, ends, strict=True)
    )


def unpacked(word: int, flash_fee: int) -> VaultConfig:
    """The configuration in words."""
    parts = parts_of(word)
    amounts = (value_of(code) for code in parts[7:11])
    return VaultConfig._make((*parts[:7], flash_fee, *amounts, *parts[11:]))
