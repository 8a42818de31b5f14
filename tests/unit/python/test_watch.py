"""The watch on contracts with one function changed: what breaks no single figure, and is told."""

from dataclasses import replace

import pytest

from breakwater.evm import EvmHost
from breakwater.fuzz.events import Event
from breakwater.fuzz.machine import Broken, Laboratory
from breakwater.fuzz.steps import Step
from breakwater.fuzz.watch import Watch
from breakwater.fuzz.world import World
from breakwater.observation import Timed
from breakwater.observation.words import M112
from breakwater.promises.gates import caps
from breakwater.units import MAX_UINT256, RAY, WAD
from tests.mutants import Mutant, changed, check_seen, check_silent
from tests.planted.sequences import (
    HOUR,
    MAGIC,
    NOTHING,
    NOWHERE,
    UNDER_WATER,
    WITHDRAW,
    add,
    borrow,
    call,
    engine,
    liquidate,
    price,
    ruled,
    usdc,
    weth,
)

BORROW, REPAY = 4, 8
HOOK_DOWN = call("keeper", "source.HOOK.0", "set_mode", 1)
HOOK_UP = call("keeper", "source.HOOK.0", "set_words", [1, 17 * 10**8, {"now": 0}, {"now": 0}, 1])
POKE = call("keeper", "breaker", "poke", "@token.WETH")


def leg(action, account, symbol, amount):
    owner = account.split("#")[0]
    return [action, account, f"@token.{symbol}", amount, f"@{owner}", NOTHING, NOWHERE, 0]


def withdraw(account, symbol, amount):
    owner = account.split("#")[0]
    return engine(owner, "withdraw_collateral", account, f"@token.{symbol}", amount, f"@{owner}")


def trip(symbol, level):
    return call("guardian", "breaker", "trip", f"@token.{symbol}", level, HOUR)


def in_part(most, **time):
    args = "borrower_1#0", "@token.USDC", "@token.WETH", most, 0, "@liquidator_1", NOTHING, "0x"
    return engine("liquidator_1", "liquidate", *args, **time)


FLASH = [
    call("attacker", "attacker", "set_calls", [], MAGIC),
    call("attacker", "vault.USDC", "flashLoan", "@attacker", "@token.USDC", usdc(1_000), "0x"),
]
SAFER = [
    # below its initial margin: 10 WETH at 1,100 for 8,000 USDC
    *price("WETH", 1_100, 3),
    engine(
        "borrower_1", "batch",
        [leg(REPAY, "borrower_1#0", "USDC", usdc(2_000)),
         leg(WITHDRAW, "borrower_1#0", "WETH", weth(0.01))],
        "0x", blocks=1,
    ),
]  # fmt: skip
WEAK = [
    *price("WETH", 900, 3),
    liquidate("borrower_1#0", "USDC", "WETH", blocks=1),
]
SILENT = [
    call("attacker", "token.WETH", "transfer", "@engine", weth(1)),
    # WBTC and wstETH, in debt: of WBTC there is no price any more
    call("keeper", "source.WBTC.0", "set", 50_000 * 10**8, wait=25 * HOUR, blocks=1),
]

_FIRST, *_REST = ruled("configurator", "set_depth", "@token.USDC", usdc(6_250))
SHALLOW = [
    *ruled("configurator", "set_depth", "@token.USDC", usdc(12_500)),
    replace(_FIRST, wait=3 * 24 * HOUR, blocks=1),
    *_REST,
    *price("WBTC", 50_000),
    borrow("borrower_3#0", "WBTC", 12_500_000),
    *price("WBTC", 57_000),
]
"""20,000 USDC against 0.285 WBTC, below maintenance; an hour may seize 6,250 of them."""

GROWN = [
    POKE,
    call("keeper", "breaker", "poke", "@token.WETH", wait=24 * HOUR, blocks=1),
    call("keeper", "token.WETH", "mint", "@keeper", weth(300_000)),
    POKE,
    call("keeper", "breaker", "poke", "@token.WETH", wait=600, blocks=1),
]

HOLD = call("guardian", "breaker", "hold", "@token.WETH", HOUR)
DOWN = call("keeper", "uptime", "set", 1)

