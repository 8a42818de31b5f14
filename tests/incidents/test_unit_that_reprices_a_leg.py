"""One unit of a collateral that fell, withdrawn along, brought all of it back to its average."""

from breakwater.units import WAD
from tests.market import REPAY, WITHDRAW, refuses

USD = 10**6


def test_unit_that_reprices_a_leg(new_market):
    """A batch that makes an account safer needs no initial margin. 1.2 WBTC fell from 50,000 to
    20,000, the average not yet; paying 50,000 of 80,000 for 30 WETH, 60,000, is no safer. But a
    collateral that leaves counts at the higher of spot and average, and did with what stays of it.
    """
    market = new_market(WBTC={"jump_band": 6_300})
    market.deposit("WETH", 30)
    market.deposit("WBTC", "1.2")
    market.borrow("USDC", 80_000)
    market.give("USDC", market.borrower, 10**6 * USD)
    market.host.advance(12)
    market.price("WBTC", 20_000)
    out = [market.leg(REPAY, "USDC", 50_000 * USD), market.leg(WITHDRAW, "WETH", 30 * WAD)]
    with refuses("initial margin is not met"):
        market.engine.batch(out, b"", sender=market.borrower)
    unit = market.leg(WITHDRAW, "WBTC", 1)
    with refuses("initial margin is not met"):
        market.engine.batch([unit, *out], b"", sender=market.borrower)


def test_unit_that_reprices_a_debt(new_market):
    """The same of debts: a unit repaid of the WETH that rose counted all of it at its average."""
    market = new_market()
    market.deposit("USDC", 200_000)
    market.borrow("WETH", 50)
    market.borrow("DAI", 40_000)
    for name in ("WETH", "DAI"):
        market.give(name, market.borrower, 10**6 * WAD)
    market.host.advance(12)
    market.price("WETH", 3_200)
    # 25 % of the collateral, worth 20 % of what is owed at 3,200
    out = [market.leg(REPAY, "DAI", 39_800 * WAD), market.leg(WITHDRAW, "USDC", 50_000 * USD)]
    with refuses("initial margin is not met"):
        market.engine.batch(out, b"", sender=market.borrower)
    unit = market.leg(REPAY, "WETH", WAD // 10**9)
    with refuses("initial margin is not met"):
        market.engine.batch([unit, *out], b"", sender=market.borrower)
