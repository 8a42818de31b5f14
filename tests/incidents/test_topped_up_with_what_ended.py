"""A settled asset that the market no longer wanted was bought for a cent and added at its
settlement price: no account that held a unit of it was ever liquidated again.
"""

from contextlib import suppress

from breakwater.host import Reverted
from breakwater.units import DAY, WAD
from tests.incidents.ledger import Ledger


def test_added_at_its_settlement_price(market):
    """DAI was settled at a dollar and is worth a cent. 10 WETH carry 15,000 USDC; as they fall
    20,000 DAI come in, for 200 dollars.
    """
    dai, me, account = market.assets["DAI"], market.borrower, market.account()
    market.deposit("WETH", 10)
    market.deposit("DAI", 1)
    market.borrow("USDC", 15_000)
    market.poke("DAI")
    market.wind_down("DAI", WAD)
    market.host.advance(DAY)
    true = Ledger(market, DAI="0.01", WETH=1_500)
    market.price("WETH", 1_700)
    market.settle(rounds=20)
    market.give("DAI", me, 20_000 * dai.unit)
    before = true.worth(me, account)
    with suppress(Reverted):
        market.engine.deposit_collateral(account, dai, 20_000 * dai.unit, sender=me)
    assert true.worth(me, account) <= before
    # what lenders are owed is not covered by half, at true prices, and nobody can liquidate
    market.price("WETH", 700)
    market.settle(rounds=60)
    collateral, debt = Ledger(market, DAI="0.01").of(account)
    assert collateral < debt / 2
    market.liquidate("USDC", "WETH")
