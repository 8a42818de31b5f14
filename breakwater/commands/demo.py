"""A crash replayed on the whole protocol: agents, breakers, losses, and every promise judged."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from breakwater import artifacts, markets
from breakwater.commands import economics
from breakwater.demo import show
from breakwater.demo.report import write as write_report
from breakwater.demo.results import Results
from breakwater.demo.script import Script, script
from breakwater.demo.simulation import Settings, Simulation
from breakwater.errors import UserError
from breakwater.host import Host

INTERRUPTED = 130


@click.command()
@click.option(
    "--prices",
    "files",
    multiple=True,
    metavar="[ASSET=]FILE",
    help="CSV timestamp,open,high,low,close,volume: for WETH, or for the asset named. Repeatable."
    " Without it: published prices of 12-13 March 2020.",
)
@click.option("--bars", type=click.IntRange(1), help="Only the first so many bars.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--borrowers", type=click.IntRange(1, 1_000), default=60, show_default=True)
@click.option("--liquidators", type=click.IntRange(0, 20), default=3, show_default=True)
@click.option(
    "--population",
    type=click.IntRange(1, 5_000),
    help="Instead of the replay: compare our liquidation with that of Aave, Morpho and Comet over"
    " so many borrowers, as `breakwater economics` does.",
)
@economics.options
@click.option(
    "--market",
    "market_file",
    type=click.Path(path_type=Path),
    help="Market file.  [default: markets/devnet.yaml]",
)
@click.option(
    "--network",
    metavar="CHOICE",
    help="Run on a node through ape, such as ethereum:local:foundry. Slower, the same result.",
)
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write figures."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("out/demo"),
    show_default=True,
    help="Folder of report.html.",
)
def command(
    files: tuple[str, ...],
    bars: int | None,
    seed: int,
    borrowers: int,
    liquidators: int,
    market_file: Path | None,
    network: str | None,
    json_file: Path | None,
    out: Path,
    population: int | None,
    **world: float | None,
) -> None:
    """Replay a crash on the whole protocol, and judge every promise after every bar.

    Deploys the market, funds lenders, borrowers and liquidators, and lets them act along the
    prices. Ends with the figures, and with exit code 1 if a promise was broken. The same seed and
    prices give the same result.
    """
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    market = markets.load(market_file or markets.DEFAULT)
    prices = script(_chosen(files), market, bars)
    _check_writable(json_file, out)
    if population is not None:
        _economics(prices, market, json_file, out, population, network, world)
        return
    if given := [name for name, value in world.items() if value is not None]:
        raise click.UsageError(f"--{given[0]} goes with --population")
    _compile(console)
    with _host(network) as host:
        settings = Settings(seed=seed, borrowers=borrowers, liquidators=liquidators)
        simulation = Simulation(host, market, prices, settings)
        results = _replay(simulation, console)
    if results.interrupted:
        console.print("interrupted: what follows is what was found until then")
    console.print()
    show.tables(results, console)
    report = write_report(results, out)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(results.as_json(), indent=1) + "\n", encoding="utf-8")
    console.print()
    console.print(
        f"{len(results.bars)} bars, {results.steps} steps, {results.seconds:.1f} s;"
        f" report in {report}"
    )
    console.print(results.summary())
    if results.broken:
        sys.exit(1)
    if results.interrupted:
        sys.exit(INTERRUPTED)


def _economics(
    prices: Script,
    market: markets.Market,
    json_file: Path | None,
    out: Path,
    population: int,
    network: str | None,
    world: dict[str, float | None],
) -> None:
    """The comparison on the demo's prices; its picture is economics.svg."""
    from breakwater.economics import crashes

    if network is not None:
        raise click.UsageError("--population runs in process: leave out --network")
    context = click.get_current_context().params
    if context["liquidators"] == 0:
        raise click.UsageError("--population needs at least one of --liquidators")
    settings = economics.settings_of(
        {
            **world,
            "population": population,
            "liquidators": context["liquidators"],
            "seed": context["seed"],
        }
    )
    found = iter([crashes.of_script(prices, market)])
    economics.compare(found, (), settings, json_file, out / "economics.svg", markdown=False)


def _chosen(files: tuple[str, ...]) -> dict[str, str]:
    """Files by symbol; "" is the collateral."""
    found: dict[str, str] = {}
    for text in files:
        symbol, sign, name = text.partition("=")
        if not sign or Path(text).exists():
            symbol, name = "", text
        elif not symbol or not name:
            raise click.BadParameter(f"write FILE or ASSET=FILE, not {text!r}", param_hint="prices")
        if symbol in found:
            raise click.BadParameter(
                f"two files for {symbol or 'the collateral'}: {found[symbol]}, {name}",
                param_hint="prices",
            )
        found[symbol] = name
    return found


def _check_writable(json_file: Path | None, out: Path) -> None:
    """Say that a result cannot be written before the run, not after it."""
    for path in (out, json_file.parent if json_file is not None else None):
        if path is None:
            continue
        while not path.exists():
            path = path.parent
        if not path.is_dir() or not os.access(path, os.W_OK):
            raise UserError(f"cannot write below {path}")


def _compile(console: Console) -> None:
    if not console.is_terminal:
        artifacts.compile_all()
        return
    with Progress(
        TextColumn("compiling"), BarColumn(), MofNCompleteColumn(), console=console, transient=True
    ) as progress:
        task = progress.add_task("compiling", total=None)
        artifacts.compile_all(
            lambda name, done, total: progress.update(task, completed=done, total=total)
        )


@contextlib.contextmanager
def _host(network: str | None) -> Iterator[Host]:
    if network is None:
        from breakwater.evm import EvmHost

        yield EvmHost(block_per_transaction=True)
        return
    binaries = artifacts.ROOT / "node_modules" / ".bin"
    os.environ["PATH"] = f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"
    from breakwater.ape_host import ApeHost, connected

    with connected(network) as provider:
        yield ApeHost(provider)


def _replay(simulation: Simulation, console: Console) -> Results:
    total = len(simulation.points)
    if not console.is_terminal:
        said = 0.0

        def say(run: Simulation) -> None:
            nonlocal said
            done = run.results.steps
            if time.monotonic() - said > 5 or done == total:
                said = time.monotonic()
                console.print(f"{100 * done // total:3d} %  {show.live(run)}")

        console.print(f"{simulation.script.title}: {simulation.results.bars_total} bars")
        simulation.watch = say
        return simulation.run()
    with Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("\n{task.fields[live]}"),
        console=console,
    ) as progress:
        title = simulation.script.title
        task = progress.add_task(title, total=total, live="deploying and funding")

        def move(run: Simulation) -> None:
            progress.update(task, completed=run.results.steps, live=show.live(run))

        simulation.watch = move
        return simulation.run()
