"""A deployed protocol, as typed objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from breakwater.addresses import AddressBook
from breakwater.contract import Contract
from breakwater.driver import (
    BackstopPool,
    CheckedFeed,
    CircuitBreaker,
    Configurator,
    CreditEngine,
    InsuranceFund,
    LendingVault,
    Lens,
    MedianFeed,
    NavFeed,
    RateFeed,
    RiskEngine,
    Timelock,
)
from breakwater.errors import UserError
from breakwater.foreign import WETH9
from breakwater.host import Host
from breakwater.markets import ANYONE, Market
from breakwater.mocks import AggregatorMock, StakedTokenMock, TokenMock

ZERO = "0x" + 40 * "0"
AGGREGATOR_DECIMALS = 8
"""Decimals of the mocks' answers, as Chainlink's USD aggregators have."""

Token: TypeAlias = TokenMock | StakedTokenMock
Feed: TypeAlias = AggregatorMock | CheckedFeed | MedianFeed | NavFeed | RateFeed
FEEDS: dict[str, type[MedianFeed] | type[NavFeed] | type[RateFeed]] = {
    "median": MedianFeed,
    "nav": NavFeed,
    "rate": RateFeed,
}

C = TypeVar("C", bound=Contract)


class DeployError(UserError):
    """A deployment that cannot go on, or that is not what the market file says."""


@dataclass(frozen=True)
class Protocol:
    """Every contract of a deployment, as typed objects."""

    host: Host
    market: Market
    accounts: Mapping[str, str]
    """Addresses of the devnet's labelled accounts; empty on another network."""
    timelock: Timelock
    breaker: CircuitBreaker
    risk_engine: RiskEngine
    configurator: Configurator
    credit_engine: CreditEngine
    lens: Lens
    tokens: Mapping[str, Token]
    aggregators: Mapping[str, tuple[AggregatorMock, ...]]
    """Sources of an asset's own price; none where it is a rate. Mocks on a devnet only."""
    checks: Mapping[str, tuple[AggregatorMock, ...]]
    """Sources of the market that an asset's feed is checked by; none where it is not."""
    feeds: Mapping[str, Feed]
    """What the risk engine reads for each asset."""
    vaults: Mapping[str, LendingVault]
    funds: Mapping[str, InsuranceFund]
    backstops: Mapping[str, BackstopPool]
    """By debt asset, where the market file asks for one."""

    def set_price(self, symbol: str, price: int, *, sender: str) -> None:
        """Let every aggregator of an asset answer `price` [WAD] now. On a devnet only.

        An asset with a rate has none of its own: its base's price moves it, and one that is
        published its publisher. `set_market` moves what they are checked by.
        """
        self._on_devnet()
        if not self.aggregators[symbol]:
            feed = self.market.assets[symbol].feed
            if feed.kind == "nav":
                by = f"published by {feed.publisher}" if feed.publisher else "fixed"
                raise DeployError(f"the price of {symbol} is {by}")
            raise DeployError(f"the price of {symbol} follows that of {feed.base}: set {feed.base}")
        self._answer(self.aggregators[symbol], price, sender)
        self._answer(self.checks[symbol], price, sender)

    def set_market(self, symbol: str, price: int, *, sender: str) -> None:
        """Let the market that checks an asset's feed answer `price` [WAD] now. On a devnet only."""
        self._on_devnet()
        if not self.checks[symbol]:
            raise DeployError(f"the price of {symbol} is not checked by a market")
        self._answer(self.checks[symbol], price, sender)

    @staticmethod
    def _answer(aggregators: tuple[AggregatorMock, ...], price: int, sender: str) -> None:
        for aggregator in aggregators:
            aggregator.set(price // 10 ** (18 - AGGREGATOR_DECIMALS), sender=sender)

    def refresh(self, *, sender: str, older: int = 0) -> None:
        """Let every aggregator repeat its answer as of now, whose last one is at least `older`
        seconds old. On a devnet only.
        """
        self._on_devnet()
        for aggregators in (*self.aggregators.values(), *self.checks.values()):
            for aggregator in aggregators:
                if self.host.now - aggregator.updated_at() >= older:
                    aggregator.set(aggregator.answer(), sender=sender)

    def poke(self, *, sender: str) -> dict[str, int]:
        """Poke every asset; the status of each price."""
        return {
            symbol: int(self.breaker.poke(token, sender=sender).value)
            for symbol, token in self.tokens.items()
        }

    def symbol_of(self, address: str) -> str:
        """Symbol of a listed asset's address."""
        for symbol, token in self.tokens.items():
            if token.address == address:
                return symbol
        raise KeyError(address)

    def contracts(self) -> dict[str, Contract]:
        """Every contract by its key in the address book."""
        found: dict[str, Contract] = {
            "timelock": self.timelock,
            "breaker": self.breaker,
            "risk_engine": self.risk_engine,
            "configurator": self.configurator,
            "credit_engine": self.credit_engine,
            "lens": self.lens,
        }
        groups: dict[str, Mapping[str, Contract]] = {
            "tokens": self.tokens,
            "feeds": self.feeds,
            "vaults": self.vaults,
            "funds": self.funds,
            "backstops": self.backstops,
        }
        for group, members in groups.items():
            for symbol, contract in members.items():
                found[f"{group}.{symbol}"] = contract
        return found

    def _on_devnet(self) -> None:
        if self.market.devnet is None:
            raise DeployError("prices can be set on a devnet only")


def token_class(market: Market, book: AddressBook, symbol: str) -> type[Token]:
    """What handles the token of an asset. On a devnet tokens are mocks of ours, but for the wrapped
    coin where a node has it: in the book it is a contract of others.
    """
    if market.assets[symbol].feed.kind == "rate":
        return StakedTokenMock
    entry = book.entries.get(f"tokens.{symbol}")
    is_foreign = entry is not None and not entry.contract
    return WETH9 if market.devnet is not None and is_foreign else TokenMock


def address_of(accounts: Mapping[str, str], who: str) -> str:
    """Address of a label, of ANYONE (zero), or the address itself."""
    if who == ANYONE:
        return ZERO
    return accounts.get(who, who)
