"""A call that replaced a feed moved what liquidations count: an account below maintenance was
healthy in the same block, by the difference between the two sources.
"""

from breakwater.mocks import AggregatorMock
from breakwater.units import DAY, WAD
from tests.market import ZERO


def test_replacement_moves_no_health(market):
    """The new source says 4.7 % more than the old one, within the band."""
    market.deposit("WETH", 10)
    market.borrow("USDC", 15_900)
    market.price("WETH", 1_900)
    market.settle("WETH", rounds=20)
    source = AggregatorMock.deploy(market.host, 8, 1_990 * 10**8, sender=market.owner)

    def health():
        return market.risk.health_of(market.engine.position_of(market.account())).health_factor

    before = health()
    assert before < WAD
    weth = market.assets["WETH"]
    market.configurator.replace_feed(weth, source, False, DAY, ZERO, sender=market.owner)
    assert health() == before
    market.liquidate("USDC", "WETH")
