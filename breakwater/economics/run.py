"""One crash under one mechanism.

ORDER of a step of five minutes: the clock, the market and the feeds move; a keeper pokes; who is
below maintenance is found; liquidators act in an order drawn anew, each on whoever has been below
for at least their latency; worthless accounts are written off.

LIQUIDATORS repay out of their capital, sell what they seize into the pools at once and have the
money back after TURNAROUND. They take the size and the pair that pay best after gas, and nothing
that does not pay.
"""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from breakwater.demo.stage import Stage
from breakwater.driver import Liquidation
from breakwater.economics.crashes import STEP, Crash
from breakwater.economics.mechanisms import Mechanism
from breakwater.economics.pool import Pool
from breakwater.economics.population import Borrower, draw
from breakwater.economics.results import Result
from breakwater.evm import EvmHost
from breakwater.host import Receipt, Reverted
from breakwater.units import BPS, MAX_UINT256, WAD, account_id

TURNAROUND = 900
"""Seconds until a liquidator has the proceeds of a sale as capital."""

SIZES = (1.0, 0.5, 0.25, 0.1)
"""Of what may be repaid, that a liquidator considers."""

RETRY = 900
"""Seconds for which nobody looks again at an account that did not pay, unless a price moves."""

RETRY_MOVE = 0.005
REFRESH = 6 * 3_600
"""Seconds after which debts are read again: interest."""

POKE_QUIET, POKE_BUSY, POKE_MOVE = 900, 300, 0.005
"""The keeper's, as in the demo."""

DOLLAR = "USDC"
ROOM = 1.3
"""Deposits over debts at the start."""

NEAR = 1.003
"""Health from which an account is looked at: interest since it was read."""


@dataclass(frozen=True)
class Settings:
    """What a run can be told."""

    seed: int = 1
    population: int = 300
    debt: float = 20_000_000
    """USD at the start."""
    liquidators: int = 5
    capital: float = 0.1
    """Of all liquidators, as a part of all debt."""
    latency: int = STEP
    """Seconds from a health below 1 to the first attempt."""
    gas: float = 20.0
    """USD that a liquidation costs."""
    depth: float = 0.02
    """USD that a pool takes while its price falls by 1 %, as a part of the debt that its asset
    secures."""


@dataclass
class Account:
    """A borrower's, in whole tokens as last read."""

    borrower: Borrower
    address: str
    id: bytes
    one: str
    """Class of its first collateral."""
    held: dict[str, float] = field(default_factory=dict)
    owed: dict[str, float] = field(default_factory=dict)
    below_since: int | None = None
    tried: tuple[int, float, dict[str, float]] = (0, 0.0, {})
    """When nothing paid, with how much capital, at which prices."""
    liquidated: bool = False


