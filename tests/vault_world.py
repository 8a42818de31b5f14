"""A vault and its fund on a chain of their own; the engine and the breaker are plain accounts."""

from types import SimpleNamespace

import pytest

from breakwater.evm import EvmHost
from breakwater.host import Reverted
from breakwater.model import vault_books

YEAR = 365 * 86_400
RAY = 10**27
WAD = 10**18
CONFIG = {
    "reserve_factor": 1_000,
    "target_utilization": 9_000,
    "steepness": 40_000,
    "adjustment_speed": 500_000,
    "initial_rate": 400,
    "min_rate": 10,
    "max_rate": 20_000,
    "flash_fee": 0,
    "min_adaptive_debt": 0,
    "deposit_cap": 2**100,
    "debt_cap": 2**100,
    "limit_floor": 0,
    "outflow_limit": 0,
    "growth_limit": 0,
}


def packed(config):
    """The word and the flash fee that a vault takes."""
    wanted = vault_books.VaultConfig(**config)
    return vault_books.packed(wanted), wanted.flash_fee


class World(SimpleNamespace):
    """Token, vault, fund and the accounts that act on them."""

    def act(self, function, *args, sender=None):
        return self.host.transact(
            self.vault, "LendingVault", function, list(args), sender=sender or self.lender
        )

    def read(self, function, *args):
        return self.host.call(self.vault, "LendingVault", function, list(args))

    def configure(self, **config):
        self.config = {**self.config, **config}
        return self.act("write_config", *packed(self.config), sender=self.owner)

    def lend(self, assets):
        return self.act("lend", assets, self.borrower, sender=self.engine).value

    def collect(self, assets, shares, fund_fee=0):
        return self.act(
            "collect", assets, shares, self.borrower, fund_fee, sender=self.engine
        ).value

    def refuses(self, reason, function, *args, sender=None):
        with pytest.raises(Reverted) as caught:
            self.act(function, *args, sender=sender)
        assert caught.value.reason == reason

    def stake(self, function, *args, sender=None):
        return self.host.transact(
            self.fund, "InsuranceFund", function, list(args), sender=sender or self.lender
        )

    def staked(self, function, *args):
        return self.host.call(self.fund, "InsuranceFund", function, list(args))

    def fund_refuses(self, reason, function, *args, sender=None):
        with pytest.raises(Reverted) as caught:
            self.stake(function, *args, sender=sender)
        assert caught.value.reason == reason

    def tokens(self, owner):
        return self.host.call(self.token, self.token_kind, "balanceOf", [owner])

    def events(self, receipt, name):
        return [log.args for log in receipt.logs if log.name == name]


@pytest.fixture
def new_world():
    def make(decimals=18, token="TokenMock", seed=None, engine=None, opened=True, **config):
        host = EvmHost()
        names = ("owner", "breaker", "lender", "borrower", "other")
        world = World(host=host, token_kind=token, **{name: host.account(name) for name in names})
        world.config = {**CONFIG, **config}
        world.unit = 10**decimals
        world.token = host.deploy(token, "Token", "TKN", decimals, sender=world.owner)
        world.engine = engine(host) if engine else host.account("engine")
        world.vault = host.deploy(
            "LendingVault",
            world.token,
            world.engine,
            world.breaker,
            "Vault",
            "bTKN",
            world.owner,
            sender=world.owner,
        )
        world.fund = host.deploy("InsuranceFund", world.vault, "Fund", "fTKN", sender=world.owner)
        for name in names:
            account = getattr(world, name)
            host.transact(world.token, token, "mint", [account, 2**100], sender=world.owner)
            host.transact(world.token, token, "approve", [world.vault, 2**256 - 1], sender=account)
            world.act("approve", world.fund, 2**256 - 1, sender=account)
        world.seed = world.unit if seed is None else seed
        if opened:
            args = (world.fund, world.seed, *packed(world.config))
            world.act("open", *args, sender=world.owner)
        return world

    return make


@pytest.fixture
def world(new_world):
    return new_world()
