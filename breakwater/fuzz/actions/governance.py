"""The guardian and the owner: levels, rules through the timelock, and what he may not do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from breakwater.fuzz.genes import NO_ACCOUNT, NOBODY, Call, Gene, rung, waits
from breakwater.fuzz.profiles import DELAY
from breakwater.fuzz.steps import Step
from breakwater.observation.words import decoded

if TYPE_CHECKING:
    from breakwater.fuzz.player import Player


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
        # once more when it has ended, and again: the hold budget, mostly all of it at once
        longest = duration if g[5] & 12 == 12 else 7 * 86_400
        again = ("guardian", "breaker", "trip", (p.token(id), level, longest))
        calls += [(*again, duration + 60, duration // 12)] * (1 + (g[5] & 3))
    elif g[4] & 3 == 1:
        # new risk on what it counted until now
        v = g[1] % p.vault_count
        if p.debts[v] == p.symbols[id - 1]:
            v = (v + 1) % p.vault_count
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
        cap = decoded(p.watch.books[id] >> 120 & 0xFFFFFF)
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
        return _vault_config(p, g, symbol)
    if kind == 6 and "LATE" in p.world.listings:
        if g[3] & 1:
            cap = p.world.listings["LATE"].amount(10**6)
            return Step("timelock", "engine", "list_collateral", ("@token.LATE", cap, False))
        rules: list[Any] = list(p.world.configs["LATE"])
        rules[0] = "@source.LATE.0"
        return Step("timelock", "configurator", "list_asset", ("@token.LATE", rules))
    if kind == 8:
        return _nothing_new(g, symbol, p.token(id))
    if g[3] & 4:
        limit = (0, 10, 1_000, 10_000)[g[5] & 3]
        return Step("timelock", "breaker", "set_supply_limit", (p.token(id), limit))
    return Step("timelock", "breaker", "set_guardian", ("@guardian" if g[3] & 3 else NOBODY,))


def _vault_config(p: Player, g: Gene, symbol: str) -> Step:
    """Other parameters of a vault; rarely one that is out of its range."""
    config = list(p.world.vault_config(symbol))
    config[0] = (0, 1_000, 2_000, 5_000)[g[3] & 3]
    config[1] = (5_000, 8_000, 9_000, 9_900)[g[5] & 3]
    config[3] = (0, 50, 5_000, 1_000_000)[g[5] >> 2 & 3]
    config[7] = (0, 1, 9, 100)[g[5] >> 4 & 3]
    if g[7] & 24 == 24:
        field = g[7] & 7
        config[field] = (5_001, 999, 9_999, 1_000_001, 20_001, 0, 20_001, 101)[field]
    return Step("timelock", f"vault.{symbol}", "set_config", (config,))


def _nothing_new(g: Gene, symbol: str, token: str) -> Step:
    """What is so already, or refused: nothing of it may change the market."""
    choices: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
        (f"vault.{symbol}", "set_breaker", ("@breaker",)),
        (f"vault.{symbol}", "open", (f"@fund.{symbol}", 1, 1, 1)),
        ("engine", "list_debt", (f"@vault.{symbol}", 1)),
        ("engine", "list_collateral", (token, 1, False)),
        ("engine", "set_cap", (f"@vault.{symbol}", 1)),
        ("risk", "set_breaker", ("@breaker",)),
        ("risk", "set_configurator", ("@configurator",)),
        ("breaker", "connect", ("@risk", "@engine")),
        ("breaker", "add_vault", (f"@vault.{symbol}",)),
    )
    return Step("timelock", *choices[g[3] % len(choices)])


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
        name, odd = _BAD_ASSET[g[3] % len(_BAD_ASSET)]
        rules[name] = odd
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
            ("breaker", "set_supply_limit", (token, 9)),
            ("breaker", "set_supply_limit", (f"@{vault}", 10)),
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

_BAD_VAULT: Final[tuple[tuple[int, int], ...]] = (
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
