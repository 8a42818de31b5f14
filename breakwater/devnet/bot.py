"""A price that moves on a devnet: along a file or at random, the pools after it.

TIME of the path is the devnet's: its clock is moved on to each point, so that averages, breakers,
limits and interest see the path as it was. A faster path makes the devnet's time run faster.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from time import monotonic, sleep

from breakwater import deploy, prices
from breakwater.ape_host import FailedOnNode
from breakwater.devnet import BOT, Echo, Keeper
from breakwater.devnet.exchange import Exchange
from breakwater.errors import UserError
from breakwater.units import MINUTE, WAD, YEAR

LONGEST = 5 * MINUTE
"""Seconds of the path between two points at most: feeds must not go stale in between."""

SHORTEST = 5
"""Seconds between two points of a file at least, but for its corners."""

_SLICE = 0.1
"""Seconds that a sleep lasts at most, so that it ends soon after it is asked to."""

Point = tuple[int, float]
"""Seconds since the start, and the price then [USD]."""


def walk(start: float, volatility: float, seed: int, step: int) -> Iterator[Point]:
    """A geometric random walk without end, from `start`; `volatility` as a part of one a year.

    It is drawn minute by minute, and seen every `step` seconds, whole minutes: one seed is one
    walk however fast it is seen.
    """
    if step < MINUTE or step % MINUTE:
        raise ValueError("a step is whole minutes")
    rng, price, time = Random(seed), start, 0
    deviation = volatility * math.sqrt(MINUTE / YEAR)
    yield 0, price
    while True:
        for _ in range(step // MINUTE):
            price *= math.exp(deviation * rng.gauss(0, 1) - deviation**2 / 2)
        time += step
        yield time, price


def along(bars: Sequence[prices.Bar], start: float | None, step: int) -> list[Point]:
    """The path of a file's bars, with every open, low, high and close; its moves from `start`
    where one is given.
    """
    if start is not None:
        bars = prices.follow(bars, start, 1.0)
    points = prices.path(bars, step)
    return [(point.timestamp - points[0].timestamp, point.price) for point in points]


def step_of(speed: float) -> int:
    """Seconds of a file's path between two points: about one of the clock."""
    return int(min(max(speed, SHORTEST), LONGEST))


def minutes_of(speed: float) -> int:
    """The same for a walk, in whole minutes [seconds]."""
    return int(min(max(speed // MINUTE, 1) * MINUTE, LONGEST))


class PriceBot:
    """Moves the feeds of one asset, and the pools after them."""

    def __init__(
        self, protocol: deploy.Protocol, exchange: Exchange | None, symbol: str, echo: Echo
    ) -> None:
        """UserError for an asset that is not listed, or has no price of its own."""
        if symbol not in protocol.tokens:
            raise UserError(f"{symbol} is not listed here: {', '.join(protocol.tokens)} are")
        if not protocol.aggregators[symbol]:
            movable = ", ".join(name for name, found in protocol.aggregators.items() if found)
            raise UserError(f"{symbol} has no price of its own to move: {movable} have")
        self._protocol = protocol
        self._exchange = exchange
        self._symbol = symbol
        self._sender = protocol.host.account(BOT)
        self._keeper = Keeper(protocol, exchange, BOT, echo)
        self.price = self._answer() / 10**8
        """USD; the one that was set last, at first the one there is."""
        self.steps = 0

    def _answer(self) -> int:
        return int(self._protocol.aggregators[self._symbol][0].answer())

    def check(self, found: Iterable[float]) -> None:
        """UserError for a price that the market does not take for a valid one."""
        parameters = self._protocol.market.assets[self._symbol].parameters
        low, high = parameters["min_price"] / WAD, parameters["max_price"] / WAD
        for price in found:
            if not low <= price <= high:
                raise UserError(
                    f"{price:,.8g} USD is outside of what the market takes for a valid price of "
                    f"{self._symbol}: {low:,.8g} to {high:,.8g} USD"
                )

    def set(self, price: float) -> None:
        """Let the feeds answer a price [USD], poke, and let the pools follow."""
        self.check([price])
        protocol, symbol = self._protocol, self._symbol
        try:
            protocol.set_price(symbol, round(price * 10**8) * 10**10, sender=self._sender)
            protocol.breaker.poke(protocol.tokens[symbol], sender=self._sender)
            self._keeper.round()
        except FailedOnNode:
            pass  # somebody else's transaction came first; the next price is set anyway
        self.price = price
        self.steps += 1

    def play(
        self,
        points: Iterable[Point],
        speed: float,
        stopped: Callable[[], bool],
        tell: Callable[[int], None],
    ) -> None:
        """Set one price after the other, `speed` seconds of the path in one of the clock or as fast
        as the node can; `tell` gets the path's time after each. Ends with the points, or when it
        is `stopped`.
        """
        host = self._protocol.host
        began, start = monotonic(), host.now
        for time, price in points:
            # at its turn, or at once when the node lags behind
            while not stopped() and (left := time / speed - (monotonic() - began)) > 0:
                sleep(min(left, _SLICE))
            if stopped():
                break
            ahead = start + time - host.now
            if ahead > 0:
                host.advance(ahead)
            self.set(price)
            tell(time)
        wanted = round(self.price * 10**8)
        if any(one.answer() != wanted for one in self._protocol.aggregators[self._symbol]):
            self.set(self.price)  # a keeper had repeated an older answer over it
