"""Liquidators, and the price that makes an account one for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from breakwater.fuzz.actions.feeds import price
from breakwater.fuzz.genes import LIQUIDATORS, NO_ACCOUNT, Call, Gene, rung, waits
from breakwater.units import MAX_UINT256, WAD

if TYPE_CHECKING:
    from breakwater.fuzz.player import Player


def liquidate(p: Player, g: Gene) -> list[Call]:
    """One whole or partial liquidation, or a few slices in one block."""
    i, is_weak = p.weak(g[1])
    if not is_weak and g[7] & 224:
        return corner(p, g)
    wait, blocks = waits(g)
    return _liquidations(p, g, i, p.held(g[2] >> 3, p.legs(i)), wait, blocks)


def _liquidations(p: Player, g: Gene, i: int, id: int, wait: int, blocks: int) -> list[Call]:
    who = LIQUIDATORS[g[5] % 5] if g[5] & 8 else "liquidator_1"
    if g[5] & 112 == 112:
        who = p.owners[i]
    legs = p.legs(i)
    v = p.owing(g[2], legs)
    most = MAX_UINT256 if g[4] & 1 else rung(g[3], p.owed(i, v))
    credit = NO_ACCOUNT
    if g[7] & 3 == 3:
        mine = [n for n, owner in enumerate(p.owners) if owner == who and n != i]
        if mine:
            credit = p.names[mine[g[7] % len(mine)]]
    data = "0x01" if who == "attacker" and g[7] & 4 else "0x"
    least = 0 if g[7] & 24 else rung(g[7], p.amount(i, id))
    args = p.names[i], f"@token.{p.debts[v]}", p.token(id), most, least, f"@{who}", credit, data
    calls: list[Call] = [(who, "engine", "liquidate", args, wait, blocks)]
    if g[4] & 1 == 0:
        calls += [(who, "engine", "liquidate", args, 0, 0)] * (g[4] >> 1 & 3)
    return calls


_EDGES: Final[tuple[int, ...]] = (
    10**9, 0, -(10**9), -(10**15), -(10**16), -5 * 10**16, -2 * 10**17, -4 * 10**17
)  # fmt: skip
"""How far from a health of 1 a price is moved [WAD]."""


def _part(whole: int, share: int) -> int:
    """What one leg must become a multiple of so that all, of which it is `share`, becomes `whole`
    times what it is [WAD]. 0: it cannot."""
    return max(WAD + (whole - WAD) * WAD // share, 0) if share else 0


def _turn(p: Player, g: Gene, i: int, v: int) -> tuple[int, int]:
    """The asset whose price decides about an account, and what it must become a multiple of."""
    held, owed = p.held(g[2] >> 3, p.legs(i)), p.vault_asset(v)
    target = WAD + _EDGES[g[3] >> 5]
    moved, part = held, _part(target * WAD // max(p.health(i), 1), p.share(i, held))
    if part < WAD // 50 or g[3] & 6 == 6:
        # one collateral does not do it, or need not: a debt becomes dearer
        moved, part = owed, _part(p.health(i) * WAD // target, p.share(i, owed | 128))
    return moved, part


def cornered(p: Player, g: Gene, i: int, v: int) -> list[Call]:
    """A price at which an account that owes is just below maintenance, or just not, and a poke;
    nothing where no price does it."""
    moved, part = _turn(p, g, i, v)
    source = p.sources_of(moved)
    if not 0 < part < 50 * WAD or not source:
        return []
    calls = [p.feed(name, max(p.answer(name) * part // WAD, 1), 0, 0) for name in source]
    return [*calls, ("keeper", "breaker", "poke", (p.token(moved),), 0, 0)]


def corner(p: Player, g: Gene) -> list[Call]:
    """A price at which an account is just below maintenance, or just not; then a liquidation."""
    i = p.debtor(g[1])
    legs = p.legs(i)
    v = p.owing(g[2], legs)
    moved, part = _turn(p, g, i, v)
    source = p.sources_of(moved)
    if not 0 < part < 50 * WAD or not source:
        return price(p, g)
    wait, blocks = waits(g)
    calls: list[Call] = []
    amount = min(p.credit(i, v) // 2, p.cash(v)) if g[4] & 16 else 0
    if amount:
        # the owner raises his risk in the very block
        owner, token = p.owners[i], f"@token.{p.debts[v]}"
        args = p.names[i], token, amount, f"@{owner}"
        calls.append((owner, "engine", "borrow", args, wait, blocks))
        wait = blocks = 0
    for name in source:
        calls.append(p.feed(name, max(p.answer(name) * part // WAD, 1), wait, blocks))
        wait = blocks = 0
    token = p.token(moved)
    # what is seized need not be what fell
    id = p.held((g[2] >> 3) + (g[3] & 1), legs)
    if amount:
        return calls + _liquidations(p, g, i, id, 0, 0)
    if g[6] & 16:
        calls.append(("keeper", "breaker", "poke", (token,), 0, 0))
    if g[6] & 32:
        calls.append(("keeper", "breaker", "poke", (token,), 61, 5))
    if g[6] & 64:
        calls.append(("keeper", "breaker", "poke", (token,), 600, 50))
    fresh = g[6] & 128
    return calls + _liquidations(p, g, i, id, 0 if fresh else 12, 0 if fresh else 1)
