"""Roundings that add up: Bunni, September 2025, 8.4 million dollars; Balancer, November 2025, 120
million; Wise Lending, October 2023 and January 2024, 0.7 million.

Each rounding was for the pool and safe by itself. Bunni's attacker withdrew 44 times a few units of
a balance of 28; each time it fell and the claims on it did not. Wise Lending's bought one share for
the price of nearly two and gave it back, again and again, until a share cost more than what the
next lender brought.
"""

import random

import pytest

from tests.incidents.ledger import stripped
from tests.incidents.test_shares_of_an_empty_vault import BARE

UNITS = 28


def grown(world):
    """Two lenders have 14 units each; interest makes 55 of the 28, all of it paid."""
    for lender in (world.lender, world.other):
        world.act("deposit", UNITS // 2, lender, sender=lender)
    world.lend(UNITS)
    while world.read("debt_assets") < 55:
        world.host.advance(86_400)
    world.collect(10**6, world.read("debt_shares"))
    return world


def withdrawals(world, count=27):
    """So many of one unit, by one of the two; what he gained."""
    me = world.lender
    before = world.read("balanceOf", me), world.tokens(me)
    worth = world.read("convertToAssets", before[0])
    for _ in range(count):
        if world.read("maxWithdraw", me) == 0:
            break
        world.act("withdraw", 1, me, me)
    left = world.read("convertToAssets", world.read("balanceOf", me))
    return world.tokens(me) - before[1] + left - worth


def test_units_for_no_share(new_world):
    """As it was: a share is worth 1.96, so a unit costs half a share, which is none. Half of what
    was taken was the other lender's.
    """
    with stripped(BARE):
        world = grown(new_world(reserve_factor=0))
    assert withdrawals(world) == 13
    assert world.read("convertToAssets", world.read("balanceOf", world.other)) == 14


def test_a_unit_costs_a_unit(new_world):
    """In a vault as empty: he pays for each of them, to a millionth of a unit."""
    world = grown(new_world(seed=1, reserve_factor=0))
    other = world.read("convertToAssets", world.read("balanceOf", world.other))
    assert withdrawals(world) <= 0
    assert world.read("convertToAssets", world.read("balanceOf", world.other)) >= other


def test_each_unit_burns_its_price_rounded_up(new_world):
    """To the share: what is burnt is never worth less than what leaves."""
    world = grown(new_world(seed=1, reserve_factor=0))
    me = world.lender
    for _ in range(27):
        if world.read("maxWithdraw", me) == 0:
            break
        assets, shares = world.read("totalAssets") + 1, world.read("totalSupply") + 10**6
        assert world.act("withdraw", 1, me, me).value == -(-shares // assets)


def pump(world, rounds=60):
    """Interest makes a unit that was lent three; then shares for twice the price less a unit, given
    back, again and again. What one share of the start costs before and after [units / 10^6].
    """
    me = world.borrower
    one = world.act("deposit", 1, me, sender=me).value
    world.lend(1)
    while world.read("debt_assets") < 2:
        world.host.advance(86_400)
    world.collect(10**6, world.read("debt_shares"))
    first = world.read("convertToAssets", one * 10**6)
    for _ in range(rounds):
        price = world.read("convertToAssets", one)
        bought = world.act("deposit", 2 * price - 1, me, sender=me).value
        if world.read("previewRedeem", bought):
            world.act("redeem", bought, me, me, sender=me)
    return first, world.read("convertToAssets", one * 10**6)


def test_one_share_for_nearly_two(new_world):
    """As it was: the price of a share grows by a half in each round, and the next lender, who
    brings 1.99 of it, gets one share for it.
    """
    with stripped(BARE):
        world = new_world(reserve_factor=0)
    first, last = pump(world)
    assert (first, last > 10**15) == (3 * 10**6, True)
    price = last // 10**6
    world.act("deposit", price * 199 // 100, world.other, sender=world.other)
    assert world.read("balanceOf", world.other) == 1
    lost = price * 199 // 100 - world.read("convertToAssets", 1)
    assert lost == pytest.approx(price * 0.495, rel=1e-6)


def test_price_stays(new_world):
    """The same rounds move it by what sixty roundings of less than a unit's millionth can."""
    world = new_world(seed=1, reserve_factor=0)
    first, last = pump(world)
    assert first <= last <= first + 60
    world.act("deposit", 10**9, world.other, sender=world.other)
    assert world.read("convertToAssets", world.read("balanceOf", world.other)) >= 10**9 - 1


@pytest.mark.parametrize("seed", range(12))
def test_sixty_tiny_calls_in_a_block(new_world, seed):
    """Any of them in any order, in a vault of a few units: nobody who makes them gains, and who
    stands by loses nothing.
    """
    rng = random.Random(seed)
    world = grown(new_world(seed=1, reserve_factor=rng.choice([0, 1_000])))
    me, idle = world.lender, world.other
    worth = world.read("convertToAssets", world.read("balanceOf", idle))
    held = world.read("balanceOf", me)
    before = world.tokens(me) + world.read("convertToAssets", held)
    for _ in range(60):
        amount = rng.choice([1, 2, 3, 7, 28, 10**6 - 1, 10**6 + 1])
        move = rng.choice(["deposit", "mint", "withdraw", "redeem"])
        if move in ("deposit", "mint"):
            if move == "deposit" or world.read("previewMint", amount):
                world.act(move, amount, me)
            continue
        most = world.read("maxWithdraw" if move == "withdraw" else "maxRedeem", me)
        amount = min(amount, most)
        if amount and (move == "withdraw" or world.read("previewRedeem", amount)):
            world.act(move, amount, me, me)
    left = world.read("convertToAssets", world.read("balanceOf", me))
    assert world.tokens(me) + left <= before
    assert world.read("convertToAssets", world.read("balanceOf", idle)) >= worth
