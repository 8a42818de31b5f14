"""What a market is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from breakwater.driver import AssetConfig, VaultConfig

ANYONE = "anyone"
"""The executor that stands for the zero address: whoever comes."""


@dataclass(frozen=True)
class Source:
    """One Chainlink aggregator."""

    max_age: int
    """Seconds."""
    address: str | None = None
    """None: a mock on a devnet."""


@dataclass(frozen=True)
class Feed:
    """Where an asset's price comes from.

    aggregator  one source, which the risk engine reads directly
    median      one to three sources behind a `MedianFeed`
    rate        the rate of an ERC-4626 share times the price of the asset `base`
    nav         a value that `publisher` says, or a fixed price without one, valid for `valid_for`
    """

    kind: Literal["aggregator", "median", "rate", "nav"]
    sources: tuple[Source, ...] = ()
    quorum: int = 1
    band: int = 0
    """Basis points."""
    pegged: bool = False
    base: str = ""
    growth: int = 0
    """Basis points a year."""
    publisher: str = ""
    """An address or a label; empty: nobody."""
    valid_for: int = 0
    """Seconds."""
    check: Check | None = None
    """What it is checked by; see `CheckedFeed`."""

    @property
    def all_sources(self) -> tuple[Source, ...]:
        """Its own, and those of the market that checks it."""
        return self.sources + (self.check.market.sources if self.check is not None else ())


@dataclass(frozen=True)
class Check:
    """A median of what an asset is sold for, which checks the feed it stands under."""

    market: Feed
    band: int
    """Basis points that the two may be apart."""
    decides: bool
    """Whether the market's price counts where they are apart."""


@dataclass(frozen=True)
class Asset:
    """One listed asset; parameters as in `IConfigurator.AssetConfig`."""

    symbol: str
    decimals: int
    address: str | None
    """None: a mock on a devnet."""
    feed: Feed
    price: int
    """WAD; what a devnet's aggregators begin with, and what sizes are judged by. A `rate` feed's is
    that of its base (times the devnet's rate), a `nav` feed begins with it."""
    parameters: Mapping[str, Any]
    """Fields of `AssetConfig` but source and is_feed."""
    cap: int | None
    """Token units of collateral, all accounts together; None: no collateral."""
    takes_fee: bool
    supply_limit: int = 0
    """Basis points that its issuer's supply may grow in a day; 0: not watched."""

    def config(self, source: str) -> AssetConfig:
        """The parameters as the configurator takes them, with the address of the feed."""
        is_feed = self.feed.kind != "aggregator"
        return AssetConfig(source=source, is_feed=is_feed, **self.parameters)


@dataclass(frozen=True)
class VaultMarket:
    """One lending vault and its insurance fund. Amounts in units of the asset."""

    asset: str
    name: str
    symbol: str
    config: VaultConfig
    min_debt: int
    seed: int
    backstop: bool = False
    """Whether a `BackstopPool` is deployed beside it. It has nothing to set."""


@dataclass(frozen=True)
class Governance:
    """Who rules. Each is an address, a label of the devnet's accounts, or (executors) `ANYONE`."""

    delay: int
    """Seconds."""
    guardian: str
    proposers: tuple[str, ...]
    executors: tuple[str, ...]
    cancellers: tuple[str, ...]
    """Beside the proposers, who may always cancel."""
    steward: str
    """Moves caps and borrow_ltv in small steps without delay; empty: nobody."""
    new_assets: int
    """WAD USD; what the caps of assets younger than 30 days may be worth together."""


@dataclass(frozen=True)
class Pool:
    """A pool of Uniswap v3, on a devnet that is a node."""

    assets: tuple[str, str]
    fee: int
    """Millionths."""
    depth: int
    """WAD USD; about what a swap of it moves the price by 1 %."""

    @property
    def name(self) -> str:
        """As the market file has it, such as "WETH/USDC"."""
        return "/".join(self.assets)


@dataclass(frozen=True)
class Devnet:
    """What exists on a development chain only."""

    accounts: tuple[str, ...]
    """Labels, in the order of the accounts of the test mnemonic."""
    rates: Mapping[str, int]
    """WAD, assets per share of each asset with a `rate` feed."""
    heartbeat: int
    """Seconds between two answers of the aggregators, while the devnet runs."""
    balances: Mapping[str, Mapping[str, int]]
    """Token units by label and symbol."""
    delay: int | None = None
    """Seconds; the timelock's on a node, so that a person can play owner. None: as everywhere."""
    wrapped: str = ""
    """Symbol of the asset that is the real WETH9 on a node; empty: none is."""
    pools: tuple[Pool, ...] = ()


@dataclass(frozen=True)
class Market:
    """A whole market file."""

    path: Path
    name: str
    chain_id: int
    governance: Governance
    stressed_liquidation: int
    """WAD USD; what one liquidation costs when blocks are full."""
    assets: Mapping[str, Asset]
    vaults: Mapping[str, VaultMarket]
    devnet: Devnet | None

    @property
    def backstops(self) -> tuple[str, ...]:
        """Symbols of the debt assets that have a backstop pool."""
        return tuple(symbol for symbol, vault in self.vaults.items() if vault.backstop)

    def decimals(self, symbol: str) -> int:
        """Decimals of an asset; KeyError when it is unknown (see `units.parse_amount`)."""
        return self.assets[symbol].decimals
