"""Search for calls that break a promise, on one machine or a cluster."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from breakwater import artifacts, folders
from breakwater.cli import INTERRUPTED
from breakwater.errors import UserError

if TYPE_CHECKING:
    from breakwater.fuzz.campaign import Settings, Totals

COVERAGE = artifacts.ROOT / ".build" / "coverage" / "fuzz.json"
"""Where `breakwater coverage` looks; campaigns add to it."""

_PLAIN_EVERY = 5.0
_DEFAULT_SECONDS = 60.0


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    help="How long to search.  [default: 60, unless --calls is given]",
)
@click.option("--calls", type=click.IntRange(1), help="How many calls to make, in all processes.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option(
    "--jobs", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes."
)
@click.option("--profile", default="default", show_default=True, help="Market to search in.")
@click.option(
    "--corpus",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of sequences worth going on from.  [default: .build/fuzz/corpus]",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("broken"),
    show_default=True,
    help="Folder of counterexamples.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
@click.option(
    "--ray",
    "address",
    metavar="ADDRESS",
    help='Search on a Ray cluster, --jobs workers; "local" starts one here.',
)
@click.option("--plain", is_flag=True, help="Lines instead of a live display.")
@click.option(
    "--coverage/--no-coverage",
    default=True,
    show_default=True,
    help="Search on code that tells which edges it passed.",
)
@click.option(
    "--anvil/--no-anvil", default=True, show_default=True, help="Replay findings on anvil."
)
@click.option("--planted", metavar="BUG", help="Search in code with a bug of tests/planted/.")
def command(
    seconds: float | None,
    calls: int | None,
    seed: int,
    jobs: int,
    profile: str,
    corpus: Path | None,
    output: Path,
    as_json: bool,
    address: str | None,
    plain: bool,
    coverage: bool,
    anvil: bool,
    planted: str | None,
) -> None:
    """Search for sequences of calls that break a promise.

    Sequences are made anew or go on from the corpus, run on the bytecode in process, and every
    promise is judged after every call that succeeds. What breaks one is shrunk, replayed on the
    plain build with the reference model beside it and on anvil, and written to a file that
    `breakwater replay` plays. What ran of the sources is shown by `breakwater coverage`. Ctrl-C
    ends the search and keeps what was found.

    Exit code 1 when a promise broke, when a call succeeded that never may, or when after 20,000
    calls some action has never succeeded. The same seed, --calls, one job and an empty corpus give
    the same result.
    """
    if seconds is None and calls is None:
        seconds = _DEFAULT_SECONDS
    if seconds is not None and not math.isfinite(seconds):
        raise click.BadParameter(f"{seconds} is no number of seconds", param_hint="--seconds")
    from breakwater.fuzz import native
    from breakwater.fuzz.profiles import PROFILES

    if profile not in PROFILES:  # before minutes of compiling
        raise UserError(f"there is no profile {profile}: {', '.join(PROFILES)}")
    native.use()
    from breakwater.fuzz import campaign

    if coverage and planted is None:
        folders.check(COVERAGE.parent)
    settings = campaign.Settings(
        profile=profile,
        seed=seed,
        seconds=seconds,
        calls=calls,
        jobs=jobs,
        corpus=(corpus or campaign.Settings().corpus or Path()).absolute(),
        output=output,
        planted=planted,
        coverage=coverage,
        anvil=anvil,
    )
    console = Console(highlight=False, stderr=as_json)
    totals = _run(settings, address, console, plain or not console.is_terminal, as_json)
    if as_json:
        click.echo(json.dumps(totals.as_json(), indent=1))
    else:
        _summary(console, totals)
    seen = totals.coverage()
    if seen is not None:
        try:
            seen.add_to(COVERAGE)
        except (OSError, UserError) as error:
            click.echo(f"the coverage could not be added to {COVERAGE}: {error}", err=True)
    if totals.failed:
        sys.exit(1)
    if totals.interrupted:
        sys.exit(INTERRUPTED)


def _run(
    settings: Settings, address: str | None, console: Console, plain: bool, quiet: bool
) -> Totals:
    from breakwater.fuzz import campaign

    def run(show: campaign.Show) -> Totals:
        if address is None:
            return campaign.run(settings, show)
        from breakwater.fuzz import cluster

        return cluster.run(settings, address, show)

    if plain:
        said = (time.monotonic(), "")

        def say(totals: Totals) -> None:
            nonlocal said
            if quiet:
                return
            if time.monotonic() - said[0] > _PLAIN_EVERY or totals.checking != said[1]:
                said = time.monotonic(), totals.checking
                console.print(totals.checking or _line(totals), markup=False, soft_wrap=True)

        return run(say)
    with Live(Text("compiling"), console=console, refresh_per_second=4, transient=True) as live:
        return run(lambda totals: live.update(_display(totals)))


# ------------------------------------------------------------ what is shown


def _line(totals: Totals) -> str:
    edges = f"{len(totals.edges):,}/{totals.edges_total:,} edges" if totals.edges_total else ""
    parts = [
        f"{totals.seconds:6.1f} s",
        f"{totals.calls:,} calls",
        f"{totals.calls / max(totals.seconds, 1e-9):,.0f} a second",
        f"{100 * totals.succeeded / max(totals.calls, 1):.0f} % succeed",
        edges,
        f"{totals.corpus:,} in the corpus",
        f"{len(totals.broken)} broken" if totals.broken else "",
    ]
    return ", ".join(part for part in parts if part)


def _display(totals: Totals) -> Group:
    table = Table("promise", "nearest", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    near, exact = _nearest(totals)
    for promise, slack in near:
        table.add_row(promise, _slack(slack))
    if exact:
        table.add_row(", ".join(exact), "exact")
    parts: list[Text | Table] = [Text(_line(totals), "bold"), table]
    parts += [
        Text(f"{found.promise} broken: {found.actual}", "red") for found in totals.broken.values()
    ]
    if totals.checking:
        parts.append(Text(totals.checking, "dim"))
    return Group(*parts)


def _nearest(totals: Totals) -> tuple[list[tuple[str, float]], list[str]]:
    """Promises with how near to their edge the calls came, and those of which that says nothing."""
    from breakwater.fuzz.campaign import EXACT

    near = [(promise, slack) for promise, slack in totals.slack.items() if promise not in EXACT]
    exact = sorted(EXACT & totals.slack.keys(), key=lambda one: int(one.rpartition("-")[2]))
    return sorted(near, key=lambda item: (item[1], item[0])), exact


def _slack(value: float) -> str:
    if value == 0:
        return "at its edge"
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"


def _summary(console: Console, totals: Totals) -> None:
    from breakwater.fuzz import campaign

    if totals.interrupted:
        console.print("interrupted: what follows is what was found until then")
    table = Table(
        "action", "calls", "ok", "refused", "most often because", box=None, pad_edge=False
    )
    for column in table.columns[1:4]:
        column.justify = "right"
    for action, outcomes in sorted(totals.actions.items()):
        count, ok = sum(outcomes.values()), outcomes.get("ok", 0)
        refused = sorted(
            ((number, reason) for reason, number in outcomes.items() if reason != "ok"),
            reverse=True,
        )
        why = ", ".join(f"{reason or 'no reason'} {number:,}" for number, reason in refused[:3])
        table.add_row(action, f"{count:,}", f"{ok:,}", f"{count - ok:,}", Text(why))
    console.print(table)
    console.print()
    near, exact = _nearest(totals)
    said = ", ".join(f"{promise} {_slack(slack)}" for promise, slack in near)
    if said:
        console.print(f"nearest to an edge: {said}", markup=False)
    if exact:
        console.print(f"exact: {', '.join(exact)}", markup=False)
    console.print(_line(totals), markup=False)
    folder = totals.settings.output
    for name, found in sorted(totals.broken.items()):
        console.print()
        console.print(f"[red]{found.promise} broken[/red] in {len(found.steps)} steps: ", end="")
        console.print(found.actual, markup=False, soft_wrap=True)
        where = ", ".join(f"{place}: {said}" for place, said in found.checked.items())
        console.print(f"  {where}", markup=False, soft_wrap=True)
        if name in totals.unsaved:
            console.print("  not written: its text is on stderr", markup=False)
        else:
            console.print(f"  breakwater replay {folder / name}", markup=False, soft_wrap=True)
    for name, found in sorted(totals.unconfirmed.items()):
        path = folder / campaign.UNCONFIRMED / name
        console.print(f"[yellow]not seen again:[/yellow] {found.promise} in {path}", soft_wrap=True)
    if totals.never_succeeded:
        console.print(f"[red]never succeeded:[/red] {', '.join(totals.never_succeeded)}")
    for action, count in totals.wrongly_succeeded.items():
        console.print(
            f"[red]{action} succeeded[/red] in {count:,} calls: it must be refused in every state",
            soft_wrap=True,
        )
    if not totals.failed:
        console.print("no promise broke")
