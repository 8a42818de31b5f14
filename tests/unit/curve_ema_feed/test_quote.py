"""`quote`: the average prices, the last price bounds, and nothing of the pool is taken on trust."""

import pytest

from breakwater.mocks import BadFeedMock
from breakwater.units import WAD
from tests.feeds import DISPERSED, NOTHING, SINGLE

BASE = 99 * WAD, 100 * WAD, 101 * WAD


def expected(average, last, base, now, status=SINGLE):
    low, price, high = base
    return (
        min(average, last) * low // WAD,
        average * price // WAD,
        -(-max(average, last) * high // WAD),
        now,
        status,
    )


@pytest.mark.parametrize("stable", [True, False])
@pytest.mark.parametrize("by_index", [True, False])
@pytest.mark.parametrize(
    ("average", "last"),
    [(WAD, WAD), (WAD, WAD // 10), (WAD, 3 * WAD), (10**18 - 1, 10**18 + 1), (WAD, 1)],
)
def test_quote__average_prices_and_last_bounds(world, host, stable, by_index, average, last):
    pool = world.pool()
    feed = world.feed(pool, stable=stable, by_index=by_index)
    pool.set_prices(average, last, sender=world.me)
    assert feed.quote() == expected(average, last, BASE, host.now)


@pytest.mark.parametrize(
    ("average", "last"), [(WAD * 4 // 3, WAD * 4 // 3 + 1), (WAD - 1, WAD + 3)]
)
def test_quote__rounds_against_the_account(world, host, average, last):
    """Products that no WAD divides: low and price down, high up."""
    pool = world.pool()
    feed = world.feed(pool)
    pool.set_prices(average, last, sender=world.me)
    base = (WAD - 7, WAD - 1, WAD + 1)
    world.tell(world.base, *base)
    low, price, high = (
        rate * one for rate, one in zip((average, average, last), base, strict=True)
    )
    assert all(product % WAD for product in (low, price, high))
    assert feed.quote()[:3] == (low // WAD, price // WAD, high // WAD + 1)
    assert feed.quote() == expected(average, last, base, host.now)


@pytest.mark.parametrize("index", [1, 2, 7])
def test_quote__asks_for_the_coin(world, host, index):
    """A tricrypto pool numbers prices from 0, coins from 1."""
    pool = world.pool()
    pool.set_prices(5 * WAD // 4, 5 * WAD // 4, index - 1, sender=world.me)
    feed = world.feed(pool, stable=False, index=index)
    assert feed.quote() == expected(5 * WAD // 4, 5 * WAD // 4, BASE, host.now)


@pytest.mark.parametrize("average", [0, WAD // 2 - 1, 3 * WAD // 2 + 1, 2**128, 2**256 - 1])
def test_quote__average_out_of_bounds_is_no_price(world, average):
    pool = world.pool()
    feed = world.feed(pool)
    pool.set_prices(average, WAD, sender=world.me)
    assert feed.quote() == NOTHING


@pytest.mark.parametrize("average", [WAD // 2, 3 * WAD // 2])
def test_quote__bounds_are_prices(world, host, average):
    pool = world.pool()
    feed = world.feed(pool)
    pool.set_prices(average, WAD, sender=world.me)
    assert feed.quote() == expected(average, WAD, BASE, host.now)


@pytest.mark.parametrize("last", [0, 2**128, 2**256 - 1])
def test_quote__last_price_that_is_none_is_no_price(world, last):
    pool = world.pool()
    feed = world.feed(pool)
    pool.set_prices(WAD, last, sender=world.me)
    assert feed.quote() == NOTHING


@pytest.mark.parametrize(
    ("stable", "times", "valid"),
    [
        (True, (865, 0), True),
        (True, (864, 10**6), False),
        (True, (2**256 - 1, 0), False),
        (False, (0, 600), True),
        (False, (10**6, 599), False),
        (False, (0, 2**128), False),
    ],
)
def test_quote__half_life_that_was_shortened_is_no_price(world, stable, times, valid):
    """The pool's admin may do so at any time."""
    pool = world.pool()
    feed = world.feed(pool, stable=stable)
    pool.set_times(*times, sender=world.me)
    assert (feed.quote() != NOTHING) == valid


def test_quote__locked_pool_is_no_price(world):
    """In the middle of a call of its own, as in a callback of remove_liquidity."""
    pool = world.pool()
    feed = world.feed(pool)
    good = feed.quote()
    pool.set_locked(True, sender=world.me)
    assert feed.quote() == NOTHING
    pool.set_locked(False, sender=world.me)
    assert feed.quote() == good


@pytest.mark.parametrize("mode", [1, 2, 3, 4, 5, 6, 7])
def test_quote__broken_pool_is_no_price(world, host, mode):
    """A pool whose every answer is one word, until it is something else."""
    pool = BadFeedMock.deploy(host, 18, sender=world.me)
    pool.set_words([WAD, 0, 0, 0, 0], sender=world.me)
    pool.set_mode(8, sender=world.me)
    feed = world.feed(pool, stable=False)
    assert feed.quote() == expected(WAD, WAD, BASE, host.now)
    pool.set_mode(mode, sender=world.me)
    assert feed.quote() == NOTHING


@pytest.mark.parametrize("mode", range(1, 9))
def test_quote__broken_base_is_no_price(world, mode):
    feed = world.feed(world.pool())
    world.base.set_mode(mode, sender=world.me)
    assert feed.quote() == NOTHING


@pytest.mark.parametrize(("status", "told"), [(1, SINGLE), (2, SINGLE), (3, DISPERSED)])
def test_quote__one_pool_is_one_source(world, host, status, told):
    feed = world.feed(world.pool())
    world.tell(world.base, *BASE, host.now - 9, status)
    assert feed.quote() == expected(WAD, WAD, BASE, host.now - 9, told)


@pytest.mark.parametrize(
    ("base", "last", "valid"),
    [
        ((1, 1, 1), WAD, True),
        ((1, 1, 1), WAD - 1, False),  # low would be 0
        ((WAD, WAD, 2**128 - 1), WAD, True),
        ((WAD, WAD, 2**128 - 1), WAD + 1, False),
        ((2**128 - 1,) * 3, WAD, True),
    ],
)
def test_quote__one_unit_and_the_largest(world, host, base, last, valid):
    pool = world.pool()
    feed = world.feed(pool)
    pool.set_prices(WAD, last, sender=world.me)
    world.tell(world.base, *base)
    assert feed.quote() == (expected(WAD, last, base, host.now) if valid else NOTHING)


def test_quote__least_average_is_a_price(world, host):
    pool = world.pool()
    feed = world.feed(pool, lowest=1)
    pool.set_prices(1, 1, sender=world.me)
    assert feed.quote() == expected(1, 1, BASE, host.now) == (99, 100, 101, host.now, SINGLE)


def test_quote__largest_of_everything_never_reverts(world):
    pool = world.pool()
    feed = world.feed(pool, lowest=1, highest=2**128 - 1)
    world.tell(world.base, 2**128 - 1, 2**128 - 1, 2**128 - 1)
    pool.set_prices(2**128 - 1, 2**128 - 1, sender=world.me)
    assert feed.quote() == NOTHING


def test_quote__too_little_gas_reverts_instead_of_lying(world):
    world.never_lies(world.feed(world.pool(), base=world.median(world.source(WAD))))


@pytest.mark.parametrize("sources", [1, 2])
def test_gas_limit__is_enough_when_every_call_burns_its_own(world, host, sources):
    pool = BadFeedMock.deploy(host, 18, sender=world.me)
    pool.set_words([WAD, 0, 0, 0, 0], sender=world.me)
    pool.set_mode(8, sender=world.me)
    feed = world.feed(pool, stable=False, base=world.burning(sources))
    assert feed.gas_limit() <= 200_000
    world.break_all()
    assert world.with_gas(feed, feed.gas_limit()) == NOTHING
    world.break_all(0)
    pool.set_mode(2, sender=world.me)
    assert world.with_gas(feed, feed.gas_limit()) == NOTHING
