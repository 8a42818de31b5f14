"""In a halt an account could be liquidated and not topped up: its collateral was at the cap."""

from breakwater.units import WAD
from tests.market import refuses


def test_top_up_in_a_halt(new_market):
    """Who may be liquidated may add what is missing, at every level."""
    market = new_market(WETH={"cap": 10 * WAD})
    weth = market.assets["WETH"]
    market.deposit("WETH", 9)
    market.deposit("WETH", "0.99", market.account(1))
    market.borrow("USDC", 14_300)
    market.host.advance(12)
    market.price("WETH", 1_880)
    market.settle("WETH", rounds=20)
    assert market.health().health_factor < WAD
    market.breaker.trip(weth, 2, 3_600, sender=market.guardian)
    safe = market.host.snapshot()
    market.deposit("WETH", "0.45")
    assert market.health().health_factor > WAD
    with refuses("account is healthy"):
        market.liquidate("USDC", "WETH")
    # what is missing, once: in a halt the margin leaves the asset out, which is no endless right
    with refuses("collateral cap is reached"):
        market.deposit("WETH", "0.2")
    market.host.restore(safe)
    with refuses("collateral cap is reached"):
        market.deposit("WETH", 10)
    market.liquidate("USDC", "WETH")
