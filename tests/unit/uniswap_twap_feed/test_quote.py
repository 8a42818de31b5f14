"""`quote` over any observations: rounding, decimals, validity, gas."""

from fractions import Fraction
from math import log

import pytest

from breakwater.units import WAD
from tests.feeds import DISPERSED, NOTHING, SINGLE
from tests.ticks import enclosed
from tests.unit.uniswap_twap_feed.conftest import WINDOW, words

BASE = 99 * WAD // 100, WAD, 101 * WAD // 100


def expected(tick, decimals=(18, 18)):
    """Average, exact but for what the header allows: a tick's price is never a whole number."""
    low, high = (power * 10 ** (18 + decimals[0] - decimals[1]) for power in enclosed(tick))
    assert int(low * (1 - Fraction(1, 2**105))) == int(high * (1 + Fraction(1, 2**105)))
    return int(low)


@pytest.mark.parametrize("other", [6, 8, 18, 24])
@pytest.mark.parametrize("own", [6, 8, 18, 24])
@pytest.mark.parametrize("side", [0, 1])
def test_quote__decimals_of_both_tokens(world, host, own, other, side):
    """Of a token that is worth about 1.07 of the other."""
    decimals = (own, other)
    pool = world.mock(decimals)
    tick = 700 - round((own - other) * log(10, 1.0001))
    world.observe(pool, tick * WINDOW, 10**18)
    feed = world.feed(pool, world.tokens[side])
    places = decimals if side == 0 else decimals[::-1]
    average = expected(tick if side == 0 else -tick, places)
    assert average == pytest.approx(WAD * 1.0001 ** (700 if side == 0 else -700), rel=1e-4)
    low, price, high = BASE
    assert feed.quote() == (
        average * low // WAD,
        average * price // WAD,
        -(-(average + 1) * high // WAD),
        host.now,
        SINGLE,
    )


@pytest.mark.parametrize(
    ("tick_sum", "tick"),
    [
        (0, 0),
        (WINDOW - 1, 0),
        (WINDOW, 1),
        (-1, -1),
        (-WINDOW, -1),
        (-WINDOW - 1, -2),
        (887_272 * WINDOW, 887_272),
        (-887_272 * WINDOW, -887_272),
    ],
)
def test_means__tick_rounds_towards_minus_infinity(world, tick_sum, tick):
    pool = world.mock()
    feed = world.feed(pool, world.tokens[0])
    world.observe(pool, tick_sum, 10**18)
    assert feed.means()[0] == tick


@pytest.mark.parametrize("tick", [887_273, -887_273, 2**43])
def test_quote__no_tick_of_a_pool_is_no_price(world, tick):
    pool = world.mock()
    feed = world.feed(pool, world.tokens[0])
    world.observe(pool, tick * WINDOW, 10**18)
    assert feed.quote() == NOTHING


def test_quote__least_liquidity_is_exact(world):
    pool = world.mock()
    feed = world.feed(pool, world.tokens[0], least=10**18)
    thinness = (WINDOW << 128) // 10**18
    for more, valid in ((0, True), (1, True), (thinness // 10**6, False)):
        world.means(pool, 0, thinness + more)
        liquid = (WINDOW << 128) // (thinness + more) >= 10**18
        assert liquid == valid or more == 1
        assert (feed.quote() != NOTHING) == liquid


@pytest.mark.parametrize("thinness", [0, 2**160 - 1, 2**159])
def test_quote__absurd_liquidity_is_no_price(world, thinness):
    """None observed, or as thin as a word allows: the pool is empty."""
    pool = world.mock()
    feed = world.feed(pool, world.tokens[0], least=10**9)
    world.means(pool, 0, thinness)
    assert feed.quote() == NOTHING


GOOD = (64, 160, 2, 0, 700 * WINDOW, 2, 0, (WINDOW << 128) // 10**18)


def test_quote__any_word_of_the_answer_may_be_wrong(world):
    pool = world.mock()
    feed = world.feed(pool, world.tokens[0])
    pool.set_answer(words(*GOOD), sender=world.me)
    good = feed.quote()
    assert good != NOTHING
    for place in (0, 1, 2, 5):
        for wrong in (0, 1, 3, 2**255, 2**256 - 1):
            answer = [*GOOD]
            answer[place] = wrong
            pool.set_answer(words(*answer), sender=world.me)
            assert feed.quote() == NOTHING
    for place, wrong in [(3, 2**55), (3, -(2**55) - 1), (4, 2**255), (4, 2**256 - 1 - 2**255),
                         (6, 2**160), (7, 2**160), (7, 2**256 - 1)]:  # fmt: skip
        answer = [*GOOD]
        answer[place] = wrong
        pool.set_answer(words(*answer), sender=world.me)
        assert feed.quote() == NOTHING, (place, wrong)
    for answer in (words(*GOOD)[:-1], words(*GOOD)[:224], words(*GOOD, 0), words(1), b"x"):
        pool.set_answer(answer, sender=world.me)
        assert feed.quote() == NOTHING


def test_quote__pool_that_burns_its_gas_is_no_price(world):
    """All that it is given, and the base burns what it is given too."""
    pool = world.mock()
    base = world.burning(1)
    feed = world.feed(pool, world.tokens[0], base=base)
    assert feed.gas_limit() <= 200_000
    good = feed.quote()
    pool.set_burning(True, sender=world.me)
    assert world.with_gas(feed, feed.gas_limit()) == NOTHING
    world.break_all()
    assert world.with_gas(feed, feed.gas_limit()) == NOTHING
    pool.set_burning(False, sender=world.me)
    assert world.with_gas(feed, feed.gas_limit()) == NOTHING
    world.break_all(0)
    assert world.with_gas(feed, feed.gas_limit()) == good != NOTHING


def test_quote__pool_that_does_not_reach_back_is_no_price(world):
    pool = world.mock()
    feed = world.feed(pool, world.tokens[0])
    pool.set_answer(b"", sender=world.me)
    assert feed.quote() == NOTHING
    assert feed.means() == (0, 0)


@pytest.mark.parametrize("mode", range(1, 9))
def test_quote__broken_base_is_no_price(world, mode):
    pool = world.mock()
    feed = world.feed(pool, world.tokens[0])
    world.base.set_mode(mode, sender=world.me)
    assert feed.quote() == NOTHING


@pytest.mark.parametrize(("status", "told"), [(1, SINGLE), (2, SINGLE), (3, DISPERSED)])
def test_quote__one_pool_is_one_source(world, host, status, told):
    pool = world.mock()
    feed = world.feed(pool, world.tokens[0])
    world.tell(world.base, WAD, WAD, WAD, host.now - 9, status)
    assert feed.quote() == (WAD, WAD, WAD + 1, host.now - 9, told)


@pytest.mark.parametrize("base", [(1, 1, 1), (2**128 - 1,) * 3, (1, WAD, 2**128 - 1)])
def test_quote__ends_of_the_base(world, base):
    pool = world.mock()
    feed = world.feed(pool, world.tokens[0])
    world.observe(pool, -7 * WINDOW, 10**18)
    average = expected(-7)
    world.tell(world.base, *base)
    low, price = average * base[0] // WAD, average * base[1] // WAD
    high = -(-(average + 1) * base[2] // WAD)
    found = feed.quote()
    assert found[:3] == ((low, price, high) if low else (0, 0, 0))
    world.observe(pool, 7 * WINDOW, 10**18)
    high = -(-(expected(7) + 1) * base[2] // WAD)
    assert (feed.quote() == NOTHING) == (high >= 2**128)


def test_quote__price_below_one_unit_is_none(world):
    pool = world.mock((6, 24))
    feed = world.feed(pool, world.tokens[0])
    world.observe(pool, -1 * WINDOW, 10**18)
    assert feed.quote() == NOTHING  # 1.0001**-1 * 10**0 is below 1


def test_quote__too_little_gas_reverts_instead_of_lying(world):
    base = world.median(world.source(WAD))
    pool = world.mock()
    feed = world.feed(pool, world.tokens[0], base=base)
    world.never_lies(feed)
    for gas in (20_000, 60_000, 100_000):
        assert world.refusal(feed, gas) == "too little gas"
