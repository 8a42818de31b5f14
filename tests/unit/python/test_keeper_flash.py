"""The keeper without capital: through `FlashLiquidator` and the real Uniswap v3."""

from __future__ import annotations

from math import floor, log

import pytest

from breakwater.driver import FlashLiquidator
from breakwater.foreign import FEE, Pool, factory
from breakwater.keeper.store import Store
from breakwater.units import WAD, account_id
from tests.keeper_world import World

pytestmark = pytest.mark.needs("uniswap")
DOLLARS = {"USDC": 1.0, "WETH": 2_600.0, "WBTC": 60_000.0}


class FlashWorld(World):
    """With a factory, and a keeper that holds nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.factory = factory(self.host)
        self.flash = FlashLiquidator.deploy(
            self.host, self.protocol.credit_engine, self.factory, sender=self.people["deployer"]
        )
        self.sender = self.host.account("penniless")

    def pool(self, one: str, other: str, depth: int = 10**24, fee: int = FEE) -> Pool:
        names = sorted((one, other), key=lambda name: int(self.token(name).address, 16))
        decimals = [self.protocol.market.decimals(name) for name in names]
        ratio = DOLLARS[names[0]] / DOLLARS[names[1]] * 10 ** (decimals[1] - decimals[0])
        return Pool(
            self.host, tick=floor(log(ratio, 1.0001)), liquidity=depth, observations=1,
            made_by=self.factory, tokens=(self.token(names[0]), self.token(names[1])), fee=fee,
        )  # fmt: skip


@pytest.fixture(scope="module")
def made() -> tuple[FlashWorld, int]:
    world = FlashWorld()
    world.borrow(0, 2_390, WETH=1)
    world.price("WETH", 2_600)
    return world, world.host.snapshot()


@pytest.fixture
def world(made: tuple[FlashWorld, int]) -> FlashWorld:
    world, start = made
    world.host.restore(start)
    world.said.clear()
    return world


def test_flash__sells_in_a_pool(world):
    world.pool("WETH", "USDC")
    store = Store(None)
    seen = world.look(store, flash=world.flash)
    assert [deal.way for deal in seen.deals] == ["flash"]
    left = [one for _, _, one in world.host.past if one.name == "FlashLiquidate"]
    assert [row.profit for row in store.liquidations()] == [one.profit for one in left]
    assert left[0].profit == world.token("USDC").balanceOf(world.sender) > 0
    assert store.outcomes() == {"mined": 1}
    assert world.look(store, flash=world.flash).below == 0


def test_flash__takes_the_best_way_there_is(world):
    """Over WBTC by two cheap pools rather than in one dear one; the deep one rather than both."""
    world.pool("WETH", "USDC", depth=10**15, fee=10_000)
    world.pool("WETH", "WBTC", fee=500)
    world.pool("WBTC", "USDC", fee=500)
    looked = world.look(Store(None), flash=world.flash, dry=True)
    assert looked.deals[0].routes[0].middle == world.token("WBTC").address
    world.pool("WETH", "USDC", fee=500)
    looked = world.look(Store(None), flash=world.flash, dry=True)
    assert looked.deals[0].routes[0][1:3] == (500, "0x" + 40 * "0")


def test_flash__retries_smaller_where_the_pool_is_thin(world):
    """The whole would move the pool by more than the incentive."""
    world.pool("WETH", "USDC", depth=5 * 10**14)
    tokens = world.token("USDC"), world.token("WETH")
    account = account_id(world.people["borrower"], 0)
    whole = world.protocol.lens.preview_liquidate(account, *tokens, 2**120).repay
    seen = world.look(Store(None), flash=world.flash, least_gain=2 * WAD)
    assert [deal.way for deal in seen.deals] == ["flash"]
    repaid = world.liquidations()[0].repaid
    assert repaid == seen.deals[0].most
    assert repaid in [pytest.approx(whole // 2**n, rel=1e-6) for n in (1, 2, 3)]


def test_flash__several_collaterals_are_all_sold(world):
    world.pool("WETH", "USDC", fee=500)
    world.pool("WBTC", "USDC", fee=500)
    account = world.borrow(1, 12_000, WETH=1, WBTC=0.24)
    world.price("WETH", 2_600 * 0.5)
    world.price("WBTC", 60_000 * 0.7)
    for _ in range(20):
        # under water only at a jump: ten minutes, and pokes that see it last
        world.host.advance(60)
        world.protocol.refresh(sender=world.people["deployer"])
        world.protocol.poke(sender=world.people["deployer"])
    store = Store(None)
    world.look(store, flash=world.flash)
    ours = [row for row in store.liquidations() if row.account == account]
    assert [row.way for row in ours] == ["flash"]
    assert ours[0].bad_debt > 0
    for symbol in ("WETH", "WBTC"):
        assert world.token(symbol).balanceOf(world.sender) == 0


def test_flash__without_a_pool(world):
    seen = world.look(Store(None), flash=world.flash)
    assert seen.deals == []
    assert seen.reasons == {"no capital to repay with": 1}


def test_flash__own_capital_comes_first_where_it_pays_for_all(world):
    world.pool("WETH", "USDC")
    who = world.sender
    world.token("USDC").mint(who, 10**10, sender=who)
    assert [deal.way for deal in world.look(Store(None), flash=world.flash).deals] == ["own"]
