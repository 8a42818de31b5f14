"""Liquidate an account below maintenance."""

import click

from breakwater import actions


@click.command(short_help="Liquidate an account below maintenance")
@click.argument("owner")
@click.argument("debt")
@click.argument("collateral")
@click.option("--max", "most", default="", help='Repay at most, such as "1000 USDC".')
@actions.number_option
@actions.yes_option
@actions.options("TEST::4")
def cli(
    owner: str,
    debt: str,
    collateral: str,
    most: str,
    number: int,
    yes: bool,
    network: str,
    account: str,
) -> None:
    """Repay DEBT (a symbol) of OWNER's account and take COLLATERAL (a symbol) for it.

    How much, and with what incentive, is the protocol's: up to the target health, and up to what
    the liquidator holds. The account is the devnet's liquidator by default.
    """
    actions.run(
        lambda session: actions.liquidate(session, owner, number, debt, collateral, most),
        network,
        account,
        yes,
    )
