"""Two feeds of one token: what is lent on is the worse, and who decides where they disagree."""

from fractions import Fraction
from itertools import product

import pytest

from breakwater.driver import CheckedFeed, NavFeed, RateFeed
from breakwater.host import Reverted
from breakwater.mocks import StakedTokenMock, TokenMock
from breakwater.units import DAY, WAD
from tests.feeds import DISPERSED, NOTHING, FeedWorld

BASE = 99 * WAD, 100 * WAD, 102 * WAD


class World(FeedWorld):
    def __init__(self, host):
        super().__init__(host)
        self.base = self.told(*BASE)
        self.market = self.told(*BASE)

    def feed(self, decides=False, band=200, base=None, market=None):
        base, market = base or self.base, market or self.market
        return CheckedFeed.deploy(self.host, base, market, band, decides, sender=self.me)


@pytest.fixture
def world(host):
    return World(host)


def expected(base, market, decides, band=200):
    """The table in the head of the contract; quotes of five words."""
    if base[4] == 0 or (market[4] == 0 and decides):
        return NOTHING
    if market[4] == 0:
        return base
    lower, higher = sorted((base[1], market[1]))
    apart = Fraction(higher - lower, lower) > Fraction(band, 10_000)
    return (
        min(base[0], market[0]),
        market[1] if apart and decides else base[1],
        max(base[2], market[2]),
        min(base[3], market[3]),
        DISPERSED if apart else base[4],
    )


@pytest.mark.parametrize("decides", [False, True])
def test_quote__is_the_table(world, host, decides):
    feed = world.feed(decides)
    prices = [1, 97 * WAD, 98 * WAD, 100 * WAD, 102 * WAD, 102 * WAD + 1, 2**128 - 1]
    for price, spread, status, age in product(prices, (0, WAD), (1, 2, 3), (0, 77)):
        low, high = max(1, price - spread), min(2**128 - 1, price + spread)
        market = low, price, high, host.now - age, status
        world.tell(world.market, *market)
        for base_status in (1, 2, 3):
            base = *BASE, host.now - 5, base_status
            world.tell(world.base, *base)
            assert feed.quote() == expected(base, market, decides)


