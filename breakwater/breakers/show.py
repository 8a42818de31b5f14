"""A replay on the terminal: the bars at which something changed, and the summary."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from breakwater.breakers.picture import about, moment
from breakwater.breakers.results import ACTIONS, LEVELS, Results, Row
from breakwater.demo.show import price
from breakwater.units import HOUR

LONGEST = 30
"""Rows of a list on the terminal."""


def tables(results: Results, console: Console) -> None:
    """Everything, the bars where something changed among it."""
    console.print(f"[bold]{results.title}[/bold]")
    console.print(about(results))
    console.print()
    _changes(results, console)
    summary(results, console)


def plain(results: Results, console: Console) -> None:
    """A line for each bar, then the summary."""
    for row in results.rows:
        console.print(line(row), soft_wrap=True)
    summary(results, console)


def line(row: Row) -> str:
    """One bar as text."""
    found = [
        moment(row.time),
        "raw " + " ".join("none" if value is None else price(value) for value in row.raw),
        "price " + ("none" if row.price is None else price(row.price)),
        f"average {price(row.average)}",
        f"volatility {100 * row.volatility:.2f} %",
        f"borrow_ltv {100 * row.borrow_ltv:.1f} %",
        LEVELS[row.level],
    ]
    if row.now:
        found.append(f"now: {row.now}")
    if row.latched:
        found.append("latched: " + _latched(row))
    refused = [f"{action} ({why})" for action, why in row.possible.items() if why]
    if refused:
        found.append("refused: " + "; ".join(refused))
    if row.edge is not None:
        found.append(f"nearest: {_edge(row)}")
    return " | ".join(found)


def _latched(row: Row) -> str:
    return ", ".join(
        f"{reason} {LEVELS[level]} until {moment(until)[11:]}"
        for reason, (level, until) in row.latched.items()
    )


def _edge(row: Row) -> str:
    edge = row.edge
    if edge is None:
        return "all closed"
    can = [
        name
        for name, why in (
            ("borrow", edge.borrow),
            ("withdraw", edge.withdraw),
            ("repay", edge.repay),
            ("be liquidated", edge.liquidate),
        )
        if not why
    ]
    return f"{edge.account}, health {edge.health:.3f}, can {', '.join(can) or 'do nothing'}"


def _table(title: str, *columns: str, right: int = 99) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, title_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index >= right else "left")
    return table


def _changes(results: Results, console: Console) -> None:
    columns = ("bar (UTC)", "price", "average", "volatility", "borrow_ltv", "level", "now",
               "latched", "nearest account")  # fmt: skip
    table = _table("Bars at which level or reasons changed", *columns)
    found = []
    last: object = None
    for row in results.rows:
        state = (row.level, row.now, tuple(row.latched))
        if state != last:
            found.append(row)
        last = state
    for row in found[:LONGEST]:
        table.add_row(
            moment(row.time),
            "none" if row.price is None else price(row.price),
            price(row.average),
            f"{100 * row.volatility:.2f} %",
            f"{100 * row.borrow_ltv:.1f} %",
            LEVELS[row.level],
            row.now,
            ", ".join(row.latched),
            _edge(row),
        )
    console.print(table)
    if len(found) > LONGEST:
        console.print(f"and {len(found) - LONGEST} more: see --plain, --json or --output")
    console.print()


def summary(results: Results, console: Console) -> None:
    """Trips, waits, what was possible, accounts."""
    _trips(results, console)
    _moves(results, console)
    _possible(results, console)
    _accounts(results, console)
    console.print(
        f"{len(results.rows):,} bars, {results.prints:,} prints, {results.pokes:,} pokes,"
        f" {results.seconds:.1f} s"
    )


def _trips(results: Results, console: Console) -> None:
    table = _table("Trips", "reason", "trips", "false", "held for", right=1)
    for reason, row in results.by_reason().items():
        false = "not judged" if row["false"] is None else str(row["false"])
        table.add_row(reason, str(row["trips"]), false, _hours(row["seconds"] or 0))
    if results.trips:
        console.print(table)
    else:
        console.print("[bold]Trips[/bold]: none")
    levels = ", ".join(f"{name} {_hours(seconds)}" for name, seconds in results.held.items())
    console.print(f"levels, latched or not: {levels}")
    console.print()


def _hours(seconds: int) -> str:
    return f"{seconds / HOUR:.1f} h" if seconds >= HOUR else f"{seconds / 60:.0f} min"


def _moves(results: Results, console: Console) -> None:
    bad = f"{100 * results.bad:g} %"
    if not results.bad_moves:
        console.print(
            f"[bold]Bad moves[/bold]: no print is more than {bad} away from the hour before"
        )
        console.print()
        return
    columns = ("first print (UTC)", "source", "away", "prints", "to CAUTION")
    title = f"Bad moves: prints more than {bad} away from the hour before"
    table = _table(title, *columns, right=2)
    for move in results.bad_moves[:LONGEST]:
        wait = "never" if move.wait is None else f"{move.wait:,} s"
        start = f"{moment(move.start)}:{move.start % 60:02d}"
        table.add_row(start, move.source, f"{100 * move.move:.1f} %", f"{move.prints:,}", wait)
    console.print(table)
    if len(results.bad_moves) > LONGEST:
        console.print(f"and {len(results.bad_moves) - LONGEST} more: see --json")
    console.print()


def _possible(results: Results, console: Console) -> None:
    phases = list(results.possible)
    if not phases:
        return
    table = _table("What stayed possible: passed / tried", "", *phases, right=1)
    for action in ACTIONS:
        cells = []
        for phase in phases:
            passed, tried = results.possible[phase].get(action, (0, 0))
            cells.append(f"{passed:,} / {tried:,}" if tried else "")
        table.add_row(action, *cells)
    console.print(table)
    console.print()


def _accounts(results: Results, console: Console) -> None:
    title = f"Accounts liquidated: {results.liquidated} of {len(results.accounts)}"
    if not results.liquidated:
        console.print(f"[bold]{title}[/bold]")
        console.print()
        return
    table = _table(title + " (USD at the price of the time)", "account, health at the start",
                   "slices", "first (UTC)", "repaid", "seized", "unpaid", right=1)  # fmt: skip
    for one in results.accounts:
        if one.first is not None:
            table.add_row(
                one.account,
                str(one.liquidations),
                moment(one.first),
                *[f"{value:,.0f}" for value in (one.repaid, one.seized, one.unpaid)],
            )
    console.print(table)
    console.print()
