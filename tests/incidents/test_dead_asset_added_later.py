"""Two dollars of a dead asset, added by anyone after the loss, kept all of it off the books."""

from fractions import Fraction

from breakwater.units import WAD
from tests.market import refuses


def test_dead_asset_added_later(market):
    """The lender who pays them left at the full price of a share: 29,000 dollars too much."""
    usdc, wbtc = market.assets["USDC"], market.assets["WBTC"]
    market.deposit("WETH", 50)
    market.deposit("WBTC", Fraction(1, 10**8))
    market.borrow("USDC", 79_000)
    market.host.advance(12)
    market.break_feed("WBTC")
    market.price("WETH", 1_000)
    market.give("WBTC", market.other, 4_000)
    market.engine.deposit_collateral(market.account(), wbtc, 4_000, sender=market.other)
    before = usdc.vault.totalAssets()
    market.liquidate("USDC", "WETH")
    assert market.held("WETH") == 0
    assert before - usdc.vault.totalAssets() > 29_000 * usdc.unit
    assert market.risk.quote(market.assets["WETH"]).price == 1_000 * WAD
    # 4,001 units of 0.0005 dollars stay owed, and stay with the account until there is a price
    assert 2_000_500 <= market.owed("USDC") <= 2_000_502
    with refuses("nothing to repay"):
        market.liquidate("USDC", "WBTC")
