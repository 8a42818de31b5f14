import pytest

from breakwater.evm import EvmHost


@pytest.fixture
def host():
    return EvmHost()


@pytest.fixture
def deployer(host):
    return host.account("deployer")


@pytest.fixture
def new_source(host, deployer):
    def make(dollars_e8, decimals=8):
        answer = dollars_e8 * 10**decimals // 10**8
        return host.deploy("AggregatorMock", decimals, answer, sender=deployer)

    return make


@pytest.fixture
def new_feed(host, deployer):
    def make(sources, max_ages=None, quorum=1, band=100, pegged=False):
        ages = max_ages or [3_600] * len(sources)
        args = [sources, ages, quorum, band, pegged, "ASSET / USD"]
        return host.deploy("MedianFeed", *args, sender=deployer)

    return make


@pytest.fixture
def quote(host):
    def read(feed):
        return host.call(feed, "MedianFeed", "quote")

    return read
