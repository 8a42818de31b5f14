"""SOLV-11 and SOLV-8, seen from who does nothing: in one block nobody can lower another account's
health factor or raise anybody's borrowing power.

Everything that anybody can move without time passing is moved: donations, flash loans, deposits and
withdrawals, utilization, pokes, reference rates, share prices, supplies, rounds that say the same
again (and a pool's spot, in test_swap_moves_nobody); while prices are calm or not, a feed is
replaced, or a hold and the grace after an outage run. Limits: test_limits_move_in_no_block.

What time does is another matter: a poke that is due takes a sample of volatility, and a jump that
was seen a minute ago is confirmed. So keepers poked a minute before the block here; the last tests
say what is left to whoever comes first where they did not.
"""

import random
from fractions import Fraction

import pytest

from breakwater.model import margin
from breakwater.units import BPS, DAY, HOUR, WAD, YEAR
from tests.block_world import (
    ACTIONS,
    DUST,
    EDGE,
    GROWTH,
    LIMIT,
    OWES_ETHER,
    SHARES,
    STAKED,
    STATES,
    ready,
    replacement,
    world,
)  # fmt: skip

__all__ = ["ready", "world"]


def allowed(world):
    """[dollars] by which power may rise beyond rounding: what a rate feed believes of a rise since
    its last poke, of all the collateral behind it.
    """
    prices = {name: world.prices(name) for name in ("bUSDC", "sETH")}
    found = dict.fromkeys(world.numbers, DUST)
    for number, name in ((SHARES, "bUSDC"), (STAKED, "sETH")):
        asset = world.assets[name]
        elapsed = world.host.now - asset.rate_feed.reference()[1]
        value = Fraction(world.held(name, world.account(number)) * prices[name].price, WAD)
        rise = Fraction(GROWTH * elapsed, BPS * YEAR)
        found[number] += value / asset.unit * rise * Fraction(asset.config.borrow_ltv, BPS)
    return found


def same(world, before, most, doors):
    after = world.watched()
    for number, (health, power) in before.items():
        assert after[number][0] >= health * (1 - DUST), number
        assert after[number][1] <= power + most[number], number
    borrows, liquidation = world.doors()
    # a vault without cash may shut one
    assert all(borrows[number] for number, why in doors[0].items() if why)
    assert liquidation == doors[1]


def compared(world):
    """The contracts act on what is watched here."""
    mine, theirs = world.watched(), world.contracts_say()
    for number, (health, power) in mine.items():
        assert int(health * WAD) == theirs[number][0], number
        assert abs(power - theirs[number][1]) <= Fraction(1, 10**9), number


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("action", ACTIONS)
def test_action__moves_nobody_else(world, state, action):
    state(world)
    world.accrue()
    before, most, doors = world.watched(), allowed(world), world.doors()
    compared(world)
    block = world.host.now, world.host.block
    action(world, random.Random(1))
    assert (world.host.now, world.host.block) == block
    same(world, before, most, doors)
    compared(world)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("seed", range(6))
def test_actions__in_any_order_move_nobody_else(world, state, seed):
    rng = random.Random(seed)
    state(world)
    world.accrue()
    before, most, doors = world.watched(), allowed(world), world.doors()
    for _ in range(15):
        rng.choice(ACTIONS)(world, rng)
        same(world, before, most, doors)
    compared(world)


def test_watched__moves_when_a_price_does(world):
    """What is compared above does see a change."""
    world.accrue()
    before = world.watched()
    world.price("WETH", 1_700)
    after = world.watched()
    for number in (EDGE, LIMIT, STAKED):
        assert after[number][0] < before[number][0]
    assert after[OWES_ETHER][0] > before[OWES_ETHER][0]
    assert world.doors()[1] is None


def test_donation__moves_no_price_of_ours(world):
    """Nor a word of a vault's books: who holds our shares is given nothing to borrow on either."""
    world.accrue()
    vaults = [asset.vault.address for asset in world.assets.values() if hasattr(asset, "vault")]
    names = [name for name in world.assets if name != "sETH"]

    def seen():
        words = [world.host.storage(vault, slot) for vault in vaults for slot in range(9)]
        return words, [world.prices(name) for name in names]

    before = seen()
    for _ in range(3):
        world.donate(random.Random(1))
        world.donate_to_the_staked(random.Random(1))
        assert seen() == before


@pytest.mark.parametrize("idle", [HOUR, 30 * DAY])
def test_donation__lifts_power_by_what_the_rate_feed_still_believes(world, idle):
    """10 % a year since its last poke: 1.1e-5 in an hour, 0.82 % in a month that nobody poked."""
    staked = world.assets["sETH"]
    staked.rate_feed.poke(sender=world.other)
    world.host.advance(idle)
    world.refresh()
    world.accrue()
    before = world.prices("sETH")
    world.assets["WETH"].token.transfer(staked.token, 10**6 * WAD, sender=world.other)
    after = world.prices("sETH")
    exact = Fraction(GROWTH * idle, BPS * YEAR)
    assert abs(Fraction(after.low, before.low) - 1 - exact) < Fraction(1, 10**15)
    # and a poke then stores no more than that
    staked.rate_feed.poke(sender=world.other)
    assert world.prices("sETH").low == after.low


def test_poke__that_is_due_moves_power_by_its_sample(world):
    """After ten calm minutes whoever pokes first lowers volatility, and lifts power by what that
    gives: the variance times 31,163/31,763, once; a second poke nothing.
    """

    def volatility():
        return world.prices("WETH").volatility

    world.price("WETH", 2_010)
    world.host.advance(600)
    world.refresh()
    world.poke("WETH")
    shaken = volatility()
    world.host.advance(600)
    world.refresh()
    world.accrue()
    before = world.watched()
    world.poke("WETH")
    assert abs(volatility() ** 2 - Fraction(shaken**2 * 31_163, 31_763)) < 4 * 10**9 * shaken
    after = world.watched()
    assert after[LIMIT][0] == before[LIMIT][0]
    lifted = after[LIMIT][1] - before[LIMIT][1]
    ltv = [margin.dynamic_borrow_ltv(world.rules()["WETH"], one) for one in (shaken, volatility())]
    price = world.prices("WETH")
    value = 100 * Fraction(min(price.low, price.average), WAD)
    assert abs(lifted - value * Fraction(ltv[1] - ltv[0], BPS)) < Fraction(1, 10**6)
    assert lifted > 0
    for _ in range(3):
        world.poke("WETH")
    assert world.watched() == after


def test_finish_replacement__when_it_is_over_moves_nobody(world):
    """Anyone ends it after a day: the new source counted in full in the block before."""
    bitcoin = world.assets["WBTC"]
    feed = replacement(world)
    blend = world.configurator.blend_of(bitcoin)
    world.host.advance(DAY)
    world.refresh()
    feed.set(feed.answer(), sender=world.owner)
    world._poke_all()
    world.host.advance(60)
    world.accrue()
    before = world.contracts_say()
    world.configurator.finish_replacement(bitcoin, sender=world.other)
    assert world.lens.config_of(bitcoin).source == feed.address != blend
    assert world.contracts_say() == before
