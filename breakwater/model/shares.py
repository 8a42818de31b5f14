"""What the models of contracts with shares have in common: quotients, and what a share is worth."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import wraps
from typing import Any, Protocol, TypeVar, cast

from breakwater.model import exact

Method = TypeVar("Method", bound=Callable[..., Any])


def down(numerator: int, denominator: int) -> int:
    """The greatest integer that is not above the quotient."""
    return numerator // denominator


def up(numerator: int, denominator: int) -> int:
    """The least integer that is not below the quotient."""
    return -(-numerator // denominator)


def nearest(numerator: int, denominator: int) -> int:
    """The integer nearest to the quotient; of two the greater."""
    return (2 * numerator + denominator) // (2 * denominator)


class HasShares(Protocol):
    """A contract with shares."""

    def value_of_share(self) -> Fraction | None:
        """Assets for a share as of now, exactly; None where nothing is promised."""
        ...


def keeps_value(method: Method) -> Method:
    """Mark an action that never lowers what a share is worth; WrongSide where it does."""

    @wraps(method)
    def checked(self: HasShares, *args: Any) -> Any:
        if not exact.CHECK_ROUNDING:
            return method(self, *args)
        before = self.value_of_share()
        result = method(self, *args)
        after = self.value_of_share()
        if before is not None and after is not None and after < before:
            raise exact.WrongSide(f"{method.__name__} lowers a share: {before} to {after}")
        return result

    return cast(Method, checked)
