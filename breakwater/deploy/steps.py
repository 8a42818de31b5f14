"""What a deployment does, step by step; each looks first whether it is done already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from breakwater.addresses import AddressBook
from breakwater.contract import Contract
from breakwater.deploy.protocol import (
    AGGREGATOR_DECIMALS,
    ZERO,
    C,
    DeployError,
    Feed,
    Token,
    address_of,
    token_class,
)
from breakwater.driver import (
    BackstopPool,
    BlendFeed,
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
from breakwater.host import Host, Reverted
from breakwater.markets import Asset, Market, Source, VaultMarket
from breakwater.markets import Feed as FeedMarket
from breakwater.mocks import AggregatorMock, StakedTokenMock, TokenMock
from breakwater.units import WAD, format_units

Progress: TypeAlias = Callable[[str, bool], None]
"""Called after each step with its name, and whether it was done now (False: done already)."""


class Deployment:
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
        """Deploy, wire, list, open, seal, hand over; last what needs no owner."""
        self._tokens()
        self._core()
        self._feeds()
        self._assets()
        for vault in self.market.vaults.values():
            self._begin(vault)
        self.lens = self._contract("lens", Lens, self.engine)
        self._seal()
        self._hand_over()
        for symbol in self.market.backstops:
            self._contract(f"backstops.{symbol}", BackstopPool, self.engine, self.tokens[symbol])

    def _contract(self, key: str, cls: type[C], *args: Any) -> C:
        if key in self.book:
            self.progress(key, False)
            return cls.at(self.host, self.book.address(key))
        address = self.host.deploy(cls.NAME, *args, sender=self.deployer)
        contract = cls.at(self.host, address)
        self.book.add(key, cls.NAME, contract.address, self.host)
        self.progress(key, True)
        return contract

    def _blueprint(self, key: str, cls: type[Contract]) -> str:
        """Creation code that contracts create from; its address."""
        done = key in self.book
        if not done:
            code = cls.artifact().bytecode
            address = self.host.deploy_blueprint(code, sender=self.deployer)
            self.book.add(key, "", address, self.host)
        self.progress(key, not done)
        return self.book.address(key)

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
            cls: type[Token]
            key = f"tokens.{symbol}"
            rated = asset.feed.kind == "rate"
            if asset.address is not None:
                cls = StakedTokenMock if rated else TokenMock
                self.tokens[symbol] = self._foreign(key, cls, asset.address)
                continue
            if not rated:
                cls = token_class(self.market, self.book, symbol)
                self.tokens[symbol] = self._contract(key, cls, symbol, symbol, asset.decimals)
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
        self.checks: dict[str, list[AggregatorMock]] = {}
        for symbol, asset in assets.items():
            self.aggregators[symbol] = self._sources("aggregators", asset, asset.feed.sources)
            check = asset.feed.check
            sources = check.market.sources if check is not None else ()
            self.checks[symbol] = self._sources("markets", asset, sources)

    def _sources(self, group: str, asset: Asset, sources: Sequence[Source]) -> list[AggregatorMock]:
        found = []
        for index, source in enumerate(sources):
            key = f"{group}.{asset.symbol}.{index}"
            if source.address is not None:
                found.append(self._foreign(key, AggregatorMock, source.address))
                continue
            answer = asset.price // 10 ** (18 - AGGREGATOR_DECIMALS)
            found.append(self._contract(key, AggregatorMock, AGGREGATOR_DECIMALS, answer))
        return found

    def _core(self) -> None:
        governance, me = self.market.governance, self.deployer
        self.timelock = self._contract(
            "timelock",
            Timelock,
            governance.delay,
            [address_of(self.accounts, who) for who in governance.proposers],
            [address_of(self.accounts, who) for who in governance.executors],
            me,
        )
        guardian = address_of(self.accounts, governance.guardian)
        self.breaker = self._contract("breaker", CircuitBreaker, me, guardian)
        self.risk = self._contract("risk_engine", RiskEngine, self.breaker.address, me, ZERO)
        self.engine = self._contract("credit_engine", CreditEngine, self.risk.address, me)
        self.configurator = self._contract(
            "configurator",
            Configurator,
            self.engine.address,
            self._blueprint("blueprints.BlendFeed", BlendFeed),
            governance.new_assets,
            me,
        )
        self._once(
            "risk engine knows the configurator",
            self.risk.configurator() == self.configurator.address,
            lambda: self.risk.set_configurator(self.configurator, sender=me),
        )
        owned: dict[str, RiskEngine | CreditEngine] = {
            "risk engine": self.risk,
            "credit engine": self.engine,
        }
        for name, contract in owned.items():
            self._once(
                f"configurator owns the {name}",
                contract.owner() == self.configurator.address,
                partial(contract.transfer_ownership, self.configurator, sender=me),
            )
        self._once(
            "breaker is connected",
            self.breaker.risk_engine() != ZERO,
            lambda: self.breaker.connect(self.risk, self.engine, sender=me),
        )

    def _feeds(self) -> None:
        self.feeds: dict[str, Feed] = {}
        assets = self.market.assets
        for symbol in assets:
            self._freshen(symbol)
        for symbol, asset in sorted(assets.items(), key=lambda item: item[1].feed.kind == "rate"):
            if asset.feed.kind == "aggregator":
                self.feeds[symbol] = self.aggregators[symbol][0]
                continue
            check = asset.feed.check
            if check is None:
                self.feeds[symbol] = self._own_feed(f"feeds.{symbol}", asset)
                continue
            self.feeds[symbol] = self._contract(
                f"feeds.{symbol}",
                CheckedFeed,
                self._own_feed(f"feeds.{symbol}.checked", asset).address,
                self._median(
                    f"feeds.{symbol}.market", asset, check.market, self.checks[symbol]
                ).address,
                check.band,
                check.decides,
            )

    def _own_feed(self, key: str, asset: Asset) -> MedianFeed | NavFeed | RateFeed:
        """An asset's feed without what checks it."""
        feed, symbol = asset.feed, asset.symbol
        if feed.kind == "median":
            return self._median(key, asset, feed, self.aggregators[symbol])
        if feed.kind == "nav":
            publisher = address_of(self.accounts, feed.publisher) if feed.publisher else ZERO
            return self._contract(key, NavFeed, asset.price, publisher, feed.valid_for, feed.growth)
        base = self.feeds[feed.base]
        if not isinstance(base, MedianFeed):
            # a rate is quoted over IPriceFeed
            under = self.market.assets[feed.base]
            sources = self.aggregators[feed.base]
            base = self._median(f"feeds.{symbol}.base", under, under.feed, sources)
        return self._contract(key, RateFeed, self.tokens[symbol].address, base.address, feed.growth)

    def _median(
        self, key: str, asset: Asset, feed: FeedMarket, sources: Sequence[AggregatorMock]
    ) -> MedianFeed:
        return self._contract(
            key,
            MedianFeed,
            [aggregator.address for aggregator in sources],
            [source.max_age for source in feed.sources],
            feed.quorum,
            feed.band or 1,
            feed.pegged,
            f"{asset.symbol} / USD",
        )

    def _freshen(self, symbol: str) -> None:
        """A mock's first answer may have aged while the deployment was interrupted."""
        if self.market.devnet is None:
            return
        asset = self.market.assets[symbol]
        aggregators = self.aggregators[symbol] + self.checks[symbol]
        for aggregator, source in zip(aggregators, asset.feed.all_sources, strict=True):
            if self.host.now - aggregator.updated_at() > source.max_age // 2:
                aggregator.set(aggregator.answer(), sender=self.deployer)

    def _assets(self) -> None:
        for symbol, asset in self.market.assets.items():
            token, me = self.tokens[symbol], self.deployer
            config = asset.config(self.feeds[symbol].address)
            vault, min_debt = ZERO, 0
            if symbol in self.market.vaults:
                spec = self.market.vaults[symbol]
                vault, min_debt = self._vault(spec).address, spec.min_debt
            terms = (token, config, asset.cap or 0, asset.takes_fee, vault, min_debt)
            self._once(
                f"list {symbol}",
                self.risk.id_of(token) != 0,
                partial(self.configurator.list_asset, *terms, sender=me),
            )
            if asset.supply_limit:
                self._once(
                    f"supply of {symbol} is watched",
                    self.breaker.supply_of(token).limit != 0,
                    partial(self.breaker.set_supply_limit, token, asset.supply_limit, sender=me),
                )

    def _vault(self, spec: VaultMarket) -> LendingVault:
        return self._contract(
            f"vaults.{spec.asset}",
            LendingVault,
            self.tokens[spec.asset].address,
            self.engine.address,
            self.breaker.address,
            spec.name,
            spec.symbol,
            self.configurator.address,
        )

    def _begin(self, spec: VaultMarket) -> None:
        """A vault that is listed gets its fund and its seed."""
        symbol, me = spec.asset, self.deployer
        vault = LendingVault.at(self.host, self.book.address(f"vaults.{symbol}"))
        fund = self._contract(
            f"funds.{symbol}",
            InsuranceFund,
            vault.address,
            f"{spec.name} fund"[:64],
            f"{spec.symbol}-fund"[:32],
        )
        self._once(f"open {symbol}", vault.fund() != ZERO, lambda: self._open(spec, vault, fund))
        self._once(
            f"breaker knows the vault of {symbol}",
            self.breaker.vault_of(self.tokens[symbol]) != ZERO,
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
        if token.allowance(me, self.configurator) < spec.seed:
            token.approve(self.configurator, spec.seed, sender=me)
        self.configurator.open_vault(vault, fund, spec.seed, spec.config, sender=me)

    def _seal(self) -> None:
        """Genesis ends: from here on there are schedules and steps."""
        governance, me = self.market.governance, self.deployer
        if governance.steward:
            steward = address_of(self.accounts, governance.steward)
            self._once(
                f"{governance.steward} is steward",
                self.configurator.steward() == steward,
                lambda: self.configurator.set_steward(steward, sender=me),
            )
        self._once(
            "genesis is over",
            self.configurator.sealed_at() != 0,
            lambda: self.configurator.seal(sender=me),
        )

    def _hand_over(self) -> None:
        timelock, me = self.timelock, self.deployer
        owned: dict[str, Any] = {"configurator": self.configurator, "breaker": self.breaker}
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
            address = address_of(self.accounts, who)
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