@pytest.mark.parametrize("decides", [False, True])
@pytest.mark.parametrize(
    ("price", "agree"),
    [
        (-(-100 * WAD * 100 // 102), True),  # 100 is 2 % above it
        (-(-100 * WAD * 100 // 102) - 1, False),
        (102 * WAD, True),
        (102 * WAD + 1, False),
    ],
)
def test_quote__band_is_exact(world, decides, price, agree):
    feed = world.feed(decides)
    world.tell(world.market, price, price, price)
    assert (feed.quote()[4] != DISPERSED) == agree


@pytest.mark.parametrize("decides", [False, True])
@pytest.mark.parametrize("mode", range(1, 9))
def test_quote__broken_base_is_no_price(world, decides, mode):
    feed = world.feed(decides)
    world.base.set_mode(mode, sender=world.me)
    assert feed.quote() == NOTHING


@pytest.mark.parametrize("mode", range(1, 9))
def test_quote__broken_market_leaves_the_base_alone(world, host, mode):
    """A pool that ran dry does not kill a median."""
    feed = world.feed(False)
    world.tell(world.market, 1, 1, 1)
    world.market.set_mode(mode, sender=world.me)
    assert feed.quote() == (*BASE, host.now, 2)


@pytest.mark.parametrize("mode", range(1, 9))
def test_quote__broken_market_that_decides_is_no_price(world, mode):
    """What nobody can be shown to buy is no collateral."""
    feed = world.feed(True)
    world.market.set_mode(mode, sender=world.me)
    assert feed.quote() == NOTHING


def refused(world, **rules):
    with pytest.raises(Reverted) as failure:
        world.feed(**rules)
    return failure.value.reason


@pytest.mark.parametrize("band", [0, 2_001])
def test_constructor__band_out_of_range_reverts(world, band):
    assert refused(world, band=band) == "band is out of range"


def test_constructor__no_code_reverts(world, host):
    assert refused(world, base=host.account("nobody")) == "base has no code"
    assert refused(world, market=host.account("nobody")) == "market has no code"


def test_constructor__market_must_be_another(world):
    assert refused(world, market=world.base) == "market is the base"


def test_constructor__both_must_be_valid_and_agree(world):
    world.tell(world.market, 90 * WAD, 90 * WAD, 90 * WAD)
    assert refused(world) == "market is apart from the base"
    world.market.set_mode(1, sender=world.me)
    assert refused(world) == "market is not valid"
    world.base.set_mode(1, sender=world.me)
    assert refused(world) == "base is not valid"


def test_constructor__two_that_need_too_much_gas_revert(world):
    two = [world.median(world.source(WAD), world.source(WAD)) for _ in range(2)]
    three = world.median(*(world.source(WAD) for _ in range(3)))
    one = world.median(world.source(WAD))
    assert refused(world, base=two[0], market=two[1]) == "feeds need too much gas"
    assert refused(world, base=three, market=one) == "feeds need too much gas"
    checked = world.feed(base=two[0], market=one)
    assert (checked.BASE(), checked.MARKET()) == (two[0].address, one.address)
    assert (checked.BAND(), checked.DECIDES()) == (200, False)


@pytest.mark.parametrize(("base", "market"), [(1, 1), (2, 1), (1, 2)])
def test_gas_limit__is_enough_when_every_call_burns_its_own(world, base, market):
    feeds = []
    for count in (base, market):
        feeds.append((world.burning(count), world.broken))
    feed = world.feed(base=feeds[0][0], market=feeds[1][0])
    assert feed.gas_limit() <= 200_000
    good = feed.quote()
    for burning in ((True, False), (False, True), (True, True)):
        for (_, sources), burns in zip(feeds, burning, strict=True):
            for source in sources:
                source.set_mode(2 if burns else 0, sender=world.me)
        found = world.with_gas(feed, feed.gas_limit())
        assert found == (NOTHING if burning[0] else good)


def test_quote__too_little_gas_reverts_instead_of_lying(world):
    one, other = (world.median(world.source(WAD)) for _ in range(2))
    world.never_lies(world.feed(base=one, market=other))


class Share(World):
    """A staked token: its rate times the median of its asset, and a median of its own market."""

    def __init__(self, host):
        super().__init__(host)
        self.token = TokenMock.deploy(host, "Asset", "AST", 6, sender=self.me)
        self.vault = StakedTokenMock.deploy(host, "Staked", "sAST", self.token, sender=self.me)
        self.vault.set_rate(5 * 10**6 // 4, sender=self.me)
        self.asset, self.share = self.source(100 * WAD), self.source(125 * WAD)
        base = RateFeed.deploy(host, self.vault, self.median(self.asset), 1_000, sender=self.me)
        self.checked = self.feed(True, base=base, market=self.median(self.share))


def test_composition__rate_checked_by_the_market_of_the_share(host):
    share = Share(host)
    assert share.checked.quote() == (125 * WAD, 125 * WAD, 125 * WAD, host.now, 1)
    # a donation: the rate says 250, the market 125
    share.vault.set_rate(5 * 10**6 // 2, sender=share.me)
    assert share.checked.quote() == (125 * WAD, 125 * WAD, 250 * WAD, host.now, DISPERSED)
    # a loss that the rate does not know: new risk and the price are the market's
    share.vault.set_rate(5 * 10**6 // 4, sender=share.me)
    share.share.set(12 * 10**8, sender=share.me)
    assert share.checked.quote() == (12 * WAD, 12 * WAD, 125 * WAD, host.now, DISPERSED)
    # and without a market there is no price
    host.advance(2 * DAY)
    share.asset.set(100 * 10**8, sender=share.me)
    assert share.checked.quote() == NOTHING


def test_composition__value_checked_by_its_market(world, host):
    nav = NavFeed.deploy(host, WAD, world.me, 30 * DAY, 500, sender=world.me)
    market = world.source(WAD)
    feed = world.feed(True, base=nav, market=world.median(market))
    assert feed.quote() == (WAD, WAD, WAD, host.now, 1)
    market.set(10**7, sender=world.me)
    assert feed.quote() == (WAD // 10, WAD // 10, WAD, host.now, DISPERSED)
