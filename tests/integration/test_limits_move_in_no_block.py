"""What limits leave, for how long, and until when nothing may be loosened: nobody moves any of it
within a block. Deposits, loans and what returns use a limit or give it back, and change no more of
it than that: what a total may reach, how far cash may fall and debt may grow stand since an earlier
block, whoever comes first in a day or in a window.

The same actions as in test_nothing_moves_in_a_block, with every limit on.
"""

import random

import pytest

from breakwater.units import DAY, HOUR, MAX_UINT256, WAD
from tests.block_world import ACTIONS, LIMIT, calm, hold, ready, replacement, world

__all__ = ["ready", "world"]

WINDOW = 4 * HOUR
LANES = 8
LENT = "USDC", "DAI", "WETH"
HELD = "WETH", "WBTC", "USDC", "DAI", "bUSDC", "sETH"


def limit(world):
    """Tens of percents everywhere; the DAI that the actions bring is a billion at a time."""
    for name in HELD:
        asset, owner = world.assets[name], world.owner
        total = world.lens.collateral(asset).total
        cap = 10**12 * WAD if name == "DAI" else 10 * total + 1_000 * asset.unit
        world.configurator.set_cap(asset, cap, sender=owner)
        world.configurator.set_growth(asset, 30, sender=owner)
        world.configurator.set_depth(asset, max(total // 3, asset.unit), sender=owner)
    for name in LENT:
        world.set_vault(name, outflow_limit=40, growth_limit=40, flash_fee=0)
        world.set_vault(name, limit_floor=10**6 * world.assets[name].unit // 2_000)


def first(world):
    """Nobody has done anything in this day, nor in this window."""
    world.host.advance(DAY - world.host.now % DAY)


def later(world):
    """Both were opened an hour ago."""
    first(world)
    world.move_collateral(random.Random(1))
    for name in HELD:
        asset = world.assets[name]
        number = {"bUSDC": 2, "sETH": 3, "WBTC": 5, "DAI": 4}.get(name, LIMIT)
        if name not in ("bUSDC", "sETH"):
            world.deposit(name, 1, world.account(number))
        if name in LENT:
            asset.vault.deposit(asset.unit, world.other, sender=world.other)
    world.host.advance(HOUR)


WHEN = [first, later]
STATES = [calm, hold, replacement]


def standing(world):
    """What may not move at all."""
    found = {}
    for name, asset in world.assets.items():
        state = world.lens.collateral(asset)
        # what the total may reach today, of a book that is open or would be opened now
        found["reach", name] = state.total + state.room
        found["until", name] = state.room_until, state.seizable_until
        found["seizable", name] = state.depth, state.seizable
        found["terms", name] = world.risk.words_of(asset)[1]
        if name != "sETH":
            # which may be given ether: its price then is what a poke sees, paid by who gave it
            found["range", name] = world.breaker.range_of(asset)
        found["steps", name] = [world.configurator.next_step(asset, i) for i in range(LANES)]
        found["new", name] = world.configurator.schedule_of(asset)
        found["blend", name] = world.configurator.blend_of(asset)
    for name in LENT:
        vault = world.assets[name].vault
        found["window", name] = vault.limits()[2]
        found["level", name] = vault.level()
        found["vault step", name] = world.configurator.next_vault_step(vault)
    found["sequencer"] = world.sequencer.state()
    return found


def bounds(world):
    """Of each vault how low its cash may fall, and how high its debt may rise; what the lens tells
    of them is the same.
    """
    found = {}
    for name in LENT:
        vault, state = world.assets[name].vault, world.lens.vault(world.assets[name])
        leaves, grows, until = vault.limits()
        assert (state.outflow_left, state.growth_left, state.window_ends) == (leaves, grows, until)
        found[name] = vault.cash() - leaves, vault.debt_assets() + grows
    return found


def unmoved(world, before, low_high):
    after = standing(world)
    for key, value in before.items():
        assert after[key] == value, key
    for name, (least, most) in bounds(world).items():
        assert least == low_high[name][0], name
        # debt and what may still be lent are each rounded down
        assert abs(most - low_high[name][1]) <= 2, name


def made_ready(world, state, when):
    limit(world)
    when(world)
    world.refresh()
    state(world)
    world._poke_all()
    world.accrue()


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("action", ACTIONS)
def test_action__moves_no_limit(world, action, state, when):
    made_ready(world, state, when)
    before, low_high = standing(world), bounds(world)
    block = world.host.now, world.host.block
    action(world, random.Random(1))
    assert (world.host.now, world.host.block) == block
    unmoved(world, before, low_high)


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("seed", range(6))
def test_actions__in_any_order_move_no_limit(world, seed, when):
    rng = random.Random(seed)
    made_ready(world, rng.choice(STATES), when)
    before, low_high = standing(world), bounds(world)
    for _ in range(15):
        rng.choice(ACTIONS)(world, rng)
        unmoved(world, before, low_high)


@pytest.mark.parametrize("when", WHEN)
def test_flash_fee__is_cash_that_came(world, when):
    """It stays, so that nobody is left less, and all together at most so much more."""
    made_ready(world, calm, when)
    for name in LENT:
        world.set_vault(name, flash_fee=9)
    told = {name: world.assets[name].vault.limits() for name in LENT}
    cash = {name: world.assets[name].vault.cash() for name in LENT}
    world.flash_loan(random.Random(1))
    paid = {name: world.assets[name].vault.cash() - cash[name] for name in LENT}
    assert sum(fee > 0 for fee in paid.values()) == 1
    for name in LENT:
        for i in (0, 1):
            more = world.assets[name].vault.limits()[i] - told[name][i]
            assert -2 <= more <= paid[name] + (cash[name] >> 15), name


@pytest.mark.parametrize("when", WHEN)
def test_power__of_others_is_what_a_limit_left(world, when):
    """Who comes and goes in a block leaves others what they might have brought, taken and borrowed
    before: to the unit, but for what is told in 40 bits of the cash.
    """
    made_ready(world, calm, when)
    usdc, number = world.assets["USDC"], world.account(LIMIT)

    def told():
        return (
            [world.lens.max_deposit(number, world.assets[name]) for name in HELD],
            [world.assets[name].vault.maxWithdraw(world.lender) for name in LENT],
            world.lens.max_borrow(number, usdc),
        )

    before = told()
    shares = usdc.vault.deposit(10**13, world.other, sender=world.other).value
    world.engine.deposit_collateral(world.account(7), usdc, 10**6, sender=world.borrower)
    world.engine.withdraw_collateral(
        world.account(7), usdc, MAX_UINT256, world.borrower, sender=world.borrower
    )
    usdc.vault.redeem(shares, world.other, world.other, sender=world.other)
    after = told()
    assert after[0] == before[0]
    assert all(abs(a - b) <= 2 for a, b in zip(after[1], before[1], strict=True))
    assert abs(after[2] - before[2]) <= usdc.vault.cash() >> 40


def test_standing__moves_with_time_and_with_the_owner(world):
    """What is compared above does see a change."""
    made_ready(world, calm, first)
    before, low_high = standing(world), bounds(world)
    world.host.advance(DAY)
    world.refresh()
    world.enter_and_leave(random.Random(1))
    after = standing(world)
    assert after["until", "WETH"] != before["until", "WETH"]
    assert after["window", "USDC"] != before["window", "USDC"]
    weth = world.assets["WETH"]
    world.configurator.set_growth(weth, 10, sender=world.owner)
    assert standing(world)["reach", "WETH"] < after["reach", "WETH"]
    world.set_vault("USDC", outflow_limit=20)
    assert bounds(world)["USDC"][0] > low_high["USDC"][0]
