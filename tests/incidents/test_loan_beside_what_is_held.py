"""While an asset was held, an account that rests on it borrowed anew against another one, and was
not liquidated for that either.
"""

from contextlib import suppress

from breakwater.host import Reverted
from tests.incidents.ledger import Ledger, put, take


def test_loan_beside_what_is_held(market):
    """The guardian doubts bitcoin. A ninth of the collateral is bitcoin; all that is lent on it and
    on a million in ether is lent after the hold began. Ether falls by a quarter in three hours.
    """
    wbtc, me = market.assets["WBTC"], market.borrower
    market.give("WBTC", me, 20 * wbtc.unit)
    market.give("WETH", me, 500 * 10**18)
    account = put(market, me, "WBTC", "2.5")
    market.breaker.hold(wbtc, 4 * 3_600, sender=market.guardian)
    put(market, me, "WETH", 500)
    with suppress(Reverted):
        take(market, me, "USDC", 880_000)
    for dollars in (1_900, 1_750, 1_600, 1_450):
        market.price("WETH", dollars)
        market.settle("WETH", rounds=3)
        with suppress(Reverted):
            market.liquidate("USDC", "WETH")
    collateral, debt = Ledger(market, WETH=1_450).of(account)
    assert collateral >= debt
