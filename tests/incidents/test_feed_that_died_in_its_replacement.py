"""A feed that died while it was replaced could never be replaced again: its asset had no price for
good, and nothing but a settlement was left.
"""

import pytest

from breakwater.mocks import AggregatorMock, BadFeedMock
from breakwater.units import DAY, WAD
from tests.market import ZERO


@pytest.mark.parametrize("new", ["apart", "dead"])
def test_third_source_after_a_day(market, new):
    """The old one stops in the hour in which ether falls by 6 %, or both stop. A third source,
    which a second feed confirms, is what a source that died alone would get after a day.
    """
    weth, owner = market.assets["WETH"], market.owner
    market.deposit("WETH", 10)
    market.borrow("USDC", 15_000)
    source = AggregatorMock.deploy(market.host, 8, 2_000 * 10**8, sender=owner)
    market.configurator.replace_feed(weth, source, False, DAY, ZERO, sender=owner)
    market.host.advance(1_800)
    market.poke("WETH")
    market.break_feed("WETH")
    for _ in range(60):
        market.host.advance(1_800)
        source.set(1_880 * 10**8 if new == "apart" else 0, sender=owner)
        market.refresh("USDC", "DAI")
        market.poke("WETH")
    assert market.risk.quote(weth).price == 0
    # the collateral has faded to nothing, and nobody can liquidate
    health = market.risk.health_of(market.engine.position_of(market.account()))
    assert health.health_factor == 0
    third = AggregatorMock.deploy(market.host, 8, 1_880 * 10**8, sender=owner)
    second = BadFeedMock.deploy(market.host, 18, sender=owner)
    second.set_words([1_880 * WAD] * 3 + [market.host.now, 1], sender=owner)
    market.configurator.replace_feed(weth, third, False, DAY, second, sender=owner)
    assert market.risk.quote(weth).price != 0
    assert abs(market.risk.quote(weth).price - 1_880 * WAD) < 200 * WAD
