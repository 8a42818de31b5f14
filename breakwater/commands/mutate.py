"""Mutation testing: which changes of the contracts no promise and no test notices."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from breakwater import artifacts
from breakwater.errors import UserError

if TYPE_CHECKING:
    from breakwater.mutation.mutants import Mutant
    from breakwater.mutation.run import Result

RESULTS = artifacts.ROOT / ".build" / "mutation" / "results.jsonl"


@click.command()
@click.option("--only", multiple=True, metavar="CONTRACT", help="A contract or module, by name.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes.")
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Only N, from every file.")
@click.option("--seed", default=1, show_default=True, help="Of the sample and of the sequences.")
@click.option("--tests/--no-tests", default=True, help="Ask the unit tests too.")
@click.option("--list", "listing", is_flag=True, help="List the mutants and run none.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--fresh", is_flag=True, help="Forget what earlier runs found; with --only, of these sources."
)
@click.option(
    "--sequences", default=240, show_default=True, type=click.IntRange(1), help="Of the tape."
)
def command(
    only: tuple[str, ...],
    jobs: int,
    sample: int | None,
    seed: int,
    tests: bool,
    listing: bool,
    as_json: bool,
    fresh: bool,
    sequences: int,
) -> None:
    """Change the contracts in small ways and see what notices.

    Every mutant is played on prepared sequences, whose outcomes on the sound code are known, and
    what they do not notice is given to the unit tests that reach it. Results are kept in
    .build/mutation/results.jsonl; Ctrl-C loses nothing, the next run goes on from there.
    """
    from breakwater.mutation import report, run, unit_tests

    console = Console(stderr=as_json, width=max(110, Console().width))
    root = artifacts.ROOT
    kept = _files(root, only)
    with console.status("compiling"):
        artifacts.compile_all()
        builder = run.Builder(root)
        every = builder.mutants()
    ignored = report.read_ignored(root / report.IGNORED, every)
    chosen = every
    if kept:
        chosen = [mutant for mutant in every if mutant.file in kept]
    whole = len(chosen)
    if sample is not None:
        chosen = run.sample(chosen, sample, seed)
    if listing:
        _list(chosen, as_json)
        return
    left_out = [mutant for mutant in chosen if mutant.id in ignored]
    chosen = [mutant for mutant in chosen if mutant.id not in ignored]

    store = run.Store(RESULTS)
    if fresh:
        _forget(RESULTS, kept)
    with console.status("drawing sequences") as status:
        tape = run.tape_of(
            root, sequences, seed, lambda count: status.update(f"drew {count} of {sequences}")
        )
        tape.prove()
    reach = None
    if tests:
        source = run.ground_of(root, None, None)["source"]
        with console.status("surveying the tests") as status:
            reach = unit_tests.survey(root, source, lambda text: status.update(f"tests: {text}"))
    found: list[run.Result] = []
    begin = time.monotonic()
    stopped = False
    options: dict[str, Any] = {"builder": builder, "tape": tape, "reach": reach, "jobs": jobs}
    try:
        with console.status("") as status:
            for result in run.run(root, chosen, store=store, **options):
                found.append(result)
                status.update(_progress(found, len(chosen), time.monotonic() - begin))
    except KeyboardInterrupt:
        stopped = True
        console.print("stopped; the next run goes on from here")
    data = report.summary(found, len(left_out), whole, time.monotonic() - begin)
    if as_json:
        click.echo(json.dumps(data, indent=2))
    else:
        report.show(console, found, data)
    if stopped:
        raise SystemExit(130)


def _files(root: Path, only: tuple[str, ...]) -> set[str]:
    """Sources by the names of contracts and modules. UserError for a name that is none."""
    folder = root / "contracts"
    found = {
        path.stem: path.relative_to(root).as_posix()
        for path in folder.rglob("*.vy")
        if path.relative_to(folder).parts[0] != "mocks"
    }
    for name in only:
        if not name:
            raise UserError(f"--only needs a name: {', '.join(sorted(found))}")
        if name not in found:
            raise UserError(f"there is no contract {name}: {', '.join(sorted(found))}")
    return {found[name] for name in only}


def _forget(path: Path, files: set[str]) -> None:
    """Drop the results of some sources; of all where none is named."""
    if not files:
        path.unlink(missing_ok=True)
        return
    if not path.is_file():
        return
    rest = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            gone = json.loads(line)["mutant"]["file"] in files
        except (ValueError, KeyError, TypeError):
            gone = True  # a line that was cut off when a run was stopped
        if not gone:
            rest.append(line + "\n")
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text("".join(rest), encoding="utf-8")
    os.replace(part, path)


def _list(mutants: list[Mutant], as_json: bool) -> None:
    if as_json:
        rows = [{"id": one.id, **one.__dict__} for one in mutants]
        click.echo(json.dumps(rows, indent=1))
        return
    for mutant in mutants:
        click.echo(f"{mutant.id} {mutant.title}")
    kinds = Counter(mutant.kind for mutant in mutants)
    click.echo(f"{len(mutants):,}: " + ", ".join(f"{n} {kind}" for kind, n in kinds.most_common()))


def _progress(found: list[Result], count: int, seconds: float) -> str:
    counts = Counter(result.status for result in found)
    speed = 60 * len(found) / max(seconds, 0.001)
    return (
        f"{len(found):,} of {count:,} mutants, {speed:,.0f} a minute: "
        f"{counts['killed']:,} killed, {counts['survived']:,} survived, "
        f"{counts['failed']:,} failed, {counts['equivalent']:,} equivalent, "
        f"{counts['no code']:,} do not compile"
    )
