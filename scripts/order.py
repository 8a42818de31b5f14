"""Orders that a keeper executes for a fee: sign, list, cancel, execute."""

import click

from breakwater import actions


@click.group(short_help="Orders that a keeper executes: sign, list, cancel, execute")
def cli() -> None:
    """Stop losses, take profits, and health that is kept: signed by the owner, done by anyone.

    Orders are kept in orders.json beside the devnet's state.
    """


@cli.command()
@click.argument("hold")
@click.argument("owe")
@click.option("--when", required=True, help='"WETH <= 2500", "WETH >= 4000" or "health <= 1.1".')
@click.option("--to", default="", help="With health: where it is lifted, such as 1.3.")
@click.option("--fee", required=True, help='To who executes it, of OWE, such as "5 USDC".')
@click.option("--slippage", default="1 %", show_default=True,
              help="What the trade may lose at the protocol's prices.")  # fmt: skip
@click.option("--lasts", default="30 days", show_default=True, help='Such as "12 h".')
@actions.number_option
@actions.yes_option
@actions.options("TEST::9")
def sign(
    hold: str,
    owe: str,
    when: str,
    to: str,
    fee: str,
    slippage: str,
    lasts: str,
    number: int,
    yes: bool,
    network: str,
    account: str,
) -> None:
    """Sign that HOLD is sold and OWE is repaid when something comes.

    For a price all of it: HOLD is sold whole when it is watched, OWE is bought back whole when that
    is. For health as much as lifts it to --to.
    """
    actions.run(
        lambda session: actions.order_sign(
            session, hold, owe, when, to, fee, slippage, lasts, number
        ),
        network,
        account,
        yes,
    )


@cli.command("list")
@actions.options("TEST::9")
def show(network: str, account: str) -> None:
    """Show every signed order, by its number here, and what it waits for."""
    actions.run(actions.order_list, network, account)


@cli.command()
@click.argument("which")
@actions.options("TEST::9")
def cancel(which: str, network: str, account: str) -> None:
    """Void order WHICH, a number of the list, or all that the account ever signed. At once."""
    actions.run(lambda session: actions.order_cancel(session, which), network, account)


@cli.command()
@click.argument("which")
@actions.yes_option
@actions.options("TEST::4")
def execute(which: str, yes: bool, network: str, account: str) -> None:
    """Execute order WHICH, a number of the list, for its fee: for anyone."""
    actions.run(lambda session: actions.order_execute(session, which), network, account, yes)
