"""Odd tokens: what they begin to do, and what can be tried with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from breakwater.fuzz.genes import NO_ACCOUNT, Call, Gene, rung
from breakwater.units import MAX_UINT256

if TYPE_CHECKING:
    from breakwater.fuzz.player import Player

ODD: Final = "token.ODD"


def odd(p: Player, g: Gene) -> list[Call] | None:
    """One of the acts of the odd token, see `Listing.acts`."""
    acts = p.world.listings["ODD"].acts if "ODD" in p.symbols else ()
    if not acts:
        return None
    function, args = acts[g[2] % len(acts)]
    if function == "any":
        return _any(p, g)
    if function == "block":
        return _block(p, g)
    if function in ("grow", "shrink"):
        return _rebase(p, g, function == "grow")
    if function == "reapprove":
        amount = (0, 1, MAX_UINT256)[g[3] % 3]
        return [p.call(g, "attacker", ODD, "approve", f"@{_holder(p, g)}", amount)]
    if function in ("give", "own"):
        amount, to = rung(g[3], p.balance("ODD", "attacker") // 10), f"@{_holder(p, g)}"
        if function == "give":
            return [p.call(g, "attacker", ODD, "transfer", to, amount)]
        return [p.call(g, "attacker", ODD, "transferFrom", "@attacker", to, amount)]
    if function == "flash":
        return _flash(p, g)
    if function == "most":
        return _most(p, g)
    if function == "twin":
        return _twin(p, g)
    return [p.call(g, "keeper", ODD, function, *args)]


def _any(p: Player, g: Gene) -> list[Call]:
    """Of a token that may do several things: one."""
    if g[3] & 1:
        return _block(p, g)
    fee = (0, 1, 100, 5_000)[g[4] & 3]
    args = (1, 1, 2, 0)[g[5] & 3], fee, g[7] & 15 == 0, bool(g[7] & 16)
    return [p.call(g, "keeper", ODD, "set_odds", *args)]


def _block(p: Player, g: Gene) -> list[Call]:
    who = ["liquidator_1", "engine", "borrower_1", "attacker"]
    if "ODD" in p.debts:
        who.append("vault.ODD")
    blocked = f"@{who[g[5] % len(who)]}"
    return [p.call(g, "keeper", ODD, "set_blocked", blocked, bool(g[4] & 1))]


def _holder(p: Player, g: Gene) -> str:
    """Who of the protocol may hold the token."""
    return "vault.ODD" if "ODD" in p.debts and g[5] & 1 else "engine"


def _rebase(p: Player, g: Gene, grows: bool) -> list[Call]:
    """All that the protocol holds becomes more, or less, by a part, which may be seen."""
    holders = ["engine", "vault.ODD"] if "ODD" in p.debts else ["engine"]
    part = (1_000, 100, 10, 3)[g[3] & 3]
    amounts = [(who, p.balance("ODD", who) // part) for who in holders]
    calls: list[Call] = [
        ("keeper", ODD, "mint" if grows else "burn", (f"@{who}", amount), 0, 0)
        for who, amount in amounts
    ]
    calls[0] = p.call(g, *calls[0][:3], *calls[0][3])
    if g[4] & 3 == 3:
        calls.append(("keeper", "breaker", "check_solvency", ("@token.ODD",), 0, 0))
    if not grows and g[7] & 3:
        # and is made good, else little is possible from then on
        calls += [("keeper", ODD, "mint", (f"@{who}", amount), 0, 0) for who, amount in amounts]
    return calls


def _flash(p: Player, g: Gene) -> list[Call]:
    """The attacker mints as much as he likes, does something, and burns it in the same block."""
    amount = (10**18, 10**24, 2**103, 2**111, 2**200)[g[3] % 5]
    there = p.call(g, "keeper", ODD, "mint", "@attacker", amount)
    back: Call = ("keeper", ODD, "burn", ("@attacker", amount), 0, 0)
    return [there, *_in_and_out(p, g, amount), back]


def _in_and_out(p: Player, g: Gene, amount: int) -> list[Call]:
    i = next(n for n, owner in enumerate(p.owners) if owner == "attacker")
    name, token = p.names[i], "@token.ODD"
    kind, poked = g[4] & 3, ("keeper", "breaker", "poke", (token,), 0, 0)
    if kind == 0:
        return [poked]
    if "ODD" in p.debts and kind == 1:
        return [
            ("attacker", "vault.ODD", "deposit", (amount, "@attacker"), 0, 0),
            ("attacker", "vault.ODD", "withdraw", (amount, "@attacker", "@attacker"), 0, 0),
        ]
    if "ODD" in p.debts and kind == 2:
        return [("attacker", "engine", "repay", (name, token, amount), 0, 0)]
    return [
        ("attacker", "engine", "deposit_collateral", (name, token, amount), 0, 0),
        ("attacker", "engine", "withdraw_collateral", (name, token, amount, "@attacker"), 0, 0),
    ]


def _most(p: Player, g: Gene) -> list[Call]:
    """The largest number of all, as an amount."""
    i = next(n for n, owner in enumerate(p.owners) if owner == "attacker")
    name, token, most = p.names[i], "@token.ODD", MAX_UINT256
    choices: list[tuple[str, str, tuple[Any, ...]]] = [
        (ODD, "transfer", (f"@{_holder(p, g)}", most)),
        ("engine", "deposit_collateral", (name, token, most)),
        ("engine", "withdraw_collateral", (name, token, most, "@attacker")),
    ]
    if "ODD" in p.debts:
        choices += [
            ("engine", "borrow", (name, token, most, "@attacker")),
            ("engine", "repay", (name, token, most)),
            ("vault.ODD", "deposit", (most, "@attacker")),
            ("vault.ODD", "mint", (most, "@attacker")),
            ("vault.ODD", "flashLoan", ("@attacker", token, most, "0x")),
        ]
    target, function, args = choices[g[4] % len(choices)]
    return [p.call(g, "attacker", target, function, *args)]


def _twin(p: Player, g: Gene) -> list[Call]:
    """By the token's second address: what moves its balances, and what asks for the protocol's."""
    i = next(n for n, owner in enumerate(p.owners) if owner == "attacker")
    name, twin = p.names[i], "@token.ODD.twin"
    amount = rung(g[3], p.balance("ODD", "attacker") // 10)
    if g[4] & 3:
        to = ("engine", "attacker", "lender_2", _holder(p, g))[g[5] >> 1 & 3]
        return [p.call(g, "attacker", twin[1:], "transfer", f"@{to}", amount)]
    v = g[5] % p.vault_count
    choices: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
        ("engine", "deposit_collateral", (name, twin, amount)),
        ("engine", "withdraw_collateral", (name, twin, amount, "@attacker")),
        ("engine", "borrow", (name, twin, amount, "@attacker")),
        ("engine", "repay", (name, twin, amount)),
        (f"vault.{p.debts[v]}", "flashLoan", ("@attacker", twin, amount, "0x")),
        ("engine", "set_operator", (name, "@operator", twin, 63, amount, {"now": 60})),
        ("breaker", "check_solvency", (twin,)),
        ("engine", "liquidate",
         (p.names[p.weak(g[7])[0]], twin, twin, amount, 0, "@attacker", NO_ACCOUNT, "0x")),
    )  # fmt: skip
    target, function, args = choices[g[7] & 7]
    return [p.call(g, "attacker", target, function, *args)]
