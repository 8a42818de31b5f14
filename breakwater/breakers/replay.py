"""The replay: every print goes to its aggregator, a keeper pokes, a liquidator takes what he may.

ORDER of a moment: the clock moves, sources print, the level is read, the keeper pokes if it is
time, the liquidator acts. At the end of each bar, when the level changes and when a bad move
begins, everything is tried that might be possible, and undone.
"""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from breakwater.breakers import setup, sources
from breakwater.breakers.judge import Bad, Latches, Seen
from breakwater.breakers.results import (
    ADD,
    BORROW,
    BORROW_AGAINST,
    LENDER,
    LEVELS,
    LIQUIDATE,
    REPAY,
    STATUSES,
    UNSEEN,
    WITHDRAW,
    Edge,
    Outcome,
    Results,
    Row,
    reasons,
)
from breakwater.breakers.setup import ASSET, DOLLAR, LONG, SHORT, Account, Rules
from breakwater.breakers.sources import Drift, Source, Tick
from breakwater.driver import Quote
from breakwater.errors import UserError
from breakwater.host import Receipt, Reverted
from breakwater.markets import Market
from breakwater.units import MAX_UINT256, WAD

POKE_LONGEST = 900
"""Seconds between two pokes on schedule, unless more is asked for."""

POKE_BUSY = 300
"""The same while the level is not NORMAL."""

REFRESH = 86_400
"""Seconds after which the dollar's aggregator repeats its answer."""

_NEAR = 1.002
"""Below this health at the worst print an account is looked at."""


@dataclass(frozen=True)
class Settings:
    """How a replay is run."""

    rules: Rules = field(default_factory=Rules)
    poke_every: int | None = None
    """Seconds; None: each bar, at most POKE_LONGEST."""
    poke_move: float = 0.005
    """Part of the price; a print that far from the last poke's is poked at once."""
    bad: float | None = None
    """Part of the price; None: the jump band."""
    start: int | None = None
    end: int | None = None
    trials: bool = True
    """Whether there are accounts, rows and trials; else only trips and bad moves."""


