"""Interest, as the contracts grow it."""

from __future__ import annotations

from breakwater.observation.words import M112
from breakwater.units import RAY


def growth(x: int) -> int:
    """exp(x) as the contracts take it, x and result in RAY. See contracts/modules/interest.vy."""
    if x <= RAY // 2:
        return _series(x)
    if x >= 16 * RAY:
        return M112
    part, halvings = x, 0
    while True:
        part >>= 1
        halvings += 1
        if part <= RAY // 32 or halvings == 9:
            break
    found = _series(part)
    for _ in range(halvings):
        found = found * found // RAY
    return min(found, M112)


def _series(x: int) -> int:
    square = x * x // (2 * RAY)
    return RAY + x + square + square * x // (3 * RAY)


def grow(index: int, rate: int, elapsed: int) -> int:
    """An index [RAY] after `elapsed` seconds at `rate` [WAD a second]."""
    return min(index * growth(rate * elapsed * 10**9) // RAY, M112)
