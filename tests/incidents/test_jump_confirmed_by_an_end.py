"""The call that took a new feed back also ended what made its asset's sources disagree: a jump that
nobody had confirmed was one of two sources that agree, and who was healthy was liquidated.
"""

import pytest

from breakwater.mocks import AggregatorMock
from breakwater.units import HOUR
from tests.market import refuses


@pytest.fixture
def replaced(market):
    """A borrower owes 12,000 USDC on ether of two sources; a third is to replace them."""
    market.add_asset("TWO", decimals=18, dollars=2_000, sources=2, jump_band=500)
    market.deposit("TWO", 10)
    market.borrow("USDC", 12_000)
    source = AggregatorMock.deploy(market.host, 8, 2_000 * 10**8, sender=market.owner)
    market.configurator.replace_feed(
        market.assets["TWO"], source, False, 86_400, "0x" + "00" * 20, sender=market.owner
    )
    market.host.advance(HOUR)
    market.refresh()
    return market, source


def health(market):
    return market.risk.health_of(market.engine.position_of(market.account())).health_factor


def test_taken_back_in_a_jump(replaced):
    """Both sources of the old feed fall by half, the new one stays; one poke sees it."""
    market, source = replaced
    market.price("TWO", 1_000)
    market.poke("TWO")
    market.host.advance(HOUR)
    market.refresh()
    source.set(2_000 * 10**8, sender=market.owner)
    before = health(market)
    assert before > 10**18
    with refuses("new source is not refused"):
        market.configurator.cancel_replacement(market.assets["TWO"], sender=market.owner)
    assert health(market) == before


def test_taken_back_once_the_average_is_there(replaced):
    """Who pokes may do it some hours later: by then all was said to everybody."""
    market, source = replaced
    market.price("TWO", 1_000)
    for _ in range(24):
        market.poke("TWO")
        market.host.advance(HOUR // 4)
        market.refresh()
        source.set(2_000 * 10**8, sender=market.owner)
    before = health(market)
    market.configurator.cancel_replacement(market.assets["TWO"], sender=market.owner)
    assert health(market) == before < 10**18
