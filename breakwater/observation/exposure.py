"""The book of a collateral, see `contracts/modules/exposure.vy`: what its limits allow."""

from __future__ import annotations

from typing import Final

from breakwater.observation.words import M112, bits, ceil_div, decoded
from breakwater.units import DAY, HOUR

PARTS: Final = 2**19
"""Of the depth, in which what was seized is counted."""

SET: Final = 0xFFFFFF << 120 | 127 << 145
"""Bits of cap and growth, which the owner sets."""

LIMITS: Final = SET | 0xFF_FFFF_FFFF << 152
"""Those bits, what may be reached today, and the day."""

_MAX_PARTS: Final = 2**20 - 1


def growth(book: int) -> int:
    """What a day may add [percent of the cap]; 0: no limit."""
    return bits(book, 145, 7)


def day(book: int) -> int:
    """Of the limit that is stored, a number that begins again."""
    return bits(book, 176, 16)


def cap(book: int) -> int:
    """[token units]"""
    return decoded(bits(book, 120, 24))


def limit(book: int) -> int:
    """What the total may reach on the day that is stored [token units]."""
    return decoded(bits(book, 152, 24))


def depth(book: int) -> int:
    """What an hour may seize [token units]; 0: no limit."""
    return decoded(bits(book, 192, 24))


def reachable(book: int, now: int) -> int:
    """What the total may reach today, by the book as it was before something moves it."""
    if day(book) == now // DAY & 0xFFFF:
        return limit(book)
    most = cap(book)
    percent = growth(book)
    return min(most, (book & M112) + most * percent // 100) if percent else most


def slack(old: int, new: int, now: int) -> int:
    """How far the limit that is stored is from what it may be at most after the total moved;
    -1 where no day was opened."""
    if day(new) != now // DAY & 0xFFFF:
        return 0 if (old ^ new) & M112 == 0 else -1
    return reachable(old, now) - limit(new)


def most_set(old: int, new: int) -> int:
    """What an owner's change may leave as the limit of its day: no more than there was, and where
    there was none and something had moved, counted from zero."""
    most = cap(new)
    percent = growth(new)
    if not percent:
        return most
    is_open = day(old) == day(new)
    held = 0 if is_open and not growth(old) else old & M112
    most = min(most, held + most * percent // 100)
    return min(most, limit(old)) if is_open and growth(old) else most


def counted(book: int, now: int) -> int:
    """What liquidations have seized in this hour [parts of the depth]."""
    return book >> 236 if bits(book, 216, 20) == now // HOUR & 0xFFFFF else 0


def kept(book: int, now: int, most: int) -> int:
    """The count of this hour in parts of another depth."""
    return min(ceil_div(counted(book, now) * depth(book), most), _MAX_PARTS) if most else 0


def more(count: int, taken: int, most: int) -> int:
    """The count after `taken` more of a collateral with that depth."""
    return min(count + ceil_div(taken * PARTS, most), _MAX_PARTS)
