"""A local chain with everything deployed, until Ctrl-C."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from breakwater import markets
from breakwater.errors import UserError
from breakwater.units import format_units

_TICK = 5.0
_GIVE_UP_AFTER = 3

_NOT_SHOWN = ("aggregators.", "blueprints.", "feeds.")
"""What begins so is in the file only."""

_NEXT = """\
Try, from other shells (amounts have units, `ape run NAME --help` explains each):
  ape run supply 1000 USDC --yes                    lend, as the lender
  ape run borrow 2000 USDC --collateral "1 WETH" --yes
                                                    post collateral and borrow, as the borrower
  ape run position                                  health, liquidation prices, leverage
  ape run leverage open WETH USDC 3 --own "1 WETH"  three times long ether, as the trader
  ape run set_price WETH 2400                       move the feeds; the pools follow
  breakwater prices --speed 300                     the price of ether walks, 5 min a second
  ape run liquidate borrower USDC WETH --yes        as the liquidator
  breakwater keeper                                 poke and liquidate, again and again
  ape run markets                                   prices, levels, rates, caps
  ape console                                       the contracts under short names: help()
Without --yes a command shows what it would do. `ape` and `breakwater` are in .venv/bin.
Ctrl-C ends the devnet; its state is kept for next time."""


@click.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    default=8545,
    show_default=True,
    help="Port on 127.0.0.1.",
)
@click.option("--fresh", is_flag=True, help="Forget the old chain and deploy anew.")
@click.option(
    "--market",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=markets.DEFAULT,
    show_default="markets/devnet.yaml",
    help="Market file.",
)
def command(port: int, fresh: bool, path: Path) -> None:
    """Run a local chain with the market deployed and its accounts funded, until Ctrl-C.

    The chain is anvil, with its state in `.devnet/`: a restart continues where it ended. WETH and
    Uniswap v3 are the real ones. A keeper repeats the aggregators' answers and pokes the oracle
    while it runs, so that prices do not go stale, and trades so that pools and feeds agree; while
    it is down, time goes on and prices go stale.
    """
    console = Console(highlight=False, soft_wrap=True)
    market = markets.load(path)
    _listen()
    try:
        _run(console, market, port, fresh)
    except KeyboardInterrupt:
        console.print("\nthe devnet has ended, its state is kept")


def _listen() -> None:
    """End in order on Ctrl-C and on a request to terminate."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)


def _end(number: int, frame: Any) -> None:
    # once is enough: anvil gets the time to write its state
    for other in (signal.SIGINT, signal.SIGTERM):
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt


def _run(console: Console, market: markets.Market, port: int, fresh: bool) -> None:
    from breakwater import devnet

    began = time.monotonic()
    done = 0
    with console.status("starting anvil") as shown:

        def progress(step: str, now: bool) -> None:
            nonlocal done
            done += now
            shown.update(step)

        context = devnet.serve(market, port=port, fresh=fresh, progress=progress)
        made = context.__enter__()
    try:
        took = time.monotonic() - began
        if done:
            console.print(f"{done} steps done and read back from the chain in {took:.1f} s")
        else:
            console.print(f"everything was deployed already, read back in {took:.1f} s")
        _show(console, made, port)
        keeper = devnet.Keeper(made.protocol, made.exchange, devnet.KEEPER, console.print)
        failures = 0
        while True:
            try:
                keeper.round()
                failures = 0
            except Exception as error:
                # a script may have moved the chain in between; anvil itself may have died
                failures += 1
                if failures == _GIVE_UP_AFTER:
                    raise UserError(f"the keeper failed {failures} times: {error}") from error
            time.sleep(_TICK)
    finally:
        context.__exit__(None, None, None)


def _show(console: Console, made: Any, port: int) -> None:
    from breakwater import devnet

    protocol = made.protocol
    rows = [
        (key, entry.address)
        for key, entry in made.book.entries.items()
        if not key.startswith(_NOT_SHOWN)
    ]
    _columns(console, [("contract", "address"), *rows])
    people = [("account", "", "address", "tokens")]
    for index, (label, address) in enumerate(protocol.accounts.items()):
        held = []
        for symbol, token in protocol.tokens.items():
            balance = token.balanceOf(address)
            if balance:
                decimals = protocol.market.decimals(symbol)
                held.append(f"{format_units(balance, decimals, 2)} {symbol}")
        people.append((label, f"TEST::{index}", address, ", ".join(held)))
    _columns(console, people)
    if made.exchange is not None:
        for name in made.exchange.pools:
            first, second = name.split("/")
            price = made.exchange.price(name)
            console.print(f"the pool {name} is at {price:,.6g} {second} for one {first}")
        console.print()
    console.print(_NEXT, markup=False)
    console.print(f"\nall addresses: {devnet.folder() / devnet.ADDRESSES}")
    delay = protocol.timelock.get_minimum_delay()
    console.print(f"the timelock's delay is {markets.show_duration(delay)}")
    console.print(f"listening on http://127.0.0.1:{port}, chain {protocol.host.chain_id}")


def _columns(console: Console, rows: Sequence[Sequence[str]]) -> None:
    """Rows under each other, never cut: addresses are there to be copied."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        console.print("  ".join(cells).rstrip(), markup=False)
    console.print()
