"""Who plays against the market: donations, flash loans, callbacks, dust, what is not theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from breakwater.fuzz.genes import LENDERS, NO_ACCOUNT, NOBODY, Call, Gene, rung, waits
from breakwater.fuzz.steps import Step
from breakwater.units import MAX_UINT256

if TYPE_CHECKING:
    from breakwater.fuzz.player import Player


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
    if g[1] & 1:
        # of what he owes, so that he can pay it meanwhile
        mine = [n for n, owner in enumerate(p.owners) if owner == "attacker"]
        v = p.owing(g[2], [leg for n in mine for leg in p.legs(n)])
    symbol = p.debts[v]
    amount = rung(g[3], p.cash(v))
    calls = []
    if g[4] & 3:
        inner = [_inner(p, g[5], symbol, amount), _inner(p, g[7], symbol, amount)][: 1 + (g[4] & 1)]
        steps = [[f"@{step.target}", {"call": step}, bool(g[4] & 8)] for step in inner]
        magic = MAGIC if g[4] & 112 else NO_ACCOUNT
        calls.append(p.call(g, "keeper", "attacker", "set_calls", steps, magic))
    loan = "@attacker", f"@token.{symbol}", amount, "0x"
    calls.append(("attacker", f"vault.{symbol}", "flashLoan", loan, 0, 0))
    return calls


MAGIC: Final = "0x439148f0bbc682ca079e46d6e2c2f0c1e3b820f1a291b069d8882abf8cf18dd9"


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
        lent = p.debts.index(symbol)
        i = next((n for n in mine if p.owed(n, lent)), i)
        v = lent if p.owed(i, lent) else p.owing(what, p.legs(i))
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
    deposit: Call = ("attacker", vault, "deposit", (amount, "@attacker"), 0, 0)
    choices: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
        ("engine", "withdraw_collateral", (name, token, MAX_UINT256, "@attacker")),
        ("engine", "deposit_collateral", (name, token, amount)),
        ("engine", "move_collateral", (name, p.names[p.sibling(i, 0)], token, MAX_UINT256)),
    )
    if "HOOK" in p.debts:
        choices = (
            *choices[:2],
            ("engine", "borrow", (name, token, p.credit(i, p.debts.index("HOOK")), "@attacker")),
            ("engine", "repay", (name, token, MAX_UINT256)),
            (vault, "deposit", (amount, "@attacker")),
            (vault, "withdraw", (amount, "@attacker", "@attacker")),
            (vault, "flashLoan", ("@attacker", token, amount, "0x")),
            *choices[2:],
        )
    outer = choices[(g[5] & 7) % len(choices)]
    inner = outer if g[7] & 8 else choices[(g[7] & 7) % len(choices)]
    run = Step(
        "keeper", "attacker", "execute", (f"@{inner[0]}", {"call": Step("attacker", *inner)})
    )
    return [
        p.call(g, "attacker", "engine", "deposit_collateral", name, token, amount),
        *([deposit] if "HOOK" in p.debts else []),
        ("keeper", "token.HOOK", "set_hook", ("@attacker", {"call": run}, bool(g[4] & 1)), 0, 0),
        ("attacker", *outer, 0, 0),
    ]


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
        (vault, "write_config", (amount, 1)),
        (vault, "wind_down", ()),
        ("configurator", "wind_down_vault", (f"@{vault}",)),
        ("configurator", "set_vault", (f"@{vault}", list(p.world.vault_config(p.debts[v])))),
        (vault, "set_breaker", ("@attacker",)),
        (vault, "open", ("@attacker", 1, 1, 1)),
        (vault, "transfer_ownership", ("@attacker",)),
        ("engine", "set_cap", (token, amount)),
        ("engine", "set_growth", (token, 100)),
        ("engine", "set_depth", (token, amount)),
        ("engine", "end_collateral", (token,)),
        ("engine", "set_min_debt", (token, amount)),
        ("engine", "list_debt", (f"@{vault}", amount)),
        ("engine", "list_collateral", (token, amount, False)),
        ("risk", "write_asset", (token, amount, amount)),
        ("risk", "write_checkpoint", (token, amount, amount)),
        ("risk", "hold", (token, 3_600)),
        ("risk", "settle", (token, 10**18)),
        ("risk", "set_level", (token, 0, 0, 0)),
        ("risk", "set_breaker", ("@attacker",)),
        ("risk", "set_configurator", ("@attacker",)),
        ("breaker", "trip", (token, 2, 3_600)),
        ("breaker", "hold", (token, 3_600)),
        ("breaker", "connect", ("@risk", "@engine")),
        ("breaker", "add_vault", (f"@{vault}",)),
        ("breaker", "set_guardian", ("@attacker",)),
        ("configurator", "set_borrow_ltv", (token, 5_000)),
        ("configurator", "ramp_liquidation_ltv", (token, 5_000, 10**6)),
        ("configurator", "seal", ()),
        ("configurator", "list_debt", (f"@{vault}", amount)),
        ("configurator", "set_cap", (token, amount)),
        ("configurator", "set_min_debt", (token, amount)),
        ("configurator", "set_growth", (token, 100)),
        ("configurator", "set_depth", (token, amount)),
        ("configurator", "announce_settlement", (token, 10**18)),
        ("configurator", "cancel_settlement", (token,)),
        ("configurator", "settle", (token,)),
        ("configurator", "raise_max_price", (token, 2**93)),
        ("configurator", "set_steward", ("@attacker",)),
        ("configurator", "steer", (token, amount, 5_000)),
        ("configurator", "replace_feed", (token, "@attacker", True, 86_400, NOBODY)),
        ("configurator", "cancel_replacement", (token,)),
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
        ("guardian", "breaker", "trip", (token, 1, 0)),
        (who, "engine", "liquidate", (p.names[j], token, held, 1, 0, NOBODY, NO_ACCOUNT, "0x")),
        (who, "engine", "liquidate", (p.names[j], token, held, 1, 0, "@engine", NO_ACCOUNT, "0x")),
        ("lender_3", "engine", "set_operator", (name, "@lender_3", token, 63, 1, {"now": 60})),
        (who, "engine", "set_operator", (name, "@lender_3", NOBODY, 63, 1, {"now": 60})),
        ("keeper", vault, "flashFee", (token, 2**112)),
        ("keeper", "lens", "config_of", (f"@{vault}",)),
    )  # fmt: skip
    sender, target, function, args = choices[g[5] % len(choices)]
    return [p.call(g, sender, target, function, *args)]


def tiny(p: Player, g: Gene) -> list[Call]:
    """1 to 24 operations of 1 to 1,000 of the smallest units, in one block."""
    count = 1 + g[3] % 24
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
