"""Who acts in the demo. Each has `update(rng, env)`, once a step, and `record(env)`, once a bar.

Randomness comes from the generator that is passed, and from nowhere else. Each asset's price, what
the Lens shows and what the protocol lets happen come from `env`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Protocol

from breakwater.driver import Liquidation
from breakwater.host import Receipt, Reverted
from breakwater.units import MAX_UINT256, WAD

if TYPE_CHECKING:
    from breakwater.demo.environment import Environment

GAS_COST = 0.5
"""USD that a liquidation costs its liquidator in gas."""

SCARCE = 9 * WAD // 10
"""Utilization from which on lenders bring assets back."""

LATENCY = 900
"""Seconds until a liquidator has the proceeds of a sale back as capital."""

LEAST_CAPITAL = 100
"""USD below which a liquidator does not look for deals."""

POKE_EVERY = 300
"""Seconds between a keeper's pokes of an asset while it moves or is not at level NORMAL."""

POKE_QUIET = 900
"""Seconds between its pokes else: a stored price pulls at the average for no longer."""

POKE_MOVE = 0.005
"""A move of the price since the last poke after which a keeper pokes at once."""


class Agent(Protocol):
    """Anyone who acts."""

    def update(self, rng: Random, env: Environment) -> None:
        """Act, once a step."""
        ...

    def record(self, env: Environment) -> None:
        """Note what is worth noting, once a bar."""
        ...


def happens(rng: Random, per_hour: float, seconds: int) -> bool:
    """Whether something that happens `per_hour` on average happens in `seconds`."""
    return rng.random() < 1 - math.exp(-per_hour * seconds / 3_600)


# ------------------------------------------------------------ lenders


