"""Collateral that the margin left out never filled it: each time all that was missing, again."""

from tests.market import DEPOSIT, refuses


def test_shortfall_filled_twice(new_market):
    """WBTC with no borrow_ltv and a cap of nothing, added until it carries the whole account."""
    market = new_market()
    wbtc = market.assets["WBTC"]
    market.deposit("WETH", 10)
    market.deposit("WBTC", "0.001")
    market.borrow("USDC", 15_900)
    market.configurator.set_borrow_ltv(wbtc, 0, sender=market.owner)
    market.configurator.set_cap(wbtc, 0, sender=market.owner)
    market.price("WETH", 1_900)
    market.settle("WETH", rounds=20)
    market.give("WBTC", market.borrower, wbtc.unit)
    # 1.05 x 15,900 - 0.83 x 19,000 - 0.75 x 50 = 887.50 are missing: 0.02366 WBTC
    with refuses("collateral cap is reached"):
        market.engine.deposit_collateral(market.account(), wbtc, 2_400_000, sender=market.borrower)
    market.engine.deposit_collateral(market.account(), wbtc, 2_360_000, sender=market.borrower)
    for amount in (2_360_000, 10_000):
        with refuses("collateral cap is reached"):
            market.engine.batch([market.leg(DEPOSIT, "WBTC", amount)], b"", sender=market.borrower)
    assert market.held("WBTC") == 2_460_000
    assert market.risk.shortfall(market.engine.position_of(market.account()), wbtc.id) == 0
