"""Take back what was lent."""

import click

from breakwater import actions


@click.command(short_help="Take back what was lent")
@click.argument("amount", nargs=-1, required=True)
@actions.yes_option
@actions.options("TEST::2")
def cli(amount: tuple[str, ...], yes: bool, network: str, account: str) -> None:
    """Take AMOUNT, such as "1000 USDC", out of the vault it was lent to, with its interest.

    "all USDC" is everything or a refusal, "max USDC" as much as the vault pays out now. The account
    is the devnet's lender by default. Collateral is taken out by `ape run repay --withdraw`.
    """
    actions.run(
        lambda session: actions.withdraw(session, actions.words(amount)), network, account, yes
    )
