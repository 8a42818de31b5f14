"""What a Curve EMA feed refuses to be built from."""

import pytest

from breakwater.host import Reverted
from breakwater.units import WAD


@pytest.fixture
def refused(world):
    def reason(pool, **rules):
        with pytest.raises(Reverted) as failure:
            world.feed(pool, **rules)
        return failure.value.reason

    return reason


def test_constructor__no_code_reverts(world, refused, host):
    assert refused(host.account("nobody")) == "pool has no code"
    assert refused(world.pool(), base=host.account("nobody")) == "base has no code"


@pytest.mark.parametrize("index", [0, 8])
def test_constructor__index_out_of_range_reverts(world, refused, index):
    assert refused(world.pool(), index=index) == "index is out of range"


def test_constructor__pool_of_two_has_one_price(world, refused):
    assert refused(world.pool(), index=2, by_index=False) == "pool of two has no such coin"


@pytest.mark.parametrize("seconds", [0, 299, 7 * 86_400 + 1])
def test_constructor__half_life_out_of_range_reverts(world, refused, seconds):
    assert refused(world.pool(), least_half_life=seconds) == "half-life is out of range"


@pytest.mark.parametrize(
    ("lowest", "highest"), [(0, WAD), (WAD, WAD), (2 * WAD, WAD), (WAD, 2**128)]
)
def test_constructor__bounds_out_of_order_revert(world, refused, lowest, highest):
    assert refused(world.pool(), lowest=lowest, highest=highest) == "bounds are out of order"


@pytest.mark.parametrize("decimals", [(6, 18), (18, 6), (8, 24), (24, 24)])
@pytest.mark.parametrize("coin", [0, 1])
def test_constructor__pool_that_scales_its_coins_reverts(world, refused, decimals, coin):
    """By an oracle or the rate of an ERC-4626: the average would be of something else."""
    assert world.feed(world.pool(decimals)).quote()[1] == 100 * WAD
    rates = [10 ** (36 - places) for places in decimals]
    rates[coin] += 1
    assert refused(world.pool(decimals, rates)) == "pool scales its coins"


def test_constructor__crypto_pools_have_no_rates(world):
    world.feed(world.pool(rates=[1]), stable=False)


@pytest.mark.parametrize(
    ("stable", "times"), [(True, (864, 10**6)), (True, (0, 10**6)), (False, (10**6, 599))]
)
def test_constructor__half_life_of_the_pool_too_short_reverts(world, refused, stable, times):
    """ma_exp_time is to 1/e: 865 seconds are a half-life of 600."""
    pool = world.pool()
    pool.set_times(*times, sender=world.me)
    assert refused(pool, stable=stable) == "half-life is too short"
    pool.set_times(865, 600, sender=world.me)
    world.feed(pool, stable=stable)


@pytest.mark.parametrize("average", [0, WAD // 2 - 1, 3 * WAD // 2 + 1, 2**128, 2**256 - 1])
def test_constructor__average_out_of_bounds_reverts(world, refused, average):
    pool = world.pool()
    pool.set_prices(average, WAD, sender=world.me)
    assert refused(pool) == "average is not valid"


@pytest.mark.parametrize("last", [0, 2**128])
def test_constructor__last_price_not_valid_reverts(world, refused, last):
    pool = world.pool()
    pool.set_prices(WAD, last, sender=world.me)
    assert refused(pool) == "average is not valid"


def test_constructor__base_without_a_price_reverts(world, refused):
    world.base.set_mode(1, sender=world.me)
    assert refused(world.pool()) == "base is not valid"


def test_constructor__base_that_needs_too_much_gas_reverts(world, refused):
    base = world.median(*(world.source(WAD) for _ in range(3)))
    assert refused(world.pool(), base=base) == "base needs too much gas"


def test_constructor__stores_what_it_was_given(world):
    pool = world.pool()
    feed = world.feed(pool, lowest=1, highest=2**128 - 1, least_half_life=300)
    assert (feed.POOL(), feed.BASE(), feed.INDEX(), feed.STABLE(), feed.BY_INDEX()) == (
        pool.address,
        world.base.address,
        1,
        True,
        True,
    )
    assert (feed.LOWEST(), feed.HIGHEST(), feed.LEAST_HALF_LIFE()) == (1, 2**128 - 1, 300)
