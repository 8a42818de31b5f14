"""A share's rate that rises and falls within a transaction: Harvest, October 2020, 33.8 million
dollars; Lodestar, December 2022, 6 million.

The rate of a share was what a vault's parts were worth in a pool just then. A trade in the pool,
or a donation that the donor could use again, moved it; shares were bought or posted at one rate
and the trade was undone. Harvest's attacker bought when they were cheap, Lodestar's borrowed when
they were dear.

The feed is our `RateFeed` in both builds: it tells the rate, and a lower one that rose no faster
than a rate may. One build believes the rate.
"""

import pytest

from breakwater.driver import MedianFeed, RateFeed
from breakwater.mocks import AggregatorMock, StakedTokenMock
from breakwater.units import DAY, WAD
from tests.incidents.ledger import SPOT_BELIEVED, Ledger, put, stripped, take
from tests.market import refuses

HELD = 500_000


@pytest.fixture
def shares(new_market):
    """A share of a dollar that is collateral, and lent; half a million of it is the attacker's."""

    def make():
        market = new_market()
        host, me = market.host, market.owner
        share = StakedTokenMock.deploy(host, "Share", "SHR", market.assets["DAI"], sender=me)
        share.set_rate(WAD, sender=me)
        source = AggregatorMock.deploy(host, 8, 10**8, sender=me)
        dollar = MedianFeed.deploy(host, [source], [DAY], 1, 100, False, "DAI / USD", sender=me)
        feed = RateFeed.deploy(host, share, dollar, 1_000, sender=me)
        market.add_asset(
            "SHR", decimals=18, dollars=1, token=share, source=feed.address, is_feed=True
        )
        market.add_vault("SHR", 2 * 10**6, 100)
        market.give("SHR", market.other, HELD * WAD)
        market.give("USDC", market.other, 10**6 * market.assets["USDC"].unit)
        return market, share

    return make


def rate(market, share, percent):
    share.set_rate(percent * WAD // 100, sender=market.owner)


def test_raised_rate_is_believed(shares):
    """As it was: 1 to 1.83, a loan, and back. The trade itself costs nothing here."""
    with stripped(SPOT_BELIEVED):
        market, share = shares()
    me, ledger = market.other, Ledger(market)
    before, lent = ledger.worth(me), ledger.lenders()
    rate(market, share, 183)
    account = put(market, me, "SHR", HELD)
    take(market, me, "USDC", 725_000)
    rate(market, share, 100)
    assert ledger.worth(me, account) - before == pytest.approx(225_000)
    assert ledger.lenders(account) - lent == pytest.approx(-225_000)


@pytest.mark.parametrize("hours", [0, 12])
def test_raised_rate_has_to_grow(shares, hours):
    """However long it is kept up, it counts as one that rises by 10 % a year."""
    market, share = shares()
    me, ledger = market.other, Ledger(market)
    before, lent = ledger.worth(me), ledger.lenders()
    rate(market, share, 183)
    account = put(market, me, "SHR", HELD)
    for _ in range(6 * hours):
        market.host.advance(600)
        market.poke("SHR")
    with refuses("initial margin is not met"):
        take(market, me, "USDC", HELD * 0.801)
    take(market, me, "USDC", HELD * 0.8)
    rate(market, share, 100)
    assert ledger.worth(me, account) <= before
    assert ledger.lenders(account) >= lent


def test_lowered_rate_is_believed(shares):
    """As it was, the other way: shares are borrowed while they seem to be worth little."""
    with stripped(SPOT_BELIEVED):
        market, share = shares()
    me, ledger = market.other, Ledger(market)
    before, lent = ledger.worth(me), ledger.lenders()
    rate(market, share, 50)
    account = put(market, me, "USDC", 10**6)
    take(market, me, "SHR", 1_500_000)
    rate(market, share, 100)
    assert ledger.worth(me, account) - before == pytest.approx(500_000)
    assert ledger.lenders(account) - lent == pytest.approx(-500_000)


def test_lowered_rate_has_to_last(shares):
    """A debt counts at the higher of the rate and its average."""
    market, share = shares()
    me, ledger = market.other, Ledger(market)
    before, lent = ledger.worth(me), ledger.lenders()
    rate(market, share, 50)
    account = put(market, me, "USDC", 10**6)
    with refuses("initial margin is not met"):
        take(market, me, "SHR", 771_000)
    take(market, me, "SHR", 769_000)
    rate(market, share, 100)
    assert ledger.worth(me, account) <= before
    assert ledger.lenders(account) >= lent


@pytest.mark.parametrize("gift", [10**3, 10**6, 10**8])
def test_gift_to_a_vault_of_ours(market, gift):
    """Nor does anybody move the rate of our own shares: tokens that are sent to a vault are in no
    book, and who sends them has lost them.
    """
    me, dai = market.other, market.assets["DAI"]
    market.give("DAI", me, (gift + 1_000) * WAD)
    dai.vault.deposit(1_000 * WAD, me, sender=me)
    shares_held, value = dai.vault.balanceOf(me), dai.vault.convertToAssets(WAD)
    dai.token.transfer(dai.vault, gift * WAD, sender=me)
    assert dai.vault.convertToAssets(WAD) == value
    dai.vault.redeem(shares_held, me, me, sender=me)
    assert market.tokens("DAI", me) <= 1_000 * WAD
