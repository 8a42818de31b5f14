"""The price oracle at the risk engine's address: quotes, averages, volatility, status, listing."""

from fractions import Fraction

import pytest

from breakwater.mocks import BadFeedMock, TokenMock
from breakwater.model import average
from breakwater.units import WAD
from tests.market import ZERO, refuses

BAND = 500


@pytest.fixture
def oracle(new_market):
    return new_market(WETH={"jump_band": BAND})


def checkpoint(market, name="WETH"):
    """As stored, in the model's terms."""
    _, _, word, seen = market.risk.words_of(market.assets[name])
    return average.Checkpoint(
        spot=word & (2**96 - 1),
        average=word >> 96 & (2**96 - 1),
        volatility=(word >> 192 & (2**32 - 1)) * 10**9,
        time=word >> 224,
        reference=seen & (2**96 - 1),
        reference_time=seen >> 96 & (2**32 - 1),
        jump_since=seen >> 128 & (2**32 - 1),
        stale_at=seen >> 160 & (2**32 - 1),
        stale_seconds=seen >> 239,
        jump_is_up=bool(seen >> 236 & 1),
        confirmed=bool(seen >> 237 & 1),
    )


def test_list_asset__first_checkpoint(oracle):
    assert checkpoint(oracle) == average.Checkpoint.first(2_000 * WAD, oracle.host.now)


def test_poke__as_the_model_says_over_a_day(oracle):
    """Averages, volatility, jumps and their confirmation, gaps of a second to hours."""
    market = oracle
    weth = market.assets["WETH"]
    expected = checkpoint(market)
    walk = [2_000, 2_010, 1_900, 1_900, 1_890, 0, 0, 1_500, 1_500, 1_500, 2_600, 2_600, 2_600,
            2_599, 1_000, 0, 1_000, 1_000, 50_000, 49_000, 48_000, 20]  # fmt: skip
    gaps = [1, 12, 59, 60, 61, 599, 600, 601, 900, 3_600, 20_000, 7]
    for i, dollars in enumerate(walk * 3):
        market.host.advance(gaps[i % len(gaps)])
        market.price("WETH", dollars)
        price, now = dollars * WAD, market.host.now
        mean = average.average_at(expected, now)
        quote = market.risk.quote(weth)
        assert quote.average == mean
        assert quote.volatility == expected.volatility
        assert quote.price == quote.low == quote.high == price
        status = average.STALE if price == 0 else int(average.is_jump(price, mean, BAND))
        assert (quote.status, quote.level >= {0: 0, 1: 1, 3: 2}[status]) == (status, True)
        as_collateral, as_debt, _ = average.liquidation_prices(expected, price, now, BAND)
        position = market.position(("WETH", 10**18, False))
        assert market.risk.health_of(position).collateral_value == as_collateral
        position = market.position(("WETH", 10**18, True))
        assert market.risk.health_of(position).debt_value == as_debt
        receipt = market.poke("WETH")
        expected = average.poke(expected, price, now, BAND)
        assert checkpoint(market) == expected
        assert receipt.value == status
        event = receipt.event("Poke")
        assert event.args == {
            "asset": weth.address,
            "price": price,
            "average": average.average_at(expected, now) if price else mean,
            "volatility": event.volatility,
            "status": status,
        }
        assert event.volatility // 10**9 * 10**9 == expected.volatility


def test_quote__average_is_pulled_for_a_third_of_its_time_at_most(oracle):
    """One print followed by silence moves the average by less than a third of the print."""
    market = oracle
    market.price("WETH", 4_000)
    market.poke("WETH")
    for elapsed in (1, 100, 899, 900, 901, 10**6):
        start = market.host.snapshot()
        market.host.advance(elapsed)
        market.refresh()
        found = market.risk.quote(market.assets["WETH"]).average
        x = Fraction(min(elapsed, 900), 2_700)
        exact = 2_000 + 2_000 * (x - x**2 / 2 + x**3 / 6)
        assert abs(exact - Fraction(found, WAD)) < Fraction(1, 10**12)
        assert found < 2_000 * WAD + 2_000 * WAD // 3
        market.host.restore(start)