MUTANTS = {
    "hold that holds nothing": Mutant(
        "RiskEngine", "modules/maintenance", "_liquidation_terms", "valuation.latched != 0",
        "valuation.latched > 255",
        [HOLD, *WEAK],
        "GATE-4",
    ),
    "hold without grace": Mutant(
        "RiskEngine", "modules/maintenance", "_is_held", "+ GRACE_TIME", "",
        [HOLD, *price("WETH", 980, 3),
         liquidate("borrower_1#0", "USDC", "WETH", wait=HOUR, blocks=1)],
        "GATE-4",
    ),
    "outage that stops nobody": Mutant(
        "RiskEngine", "modules/maintenance", "_liquidation_terms",
        "sequencer.FEED != empty(address)", "sequencer.FEED == empty(address)",
        [DOWN, *WEAK],
        "GATE-4",
    ),
    "loan in an outage": Mutant(
        "RiskEngine", "", "check_initial",
        "sequencer.FEED != empty(address)", "sequencer.FEED == empty(address)",
        [DOWN, borrow("borrower_1#0", "USDC", usdc(600))],
        "GATE-2",
    ),
    "shortfall without end": Mutant(
        "RiskEngine", "", "shortfall",
        "return maintenance._shortfall(position, tag)", "return 2**100",
        [*ruled("configurator", "set_cap", "@token.WETH", 0), add("borrower_1#0", "WETH", weth(1))],
        "CAP-1",
    ),
    "day that a deposit does not open": Mutant(
        "CreditEngine", "", "_deposit",
        "    book = exposure._opened(book)\n", "",
        [engine("borrower_3", "deposit_collateral", "borrower_3#0", "@token.USDC", usdc(1),
                wait=2 * HOUR)],
        "CAP-1",
    ),
    "day that a withdrawal does not open": Mutant(
        "CreditEngine", "", "_withdraw", "exposure._opened(book) - sent", "book - sent",
        [engine("borrower_1", "withdraw_collateral", "borrower_1#0", "@token.WETH", 1,
                "@borrower_1", wait=2 * HOUR)],
        "CAP-1",
    ),
    "growth that is not held back": Mutant(
        "CreditEngine", "", "_deposit",
        'legs._fail("exposure growth limit is reached")', "pass",
        [add("borrower_3#0", "USDC", usdc(600_000))],
        "CAP-1",
    ),
    "seizure that is not counted": Mutant(
        "CreditEngine", "", "_liquidate",
        "book = exposure._seized(book, taken, may_pass)", "pass",
        [*SHALLOW,
         engine("liquidator_1", "liquidate", "borrower_3#0", "@token.WBTC", "@token.USDC",
                2_000_000, 0, "@liquidator_1", NOTHING, "0x", blocks=1)],
        "CAP-1",
    ),
    "depth that holds nothing back": Mutant(
        "CreditEngine", "modules/exposure", "_seized", "parts > PARTS and", "False and",
        [*SHALLOW, liquidate("borrower_3#0", "WBTC", "USDC", blocks=1)],
        "CAP-1",
    ),
    "shortfall of a weak account": Mutant(
        "RiskEngine", "modules/maintenance", "_shortfall",
        "min(missing, asset_config.MAX_VALUE), BPS)", "asset_config.MAX_VALUE, BPS)",
        [*ruled("configurator", "set_cap", "@token.WETH", 0), *price("WETH", 900, 3),
         add("borrower_1#0", "WETH", weth(5))],
        "CAP-1",
    ),
    "debt above NORMAL": Mutant(
        "RiskEngine", "modules/initial_margin", "_initial",
        "            if state & price_oracle.LEVEL != 0:\n"
        "                return self._level_reason(state)\n"
        "            unseen = 0\n        # without",
        "            unseen = 0\n        # without",
        [HOOK_UP, borrow("borrower_1#0", "HOOK", 50 * 10**18)],
        "GATE-2",
    ),
    "collateral above NORMAL": Mutant(
        "RiskEngine", "modules/initial_margin", "_initial",
        "            if state & price_oracle.LEVEL != 0:\n"
        "                return self._level_reason(state)\n"
        "            unseen = 0\n        if enough",
        "            unseen = 0\n        if enough",
        [trip("WETH", 1), withdraw("borrower_1#0", "WETH", weth(0.1))],
        "GATE-2",
    ),
    "debt without a price": Mutant(
        "RiskEngine", "modules/initial_margin", "_initial", "return PRICE_STALE", "continue",
        [HOOK_DOWN,
         borrow("borrower_2#0", "WETH", weth(0.5))],
        "SOLV-5",
    ),
    "safer at HALT": Mutant(
        "RiskEngine", "", "check_batch", "level >= 2 or not", "not",
        [trip("WETH", 2), SAFER[-1]],
        "GATE-2",
    ),
    "withdrawal at HALT": Mutant(
        "LendingVault", "modules/lenders", "_exit", "level == HALT", "level == 99",
        [trip("USDC", 2),
         call("lender_1", "vault.USDC", "withdraw", usdc(1), "@lender_1", "@lender_1")],
        "GATE-2",
    ),
    "deposit at HALT": Mutant(
        "LendingVault", "modules/lenders", "_enter", "vault_level._check_level(CAUTION)", "pass",
        [trip("USDC", 2), call("lender_1", "vault.USDC", "deposit", usdc(1), "@lender_1")],
        "GATE-2",
    ),
    "flash loan at HALT": Mutant(
        "LendingVault", "", "flashLoan",
        "vault_level._check_level(vault_level.CAUTION)", "pass",
        [trip("USDC", 2), *FLASH],
        "GATE-2",
    ),
    "loan of a vault at CAUTION": Mutant(
        "LendingVault", "", "lend", "vault_level._check_level(0)", "pass",
        [trip("USDC", 1),
         engine(
             "borrower_1", "batch",
             [leg(BORROW, "borrower_1#0", "USDC", usdc(10)),
              leg(REPAY, "borrower_1#0", "USDC", usdc(500))],
             "0x",
         )],
        "GATE-2",
    ),
    "level that is not pushed to the vault": Mutant(
        "CircuitBreaker", "", "trip", "    self._push_vault(asset, word)\n", "",
        [trip("USDC", 2)],
        "GATE-2",
    ),
    "level that is not pushed to the risk engine": Mutant(
        "CircuitBreaker", "", "trip", "    self._push_risk(asset, word)\n", "",
        [trip("USDC", 2)],
        "GATE-2",
    ),
    "jump that does not latch": Mutant(
        "CircuitBreaker", "", "poke", "if status == price_words.JUMP:", "if status == 7:",
        [*price("WETH", 1_500, 3), POKE],
        "GATE-2",
    ),
    "silence that does not latch": Mutant(
        "CircuitBreaker", "", "poke", "block.timestamp - stale_since >= STALE_DELAY",
        "block.timestamp - stale_since >= 99 * STALE_DELAY",
        [call("keeper", "breaker", "poke", "@token.WETH", wait=25 * HOUR, blocks=1),
         call("keeper", "breaker", "poke", "@token.WETH", wait=900, blocks=1)],
        "GATE-2",
    ),
    "supply that does not latch": Mutant(
        "CircuitBreaker", "", "poke", "if supply_growth._observe(asset):",
        "if supply_growth._observe(asset) and asset == self:",
        GROWN,
        "GATE-2",
    ),
    "supply that is never too much": Mutant(
        "CircuitBreaker", "modules/supply_growth", "_observe",
        "growth.excess_since = block.timestamp", "growth.excess_since = 0",
        GROWN,
        "GATE-2",
    ),
    "stamp of who became safer": Mutant(
        "CreditEngine", "", "_end_check",
        "accounts._store(account, after, legs._unstamped(after))", "pass",
        SAFER,
        "LIVE-3",
    ),
    "loan without a stamp": Mutant(
        "CreditEngine", "", "_borrow",
        "    after[leg >> 1] = legs._stamp(after[leg >> 1])\n", "",
        [borrow("borrower_1#0", "USDC", usdc(600))],
        "SOLV-6",
    ),
    "nothing written off": Mutant(
        "RiskEngine", "modules/maintenance", "_terms_under_water",
        "max((owed - stays) * fraction // WAD, repay) - repay", "0",
        UNDER_WATER,
        "SOLV-9",
    ),
    "too much written off": Mutant(
        "RiskEngine", "modules/maintenance", "_terms_under_water",
        "max((owed - stays) * fraction // WAD, repay) - repay",
        "max((owed - stays) * fraction // WAD, repay) - repay + 10**9",
        [*UNDER_WATER[:-1], in_part(usdc(1_000), wait=700, blocks=1)],
        "SOLV-9",
    ),
    "written off while it could pay": Mutant(
        "RiskEngine", "modules/maintenance", "_terms_standard",
        "    terms.incentive = incentive\n",
        "    terms.incentive = incentive\n    terms.write_off = owed - repay\n",
        WEAK,
        "SOLV-9",
    ),
    "under water a little above it": Mutant(
        "RiskEngine", "modules/maintenance", "_is_under_water",
        "unsafe_add(WAD, tip)", "(WAD + 40 * tip)",
        [*WEAK[:-1], POKE, liquidate("borrower_1#0", "USDC", "WETH", wait=700, blocks=1)],
        "SOLV-6",
    ),
    "spot stored as average": Mutant(
        "CircuitBreaker", "modules/price_history", "_poked",
        "(quote.average << ", "(quote.price << ",
        [*price("WETH", 1_950, 3), call("keeper", "breaker", "poke", "@token.WETH", wait=60)],
        "SOLV-11",
    ),
    "volatility that nobody samples": Mutant(
        "CircuitBreaker", "modules/price_history", "_poked",
        "elapsed >= SAMPLE_TIME", "elapsed >= 99 * SAMPLE_TIME",
        [*price("WETH", 1_950, 3), call("keeper", "breaker", "poke", "@token.WETH", wait=700)],
        "SOLV-11",
    ),
    "loan that leaves less than the least debt": Mutant(
        "CreditEngine", "modules/register", "_check_debt", "< self._min_debt(word)", "< 1",
        [borrow("borrower_3#0", "USDC", usdc(1))],
        "CAP-1",
    ),
    "payment that leaves less than the least debt": Mutant(
        "CreditEngine", "modules/register", "_check_debt", "< self._min_debt(word)", "< 1",
        [engine("borrower_1", "repay", "borrower_1#0", "@token.USDC", usdc(7_990))],
        "CAP-1",
    ),
    "liquidation that leaves less than the least debt": Mutant(
        "RiskEngine", "modules/maintenance", "_terms_standard",
        "        repay = max_repay\n        if unsafe_sub(owed, repay) < min_debt:",
        "        repay = max_repay\n        if unsafe_sub(owed, repay) < 1:",
        [*price("WETH", 825, 3), in_part(usdc(7_950), blocks=1)],
        "CAP-1",
    ),
    "collateral out of a donation, beside a leg without a price": Mutant(
        "CreditEngine", "", "_withdraw",
        "self._push(asset, receiver, sent)", "self._push(asset, receiver, sent + 10**16)",
        [call("attacker", "token.WETH", "transfer", "@engine", weth(1)),
         add("borrower_1#1", "WETH", weth(1)), HOOK_DOWN,
         withdraw("borrower_1#1", "WETH", weth(0.5))],
        "SOLV-8",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_watch__sees_a_mutant(name):
    check_seen(MUTANTS[name])


@pytest.mark.parametrize("name", MUTANTS)
def test_watch__is_silent_without_the_mutant(sound, name):
    check_silent(sound, MUTANTS[name])


@pytest.mark.parametrize("mutated", [False, True])
def test_trials__who_is_weak_may_top_up_above_a_cap(sound, mutated):
    """Else he is liquidated without a chance (GATE-4)."""
    mutant = MUTANTS["shortfall without end"]._replace(new="return 0")
    market = World(EvmHost(), compile=changed(mutant)) if mutated else sound
    snapshot = market.host.snapshot()
    watch = Watch(market)
    for step in [*ruled("configurator", "set_cap", "@token.WETH", 0), *price("WETH", 900, 3)]:
        result = market.run(step)
        assert result.succeeded
        watch.after(step, result)
    market.host.advance(12, 1)
    watch.sweep()
    topped = []

    def send(made):
        step = Step(*made)
        result = market.run(step)
        watch.after(step, result)
        if step.function == "deposit_collateral" and step.args[0] == "borrower_1#0":
            topped.append(result.reason)
        return result.reason

    found = {violation.promise for violation in watch.trials(send)}
    market.host.restore(snapshot)
    assert (topped[0] is None) is not mutated
    assert ("GATE-4" in found) is mutated


# ------------------------------------------------------------ caps


def hooked(function, *args, after=True):
    """HOOK calls the attacker when it moves, and he makes this call."""
    inner = engine("attacker", function, *args)
    run = call("keeper", "attacker", "execute", "@engine", {"call": inner})
    return call("keeper", "token.HOOK", "set_hook", "@attacker", {"call": run}, after)


@pytest.mark.parametrize("over", [0, 1, 2])
@pytest.mark.parametrize("payments", [0, 1])
def test_watch__deposit_cap_and_payments_in_the_middle(sound, over, payments):
    """A payment leaves a part of a unit to the lenders: each lifts a total by one at most."""
    snapshot = sound.host.snapshot()
    vault = "vault.HOOK"
    steps = [
        engine("attacker", "deposit_collateral", "attacker#1", "@token.WETH", weth(10)),
        engine("attacker", "borrow", "attacker#1", "@token.HOOK", 100 * 10**18, "@attacker"),
    ]
    if payments:
        steps.append(hooked("repay", "attacker#1", "@token.HOOK", 50 * 10**18))
    watch = Watch(sound)
    for step in steps:
        result = sound.run(step)
        assert result.succeeded, result
        assert watch.after(step, result) == []
    step = call("attacker", vault, "deposit", 10**18, "@attacker")
    result = sound.run(step)
    logs = [log.name for log in result.logs if log.address == sound.address(vault)]
    assert logs.count("Collect") == payments
    v = sound.debts.index("HOOK")
    books, rates, _, _, _, _ = watch._read_vault(watch._vaults[v])
    debt = (books >> 112 & M112) * (rates & M112) // RAY
    factor, _, debt_cap, highest = watch.configs[v]
    watch.configs[v] = (factor, (books & M112) + debt - over, debt_cap, highest)
    found = {violation.promise for violation in watch.after(step, result)}
    previous = sound.observer().read()
    sound.host.restore(snapshot)
    assert found == ({"CAP-1"} if over > payments else set())
    logs = [Timed(previous.now, log) for log in result.logs]
    token = sound.address("token.HOOK")
    vaults = {
        **previous.vaults,
        token: replace(previous.vaults[token], deposit_cap=(books & M112) + debt - over),
    }
    seen = replace(previous, vaults=vaults, logs=tuple(logs), call=True, previous=previous)
    slack = min(finding.slack for finding in caps(seen) if "deposit cap" in finding.what)
    assert slack == payments - over


DEPOSITED = Event("Deposit", "", [], (10**6, 10**12))


def test_watch__payment_before_a_deposit_lifts_no_cap(sound):
    """Only what follows the last deposit may: the deposit itself found the cap kept."""
    watch = Watch(sound)
    lift = watch._flow([Event("Collect", "", [], (10**9, 1, 0)), DEPOSITED], RAY, "USDC")
    assert lift.later == 0
    lift = watch._flow([DEPOSITED, Event("Collect", "", [], (10**9, 1, 7))], RAY, "USDC")
    assert lift.later == 8


# ------------------------------------------------------------ slices across the end of a wait


def part(most, who="liquidator_1", collateral="WETH"):
    args = "borrower_2#1", "@token.USDC", f"@token.{collateral}", most, 0, f"@{who}", NOTHING, "0x"
    return engine(who, "liquidate", *args)


WAITING = [
    borrow("borrower_2#1", "USDC", usdc(270)),
    call("keeper", "source.HOOK.0", "set_words", [1, 48 * 10**7, {"now": 0}, {"now": 0}, 1],
         blocks=1),
    call("attacker", "attacker", "set_calls",
         [["@engine", {"call": part(usdc(2_400), "attacker", "HOOK")}, True]], MAGIC),
    call("attacker", "vault.USDC", "flashLoan", "@attacker", "@token.USDC", usdc(3_000), "0x"),
    *(call("keeper", f"source.WETH.{i}", "set", 1_600 * 10**8) for i in (1, 2)),
]  # fmt: skip
"""An account under water only at the spot of a jump that nobody has poked."""


@pytest.mark.parametrize("worse", [False, True])
def test_watch__slices_across_the_end_of_a_wait(sound, worse):
    """The first pays more than it takes at spot and lifts the account above water there: both
    together bring no more than collateral less debt."""
    snapshot = sound.host.snapshot()
    watch = Watch(sound)
    found = []
    for step in [*WAITING, part(usdc(800))]:
        found += watch.after(step, sound.run(step))
    account = sound.account("borrower_2#1")
    known = watch.waited[account]
    assert known.gain < known.most < 0
    if worse:
        watch.waited[account] = known._replace(most=known.most - 5 * WAD)
    step = part(usdc(800))
    found += watch.after(step, sound.run(step))
    total = watch.waited[account].gain
    sound.host.restore(snapshot)
    assert known.gain < total <= known.most
    assert {violation.promise for violation in found} == ({"SOLV-7"} if worse else set())


def test_watch__slices_that_leave_the_account_under_water(sound):
    """The first slice settles the debt whose price jumped, and what is left is under water at
    prices that wait for nothing: the second pays the tip, and the loss is the vault's."""

    def slice_of(debt, most):
        args = "borrower_1#0", f"@token.{debt}", "@token.WETH", most, 1, "@liquidator_1"
        return engine("liquidator_1", "liquidate", *args, NOTHING, "0x")

    steps = [
        engine("borrower_1", "borrow", "borrower_1#0", "@token.HOOK", 3 * 10**20, "@lender_2"),
        *(call("keeper", f"source.USDC.{i}", "set", 6 * 10**8) for i in (0, 1)),
        call("keeper", "breaker", "poke", "@token.USDC"),
        replace(slice_of("USDC", MAX_UINT256), wait=3_601, blocks=1),
        slice_of("HOOK", 2 * 10**20),
    ]
    snapshot = sound.host.snapshot()
    watch = Watch(sound)
    found = []
    for step in steps:
        result = sound.run(step)
        assert result.reason is None
        found += watch.after(step, result)
    known = watch.waited[sound.account("borrower_1#0")]
    sound.host.restore(snapshot)
    assert known.most < known.gain < 0
    assert found == []


def test_watch__small_rest_after_large_slices(sound):
    """The incentive is off by units of its scale; what that leaves with the account after a slice
    lifts the next incentive by as much more as the rest is smaller."""

    def slice_of(debt, most, collateral="HOOK"):
        args = "borrower_2#1", f"@token.{debt}", f"@token.{collateral}", most, 0, "@liquidator_1"
        return engine("liquidator_1", "liquidate", *args, NOTHING, "0x")

    def hook(price):
        return call(
            "keeper", "source.HOOK.0", "set_words", [1, price, {"now": 0}, {"now": 0}, 1]
        )  # fmt: skip

    legs = [
        [BORROW, "borrower_2#1", "@token.HOOK", 17 * 10**19, "@borrower_2", NOTHING, NOWHERE, 0],
        [REPAY, "borrower_2#1", "@token.USDC", usdc(1_400), "@borrower_2", NOTHING, NOWHERE, 0],
    ]
    poke = call("keeper", "breaker", "poke", "@token.USDC")
    steps = [
        engine("borrower_2", "batch", legs, "0x"),
        hook(20 * 10**8),
        call("keeper", "source.USDC.0", "set", 446 * 10**6),
        call("keeper", "source.USDC.1", "set", 450 * 10**6),
        poke,
        replace(poke, wait=600),
        replace(slice_of("USDC", usdc(700), "WETH"), wait=10, blocks=1),
        replace(hook(10 * 10**8), wait=3_600),
        slice_of("USDC", usdc(700)),
        slice_of("USDC", usdc(600)),
        *(slice_of("HOOK", 8 * 10**19) for _ in range(3)),
    ]
    snapshot = sound.host.snapshot()
    watch = Watch(sound)
    found, incentives = [], []
    for step in steps:
        result = sound.run(step)
        assert result.reason is None
        found += watch.after(step, result)
        incentives += [log.args["incentive"] for log in result.logs if log.name == "Liquidate"]
    sound.host.restore(snapshot)
    assert incentives[-3] < incentives[-2] < incentives[-1] < incentives[-3] + 10
    assert found == []


@pytest.mark.parametrize("worse", [False, True])
def test_machine__slices_across_the_end_of_a_wait(monkeypatch, worse):
    laboratory = Laboratory()
    for step in WAITING:
        call = (step.sender, step.target, step.function, step.args, step.wait, step.blocks)
        assert laboratory.call("test", call) is None
    step, gains, gain = part(usdc(1_600)), [], laboratory._gain

    def counted(calls):
        found = gain(calls)
        gains.append(found + (5 * 10**24 if worse and len(calls) == 2 else 0))
        return gains[-1]

    monkeypatch.setattr(laboratory, "_gain", counted)
    whole = step.sender, step.target, step.function, step.args, 0, 0
    if worse:
        with pytest.raises(Broken, match="SOLV-7"):
            laboratory.compare(whole, 2)
    else:
        laboratory.compare(whole, 2)
    assert gains[0] < gains[1]


def test_machine__fees_of_slices_are_rounded_down():
    """At prices that are apart the incentive is at its most: slices pay a unit less of the fee."""
    laboratory = Laboratory()
    poke = "keeper", "breaker", "poke", ("@token.USDC",)
    for number, answer in enumerate((100_000_000, 352_000_000)):
        laboratory.call("price", ("keeper", f"source.USDC.{number}", "set", (answer,), 0, 0))
    for wait in (0, 900, 901):
        laboratory.call("poke", (*poke, wait, 1))
    args = "borrower_1#0", "@token.USDC", "@token.WETH", 8_090_162_900, 0, "@keeper"
    laboratory.compare(("keeper", "engine", "liquidate", (*args, NOTHING, "0x"), 600, 50), 2)
