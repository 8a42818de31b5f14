"""Growth of a debt index, and debt in shares and assets. DESIGN section 3; `IDebtVault`."""

from __future__ import annotations

from fractions import Fraction

from breakwater.units import RAY, WAD, mul_div_down, mul_div_up


def growth(rate: int, elapsed: int) -> Fraction:
    """1 + x + x^2/2 + x^3/6 for x = rate x elapsed, rate in WAD a second: the contract's growth
    over a span of x <= 1/2, before it is rounded down.
    """
    x = Fraction(rate * elapsed, WAD)
    return 1 + x + x**2 / 2 + x**3 / 6


def shares_lent(assets: int, index: int) -> int:
    """Debt shares of a loan, rounded up: at least one for a loan above zero."""
    return mul_div_up(assets, RAY, index)


def shares_cancelled(assets: int, index: int) -> int:
    """Debt shares that a payment cancels, rounded down."""
    return mul_div_down(assets, RAY, index)


def owed(shares: int, index: int) -> int:
    """What debt shares owe [assets], rounded up."""
    return mul_div_up(shares, index, RAY)
