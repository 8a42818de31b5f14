"""Prices, rates, supplies, what is wrong with them, and time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from breakwater.fuzz import pools
from breakwater.fuzz.genes import Call, Gene, rung, waits

if TYPE_CHECKING:
    from breakwater.fuzz.player import Player


_FACTORS: Final = (
    (1, 1), (999, 1_000), (1_001, 1_000), (99, 100), (101, 100), (97, 100), (103, 100), (95, 100),
    (106, 100), (90, 100), (112, 100), (80, 100), (125, 100), (40, 100), (250, 100), (0, 1),
)  # fmt: skip
"""Of a price. 0: back to where it began."""

_LONG: Final[tuple[int, ...]] = (
    3_600,
    86_400,
    3 * 86_400,
    8 * 86_400,
    30 * 86_400,
    365 * 86_400,
    3 * 365 * 86_400,
    1_800,
)


def price(p: Player, g: Gene) -> list[Call]:
    """All sources of an asset, or one of them, to another price; and perhaps a poke."""
    id = g[2] % p.priced_count
    symbol, sources = p.priced[id]
    up, down = _FACTORS[g[3] & 15]
    calls = []
    only = g[5] % len(sources) if g[5] & 192 == 192 and len(sources) > 1 else -1
    wait, blocks = waits(g)
    for number, name in enumerate(sources):
        if only >= 0 and number != only:
            continue
        answer = p.base_answer(symbol) if up == 0 else max(p.answer(name) * up // down, 1)
        calls.append(p.feed(name, answer, wait, blocks))
        wait = blocks = 0
    poked: Call = ("keeper", "breaker", "poke", (f"@token.{symbol}",), 0, 0)
    if g[4] & 3 == 0:
        calls.append(poked)
    if g[4] & 12 == 12:
        # there and back, seen by pokes
        back = [p.feed(name, p.answer(name), 0, 0) for name in sources]
        calls += [poked, *back, poked]
    return calls


def rate(p: Player, g: Gene) -> list[Call] | None:
    if "wstETH" not in p.symbols:
        return None
    if g[3] & 1:
        return [p.call(g, "keeper", "feed.wstETH", "poke")]
    factor = (1_000, 1_001, 1_010, 1_050, 990, 900, 500, 2_000)[g[4] & 7]
    if g[4] & 56 == 56:
        factor = (0, 10**12, 10**16, 10**20)[g[4] >> 6]
    return [p.call(g, "keeper", "token.wstETH", "set_rate", 10**15 * factor)]


def bad_feed(p: Player, g: Gene) -> list[Call]:
    """A source that is stale, zero, negative, early, incomplete, reverts, burns gas, or lies."""
    symbol, sources = p.priced[g[2] % p.priced_count]
    name = sources[g[5] % len(sources)]
    if name[:7] != "source.":
        return bad_pool(p, g, name)
    if p.is_bad(name):
        if g[3] & 1:
            return [p.call(g, "keeper", name, "set_mode", g[4] % 9)]
        answer = (0, 2**255, p.base_answer(symbol) * 10**10, 1)[g[4] & 3]
        when = {"now": (0, -86_401, 60, -10)[g[7] & 3]}
        words = [1, answer, {"now": 0}, when, (1, 0)[g[7] >> 7]]
        return [p.call(g, "keeper", name, "set_words", words)]
    kind = g[4] % 6
    good = p.answer(name)
    if kind == 5:
        return [p.call(g, "keeper", name, "set_decimals", (8, 18, 0, 30)[g[7] & 3])]
    clamps = [clamp * 10**8 for clamp in p.world.listings[symbol].clamps]
    if kind == 1 and any(clamps):
        clamp = clamps[g[7] & 1]
        near = (0, clamp // 100, clamp // 101, clamp // 99)[g[7] >> 1 & 3]
        return [p.call(g, "keeper", name, "set", clamp - near if g[7] & 1 else clamp + near)]
    answer = (good, 0, -1, good, good * 10**10)[kind]
    when = {"now": (-86_400, -86_401, 60, 0)[g[7] & 3]} if kind in (0, 3) else {"now": 0}
    rounds = (5, 4) if g[7] & 64 and kind == 3 else (5, 5)
    return [p.call(g, "keeper", name, "set_round", rounds[0], answer, when, rounds[1])]


def bad_pool(p: Player, g: Gene, name: str) -> list[Call]:
    """A price that is published too high, or a pool that is thin, locked, dry, or lies."""
    storage, address = p.storage, p.world.contracts[name].address
    if name[:4] == "nav.":
        if g[3] & 7 == 7:
            name, address = "nav.dollar", p.world.contracts["nav.dollar"].address
        most = pools.highest_nav(storage, address, p.host._now + waits(g)[0], pools.NAV_GROWTH)
        price = (most, most + 1, 0, 1, most * 9 // 10, most * 97 // 100, most, most // 2)[g[4] & 7]
        who = "lender_3" if g[7] & 15 == 15 else "keeper"
        return [p.call(g, who, name, "publish", price)]
    good, kind = p.answer(name), g[4] % 8
    if p.world.listings[name[5:]].market == "CurveEmaFeed":
        if kind < 2:
            return [p.call(g, "keeper", name, "set_locked", bool(kind))]
        if kind == 2:
            times = ((1, 601), (866, 601), (2**128, 1), (432, 1))[g[7] & 3]
            return [p.call(g, "keeper", name, "set_times", *times)]
        average = good * 10**10
        last = (0, average, average // 2, 2 * average, 1, 2**128, average, average)[g[7] & 7]
        average = (average, 0, 2**128, average * 10**6, average // 10**6)[kind - 3]
        return [p.call(g, "keeper", name, "set_prices", average, last)]
    if kind < 2:
        return [p.call(g, "keeper", name, "set_burning", bool(kind))]
    tick = pools.tick_of(good, p.world.listings[name[5:]].decimals)
    words = pools.observations(tick, (10**12, 1, 10**9, 10**8)[g[7] & 3] if kind == 2 else 10**12)
    lies: tuple[tuple[int, int], ...] = (
        (0, 65), (1, 128), (2, 3), (5, 1), (3, 2**55), (4, 2**256 - 2**55 - 1), (6, 2**160),
        (4, 887_273 * pools.WINDOW), (4, -887_272 * pools.WINDOW % 2**256), (7, 0),
        (7, 2**161), (4, -1 % 2**256),
    )  # fmt: skip
    if kind > 4:
        at, word = lies[g[7] % len(lies)]
        words[at] = word
    elif kind > 2:
        words = [*words, 0] if kind == 3 else words[: g[7] & 7]
    return [p.call(g, "keeper", name, "set_answer", pools.as_bytes(words))]


def refresh(p: Player, g: Gene) -> list[Call]:
    """Time passes, and every source gives its last answer anew; perhaps all are poked."""
    wait = _LONG[g[2] & 7] if g[3] & 3 else _LONG[g[2] & 1]
    if g[4] & 1:
        wait = 0
    calls = []
    blocks = wait // 12
    dollar = [("dollar", ["nav.dollar"])] if "nav.dollar" in p.world.contracts else []
    for symbol, sources in p.priced + dollar:
        for name in sources:
            good = p.answer(name)
            if not 0 < good < 2**64:
                good = p.base_answer(symbol)
            calls.append(p.feed(name, good, wait, blocks))
            wait = blocks = 0
    if g[5] & 1:
        calls += [
            ("keeper", "breaker", "poke", (f"@token.{symbol}",), 0, 0) for symbol in p.symbols
        ]
    return calls


def issue(p: Player, g: Gene) -> list[Call]:
    """An issuer mints or burns, for good or for one poke, or a day passes that pokes saw."""
    id = g[2] % p.asset_count + 1
    token, symbol = p.token(id), f"token.{p.symbols[id - 1]}"
    poked = ("keeper", "breaker", "poke", (token,))
    # nearly all of it is the keeper's
    amount = p.balance(p.symbols[id - 1], "keeper") * (5, 11, 60, 1)[g[3] & 3] // 100
    there = p.call(g, "keeper", symbol, "mint", "@keeper", amount)
    back: Call = ("keeper", symbol, "burn", ("@keeper", amount), 0, 0)
    if g[4] & 3 == 0:
        return [there, (*poked, 0, 0), back]
    if g[4] & 3 == 1:
        return [p.call(g, "keeper", symbol, "burn", "@keeper", amount), (*poked, 0, 0)]
    minted = [there, (*poked, 0, 0), (*poked, 600 - (g[5] & 1), 50)]
    if g[4] & 3 == 2:
        return minted
    day = [(*poked, 0, 0), (*poked, 86_400, 7_200)]
    return day + minted if g[4] & 4 else day


def vanish(p: Player, g: Gene) -> list[Call]:
    """An issuer takes away what the engine or a vault holds, which is seen and mostly put right."""
    id = g[2] % p.asset_count + 1
    symbol, token = p.symbols[id - 1], p.token(id)
    holder = f"vault.{symbol}" if symbol in p.debts and g[3] & 3 else "engine"
    amount = max(rung(g[4], p.balance(symbol, holder)), 1)
    calls = [p.call(g, "keeper", f"token.{symbol}", "burn", f"@{holder}", amount)]
    checked: Call = ("keeper", "breaker", "check_solvency", (token,), 0, 0)
    if g[5] & 3 == 1:
        # a halt by the guardian meets that for insolvency, in either order
        held: Call = ("guardian", "breaker", "trip", (token, 1 + (g[5] >> 2 & 1), 7 * 86_400), 0, 0)
        calls += [held, checked] if g[5] & 8 else [checked, held]
    elif g[5] & 3 == 2:
        calls += [checked, (*checked[:4], 60, 5), (*checked[:4], 86_400, 7_200)]
    else:
        calls.append(checked)
    if g[7] & 7:
        calls.append(("keeper", f"token.{symbol}", "mint", (f"@{holder}", amount), 0, 0))
        calls += [checked] * (g[7] & 1)
    return calls


def poke(p: Player, g: Gene) -> list[Call]:
    """A poke, or now and then a look at whether all is there."""
    id = g[2] % p.asset_count + 1
    if g[3] & 15 == 6:
        return outage(p, g)
    if g[3] & 7 == 7:
        return [p.call(g, "keeper", "breaker", "check_solvency", p.token(id))]
    return [p.call(g, "keeper", "breaker", "poke", p.token(id))]


def outage(p: Player, g: Gene) -> list[Call]:
    """The sequencer goes down or comes back, perhaps as nobody believes, and perhaps is poked."""
    odd = ((5, 2, 0, 5), (5, 1, 60, 5), (5, 1, 0, 4), (5, 0, -3_599, 5))
    if g[4] & 3 == 3:
        number, said, when, answered_in = odd[g[5] & 3]
        args: tuple[object, ...] = (number, said, {"now": when}, answered_in)
        calls = [p.call(g, "keeper", "uptime", "set_round", *args)]
    else:
        calls = [p.call(g, "keeper", "uptime", "set", int(g[4] & 3 == 0))]
    if g[4] & 4:
        calls.append(
            ("keeper", "uptime", "set", (0,), (60, 3_600, 86_400, 8 * 86_400)[g[7] & 3], 1)
        )
    if g[4] & 8:
        calls.append(("keeper", "sequencer", "poke", (), 0, 0))
    return calls


def wait(p: Player, g: Gene) -> list[Call]:
    """Only time, with a poke at its end."""
    seconds = _LONG[g[3] & 7]
    id = g[2] % p.asset_count + 1
    return [("keeper", "breaker", "poke", (p.token(id),), seconds, seconds // 12)]
