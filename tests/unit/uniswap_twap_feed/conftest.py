"""A pool of the real Uniswap v3, and one that observes what it is told."""

import pytest

from breakwater.driver import UniswapTwapFeed
from breakwater.evm import EvmHost
from breakwater.foreign import Pool
from breakwater.mocks import TokenMock, UniswapPoolMock
from breakwater.units import WAD
from tests.feeds import FeedWorld

WINDOW = 1_800


def words(*values):
    """As they stand in an answer."""
    return b"".join((value % 2**256).to_bytes(32, "big") for value in values)


class World(FeedWorld):
    def __init__(self, host):
        super().__init__(host)
        self.base = self.told(99 * WAD // 100, WAD, 101 * WAD // 100)

    def mock(self, decimals=(18, 18), observations=200):
        self.tokens = [
            TokenMock.deploy(self.host, "Token", "TKN", places, sender=self.me)
            for places in decimals
        ]
        pool = UniswapPoolMock.deploy(self.host, *self.tokens, observations, sender=self.me)
        self.observe(pool, 0, 10**18)
        return pool

    def observe(self, pool, tick_sum, liquidity, window=WINDOW):
        self.means(pool, tick_sum, (window << 128) // liquidity)

    def means(self, pool, tick_sum, thinness):
        """Over the window, the sum of ticks, and of seconds per liquidity [2**128]."""
        start, first = -(2**40), 2**160 - 1  # this one wraps around
        answer = words(64, 160, 2, start, start + tick_sum, 2, first, (first + thinness) % 2**160)
        pool.set_answer(answer, sender=self.me)

    def feed(self, pool, token, window=WINDOW, least=1, base=None):
        return UniswapTwapFeed.deploy(
            self.host, pool, token, base or self.base, window, least, sender=self.me
        )


@pytest.fixture
def host():
    return EvmHost()


@pytest.fixture
def world(host):
    return World(host)


@pytest.fixture
def pool(host):
    """1 token of 18 decimals for 2,061 of one of 6, held for two windows."""
    pool = Pool(host)
    host.advance(2 * WINDOW)
    return pool
