"""Watch a market, poke its prices, liquidate, and tell the profit, until Ctrl-C."""

from __future__ import annotations

import json
import signal
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from breakwater import markets
from breakwater.actions.arguments import options
from breakwater.cli import INTERRUPTED, Mistake
from breakwater.errors import UserError
from breakwater.units import to_wad


@click.command(short_help="Watch a market, poke its prices, liquidate, tell the profit")
@click.option("--once", is_flag=True, help="One pass, then end.")
@click.option("--dry-run", is_flag=True, help="Simulate, and send nothing.")
@click.option(
    "--flash", default="", help="Address of a FlashLiquidator; own capital alone without."
)
@click.option(
    "--min-profit",
    type=click.FloatRange(min=0),
    default=1,
    show_default=True,
    help="USD that a liquidation must bring, before gas.",
)
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=2,
    show_default=True,
    help="Seconds between passes.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    help="DuckDB file of what is remembered; default: keeper.duckdb beside the devnet's state.",
)
@click.option("--profit", "only_profit", is_flag=True, help="Tell the profit so far, do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Tell the profit as JSON.")
@click.option(
    "--market",
    type=click.Path(path_type=Path, dir_okay=False),
    default=markets.DEFAULT,
    show_default="markets/devnet.yaml",
    help="Market file.",
)
@options("TEST::4")
def command(
    once: bool,
    dry_run: bool,
    flash: str,
    min_profit: float,
    interval: float,
    state: Path | None,
    only_profit: bool,
    as_json: bool,
    market: Path,
    network: str,
    account: str,
) -> None:
    """Watch every account that owes, and liquidate those below maintenance, the weakest first.

    Each pass reads what is new on the chain, pokes what is due (each price within 15 minutes, and
    on moves), asks the Lens for every account's health, simulates and sends. Lines of progress go
    to the error stream, the profit to the output: at the end, after Ctrl-C too.
    """
    from breakwater.keeper import service
    from breakwater.keeper.store import Store

    settings = service.Settings(
        network, account, market, state, flash, to_wad(Decimal(str(min_profit))), interval, once,
        dry_run,
    )  # fmt: skip
    stores: list[Store] = []
    progress = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(text: str) -> None:
        progress.print(f"{time.strftime('%H:%M:%S')} {text}", markup=False)

    before = signal.signal(signal.SIGTERM, _end)
    try:
        if only_profit:
            if not settings.file.exists():
                raise UserError(f"{settings.file} is not there: no keeper has run with it")
            stores.append(Store(settings.file))
        else:
            service.run(settings, say, stores.append)
    except KeyboardInterrupt:
        _tell(stores, settings, as_json)
        click.echo("interrupted", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    except UserError as error:
        raise Mistake(str(error)) from None
    except Exception as error:
        if not service.is_lost(error):
            raise
        raise Mistake(
            f"the node does not answer ({' '.join(str(error).split())}): is `breakwater devnet` "
            "running?"
        ) from None
    else:
        _tell(stores, settings, as_json)
    finally:
        for store in stores:
            store.close()
        signal.signal(signal.SIGTERM, before)


def _end(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _tell(stores: list[Any], settings: Any, as_json: bool) -> None:
    from breakwater.keeper import profit

    for store in stores:
        found = profit.summary(store, markets.load(settings.market))
        if as_json:
            click.echo(json.dumps(found, indent=2))
        else:
            profit.show(Console(highlight=False, soft_wrap=True), found)
