"""While a feed was replaced, one wrong print of the old source was believed at once: the new source
disagreed, and what is DISPERSED is asked for no second look.
"""

from contextlib import suppress

import pytest

from breakwater.host import Reverted
from breakwater.mocks import AggregatorMock
from breakwater.units import DAY, HOUR
from tests.incidents.ledger import Ledger
from tests.market import ZERO


@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize("dollars", [1_400, 900])
def test_print_of_the_old_source(new_market, dollars, replaced):
    """Ether at 2,000, a debt of 12,000 on ten of it. The old source says 1,400, or 900, for one
    block; the new one says 2,000 all along.
    """
    market = new_market(WETH={"jump_band": 500})
    weth, me = market.assets["WETH"], market.liquidator
    market.deposit("WETH", 10)
    market.borrow("USDC", 12_000)
    if replaced:
        source = AggregatorMock.deploy(market.host, 8, 2_000 * 10**8, sender=market.owner)
        market.configurator.replace_feed(weth, source, False, DAY, ZERO, sender=market.owner)
    for _ in range(12):
        market.host.advance(HOUR // 4)
        market.refresh()
        market.poke("WETH")
    true = Ledger(market, WETH=2_000)
    market.give("USDC", me, 10**6 * 10**6)
    before, cash = true.worth(me), market.assets["USDC"].vault.totalAssets()
    market.host.advance(12)
    market.price("WETH", dollars)
    with suppress(Reverted):
        market.liquidate("USDC", "WETH", sender=me)
    assert true.worth(me) <= before
    assert market.assets["USDC"].vault.totalAssets() >= cash
