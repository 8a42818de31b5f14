"""Health, liquidation prices and leverage of an account."""

import click

from breakwater import actions


@click.command(short_help="Health, liquidation prices and leverage of an account")
@click.argument("owner", default="")
@actions.number_option
@actions.options("TEST::3")
def cli(owner: str, number: int, network: str, account: str) -> None:
    """Show the account of OWNER (TEST::3, a label such as borrower, or an address).

    Without OWNER it is that of --account. The liquidation price of a collateral is the one at which
    health is 1, everything else equal.
    """
    actions.run(lambda session: actions.position(session, owner, number), network, account)
