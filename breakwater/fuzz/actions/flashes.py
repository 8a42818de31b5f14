"""Liquidators without capital, the pools that they sell in, and who deploys periphery once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from breakwater.fuzz.actions.liquidators import cornered
from breakwater.fuzz.genes import LIQUIDATORS, NOBODY, Call, Gene, rung, waits
from breakwater.fuzz.periphery import FLASH, MADE
from breakwater.units import MAX_UINT256, WAD

if TYPE_CHECKING:
    from breakwater.fuzz.player import Player

Route = tuple[str, int, str, int]

_PARTS: Final[tuple[int, ...]] = (1_000, 1_000, 1_000, 1_000, 990, 900, 1_100, 200)
"""Of what a collateral is worth, what a pool gives for it [thousandths]."""


def flash_liquidate(p: Player, g: Gene) -> list[Call]:
    """Mostly of an account that a price makes weak, at pools that follow it or do not."""
    i, _ = p.weak(g[1])
    legs = p.legs(i)
    v = p.owing(g[2], legs)
    calls = p.ready(g, i, v)
    wait, blocks = waits(g)
    if p.health(i) >= WAD:
        calls += cornered(p, g, i, v)
        wait, blocks = 12, 1
    debt, id = p.debts[v], p.held(g[2] >> 3, legs)
    routes: list[Route] = []
    for tag, _ in legs:
        if tag < 128 and (found := _route(p, g, p.symbols[tag - 1], debt)) is not None:
            routes.append(found)
    if g[5] & 96 == 96:
        routes = _odd(p, g, routes, debt)
    for name in dict.fromkeys(_pools(p, routes, debt)):
        calls.append(set_odds(p, g, name))
    most = MAX_UINT256 if g[4] & 3 else rung(g[3], p.owed(i, v))
    least = rung(g[3], p.least(v) // 100) if g[4] & 12 == 12 else 0
    pair = p.names[i], f"@token.{debt}", p.token(id), most
    if g[6] & 4:
        calls.append(("keeper", "lens", "preview_liquidate", pair, wait, blocks))
        wait = blocks = 0
    args = *pair, routes, least
    calls.append((LIQUIDATORS[g[5] & 3], FLASH, "liquidate", args, wait, blocks))
    if g[6] & 8:
        calls.append(("keeper", "lens", "collateral", (p.token(id),), 0, 0))
    return calls


def _route(p: Player, g: Gene, sold: str, wanted: str) -> Route | None:
    """Through one pool or two; None where no pools lead there."""
    swaps = p.world.swaps
    first = swaps.get(sold)
    if sold == wanted:
        return None
    if first is not None:
        middle, fee = first
        if middle == wanted:
            return f"@token.{sold}", fee, NOBODY, 0
        last = swaps.get(middle)
        if last is not None and last[0] == wanted:
            return f"@token.{sold}", fee, f"@token.{middle}", last[1]
        last = swaps.get(wanted)
        if last is not None and last[0] == middle:
            return f"@token.{sold}", fee, f"@token.{middle}", last[1]
        return None
    last = swaps.get(wanted)
    if last is not None and last[0] == sold:
        return f"@token.{sold}", last[1], NOBODY, 0
    return None


def _odd(p: Player, g: Gene, routes: list[Route], debt: str) -> list[Route]:
    """Routes that are missing, doubled, lead nowhere or around, or of a token that takes a fee."""
    kind, token = g[7] >> 3 & 7, f"@token.{debt}"
    if kind == 0:
        return []
    if kind == 1:
        return [*routes, *routes]
    if kind == 2:
        return [(one[0], one[1] + 1, one[2], one[3]) for one in routes]
    if kind == 3:
        return [*routes, (token, 500, NOBODY, 0)]
    if kind == 4 and "ODD" in p.symbols:
        return [*routes, ("@token.ODD", 500, NOBODY, 0)]
    if kind == 5:
        return [*routes, ("@lender_1", 500, NOBODY, 0)]
    if kind == 6:
        return [(one[0], one[1], "@token.LATE", one[3]) for one in routes]
    return routes[:1]


def _pools(p: Player, routes: list[Route], debt: str) -> list[str]:
    """Names of the pools that routes go through."""
    found = []
    for sold, _, middle, _ in routes:
        symbols = [sold[7:], middle[7:] if middle != NOBODY else debt, debt]
        for one, other in ((symbols[0], symbols[1]), (symbols[1], symbols[2])):
            for symbol, (against, _) in p.world.swaps.items():
                if {one, other} == {symbol, against}:
                    found.append(f"swap.{symbol}")
    return found


def set_odds(p: Player, g: Gene, name: str) -> Call:
    """A pool at the prices of the market, or apart; rarely it asks for too much, or twice."""
    symbol = name[5:]
    other = p.world.swaps[symbol][0]
    worth = [_worth(p, symbol) * _PARTS[g[7] & 7] // 1_000, _worth(p, other)]
    amounts = [
        10**6 * p.world.listings[one].unit * WAD // max(price, 1)
        for one, price in ((symbol, worth[0]), (other, worth[1]))
    ]
    first, second = (int(p.world.address(f"token.{one}"), 16) for one in (symbol, other))
    if first > second:
        amounts.reverse()
    more, times = 0, 1
    if g[6] >> 4 == 15:
        more, times = ((1, 1), (0, 2), (0, 0), (2**255, 1))[g[7] >> 3 & 3]
    return ("keeper", name, "set_odds", (amounts, more, times), 0, 0)


def _worth(p: Player, symbol: str) -> int:
    """Dollars of a token [WAD]: its price, or what it had at first."""
    found = p.watch.price(p.symbols.index(symbol) + 1).as_collateral
    return found or p.world.listings[symbol].dollars * WAD


def swap(p: Player, g: Gene) -> list[Call]:
    """A pool at another price, or dry; calls to the liquidator that are not for who makes them; and
    a contract of the periphery that somebody deploys."""
    symbols = list(p.world.swaps)
    symbol = symbols[g[2] % len(symbols)]
    name, kind = f"swap.{symbol}", g[4] & 7
    if kind < 3:
        return [set_odds(p, g, name)]
    if kind == 3:
        token = (symbol, p.world.swaps[symbol][0])[g[5] & 1]
        amount = rung(g[3], p.balance(token, name))
        if g[5] & 2:
            return [p.call(g, "keeper", f"token.{token}", "mint", f"@{name}", amount)]
        return [p.call(g, "keeper", f"token.{token}", "burn", f"@{name}", amount)]
    if kind == 4:
        # a gift, which the next caller gets
        amount = rung(g[3], p.balance(symbol, "attacker") // 1_000)
        return [p.call(g, "attacker", f"token.{symbol}", "transfer", f"@{FLASH}", amount)]
    if kind == 5:
        return [_stranger(p, g)]
    return _deployed(p, g)


def _stranger(p: Player, g: Gene) -> Call:
    """What only the engine and a pool may call."""
    if g[5] & 1:
        return p.call(g, "attacker", FLASH, "uniswapV3SwapCallback", g[3], -g[3], "0x")
    token = f"@token.{p.debts[g[2] % p.vault_count]}"
    args = p.names[g[1] % p.account_count], token, g[3], token, g[3], "0x"
    return p.call(g, "attacker", FLASH, "on_liquidate", *args)


def _deployed(p: Player, g: Gene) -> list[Call]:
    kind = MADE[g[5] % len(MADE)]
    args: list[Any] = ["@engine", "@swap.factory"]
    if kind == "BackstopPool":
        args[1] = f"@token.{p.debts[g[2] % p.vault_count]}"
    wrong = g[7] & 3
    if wrong < 2:
        args[wrong] = ("@lender_1", "@vault.USDC")[g[3] & 1]
    data = {"constructor": kind, "args": args}
    return [p.call(g, "keeper", f"factory.{kind}", "make", data)]