@pytest.mark.parametrize(("dollars", "status"), [(2_100, 0), (1_900, 0), (2_101, 1), (1_899, 1)])
def test_quote__band_is_exact(oracle, dollars, status):
    oracle.price("WETH", dollars)
    quote = oracle.risk.quote(oracle.assets["WETH"])
    assert (quote.status, quote.level) == (status, status)


def test_quote__absolute_bounds(new_market):
    """Kept as powers of two, outwards."""
    market = new_market(WETH={"min_price": 1_000 * WAD, "max_price": 5_000 * WAD})
    low = Fraction(1 << (1_000 * WAD).bit_length() - 1, WAD)
    high = Fraction(1 << (5_000 * WAD).bit_length(), WAD)
    for dollars, valid in [
        (low - Fraction(1, 10**6), False),
        (low + Fraction(1, 10**6), True),
        (high - Fraction(1, 10**6), True),
        (high + Fraction(1, 10**6), False),
    ]:
        market.price("WETH", dollars)
        assert (market.risk.quote(market.assets["WETH"]).price != 0) == valid


@pytest.mark.parametrize("age", [60, 86_400])
def test_quote__goes_stale(new_market, age):
    market = new_market(WETH={"max_age": age})
    market.refresh()
    market.host.advance(age)
    assert market.risk.quote(market.assets["WETH"]).status == average.VALID
    market.host.advance(1)
    quote = market.risk.quote(market.assets["WETH"])
    assert (quote.status, quote.level, quote.price) == (average.STALE, 2, 0)


def test_quote__median_feed_goes_stale(new_market):
    market = new_market(WETH={"sources": 2, "max_age": 3_600})
    market.host.advance(3_601)
    assert market.risk.quote(market.assets["WETH"]).status == average.STALE


def test_quote__two_sources(new_market):
    market = new_market(WETH={"sources": 2})
    market.price("WETH", 2_000, 2_010)
    quote = market.risk.quote(market.assets["WETH"])
    assert quote[:3] == (2_005 * WAD, 2_000 * WAD, 2_010 * WAD)
    assert quote.status == average.VALID
    market.price("WETH", 2_000, 2_100)
    assert market.risk.quote(market.assets["WETH"]).status == average.DISPERSED
    assert market.risk.quote(market.assets["WETH"]).level == 1


@pytest.mark.parametrize("mode", range(1, 8))
def test_quote__broken_source_harms_nothing_else(new_market, host, mode):
    owner = host.account("owner")
    bad = BadFeedMock.deploy(host, 8, sender=owner)
    bad.set_words([1, 2_000 * 10**8, host.now, host.now, 1], sender=owner)
    market = new_market(BAD={"decimals": 18, "dollars": 2_000, "source": bad.address})
    market.deposit("BAD", 1)
    market.deposit("WETH", 1)
    bad.set_mode(mode, sender=owner)
    assert market.risk.quote(market.assets["BAD"]).status == average.STALE
    market.borrow("USDC", 1_600)
    market.host.advance(12)
    market.poke("BAD")
    for _ in range(24):
        market.host.advance(3_600)
        market.poke("BAD")
    market.refresh()
    market.price("WETH", 1_500)
    market.liquidate("USDC", "WETH")


def test_quote__waits_for_dispersed_sources_are_counted_by_the_day(new_market):
    """Pokes that saw agreement stop the count; a new day begins it anew."""
    market = new_market(WETH={"sources": 2})
    position = market.position(("WETH", 10**18, False))

    def value():
        return market.risk.health_of(position).collateral_value // WAD

    def at(low, high, wait):
        market.host.advance(wait)
        market.price("WETH", low, high)

    market.price("WETH", 1_800, 2_000)
    market.poke("WETH")
    at(2_000, 2_000, 1_000)
    market.poke("WETH")  # 1,000 seconds are spent
    at(1_800, 2_000, 10_000)
    assert value() == 2_000
    market.poke("WETH")
    at(1_800, 2_000, 799)
    assert value() == 2_000
    at(1_800, 2_000, 1)
    assert value() == 1_900
    at(1_800, 2_000, 90_000)
    assert value() == 1_900  # they never stopped disagreeing
    at(2_000, 2_000, 1)
    market.poke("WETH")
    at(1_800, 2_000, 86_399)
    assert value() == 1_900
    at(1_800, 2_000, 1)
    assert value() == 2_000  # a whole day went by without


