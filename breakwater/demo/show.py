"""A run on the terminal: the line while it goes on, and the tables afterwards."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from breakwater.demo.results import LEVELS, BreakerRecord, Results

if TYPE_CHECKING:
    from breakwater.demo.simulation import Simulation


def moment(timestamp: int, *, seconds: bool = False) -> str:
    """A time of the price file, in UTC."""
    form = "%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M"
    return datetime.fromtimestamp(timestamp, UTC).strftime(form)


def short(timestamp: int) -> str:
    """The same without the year."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%m-%d %H:%M")


def price(value: float) -> str:
    """A price with about six digits."""
    if value >= 1_000:
        return f"{value:,.0f}"
    return f"{value:,.2f}" if value >= 1 else f"{value:.6g}"


def amount(value: float) -> str:
    """Whole tokens or USD."""
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 1 or value == 0 else f"{value:,.4f}"


def live(simulation: Simulation) -> str:
    """Price, the weakest accounts, the highest level: one line."""
    env = simulation.env
    prices = " ".join(
        f"{symbol} {price(simulation.market.prices[symbol])}"
        for symbol in simulation.stage.priced
        if symbol != "USDC"
    )
    weak = sorted(value for value in env.health if value != float("inf"))[:3]
    health = " ".join(f"{value:.3f}" for value in weak) or "no debt"
    level = LEVELS[max(env.levels.values(), default=0)]
    done = len(simulation.results.liquidations)
    return f"{short(env.now)}  {prices}  weakest {health}  {level}  liquidations {done}"


def tables(results: Results, console: Console) -> None:
    """Everything that was found."""
    _vaults(results, console)
    _liquidations(results, console)
    _breaker(results, console)
    _promises(results, console)


def _table(title: str, *columns: str, right: int = 1) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, title_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index >= right else "left")
    return table


def _vaults(results: Results, console: Console) -> None:
    if not results.bars:
        return
    columns = ("vault", "cash", "debt", "claims", "utilization", "loss", "of it the fund's")
    table = _table("Vaults at the end (whole tokens)", *columns)
    for symbol, row in results.bars[-1].vaults.items():
        fund = results.losses.get(symbol, {}).get("fund", 0.0)
        table.add_row(
            symbol,
            amount(row.cash),
            amount(row.debt),
            amount(row.claims),
            f"{100 * row.utilization:.1f} %",
            amount(row.loss),
            amount(fund),
        )
    console.print(table)
    console.print()


def _liquidations(results: Results, console: Console) -> None:
    totals = results.liquidation_totals()
    columns = ("debt / collateral", "count", "repaid", "seized", "incentive", "loss")
    table = _table("Liquidations (USD at the market's price)", *columns)
    pairs: dict[str, list[float]] = {}
    for item in results.liquidations:
        row = pairs.setdefault(f"{item.debt} / {item.collateral}", [0.0] * 5)
        for index, value in enumerate(
            (1, item.repaid, item.seized, item.seized - item.repaid, item.loss)
        ):
            row[index] += value
    for pair, row in sorted(pairs.items()):
        table.add_row(pair, f"{row[0]:.0f}", *[amount(value) for value in row[1:]])
    if len(pairs) != 1:
        table.add_row(
            f"all, {totals['accounts']:.0f} accounts",
            f"{totals['count']:.0f}",
            amount(totals["repaid_usd"]),
            amount(totals["seized_usd"]),
            amount(totals["incentive_usd"]),
            amount(totals["loss_usd"]),
            style="bold",
        )
    console.print(table)
    console.print(
        f"bad debt {results.bad_debt_bps:.2f} bps of the debt at its peak,"
        f" {amount(results.peak_debt_usd)} USD"
    )
    console.print()


def _breaker(results: Results, console: Console) -> None:
    table = _table(
        "Breaker (latched, from first trip to reset, UTC)",
        *("asset", "reason", "level", "from", "until", "trips"),
        right=5,
    )
    found = episodes(results.breaker)
    for episode in found[:LONGEST]:
        table.add_row(
            episode.asset,
            episode.reason,
            LEVELS[episode.level],
            short(episode.start),
            "" if episode.until is None else short(episode.until),
            str(episode.trips),
        )
    if found:
        console.print(table)
    else:
        console.print("[bold]Breaker[/bold]: never tripped")
    if len(found) > LONGEST:
        console.print(f"and {len(found) - LONGEST} more: see --json")
    console.print()


LONGEST = 12
"""Rows of the breaker's history on the terminal."""


class Episode:
    """Trips of one asset and reason that followed each other before the latch expired."""

    def __init__(self, record: BreakerRecord) -> None:
        self.asset, self.reason, self.level = record.asset, record.reason, record.level
        self.start, self.until, self.trips = record.time, record.until, 1


def episodes(records: list[BreakerRecord]) -> list[Episode]:
    """The history, extensions of a latch taken together, in order of their start."""
    found: list[Episode] = []
    latest: dict[tuple[str, str], Episode] = {}
    for record in records:
        if record.event != "trip":
            continue
        key = (record.asset, record.reason)
        last = latest.get(key)
        if last is not None and last.until is not None and record.time <= last.until:
            last.until = record.until
            last.level = max(last.level, record.level)
            last.trips += 1
        else:
            latest[key] = Episode(record)
            found.append(latest[key])
    return found


def _promises(results: Results, console: Console) -> None:
    table = _table("Promises", "id", "checks", "", "sentence", right=1)
    table.columns[2].justify = "left"
    table.columns[3].justify = "left"
    for tally in results.ledger.judged:
        verdict = "[green]held[/green]" if tally.held else "[red]BROKEN[/red]"
        table.add_row(tally.promise.id, f"{tally.checks:,}", verdict, tally.promise.sentence)
    console.print(table)
    for tally in results.ledger.judged:
        for violation in tally.violations[:3]:
            console.print(f"[red]{violation}[/red]", highlight=False)
        if len(tally.violations) > 3:
            console.print(f"[red]and {len(tally.violations) - 3} more of {tally.promise.id}[/red]")
