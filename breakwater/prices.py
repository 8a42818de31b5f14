"""Price files, and the path of prices that they imply.

A file is CSV with the header `timestamp,open,high,low,close,volume`: UTC seconds of the bar's
start, prices, and a volume that may be empty. Bars may be of any length, irregular (rounds of an
oracle) or missing. What is wrong in a file is said with its name and line.

PATH WITHIN A BAR. A bar that rose goes open, low, high, close; one that fell goes open, high, low,
close; straight lines between, the two extremes at a third and at two thirds of it. Every low and
every high is a point of the path. In a gap the last close holds.
"""

from __future__ import annotations

import csv
import itertools
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low

from breakwater.errors import UserError

COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")
"""Columns of a price file; `volume` may be missing or empty."""

HIGHEST = 1e10
"""Prices from here on are refused: the oracle counts them as not valid."""

LOWEST = 1e-9
"""Prices below are refused, for the same reason."""

POINTS = 4
"""Least points in a bar that moves: open, two extremes, close."""

_LATEST = 2**32 - 1
_TOLERANCE = 1e-9  # relative: digits lost in writing are no error


class PriceError(UserError):
    """A price file that cannot be used: which file, which line, what is wrong."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Open, high, low and close of the time that begins at `timestamp`."""

    timestamp: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None = None

    @property
    def is_flat(self) -> bool:
        """Whether the price stood still."""
        return self.high == self.low

    def corners(self) -> tuple[float, float, float, float]:
        """The four prices in the order in which the path visits them."""
        if self.close >= self.open:
            return self.open, self.low, self.high, self.close
        return self.open, self.high, self.low, self.close


@dataclass(frozen=True, slots=True)
class Point:
    """One price of a path; `bar` is the index of the bar it lies in."""

    timestamp: int
    price: float
    bar: int


# ------------------------------------------------------------ reading


def read(path: str | Path) -> list[Bar]:
    """Every bar of a file, in order. PriceError for the first thing that is wrong in it."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise PriceError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise PriceError(f"{path}: this is a folder, not a file") from None
    except UnicodeDecodeError:
        raise PriceError(f"{path}: this is not a text file") from None
    except OSError as error:
        raise PriceError(f"{path}: {error.strerror or error}") from None
    return parse(text, str(path))


def parse(text: str, name: str = "prices") -> list[Bar]:
    """Every bar of a file's text; `name` stands for the file in errors."""
    rows = csv.reader(text.splitlines())
    bars: list[Bar] = []
    columns: dict[str, int] | None = None
    for line, row in _numbered(rows, name):
        if not row or all(not cell.strip() for cell in row):
            continue
        if columns is None:
            columns = _header(row, name, line)
            continue
        bar = _bar(row, columns, name, line)
        if bars and bar.timestamp <= bars[-1].timestamp:
            raise PriceError(
                f"{name}, line {line}: timestamp {bar.timestamp} is not after the one before,"
                f" {bars[-1].timestamp}"
            )
        bars.append(bar)
    if columns is None:
        raise PriceError(f"{name}: the file is empty")
    if not bars:
        raise PriceError(f"{name}: the file has a header and no prices")
    return bars


def _numbered(rows: Iterator[list[str]], name: str) -> Iterator[tuple[int, list[str]]]:
    line = 0
    try:
        for line, row in enumerate(rows, start=1):
            yield line, row
    except csv.Error as error:
        raise PriceError(f"{name}, line {line + 1}: {error}") from None


def _header(row: list[str], name: str, line: int) -> dict[str, int]:
    found = {cell.strip().lower(): index for index, cell in enumerate(row)}
    missing = [column for column in COLUMNS[:-1] if column not in found]
    if missing:
        raise PriceError(
            f"{name}, line {line}: no column {', '.join(missing)};"
            f" the header must be {','.join(COLUMNS)}"
        )
    return found


def _bar(row: list[str], columns: dict[str, int], name: str, line: int) -> Bar:
    where = f"{name}, line {line}"
    needed = max(columns[column] for column in COLUMNS[:-1]) + 1
    if len(row) < needed:
        raise PriceError(f"{where}: {len(row)} columns, not {len(columns)}")
    stamp = _number(row[columns["timestamp"]], "timestamp", where)
    if stamp != int(stamp) or not 0 < stamp <= _LATEST:
        raise PriceError(f"{where}: timestamp {row[columns['timestamp']]} is not in UTC seconds")
    values = {column: _price(row[columns[column]], column, where) for column in COLUMNS[1:5]}
    low, high = values["low"], values["high"]
    if high < low:
        raise PriceError(f"{where}: high {high:g} is below low {low:g}")
    for column in ("open", "close"):
        if not low * (1 - _TOLERANCE) <= values[column] <= high * (1 + _TOLERANCE):
            raise PriceError(
                f"{where}: {column} {values[column]:g} is outside low..high, {low:g}..{high:g}"
            )
    volume = None
    at = columns.get("volume")
    if at is not None and at < len(row) and row[at].strip():
        volume = _number(row[at], "volume", where)
        if volume < 0:
            raise PriceError(f"{where}: volume {row[at].strip()} is negative")
    return Bar(int(stamp), values["open"], high, low, values["close"], volume)


