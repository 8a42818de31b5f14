"""From a market file to a running protocol that its timelock owns, and the proof that it is so.

`deploy` does one step after the other; each looks first whether it is done already, so a deployment
that was interrupted anywhere continues, and a finished one is left as it is. `verify` reads
everything back from the chain. `load` gives the objects without doing anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar

from breakwater.addresses import DEVELOPMENT_CHAINS, AddressBook, identify
from breakwater.contract import Contract
from breakwater.driver import (
    AssetConfig,
    CircuitBreaker,
    Configurator,
    CreditEngine,
    InsuranceFund,
    LendingVault,
    Lens,
    MedianFeed,
    RateFeed,
    RiskEngine,
    Timelock,
)
from breakwater.errors import UserError
from breakwater.host import Host, Reverted
from breakwater.markets import ANYONE, Asset, Market, VaultMarket
from breakwater.mocks import AggregatorMock, StakedTokenMock, TokenMock
from breakwater.units import WAD, format_units

ZERO = "0x" + 40 * "0"
AGGREGATOR_DECIMALS = 8
"""Decimals of the mocks' answers, as Chainlink's USD aggregators have."""

Token: TypeAlias = TokenMock | StakedTokenMock
Feed: TypeAlias = AggregatorMock | MedianFeed | RateFeed
Progress: TypeAlias = Callable[[str, bool], None]
"""Called after each step with its name, and whether it was done now (False: done already)."""

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
    feeds: Mapping[str, Feed]
    """What the risk engine reads for each asset."""
    vaults: Mapping[str, LendingVault]
    funds: Mapping[str, InsuranceFund]

    def set_price(self, symbol: str, price: int, *, sender: str) -> None:
        """Let every aggregator of an asset answer `price` [WAD] now. On a devnet only.

        An asset with a rate has no aggregators: its base's price moves it.
        """
        self._on_devnet()
        if not self.aggregators[symbol]:
            base = self.market.assets[symbol].feed.base
            raise DeployError(f"the price of {symbol} follows that of {base}: set {base}")
        answer = price // 10 ** (18 - AGGREGATOR_DECIMALS)
        for aggregator in self.aggregators[symbol]:
            aggregator.set(answer, sender=sender)

    def refresh(self, *, sender: str) -> None:
        """Let every aggregator repeat its answer as of now. On a devnet only."""
        self._on_devnet()
        for aggregators in self.aggregators.values():
            for aggregator in aggregators:
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
        }
        for group, members in groups.items():
            for symbol, contract in members.items():
                found[f"{group}.{symbol}"] = contract
        return found

    def _on_devnet(self) -> None:
        if self.market.devnet is None:
            raise DeployError("prices can be set on a devnet only")


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
    _Deployment(host, market, book, accounts, deployer, progress or _quiet).run()
    protocol = load(host, market, book)
    verify(protocol, market, deployer=deployer)
    return protocol


def load(host: Host, market: Market, book: AddressBook) -> Protocol:
    """The objects of a deployment in an address book. AddressBookError when parts are missing."""

    def at(cls: type[C], key: str) -> C:
        return cls.at(host, book.address(key))

    tokens: dict[str, Token] = {}
    aggregators: dict[str, tuple[AggregatorMock, ...]] = {}
    feeds: dict[str, Feed] = {}
    for symbol, asset in market.assets.items():
        if asset.feed.kind == "rate":
            tokens[symbol] = at(StakedTokenMock, f"tokens.{symbol}")
        else:
            tokens[symbol] = at(TokenMock, f"tokens.{symbol}")
        aggregators[symbol] = tuple(
            at(AggregatorMock, f"aggregators.{symbol}.{index}")
            for index in range(len(asset.feed.sources))
        )
        if asset.feed.kind == "aggregator":
            feeds[symbol] = aggregators[symbol][0]
        elif asset.feed.kind == "median":
            feeds[symbol] = at(MedianFeed, f"feeds.{symbol}")
        else:
            feeds[symbol] = at(RateFeed, f"feeds.{symbol}")
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
        feeds=feeds,
        vaults={symbol: at(LendingVault, f"vaults.{symbol}") for symbol in market.vaults},
        funds={symbol: at(InsuranceFund, f"funds.{symbol}") for symbol in market.vaults},
    )


def fund_accounts(
    protocol: Protocol, book: AddressBook, *, progress: Progress | None = None
) -> None:
    """Give the devnet's accounts the balances of the market file, once."""
    devnet = protocol.market.devnet
    if devnet is None:
        raise DeployError("accounts are funded on a devnet only")
    report = progress or _quiet
    deployer = protocol.accounts["deployer"]
    for label, balances in devnet.balances.items():
        step = f"fund {label}"
        done = step in book.steps
        if not done:
            for symbol, amount in balances.items():
                receiver = protocol.accounts[label]
                protocol.tokens[symbol].mint(receiver, amount, sender=deployer)
            book.mark(step)
        report(step, not done)


