"""A settlement names its price a day before it comes. Until then a loan in that asset is counted at
what it costs, from then on at what was named. Where the market fell meanwhile, who borrowed it in
the last block before is under water by the settlement alone: he liquidates himself, and keeps what
is written off, in that asset and in any other that he owes.
"""

from contextlib import suppress

from breakwater.host import Reverted
from breakwater.units import WAD
from tests.incidents.ledger import Ledger, put, take


def test_loan_before_a_settlement(new_market):
    """Ether is at 2,000 when 2,000 are announced, and at 1,450 when they come."""
    market = new_market(cash=10**7, USDC={"borrow_ltv": 9_000, "liquidation_ltv": 9_200})
    weth, me = market.assets["WETH"], market.borrower
    market.poke("WETH")
    market.configurator.announce_settlement(weth, 2_000 * WAD, sender=market.owner)
    market.price("WETH", 1_450)
    market.settle("WETH", rounds=96)
    true = Ledger(market, WETH=1_450)
    for name, whole in (("USDC", 1_000_000), ("DAI", 500_000), ("WETH", 500)):
        market.give(name, me, market.assets[name].units(whole))
    before, lent = true.worth(me), true.lenders()
    account = put(market, me, "USDC", 1_000_000)
    take(market, me, "DAI", 290_000)
    take(market, me, "WETH", 415)
    market.host.advance(12)
    market.refresh()
    with suppress(Reverted):
        market.configurator.settle(weth, sender=market.owner)
    for debt in ("DAI", "WETH"):
        with suppress(Reverted):
            market.engine.liquidate(
                account, market.assets[debt], market.assets["USDC"], 2**255, 0, me, bytes(32), b"",
                sender=me,
            )  # fmt: skip
    assert true.lenders(account) >= lent - 1
    assert true.worth(me, account) <= before + 1
