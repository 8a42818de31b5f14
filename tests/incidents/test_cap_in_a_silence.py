"""While a collateral was silent, halted or misprinted as much of another went above its cap."""

import pytest

from breakwater.units import WAD
from tests.market import refuses

HALT = 2


@pytest.mark.parametrize("cause", ["silent", "halted", "one print", "without borrow_ltv"])
def test_cap_in_a_silence(market, cause):
    """The right to add above a cap is for who may be liquidated, which counts all of it."""
    weth, wbtc = market.assets["WETH"], market.assets["WBTC"]
    market.deposit("WBTC", 2)
    market.deposit("WETH", "0.001")
    market.borrow("USDC", 69_000)
    market.configurator.set_cap(weth, 0, sender=market.owner)
    market.host.advance(12)
    if cause == "silent":
        market.break_feed("WBTC")
    elif cause == "one print":
        market.price("WBTC", 15_000)
    elif cause == "halted":
        market.breaker.trip(wbtc, HALT, 86_400, sender=market.guardian)
    else:
        market.configurator.set_borrow_ltv(wbtc, 0, sender=market.owner)
    market.give("WETH", market.borrower, 43 * WAD)
    with refuses("collateral cap is reached"):
        market.engine.deposit_collateral(market.account(), weth, 43 * WAD, sender=market.borrower)
    assert market.held("WETH") == WAD // 1_000
