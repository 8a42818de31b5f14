"""Model of levels that are latched until they expire, and of the budget of what may be held.

Specification, "Latches and the latch budget". Times are seconds, spans half open: (start, end].
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from breakwater.model.chain import Contract, Refused, Word
from breakwater.units import DAY

NORMAL, CAUTION, HALT = range(3)

MAX_LATCH = 7 * DAY
"""Furthest that any expiry lies ahead."""
MAX_LATCHED = 7 * DAY
"""Most that a key is held in any WINDOW."""
WINDOW = 30 * DAY
MAX_INTERVALS = 8


class Expiries(NamedTuple):
    """Ends of what is latched on a key, as they were set; what lies in the past is over."""

    caution: int = 0
    halt: int = 0
    held: int = 0


class Hold(NamedTuple):
    """A span in which a key was held, or still is."""

    start: int
    end: int


class Holds(NamedTuple):
    """Spans in which a key was held, oldest first; only the last can still run."""

    live: tuple[Hold, ...] = ()
    stale: tuple[Hold, ...] = ()
    """What storage keeps beyond the length of the array; it means nothing."""


NONE = Expiries()
NO_HOLDS = Holds()


class Latch:
    """The latches of one contract, which keeps them in its own state."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def set(self, key: str, caution: int, halt: int, held: int) -> None:
        """Replace the expiries of a key. Refused: "latch is too long", "latch budget is spent"."""
        now = self._contract.chain.now
        if max(caution, halt, held) > now + MAX_LATCH:
            raise Refused("latch is too long")
        self._contract.put(Expiries(caution, halt, held), "_expiries", key)
        self._hold(key, held, now)

    def level(self, key: str) -> int:
        """HALT before its expiry, else CAUTION before its own, else NORMAL."""
        expiries: Expiries = self._contract.get("_expiries", key, default=NONE)
        now = self._contract.chain.now
        if now < expiries.halt:
            return HALT
        return CAUTION if now < expiries.caution else NORMAL

    def expiries(self, key: str) -> Expiries:
        """As they were set."""
        found: Expiries = self._contract.get("_expiries", key, default=NONE)
        return found

    def holds(self, key: str) -> Holds:
        """When a key was held."""
        found: Holds = self._contract.get("_holds", key, default=NO_HOLDS)
        return found

    def _hold(self, key: str, until: int, now: int) -> None:
        """Hold from now, or from the start of the span that runs, until `until`.

        A span that ends now still runs. What does not lie ahead ends it, which needs no check.
        """
        holds = self.holds(key).live
        runs = bool(holds) and holds[-1].end >= now
        start = holds[-1].start if runs else now
        if until <= now:
            if runs:
                last = (Hold(start, now),) if start < now else ()
                self._write(key, holds[:-1] + last)
            return
        if runs:
            earlier = holds[:-1]
        else:
            earlier = tuple(hold for hold in holds if hold.end >= now - WINDOW)
            if len(earlier) == MAX_INTERVALS:
                raise Refused("latch budget is spent")
        holds = (*earlier, Hold(start, until))
        if held_within(holds, until - WINDOW) > MAX_LATCHED:
            raise Refused("latch budget is spent")
        self._write(key, holds)

    def _write(self, key: str, live: tuple[Hold, ...]) -> None:
        before = self.holds(key)
        stale = (before.live + before.stale)[len(live) :]
        self._contract.put(Holds(live, stale), "_holds", key)

    def words(self, name: str, keys: tuple[str, ...]) -> Iterator[Word]:
        """Expiries in one word; holds as a dynamic array, its length first."""
        if name == "_expiries":
            caution, halt, held = self.expiries(*keys)
            yield Word(name, keys, caution | halt << 64 | held << 128)
        elif name == "_holds":
            holds = self.holds(*keys)
            yield Word(name, (*keys, 0), len(holds.live))
            for i, hold in enumerate(holds.live + holds.stale):
                yield Word(name, (*keys, 1 + i), hold.end | hold.start << 64)


def held_within(holds: tuple[Hold, ...], since: int) -> int:
    """Seconds held after `since`."""
    return sum(max(hold.end - max(hold.start, since), 0) for hold in holds)