@dataclass
class Lender:
    """Deposits; now and then takes a fiftieth out, more often while the breaker is up. Where little
    cash is left and nothing is wrong, the rate draws back what was taken out."""

    name: str
    address: str
    symbol: str
    assets: int
    calm: float = 0.02  # withdrawals an hour
    worried: float = 0.25  # while the asset of the file is in CAUTION or worse
    withdrawn: int = 0

    def open(self, env: Environment) -> None:
        """The deposit."""
        vault = env.stage.vaults[self.symbol]
        env.stage.mint(self.symbol, self.address, self.assets)
        env.stage.token(self.symbol).approve(vault, MAX_UINT256, sender=self.address)
        env.act("deposit", lambda: self._deposit(env, self.assets))

    def leave(self, env: Environment, assets: int) -> None:
        """Take out what the market has no use for, before the replay."""
        vault = env.stage.vaults[self.symbol]
        assets = min(assets, vault.maxWithdraw(self.address))
        if assets > 0 and env.act("withdraw", lambda: self._withdraw(env, assets)):
            self.withdrawn += assets

    def update(self, rng: Random, env: Environment) -> None:
        worried = env.levels.get(env.main, 0) != 0
        if not happens(rng, self.worried if worried else self.calm, env.elapsed):
            return
        vault = env.stage.vaults[self.symbol]
        if not worried and vault.utilization() > SCARCE:
            assets = min(self.assets // 50, self.withdrawn)
            if assets > 0:
                env.stage.mint(self.symbol, self.address, assets)
                env.act("deposit", lambda: self._deposit(env, assets), refused=True)
                self.withdrawn -= assets
            return
        assets = min(self.assets // 50, vault.maxWithdraw(self.address))
        if assets > 0 and env.act("withdraw", lambda: self._withdraw(env, assets)):
            self.withdrawn += assets

    def _deposit(self, env: Environment, assets: int) -> Receipt:
        vault = env.stage.vaults[self.symbol]
        return vault.deposit(assets, self.address, sender=self.address)

    def _withdraw(self, env: Environment, assets: int) -> Receipt:
        vault = env.stage.vaults[self.symbol]
        return vault.withdraw(assets, self.address, self.address, sender=self.address)

    def record(self, env: Environment) -> None:
        pass


# ------------------------------------------------------------ borrowers


@dataclass
class Borrower:
    """Holds one account. Passive, but for the careful, who act when health is low, and the bold,
    who try to borrow more when it is high."""

    index: int
    kind: str
    address: str
    account: bytes
    collateral: dict[str, float]
    """Parts of the equity."""
    debts: dict[str, float]
    """Parts of the debt."""
    equity: float
    """USD"""
    usage: float
    """Of what could be borrowed at the start."""
    loops: int = 0
    careful: float = 0.0
    """Health below which it acts; 0: never."""
    reserve: float = 0.0
    """USD it can still put in."""
    bold: bool = False
    opened: bool = False

    def update(self, rng: Random, env: Environment) -> None:
        health = env.health[self.index]
        if self.reserve > 0 and health < self.careful and happens(rng, 4, env.elapsed):
            self._save(rng, env)
        elif self.bold and 1.6 < health < 1e6 and happens(rng, 0.1, env.elapsed):
            self._raise(env)

    def _save(self, rng: Random, env: Environment) -> None:
        """Top up, or repay, with a half of the reserve."""
        stage = env.stage
        value = self.reserve / 2
        self.reserve = value if value > 100 else 0.0
        if rng.random() < 0.5:
            symbol = max(self.collateral, key=lambda name: self.collateral[name])
            amount = stage.units(symbol, value / env.market.prices[symbol])
            if amount:
                stage.mint(symbol, self.address, amount)
                env.act(
                    "top up",
                    lambda: stage.engine.deposit_collateral(
                        self.account, stage.token(symbol), amount, sender=self.address
                    ),
                    refused=True,
                )
            return
        symbol = max(self.debts, key=lambda name: self.debts[name])
        amount = stage.units(symbol, value / env.market.prices[symbol])
        if amount:
            stage.mint(symbol, self.address, amount)
            env.act(
                "repay",
                lambda: stage.engine.repay(
                    self.account, stage.token(symbol), amount, sender=self.address
                ),
                refused=True,
            )

    def _raise(self, env: Environment) -> None:
        """Borrow a little more."""
        stage = env.stage
        symbol = next(iter(self.debts))
        amount = stage.units(symbol, 0.05 * self.equity / env.market.prices[symbol])
        env.act(
            "borrow",
            lambda: stage.engine.borrow(
                self.account, stage.token(symbol), amount, self.address, sender=self.address
            ),
            refused=True,
        )

    def record(self, env: Environment) -> None:
        pass


# ------------------------------------------------------------ liquidators


@dataclass(frozen=True)
class Deal:
    """A liquidation that pays."""

    account: int
    debt: str
    collateral: str
    max_repay: int
    terms: Liquidation
    cost: float
    profit: float


@dataclass
class Liquidator:
    """Buys what it repays and sells what it seizes outside; capital comes back after LATENCY."""

    name: str
    address: str
    capital: float
    """USD at hand."""
    pending: list[tuple[int, float]] = field(default_factory=list)
    profit: float = 0.0
    count: int = 0
    idle: int = 0
    """Steps in which a deal was left for want of capital."""

    def update(self, rng: Random, env: Environment) -> None:
        due = [value for time, value in self.pending if time <= env.now]
        self.pending = [(time, value) for time, value in self.pending if time > env.now]
        self.capital += sum(due)
        for index in env.below_maintenance():
            if self.capital < LEAST_CAPITAL:
                self.idle += 1
                return
            deal = self._best(env, index)
            if deal is not None:
                self._take(env, deal)

    def _best(self, env: Environment, index: int) -> Deal | None:
        """The most profitable pair of an account, by what the Lens previews."""
        stage, market = env.stage, env.market
        account = env.borrowers[index].account
        found: Deal | None = None
        debts, collaterals = env.legs(index)
        for debt in debts:
            unit_cost = market.cost(debt, 1.0)
            most = stage.units(debt, 0.97 * self.capital / unit_cost)
            if most == 0:
                continue
            for collateral in collaterals:
                try:
                    terms = stage.lens.preview_liquidate(
                        account, stage.token(debt), stage.token(collateral), most
                    )
                except Reverted as error:
                    if error.reason == "account is healthy":
                        env.recovered(index)
                        return None
                    env.refuse("preview liquidate", error)
                    continue
                cost = market.cost(debt, stage.whole(debt, terms.repay + terms.fund_fee))
                proceeds = sum(
                    market.proceeds(stage.symbol(asset), stage.whole(stage.symbol(asset), amount))
                    for asset, amount in zip(terms.collaterals, terms.amounts, strict=True)
                )
                profit = proceeds - cost - GAS_COST
                if cost > self.capital:
                    self.idle += 1
                elif profit > 0 and (found is None or profit > found.profit):
                    found = Deal(index, debt, collateral, most, terms, cost, profit)
        return found

    def _take(self, env: Environment, deal: Deal) -> None:
        stage, market = env.stage, env.market
        need = deal.terms.repay + deal.terms.fund_fee
        stage.mint(deal.debt, self.address, need + need // 1_000 + 10)
        receipt = env.act(
            "liquidate",
            lambda: stage.engine.liquidate(
                env.borrowers[deal.account].account,
                stage.token(deal.debt),
                stage.token(deal.collateral),
                deal.max_repay,
                deal.terms.seized * 995 // 1_000,
                stage.outside,
                bytes(32),
                b"",
                sender=self.address,
            ),
            refused=True,
            account=env.borrowers[deal.account].account,
        )
        if receipt is None:
            return
        paid, _ = receipt.value
        cost = market.cost(deal.debt, stage.whole(deal.debt, paid)) + GAS_COST
        event = receipt.event("Liquidate", stage.engine.address)
        taken = [(event.collateral, event.seized)]
        taken += [(log.asset, log.amount) for log in receipt.events("Seize", stage.engine.address)]
        proceeds = 0.0
        for asset, amount in taken:
            symbol = stage.symbol(asset)
            proceeds += market.sell(symbol, stage.whole(symbol, amount))
        self.capital -= cost
        self.pending.append((env.now + LATENCY, proceeds))
        self.profit += proceeds - cost
        self.count += 1
        env.liquidated(deal.account, self.name, receipt)

    def record(self, env: Environment) -> None:
        pass


# ------------------------------------------------------------ keepers


@dataclass
class Keeper:
    """Pokes the breaker: on a schedule, on moves, and often while an asset is not at NORMAL."""

    name: str
    address: str
    _last: dict[str, tuple[int, float]] = field(default_factory=dict)
    _rates: int = 0

    def update(self, rng: Random, env: Environment) -> None:
        for symbol in env.stage.symbols:
            price = env.market.prices[symbol]
            time, before = self._last.get(symbol, (0, price))
            since = env.now - time
            moved = abs(price / before - 1) if before else 1.0
            busy = env.levels.get(symbol, 0) != 0
            if moved > POKE_MOVE or since >= (POKE_EVERY if busy else POKE_QUIET):
                env.poke(symbol, self.address)
                self._last[symbol] = (env.now, price)
        if env.now - self._rates >= 21_600:
            self._rates = env.now
            env.stage.poke_rates(self.address)

    def record(self, env: Environment) -> None:
        pass
