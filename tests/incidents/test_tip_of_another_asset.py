"""A unit of an asset with a high tip puts an account that can pay under water."""

import pytest

from tests.market import refuses


@pytest.mark.parametrize("ltv", [4_000, 0])
def test_tip_of_another_asset(new_market, ltv):
    """The account's tip is the highest among its collaterals, and where C <= (1 + tip) D the rest
    of the debt is written off. With a tip of 10 % from one unit of X, an account worth 1.05 times
    its debt was liquidated by its owner, who kept the tenth and left a loss of 4.5 % to lenders.
    """
    market = new_market()
    exotic = {"decimals": 18, "dollars": 1, "borrow_ltv": max(ltv - 1_000, 0),
              "borrow_ltv_floor": 0, "liquidation_ltv": ltv, "incentive_max": 1_500}  # fmt: skip
    with refuses("tip differs from the others"):
        market.add_asset("X", **exotic, tip=1_000, incentive_min=1_000)
    # with the tip that all have it comes in, and a unit of it moves no border
    market.add_asset("X", **exotic)
    market.deposit("WETH", 100)
    market.borrow("USDC", 159_900)
    market.host.advance(12)
    market.price("WETH", 1_680)
    before = market.terms("USDC", "WETH")
    assert not before.under_water
    market.give("X", market.borrower, 1)
    market.engine.deposit_collateral(
        market.account(), market.assets["X"], 1, sender=market.borrower
    )
    event = market.liquidate("USDC", "WETH").event("Liquidate")
    assert event.bad_debt == 0
    assert event.repaid > 0
