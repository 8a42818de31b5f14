"""What a TWAP feed refuses to be built from."""

import pytest

from breakwater.host import Reverted
from breakwater.mocks import TokenMock
from tests.unit.uniswap_twap_feed.conftest import WINDOW


@pytest.fixture
def refused(world):
    def reason(pool, token, **rules):
        with pytest.raises(Reverted) as failure:
            world.feed(pool, token, **rules)
        return failure.value.reason

    return reason


@pytest.mark.parametrize("window", [0, 1_799, 86_401])
def test_constructor__window_out_of_range_reverts(world, refused, window):
    pool = world.mock()
    assert refused(pool, world.tokens[0], window=window) == "window is out of range"


@pytest.mark.parametrize("least", [0, 2**128])
def test_constructor__liquidity_out_of_range_reverts(world, refused, least):
    pool = world.mock()
    assert refused(pool, world.tokens[0], least=least) == "liquidity is out of range"


def test_constructor__no_code_reverts(world, refused, host):
    pool = world.mock()
    nobody = host.account("nobody")
    assert refused(nobody, world.tokens[0]) == "pool has no code"
    assert refused(pool, world.tokens[0], base=nobody) == "base has no code"


def test_constructor__other_token_reverts(world, refused):
    pool = world.mock()
    assert refused(pool, world.base) == "pool has no such token"


@pytest.mark.parametrize(
    ("decimals", "reason"),
    [
        ((5, 18), "too few decimals"),
        ((18, 5), "too few decimals"),
        ((25, 18), "too many decimals"),
        ((18, 25), "too many decimals"),
    ],
)
def test_constructor__decimals_out_of_range_reverts(world, refused, decimals, reason):
    pool = world.mock(decimals)
    assert refused(pool, world.tokens[0]) == reason


def test_constructor__one_observation_for_each_twelve_seconds(world, refused):
    pool = world.mock(observations=149)
    assert refused(pool, world.tokens[0]) == "pool has too few observations"
    pool = world.mock(observations=150)
    assert world.feed(pool, world.tokens[0]).quote()[4] != 0


def test_constructor__pool_that_does_not_reach_back_reverts(world, refused):
    pool = world.mock()
    pool.set_answer(b"", sender=world.me)
    assert refused(pool, world.tokens[0]) == "average is not valid"


def test_constructor__too_little_liquidity_reverts(world, refused):
    pool = world.mock()
    assert refused(pool, world.tokens[0], least=10**19) == "average is not valid"


def test_constructor__base_without_a_price_reverts(world, refused):
    pool = world.mock()
    world.base.set_mode(1, sender=world.me)
    # its gas_limit is not part of the answers that are set
    assert refused(pool, world.tokens[0]) == "base is not valid"


def test_constructor__base_that_needs_too_much_gas_reverts(world, refused):
    pool = world.mock()
    wide = world.median(*(world.source(10**18) for _ in range(3)))
    assert refused(pool, world.tokens[0], base=wide) == "base needs too much gas"


@pytest.mark.parametrize("window", [WINDOW, 86_400])
def test_constructor__ends_of_the_window(world, window):
    pool = world.mock(observations=7_200)
    world.observe(pool, 0, 10**18, window)
    feed = world.feed(pool, world.tokens[1], window=window, least=1)
    assert (feed.POOL(), feed.TOKEN(), feed.BASE(), feed.WINDOW(), feed.LEAST_LIQUIDITY()) == (
        pool.address,
        world.tokens[1].address,
        world.base.address,
        window,
        1,
    )


def test_constructor__token_of_another_pool(world, refused, host):
    other = TokenMock.deploy(host, "Other", "OTH", 18, sender=world.me)
    assert refused(world.mock(), other) == "pool has no such token"
