"""Gas of every operation on anvil, beside budgets and peers."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from breakwater import artifacts

if TYPE_CHECKING:
    from benchmarks.gas import Measurement

SNAPSHOT = artifacts.ROOT / "snapshots" / "gas.json"


@click.command()
@click.option("--check", is_flag=True, help="Compare with snapshots/gas.json; fail on a change.")
@click.option("--breakdown", is_flag=True, help="Show what each call of an operation spends.")
def command(check: bool, breakdown: bool) -> None:
    """Measure the gas of every operation on an anvil of its own.

    Whole transactions, OpenZeppelin's tokens, constant feeds, one hour of interest to accrue,
    repeated use; see benchmarks/gas.py. Writes snapshots/gas.json, unless --check is given.
    """
    sys.path.insert(0, str(artifacts.ROOT))
    from benchmarks import gas
    from benchmarks.node import anvil

    console = Console(width=max(110, Console().width))
    with console.status("compiling") as status:
        artifacts.compile_all()
        status.update("measuring")
        with anvil(steps=breakdown) as host:
            found = gas.measure(host, breakdown, lambda name: status.update(f"measured {name}"))
    before: dict[str, int] = json.loads(SNAPSHOT.read_text()) if SNAPSHOT.is_file() else {}
    now = {name: measurement.gas for name, measurement in found.items()}

    table = Table("gas", box=None, pad_edge=False)
    for column in (
        *("ours", "change", "budget", "difference"),
        *("Morpho Blue", "Comet", "Aave v3.7", "Euler v2"),
    ):
        table.add_column(column, justify="right")
    for operation in gas.OPERATIONS:
        ours = now[operation.name]
        change = ours - before[operation.name] if operation.name in before else None
        over = ours - operation.budget
        peers = (operation.morpho, operation.comet, operation.aave, operation.euler)
        table.add_row(
            operation.title,
            f"{ours:,}",
            "new" if change is None else f"{change:+,}" if change else "",
            f"{operation.budget:,}",
            f"[red]{over:+,}[/red]" if over > 0 else f"[green]{over:+,}[/green]",
            *("-" if peer is None else f"{peer:,}" for peer in peers),
        )
    console.print(table)
    console.print("Peers were measured on the same terms; Comet's liquidation is two transactions.")
    if breakdown:
        for operation in gas.OPERATIONS:
            console.print()
            console.print(_breakdown(operation.title, found[operation.name]))
    if not check:
        SNAPSHOT.parent.mkdir(exist_ok=True)
        SNAPSHOT.write_text(json.dumps(now, indent=2) + "\n")
        console.print(f"wrote {SNAPSHOT.relative_to(artifacts.ROOT)}")
    elif now != before:
        changed = ", ".join(name for name in now if now[name] != before.get(name))
        raise click.ClickException(
            f"gas changed: {changed}. `breakwater bench` writes the new figures."
        )


def _breakdown(title: str, measurement: Measurement) -> Table:
    table = Table(title, box=None, pad_edge=False)
    for column in ("gas", "loads", "stores", "locks", "logs", "calls", "logic"):
        table.add_column(column, justify="right")
    for frame in measurement.frames:
        call = f"{'  ' * frame.depth}{frame.contract} {frame.function}"
        parts = (frame.loads, frame.stores, frame.locks, frame.logs, frame.calls, frame.logic)
        shown = parts if frame.depth else ()
        table.add_row(call, f"{frame.gas:,}", *(f"{part:,}" if part else "" for part in shown))
    table.add_row("in all", f"{measurement.gas:,}")
    return table
