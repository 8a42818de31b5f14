"""Insurance that leaves before it is needed: whoever stakes for a reward sees a loss coming and
goes in the block before it is booked. Found in reviews of stability pools and safety modules.

And a loss that nobody books: what is found short today and charged days later is paid by those who
were too slow.

Here an exit takes twenty days, and what is in it pays like all the rest; a loss is booked in the
call that finds it.
"""

import pytest

from tests.incidents.ledger import bug, stripped

DAY = 86_400

NO_COOL_DOWN = bug(
    "no_cool_down",
    "An exit is open at once.",
    "InsuranceFund",
    "contracts/InsuranceFund.vy",
    ("COOL_DOWN: constant(uint256) = 20 * 86_400\n", "COOL_DOWN: constant(uint256) = 0\n"),
)


def staked(new_world):
    """Two stakers with 100 each beside a reserve of one, 1,000 of a lender, 500 of them lent."""
    world = new_world(adjustment_speed=0)
    world.act("deposit", 1_000 * world.unit, world.lender)
    world.act("deposit", 100 * world.unit, world.other, sender=world.other)
    world.part = 100 * world.unit * 10**6
    for staker in (world.lender, world.other):
        world.stake("deposit", world.part, staker, sender=staker)
    world.lend(500 * world.unit)
    return world


def lose(world, whole):
    """So much of the debt is lost; what each staker is left with [whole tokens]."""
    shares = whole * world.unit * 10**27 // world.read("debt_index")
    world.act("write_off", shares, sender=world.engine)
    return [
        world.read("convertToAssets", world.staked("convertToAssets", held)) / world.unit
        for held in (
            world.staked("balanceOf", world.lender),
            world.staked("balanceOf", world.other),
        )
    ]


def leave(world):
    world.stake("redeem", world.part, world.lender, world.lender)


def test_first_sign_is_enough(new_world):
    """As it was: one is gone five days before the loss, and the other pays all of it."""
    with stripped(NO_COOL_DOWN):
        world = staked(new_world)
    world.stake("request_exit", world.part)
    leave(world)
    world.host.advance(5 * DAY)
    left = lose(world, 60)
    assert left[0] == 0
    assert left[1] == pytest.approx(100 - 60 * 100 / 101, rel=0.01)


def test_who_is_leaving_pays(new_world):
    """The same: his exit is not open, and both pay 60 · 100 ÷ 201 = 29.85."""
    world = staked(new_world)
    world.stake("request_exit", world.part)
    world.fund_refuses("ticket is not usable yet", "redeem", world.part, world.lender, world.lender)
    world.host.advance(5 * DAY)
    left = lose(world, 60)
    assert left[0] == left[1] == pytest.approx(100 - 60 * 100 / 201, rel=0.01)
    # what he asked for is shares, and they are worth that
    world.host.advance(15 * DAY)
    leave(world)
    assert world.staked("balanceOf", world.lender) == 0


def test_tickets_that_lapse(new_world):
    """Nor is an exit that was asked for in advance, and in case, open for long: after two days it
    is asked for anew, so who always has one open leaves in one day of ten.
    """
    world = staked(new_world)
    world.stake("request_exit", world.part)
    world.host.advance(22 * DAY)
    world.fund_refuses("ticket has lapsed", "redeem", world.part, world.lender, world.lender)
    world.stake("request_exit", world.part)
    world.fund_refuses("ticket is not usable yet", "redeem", world.part, world.lender, world.lender)


def test_loss_is_booked_where_it_is_found(market):
    """There is no moment between a loss and its booking in which anybody could leave: the share is
    worth less in the call that liquidates.
    """
    usdc = market.assets["USDC"]
    market.deposit("WETH", 100)
    market.borrow("USDC", 150_000)
    market.host.advance(12)
    before = usdc.vault.convertToAssets(10**18)
    market.price("WETH", 1_000)
    event = market.liquidate("USDC", "WETH").event("Liquidate")
    assert event.bad_debt > 50_000 * 10**6
    lost = 1 - usdc.vault.convertToAssets(10**18) / before
    # of a hundred million and the seed
    assert lost == pytest.approx(event.bad_debt / 10**6 / 10**8, rel=1e-3)
