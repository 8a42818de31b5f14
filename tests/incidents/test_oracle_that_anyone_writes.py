"""An oracle that anyone writes, believed at once: BonqDAO, February 2023, 88 million dollars.

Whoever staked ten tokens could tell a price, and a false one could be disputed within a day; the
protocol took whatever was told last. In one transaction the attacker told a huge price and
borrowed 100 million on a tenth of a token; in another he told nearly nothing, and bought the
collateral of everyone else for it.
"""

import pytest

from breakwater.units import WAD
from tests.incidents.ledger import JUMP_BELIEVED, SPOT_BELIEVED, Ledger, put, stripped, take
from tests.market import refuses

POSTED = 100
TOLD_HIGH, TOLD_LOW = 200_000, 20


@pytest.fixture
def bonq(new_market):
    """Somebody owes 50,000 dollars on 100 WETH, worth 200,000; the attacker has as much."""

    def make():
        market = new_market()
        market.deposit("WETH", POSTED)
        market.borrow("USDC", 50_000)
        market.give("WETH", market.other, WAD)
        market.give("USDC", market.other, 10**6 * market.assets["USDC"].unit)
        market.host.advance(12)
        return market

    return make


def liquidate(market, sender=None):
    return market.liquidate("USDC", "WETH", sender=sender or market.other)


def test_high_print_is_believed(bonq):
    """As it was: one WETH, 158,000 dollars."""
    with stripped(SPOT_BELIEVED):
        market = bonq()
    me, ledger = market.other, Ledger(market)
    before, lent = ledger.worth(me), ledger.lenders(market.account())
    market.price("WETH", TOLD_HIGH)
    account = put(market, me, "WETH", 1)
    take(market, me, "USDC", 158_000)
    assert ledger.worth(me, account) - before == pytest.approx(156_000)
    assert ledger.lenders(account, market.account()) - lent == pytest.approx(-156_000)


def test_low_print_is_believed(bonq):
    """As it was: 100 WETH for 2,000 dollars, and lenders lose the rest of the loan."""
    with stripped(JUMP_BELIEVED):
        market = bonq()
    me, ledger = market.other, Ledger(market)
    before, lent = ledger.worth(me), ledger.lenders(market.account())
    market.price("WETH", TOLD_LOW)
    liquidate(market)
    assert ledger.worth(me) - before == pytest.approx(198_000, rel=0.01)
    assert ledger.lenders(market.account()) - lent == pytest.approx(-48_000, rel=0.01)


@pytest.mark.parametrize("minutes", [0, 9])
def test_false_price_is_disputed_first(bonq, minutes):
    """A price told for nine minutes, poked all the time: no loan, and nobody is liquidated at it.
    Then it is corrected.
    """
    market = bonq()
    me, ledger = market.other, Ledger(market)
    before, lent = ledger.worth(me), ledger.lenders(market.account())
    account = put(market, me, "WETH", 1)
    market.price("WETH", TOLD_HIGH)
    with refuses("initial margin is not met"):
        take(market, me, "USDC", 2_000)
    market.price("WETH", TOLD_LOW)
    for minute in range(minutes):
        market.poke("WETH")
        # from the second poke on the fall is believed, but no loss that rests on it
        with refuses("price jump is too recent" if minute else "account is healthy"):
            liquidate(market)
        market.host.advance(60)
        market.refresh()
    with refuses("price jump is too recent" if minutes else "account is healthy"):
        liquidate(market)
    market.price("WETH", 2_000)
    with refuses("account is healthy"):
        liquidate(market)
    assert ledger.worth(me, account) <= before
    assert ledger.lenders(market.account()) >= lent


def test_price_outside_its_bounds(bonq):
    """A listing bounds what may be told at all, both ways."""
    market = bonq()
    weth = market.assets["WETH"]
    rules = market.lens.config_of(weth)
    for dollars in (rules.min_price // 2 / WAD, rules.max_price * 2 // WAD):
        market.price("WETH", str(dollars))
        assert market.lens.quote(weth).status == 3
        with refuses("account is healthy"):
            liquidate(market)
