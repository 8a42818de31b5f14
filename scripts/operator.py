"""Let somebody else act for an account: show, grant, revoke."""

import click

from breakwater import actions


@click.group(short_help="Let somebody else act for an account: show, grant, revoke")
def cli() -> None:
    """Name operators of an account: who, for what, with which asset, for how much, how long."""


@cli.command()
@click.argument("operator")
@actions.number_option
@actions.options("TEST::3")
def show(operator: str, number: int, network: str, account: str) -> None:
    """Show what OPERATOR (a label or an address) may do."""
    actions.run(lambda session: actions.operator_show(session, operator, number), network, account)


@cli.command()
@click.argument("operator")
@click.option("--what", default="any", show_default=True,
              help='"500 USDC", an asset without a bound, or any.')  # fmt: skip
@click.option("--may", multiple=True, type=click.Choice(list(actions.ACTIONS)),
              help="What for; may be repeated.")  # fmt: skip
@click.option("--lasts", default="30 days", show_default=True, help='Such as "4 h".')
@actions.number_option
@actions.yes_option
@actions.options("TEST::3")
def grant(
    operator: str,
    what: str,
    may: tuple[str, ...],
    lasts: str,
    number: int,
    yes: bool,
    network: str,
    account: str,
) -> None:
    """Let OPERATOR act for the account. What leaves it by withdrawing, borrowing and moving counts
    against an amount. A grant for an asset goes before one for any.
    """
    actions.run(
        lambda session: actions.operator_grant(session, operator, what, may, lasts, number),
        network,
        account,
        yes,
    )


@cli.command()
@click.argument("operator")
@click.option("--what", default="", help="Of one asset, or any; every grant by default.")
@actions.number_option
@actions.options("TEST::3")
def revoke(operator: str, what: str, number: int, network: str, account: str) -> None:
    """Take back what OPERATOR may do. At once: it needs no --yes."""
    actions.run(
        lambda session: actions.operator_revoke(session, operator, what, number), network, account
    )