class Replay:
    """One run. `run` gives its results."""

    def __init__(self, market: Market, given: Sequence[Source], settings: Settings) -> None:
        self.settings = settings
        self.sources = given
        self.start, self.end = sources.window(given, settings.start, settings.end)
        self.bar = sources.bar_length(given)
        self.poke_every = settings.poke_every or min(self.bar, POKE_LONGEST)
        first = next(sources.ticks(given, self.start, self.end, self.bar))
        self._last: list[float] = [price or 0.0 for price in first.prints]
        made, rules = setup.market_of(market, settings.rules, len(given), _middle(self._last))
        self._made = made
        self.jump_band = float(str(rules["jump_band"]))
        bad = settings.bad if settings.bad is not None else self.jump_band
        rules["poke_every"], rules["poke_move"] = self.poke_every, settings.poke_move
        self.results = Results(
            title=" + ".join(one.name for one in given),
            sources=[one.name for one in given],
            rules=rules,
            bar=self.bar,
            bad=bad,
            start=self.start,
            end=self.end,
        )
        self._bad = Bad(bad)
        self._latches = Latches()
        self._drifts = [Drift() for _ in given]
        self._seen: list[Seen] = []
        self._reasons = reasons()
        self._poked: tuple[int, list[float]] = (0, [])
        self._prices_at: list[int] = [self.start] * len(given)
        self._level = 0
        self._took = False
        self._refreshed = self.start

    def run(self, watch: Callable[[int, int], None] | None = None) -> Results:
        """Everything; `watch` is told the time and the end after each bar."""
        began = clock.monotonic()
        self._open()
        row_end = self.start + self.bar
        before: int | None = None
        every = min(self.bar, self.poke_every)
        for tick in sources.ticks(self.sources, self.start, self.end, every):
            if tick.time >= row_end:
                if self.settings.trials and before is not None:
                    self._row(row_end - self.bar)
                if watch is not None:
                    watch(tick.time, self.end)
                row_end += (tick.time - row_end) // self.bar * self.bar + self.bar
            if before is not None:
                name = LEVELS[self._level]
                self.results.held[name] = self.results.held.get(name, 0) + tick.time - before
            self._moment(tick)
            before = tick.time
        if self.settings.trials:
            self._row(row_end - self.bar)
        self._finish()
        self.results.seconds = clock.monotonic() - began
        return self.results

    def _open(self) -> None:
        ladder = self.settings.rules.ladder if self.settings.trials else None
        try:
            self.stage = setup.stage(self._made, self.start, ladder)
        except Reverted as error:
            like = self.results.rules["like"]
            raise UserError(f"no market can be set up by the rules of {like}: {error}") from None
        protocol = self.stage.protocol
        self.asset, self.dollar = protocol.tokens[ASSET], protocol.tokens[DOLLAR]
        self._risk, self._breaker = protocol.risk_engine, protocol.breaker
        self._engine, self._lens = protocol.credit_engine, protocol.lens
        self._admin = protocol.accounts["deployer"]
        self.results.accounts = [
            Outcome(one.name, one.side, one.health) for one in self.stage.accounts
        ]
        self._unit = {name: 10**asset.decimals for name, asset in protocol.market.assets.items()}
        # an account that holds the asset alone; its tag is the asset's id, see `legs.vy`
        self._alone = self._unit[ASSET] | self._risk.id_of(self.asset) << 208

    def _finish(self) -> None:
        self._bad.close()
        results = self.results
        results.bad_moves = self._bad.moves
        results.trips = self._latches.trips(self._seen, self.jump_band)

    # ------------------------------------------------------------ a moment

    def _moment(self, tick: Tick) -> None:
        stage, host = self.stage, self.stage.host
        host.advance(tick.time - host.now)
        if tick.time - self._refreshed >= REFRESH:
            stage.protocol.set_price(DOLLAR, WAD, sender=self._admin)
            self._refreshed = tick.time
        was_unanswered = self._bad.unanswered(tick.time)
        for index, price in enumerate(tick.prints):
            if price is None:
                continue
            stage.protocol.aggregators[ASSET][index].set(
                max(round(price * 10**8), 1), sender=self._admin
            )
            self._last[index], self._prices_at[index] = price, tick.time
            self.results.prints += 1
            move = self._drifts[index].move(tick.time, price)
            self._bad.print(tick.time, self.sources[index].name, move)
        quote = self._risk.quote(self.asset)
        self._note(tick.time, quote)
        if self._is_due(tick.time, quote):
            self._poke(tick.time)
        if self.settings.trials:
            self._liquidate(tick.time, quote)
            began = self._bad.unanswered(tick.time) and not was_unanswered
            if began or quote.level != self._level:
                self._count(self._possible(), tick.time, quote.level)
        self._level = quote.level

    def _note(self, time: int, quote: Quote) -> None:
        self._bad.level(time, quote.level)
        self._seen.append(Seen(time, quote.price / WAD, quote.average / WAD, quote.status == 2))

    def _is_due(self, time: int, quote: Quote) -> bool:
        at, prices = self._poked
        wait = self.poke_every if quote.level == 0 else min(self.poke_every, POKE_BUSY)
        if time - at >= wait:
            return True
        move = self.settings.poke_move
        return any(
            abs(last - poked) > move * poked for last, poked in zip(self._last, prices, strict=True)
        )

    def _poke(self, time: int) -> None:
        receipt = self._breaker.poke(self.asset, sender=self.stage.keeper)
        self._poked = (time, list(self._last))
        self.results.pokes += 1
        self._note_trips(time, receipt)

    def _note_trips(self, time: int, receipt: Receipt) -> None:
        for log in receipt.events("Trip", self._breaker.address):
            name = self._reasons[log.reason.bit_length() - 1]
            self._latches.trip(time, name, log.level, log.until)

    # ------------------------------------------------------------ liquidation

    def _health_at_worst(self, account: Account) -> float:
        """Health where each source's print that hurts most is the price; infinite without debt."""
        if account.debt == 0:
            return math.inf
        weight = self.stage.weights[account.side]
        if account.side == LONG:
            held = account.collateral / self._unit[ASSET] * min(self._last)
            return weight * held / (account.debt / self._unit[DOLLAR])
        owed = account.debt / self._unit[ASSET] * max(self._last)
        return weight * account.collateral / self._unit[DOLLAR] / owed

    def _legs(self, side: str) -> tuple[object, object]:
        """Tokens held and owed."""
        return (self.asset, self.dollar) if side == LONG else (self.dollar, self.asset)

    def _liquidate(self, time: int, quote: Quote) -> None:
        for account, outcome in zip(self.stage.accounts, self.results.accounts, strict=True):
            if self._health_at_worst(account) >= _NEAR:
                continue
            held, owed = self._legs(account.side)
            try:
                receipt = self._engine.liquidate(
                    account.id, owed, held, MAX_UINT256, 0, self.stage.liquidator,  # type: ignore[arg-type]
                    bytes(32), b"", sender=self.stage.liquidator,
                )  # fmt: skip
            except Reverted:
                continue
            self._note_trips(time, receipt)
            log = receipt.event("Liquidate")
            price = quote.price / WAD / self._unit[ASSET]
            dollar = 1 / self._unit[DOLLAR]
            debt, collateral = (dollar, price) if account.side == LONG else (price, dollar)
            self._took = True
            outcome.liquidations += 1
            outcome.first = outcome.first or time
            outcome.repaid += log.repaid * debt
            outcome.seized += log.seized * collateral
            outcome.unpaid += log.bad_debt * debt
            self._refresh(account)

    def _refresh(self, account: Account) -> None:
        account.collateral = account.debt = 0
        for leg in self._lens.account(account.id).legs:
            if leg.is_debt:
                account.debt = leg.amount
            else:
                account.collateral = leg.amount

    # ------------------------------------------------------------ what is possible

    def _possible(self) -> dict[str, str | None]:
        engine, stage, asset = self._engine, self.stage, self.asset
        long, short, lender = stage.safe[LONG], stage.safe[SHORT], stage.lender
        vault = stage.protocol.vaults[ASSET]
        unit, owed = max(1, long.collateral // 10**6), short.debt // 100
        lent = vault.cash() // 1_000
        dollars = long.debt // 100
        found: dict[str, str | None] = {
            name: self._try(contract, function, *args, by=by)
            for name, contract, function, args, by in (
                (BORROW_AGAINST, engine, "borrow", (long.id, self.dollar, dollars, long.owner),
                 long.owner),
                (BORROW, engine, "borrow", (short.id, asset, owed, short.owner), short.owner),
                (WITHDRAW, engine, "withdraw_collateral", (long.id, asset, unit, long.owner),
                 long.owner),
                (ADD, engine, "deposit_collateral", (long.id, asset, unit), long.owner),
                (REPAY, engine, "repay", (short.id, asset, owed), short.owner),
                (LENDER, vault, "withdraw", (lent, lender, lender), lender),
            )
        }  # fmt: skip
        weak = min(stage.accounts, key=self._health_at_worst, default=None)
        below = weak is not None and self._health_at_worst(weak) < 1
        found[LIQUIDATE] = self._try_liquidate(weak) if below and weak is not None else None
        return found

    def _try(self, contract: object, function: str, *args: object, by: str) -> str:
        """Why the call would be refused; "" when it would pass. Nothing changes."""
        try:
            contract._try(function, *args, sender=by)  # type: ignore[attr-defined]
        except Reverted as error:
            return error.reason or "reverted"
        return ""

    def _count(self, possible: dict[str, str | None], time: int, level: int) -> None:
        phase = LEVELS[level]
        if level == 0 and self._bad.unanswered(time):
            phase = UNSEEN
        counts = self.results.possible.setdefault(phase, {})
        for action, reason in possible.items():
            if reason is not None:
                passed, tried = counts.get(action, (0, 0))
                counts[action] = (passed + (reason == ""), tried + 1)

    # ------------------------------------------------------------ rows

    def _row(self, time: int) -> None:
        quote = self._risk.quote(self.asset)
        possible = self._possible()
        if self._took:
            possible[LIQUIDATE] = ""
            self._took = False
        self._count(possible, self.stage.host.now, quote.level)
        ids = [one.id for one in self.stage.accounts]
        healths = [
            None if found == MAX_UINT256 else found / WAD
            for start in range(0, len(ids), 32)
            for found in self._lens.health_factors(ids[start : start + 32])
        ]
        margin = self._lens.margin_of([self._alone, 0, 0, 0])
        latched = {}
        for index, name in enumerate(self._reasons):
            level, until = self._breaker.latch_of(self.asset, 1 << index)
            if level:
                latched[name] = (level, until)
        age = int(str(self.results.rules["max_age"]))
        has = quote.price != 0
        self.results.rows.append(
            Row(
                time=time,
                raw=[
                    price if self.stage.host.now - at <= age else None
                    for price, at in zip(self._last, self._prices_at, strict=True)
                ],
                price=quote.price / WAD if has else None,
                low=quote.low / WAD if has else None,
                high=quote.high / WAD if has else None,
                average=quote.average / WAD,
                volatility=quote.volatility / WAD,
                borrow_ltv=margin.collateral / margin.exposure if margin.exposure else 0.0,
                level=quote.level,
                now=STATUSES[quote.status],
                latched=latched,
                possible=possible,
                edge=self._edge(healths),
                health=healths,
            )
        )

    def _edge(self, healths: Sequence[float | None]) -> Edge | None:
        open_ones = [
            (abs(health - 1), health, account)
            for health, account in zip(healths, self.stage.accounts, strict=True)
            if health is not None
        ]
        if not open_ones:
            return None
        _, health, account = min(open_ones, key=lambda one: one[0])
        engine = self._engine
        held, owed = self._legs(account.side)
        id, owner = account.id, account.owner
        unit, debt = max(1, account.collateral // 10**6), max(1, account.debt // 10**6)
        return Edge(
            account.name,
            health,
            borrow=self._try(engine, "borrow", id, owed, debt, owner, by=owner),
            withdraw=self._try(engine, "withdraw_collateral", id, held, unit, owner, by=owner),
            repay=self._try(engine, "repay", id, owed, debt, by=owner),
            liquidate=self._try_liquidate(account),
        )

    def _try_liquidate(self, account: Account) -> str:
        held, owed = self._legs(account.side)
        liquidator = self.stage.liquidator
        args = (account.id, owed, held, MAX_UINT256, 0, liquidator, bytes(32), b"")
        return self._try(self._engine, "liquidate", *args, by=liquidator)


def _middle(prices: Sequence[float]) -> float:
    """The median; of two the mean."""
    ordered = sorted(prices)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
