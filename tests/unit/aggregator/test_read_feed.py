"""`_read_feed`: a feed of ours is no more trusted than a foreign one."""

import pytest

from breakwater import artifacts
from breakwater.abi import Interface
from breakwater.driver import MedianFeed
from breakwater.host import decode_reason
from tests.feeds import FeedWorld

INVALID = (0, 0, 0, 0, 0)
WAD = 10**18


@pytest.fixture
def feed(host, deployer):
    return host.deploy("BadFeedMock", 18, sender=deployer)


@pytest.fixture
def answer(host, deployer, feed, reader):
    def act(*words):
        host.transact(feed, "BadFeedMock", "set_words", [list(words)], sender=deployer)
        return reader.read_feed(feed)

    return act


@pytest.mark.parametrize("status", [1, 2, 3])
def test_read_feed__good(host, answer, status):
    words = (WAD - 1, WAD, WAD + 1, host.now, status)
    assert answer(*words) == words


@pytest.mark.parametrize(
    "words",
    [
        (0, WAD, WAD, 0, 2),
        (WAD + 1, WAD, WAD + 2, 0, 2),
        (WAD, WAD + 1, WAD, 0, 2),
        (WAD, WAD, 2**128, 0, 2),
        (WAD, WAD, 2**256 - 1, 0, 2),
        (WAD, WAD, WAD, 1, 2),
        (WAD, WAD, WAD, 0, 0),
        (WAD, WAD, WAD, 0, 4),
        (WAD, WAD, WAD, 0, 2**256 - 1),
    ],
)
def test_read_feed__not_valid(host, answer, words):
    low, price, high, ahead, status = words
    assert answer(low, price, high, host.now + ahead, status) == INVALID


def test_read_feed__never_updated(answer):
    assert answer(WAD, WAD, WAD, 0, 2) == INVALID


@pytest.mark.parametrize("mode", range(1, 8))
def test_read_feed__broken_source_is_not_valid(host, deployer, reader, feed, mode):
    host.transact(feed, "BadFeedMock", "set_mode", [mode], sender=deployer)
    assert reader.read_feed(feed) == INVALID


def test_read_feed__no_code_is_not_valid(host, reader):
    assert reader.read_feed(host.account("nobody")) == INVALID


METER = """
# pragma version 0.4.3

@view
@external
def quote() -> (uint256, uint256, uint256, uint256, uint256):
    left: uint256 = msg.gas
    return left, left, left, block.timestamp, 1
"""


def test_read_feed__feed_gets_the_gas_that_it_may_ask_for(host, deployer, reader):
    """A feed whose `gas_limit` is the highest, 200,000, is read with so much."""
    artifact = artifacts.compile_source(METER, "FeedMeter")
    meter = MedianFeed.at(host, host.deploy_raw(artifact.abi, artifact.bytecode, sender=deployer))
    assert reader.read_feed(meter.address) == FeedWorld(host).with_gas(meter, 200_000)


def test_read_feed__needs_what_63_of_64_parts_leave_to_the_feed(host, deployer, reader, feed):
    """And 6,600 more, before it; a thousand are spent by then at most."""
    need = 200_000 * 64 // 63 + 6_600
    caller = host.deploy("CallerMock", sender=deployer)
    data = Interface(reader.abi).function("read_feed", 1).encode([feed])

    def attempt(gas):
        args = [reader.address, data, gas]
        return host.call(caller, "CallerMock", "attempt", args, sender=deployer)

    ok, answer = attempt(need)
    assert (ok, decode_reason(answer)) == (False, "too little gas")
    ok, answer = attempt(need + 1_000)
    assert ok
    assert len(answer) == 160
