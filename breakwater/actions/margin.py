"""What a position would be, and the most that its initial margin leaves, asked of the contracts.

The risk engine judges any position that is handed to it, so nothing has to be sent, signed or
approved to know what it would say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from breakwater.host import Reverted

if TYPE_CHECKING:
    from breakwater.actions.session import Session

# Actions of a leg, in the order of ICreditEngine.Action.
DEPOSIT, WITHDRAW, BORROW, REPAY, MOVE = 1, 2, 4, 8, 16

_DEBT = 128
_MASK = 2**104 - 1
_PRECISION = 2**40
_MARGIN_OF_ERROR = 10_000
"""One part in so many is left where "max" is asked for: interest goes on until it is mined."""

Position = dict[int, int]
"""Amounts [token units] by tag, see IRiskEngine."""


def pack(position: Mapping[int, int]) -> tuple[int, int, int, int]:
    """A position as the risk engine takes it."""
    words = [0, 0, 0, 0]
    for index, (tag, amount) in enumerate(list(position.items())[:8]):
        words[index // 2] |= amount << 104 * (index % 2) | tag << 208 + 8 * (index % 2)
    return words[0], words[1], words[2], words[3]


def unpack(words: Iterable[int]) -> Position:
    """A position as the credit engine gives it."""
    found = {}
    for word in words:
        for index in range(2):
            tag = word >> 208 + 8 * index & 255
            if tag:
                found[tag] = word >> 104 * index & _MASK
    return found


def tag_of(session: Session, action: int, symbol: str) -> int:
    """Tag of the leg that an action moves."""
    token = session.token(symbol)
    if action in (BORROW, REPAY):
        return int(session.protocol.credit_engine.debt_of(token)[0]) | _DEBT
    return int(session.protocol.risk_engine.id_of(token))


def after(session: Session, account: bytes, steps: Iterable[Any]) -> Position:
    """The position of an account after steps (`refusals.Step`), as of now."""
    position = unpack(session.protocol.credit_engine.position_of(account))
    for action, symbol, amount in steps:
        position = moved(position, action, tag_of(session, action, symbol), amount)
    return position


def moved(position: Mapping[int, int], action: int, tag: int, amount: int) -> Position:
    """A position after one step; nothing goes below zero."""
    left = dict(position)
    held = left.get(tag, 0)
    amount = held + amount if action in (DEPOSIT, BORROW) else max(0, held - amount)
    left.pop(tag, None)
    if amount:
        left[tag] = amount
    return left


def most(session: Session, position: Mapping[int, int], action: int, symbol: str) -> int:
    """Most of an asset [token units] that may be borrowed on top of a position, or taken out of
    it: initial margin, leverage, levels, and what the vault lends. Found by bisection over
    `check_initial`, to a part in 2**40, rounded down.
    """
    tag = tag_of(session, action, symbol)
    if action == BORROW:
        state = session.protocol.lens.vault(session.token(symbol))
        highest = min(state.cash, state.growth_left, state.outflow_left)
        if state.level:
            return 0
    else:
        highest = position.get(tag, 0)
    lowest = 0
    if passes(session, moved(position, action, tag, highest), tag):
        return highest
    step = highest
    while highest - lowest > max(1, step // _PRECISION):
        middle = (lowest + highest) // 2
        if passes(session, moved(position, action, tag, middle), tag):
            lowest = middle
        else:
            highest = middle
    return lowest


def safely(amount: int) -> int:
    """What may be asked for where at most `amount` is possible now."""
    return amount - amount // _MARGIN_OF_ERROR


def passes(session: Session, position: Mapping[int, int], tag: int) -> bool:
    """Whether a position meets its initial margin after the risk of one leg was raised."""
    if len(position) > 8 or max(position.values(), default=0) > _MASK:
        return False
    if not any(one & _DEBT for one in position):
        return True
    try:
        return bool(session.protocol.risk_engine.check_initial(pack(position), tag))
    except Reverted:
        return False
