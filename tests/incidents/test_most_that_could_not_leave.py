"""In a vault wound down `withdraw(maxWithdraw)` was refused: the fee that a withdrawal settles
first made shares that the view had not counted.
"""

import pytest

from tests.vault_world import new_world

__all__ = ["new_world"]


@pytest.mark.parametrize("function", ["maxWithdraw", "maxRedeem"])
def test_most_after_liquidations(new_world, function):
    """Of 1,000 USDC 900 are lent; liquidations pay 800 and a fee of six, of which a vault with a
    reserve factor of 1 % makes a gain of 600 above its base.
    """
    world = new_world(seed=10**18, reserve_factor=100)
    world.act("deposit", 999 * world.unit, world.lender)
    world.lend(900 * world.unit)
    world.act("wind_down", sender=world.owner)
    world.collect(800 * world.unit, 2**255, 6 * world.unit)
    most = world.read(function, world.lender)
    call = {"maxWithdraw": "withdraw", "maxRedeem": "redeem"}[function]
    world.act(call, most, world.lender, world.lender)
