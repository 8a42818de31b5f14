"""Everybody who has a label."""

import click

from breakwater import actions


@click.command(short_help="Everybody who has a label")
@actions.options("TEST::2")
def cli(network: str, account: str) -> None:
    """Show the devnet's people: wallets, what they lent, health and leverage of their account 0."""
    actions.run(actions.show_accounts, network, account)
