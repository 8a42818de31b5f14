"""`_read_feed`: a feed of ours is no more trusted than a foreign one."""

import pytest

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
