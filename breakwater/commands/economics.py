"""Past crashes under our liquidation and under that of Aave, Morpho and Comet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from breakwater import artifacts, folders, markets

if TYPE_CHECKING:
    from breakwater.economics.crashes import Crash
    from breakwater.economics.run import Settings

INTERRUPTED = 130

OPTIONS = (
    click.option("--depth", type=click.FloatRange(0.0001, 100), metavar="PART",
                 help="What a pool takes while its price falls by 1 %, as a part of the debt that"
                      " its asset secures.  [default: 0.02]"),
    click.option("--capital", type=click.FloatRange(0.0001, 100), metavar="PART",
                 help="Of all liquidators, as a part of all debt.  [default: 0.1]"),
    click.option("--latency", type=click.IntRange(0, 86_400), metavar="SECONDS",
                 help="From a health below 1 to a liquidator's first attempt.  [default: 300]"),
    click.option("--gas", type=click.FloatRange(0, 1_000_000), metavar="USD",
                 help="What a liquidation costs.  [default: 20]"),
)  # fmt: skip
"""How the world outside is, for this command and for `demo --population`."""


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add OPTIONS to a command."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--crash", "chosen", multiple=True, metavar="NAME",
              help="Only this crash. Repeatable.  [default: all in the folder]")  # fmt: skip
@click.option("--mechanism", "mechanisms", multiple=True, metavar="NAME",
              help="Only this way of liquidation. Repeatable; ? lists them.  [default: ours with"
                   " breakers on and off, aave, morpho, comet]")  # fmt: skip
@click.option("--population", type=click.IntRange(1, 5_000), default=300, show_default=True)
@click.option("--liquidators", type=click.IntRange(1, 100), default=5, show_default=True)
@options
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--market", "market_file", type=click.Path(path_type=Path),
              help="Market file.  [default: markets/devnet.yaml]")  # fmt: skip
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path),
              help="Write figures.")  # fmt: skip
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Write an SVG.")
@click.option("--markdown", is_flag=True, help="Print a markdown table.")
def command(
    folder: Path,
    chosen: tuple[str, ...],
    mechanisms: tuple[str, ...],
    market_file: Path | None,
    json_file: Path | None,
    picture: Path | None,
    markdown: bool,
    **world: Any,
) -> None:
    """Bad debt, and what borrowers pay, in every crash that FOLDER has prices of.

    The contracts are the real ones, in process. Borrowers, prices, liquidators and pools are the
    same for every mechanism; the same seed gives the same figures. Files are named
    EVENT__BASE-QUOTE__SOURCE__RESOLUTION.csv. Ctrl-C keeps what is done.
    """
    from breakwater.economics import crashes
    from breakwater.economics.mechanisms import ALL

    if "?" in mechanisms:
        for one in ALL.values():
            click.echo(f"{one.name:16} {one.title}")
        return
    known = crashes.names(folder)
    if not known:
        click.echo(f"{folder} has no prices of a crash: nothing to do", err=True)
        return
    for name in chosen:
        if name not in known:
            raise click.BadParameter(
                f"{name}: {folder} has {', '.join(known)}", param_hint="--crash"
            )
    market = markets.load(market_file or markets.DEFAULT)
    found = (crashes.read(folder, name, market) for name in chosen or known)
    compare(found, mechanisms, settings_of(world), json_file, picture, markdown)


def settings_of(world: dict[str, Any]) -> Settings:
    """The settings of a run; what was not given is as it is by default."""
    from breakwater.economics.run import Settings

    return Settings(**{name: value for name, value in world.items() if value is not None})


def compare(
    found: Iterator[Crash],
    names: tuple[str, ...],
    settings: Settings,
    json_file: Path | None,
    picture: Path | None,
    markdown: bool,
) -> None:
    """Run, print and write; ends with code 130 after Ctrl-C."""
    from breakwater.economics import mechanisms, results, show

    for name in names:
        if name not in mechanisms.ALL:
            known = ", ".join(mechanisms.ALL)
            raise click.BadParameter(f"{name}: there are {known}", param_hint="--mechanism")
    for path in (json_file, picture):
        if path is not None:
            folders.check(path.parent)
    compared = [mechanisms.ALL[name] for name in names] or list(mechanisms.COMPARED)
    artifacts.compile_all()
    console = Console(highlight=False, stderr=markdown, width=None if sys.stdout.isatty() else 200)
    done, interrupted = show.runs(found, compared, settings, console)
    if interrupted:
        console.print("interrupted: what follows is what was done until then")
    if markdown:
        click.echo(results.markdown(results.HEAD, results.rows(done)))
    else:
        show.table(done, console)
    show.save(done, json_file, picture)
    if interrupted:
        sys.exit(INTERRUPTED)
