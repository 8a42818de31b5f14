"""A leg of dust whose feed is dead lifted the rule against pairs that lower health (SOLV-7)."""

from fractions import Fraction

from breakwater.units import WAD
from tests.market import refuses


def test_dust_without_a_price(new_market):
    rules = {"decimals": 18, "dollars": 1}
    market = new_market(
        HIGH={**rules, "borrow_ltv": 8_500, "liquidation_ltv": 9_000, "target_health": 11_000},
        LOW={**rules, "borrow_ltv": 3_000, "liquidation_ltv": 4_000},
        X={**rules, "borrow_ltv": 3_000, "liquidation_ltv": 4_000},
    )
    market.deposit("HIGH", 60_000)
    market.deposit("LOW", 80_000)
    market.deposit("X", Fraction(1, 10**12))
    market.borrow("USDC", 74_500)
    market.host.advance(12)
    market.price("HIGH", Fraction(7, 10))
    market.price("LOW", Fraction(7, 10))
    market.settle("HIGH", "LOW")
    with refuses("pair would lower health"):
        market.liquidate("USDC", "HIGH")
    # the feed of a millionth of a millionth of X falls silent: LOW has a price and lifts health,
    # so the pair with HIGH stays closed
    market.break_feed("X")
    with refuses("pair would lower health"):
        market.liquidate("USDC", "HIGH")
    position = market.engine.position_of(market.account())
    before = market.risk.health_of(position).health_factor
    assert before < WAD
    market.liquidate("USDC", "LOW")
    position = market.engine.position_of(market.account())
    assert market.risk.health_of(position).health_factor >= before
