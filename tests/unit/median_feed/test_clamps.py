"""An answer at the clamp of its aggregator, or within 1 % of it, is no price: LUNA, May 2022."""

import pytest

from breakwater.host import Reverted

NOTHING = (0, 0, 0, 0, 0)
E8 = 10**8
NONE = 2**256 - 1


@pytest.fixture
def clamped(host, deployer):
    def make(lowest, highest, answer=100 * E8, decimals=8):
        args = decimals, answer, lowest, highest
        return host.deploy("ClampedAggregatorMock", *args, sender=deployer)

    return make


@pytest.fixture
def answers(host, deployer):
    def act(source, answer):
        args = [2, answer, host.now, 2]
        host.transact(source, "ClampedAggregatorMock", "set_round", args, sender=deployer)

    return act


def clamps(host, feed):
    return host.call(feed, "MedianFeed", "clamps", [0])


@pytest.mark.parametrize(
    ("answer", "valid"),
    [
        (10 * E8, False),
        (10 * E8 * 101 // 100, False),
        (10 * E8 * 101 // 100 + 1, True),
        (1_000 * E8 * 99 // 100 - 1, True),
        (1_000 * E8 * 99 // 100, False),
        (1_000 * E8, False),
        (1_001 * E8, False),
        (1, False),
    ],
)
def test_quote__within_a_hundredth_of_a_clamp(new_feed, quote, clamped, answers, answer, valid):
    source = clamped(10 * E8, 1_000 * E8)
    feed = new_feed([source])
    answers(source, answer)
    assert (quote(feed) != NOTHING) == valid
    if valid:
        assert quote(feed)[1] == answer * 10**10


@pytest.mark.parametrize("decimals", [0, 6, 8, 18, 19, 24, 30])
@pytest.mark.parametrize("clamp", [0, 1, 99, 100, 101, 12_345, 10**18, 2**191 - 1])
def test_clamps__are_rounded_inwards(host, new_feed, clamped, decimals, clamp):
    """What is valid in WAD is farther than 1 % from the clamp in units of the answer."""
    lowest = clamps(host, new_feed([clamped(clamp, -1, decimals=decimals)]))
    highest = clamps(host, new_feed([clamped(-1, clamp, decimals=decimals)]))
    assert (lowest[1], highest[0]) == (NONE, 0)
    # the least and the highest answer that could be valid, and what their price is
    below, above = clamp * 101 // 100, -(-clamp * 99 // 100)
    if decimals <= 18:
        scale = 10 ** (18 - decimals)
        assert (lowest[0], highest[1]) == (below * scale, above * scale)
    else:
        scale = 10 ** (decimals - 18)
        assert (lowest[0] + 1) * scale > below >= lowest[0] * scale
        assert (highest[1] + 1) * scale > above >= highest[1] * scale


def test_clamps__behind_a_proxy(host, deployer, new_feed, quote, clamped, answers):
    """The proxy's own words are not asked: EACAggregatorProxy has none."""
    behind = clamped(10 * E8, 1_000 * E8)
    proxy = clamped(0, 2**191 - 1)
    host.transact(proxy, "ClampedAggregatorMock", "set_aggregator", [behind], sender=deployer)
    feed = new_feed([proxy])
    assert clamps(host, feed) == (10 * E8 * 101 // 100 * 10**10, 990 * E8 * 10**10)
    answers(proxy, 10 * E8)
    assert quote(feed) == NOTHING


def test_clamps__that_nobody_tells(host, deployer, new_feed, new_source, clamped):
    """No such function, a proxy of nothing, of an account, and of a contract without clamps."""
    assert clamps(host, new_feed([new_source(100 * E8)])) == (0, NONE)
    plain = new_source(100 * E8)
    for behind in (host.account("nobody"), plain):
        proxy = clamped(10 * E8, 1_000 * E8)
        host.transact(proxy, "ClampedAggregatorMock", "set_aggregator", [behind], sender=deployer)
        assert clamps(host, new_feed([proxy])) == (0, NONE)


@pytest.mark.parametrize("wrong", [-1, -(2**255), 2**191, 2**255 - 1])
def test_clamps__no_int192_above_zero(host, new_feed, clamped, wrong):
    assert clamps(host, new_feed([clamped(wrong, wrong)])) == (0, NONE)


@pytest.mark.parametrize("mode", range(1, 8))
def test_clamps__of_a_broken_source(host, deployer, new_feed, mode):
    """A source that fails at everything but its decimals."""
    source = host.deploy("BadFeedMock", 8, sender=deployer)
    host.transact(source, "BadFeedMock", "set_mode", [mode], sender=deployer)
    assert clamps(host, new_feed([source])) == (0, NONE)


def test_clamps__of_each_source(host, new_feed, new_source, clamped):
    sources = [clamped(E8, 2**191 - 1), new_source(100 * E8), clamped(0, 1_000 * E8)]
    feed = new_feed(sources)
    found = [host.call(feed, "MedianFeed", "clamps", [i]) for i in range(3)]
    most = -(-(2**191 - 1) * 99 // 100) * 10**10
    assert found == [(101 * 10**16, most), (0, NONE), (0, 990 * 10**18)]
    with pytest.raises(Reverted) as failure:
        host.call(feed, "MedianFeed", "clamps", [3])
    assert failure.value.reason == "no such source"


def test_clamps__are_those_of_construction(host, deployer, new_feed, quote, clamped, answers):
    source = clamped(10 * E8, 1_000 * E8)
    feed = new_feed([source])
    args = [1, 2**191 - 1]
    host.transact(source, "ClampedAggregatorMock", "set_clamps", args, sender=deployer)
    answers(source, 10 * E8)
    assert quote(feed) == NOTHING


def test_quote__one_source_at_its_clamp_is_left_out(new_feed, new_source, quote, clamped, answers):
    source = clamped(10 * E8, 1_000 * E8)
    feed = new_feed([source, new_source(5 * E8)], quorum=1)
    answers(source, 10 * E8)
    assert quote(feed)[1:5:3] == (5 * 10**18, 1)


@pytest.mark.parametrize("sources", [1, 2, 3])
def test_gas_limit__is_enough_when_every_source_burns_its_own(host, sources):
    from tests.feeds import FeedWorld

    world = FeedWorld(host)
    feed = world.burning(sources)
    good = feed.quote()
    assert world.with_gas(feed, feed.gas_limit()) == good
    world.break_all()
    assert feed.gas_limit() <= 200_000
    assert world.with_gas(feed, feed.gas_limit()) == NOTHING
