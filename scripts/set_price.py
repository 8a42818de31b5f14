"""Move a price, on a devnet."""

import click

from breakwater import actions


@click.command(short_help="Move a price, on a devnet")
@click.argument("symbol")
@click.argument("price")
@click.option("--advance", default="", help='Then move the clock on, such as "10 min", with pokes.')
@actions.options("TEST::0")
def cli(symbol: str, price: str, advance: str, network: str, account: str) -> None:
    """Let every aggregator of SYMBOL answer PRICE, in USD, and poke the oracle.

    A move beyond the asset's band trips CAUTION, and the average follows in half an hour. With
    --advance time passes for the whole devnet; its prices are kept fresh meanwhile.
    """
    actions.run(
        lambda session: actions.set_price(session, symbol, price, advance), network, account
    )
