"""`Step`: one call of a sequence, in a form that a person reads and JSON keeps.

Arguments name things rather than address them, so that a sequence runs on any chain:

    "@lender_1", "@vault.USDC"     the address of a role or a contract
    "borrower_1#2"                 account number 2 of a role
    "0x12ab"                       bytes, or an address that has no name
    {"now": -60}                   a time, 60 seconds before the call
    {"call": {...}}                the call data of another step
    {"constructor": "NavFeed",     what is appended to creation code
     "args": [..]}
    [..]                           an array or a struct
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from breakwater.errors import UserError


class StepError(UserError):
    """A step that cannot be read, or that does not fit the contract it is for."""


@dataclass(frozen=True)
class Step:
    """One call."""

    sender: str
    """A role, or the name of a contract that calls ("attacker")."""
    target: str
    """Name of a contract in the world."""
    function: str
    args: tuple[Any, ...] = ()
    wait: int = 0
    """Seconds that pass before the call."""
    blocks: int = 0
    """Blocks that pass before the call."""

    def to_json(self) -> dict[str, Any]:
        """As JSON objects. Integers beyond 2**53 are kept: Python's JSON writes them whole."""
        found: dict[str, Any] = {
            "sender": self.sender,
            "target": self.target,
            "function": self.function,
            "args": [_to_json(arg) for arg in self.args],
        }
        if self.wait:
            found["wait"] = self.wait
        if self.blocks:
            found["blocks"] = self.blocks
        return found

    @classmethod
    def from_json(cls, data: Any) -> Step:
        """The step of a JSON object. StepError when it is none."""
        if not isinstance(data, Mapping):
            raise StepError(f"not a step: {data!r}")
        unknown = set(data) - {"sender", "target", "function", "args", "wait", "blocks"}
        if unknown:
            raise StepError(f"a step has no {', '.join(sorted(unknown))}")
        for key in ("sender", "target", "function"):
            if not isinstance(data.get(key), str):
                raise StepError(f"a step needs its {key}, as text")
        args = data.get("args", [])
        if not isinstance(args, list):
            raise StepError("the args of a step are a list")
        times = []
        for key in ("wait", "blocks"):
            value = data.get(key, 0)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise StepError(f"{key} of a step is a natural number")
            times.append(value)
        return cls(
            data["sender"],
            data["target"],
            data["function"],
            tuple(_from_json(arg) for arg in args),
            times[0],
            times[1],
        )

    def __str__(self) -> str:
        text = f"{self.sender}: {self.target}.{self.function}"
        text += f"({', '.join(show(arg) for arg in self.args)})"
        if self.wait or self.blocks:
            text = f"[+{self.wait} s, +{self.blocks} blocks] {text}"
        return text


def show(value: Any) -> str:
    """An argument as a person reads it: round numbers with their zeros counted."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return _show_int(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(show(item) for item in value)}]"
    if isinstance(value, dict):
        if "call" in value:
            return f"call({value['call']})"
        if "constructor" in value:
            return f"{value['constructor']}({', '.join(show(arg) for arg in value['args'])})"
        return f"now {value.get('now', 0):+}"
    return str(value)


def _show_int(value: int) -> str:
    if value == 2**256 - 1:
        return "max"
    digits = str(abs(value))
    zeros = len(digits) - len(digits.rstrip("0"))
    if zeros >= 6:
        return f"{'-' if value < 0 else ''}{digits[:-zeros]}e{zeros}"
    return f"{value:_}"


def _to_json(value: Any) -> Any:
    if isinstance(value, Step):
        return value.to_json()
    if isinstance(value, dict):
        return {key: _to_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(part) for part in value]
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"call"}:
            return {"call": Step.from_json(value["call"])}
        if set(value) == {"constructor", "args"} and isinstance(value["constructor"], str):
            if not isinstance(value["args"], list):
                raise StepError("the args of a constructor are a list")
            return {**value, "args": [_from_json(part) for part in value["args"]]}
        if set(value) == {"now"} and isinstance(value["now"], int):
            return value
        raise StepError(f"not an argument: {value!r}")
    if isinstance(value, list):
        return [_from_json(part) for part in value]
    if isinstance(value, bool | int | str):
        return value
    raise StepError(f"not an argument: {value!r}")
