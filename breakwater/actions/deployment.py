"""What deployers do."""

from __future__ import annotations

from pathlib import Path

import click

from breakwater import markets
from breakwater.actions.session import connected, resolve
from breakwater.host import Host


def deploy_market(network: str, account: str, path: Path) -> None:
    """Deploy a market, or do what is left of it, and read everything back."""

    def inside(host: Host, market: markets.Market) -> None:
        from breakwater import addresses, deploy

        chain = addresses.identify(host)
        lasting = not network.endswith(":test")
        book = addresses.AddressBook.open(
            addresses.path_for(market.name, chain) if lasting else None, host, market.name
        )
        deployer = resolve(account, deploy.accounts_of(host, market))
        done = 0

        def progress(step: str, now: bool) -> None:
            nonlocal done
            done += now
            if now:
                click.echo(f"done: {step}")

        protocol = deploy.deploy(host, market, book, deployer=deployer, progress=progress)
        if done == 0:
            click.echo("everything was deployed already")
        for key, contract in protocol.contracts().items():
            click.echo(f"{key:<14} {contract.address}")
        click.echo(f"read back from the chain: as {market.path.name} says, owned by the timelock")
        if book.path is not None:
            click.echo(f"address book: {book.path}")

    connected(inside, network, path)
