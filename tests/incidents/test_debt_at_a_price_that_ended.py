"""A debt whose asset was settled counted at that price for good: when the market rose, collateral
was withdrawn against it.
"""

from breakwater.units import DAY, WAD
from tests.incidents.ledger import Ledger
from tests.market import refuses


def test_collateral_leaves_beside_a_settled_debt(market):
    """Ten WETH are owed, settled at 2,000 and worth 4,000 a month later: what is left behind must
    not be worth less than the debt.
    """
    account, me = market.account(), market.borrower
    market.deposit("USDC", 60_000)
    market.borrow("WETH", 10)
    market.poke("WETH")
    market.wind_down("WETH", 2_000 * WAD)
    market.host.advance(30 * DAY)
    market.refresh()
    true = Ledger(market, WETH=4_000)
    before = true.worth(me, account)
    usdc = market.assets["USDC"]
    with refuses("asset is settled"):
        market.engine.withdraw_collateral(account, usdc, 33_000 * usdc.unit, me, sender=me)
    assert true.worth(me, account) <= before
