"""The picture of a replay as SVG: prices, volatility, borrow_ltv, reasons, what was possible.

It needs nothing else and follows the reader's light or dark scheme.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from breakwater.breakers.results import ACTIONS, LEVELS, Results, Row

WIDTH = 1_200
_LEFT, _RIGHT = 190, 24
_INNER = WIDTH - _LEFT - _RIGHT
_LANE = 20
_TITLE = 100
"""Letters of a line of the title."""

_MOST = 600
"""Columns of a line: of more rows the lowest and the highest of each group are drawn."""

_LOG_RANGE = 20.0
"""Highest over lowest price from which the axis is logarithmic."""

STYLE = """
.bw { --ink: #1b2430; --soft: #5a6675; --grid: #e4e8ec; --card: #ffffff; --s0: #2f6fb0;
  --s1: #b4541a; --s2: #6b4fa0; --mean: #1b2430; --caution: #e8a317; --halt: #c62f2f;
  --yes: #9cc9ae; --no: #c62f2f; --latch: #f3cf85; --bad: #b5232c; }
@media (prefers-color-scheme: dark) { .bw { --ink: #e6eaef; --soft: #9aa6b4; --grid: #2a323c;
  --card: #1a2028; --s0: #6db1ec; --s1: #f0a36b; --s2: #b39ae6; --mean: #e6eaef;
  --caution: #d99a1c; --halt: #e05252; --yes: #3d6b50; --no: #e05252; --latch: #7a5d1e;
  --bad: #ff7b72; } }
.bw text { fill: var(--soft); font: 12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
.bw text.head { fill: var(--ink); font-size: 17px; font-weight: 600; }
.bw text.lane { fill: var(--ink); }
.bw path { fill: none; stroke-linejoin: round; }
"""

_STEPS = (60, 300, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 432_000,
          864_000, 2_592_000, 7_776_000, 31_536_000)  # fmt: skip


class _Canvas:
    """Elements, and the time scale that all panels share."""

    def __init__(self, results: Results) -> None:
        self.parts: list[str] = []
        self.rows = results.rows
        self.bar = results.bar
        self.start = results.rows[0].time
        self.end = results.rows[-1].time + results.bar
        self.keep: list[int] = []

    def x(self, time: float) -> float:
        """Place of a time, kept inside the panel."""
        part = (time - self.start) / (self.end - self.start)
        return _LEFT + _INNER * min(max(part, 0.0), 1.0)

    def add(self, text: str) -> None:
        """One element."""
        self.parts.append(text)

    def text(self, x: float, y: float, text: str, style: str = "", anchor: str = "start") -> None:
        """A line of text."""
        kind = f' class="{style}"' if style else ""
        self.add(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(text)}</text>'
        )

    def rect(
        self, start: float, end: float, y: float, height: float, color: str, opacity: float = 1.0
    ) -> None:
        """A stretch of time, at least two pixels wide."""
        left, right = self.x(start), self.x(end)
        self.add(
            f'<rect x="{left:.1f}" y="{y:.1f}" width="{max(right - left, 2.0):.1f}"'
            f' height="{height:.1f}" fill="var(--{color})" opacity="{opacity:g}"/>'
        )

    def line(self, y: float, color: str = "grid") -> None:
        """A line across."""
        self.add(
            f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"'
            f' stroke="var(--{color})"/>'
        )


def svg(results: Results) -> str:
    """The whole picture. A replay without rows has none: ValueError."""
    if not results.rows:
        raise ValueError("no rows to draw")
    canvas = _Canvas(results)
    canvas.keep = _kept(results.rows)
    y = 8.0
    for line in _lines(results.title):
        y += 20
        canvas.text(16, y, line, "head")
    canvas.text(16, y + 20, about(results))
    y = _legend(canvas, results, y + 44)
    y = _prices(canvas, results, y + 14, 290) + 30
    y = _percents(canvas, "volatility a day", lambda row: row.volatility, y, 70) + 24
    y = _percents(canvas, "borrow_ltv", lambda row: row.borrow_ltv, y, 60) + 22
    y = _reasons(canvas, results, y) + 12
    y = _actions(canvas, y)
    _times(canvas, y + 4)
    height = y + 42
    parts = "\n".join(canvas.parts)
    return (
        f'<svg class="bw" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}"'
        f' role="img" aria-label="{escape(results.title)}">\n<style>{STYLE}</style>\n'
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="var(--card)"/>\n{parts}\n</svg>\n'
    )


def _lines(title: str) -> list[str]:
    """A title, broken between its sources where it is too long for the picture."""
    lines = [""]
    for part in title.split(" + "):
        if lines[-1] and len(lines[-1]) + len(part) > _TITLE:
            lines[-1] += " +"
            lines.append(part)
        else:
            lines[-1] += f" + {part}" if lines[-1] else part
    return lines


def about(results: Results) -> str:
    """The rules of a replay in one line."""
    rules = results.rules
    kind = "pegged" if rules["pegged"] else "volatile"
    return (
        f"rules of {rules['like']}, {kind}, jump band {_percent(rules['jump_band'])}, dispersion"
        f" band {_percent(rules['dispersion_band'])}, quorum {rules['quorum']} of"
        f" {len(results.sources)}, poked each {rules['poke_every']} s and on moves of"
        f" {_percent(rules['poke_move'])}; bars of {results.bar} s"
    )


def _percent(value: object) -> str:
    return f"{100 * float(str(value)):g} %"


def _kept(rows: Sequence[Row]) -> list[int]:
    """Rows to draw: first, lowest, highest and last of each group, by any source's print."""
    if len(rows) <= 2 * _MOST:
        return list(range(len(rows)))
    size = -(-len(rows) // (_MOST // 2))
    found: set[int] = set()
    for start in range(0, len(rows), size):
        group = range(start, min(start + size, len(rows)))
        found |= {group[0], group[-1]}
        for source in range(len(rows[0].raw)):
            known = [i for i in group if rows[i].raw[source] is not None]
            if known:
                found.add(min(known, key=lambda i: rows[i].raw[source] or 0))
                found.add(max(known, key=lambda i: rows[i].raw[source] or 0))
    return sorted(found)


# ------------------------------------------------------------ panels


def _legend(canvas: _Canvas, results: Results, y: float) -> float:
    items = [(name, f"s{index}", "") for index, name in enumerate(results.sources)]
    items += [("accepted price", "mean", ""), ("average", "soft", "5 4")]
    x = float(_LEFT)
    for name, color, dash in items:
        width = 34 + 7.0 * len(name)
        if x + width > WIDTH - _RIGHT:
            x, y = float(_LEFT), y + 18
        canvas.add(
            f'<line x1="{x:.0f}" x2="{x + 20:.0f}" y1="{y - 4:.0f}" y2="{y - 4:.0f}"'
            f' stroke="var(--{color})" stroke-width="2.5" stroke-dasharray="{dash}"/>'
        )
        canvas.text(x + 26, y, name)
        x += width + 8
    for name, color in (("jump band", "soft"), ("CAUTION", "caution"), ("HALT", "halt")):
        if x + 100 > WIDTH - _RIGHT:
            x, y = float(_LEFT), y + 18
        canvas.add(
            f'<rect x="{x:.0f}" y="{y - 11:.0f}" width="14" height="12"'
            f' fill="var(--{color})" opacity="0.28"/>'
        )
        canvas.text(x + 20, y, name)
        x += 96
    return y


def _prices(canvas: _Canvas, results: Results, top: float, height: float) -> float:
    rows = [canvas.rows[i] for i in canvas.keep]
    values = [value for row in rows for value in (*row.raw, row.price, row.average) if value]
    low, high = min(values), max(values)
    log = high / low > _LOG_RANGE
    ends = (math.log(low), math.log(high)) if log else (low, high)
    pad = (ends[1] - ends[0] or abs(ends[0]) * 0.01 or 0.01) * 0.05
    bottom_value, top_value = ends[0] - pad, ends[1] + pad

    def y(value: float) -> float:
        at = math.log(value) if log else value
        part = (at - bottom_value) / (top_value - bottom_value)
        return top + height * (1 - min(max(part, 0.0), 1.0))

    for start, end, level in _runs(canvas, lambda row: row.level):
        if level:
            canvas.rect(start, end, top, height, LEVELS[int(str(level))].lower(), 0.16)
    for tick in (
        _log_ticks(math.exp(bottom_value), math.exp(top_value))
        if log
        else _ticks(bottom_value, top_value, 6)
    ):
        canvas.line(y(tick))
        canvas.text(_LEFT - 8, y(tick) + 4, f"{tick:,.6g}", anchor="end")
    band = float(str(results.rules["jump_band"]))
    upper = [(row.time + canvas.bar, row.average * (1 + band)) for row in rows]
    lower = [(row.time + canvas.bar, row.average * (1 - band)) for row in reversed(rows)]
    points = " ".join(f"{canvas.x(time):.1f},{y(value):.1f}" for time, value in upper + lower)
    canvas.add(f'<polygon points="{points}" fill="var(--soft)" opacity="0.10"/>')
    for index in range(len(results.sources)):
        _path(canvas, rows, lambda row, i=index: row.raw[i], y, f"s{index}", 1.5)  # type: ignore[misc]
    _path(canvas, rows, lambda row: row.average, y, "soft", 1.4, "5 4")
    _path(canvas, rows, lambda row: row.price, y, "mean", 1.4)
    _liquidations(canvas, results, y)
    canvas.text(_LEFT, top + height + 18, f"UTC, from {moment(canvas.start)}")
    marks = sum(1 for one in results.accounts if one.first is not None)
    note = f"circles: first liquidation of {marks} of {len(results.accounts)} accounts"
    canvas.text(WIDTH - _RIGHT, top + height + 18, note, anchor="end")
    return top + height


def _liquidations(canvas: _Canvas, results: Results, y: Callable[[float], float]) -> None:
    for one in results.accounts:
        if one.first is None:
            continue
        row = canvas.rows[min((one.first - canvas.start) // canvas.bar, len(canvas.rows) - 1)]
        value = row.price or row.average
        canvas.add(
            f'<circle cx="{canvas.x(one.first):.1f}" cy="{y(value):.1f}" r="4.5" fill="var(--bad)"'
            f' fill-opacity="0.6" stroke="var(--bad)"><title>{escape(one.account)}:'
            f" {moment(one.first)}</title></circle>"
        )


def _percents(
    canvas: _Canvas, name: str, value: Callable[[Row], float], top: float, height: float
) -> float:
    rows = [canvas.rows[i] for i in canvas.keep]
    low = 0.0
    high = max(value(row) for row in rows) or 0.01
    if name == "borrow_ltv":
        low = min(value(row) for row in rows)
        low, high = max(low - 0.05, 0), high + 0.02

    def y(share: float) -> float:
        return top + height * (1 - (share - low) / (high - low))

    canvas.text(16, top + height / 2 + 4, name, "lane")
    for tick in _ticks(low, high, 2):
        canvas.line(y(tick))
        canvas.text(_LEFT - 8, y(tick) + 4, _percent(round(tick, 9)), anchor="end")
    _path(canvas, rows, value, y, "s0", 1.6)
    return top + height


def _path(
    canvas: _Canvas,
    rows: Sequence[Row],
    value: Callable[[Row], float | None],
    y: Callable[[float], float],
    color: str,
    width: float,
    dash: str = "",
) -> None:
    """Lines between the ends of bars, broken where there is no value."""
    text, pen = [], "M"
    for row in rows:
        found = value(row)
        if found is None:
            pen = "M"
            continue
        text.append(f"{pen}{canvas.x(row.time + canvas.bar):.1f} {y(found):.1f}")
        pen = "L"
    canvas.add(
        f'<path d="{"".join(text)}" stroke="var(--{color})" stroke-width="{width:g}"'
        f' stroke-dasharray="{dash}"/>'
    )


# ------------------------------------------------------------ lanes


def _reasons(canvas: _Canvas, results: Results, y: float) -> float:
    seen = {row.now for row in canvas.rows if row.now}
    seen |= {reason for row in canvas.rows for reason in row.latched}
    order = dict.fromkeys([trip.reason for trip in results.trips])
    canvas.text(16, y, "reasons: solid true then, pale latched")
    y += 8
    for reason in [*order, *sorted(seen - set(order))]:
        _lane(canvas, y, reason)
        for start, end, held in _runs(canvas, lambda row, r=reason: r in row.latched):  # type: ignore[misc]
            if held:
                canvas.rect(start, end, y + 3, _LANE - 6, "latch")
        for start, end, now in _runs(canvas, lambda row, r=reason: row.now == r):  # type: ignore[misc]
            if now:
                canvas.rect(
                    start, end, y + 3, _LANE - 6, "halt" if reason == "stale" else "caution"
                )
        y += _LANE
    if not seen and not order:
        _lane(canvas, y, "none")
        y += _LANE
    _lane(canvas, y, "bad prints")
    for move in results.bad_moves:
        canvas.rect(move.start, move.end, y + 6, _LANE - 12, "bad")
    return y + _LANE


def _actions(canvas: _Canvas, y: float) -> float:
    canvas.text(
        16,
        y + 6,
        "possible at the end of a bar: pale yes, solid refused;"
        " liquidate only where an account is below health 1 at some print",
    )
    y += 14
    for action in ACTIONS:
        _lane(canvas, y, action)
        for start, end, color in _runs(canvas, lambda row, a=action: _color(row.possible[a])):  # type: ignore[misc]
            if color:
                canvas.rect(start, end, y + 3, _LANE - 6, str(color))
        y += _LANE
    return y


def _color(refused: str | None) -> str:
    if refused is None:
        return ""
    return "no" if refused else "yes"


def _lane(canvas: _Canvas, y: float, name: str) -> None:
    canvas.text(_LEFT - 8, y + _LANE - 6, name, "lane", "end")
    canvas.line(y + _LANE / 2)


def _runs(canvas: _Canvas, value: Callable[[Row], object]) -> Iterable[tuple[float, float, object]]:
    """Stretches of rows with one value: from, until, value."""
    start, last = canvas.rows[0].time, value(canvas.rows[0])
    end = start
    for row in canvas.rows:
        found = value(row)
        if found != last or row.time > end:
            yield start, end, last
            start, last = row.time, found
        end = row.time + canvas.bar
    yield start, end, last


# ------------------------------------------------------------ axes


def _times(canvas: _Canvas, y: float) -> None:
    span = canvas.end - canvas.start
    step = next((one for one in _STEPS if span / one <= 14), _STEPS[-1])
    canvas.line(y, "soft")
    for time in range(-(-canvas.start // step) * step, canvas.end + 1, step):
        x = canvas.x(time)
        canvas.add(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y:.1f}" y2="{y + 5:.1f}" stroke="var(--soft)"/>'
        )
        at = datetime.fromtimestamp(time, UTC)
        days = step >= 86_400 or time % 86_400 == 0
        canvas.text(x, y + 19, f"{at.day} {at:%b}" if days else f"{at:%H:%M}", anchor="middle")


def moment(time: int) -> str:
    """A time in UTC."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M")


def _ticks(low: float, high: float, count: int) -> list[float]:
    raw = (high - low) / count or abs(low) or 1.0
    size = 10 ** math.floor(math.log10(raw))
    step = next(s * size for s in (1, 2, 2.5, 5, 10) if s * size >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [10.0**power for power in powers if low <= 10.0**power <= high]
