"""Collateral sold for nothing: Maker, March 2020, 8.3 million dollars of ether for no bid at all.

Gas was dear, most keepers were stuck, and one was alone. Auctions ended when their time was over,
whatever had been bid: a third of them ended with zero, and what the debts were short of was the
protocol's.

Here nothing is auctioned: what is taken is what was paid and an incentive, whoever comes, alone or
not, and however long he waits.
"""

import pytest

from breakwater.units import WAD
from tests.incidents.ledger import Ledger, bug, stripped
from tests.market import refuses

ANY_BID = bug(
    "any_bid",
    "Whoever repays anything takes all of the collateral.",
    "RiskEngine",
    "contracts/modules/maintenance.vy",
    ("    if not takes_all:\n", "    if takes_all:\n"),
)


def indebted(market):
    """100 WETH behind 100,000 dollars; ether falls to 1,190 dollars, a fall that lasts."""
    market.deposit("WETH", 100)
    market.borrow("USDC", 100_000)
    market.host.advance(12)
    market.price("WETH", 1_190)
    market.settle("WETH", rounds=20)
    return market


def bid(market, dollars):
    """What the only liquidator gains by paying so much."""
    ledger, me = Ledger(market), market.other
    market.give("USDC", me, 10**12)
    before = ledger.worth(me)
    market.liquidate("USDC", "WETH", int(dollars * 10**6), sender=me)
    return ledger.worth(me) - before


def test_one_dollar_buys_all(new_market):
    """As it was: 119,000 dollars for one, and lenders are left with the debt."""
    with stripped(ANY_BID):
        market = indebted(new_market())
    assert bid(market, 1) == pytest.approx(118_999)
    collateral, debt = Ledger(market).of(market.account())
    assert (collateral, debt > 99_999) == (0, True)


def test_one_dollar_buys_one(market):
    """And the incentive of the health that there is, 119,000·0.83 ÷ 100,000 = 0.9877:
    β = 1 % + 1.23 % = 2.23 %, of which the fund has a tenth of what is above the tip.
    """
    indebted(market)
    gain = bid(market, 1)
    assert gain == pytest.approx(0.0205, abs=0.002)
    collateral, debt = Ledger(market).of(market.account())
    assert collateral > 118_990
    assert debt > 99_990


@pytest.mark.parametrize("fall", [1_190, 1_150, 1_100, 1_060, 1_020])
def test_nobody_else_comes(market, fall):
    """A liquidator who is alone may wait as long as he likes: the incentive rises with violation
    and not with time, to 8 % at most, and the borrower loses no more than that on what is repaid.
    """
    indebted(market)
    market.price("WETH", fall)
    market.settle("WETH", rounds=20)
    ledger = Ledger(market)
    start = market.host.snapshot()
    gains = []
    for hours in (0, 1, 48):
        market.host.restore(start)
        market.host.advance(hours * 3_600)
        market.refresh()
        collateral, debt = ledger.of(market.account())
        event = market.liquidate("USDC", "WETH").event("Liquidate")
        after = ledger.of(market.account())
        lost = (collateral - debt) - (after[0] - after[1])
        repaid = event.repaid / 10**6
        assert 0 <= lost <= repaid * 0.08 + 1e-6
        assert event.bad_debt == 0
        gains.append(event.incentive / WAD)
    assert gains[0] == pytest.approx(gains[1], abs=1e-4)
    assert gains[2] == pytest.approx(gains[0], abs=2e-3)  # the interest of two days


def test_nothing_for_nothing(market):
    indebted(market)
    with refuses("nothing to repay"):
        bid(market, 0)
