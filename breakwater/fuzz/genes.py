"""A gene, and what it is read as: amounts, times, who acts.

A gene is 8 bytes: action, who, what, rung, limit, other, time, extra. Amounts are rungs of a short
ladder under a limit that the state sets (a balance, a debt, the edge of the initial margin, what a
cap leaves), so that sequences walk along the edges. A call is a `Step` without its class:
(sender, target, function, args, wait, blocks).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from breakwater.units import MAX_UINT256

if TYPE_CHECKING:
    from breakwater.fuzz.player import Player

Gene = bytes
Call = tuple[str, str, str, tuple[Any, ...], int, int]
Act = Callable[["Player", Gene], "list[Call] | None"]

GENE: Final = 8
"""Bytes of a gene."""

MOST: Final = 2**128 - 1
"""Amounts above this are `MAX_UINT256` or not drawn at all."""

LENDERS: Final[tuple[str, ...]] = ("lender_1", "lender_2", "lender_3", "staker", "attacker")
STAKERS: Final[tuple[str, ...]] = ("staker", "lender_1", "attacker")
LIQUIDATORS: Final[tuple[str, ...]] = (
    "liquidator_1",
    "liquidator_2",
    "attacker",
    "borrower_1",
    "keeper",
)

NO_ACCOUNT: Final = "0x" + "00" * 32
NOBODY: Final = "0x" + "00" * 20

# Rungs, by the byte modulo 32. Simple ones have low numbers.
_HALF: Final = 0
_ALL: Final = 1
_TENTH: Final = 2
_ONE: Final = 3
_BELOW: Final = 4
_ABOVE: Final = 5
_THOUSANDTH: Final = 6
_TINY: Final = 7
_MAX: Final = 8
_TWICE: Final = 9
_ZERO: Final = 10
_RUNGS: Final = (
    (_HALF,) * 6 + (_ALL,) * 9 + (_TENTH,) * 4 + (_ONE,) * 3 + (_BELOW,) * 2 + (_ABOVE,) * 2
    + (_THOUSANDTH,) * 2 + (_TINY, _MAX, _TWICE, _ZERO)
)  # fmt: skip

_WAITS: Final = (0,) * 10 + (1, 12, 60, 600, 901, 3_600)


def rung(byte: int, limit: int) -> int:
    """An amount on the ladder under a limit."""
    if limit < 0:
        limit = 0
    step = _RUNGS[byte & 31]
    if step == _ALL:
        return limit
    if step == _HALF:
        return limit // 2
    if step == _TENTH:
        return limit // 10
    if step == _ONE:
        return 1
    if step == _BELOW:
        return limit - 1 if limit else 0
    if step == _ABOVE:
        return limit + 1
    if step == _THOUSANDTH:
        return limit // 1_000
    if step == _TINY:
        return byte * 4 % 1_000 + 1
    if step == _MAX:
        return MAX_UINT256
    if step == _TWICE:
        return 2 * limit
    return 0


def waits(gene: Gene) -> tuple[int, int]:
    """Seconds and blocks before an ordinary call."""
    wait = _WAITS[gene[6] & 15]
    if wait == 0:
        return 0, 1 if gene[6] & 15 == 9 else 0
    return wait, max(1, wait // 12)
