"""Feeds that somebody deploys, over what the market has, with good arguments and with bad ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from breakwater.fuzz import pools
from breakwater.fuzz.actions import feeds
from breakwater.fuzz.genes import NOBODY, Call, Gene
from breakwater.fuzz.pricing import FEEDS
from breakwater.fuzz.slots import slot
from breakwater.units import WAD

if TYPE_CHECKING:
    from breakwater.fuzz.player import Player

MOCK: Final = "FactoryMock"
_YEAR: Final = 366 * 86_400


def deploy(p: Player, g: Gene) -> list[Call] | None:
    """A feed, and what it quotes: now, while what it stands on is wrong, or later."""
    if f"factory.{FEEDS[0]}" not in p.world.contracts:
        return None
    kind = FEEDS[g[2] % len(FEEDS)]
    factory = f"factory.{kind}"
    asked: Call = ("keeper", factory, "quote", (), 0, 0)
    args, wrong = _arguments(p, g, kind)
    if g[3] & 3 == 3 and p.storage(p.world.contracts[factory].address, slot(MOCK, "made")):
        return [p.call(g, "keeper", factory, "quote")]
    made = p.call(g, "keeper", factory, "make", {"constructor": kind, "args": args})
    if g[4] & 3 == 3:
        at, value = wrong[g[5] % len(wrong)]
        args[at] = value
        return [made]
    calls = [made, asked]
    if g[7] & 1:
        return calls
    lies, ends = _lies(p, g)
    return [*lies, *calls, *ends] if g[7] & 2 else [*calls, *lies, asked, *ends, asked]


def _lies(p: Player, g: Gene) -> tuple[list[Call], list[Call]]:
    """What is wrong with something for a while, and how that ends."""

    def of(name: str, function: str, *args: Any) -> list[Call]:
        return [("keeper", name, function, args, 0, 0)]

    what = g[1] >> 3
    kind = _LIES[FEEDS[g[2] % len(FEEDS)]][g[1] & 7]
    if kind == 0:
        rate = (0, 1, 10**31, 10**46, WAD // 2, 10**27)[what % 6]
        return of("token.wstETH", "set_rate", rate), of("token.wstETH", "set_rate", WAD)
    if kind == 1:
        name = "source.WBTC.0"
        lies = of(name, "set_round", 1, -(what & 1), {"now": -86_401}, 1)
        return lies, [p.feed(name, p.answer(name), 0, 0)]
    if kind == 2:
        name = ("source.WETH.0", "source.LATE.0")[what & 1]
        places = (31, 30, 20, 0)[what >> 1 & 3]
        return of(name, "set_decimals", places), of(name, "set_decimals", 8)
    if kind == 3:
        name = "source.WETH.0"
        least, most = (clamp * 10**8 for clamp in p.world.listings["WETH"].clamps)
        clamps = ((-1, 2**191), (2**191, most), (0, 2**191 - 1), (least, most))[what & 3]
        behind = ("@source.WBTC.0", "@source.USDC.0", NOBODY)[(what >> 2) % 3]
        lies = of(name, "set_clamps", *clamps) + of(name, "set_aggregator", behind)
        return lies, of(name, "set_clamps", least, most) + of(name, "set_aggregator", NOBODY)
    if kind == 8:
        # the bad feed, as a feed of ours
        name, now = "source.HOOK.0", {"now": 0}
        words = ([1, 1, WAD, now, 1], [WAD, WAD, WAD, now, 3], [1, 2**127, 2**128 - 1, now, 2])
        return of(name, "set_words", words[what % 3]), [p.feed(name, p.answer(name), 0, 0)]
    name = ("pool.ODD", "pool.WBTC", "nav.ODD", "nav.dollar")[kind & 3]
    gene = bytes([0, 0, 0, 7 if name == "nav.dollar" else 0, what, g[5], 0, g[5] >> 1])
    return [feeds.bad_pool(p, gene, name)[0]], [p.feed(name, p.answer(name), 0, 0)]


_LIES: Final = {
    "CheckedFeed": (1, 4, 4, 5, 5, 6, 7, 8),
    "CurveEmaFeed": (1, 4, 4, 4, 4, 8, 8, 8),
    "MedianFeed": (1, 2, 2, 2, 3, 3, 3, 3),
    "NavFeed": (1, 2, 3, 4, 5, 6, 7, 8),
    "RateFeed": (0, 0, 0, 0, 1, 8, 8, 8),
    "UniswapTwapFeed": (1, 5, 5, 5, 5, 5, 8, 8),
}
"""Kinds of what may go wrong below a feed."""

_Wrong = tuple[tuple[int, Any], ...]
"""Place of an argument, and a value that the constructor mostly refuses."""


def _arguments(p: Player, g: Gene, kind: str) -> tuple[list[Any], _Wrong]:
    """Arguments that a feed may have, and what it may not have."""
    what = g[3] >> 2
    bases = ("@nav.dollar", "@base.WBTC", "@feed.USDC", "@feed.WETH", "@source.HOOK.0")
    base = bases[what % 5]
    if kind == "NavFeed":
        publisher = NOBODY if what & 1 else "@keeper"
        args: list[Any] = [WAD, publisher, 3_600, 0 if what & 1 else 10_000]
        return args, (
            (0, 0), (0, 2**128), (2, 3_599), (2, _YEAR + 1), (3, 10_001), (3, 1 + (what >> 1)),
        )  # fmt: skip
    if kind == "MedianFeed":
        sources = ["@source.WETH.0", "@source.LATE.0", "@source.USDC.1"][what % 3 :]
        ages = [(86_400, 60, 68 * 3_600)[what % 3]] * len(sources)
        args = [sources, ages, 1 + what % len(sources), 2_000, bool(what & 8), "of any"]
        return args, (
            (0, []), (1, []), (2, 0), (2, 4), (3, 0), (3, 2_001), (0, ["@lender_1", *sources[1:]]),
            (0, ["@source.LATE.0"] * len(sources)), (1, [59] * len(sources)),
            (1, [68 * 3_600 + 1] * len(sources)), (0, ["@nav.dollar", *sources[1:]]),
        )  # fmt: skip
    if kind == "RateFeed":
        return ["@token.wstETH", base, 1 + what % 3 * 5_000], (
            (0, "@lender_1"), (1, "@lender_1"), (2, 0), (2, 10_001), (1, "@feed.wstETH"),
            (0, "@token.USDC"), (0, "@source.HOOK.0"), (0, "@vault.USDC"), (0, "@coin.share"),
        )  # fmt: skip
    if kind == "CurveEmaFeed":
        lowest, highest = pools.ema_bounds(3)
        by_index = bool(what & 2)
        base = "@source.HOOK.0" if what & 12 == 12 else bases[what % 2]
        args = ["@pool.ODD", base, 1, bool(what & 1), by_index, 300, lowest, highest]
        return args, (
            (0, "@lender_1"), (1, "@lender_1"), (2, 0), (2, 8), (2, 2), (5, 299), (5, 700_000),
            (5, 86_400), (6, 0), (6, highest), (7, 2**128), (7, lowest + 1), (1, "@feed.wstETH"),
            (0, "@pool.scaled"),
        )  # fmt: skip
    if kind == "UniswapTwapFeed":
        token = ("@token.WBTC", "@token.USDC")[what & 1]
        base = "@source.HOOK.0" if what & 12 == 12 else bases[what % 2]
        args = ["@pool.WBTC", token, base, pools.WINDOW, 10**9]
        return args, (
            (0, "@lender_1"), (2, "@lender_1"), (3, 1_799), (3, 86_401), (3, 3_600), (4, 0),
            (4, 2**128), (4, 10**13), (1, "@token.WETH"), (2, "@feed.WETH"),
            (0, "@pool.thin"), (0, "@pool.coarse"), (0, "@pool.fine"),
        )  # fmt: skip
    found = (
        ("@base.WBTC", "@market.WBTC"), ("@nav.ODD", "@market.ODD"), ("@source.HOOK.0", base),
        ("@nav.dollar", "@feed.USDC"), ("@feed.USDC", "@nav.dollar"),
    )[what % 5]  # fmt: skip
    return [*found, (1, 300, 2_000)[g[5] % 3], bool(what & 8)], (
        (0, "@lender_1"), (1, "@lender_1"), (1, found[0]), (2, 0), (2, 2_001), (0, "@feed.wstETH"),
        (1, "@feed.wstETH"), (1, "@feed.WETH"),
    )  # fmt: skip
