"""An account under water waited for an hour of seizures to end: what has no price covered the rest
of its debt, so the call wrote nothing off.
"""

from breakwater.units import DAY, WAD


def test_under_water_nothing_waits(market):
    """10 WETH at 1,000 and 5,060 DAI, whose feed is silent, against 15,000 USDC and the tip."""
    market.configurator.set_depth(market.assets["WETH"], WAD, sender=market.owner)
    market.deposit("WETH", 10)
    market.deposit("DAI", 5_060)
    market.borrow("USDC", 15_000)
    market.host.advance(DAY)
    market.price("WETH", 1_000)
    market.settle(rounds=30)
    market.break_feed("DAI")
    market.poke("DAI")
    health = market.risk.health_of(market.engine.position_of(market.account()))
    assert health.collateral_value * 1_000 < health.debt_value * 1_005
    market.liquidate("USDC", "WETH")
