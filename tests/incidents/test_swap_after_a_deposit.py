"""First collateral without a borrow_ltv in, then one percent paid and all of the good out."""

from breakwater.units import MAX_UINT256, WAD
from tests.market import REPAY, WITHDRAW, refuses


def test_swap_after_a_deposit(market):
    usdc, weth = market.assets["USDC"], market.assets["WETH"]
    market.configurator.set_borrow_ltv(weth, 0, sender=market.owner)
    market.deposit("DAI", 100_000)
    market.borrow("USDC", 74_000)
    market.host.advance(12)
    market.deposit("WETH", 5_000)
    market.give("USDC", market.borrower, 800 * usdc.unit)
    steps = [
        market.leg(REPAY, "USDC", 800 * usdc.unit),
        market.leg(WITHDRAW, "DAI", MAX_UINT256),
    ]
    # 73,200 USDC are owed on what may carry no new debt
    with refuses("initial margin is not met"):
        market.engine.batch(steps, b"", sender=market.borrower)
    assert market.held("DAI") == 100_000 * WAD
