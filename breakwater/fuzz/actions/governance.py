"""The guardian and the owner: levels, rules through the timelock, and what he may not do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from breakwater.fuzz.genes import NO_ACCOUNT, NOBODY, Call, Gene, rung, waits
from breakwater.fuzz.profiles import DELAY
from breakwater.fuzz.steps import Step
from breakwater.observation import exposure
from breakwater.observation.words import decoded

if TYPE_CHECKING:
    from breakwater.fuzz.player import Player


def trip(p: Player, g: Gene) -> list[Call]:
    id = g[2] % p.asset_count + 1
    if g[3] & 3 == 3:
        who = "guardian" if g[4] & 1 else "keeper"
        return [p.call(g, who, "breaker", "reset", p.token(id))]
    if g[3] & 7 == 2:
        return _hold(p, g, id)
    durations = (60, 3_600, 86_400, 3 * 86_400, 7 * 86_400, 7 * 86_400 + 1)
    duration = durations[g[7] % 6]
    level = 1 + (g[3] & 1)
    i = p.holder(g[5])
    if g[4] & 3 == 1:
        id, level = p.held(g[2], p.legs(i)), 2
    calls = [p.call(g, "guardian", "breaker", "trip", p.token(id), level, duration)]
    if g[4] & 3 == 0:
        # once more when it has ended, and again: the latch budget, mostly all of it at once
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


def _hold(p: Player, g: Gene, id: int) -> list[Call]:
    """Liquidations are held that rest on an asset, mostly one that an account holds; perhaps the
    next hold is tried as well, or this one ended."""
    if g[4] & 3:
        id = p.held(g[2], p.legs(p.holder(g[5])))
    duration = (4 * 3_600, 3_600, 60, 4 * 3_600 + 1)[g[7] & 3]
    calls = [p.call(g, "guardian", "breaker", "hold", p.token(id), duration)]
    if g[4] & 12 == 4:
        calls.append(("guardian", "breaker", "hold", (p.token(id), 0), duration // 2, 1))
    elif g[4] & 12 == 8:
        wait = 7 * 86_400 - (g[5] & 1)
        calls.append(("guardian", "breaker", "hold", (p.token(id), duration), wait, 600))
    elif g[4] & 12 == 12:
        calls.append(("keeper", "breaker", "reset", (p.token(id),), duration + 3_600, 1))
    return calls


def _settlement(p: Player, g: Gene, id: int) -> Step:
    """An asset is wound down, if that was announced; or it is announced, mostly at a price that
    pokes have seen, or not meant any more."""
    token = p.token(id)
    if g[5] & 8 and any(p.watch.announced.get(id, ((0,), 0))[0]):
        ends = "cancel_settlement" if g[5] & 0x70 == 0x70 else "settle"
        return Step("timelock", "configurator", ends, (token,))
    price = settlement_price(p, id, g[5] >> 4)
    return Step("timelock", "configurator", "announce_settlement", (token, price))


def settlement_price(p: Player, id: int, byte: int) -> int:
    """A price that pokes have seen of an asset, or one above all of them."""
    words = [p.storage(p.watch._breaker, slot) for slot in p.watch._listed[id - 1].ranges]
    word = max(words, key=lambda word: word >> 192)
    low, high = word & (2**96 - 1), word >> 96 & (2**96 - 1)
    return ((low + high) // 2, low, high, high + 1)[byte & 3]


def _rule(p: Player, g: Gene) -> Step:
    """What an owner may change."""
    kind = g[2] % 11
    v = g[4] % p.vault_count
    id = p.collateral(g[4], [], 0)
    symbol = p.debts[v]
    if kind == 0:
        cap = decoded(p.watch.books[id] >> 120 & 0xFFFFFF)
        total = p.watch.books[id] & (2**112 - 1)
        cap = (0, total, cap // 2, cap, 2 * cap, 2 * cap + 2, 3 * cap, 10**18)[g[3] & 7]
        return Step("timelock", "configurator", "set_cap", (p.token(id), cap))
    if kind == 1:
        least = (1, p.least(v) // 2, p.least(v) * 2, p.least(v) * 3)[g[3] & 3]
        return Step("timelock", "configurator", "set_min_debt", (f"@token.{symbol}", least))
    if kind == 2:
        now = p.watch.rules[id][0] >> 184 & 16_383
        ltv = (0, 3_000, 5_000, 7_000, now + 500, now + 100, now + 501, 9_000)[g[3] & 7]
        return Step("timelock", "configurator", "set_borrow_ltv", (p.token(id), ltv))
    if kind == 3:
        now = p.watch.price(id).liquidation_ltv
        target = (0, 4_000, 6_000, 7_500, now, now + 500, now + 501, now + 100)[g[3] & 7]
        duration = (0, 86_400, 3 * 86_400, 30 * 86_400)[g[5] & 3]
        args = p.token(id), target, duration
        return Step("timelock", "configurator", "ramp_liquidation_ltv", args)
    if kind == 4:
        if g[5] == 0 and g[6] < 16:
            return Step("timelock", "configurator", "wind_down_vault", (f"@vault.{symbol}",))
        _, _, _, cap = p.totals(v)
        _, _, debt_cap, _ = p.watch.configs[v]
        part = (0, 1, 2, 4)[g[3] & 3]
        config = p.world.vault_config(symbol)._replace(
            deposit_cap=cap * part // 2,
            debt_cap=debt_cap * part // 2,
            outflow_limit=(0, 1, 10, 50)[g[5] & 3],
            growth_limit=(0, 1, 10, 50)[g[5] >> 2 & 3],
        )
        return _set_vault(symbol, config)
    if kind == 5:
        return _vault_config(p, g, symbol)
    if kind == 6 and "LATE" in p.world.listings:
        return _listing(p, g)
    if kind == 9:
        now = exposure.growth(p.watch.books[id])
        growth = (0, 1, now // 2, now, now + 1, 2 * now, 2 * now + 1, 101)[g[3] & 7]
        return Step("timelock", "configurator", "set_growth", (p.token(id), growth))
    if kind == 10:
        total = p.watch.books[id] & (2**112 - 1)
        now = exposure.depth(p.watch.books[id])
        depth = (0, 1, total // 2, total, now + 1, 2 * now, 3 * now, -(-now // 2))[g[3] & 7]
        return Step("timelock", "configurator", "set_depth", (p.token(id), depth))
    if kind == 8 and g[5] & 7 == 7:
        return _settlement(p, g, id)
    if kind == 8:
        return _nothing_new(g, symbol, p.token(id))
    if g[3] & 24 == 24:
        upper = p.watch.rules[id][0] >> 243 & 127
        most = 1 << upper + (g[5] & 3 == 3)
        return Step("timelock", "configurator", "raise_max_price", (p.token(id), most))
    if g[3] & 4:
        limit = (0, 10, 1_000, 10_000)[g[5] & 3]
        return Step("timelock", "breaker", "set_supply_limit", (p.token(id), limit))
    return Step("timelock", "breaker", "set_guardian", ("@guardian" if g[3] & 3 else NOBODY,))


def _listing(p: Player, g: Gene) -> Step:
    """LATE in one call, with a cap that is let, or nearly."""
    rules: list[Any] = list(p.world.configs["LATE"])
    rules[0] = "@source.LATE.0"
    cap = p.world.listings["LATE"].amount((10**6, 10**6, 3_999_999, 10**5)[g[3] & 3])
    args = ("@token.LATE", rules, cap, False, NOBODY, 0)
    return Step("timelock", "configurator", "list_asset", args)


def grow(p: Player, g: Gene) -> list[Call] | None:
    """Anyone raises the cap of a new asset; or it is listed, and grows."""
    if "LATE" not in p.world.listings:
        return None
    raised: Call = ("keeper", "configurator", "grow", ("@token.LATE",), 0, 0)
    if p.watch.rules[p.asset_count + 1][0]:
        fresh: Call = p.feed("source.LATE.0", p.answer("source.LATE.0"), 0, 0)
        wait = (0, 3 * 86_400 - 1, 3 * 86_400, 31 * 86_400)[g[3] & 3]
        calls: list[Call] = [(*fresh[:4], wait, wait // 12), raised]
        if g[5] & 1:
            # all of what fits, and a loan on it
            book = p.watch.books[p.asset_count + 1]
            room = decoded(book >> 120 & 0xFFFFFF) - (book & 2**112 - 1) + (g[5] & 2)
            name, me, v = "attacker#1", "@attacker", g[2] % p.vault_count
            calls.append(
                ("attacker", "engine", "deposit_collateral", (name, "@token.LATE", room), 0, 0)
            )
            loan = name, f"@token.{p.debts[v]}", p.least(v) << (g[4] & 3), me
            calls.append(("attacker", "engine", "borrow", loan, 0, 0))
        return calls
    salt = "0x" + (b"late" + g).rjust(32, b"\0").hex()
    args = ("@configurator", 0, {"call": _listing(p, g)}, NO_ACCOUNT, salt)
    first = p.feed("source.LATE.0", p.base_answer("LATE"), 0, 0)
    return [
        ("governor", "timelock", "schedule", (*args, DELAY), 0, 0),
        (*first[:4], DELAY, 300),
        ("keeper", "timelock", "execute", args, 0, 0),
        raised,
    ]


def steer(p: Player, g: Gene) -> list[Call]:
    """The steward moves cap and borrow_ltv together."""
    id = p.collateral(g[4], [], 0)
    cap = decoded(p.watch.books[id] >> 120 & 0xFFFFFF)
    ltv = p.watch.rules[id][0] >> 184 & 16_383
    caps = (cap, cap * 11 // 10, cap * 6 // 5, cap * 9 // 10, cap * 4 // 5, cap * 2, 0)
    ltvs = (ltv, ltv + 50, max(ltv, 50) - 50, ltv + 100, max(ltv, 100) - 100, ltv + 101)
    args = p.token(id), caps[g[3] % 7], ltvs[g[5] % 6]
    return [p.call(g, "steward" if g[7] & 15 else "keeper", "configurator", "steer", *args)]


def replace(p: Player, g: Gene) -> list[Call] | None:
    """The feed of an asset by another aggregator, which agrees or nearly, and how that ends."""
    id = g[2] % p.asset_count + 1
    symbol, token = p.symbols[id - 1], p.token(id)
    name = f"source.{symbol}.next"
    spot = p.watch.spot(id) // 10**10
    if name not in p.world.contracts or not spot:
        return None
    apart = (1_000, 1_001, 995, 1_009, 1_040, 960, 1_100)[g[3] % 7]
    call = Step(
        "timelock", "configurator", "replace_feed",
        (token, f"@{name}", False, (86_400, 3_600)[g[3] >> 7], NOBODY),
    )  # fmt: skip
    salt = "0x" + (b"feed" + g).rjust(32, b"\0").hex()
    args = ("@configurator", 0, {"call": call}, NO_ACCOUNT, salt)
    told = ("keeper", name, "set", (max(spot * apart // 1_000, 1),))
    calls: list[Call] = [
        ("governor", "timelock", "schedule", (*args, DELAY), 0, 0),
        (*told, DELAY, 300),
        ("keeper", "timelock", "execute", args, 0, 0),
    ]
    if g[4] & 1:
        # half of the way; the new one may leave
        moved = told if g[4] & 2 else ("keeper", name, "set", (spot * 2,))
        calls.append((*moved, 43_200, 3_600))
        calls += [p.feed(one, p.answer(one), 0, 0) for one in p.sources_of(id)]
    if g[4] & 4:
        calls.append(("keeper", "breaker", "poke", (token,), 0, 0))
    if g[4] & 8:
        wait = 43_200 if g[4] & 1 else 86_400
        calls.append((*told, wait, wait // 12))
        calls += [p.feed(one, p.answer(one), 0, 0) for one in p.sources_of(id)]
        calls.append(("keeper", "configurator", "finish_replacement", (token,), 0, 0))
    elif g[4] & 16:
        back = Step("timelock", "configurator", "cancel_replacement", (token,))
        args = ("@configurator", 0, {"call": back}, NO_ACCOUNT, salt)
        calls.append(("governor", "timelock", "schedule", (*args, DELAY), 0, 0))
        calls.append(("keeper", "timelock", "execute", args, DELAY, 300))
    return calls


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
    return _set_vault(symbol, config)


def _set_vault(symbol: str, config: Sequence[int]) -> Step:
    return Step("timelock", "configurator", "set_vault", (f"@vault.{symbol}", list(config)))


def _nothing_new(g: Gene, symbol: str, token: str) -> Step:
    """What is so already, or refused: nothing of it may change the market."""
    choices: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
        (f"vault.{symbol}", "set_breaker", ("@breaker",)),
        (f"vault.{symbol}", "open", (f"@fund.{symbol}", 1, 1, 1)),
        (f"vault.{symbol}", "write_config", (1, 1)),
        ("configurator", "list_debt", (f"@vault.{symbol}", 1)),
        ("configurator", "seal", ()),
        ("configurator", "set_cap", (f"@vault.{symbol}", 1)),
        ("configurator", "set_steward", ("@steward",)),
        ("engine", "set_cap", (token, 1)),
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
        if rule.function == "announce_settlement" and g[4] & 64:
            end = Step("timelock", "configurator", "settle", rule.args[:1])
            args = ("@configurator", 0, {"call": end}, NO_ACCOUNT, salt)
            calls.append(("governor", "timelock", "schedule", (*args, DELAY), 0, 0))
            wait = 86_400 - (g[3] & 1)
            calls.append(("keeper", "timelock", "execute", args, wait, wait // 12))
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
        rule = _set_vault(symbol, config)
    elif kind < 11 and "LATE" in p.world.listings:
        rules = p.world.configs["LATE"]._asdict()
        rules["source"] = "@source.LATE.0"
        name, odd = _BAD_ASSET[g[3] % len(_BAD_ASSET)]
        rules[name] = odd
        cap = 10**15 if kind == 5 else 10**13
        listing = ("@token.LATE", list(rules.values()), cap, False, NOBODY, 0)
        rule = Step("timelock", "configurator", "list_asset", listing)
    else:
        choices: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
            (vault, "open", (f"@fund.{symbol}", 1, 1, 1)),
            ("configurator", "list_debt", (f"@{vault}", 1)),
            ("engine", "list_collateral", (f"@token.{p.world.collaterals[0]}", 1, False)),
            ("engine", "list_collateral", (f"@{vault}", 1, False)),
            ("engine", "transfer_ownership", ("@timelock",)),
            ("configurator", "set_cap", (f"@{vault}", 1)),
            ("configurator", "set_cap", (token, 2**128)),
            ("configurator", "set_growth", (f"@{vault}", 1)),
            ("configurator", "set_growth", (f"@token.{p.world.collaterals[0]}", 101)),
            ("configurator", "set_depth", (f"@{vault}", 1)),
            ("configurator", "set_min_debt", (f"@{vault}", 1)),
            ("configurator", "set_min_debt", (token, 2**128)),
            ("configurator", "raise_max_price", (token, 1)),
            ("configurator", "raise_max_price", (token, 10**29)),
            ("configurator", "cancel_replacement", (token,)),
            ("configurator", "replace_feed", (token, "@source.USDC.next", False, 86_400, NOBODY)),
            ("configurator", "replace_feed", (token, "@lender_1", True, 86_400, NOBODY)),
            ("configurator", "list_asset", (token, _NO_RULES, 0, False, NOBODY, 0)),
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
    (12, 101), (13, 128),
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
