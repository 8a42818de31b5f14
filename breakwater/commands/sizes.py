"""Runtime size of every contract, against the limit."""

from __future__ import annotations

import json

import click
from rich.console import Console
from rich.table import Table

from breakwater import artifacts


@click.command()
@click.option("--update", is_flag=True, help="Write snapshots/sizes.json.")
def command(update: bool) -> None:
    """Show the runtime size of every contract, immutables included.

    Fails when one that is not a mock is above the project's own budget of 22,500 bytes.
    """
    console = Console()
    with console.status("compiling"):
        found = artifacts.compile_all()
    if not found:
        console.print("no contracts yet")
        return
    snapshot = artifacts.ROOT / "snapshots" / "sizes.json"
    before: dict[str, int] = json.loads(snapshot.read_text()) if snapshot.is_file() else {}
    table = Table("contract", "kind", box=None, pad_edge=False)
    for column in ("bytes", "of limit", "change"):
        table.add_column(column, justify="right")
    too_big = []
    for name, artifact in sorted(found.items(), key=lambda item: (item[1].is_mock, -item[1].size)):
        over = artifact.size > artifacts.SIZE_BUDGET
        if over and not artifact.is_mock:
            too_big.append(name)
        change = artifact.size - before[name] if name in before else None
        table.add_row(
            name,
            "mock" if artifact.is_mock else "",
            f"[red]{artifact.size:,}[/red]" if over else f"{artifact.size:,}",
            f"{100 * artifact.size / artifacts.SIZE_LIMIT:.1f} %",
            "new" if change is None else f"{change:+,}" if change else "",
        )
    console.print(table)
    if update:
        snapshot.parent.mkdir(exist_ok=True)
        sizes = {name: found[name].size for name in sorted(found)}
        snapshot.write_text(json.dumps(sizes, indent=2) + "\n")
        console.print(f"wrote {snapshot.relative_to(artifacts.ROOT)}")
    if too_big:
        raise click.ClickException(
            f"above {artifacts.SIZE_BUDGET:,} bytes: {', '.join(sorted(too_big))}"
        )
