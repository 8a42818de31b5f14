"""The oracle's average and volatility beside exact arithmetic, on random paths over its domain.

Stored words on one side, decimals of 60 digits on the other. What is exact, and how far off the
contract may be, follows from `price_oracle`:

AVERAGE. Each poke takes it a part 1 - exp(-x) of the way to the spot stored before, x the time
between them over 2,700 s, at most 1/3. The contract takes W(x) = x - x**2/2 + x**3/6, too much by
at most x**4/24, so by at most 1/1,944 = 5.2e-4 of the way. An error shrinks by exp(-x) with each
poke, so after any number of pokes, over prices apart by G,

    error <= G * x**4/24 / (1 - exp(-x)) <= 1.82e-3 * G,    the most at x = 1/3.

Rounding: x, its square and its cube are cut, the weight is within 3 wei; the way is cut by a wei.
So a poke adds less than 1 + 3e-18 of the way, and all of them at most 2,701 times that, as x is
at least 1/2,700.

VOLATILITY. A sample gives sqrt(variance * (1 - w) + change**2 * day/elapsed * w), which carries an
error of the volatility before it on by at most sqrt(1 - w). What is cut below it: the change (a
wei, so 2 * change + 1 of its square, times day/elapsed * w <= 2.73), variance, sample and weight
(a wei each, the last times what it weighs). Together `_cut` below, at most 2.6e-9 of the root; what
is stored is cut to 1e-9. Samples at least 600 s apart shrink errors by 0.0094 of themselves, so

    error <= (2.6e-9 + 1e-9) / 0.0094 < 4e-7.
"""

import math
import random
from decimal import Decimal, localcontext

import pytest

from breakwater.evm import EvmHost
from breakwater.mocks import AggregatorMock
from breakwater.units import DAY, HOUR, WAD, YEAR
from tests.market import Market

TAU, LONGEST = 2_700, 900
SAMPLE, MEMORY = 600, 31_163
HIGHEST = Decimal("4.294967295")
QUANTUM = Decimal(10) ** -9
WEI = Decimal(10) ** -18
POKES = 300
MOST_OFF = Decimal("0.00182")
MOST_VOLATILITY_OFF = Decimal("4e-7")

ENDS = {"low end": (2**29, 2**91), "high end": (2**31, 10**28)}
"""[WAD] The domain is 1e-9 to 1e10 dollars; one listing spans a factor of 2**63 of it, 10**19."""

GAPS = {
    "any": lambda rng: int(math.exp(rng.uniform(0, math.log(YEAR)))),
    "seconds": lambda rng: rng.randint(1, 60),
    "minutes": lambda rng: rng.randint(60, 1_500),
    "samples": lambda rng: SAMPLE,
}
"""From one poke to the next, in seconds."""


@pytest.fixture(autouse=True)
def digits():
    with localcontext() as context:
        context.prec = 60
        yield


