"""Who acts on which protocol. Whatever goes wrong is a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from breakwater import markets
from breakwater.actions.refusals import explain, refusal
from breakwater.cli import Mistake
from breakwater.errors import UserError
from breakwater.host import Host, Reverted
from breakwater.units import MAX_UINT256, format_units, parse_units

_ALL = "all"


@dataclass(frozen=True)
class Session:
    """A deployed protocol, and who acts."""

    host: Host
    market: markets.Market
    protocol: Any
    sender: str

    def say(self, text: str) -> None:
        """One line for the person at the keyboard."""
        click.echo(text)

    def token(self, symbol: str) -> Any:
        """Token of a listed asset. UserError for an unknown symbol."""
        return self.protocol.tokens[self.symbol(symbol)]

    def symbol(self, text: str) -> str:
        """A symbol in any case, as it is written in the market."""
        for known in self.market.assets:
            if known.lower() == text.lower():
                return known
        raise UserError(f"{text} is not listed here: {', '.join(self.market.assets)} are")

    def vault(self, symbol: str) -> Any:
        """Vault of an asset. UserError where there is none."""
        try:
            return self.protocol.vaults[symbol]
        except KeyError:
            raise UserError(
                f"{symbol} has no vault here: {', '.join(self.protocol.vaults)} have"
            ) from None

    def amount(self, text: str, *, all_of: bool = False) -> tuple[int, str]:
        """An amount with its symbol; "all WETH" as MAX_UINT256 where that is allowed."""
        parts = text.split()
        if len(parts) != 2:
            more = ' or "all WETH"' if all_of else ""
            raise UserError(f'an amount is written like "1.5 WETH"{more}, not "{text}"')
        number, symbol = parts[0], self.symbol(parts[1])
        if all_of and number.lower() == _ALL:
            return MAX_UINT256, symbol
        amount = parse_units(number.replace(",", ""), self.market.decimals(symbol))
        if amount <= 0:
            raise UserError(f"the amount must be above zero, not {number}")
        return amount, symbol

    def show(self, amount: int, symbol: str, places: int | None = None) -> str:
        """An amount with its symbol."""
        decimals = self.market.decimals(symbol)
        if amount < 10 ** max(0, decimals - (places or 0)):
            places = None  # zero, or too small for that many digits
        return f"{format_units(amount, decimals, places)} {symbol}"

    def pay(self, symbol: str, amount: int, spender: Any, to_do: str) -> None:
        """See that the sender holds `amount` and that `spender` may take it."""
        token = self.protocol.tokens[symbol]
        held = token.balanceOf(self.sender)
        if held < amount:
            raise UserError(
                f"{self.name(self.sender)} holds {self.show(held, symbol)}, which is less than the "
                f"{self.show(amount, symbol)} to {to_do}"
            )
        if token.allowance(self.sender, spender) < amount:
            token.approve(spender, amount, sender=self.sender)

    def name(self, address: str) -> str:
        """Label of an address where it has one."""
        for label, known in self.protocol.accounts.items():
            if known == address:
                return f"{label} ({address[:8]}…)"
        return address


def run(
    act: Callable[[Session], None],
    network: str,
    account: str,
    path: Path | None = None,
) -> None:
    """Connect, load the protocol from the address book, act; any failure becomes one sentence."""

    def inside(host: Host, market: markets.Market) -> None:
        from breakwater import addresses, deploy

        chain = addresses.identify(host)
        where = addresses.path_for(market.name, chain)
        if not where.exists():
            raise UserError(
                f"nothing is deployed on chain {chain.id} yet: `ape run deploy` does it, or "
                "`make devnet` on a local one"
            )
        book = addresses.AddressBook.open(where, host, market.name)
        protocol = deploy.load(host, market, book)
        session = Session(host, market, protocol, resolve(account, protocol.accounts))
        try:
            act(session)
        except Reverted as error:
            raise UserError(refusal(session, error)) from None

    connected(inside, network, path)


def connected(
    act: Callable[[Host, markets.Market], None], network: str, path: Path | None = None
) -> None:
    """Connect and act; a failure becomes one sentence, with an exit code of `breakwater.cli`."""
    from breakwater import devnet

    try:
        market = markets.load(path or markets.DEFAULT)
        with devnet.connect(network) as host:
            act(host, devnet.on_node(market) if isinstance(host, devnet.DevnetHost) else market)
    except UserError as error:
        raise Mistake(str(error)) from None
    except Reverted as error:
        raise Mistake(explain(error)) from None
    except click.ClickException:
        raise
    except Exception as error:
        raise click.ClickException(_unexpected(error)) from error


def _unexpected(error: Exception) -> str:
    text = " ".join(str(error).split())
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"ConnectionError", "RequestException", "ProviderNotConnectedError"}:
        return "the node stopped answering: is `breakwater devnet` still running?"
    return f"{text or type(error).__name__} (this was not foreseen: {type(error).__name__})"


def resolve(account: str, labels: Mapping[str, str]) -> str:
    """Address of an account: TEST::0 as in ape, a label of the devnet, ape's alias, an address."""
    import ape

    if re.fullmatch(r"0x[0-9a-fA-F]{40}", account):
        from breakwater.abi import checksum

        return checksum(account)
    if account in labels:
        return labels[account]
    match = re.fullmatch(r"TEST::(\d+)", account, re.IGNORECASE)
    if match:
        known = [str(one.address) for one in ape.accounts.test_accounts]
        index = int(match[1])
        if index >= len(known):
            raise UserError(f"{account} is not there: TEST::0 to TEST::{len(known) - 1} are")
        return known[index]
    if account in list(ape.accounts.aliases):
        return str(ape.accounts.load(account).address)
    shown = ", ".join(labels) or "none here"
    raise UserError(
        f"{account} is no account: give TEST::0, a label ({shown}), ape's alias or an address"
    )
