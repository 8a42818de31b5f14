"""Slices of one unit that cancel no debt share, and are paid for with collateral all the same."""

from tests.market import LIQUIDATE, refuses

SMALL = "WBTC"  # a unit is worth 0.0005 dollars


def test_payment_of_nothing(new_market):
    market = new_market(debts=("WBTC", "USDC"))
    market.deposit("WETH", 100)
    market.borrow(SMALL, "3.1")
    market.host.advance(30 * 86_400)
    market.refresh()
    market.price("WETH", 1_850)
    market.settle("WETH", rounds=20)
    vault = market.assets[SMALL].vault
    assert vault.debt_index() > 10**27
    held, shares = market.held("WETH"), vault.debt_shares()
    market.give(SMALL, market.liquidator, market.assets[SMALL].unit)
    step = market.leg(LIQUIDATE, SMALL, 1, receiver=market.liquidator, collateral="WETH")
    # sixteen in a batch, the least the attacker could do
    with refuses("nothing to repay"):
        market.engine.batch([step] * 16, b"", sender=market.liquidator)
    with refuses("nothing to repay"):
        market.liquidate(SMALL, "WETH", 1)
    assert (market.held("WETH"), vault.debt_shares()) == (held, shares)
    # two units cancel a share
    market.liquidate(SMALL, "WETH", 2)
    assert vault.debt_shares() == shares - 1
