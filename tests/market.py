"""A small market on any host: tokens, mock feeds, vaults, and the accounts that act on them.

Prices are dollars. Jump bands are wide unless asked for otherwise, so that a test that sets a price
means the price and not the jump; `settle` lets averages catch up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import pytest

from breakwater.driver import (
    AssetConfig,
    BlendFeed,
    CircuitBreaker,
    Configurator,
    CreditEngine,
    InsuranceFund,
    Leg,
    LendingVault,
    Lens,
    MedianFeed,
    RiskEngine,
    SequencerFeed,
    VaultConfig,
)
from breakwater.host import Host, Receipt, Reverted
from breakwater.mocks import AggregatorMock, TokenMock
from breakwater.model import liquidation, margin
from breakwater.units import DAY, MAX_UINT256, RAY, WAD, account_id

ZERO = "0x" + "00" * 20
NOBODY = bytes(32)
DEPOSIT, WITHDRAW, BORROW, REPAY, MOVE, LIQUIDATE = (1 << i for i in range(6))

NEW_LIMIT = 10**7 * WAD
"""What the caps of new assets may be worth together."""

CONFIG: dict[str, Any] = {
    "is_feed": False,
    "max_age": 86_400,
    "jump_band": 6_300,
    "borrow_ltv": 8_000,
    "borrow_ltv_floor": 6_000,
    "liquidation_ltv": 8_300,
    "debt_weight": 10_000,
    "max_leverage": 200_000,
    "volatility_ref": 400,
    "volatility_slope": 0,
    "tip": 50,
    "incentive_min": 100,
    "incentive_max": 800,
    "incentive_slope": 10_000,
    "target_health": 10_500,
    "target_slope": 0,
    "closes_whole": False,
}
"""Rules of an asset that a test does not name."""

ASSETS: dict[str, dict[str, Any]] = {
    "WETH": {"decimals": 18, "dollars": 2_000},
    "WBTC": {"decimals": 8, "dollars": 50_000, "borrow_ltv": 7_000, "liquidation_ltv": 7_500},
    "USDC": {"decimals": 6, "dollars": 1, "borrow_ltv": 7_700, "liquidation_ltv": 8_000},
    "DAI": {"decimals": 18, "dollars": 1, "borrow_ltv": 7_500, "liquidation_ltv": 7_800},
}
"""Every asset is collateral; those in `debts` have a vault too."""

VAULT = VaultConfig(
    reserve_factor=1_000,
    target_utilization=9_000,
    steepness=40_000,
    adjustment_speed=0,
    initial_rate=400,
    min_rate=1,
    max_rate=20_000,
    flash_fee=0,
    min_adaptive_debt=0,
    deposit_cap=2**100,
    debt_cap=2**100,
    limit_floor=0,
    outflow_limit=0,
    growth_limit=0,
)


class Asset:
    """A listed asset and, where it is lent, its vault."""

    def __init__(self, name: str, decimals: int, token: Any, feeds: list[AggregatorMock]) -> None:
        self.name = name
        self.decimals = decimals
        self.unit = 10**decimals
        self.token = token
        self.feeds = feeds
        self.config: AssetConfig
        self.id = 0
        self.vault: LendingVault
        self.fund: InsuranceFund
        self.dollars: list[Fraction] = []

    @property
    def address(self) -> str:
        """Of the token."""
        return str(self.token.address)

    def units(self, whole: int | float | str | Fraction) -> int:
        """Whole tokens in token units."""
        return int(Fraction(str(whole)) * self.unit)


class Market:
    """The deployed protocol, with shorthands that tests share."""

    def __init__(
        self,
        host: Host,
        assets: dict[str, dict[str, Any]] | None = None,
        debts: tuple[str, ...] = ("USDC", "DAI", "WETH"),
        cash: int = 10**8,
        min_debt: int = 100,
        vault: VaultConfig = VAULT,
        has_sequencer: bool = False,
    ) -> None:
        """`cash` and `min_debt` are dollars."""
        self.host = host
        names = ("owner", "guardian", "lender", "borrower", "liquidator", "other")
        for name in names:
            setattr(self, name, host.account(name))
        owner = self.owner
        self.breaker = CircuitBreaker.deploy(host, owner, self.guardian, sender=owner)
        sequencer = ZERO
        if has_sequencer:
            self.uptime = AggregatorMock.deploy(host, 0, 0, sender=owner)
            self.uptime.set_round(1, 0, host.now - 2 * DAY, 1, sender=owner)
            self.sequencer = SequencerFeed.deploy(host, self.uptime, sender=owner)
            sequencer = self.sequencer.address
        self.risk = RiskEngine.deploy(host, self.breaker, owner, sequencer, sender=owner)
        self.engine = CreditEngine.deploy(host, self.risk, owner, sender=owner)
        blend = host.deploy_blueprint(BlendFeed.artifact().bytecode, sender=owner)
        self.configurator = Configurator.deploy(
            host, self.engine, blend, NEW_LIMIT, owner, sender=owner
        )
        self.lens = Lens.deploy(host, self.engine, sender=owner)
        self.risk.set_configurator(self.configurator, sender=owner)
        self.engine.transfer_ownership(self.configurator, sender=owner)
        self.breaker.connect(self.risk, self.engine, sender=owner)
        self.assets: dict[str, Asset] = {}
        for name, options in (assets or ASSETS).items():
            self.add_asset(name, **options)
        for name in debts:
            self.add_vault(name, cash, min_debt, vault)

    owner: str
    guardian: str
    lender: str
    borrower: str
    liquidator: str
    other: str

    # ------------------------------------------------------------ listing

    def add_asset(
        self,
        name: str,
        *,
        decimals: int,
        dollars: int | Fraction,
        sources: int = 1,
        token: Any = None,
        cap: int | None = None,
        takes_fee: bool = False,
        listed: bool = True,
        **rules: Any,
    ) -> Asset:
        """List a token with mock feeds; several sources stand behind a median feed."""
        host, owner = self.host, self.owner
        token = token or TokenMock.deploy(host, name, name[:8], decimals, sender=owner)
        answer = _answer(dollars)
        feeds = [AggregatorMock.deploy(host, 8, answer, sender=owner) for _ in range(sources)]
        asset = Asset(name, decimals, token, feeds)
        asset.dollars = [Fraction(dollars)] * sources
        config = {**CONFIG, **rules}
        config.setdefault("source", feeds[0].address)
        if sources > 1:
            ages = [config["max_age"]] * sources
            feed = MedianFeed.deploy(host, feeds, ages, 1, 100, False, name, sender=owner)
            config.update(source=feed.address, is_feed=True)
        low = Fraction(dollars) * WAD
        config.setdefault("min_price", max(int(low / 10**6), 10**9))
        config.setdefault("max_price", min(int(low * 10**6), 10**28))
        config["borrow_ltv_floor"] = min(
            config["borrow_ltv_floor"], config["borrow_ltv"] - config["borrow_ltv"] % 50
        )
        config["borrow_ltv_floor"] += (config["borrow_ltv"] - config["borrow_ltv_floor"]) % 50
        asset.config = AssetConfig(**config)
        limit = 0 if not listed else cap if cap is not None else 2**100
        asset.id = self.configurator.list_asset(
            token, asset.config, limit, takes_fee, ZERO, 0, sender=owner
        ).value
        self.assets[name] = asset
        return asset

    def add_vault(self, name: str, cash: int, min_debt: int, config: VaultConfig = VAULT) -> None:
        """Open a vault for an asset, with `cash` dollars in it."""
        host, owner, asset = self.host, self.owner, self.assets[name]
        asset.vault = LendingVault.deploy(
            host, asset.token, self.engine, self.breaker, f"Breakwater {name}", f"bw{name}"[:10],
            self.configurator, sender=owner,
        )  # fmt: skip
        asset.fund = InsuranceFund.deploy(host, asset.vault, "Fund", "FUND", sender=owner)
        seed = asset.unit
        self.give(name, owner, seed)
        asset.token.approve(self.configurator, seed, sender=owner)
        self.configurator.open_vault(asset.vault, asset.fund, seed, config, sender=owner)
        amount = int(cash / asset.dollars[0]) * asset.unit
        if amount:
            self.give(name, self.lender, amount)
            asset.vault.deposit(amount, self.lender, sender=self.lender)
        least = int(min_debt / asset.dollars[0] * asset.unit)
        self.configurator.list_debt(asset.vault, least, sender=owner)
        self.breaker.add_vault(asset.vault, sender=owner)

    def set_vault(self, name: str, **changes: int) -> None:
        """Change parts of a vault's configuration, as the owner."""
        vault = self.assets[name].vault
        config = self.configurator.vault_config_of(vault)._replace(**changes)
        self.configurator.set_vault(vault, config, sender=self.owner)

    def give(self, name: str, who: str, amount: int) -> None:
        """Mint tokens and approve engine and vault."""
        asset = self.assets[name]
        asset.token.mint(who, amount, sender=self.owner)
        asset.token.approve(self.engine, MAX_UINT256, sender=who)
        if hasattr(asset, "vault"):
            asset.token.approve(asset.vault, MAX_UINT256, sender=who)

    # ------------------------------------------------------------ prices

    def price(self, name: str, *dollars: int | Fraction) -> None:
        """Set the price of an asset, one for each source or one for all."""
        asset = self.assets[name]
        asset.dollars = [Fraction(d) for d in dollars] * (
            len(asset.feeds) if len(dollars) == 1 else 1
        )
        self.refresh(name)

    def refresh(self, *names: str) -> None:
        """A new round at the present price."""
        for name in names or self.assets:
            asset = self.assets[name]
            for feed, dollars in zip(asset.feeds, asset.dollars, strict=True):
                feed.set(_answer(dollars), sender=self.owner)

    def poke(self, name: str) -> Receipt:
        """Store the checkpoint of an asset."""
        return self.breaker.poke(self.assets[name], sender=self.other)

    def settle(self, *names: str, rounds: int = 60) -> None:
        """Let time pass until averages are at the price."""
        for _ in range(rounds):
            self.host.advance(900)
            self.refresh()
            for name in names or self.assets:
                self.poke(name)

    def wind_down(self, name: str, price: int) -> Receipt:
        """Settle an asset at a price [WAD], and the day for which that is announced, over which
        everything stands.
        """
        asset = self.assets[name]
        self.configurator.announce_settlement(asset, price, sender=self.owner)
        self.host.advance(DAY)
        self.refresh()
        return self.configurator.settle(asset, sender=self.owner)

    def break_feed(self, name: str) -> None:
        """No valid price any more."""
        for feed in self.assets[name].feeds:
            feed.set_round(9, 0, 0, 0, sender=self.owner)

    # ------------------------------------------------------------ accounts

    def account(self, number: int = 0, owner: str | None = None) -> bytes:
        """An account of the borrower, or of `owner`."""
        return account_id(owner or self.borrower, number)

    def deposit(self, name: str, whole: Any, account: bytes | None = None) -> Receipt:
        """Collateral from the borrower, in whole tokens."""
        asset = self.assets[name]
        self.give(name, self.borrower, asset.units(whole))
        return self.engine.deposit_collateral(
            account or self.account(), asset, asset.units(whole), sender=self.borrower
        )

    def borrow(self, name: str, whole: Any, account: bytes | None = None) -> Receipt:
        """Debt of the borrower, in whole tokens."""
        asset = self.assets[name]
        return self.engine.borrow(
            account or self.account(), asset, asset.units(whole), self.borrower,
            sender=self.borrower,
        )  # fmt: skip

    def liquidate(
        self,
        debt: str,
        collateral: str,
        max_repay: int = MAX_UINT256,
        *,
        account: bytes | None = None,
        min_seized: int = 0,
        credit: bytes = NOBODY,
        data: bytes = b"",
        sender: str | None = None,
        receiver: str | None = None,
    ) -> Receipt:
        """Liquidate as the liquidator, who has all the money there is."""
        who = sender or self.liquidator
        if sender is None:
            self.give(debt, who, 10**9 * self.assets[debt].unit)
        return self.engine.liquidate(
            account or self.account(), self.assets[debt], self.assets[collateral], max_repay,
            min_seized, receiver or who, credit, data, sender=who,
        )  # fmt: skip

    def leg(
        self,
        action: int,
        name: str,
        amount: int,
        account: bytes | None = None,
        *,
        receiver: str | None = None,
        other: bytes = NOBODY,
        collateral: str | None = None,
        min_seized: int = 0,
    ) -> Leg:
        """One step of a batch, `amount` in token units."""
        return Leg(
            action=action,
            account=account or self.account(),
            asset=self.assets[name].address,
            amount=amount,
            receiver=receiver or self.borrower,
            other=other,
            collateral=self.assets[collateral].address if collateral else ZERO,
            min_seized=min_seized,
        )

    # ------------------------------------------------------------ what the model is told

    def legs(self, account: bytes | None = None) -> list[margin.Leg]:
        """The account as the model takes it: shares as stored, times the vault's index."""
        words = self.engine.words_of(account or self.account())
        by_id = {asset.id: asset for asset in self.assets.values()}
        found = []
        for i in range(8):
            word = words[i // 2]
            tag = word >> (208 + 8 * (i % 2)) & 255
            amount = word >> (104 * (i % 2)) & (2**104 - 1)
            if tag == 0:
                continue
            asset = by_id[tag & 127]
            if tag >= 128:
                amount = -(-amount * asset.vault.debt_index() // RAY)
            found.append(margin.Leg(asset.name, amount, tag >= 128))
        return found

    def held(self, name: str, account: bytes | None = None) -> int:
        """Collateral of an account in token units."""
        return sum(
            leg.amount for leg in self.legs(account) if leg.asset == name and not leg.is_debt
        )

    def owed(self, name: str, account: bytes | None = None) -> int:
        """Debt of an account in token units, interest included."""
        return sum(leg.amount for leg in self.legs(account) if leg.asset == name and leg.is_debt)

    def position(self, *legs: tuple[str, int, bool]) -> list[int]:
        """Legs (asset, amount, is debt) packed as the risk engine takes them."""
        words = [0, 0, 0, 0]
        for i, (name, amount, is_debt) in enumerate(legs):
            tag = self.assets[name].id | (128 if is_debt else 0)
            words[i // 2] |= amount << (104 * (i % 2)) | tag << (208 + 8 * (i % 2))
        return words

    def rules(self) -> dict[str, margin.Rules]:
        """Rules of every asset, as listed."""
        return {
            name: margin.Rules.of(asset.config, asset.decimals)
            for name, asset in self.assets.items()
        }

    def spot(self) -> dict[str, margin.Prices]:
        """Every asset valid at the price that was set, with the average at it too."""
        return {
            name: margin.Prices.flat(_wad(asset.dollars[0])) for name, asset in self.assets.items()
        }

    def health(self, account: bytes | None = None, **prices: Any) -> margin.Health:
        """Health by the model, at the prices that were set."""
        return margin.health(self.legs(account), self.rules(), {**self.spot(), **prices})

    def terms(
        self,
        debt: str,
        collateral: str,
        max_repay: int = MAX_UINT256,
        *,
        account: bytes | None = None,
        **prices: Any,
    ) -> liquidation.Terms:
        """Liquidation terms by the model, at the prices that were set."""
        min_debt = self.engine.debt_of(self.assets[debt])[2]
        return liquidation.terms(
            self.legs(account), self.rules(), {**self.spot(), **prices}, debt, collateral,
            max_repay, min_debt,
        )  # fmt: skip

    def tokens(self, name: str, who: str) -> int:
        """Balance of tokens."""
        return int(self.assets[name].token.balanceOf(who))


@contextmanager
def refuses(reason: str) -> Iterator[None]:
    """What is inside reverts with exactly this reason."""
    with pytest.raises(Reverted) as caught:
        yield
    assert caught.value.reason == reason


def _answer(dollars: int | Fraction) -> int:
    return int(Fraction(dollars) * 10**8)


def _wad(dollars: Fraction) -> int:
    return _answer(dollars) * 10**10


__all__ = [
    "ASSETS", "BORROW", "CONFIG", "DEPOSIT", "LIQUIDATE", "MOVE", "NOBODY", "REPAY", "VAULT",
    "WITHDRAW", "ZERO", "Asset", "Market", "refuses",
]  # fmt: skip
