"""A price that one trade, or one key, made: YieldBlox, February 2026, and Fortress, May 2022.

The market maker of USTRY had left. Somebody offered it at a hundred times its price and bought a
crumb of it from himself: the only trade in the window of the oracle, which told 107 instead of
1.06, and 10 million dollars were borrowed. Fortress' oracle asked for no signer: anyone wrote a
price times 10**16.
"""

import pytest

from breakwater.driver import CheckedFeed, MedianFeed, NavFeed
from breakwater.mocks import AggregatorMock
from breakwater.units import DAY, WAD
from tests.market import refuses

FAIR = 106 * 10**6


class Note:
    """A note worth 1.06, on which a loan is taken after a print has stood for hours."""

    def __init__(self, market):
        self.host, self.me, self.on = market.host, market.owner, market
        self.sources = [AggregatorMock.deploy(self.host, 8, FAIR, sender=self.me) for _ in range(3)]

    def median(self, *sources):
        return MedianFeed.deploy(
            self.host, list(sources), [DAY] * len(sources), 1, 200, False, "USTRY / USD",
            sender=self.me,
        )  # fmt: skip

    def nav(self):
        return NavFeed.deploy(self.host, FAIR * 10**10, self.me, 7 * DAY, 1_000, sender=self.me)

    def list(self, feed, max_price=10**28):
        self.on.add_asset(
            "USTRY", decimals=6, dollars=1, source=feed.address, is_feed=True,
            min_price=10**16, max_price=max_price,
        )  # fmt: skip
        self.on.deposit("USTRY", 1_000)

    def print(self, times, hours=12):
        """The first source tells too much, for as long as every average follows."""
        for _ in range(6 * hours):
            self.host.advance(600)
            self.on.refresh()
            self.sources[0].set(FAIR * times, sender=self.me)
            for source in self.sources[1:]:
                source.set(FAIR, sender=self.me)
            self.on.poke("USTRY")


@pytest.fixture
def note(market):
    return Note(market)


def test_print_of_the_only_source(market, note):
    """As it was: 1,060 dollars of notes, 80,000 dollars borrowed."""
    note.list(note.median(note.sources[0]))
    note.print(100)
    market.borrow("USDC", 80_000)


def test_print_is_outvoted(market, note):
    """Two sources that agree are the median."""
    note.list(note.median(*note.sources))
    note.print(100)
    with refuses("initial margin is not met"):
        market.borrow("USDC", 860)
    market.borrow("USDC", 840)


@pytest.mark.parametrize("times", [2, 100, 10**16])
@pytest.mark.parametrize("decides", [False, True])
def test_print_beside_the_value(market, note, times, decides):
    """The only source of a note whose issuer tells what it is worth: nothing is lent on the higher
    of the two.
    """
    base, other = note.nav(), note.median(note.sources[0])
    feed = CheckedFeed.deploy(
        market.host, *((base, other) if decides else (other, base)), 200, decides, sender=note.me
    )
    note.list(feed)
    note.print(times, hours=1)
    quote = feed.quote()
    assert quote[0] == FAIR * 10**10
    assert quote[4] == 3
    with refuses("initial margin is not met"):
        market.borrow("USDC", 860)
    if times < 10**16:
        market.borrow("USDC", 840)
        return
    # beyond what any asset may cost: no price, and nothing is lent at all
    with refuses("initial margin is not met"):
        market.borrow("USDC", 100)


@pytest.mark.parametrize("times", [100, 10**16])
def test_print_above_the_bounds(market, note, times):
    """A listing says what the price may be at most: a print above is none."""
    note.list(note.median(note.sources[0]), max_price=2 * WAD)
    note.print(times)
    with refuses("initial margin is not met"):
        market.borrow("USDC", 500)
