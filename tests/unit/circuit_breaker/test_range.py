"""The range of prices that pokes saw in a week, for a settlement price."""

import pytest

from breakwater.units import DAY, WAD

STALE, JUMP = 3, 1


@pytest.fixture
def at_midnight(world):
    world.host.advance(DAY - world.host.now % DAY)
    return world


def poke(world, price, status=0):
    world.risk.send("set_price", price)
    world.poke(status)


def seen(world):
    return world.read("range_of", world.asset)


def test_range__none_before_a_poke(world):
    assert seen(world) == (0, 0)


def test_range__of_all_that_pokes_saw(at_midnight):
    world = at_midnight
    for price, status, expected in [
        (100, 0, (100, 100)), (90, 0, (90, 100)), (95, 0, (90, 100)), (120, JUMP, (90, 120)),
        (10, STALE, (90, 120)), (2**96 - 1, 0, (90, 2**96 - 1)),
    ]:  # fmt: skip
        poke(world, price, status)
        assert seen(world) == expected


def test_range__forgets_what_is_seven_days_old(at_midnight):
    """By days: what was seen on one counts on the 6 that follow."""
    world = at_midnight
    poke(world, 100)
    for day in range(1, 7):
        world.host.advance(DAY)
        poke(world, 200 + day)
        assert seen(world)[0] == 100
    world.host.advance(DAY - 1)
    poke(world, 299)
    assert seen(world)[0] == 100
    world.host.advance(1)
    poke(world, 300)
    assert seen(world) == (201, 300)


def test_range__without_a_price_is_that_of_the_last_week_with_one(at_midnight):
    world = at_midnight
    poke(world, 100)
    world.host.advance(6 * DAY)
    poke(world, 110)
    for _ in range(30):
        world.host.advance(DAY)
        poke(world, 1, STALE)
    assert seen(world) == (100, 110)
    poke(world, 50)
    assert seen(world) == (50, 50)


@pytest.mark.parametrize("gap", [1, 6, 7, 8, 13, 14, 400])
def test_range__after_a_gap(at_midnight, gap):
    world = at_midnight
    poke(world, 100)
    world.host.advance(gap * DAY)
    poke(world, 200)
    assert seen(world) == (100 if gap < 7 else 200, 200)


def test_settlement__is_the_checkpoint_with_its_volatility(world):
    poke(world, WAD)
    poke(world, 2 * WAD)
    volatility = 12_345 << 192
    world.risk.send("write_checkpoint", world.asset, 7 | 8 << 96 | volatility | 9 << 224, 5)
    price = 3 * WAD // 2
    found = world.read("settlement_of", world.asset, price)
    assert found == price | price << 96 | volatility | world.host.now << 224


def test_poke__of_what_is_settled_stores_nothing(world):
    poke(world, WAD)
    writes, range_ = world.risk.read("writes"), seen(world)
    world.risk.send("set_quoted_level", 3)
    poke(world, 2 * WAD)
    assert (world.risk.read("writes"), seen(world)) == (writes, range_)


def test_hold__is_the_guardians(world):
    world.send("hold", world.asset, 77, sender=world.guardian)
    assert world.risk.read("held") == 77
    assert world.refused("hold", world.asset, 1) == "caller is not guardian"
    too_long = 4 * 3_600 + 1
    reason = world.refused("hold", world.asset, too_long, sender=world.guardian)
    assert reason == "duration above 4 hours"


def test_hold__not_connected_reverts(unconnected):
    guardian = unconnected.guardian
    assert unconnected.refused("hold", unconnected.asset, 1, sender=guardian) == "not connected"


def test_reset__takes_off_a_hold_whose_grace_is_over(world):
    end = world.host.now + 100
    world.risk.send("set_term", end << 217)
    world.host.advance(100 + 3_600 - 1)
    pushes = world.risk.read("pushes")
    world.send("reset", world.asset)
    assert world.risk.read("pushes") == pushes
    world.host.advance(1)
    world.send("reset", world.asset)
    assert world.risk.read("pushes") == pushes + 1
