"""Lenders of last resort, who calls their pool, and who would take something from them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from breakwater.fuzz.actions.attackers import MAGIC
from breakwater.fuzz.actions.liquidators import cornered
from breakwater.fuzz.genes import LENDERS, LIQUIDATORS, MOST, NOBODY, Call, Gene, rung, waits
from breakwater.fuzz.steps import Step
from breakwater.model.backstop import MARK_LASTS, WAIT, WINDOW
from breakwater.units import MAX_UINT256, WAD

if TYPE_CHECKING:
    from breakwater.fuzz.backstops import Backstops
    from breakwater.fuzz.player import Player

_DEEP: Final[tuple[int, ...]] = (WAIT, WAIT, WAIT, WAIT, WAIT - 1, MARK_LASTS, MARK_LASTS + 1, 0)
"""Seconds from a mark to a purchase."""


def _all(p: Player) -> Backstops:
    found = p.watch._backstops
    assert found is not None
    return found


def stand_by(p: Player, g: Gene) -> list[Call]:
    """A deposit; sometimes it has joined when the next call comes."""
    symbol, who = p.world.pools[g[2] % len(p.world.pools)], LENDERS[g[1] % 5]
    amount = rung(g[3], p.balance(symbol, who) // (100 if g[4] & 1 else 1))
    calls = [p.call(g, who, f"backstop.{symbol}", "deposit", amount)]
    if g[4] & 6 == 6:
        pool, waits = f"backstop.{symbol}", (2 * WINDOW, WINDOW, 3 * WINDOW, 10 * WINDOW)
        wait, part = waits[g[5] & 3], min(amount, MOST)
        calls.append((who, pool, "withdraw", (rung(g[7], part), f"@{who}"), wait, wait // 12))
    return calls


def stand_down(p: Player, g: Gene) -> list[Call]:
    """A withdrawal, what waits taken back, or a run: everyone leaves, one after the other."""
    symbol = p.world.pools[g[2] % len(p.world.pools)]
    pool, pools = f"backstop.{symbol}", _all(p)
    if g[4] & 14 == 14:
        people = LENDERS[g[1] % 5 :] + LENDERS[: g[1] % 5]
        return [
            (one, pool, "withdraw", (MAX_UINT256, f"@{one}"), 0, 0)
            for one in people
            if pools.stood(symbol, one)
        ]
    if g[4] & 3:
        who = p.one_with(LENDERS, g[1], partial(pools.stood, symbol))
        cash, shares = pools.books(symbol)
        worth = pools.stood(symbol, who) * cash // shares if shares else 0
        return [p.call(g, who, pool, "withdraw", rung(g[3], worth), p.at(who, g[5]))]
    who = p.one_with(LENDERS, g[1], partial(pools.waiting, symbol))
    amount = rung(g[3], pools.waiting(symbol, who))
    return [p.call(g, who, pool, "cancel_deposit", amount, _to(p, g, who, pool))]


def claim(p: Player, g: Gene) -> list[Call]:
    """Of what was earned, mostly by who did."""
    symbol = p.world.pools[g[2] % len(p.world.pools)]
    found = _all(p).claims(symbol)
    who, id = found[g[1] % len(found)] if found else (LENDERS[g[1] % 5], p.held(g[3], []))
    if g[4] & 7 == 7:
        who = LENDERS[g[3] % 5]
    pool = f"backstop.{symbol}"
    return [p.call(g, who, pool, "claim", p.token(id), _to(p, g, who, pool))]


def _to(p: Player, g: Gene, who: str, pool: str) -> str:
    """A receiver; rarely one that cannot be."""
    return (f"@{pool}", NOBODY)[g[5] & 1] if g[7] & 15 == 15 else p.at(who, g[5])


def mark(p: Player, g: Gene) -> list[Call]:
    """A note of an account, mostly one below maintenance; and its withdrawal."""
    pool = f"backstop.{p.world.pools[g[2] % len(p.world.pools)]}"
    i, is_weak = p.weak(g[1])
    name = "mark" if is_weak != (g[4] & 7 == 7) else "unmark"
    return [p.call(g, "keeper", pool, name, p.names[i])]


def last_resort(p: Player, g: Gene) -> list[Call]:
    """Nobody liquidates: a price that makes an account weak, a mark, ten minutes, a purchase."""
    symbol = p.world.pools[g[2] % len(p.world.pools)]
    v, pool = p.debts.index(symbol), f"backstop.{symbol}"
    owing = [i for i in range(p.account_count) if p.owed(i, v)]
    i = owing[g[1] % len(owing)] if owing else p.weak(g[1])[0]
    calls = p.ready(g, i, v)
    if not p.owed(i, v) or p.health(i) >= WAD:
        calls += cornered(p, g, i, v)
    held = p.held(g[5] >> 3, p.legs(i))
    caller = LIQUIDATORS[g[5] & 3]
    if caller == "attacker":
        calls += _before(p, g, symbol)
    wait, blocks = waits(g)
    calls.append(("keeper", pool, "mark", (p.names[i],), wait, blocks))
    if g[4] & 1:
        # a jump is confirmed meanwhile
        calls.append(("keeper", "breaker", "poke", (p.token(held),), 61, 5))
    wait = _DEEP[g[7] & 7]
    cash, _ = _all(p).books(symbol)
    most = MAX_UINT256 if g[4] & 14 else rung(g[3], cash // 10)
    args = p.names[i], p.token(held), most
    calls += [(caller, pool, "buy", args, wait, wait // 12)] * (1 + (g[4] >> 4 & 1))
    if caller == "attacker":
        calls += [
            ("attacker", pool, "cancel_deposit", (MAX_UINT256, "@attacker"), 0, 0),
            ("attacker", pool, "withdraw", (MAX_UINT256, "@attacker"), 0, 0),
            ("attacker", pool, "claim", (p.token(held), "@attacker"), 0, 0),
        ]
    return calls


def _before(p: Player, g: Gene, symbol: str) -> list[Call]:
    """The attacker enters for the purchase that he has seen coming."""
    amount = rung(g[3], p.balance(symbol, "attacker"))
    return [("attacker", f"backstop.{symbol}", "deposit", (amount,), 0, 0)]


def ambush(p: Player, g: Gene) -> list[Call]:
    """Gifts to a pool and to its accounts, and calls to it in the middle of others'."""
    symbol = p.world.pools[g[2] % len(p.world.pools)]
    pool, kind = f"backstop.{symbol}", g[5] % 5
    wealth = p.balance(symbol, "attacker")
    if kind == 0:
        amount = rung(g[3], wealth // 10)
        return [p.call(g, "attacker", f"token.{symbol}", "transfer", f"@{pool}", amount)]
    if kind == 1:
        id = g[7] % p.asset_count + 1
        name = f"{pool}#{id if g[4] & 1 else 0}"
        amount = rung(g[3], p.balance(p.symbols[id - 1], "attacker") // 10)
        token = p.token(id)
        return [p.call(g, "attacker", "engine", "deposit_collateral", name, token, amount)]
    inner = _inner(p, g, symbol, max(rung(g[3], wealth // 100), 1))
    if kind == 2 and "HOOK" in p.symbols:
        # the hook token calls him while the pool moves it
        run = Step("keeper", "attacker", "execute", (f"@{inner.target}", {"call": inner}))
        outer = _inner(p, g[4:] + g[:4], "HOOK" if "HOOK" in p.world.pools else symbol, 10**18)
        hook = "@attacker", {"call": run}, bool(g[4] & 1)
        return [
            p.call(g, "keeper", "token.HOOK", "set_hook", *hook),
            ("attacker", outer.target, outer.function, outer.args, 0, 0),
        ]
    # with the money of a flash loan
    amount = rung(g[3], p.cash(p.debts.index(symbol)))
    steps = [
        [f"@{step.target}", {"call": step}, bool(g[4] & 8)]
        for step in (Step("attacker", pool, "deposit", (amount,)), inner,
                     Step("attacker", pool, "cancel_deposit", (amount, "@attacker")))
    ]  # fmt: skip
    loan: tuple[Any, ...] = ("@attacker", f"@token.{symbol}", amount, "0x")
    return [
        p.call(g, "keeper", "attacker", "set_calls", steps, MAGIC),
        ("attacker", f"vault.{symbol}", "flashLoan", loan, 0, 0),
    ]


def _inner(p: Player, g: Gene, symbol: str, amount: int) -> Step:
    """What the attacker asks of a pool."""
    pool, kind = f"backstop.{symbol}", g[1] % 5
    if kind == 0:
        return Step("attacker", pool, "deposit", (amount,))
    if kind == 1:
        return Step("attacker", pool, "cancel_deposit", (amount, "@attacker"))
    if kind == 2:
        return Step("attacker", pool, "withdraw", (MAX_UINT256, "@attacker"))
    i = p.weak(g[1])[0]
    token = p.token(p.held(g[2], p.legs(i)))
    if kind == 3:
        return Step("attacker", pool, "claim", (token, "@attacker"))
    return Step("attacker", pool, "buy", (p.names[i], token, MAX_UINT256))
