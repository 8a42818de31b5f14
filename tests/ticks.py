"""Powers of 1.0001, enclosed: what a tick of Uniswap v3 is exactly."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

_BITS = 600


@cache
def enclosed(tick: int) -> tuple[Fraction, Fraction]:
    """Two fractions around 1.0001**tick, apart by less than 2**-500 of it."""
    if tick < 0:
        low, high = enclosed(-tick)
        return 1 / high, 1 / low
    found = []
    for up in (False, True):
        power, square, left = 1 << _BITS, (10_001 << _BITS) // 10_000 + up, tick
        while left:
            if left & 1:
                power = (power * square >> _BITS) + up
            square = (square * square >> _BITS) + up
            left >>= 1
        found.append(Fraction(power, 1 << _BITS))
    low, high = found
    assert 0 <= high - low < low / 2**500
    return low, high
