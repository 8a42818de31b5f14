"""Lines and branches of the Vyper sources that tests or campaigns ran."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
from rich.console import Console

from breakwater import artifacts, folders
from breakwater.coverage.host import Coverage, NotCoverage
from breakwater.coverage.report import measure, table, write_html
from breakwater.errors import UserError


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--html",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write pages over the sources.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
@click.option(
    "--pytest",
    "run_tests",
    is_flag=True,
    help="Run pytest with the arguments that follow, and show what it covers.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[FILES | PYTEST ARGS]...")
def command(
    folder: Path | None, as_json: bool, run_tests: bool, arguments: tuple[str, ...]
) -> None:
    """Show which lines and branches of the Vyper sources ran.

    Reads FILES, or everything that was saved in .build/coverage. `--pytest tests/unit -q` runs
    tests first (options of this command come before it). Any other program saves what it runs with
    BREAKWATER_COVERAGE=FILE in its environment.
    """
    if folder is not None:
        folders.check(folder)
    failed = 0
    if run_tests:
        path = artifacts.ROOT / ".build" / "coverage" / "tests.json"
        folders.check(path.parent)
        path.unlink(missing_ok=True)
        failed = _run_tests(arguments, path, as_json)
        if not path.is_file():
            raise UserError("pytest ran no contract on the chain in process")
        coverage = Coverage.load(path)
    else:
        coverage = _load(arguments)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    with Console(stderr=True).status("compiling"):
        report = measure(coverage)
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=1))
    else:
        console.print(table(report, console.width))
    if report.changed or report.left_out:
        names = ", ".join([*report.changed, *report.left_out])
        click.echo(
            f"warning: changed since what is shown ran: {names}. What ran of the older sources does"
            " not count, so their lines show as missing: run it again.",
            err=True,
        )
    if folder is not None:
        try:
            index = write_html(report, folder)
        except OSError as problem:
            raise UserError(f"cannot write into {folder}: {problem.strerror}") from None
        if not as_json:
            console.print(f"pages in {index}", soft_wrap=True)
    if failed:
        sys.exit(failed)


def _load(arguments: tuple[str, ...]) -> Coverage:
    """The files that are named as one; else all that were saved, but for what is no coverage."""
    for argument in arguments:
        if argument.startswith("-"):
            raise click.NoSuchOption(argument)
    saved = sorted((artifacts.ROOT / ".build" / "coverage").glob("*.json"))
    found = Coverage()
    for path in map(Path, arguments) if arguments else saved:
        try:
            found.merge(Coverage.load(path))
        except NotCoverage as problem:
            if arguments:
                raise
            click.echo(f"left out: {problem}", err=True)
    if not arguments and not len(found):
        raise UserError(
            "nothing was saved in .build/coverage: run with --pytest tests, or a campaign"
        )
    return found


def _run_tests(arguments: tuple[str, ...], path: Path, quiet: bool) -> int:
    """Run pytest on instrumented contracts; its exit code."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        env={**os.environ, "BREAKWATER_COVERAGE": str(path)},
        stdout=sys.stderr if quiet else None,
        check=False,
    ).returncode
