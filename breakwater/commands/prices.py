"""Move a price on the running devnet, along a file or at random; pools follow."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from breakwater import markets, prices
from breakwater.actions.arguments import seconds_of
from breakwater.cli import INTERRUPTED
from breakwater.errors import UserError

_TELL_EVERY = 1.0


@click.command(short_help="Move a price on the running devnet, along a file or at random")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--asset", default="WETH", show_default=True, help="Whose price.")
@click.option(
    "--speed",
    type=click.FloatRange(0.1, 100_000),
    default=60,
    show_default=True,
    help="Seconds of the path in one of the clock.",
)
@click.option(
    "--absolute", is_flag=True, help="The file's own prices; else its moves, from the price now."
)
@click.option(
    "--volatility",
    type=click.FloatRange(0, 1_000),
    default=80,
    show_default=True,
    help="Of the random walk, in % a year.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the random walk."
)
@click.option("--for", "length", default="", help='Of the path, such as "2 h".  [default: all]')
@click.option(
    "--market",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=markets.DEFAULT,
    show_default="markets/devnet.yaml",
    help="Market file.",
)
def command(
    file: Path | None,
    asset: str,
    speed: float,
    absolute: bool,
    volatility: float,
    seed: int,
    length: str,
    path: Path,
) -> None:
    """Move the price of an asset on the running devnet, and let its Uniswap pools follow.

    FILE is CSV, timestamp,open,high,low,close,volume. Without one the price walks at random until
    Ctrl-C: one seed is one walk, at any speed. The devnet's clock runs as fast as the path does,
    so that breakers, averages and interest see it in its own time.
    """
    if absolute and file is None:
        raise UserError("--absolute is for a FILE: a random walk begins at the price there is")
    bars = prices.read(file) if file is not None else None
    last = seconds_of(length) if length else None
    market = markets.load(path)
    console = Console(highlight=False, soft_wrap=True)
    with _stopped_by_signals() as stopped:
        try:
            _run(console, market, stopped, bars, asset, speed, absolute, volatility, seed, last)
        except (UserError, click.ClickException):
            raise
        except Exception as error:
            from breakwater.keeper.service import is_lost

            if not is_lost(error):
                raise
            raise UserError(
                "the node stopped answering: is `breakwater devnet` still running?"
            ) from None
    if stopped():
        click.echo("interrupted", err=True)
        raise click.exceptions.Exit(INTERRUPTED)


@contextmanager
def _stopped_by_signals() -> Iterator[Callable[[], bool]]:
    """Whether there was a Ctrl-C, or a request to terminate: the price that is being set is set
    everywhere before the end.
    """
    asked = False

    def end(number: int, frame: Any) -> None:
        nonlocal asked
        asked = True

    before = {one: signal.signal(one, end) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _run(
    console: Console,
    market: markets.Market,
    stopped: Callable[[], bool],
    bars: list[prices.Bar] | None,
    asset: str,
    speed: float,
    absolute: bool,
    volatility: float,
    seed: int,
    last: int | None,
) -> None:
    from breakwater import devnet
    from breakwater.devnet import bot

    symbol = next((one for one in market.assets if one.lower() == asset.lower()), asset)
    with devnet.connect() as host:
        made = devnet.load(host, market)
        mover = bot.PriceBot(made.protocol, made.exchange, symbol, console.print)
        points: Any
        if bars is None:
            points = bot.walk(mover.price, volatility / 100, seed, bot.minutes_of(speed))
            what = f"walks at random, {volatility:g} % a year, seed {seed}"
        else:
            points = bot.along(bars, None if absolute else mover.price, bot.step_of(speed))
            mover.check(price for _, price in points)
            what = f"follows {len(bars)} bars"
        if last is not None:
            points = itertools.takewhile(lambda point: point[0] <= last, points)
        console.print(
            f"{symbol} {what}, {speed:g} seconds in one, from {mover.price:,.2f} USD; "
            "Ctrl-C ends it"
        )
        began = told = time.monotonic()
        passed, shown = 0, -1

        def tell(seconds: int) -> None:
            nonlocal told, passed, shown
            passed = seconds
            if time.monotonic() - told >= _TELL_EVERY:
                told, shown = time.monotonic(), seconds
                console.print(_line(made, symbol, seconds, mover.price), markup=False)

        mover.play(points, speed, stopped, tell)
        took = time.monotonic() - began
        if shown != passed:
            console.print(_line(made, symbol, passed, mover.price), markup=False)
        console.print(
            f"the end: {mover.steps:,} prices set, {_clock(passed)} of the path in {took:.1f} s"
        )


def _line(made: Any, symbol: str, seconds: int, price: float) -> str:
    """Time of the path, the price, and where the pools of the asset are."""
    parts = [f"{_clock(seconds):>9}  {symbol} {price:,.2f} USD"]
    if made.exchange is not None:
        parts += [
            f"{name} {made.exchange.price(name):,.6g}"
            for name in made.exchange.pools
            if symbol in name.split("/")
        ]
    return "  ".join(parts)


def _clock(seconds: int) -> str:
    hours, rest = divmod(seconds, 3_600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
