"""What the assets of a market are priced by, as it is set up; and who deploys more feeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from breakwater import mocks
from breakwater.abi import created
from breakwater.contract import Contract
from breakwater.driver import (
    CheckedFeed,
    CurveEmaFeed,
    MedianFeed,
    NavFeed,
    RateFeed,
    UniswapTwapFeed,
)
from breakwater.fuzz import pools
from breakwater.fuzz.profiles import Listing

if TYPE_CHECKING:
    from breakwater.fuzz.world import World

FEEDS = (
    "CheckedFeed", "CurveEmaFeed", "MedianFeed", "NavFeed", "RateFeed", "UniswapTwapFeed",
)  # fmt: skip
"""Kinds of feeds that sequences deploy."""


def deploy_factory(world: World, kind: str) -> None:
    """A contract that deploys contracts of a kind, from a blueprint."""
    blueprint = world._blueprint(kind)
    name = f"factory.{kind}"
    factory = world._deploy(name, mocks.FactoryMock, blueprint)
    for nonce in range(1, 9):  # as many as it makes
        made = created(factory.address, nonce)
        world.host.register(made, kind)
        world._names[made] = f"{name}.{nonce}"


def deploy_misfits(world: World) -> None:
    """Pools and tokens that no feed can be made of."""
    coin, other = world.contracts["token.USDC"], world.contracts["token.LATE"]
    coarse, fine = (
        world._deploy(f"coin.{name}", mocks.TokenMock, name, name, decimals)
        for name, decimals in (("coarse", 5), ("fine", 25))
    )
    world._deploy("coin.share", mocks.StakedTokenMock, "share", "share", fine)
    world._deploy("pool.scaled", mocks.CurvePoolMock, [coin, other], [10**30, 10**26], 10**18)
    world._deploy("pool.thin", mocks.UniswapPoolMock, coin, other, 1)
    for name, token in (("coarse", coarse), ("fine", fine)):
        world._deploy(f"pool.{name}", mocks.UniswapPoolMock, token, coin, pools.OBSERVATIONS)


def _sources(world: World, listing: Listing) -> list[Contract]:
    """The aggregators of an asset."""
    symbol, dollars = listing.symbol, listing.dollars
    sources: list[Contract] = []
    for index, source in enumerate(listing.sources):
        name, kind = f"source.{symbol}.{index}", getattr(mocks, source)
        if source == "BadFeedMock":
            sources.append(world._deploy(name, kind, 8))
            now = world.host.now
            world._do(name, "set_words", [1, dollars * 10**8, now, now, 1])
        else:
            clamps = [clamp * 10**8 for clamp in listing.clamps] if index == 0 else []
            clamps = clamps if source == "ClampedAggregatorMock" else []
            sources.append(world._deploy(name, kind, 8, dollars * 10**8, *clamps))
    return sources


def feed_of(world: World, listing: Listing, token: Contract, max_age: int) -> Contract:
    """What an asset is priced by."""
    symbol, sources = listing.symbol, _sources(world, listing)
    found: Contract
    if listing.rate_over:
        base = world.contracts[f"feed.{listing.rate_over}"]
        found = world._deploy(f"feed.{symbol}", RateFeed, token, base, 1_000)
    elif listing.market:
        if sources:
            base = world._deploy(
                f"base.{symbol}", MedianFeed, sources, [max_age], 1, listing.band,
                listing.pegged, symbol,
            )  # fmt: skip
        else:
            base = world._deploy(
                f"nav.{symbol}", NavFeed, listing.dollars * 10**18, world.roles["keeper"],
                pools.NAV_AGE, pools.NAV_GROWTH,
            )  # fmt: skip
        market = _market(world, listing, token)
        found = world._deploy(
            f"feed.{symbol}", CheckedFeed, base, market, listing.band, not sources
        )
    elif len(sources) > 1:
        found = world._deploy(
            f"feed.{symbol}", MedianFeed, sources, [max_age] * len(sources), 1,
            listing.band, listing.pegged, symbol,
        )  # fmt: skip
    else:
        found = sources[0]
    return found


def _market(world: World, listing: Listing, token: Contract) -> Contract:
    """The feed that checks an asset, over a pool with the asset USDC at a dollar."""
    symbol, dollars, name = listing.symbol, listing.dollars, f"pool.{listing.symbol}"
    coin, dollar = world.contracts["token.USDC"], world.contracts["nav.dollar"]
    found: Contract
    if listing.market == "CurveEmaFeed":
        rates = [10**30, 10 ** (36 - listing.decimals)]
        pool = world._deploy(name, mocks.CurvePoolMock, [coin, token], rates, dollars * 10**18)
        found = world._deploy(
            f"market.{symbol}", CurveEmaFeed, pool, dollar, 1, True, True,
            pools.LEAST_HALF_LIFE, *pools.ema_bounds(dollars),
        )  # fmt: skip
        return found
    pool = world._deploy(name, mocks.UniswapPoolMock, coin, token, pools.OBSERVATIONS)
    tick = pools.tick_of(dollars * 10**8, listing.decimals)
    answer = pools.as_bytes(pools.observations(tick))
    world._do(name, "set_answer", bytes.fromhex(answer[2:]))
    found = world._deploy(
        f"market.{symbol}", UniswapTwapFeed, pool, token, dollar, pools.WINDOW,
        pools.LEAST_LIQUIDITY,
    )  # fmt: skip
    return found
