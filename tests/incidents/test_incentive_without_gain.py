"""An incentive so high that a liquidation cannot lift health: the slice underflowed."""

from breakwater.units import WAD
from tests.market import ASSETS


def test_incentive_without_gain(new_market):
    """Listing refuses the combination today. Should it stand all the same, nothing may revert."""
    rules = {"decimals": 18, "dollars": 1, "incentive_max": 500}
    market = new_market(
        **{name: {"incentive_max": 500} for name in ASSETS},
        STABLE={**rules, "borrow_ltv": 9_300, "liquidation_ltv": 9_500},
        X={**rules, "borrow_ltv": 2_000, "liquidation_ltv": 2_500},
    )
    # tip and lowest incentive of X become 15 %, as no configurator would write them
    x = market.assets["X"]
    rule, term, _, _ = market.risk.words_of(x)
    term = term & ~(2**42 - 1 << 92) | 1_500 << 92 | 1_500 << 106 | 2_000 << 120
    market.risk.set_configurator(market.other, sender=market.owner)
    market.risk.write_asset(x, rule, term, sender=market.other)

    market.deposit("STABLE", 100_000)
    market.deposit("X", 35_000)
    market.borrow("USDC", 99_900)
    market.host.advance(12)
    market.price("STABLE", "0.95")
    market.break_feed("X")
    # 1.15 x 0.95 is above the target of 1.05, and the pair passes because X has no price
    assert market.risk.health_of(
        market.engine.position_of(market.account())
    ).health_factor < WAD  # fmt: skip
    for cap in (10**9, 10**10, 2**255):
        start = market.host.snapshot()
        event = market.liquidate("USDC", "STABLE", cap).event("Liquidate")
        assert event.seized > 0
        assert event.bad_debt == 0
        market.host.restore(start)
