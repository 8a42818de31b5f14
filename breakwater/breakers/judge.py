"""Which trips were false, and how long the breaker took. Definitions in full:

FALSE TRIP. A price jump is measured against the oracle's average at the trip. It is false when in
the 30 minutes that follow (the time of its latch) the accepted price is back within the jump band
of that average for more than half of the time. A dispersion is false when in the 30 minutes that
follow the sources are within the band of each other for more than half of the time. Time without a
price counts for neither. Other reasons are not judged.

BAD PRINT. A print that is away from where its source stood, the median of what it printed in the
hour before, by more than `bad`. Bad prints with less than an hour between them are one bad move.
The wait is the time from its first print to the first moment at level CAUTION or above; 0 where
the level was up already.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from breakwater.breakers.results import BadMove, Trip
from breakwater.breakers.sources import HOUR

PERSIST = 1_800
"""Seconds after a trip in which its cause must persist for more than half the time."""

JUMP, DISPERSION = "price jump", "dispersion"


@dataclass(frozen=True)
class Seen:
    """A moment as the contracts saw it."""

    time: int
    price: float
    """0: no price."""
    average: float
    apart: bool
    """Whether sources disagreed."""


@dataclass
class Latches:
    """Trips as they come."""

    open: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)
    """By reason: time, level and expiry of each."""

    def trip(self, time: int, reason: str, level: int, until: int) -> None:
        """One `Trip` event."""
        self.open.setdefault(reason, []).append((time, level, until))

    def trips(self, seen: Sequence[Seen], band: float) -> list[Trip]:
        """All latches, each judged; `band` is the jump band."""
        found = []
        for reason, events in self.open.items():
            group: list[tuple[int, int, int]] = []
            for event in [*events, None]:
                if event is not None and (not group or event[0] < group[-1][2]):
                    group.append(event)
                    continue
                start, level = group[0][0], max(level for _, level, _ in group)
                false = _false(reason, start, seen, band)
                until = max(until for _, _, until in group)
                found.append(Trip(reason, level, start, until, len(group), false))
                if event is not None:
                    group = [event]
        return sorted(found, key=lambda trip: (trip.start, trip.reason))


def _false(reason: str, start: int, seen: Sequence[Seen], band: float) -> bool | None:
    if reason not in (JUMP, DISPERSION):
        return None
    at = bisect_left(seen, start, key=lambda one: one.time)
    average = seen[at].average
    held = gone = 0
    for index in range(at, len(seen)):
        one = seen[index]
        if one.time >= start + PERSIST:
            break
        # the last moment of a file stands for nothing that is known
        end = seen[index + 1].time if index + 1 < len(seen) else one.time
        length = min(end, start + PERSIST) - one.time
        if not one.price:
            continue
        if one.apart if reason == DISPERSION else abs(one.price - average) > band * average:
            held += length
        else:
            gone += length
    return gone > held


@dataclass
class Bad:
    """Bad prints as they come, and the level that answers them."""

    threshold: float
    moves: list[BadMove] = field(default_factory=list)
    _now: BadMove | None = None

    def print(self, time: int, source: str, move: float) -> None:
        """A print that is away from where its source stood by the part `move`."""
        if move <= self.threshold:
            return
        if self._now is not None and time - self._now.end >= HOUR:
            self.close()
        last = self._now or BadMove(source, time, time, 0, move, None)
        self._now = BadMove(last.source, last.start, time, last.prints + 1, last.move, last.wait)

    def level(self, time: int, level: int) -> None:
        """The level as of now, after the prints of this moment."""
        now = self._now
        if now is not None and level and now.wait is None and time - now.end < HOUR:
            wait = time - now.start
            self._now = BadMove(now.source, now.start, now.end, now.prints, now.move, wait)

    def unanswered(self, time: int) -> bool:
        """Whether a bad move goes on that no level has answered."""
        return self._now is not None and self._now.wait is None and time - self._now.end < HOUR

    def close(self) -> None:
        """Nothing more comes."""
        if self._now is not None:
            self.moves.append(self._now)
            self._now = None
