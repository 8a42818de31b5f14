"""One unit of a collateral whose feed is dead kept a loss off the books for good."""

from fractions import Fraction

from breakwater.units import WAD
from tests.market import refuses


def test_unit_that_hides_a_loss(market):
    usdc = market.assets["USDC"]
    market.deposit("WETH", 50)
    market.deposit("WBTC", Fraction(1, 10**8))
    market.borrow("USDC", 79_000)
    market.host.advance(12)
    market.break_feed("WBTC")
    market.price("WETH", 1_000)
    # 50,000 dollars for a debt of 79,000: lenders lose the rest now, not never
    before = usdc.vault.totalAssets()
    market.liquidate("USDC", "WETH")
    assert [leg.asset for leg in market.legs()] == ["WBTC"]
    assert before - usdc.vault.totalAssets() > 29_000 * usdc.unit
    assert market.held("WBTC") == 1


def test_silence_forgives_no_debt(market):
    """What has only faded is no dust: its owner would keep it and owe nothing."""
    market.deposit("WBTC", 1)
    market.borrow("USDC", 30_000)
    for _ in range(26):
        market.host.advance(3_600)
        market.refresh()
        market.break_feed("WBTC")
        market.poke("WBTC")
    position = market.engine.position_of(market.account())
    assert market.risk.health_of(position).collateral_value < WAD
    with refuses("collateral has no valid price"):
        market.liquidate("USDC", "WBTC")
    # nor beside one that has a price: nothing is written off
    market.deposit("WETH", "0.01")
    market.liquidate("USDC", "WETH")
    assert market.legs()[1].amount > 29_900 * 10**6
