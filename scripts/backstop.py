"""Lend as a last resort to a backstop pool: show, deposit, withdraw, cancel, claim."""

import click

from breakwater import actions


@click.group(short_help="Backstop pool: show, deposit, withdraw, cancel, claim")
def cli() -> None:
    """Put cash into the pool that buys what nobody else liquidates, and take what it earns.

    A deposit joins at the start of the second hour from now, and may be taken back until then.
    """


@cli.command()
@click.argument("symbol")
@actions.options("TEST::2")
def show(symbol: str, network: str, account: str) -> None:
    """Show the pool of SYMBOL, and what is the account's."""
    actions.run(lambda session: actions.backstop_show(session, symbol), network, account)


@cli.command()
@click.argument("amount", nargs=-1, required=True)
@actions.yes_option
@actions.options("TEST::2")
def deposit(amount: tuple[str, ...], yes: bool, network: str, account: str) -> None:
    """Put AMOUNT, such as "1000 USDC", into the pool."""
    actions.run(
        lambda session: actions.backstop_deposit(session, actions.words(amount)),
        network,
        account,
        yes,
    )


@cli.command()
@click.argument("amount", nargs=-1, required=True)
@actions.yes_option
@actions.options("TEST::2")
def withdraw(amount: tuple[str, ...], yes: bool, network: str, account: str) -> None:
    """Take AMOUNT of cash out, or "max USDC"; at any time."""
    actions.run(
        lambda session: actions.backstop_withdraw(session, actions.words(amount)),
        network,
        account,
        yes,
    )


@cli.command()
@click.argument("amount", nargs=-1, required=True)
@actions.yes_option
@actions.options("TEST::2")
def cancel(amount: tuple[str, ...], yes: bool, network: str, account: str) -> None:
    """Take AMOUNT back, or "max USDC", that has not joined yet."""
    actions.run(
        lambda session: actions.backstop_cancel(session, actions.words(amount)),
        network,
        account,
        yes,
    )


@cli.command()
@click.argument("symbol")
@click.argument("collateral")
@actions.yes_option
@actions.options("TEST::2")
def claim(symbol: str, collateral: str, yes: bool, network: str, account: str) -> None:
    """Take what the pool of SYMBOL earned for the account of COLLATERAL."""
    actions.run(
        lambda session: actions.backstop_claim(session, symbol, collateral), network, account, yes
    )
