"""One of two sources in another scale, and the mean of both: sKRW on Synthetix, June 2019, a
billion dollars on paper.

One of two providers told the won times a thousand. The mean was five hundred times the won, and a
bot changed its won into 37 million of synthetic ether. It gave them back, for a bounty.

Here a won is a dollar's thousandth. Our feed is that of both builds: it tells the mean of two
sources, and their lower and higher price beside it. One build believes the mean.
"""

import pytest

from breakwater.driver import MedianFeed
from breakwater.mocks import AggregatorMock
from breakwater.units import DAY, WAD
from tests.incidents.ledger import SPOT_BELIEVED, Ledger, put, stripped, take
from tests.market import refuses

WON = 10**5
"""8 decimals."""


class Won:
    """A market that lends and takes wons; the attacker has a thousand dollars of each kind."""

    def __init__(self, market, sources):
        self.on, self.me = market, market.owner
        self.sources = [
            AggregatorMock.deploy(market.host, 8, WON, sender=self.me) for _ in range(sources)
        ]
        feed = MedianFeed.deploy(
            market.host,
            self.sources,
            [DAY] * sources,
            min(sources, 2),
            100,
            False,
            "KRW",
            sender=self.me,
        )
        market.add_asset(
            "KRW", decimals=18, dollars="0.001", source=feed.address, is_feed=True,
            min_price=10**10, max_price=10**22,
        )  # fmt: skip
        market.add_vault("KRW", 10**6, 1)
        market.give("KRW", market.other, 10**6 * WAD)
        market.give("USDC", market.other, 1_000 * market.assets["USDC"].unit)
        self.ledger = Ledger(market)

    def tell(self, numerator, denominator=1, hours=0):
        """The first source's price, in parts of the won's, for so many hours."""
        for _ in range(6 * hours + 1):
            for source in self.sources:
                source.set(WON, sender=self.me)
            self.sources[0].set(WON * numerator // denominator, sender=self.me)
            self.on.poke("KRW")
            self.on.host.advance(600 if hours else 0)
            self.on.refresh("USDC")


@pytest.fixture
def won(new_market):
    return lambda sources=2: Won(new_market(), sources)


def test_mean_of_collateral(won):
    """As it was: a thousand dollars of won, a loan of 400,000."""
    with stripped(SPOT_BELIEVED):
        one = won()
    market, me = one.on, one.on.other
    before, lent = one.ledger.worth(me), one.ledger.lenders()
    one.tell(1_000)
    account = put(market, me, "KRW", 10**6)
    take(market, me, "USDC", 400_000)
    assert one.ledger.worth(me, account) - before == pytest.approx(399_000)
    assert one.ledger.lenders(account) - lent == pytest.approx(-399_000)


def test_mean_of_a_debt(won):
    """As it was, the other way, the mean being told by one source: half a won was to be had for
    each won that was counted.
    """
    one = won(1)
    market, me = one.on, one.on.other
    before, lent = one.ledger.worth(me), one.ledger.lenders()
    one.tell(1_001, 2_000, 12)
    account = put(market, me, "USDC", 1_000)
    take(market, me, "KRW", 1_500_000)
    assert one.ledger.worth(me, account) - before == pytest.approx(500)
    assert one.ledger.lenders(account) - lent == pytest.approx(-500)


@pytest.mark.parametrize("hours", [0, 12])
@pytest.mark.parametrize("part", [(1_000, 1), (1, 1_000)])
def test_each_source_against_the_caller(won, part, hours):
    """Collateral counts at the lower of two sources however long they disagree, and what is owed is
    not lent at all.
    """
    one = won()
    market, me = one.on, one.on.other
    before, lent = one.ledger.worth(me), one.ledger.lenders()
    one.tell(*part, hours)
    account = put(market, me, "KRW", 10**6)
    with refuses("initial margin is not met"):
        take(market, me, "USDC", 801)
    put(market, me, "USDC", 1_000)
    with refuses("price sources disagree"):
        take(market, me, "KRW", 1_000)
    take(market, me, "USDC", 500)
    assert one.ledger.worth(me, account) <= before
    assert one.ledger.lenders(account) >= lent


@pytest.mark.parametrize("part", [(1_000, 1), (1, 1_000)])
def test_two_of_three(won, part):
    """Of three sources two outvote it, and nothing stops."""
    one = won(3)
    market, me = one.on, one.on.other
    before = one.ledger.worth(me)
    one.tell(*part, 1)
    account = put(market, me, "USDC", 1_000)
    take(market, me, "KRW", 760_000)
    with refuses("initial margin is not met"):
        take(market, me, "KRW", 20_000)
    assert one.ledger.worth(me, account) == pytest.approx(before)
