"""What the owner, a timelock, will do: list, propose, execute, cancel."""

import click

from breakwater import actions


@click.group(short_help="The owner's timelock: list, propose, execute, cancel")
def cli() -> None:
    """Change what the owner may change, after the timelock's delay."""


@cli.command("list")
@actions.options("TEST::5")
def show(network: str, account: str) -> None:
    """Show what is scheduled, and when it is ripe."""
    actions.run(actions.timelock_list, network, account)


@cli.command()
@click.argument("function")
@click.argument("arguments", nargs=-1)
@click.option("--target", default="configurator", show_default=True,
              help="Contract, by its key in the address book, such as breaker.")  # fmt: skip
@click.option("--salt", default="", help="Any text, for the same call a second time.")
@actions.options("TEST::5")
def propose(
    function: str, arguments: tuple[str, ...], target: str, salt: str, network: str, account: str
) -> None:
    """Schedule a call of FUNCTION with ARGUMENTS, such as: set_cap WETH "60000 WETH".

    Numbers have units: "82 %", "2 days", "3000 USD"; assets and people are named. Others:
    set_borrow_ltv WETH "79 %"; set_vault WETH "deposit_cap=50000 WETH; debt_cap=45000 WETH"; with
    --target breaker, set_guardian liquidator. For a proposer, on a devnet the governor.
    """
    actions.run(
        lambda session: actions.timelock_propose(session, function, arguments, target, salt),
        network,
        account,
    )


@cli.command()
@click.argument("operation")
@actions.options("TEST::5")
def execute(operation: str, network: str, account: str) -> None:
    """Execute OPERATION (the beginning of its id) once its delay is over."""
    actions.run(lambda session: actions.timelock_execute(session, operation), network, account)


@cli.command()
@click.argument("operation")
@actions.options("TEST::1")
def cancel(operation: str, network: str, account: str) -> None:
    """Cancel OPERATION while it waits: for proposers and the guardian."""
    actions.run(lambda session: actions.timelock_cancel(session, operation), network, account)
