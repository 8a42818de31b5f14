"""What the actors of a market do: a gene, a few small numbers, becomes calls, given the state.

A gene is 8 bytes: action, who, what, rung, limit, other, time, extra. Amounts are rungs of a short
ladder under a limit that the state sets (a balance, a debt, the edge of the initial margin, what a
cap leaves), so that sequences walk along the edges. A call is a `Step` without its class:
(sender, target, function, args, wait, blocks).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from breakwater.fuzz import looks
from breakwater.fuzz.steps import Step
from breakwater.fuzz.world import DELAY
from breakwater.units import MAX_UINT256, WAD

if TYPE_CHECKING:
    from breakwater.fuzz.lane import Player

Gene = bytes
Call = tuple[str, str, str, tuple[Any, ...], int, int]
Act = Callable[["Player", Gene], "list[Call] | None"]

GENE = 8
"""Bytes of a gene."""

MOST = 2**128 - 1
"""Amounts above this are `MAX_UINT256` or not drawn at all."""

LENDERS = ("lender_1", "lender_2", "lender_3", "staker", "attacker")
LIQUIDATORS = ("liquidator_1", "liquidator_2", "attacker", "borrower_1", "keeper")

NO_ACCOUNT = "0x" + "00" * 32
NOBODY = "0x" + "00" * 20

# Rungs, by the byte modulo 32. Simple ones have low numbers.
_HALF, _ALL, _TENTH, _ONE, _BELOW, _ABOVE, _THOUSANDTH, _TINY, _MAX, _TWICE, _ZERO = range(11)
_RUNGS = (
    (_HALF,) * 6 + (_ALL,) * 9 + (_TENTH,) * 4 + (_ONE,) * 3 + (_BELOW,) * 2 + (_ABOVE,) * 2
    + (_THOUSANDTH,) * 2 + (_TINY, _MAX, _TWICE, _ZERO)
)  # fmt: skip

_FACTORS = (
    (1, 1), (999, 1_000), (1_001, 1_000), (99, 100), (101, 100), (97, 100), (103, 100), (95, 100),
    (106, 100), (90, 100), (112, 100), (80, 100), (125, 100), (40, 100), (250, 100), (0, 1),
)  # fmt: skip
"""Of a price. 0: back to where it began."""

_WAITS = (0,) * 10 + (1, 12, 60, 600, 901, 3_600)
_LONG = (3_600, 86_400, 3 * 86_400, 8 * 86_400, 30 * 86_400, 365 * 86_400, 3 * 365 * 86_400, 1_800)


def rung(byte: int, limit: int) -> int:
    """An amount on the ladder under a limit."""
    if limit < 0:
        limit = 0
    step = _RUNGS[byte & 31]
    if step == _ALL:
        return limit
    if step == _HALF:
        return limit // 2
    if step == _TENTH:
        return limit // 10
    if step == _ONE:
        return 1
    if step == _BELOW:
        return limit - 1 if limit else 0
    if step == _ABOVE:
        return limit + 1
    if step == _THOUSANDTH:
        return limit // 1_000
    if step == _TINY:
        return byte * 4 % 1_000 + 1
    if step == _MAX:
        return MAX_UINT256
    if step == _TWICE:
        return 2 * limit
    return 0


def waits(gene: Gene) -> tuple[int, int]:
    """Seconds and blocks before an ordinary call."""
    wait = _WAITS[gene[6] & 15]
    if wait == 0:
        return 0, 1 if gene[6] & 15 == 9 else 0
    return wait, max(1, wait // 12)


# ------------------------------------------------------------ lenders


def deposit(p: Player, g: Gene) -> list[Call]:
    who, v = LENDERS[g[1] % 5], g[2] % p.vault_count
    symbol = p.debts[v]
    limit = p.balance(symbol, who)
    if g[4] & 1:
        total, _, _, cap = p.totals(v)
        limit = min(limit, cap - total)
    return [p.call(g, who, f"vault.{symbol}", "deposit", rung(g[3], limit), p.at(who, g[5]))]


def mint(p: Player, g: Gene) -> list[Call]:
    who, v = LENDERS[g[1] % 5], g[2] % p.vault_count
    symbol = p.debts[v]
    _, assets, supply, _ = p.totals(v)
    shares = p.balance(symbol, who) * supply // assets // (2 if g[4] & 1 else 10)
    return [p.call(g, who, f"vault.{symbol}", "mint", rung(g[3], shares), p.at(who, g[5]))]


def withdraw(p: Player, g: Gene) -> list[Call]:
    who, v = LENDERS[g[1] % 5], g[2] % p.vault_count
    symbol = p.debts[v]
    _, assets, supply, _ = p.totals(v)
    limit = p.shares(v, who) * assets // supply
    if g[4] & 3:
        limit = min(limit, p.cash(v))
    args = rung(g[3], limit), p.at(who, g[5]), f"@{who}"
    return [p.call(g, who, f"vault.{symbol}", "withdraw", *args)]


def redeem(p: Player, g: Gene) -> list[Call]:
    who, v = LENDERS[g[1] % 5], g[2] % p.vault_count
    symbol = p.debts[v]
    limit = p.shares(v, who)
    if g[4] & 3:
        _, assets, supply, _ = p.totals(v)
        limit = min(limit, p.cash(v) * supply // assets)
    args = rung(g[3], limit), p.at(who, g[5]), f"@{who}"
    return [p.call(g, who, f"vault.{symbol}", "redeem", *args)]


def redeem_for(p: Player, g: Gene) -> list[Call]:
    """With an allowance, or without."""
    who, owner = LENDERS[g[1] % 3], LENDERS[(g[1] + 1 + g[4] % 2) % 3]
    v = g[2] % p.vault_count
    vault, amount = f"vault.{p.debts[v]}", rung(g[3], p.shares(v, owner))
    if g[5] & 1:
        return [p.call(g, who, vault, "redeem", amount, f"@{who}", f"@{owner}")]
    return [p.call(g, who, vault, "transferFrom", f"@{owner}", f"@{who}", amount)]


def pass_shares(p: Player, g: Gene) -> list[Call]:
    who, v = LENDERS[g[1] % 5], g[2] % p.vault_count
    to = LENDERS[g[5] % 5] if g[5] & 16 else "fund." + p.debts[v] if g[5] & 64 else who
    return [
        p.call(g, who, f"vault.{p.debts[v]}", "transfer", f"@{to}", rung(g[3], p.shares(v, who)))
    ]


def approve(p: Player, g: Gene) -> list[Call]:
    who, other = LENDERS[g[1] % 3], LENDERS[g[5] % 3]
    v = g[2] % p.vault_count
    amount = rung(g[3], p.shares(v, who))
    if g[4] & 1:
        return [
            p.call(
                g, "keeper", f"vault.{p.debts[v]}", "permit", f"@{who}", f"@{other}", amount,
                {"now": 60 if g[4] & 6 else -1},
            )
        ]  # fmt: skip
    return [p.call(g, who, f"vault.{p.debts[v]}", "approve", f"@{other}", amount)]


def settle(p: Player, g: Gene) -> list[Call]:
    name = "settle_fee" if g[3] & 1 else "accrue"
    return [p.call(g, "keeper", f"vault.{p.debts[g[2] % p.vault_count]}", name)]


# ------------------------------------------------------------ borrowers


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
        limit = min(limit, p.free(i, id))
    args = p.names[i], p.token(id), rung(g[3], limit), p.at(who, g[5])
    return [p.call(g, who, "engine", "withdraw_collateral", *args)]


def borrow(p: Player, g: Gene) -> list[Call]:
    i, who = p.actor(g, g[7] & 15 != 0)
    v = g[2] % p.vault_count
    limit = p.credit(i, v)
    if g[4] & 7 == 7:
        limit = p.cash(v)
    elif g[4] & 7 == 6:
        limit = p.debt_left(v)
    elif g[4] & 7 == 5:
        limit = p.least(v)
    else:
        limit = min(limit, p.cash(v))
    args = p.names[i], f"@token.{p.debts[v]}", rung(g[3], limit), p.at(who, g[5])
    return [p.call(g, who, "engine", "borrow", *args)]


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
        limit = min(limit, p.free(i, id))
    args = p.names[i], p.names[j], p.token(id), rung(g[3], limit)
    return [p.call(g, who, "engine", "move_collateral", *args)]


def batch(p: Player, g: Gene) -> list[Call]:
    i, who = p.actor(g, g[7] & 7 != 0)
    first = _leg(p, i, who, g[2] % 6, g[2] // 6, g[3], g[4])
    second = _leg(p, i, who, g[5] % 6, g[5] // 6, g[7], g[4] >> 4)
    return [p.call(g, who, "engine", "batch", [first, second], "0x")]


def _leg(p: Player, i: int, who: str, kind: int, what: int, byte: int, limits: int) -> list[Any]:
    account, receiver = p.names[i], f"@{who}"
    other, collateral = NO_ACCOUNT, NOBODY
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
        token, amount = f"@token.{p.debts[v]}", rung(byte, limit)
    elif kind == 3:
        v = p.owing(what, p.legs(i))
        token, amount = f"@token.{p.debts[v]}", rung(byte, p.owed(i, v))
    else:
        weak = p.weak(what)[0]
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
    asset = NOBODY if g[4] & 8 else p.token(p.held(g[2], p.legs(i)))
    deadline = {"now": (0, 60, 10**7, -1)[g[7] & 3]}
    args = p.names[i], "@operator", asset, g[5] & 63, 10**12, {"now": 3_600}, nonce, deadline
    calls = [p.call(g, "keeper", "engine", "set_operator_by_signature", *args)]
    if g[7] & 4:
        # the same again, which the nonce refuses
        calls.append((*calls[0][:4], 0, 0))
    return calls


def delegate(p: Player, g: Gene) -> list[Call]:
    """A grant, and what the operator takes of it, in two calls; the second may be beyond it."""
    i = g[1] % p.account_count
    name, legs = p.names[i], p.legs(i)
    id = p.held(g[2], legs)
    limit = max(min(p.amount(i, id), p.free(i, id)) // 2, 1)
    token, asset, action, function = p.token(id), p.token(id), 2, "withdraw_collateral"
    if g[4] & 1:
        v = g[2] % p.vault_count
        limit = max(min(p.credit(i, v) // 2, p.cash(v) // 4), 1)
        token = asset = f"@token.{p.debts[v]}"
        action, function = 4, "borrow"
    if g[4] & 14 == 14:
        asset = NOBODY
    granted = 2**128 - 1 if asset == NOBODY else rung(g[3], limit) % 2**128
    expiry = {"now": 0 if g[7] & 15 == 15 else 3_600}
    grant = name, "@operator", asset, action | (g[5] & 56), granted, expiry
    calls = [p.call(g, p.owners[i], "engine", "set_operator", *grant)]
    for part in (min(granted, limit), min(granted, limit) if g[7] & 16 else 1):
        args = name, token, part, "@operator"
        calls.append(("operator", "engine", function, args, 0, 0))
    return calls


# ------------------------------------------------------------ liquidators


def liquidate(p: Player, g: Gene) -> list[Call]:
    """One whole or partial liquidation, or a few slices in one block."""
    i, is_weak = p.weak(g[1])
    if not is_weak and g[7] & 224:
        return corner(p, g)
    wait, blocks = waits(g)
    return _liquidations(p, g, i, wait, blocks)


def _liquidations(p: Player, g: Gene, i: int, wait: int, blocks: int) -> list[Call]:
    who = LIQUIDATORS[g[5] % 5] if g[5] & 8 else "liquidator_1"
    if g[5] & 112 == 112:
        who = p.owners[i]
    legs = p.legs(i)
    v = p.owing(g[2], legs)
    id = p.held(g[2] >> 3, legs)
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


_EDGES = (
    10**9, 0, -(10**9), -(10**15), -(10**16), -5 * 10**16, -2 * 10**17, -4 * 10**17
)  # fmt: skip
"""How far from a health of 1 a price is moved [WAD]."""


def corner(p: Player, g: Gene) -> list[Call]:
    """The price at which an account is just below maintenance, or just not; then a liquidation."""
    i = p.debtor(g[1])
    legs = p.legs(i)
    held = p.held(g[2] >> 3, legs)
    source = p.sources_of(held)
    share = p.share(i, held)
    if not share or not source:
        return price(p, g)
    target = WAD + _EDGES[g[3] >> 5]
    # what this collateral must count so that the whole meets the target
    part = max(WAD - (WAD - target * WAD // p.health(i)) * WAD // share, WAD // 50)
    wait, blocks = waits(g)
    calls: list[Call] = []
    if g[4] & 16:
        # the owner raises his risk in the very block
        v = p.owing(g[2], legs)
        amount = min(p.credit(i, v) // 2, p.cash(v))
        owner, token = p.owners[i], f"@token.{p.debts[v]}"
        args = p.names[i], token, amount, f"@{owner}"
        calls.append((owner, "engine", "borrow", args, wait, blocks))
        wait = blocks = 0
    for name in source:
        calls.append(p.feed(name, max(p.answer(name) * part // WAD, 1), wait, blocks))
        wait = blocks = 0
    token = p.token(held)
    if g[4] & 16:
        return calls + _liquidations(p, g, i, 0, 0)
    if g[6] & 16:
        calls.append(("keeper", "breaker", "poke", (token,), 0, 0))
    if g[6] & 32:
        calls.append(("keeper", "breaker", "poke", (token,), 61, 5))
    if g[6] & 64:
        calls.append(("keeper", "breaker", "poke", (token,), 600, 50))
    fresh = g[6] & 128
    return calls + _liquidations(p, g, i, 0 if fresh else 12, 0 if fresh else 1)


# ------------------------------------------------------------ stakers of the fund


def stake(p: Player, g: Gene) -> list[Call]:
    who, v = ("staker", "lender_1", "attacker")[g[1] % 3], g[2] % p.vault_count
    amount = rung(g[3], p.shares(v, who) // (1 if g[4] & 1 else 10))
    if g[4] & 6 == 6:
        supply, reserve = p.fund(v)
        held = p.watch.vaults[v][4] + 1
        amount = rung(g[3], p.shares(v, who) * (supply + reserve) // held // 2)
        return [p.call(g, who, f"fund.{p.debts[v]}", "mint", amount, p.at(who, g[5]))]
    return [p.call(g, who, f"fund.{p.debts[v]}", "deposit", amount, p.at(who, g[5]))]


def unstake(p: Player, g: Gene) -> list[Call]:
    who, v = ("staker", "lender_1", "attacker")[g[1] % 3], g[2] % p.vault_count
    fund = f"fund.{p.debts[v]}"
    amount = rung(g[3], p.stake(v, who))
    if g[4] & 3 == 0:
        return [p.call(g, who, fund, "request_exit", amount)]
    if g[4] & 3 == 1:
        # a ticket that is used when it may be
        return [
            p.call(g, who, fund, "request_exit", amount),
            (who, fund, "redeem", (amount, f"@{who}", f"@{who}"), 20 * 86_400, 144_000),
        ]
    if g[4] & 3 == 3 and g[7] & 6:
        # too early, too late, or more than was asked for, and others' shares
        wait = (86_400, 20 * 86_400, 22 * 86_400 + 1)[g[7] % 3]
        amount = min(amount, 2**200)
        more = amount + 1 if g[7] & 8 else max(amount // 2, 1)
        return [
            p.call(g, who, fund, "request_exit", amount),
            (who, fund, "redeem", (more, f"@{who}", f"@{who}"), wait, wait // 12),
            (who, fund, "approve", ("@lender_2", amount), 0, 0),
            ("lender_2", fund, "transferFrom", (f"@{who}", "@lender_2", more), 0, 0),
            ("lender_2", fund, "withdraw", (1, "@lender_2", f"@{who}"), 0, 0),
        ]
    if g[4] & 3 == 2:
        name = "withdraw" if g[7] & 1 else "redeem"
        return [p.call(g, who, fund, name, amount, f"@{who}", f"@{who}")]
    if g[7] & 1:
        return [p.call(g, who, fund, "cancel_exit")]
    return [p.call(g, who, fund, "transfer", f"@{LENDERS[g[5] % 5]}", amount)]


# ------------------------------------------------------------ guardian and owner


def trip(p: Player, g: Gene) -> list[Call]:
    id = g[2] % p.asset_count + 1
    if g[3] & 3 == 3:
        who = "guardian" if g[4] & 1 else "keeper"
        return [p.call(g, who, "breaker", "reset", p.token(id))]
    durations = (60, 3_600, 86_400, 3 * 86_400, 7 * 86_400, 7 * 86_400 + 1)
    duration = durations[g[7] % 6]
    level = 1 + (g[3] & 1)
    i = p.holder(g[5])
    if g[4] & 3 == 1:
        id, level = p.held(g[2], p.legs(i)), 2
    calls = [p.call(g, "guardian", "breaker", "trip", p.token(id), level, duration)]
    if g[4] & 3 == 0:
        # once more when it has ended, and again: the hold budget
        again = ("guardian", "breaker", "trip", (p.token(id), level, duration))
        calls += [(*again, duration + 60, duration // 12)] * (1 + (g[5] & 3))
    elif g[4] & 3 == 1:
        # new risk on what it counted until now
        v = g[1] % p.vault_count
        who, token = p.owners[i], f"@token.{p.debts[v]}"
        amount = max(min(p.credit(i, v), p.cash(v)), p.least(v))
        args = p.names[i], token, rung(g[1] & 7, amount), f"@{who}"
        calls.append((who, "engine", "borrow", args, 0, 0))
    return calls


def _rule(p: Player, g: Gene) -> Step:
    """What an owner may change."""
    kind = g[2] % 9
    v = g[4] % p.vault_count
    id = p.collateral(g[4], [], 0)
    symbol = p.debts[v]
    if kind == 0:
        code = p.watch.books[id] >> 120 & 0xFFFFFF
        cap = (code & 65_535) << (code >> 16)
        total = p.watch.books[id] & (2**112 - 1)
        return Step(
            "timelock", "engine", "set_cap", (p.token(id), (0, total, cap, 2 * cap)[g[3] & 3])
        )
    if kind == 1:
        least = (0, 1, p.least(v) // 2, p.least(v) * 2)[g[3] & 3]
        return Step("timelock", "engine", "set_min_debt", (f"@token.{symbol}", least))
    if kind == 2:
        ltv = (0, 3_000, 5_000, 7_000, 7_800, 9_000)[g[3] % 6]
        return Step("timelock", "configurator", "set_borrow_ltv", (p.token(id), ltv))
    if kind == 3:
        target = (0, 4_000, 6_000, 7_500, 8_500, 9_200)[g[3] % 6]
        duration = (0, 86_400, 3 * 86_400, 30 * 86_400)[g[5] & 3]
        args = p.token(id), target, duration
        return Step("timelock", "configurator", "ramp_liquidation_ltv", args)
    if kind == 4:
        total, _, _, cap = p.totals(v)
        _, _, debt_cap, _ = p.watch.configs[v]
        part = (0, 1, 2, 4)[g[3] & 3]
        return Step(
            "timelock", f"vault.{symbol}", "set_caps", (cap * part // 2, debt_cap * part // 2)
        )
    if kind == 5:
        config = list(p.world.vault_config(symbol))
        config[0] = (0, 1_000, 2_000, 5_000)[g[3] & 3]
        config[1] = (5_000, 8_000, 9_000, 9_900)[g[5] & 3]
        config[3] = (0, 50, 5_000, 1_000_000)[g[5] >> 2 & 3]
        config[7] = (0, 1, 9, 100)[g[5] >> 4 & 3]
        if g[7] & 24 == 24:
            field = g[7] & 7
            config[field] = (5_001, 999, 9_999, 1_000_001, 20_001, 0, 20_001, 101)[field]
        return Step("timelock", f"vault.{symbol}", "set_config", (config,))
    if kind == 6 and "LATE" in p.world.listings:
        if g[3] & 1:
            cap = p.world.listings["LATE"].amount(10**6)
            return Step("timelock", "engine", "list_collateral", ("@token.LATE", cap, False))
        rules: list[Any] = list(p.world.configs["LATE"])
        rules[0] = "@source.LATE.0"
        return Step("timelock", "configurator", "list_asset", ("@token.LATE", rules))
    if kind == 8:
        # what is so already, or refused: nothing of it may change the market
        choices: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
            (f"vault.{symbol}", "set_breaker", ("@breaker",)),
            (f"vault.{symbol}", "open", (f"@fund.{symbol}", 1, 1, 1)),
            ("engine", "list_debt", (f"@vault.{symbol}", 1)),
            ("engine", "list_collateral", (p.token(id), 1, False)),
            ("engine", "set_cap", (f"@vault.{symbol}", 1)),
            ("risk", "set_breaker", ("@breaker",)),
            ("risk", "set_configurator", ("@configurator",)),
            ("breaker", "connect", ("@risk", "@engine")),
            ("breaker", "add_vault", (f"@vault.{symbol}",)),
        )
        return Step("timelock", *choices[g[3] % len(choices)])
    return Step("timelock", "breaker", "set_guardian", ("@guardian" if g[3] & 3 else NOBODY,))


def schedule(p: Player, g: Gene) -> list[Call]:
    rule = _rule(p, g)
    salt = "0x" + (b"rule" + g).rjust(32, b"\0").hex()
    args = (f"@{rule.target}", 0, {"call": rule}, NO_ACCOUNT, salt)
    calls = [p.call(g, "governor", "timelock", "schedule", *args, DELAY)]
    if not g[7] & 1:
        p.scheduled.append((args, p.host._now + waits(g)[0] + DELAY))
    else:
        calls.append(("keeper", "timelock", "execute", args, DELAY, 300))
    return calls


def botch(p: Player, g: Gene) -> list[Call]:
    """What the owner may not do: refused when the timelock executes it."""
    symbol = p.debts[g[4] % p.vault_count]
    vault, token = f"vault.{symbol}", f"@token.{symbol}"
    kind = g[2] % 16
    if kind < 5:
        config = list(p.world.vault_config(symbol))
        field, value = _BAD_VAULT[g[3] % len(_BAD_VAULT)]
        config[field] = value
        rule = Step("timelock", vault, "set_config", (config,))
    elif kind < 11 and "LATE" in p.world.listings:
        rules = p.world.configs["LATE"]._asdict()
        rules["source"] = "@source.LATE.0"
        name, value = _BAD_ASSET[g[3] % len(_BAD_ASSET)]
        rules[name] = value
        rule = Step("timelock", "configurator", "list_asset", ("@token.LATE", list(rules.values())))
    else:
        choices: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
            (vault, "open", (f"@fund.{symbol}", 1, 1, 1)),
            ("engine", "list_debt", (f"@{vault}", 1)),
            ("engine", "list_collateral", (f"@token.{p.world.collaterals[0]}", 1, False)),
            ("engine", "list_collateral", (f"@{vault}", 1, False)),
            ("engine", "set_cap", (f"@{vault}", 1)),
            ("engine", "set_min_debt", (f"@{vault}", 1)),
            ("configurator", "list_asset", (token, _NO_RULES)),
            ("configurator", "set_borrow_ltv", (token, 9_900)),
            ("configurator", "set_borrow_ltv", (token, 3_333)),
            ("configurator", "ramp_liquidation_ltv", (token, 100, 60)),
            ("configurator", "ramp_liquidation_ltv", (token, 100, 10**9)),
            ("configurator", "ramp_liquidation_ltv", (token, 9_999, 10**6)),
            ("risk", "set_breaker", (NOBODY,)),
            ("risk", "set_configurator", (NOBODY,)),
            ("breaker", "connect", ("@risk", "@engine")),
            ("breaker", "add_vault", (f"@{vault}",)),
            ("breaker", "add_vault", ("@lender_1",)),
        )
        target, function, args = choices[g[3] % len(choices)]
        rule = Step("timelock", target, function, args)
    salt = "0x" + (b"botch" + g).rjust(32, b"\0").hex()
    args = (f"@{rule.target}", 0, {"call": rule}, NO_ACCOUNT, salt)
    return [
        ("governor", "timelock", "schedule", (*args, DELAY), 0, 0),
        ("keeper", "timelock", "execute", args, DELAY, 300),
    ]


_NO_RULES: list[Any] = [NOBODY, False, *[0] * 17, False]
"""Of an asset."""

_BAD_VAULT = (
    (0, 5_001), (1, 999), (1, 9_901), (2, 9_999), (2, 100_001), (3, 1_000_001), (4, 20_001),
    (4, 1), (5, 0), (6, 20_001), (7, 101),
)  # fmt: skip
"""Field of a vault's configuration, and a value that is out of its range."""

