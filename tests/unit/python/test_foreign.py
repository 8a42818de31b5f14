"""WETH9 and Uniswap v3 as they are published, through what handles them here."""

from __future__ import annotations

import pytest

from breakwater import foreign
from breakwater.evm import EvmHost
from breakwater.foreign import WETH9, Uniswap
from breakwater.host import Reverted
from breakwater.mocks import TokenMock
from breakwater.units import WAD

pytestmark = pytest.mark.needs("uniswap")

FEE = 500
USDC = 10**6


class World:
    """A pool of 1,000 WETH at 2,000 USDC each, made through the position manager."""

    def __init__(self) -> None:
        self.host = EvmHost()
        self.me = self.host.account("deployer")
        self.weth = WETH9.create(self.host, sender=self.me)
        self.usdc = TokenMock.deploy(self.host, "USDC", "USDC", 6, sender=self.me)
        self.uniswap = Uniswap.create(self.host, self.weth.address, sender=self.me)
        amounts = {self.weth.address: 1_000 * WAD, self.usdc.address: 2_000_000 * USDC}
        self.pool = self.uniswap.create_pool(*amounts, FEE, self.sqrt_price(2_000), sender=self.me)
        for token in (self.weth, self.usdc):
            token.mint(self.me, 2 * amounts[token.address], sender=self.me)
            token.approve(self.uniswap.positions, 2**256 - 1, sender=self.me)
            token.approve(self.uniswap.router, 2**256 - 1, sender=self.me)
        self.uniswap.provide(amounts, FEE, sender=self.me)

    def sqrt_price(self, dollars: int) -> int:
        if int(self.weth.address, 16) < int(self.usdc.address, 16):
            return foreign.sqrt_price_of(dollars, 1, 18, 6)
        return foreign.sqrt_price_of(1, dollars, 6, 18)


@pytest.fixture
def world() -> World:
    return World()


def test_weth__wraps_and_unwraps_the_senders_coins(world):
    host, other = world.host, world.host.account("other")
    before = host.balance(world.me), world.weth.balanceOf(world.me)
    world.weth.mint(other, 3 * WAD, sender=world.me)
    assert world.weth.balanceOf(other) == 3 * WAD
    assert (host.balance(world.me), world.weth.balanceOf(world.me)) == (
        before[0] - 3 * WAD,
        before[1],
    )
    coins = host.balance(other)
    world.weth.burn(other, WAD, sender=other)
    assert host.balance(other) == coins + WAD
    assert world.weth.balanceOf(other) == 2 * WAD
    with pytest.raises(ValueError, match="only who holds"):
        world.weth.burn(other, WAD, sender=world.me)


def test_pool__is_at_the_price_and_holds_the_amounts(world):
    assert world.uniswap.pool(world.usdc.address, world.weth.address, FEE) == world.pool
    assert world.uniswap.sqrt_price(world.pool) == world.sqrt_price(2_000)
    assert world.weth.balanceOf(world.pool) == pytest.approx(1_000 * WAD, rel=1e-9)
    assert world.usdc.balanceOf(world.pool) == pytest.approx(2_000_000 * USDC, rel=1e-9)
    assert world.uniswap.create_pool(
        world.usdc.address, world.weth.address, FEE, 2**96, sender=world.me
    ) == world.pool  # fmt: skip
    assert world.uniswap.sqrt_price(world.pool) == world.sqrt_price(2_000)


def test_swap__brings_what_the_quoter_says(world):
    sold, bought = world.weth.address, world.usdc.address
    quoted = world.uniswap.quote(sold, bought, FEE, 10 * WAD)
    # x · y = k, less the fee
    left = 10 * 0.9995
    assert quoted == pytest.approx(2_000_000 * USDC * left / (1_000 + left), rel=1e-6)
    before = world.usdc.balanceOf(world.me)
    swapped = world.uniswap.swap(sold, bought, FEE, 10 * WAD, sender=world.me, least=quoted)
    assert swapped == quoted == world.usdc.balanceOf(world.me) - before
    with pytest.raises(Reverted, match="Too little received"):
        world.uniswap.swap(sold, bought, FEE, 10 * WAD, sender=world.me, least=quoted)


@pytest.mark.parametrize("dollars", [1_500, 2_600])
def test_swap__stops_at_the_limit(world, dollars):
    limit = world.sqrt_price(dollars)
    sold, bought = world.weth.address, world.usdc.address
    if dollars > 2_000:
        sold, bought = bought, sold
    world.uniswap.swap(sold, bought, FEE, 10**24, sender=world.me, limit=limit)
    assert world.uniswap.sqrt_price(world.pool) == limit
