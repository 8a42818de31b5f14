"""A feed that was silent twice, a minute each time, counted as silent for the days between."""

from breakwater.units import WAD
from tests.market import refuses


def test_fade_between_pokes(market):
    market.deposit("WETH", 10)
    market.deposit("WBTC", 1)
    market.borrow("USDC", 45_000)
    market.host.advance(12)
    # the attacker pokes in the one minute without a price; it is the last poke for two days
    market.break_feed("WBTC")
    market.poke("WBTC")
    market.host.advance(60)
    market.refresh()
    for _ in range(50):
        market.host.advance(3_600)
        market.refresh()
    # silent again: the fade must not begin two days ago
    market.break_feed("WBTC")
    position = market.engine.position_of(market.account())
    left = 50_000 * WAD * 23 // 24
    assert abs(market.risk.health_of(position).collateral_value - 20_000 * WAD - left) < 10**12
    with refuses("account is healthy"):
        market.liquidate("USDC", "WETH")
    # and a poke makes no more of it than the hour at most that nobody disproved
    market.poke("WBTC")
    assert abs(market.risk.health_of(position).collateral_value - 20_000 * WAD - left) < 10**12
    with refuses("account is healthy"):
        market.liquidate("USDC", "WETH")
