"""Collateral priced by the average of a real Uniswap v3 pool, and swaps in it: see
test_nothing_moves_in_a_block.
"""

import pytest

from breakwater.driver import MedianFeed, UniswapTwapFeed
from breakwater.evm import EvmHost
from breakwater.foreign import Pool
from breakwater.mocks import AggregatorMock
from breakwater.units import DAY, WAD
from tests.market import ASSETS, Market


@pytest.mark.needs("uniswap")
@pytest.mark.parametrize("moved", [50_000, -50_000, 200_000])
def test_swap__moves_nobody(moved):
    """However far one drives the spot in the block, and poked there, prices, health and power are
    what they were: a price must be held for that.
    """
    market = Market(EvmHost(), {"USDC": ASSETS["USDC"]}, ("USDC",))
    host, me = market.host, market.owner
    pool = Pool(host)
    host.advance(3_600)
    stable = AggregatorMock.deploy(host, 8, 10**8, sender=me)
    base = MedianFeed.deploy(host, [stable], [DAY], 1, 100, False, "USD", sender=me)
    feed = UniswapTwapFeed.deploy(
        host, pool.address, pool.tokens[0], base, 1_800, 10**13, sender=me
    )
    dollars = feed.quote()[1] // WAD
    token = pool.tokens[0]
    market.add_asset(
        "POOL", decimals=18, dollars=dollars, token=token, source=feed.address, is_feed=True
    )
    market.deposit("POOL", 10)
    market.borrow("USDC", int(10 * dollars * 0.8) - 1)
    host.advance(12)
    market.refresh("USDC")
    stable.set(10**8, sender=me)
    market.poke("POOL")
    position = market.engine.position_of(market.account())

    def watched():
        return (feed.quote()[:3], market.risk.words_of(market.assets["POOL"])[2],
                market.risk.health_of(position), market.lens.margin_of(position))  # fmt: skip

    before, start = watched(), pool.tick
    pool.swap_to(start + moved)
    assert abs(pool.tick - start) > 49_000
    assert watched() == before
    market.poke("POOL")
    assert watched() == before
    pool.swap_to(start)
    market.poke("POOL")
    assert watched() == before
    pool.swap_to(start + moved)
    host.advance(12)
    assert watched() != before
