"""Lenders of the vaults, and stakers of the funds that insure them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from breakwater.fuzz.genes import LENDERS, STAKERS, Call, Gene, rung

if TYPE_CHECKING:
    from breakwater.fuzz.player import Player


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
    v = g[2] % p.vault_count
    who = p.lender(v, g[1])
    symbol = p.debts[v]
    _, assets, supply, _ = p.totals(v)
    limit = p.shares(v, who) * assets // supply
    if g[4] & 3:
        limit = min(limit, p.cash(v))
    args = rung(g[3], limit), p.at(who, g[5]), f"@{who}"
    return [p.call(g, who, f"vault.{symbol}", "withdraw", *args)]


def redeem(p: Player, g: Gene) -> list[Call]:
    v = g[2] % p.vault_count
    who = p.lender(v, g[1])
    symbol = p.debts[v]
    limit = p.shares(v, who)
    if g[4] & 3:
        _, assets, supply, _ = p.totals(v)
        limit = min(limit, p.cash(v) * supply // assets)
    args = rung(g[3], limit), p.at(who, g[5]), f"@{who}"
    return [p.call(g, who, f"vault.{symbol}", "redeem", *args)]


def redeem_for(p: Player, g: Gene) -> list[Call]:
    """With an allowance, or without, or with one that is too small."""
    who, owner = LENDERS[g[1] % 3], LENDERS[(g[1] + 1 + g[4] % 2) % 3]
    v = g[2] % p.vault_count
    vault, amount = f"vault.{p.debts[v]}", rung(g[3], p.shares(v, owner))
    calls = [p.call(g, who, vault, "transferFrom", f"@{owner}", f"@{who}", amount)]
    if g[5] & 1:
        calls = [p.call(g, who, vault, "redeem", amount, f"@{who}", f"@{owner}")]
    if g[4] & 6:
        allowed = amount if g[4] & 8 else amount // 2
        calls.insert(0, (owner, vault, "approve", (f"@{who}", allowed), 0, 0))
    return calls


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


# ------------------------------------------------------------ stakers of the fund


def stake(p: Player, g: Gene) -> list[Call]:
    v = g[2] % p.vault_count
    who = p.one_with(STAKERS, g[1], partial(p.shares, v))
    amount = rung(g[3], p.shares(v, who) // (1 if g[4] & 1 else 10))
    if g[4] & 6 == 6:
        supply, reserve = p.fund(v)
        held = p.watch.vaults[v][4] + 1
        amount = rung(g[3], p.shares(v, who) * (supply + reserve) // held // 2)
        return [p.call(g, who, f"fund.{p.debts[v]}", "mint", amount, p.at(who, g[5]))]
    return [p.call(g, who, f"fund.{p.debts[v]}", "deposit", amount, p.at(who, g[5]))]


def unstake(p: Player, g: Gene) -> list[Call]:
    v = g[2] % p.vault_count
    who = p.one_with(STAKERS, g[1], partial(p.stake, v))
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