def _quiet(step: str, done_now: bool) -> None:
    """No progress shown."""


# ------------------------------------------------------------------------------ the steps


class _Deployment:
    """Everything that is done, in order."""

    def __init__(
        self,
        host: Host,
        market: Market,
        book: AddressBook,
        accounts: Mapping[str, str],
        deployer: str,
        progress: Progress,
    ) -> None:
        self.host = host
        self.market = market
        self.book = book
        self.accounts = accounts
        self.deployer = deployer
        self.progress = progress

    def run(self) -> None:
        """Deploy, wire, list, open, hand over."""
        self._tokens()
        self._core()
        self._feeds()
        self._assets()
        for vault in self.market.vaults.values():
            self._vault(vault)
        self.lens = self._contract("lens", Lens, self.engine)
        self._hand_over()

    def _contract(self, key: str, cls: type[C], *args: Any) -> C:
        if key in self.book:
            self.progress(key, False)
            return cls.at(self.host, self.book.address(key))
        address = self.host.deploy(cls.NAME, *args, sender=self.deployer)
        contract = cls.at(self.host, address)
        self.book.add(key, cls.NAME, contract.address, self.host)
        self.progress(key, True)
        return contract

    def _foreign(self, key: str, cls: type[C], address: str) -> C:
        """A contract that was there before: its interface is that of a mock."""
        if key not in self.book:
            self.book.add(key, "", address, self.host)
            self.progress(key, True)
        else:
            self.progress(key, False)
        return cls.at(self.host, address)

    def _once(self, step: str, done: bool, act: Callable[[], Any]) -> None:
        if not done:
            try:
                act()
            except Reverted as error:
                raise DeployError(f"{step}: refused: {error}") from error
        self.progress(step, not done)

    def _tokens(self) -> None:
        self.tokens: dict[str, Token] = {}
        assets = self.market.assets
        for symbol, asset in sorted(assets.items(), key=lambda item: item[1].feed.kind == "rate"):
            key = f"tokens.{symbol}"
            rated = asset.feed.kind == "rate"
            if asset.address is not None:
                cls: type[Token] = StakedTokenMock if rated else TokenMock
                self.tokens[symbol] = self._foreign(key, cls, asset.address)
                continue
            if not rated:
                self.tokens[symbol] = self._contract(key, TokenMock, symbol, symbol, asset.decimals)
                continue
            assert self.market.devnet is not None
            base = assets[asset.feed.base]
            staked = self._contract(
                key, StakedTokenMock, symbol, symbol, self.tokens[base.symbol].address
            )
            rate = self.market.devnet.rates[symbol] * 10**base.decimals // WAD
            self._once(
                f"rate of {symbol}",
                staked.rate() != 0,
                partial(staked.set_rate, rate, sender=self.deployer),
            )
            self.tokens[symbol] = staked

        for symbol, token in self.tokens.items():
            found, wanted = token.decimals(), assets[symbol].decimals
            if found != wanted:
                raise DeployError(f"{symbol} at {token.address} has {found} decimals, not {wanted}")

        self.aggregators: dict[str, list[AggregatorMock]] = {}
        for symbol, asset in assets.items():
            found_sources = self.aggregators[symbol] = []
            for index, source in enumerate(asset.feed.sources):
                key = f"aggregators.{symbol}.{index}"
                if source.address is not None:
                    found_sources.append(self._foreign(key, AggregatorMock, source.address))
                    continue
                answer = asset.price // 10 ** (18 - AGGREGATOR_DECIMALS)
                found_sources.append(
                    self._contract(key, AggregatorMock, AGGREGATOR_DECIMALS, answer)
                )

    def _core(self) -> None:
        governance, me = self.market.governance, self.deployer
        self.timelock = self._contract(
            "timelock",
            Timelock,
            governance.delay,
            [_resolve(self.accounts, who) for who in governance.proposers],
            [_resolve(self.accounts, who) for who in governance.executors],
            me,
        )
        guardian = _resolve(self.accounts, governance.guardian)
        self.breaker = self._contract("breaker", CircuitBreaker, me, guardian)
        self.risk = self._contract("risk_engine", RiskEngine, self.breaker.address, me)
        self.configurator = self._contract("configurator", Configurator, self.risk.address, me)
        self.engine = self._contract("credit_engine", CreditEngine, self.risk.address, me)
        self._once(
            "risk engine knows the configurator",
            self.risk.configurator() == self.configurator.address,
            lambda: self.risk.set_configurator(self.configurator, sender=me),
        )
        self._once(
            "breaker is connected",
            self.breaker.risk_engine() != ZERO,
            lambda: self.breaker.connect(self.risk, self.engine, sender=me),
        )

    def _feeds(self) -> None:
        self.feeds: dict[str, Feed] = {}
        for symbol, asset in self.market.assets.items():
            self._freshen(symbol)
            if asset.feed.kind == "aggregator":
                self.feeds[symbol] = self.aggregators[symbol][0]
            elif asset.feed.kind == "median":
                self.feeds[symbol] = self._median(f"feeds.{symbol}", asset)
        for symbol, asset in self.market.assets.items():
            if asset.feed.kind != "rate":
                continue
            base = self.feeds[asset.feed.base]
            if not isinstance(base, MedianFeed):
                # a rate is quoted over IPriceFeed
                base = self._median(f"feeds.{symbol}.base", self.market.assets[asset.feed.base])
            self.feeds[symbol] = self._contract(
                f"feeds.{symbol}",
                RateFeed,
                self.tokens[symbol].address,
                base.address,
                asset.feed.growth,
            )

    def _median(self, key: str, asset: Asset) -> MedianFeed:
        return self._contract(
            key,
            MedianFeed,
            [aggregator.address for aggregator in self.aggregators[asset.symbol]],
            [source.max_age for source in asset.feed.sources],
            asset.feed.quorum,
            asset.feed.band or 1,
            asset.feed.pegged,
            f"{asset.symbol} / USD",
        )

    def _freshen(self, symbol: str) -> None:
        """A mock's first answer may have aged while the deployment was interrupted."""
        if self.market.devnet is None:
            return
        asset = self.market.assets[symbol]
        for aggregator, source in zip(self.aggregators[symbol], asset.feed.sources, strict=True):
            if self.host.now - aggregator.updated_at() > source.max_age // 2:
                aggregator.set(aggregator.answer(), sender=self.deployer)

    def _assets(self) -> None:
        for symbol, asset in self.market.assets.items():
            token, me = self.tokens[symbol], self.deployer
            config = asset.config(self.feeds[symbol].address)
            self._once(
                f"list {symbol}",
                self.risk.id_of(token) != 0,
                partial(self.configurator.list_asset, token, config, sender=me),
            )
            if asset.cap is not None:
                self._once(
                    f"{symbol} is collateral",
                    self.engine.book_of(token)[0] != 0,
                    partial(
                        self.engine.list_collateral, token, asset.cap, asset.takes_fee, sender=me
                    ),
                )

    def _vault(self, spec: VaultMarket) -> None:
        symbol, me = spec.asset, self.deployer
        token = self.tokens[symbol]
        vault = self._contract(
            f"vaults.{symbol}",
            LendingVault,
            token.address,
            self.engine.address,
            self.breaker.address,
            spec.name,
            spec.symbol,
            spec.config,
            me,
        )
        fund = self._contract(
            f"funds.{symbol}",
            InsuranceFund,
            vault.address,
            f"{spec.name} fund"[:64],
            f"{spec.symbol}-fund"[:32],
        )
        self._once(f"open {symbol}", vault.fund() != ZERO, lambda: self._open(spec, vault, fund))
        self._once(
            f"{symbol} can be borrowed",
            self.engine.debt_of(token)[0] != 0,
            lambda: self.engine.list_debt(vault, spec.min_debt, sender=me),
        )
        self._once(
            f"breaker knows the vault of {symbol}",
            self.breaker.vault_of(token) != ZERO,
            lambda: self.breaker.add_vault(vault, sender=me),
        )

    def _open(self, spec: VaultMarket, vault: LendingVault, fund: InsuranceFund) -> None:
        token, me = self.tokens[spec.asset], self.deployer
        held = token.balanceOf(me)
        if held < spec.seed:
            if self.market.devnet is None:
                decimals = self.market.decimals(spec.asset)
                raise DeployError(
                    f"the deployer {me} holds {format_units(held, decimals)} {spec.asset}, and the "
                    f"seed of its vault is {format_units(spec.seed, decimals)}"
                )
            token.mint(me, spec.seed - held, sender=me)
        if token.allowance(me, vault) < spec.seed:
            token.approve(vault, spec.seed, sender=me)
        vault.open(fund, spec.seed, spec.deposit_cap, spec.debt_cap, sender=me)

    def _hand_over(self) -> None:
        timelock, me = self.timelock, self.deployer
        owned: dict[str, Any] = {
            "configurator": self.configurator,
            "risk engine": self.risk,
            "credit engine": self.engine,
            "breaker": self.breaker,
        }
        for symbol in self.market.vaults:
            address = self.book.address(f"vaults.{symbol}")
            owned[f"vault of {symbol}"] = LendingVault.at(self.host, address)
        for name, contract in owned.items():
            owner = contract.owner()
            if owner not in (me, timelock.address):
                raise DeployError(f"{name} at {contract.address} is owned by {owner}")
            self._once(
                f"timelock owns the {name}",
                owner == timelock.address,
                partial(contract.transfer_ownership, timelock, sender=me),
            )
        canceller = timelock.CANCELLER_ROLE()
        for who in self.market.governance.cancellers:
            address = _resolve(self.accounts, who)
            self._once(
                f"{who} may cancel",
                timelock.hasRole(canceller, address),
                partial(timelock.grantRole, canceller, address, sender=me),
            )
        admin = timelock.DEFAULT_ADMIN_ROLE()
        self._once(
            "deployer keeps no role",
            not timelock.hasRole(admin, me),
            lambda: timelock.renounceRole(admin, me, sender=me),
        )


