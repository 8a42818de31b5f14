"""Lend to a vault, or take back what was lent."""

import click

from breakwater import actions


@click.command(short_help="Lend to a vault, or take back what was lent")
@click.argument("amount", nargs=-1, required=True)
@click.option("--withdraw", is_flag=True, help='Take back instead; "all USDC" takes everything.')
@actions.options("TEST::2")
def cli(amount: tuple[str, ...], withdraw: bool, network: str, account: str) -> None:
    """Lend AMOUNT, such as "1000 USDC", to the vault of that asset, for its interest.

    The vault's shares are the lender's. The account is the devnet's lender by default.
    """
    act = actions.withdraw if withdraw else actions.supply
    actions.run(lambda session: act(session, actions.words(amount)), network, account)
