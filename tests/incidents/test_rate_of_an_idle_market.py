"""Rates that an empty market wound up, and rates that let borrowers sit: an adaptive rate moves
with utilization, whoever made it. xUSD's holders, November 2025, and USR's, March 2026, kept what
they had borrowed of markets at full utilization, at rates that had stood at their least.

A dust of debt in a vault without lenders is full utilization. And where the rate had fallen to next
to nothing, next to nothing times four is what full utilization costs on the first day.
"""

import pytest

from tests.incidents.ledger import bug, stripped

DAY, YEAR = 86_400, 365 * 86_400

NO_FLOOR = bug(
    "no_floor",
    "A rate at full utilization may be next to nothing.",
    "LendingVault",
    "contracts/modules/rate_model.vy",
    (
        "LEAST_FULL_RATE: constant(uint256) = 6_341_958_397"
        "  # [WAD a second] 20 % a year, rounded up\n",
        "LEAST_FULL_RATE: constant(uint256) = 0\n",
    ),
)


def yearly(world):
    """The borrow rate, in percent."""
    return world.read("borrow_rate") * YEAR / 10**16


def wound(new_world, least):
    """For 90 days a unit is all there is, and all lent; then lenders bring 1,000, and 900 of it are
    lent: what they pay [% a year].
    """
    world = new_world(seed=1, min_adaptive_debt=least * 10**18, adjustment_speed=500_000)
    world.lend(1)
    for _ in range(90):
        world.host.advance(DAY)
        world.act("accrue")
    world.act("deposit", 1_000 * world.unit, world.lender)
    world.lend(900 * world.unit)
    return yearly(world)


def test_dust_winds_a_rate_up(new_world):
    """As it was: with a parameter left out, the first borrowers pay the highest rate there is."""
    assert wound(new_world, 0) == pytest.approx(200, rel=0.01)


def test_dust_winds_nothing(new_world):
    """Below the least adaptive debt the rate stands where it was: at 4 %."""
    assert wound(new_world, 100) == pytest.approx(4, rel=0.01)


def seated(new_world, speed):
    """A vault whose rate is at its least, 0.1 %, is lent to the last unit. What a debt of 1,000
    costs in a year, and after it the rate.
    """
    world = new_world(
        seed=10**18, initial_rate=10, min_rate=10, adjustment_speed=speed
    )  # fmt: skip
    world.act("deposit", 999 * world.unit, world.lender)
    world.lend(1_000 * world.unit)
    for _ in range(365):
        world.host.advance(DAY)
        world.act("accrue")
    return world.read("debt_assets") / world.unit - 1_000, yearly(world)


def test_sitting_costs_nothing(new_world):
    """As it was: four dollars a year for a thousand that lenders cannot have back."""
    with stripped(NO_FLOOR):
        cost, _ = seated(new_world, 0)
    assert cost == pytest.approx(4, rel=0.01)


def test_sitting_costs(new_world):
    """At least a fifth a year from the first day on, and the rate goes on rising."""
    cost, rate = seated(new_world, 0)
    assert cost == pytest.approx(221.3, rel=0.01)
    assert rate == pytest.approx(20, rel=0.01)
    cost, rate = seated(new_world, 100_000)
    assert cost > 221
    assert rate > 500