@dataclass
class Liquidator:
    """Capital in USD at hand and on its way."""

    address: str
    capital: float
    pending: list[tuple[int, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Deal:
    """A liquidation that pays."""

    debt: str
    collateral: str
    terms: Liquidation


@dataclass
class Lot:
    """Collateral that the protocol took from one account: whole tokens, and USD each cost it."""

    symbol: str
    one: str
    amount: float
    basis: float


Watch = Callable[[int, int], None]


class Run:
    """One run; `run` gives its result."""

    def __init__(self, crash: Crash, mechanism: Mechanism, settings: Settings) -> None:
        self.crash, self.mechanism, self.settings = crash, mechanism, settings
        self.rng = Random(settings.seed)
        self.result = Result(crash.name, mechanism.name, mechanism.title)
        self.prices: dict[str, float] = {}
        self.now = crash.start
        self._poked: dict[str, tuple[int, float]] = {}
        self._levels: dict[str, int] = {}
        self._stock: list[Lot] = []
        self._read_at = crash.start

    def run(self, watch: Watch | None = None) -> Result:
        """Everything; `watch` is told the steps done and all of them."""
        began = clock.monotonic()
        self._open()
        steps = self.crash.steps
        for number, now in enumerate(steps, 1):
            self._step(now)
            if watch is not None:
                watch(number, len(steps))
        self._close()
        self.result.seconds = clock.monotonic() - began
        return self.result

    # ------------------------------------------------------------ the beginning

    def _open(self) -> None:
        market = self.mechanism.market(self.crash)
        self.host = EvmHost(timestamp=self.crash.start - STEP, block=1)
        start = {
            symbol: line.at(self.crash.start)
            for symbol, line in self.crash.lines.items()
            if market.assets[symbol].feed.kind != "rate"
        }
        with self.mechanism.build():
            self.stage = Stage(self.host, market, start)
        stage = self.stage
        self._rates = {symbol: stage.rate(symbol) for symbol in stage.rated}
        self._ltv = {
            name: asset.parameters["liquidation_ltv"] / BPS for name, asset in market.assets.items()
        }
        self._weight = {
            name: asset.parameters["debt_weight"] / BPS for name, asset in market.assets.items()
        }
        self.host.advance(self.crash.start - self.host.now)
        self._move(self.crash.start)
        self.keeper = self.host.account("keeper")
        drawn = draw(self.rng, self.settings.population, self.crash.kinds, self.settings.debt)
        self._lend(drawn)
        self.accounts = [self._account(index, one) for index, one in enumerate(drawn)]
        self.result.accounts = len(self.accounts)
        self._pools()
        total = self.result.debt = sum(one.borrower.owed for one in self.accounts)
        for account in self.accounts:
            sums = self.result.debt_by_class
            sums[account.one] = sums.get(account.one, 0.0) + account.borrower.owed
        count = self.settings.liquidators
        self.liquidators = [
            Liquidator(
                self.host.account(f"liquidator {index}"), total * self.settings.capital / count
            )
            for index in range(count)
        ]
        self.absorber = self.host.account("absorber")
        for who in (*[one.address for one in self.liquidators], self.absorber, self.keeper):
            for symbol, vault in stage.vaults.items():
                stage.token(symbol).approve(vault, MAX_UINT256, sender=who)
        self.host.advance(0, 1)
        # with a live snapshot an `EvmHost` never folds its journal, after which calls fail
        self.host.snapshot()

    def _lend(self, drawn: list[Borrower]) -> None:
        stage, lender = self.stage, self.host.account("lender")
        for symbol, vault in stage.vaults.items():
            owed = sum(one.owed for one in drawn if one.debt == symbol) or 1_000.0
            units = stage.units(symbol, ROOM * owed / self.prices[symbol])
            stage.mint(symbol, lender, units)
            stage.token(symbol).approve(vault, MAX_UINT256, sender=lender)
            vault.deposit(units, lender, sender=lender)

    def _account(self, index: int, borrower: Borrower) -> Account:
        """Deposits and borrows; health is at least what the initial margin asks for."""
        stage = self.stage
        owner = self.host.account(f"borrower {index}")
        first = next(iter(borrower.collateral))
        account = Account(borrower, owner, account_id(owner), self.crash.classes[first])
        assets = stage.market.assets
        weighted = sum(part * self._ltv[name] for name, part in borrower.collateral.items())
        allowed = sum(
            part * assets[name].parameters["borrow_ltv"] / BPS
            for name, part in borrower.collateral.items()
        )
        leverage = min(
            assets[name].parameters["max_leverage"] / BPS
            for name in (*borrower.collateral, borrower.debt)
        )
        least = max(weighted / allowed, weighted * leverage / (leverage - 1)) * 1.002
        value = borrower.owed * max(borrower.health, least) / weighted
        for symbol, part in borrower.collateral.items():
            units = stage.units(symbol, part * value / self.prices[symbol])
            stage.mint(symbol, owner, units)
            stage.token(symbol).approve(stage.engine, MAX_UINT256, sender=owner)
            token = stage.token(symbol)
            stage.engine.deposit_collateral(account.id, token, units, sender=owner)
        units = stage.units(borrower.debt, borrower.owed / self.prices[borrower.debt])
        token = stage.token(borrower.debt)
        stage.engine.borrow(account.id, token, units, owner, sender=owner)
        self._read(account)
        return account

    def _pools(self) -> None:
        secured: dict[str, float] = {}
        for account in self.accounts:
            for symbol, part in account.borrower.collateral.items():
                secured[symbol] = secured.get(symbol, 0.0) + part * account.borrower.owed
            debt = account.borrower.debt
            secured[debt] = max(secured.get(debt, 0.0), account.borrower.owed)
        self.pools = {
            symbol: Pool(self.settings.depth * value, self.prices[symbol], _time=self.now)
            for symbol, value in secured.items()
            if symbol != DOLLAR
        }

    def _read(self, account: Account) -> None:
        stage = self.stage
        account.held, account.owed = {}, {}
        for leg in stage.lens.account(account.id).legs:
            symbol = stage.symbol(leg.asset)
            amounts = account.owed if leg.is_debt else account.held
            amounts[symbol] = stage.whole(symbol, leg.amount)

    # ------------------------------------------------------------ a step

    def _step(self, now: int) -> None:
        if now > self.host.now:
            self.host.advance(now - self.host.now)
        self._move(now)
        for symbol, pool in self.pools.items():
            pool.move(now, self.prices[symbol])
        self._poke()
        if now - self._read_at >= REFRESH:
            self._read_at = now
            for account in self.accounts:
                if account.owed:
                    self._read(account)
        weak = self._weak()
        if self.mechanism.absorbs:
            for account in weak:
                if now - (account.below_since or now) >= self.settings.latency:
                    self._absorb(account)
        order = list(self.liquidators)
        self.rng.shuffle(order)
        for liquidator in order:
            self._collect(liquidator)
            if self.mechanism.absorbs:
                self._buy_stock(liquidator)
            else:
                self._liquidate(liquidator, weak)
        self._write_off(weak)

    def _move(self, now: int) -> None:
        stage, lines = self.stage, self.crash.lines
        self.now = now
        for symbol in stage.priced:
            line = lines.get(symbol)
            price = line.at(now) if line is not None else stage.market.assets[symbol].price / WAD
            self.prices[symbol] = price
            stage.set_price(symbol, max(price, 1e-8))
        for symbol, base in stage.rated.items():
            line, rate = lines.get(symbol), self._rates[symbol]
            if line is not None:
                rate *= line.at(now) / line.at(self.crash.start)
                stage.set_rate(symbol, rate)
            self.prices[symbol] = rate * self.prices[base]

    def _poke(self) -> None:
        for symbol in self.stage.symbols:
            price = self.prices[symbol]
            at, before = self._poked.get(symbol, (0, price))
            busy = self._levels.get(symbol, 0) != 0
            if busy:
                self.result.halted += STEP / 3_600
            wait = POKE_BUSY if busy else POKE_QUIET
            if self.now - at >= wait or abs(price / before - 1) > POKE_MOVE:
                self.stage.poke(symbol, self.keeper)
                self._poked[symbol] = (self.now, price)
                self._levels[symbol] = self.stage.breaker.level_of(self.stage.token(symbol))

    def _weak(self) -> list[Account]:
        """Accounts that the market has below maintenance, the largest debt first."""
        found = []
        for account in self.accounts:
            if not account.owed:
                continue
            if self._health(account) >= NEAR:
                account.below_since = None
                continue
            if account.below_since is None:
                account.below_since = self.now
            found.append(account)
        return sorted(found, key=self._debt_value, reverse=True)

    def _health(self, account: Account) -> float:
        held = sum(n * self.prices[name] * self._ltv[name] for name, n in account.held.items())
        owed = sum(n * self.prices[name] * self._weight[name] for name, n in account.owed.items())
        return held / owed if owed else math.inf

    def _value(self, amounts: Mapping[str, float]) -> float:
        return sum(amount * self.prices[name] for name, amount in amounts.items())

    def _debt_value(self, account: Account) -> float:
        return self._value(account.owed)

    # ------------------------------------------------------------ liquidators

    def _collect(self, liquidator: Liquidator) -> None:
        due = [value for time, value in liquidator.pending if time <= self.now]
        liquidator.pending = [one for one in liquidator.pending if one[0] > self.now]
        liquidator.capital += sum(due)

    def _liquidate(self, liquidator: Liquidator, weak: list[Account]) -> None:
        for account in weak:
            if self.now - (account.below_since or self.now) < self.settings.latency:
                continue
            while account.owed and self._worth_a_look(account, liquidator.capital):
                deal = self._best(account, liquidator.capital)
                if deal is None:
                    account.tried = (self.now, liquidator.capital, dict(self.prices))
                    break
                self._take(liquidator, account, deal)
                if self._health(account) >= NEAR:
                    break

    def _worth_a_look(self, account: Account, capital: float) -> bool:
        if capital <= self.settings.gas:
            return False
        time, before, seen = account.tried
        if not seen or self.now - time >= RETRY:
            return True
        if capital > before and before < self._debt_value(account):
            return True
        names = (*account.held, *account.owed)
        return any(abs(self.prices[name] / seen[name] - 1) > RETRY_MOVE for name in names)

    def _best(self, account: Account, capital: float) -> Deal | None:
        """The pair and the size that pay best within the capital."""
        found, best = None, 0.0
        for debt in account.owed:
            most = min(0.97 * capital / self.prices[debt], account.owed[debt] * 1.01)
            for collateral in account.held or [debt]:
                terms = self._preview(account, debt, collateral, self.stage.units(debt, most))
                if terms is None:
                    continue
                # terms are in proportion to what is repaid
                for size in SIZES:
                    profit = self._profit(debt, terms, size)
                    if profit > best:
                        found, best = (debt, collateral, int(terms.repay * size)), profit
        if found is None:
            return None
        debt, collateral, units = found
        terms = self._preview(account, debt, collateral, units)
        if terms is None or self._profit(debt, terms, 1.0) <= 0:
            return None
        return Deal(debt, collateral, terms)

    def _preview(
        self, account: Account, debt: str, collateral: str, units: int
    ) -> Liquidation | None:
        stage = self.stage
        try:
            return stage.lens.preview_liquidate(
                account.id, stage.token(debt), stage.token(collateral), units
            )
        except Reverted as error:
            self._refuse(error)
            return None

    def _refuse(self, error: Reverted) -> None:
        reason = error.reason or "reverted"
        self.result.refused[reason] = self.result.refused.get(reason, 0) + 1

    def _profit(self, debt: str, terms: Liquidation, size: float) -> float:
        """Of a part of what the terms are for, after gas."""
        amount = size * self.stage.whole(debt, terms.repay + terms.fund_fee)
        cost = amount * self.prices[debt] if debt == DOLLAR else self.pools[debt].cost(amount)
        proceeds = 0.0
        for asset, units in zip(terms.collaterals, terms.amounts, strict=True):
            symbol = self.stage.symbol(asset)
            proceeds += self._sold(symbol, size * self.stage.whole(symbol, units))
        return proceeds - cost - self.settings.gas

    def _take(self, liquidator: Liquidator, account: Account, deal: Deal) -> None:
        need = deal.terms.repay + deal.terms.fund_fee
        receipt = self._call(
            liquidator.address, account, deal.debt, deal.collateral, deal.terms.repay, need
        )
        paid, fee, taken = self._booked(account, deal.debt, receipt)
        amount = paid + fee
        worth = amount * self.prices[deal.debt]
        cost = worth if deal.debt == DOLLAR else self.pools[deal.debt].buy(amount)
        market, proceeds = self._value(taken), 0.0
        for symbol, units in taken.items():
            if symbol == DOLLAR:
                proceeds += units * self.prices[symbol]
            else:
                proceeds += self.pools[symbol].sell(units)
        gas = self.settings.gas
        result = self.result
        result.gas += gas
        result.slippage += (market - proceeds) + (cost - worth)
        result.profit += proceeds - cost - gas
        liquidator.capital -= cost + gas
        liquidator.pending.append((self.now + TURNAROUND, proceeds))

    def _call(
        self, sender: str, account: Account, debt: str, collateral: str, most: int, need: int
    ) -> Receipt:
        """A liquidation, with the money for it made on the spot."""
        stage = self.stage
        stage.mint(debt, sender, need + need // 1_000 + 10)
        return stage.engine.liquidate(
            account.id, stage.token(debt), stage.token(collateral), most, 0, stage.outside,
            bytes(32), b"", sender=sender,
        )  # fmt: skip

    def _booked(
        self, account: Account, debt: str, receipt: Receipt
    ) -> tuple[float, float, dict[str, float]]:
        """Whole tokens repaid, paid to the fund, and seized, all noted in the result."""
        stage, result = self.stage, self.result
        event = receipt.event("Liquidate", stage.engine.address)
        taken: dict[str, float] = {}
        seized = [(event.collateral, event.seized)]
        seized += [(log.asset, log.amount) for log in receipt.events("Seize", stage.engine.address)]
        for asset, units in seized:
            symbol = stage.symbol(asset)
            taken[symbol] = taken.get(symbol, 0.0) + stage.whole(symbol, units)
        price = self.prices[debt]
        repaid, fee = stage.whole(debt, event.repaid), stage.whole(debt, event.fund_fee)
        loss = stage.whole(debt, event.bad_debt) * price
        for log in receipt.events("WriteOff", stage.vaults[debt].address):
            result.fund_loss += stage.whole(debt, log.fund_loss) * price
            result.lender_loss += stage.whole(debt, log.lender_loss) * price
        result.booked += loss
        result.by_class[account.one] = result.by_class.get(account.one, 0.0) + loss
        result.repaid += repaid * price
        result.fund_fee += fee * price
        result.seized += self._value(taken)
        result.liquidations += 1
        result.liquidated += not account.liquidated
        account.liquidated = True
        self._read(account)
        return repaid, fee, taken

    def _write_off(self, weak: list[Account]) -> None:
        """Book debts of accounts whose collateral is worth nothing: anyone may, for gas alone."""
        for account in weak:
            if self._value(account.held) >= 1:
                continue
            for debt in list(account.owed):
                collateral = next(iter(account.held), debt)
                try:
                    receipt = self._call(self.keeper, account, debt, collateral, MAX_UINT256, 0)
                except Reverted as error:
                    self._refuse(error)
                    continue
                self._booked(account, debt, receipt)

    # ------------------------------------------------------------ a protocol that takes accounts

    def _absorb(self, account: Account) -> None:
        for debt in list(account.owed):
            token = self.stage.units(debt, account.owed[debt] * 1.01) + 10
            collateral = next(iter(account.held), debt)
            try:
                receipt = self._call(self.absorber, account, debt, collateral, MAX_UINT256, token)
            except Reverted as error:
                self._refuse(error)
                return
            before = self.result.booked
            repaid, fee, taken = self._booked(account, debt, receipt)
            lost = self.result.booked - before
            self.result.by_class[account.one] -= lost  # it shows when the collateral is sold
            cost = (repaid + fee) * self.prices[debt]
            value = self._value(taken)
            incentive = receipt.event("Liquidate", self.stage.engine.address).incentive / WAD
            surplus = max(value * (1 - incentive) - cost, 0.0)
            self.result.surplus += surplus
            for symbol, amount in taken.items():
                # value is the same for all: each asset bears its part
                basis = (cost + lost + surplus) * self.prices[symbol] / value
                self._stock.append(Lot(symbol, account.one, amount, basis))

    def _discount(self, symbol: str) -> float:
        """Half of what an account loses."""
        return self.stage.market.assets[symbol].parameters["incentive_max"] / BPS / 2

    def _buy_stock(self, liquidator: Liquidator) -> None:
        for symbol in dict.fromkeys(lot.symbol for lot in self._stock):
            price = self.prices[symbol] * (1 - self._discount(symbol))
            held = sum(lot.amount for lot in self._stock if lot.symbol == symbol)
            most = min(held, 0.97 * liquidator.capital / price)
            best, profit = 0.0, 0.0
            for size in SIZES:
                gain = self._sold(symbol, most * size) - most * size * price - self.settings.gas
                if gain > profit:
                    best, profit = most * size, gain
            if not best:
                continue
            proceeds = best * self.prices[symbol]
            if symbol != DOLLAR:
                proceeds = self.pools[symbol].sell(best)
            self._sell_lots(symbol, best, price)
            result = self.result
            result.gas += self.settings.gas
            result.slippage += best * self.prices[symbol] - proceeds
            result.profit += proceeds - best * price - self.settings.gas
            liquidator.capital -= best * price + self.settings.gas
            liquidator.pending.append((self.now + TURNAROUND, proceeds))

    def _sell_lots(self, symbol: str, amount: float, price: float) -> None:
        """The oldest first; gain and loss lot by lot."""
        result = self.result
        for lot in [one for one in self._stock if one.symbol == symbol]:
            sold = min(lot.amount, amount)
            lot.amount -= sold
            amount -= sold
            loss = (lot.basis - price) * sold
            result.stock_sold += price * sold
            if loss > 0:
                result.stock_loss += loss
                result.by_class[lot.one] = result.by_class.get(lot.one, 0.0) + loss
            else:
                result.stock_gain -= loss
        self._stock = [lot for lot in self._stock if lot.amount > 0]

    def _sold(self, symbol: str, amount: float) -> float:
        if symbol == DOLLAR:
            return amount * self.prices[symbol]
        return self.pools[symbol].proceeds(amount)

    # ------------------------------------------------------------ the end

    def _close(self) -> None:
        """What is owed beyond collateral, and what stock is worth."""
        result = self.result
        for account in self.accounts:
            if account.owed:
                self._read(account)
                short = max(self._value(account.owed) - self._value(account.held), 0.0)
                result.latent += short
                result.by_class[account.one] = result.by_class.get(account.one, 0.0) + short
        for symbol in dict.fromkeys(lot.symbol for lot in self._stock):
            price = self.prices[symbol] * (1 - self._discount(symbol))
            self._sell_lots(symbol, math.inf, price)
