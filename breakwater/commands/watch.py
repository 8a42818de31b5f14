"""Margin alerts and figures of the whole market, until Ctrl-C; sends nothing."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from breakwater import markets
from breakwater.cli import INTERRUPTED, Mistake
from breakwater.errors import UserError

QUIET = 60.0
"""Seconds between tables where the output is no terminal and nothing is crossed."""


_WIDTH = 200


@click.command(short_help="Margin alerts and figures of the whole market")
@click.argument("accounts", metavar="[ACCOUNT]...", nargs=-1)
@click.option(
    "--line",
    "lines",
    multiple=True,
    metavar="HEALTH",
    help="A health factor to tell of when it is crossed; may be repeated. Default: 1.5, 1.2, 1.05 "
    "and 1.",
)
@click.option(
    "--webhook", default="", metavar="URL", help="Where each crossing is POSTed; on this machine."
)
@click.option("--once", is_flag=True, help="One report, then end.")
@click.option("--json", "as_json", is_flag=True, help="Each report as one line of JSON.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=5,
    show_default=True,
    help="Seconds between looks.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    help="DuckDB file of what is remembered; default: watch.duckdb beside the devnet's state.",
)
@click.option(
    "--market",
    type=click.Path(path_type=Path, dir_okay=False),
    default=markets.DEFAULT,
    show_default="markets/devnet.yaml",
    help="Market file.",
)
@click.option(
    "--network",
    default="ethereum:local:foundry",
    show_default=True,
    help="Ape's name of the network; the default is the devnet that runs.",
)
def command(
    accounts: tuple[str, ...],
    lines: tuple[str, ...],
    webhook: str,
    once: bool,
    as_json: bool,
    interval: float,
    state: Path | None,
    market: Path,
    network: str,
) -> None:
    """Watch accounts, and say when the health of one crosses a line, in either direction.

    ACCOUNT is a label of the devnet such as borrower, or an address: all accounts of that owner
    that owe something; or 32 bytes in hexadecimal, for one account. Without any: all accounts that
    owe something. The figures of the market are over all accounts, whichever are watched.

    Reports go to the output, crossings to the error stream and to the webhook. A line is crossed
    downwards when health is below it, and upwards when it is 1 % above it.
    """
    from breakwater.keeper.service import is_lost
    from breakwater.watch import service
    from breakwater.watch import webhook as hook

    before = signal.signal(signal.SIGTERM, _end)
    try:
        if webhook:
            hook.check(webhook)
        levels = tuple(service.line_of(line) for line in lines or service.LINES)
        settings = service.Settings(
            accounts, levels, webhook, network, market, state, interval, once
        )
        with _Output(as_json, once) as output:
            service.run(settings, output.say, output.show)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    except UserError as error:
        raise Mistake(str(error)) from None
    except Exception as error:
        if not is_lost(error):
            raise
        raise Mistake(
            f"the node does not answer ({' '.join(str(error).split())}): is `breakwater devnet` "
            "running?"
        ) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


class _Output:
    """One table that changes on a terminal; elsewhere a table now and then; or lines of JSON."""

    def __init__(self, as_json: bool, once: bool) -> None:
        self._as_json = as_json
        self._once = once
        # a file has no width that tables would have to be cut to
        width = None if sys.stdout.isatty() else _WIDTH
        self._console = Console(highlight=False, width=width)
        self._progress = Console(stderr=True, highlight=False, soft_wrap=True)
        self._live: Live | None = None
        self._told: float = -QUIET

    def __enter__(self) -> _Output:
        if self._console.is_terminal and not self._as_json and not self._once:
            # what goes to a file stays out of the terminal
            self._live = Live(
                "looking for the node and its accounts",
                console=self._console,
                auto_refresh=False,
                redirect_stderr=sys.stderr.isatty(),
            )
            self._live.start()
        return self

    def __exit__(self, *why: object) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """A line of what happened."""
        self._progress.print(f"{time.strftime('%H:%M:%S')} {text}", markup=False)

    def show(self, session: Any, report: Any) -> None:
        """A report."""
        from breakwater.watch import show

        if self._as_json:
            click.echo(json.dumps(show.as_json(session, report)))
            return
        if self._live is not None:
            self._live.update(show.as_table(session, report), refresh=True)
            return
        if report.crossings or time.monotonic() - self._told >= QUIET:
            self._console.print(show.as_table(session, report))
            self._told = time.monotonic()
