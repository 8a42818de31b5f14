"""What models of contracts with shares have in common: quotients, a share's worth, the token."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import wraps
from typing import Any, Protocol, TypeVar, cast

from breakwater.model import exact
from breakwater.model.chain import Contract, Refused, reentrant
from breakwater.units import MAX_UINT256

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


class ShareToken(Contract):
    """ERC-20 of shares."""

    _name: str
    _symbol: str
    _decimals: int

    def transfer(self, sender: str, receiver: str, amount: int) -> bool:
        """True."""
        self._move(sender, sender, receiver, amount)
        return True

    def transferFrom(self, sender: str, owner: str, receiver: str, amount: int) -> bool:
        """True."""
        self._spend_allowance(sender, owner, amount)
        self._move(sender, owner, receiver, amount)
        return True

    def approve(self, sender: str, spender: str, amount: int) -> bool:
        """True."""
        self._approve(sender, spender, amount)
        return True

    def _move(self, sender: str, owner: str, receiver: str, amount: int) -> None:
        raise NotImplementedError

    def _approve(self, owner: str, spender: str, amount: int) -> None:
        self.put(amount, "_allowances", owner, spender)
        self.emit("Approval", owner=owner, spender=spender, value=amount)

    def _spend_allowance(self, sender: str, owner: str, amount: int) -> None:
        if sender == owner:
            return
        allowed = self.get("_allowances", owner, sender)
        if allowed == MAX_UINT256:
            return
        if amount > allowed:
            raise Refused("allowance too low")
        self.put(allowed - amount, "_allowances", owner, sender)

    def _held(self, owner: str) -> int:
        return int(self.get("_balances", owner))

    @reentrant
    def name(self, sender: str) -> str:
        """Of the share."""
        return self._name

    @reentrant
    def symbol(self, sender: str) -> str:
        """Of the share."""
        return self._symbol

    @reentrant
    def decimals(self, sender: str) -> int:
        """Of the share."""
        return self._decimals

    @reentrant
    def balanceOf(self, sender: str, owner: str) -> int:
        """Shares of one owner, those in a ticket included."""
        return self._held(owner)

    @reentrant
    def allowance(self, sender: str, owner: str, spender: str) -> int:
        """What `spender` may still move."""
        return int(self.get("_allowances", owner, spender))
