"""One venue's price of a dollar: DAI at 1.30, Compound, November 2020, 89 million dollars
liquidated; USDe at 0.65, Binance, October 2025, 283 million paid back to its customers.

For an hour DAI cost 1.30 on one exchange. Whoever owed DAI on USDC was liquidated at that, and
lost a third of what he owed. Five years later an order book showed USDe at 0.65 for forty
minutes, while it was a dollar everywhere else; accounts that had posted it were sold.

Here a borrower owes DAI on USDC, another USDC on USDe, and each coin has one source or three.
What is true is a dollar.
"""

import pytest

from breakwater.driver import MedianFeed
from breakwater.mocks import AggregatorMock
from breakwater.units import DAY, MINUTE
from tests.incidents.ledger import JUMP_BELIEVED, Ledger, put, stripped, take
from tests.market import refuses

CASES = {
    # what is printed, what the borrower owes, what he posted
    "DAI": (130, "DAI", "USDC"),
    "USDe": (65, "USDC", "USDe"),
}


class Coin:
    """A market that lends and takes a coin, a borrower close to his limit, a liquidator's money."""

    def __init__(self, new_market, host, name, venues):
        self.host, self.name = host, name
        self.printed, self.debt, self.collateral = CASES[name]
        self.me = host.account("owner")
        self.venues = [AggregatorMock.deploy(host, 8, 10**8, sender=self.me) for _ in range(venues)]
        feed = MedianFeed.deploy(
            host, self.venues, [DAY] * venues, 1, 100, True, name, sender=self.me
        )
        rules = {
            "decimals": 18, "dollars": 1, "source": feed.address, "is_feed": True,
            "jump_band": 500, "borrow_ltv": 7_700, "liquidation_ltv": 8_000,
        }  # fmt: skip
        self.on = new_market(debts=("USDC", name), **{name: rules})
        self.account = self.on.account()
        self.on.deposit(self.collateral, 100_000)
        self.on.borrow(self.debt, 63_000 if name == "USDe" else 75_000)
        for coin in ("USDC", name):
            self.on.give(coin, self.on.liquidator, 10**6 * self.on.assets[coin].unit)
            self.on.give(coin, self.on.other, 10**5 * self.on.assets[coin].unit)
        self.ledger = Ledger(self.on)
        host.advance(12)

    def print(self, venues=1, price=None):
        """What so many venues say, and the others: a dollar."""
        for i, venue in enumerate(self.venues):
            said = price or self.printed
            venue.set((said if i < venues else 100) * 10**6, sender=self.me)

    def worth(self):
        """What the liquidator, and what the borrower has."""
        me = self.on.liquidator
        return self.ledger.worth(me), self.ledger.worth(self.on.borrower, self.account)

    def liquidate(self):
        return self.on.liquidate(self.debt, self.collateral, sender=self.on.liquidator)


@pytest.fixture(params=CASES)
def coin(request, new_market, host):
    return lambda venues: Coin(new_market, host, request.param, venues)


def test_one_venue_is_believed(coin):
    """As it was: a fifth of all that the borrower posted is the liquidator's."""
    with stripped(JUMP_BELIEVED):
        one = coin(1)
    mine, his = one.worth()
    one.print()
    one.liquidate()
    gained, lost = (after - before for after, before in zip(one.worth(), (mine, his), strict=True))
    assert gained > 15_000
    assert lost < -15_000


def test_one_print_of_the_only_venue(coin):
    """With one source it takes a second poke, a minute later: a wick is over by then."""
    one = coin(1)
    before = one.worth()
    one.print()
    one.on.poke(one.name)
    with refuses("account is healthy"):
        one.liquidate()
    one.host.advance(48)
    with refuses("account is healthy"):
        one.liquidate()
    one.print(price=100)
    one.on.poke(one.name)
    with refuses("account is healthy"):
        one.liquidate()
    assert one.worth() == pytest.approx(before)


def test_one_venue_of_three(coin):
    """For an hour: nobody is liquidated, and nobody may borrow the coin, or more on it."""
    one = coin(3)
    lent, before = one.ledger.lenders(one.account), one.worth()
    put(one.on, one.on.other, one.collateral, 1_000)
    for _ in range(12):
        one.print()
        one.on.poke(one.name)
        with refuses("account is healthy"):
            one.liquidate()
        reason = "price sources disagree" if one.debt == one.name else "initial margin is not met"
        with refuses(reason):
            take(one.on, one.on.other, one.debt, 600)
        one.host.advance(5 * MINUTE)
    assert one.worth() == pytest.approx(before, rel=1e-5)
    assert one.ledger.lenders(one.account) >= lent


def test_two_venues_that_copy_each_other(coin):
    """Two of three say it, since the anchor followed the exchange: nobody is liquidated for half an
    hour, which is all that disagreement delays.
    """
    one = coin(3)
    before = one.worth()
    for _ in range(5):
        one.print(2)
        one.on.poke(one.name)
        with refuses("account is healthy"):
            one.liquidate()
        one.host.advance(5 * MINUTE)
    one.print(3, 100)
    one.host.advance(5 * MINUTE)
    with refuses("account is healthy"):
        one.liquidate()
    assert one.worth() == pytest.approx(before, rel=1e-5)


def test_two_venues_for_longer(coin):
    """What three sources can't do: after the half hour the median counts, and it is theirs, once a
    second poke has seen it.
    """
    one = coin(3)
    one.print(2)
    one.on.poke(one.name)
    one.host.advance(30 * MINUTE - 1)
    with refuses("account is healthy"):
        one.liquidate()
    one.host.advance(1)
    one.on.poke(one.name)
    assert one.liquidate().event("Liquidate").seized > 0


def test_coin_that_is_worth_less(coin):
    """No peg is assumed either: what all three say is true at once."""
    one = coin(3)
    one.print(3)
    event = one.liquidate().event("Liquidate")
    assert event.repaid > 0
