"""The watch on a configurator, and what else owners and guardians do, with one function changed."""

from dataclasses import replace

import pytest

from breakwater import artifacts
from breakwater.evm import EvmHost
from breakwater.fuzz import planted
from breakwater.fuzz.world import World
from breakwater.units import WAD
from tests.incidents.ledger import bug
from tests.mutants import Mutant, broken, check_seen, check_silent
from tests.planted.sequences import DAY, HOUR, NOWHERE, add, borrow, call, price, ruled, usdc

POKE = call("keeper", "breaker", "poke", "@token.WETH")
HOLD = call("guardian", "breaker", "hold", "@token.WETH", HOUR)


def settled(dollars, notice=DAY, last=2_000):
    """Pokes saw 1,900 and 2,000 dollars."""
    announced = ruled("configurator", "announce_settlement", "@token.WETH", dollars * 10**18)
    done = ruled("configurator", "settle", "@token.WETH")
    seen = [one for at in (3_900 - last, last) for one in (*price("WETH", at, 3), POKE)]
    fresh = [*price("WETH", last, 3), *price("USDC", 1, 2)]
    return [*seen, *announced, replace(done[0], wait=notice), *fresh, *done[1:]]


FIRST = ruled("configurator", "set_growth", "@token.WETH", 10)
"""On a day on which something moved already, see below."""

USDC = World(EvmHost()).vault_config("USDC")


def opened(**changes):
    return ruled("configurator", "set_vault", "@vault.USDC", list(USDC._replace(**changes)))