def _number(text: str, column: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise PriceError(f"{where}: {column} is not a number: {text.strip()!r}") from None
    if not math.isfinite(number):
        raise PriceError(f"{where}: {column} is not finite: {text.strip()}")
    return number


def _price(text: str, column: str, where: str) -> float:
    number = _number(text, column, where)
    if number < 0:
        raise PriceError(f"{where}: {column} {text.strip()} is negative")
    if not LOWEST <= number < HIGHEST:
        raise PriceError(f"{where}: {column} {text.strip()} is not between 1e-9 and 1e10")
    return number


# ------------------------------------------------------------ paths


def spacing(bars: Sequence[Bar]) -> int:
    """The usual time from a bar to the next, in seconds; a day for a single bar."""
    gaps = [after.timestamp - before.timestamp for before, after in _pairs(bars)]
    return median_low(gaps) if gaps else 86_400


def durations(bars: Sequence[Bar]) -> list[int]:
    """How long each bar lasts: to the next one, at most the usual spacing."""
    usual = spacing(bars)
    found = [min(after.timestamp - before.timestamp, usual) for before, after in _pairs(bars)]
    return [*found, usual]


def _pairs(bars: Sequence[Bar]) -> Iterator[tuple[Bar, Bar]]:
    return itertools.pairwise(bars)


def path(bars: Sequence[Bar], step: int) -> list[Point]:
    """The prices of `bars` about every `step` seconds, with every open, low, high and close.

    A bar is cut into equal steps of at most `step`, at least POINTS of them where it moves; the
    last point of a bar is a step before the next bar begins. Stamps increase strictly. In a gap
    the last close is repeated.
    """
    if step < 1:
        raise ValueError("a step is at least a second")
    points: list[Point] = []
    for index, (bar, duration) in enumerate(zip(bars, durations(bars), strict=True)):
        count = math.ceil(duration / step)
        if not bar.is_flat:
            count = max(count, POINTS)
        for i, price in enumerate(_cut(bar, max(count, 1))):
            stamp = bar.timestamp + i * duration // count
            if points and stamp <= points[-1].timestamp:
                stamp = points[-1].timestamp + 1  # bars of a few seconds
            points.append(Point(stamp, price, index))
        if index + 1 < len(bars):
            stamp = bar.timestamp + duration
            while stamp < bars[index + 1].timestamp:
                points.append(Point(stamp, bar.close, index))
                stamp += step
    return points


def _cut(bar: Bar, count: int) -> list[float]:
    """`count` prices of a bar, the four corners among them where there is room."""
    if count < POINTS:
        return [bar.open] if count == 1 else [bar.open, *[bar.close] * (count - 1)]
    first, second, third, last = bar.corners()
    at = (0, max(1, (count - 1) // 3), max(2, 2 * (count - 1) // 3), count - 1)
    found = []
    for i in range(count):
        for (left, before), (right, after) in (
            ((at[0], first), (at[1], second)),
            ((at[1], second), (at[2], third)),
            ((at[2], third), (at[3], last)),
        ):
            if i == right:
                found.append(after)
                break
            if left <= i < right:
                found.append(before + (after - before) * (i - left) / (right - left))
                break
    return found


class Line:
    """The price of one asset at any time: what held at the last point before it."""

    def __init__(self, points: Sequence[Point]) -> None:
        if not points:
            raise ValueError("a line needs a point")
        self._stamps = [point.timestamp for point in points]
        self._prices = [point.price for point in points]

    def at(self, timestamp: int) -> float:
        """The price at a time; before the first point, the first."""
        return self._prices[max(bisect_right(self._stamps, timestamp) - 1, 0)]


def follow(bars: Sequence[Bar], start: float, beta: float) -> list[Bar]:
    """Bars of an asset that follows `bars` with elasticity `beta`, beginning at price `start`."""
    first = bars[0].open

    def moved(price: float) -> float:
        return float(start * (price / first) ** beta)

    return [
        Bar(bar.timestamp, moved(bar.open), moved(bar.high), moved(bar.low), moved(bar.close))
        for bar in bars
    ]


def overlapping(bars: Sequence[Bar], first: int, last: int) -> bool:
    """Whether the bars cover the time from `first` to `last`, up to one bar at each end."""
    usual = spacing(bars)
    return bars[0].timestamp <= first + usual and bars[-1].timestamp + 2 * usual >= last
