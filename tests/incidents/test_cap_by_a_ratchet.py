"""A cap was filled by small moves of another price: down, top up; up again, the other leaves."""

from breakwater.units import WAD
from tests.market import refuses


def test_cap_by_a_ratchet(new_market):
    """Each fall of 1 % let a hundredth of the debt in: a cap of 100 held 94,000 after ten."""
    market = new_market(
        RISKY={"decimals": 18, "dollars": 1, "borrow_ltv": 7_500, "borrow_ltv_floor": 7_500,
               "liquidation_ltv": 7_900, "cap": 100 * WAD},
    )  # fmt: skip
    risky, account = market.assets["RISKY"], market.account()
    market.deposit("RISKY", 99)
    market.deposit("WETH", 500)
    market.borrow("USDC", 800_000)
    market.give("RISKY", market.borrower, 10_000 * WAD)
    market.price("WETH", 1_980)
    market.settle("WETH", rounds=8)
    # 8,000 dollars of margin are missing, none of maintenance: 1,980 x 500 x 0.83 = 821,700
    assert market.risk.shortfall(market.engine.position_of(account), risky.id) == 0
    with refuses("collateral cap is reached"):
        market.engine.deposit_collateral(account, risky, 10_000 * WAD, sender=market.borrower)
