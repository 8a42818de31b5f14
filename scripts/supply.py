"""Lend to a vault."""

import click

from breakwater import actions


@click.command(short_help="Lend to a vault")
@click.argument("amount", nargs=-1, required=True)
@actions.yes_option
@actions.options("TEST::2")
def cli(amount: tuple[str, ...], yes: bool, network: str, account: str) -> None:
    """Lend AMOUNT, such as "1000 USDC" or "max USDC", to the vault of that asset, for its interest.

    The vault's shares are the lender's. The account is the devnet's lender by default.
    """
    actions.run(
        lambda session: actions.supply(session, actions.words(amount)), network, account, yes
    )