class Oracle:
    """One listed asset, its feed, and what is stored of it."""

    def __init__(self, places, end="low end", price=None):
        self.low, self.high = ENDS[end]
        self.scale = 10 ** (18 - places)
        self.market = Market(EvmHost(), {}, debts=())
        self.host, owner = self.market.host, self.market.owner
        first = price or max(WAD // self.scale * self.scale, self.lowest)
        self.feed = AggregatorMock.deploy(self.host, places, first // self.scale, sender=owner)
        self.market.add_asset(
            "P", decimals=18, dollars=1, source=self.feed.address,
            min_price=max(self.low, 10**9), max_price=self.high, max_age=4_095 * 60,
        )  # fmt: skip
        self.first = first

    @property
    def lowest(self):
        """[WAD] that the feed can say and the listing allows."""
        return -(-max(self.low, 10**9) // self.scale) * self.scale

    @property
    def highest(self):
        return min(2 * self.high - 1, 10**28) // self.scale * self.scale

    def poke(self, seconds, price):
        """After so many seconds, at a price; 0: the feed is dead."""
        self.host.advance(seconds)
        assert self.host.now < 2**32
        if price:
            self.feed.set(price // self.scale, sender=self.market.owner)
        else:
            self.feed.set_round(9, 0, 0, 0, sender=self.market.owner)
        self.market.poke("P")

    def stored(self):
        """Spot [WAD], average [WAD], volatility."""
        word = self.market.risk.words_of(self.market.assets["P"])[2]
        spot, average = word & (2**96 - 1), word >> 96 & (2**96 - 1)
        return spot, average, (word >> 192 & (2**32 - 1)) * QUANTUM

    def average_now(self):
        return self.market.risk.quote(self.market.assets["P"]).average


def path(rng, oracle):
    """Prices without end: silence, steps of a hair or a percent, anything, and both ends."""
    price = oracle.first
    while True:
        kind = rng.random()
        if kind < 0.05:
            yield 0
            continue
        if kind < 0.45:
            price = int(price * math.exp(rng.gauss(0, rng.choice([1e-6, 1e-3, 1e-2]))))
        elif kind < 0.7:
            price = int(math.exp(rng.uniform(math.log(oracle.lowest), math.log(oracle.highest))))
        elif kind < 0.8:
            price = oracle.lowest
        elif kind < 0.9:
            price = oracle.highest
        price = min(max(price // oracle.scale * oracle.scale, oracle.lowest), oracle.highest)
        yield price


class Average:
    """The exact one, and how far off the contract's may be [wei]."""

    def __init__(self, price):
        self.value, self.spot, self.error = Decimal(price), price, Decimal(0)

    def step(self, average, seconds, price):
        """`average` is the contract's before the poke, `seconds` are since the last with a price.

        Returns where one exact step from it leads, and by how much the contract may go further.
        """
        x = Decimal(min(seconds, LONGEST)) / TAU
        left = (-x).exp()
        way = self.spot - average
        cut = 1 + 3 * abs(way) * WEI
        beyond = abs(way) * x**4 / 24
        self.value = self.spot + (self.value - self.spot) * left
        self.error = self.error * left + beyond + cut
        exact = average + way * (1 - left)
        self.spot = price
        return exact, beyond, cut


class Volatility:
    """The exact one, and how far off the contract's may be."""

    def __init__(self, price):
        self.value, self.error = Decimal(0), Decimal(0)
        self.reference, self.elapsed = price, 0

    def step(self, volatility, seconds, price):
        """`volatility` is the contract's before the poke. Returns what one exact step from it
        gives and by how much the contract's may differ, the cut to 1e-9 aside; None: no sample.
        """
        self.elapsed += seconds
        if self.elapsed < SAMPLE:
            return None
        weight = Decimal(self.elapsed) / (self.elapsed + MEMORY)
        change = min(Decimal(abs(price - self.reference)) / self.reference, Decimal(100))
        sample = change**2 * DAY / self.elapsed

        def after(before):
            return before**2 * (1 - weight) + sample * weight

        off = _cut(after(volatility), change, sample, volatility)
        self.error = (
            self.error * (1 - weight).sqrt()
            + max(off, _cut(after(self.value), change, sample, self.value))
            + QUANTUM
        )
        self.value = min(after(self.value).sqrt(), HIGHEST)
        self.reference, self.elapsed = price, 0
        return min(after(volatility).sqrt(), HIGHEST), off


def _cut(variance, change, sample, before):
    """What the integers below a root are short of or above, seen in the root."""
    wei = (4 + before**2 + sample + Decimal("2.73") * (2 * change + 1)) * WEI
    root = variance.sqrt()
    return max((variance + wei).sqrt() - root, root - max(variance - wei, Decimal(0)).sqrt()) + WEI


CASES = [
    (places, end, gaps, seed)
    for places, end in ((6, "low end"), (8, "low end"), (18, "low end"), (18, "high end"))
    for gaps in GAPS
    for seed in (1, 2)
]


@pytest.mark.parametrize(("places", "end", "gaps", "seed"), CASES)
def test_poke__as_exact_arithmetic_says(places, end, gaps, seed):
    """Average and volatility of 300 pokes, one of 20 without a price. None reverts."""
    rng = random.Random(f"{places} {end} {gaps} {seed}")
    oracle = Oracle(places, end)
    average, volatility = Average(oracle.first), Volatility(oracle.first)
    lowest = highest = oracle.first
    elapsed = 0
    for price, _ in zip(path(rng, oracle), range(POKES), strict=False):
        seconds = GAPS[gaps](rng)
        before = oracle.stored()
        oracle.poke(seconds, price)
        elapsed += seconds
        if price == 0:
            assert oracle.stored() == before
            volatility.elapsed += seconds
            continue
        after = oracle.stored()
        assert after[0] == price

        spot = average.spot
        exact, beyond, cut = average.step(before[1], elapsed, price)
        further = (after[1] - exact) * (1 if spot >= before[1] else -1)
        assert -cut <= further <= beyond + cut
        assert beyond <= Decimal("5.2e-4") * abs(spot - before[1])
        assert abs(after[1] - average.value) <= average.error
        apart = highest - lowest
        assert abs(after[1] - average.value) <= MOST_OFF * apart + 2_701 * (1 + 3 * apart * WEI)
        assert lowest <= after[1] <= highest
        assert oracle.average_now() == after[1]

        found = volatility.step(before[2], seconds, price)
        if found is None:
            assert after[2] == before[2]
        else:
            one, off = found
            assert one - off - QUANTUM <= after[2] <= one + off
        assert abs(after[2] - volatility.value) <= volatility.error < MOST_VOLATILITY_OFF

        lowest, highest = min(lowest, price), max(highest, price)
        elapsed = 0


@pytest.mark.parametrize("times", [Decimal("1.09"), Decimal("0.5"), Decimal(1_000)])
def test_quote__between_pokes_as_exact_arithmetic_says(times):
    """What readers see at any second after a poke, for a year."""
    oracle = Oracle(8, price=1_000 * WAD)
    spot = int(1_000 * WAD * times)
    oracle.poke(HOUR, spot)
    way = spot - 1_000 * WAD
    now = 0
    for seconds in (0, 1, 2, 11, 12, 13, 60, 600, 899, 900, 901, 1_800, 2_700, 5_400, DAY, YEAR):
        oracle.host.advance(seconds - now)
        now = seconds
        x = Decimal(min(seconds, LONGEST)) / TAU
        exact = 1_000 * WAD + way * (1 - (-x).exp())
        further = (oracle.average_now() - exact) * (1 if way > 0 else -1)
        cut = 1 + 3 * abs(way) * WEI
        assert -cut <= further <= abs(way) * x**4 / 24 + cut


def test_average__a_step_that_stays():
    """Poked every 900 s the contract leaves (58/81)**n of the way, exact would be exp(-n/3): it is
    ahead by 7.4e-4 of the step at most, in the third poke. Each adds 4.8e-4 of a shrinking way.
    """
    oracle = Oracle(18, price=WAD)
    oracle.poke(HOUR, 2 * WAD)
    most = Decimal(0)
    for n in range(1, 40):
        oracle.poke(LONGEST, 2 * WAD)
        ahead = (Decimal(oracle.stored()[1]) - WAD) / WAD - (1 - (-Decimal(n) / 3).exp())
        wanted = (-Decimal(n) / 3).exp() - (Decimal(58) / 81) ** n
        assert abs(ahead - wanted) < 40 * WEI
        most = max(most, ahead)
    assert Decimal("7.3e-4") < most < Decimal("7.5e-4")


@pytest.mark.parametrize("places", [6, 8, 18])
def test_volatility__saturates_and_comes_back(places):
    """At 429.4967295 %, whatever prices do; halved in variance by a calm 31,163 s."""
    oracle = Oracle(places)
    for i in range(20):
        oracle.poke(SAMPLE, oracle.highest if i % 2 else oracle.lowest)
        if i:
            # a change counts as 100 at most, a fall as 1: a sample of 16,500 % or of 165 %
            assert oracle.stored()[2] == HIGHEST
    oracle.poke(MEMORY, oracle.highest)
    half = HIGHEST / Decimal(2).sqrt()
    assert half - QUANTUM - WEI <= oracle.stored()[2] <= half
    for _ in range(20):
        oracle.poke(YEAR, oracle.highest)
    # each year leaves 31,163 / (year + 31,163) of the variance
    assert oracle.stored()[2] < Decimal("1e-8")


def test_volatility__of_a_change_by_hand():
    """1 % in 600 s: 0.01 * sqrt(86,400 / 31,763) = 1.649 %, and no more than that is stored."""
    oracle = Oracle(8, price=1_000 * WAD)
    oracle.poke(SAMPLE, 1_010 * WAD)
    assert oracle.stored()[2] == Decimal("0.016492865")
