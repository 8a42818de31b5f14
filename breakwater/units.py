"""Scales, exact conversion of amounts, and account identifiers.

Numbers on chain are integers; a scale says what one whole unit is. Everything here is exact:
nothing passes through a float, and a number that does not fit its scale is an error, never rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context, Decimal, InvalidOperation
from typing import Final

from breakwater.errors import UserError

WAD: Final = 10**18
"""One whole unit of a ratio, a value or a price."""

RAY: Final = 10**27
"""One whole unit of an index."""

BPS: Final = 10_000
"""One whole unit of a parameter given in basis points."""

MAX_UINT256: Final = 2**256 - 1
"""The health factor of an account without debt, and the amount that means "all of it"."""

MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400
YEAR: Final = 31_536_000
"""Seconds in a year of 365 days."""

_MAX_ACCOUNT_NUMBER = 2**96 - 1
_CONTEXT = Context(prec=160)


class UnitError(UserError, ValueError):
    """A text that is no amount, or that does not fit its scale."""


def parse_units(text: str | int | Decimal, decimals: int) -> int:
    """Whole units as written, in the smallest unit.

    `text` may hold underscores and an exponent: "1_000.5", "1e6". The result is exact.
    Raises UnitError when it is no finite number or has more digits than `decimals` after the point.

    >>> parse_units("1.5", 6)
    1500000
    """
    if isinstance(text, float):
        raise UnitError("give an amount as text or an integer: a float is not exact")
    try:
        number = Decimal(text.replace("_", "").strip() if isinstance(text, str) else text)
    except InvalidOperation:
        raise UnitError(f"not a number: {text!r}") from None
    if not number.is_finite():
        raise UnitError(f"not a finite number: {text!r}")
    if number and number.adjusted() + decimals > 78:
        raise UnitError(f"too large: {text}")
    scaled = number.scaleb(decimals, context=_CONTEXT)
    whole = int(scaled)
    if whole != scaled:
        raise UnitError(f"more than {decimals} digits after the point: {text}")
    return whole


def format_units(amount: int, decimals: int, places: int | None = None) -> str:
    """The smallest unit as whole units, in plain digits with thousands separated by commas.

    Without `places` every digit is kept and trailing zeros are dropped, so that
    `parse_units(format_units(x, d).replace(",", ""), d) == x`. With `places` the rest is cut off
    (rounded toward zero), so that what is shown is never more than what is there.
    """
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), 10**decimals)
    digits = str(rest).rjust(decimals, "0") if decimals else ""
    digits = digits.rstrip("0") if places is None else digits[:places].ljust(places, "0")
    return f"{sign}{whole:,}" + (f".{digits}" if digits else "")


def parse_amount(
    text: str, decimals_of: Mapping[str, int] | Callable[[str], int]
) -> tuple[int, str]:
    """An amount with its symbol, "1.5 WETH", as (amount in the smallest unit, symbol).

    `decimals_of` tells the decimals of a symbol; a KeyError from it means the symbol is unknown.
    Raises UnitError for anything that is not a number, a blank and a known symbol.
    """
    parts = text.split()
    if len(parts) != 2:
        raise UnitError(f'an amount is written like "1.5 WETH", not {text!r}')
    number, symbol = parts
    try:
        decimals = decimals_of(symbol) if callable(decimals_of) else decimals_of[symbol]
    except KeyError:
        raise UnitError(f"unknown asset: {symbol}") from None
    return parse_units(number, decimals), symbol


def to_wad(text: str | int | Decimal) -> int:
    """A ratio, value or price as written, in WAD. Exact; UnitError beyond 18 digits."""
    return parse_units(text, 18)


def to_ray(text: str | int | Decimal) -> int:
    """An index as written, in RAY. Exact; UnitError beyond 27 digits."""
    return parse_units(text, 27)


def to_bps(percent: str | int | Decimal) -> int:
    """A percentage as written ("82.5"), in basis points. Exact; UnitError beyond 2 digits."""
    return parse_units(percent, 2)


def from_wad(amount: int, places: int | None = None) -> str:
    """A WAD as text; see `format_units`."""
    return format_units(amount, 18, places)


def mul_div_down(x: int, y: int, denominator: int) -> int:
    """x·y ÷ denominator for natural numbers, rounded down. ZeroDivisionError at zero."""
    return x * y // denominator


def mul_div_up(x: int, y: int, denominator: int) -> int:
    """x·y ÷ denominator for natural numbers, rounded up. ZeroDivisionError at zero."""
    return -(-(x * y) // denominator)


def account_id(owner: str, number: int = 0) -> bytes:
    """The 32 bytes that name an account: the owner's 20, then the number in 12, big endian.

    Raises UnitError when `owner` is no address or `number` does not fit in 96 bits.
    """
    try:
        address = bytes.fromhex(owner.removeprefix("0x"))
    except ValueError:
        raise UnitError(f"not an address: {owner}") from None
    if len(address) != 20:
        raise UnitError(f"not an address: {owner}")
    if not 0 <= number <= _MAX_ACCOUNT_NUMBER:
        raise UnitError(f"an account's number is from 0 to 2**96 - 1, not {number}")
    return address + number.to_bytes(12, "big")


def account_owner(account: bytes) -> str:
    """The checksummed address of an account's owner."""
    from breakwater.abi import checksum

    return checksum(_account_bytes(account)[:20])


def account_number(account: bytes) -> int:
    """The number of an account among its owner's."""
    return int.from_bytes(_account_bytes(account)[20:], "big")


def _account_bytes(account: bytes) -> bytes:
    if len(account) != 32:
        raise UnitError(f"an account is 32 bytes, not {len(account)}")
    return account
