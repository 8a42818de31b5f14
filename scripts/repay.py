"""Repay debt, and take collateral out."""

import click

from breakwater import actions


@click.command(short_help="Repay debt, and take collateral out")
@click.argument("amount", nargs=-1)
@click.option("--withdraw", multiple=True, help='Collateral to take out then, such as "max WETH".')
@actions.number_option
@actions.of_option
@actions.yes_option
@actions.options("TEST::3")
def cli(
    amount: tuple[str, ...],
    withdraw: tuple[str, ...],
    number: int,
    of: str,
    yes: bool,
    network: str,
    account: str,
) -> None:
    """Repay AMOUNT, such as "500 USDC" or "max USDC", of an account's debt.

    What is left must not be below the least debt, unless it is nothing. Repaying works at every
    level of the breakers, also of another's account. With --withdraw alone collateral is only taken
    out: "max WETH" is what the margin leaves, "all WETH" everything or a refusal.
    """
    actions.run(
        lambda session: actions.repay(session, actions.words(amount), withdraw, number, of),
        network,
        account,
        yes,
    )
