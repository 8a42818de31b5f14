"""The replay: prices move, everybody acts, promises are judged.

ORDER of a step: the clock and the prices move; the keeper pokes; everybody reads the health factors
from the Lens; liquidators act in an order drawn anew, then borrowers, then lenders. After the last
step of a bar the state is observed and judged; every call on accounts and vaults is judged by
itself, too.

TIME. The chain's clock runs from wherever it stands, in step with the file's stamps. Where every
transaction takes a block of a second (as on a node), very short steps may lag behind; nothing waits
for the clock, and records bear the file's time.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from breakwater import markets, prices
from breakwater.demo.agents import Agent, Borrower, Keeper, Lender, Liquidator
from breakwater.demo.environment import Environment
from breakwater.demo.market import Market
from breakwater.demo.population import draw
from breakwater.demo.probe import Prober
from breakwater.demo.results import (
    BUCKETS,
    REASONS,
    BarRow,
    BreakerRecord,
    LiquidationRecord,
    Results,
    VaultRow,
)
from breakwater.demo.script import LONGEST_STEP, MAIN, Script
from breakwater.demo.stage import Stage
from breakwater.host import Host, Receipt, Reverted
from breakwater.observation import Observation, Timed, Trial
from breakwater.observation.words import DEBT, legs
from breakwater.prices import Line, Point
from breakwater.promises import Ledger
from breakwater.units import DAY, HOUR, MAX_UINT256, RAY, WAD

STOOD = 2 * DAY
"""Seconds before anybody borrows, and again before the first price: a vault opened a moment ago has
the floor for its limits, one that has stood a part of what it holds."""

LOOK_MOVE = 0.001
"""A move of a price after which accounts are looked at again; else every LONGEST_STEP."""


@dataclass(frozen=True)
class Settings:
    """What a run can be told."""

    seed: int = 1
    borrowers: int = 60
    liquidators: int = 3
    budget: float = 3_000_000
    """USD of borrowers' equity."""
    capital: float = 0.02
    """Of each liquidator, as a part of all debt at the start."""
    depth: float = 1.0
    """Of the outside market, as a part of all debt at the start."""
    utilization: float = 0.8
    """Of each vault at the start."""


Watch = Callable[["Simulation"], None]


