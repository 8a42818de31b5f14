"""Prints of one to three venues of one asset, from price files, and the clock they make together.

A source is a file of bars, or two files with a comma between them: a ratio and the price of what it
is a ratio to, multiplied. A bar prints its open, low, high and close in the order of
`prices.path`, or only its close. In a gap of its file a source is silent.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from breakwater import prices
from breakwater.errors import UserError
from breakwater.prices import Bar

MOST_SOURCES = 3
"""What a `MedianFeed` takes."""

HOUR = 3_600
LONGEST_BAR = HOUR
"""Seconds of a row, at most: rounds of an oracle may be a day apart."""

Print = tuple[int, float]
"""Time in UTC seconds, price."""


@dataclass(frozen=True)
class Source:
    """One venue: its prints, in order of time."""

    name: str
    prints: Sequence[Print]
    spacing: int
    """Usual seconds from one bar to the next."""
    end: int
    """When its last bar ends."""

    @property
    def start(self) -> int:
        """Time of the first print."""
        return self.prints[0][0]


@dataclass(frozen=True)
class Tick:
    """A moment of the replay: what each source prints then, None for nothing."""

    time: int
    prints: tuple[float | None, ...]


def read(text: str, step: int, closes: bool = False) -> Source:
    """A source from "FILE" or "RATIO,FILE". UserError for what is wrong with a file."""
    names = [text] if Path(text).exists() or "," not in text else text.split(",")
    if len(names) > 2 or not all(names):
        raise UserError(f"write FILE or RATIO,FILE, not {text!r}")
    return from_bars({name: prices.read(name) for name in names}, step, closes)


def from_bars(files: dict[str, list[Bar]], step: int, closes: bool = False) -> Source:
    """A source from the bars of one file, or the product of two; keys are file names."""
    title = " × ".join(Path(name).name.removesuffix(".csv") for name in files)
    parts = [_prints(bars, step, closes) for bars in files.values()]
    spacing = min(prices.spacing(bars) for bars in files.values())
    end = min(bars[-1].timestamp + prices.durations(bars)[-1] for bars in files.values())
    found = parts[0] if len(parts) == 1 else _product(parts[0], parts[1])
    if not found:
        raise UserError(f"{' and '.join(files)} have no time in common")
    return Source(title, found, spacing, max(end, found[-1][0] + 1))


def _prints(bars: list[Bar], step: int, closes: bool) -> list[Print]:
    lasts = prices.durations(bars)
    if not closes:
        return [
            (point.timestamp, point.price)
            for point in prices.path(bars, step)
            if point.timestamp < bars[point.bar].timestamp + lasts[point.bar]
        ]
    found: list[Print] = []
    for bar, length in zip(bars, lasts, strict=True):
        before = found[-1][1] if found else bar.open
        count = max(1, math.ceil(length / step))
        for i in range(1, count + 1):
            # the close is known when the bar ends, a second before the next one begins
            at = bar.timestamp + max(i * length // count - 1, 0)
            found.append((at, before + (bar.close - before) * i / count))
    return found


def _product(ratio: list[Print], base: list[Print]) -> list[Print]:
    """At each print of either, once both have one."""
    times = sorted({time for time, _ in ratio} | {time for time, _ in base})
    last = min(ratio[-1][0], base[-1][0])
    found = []
    at = [-1, -1]
    for time in times:
        for i, prints in enumerate((ratio, base)):
            while at[i] + 1 < len(prints) and prints[at[i] + 1][0] <= time:
                at[i] += 1
        if min(at) >= 0 and time <= last:
            found.append((time, ratio[at[0]][1] * base[at[1]][1]))
    return found


def window(
    sources: Sequence[Source], start: int | None = None, end: int | None = None
) -> tuple[int, int]:
    """The time that all sources cover, cut to `start` and `end`. UserError where there is none."""
    first = max([source.start for source in sources] + ([] if start is None else [start]))
    last = min([source.end for source in sources] + ([] if end is None else [end]))
    if first >= last:
        names = " and ".join(source.name for source in sources)
        asked = "" if start is None and end is None else " within --from and --until"
        raise UserError(f"{names}: there are no prices at the same time{asked}")
    return first, last


def bar_length(sources: Sequence[Source]) -> int:
    """Seconds of a row: the usual bar of the first source."""
    return min(sources[0].spacing, LONGEST_BAR)


def ticks(sources: Sequence[Source], first: int, last: int, every: int) -> Iterator[Tick]:
    """Every print of every source from `first` to before `last`, and a tick each `every` seconds.

    The first tick has a print of each source: what it printed last.
    """
    at: list[dict[int, float]] = []
    for source in sources:
        times = [time for time, _ in source.prints]
        low, high = bisect_right(times, first) - 1, bisect_left(times, last)
        at.append({max(time, first): price for time, price in source.prints[max(low, 0) : high]})
        at[-1].setdefault(first, source.prints[max(low, 0)][1])
    moments = set(range(first, last, every)).union(*at)
    for time in sorted(moments):
        yield Tick(time, tuple(prints.get(time) for prints in at))


class Drift:
    """How far a print is from where its source stood: the median of its prints of the hour before,
    or its print before that where the hour holds none."""

    def __init__(self) -> None:
        self._recent: list[Print] = []
        self._sorted: list[float] = []
        self._first = 0
        self._last = 0.0

    def move(self, time: int, price: float) -> float:
        """Takes the next print; by what part of where the source stood it is away from there."""
        while self._first < len(self._recent) and self._recent[self._first][0] < time - HOUR:
            del self._sorted[bisect_left(self._sorted, self._recent[self._first][1])]
            self._first += 1
        stood = self._sorted[len(self._sorted) // 2] if self._sorted else self._last
        insort(self._sorted, price)
        self._recent.append((time, price))
        self._last = price
        return abs(price / stood - 1) if stood else 0.0
