"""Replay price files against the real circuit breaker: what trips, and what stays possible."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from breakwater import artifacts, folders, markets

if TYPE_CHECKING:
    from breakwater.breakers.replay import Settings
    from breakwater.breakers.results import Results
    from breakwater.breakers.sources import Source

_HIGHEST_HEALTH = 100


class Percent(click.ParamType):
    """A percentage, "5" or "5%", as basis points."""

    name = "percent"

    def __init__(self, lowest: float, highest: float, step: float = 0.01) -> None:
        self.lowest, self.highest, self.step = lowest, highest, step

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        text = str(value).replace("%", "").strip()
        allowed = f"{self.lowest:g} to {self.highest:g} percent in steps of {self.step:g}"
        try:
            number = float(text)
        except ValueError:
            self.fail(f"{value} is no percentage: give {allowed}", param, ctx)
        steps = number / self.step
        if not self.lowest <= number <= self.highest or abs(steps - round(steps)) > 1e-6:
            self.fail(f"{value} is not {allowed}", param, ctx)
        return round(100 * number)


class Moment(click.ParamType):
    """A time in UTC: a date, a date and a time, or unix seconds."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        text = str(value)
        if text.isdigit():
            return int(text)
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f'{text} is no time: write 2020-03-12, "2020-03-12 10:45" or unix seconds',
                      param, ctx)  # fmt: skip
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


class Ladder(click.ParamType):
    """Health factors, with commas between."""

    name = "healths"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            found = tuple(sorted({float(part) for part in str(value).split(",")}))
        except ValueError:
            self.fail(f"{value} is no list of health factors: write 1.02,1.1,1.5", param, ctx)
        if len(found) > 15 or not all(1.01 <= one <= _HIGHEST_HEALTH for one in found):
            self.fail(f"{value}: at most 15 health factors from 1.01 to {_HIGHEST_HEALTH}",
                      param, ctx)  # fmt: skip
        return found


