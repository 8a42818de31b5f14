"""What volatility takes off borrow_ltv made room above caps, and came back when it fell."""

from fractions import Fraction

from breakwater.units import WAD
from tests.market import refuses


def test_borrow_ltv_of_what_is_added(new_market):
    """750 dollars of margin are missing; at a borrow_ltv of 3 % that is 21,800 dollars of RISKY."""
    market = new_market(
        RISKY={"decimals": 18, "dollars": 1, "borrow_ltv": 7_500, "borrow_ltv_floor": 0,
               "liquidation_ltv": 7_900, "volatility_slope": 20_000, "cap": 100 * WAD},
    )  # fmt: skip
    risky = market.assets["RISKY"]
    market.deposit("RISKY", 99)
    market.deposit("DAI", 100_000)
    market.borrow("USDC", 74_900)
    for price in (Fraction(11, 10), 1) * 3:
        market.host.advance(900)
        market.price("RISKY", price)
        market.poke("RISKY")
    market.host.advance(900)
    market.price("RISKY", Fraction(11, 10))
    market.poke("RISKY")
    market.price("DAI", Fraction(99, 100))
    market.give("RISKY", market.borrower, 10_000 * WAD)
    with refuses("collateral cap is reached"):
        market.engine.deposit_collateral(
            market.account(), risky, 10_000 * WAD, sender=market.borrower
        )


def test_borrow_ltv_of_what_is_held(new_market):
    """A nervous week of WETH lets 39,000 dollars of RISKY in; in the calm WETH leaves for it."""
    market = new_market(
        WETH={"volatility_slope": 20_000},
        RISKY={"decimals": 18, "dollars": 1, "borrow_ltv": 7_500, "borrow_ltv_floor": 7_500,
               "liquidation_ltv": 7_900, "cap": 100 * WAD},
    )  # fmt: skip
    risky = market.assets["RISKY"]
    market.deposit("RISKY", 99)
    market.deposit("WETH", 100)
    market.borrow("USDC", 159_000)
    for price in (2_200, 2_000) * 4:
        market.host.advance(900)
        market.price("WETH", price)
        market.poke("WETH")
    market.give("RISKY", market.borrower, 30_000 * WAD)
    with refuses("collateral cap is reached"):
        market.engine.deposit_collateral(
            market.account(), risky, 30_000 * WAD, sender=market.borrower
        )
