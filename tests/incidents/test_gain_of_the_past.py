"""Gains of a time in which somebody was not there: Compound's proposal 62, September 2021, 80
million dollars of COMP.

Users of markets whose index was just the initial one were taken for users since index zero and
could claim what had been earned in all the time before them. There are no rewards here; what is
earned over time is interest, for lenders and for the fund, and what is owed over time is debt.
"""

import pytest

from tests.incidents.ledger import bug, stripped

YEAR = 365 * 86_400

ENTERS_AT_OLD_PRICE = bug(
    "enters_at_old_price",
    "Shares are sold at their price of before the interest.",
    "LendingVault",
    "contracts/modules/lenders.vy",
    (
        "    all_assets, all_shares = ledger._price(total, claims, config)\n"
        "    if unsafe_mul(all_assets, CLOSED_BELOW) < all_shares:\n",
        "    all_assets, all_shares = ledger._price(min(total, claims >> 128), claims, config)\n"
        "    if unsafe_mul(all_assets, CLOSED_BELOW) < all_shares:\n",
    ),
)
BORROWS_AT_FIRST_INDEX = bug(
    "borrows_at_first_index",
    "A loan is recorded at the index that the vault began with.",
    "LendingVault",
    "contracts/LendingVault.vy",
    (
        "    index: uint256 = word & M112\n"
        "    # assets < 2**112 and index >= RAY: at least one share\n"
        "    shares: uint256 = ledger._ceil_div(unsafe_mul(assets, RAY), index)\n",
        "    index: uint256 = word & M112\n"
        "    # assets < 2**112 and index >= RAY: at least one share\n"
        "    shares: uint256 = assets\n",
    ),
)


def aged(new_world, speed=0):
    """A year of interest on 900 of 1,000."""
    world = new_world(adjustment_speed=speed, reserve_factor=0)
    world.act("deposit", 999 * world.unit, world.lender)
    world.lend(900 * world.unit)
    world.host.advance(YEAR)
    return world


def gain_of_who_comes_late(world):
    """Of 100,000 deposited after the year [whole tokens]."""
    me, amount = world.other, 100_000 * world.unit
    shares = world.act("deposit", amount, me, sender=me).value
    return (world.read("convertToAssets", shares) - amount) / world.unit


def test_interest_of_the_past_is_shared(new_world):
    """As it was: 36.7 of interest; a hundred times the deposits get a hundred of 101 parts."""
    with stripped(ENTERS_AT_OLD_PRICE):
        world = aged(new_world)
    assert gain_of_who_comes_late(world) == pytest.approx(36.73 * 100 / 101, rel=0.01)


def test_interest_of_the_past_is_paid_for(new_world):
    """A share costs what it has earned."""
    world = aged(new_world)
    assert -1e-17 <= gain_of_who_comes_late(world) <= 0


def owed_by_who_comes_late(world):
    """On 50 borrowed after the year, at once [whole tokens]."""
    shares = world.lend(50 * world.unit)
    return shares * world.read("debt_index") / 10**27 / world.unit


def test_debt_of_the_past_is_owed(new_world):
    """As it was, turned round: a loan of this moment bears the year before it."""
    with stripped(BORROWS_AT_FIRST_INDEX):
        world = aged(new_world)
    assert owed_by_who_comes_late(world) == pytest.approx(50 * 1.0408, rel=1e-3)


def test_debt_begins_with_the_loan(new_world):
    world = aged(new_world)
    assert owed_by_who_comes_late(world) == pytest.approx(50, rel=1e-15)


def test_first_staker_gets_nothing_of_the_fees(new_world):
    """Fees that were earned before the first staker are the reserve's."""
    world = new_world(adjustment_speed=0)
    world.act("deposit", 999 * world.unit, world.lender)
    world.lend(900 * world.unit)
    world.host.advance(YEAR)
    world.act("settle_fee")
    amount = 10**6 * world.unit
    shares = world.stake("deposit", amount, world.lender).value
    assert world.staked("convertToAssets", shares) <= amount
    assert world.staked("convertToAssets", shares) >= amount - 2
