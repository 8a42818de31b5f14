"""What was settled may leave, all of it, beside a debt, so that nobody's good collateral is held by
a crumb of it. Two of them held each other back, and in a batch not even one could leave.
"""

import pytest

from breakwater.units import DAY, MAX_UINT256, WAD
from tests.incidents.ledger import put, take
from tests.market import WITHDRAW


@pytest.fixture(params=[("WBTC",), ("WBTC", "DAI")], ids="-".join)
def ended(market, request):
    """A million in ether stands for a debt of 1,000; beside it lies some of what ended."""
    me = market.borrower
    for name, whole in (("WETH", 500), *((name, 1) for name in request.param)):
        market.give(name, me, market.assets[name].units(whole))
        put(market, me, name, whole)
    take(market, me, "USDC", 1_000)
    for name in request.param:
        asset = market.assets[name]
        market.poke(name)
        price = int(asset.dollars[0] * WAD)
        market.configurator.announce_settlement(asset, price, sender=market.owner)
    market.host.advance(DAY)
    market.refresh()
    for name in request.param:
        market.configurator.settle(market.assets[name], sender=market.owner)
    return request.param


def test_all_of_what_ended_leaves_at_once(market, ended):
    me = market.borrower
    steps = [market.leg(WITHDRAW, name, MAX_UINT256) for name in ended]
    market.engine.batch(steps, b"", sender=me)
    assert [market.tokens(name, me) for name in ended] == [
        market.assets[name].unit for name in ended
    ]
    take(market, me, "USDC", 1_000)
