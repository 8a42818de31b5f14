"""Stake in an insurance fund, which loses first: show, stake, exit, cancel, unstake."""

import click

from breakwater import actions


@click.group(short_help="Stake in an insurance fund: show, stake, exit, cancel, unstake")
def cli() -> None:
    """Earn a part of a vault's interest for bearing its losses first.

    Amounts are of the vault's asset, such as "1000 USDC". Who leaves asks for a ticket, which is
    usable for 2 days in 20 days.
    """


@cli.command()
@click.argument("symbol")
@actions.options("TEST::2")
def show(symbol: str, network: str, account: str) -> None:
    """Show the fund of the vault of SYMBOL, and what is the account's."""
    actions.run(lambda session: actions.fund_show(session, symbol), network, account)


@cli.command()
@click.argument("amount", nargs=-1, required=True)
@actions.yes_option
@actions.options("TEST::2")
def stake(amount: tuple[str, ...], yes: bool, network: str, account: str) -> None:
    """Lend AMOUNT of the wallet's and stake it; "max USDC" stakes what is lent already."""
    actions.run(
        lambda session: actions.fund_stake(session, actions.words(amount)), network, account, yes
    )


@cli.command("exit")
@click.argument("amount", nargs=-1, required=True)
@actions.yes_option
@actions.options("TEST::2")
def leave(amount: tuple[str, ...], yes: bool, network: str, account: str) -> None:
    """Ask for a ticket to leave with AMOUNT, or "max USDC". It replaces the one there is."""
    actions.run(
        lambda session: actions.fund_exit(session, actions.words(amount)), network, account, yes
    )


@cli.command()
@click.argument("symbol")
@actions.yes_option
@actions.options("TEST::2")
def cancel(symbol: str, yes: bool, network: str, account: str) -> None:
    """Give the ticket for the fund of SYMBOL back."""
    actions.run(lambda session: actions.fund_cancel(session, symbol), network, account, yes)


@cli.command()
@click.argument("amount", nargs=-1, required=True)
@actions.yes_option
@actions.options("TEST::2")
def unstake(amount: tuple[str, ...], yes: bool, network: str, account: str) -> None:
    """Leave with AMOUNT of the ticket, or "max USDC", and withdraw it from the vault."""
    actions.run(
        lambda session: actions.fund_unstake(session, actions.words(amount)), network, account, yes
    )
