"""The contracts of the periphery in a market: what is deployed beside the protocol, and is no part.

One of them joins the campaigns with a function here, its model in `breakwater.model`, actions in
`breakwater.fuzz.actions.PERIPHERY`, and what it promises in the watch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from breakwater import mocks
from breakwater.driver import BackstopPool, FlashLiquidator
from breakwater.fuzz import pricing

if TYPE_CHECKING:
    from breakwater.fuzz.world import World

FLASH = "flash.liquidator"
"""Name of the flash liquidator."""

LIQUIDITY = 30_000
"""[dollars] of each token in a swap pool at first: less than some liquidations sell."""

MADE = ("BackstopPool", "FlashLiquidator")
"""Kinds that sequences deploy once more, with good arguments and with bad ones."""


def deploy(world: World) -> None:
    """All of it, as far as the profile lists something for it."""
    for symbol in world.pools:
        engine, token = world.contracts["engine"], world.contracts[f"token.{symbol}"]
        world._deploy(f"backstop.{symbol}", BackstopPool, engine, token)
    if world.swaps:
        _swaps(world)
    if world.has_periphery:
        for kind in MADE:
            pricing.deploy_factory(world, kind)


def _swaps(world: World) -> None:
    """Pools at the first prices, their factory, and who sells in them."""
    factory = world._deploy("swap.factory", mocks.SwapFactoryMock)
    for symbol, (other, fee) in world.swaps.items():
        listings = sorted(
            (world.listings[one] for one in (symbol, other)),
            key=lambda one: int(world.address(f"token.{one.symbol}"), 16),
        )
        tokens = [world.contracts[f"token.{one.symbol}"] for one in listings]
        pool = world._deploy(f"swap.{symbol}", mocks.SwapPoolMock, *tokens, fee)
        amounts = [one.amount(LIQUIDITY) for one in listings]
        for one, amount in zip(listings, amounts, strict=True):
            world._do(f"token.{one.symbol}", "mint", pool, amount)
        world._do(f"swap.{symbol}", "set_odds", amounts, 0, 1)
        world._do("swap.factory", "set_pool", *tokens, fee, pool)
    world._deploy(FLASH, FlashLiquidator, world.contracts["engine"], factory)
