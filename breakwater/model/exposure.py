"""Model of a collateral's book, see `contracts/modules/exposure.vy`. Amounts in token units."""

from __future__ import annotations

from typing import NamedTuple

from breakwater.model.chain import Refused
from breakwater.units import DAY, HOUR

MAX_TOTAL = 2**112 - 1
"""Of a book."""
DAYS, HOURS = 2**16, 2**20
"""Numbers of days and hours begin again after so many."""
PARTS = 2**19
"""Of the depth, in which what was seized is counted."""
MAX_PARTS = 2**20 - 1
MAX_DEPTH = 2**235
"""No more is ever seized."""


class Book(NamedTuple):
    """A collateral token. Without an id it is none."""

    id: int = 0
    held: int = 0
    cap: int = 0
    takes_fee: bool = False
    growth: int = 0
    """[percent of the cap] a day; 0: no limit"""
    limit: int = 0
    """what may be held on the day of `day`"""
    day: int = 0
    depth: int = 0
    """what an hour may seize; 0: no limit"""
    hour: int = 0
    seized: int = 0
    """[parts of the depth] in the hour of `hour`"""
    ended: bool = False
    """wound down: no more of it comes into any account"""

    def fresh(self) -> int:
        """What may be held on a day that begins with the book as it is."""
        if self.growth == 0:
            return self.cap
        cap = min(self.cap, MAX_TOTAL)
        return decoded(encoded(min(cap, self.held + cap * self.growth // 100)))

    def addable(self) -> Book:
        """Unless nothing more of it comes into any account."""
        if self.ended:
            raise Refused("asset is settled")
        return self

    def opened(self, now: int) -> Book:
        """On the day of `now`."""
        today = now // DAY % DAYS
        return self if self.day == today else self._replace(limit=self.fresh(), day=today)

    def limited(self, now: int, cap: int, growth: int) -> Book:
        """Another cap and growth: no more room today than a limit left; the first one counts from
        zero where the day was opened without."""
        today = now // DAY % DAYS
        new = self._replace(cap=decoded(encoded(cap)), growth=growth, day=today)
        limit = new.fresh()
        if self.day == today and growth:
            limit = min(limit, self.limit) if self.growth else new._replace(held=0).fresh()
        return new._replace(limit=limit)

    def deep(self, depth: int) -> Book:
        """Another depth: what was seized stays counted, rounded up."""
        kept = decoded(encoded(depth))
        before, after = min(self.depth, MAX_DEPTH), min(kept, MAX_DEPTH)
        seized = min(-(-self.seized * before // after), MAX_PARTS) if after else 0
        return self._replace(depth=kept, seized=seized)

    def after_seizure(self, now: int, taken: int, may_pass: bool) -> Book:
        """Counted, or refused. Parts are rounded up."""
        if self.depth == 0:
            return self
        hour = now // HOUR % HOURS
        parts = -(-taken * PARTS // self.depth) + (self.seized if self.hour == hour else 0)
        if parts > PARTS and not may_pass:
            raise Refused("liquidation limit is reached")
        return self._replace(hour=hour, seized=min(parts, MAX_PARTS))

    @property
    def room(self) -> int:
        """What may be added, of a book that is open."""
        return 0 if self.ended else max(self.limit - self.held, 0)

    def depth_left(self, now: int) -> int:
        """What may be seized, of a book that has a depth."""
        if self.hour != now // HOUR % HOURS:
            return self.depth
        return min(self.depth, MAX_TOTAL) * max(PARTS - self.seized, 0) // PARTS

    @property
    def word(self) -> int:
        """As stored."""
        return (
            self.held
            | self.id << 112
            | self.ended << 119
            | encoded(self.cap) << 120
            | self.takes_fee << 144
            | self.growth << 145
            | encoded(self.limit) << 152
            | self.day << 176
            | encoded(self.depth) << 192
            | self.hour << 216
            | self.seized << 236
        )

    @classmethod
    def of(cls, word: int) -> Book:
        """From what is stored."""
        return cls(
            id=word >> 112 & 127,
            held=word & MAX_TOTAL,
            cap=decoded(word >> 120 & 0xFFFFFF),
            takes_fee=bool(word >> 144 & 1),
            growth=word >> 145 & 127,
            limit=decoded(word >> 152 & 0xFFFFFF),
            day=word >> 176 & DAYS - 1,
            depth=decoded(word >> 192 & 0xFFFFFF),
            hour=word >> 216 & HOURS - 1,
            seized=word >> 236,
            ended=bool(word >> 119 & 1),
        )


NO_BOOK = Book()


def encoded(amount: int) -> int:
    """An amount in 24 bits: a mantissa of 16 and an exponent of 8, rounded down."""
    exponent = max(0, amount.bit_length() - 16)
    return amount >> exponent | exponent << 16


def decoded(code: int) -> int:
    """The amount that a code of 24 bits stands for."""
    return (code & 65_535) << (code >> 16)
