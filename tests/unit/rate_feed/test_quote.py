"""`quote` and `poke`: the rise of a rate is bounded where new risk is counted, its fall is not."""

from fractions import Fraction
from math import ceil, exp

import pytest

from breakwater.host import Reverted

WAD = 10**18
YEAR = 365 * 86_400
NOTHING = (0, 0, 0, 0, 0)


def expected(world, actual, bounded, base=(99 * WAD, 100 * WAD, 101 * WAD), status=2):
    low, price, high = base
    return (
        min(actual, bounded) * low // WAD,
        actual * price // WAD,
        ceil(Fraction(actual * high, WAD)),
        world.host.now,
        status,
    )


def test_quote__rate_times_base(world):
    world.set_rate(10**world.decimals * 5 // 4)
    world.new_feed()
    assert world.quote() == expected(world, WAD * 5 // 4, WAD * 5 // 4)


@pytest.mark.parametrize("status", [1, 2, 3])
def test_quote__status_and_time_are_the_bases(world, status):
    world.new_feed()
    world.set_base(WAD, WAD, WAD, world.host.now - 77, status)
    assert world.quote()[3:] == (world.host.now - 77, status)


def test_quote__rounds_against_the_account(world):
    world.set_rate(10**world.decimals * 4 // 3)
    world.new_feed()
    rate = (10**world.decimals * 4 // 3) * WAD // 10**world.decimals
    base = (WAD - 1, WAD, WAD + 1)
    world.set_base(*base)
    assert world.quote() == expected(world, rate, rate, base)


def test_quote__rise_is_bounded_for_low_alone(world):
    world.new_feed(growth=1_000)
    world.host.advance(YEAR // 10)
    world.set_base(99 * WAD, 100 * WAD, 101 * WAD)
    world.set_rate(2 * 10**world.decimals)
    # 10 % a year over a tenth of a year
    assert world.quote() == expected(world, 2 * WAD, WAD * 101 // 100)


def test_quote__rise_within_the_bound_is_believed(world):
    world.new_feed(growth=1_000)
    world.host.advance(YEAR)
    world.set_base(99 * WAD, 100 * WAD, 101 * WAD)
    world.set_rate(10**world.decimals * 11 // 10)
    assert world.quote() == expected(world, WAD * 11 // 10, WAD * 11 // 10)


def test_quote__fall_is_believed_at_once(world):
    world.new_feed()
    world.set_rate(10**world.decimals // 2)
    assert world.quote() == expected(world, WAD // 2, WAD // 2)


def test_quote__donation_raises_low_by_no_more_than_the_bound(world):
    """A donor doubles what a share is worth in one block; new risk sees what time allows."""
    asset, vault, one = world.asset, world.vault, 10**world.decimals
    world.set_rate(0)
    world.send(asset, "TokenMock", "mint", world.deployer, 1_000 * one)
    world.send(asset, "TokenMock", "approve", vault, 2**256 - 1)
    world.send(vault, "StakedTokenMock", "deposit", 10 * one, world.deployer)
    world.new_feed(growth=500)
    before = world.quote()
    world.send(asset, "TokenMock", "transfer", vault, 10 * one)
    world.poke()
    after = world.quote()
    assert after[0] == before[0]
    assert after[1] == 2 * before[1]
    world.host.advance(86_400)
    world.set_base(99 * WAD, 100 * WAD, 101 * WAD)
    world.poke()
    bounded = WAD + WAD * 500 * 86_400 // (10_000 * YEAR)
    assert world.quote()[0] == bounded * 99


def test_poke__stores_the_lower_of_actual_and_bounded(world, host):
    feed = world.new_feed(growth=1_000)
    host.advance(YEAR // 10)
    world.set_rate(2 * 10**world.decimals)
    event = world.poke().event("Poke", feed)
    assert (event.actual, event.reference) == (2 * WAD, WAD * 101 // 100)
    assert host.call(feed, "RateFeed", "reference") == (WAD * 101 // 100, host.now)
    world.set_rate(10**world.decimals // 2)
    world.poke()
    assert host.call(feed, "RateFeed", "reference") == (WAD // 2, host.now)


def test_poke__compounds_to_no_more_than_the_exponential(world, host):
    feed = world.new_feed(growth=10_000)
    world.set_rate(100 * 10**world.decimals)
    for _ in range(365):
        host.advance(86_400)
        world.poke()
    reference, _ = host.call(feed, "RateFeed", "reference")
    assert 2 * WAD < reference < exp(1) * WAD


def test_poke__frequent_pokes_lose_no_growth(world, host):
    feed = world.new_feed(growth=1)
    world.set_rate(2 * 10**world.decimals)
    start, _ = host.call(feed, "RateFeed", "reference")
    for _ in range(1_000):
        host.advance(1)
        world.poke()
    reference, _ = host.call(feed, "RateFeed", "reference")
    exact = Fraction(start * 1_000, 10_000 * YEAR)
    assert exact * Fraction(999, 1_000) < reference - start <= exact + 1


def test_poke__rate_not_valid_reverts(world):
    world.new_feed()
    world.set_rate(2**128)
    with pytest.raises(Reverted) as failure:
        world.poke()
    assert failure.value.reason == "rate is not valid"


def test_rates__bounds_are_exact(world):
    """From a thousandth of an asset to a billion of them for a share, to the unit."""
    least, most = 10**15 * 10**world.decimals // 10**18, 10**27 * 10**world.decimals // 10**18
    world.new_feed()
    for assets, valid in ((least, True), (least - 1, False), (most, True), (most + 1, False)):
        world.set_rate(assets)
        rate = assets * 10**18 // 10**world.decimals
        assert world.rates()[0] == (rate if valid else 0)


@pytest.mark.parametrize("assets", [1, 2**128, 2**200])
def test_quote__absurd_rate_is_no_price(world, assets):
    world.new_feed()
    world.set_rate(assets)
    assert world.quote() == NOTHING
    assert world.rates()[0] == 0


@pytest.mark.parametrize("mode", range(8))
def test_quote__broken_vault_is_no_price(world, host, mode):
    vault = host.deploy("BadFeedMock", 18, sender=world.deployer)
    world.send(vault, "BadFeedMock", "set_asset", world.asset)
    world.send(vault, "BadFeedMock", "set_words", [10**world.decimals, 0, 0, 0, 0])
    world.send(vault, "BadFeedMock", "set_mode", 8)
    world.new_feed(vault=vault)
    assert world.quote() == expected(world, WAD, WAD)
    world.send(vault, "BadFeedMock", "set_mode", mode)
    assert world.quote() == NOTHING


@pytest.mark.parametrize("mode", range(1, 9))
def test_quote__broken_base_is_no_price(world, mode):
    world.new_feed()
    world.send(world.base, "BadFeedMock", "set_mode", mode)
    assert world.quote() == NOTHING


def test_quote__price_beyond_bounds_is_no_price(world):
    world.set_rate(2 * 10**world.decimals)
    world.new_feed()
    world.set_base(2**127, 2**127, 2**128 - 1)
    assert world.quote() == NOTHING


def test_quote__worst_case_fits_into_the_gas_of_a_feed(world, host, deployer):
    """The vault near its limit, and a base of three sources of which two burn what they get."""
    from breakwater.abi import Interface
    from breakwater.artifacts import load

    bad = [host.deploy("BadFeedMock", 8, sender=deployer) for _ in range(2)]
    good = host.deploy("AggregatorMock", 8, 100 * 10**8, sender=deployer)
    args = [[*bad, good], [3_600] * 3, 1, 100, False, "ASSET / USD"]
    base = host.deploy("MedianFeed", *args, sender=deployer)
    world.new_feed(base=base)
    for source in bad:
        world.send(source, "BadFeedMock", "set_mode", 2)
    caller = host.deploy("CallerMock", sender=deployer)
    data = Interface(load("RateFeed").abi).function("quote", 0).encode([])
    # the vault spends 5,000 of its 40,000 here
    args = [world.feed, data, 200_000 - 35_000]
    ok, answer = host.call(caller, "CallerMock", "attempt", args, sender=deployer)
    assert ok
    assert int.from_bytes(answer[32:64], "big") == 100 * WAD


@pytest.mark.parametrize(("high", "valid"), [(2**128 - 1, True), (2**128, False)])
def test_quote__highest_price_is_still_one(world, high, valid):
    """At a rate of 1 the base's price is the share's; an answer above 128 bits is none."""
    world.new_feed()
    world.set_base(WAD, WAD, high)
    assert world.quote() == (expected(world, WAD, WAD, (WAD, WAD, high)) if valid else NOTHING)


@pytest.mark.parametrize("rate", [2, 3])
def test_quote__price_beyond_128_bits_is_none(world, rate):
    """A high of 2**127 - 1 at a rate of 2 is the last that fits."""
    world.new_feed()
    world.set_rate(rate * 10**world.decimals)
    base = (WAD, WAD, 2**127 - 1)
    world.set_base(*base)
    told = expected(world, rate * WAD, WAD, base)
    assert world.quote() == (told if rate == 2 else NOTHING)


def test_quote__fall_below_the_reference_counts_at_once_everywhere(world):
    """Only the rise is bounded: no hour in which a loss is lent on, or not liquidated."""
    world.new_feed(growth=10_000)
    world.host.advance(YEAR)
    world.set_base(99 * WAD, 100 * WAD, 101 * WAD)
    world.set_rate(10**world.decimals * 9 // 10)
    assert world.rates() == (WAD * 9 // 10, 2 * WAD)
    assert world.quote() == expected(world, WAD * 9 // 10, WAD * 9 // 10)


@pytest.mark.parametrize("waited", [0, 1, 3_599, 3_600, 3_601, 30 * 86_400])
def test_quote__donation_is_not_lent_on_however_long_it_stays(world, waited):
    """Nor does an hour, or a poke in it, turn the donated rate into a limit to borrow."""
    world.new_feed(growth=500)
    world.set_rate(10 * 10**world.decimals)
    world.poke()
    world.host.advance(waited)
    world.poke()
    world.set_base(99 * WAD, 100 * WAD, 101 * WAD)
    bounded = WAD + WAD * 500 * waited // (10_000 * YEAR)
    assert world.quote() == expected(world, 10 * WAD, bounded)


@pytest.mark.parametrize("sources", [1, 2, 3])
@pytest.mark.parametrize("burns", ["vault", "base", "both"])
def test_gas_limit__is_enough_when_every_call_burns_its_own(host, world, sources, burns):
    from breakwater.driver import RateFeed
    from tests.feeds import FeedWorld

    feeds = FeedWorld(host)
    vault = host.deploy("BadFeedMock", 18, sender=world.deployer)
    world.send(vault, "BadFeedMock", "set_asset", world.asset)
    world.send(vault, "BadFeedMock", "set_words", [10**world.decimals, 0, 0, 0, 0])
    world.send(vault, "BadFeedMock", "set_mode", 8)
    world.new_feed(vault=vault, base=feeds.burning(sources).address)
    feed = RateFeed.at(host, world.feed)
    good = feed.quote()
    assert good != NOTHING
    assert feed.gas_limit() <= 200_000
    assert feeds.with_gas(feed, feed.gas_limit()) == good
    if burns in ("vault", "both"):
        world.send(vault, "BadFeedMock", "set_mode", 2)
    if burns in ("base", "both"):
        feeds.break_all()
    assert feeds.with_gas(feed, feed.gas_limit()) == NOTHING


def test_quote__rate_of_a_rate(world, host):
    """A share of shares over a median of one source fits; over a median of three it does not."""
    from tests.feeds import FeedWorld

    feeds = FeedWorld(host)
    inner = world.new_feed(base=feeds.median(feeds.source(100 * WAD)).address)
    world.new_feed(base=inner)
    world.set_rate(10**world.decimals * 3 // 2)
    assert world.quote()[1] == 225 * WAD
    wide = world.new_feed(base=feeds.median(*(feeds.source(WAD) for _ in range(3))).address)
    with pytest.raises(Reverted) as failure:
        world.new_feed(base=wide)
    assert failure.value.reason == "base needs too much gas"
