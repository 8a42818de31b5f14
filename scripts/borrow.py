"""Post collateral and borrow."""

import click

from breakwater import actions


@click.command(short_help="Post collateral and borrow")
@click.argument("amount", nargs=-1)
@click.option("--collateral", multiple=True, help='Add first, such as "1.5 WETH"; may be repeated.')
@actions.number_option
@actions.of_option
@actions.yes_option
@actions.options("TEST::3")
def cli(
    amount: tuple[str, ...],
    collateral: tuple[str, ...],
    number: int,
    of: str,
    yes: bool,
    network: str,
    account: str,
) -> None:
    """Borrow AMOUNT, such as "2000 USDC" or "max USDC", against the collateral of an account.

    With --collateral both happen in one transaction, and both or none; with --collateral alone it
    is only added. The account is the devnet's borrower by default.
    """
    actions.run(
        lambda session: actions.borrow(session, actions.words(amount), collateral, number, of),
        network,
        account,
        yes,
    )