MUTANTS = {
    "hold of a day": Mutant(
        "RiskEngine", "modules/maintenance", "_hold", "min(duration, MAX_HOLD)", "86_400",
        [HOLD],
        "GATE-1",
    ),
    "hold every hour": Mutant(
        "RiskEngine", "modules/maintenance", "_hold", "start + HOLD_INTERVAL", "start",
        [HOLD, call("guardian", "breaker", "hold", "@token.WETH", HOUR, wait=HOUR, blocks=1)],
        "GATE-1",
    ),
    "settled above what pokes saw": Mutant(
        "CircuitBreaker", "", "settlement_of", "price <= high", "price <= 2 * high",
        settled(2_100),
        "GATE-1",
    ),
    "settled without notice": Mutant(
        "Configurator", "modules/feed_change", "settle",
        "steps._check_due(announced.ready_at)", "pass",
        settled(1_950, notice=0),
        "GATE-1",
    ),
    "settled at another price than was announced": Mutant(
        "Configurator", "modules/feed_change", "settle", "announced.price", "announced.price + 1",
        settled(1_950),
        "GATE-1",
    ),
    "settled and poked": Mutant(
        "CircuitBreaker", "", "_write_price", "quote.level == WIND_DOWN", "quote.level == 9",
        [*settled(1_950), POKE],
        "SOLV-11",
    ),
    "more of what is settled": Mutant(
        "CreditEngine", "modules/register", "_addable", "book & exposure.ENDED != 0", "book == 1",
        [*settled(1_950), add("borrower_1#0", "WETH", 10**18)],
        "CAP-1",
    ),
    "new risk beside a settled debt": Mutant(
        "RiskEngine", "modules/initial_margin", "_initial",
        "nobody may pay\n        if rule & asset_config.SOURCE == 0",
        "nobody may pay\n        if rule == 1",
        [
            add("borrower_1#1", "USDC", 40_000 * 10**6),
            borrow("borrower_1#1", "WETH", 10**18),
            *settled(1_950),
            borrow("borrower_1#1", "USDC", 10**9),
        ],
        "SOLV-5",
    ),
    "loan of what is held": Mutant(
        "RiskEngine", "modules/initial_margin", "_initial", "_is_held(id)", "_is_held(0)",
        [HOLD, borrow("borrower_2#0", "WETH", 10**17)],
        "LIVE-3",
    ),
    "new risk beside a held collateral": Mutant(
        "RiskEngine", "modules/initial_margin", "_initial", "_is_held(tag)", "_is_held(0)",
        [add("borrower_1#0", "USDC", 40_000 * 10**6), HOLD, borrow("borrower_1#0", "USDC", 10**9)],
        "LIVE-3",
    ),
    "new risk beside a settled collateral": Mutant(
        "RiskEngine", "modules/initial_margin", "_initial",
        "shield the debt\n            if rule & asset_config.SOURCE == 0",
        "shield the debt\n            if rule == 1",
        [
            add("borrower_1#0", "USDC", 400_000 * 10**6),
            *settled(1_950),
            borrow("borrower_1#0", "USDC", 10**9),
        ],
        "LIVE-3",
    ),
    "settled above what it costs": Mutant(
        "CircuitBreaker", "", "settlement_of", "min(high, max(quote.high, quote.average))", "high",
        settled(2_000, last=1_900),
        "GATE-1",
    ),
    "growth that is more at once": Mutant(
        "CreditEngine", "modules/exposure", "_limited", "and growth != 0:", "and growth == 1_000:",
        [add("borrower_3#0", "USDC", 1), *ruled("configurator", "set_growth", "@token.USDC", 10)],
        "CAP-1",
    ),
    "first growth from what is held": Mutant(
        "CreditEngine", "modules/exposure", "_limited", "limited & ~MAX_TOTAL", "limited",
        [FIRST[0], replace(POKE, wait=FIRST[1].wait, blocks=300), *FIRST[2:],
         add("borrower_1#0", "WETH", WAD), replace(FIRST[1], wait=0, blocks=0)],
        "CAP-1",
    ),
    "ramp of a minute": Mutant(
        "Configurator", "modules/asset_rules", "ramp_liquidation_ltv",
        "(duration << ", "(60 << ",
        ruled("configurator", "ramp_liquidation_ltv", "@token.WETH", 7_000, 30 * DAY),
        "GATE-3",
    ),
    "ramp from its end": Mutant(
        "Configurator", "modules/asset_rules", "ramp_liquidation_ltv",
        "| start\n", "| target\n",
        ruled("configurator", "ramp_liquidation_ltv", "@token.WETH", 7_000, 30 * DAY),
        "GATE-3",
    ),
    "borrow_ltv above the liquidation_ltv": Mutant(
        "Configurator", "modules/asset_rules", "_write_borrow_ltv",
        "borrow_ltv + asset_config.GAP", "borrow_ltv",
        ruled("configurator", "set_borrow_ltv", "@token.WETH", 7_950),
        "GATE-3",
    ),
    "cap beyond its step": Mutant(
        "Configurator", "modules/asset_rules", "set_cap",
        "if cap > 2 * before:", "if cap > 9 * before:",
        ruled("configurator", "set_cap", "@token.WETH", 3 * 10_000_000 * WAD // 2_000),
        "GATE-1",
    ),
    "borrow_ltv beyond its step": Mutant(
        "Configurator", "modules/asset_rules", "set_borrow_ltv",
        "before + LTV_STEP", "before + 9 * LTV_STEP",
        [*ruled("configurator", "set_borrow_ltv", "@token.WETH", 5_000),
         *ruled("configurator", "set_borrow_ltv", "@token.WETH", 5_501)],
        "GATE-1",
    ),
    "growth beyond its step": Mutant(
        "Configurator", "modules/rulebook", "_check_limit",
        "after - before <= before", "after <= 9 * before",
        ruled("configurator", "set_growth", "@token.USDC", 11),
        "GATE-1",
    ),
    "depth that is taken off": Mutant(
        "Configurator", "modules/asset_rules", "set_depth",
        "rulebook._check_twice(before, depth)", "pass",
        ruled("configurator", "set_depth", "@token.USDC", 0),
        "GATE-1",
    ),
    "steps without an interval": Mutant(
        "Configurator", "modules/steps", "_take", "self._next(asset, lane)", "0",
        [*ruled("configurator", "set_borrow_ltv", "@token.WETH", 5_000),
         *ruled("configurator", "set_borrow_ltv", "@token.WETH", 5_001),
         *ruled("configurator", "set_borrow_ltv", "@token.WETH", 5_002)],
        "GATE-1",
    ),
    "steward beyond his step": Mutant(
        "Configurator", "modules/asset_rules", "steer", "part <= BPS", "part <= 9 * BPS",
        [call("steward", "configurator", "steer", "@token.WETH", 2 * 10**21, 7_500)],
        "GATE-1",
    ),
    "debt cap of a vault beyond its step": Mutant(
        "Configurator", "modules/vault_rules", "_is_step", "new > 2 * old:", "new > 9 * old:",
        opened(debt_cap=3 * USDC.debt_cap),
        "GATE-1",
    ),
    "limit of a vault beyond its step": Mutant(
        "Configurator", "modules/vault_rules", "_is_step",
        "                rulebook._check_limit(old, new)\n", "",
        opened(outflow_limit=0),
        "GATE-1",
    ),
    "rate of a vault beyond its step": Mutant(
        "Configurator", "modules/vault_rules", "_is_step",
        "rulebook._check_twice(old, new)", "pass",
        opened(max_rate=USDC.max_rate // 3),
        "GATE-1",
    ),
    "steps of a vault without an interval": Mutant(
        "Configurator", "modules/vault_rules", "set_vault", "self._next_step(vault)", "0",
        [*opened(steepness=USDC.steepness + 1), *opened(steepness=USDC.steepness + 2)],
        "GATE-1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_watch__sees_a_mutant(name):
    check_seen(MUTANTS[name])


@pytest.mark.parametrize("name", MUTANTS)
def test_watch__is_silent_without_the_mutant(sound, name):
    check_silent(sound, MUTANTS[name])


def test_watch__sees_a_feed_that_does_not_blend():
    lacks = bug(
        "unblended", "The new price counts at once.", "BlendFeed", "contracts/feeds/BlendFeed.vy",
        ("    return (old * (BLEND_TIME - elapsed) + new * elapsed) // BLEND_TIME\n",
         "    return new\n"),
    )  # fmt: skip
    build = planted.compiler(lacks)
    steps = [
        borrow("borrower_1#0", "USDC", usdc(6_900)),
        *price("WETH", 1_880, 3),
        call("keeper", "source.WETH.next", "set", 1_800 * 10**8),
        *ruled(
            "configurator", "replace_feed", "@token.WETH", "@source.WETH.next", False, DAY, NOWHERE
        )[:2],
    ]
    sound, _ = broken(World(EvmHost()), steps)
    assert not sound
    market = World(
        EvmHost(), compile=lambda name: (build if name == "BlendFeed" else artifacts.load)(name)
    )
    found, _ = broken(market, steps)
    assert "GATE-3" in {violation.promise for violation in found}


def test_watch__a_depth_leaves_the_limit_of_the_day():
    """What left since the day's limit was set makes room for who comes, whatever an owner does
    about something else.
    """
    schedule, *execute = ruled("configurator", "set_depth", "@token.USDC", usdc(20_000))
    taken = call(
        "borrower_3", "engine", "withdraw_collateral", "borrower_3#1", "@token.USDC", usdc(1_000),
        "@borrower_3", wait=DAY, blocks=7_200,
    )  # fmt: skip
    added = add("borrower_3#1", "USDC", usdc(2_000))
    found, reasons = broken(World(EvmHost()), [added, schedule, taken, *execute])
    assert not found
    assert not any(reasons)
