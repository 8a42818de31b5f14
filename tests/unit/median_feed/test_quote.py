"""`quote`: the median of the sources that are valid, and whether they agree."""

from fractions import Fraction
from itertools import permutations, product

import pytest

INVALID, SINGLE, AGREED, DISPERSED = range(4)
NOTHING = (0, 0, 0, 0, INVALID)
E8 = 10**8
SCALE = 10**10  # from 8 decimals to WAD


def expected(prices, oldest, quorum, band, pegged):
    """The table in the head of the contract, over prices of 8 decimals."""
    valid = sorted(price * SCALE for price in prices)
    if len(valid) < quorum:
        return NOTHING

    def agree(low, high):
        return Fraction(high - low, low) <= Fraction(band, 10_000)

    low, high = valid[0], valid[-1]
    if len(valid) == 1:
        return low, low, low, oldest, SINGLE
    if len(valid) == 2:
        return low, (low + high) // 2, high, oldest, AGREED if agree(low, high) else DISPERSED
    middle = valid[1]
    agreed = agree(low, high) if pegged else agree(low, middle) or agree(middle, high)
    if agreed:
        return middle, middle, middle, oldest, AGREED
    return low, middle, high, oldest, DISPERSED


@pytest.mark.parametrize("pegged", [False, True])
@pytest.mark.parametrize(
    "prices",
    [
        [100],
        [100, 101],
        [100, 102],
        [100, 101, 102],
        [100, 100, 100],
        [100, 101, 150],
        [50, 100, 101],
        [50, 100, 200],
        [1, 100, 10_000],
    ],
)
def test_quote__every_order_of_sources(host, new_source, new_feed, quote, prices, pegged):
    for order in sorted(set(permutations(prices))):
        feed = new_feed([new_source(price * E8) for price in order], pegged=pegged)
        wanted = expected([price * E8 for price in order], host.now, 1, 100, pegged)
        assert quote(feed) == wanted


@pytest.mark.parametrize(("high", "status"), [(101 * E8, AGREED), (101 * E8 + 1, DISPERSED)])
def test_quote__band_is_exact(host, new_source, new_feed, quote, high, status):
    two = new_feed([new_source(100 * E8), new_source(high)])
    assert quote(two)[4] == status
    pegged = new_feed([new_source(100 * E8), new_source(high), new_source(high)], pegged=True)
    assert quote(pegged)[4] == status
    far = new_source(1_000 * E8)
    assert quote(new_feed([new_source(100 * E8), new_source(high), far]))[4] == status


@pytest.mark.parametrize("quorum", [1, 2, 3])
@pytest.mark.parametrize("pegged", [False, True])
def test_quote__any_of_three_may_fail(host, deployer, new_source, new_feed, quote, quorum, pegged):
    prices = [100 * E8, 103 * E8, 102 * E8]
    sources = [new_source(price) for price in prices]
    feed = new_feed(sources, quorum=quorum, pegged=pegged)
    for alive in product([True, False], repeat=3):
        for source, price, live in zip(sources, prices, alive, strict=True):
            answer = price if live else 0
            host.transact(source, "AggregatorMock", "set", [answer], sender=deployer)
        live_prices = [p for p, live in zip(prices, alive, strict=True) if live]
        wanted = expected(live_prices, host.now, quorum, 100, pegged)
        if not live_prices:
            wanted = NOTHING
        assert quote(feed) == wanted


def test_quote__updated_at_is_that_of_the_oldest_used(host, new_source, new_feed, quote):
    start = host.now
    sources = [new_source(100 * E8)]
    for _ in range(2):
        host.advance(100)
        sources.append(new_source(100 * E8))
    feed = new_feed(sources, [250, 3_600, 3_600])
    assert quote(feed)[3] == start
    host.advance(51)  # the first is 251 seconds old
    assert quote(feed)[3:] == (start + 100, AGREED)


def test_quote__sources_of_different_decimals(host, new_source, new_feed, quote):
    feed = new_feed([new_source(100 * E8, d) for d in (6, 18, 24)])
    assert quote(feed) == (10**20, 10**20, 10**20, host.now, AGREED)


@pytest.mark.parametrize("mode", range(1, 8))
def test_quote__broken_sources_are_left_out(host, deployer, new_source, new_feed, quote, mode):
    bad = [host.deploy("BadFeedMock", 8, sender=deployer) for _ in range(2)]
    good = new_source(100 * E8)
    feed = new_feed([bad[0], good, bad[1]])
    for source in bad:
        host.transact(source, "BadFeedMock", "set_mode", [mode], sender=deployer)
    assert quote(feed) == (10**20, 10**20, 10**20, host.now, SINGLE)


@pytest.mark.parametrize("burning", [2, 3])
def test_quote__burning_sources_fit_into_the_gas_of_a_feed(
    host, deployer, new_source, new_feed, burning
):
    """With 200,000 gas, no source can take what the others need."""
    from breakwater.abi import Interface
    from breakwater.artifacts import load

    bad = [host.deploy("BadFeedMock", 8, sender=deployer) for _ in range(burning)]
    feed = new_feed([*bad, new_source(100 * E8)][:3])
    for source in bad:
        host.transact(source, "BadFeedMock", "set_mode", [2], sender=deployer)
    caller = host.deploy("CallerMock", sender=deployer)
    data = Interface(load("MedianFeed").abi).function("quote", 0).encode([])
    args = [feed, data, 200_000]
    ok, answer = host.call(caller, "CallerMock", "attempt", args, sender=deployer)
    assert ok
    words = [int.from_bytes(answer[i : i + 32], "big") for i in range(0, 160, 32)]
    assert words == ([10**20] * 3 + [host.now, SINGLE] if burning == 2 else [0] * 5)
