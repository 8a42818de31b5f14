"""A net asset value at par while the market paid a tenth: xUSD and deUSD, November 2025.

Lenders priced the tokens at what their issuers said. The issuers had lost 93 million dollars; the
market paid 0.11 and 0.015. Nobody was liquidated, since at par nobody was under water, and whoever
bought the token at its market price borrowed nearly its par.
"""

import pytest

from breakwater.driver import CheckedFeed, MedianFeed, NavFeed
from breakwater.mocks import AggregatorMock
from breakwater.units import DAY, WAD
from tests.market import refuses


class Stable:
    """A token at a net asset value of a dollar, and the aggregator of what is paid for it."""

    def __init__(self, market, checked):
        self.host, self.owner, self.on = market.host, market.owner, market
        host, me = market.host, market.owner
        self.nav = NavFeed.deploy(host, WAD, me, 30 * DAY, 1_000, sender=me)
        self.source = AggregatorMock.deploy(host, 8, 10**8, sender=me)
        market_feed = MedianFeed.deploy(
            host, [self.source], [DAY], 1, 100, False, "xUSD / USD", sender=me
        )
        feed = self.nav
        if checked:
            feed = CheckedFeed.deploy(host, self.nav, market_feed, 200, True, sender=me)
        market.add_asset(
            "xUSD", decimals=6, dollars=1, source=feed.address, is_feed=True,
            borrow_ltv=7_700, liquidation_ltv=8_000,
        )  # fmt: skip

    def pay(self, answer, seconds=0):
        """The market's price for a while, poked every ten minutes."""
        for _ in range(max(1, seconds // 600)):
            self.host.advance(min(seconds, 600) or 12)
            self.on.refresh()
            self.source.set(answer, sender=self.owner)
            self.on.poke("xUSD")


@pytest.fixture
def stable(market):
    return lambda checked: Stable(market, checked)


def test_par_whatever_the_market_says(market, stable):
    """As it was: bought for 10,000 dollars, lent on as if for 100,000."""
    stable(False).pay(10**7, 2 * DAY)
    market.deposit("xUSD", 100_000)
    market.borrow("USDC", 76_000)
    market.host.advance(12)
    with refuses("account is healthy"):
        market.liquidate("USDC", "xUSD")


@pytest.mark.parametrize("seconds", [0, 600, DAY])
def test_market_decides_what_is_lent(market, stable, seconds):
    """From the first print on: what the market pays, and no hour of grace for new risk."""
    one = stable(True)
    market.deposit("xUSD", 100_000)
    one.pay(10**7, seconds)
    with refuses("initial margin is not met"):
        market.borrow("USDC", 7_800)
    market.borrow("USDC", 7_600)


def test_market_decides_who_is_liquidated(market, stable):
    """Half an hour for the borrower, and then the loss is taken where it is."""
    one = stable(True)
    market.deposit("xUSD", 100_000)
    market.borrow("USDC", 76_000)
    one.pay(10**7)
    with refuses("account is healthy"):
        market.liquidate("USDC", "xUSD")
    one.pay(10**7, 1_200)
    with refuses("account is healthy"):
        market.liquidate("USDC", "xUSD")
    one.pay(10**7, 1_200)
    event = market.liquidate("USDC", "xUSD").event("Liquidate")
    assert event.bad_debt > 60_000 * 10**6


def test_market_that_is_gone_is_no_price(market, stable):
    """And when no one quotes the token any more, nobody borrows on it."""
    one = stable(True)
    market.deposit("xUSD", 100_000)
    market.host.advance(DAY + 1)
    market.refresh()
    assert one.nav.quote()[1] == WAD
    with refuses("initial margin is not met"):
        market.borrow("USDC", 1_000)
