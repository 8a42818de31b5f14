"""A staked token of 18 decimals over an asset, and a base feed that says what it is told."""

import pytest

from breakwater.evm import EvmHost

WAD = 10**18


@pytest.fixture(params=[6, 8, 18])
def asset_decimals(request):
    return request.param


@pytest.fixture
def host():
    return EvmHost()


@pytest.fixture
def deployer(host):
    return host.account("deployer")


class World:
    def __init__(self, host, deployer, decimals):
        self.host = host
        self.deployer = deployer
        self.decimals = decimals
        self.asset = host.deploy("TokenMock", "Asset", "AST", decimals, sender=deployer)
        self.vault = self._deploy("StakedTokenMock", "Staked", "sAST", self.asset)
        self.base = self._deploy("BadFeedMock", 18)
        self.set_base(99 * WAD, 100 * WAD, 101 * WAD)
        self.set_rate(10**decimals)

    def _deploy(self, name, *args):
        return self.host.deploy(name, *args, sender=self.deployer)

    def send(self, address, name, function, *args):
        return self.host.transact(address, name, function, list(args), sender=self.deployer)

    def set_base(self, low, price, high, updated_at=None, status=2):
        words = [low, price, high, updated_at or self.host.now, status]
        self.send(self.base, "BadFeedMock", "set_words", words)

    def set_rate(self, assets):
        self.send(self.vault, "StakedTokenMock", "set_rate", assets)

    def new_feed(self, growth=1_000, vault=None, base=None):
        self.feed = self._deploy("RateFeed", vault or self.vault, base or self.base, growth)
        return self.feed

    def quote(self):
        return self.host.call(self.feed, "RateFeed", "quote")

    def rates(self):
        return self.host.call(self.feed, "RateFeed", "rates")

    def poke(self):
        return self.send(self.feed, "RateFeed", "poke")


@pytest.fixture
def world(host, deployer, asset_decimals):
    return World(host, deployer, asset_decimals)
