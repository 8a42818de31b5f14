"""Who acts on which protocol. Whatever goes wrong is a sentence."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import click

from breakwater import markets
from breakwater.actions.figures import Figures, table
from breakwater.actions.refusals import NOTHING, Attempt, explain, refusal
from breakwater.actions.simulation import CannotSimulate, Simulation
from breakwater.cli import Mistake
from breakwater.deploy.periphery import ROUTER
from breakwater.driver import LeverageRouter
from breakwater.errors import UserError
from breakwater.host import Host, Reverted
from breakwater.units import MAX_UINT256, format_units, parse_units

ALL, MOST = "all", "max"


class Amount(NamedTuple):
    """An amount of an asset."""

    value: int
    """Token units; MAX_UINT256 for a word."""
    symbol: str
    word: str = ""
    """ALL: everything, or a refusal; MOST: as much as works now."""


@dataclass(frozen=True)
class Session:
    """A deployed protocol, and who acts. Over a `Simulation` nothing is sent."""

    host: Host
    market: markets.Market
    protocol: Any
    sender: str
    book: Any = None
    """The address book, for what is beside the protocol; None: there is nothing."""
    is_quiet: bool = False

    def say(self, text: str) -> None:
        """One line for the person at the keyboard."""
        if not self.is_quiet:
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

    @property
    def router(self) -> LeverageRouter:
        """The leverage router. UserError where there is none."""
        if self.book is None or ROUTER not in self.book:
            raise UserError(
                "there is no leverage router here: `breakwater devnet --fresh` deploys one"
            )
        return LeverageRouter.at(self.host, self.book.address(ROUTER))

    def amount(self, text: str, *, words: bool = False) -> Amount:
        """An amount with its symbol; with `words` also "all WETH" and "max WETH"."""
        parts = text.split()
        if len(parts) != 2:
            more = ', "max WETH" or "all WETH"' if words else ""
            raise UserError(f'an amount is written like "1.5 WETH"{more}, not "{text}"')
        number, symbol = parts[0], self.symbol(parts[1])
        if words and number.lower() in (ALL, MOST):
            return Amount(MAX_UINT256, symbol, number.lower())
        amount = parse_units(number.replace(",", ""), self.market.decimals(symbol))
        if amount <= 0:
            raise UserError(f"the amount must be above zero, not {number}")
        return Amount(amount, symbol)

    def show(self, amount: int, symbol: str, places: int | None = None) -> str:
        """An amount with its symbol."""
        decimals = self.market.decimals(symbol)
        if amount < 10 ** max(0, decimals - (places or 0)):
            places = None  # zero, or too small for that many digits
        return f"{format_units(amount, decimals, places)} {symbol}"

    def brief(self, amount: int, symbol: str) -> str:
        """An amount with its symbol, cut off behind the digits that matter: cents, or six."""
        return self.show(amount, symbol, 2 if self.market.decimals(symbol) <= 6 else 6)

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

    @property
    def is_dry(self) -> bool:
        """Whether what is done is only tried."""
        return isinstance(self.host, Simulation)

    def report(self, did: str, before: Figures, after: Figures, *then: str) -> None:
        """What was done or would be, the figures on both sides of it, and what one runs next."""
        self.say(f"{did}, as {self.name(self.sender)}")
        for line in table(before, after):
            self.say(line)
        if self.is_dry:
            self.say("a dry run: nothing was sent. Add --yes to send it.")
        else:
            self.say("sent.")
            self.next(*then)

    def next(self, *then: str) -> None:
        """What one may run next."""
        for command in then:
            self.say(f"next: ape run {command}")

    @contextlib.contextmanager
    def explained(self, attempt: Attempt) -> Iterator[None]:
        """A refusal of what is tried within, with the numbers that matter."""
        try:
            yield
        except Reverted as error:
            raise UserError(refusal(self, error, attempt)) from None

    def label(self, address: str) -> str:
        """What stands for an address in a command."""
        for label, known in self.protocol.accounts.items():
            if known == address:
                return label
        return address

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
    yes: bool | None = None,
) -> None:
    """Connect, load the protocol from the address book, act; any failure becomes one sentence.

    With `yes` False everything is tried on a `Simulation` and nothing sent; with True it is tried
    there first, so that what is refused half way leaves nothing behind; with None it is done.
    """
    from breakwater import deploy
    from breakwater.ape_host import ApeHost

    def inside(host: Host, market: markets.Market) -> None:
        session = load(host, market, account)
        if yes is None:
            _act(act, session)
            return
        assert isinstance(host, ApeHost)
        tried = Simulation(host)
        protocol = deploy.load(tried, market, session.book)
        try:
            _act(act, replace(session, host=tried, protocol=protocol, is_quiet=yes))
        except CannotSimulate:
            if not yes:
                raise
        if yes:
            _act(act, session)

    connected(inside, network)


def _act(act: Callable[[Session], None], session: Session) -> None:
    try:
        act(session)
    except Reverted as error:
        raise UserError(refusal(session, error, NOTHING)) from None


def load(host: Host, market: markets.Market, account: str) -> Session:
    """A session over what the address book says. UserError where nothing is deployed."""
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
    return Session(host, market, protocol, resolve(account, protocol.accounts), book)


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
