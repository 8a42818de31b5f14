"""What is missing in above the cap, as much of another collateral out, again and again."""

from breakwater.units import WAD
from tests.market import DEPOSIT, WITHDRAW, refuses


def test_cap_filled_by_swaps(new_market):
    market = new_market(RISKY={"decimals": 18, "dollars": 1, "borrow_ltv": 7_500,
                               "liquidation_ltv": 7_900, "cap": 100 * WAD})  # fmt: skip
    risky = market.assets["RISKY"]
    market.deposit("RISKY", 99)
    market.deposit("DAI", 100_000)
    market.borrow("USDC", 74_900)
    market.price("DAI", "0.95")
    market.settle("DAI", rounds=20)
    market.give("RISKY", market.borrower, 9_000 * WAD)
    # 1.05 x 74,900 - 0.78 x 95,000 - 0.79 x 99 = 4,467 dollars are missing, 5,654 of collateral,
    # and after a swap about as much
    swap = [market.leg(DEPOSIT, "RISKY", 700 * WAD), market.leg(WITHDRAW, "DAI", 700 * WAD)]
    for _ in range(3):
        with refuses("initial margin is not met"):
            market.engine.batch(swap, b"", sender=market.borrower)
    assert market.engine.book_of(risky)[1] == 99 * WAD
    # what is missing may still be added, once
    market.engine.deposit_collateral(market.account(), risky, 5_650 * WAD, sender=market.borrower)
    with refuses("collateral cap is reached"):
        market.engine.deposit_collateral(market.account(), risky, 700 * WAD, sender=market.borrower)