@click.command()
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option(
    "--like",
    metavar="ASSET",
    help="Asset of the market file whose rules apply.  [default: WETH; USDC if pegged]",
)
@click.option(
    "--pegged/--volatile",
    default=None,
    help="How the feed takes a disagreement.  [default: as the asset's]",
)
@click.option(
    "--quorum",
    type=click.IntRange(1, 3),
    help="Sources needed for a price.  [default: 2 if pegged, else the asset's]",
)
@click.option(
    "--band",
    type=Percent(0.5, 63, 0.5),
    metavar="PERCENT",
    help="Jump band.  [default: the asset's]",
)
@click.option(
    "--dispersion",
    type=Percent(0.01, 20),
    metavar="PERCENT",
    help="Band within which sources agree.  [default: the asset's]",
)
@click.option(
    "--max-age",
    type=click.IntRange(60, 68 * 3_600),
    metavar="SECONDS",
    help="Age from which a source is silent.  [default: the asset's]",
)
@click.option(
    "--ladder",
    type=Ladder(),
    default="1.02,1.05,1.1,1.2,1.3,1.5",
    show_default=True,
    help="Health of the accounts at the first price, on either side.",
)
@click.option(
    "--poke-every",
    type=click.IntRange(1, 86_400),
    metavar="SECONDS",
    help="The keeper's schedule.  [default: each bar, at most 900; 300 above NORMAL]",
)
@click.option(
    "--poke-move",
    type=Percent(0.01, 100),
    default="0.5",
    show_default=True,
    metavar="PERCENT",
    help="Move since the last poke after which it pokes at once.",
)
@click.option(
    "--bad",
    type=Percent(0.01, 1_000),
    metavar="PERCENT",
    help="From where on a print is bad.  [default: the jump band]",
)
@click.option("--closes", is_flag=True, help="Print closes only: no open, low and high.")
@click.option(
    "--step",
    type=click.IntRange(1, 86_400),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="Between prints within a bar, at most.",
)
@click.option("--from", "start", type=Moment(), metavar="TIME", help="Where to begin, UTC.")
@click.option("--until", "end", type=Moment(), metavar="TIME", help="Where to end, UTC.")
@click.option(
    "--market",
    "market_file",
    type=click.Path(path_type=Path),
    help="Market file.  [default: markets/devnet.yaml]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
@click.option("--plain", is_flag=True, help="A line for each bar instead of tables.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a picture: .html or .svg.",
)
@click.option(
    "--study",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Instead of a replay: compare bands over the files of a folder, as tables.",
)
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[str, ...],
    like: str | None,
    pegged: bool | None,
    quorum: int | None,
    band: int | None,
    dispersion: int | None,
    max_age: int | None,
    ladder: tuple[float, ...],
    poke_every: int | None,
    poke_move: int,
    bad: int | None,
    closes: bool,
    step: int,
    start: int | None,
    end: int | None,
    market_file: Path | None,
    as_json: bool,
    plain: bool,
    output: Path | None,
    study: Path | None,
) -> None:
    """Replay the prices of one asset on the real contracts, bar by bar.

    One to three FILEs are as many sources of a MedianFeed: CSV
    timestamp,open,high,low,close,volume. RATIO,FILE multiplies two, such as stETH/ETH and ETH/USD.
    Each print goes to its aggregator, a keeper pokes, and a liquidator takes what he may of a
    ladder of accounts: long ones hold the asset and owe dollars, short ones the other way round.
    At the end of each bar everything is tried that might be possible, and undone.

    A price jump trips FALSELY when the move did not persist: in the 30 minutes after the trip the
    accepted price is within the band of the average that it was measured against for more than half
    of the time. So does a dispersion when the sources are within their band of each other for more
    than half of these 30 minutes. Other reasons are not judged.

    A print is BAD when it is away from the median of its source's prints of the hour before by more
    than --bad. Bad prints with less than an hour between them are one move; the seconds to CAUTION
    count from its first print, and are 0 where the level was up by then.
    """
    if plain and as_json:
        raise click.UsageError("--plain and --json are two ways to print: choose one")
    if study is not None:
        alone = {"study", "as_json", "market_file"}
        given = [
            name
            for name, value in ctx.params.items()
            if name not in alone
            and value != ()
            and ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        ]
        if given:
            raise click.UsageError(
                "--study compares its own settings: only --json, --market go with it"
            )
        _study(study, market_file, as_json)
        return
    _check(files, start, end, output)

    from breakwater.breakers import page, replay, setup, show, sources

    rules = setup.Rules(like, pegged, quorum, band, dispersion, max_age, ladder)
    settings = replay.Settings(
        rules, poke_every, poke_move / 10_000, None if bad is None else bad / 10_000, start, end
    )
    market = markets.load(market_file or markets.DEFAULT)
    given_sources = [sources.read(name, step, closes) for name in files]
    artifacts.compile_all()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    results = _run(market, given_sources, settings, console if not as_json else None)
    if output is not None:
        page.write(results, output)
    if as_json:
        click.echo(json.dumps(results.as_json(), indent=1))
        return
    if plain:
        show.plain(results, console)
    else:
        show.tables(results, console)
    if output is not None:
        console.print(f"picture in {output}")


def _check(files: tuple[str, ...], start: int | None, end: int | None, output: Path | None) -> None:
    if not files:
        raise click.UsageError("give one to three price files, or --study FOLDER")
    if len(files) > 3:
        raise click.UsageError(f"{len(files)} price files: a feed takes at most three sources")
    if start is not None and end is not None and start >= end:
        raise click.UsageError("--from is not before --until")
    if output is not None:
        if output.suffix not in (".html", ".svg"):
            raise click.BadParameter(
                f"{output} ends in neither .html nor .svg", param_hint="--output"
            )
        folders.check(output.parent)


def _run(
    market: markets.Market, given: list[Source], settings: Settings, console: Console | None
) -> Results:
    from breakwater.breakers.replay import Replay

    run = Replay(market, given, settings)
    if console is None or not console.is_terminal:
        return run.run()
    with Progress(
        TextColumn("replaying"), BarColumn(), TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(), console=console, transient=True,
    ) as progress:  # fmt: skip
        task = progress.add_task("", total=run.end - run.start)
        return run.run(lambda time, _: progress.update(task, completed=time - run.start))


def _study(folder: Path, market_file: Path | None, as_json: bool) -> None:
    from breakwater.breakers import study

    market = markets.load(market_file or markets.DEFAULT)
    artifacts.compile_all()
    found = study.run(market, folder, lambda text: click.echo(text, err=True))
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=1))
    else:
        click.echo(found.markdown())
