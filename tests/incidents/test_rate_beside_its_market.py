"""A staked token's rate, and what the market pays for it: stETH in June 2022, ezETH in April
2024, wrsETH on Moonwell in November 2025, a million dollars.

stETH stood at 0.94 of the ether behind it for weeks, ezETH at a third for minutes. Where the rate
was the price, it could be bought below what was lent on it; where the market was, loops were sold
in a wick. Of wrsETH a pool without liquidity told 1.65 million ether instead of 1.06: two
hundredths of a token carried a loan of twenty, again and again.

Ours is the rate, checked by the market: the lower of both for a loan, and the rate for a
liquidation.
"""

import pytest

from breakwater.driver import CheckedFeed, MedianFeed, RateFeed
from breakwater.mocks import AggregatorMock, StakedTokenMock
from breakwater.units import DAY, WAD
from tests.incidents.ledger import Ledger, put, take
from tests.market import refuses

ETHER = 2_000


class Staked:
    """A staked ether, its rate one, with a feed of each kind; WETH is lent on it at 89 %."""

    def __init__(self, market, kind, true):
        self.on, me = market, market.owner
        host, weth = market.host, market.assets["WETH"]
        share = StakedTokenMock.deploy(host, "stETH", "stETH", weth, sender=me)
        share.set_rate(WAD, sender=me)
        self.venue = AggregatorMock.deploy(host, 8, ETHER * 10**8, sender=me)

        def median(source):
            return MedianFeed.deploy(host, [source], [DAY], 1, 100, False, "", sender=me)

        rate = RateFeed.deploy(host, share, median(weth.feeds[0]), 1_000, sender=me)
        sold = median(self.venue)
        feed = {"rate": lambda: rate, "market": lambda: sold}.get(
            kind, lambda: CheckedFeed.deploy(host, rate, sold, 200, False, sender=me)
        )()
        market.add_asset(
            "stETH", decimals=18, dollars=ETHER, token=share, source=feed.address, is_feed=True,
            borrow_ltv=8_900, liquidation_ltv=9_100, max_price=10**28,
        )  # fmt: skip
        market.deposit("stETH", 1_000)
        market.borrow("WETH", 885)
        market.give("stETH", market.other, 1_000 * WAD)
        self.ledger = Ledger(market, stETH=true)
        host.advance(12)

    def sell_at(self, dollars, minutes=0):
        """The market's price, for so long."""
        for minute in range(minutes + 1):
            self.on.host.advance(60 if minute else 0)
            self.venue.set(dollars * 10**8, sender=self.on.owner)
            if minute % 5 == 0:
                self.on.refresh("WETH")
                self.on.poke("stETH")


@pytest.fixture
def staked(new_market):
    return lambda kind, true=ETHER: Staked(new_market(), kind, true)


def attack(one, name, whole):
    """All that the attacker has, and a loan on it: what he gains, what lenders gain."""
    market, me = one.on, one.on.other
    before, lent = one.ledger.worth(me), one.ledger.lenders(market.account())
    account = put(market, me, "stETH", 1_000)
    take(market, me, name, whole)
    lent = one.ledger.lenders(market.account(), account) - lent
    return one.ledger.worth(me, account) - before, lent


def test_rate_alone(staked):
    """As it was: bought at 0.8, lent on at 0.89."""
    one = staked("rate", 1_600)
    one.sell_at(1_600, 60)
    gain, lost = attack(one, "WETH", 889)
    assert gain == pytest.approx(178_000)
    assert lost == pytest.approx(-178_000)


def test_market_alone(staked):
    """As it was, the other way: a wick of half an hour, and the loop is sold."""
    one = staked("market")
    one.sell_at(1_800, 30)
    market, me = one.on, one.on.liquidator
    market.give("WETH", me, 10**4 * WAD)
    mine = one.ledger.worth(me)
    his = one.ledger.worth(market.borrower, market.account())
    market.liquidate("WETH", "stETH", sender=me)
    assert one.ledger.worth(me) - mine > 100_000
    assert one.ledger.worth(market.borrower, market.account()) - his < -100_000


@pytest.mark.parametrize("minutes", [0, 60])
@pytest.mark.parametrize("dollars", [1_880, 1_600, 600])
def test_market_below_the_rate(staked, dollars, minutes):
    """The market's price for a loan; the rate's for who owes, before and after the half hour that
    disagreement delays anything.
    """
    one = staked("checked", dollars)
    market = one.on
    one.sell_at(dollars, minutes)
    with refuses("account is healthy"):
        market.liquidate("WETH", "stETH")
    with refuses("initial margin is not met"):
        attack(one, "WETH", 1_000 * dollars / ETHER * 0.891)
    # the attempt put nothing back into the wallet: what follows counts from here
    before = one.ledger.worth(market.other, market.account(0, market.other))
    take(market, market.other, "WETH", 1_000 * dollars / ETHER * 0.889)
    assert one.ledger.worth(market.other, market.account(0, market.other)) <= before


@pytest.mark.parametrize("times", [10**3, 10**5])
def test_market_far_above_it_alone(staked, times):
    """As it was: a poke and a block later an average of it is far above, too."""
    one = staked("market")
    one.sell_at(ETHER * times)
    one.on.host.advance(12)
    gain, lost = attack(one, "USDC", 7 * 10**6)
    assert gain == pytest.approx(5 * 10**6)
    assert lost == pytest.approx(-5 * 10**6)


@pytest.mark.parametrize("times", [10**3, 10**5])
def test_market_far_above_the_rate(staked, times):
    """Nothing is lent on the higher of the two."""
    one = staked("checked")
    one.sell_at(ETHER * times, 60)
    with refuses("initial margin is not met"):
        attack(one, "USDC", 1_790_000)
    account = one.on.account(0, one.on.other)
    before = one.ledger.worth(one.on.other, account)
    take(one.on, one.on.other, "USDC", 1_770_000)
    assert one.ledger.worth(one.on.other, account) <= before
