"""A price of an hour ago: UNI on Compound, February 2024, 0.4 million dollars; and any feed that
speaks once a day.

News had lifted UNI by half, and the protocol's feed still told the price from before. Whoever had
money borrowed UNI at that and sold it, and left what he had posted. A feed may be as late for
collateral that falls.
"""

import pytest

from breakwater.driver import CheckedFeed, MedianFeed
from breakwater.mocks import AggregatorMock
from breakwater.units import DAY, HOUR, MAX_UINT256
from tests.incidents.ledger import Ledger, put, take
from tests.market import refuses


@pytest.fixture
def uni(new_market):
    """UNI at seven dollars for the feed; a fast source beside it, or none. The attacker's money."""

    def make(dollars, checked):
        market = new_market()
        host, me = market.host, market.owner
        slow, fast = (AggregatorMock.deploy(host, 8, 7 * 10**8, sender=me) for _ in range(2))

        def median(source):
            return MedianFeed.deploy(host, [source], [DAY], 1, 100, False, "UNI", sender=me)

        feed = base = median(slow)
        if checked:
            feed = CheckedFeed.deploy(host, base, median(fast), 200, False, sender=me)
        market.add_asset("UNI", decimals=18, dollars=7, source=feed.address, is_feed=True)
        market.add_vault("UNI", 10**6, 100)
        market.give("USDC", market.other, 10**5 * market.assets["USDC"].unit)
        fast.set(int(dollars * 10**8), sender=me)
        return market, Ledger(market, UNI=dollars)

    return make


def test_late_price_of_a_debt(uni):
    """As it was: UNI worth 109,000 dollars for 100,000."""
    market, ledger = uni(10, False)
    me = market.other
    before, lent = ledger.worth(me), ledger.lenders()
    account = put(market, me, "USDC", 10**5)
    take(market, me, "UNI", 10_900)
    assert ledger.worth(me, account) - before == pytest.approx(9_000)
    assert ledger.lenders(account) - lent == pytest.approx(-9_000)


@pytest.mark.parametrize("dollars", [7.1, 7.2, 10, 70])
def test_second_source_is_faster(uni, dollars):
    """Where another source has moved, what is owed counts at the higher, or isn't lent."""
    market, ledger = uni(dollars, True)
    me = market.other
    before, lent = ledger.worth(me), ledger.lenders()
    account = put(market, me, "USDC", 10**5)
    with refuses("initial margin is not met" if dollars < 7.14 else "price sources disagree"):
        take(market, me, "UNI", 10_900)
    if dollars < 7.14:
        take(market, me, "UNI", 10_800)
    assert ledger.worth(me, account) <= before
    assert ledger.lenders(account) >= lent


def late(new_market, max_age, dollars):
    """The feed of WETH said 2,000 for the last time 23 hours ago, and it is worth `dollars`."""
    market = new_market(WETH={"max_age": max_age})
    market.deposit("WETH", 10)
    market.borrow("USDC", 10_000)
    market.host.advance(23 * HOUR)
    market.refresh("USDC", "DAI", "WBTC")
    market.give("WETH", market.other, 100 * 10**18)
    return market, Ledger(market, WETH=dollars)


def test_price_of_yesterday(new_market):
    """As it was: ether bought for 1,500 dollars, lent on as if for 2,000."""
    market, ledger = late(new_market, DAY, 1_500)
    me = market.other
    before = ledger.worth(me)
    account = put(market, me, "WETH", 100)
    take(market, me, "USDC", 159_000)
    assert ledger.worth(me, account) - before == pytest.approx(9_000)


def test_fall_within_the_margin(new_market):
    """What the margin is for: ether at 1,700, and nothing is gained with any age."""
    market, ledger = late(new_market, DAY, 1_700)
    me = market.other
    before = ledger.worth(me)
    account = put(market, me, "WETH", 100)
    take(market, me, "USDC", 159_000)
    assert ledger.worth(me, account) <= before


def test_price_that_is_too_old(new_market):
    """With the age that fits the feed there is none: nothing new on it, and who owes may pay."""
    market, ledger = late(new_market, HOUR, 1_500)
    me, usdc = market.other, market.assets["USDC"]
    before, lent = ledger.worth(me), ledger.lenders(market.account())
    with refuses("price is stale"):
        put(market, me, "WETH", 100)
    with refuses("initial margin is not met"):
        market.borrow("USDC", 100)
    assert ledger.worth(me) == before
    assert ledger.lenders(market.account()) >= lent
    market.give("USDC", market.borrower, 20_000 * usdc.unit)
    market.engine.repay(market.account(), usdc, MAX_UINT256, sender=market.borrower)
    assert market.owed("USDC") == 0
