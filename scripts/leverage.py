"""Leverage through Uniswap, each in one transaction: open, increase, decrease, close, swaps."""

from collections.abc import Callable
from typing import Any

import click

from breakwater import actions


@click.group(short_help="Leverage in one transaction: open, increase, decrease, close, swaps")
def cli() -> None:
    """Hold one asset and owe another, at a chosen exposure over equity.

    Long ether: hold WETH, owe USDC. Short ether: hold USDC, owe WETH. The account is the devnet's
    trader by default.
    """


def _common(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        actions.options("TEST::9"),
        actions.yes_option,
        actions.number_option,
        click.option(
            "--slippage",
            default="1 %",
            show_default=True,
            help="What the pools may be worse than the oracle.",
        ),
    ):
        function = option(function)
    return function


@cli.command("open")
@click.argument("hold")
@click.argument("owe")
@click.argument("leverage")
@click.option("--own", default="", help='What you bring, such as "1 WETH".')
@_common
def begin(
    hold: str,
    owe: str,
    leverage: str,
    own: str,
    slippage: str,
    number: int,
    yes: bool,
    network: str,
    account: str,
) -> None:
    """Open an account that is not in use: HOLD and OWE are symbols, LEVERAGE such as 3."""
    actions.run(
        lambda session: actions.leverage_increase(
            session, hold, owe, leverage, own, slippage, number, is_new=True
        ),
        network,
        account,
        yes,
    )


@cli.command()
@click.argument("hold")
@click.argument("owe")
@click.argument("leverage")
@click.option("--own", default="", help='What you bring besides, such as "1 WETH".')
@_common
def increase(
    hold: str,
    owe: str,
    leverage: str,
    own: str,
    slippage: str,
    number: int,
    yes: bool,
    network: str,
    account: str,
) -> None:
    """Borrow more of OWE and buy HOLD, up to LEVERAGE."""
    actions.run(
        lambda session: actions.leverage_increase(
            session, hold, owe, leverage, own, slippage, number
        ),
        network,
        account,
        yes,
    )


@cli.command()
@click.argument("hold")
@click.argument("owe")
@click.argument("leverage")
@_common
def decrease(
    hold: str,
    owe: str,
    leverage: str,
    slippage: str,
    number: int,
    yes: bool,
    network: str,
    account: str,
) -> None:
    """Sell HOLD and repay OWE, down to LEVERAGE."""
    actions.run(
        lambda session: actions.leverage_decrease(session, hold, owe, leverage, slippage, number),
        network,
        account,
        yes,
    )


@cli.command()
@click.argument("hold")
@click.argument("owe")
@_common
def close(
    hold: str, owe: str, slippage: str, number: int, yes: bool, network: str, account: str
) -> None:
    """Repay all of OWE with HOLD, and send the rest of that to the owner."""
    actions.run(
        lambda session: actions.leverage_close(session, hold, owe, slippage, number),
        network,
        account,
        yes,
    )


@cli.command("swap-collateral")
@click.argument("amount")
@click.argument("to")
@_common
def swap_collateral(
    amount: str, to: str, slippage: str, number: int, yes: bool, network: str, account: str
) -> None:
    """Sell AMOUNT of collateral, such as "1 WETH" or "max WETH", and hold TO instead."""
    actions.run(
        lambda session: actions.leverage_swap_collateral(session, amount, to, slippage, number),
        network,
        account,
        yes,
    )


@cli.command("swap-debt")
@click.argument("amount")
@click.argument("to")
@_common
def swap_debt(
    amount: str, to: str, slippage: str, number: int, yes: bool, network: str, account: str
) -> None:
    """Repay AMOUNT of debt, such as "500 USDC" or "max USDC", and owe TO instead."""
    actions.run(
        lambda session: actions.leverage_swap_debt(session, amount, to, slippage, number),
        network,
        account,
        yes,
    )
