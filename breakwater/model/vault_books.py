"""What a lending vault keeps, and the formulae on it. Specification: Interest, Vault shares.

Assets are units of the token, shares have 6 decimals more. All is rounded against who calls:
`SharePrice` says how.
"""

from __future__ import annotations

from typing import NamedTuple

from breakwater.model import interest
from breakwater.model.chain import Refused
from breakwater.model.shares import down, up
from breakwater.units import BPS, WAD, YEAR

MAX_ASSETS = 2**112 - 1
"""At which totals are clipped."""
MAX_SHARES = 2**128 - 1
VIRTUAL_SHARES = 10**6
VIRTUAL_ASSETS = 1
CLOSED_BELOW = 10**12
"""A vault is closed once this many shares are worth less than one unit."""
MAX_AMOUNT = 2**104 - 1
"""At which amounts of the configuration are clipped."""
MAX_MANTISSA = 2**41 - 1
CLOCK = 2**32
"""Seconds after which the time that is stored begins again."""


class VaultConfig(NamedTuple):
    """What an owner sets, as in the ABI; see `ILendingVault`."""

    reserve_factor: int
    target_utilization: int
    steepness: int
    adjustment_speed: int
    initial_rate: int
    min_rate: int
    max_rate: int
    flash_fee: int
    min_adaptive_debt: int


class Amount(NamedTuple):
    """An amount kept to 12 digits: mantissa x 10^exponent, the exponent the least that fits."""

    mantissa: int = 0
    exponent: int = 0

    @classmethod
    def kept(cls, amount: int) -> Amount:
        """The digits that are kept of an amount, rounded down."""
        mantissa, exponent = min(amount, MAX_AMOUNT), 0
        while mantissa > MAX_MANTISSA:
            mantissa //= 10
            exponent += 1
        return cls(mantissa, exponent)

    @property
    def value(self) -> int:
        """The amount in units."""
        return int(self.mantissa * 10**self.exponent)

    @property
    def packed(self) -> int:
        """46 bits."""
        return self.mantissa | self.exponent << 41


class VaultRules(NamedTuple):
    """The configuration as it is kept, caps included, the flash fee aside."""

    reserve_factor: int
    target_utilization: int
    steepness: int
    adjustment_speed: int
    initial_rate: int
    min_rate: int
    max_rate: int
    min_adaptive_debt: Amount
    deposit_cap: Amount = Amount()
    debt_cap: Amount = Amount()

    @property
    def rate_bounds(self) -> tuple[int, int]:
        """Least and highest rate at target [WAD a second], rounded down."""
        return per_second(self.min_rate), per_second(self.max_rate)


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


class SharePrice(NamedTuple):
    """T_a and T_s of the specification: net assets and shares, the virtual ones included."""

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


def price_of(total: int, claims: Claims, reserve_factor: int) -> SharePrice:
    """What shares claim: the total without the fee that is owed."""
    fee = fee_of(total, claims.base, reserve_factor)
    return SharePrice(total - fee + VIRTUAL_ASSETS, claims.supply + VIRTUAL_SHARES)


def fee_shares_of(total: int, claims: Claims, reserve_factor: int) -> int:
    """Shares for the fee at the price without it, rounded down; as many as the supply takes."""
    fee = fee_of(total, claims.base, reserve_factor)
    shares = price_of(total, claims, reserve_factor).shares_down(fee)
    return min(shares, MAX_SHARES - claims.supply)


def rules_of(config: VaultConfig) -> VaultRules:
    """A configuration in its ranges, without caps. Refused at the first that is outside."""
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
    return VaultRules(*config[:7], min_adaptive_debt=Amount.kept(config.min_adaptive_debt))


def packed(rules: VaultRules) -> int:
    """The word of a configuration."""
    word = 0
    parts = (
        (rules.reserve_factor, 0),
        (rules.target_utilization, 13),
        (rules.steepness, 27),
        (rules.adjustment_speed, 44),
        (rules.initial_rate, 64),
        (rules.min_rate, 79),
        (rules.max_rate, 94),
        (rules.min_adaptive_debt.packed, 109),
        (rules.deposit_cap.packed, 155),
        (rules.debt_cap.packed, 201),
    )
    for value, at in parts:
        word |= value << at
    return word
