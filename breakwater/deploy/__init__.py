"""From a market file to a running protocol that its timelock owns, and the proof that it is so.

`deploy` does one step after the other; each looks first whether it is done already, so a deployment
that was interrupted anywhere continues, and a finished one is left as it is. `verify` reads
everything back from the chain. `load` gives the objects without doing anything.
"""

from __future__ import annotations

from breakwater.addresses import DEVELOPMENT_CHAINS, AddressBook, identify
from breakwater.deploy.proof import stored_cap, verify
from breakwater.deploy.protocol import FEEDS, C, DeployError, Feed, Protocol, Token, token_class
from breakwater.deploy.steps import Deployment, Progress
from breakwater.driver import (
    BackstopPool,
    CheckedFeed,
    CircuitBreaker,
    Configurator,
    CreditEngine,
    InsuranceFund,
    LendingVault,
    Lens,
    RiskEngine,
    Timelock,
)
from breakwater.host import Host
from breakwater.markets import Market
from breakwater.mocks import AggregatorMock

__all__ = [
    "DeployError",
    "Progress",
    "Protocol",
    "Token",
    "accounts_of",
    "deploy",
    "fund_accounts",
    "load",
    "stored_cap",
    "verify",
]


def accounts_of(host: Host, market: Market) -> dict[str, str]:
    """Addresses of the devnet's labels. Ask before any other label: hosts give them in order."""
    labels = market.devnet.accounts if market.devnet is not None else ()
    return {label: host.account(label) for label in labels}


def deploy(
    host: Host,
    market: Market,
    book: AddressBook | None = None,
    *,
    deployer: str | None = None,
    progress: Progress | None = None,
) -> Protocol:
    """Deploy a market, or do what is left of it. Ends with `verify`.

    `deployer` may be left out on a devnet, whose market names one. Raises DeployError, or Reverted
    when a contract refuses a step.
    """
    allowed = (market.chain_id, *(DEVELOPMENT_CHAINS if market.devnet is not None else ()))
    if host.chain_id not in allowed:
        raise DeployError(
            f"{market.path.name} is for chain {market.chain_id}, and this is {host.chain_id}"
        )
    if book is None:
        book = AddressBook(identify(host), market.name)
    accounts = accounts_of(host, market)
    deployer = deployer or accounts.get("deployer")
    if deployer is None:
        raise DeployError("say which account deploys")
    Deployment(host, market, book, accounts, deployer, progress or _quiet).run()
    protocol = load(host, market, book)
    verify(protocol, market, deployer=deployer)
    return protocol


def load(host: Host, market: Market, book: AddressBook) -> Protocol:
    """The objects of a deployment in an address book. AddressBookError when parts are missing."""

    def at(cls: type[C], key: str) -> C:
        return cls.at(host, book.address(key))

    tokens: dict[str, Token] = {}
    aggregators: dict[str, tuple[AggregatorMock, ...]] = {}
    checks: dict[str, tuple[AggregatorMock, ...]] = {}
    feeds: dict[str, Feed] = {}
    for symbol, asset in market.assets.items():
        tokens[symbol] = at(token_class(market, book, symbol), f"tokens.{symbol}")
        aggregators[symbol] = tuple(
            at(AggregatorMock, f"aggregators.{symbol}.{index}")
            for index in range(len(asset.feed.sources))
        )
        check = asset.feed.check
        checks[symbol] = tuple(
            at(AggregatorMock, f"markets.{symbol}.{index}")
            for index in range(len(check.market.sources) if check is not None else 0)
        )
        if asset.feed.kind == "aggregator":
            feeds[symbol] = aggregators[symbol][0]
        elif check is not None:
            feeds[symbol] = at(CheckedFeed, f"feeds.{symbol}")
        else:
            feeds[symbol] = at(FEEDS[asset.feed.kind], f"feeds.{symbol}")
    return Protocol(
        host=host,
        market=market,
        accounts=accounts_of(host, market),
        timelock=at(Timelock, "timelock"),
        breaker=at(CircuitBreaker, "breaker"),
        risk_engine=at(RiskEngine, "risk_engine"),
        configurator=at(Configurator, "configurator"),
        credit_engine=at(CreditEngine, "credit_engine"),
        lens=at(Lens, "lens"),
        tokens=tokens,
        aggregators=aggregators,
        checks=checks,
        feeds=feeds,
        vaults={symbol: at(LendingVault, f"vaults.{symbol}") for symbol in market.vaults},
        funds={symbol: at(InsuranceFund, f"funds.{symbol}") for symbol in market.vaults},
        backstops={symbol: at(BackstopPool, f"backstops.{symbol}") for symbol in market.backstops},
    )


def fund_accounts(
    protocol: Protocol, book: AddressBook, *, progress: Progress | None = None
) -> None:
    """Give the devnet's accounts the balances of the market file, once."""
    devnet = protocol.market.devnet
    if devnet is None:
        raise DeployError("accounts are funded on a devnet only")
    report = progress or _quiet
    for label, balances in devnet.balances.items():
        step = f"fund {label}"
        done = step in book.steps
        if not done:
            for symbol, amount in balances.items():
                receiver = protocol.accounts[label]
                protocol.tokens[symbol].mint(receiver, amount, sender=receiver)
            book.mark(step)
        report(step, not done)


def _quiet(step: str, done_now: bool) -> None:
    """No progress shown."""
