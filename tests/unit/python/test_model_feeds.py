"""The models of feeds against the contracts: what is refused, and what is quoted, by chance."""

from __future__ import annotations

import random

import pytest

from breakwater.evm import EvmHost
from breakwater.host import Reverted
from breakwater.model.chain import ZERO_ADDRESS, Chain, Contract, Refused
from breakwater.model.market_feeds import tick_price
from breakwater.model.protocol import deploy
from breakwater.units import DAY, WAD, YEAR
from tests.ticks import enclosed

SIZES = [0, 1, 10**9, WAD // 2, WAD - 1, WAD, WAD + 1, 3 * WAD, 2**127, 2**128 - 1, 2**128]
WINDOW = 1_800


class CurvePool(Contract):
    """Of `CurvePoolMock`, what a feed asks for."""

    NAME = "CurvePoolMock"

    def __init__(self, chain, address, coins, rates, price):
        super().__init__(chain, address)
        self.listed, self.rates = coins, rates
        self.average = self.last = price
        self.times, self.locked = (866, 601), False

    def set_prices(self, sender, average, last):
        self.average, self.last = average, last

    def set_times(self, sender, exponential, half):
        self.times = exponential, half

    def set_locked(self, sender, locked):
        self.locked = locked

    def coins(self, sender, index):
        return self.listed[index] if index < len(self.listed) else ZERO_ADDRESS

    def stored_rates(self, sender):
        return self.rates

    def price_oracle(self, sender, index=0):
        if self.locked:
            raise Refused()
        return self.average if index == 0 else 0

    def last_price(self, sender, index=0):
        return self.last if index == 0 else 0

    last_prices = last_price

    def ma_exp_time(self, sender):
        return self.times[0]

    def ma_time(self, sender):
        return self.times[1]


class UniswapPool(Contract):
    """Of `UniswapPoolMock`, what a feed asks for."""

    NAME = "UniswapPoolMock"

    def __init__(self, chain, address, token0, token1, cardinality):
        super().__init__(chain, address)
        self.tokens, self.cardinality, self.answer = (token0, token1), cardinality, b""

    def set_answer(self, sender, answer):
        self.answer = answer

    def token0(self, sender):
        return self.tokens[0]

    def token1(self, sender):
        return self.tokens[1]

    def slot0(self, sender):
        return 2**96, 0, 0, self.cardinality, self.cardinality, 0, True

    def observe(self, sender, ago):
        if not self.answer:
            raise Refused()
        words = range(0, len(self.answer) - 31, 32)
        return tuple(int.from_bytes(self.answer[i : i + 32], "big") for i in words)


class ClampedAggregator(Contract):
    """Of `ClampedAggregatorMock`, what a feed asks for."""

    NAME = "ClampedAggregatorMock"

    def __init__(self, chain, address, decimals, answer, lowest, highest):
        super().__init__(chain, address)
        self.places, self.clamps, self.behind = decimals, (lowest, highest), ZERO_ADDRESS
        self.round = (1, answer, chain.now, 1)

    def set_round(self, sender, *words):
        self.round = words

    def set_aggregator(self, sender, behind):
        self.behind = behind

    def decimals(self, sender):
        return self.places

    def minAnswer(self, sender):
        return self.clamps[0]

    def maxAnswer(self, sender):
        return self.clamps[1]

    def aggregator(self, sender):
        return self.behind

    def latestRoundData(self, sender):
        number, answer, time, answered_in = self.round
        return number, answer, time, time, answered_in


FAKES = {one.NAME: one for one in (CurvePool, UniswapPool, ClampedAggregator)}


class Pair:
    """A chain and its model, to which the same is done."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.host = EvmHost()
        self.chain = Chain(self.host.now, self.host.block)
        self.me = self.host.account("deployer")

    def wait(self, seconds):
        self.host.advance(seconds)
        self.chain.advance(seconds)

    def deploy(self, name, *args):
        """The address; None where both refuse, for the same reason."""
        reason, refused = None, None
        try:
            address = self.host.deploy(name, *args, sender=self.me)
        except Reverted as failure:
            address, reason = "0x" + "99" * 20, failure.reason
        try:
            if name in FAKES:
                FAKES[name](self.chain, address, *args)
            else:
                deploy(self.chain, name, address, args)
        except Refused as failure:
            refused = failure.reason
        assert reason == refused, (name, args)
        assert (address in self.chain.contracts) == (reason is None)
        return address if reason is None else None

    def send(self, address, function, *args, sender=None):
        contract = self.chain.contracts[address]
        outcome = self.chain.transact(sender or self.me, address, function, args)
        try:
            self.host.transact(address, contract.NAME, function, args, sender=sender or self.me)
            reason = None
        except Reverted as failure:
            reason = failure.reason
        assert reason == outcome.reason, (function, args)
        return reason

    def same(self, feed, *functions):
        """Both answer alike."""
        contract = self.chain.contracts[feed]
        for function, *args in (("quote",), ("gas_limit",), *functions):
            mine = self.chain.call(self.me, feed, function, args)
            assert self.host.call(feed, contract.NAME, function, args) == mine, (function, args)
        return self.chain.call(self.me, feed, "quote", ())

    def base(self):
        """A feed that says what it is told."""
        feed = self.deploy("BadFeedMock", 18)
        self.tell(feed)
        return feed

    def tell(self, feed, wild=True):
        choose = self.random
        wild = wild and choose.random() < 0.5
        words = sorted(choose.choices(SIZES[1:], k=3)) if wild else [WAD - 1, WAD, WAD + 1]
        if wild and choose.random() < 0.1:
            choose.shuffle(words)
        time = self.host.now - choose.choice([0, 0, 5, 100_000, -1] if wild else [0, 5])
        self.send(feed, "set_words", [*words, time, choose.choice([1, 2, 3, 0] if wild else [2])])
        self.send(feed, "set_mode", choose.choice([0] * 12 + list(range(1, 9))) if wild else 0)

    def token(self):
        return self.deploy(
            "TokenMock", "Token", "TKN", self.random.choice([6, 8, 18, 24] * 5 + [5, 25])
        )


@pytest.mark.parametrize("seed", range(6))
def test_median__clamps_as_the_contract(seed):
    pair = Pair(seed)
    choose = pair.random
    for _ in range(40):
        clamps = [0, 1, -1, 10**8, 10**10, 2**191 - 1, 2**191]
        sources = []
        for _ in range(choose.randint(1, 3)):
            args = choose.choice([0, 6, 8, 18, 30]), 10**9, *choose.choices(clamps, k=2)
            sources.append(pair.deploy("ClampedAggregatorMock", *args))
            if choose.random() < 0.3:
                behind = choose.choice([*sources, pair.host.account("nobody")])
                pair.send(sources[-1], "set_aggregator", behind)
        ages = [3_600] * len(sources)
        feed = pair.deploy("MedianFeed", sources, ages, 1, 200, choose.random() < 0.5, "TEST")
        for _ in range(6):
            for source in sources:
                near = choose.choice([clamp * p // 100 for clamp in clamps for p in (99, 100, 101)])
                answer = max(0, near + choose.choice([-1, 0, 1]))
                pair.send(source, "set_round", 2, answer, pair.host.now, 2)
            pair.same(feed, *(("clamps", i) for i in range(len(sources))))


@pytest.mark.parametrize("seed", range(6))
def test_curve__as_the_contract(seed):
    pair = Pair(seed)
    choose = pair.random
    base = pair.base()
    quoted = 0
    for _ in range(60):
        coins = [pair.token() for _ in range(2)]
        places = [pair.chain.contracts[coin].decimals(pair.me) for coin in coins]
        rates = [10 ** (36 - place) + (choose.random() < 0.05) for place in places]
        pool = pair.deploy("CurvePoolMock", coins, rates, choose.choice([WAD, WAD // 2]))
        pair.send(
            pool, "set_times", choose.choice([866, 864, 0]), choose.choice([601, 599, 2**128])
        )
        pair.tell(base, wild=False)
        bounds = choose.choice([(1, 2**128 - 1), (WAD // 2, WAD), (WAD, WAD), (1, 2 * WAD)])
        args = choose.choice([1] * 9 + [2, 0]), choose.random() < 0.5, choose.random() < 0.7
        feed = pair.deploy(
            "CurveEmaFeed", pool, base, *args, choose.choice([600] * 9 + [300, 299]), *bounds
        )
        if feed is None:
            continue
        for _ in range(8):
            sizes = SIZES if choose.random() < 0.5 else [WAD // 2, WAD]
            pair.send(pool, "set_prices", choose.choice(sizes), choose.choice(sizes))
            pair.send(pool, "set_locked", choose.random() < 0.1)
            pair.tell(base)
            quoted += pair.same(feed)[4] != 0
            pair.wait(choose.choice([0, 12]))
    assert quoted > 10


@pytest.mark.parametrize("seed", range(6))
def test_twap__as_the_contract(seed):
    pair = Pair(seed)
    choose = pair.random
    base = pair.base()
    quoted = 0
    for _ in range(40):
        tokens = [pair.token() for _ in range(2)]
        pool = pair.deploy("UniswapPoolMock", *tokens, choose.choice([149] + [150, 200] * 5))

        def observe(wild, pool=pool):
            tick = choose.choice([0, -1, 1, 7_000, -7_000, -300_000, 887_272, 887_273])
            tick = tick if wild else 0
            end = tick * WINDOW + choose.randrange(WINDOW)
            thinness = (WINDOW << 128) // choose.choice(
                [1, 10**6, 10**18, 2**128] if wild else [2**90]
            )
            first = choose.choice([0, 2**160 - 1])
            words = [64, 160, 2, 0, end, 2, first, (first + thinness) % 2**160]
            if wild and choose.random() < 0.3:
                words[choose.randrange(8)] = choose.choice([0, 1, -1, 2**55, 2**160, -(2**255)])
            data = b"".join((word % 2**256).to_bytes(32, "big") for word in words)
            cut = choose.choice([0, 0, 0, 0, 32, 256]) if wild else 0
            pair.send(pool, "set_answer", data[: len(data) - cut])

        observe(False)
        pair.tell(base, wild=False)
        least = choose.choice([1, 10**6, 10**18, 0])
        feed = pair.deploy(
            "UniswapTwapFeed", pool, choose.choice([*tokens, base]) if choose.random() < 0.1
            else choose.choice(tokens), base, choose.choice([WINDOW] * 9 + [1_799]), least
        )  # fmt: skip
        if feed is None:
            continue
        for _ in range(10):
            observe(True)
            pair.tell(base)
            quoted += pair.same(feed, ("means",))[4] != 0
    assert quoted > 5


@pytest.mark.parametrize("seed", range(6))
def test_nav__as_the_contract(seed):
    pair = Pair(seed)
    choose = pair.random
    for _ in range(40):
        publisher = choose.choice([pair.me, ZERO_ADDRESS])
        args = choose.choice(SIZES), publisher, choose.choice([DAY, 3_599, 400 * DAY])
        feed = pair.deploy("NavFeed", *args, choose.choice([0, 1_000, 10_000, 10_001]))
        if feed is None:
            continue
        for _ in range(15):
            highest = pair.chain.call(pair.me, feed, "highest", ())
            price = choose.choice([highest, highest + 1, highest // 2, 0, 1, *SIZES])
            pair.send(
                feed, "publish", price, sender=choose.choice([pair.me, pair.host.account("x")])
            )
            pair.same(feed, ("published",), ("highest",))
            assert pair.host.storage(feed, 0) == next(
                word.value
                for word in pair.chain.contracts[feed].words("packed_price", ())
            )  # fmt: skip
            pair.wait(choose.choice([0, 1, DAY, DAY + 1, YEAR]))


@pytest.mark.parametrize("seed", range(6))
def test_checked__as_the_contract(seed):
    pair = Pair(seed)
    choose = pair.random
    quoted = 0
    for _ in range(60):
        feeds = [pair.base(), pair.base()]
        for feed in feeds:
            pair.tell(feed, wild=choose.random() < 0.2)
        base, market = choose.choices(feeds, k=2) if choose.random() < 0.1 else feeds
        band, decides = choose.choice([1, 200, 2_000, 0]), choose.random() < 0.5
        feed = pair.deploy("CheckedFeed", base, market, band, decides)
        if feed is None:
            continue
        for _ in range(12):
            for one in feeds:
                pair.tell(one, wild=choose.random() < 0.7)
            quoted += pair.same(feed)[4] != 0
    assert quoted > 10


def test_checked__over_rate_and_medians_as_the_contract():
    """Feeds upon feeds: what fits into the gas, and what it says."""
    pair = Pair(0)
    choose = pair.random
    token = pair.deploy("TokenMock", "Asset", "AST", 6)
    vault = pair.deploy("StakedTokenMock", "Staked", "sAST", token)
    sources = [pair.deploy("AggregatorMock", 8, 10**8) for _ in range(4)]

    def median(count):
        several = choose.sample(sources, count)
        return pair.deploy("MedianFeed", several, [3_600] * count, 1, 200, False, "TEST")

    built = set()
    for _ in range(60):
        inner = median(choose.randint(1, 3))
        if choose.random() < 0.7:
            inner = pair.deploy("RateFeed", vault, inner, 1_000)
            if inner and choose.random() < 0.3:
                inner = pair.deploy("RateFeed", vault, inner, 1_000)
        if inner is None:
            continue
        market = median(choose.randint(1, 3))
        feed = pair.deploy("CheckedFeed", inner, market, 2_000, choose.random() < 0.5)
        if feed is None:
            continue
        built.add(pair.chain.call(pair.me, feed, "gas_limit", ()))
        for source in sources:
            pair.send(source, "set", choose.choice([10**8, 105 * 10**6, 2 * 10**8, 0]))
        pair.send(vault, "set_rate", choose.choice([10**6, 11 * 10**5, 3 * 10**6]))
        pair.same(feed)
        pair.send(vault, "set_rate", 10**6)
        for source in sources:
            pair.send(source, "set", 10**8)
    assert len(built) > 3
    assert max(built) <= 200_000


def test_tick_price__is_within_its_bound():
    generator = random.Random(3)
    for _ in range(100):
        tick, exponent = generator.randint(-887_272, 887_272), generator.randint(0, 36)
        low, high = (power * 10**exponent for power in enclosed(tick))
        price = tick_price(tick, exponent)
        if low >= 1 and high < 2**128 - 1:
            assert int(low) - (int(low) >> 104) - 1 <= price <= int(high) + (int(high) >> 104)