_BAD_ASSET: tuple[tuple[str, Any], ...] = (
    ("max_age", 0), ("max_age", 10**6), ("min_price", 1), ("max_price", 10**30),
    ("min_price", 10**28), ("jump_band", 0), ("jump_band", 10**5), ("borrow_ltv", 7_901),
    ("borrow_ltv", 7_950), ("borrow_ltv_floor", 9_000), ("borrow_ltv_floor", 5_501),
    ("liquidation_ltv", 10_000), ("debt_weight", 9_999), ("debt_weight", 40_000),
    ("max_leverage", 10_000), ("max_leverage", 10**7), ("volatility_ref", 10**6),
    ("volatility_slope", 10**6), ("tip", 0), ("tip", 60), ("tip", 200), ("incentive_min", 40),
    ("incentive_max", 90), ("incentive_max", 6_000), ("incentive_max", 3_000),
    ("incentive_slope", 10**7), ("target_health", 10_000), ("target_health", 17_000),
    ("target_slope", 10**7), ("is_feed", True), ("source", "@lender_1"),
    ("source", "@token.USDC"),
)  # fmt: skip
"""Rule of an asset, and a value that its listing refuses."""


def execute(p: Player, g: Gene) -> list[Call] | None:
    if not p.scheduled:
        return None
    args, ready = p.scheduled[g[2] % len(p.scheduled)]
    wait = max(ready - p.host._now, 0) if g[3] & 7 else waits(g)[0]
    return [("keeper", "timelock", "execute", args, wait, -(-wait // 12))]


# ------------------------------------------------------------ attackers


def donate(p: Player, g: Gene) -> list[Call]:
    who = ("attacker", "lender_3")[g[1] & 1]
    id = g[2] % p.asset_count + 1
    symbol = p.symbols[id - 1]
    to = "engine"
    if symbol in p.debts and g[5] & 3:
        to = f"vault.{symbol}" if g[5] & 1 else f"fund.{symbol}"
    amount = rung(g[3], p.balance(symbol, who) // 10)
    return [p.call(g, who, f"token.{symbol}", "transfer", f"@{to}", amount)]


def flash(p: Player, g: Gene) -> list[Call]:
    """A flash loan, with up to two calls in between."""
    v = g[2] % p.vault_count
    symbol = p.debts[v]
    amount = rung(g[3], p.cash(v))
    calls = []
    if g[4] & 3:
        inner = [_inner(p, g[5], symbol, amount), _inner(p, g[7], symbol, amount)][: 1 + (g[4] & 1)]
        steps = [[f"@{step.target}", {"call": step}, bool(g[4] & 8)] for step in inner]
        magic = _MAGIC if g[4] & 112 else NO_ACCOUNT
        calls.append(p.call(g, "keeper", "attacker", "set_calls", steps, magic))
    loan = "@attacker", f"@token.{symbol}", amount, "0x"
    calls.append(("attacker", f"vault.{symbol}", "flashLoan", loan, 0, 0))
    return calls


_MAGIC = "0x439148f0bbc682ca079e46d6e2c2f0c1e3b820f1a291b069d8882abf8cf18dd9"


def _inner(p: Player, byte: int, symbol: str, amount: int) -> Step:
    """What the attacker does while he is called."""
    kind, what = byte % 10, byte // 10
    mine = [n for n, owner in enumerate(p.owners) if owner == "attacker"]
    i = mine[what % len(mine)]
    token = f"@token.{symbol}"
    part = max(amount // (1 + what % 4), 1)
    if kind == 0:
        return Step("attacker", f"vault.{symbol}", "deposit", (part, "@attacker"))
    if kind == 1:
        return Step("attacker", "engine", "deposit_collateral", (p.names[i], token, part))
    if kind == 2:
        v = what % p.vault_count
        args: tuple[Any, ...] = (p.names[i], f"@token.{p.debts[v]}", p.credit(i, v), "@attacker")
        return Step("attacker", "engine", "borrow", args)
    if kind == 3:
        v = p.owing(what, p.legs(i))
        return Step(
            "attacker", "engine", "repay", (p.names[i], f"@token.{p.debts[v]}", MAX_UINT256)
        )
    if kind == 4:
        id = p.held(what, p.legs(i))
        args = (p.names[i], p.token(id), p.amount(i, id), "@attacker")
        return Step("attacker", "engine", "withdraw_collateral", args)
    if kind == 5:
        weak = p.weak(what)[0]
        legs = p.legs(weak)
        v = p.owing(what, legs)
        held = p.token(p.held(what, legs))
        return Step(
            "attacker", "engine", "liquidate",
            (p.names[weak], f"@token.{p.debts[v]}", held, MAX_UINT256, 0, "@attacker",
             NO_ACCOUNT, "0x"),
        )  # fmt: skip
    if kind == 6:
        return Step("attacker", f"token.{symbol}", "transfer", (f"@vault.{symbol}", part))
    if kind == 7:
        v = what % p.vault_count
        shares = p.shares(v, "attacker")
        args = (shares, "@attacker", "@attacker")
        return Step("attacker", f"vault.{p.debts[v]}", "redeem", args)
    if kind == 8:
        return Step("attacker", "breaker", "poke", (token,))
    return Step("attacker", f"vault.{symbol}", "accrue", ())


def hook(p: Player, g: Gene) -> list[Call] | None:
    """The hook token calls the attacker, who calls us."""
    if "HOOK" not in p.symbols:
        return None
    if g[3] & 7 == 1:
        return [p.call(g, "keeper", "token.HOOK", "set_hook", NOBODY, "0x", False)]
    if g[4] & 6:
        return _hooked(p, g)
    symbol = p.debts[g[2] % p.vault_count]
    # no poke: outside of our locks it would pass, in calls that nobody expects to move a price
    kind = g[5] - g[5] % 10 + g[5] % 8
    inner = _inner(p, kind, symbol, p.balance(symbol, "attacker") // 100)
    run = Step("keeper", "attacker", "execute", (f"@{inner.target}", {"call": inner}))
    after = bool(g[4] & 1)
    return [p.call(g, "keeper", "token.HOOK", "set_hook", "@attacker", {"call": run}, after)]


def _hooked(p: Player, g: Gene) -> list[Call]:
    """The attacker moves the hook token in a call, and is called in the middle of it."""
    mine = [n for n, owner in enumerate(p.owners) if owner == "attacker"]
    i = mine[g[1] % len(mine)]
    name, token, vault = p.names[i], "@token.HOOK", "vault.HOOK"
    wealth = p.balance("HOOK", "attacker")
    amount = max(rung(g[3], wealth // 100), 1)
    choices: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
        ("engine", "withdraw_collateral", (name, token, MAX_UINT256, "@attacker")),
        ("engine", "deposit_collateral", (name, token, amount)),
        ("engine", "borrow", (name, token, p.credit(i, p.debts.index("HOOK")), "@attacker")),
        ("engine", "repay", (name, token, MAX_UINT256)),
        (vault, "deposit", (amount, "@attacker")),
        (vault, "withdraw", (amount, "@attacker", "@attacker")),
        (vault, "flashLoan", ("@attacker", token, amount, "0x")),
        ("engine", "move_collateral", (name, p.names[p.sibling(i, 0)], token, MAX_UINT256)),
    )
    outer = choices[g[5] & 7]
    inner = outer if g[7] & 8 else choices[g[7] & 7]
    run = Step(
        "keeper", "attacker", "execute", (f"@{inner[0]}", {"call": Step("attacker", *inner)})
    )
    return [
        p.call(g, "attacker", "engine", "deposit_collateral", name, token, amount),
        ("attacker", vault, "deposit", (amount, "@attacker"), 0, 0),
        ("keeper", "token.HOOK", "set_hook", ("@attacker", {"call": run}, bool(g[4] & 1)), 0, 0),
        ("attacker", *outer, 0, 0),
    ]


def odd(p: Player, g: Gene) -> list[Call] | None:
    if "ODD" not in p.symbols:
        return None
    if g[3] & 1:
        who = ("liquidator_1", "engine", "borrower_1", "attacker")[g[5] & 3]
        return [p.call(g, "keeper", "token.ODD", "set_blocked", f"@{who}", bool(g[4] & 1))]
    fee = (0, 1, 100, 5_000)[g[4] & 3]
    args = (1, 1, 2, 0)[g[5] & 3], fee, g[7] & 15 == 0, bool(g[7] & 16)
    return [p.call(g, "keeper", "token.ODD", "set_odds", *args)]


def intrude(p: Player, g: Gene) -> list[Call]:
    """A stranger calls what is the owner's, the engine's or the breaker's."""
    v = g[2] % p.vault_count
    vault, token = f"vault.{p.debts[v]}", f"@token.{p.debts[v]}"
    amount = rung(g[3], p.cash(v))
    choices: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
        (vault, "lend", (amount, "@attacker")),
        (vault, "collect", (0, amount, "@lender_1", amount)),
        (vault, "write_off", (amount,)),
        (vault, "set_level", (0, 10**12, 0)),
        (vault, "set_caps", (amount, amount)),
        (vault, "set_config", (list(p.world.vault_config(p.debts[v])),)),
        (vault, "set_breaker", ("@attacker",)),
        (vault, "open", ("@attacker", 1, 1, 1)),
        (vault, "transfer_ownership", ("@attacker",)),
        ("engine", "set_cap", (token, amount)),
        ("engine", "set_min_debt", (token, amount)),
        ("engine", "list_debt", (f"@{vault}", amount)),
        ("engine", "list_collateral", (token, amount, False)),
        ("risk", "write_asset", (token, amount, amount)),
        ("risk", "poke", (token,)),
        ("risk", "set_level", (token, 0, 0, 0)),
        ("risk", "set_breaker", ("@attacker",)),
        ("risk", "set_configurator", ("@attacker",)),
        ("breaker", "trip", (token, 2, 3_600)),
        ("breaker", "connect", ("@risk", "@engine")),
        ("breaker", "add_vault", (f"@{vault}",)),
        ("breaker", "set_guardian", ("@attacker",)),
        ("configurator", "set_borrow_ltv", (token, 5_000)),
        ("configurator", "ramp_liquidation_ltv", (token, 5_000, 10**6)),
    )
    target, function, args = choices[g[5] % len(choices)]
    return [p.call(g, "attacker" if g[4] & 1 else "lender_3", target, function, *args)]


def misuse(p: Player, g: Gene) -> list[Call]:
    """What must be refused in every state: wrong receivers, assets, owners, kinds of legs."""
    i, v = g[1] % p.account_count, g[2] % p.vault_count
    who, name = p.owners[i], p.names[i]
    j = next(j for j, owner in enumerate(p.owners) if owner != who)
    symbol = p.debts[v]
    vault, fund, token = f"vault.{symbol}", f"fund.{symbol}", f"@token.{symbol}"
    held = p.token(p.held(g[2], p.legs(i)))
    odd = [3, name, token, 1, f"@{who}", NO_ACCOUNT, NOBODY, 0]
    choices: tuple[tuple[str, str, str, tuple[Any, ...]], ...] = (
        (who, "engine", "deposit_collateral", (name, f"@{vault}", 1)),
        (who, "engine", "deposit_collateral", (name, held, 2**104)),
        (who, "engine", "withdraw_collateral", (name, held, 1, NOBODY)),
        (who, "engine", "withdraw_collateral", (name, f"@{vault}", 1, f"@{who}")),
        (who, "engine", "borrow", (name, f"@{vault}", 1, f"@{who}")),
        (who, "engine", "borrow", (name, token, 10**30, NOBODY)),
        (who, "engine", "repay", (name, f"@{vault}", 1)),
        (who, "engine", "move_collateral", (name, name, held, 1)),
        (who, "engine", "move_collateral", (name, p.names[j], held, 1)),
        (who, "engine", "batch", ([odd], "0x")),
        ("lender_1", vault, "deposit", (1, NOBODY)),
        ("lender_1", vault, "mint", (2**128, "@lender_1")),
        ("lender_1", vault, "deposit", (2**112, "@lender_1")),
        ("lender_1", vault, "withdraw", (1, NOBODY, "@lender_1")),
        ("lender_1", vault, "transfer", (NOBODY, 1)),
        ("lender_1", vault, "flashLoan", ("@attacker", f"@{vault}", 1, "0x")),
        ("lender_1", vault, "flashLoan", ("@lender_1", token, 1, "0x")),
        ("keeper", vault, "permit",
         ("@lender_1", "@attacker", 1, {"now": 60}, 27, NO_ACCOUNT, NO_ACCOUNT)),
        ("staker", fund, "deposit", (1, NOBODY)),
        ("staker", fund, "mint", (2**128, "@staker")),
        ("staker", fund, "transfer", (NOBODY, 0)),
        ("lender_3", fund, "request_exit", (1,)),
        ("keeper", "breaker", "poke", (f"@{vault}",)),
        ("guardian", "breaker", "trip", (f"@{vault}", 1, 60)),
        ("guardian", "breaker", "trip", (token, 3, 60)),
        ("keeper", "lens", "config_of", (f"@{vault}",)),
    )  # fmt: skip
    sender, target, function, args = choices[g[5] % len(choices)]
    return [p.call(g, sender, target, function, *args)]


def look(p: Player, g: Gene) -> list[Call]:
    """A view of any contract."""
    view = p.views[(g[1] << 8 | g[2]) % len(p.views)]
    return [p.call(g, "keeper", view.target, view.function, *looks.arguments(p, view, g))]


# ------------------------------------------------------------ prices and time


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
    answer = (good, 0, -1, good, good * 10**10)[kind]
    when = {"now": (-86_400, -86_401, 60, 0)[g[7] & 3]} if kind in (0, 3) else {"now": 0}
    rounds = (5, 4) if g[7] & 64 and kind == 3 else (5, 5)
    return [p.call(g, "keeper", name, "set_round", rounds[0], answer, when, rounds[1])]


def refresh(p: Player, g: Gene) -> list[Call]:
    """Time passes, and every source gives its last answer anew; perhaps all are poked."""
    wait = _LONG[g[2] & 7] if g[3] & 3 else _LONG[g[2] & 1]
    if g[4] & 1:
        wait = 0
    calls = []
    blocks = wait // 12
    for symbol, sources in p.priced:
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


def poke(p: Player, g: Gene) -> list[Call]:
    id = g[2] % p.asset_count + 1
    return [p.call(g, "keeper", "breaker", "poke", p.token(id))]


def wait(p: Player, g: Gene) -> list[Call]:
    """Only time, with a poke at its end."""
    seconds = _LONG[g[3] & 7]
    id = g[2] % p.asset_count + 1
    return [("keeper", "breaker", "poke", (p.token(id),), seconds, seconds // 12)]


# ------------------------------------------------------------ runs


def tiny(p: Player, g: Gene) -> list[Call]:
    """1 to 60 operations of 1 to 1,000 of the smallest units, in one block."""
    count = 1 + g[3] % 60
    amount = (1, 2, 3, 7, 10, 99, 100, 999, 1_000)[g[5] % 9]
    kind = g[4] % 6
    v = g[2] % p.vault_count
    symbol = p.debts[v]
    there: Any
    back: Any
    if kind < 2:
        who = LENDERS[g[1] % 5]
        there = (who, f"vault.{symbol}", "deposit", (amount, f"@{who}"))
        back = (who, f"vault.{symbol}", "withdraw", (amount, f"@{who}", f"@{who}"))
        if kind == 1:
            back = (who, f"vault.{symbol}", "redeem", (amount * 10**6, f"@{who}", f"@{who}"))
    else:
        i = g[1] % p.account_count
        who, name = p.owners[i], p.names[i]
        if kind < 4:
            token = f"@token.{symbol}"
            there = (who, "engine", "borrow", (name, token, amount, f"@{who}"))
            back = (who, "engine", "repay", (name, token, amount + (kind & 1)))
        else:
            token = p.token(p.held(g[2], p.legs(i)))
            there = (who, "engine", "deposit_collateral", (name, token, amount))
            back = (who, "engine", "withdraw_collateral", (name, token, amount, f"@{who}"))
    wait, blocks = waits(g)
    calls: list[Call] = []
    for number in range(count):
        second = number & 1 if g[7] & 1 else number >= count // 2
        one = back if second else there
        calls.append((*one, wait, blocks))
        wait = blocks = 0
    return calls


ACTIONS: tuple[tuple[str, Act, int], ...] = (
    ("deposit", deposit, 8),
    ("mint", mint, 3),
    ("withdraw", withdraw, 7),
    ("redeem", redeem, 5),
    ("redeem_for", redeem_for, 2),
    ("pass_shares", pass_shares, 3),
    ("approve", approve, 2),
    ("settle", settle, 2),
    ("add", add, 17),
    ("take", take, 14),
    ("borrow", borrow, 26),
    ("repay", repay, 15),
    ("move", move, 6),
    ("batch", batch, 22),
    ("grant", grant, 4),
    ("delegate", delegate, 5),
    ("sign", sign, 2),
    ("liquidate", liquidate, 20),
    ("corner", corner, 6),
    ("stake", stake, 4),
    ("unstake", unstake, 5),
    ("trip", trip, 4),
    ("schedule", schedule, 4),
    ("execute", execute, 3),
    ("botch", botch, 3),
    ("donate", donate, 4),
    ("flash", flash, 5),
    ("hook", hook, 3),
    ("odd", odd, 1),
    ("intrude", intrude, 1),
    ("misuse", misuse, 1),
    ("look", look, 8),
    ("price", price, 20),
    ("rate", rate, 2),
    ("bad_feed", bad_feed, 3),
    ("refresh", refresh, 4),
    ("poke", poke, 8),
    ("wait", wait, 2),
    ("tiny", tiny, 1),
)
"""Name, what it does, and how often it is drawn (in 256)."""

REFUSED = frozenset({"intrude", "misuse"})
"""Actions that must never succeed."""

NAMES = tuple(name for name, _, _ in ACTIONS)


def _table() -> tuple[int, ...]:
    found = [number for number, (_, _, weight) in enumerate(ACTIONS) for _ in range(weight)]
    assert len(found) <= 256, len(found)
    return tuple(found[byte * len(found) // 256] for byte in range(256))


TABLE = _table()
"""The action of a gene's first byte."""
