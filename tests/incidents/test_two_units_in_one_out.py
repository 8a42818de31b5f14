"""A batch that makes the account safer, first in every block, to be liquidated in none."""

from breakwater.units import WAD
from tests.market import DEPOSIT, WITHDRAW, refuses


def test_two_units_in_one_out(market):
    market.deposit("WETH", 10)
    market.borrow("USDC", 15_900)
    market.give("WETH", market.borrower, WAD)
    market.price("WETH", 1_800)
    assert market.health().health_factor < WAD
    # two units in, one unit out: safer than before, so the batch passes without initial margin,
    # and it used to stamp the account as one that raised its risk in this block
    steps = [market.leg(DEPOSIT, "WETH", 2), market.leg(WITHDRAW, "WETH", 1)]
    market.host.advance(12)
    market.engine.batch(steps, b"", sender=market.borrower)
    block = market.host.snapshot()
    assert market.liquidate("USDC", "WETH").event("Liquidate").seized > 0
    # a stamp that was there before stays: who raised risk in this block is not liquidated in it
    market.host.restore(block)
    market.price("WETH", 2_100)
    market.borrow("USDC", 50)
    market.price("WETH", 1_800)
    market.engine.batch(steps, b"", sender=market.borrower)
    with refuses("risk was raised in this block"):
        market.liquidate("USDC", "WETH")
