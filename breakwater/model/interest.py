"""Growth of a debt index, the adaptive rate, and debt in shares and assets.

Specification, Interest. Indices and growth in RAY, rates in WAD a second, utilization in WAD,
target, steepness and speed in basis points.
"""

from __future__ import annotations

from fractions import Fraction

from breakwater.model import exact
from breakwater.model.shares import down, nearest
from breakwater.units import BPS, RAY, WAD, YEAR, mul_div_down, mul_div_up

MAX_INDEX = 2**112 - 1
"""Where an index stays once it is there."""
LONGEST_DIRECT = RAY // 2
"""[RAY] longest x whose growth is one series."""
LONGEST_PART = RAY // 32
"""[RAY] longest part into which a longer x is halved."""
SATURATED = 16 * RAY
"""[RAY] from which x on the index is at its end."""
LEAST_FULL_RATE = -(-WAD // 5 // YEAR)
"""[WAD a second] least rate at full utilization: 20 % a year, rounded up."""


def growth(rate: int, elapsed: int) -> Fraction:
    """1 + x + x^2/2 + x^3/6 for x = rate x elapsed, rate in WAD a second: the contract's growth
    over a span of x <= 1/2, before it is rounded down.
    """
    return _series(Fraction(rate * elapsed, WAD))


def _series(x: Fraction) -> Fraction:
    return 1 + x + x**2 / 2 + x**3 / 6


def _series_down(x: int) -> int:
    """The series in RAY: each term is rounded down, the cubic one made from the rounded square."""
    square = down(x * x, 2 * RAY)
    cube = down(square * x, 3 * RAY)
    found = RAY + x + square + cube
    if exact.CHECK_ROUNDING:
        exact.at_most(found, _series(Fraction(x, RAY)) * RAY, 3, "growth")
    return found


def growth_down(x: int) -> int:
    """exp(x) from below. A long x is halved, rounded down, until it is a part; the part's growth is
    squared as often, rounded down each time.
    """
    if x >= SATURATED:
        return MAX_INDEX
    if x <= LONGEST_DIRECT:
        return _series_down(x)
    halvings = 0
    while x > LONGEST_PART:
        x //= 2
        halvings += 1
    found = _series_down(x)
    for _ in range(halvings):
        found = down(found * found, RAY)
    return min(found, MAX_INDEX)


def grown(index: int, rate: int, elapsed: int) -> int:
    """The index after `elapsed` seconds."""
    x = rate * elapsed * (RAY // WAD)
    return min(down(index * growth_down(x), RAY), MAX_INDEX)


def borrow_rate(rate_at_target: int, utilization: int, target: int, steepness: int) -> int:
    """The curve: r/k at 0, r at the target, max(r x k, 20 % a year) at 1, linear between.
    Each end and each rise is rounded down.
    """
    kink = target * (WAD // BPS)
    if utilization < kink:
        start, low, high = 0, down(rate_at_target * BPS, steepness), rate_at_target
    else:
        full = down(rate_at_target * steepness, BPS)
        start, low, high = kink, rate_at_target, max(full, LEAST_FULL_RATE)
    span = kink if start == 0 else WAD - kink
    found = low + down((high - low) * (utilization - start), span)
    if exact.CHECK_ROUNDING:
        exact.at_most(found, _curve(rate_at_target, utilization, kink, steepness), 2, "rate")
    return found


def _curve(rate_at_target: int, utilization: int, kink: int, steepness: int) -> Fraction:
    """The curve without any rounding."""
    if utilization < kink:
        low = Fraction(rate_at_target * BPS, steepness)
        return low + (rate_at_target - low) * Fraction(utilization, kink)
    full = max(Fraction(rate_at_target * steepness, BPS), Fraction(LEAST_FULL_RATE))
    return rate_at_target + (full - rate_at_target) * Fraction(utilization - kink, WAD - kink)


def drifted(
    rate_at_target: int,
    utilization: int,
    target: int,
    speed: int,
    elapsed: int,
    least: int,
    highest: int,
) -> int:
    """r x exp(speed x e x t), to the nearest unit, between `least` and `highest`. The exponent and
    the growth are rounded down; below the target r is divided by the growth.
    """
    kink = target * (WAD // BPS)
    is_above = utilization >= kink
    error, span = (utilization - kink, WAD - kink) if is_above else (kink - utilization, kink)
    factor = growth_down(down(speed * elapsed * error * RAY, span * BPS * YEAR))
    if is_above:
        rate = nearest(rate_at_target * factor, RAY)
    else:
        rate = nearest(rate_at_target * RAY, factor)
    return min(max(rate, least), highest)


def shares_lent(assets: int, index: int) -> int:
    """Debt shares of a loan, rounded up: at least one for a loan above zero."""
    return mul_div_up(assets, RAY, index)


def shares_cancelled(assets: int, index: int) -> int:
    """Debt shares that a payment cancels, rounded down."""
    return mul_div_down(assets, RAY, index)


def owed(shares: int, index: int) -> int:
    """What debt shares owe [assets], rounded up."""
    return mul_div_up(shares, index, RAY)


def owed_by_all(shares: int, index: int) -> int:
    """What the books count of all debt shares [assets], rounded down."""
    return mul_div_down(shares, index, RAY)
