"""Collateral that the margin leaves out never fills it: each time all that is missing, again."""

from breakwater.units import WAD
from tests.market import DEPOSIT, refuses


def test_shortfall_filled_twice(new_market):
    """WBTC with no borrow_ltv and a cap of nothing, added until it carries the whole account."""
    market = new_market()
    wbtc = market.assets["WBTC"]
    market.deposit("WETH", 10)
    market.deposit("WBTC", "0.001")
    market.borrow("USDC", 15_900)
    market.configurator.set_borrow_ltv(wbtc, 0, sender=market.owner)
    market.engine.set_cap(wbtc, 0, sender=market.owner)
    market.price("WETH", 1_950)
    market.settle("WETH", rounds=20)
    market.give("WBTC", market.borrower, wbtc.unit)
    # 15,900 - 0.8 x 19,500 = 300 are missing; 0.75 x 50 are there
    with refuses("collateral cap is reached"):
        market.engine.deposit_collateral(market.account(), wbtc, 750_000, sender=market.borrower)
    market.engine.deposit_collateral(market.account(), wbtc, 690_000, sender=market.borrower)
    for _ in range(2):
        with refuses("collateral cap is reached"):
            market.engine.batch([market.leg(DEPOSIT, "WBTC", 690_000)], b"", sender=market.borrower)
    assert market.held("WBTC") == 790_000
    assert market.risk.shortfall(
        market.engine.position_of(market.account()), wbtc.id
    ) * 500 < WAD  # fmt: skip