def test_list_asset__without_a_valid_price_reverts(market):
    with refuses("price is not valid"):
        market.add_asset("NONE", decimals=18, dollars=0, min_price=10**9, max_price=10**20)
    with refuses("price is not valid"):
        market.add_asset("LOW", decimals=18, dollars=1, min_price=2 * WAD, max_price=8 * WAD)


def test_list_asset__with_sources_that_disagree_reverts(market):
    asset = market.add_asset("TWO", decimals=18, dollars=5, sources=2)
    market.price("TWO", 5, 6)
    token = TokenMock.deploy(market.host, "X", "X", 18, sender=market.owner)
    with refuses("sources disagree"):
        market.configurator.list_asset(token, asset.config, 0, False, ZERO, 0, sender=market.owner)


@pytest.mark.parametrize(("wait", "is_taken"), [(599, False), (600, True), (601, True)])
def test_poke__takes_a_sample_after_ten_minutes(oracle, wait, is_taken):
    """The volatility of a change of 1 % in that time, from none: a day has 144 times 600 s."""
    before = checkpoint(oracle)
    assert before.volatility == 0
    oracle.host.advance(wait)
    oracle.price("WETH", 2_020)
    oracle.poke("WETH")
    after = checkpoint(oracle)
    if not is_taken:
        assert (after.volatility, after.reference, after.reference_time) == (
            0, before.reference, before.reference_time,
        )  # fmt: skip
        return
    assert (after.reference, after.reference_time) == (2_020 * WAD, oracle.host.now)
    # variance of a day: 0.01**2 * 86,400 / wait, weighed by wait / (wait + 31,163)
    exact = (Fraction(1, 10_000) * Fraction(86_400, wait) * Fraction(wait, wait + 31_163)) ** 0.5
    assert after.volatility / WAD == pytest.approx(float(exact), rel=1e-6)


def test_poke__keeps_what_it_does_not_change(new_market):
    """Of the observation: the last wait, what was waited, and the reference of the volatility."""
    market = new_market(WETH={"sources": 2})
    weth = market.assets["WETH"]

    def seen():
        return market.risk.words_of(weth)[3]

    def step(wait, *dollars):
        market.host.advance(wait)
        market.price("WETH", *dollars)
        market.poke("WETH")
        return seen()

    first = seen()
    assert first >> 192 & (2**44 - 1) == 0
    # two sources disagree for 100 seconds, and the poke that sees them agree ends the wait
    assert step(12, 2_000, 1_900) >> 224 & 4_095 == 0
    word = step(100, 2_000, 2_000)
    ended = market.host.now
    assert (word >> 192 & (2**32 - 1), word >> 224 & 4_095, word >> 238 & 1) == (ended, 100, 0)
    for wait in (1, 599, 3_600, 86_400 - 4_200 - 1):
        word = step(wait, 2_000, 2_000)
        assert (word >> 192 & (2**32 - 1), word >> 224 & 4_095) == (ended, 100)
    word = step(1, 2_000, 2_000)
    # a day without any: what was waited no longer counts
    assert (word >> 192 & (2**32 - 1), word >> 224 & 4_095) == (ended, 0)
    # seconds without a price, and when they were last seen, go when there is one again
    market.host.advance(12)
    market.break_feed("WETH")
    market.poke("WETH")
    assert (seen() >> 160 & (2**32 - 1), seen() >> 239) == (market.host.now, 0)
    market.host.advance(1_000)
    market.poke("WETH")
    word = seen()
    assert (word >> 160 & (2**32 - 1), word >> 239) == (market.host.now, 1_000)
    assert word >> 192 & (2**32 - 1) == ended
    word = step(50, 2_000, 2_000)
    assert (word >> 160 & (2**32 - 1), word >> 239) == (0, 0)
