"""What takes days and several hands, and is rarely drawn call by call: an asset is settled, a vault
wound down, a dead feed replaced, a new asset grows, an account fills up."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from breakwater.fuzz.actions.governance import settlement_price
from breakwater.fuzz.genes import (
    LENDERS,
    MOST,
    NO_ACCOUNT,
    NOBODY,
    STAKERS,
    Call,
    Gene,
    rung,
)
from breakwater.fuzz.profiles import DELAY
from breakwater.fuzz.steps import Step
from breakwater.units import DAY, HOUR, MAX_UINT256

if TYPE_CHECKING:
    from breakwater.fuzz.player import Player

_SILENCE: Final = DAY // HOUR
"""Pokes, an hour apart, that find no price until it counts as dead."""


def _ruled(g: Gene, function: str, *args: Any, wait: int = DELAY) -> list[Call]:
    """A call of the configurator's owner."""
    step = Step("timelock", "configurator", function, args)
    salt = "0x" + (b"ends" + g + function.encode()[:8]).rjust(32, b"\0").hex()
    data = ("@configurator", 0, {"call": step}, NO_ACCOUNT, salt)
    return [
        ("governor", "timelock", "schedule", (*data, DELAY), 0, 0),
        ("keeper", "timelock", "execute", data, wait, wait // 12),
    ]


def settlement(p: Player, g: Gene) -> list[Call]:
    """An asset is announced to be settled and is, or nearly; and who holds or owes it goes on."""
    id = g[2] % p.asset_count + 1
    token = p.token(id)
    calls: list[Call] = [p.call(g, "keeper", "breaker", "poke", token)]
    if g[4] & 7 != 7:
        price = settlement_price(p, id, g[5] >> 4)
        calls += _ruled(g, "announce_settlement", token, price)
    if g[4] & 7 == 6:
        calls += _ruled(g, "cancel_settlement", token)
    elif g[4] & 7 == 5:
        # the feed is being replaced when the asset ends
        calls += _replaced(p, g, p.symbols[id - 1], NOBODY)
    calls += [p.feed(name, p.answer(name), 0, 0) for name in p.sources_of(id)]
    calls += _ruled(g, "settle", token, wait=DAY - (g[3] & 15 == 15))
    if g[7] & 1:
        calls += _replaced(p, g, p.symbols[id - 1], NOBODY)
    i = p.holder(g[1])
    who, name = p.owners[i], p.names[i]
    after: tuple[Call, ...] = (
        (who, "engine", "withdraw_collateral", (name, token, MAX_UINT256, f"@{who}"), 0, 0),
        (who, "engine", "deposit_collateral", (name, token, 10**6), 0, 0),
        (who, "engine", "repay", (name, token, MAX_UINT256), 0, 0),
        ("keeper", "breaker", "poke", (token,), 61, 5),
        ("keeper", "lens", "account", (name,), 0, 0),
        ("keeper", "lens", "collateral", (token,), 0, 0),
        ("keeper", "lens", "why_blocked", (name, 1, token, 10**6), 0, 0),
    )
    return calls + [one for n, one in enumerate(after) if g[3] >> n & 1]


def wind_down(p: Player, g: Gene) -> list[Call]:
    """A vault is wound down, and its lenders leave with what is there, in any order."""
    symbol = p.debts[g[2] % p.vault_count]
    vault = f"vault.{symbol}"
    calls = _ruled(g, "wind_down_vault", f"@{vault}")
    calls.append(("lender_3", vault, "deposit", (10**6, "@lender_3"), 0, 0))
    people = LENDERS[g[1] % 5 :] + LENDERS[: g[1] % 5]
    for n, who in enumerate(people):
        shares = p.shares(g[2] % p.vault_count, who)
        if g[3] >> n & 1 and shares:
            amount = rung(g[4] + n, shares // (1 + (g[5] & 3)))
            calls.append((who, vault, "redeem", (amount, f"@{who}", f"@{who}"), 0, 0))
            calls.append(("keeper", vault, "maxWithdraw", (f"@{who}",), 0, 0))
            calls.append((who, vault, "transfer", ("@lender_3", shares // 4), 0, 0))
    debtor = p.debtor(g[7])
    args = p.names[debtor], f"@token.{symbol}", MAX_UINT256
    calls.append((p.owners[debtor], "engine", "repay", args, 3_600, 300))
    return calls


def replacement(p: Player, g: Gene) -> list[Call] | None:
    """A feed by another, of an asset whose price has been dead for a day, or by one of ours."""
    symbol = p.symbols[g[2] % p.asset_count]
    sources, token = p.sources_of(p.symbols.index(symbol) + 1), f"@token.{symbol}"
    if f"source.{symbol}.next" not in p.world.contracts:
        return None
    calls: list[Call] = []
    if g[4] & 3:
        calls += [_dead(p, name) for name in sources]
        hours = _SILENCE - (g[4] & 28 == 28)
        calls += [("keeper", "breaker", "poke", (token,), HOUR, 300)] * hours
    second = (NOBODY, "@nav.ODD", "@nav.dollar", "@feed.WETH")[g[5] & 3]
    calls += _replaced(p, g, symbol, second)
    name = f"source.{symbol}.next"
    after: tuple[list[Call], ...] = (
        [("keeper", "breaker", "poke", (token,), DAY // 2, 3_600)],
        [("keeper", name, "set", (p.base_answer(symbol) * 2,), 0, 0)],
        [("keeper", "configurator", "blend_of", (token,), 0, 0)],
        _ruled(g, "cancel_replacement", token),
        [p.feed(one, p.answer(one), 0, 0) for one in sources],
        [("keeper", name, "set", (p.base_answer(symbol),), 0, 0)],
        [("keeper", "breaker", "poke", (token,), DAY // 2, 3_600)],
        [("keeper", "configurator", "finish_replacement", (token,), 0, 0)],
    )
    return calls + [call for n, part in enumerate(after) if g[3] >> n & 1 for call in part]


def _dead(p: Player, name: str) -> Call:
    """A source says nothing any more."""
    if p.is_bad(name):
        return ("keeper", name, "set_mode", (1,), 0, 0)
    group, _, symbol = name.partition(".")
    if group == "source":
        return ("keeper", name, "set_round", (5, 0, {"now": 0}, 5), 0, 0)
    if group == "pool" and p.world.listings[symbol].market == "CurveEmaFeed":
        return ("keeper", name, "set_locked", (True,), 0, 0)
    if group == "pool":
        return ("keeper", name, "set_answer", ("0x",), 0, 0)
    return ("keeper", "breaker", "poke", (f"@token.{symbol}",), 0, 0)


def _replaced(p: Player, g: Gene, symbol: str, second: str) -> list[Call]:
    """Begin to replace; the new source says what the old one said, or nearly."""
    name, own = f"source.{symbol}.next", f"feed.{symbol}"
    if name not in p.world.contracts:
        return []
    is_feed = bool(g[7] & 12 == 12) and own in p.world.contracts
    apart = (1_000, 1_000, 1_030, 1_200)[g[7] >> 4 & 3]
    spot = p.watch.spot(p.symbols.index(symbol) + 1) // 10**10 or p.base_answer(symbol)
    args = f"@token.{symbol}", f"@{own if is_feed else name}", is_feed, 86_400, second
    first, executed = _ruled(g, "replace_feed", *args)
    return [first, ("keeper", name, "set", (spot * apart // 1_000,), DELAY, 300),
            (*executed[:4], 0, 0)]  # fmt: skip


def youth(p: Player, g: Gene) -> list[Call] | None:
    """A new asset: its cap is lowered, scaled, or raised too soon, and its price moves; and another
    in the same week, too large anyway."""
    if "LATE" not in p.world.listings:
        return None
    token, source = "@token.LATE", "source.LATE.0"
    first = p.base_answer("LATE")
    listed = bool(p.watch.rules[p.asset_count + 1][0])
    cap = p.world.listings["LATE"].amount(10**6 if g[3] & 1 else 3_999_000)
    begin = first // (4 if g[3] & 6 == 6 else 1)
    calls: list[Call] = [("keeper", source, "set", (begin,), 0, 0)]
    if not listed:
        step, executed = _ruled(g, "list_asset", *_late(p, token, cap))
        calls = [step, (*calls[0][:4], DELAY, 300), (*executed[:4], 0, 0)]
        if g[4] & 1:
            # a share of a vault, beyond the limit of all new assets
            calls += _ruled(g, "list_asset", *_late(p, "@vault.USDC", 2**127))
    elif g[4] & 2:
        # with a vault, which ended with genesis, and which is another asset's
        calls += _ruled(g, "list_asset", *_late(p, "@coin.share", 1, "@vault.USDC"))
    small = cap >> 10
    ltv = p.world.configs["LATE"].borrow_ltv
    after: tuple[list[Call], ...] = (
        [("steward", "configurator", "steer", (token, small * 9 // 10, ltv), DAY, 7_200)],
        [("keeper", source, "set", (first * 3,), 3 * DAY, 21_600)],
        [("keeper", "configurator", "grow", (token,), 0, 0)],
        _ruled(g, "set_cap", token, small // 2),
        _ruled(g, "set_cap", token, cap),
        [("steward", "configurator", "steer", (token, small, ltv), 3 * DAY, 21_600)],
        [("keeper", source, "set", (first * (1 + g[7] % 3),), (28 + g[7] % 3) * DAY, 216_000)],
        [("keeper", "configurator", "grow", (token,), 0, 0)],
    )
    return calls + [call for n, part in enumerate(after) if g[5] >> n & 1 for call in part]


def _late(p: Player, token: str, cap: int, vault: str = NOBODY) -> tuple[Any, ...]:
    rules: list[Any] = list(p.world.configs["LATE"])
    rules[0] = "@source.LATE.0"
    return token, rules, cap, False, vault, 0


def crowd(p: Player, g: Gene) -> list[Call]:
    """An account with all that can be held and owed, and one more."""
    i = g[1] % p.account_count
    who, name, legs = p.owners[i], p.names[i], p.legs(i)
    held = {tag for tag, _ in legs}
    calls = p.ready(g, i)
    for id in p._collaterals:
        symbol = p.symbols[id - 1]
        if id not in held:
            amount = min(p.cap_left(id), p.balance(symbol, who) // 20)
            args = name, p.token(id), max(amount, 1)
            calls.append((who, "engine", "deposit_collateral", args, 0, 0))
    for n in range(p.vault_count):
        v = (n + g[2]) % p.vault_count
        if p.vault_asset(v) | 128 not in held:
            loan = name, f"@token.{p.debts[v]}", p.least(v), f"@{who}"
            calls.append((who, "engine", "borrow", loan, 0, 0))
    wanted = f"@token.{p.symbols[g[3] % p.asset_count]}", f"@token.{p.debts[g[2] % p.vault_count]}"
    for action, token in zip((1, 4), wanted, strict=True):
        calls.append(("keeper", "lens", "why_blocked", (name, action, token, 10**9), 0, 0))
    return calls


def explain(p: Player, g: Gene) -> list[Call]:
    """`Lens` is asked why something would be refused, at amounts near to what lets it pass."""
    i = p.holder(g[1]) if g[4] & 3 else g[1] % p.account_count
    legs, kind = p.legs(i), g[4] >> 2 & 3
    if kind == 0:
        id = g[2] % len(p.symbols) + 1
        token = p.token(id)
        limit = p.cap_left(id) if g[5] & 1 else p.needed(i, id) if legs else 10**6
        action, amount = 1, rung(g[3], limit) if g[5] & 14 else 2**104 << (g[5] >> 7)
    elif kind == 1:
        id = p.held(g[2], legs)
        token = p.token(id)
        action, amount = 2, rung(g[3], p.amount(i, id) if g[5] & 1 else p.free(i, id))
    else:
        v = g[2] % p.vault_count
        token = f"@token.{p.debts[v]}"
        limits = p.credit(i, v), p.cash(v), p.debt_left(v), p.cash(v) // 2
        action, amount = 4, rung(g[3], limits[g[5] & 3])
    asked = p.names[i], action, token, amount
    return [p.call(g, "keeper", "lens", "why_blocked", *asked)]


def tickets(p: Player, g: Gene) -> list[Call]:
    """A staker asks to leave, is shown what he may, and leaves or does not; and he who may take his
    shares for good."""
    v = g[2] % p.vault_count
    fund = f"fund.{p.debts[v]}"
    who = p.one_with(STAKERS, g[1], partial(p.stake, v))
    shares = rung(g[3], p.stake(v, who))
    calls: list[Call] = [(who, fund, "request_exit", (shares,), 0, 0)]
    wait = (20 * DAY, 20 * DAY, 13 * DAY, 40 * DAY)[g[4] & 3]
    calls.append(("keeper", fund, "maxRedeem", (f"@{who}",), wait, wait // 12))
    calls.append(("keeper", fund, "maxWithdraw", (f"@{who}",), 0, 0))
    if g[4] & 4:
        calls.append((who, fund, "request_exit", (0,), 0, 0))
    if g[4] & 8:
        part = shares // 2 if shares < MOST else 1
        calls.append((who, fund, "approve", ("@lender_2", MAX_UINT256), 0, 0))
        calls.append(("lender_2", fund, "redeem", (part, "@lender_2", f"@{who}"), 0, 0))
        calls.append(("lender_2", fund, "transferFrom", (f"@{who}", "@lender_2", 1), 0, 0))
    people = f"@{who}", NOBODY
    for n, function in enumerate(("deposit", "mint", "maxDeposit", "maxMint", "previewDeposit")):
        if g[5] >> n & 1:
            shown: tuple[Any, ...] = (people[g[7] & 1],)
            if n < 2:
                shown = (10**9, people[g[7] & 1])
            elif n == 4:
                shown = (10**9,)
            calls.append((who, fund, function, shown, 0, 0))
    return calls


def stretch(p: Player, g: Gene) -> list[Call]:
    """A vault's limits at several times what they are, or what they are."""
    symbol = p.debts[g[2] % p.vault_count]
    _, _, debt_cap, _ = p.watch.configs[g[2] % p.vault_count]
    _, _, _, cap = p.totals(g[2] % p.vault_count)
    parts = (1, 2, 3, 10)
    config = p.world.vault_config(symbol)._replace(
        deposit_cap=cap * parts[g[3] & 3], debt_cap=debt_cap * parts[g[3] >> 2 & 3]
    )
    return _ruled(g, "set_vault", f"@vault.{symbol}", list(config))
