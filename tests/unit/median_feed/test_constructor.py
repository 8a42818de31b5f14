"""What a median feed refuses to be built from."""

import pytest

from breakwater.host import Reverted


def refused(new_feed, *args, **kwargs):
    with pytest.raises(Reverted) as failure:
        new_feed(*args, **kwargs)
    return failure.value.reason


def test_constructor__no_sources_reverts(new_feed):
    assert refused(new_feed, []) == "no sources"


def test_constructor__ages_do_not_match_reverts(new_feed, new_source):
    sources = [new_source(10**8), new_source(10**8)]
    assert refused(new_feed, sources, [60]) == "one max age for each source"


@pytest.mark.parametrize("quorum", [0, 3])
def test_constructor__quorum_out_of_range_reverts(new_feed, new_source, quorum):
    sources = [new_source(10**8), new_source(10**8)]
    assert refused(new_feed, sources, quorum=quorum) == "quorum is out of range"


@pytest.mark.parametrize("band", [0, 2_001])
def test_constructor__band_out_of_range_reverts(new_feed, new_source, band):
    assert refused(new_feed, [new_source(10**8)], band=band) == "band is out of range"


@pytest.mark.parametrize("age", [59, 68 * 3_600 + 1])
def test_constructor__age_out_of_range_reverts(new_feed, new_source, age):
    assert refused(new_feed, [new_source(10**8)], [age]) == "max age is out of range"


def test_constructor__source_without_code_reverts(new_feed, host):
    assert refused(new_feed, [host.account("nobody")]) == "source has no code"


def test_constructor__same_source_twice_reverts(new_feed, new_source):
    source = new_source(10**8)
    other = new_source(10**8)
    assert refused(new_feed, [source, other, source]) == "source is listed twice"


def test_constructor__too_many_decimals_reverts(new_feed, host, deployer):
    source = host.deploy("AggregatorMock", 31, 1, sender=deployer)
    assert refused(new_feed, [source]) == "source has too many decimals"


def test_constructor__reads_decimals_once(new_feed, new_source, host, deployer, quote):
    source = new_source(10**8)
    feed = new_feed([source])
    host.transact(source, "AggregatorMock", "set_decimals", [6], sender=deployer)
    assert quote(feed)[1] == 10**18
    assert host.call(feed, "MedianFeed", "source", [0]) == (source, 3_600, 8)
    with pytest.raises(Reverted) as failure:
        host.call(feed, "MedianFeed", "source", [1])
    assert failure.value.reason == "no such source"


def test_constructor__ends_of_the_ranges(new_feed, new_source, quote):
    """Quorum of one and of all, the narrowest and the widest band, a minute and 68 hours."""
    sources = [new_source(10**8), new_source(10**8)]
    for quorum, band, age in ((1, 1, 60), (2, 2_000, 68 * 3_600)):
        feed = new_feed(sources, [age, age], quorum=quorum, band=band)
        assert quote(feed)[1] == 10**18
