"""Model of an account's legs, see `contracts/modules/legs.vy`."""

from __future__ import annotations

from typing import Any, NamedTuple

from breakwater.model.chain import Refused

MAX_LEGS = 8
MAX_AMOUNT = 2**104 - 1
"""Of a leg."""
DEBT = 128
"""Bit of a debt's tag."""
NO_STAMPS = (0, 0, 0, 0)

Packed = tuple[int, int, int, int]


class Account(NamedTuple):
    """Legs (tag, amount), dense, and the stamp of each two of them."""

    legs: tuple[tuple[int, int], ...] = ()
    stamps: Packed = NO_STAMPS

    def find(self, tag: int) -> int | None:
        """Index of the leg with this tag."""
        for i, leg in enumerate(self.legs):
            if leg[0] == tag:
                return i
        return None

    @property
    def has_debt(self) -> bool:
        """Whether a leg is a debt."""
        return any(tag & DEBT for tag, _ in self.legs)

    def added(self, tag: int, amount: int) -> Account:
        """`amount` more of `tag`, on a new leg where there is none."""
        i = self.find(tag)
        if i is None:
            if len(self.legs) == MAX_LEGS:
                raise Refused("account holds 8 assets")
            i, legs = len(self.legs), (*self.legs, (tag, 0))
        else:
            legs = self.legs
        if legs[i][1] + amount > MAX_AMOUNT:
            raise Refused("amount is too large")
        return self._replace(legs=_with(legs, i, (tag, legs[i][1] + amount)))

    def stamped(self, i: int, stamp: int) -> Account:
        """Leg `i` raised the risk in the block of `stamp`."""
        return self._replace(stamps=_with(self.stamps, i >> 1, stamp))

    def lowered(self, i: int, amount: int, stamp: int) -> Account:
        """`amount` less on leg `i`; `stamp` is that of now."""
        tag, held = self.legs[i]
        after = self._replace(legs=_with(self.legs, i, (tag, held - amount)))
        return after if held > amount else after.dense(stamp)

    def dense(self, stamp: int) -> Account:
        """Without empty legs. Of all stamps only that of now is kept, in the first word."""
        stamps = (stamp, 0, 0, 0) if stamp in self.stamps else NO_STAMPS
        return Account(tuple(leg for leg in self.legs if leg[1]), stamps)

    def packed(self) -> Packed:
        """The four words as stored."""
        a, b, c, d = (stamp << 224 for stamp in self.stamps)
        words = [a | len(self.legs) << 244, b, c, d]
        for i, (tag, amount) in enumerate(self.legs):
            side = i & 1
            words[i >> 1] |= tag << 208 + 8 * side | amount << 104 * side
        return words[0], words[1], words[2], words[3]


NOTHING = Account()


def _with(items: Any, i: int, item: Any) -> Any:
    return (*items[:i], item, *items[i + 1 :])
