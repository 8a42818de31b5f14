"""Runs one after the other, with progress on a terminal, and what came of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from breakwater.economics import picture
from breakwater.economics.crashes import Crash
from breakwater.economics.mechanisms import Mechanism
from breakwater.economics.results import HEAD, Result, rows
from breakwater.economics.run import Run, Settings
from breakwater.errors import UserError


def runs(
    crashes: Iterable[Crash], compared: Sequence[Mechanism], settings: Settings, console: Console
) -> tuple[list[Result], bool]:
    """Every crash under every mechanism, and whether Ctrl-C ended it: what is done is kept."""
    found: list[Result] = []
    try:
        for one in _each(crashes, compared, settings, console):
            found.append(one)
    except KeyboardInterrupt:
        return found, True
    return found, False


def _each(
    crashes: Iterable[Crash], compared: Sequence[Mechanism], settings: Settings, console: Console
) -> Iterator[Result]:
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal,
    ) as progress:  # fmt: skip
        for crash in crashes:
            for mechanism in compared:
                task = progress.add_task(f"{crash.name}: {mechanism.title}", total=None)

                def move(done: int, total: int, task=task) -> None:  # type: ignore[no-untyped-def]
                    progress.update(task, completed=done, total=total)

                result = Run(crash, mechanism, settings).run(move)
                progress.remove_task(task)
                if not console.is_terminal:
                    console.print(
                        f"{crash.name}: {mechanism.title}: bad debt"
                        f" {result.bps(result.bad_debt):.1f} bps, {result.seconds:.0f} s"
                    )
                yield result


def table(results: Sequence[Result], console: Console) -> None:
    """All figures, and what the assets' classes left unpaid."""
    found = Table(title="Basis points of the debt at the start", title_justify="left", box=None,
                  pad_edge=False, title_style="bold")  # fmt: skip
    for index, column in enumerate(HEAD):
        found.add_column(column, justify="left" if index < 2 else "right")
    before = ""
    for row in rows(results):
        found.add_row("" if row[0] == before else row[0], *row[1:])
        before = row[0]
    console.print(found)


def save(results: Sequence[Result], json_file: Path | None, svg_file: Path | None) -> None:
    """Write the files that were asked for."""
    try:
        if json_file is not None:
            json_file.parent.mkdir(parents=True, exist_ok=True)
            figures = [one.as_json() for one in results]
            json_file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        if svg_file is not None and results:
            svg_file.parent.mkdir(parents=True, exist_ok=True)
            svg_file.write_text(picture.svg(results), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{error.filename} cannot be written: {error.strerror}") from None
