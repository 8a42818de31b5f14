"""A price without one of its legs: cbETH on Moonwell, February 2026, 1.8 million dollars.

A new feed read the rate of cbETH in ether, 1.12, and left out the price of ether. So cbETH, worth
2,200 dollars, counted as 1.12 dollars: who owed it was free for a dollar, who held it was sold for
one, and the vote to undo it took five days.
"""

import pytest

from breakwater.driver import CheckedFeed, MedianFeed, RateFeed
from breakwater.host import Reverted
from breakwater.mocks import AggregatorMock, StakedTokenMock
from breakwater.units import WAD
from tests.market import refuses


@pytest.fixture
def legs(market):
    """cbETH, its rate as an aggregator, ether in dollars, and what cbETH is sold for."""
    host, me = market.host, market.owner
    weth = market.assets["WETH"]
    share = StakedTokenMock.deploy(host, "cbETH", "cbETH", weth, sender=me)
    share.set_rate(112 * WAD // 100, sender=me)

    def median(answer):
        source = AggregatorMock.deploy(host, 8, answer, sender=me)
        return MedianFeed.deploy(host, [source], [86_400], 1, 100, False, "leg", sender=me)

    return share, median(112 * 10**6), median(2_000 * 10**8), median(2_238 * 10**8)


def listed(market, share, feed):
    market.add_asset(
        "cbETH", decimals=18, dollars=100, token=share, source=feed.address, is_feed=True,
        min_price=10**16, max_price=10**24,
    )  # fmt: skip
    market.add_vault("cbETH", 0, 1)
    market.give("cbETH", market.lender, 1_000 * WAD)
    market.assets["cbETH"].vault.deposit(1_000 * WAD, market.lender, sender=market.lender)


def test_rate_taken_for_a_price(market, legs):
    """As it was: 800 cbETH, worth 1.8 million dollars, lent on 2,000 dollars."""
    share, rate, _, _ = legs
    listed(market, share, rate)
    market.deposit("USDC", 2_000)
    market.borrow("cbETH", 800)
    assert market.owed("cbETH") == 800 * WAD


def test_rate_times_its_base(market, legs):
    """Both legs belong to one feed, which reads the rate where it is made."""
    share, _, ether, _ = legs
    feed = RateFeed.deploy(market.host, share, ether, 1_000, sender=market.owner)
    assert feed.quote()[1] == 2_240 * WAD
    listed(market, share, feed)
    market.deposit("USDC", 2_000)
    with refuses("initial margin is not met"):
        market.borrow("cbETH", 1)


def test_market_shows_the_missing_leg(market, legs):
    """A feed that is checked cannot be deployed without its leg: the market is apart from it."""
    share, rate, ether, sold = legs
    host, me = market.host, market.owner
    for decides in (False, True):
        with pytest.raises(Reverted) as failure:
            CheckedFeed.deploy(host, rate, sold, 200, decides, sender=me)
        assert failure.value.reason == "market is apart from the base"
    whole = RateFeed.deploy(host, share, ether, 1_000, sender=me)
    assert CheckedFeed.deploy(host, whole, sold, 200, True, sender=me).quote()[4] == 1


def test_leg_that_is_lost_later_seizes_nothing(market, legs):
    """Of two feeds that were right once, one loses its leg: whoever holds cbETH is not sold for a
    dollar, since the wait counts at the price that favours him, and the price stays the base's.
    """
    share, _, ether, _ = legs
    host, me = market.host, market.owner
    source = AggregatorMock.deploy(host, 8, 2_238 * 10**8, sender=me)
    sold = MedianFeed.deploy(host, [source], [86_400], 1, 100, False, "sold", sender=me)
    whole = RateFeed.deploy(host, share, ether, 1_000, sender=me)
    feed = CheckedFeed.deploy(host, whole, sold, 200, False, sender=me)
    listed(market, share, feed)
    share.mint(market.borrower, 10 * WAD, sender=me)
    market.deposit("cbETH", 10)
    market.borrow("USDC", 15_000)
    host.advance(12)
    source.set(112 * 10**6, sender=me)
    assert feed.quote() == (
        112 * WAD // 100, 2_240 * WAD, 2_240 * WAD, whole.quote()[3], 3
    )  # fmt: skip
    for _ in range(5):
        with refuses("account is healthy"):
            market.liquidate("USDC", "cbETH")
        host.advance(600)
        market.refresh()
        market.poke("cbETH")
    with refuses("price sources disagree"):
        market.borrow("cbETH", 1)
