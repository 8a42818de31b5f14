"""Deploy a market, or finish a deployment that was interrupted."""

from pathlib import Path

import click

from breakwater import actions, markets


@click.command(short_help="Deploy a market, or finish one that was interrupted")
@click.option(
    "--market",
    type=click.Path(path_type=Path, dir_okay=False),
    default=markets.DEFAULT,
    show_default="markets/devnet.yaml",
    help="Market file.",
)
@actions.options("TEST::0")
def cli(market: Path, network: str, account: str) -> None:
    """Deploy everything a market file says and hand it to the timelock.

    Each step looks first whether it is done, so this may be run again at any time. At the end
    everything is read back from the chain and compared with the file.
    """
    actions.deploy_market(network, account, market)
