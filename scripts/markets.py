"""Prices, levels, rates and caps of everything that is listed."""

import click

from breakwater import actions


@click.command(short_help="Prices, levels, rates and caps")
@actions.options("TEST::2")
def cli(network: str, account: str) -> None:
    """Show every asset with its price, level and terms, and every vault with its rates and caps."""
    actions.run(actions.show_markets, network, account)
