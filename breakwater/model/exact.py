"""Whom a rounding favours, told by exact fractions. Slow, so only when CHECK_ROUNDING is set."""

from __future__ import annotations

from fractions import Fraction

CHECK_ROUNDING = False
"""Whether the model holds its integers against the unrounded formulae."""


class WrongSide(AssertionError):
    """An integer is on the wrong side of the exact figure, or too far from it."""


def at_most(value: int, exact: Fraction | int, steps: int = 1, what: str = "") -> None:
    """Refuse `value` unless exact - steps < value <= exact. WrongSide when it is elsewhere."""
    if not exact - steps < value <= exact:
        raise WrongSide(f"{what}: {value} is not just below {float(exact)}")


def at_least(value: int, exact: Fraction | int, steps: int = 1, what: str = "") -> None:
    """Refuse `value` unless exact <= value < exact + steps. WrongSide when it is elsewhere."""
    if not exact <= value < exact + steps:
        raise WrongSide(f"{what}: {value} is not just above {float(exact)}")


def below(lesser: Fraction | int, greater: Fraction | int, what: str) -> None:
    """Refuse `lesser` above `greater`."""
    if lesser > greater:
        raise WrongSide(f"{what}: {float(lesser)} is above {float(greater)}")