@dataclass
class Simulation:
    """One run."""

    host: Host
    market_file: markets.Market
    script: Script
    settings: Settings = field(default_factory=Settings)
    watch: Watch | None = None

    def __post_init__(self) -> None:
        self.rng = Random(self.settings.seed)
        self._lines: dict[str, Line] = {}
        self.results = Results(
            title=self.script.title,
            seed=self.settings.seed,
            borrowers=self.settings.borrowers,
            sources=dict(self.script.sources),
            ledger=Ledger(),
        )
        self.points: list[Point] = prices.path(self.script.bars[MAIN], self.script.step)
        for symbol, found in self.script.bars.items():
            points = self.points if symbol == MAIN else prices.path(found, self.script.step)
            self._lines[symbol] = Line(points)
        self.results.bars_total = len(self.script.bars[MAIN])
        self._logs: list[Timed] = []
        self._after_call: Observation | None = None
        self._looked: tuple[int, dict[str, float]] = (0, {})
        self._offset = 0
        self.bar = 0

    # ------------------------------------------------------------ the beginning

    def open(self) -> None:
        """Deploy, fund lenders, let borrowers borrow, and observe for the first time."""
        first = self.points[0].timestamp
        # days and windows of limits fall the same, whenever the chain was begun
        self.host.advance((first - self.host.now) % DAY)
        given = {name: self._lines[name].at(first) for name in self._lines}
        start = {
            name: price
            for name, price in given.items()
            if self.market_file.assets[name].feed.kind != "rate"
        }
        self.stage = Stage(self.host, self.market_file, start)
        stage = self.stage
        self.market = Market(depth=1.0, now=first)
        self._rates = {name: stage.rate(name) for name in stage.rated}
        for name in stage.priced:
            self.market.prices[name] = start.get(name, stage.market.assets[name].price / WAD)
        self._price_rated(first)
        self.results.opening = dict(self.market.prices)
        self.env = Environment(self)
        self.env.now = first
        self.observer = stage.observer()
        self._fill()
        debt = self._debt_usd()
        self.market.depth = max(self.settings.depth * debt, 1.0)
        for liquidator in self.liquidators:
            liquidator.capital = self.settings.capital * debt
        self.agents: list[Agent] = [*self.borrowers, *self.lenders]
        self.prober = Prober(stage, [borrower.account for borrower in self.borrowers])
        self.env.look()
        self._logs.clear()
        self._judge(self.observer.read())
        self._offset = self.host.now - first
        # with a live snapshot an `EvmHost` never folds its journal, after which calls fail
        self.host.snapshot()

    def _stand(self, each_hour: Callable[[], None] = lambda: None) -> None:
        """Two days in which nothing moves: no vault is a moment old when the crash begins."""
        for _ in range(STOOD // HOUR):
            self.host.advance(HOUR)
            each_hour()
            for symbol in self.stage.priced:
                self.stage.set_price(symbol, self.market.prices[symbol])
            self.stage.poke_rates(self.keeper.address)
            for symbol in self.stage.symbols:
                self.env.poke(symbol, self.keeper.address)

    def _fill(self) -> None:
        stage, settings, rng = self.stage, self.settings, self.rng
        cap = min(
            stage.whole(name, stage.market.assets[name].cap or 0) * self.market.prices[name]
            for name in stage.collaterals
        )
        budget = min(settings.budget, cap / 3)
        owners = [self.host.account(f"borrower {index}") for index in range(settings.borrowers)]
        self.borrowers = draw(
            rng, settings.borrowers, budget, stage.collaterals, list(stage.vaults), owners
        )
        self.env.borrowers = self.borrowers
        self.env.health = [float("inf")] * len(self.borrowers)
        self.observer.accounts = [borrower.account for borrower in self.borrowers]
        self.lenders: list[Lender] = []
        for symbol in stage.vaults:
            spec = stage.market.vaults[symbol]
            room = stage.units(symbol, 4 * budget / self.market.prices[symbol])
            total = min(room, spec.config.deposit_cap // 2)
            for number, part in enumerate((0.5, 0.3, 0.2)):
                lender = Lender(
                    name=f"lender {number} of {symbol}",
                    address=self.host.account(f"lender {symbol} {number}"),
                    symbol=symbol,
                    assets=int(total * part),
                )
                self.lenders.append(lender)
        self.keeper = Keeper("keeper", self.host.account("keeper"))
        self.liquidators = [
            Liquidator(f"liquidator {index}", self.host.account(f"liquidator {index}"), 0.0)
            for index in range(settings.liquidators)
        ]
        for liquidator in self.liquidators:
            for symbol, vault in stage.vaults.items():
                stage.token(symbol).approve(vault, MAX_UINT256, sender=liquidator.address)
        for lender in self.lenders:
            lender.open(self.env)
        self._stand()
        for borrower in self.borrowers:
            self._open_account(borrower)
        self._stand(self._leave)

    def _leave(self) -> None:
        """Lenders take out what the market has no use for, within the outflow limit."""
        for symbol, vault in self.stage.vaults.items():
            wanted = int(vault.debt_assets() / self.settings.utilization)
            for lender in reversed([one for one in self.lenders if one.symbol == symbol]):
                spare = vault.totalAssets() - wanted
                most = lender.assets * 9 // 10 - lender.withdrawn
                if min(spare, most) > 0:
                    lender.leave(self.env, min(spare, most))

    def _open_account(self, borrower: Borrower) -> None:
        """Deposit the equity, borrow a part of what is allowed; loops do so again and again."""
        stage, market = self.stage, self.market
        address, account = borrower.address, borrower.account
        for symbol in {*borrower.collateral, *borrower.debts}:
            stage.token(symbol).approve(stage.engine, MAX_UINT256, sender=address)
            if symbol in stage.vaults:
                stage.token(symbol).approve(stage.vaults[symbol], MAX_UINT256, sender=address)
        for symbol, part in sorted(borrower.collateral.items()):
            units = stage.units(symbol, part * borrower.equity / market.prices[symbol])
            self._deposit(borrower, symbol, units)
        for turn in range(1 + borrower.loops):
            spent = 0.0
            for symbol, part in sorted(borrower.debts.items()):
                token = stage.token(symbol)
                most = stage.lens.max_borrow(account, token)
                rest = sum(borrower.debts.values())
                units = int(most * borrower.usage * part / rest)
                if units <= stage.market.vaults[symbol].min_debt:
                    continue

                def borrow(token=token, units=units) -> Receipt:  # type: ignore[no-untyped-def]
                    return stage.engine.borrow(account, token, units, address, sender=address)

                if self.act("borrow", borrow, True) is not None:
                    spent += stage.whole(symbol, units) * market.prices[symbol]
            if turn == borrower.loops or spent == 0:
                break
            symbol = next(iter(borrower.collateral))
            self._deposit(borrower, symbol, stage.units(symbol, spent / market.prices[symbol]))
        borrower.opened = True

    def _deposit(self, borrower: Borrower, symbol: str, units: int) -> None:
        if units <= 0:
            return
        stage = self.stage
        stage.mint(symbol, borrower.address, units)
        self.act(
            "deposit collateral",
            lambda: stage.engine.deposit_collateral(
                borrower.account, stage.token(symbol), units, sender=borrower.address
            ),
        )

    # ------------------------------------------------------------ the replay

    def run(self) -> Results:
        """Everything, from the deployment to the last bar. Ctrl-C keeps what was found."""
        started = clock.monotonic()
        try:
            self.open()
            for _ in self.steps():
                if self.watch is not None:
                    self.watch(self)
        except KeyboardInterrupt:
            self.results.interrupted = True
        self.results.seconds = clock.monotonic() - started
        return self.results

    def steps(self) -> Iterator[int]:
        """The replay, step by step."""
        before = self.points[0].timestamp
        for index, point in enumerate(self.points):
            self.env.elapsed = point.timestamp - before
            before = point.timestamp
            self._step(point)
            self.results.steps += 1
            self.bar = point.bar
            last = index + 1 == len(self.points) or self.points[index + 1].bar != point.bar
            if last:
                self._end_of_bar(point)
            yield index

    def _step(self, point: Point) -> None:
        env, stage = self.env, self.stage
        self._after_call = None
        env.now = self.market.now = point.timestamp
        late = point.timestamp + self._offset - self.host.now
        if late > 0:
            self.host.advance(late)
        for symbol in stage.priced:
            if symbol in self._lines:
                self.market.prices[symbol] = self._lines[symbol].at(point.timestamp)
            stage.set_price(symbol, self.market.prices[symbol])
        self._price_rated(point.timestamp)
        self.keeper.update(self.rng, env)
        if self._should_look():
            env.look()
            self._looked = (env.now, dict(self.market.prices))
        if env.below_maintenance():
            self._try_weakest()
            order = list(self.liquidators)
            self.rng.shuffle(order)
            for liquidator in order:
                liquidator.update(self.rng, env)
        for agent in self.agents:
            agent.update(self.rng, env)

    def _try_weakest(self) -> None:
        """LIVE-3, before anybody acts on it: the weakest account can be liquidated."""
        observation = self.observer.read()
        weakest = self.borrowers[self.env.below_maintenance()[0]].account
        trials = tuple(self.prober.liquidate(observation, weakest))
        self.results.ledger.check(replace(observation, trials=trials))

    def _price_rated(self, now: int) -> None:
        for symbol, base in self.stage.rated.items():
            rate = self._rates[symbol]
            if symbol in self._lines:
                first = self._lines[symbol].at(self.points[0].timestamp)
                rate *= self._lines[symbol].at(now) / first
                self.stage.set_rate(symbol, rate)
            self.market.prices[symbol] = rate * self.market.prices[base]

    def _should_look(self) -> bool:
        time, seen = self._looked
        if self.env.now - time >= LONGEST_STEP or self.env.below_maintenance():
            return True
        return any(
            abs(price / seen[symbol] - 1) > LOOK_MOVE
            for symbol, price in self.market.prices.items()
        )

    def _end_of_bar(self, point: Point) -> None:
        self.env.look()
        self._looked = (self.env.now, dict(self.market.prices))
        observation = self.observer.read(self._bar_observation, self._logs)
        lenders = [(lender.symbol, lender.address) for lender in self.lenders]
        trials = self.prober.trials(observation, lenders)
        self._judge(observation, trials)
        self._logs = []
        self._note_bar(point, observation)
        for agent in (*self.agents, *self.liquidators, self.keeper):
            agent.record(self.env)

    # ------------------------------------------------------------ acts and their judgement

    def act(
        self,
        what: str,
        call: Callable[[], Receipt],
        refused: bool = False,
        account: bytes | None = None,
    ) -> Receipt | None:
        """Make a call, judge it by what was before and after it.

        `account` is about to be liquidated: could its owner repay and top up just as well?
        """
        before = self._before_call()
        trials = self.prober.repay_and_add("GATE-4", before, account) if account else []
        try:
            receipt = call()
        except Reverted as error:
            if not refused:
                raise
            self.refuse(what, error)
            return None
        logs = [Timed(before.now, log) for log in receipt.logs]
        self._logs += logs
        after = self.observer.read(before, logs, call=True, trials=trials)
        self._after_call = after
        self.results.ledger.check(after)
        self.results.actions[what] = self.results.actions.get(what, 0) + 1
        return receipt

    def _before_call(self) -> Observation:
        """The state before a call: that after the last one, unless prices or averages moved."""
        last = self._after_call
        if last is None:
            return self.observer.read(call=True)
        return replace(last, now=self.host.now, block=self.host.block, logs=(), previous=None)

    def refuse(self, what: str, error: Reverted) -> None:
        """Count a refusal."""
        key = f"{what}: {error.reason or 'reverted without a reason'}"
        self.results.refused[key] = self.results.refused.get(key, 0) + 1

    def poke(self, symbol: str, sender: str) -> None:
        """Poke, and note what the breaker did."""
        self._after_call = None
        now = self.host.now
        receipt = self.stage.poke(symbol, sender)
        asset = self.observer.asset(self.stage.token(symbol).address)
        self.env.levels[symbol] = asset.level(self.host.now)
        for log in receipt.logs:
            self._logs.append(Timed(now, log))
            if log.address == self.stage.breaker.address and log.name in ("Trip", "Reset"):
                trip = log.name == "Trip"
                self.results.breaker.append(
                    BreakerRecord(
                        time=now - self._offset,
                        asset=symbol,
                        event=log.name.lower(),
                        reason=REASONS[log.reason.bit_length() - 1],
                        level=log.level if trip else 0,
                        until=log.until - self._offset if trip else None,
                    )
                )

    def _judge(self, observation: Observation, trials: Sequence[Trial] = ()) -> None:
        if trials:
            observation = replace(observation, trials=tuple(trials))
        self.results.ledger.check(observation)
        self._bar_observation = observation

    # ------------------------------------------------------------ records

    def note_liquidation(self, index: int, liquidator: str, receipt: Receipt) -> None:
        """One record for each event."""
        stage, market = self.stage, self.market
        engine = stage.engine.address
        log = receipt.event("Liquidate", engine)
        debt, collateral = stage.symbol(log.debt_asset), stage.symbol(log.collateral)

        def usd(symbol: str, units: int) -> float:
            return stage.whole(symbol, units) * market.prices[symbol]

        seized = usd(collateral, log.seized)
        for other in receipt.events("Seize", engine):
            symbol = stage.symbol(other.asset)
            seized += usd(symbol, other.amount)
        loss = usd(debt, log.bad_debt)
        self.results.liquidations.append(
            LiquidationRecord(
                time=self.env.now,
                borrower=index,
                kind=self.borrowers[index].kind,
                debt=debt,
                collateral=collateral,
                price=market.prices[collateral],
                health=log.health_factor / WAD,
                incentive=log.incentive / WAD,
                repaid=usd(debt, log.repaid),
                seized=seized,
                fee=usd(debt, log.fund_fee),
                loss=loss,
                liquidator=liquidator,
            )
        )
        for event in receipt.events("WriteOff"):
            sums = self.results.losses.setdefault(debt, {"fund": 0.0, "lenders": 0.0, "usd": 0.0})
            sums["fund"] += stage.whole(debt, event.fund_loss)
            sums["lenders"] += stage.whole(debt, event.lender_loss)
            sums["usd"] += usd(debt, event.loss)

    def _note_bar(self, point: Point, o: Observation) -> None:
        stage = self.stage
        health = [value for value in self.env.health if value != float("inf")]
        buckets = [0] * (len(BUCKETS) + 1)
        for value in health:
            buckets[sum(value >= bound for bound in BUCKETS)] += 1
        vaults = {}
        for symbol in stage.vaults:
            vault = o.vaults[stage.token(symbol).address].at(o.now)
            loss = self.results.losses.get(symbol, {"fund": 0.0, "lenders": 0.0})
            vaults[symbol] = VaultRow(
                cash=stage.whole(symbol, vault.cash),
                debt=stage.whole(symbol, vault.debt),
                claims=stage.whole(symbol, vault.total - vault.fee),
                utilization=vault.utilization,
                loss=loss["fund"] + loss["lenders"],
            )
        debt = sum(row.debt * self.market.prices[name] for name, row in vaults.items())
        self.results.peak_debt_usd = max(self.results.peak_debt_usd, debt)
        levels = {
            symbol: o.assets[stage.token(symbol).address].level(o.now) for symbol in stage.symbols
        }
        self.results.bars.append(
            BarRow(
                time=point.timestamp,
                prices=dict(self.market.prices),
                levels=levels,
                buckets=buckets,
                weakest=sorted(health)[:3],
                vaults=vaults,
                debt_usd=debt,
            )
        )

    def _debt_usd(self) -> float:
        found = 0.0
        o = self.observer.read()
        for words in o.accounts.values():
            for tag, amount in legs(words):
                if tag >= DEBT:
                    asset = o.by_id[tag & 127].address
                    symbol = self.stage.symbol(asset)
                    units = amount * o.vaults[asset].index // RAY
                    found += self.stage.whole(symbol, units) * self.market.prices[symbol]
        self.results.peak_debt_usd = max(self.results.peak_debt_usd, found)
        return found
