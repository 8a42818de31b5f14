"""What is on the chain, compared with the market file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from breakwater.deploy.protocol import FEEDS, ZERO, DeployError, Protocol, address_of
from breakwater.driver import AssetConfig, BlendFeed, CheckedFeed, MedianFeed, NavFeed, RateFeed
from breakwater.host import BLUEPRINT
from breakwater.markets import ANYONE, Asset, Market, VaultMarket
from breakwater.markets import Feed as FeedMarket
from breakwater.mocks import AggregatorMock, StakedTokenMock


class _Differences:
    """What the chain says otherwise than the market file."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def same(self, what: str, found: object, wanted: object) -> None:
        """Note it where the two differ."""
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
    for symbol, pool in protocol.backstops.items():
        differences.same(
            f"asset of the backstop pool of {symbol}", pool.asset(), protocol.tokens[symbol].address
        )
        differences.same(
            f"engine of the backstop pool of {symbol}",
            pool.engine(),
            protocol.credit_engine.address,
        )
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
        "breaker": protocol.breaker,
    }
    for name, contract in owned.items():
        same(f"owner of the {name}", contract.owner(), timelock.address)
    configurator = protocol.configurator
    for name, engine in (
        ("risk engine", protocol.risk_engine),
        ("credit engine", protocol.credit_engine),
    ):
        same(f"owner of the {name}", engine.owner(), configurator.address)
    for symbol, vault in protocol.vaults.items():
        same(f"owner of the vault of {symbol}", vault.owner(), configurator.address)
    same("end of genesis", configurator.sealed_at() != 0, True)
    same("steward", configurator.steward(), address_of(accounts, governance.steward or ANYONE))
    same("limit of new assets", configurator.new_limit(), governance.new_assets)
    blueprint = protocol.host.code(configurator.blend_feed())
    same("blueprint of feeds", blueprint == BLUEPRINT + BlendFeed.artifact().bytecode, True)
    same("delay of the timelock", timelock.get_minimum_delay(), governance.delay)

    proposers = [address_of(accounts, who) for who in governance.proposers]
    roles = {
        "proposer": (timelock.PROPOSER_ROLE(), proposers),
        "executor": (
            timelock.EXECUTOR_ROLE(),
            [address_of(accounts, who) for who in governance.executors],
        ),
        "canceller": (
            timelock.CANCELLER_ROLE(),
            proposers + [address_of(accounts, who) for who in governance.cancellers],
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
    same("guardian", breaker.guardian(), address_of(accounts, governance.guardian))
    same("breaker's risk engine", breaker.risk_engine(), protocol.risk_engine.address)
    same("breaker's credit engine", breaker.credit_engine(), protocol.credit_engine.address)
    same("risk engine's breaker", protocol.risk_engine.breaker(), breaker.address)
    same(
        "risk engine's configurator",
        protocol.risk_engine.configurator(),
        protocol.configurator.address,
    )
    same("configurator's risk engine", configurator.risk_engine(), protocol.risk_engine.address)
    same(
        "configurator's credit engine",
        configurator.credit_engine(),
        protocol.credit_engine.address,
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
    check = asset.feed.check
    if isinstance(feed, CheckedFeed) and check is not None:
        same(f"distance that {symbol} may have from its market", feed.BAND(), check.band)
        same(f"whether the market of {symbol} decides", feed.DECIDES(), check.decides)
        sold = MedianFeed.at(protocol.host, feed.MARKET())
        name = f"the market of {symbol}"
        _verify_median(sold, protocol.checks[symbol], name, check.market, differences)
        feed = FEEDS[asset.feed.kind].at(protocol.host, feed.BASE())
    if isinstance(feed, MedianFeed):
        _verify_median(feed, protocol.aggregators[symbol], symbol, asset.feed, differences)
    elif isinstance(feed, NavFeed):
        who = asset.feed.publisher
        publisher = address_of(protocol.accounts, who) if who else ZERO
        same(f"publisher of {symbol}", feed.PUBLISHER(), publisher)
        same(f"validity of {symbol}'s price", feed.AGE(), asset.feed.valid_for)
        same(f"growth of {symbol}", feed.GROWTH(), asset.feed.growth)
    elif isinstance(feed, RateFeed):
        same(f"share behind {symbol}", feed.VAULT(), protocol.tokens[symbol].address)
        same(f"growth of {symbol}", feed.GROWTH(), asset.feed.growth)
        base = protocol.feeds[asset.feed.base]
        if isinstance(base, MedianFeed):
            same(f"base of {symbol}", feed.BASE(), base.address)
        staked = StakedTokenMock.at(protocol.host, protocol.tokens[symbol].address)
        same(f"asset of {symbol}", staked.asset(), protocol.tokens[asset.feed.base].address)


def _verify_median(
    feed: MedianFeed,
    aggregators: Sequence[AggregatorMock],
    name: str,
    wanted: FeedMarket,
    differences: _Differences,
) -> None:
    same = differences.same
    same(f"number of sources of {name}", feed.COUNT(), len(wanted.sources))
    same(f"quorum of {name}", feed.QUORUM(), wanted.quorum)
    same(f"band of {name}", feed.BAND(), wanted.band)
    same(f"pegged of {name}", feed.PEGGED(), wanted.pegged)
    for index, (aggregator, source) in enumerate(zip(aggregators, wanted.sources, strict=True)):
        address, max_age, _ = feed.source(index)
        same(f"source {index} of {name}", address, aggregator.address)
        same(f"max_age of source {index} of {name}", max_age, source.max_age)


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
    """An amount as a vault keeps it: 16 bits, below 2**104, rounded down."""
    return stored_cap(min(amount, 2**104 - 1))


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
    same(f"takes_fee of {symbol}", takes_fee, asset.takes_fee and bool(asset.cap))
    same(f"supply_limit of {symbol}", protocol.breaker.supply_of(token).limit, asset.supply_limit)


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
    amounts = ("min_adaptive_debt", "deposit_cap", "debt_cap", "limit_floor")
    kept = {name: stored_amount(getattr(spec.config, name)) for name in amounts}
    wanted = spec.config._replace(**kept)
    found = protocol.configurator.vault_config_of(vault)
    for name, one, other in zip(wanted._fields, found, wanted, strict=True):
        same(f"{name} of the vault of {symbol}", one, other)
    _, lent_by, min_debt = protocol.credit_engine.debt_of(token)
    same(f"vault that lends {symbol}", lent_by, vault.address)
    same(f"min_debt of {symbol}", min_debt, stored_cap(spec.min_debt))
    same(f"breaker's vault of {symbol}", protocol.breaker.vault_of(token), vault.address)
    same(f"vault of {symbol} in the lens", protocol.lens.vault(token).asset, token.address)
