"""A Curve pool that tells what it is told to, over a base."""

import pytest

from breakwater.driver import CurveEmaFeed
from breakwater.evm import EvmHost
from breakwater.mocks import CurvePoolMock, TokenMock
from breakwater.units import WAD
from tests.feeds import FeedWorld


class World(FeedWorld):
    def __init__(self, host):
        super().__init__(host)
        self.base = self.told(99 * WAD, 100 * WAD, 101 * WAD)

    def pool(self, decimals=(18, 18), rates=None, price=WAD):
        coins = [
            TokenMock.deploy(self.host, "Coin", "COIN", places, sender=self.me)
            for places in decimals
        ]
        rates = rates or [10 ** (36 - places) for places in decimals]
        return CurvePoolMock.deploy(self.host, coins, rates, price, sender=self.me)

    def feed(self, pool, base=None, **rules):
        rules = {
            "index": 1,
            "stable": True,
            "by_index": True,
            "least_half_life": 600,
            "lowest": WAD // 2,
            "highest": 3 * WAD // 2,
            **rules,
        }
        return CurveEmaFeed.deploy(self.host, pool, base or self.base, **rules, sender=self.me)


@pytest.fixture
def host():
    return EvmHost()


@pytest.fixture
def world(host):
    return World(host)
