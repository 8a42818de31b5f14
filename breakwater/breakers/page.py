"""The picture of a replay in a file: SVG alone, or a page with the figures beside it."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from breakwater.breakers import judge, picture
from breakwater.breakers.picture import moment
from breakwater.breakers.results import ACTIONS, LEVELS, Results

TEMPLATE = Path(__file__).with_name("page.html")
SUFFIXES = (".html", ".svg")


def write(results: Results, path: Path) -> None:
    """Write a picture; what it is, is told by the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = picture.svg(results) if path.suffix == ".svg" else render(results)
    path.write_text(text, encoding="utf-8")


def render(results: Results) -> str:
    """The page."""
    page = TEMPLATE.read_text(encoding="utf-8")
    for name, text in (
        ("title", escape(results.title)),
        ("tables", "\n".join(_tables(results))),
        ("definitions", escape(judge.__doc__ or "").strip().replace("\n\n", "</p>\n<p>")),
        ("data", _data(results)),
        ("picture", picture.svg(results)),
    ):
        page = page.replace("{{" + name + "}}", text)
    return page


def _data(results: Results) -> str:
    """What the page shows of the bar under the pointer."""
    rows = [
        [
            row.time,
            [_short(value) for value in row.raw],
            _short(row.price),
            _short(row.average),
            round(100 * row.volatility, 2),
            round(100 * row.borrow_ltv, 2),
            LEVELS[row.level],
            ", ".join(
                ([f"{row.now} now"] if row.now else [])
                + [f"{reason} until {moment(until)}" for reason, (_, until) in row.latched.items()]
            ),
            ", ".join(f"{action}: {why}" for action, why in row.possible.items() if why),
            "" if row.edge is None else f"{row.edge.account}, health {row.edge.health:.4f}",
        ]
        for row in results.rows
    ]
    data = {"names": results.sources, "bar": results.bar, "rows": rows}
    return json.dumps(data, separators=(",", ":")).replace("</", "<\\/")


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.7g}")


def _tables(results: Results) -> list[str]:
    return [*_history(results), *_outcome(results)]


def _history(results: Results) -> list[str]:
    """Trips and bad moves."""
    trips = [
        [
            trip.reason,
            LEVELS[trip.level],
            moment(trip.start),
            moment(trip.until),
            str(trip.count),
            {None: "", True: "false", False: "persisted"}[trip.false],
        ]
        for trip in results.trips
    ]
    moves = [
        [
            move.source,
            moment(move.start),
            f"{100 * move.move:.1f} %",
            str(move.prints),
            "never" if move.wait is None else f"{move.wait:,} s",
        ]
        for move in results.bad_moves
    ]
    return [
        _table("Trips", ["reason", "level", "from", "until", "trips", ""], trips),
        _table("Bad moves", ["source", "from", "first move", "prints", "to CAUTION"], moves),
    ]


def _outcome(results: Results) -> list[str]:
    """What was possible, and what became of the accounts."""
    possible = [
        [action]
        + [
            "/".join(f"{count:,}" for count in counts[action]) if action in counts else ""
            for counts in results.possible.values()
        ]
        for action in ACTIONS
    ]
    accounts = [
        [
            one.account,
            str(one.liquidations),
            "" if one.first is None else moment(one.first),
            *[f"{value:,.0f}" for value in (one.repaid, one.seized, one.unpaid)],
        ]
        for one in results.accounts
    ]
    title = "Accounts, health at the first price; USD"
    head = ["account", "liquidations", "first", "repaid", "seized", "unpaid"]
    return [
        _table("Passed of tried", ["", *results.possible], possible),
        _table(title, head, accounts),
    ]


def _table(title: str, head: list[str], rows: list[list[str]]) -> str:
    def line(tag: str, cells: list[str]) -> str:
        inner = "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)
        return f"<tr>{inner}</tr>"

    body = "\n".join([line("th", head), *(line("td", row) for row in rows)])
    content = f"<table>{body}</table>" if rows else "<p>none</p>"
    return f'<section><h2>{escape(title)}</h2><div class="scroll">{content}</div></section>'
