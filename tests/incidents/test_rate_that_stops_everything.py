"""A rate that stops everything: Aave on Polygon, May 2023, 110 million dollars stuck for days,
where a new rate strategy reverted in every call; FEI on Aave, 2022, a reserve factor at its end;
interest that overflows.

Whatever accrues interest first can be stopped by it: deposits, withdrawals, payments and
liquidations. The rate here is code of the vault and no address that anyone sets; what is set are
numbers within ranges. So what is stripped is what happens at the end of the numbers.
"""

import pytest

from breakwater.host import Reverted
from tests.incidents.ledger import bug, stripped
from tests.market import refuses

DAY = 86_400
OVERFLOWS = bug(
    "interest_overflows",
    "Interest beyond what an index can be reverts.",
    "LendingVault",
    "contracts/modules/interest.vy",
    (
        "    if x >= SATURATED:\n        return MAX_INDEX\n",
        '    if x >= SATURATED:\n        raise "interest overflows"\n',
    ),
)
HIGHEST = {
    "initial_rate": 20_000, "max_rate": 20_000, "steepness": 100_000, "adjustment_speed": 10**6,
}  # fmt: skip


def forgotten(new_world):
    """All is lent at the highest rate there is, 2,000 % a year, and nobody calls for 300 days."""
    world = new_world(**HIGHEST)
    world.act("deposit", 10 * world.unit, world.lender)
    world.lend(10 * world.unit)
    world.act("deposit", world.unit, world.other, sender=world.other)
    world.lend(2 * world.unit)
    world.act("deposit", 100, world.other, sender=world.other)
    world.host.advance(300 * DAY)
    return world


def calls(world):
    engine, me = world.engine, world.other
    return {
        "payment": lambda: world.collect(world.unit, world.read("debt_shares")),
        "loss": lambda: world.act("write_off", 10**6, sender=engine),
        "deposit": lambda: world.act("deposit", 2**60, me, sender=me),
        "withdrawal": lambda: world.act("withdraw", 10, me, me, sender=me),
        "fee": lambda: world.act("settle_fee"),
        "accrual": lambda: world.act("accrue"),
    }


NAMES = ("payment", "loss", "deposit", "withdrawal", "fee", "accrual")


def test_nothing_passes(new_world):
    """As it was: each call accrues first, and reverts for good."""
    with stripped(OVERFLOWS):
        world = forgotten(new_world)
    for name in NAMES:
        with pytest.raises(Reverted, match="interest overflows"):
            calls(world)[name]()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("years", [0, 10, 100])
def test_everything_passes(new_world, name, years):
    """An index stays at its highest, and what was owed is owed. A century later, too."""
    world = forgotten(new_world)
    world.host.advance(years * 365 * DAY)
    assert world.read("debt_assets") > 10**6 * world.unit
    calls(world)[name]()


EDGES = {
    "reserve_factor": (0, 5_000, 10_000), "target_utilization": (1_000, 9_900, 10_000),
    "steepness": (10_000, 100_000, 100_001), "adjustment_speed": (0, 10**6, 10**6 + 1),
    "flash_fee": (0, 100, 101), "outflow_limit": (0, 100, 101), "growth_limit": (0, 100, 101),
}  # fmt: skip


@pytest.mark.parametrize("name", EDGES)
def test_every_number_at_its_ends(market, name):
    """At either end of each range a life goes on: loan, interest, payment, liquidation, exit. One
    beyond it, as FEI's reserve factor of all there is, is refused.
    """
    usdc = market.assets["USDC"]
    *ends, beyond = EDGES[name]
    with pytest.raises(Reverted, match="range"):
        market.set_vault("USDC", **{name: beyond})
    for number, end in enumerate(ends):
        if name == "reserve_factor" and end == 5_000:
            with pytest.raises(Reverted, match="range"):
                market.set_vault("USDC", reserve_factor=5_001)
        market.set_vault("USDC", limit_floor=10**15, **{name: end})
        account = market.account(number)
        market.deposit("WETH", 100, account)
        market.borrow("USDC", 159_900, account)
        market.host.advance(DAY)
        market.refresh()
        market.give("USDC", market.borrower, 10**9)
        market.engine.repay(account, usdc, 10**6, sender=market.borrower)
        market.price("WETH", 1_850)
        assert market.liquidate("USDC", "WETH", account=account).event("Liquidate").seized > 0
        market.price("WETH", 2_000)
        usdc.vault.withdraw(10**9, market.lender, market.lender, sender=market.lender)
        usdc.vault.settle_fee(sender=market.other)


def test_no_address_is_set(market):
    """Nobody names a rate model: after the opening the vault takes words, and a breaker."""
    with refuses("ownable: caller is not the owner"):
        market.assets["USDC"].vault.set_breaker(market.other, sender=market.owner)
