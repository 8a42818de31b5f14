"""A payment let good collateral out in proportion, while what stayed was halted."""

from breakwater.units import MAX_UINT256
from tests.market import REPAY, WITHDRAW, refuses

HALT = 2


def test_good_leaves_beside_halted(market):
    """Halted collateral counts nothing where counting it makes an account look safer."""
    usdc = market.assets["USDC"]
    market.deposit("WBTC", 1)
    market.deposit("WETH", 50)
    market.borrow("USDC", 100_000)
    market.breaker.trip(market.assets["WETH"], HALT, 86_400, sender=market.guardian)
    market.host.advance(12)
    market.give("USDC", market.borrower, 33_334 * usdc.unit)
    # a third of the debt for a third of the collateral: the third that is worth something
    steps = [
        market.leg(REPAY, "USDC", 33_334 * usdc.unit),
        market.leg(WITHDRAW, "WBTC", MAX_UINT256),
    ]
    with refuses("initial margin is not met"):
        market.engine.batch(steps, b"", sender=market.borrower)
    assert market.held("WBTC") == market.assets["WBTC"].unit
