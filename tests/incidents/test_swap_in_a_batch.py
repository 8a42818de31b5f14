"""A swap by the clause for safer batches, into collateral that may carry no new debt."""

from breakwater.units import MAX_UINT256, WAD
from tests.market import DEPOSIT, WITHDRAW, refuses

HALT = 2


def test_swap_into_halted_collateral(market):
    """Tokens that someone mints at will, halted by the guardian, bought out 100 WETH."""
    wbtc = market.assets["WBTC"]
    market.breaker.trip(wbtc, HALT, 86_400, sender=market.guardian)
    market.deposit("WETH", 100)
    market.borrow("USDC", 140_000)
    market.give("WBTC", market.borrower, 10 * wbtc.unit)
    # 250,000 dollars in for 200,000 out: the health of before, by a price nobody believes
    swap = [
        market.leg(DEPOSIT, "WBTC", 5 * wbtc.unit),
        market.leg(WITHDRAW, "WETH", MAX_UINT256),
    ]
    with refuses("initial margin is not met"):
        market.engine.batch(swap, b"", sender=market.borrower)
    assert market.held("WETH") == 100 * WAD


def test_swap_into_collateral_without_borrow_ltv(market):
    """An asset on its way out took the place of a good one."""
    market.configurator.set_borrow_ltv(market.assets["WETH"], 0, sender=market.owner)
    market.deposit("DAI", 100_000)
    market.borrow("USDC", 74_000)
    market.give("WETH", market.borrower, 50 * WAD)
    swap = [market.leg(DEPOSIT, "WETH", 50 * WAD), market.leg(WITHDRAW, "DAI", MAX_UINT256)]
    with refuses("initial margin is not met"):
        market.engine.batch(swap, b"", sender=market.borrower)
    assert market.held("WETH") == 0
