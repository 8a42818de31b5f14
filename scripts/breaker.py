"""Circuit breakers: status, poke, trip, hold, reset."""

import click

from breakwater import actions


@click.group(short_help="Circuit breakers: status, poke, trip, hold, reset")
def cli() -> None:
    """Show the level of every asset, or as the guardian raise one or lift what one raised."""


@cli.command()
@actions.options("TEST::1")
def status(network: str, account: str) -> None:
    """Show each asset's level, its price's status, and what is latched for how long."""
    actions.run(actions.breaker_status, network, account)


@cli.command()
@click.argument("symbol")
@actions.options("TEST::2")
def poke(symbol: str, network: str, account: str) -> None:
    """Store what the oracle says of SYMBOL now: for anyone. Two pokes a minute apart confirm a
    jump.
    """
    actions.run(lambda session: actions.breaker_poke(session, symbol), network, account)


@cli.command()
@click.argument("symbol")
@click.argument("level", type=click.Choice(["caution", "halt"], case_sensitive=False))
@click.argument("duration", nargs=-1, required=True)
@actions.options("TEST::1")
def trip(symbol: str, level: str, duration: tuple[str, ...], network: str, account: str) -> None:
    """Raise SYMBOL to LEVEL for DURATION, such as "4 h": for the guardian, at most 7 days in 30."""
    actions.run(
        lambda session: actions.breaker_trip(session, symbol, level, actions.words(duration)),
        network,
        account,
    )


@cli.command()
@click.argument("symbol")
@click.argument("duration", nargs=-1)
@actions.options("TEST::1")
def hold(symbol: str, duration: tuple[str, ...], network: str, account: str) -> None:
    """Hold liquidations that rest on SYMBOL for DURATION, at most 4 h, once in 7 days: for the
    guardian. Without DURATION the hold that runs ends.
    """
    actions.run(
        lambda session: actions.breaker_hold(session, symbol, actions.words(duration)),
        network,
        account,
    )


@cli.command()
@click.argument("symbol")
@actions.options("TEST::1")
def reset(symbol: str, network: str, account: str) -> None:
    """Lift what has expired for SYMBOL: for anyone. The guardian lifts its own early."""
    actions.run(lambda session: actions.breaker_reset(session, symbol), network, account)