def _resolve(accounts: Mapping[str, str], who: str) -> str:
    if who == ANYONE:
        return ZERO
    return accounts.get(who, who)


# ------------------------------------------------------------------------------ the proof


class _Differences:
    """What the chain says otherwise than the market file."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def same(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self.found.append(f"{what} is {found}, should be {wanted}")


def verify(protocol: Protocol, market: Market, *, deployer: str | None = None) -> None:
    """Read everything back from the chain. DeployError with the list of what differs."""
    differences = _Differences()
    deployer = deployer or protocol.accounts.get("deployer")
    _verify_rule(protocol, market, deployer, differences)
    for symbol, asset in market.assets.items():
        _verify_feed(protocol, market, symbol, asset, differences)
        _verify_asset(protocol, symbol, asset, differences)
    for symbol, spec in market.vaults.items():
        _verify_vault(protocol, symbol, spec, differences)
    if differences.found:
        lines = "\n  ".join(differences.found)
        raise DeployError(f"what is deployed is not what {market.path.name} says:\n  {lines}")


def _verify_rule(
    protocol: Protocol, market: Market, deployer: str | None, differences: _Differences
) -> None:
    same, timelock = differences.same, protocol.timelock
    governance, accounts = market.governance, protocol.accounts
    owned: dict[str, Any] = {
        "configurator": protocol.configurator,
        "risk engine": protocol.risk_engine,
        "credit engine": protocol.credit_engine,
        "breaker": protocol.breaker,
        **{f"vault of {symbol}": vault for symbol, vault in protocol.vaults.items()},
    }
    for name, contract in owned.items():
        same(f"owner of the {name}", contract.owner(), timelock.address)
    same("delay of the timelock", timelock.get_minimum_delay(), governance.delay)

    proposers = [_resolve(accounts, who) for who in governance.proposers]
    roles = {
        "proposer": (timelock.PROPOSER_ROLE(), proposers),
        "executor": (
            timelock.EXECUTOR_ROLE(),
            [_resolve(accounts, who) for who in governance.executors],
        ),
        "canceller": (
            timelock.CANCELLER_ROLE(),
            proposers + [_resolve(accounts, who) for who in governance.cancellers],
        ),
        "admin": (timelock.DEFAULT_ADMIN_ROLE(), [timelock.address]),
    }
    known = {*accounts.values(), timelock.address, ZERO}
    if deployer is not None:
        known.add(deployer)
    for role, (identifier, holders) in roles.items():
        for address in sorted(known | set(holders)):
            has, should = timelock.hasRole(identifier, address), address in holders
            same(f"{role} role of {address}", has, should)

    breaker = protocol.breaker
    same("guardian", breaker.guardian(), _resolve(accounts, governance.guardian))
    same("breaker's risk engine", breaker.risk_engine(), protocol.risk_engine.address)
    same("breaker's credit engine", breaker.credit_engine(), protocol.credit_engine.address)
    same("risk engine's breaker", protocol.risk_engine.breaker(), breaker.address)
    same(
        "risk engine's configurator",
        protocol.risk_engine.configurator(),
        protocol.configurator.address,
    )
    same(
        "configurator's risk engine",
        protocol.configurator.risk_engine(),
        protocol.risk_engine.address,
    )
    same(
        "credit engine's risk engine",
        protocol.credit_engine.risk_engine(),
        protocol.risk_engine.address,
    )
    vaults = {vault.address for vault in protocol.vaults.values()}
    same("breaker's vaults", sorted(breaker.vault_list()), sorted(vaults))


def _verify_feed(
    protocol: Protocol, market: Market, symbol: str, asset: Asset, differences: _Differences
) -> None:
    same, feed = differences.same, protocol.feeds[symbol]
    if isinstance(feed, MedianFeed):
        same(f"number of sources of {symbol}", feed.COUNT(), len(asset.feed.sources))
        same(f"quorum of {symbol}", feed.QUORUM(), asset.feed.quorum)
        same(f"band of {symbol}", feed.BAND(), asset.feed.band)
        same(f"pegged of {symbol}", feed.PEGGED(), asset.feed.pegged)
        for index, (aggregator, source) in enumerate(
            zip(protocol.aggregators[symbol], asset.feed.sources, strict=True)
        ):
            address, max_age, _ = feed.source(index)
            same(f"source {index} of {symbol}", address, aggregator.address)
            same(f"max_age of source {index} of {symbol}", max_age, source.max_age)
    elif isinstance(feed, RateFeed):
        same(f"share behind {symbol}", feed.VAULT(), protocol.tokens[symbol].address)
        same(f"growth of {symbol}", feed.GROWTH(), asset.feed.growth)
        base = protocol.feeds[asset.feed.base]
        if isinstance(base, MedianFeed):
            same(f"base of {symbol}", feed.BASE(), base.address)
        staked = StakedTokenMock.at(protocol.host, protocol.tokens[symbol].address)
        same(f"asset of {symbol}", staked.asset(), protocol.tokens[asset.feed.base].address)


def stored_config(config: AssetConfig) -> AssetConfig:
    """The configuration as it is kept: price bounds become powers of two, outwards."""
    return config._replace(
        min_price=1 << (config.min_price.bit_length() - 1),
        max_price=1 << config.max_price.bit_length(),
    )


def stored_cap(amount: int) -> int:
    """A cap or least debt as the credit engine keeps it: 16 bits, rounded down."""
    drop = max(0, amount.bit_length() - 16)
    return amount >> drop << drop


def stored_amount(amount: int) -> int:
    """An amount as a vault keeps it: 12 digits and a little, below 2**104, rounded down."""
    amount, digits = min(amount, 2**104 - 1), 1
    while amount // digits > 2**41 - 1:
        digits *= 10
    return amount // digits * digits


def _verify_asset(protocol: Protocol, symbol: str, asset: Asset, differences: _Differences) -> None:
    same, token = differences.same, protocol.tokens[symbol]
    if protocol.risk_engine.id_of(token) == 0:
        differences.found.append(f"{symbol} is not listed")
        return
    found = protocol.lens.config_of(token)
    wanted = stored_config(asset.config(protocol.feeds[symbol].address))
    for name, one, other in zip(AssetConfig._fields, found, wanted, strict=True):
        same(f"{name} of {symbol}", one, other)
    _, _, cap, takes_fee = protocol.credit_engine.book_of(token)
    same(f"collateral cap of {symbol}", cap, stored_cap(asset.cap or 0))
    same(f"takes_fee of {symbol}", takes_fee, asset.takes_fee)


def _verify_vault(
    protocol: Protocol, symbol: str, spec: VaultMarket, differences: _Differences
) -> None:
    same, vault, fund = differences.same, protocol.vaults[symbol], protocol.funds[symbol]
    token = protocol.tokens[symbol]
    same(f"asset of the vault of {symbol}", vault.asset(), token.address)
    same(f"engine of the vault of {symbol}", vault.engine(), protocol.credit_engine.address)
    same(f"breaker of the vault of {symbol}", vault.breaker(), protocol.breaker.address)
    same(f"fund of the vault of {symbol}", vault.fund(), fund.address)
    same(f"vault of the fund of {symbol}", fund.asset(), vault.address)
    same(f"name of the vault of {symbol}", vault.name(), spec.name)
    same(f"symbol of the vault of {symbol}", vault.symbol(), spec.symbol)
    least = stored_amount(spec.config.min_adaptive_debt)
    wanted = spec.config._replace(min_adaptive_debt=least)
    for name, one, other in zip(wanted._fields, vault.config(), wanted, strict=True):
        same(f"{name} of the vault of {symbol}", one, other)
    caps = (stored_amount(spec.deposit_cap), stored_amount(spec.debt_cap))
    same(f"caps of the vault of {symbol}", tuple(vault.caps()), caps)
    _, lent_by, min_debt = protocol.credit_engine.debt_of(token)
    same(f"vault that lends {symbol}", lent_by, vault.address)
    same(f"min_debt of {symbol}", min_debt, stored_cap(spec.min_debt))
    same(f"breaker's vault of {symbol}", protocol.breaker.vault_of(token), vault.address)
    same(f"vault of {symbol} in the lens", protocol.lens.vault(token).asset, token.address)
