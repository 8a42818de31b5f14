"""A price that a publisher says: rises bounded, falls at once, and an end to it."""

from fractions import Fraction
from math import exp

import pytest

from breakwater.driver import NavFeed
from breakwater.host import Reverted
from breakwater.units import BPS, DAY, HOUR, WAD, YEAR
from tests.feeds import NOTHING, SINGLE, FeedWorld

ZERO = "0x" + "00" * 20


class World(FeedWorld):
    def __init__(self, host):
        super().__init__(host)
        self.publisher = host.account("publisher")

    def feed(self, price=WAD, publisher=None, max_age=DAY, growth=1_000):
        args = price, self.publisher if publisher is None else publisher, max_age, growth
        return NavFeed.deploy(self.host, *args, sender=self.me)


@pytest.fixture
def world(host):
    return World(host)


def refused(act, *args, **kwargs):
    with pytest.raises(Reverted) as failure:
        act(*args, **kwargs)
    return failure.value.reason


@pytest.mark.parametrize("price", [0, 2**128, 2**256 - 1])
def test_constructor__price_out_of_range_reverts(world, price):
    assert refused(world.feed, price) == "price is out of range"


@pytest.mark.parametrize("max_age", [0, HOUR - 1, 366 * DAY + 1])
def test_constructor__max_age_out_of_range_reverts(world, max_age):
    assert refused(world.feed, max_age=max_age) == "max age is out of range"


def test_constructor__growth_out_of_range_reverts(world):
    assert refused(world.feed, growth=10_001) == "growth is out of range"
    assert refused(world.feed, publisher=ZERO, growth=1) == "a fixed price does not grow"


@pytest.mark.parametrize("price", [1, WAD, 2**128 - 1])
@pytest.mark.parametrize("max_age", [HOUR, 366 * DAY])
def test_quote__valid_until_its_age(world, host, price, max_age):
    start = host.now
    feed = world.feed(price, max_age=max_age)
    for wait in (0, max_age):
        host.advance(wait)
        assert feed.quote() == (price, price, price, host.now, SINGLE)
    host.advance(1)
    assert feed.quote() == NOTHING
    assert feed.published() == (price, start)


def test_quote__fixed_price_ends_for_good(world, host):
    feed = world.feed(publisher=ZERO, growth=0, max_age=30 * DAY)
    assert feed.quote()[1] == WAD
    host.fund(ZERO)
    for sender in (world.me, world.publisher, ZERO):
        assert refused(feed.publish, WAD, sender=sender) == "not the publisher"
    host.advance(30 * DAY + 1)
    assert feed.quote() == NOTHING


def test_publish__for_the_publisher(world):
    feed = world.feed()
    assert refused(feed.publish, WAD, sender=world.me) == "not the publisher"
    assert feed.PUBLISHER() == world.publisher


def test_publish__nothing_reverts(world):
    assert refused(world.feed().publish, 0, sender=world.publisher) == "price is zero"


@pytest.mark.parametrize("growth", [0, 1, 1_000, 10_000])
@pytest.mark.parametrize("seconds", [0, 1, HOUR, 40 * DAY])
@pytest.mark.parametrize("price", [1, WAD, 10**28])
def test_publish__rise_is_bounded(world, host, growth, seconds, price):
    feed = world.feed(price, growth=growth)
    host.advance(seconds)
    highest = int(price * (1 + Fraction(growth * seconds, BPS * YEAR)))
    assert feed.highest() == highest
    assert refused(feed.publish, highest + 1, sender=world.publisher) == "price rises too fast"
    event = feed.publish(highest, sender=world.publisher).event("Publish", feed.address)
    assert event.price == highest
    assert feed.quote() == (highest, highest, highest, host.now, SINGLE)


def test_publish__highest_price_is_a_price(world, host):
    feed = world.feed(2**128 - 1, growth=10_000)
    host.advance(YEAR)
    assert feed.highest() == 2**128 - 1
    feed.publish(2**128 - 1, sender=world.publisher)


@pytest.mark.parametrize("price", [1, WAD // 10, WAD - 1])
def test_publish__fall_counts_at_once_and_stays(world, host, price):
    """Nobody prints a price and takes it back."""
    feed = world.feed()
    feed.publish(price, sender=world.publisher)
    assert feed.quote() == (price, price, price, host.now, SINGLE)
    assert refused(feed.publish, WAD, sender=world.publisher) == "price rises too fast"


def test_publish__compounds_to_no_more_than_the_exponential(world, host):
    feed = world.feed(growth=10_000)
    for _ in range(365):
        host.advance(DAY)
        feed.publish(feed.highest(), sender=world.publisher)
    assert 2 * WAD < feed.quote()[1] < exp(1) * WAD


def test_publish__revives_what_has_ended(world, host):
    feed = world.feed()
    host.advance(3 * DAY)
    assert feed.quote() == NOTHING
    feed.publish(WAD, sender=world.publisher)
    assert feed.quote() == (WAD, WAD, WAD, host.now, SINGLE)


def test_gas_limit__is_enough(world):
    feed = world.feed()
    assert world.with_gas(feed, feed.gas_limit()) == feed.quote()
