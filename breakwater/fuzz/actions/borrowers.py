"""Borrowers and their operators: collateral, debt, moves, batches, grants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from breakwater.fuzz.genes import LENDERS, NO_ACCOUNT, NOBODY, Call, Gene, rung

if TYPE_CHECKING:
    from breakwater.fuzz.player import Player


def add(p: Player, g: Gene) -> list[Call]:
    i = g[1] % p.account_count
    who = p.owners[i]
    if g[5] & 31 == 0:
        who = LENDERS[g[5] >> 5 & 3]
    id = p.collateral(g[2], p.legs(i), g[4])
    limit = p.balance(p.symbols[id - 1], who) // 10
    if g[4] & 6 == 6:
        limit = p.cap_left(id)
    elif g[4] & 6 == 4:
        limit = p.needed(i, id)
    args = p.names[i], p.token(id), rung(g[3], limit)
    return [p.call(g, who, "engine", "deposit_collateral", *args)]


def take(p: Player, g: Gene) -> list[Call]:
    i, who = p.actor(g, True)
    id = p.held(g[2], p.legs(i))
    limit = p.amount(i, id)
    if g[4] & 3:
        # where nothing is free all of it is asked for, and must be refused
        limit = min(limit, p.free(i, id)) or limit
    args = p.names[i], p.token(id), rung(g[3], limit), p.at(who, g[5])
    return [*p.ready(g, i), p.call(g, who, "engine", "withdraw_collateral", *args)]


def borrow(p: Player, g: Gene) -> list[Call]:
    i, who = p.actor(g, g[7] & 15 != 0)
    v = g[2] % p.vault_count
    least = p.least(v)
    limit = min(p.credit(i, v), p.cash(v))
    if g[4] & 7 == 7:
        limit = p.cash(v)
    elif g[4] & 7 == 6:
        limit = p.debt_left(v)
    elif g[4] & 7 == 5 or limit == 0:
        # where nothing is to be had a little is asked for, and must be refused
        limit = least
    amount = rung(g[3], limit)
    if g[7] & 48:
        amount = max(amount, least - p.owed(i, v))
    args = p.names[i], f"@token.{p.debts[v]}", amount, p.at(who, g[5])
    return [*p.ready(g, i, v), p.call(g, who, "engine", "borrow", *args)]


def repay(p: Player, g: Gene) -> list[Call]:
    i = p.debtor(g[1]) if g[7] & 15 else g[1] % p.account_count
    who = p.owners[i]
    if g[5] & 15 == 0:
        who = LENDERS[g[5] >> 4 & 3]
    v = p.owing(g[2], p.legs(i))
    owed = p.owed(i, v)
    limit = owed if g[4] & 3 else owed - p.least(v)
    args = p.names[i], f"@token.{p.debts[v]}", rung(g[3], limit)
    return [p.call(g, who, "engine", "repay", *args)]


def move(p: Player, g: Gene) -> list[Call]:
    i, who = p.actor(g, True)
    j = p.sibling(i, g[5])
    id = p.held(g[2], p.legs(i))
    limit = p.amount(i, id)
    if g[4] & 1:
        limit = min(limit, p.free(i, id)) or limit
    args = p.names[i], p.names[j], p.token(id), rung(g[3], limit)
    return [*p.ready(g, i), p.call(g, who, "engine", "move_collateral", *args)]


def batch(p: Player, g: Gene) -> list[Call]:
    i, who = p.actor(g, g[7] & 7 != 0)
    first = _leg(p, i, who, g[2] % 6, g[2] // 6, g[3], g[4])
    second = _leg(p, i, who, g[5] % 6, g[5] // 6, g[7], g[4] >> 4)
    # he is called back in a liquidation
    data = "0x01" if who == "attacker" and g[4] & 1 else "0x"
    return [*p.ready(g, i), p.call(g, who, "engine", "batch", [first, second], data)]


def _leg(p: Player, i: int, who: str, kind: int, what: int, byte: int, limits: int) -> list[Any]:
    account, receiver = p.names[i], f"@{who}"
    other, collateral = NO_ACCOUNT, NOBODY
    weak, is_weak = p.weak(what) if kind == 5 else (i, False)
    if kind == 5 and not is_weak and limits & 6:
        kind = 0
    if kind == 0:
        id = p.collateral(what, p.legs(i), what)
        token, amount = p.token(id), rung(byte, p.balance(p.symbols[id - 1], who) // 10)
    elif kind == 1 or kind == 4:
        id = p.held(what, p.legs(i))
        limit = p.amount(i, id)
        token, amount = p.token(id), rung(byte, min(limit, p.free(i, id)) if limits & 1 else limit)
        if kind == 4:
            other = p.names[p.sibling(i, what)]
    elif kind == 2:
        v = what % p.vault_count
        limit = p.credit(i, v) if limits & 2 else p.credit(i, v) * 3
        token, amount = f"@token.{p.debts[v]}", rung(byte, limit or p.least(v))
        if limits & 4:
            amount = max(amount, p.least(v) - p.owed(i, v))
    elif kind == 3:
        v = p.owing(what, p.legs(i))
        token, amount = f"@token.{p.debts[v]}", rung(byte, p.owed(i, v))
    else:
        account = p.names[weak]
        v = p.owing(what, p.legs(weak))
        token, amount = f"@token.{p.debts[v]}", rung(byte, p.owed(weak, v))
        collateral = p.token(p.held(what, p.legs(weak)))
        if limits & 1:
            other = p.names[i]
    return [1 << kind, account, token, amount, receiver, other, collateral, 0]


def grant(p: Player, g: Gene) -> list[Call]:
    i = g[1] % p.account_count
    asset = NOBODY if g[4] & 1 else p.token(p.held(g[2], p.legs(i)))
    amount = 2**128 - 1 if g[4] & 1 else rung(g[3], p.amount(i, p.held(g[2], p.legs(i))))
    expiry = {"now": (-1, 0, 3_600, 10**8)[g[7] & 3]}
    args = p.names[i], "@operator", asset, g[5] & 63, amount, expiry
    return [p.call(g, p.owners[i], "engine", "set_operator", *args)]


def sign(p: Player, g: Gene) -> list[Call]:
    """A grant by signature, or a nonce that is used up."""
    i = g[1] % p.account_count
    nonce = g[3] % 4
    if g[4] & 7 == 7:
        return [p.call(g, p.owners[i], "engine", "cancel_nonce", nonce)]
    asset, amount = p.token(p.held(g[2], p.legs(i))), 10**12
    if g[4] & 24 == 24:
        asset, amount = NOBODY, 2**128 - 1
    deadline = {"now": (0, 60, 10**7, -1)[g[7] & 3]}
    args = p.names[i], "@operator", asset, g[5] & 63, amount, {"now": 3_600}, nonce, deadline
    calls = [p.call(g, "keeper", "engine", "set_operator_by_signature", *args)]
    if g[7] & 4:
        # the same again, which the nonce refuses
        calls.append((*calls[0][:4], 0, 0))
    return calls


def delegate(p: Player, g: Gene) -> list[Call]:
    """A grant, and what the operator takes of it, in two calls; the second may be beyond it."""
    i = p.holder(g[1])
    name, legs = p.names[i], p.legs(i)
    id = p.held(g[2], legs)
    limit = max(min(p.amount(i, id), p.free(i, id)) // 2, 1)
    token, asset, action, function = p.token(id), p.token(id), 2, "withdraw_collateral"
    if g[4] & 1:
        v = g[2] % p.vault_count
        limit = max(min(p.credit(i, v) // 2, p.cash(v) // 4), p.least(v) - p.owed(i, v), 1)
        token = asset = f"@token.{p.debts[v]}"
        action, function = 4, "borrow"
    if g[4] & 14 == 14:
        asset = NOBODY
    granted = 2**128 - 1 if asset == NOBODY else rung(g[3], limit) % 2**128
    expiry = {"now": 0 if g[7] & 15 == 15 else 3_600}
    grant = name, "@operator", asset, action | (g[5] & 56), granted, expiry
    calls = [*p.ready(g, i), p.call(g, p.owners[i], "engine", "set_operator", *grant)]
    for part in (min(granted, limit), min(granted, limit) if g[7] & 16 else 1):
        args = name, token, part, "@operator"
        calls.append(("operator", "engine", function, args, 0, 0))
    return calls
