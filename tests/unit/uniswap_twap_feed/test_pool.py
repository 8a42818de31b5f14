"""The feed on the real Uniswap v3: what swaps do to the price, and what they do to the average."""

import pytest

from breakwater.foreign import WIDE, Pool
from breakwater.host import Reverted
from breakwater.units import WAD
from tests.feeds import NOTHING
from tests.unit.uniswap_twap_feed.conftest import WINDOW

pytestmark = pytest.mark.needs("uniswap")
START = -200_000
PRICE = 1.0001**START * 10**12


@pytest.fixture
def feed(world, pool):
    world.host.advance(0)
    world.tell(world.base, WAD, WAD, WAD)
    return world.feed(pool.address, pool.tokens[0], least=10**19)


def value(feed):
    return feed.quote()[1] / WAD


def test_quote__is_the_price_that_was_held(feed):
    assert value(feed) == pytest.approx(PRICE, rel=2e-4)
    assert feed.means() == (START + 1, pytest.approx(10**20, rel=1e-9))


def test_quote__other_side_is_the_inverse(world, pool):
    feed = world.feed(pool.address, pool.tokens[1])
    assert value(feed) == pytest.approx(1 / PRICE, rel=2e-4)


def test_swap__moves_spot_and_not_the_average(feed, pool):
    before = feed.quote()
    for tick in (START + 50_000, START - 50_000, START + 100_000):
        pool.swap_to(tick)
        assert abs(pool.tick - tick) <= 1
        assert feed.quote() == before
    # back within the block: a flash loan's whole reach
    pool.swap_to(START)
    assert feed.quote() == before


@pytest.mark.parametrize("held", [1, 12, 60, 600, WINDOW])
@pytest.mark.parametrize("moved", [9_531, -9_531, 30_000])
def test_swap__moves_the_average_with_the_time_it_is_held(feed, pool, world, held, moved):
    """A price held for s seconds moves the mean tick by s / window of the way, to one tick."""
    first = pool.tick
    pool.swap_to(START + moved)
    spot = pool.tick
    world.host.advance(held)
    world.tell(world.base, WAD, WAD, WAD)
    tick, _ = feed.means()
    exact = (first * (WINDOW - held) + spot * held) / WINDOW
    assert tick == int(exact // 1)
    assert value(feed) == pytest.approx(1.0001**exact * 10**12, rel=1.1e-4)


def test_means__are_those_of_the_swaps(feed, pool, world):
    """Ten swaps at odd times, with more and less liquidity: the means of that history."""
    history, liquidity = [], 10**20
    for i in range(10):
        pool.swap_to(START + (i * 977) % 4_000 - 2_000)
        if i % 3 == 1:
            pool.trader.mint(pool.address, -WIDE, WIDE, 10**20, sender=world.me)
            liquidity += 10**20
        seconds = 150 + 13 * i
        history.append((pool.tick, liquidity, seconds))
        world.host.advance(seconds)
    ticks, thinness, left = 0, 0.0, WINDOW
    for tick, liquid, seconds in reversed(history):
        part = min(seconds, left)
        ticks += tick * part
        thinness += part / liquid
        left -= part
    assert left == 0
    tick, mean = feed.means()
    assert tick == ticks // WINDOW
    assert mean == pytest.approx(WINDOW / thinness, rel=1e-9)


def test_quote__liquidity_that_leaves_is_no_price(feed, pool, world):
    """Nothing changes in the block; after a window with a tenth of the liquidity there is none."""
    before = feed.quote()
    pool.trader.burn(pool.address, -WIDE, WIDE, 95 * 10**18, sender=world.me)
    assert feed.quote() == before
    world.host.advance(WINDOW)
    world.tell(world.base, WAD, WAD, WAD)
    assert feed.quote() == NOTHING
    pool.trader.mint(pool.address, -WIDE, WIDE, 95 * 10**18, sender=world.me)
    assert feed.quote() == NOTHING  # what is there for a block counts for no time
    world.host.advance(WINDOW)
    world.tell(world.base, WAD, WAD, WAD)
    assert feed.quote() != NOTHING


def test_constructor__pool_as_it_is_created_is_refused(world, host):
    """One observation reaches back to the last swap only, and room for more has to be filled."""
    pool = Pool(host, observations=1)
    host.advance(2 * WINDOW)
    with pytest.raises(Reverted) as failure:
        world.feed(pool.address, pool.tokens[0])
    assert failure.value.reason == "pool has too few observations"
    pool.swap_to(START + 5)
    pool.grow(150)
    assert pool.observations == 150
    with pytest.raises(Reverted) as failure:
        world.feed(pool.address, pool.tokens[0])
    assert failure.value.reason == "average is not valid"
    host.advance(WINDOW)
    assert world.feed(pool.address, pool.tokens[0]).quote() != NOTHING


def test_quote__who_swaps_in_every_block_uses_observations_up(world, host):
    """With 150 observations and a swap a second the pool forgets; with 1,801 it does not."""
    pool = Pool(host, observations=150)
    host.advance(2 * WINDOW)
    feed = world.feed(pool.address, pool.tokens[0])
    for i in range(151):
        host.advance(1)
        pool.swap_to(START + i % 2)
    assert feed.quote() == NOTHING
    pool.grow(1_801)
    for i in range(WINDOW):
        host.advance(1)
        pool.swap_to(START + i % 2)
    assert pool.observations == 1_801
    world.tell(world.base, WAD, WAD, WAD)
    assert feed.means()[0] in (START - 1, START, START + 1)
    assert world.with_gas(feed, feed.gas_limit()) == feed.quote() != NOTHING


@pytest.mark.parametrize("decimals", [(6, 18), (18, 18), (8, 24)])
def test_quote__tokens_of_other_decimals(world, host, decimals):
    own, other = decimals
    tick = {(6, 18): 200_000, (18, 18): 5_000, (8, 24): 350_000}[decimals]
    pool = Pool(host, decimals, tick, liquidity=10**22)
    host.advance(2 * WINDOW)
    world.tell(world.base, WAD, WAD, WAD)
    exact = 1.0001**pool.tick * 10 ** (own - other)
    assert value(world.feed(pool.address, pool.tokens[0])) == pytest.approx(exact, rel=2e-4)
    assert value(world.feed(pool.address, pool.tokens[1])) == pytest.approx(1 / exact, rel=2e-4)
