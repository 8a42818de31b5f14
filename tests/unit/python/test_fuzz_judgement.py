"""What the watch judges in the fast lane: as the promises do, each broken state noticed, no false
alarms.
"""

import pytest

from breakwater.evm import EvmHost
from breakwater.fuzz import actions, genes, watch, world
from breakwater.fuzz.lane import unreasoned
from breakwater.fuzz.slots import slot
from breakwater.fuzz.steps import Step
from breakwater.observation import Timed
from breakwater.promises import Ledger
from breakwater.units import MAX_UINT256, WAD

BOOKS = slot("LendingVault", "_books")
"""Where a vault keeps its books; rates are behind them."""


def send(fast, *call, wait=0, blocks=0):
    """Make a call; what the watch says of it."""
    sender, target, function, *args = call
    full = (sender, target, function, tuple(args), wait, blocks)
    reason = fast.player.send(full)
    assert reason is None, reason
    sender = fast.player._addresses[sender]
    return {v.promise for v in fast.watch.judge(target, function, sender, tuple(args))}


class Tampered:
    """An EVM some of whose words read otherwise than they are."""

    def __init__(self, evm):
        self._evm = evm
        self.words = {}

    def __getattr__(self, name):
        return getattr(self._evm, name)

    def storage(self, address, slot):
        found = self._evm.storage(address, slot)
        change = self.words.get((address, slot))
        return found if change is None else change(found)


@pytest.fixture
def tampered(fast):
    evm = Tampered(fast.watch.evm)
    fast.watch.storage = evm.storage
    yield evm
    fast.watch.storage = fast.watch.evm.storage


# ------------------------------------------------------------ judgement


def test_watch__prices_and_health_are_the_contracts(fast):
    """What the watch computes from words, against the views, along a few sequences."""
    market, compared = fast.world, 0
    for _ in range(6):
        for step in fast.steps_of(fast.draw()):
            fast.watch.after(step, market.run(step))
        fast.watch.sweep()
        risk, engine = market.address("risk"), market.address("engine")
        call = market.host.call
        for asset in fast.watch._listed:
            if fast.watch.rules[asset.id][0]:
                quote = call(risk, "RiskEngine", "quote", (asset.token,))
                price = fast.watch.price(asset.id)
                assert (price.spot, price.average) == (quote[0], quote[3])
                assert (price.status, price.level) == (quote[6], quote[7])
        for number, account in enumerate(fast.watch._ids):
            position = call(engine, "CreditEngine", "position_of", (account,))
            health = call(risk, "RiskEngine", "health_of", (position,))
            mine = fast.watch.health(fast.watch.legs[number])
            assert (mine.factor, mine.collateral, mine.debt) == tuple(health[:3])
            compared += 1
        fast._undo()
    assert compared >= 60


def judged_slowly(market, steps):
    """Promises that `breakwater.promises` finds broken, call by call."""
    observer, ledger = market.observer(), Ledger()
    previous = observer.read()
    broken = set()
    for step in steps:
        if step.wait or step.blocks:
            market.host.advance(step.wait, step.blocks)
            previous = observer.read()
        at_once = Step(step.sender, step.target, step.function, step.args)
        result = market.run(at_once)
        if result.succeeded:
            logs = [Timed(market.host.now, log) for log in result.logs]
            present = observer.read(previous, logs, call=True)
            broken |= {violation.promise for violation in ledger.check(present)}
            previous = present
    return broken


PLAIN = {
    "deposit", "mint", "withdraw", "redeem", "add", "take", "borrow", "repay", "liquidate",
    "poke", "price", "corner", "settle", "donate", "tiny",
}  # fmt: skip


def plain_genes(fast, count):
    """Genes of actions that are one call of one actor each."""
    numbers = [byte for byte in range(256) if actions.NAMES[actions.TABLE[byte]] in PLAIN]
    draw = fast.random
    # the last byte even: no event names an account that is credited with what was seized
    return b"".join(
        bytes([draw.choice(numbers), *draw.randbytes(genes.GENE - 2), 2 * draw.randrange(128)])
        for _ in range(count)
    )


def test_watch__judges_as_the_promises_do_on_the_sound_build(fast, monkeypatch):
    monkeypatch.setattr(fast, "trials", False)  # they credit an account that no event names
    for _ in range(6):
        steps, broken = fast.replay(plain_genes(fast, 20))
        assert not broken
        assert judged_slowly(world.World(EvmHost()), steps) == set()


TAMPERING = {
    "SOLV-2": lambda watch: (watch._vaults[1].address, BOOKS),
    "SOLV-3": lambda watch: (watch._engine, watch._slots[0]),
    "SOLV-4": lambda watch: (watch._vaults[1].address, BOOKS + 1),
    "SOLV-11": lambda watch: (watch._engine, watch._slots[3]),
}
"""Promises, and the word that reads one lower from some call on."""


@pytest.mark.parametrize("promise", TAMPERING)
def test_watch__judges_as_the_promises_do_on_a_broken_state(promise):
    step = Step("borrower_1", "engine", "deposit_collateral", ("borrower_1#0", "@token.WETH", 5))
    if promise in ("SOLV-2", "SOLV-4"):
        step = Step("lender_1", "vault.USDC", "deposit", (10**6, "@lender_1"))
    market = world.World(EvmHost())
    judge, observer, ledger = watch.Watch(market), market.observer(), Ledger()
    previous = observer.read()
    result = market.run(step)
    evm = market.host._evm
    broken = Tampered(evm)
    address, slot = TAMPERING[promise](judge)
    less = 10**24 if promise == "SOLV-4" else 10**6
    broken.words[address, slot] = lambda word: word - less
    judge.storage, market.host._evm = broken.storage, broken
    judge.thorough = True  # as in the replay of what was found
    quick = {violation.promise for violation in judge.after(step, result)}
    logs = [Timed(market.host.now, log) for log in result.logs]
    slow = {one.promise for one in ledger.check(observer.read(previous, logs, call=True))}
    assert promise in quick
    assert promise in slow


# what is read otherwise than it is, and the promise that tells
def _engine_leg(fast, name="borrower_1#0"):
    return fast.watch._engine, fast.watch._slots[fast.world.accounts.index(name)]


def test_watch__custody(fast, tampered):
    vault = fast.watch._vaults[1]
    tampered.words[vault.token, vault.balance] = lambda word: word - 10**12
    assert "SOLV-1" in send(fast, "lender_1", "vault.USDC", "deposit", 10**6, "@lender_1")


def test_watch__vault_books_and_share_value(fast, tampered):
    vault = fast.watch._vaults[1]
    tampered.words[vault.address, BOOKS] = lambda word: word - 10**9
    found = send(fast, "lender_1", "vault.USDC", "deposit", 10**6, "@lender_1")
    assert {"SOLV-2", "SOLV-4"} <= found


def test_watch__sums(fast, tampered):
    tampered.words[_engine_leg(fast)] = lambda word: word + 1
    args = "borrower_1#0", "@token.WETH", 10**15
    assert "SOLV-3" in send(fast, "borrower_1", "engine", "deposit_collateral", *args)


def test_watch__new_risk(fast, tampered):
    tampered.words[_engine_leg(fast)] = lambda word: word + (8 * 10**9 << 104)
    args = "borrower_1#0", "@token.USDC", 10**6, "@borrower_1"
    assert "SOLV-5" in send(fast, "borrower_1", "engine", "borrow", *args)


def weaken(fast):
    """Ether falls by 55 %: the first account owes too much for what it holds, not under water."""
    for number in range(3):
        send(fast, "keeper", f"source.WETH.{number}", "set", 900 * 10**8, blocks=1)


LIQUIDATION = (
    "liquidator_1", "engine", "liquidate", "borrower_1#0", "@token.USDC", "@token.WETH",
    MAX_UINT256, 0, "@liquidator_1", genes.NO_ACCOUNT, "0x",
)  # fmt: skip


def test_watch__liquidation_of_a_healthy_account(fast):
    weaken(fast)
    rule, term, *rest = fast.watch.rules[1]
    fast.watch.rules[1] = (rule, term + 1_900 + (1_900 << 14), *rest)
    fast.watch.prices[1] = None
    assert "SOLV-6" in send(fast, *LIQUIDATION)


def test_watch__liquidation_that_lowers_health(fast, tampered):
    weaken(fast)
    tampered.words[_engine_leg(fast)] = lambda word: word - 10**18
    assert "SOLV-7" in send(fast, *LIQUIDATION)


def test_watch__loss_that_is_not_conserved(fast):
    for number in range(3):
        send(fast, "keeper", f"source.WETH.{number}", "set", 500 * 10**8)
    send(fast, "keeper", "breaker", "poke", "@token.WETH")
    send(fast, "keeper", "breaker", "poke", "@token.WETH", wait=700, blocks=60)
    books, *rest = fast.watch.vaults[1]
    fast.watch.vaults[1] = (books + (10**9 << 112), *rest)
    assert "SOLV-9" in send(fast, *LIQUIDATION)


def test_watch__tokens_that_leave_for_nothing(fast, tampered):
    asset = fast.watch._listed[0]
    tampered.words[asset.token, asset.balance] = lambda word: word - 10**15
    args = "borrower_1#0", "@token.WETH", 10**15
    assert "SOLV-8" in send(fast, "borrower_1", "engine", "deposit_collateral", *args)


def test_watch__rounding(fast):
    books, rates, claims, *rest = fast.watch.vaults[1]
    fast.watch.vaults[1] = (books, rates, claims - 10**12, *rest)
    found = send(fast, "lender_1", "vault.USDC", "deposit", 10**12 // 2, "@lender_1")
    assert "SOLV-10" in found


@pytest.mark.parametrize("thorough", [False, True])
def test_watch__bystanders(fast, tampered, thorough):
    """Whom a call does not name is looked at when all is read again: then, or after each call."""
    tampered.words[_engine_leg(fast, "borrower_2#0")] = lambda word: word + 1
    fast.watch.thorough = thorough
    args = "borrower_1#0", "@token.WETH", 10**15
    found = send(fast, "borrower_1", "engine", "deposit_collateral", *args)
    assert ("SOLV-11" in found) == thorough
    assert thorough or "SOLV-11" in {one.promise for one in fast.watch.sweep()}


@pytest.mark.parametrize("batched", [False, True])
def test_watch__what_a_liquidators_callback_does(fast, batched):
    """Interest that is stored tells of itself by no event."""
    weaken(fast)
    calls = [["@vault.WETH", {"call": Step("attacker", "vault.WETH", "accrue", ())}, False]]
    send(fast, "keeper", "attacker", "set_calls", calls, genes.NO_ACCOUNT, wait=3_600, blocks=300)
    args = "borrower_1#0", "@token.USDC", "@token.WETH", 10**9, 0, "@attacker", genes.NO_ACCOUNT
    if batched:
        leg = [32, "borrower_1#0", "@token.USDC", 10**9, "@attacker", genes.NO_ACCOUNT, args[2], 0]
        made = "batch", [leg], "0x01"
    else:
        made = "liquidate", *args, "0x01"
    before = fast.watch.vaults[0]
    assert send(fast, "attacker", "engine", *made) == set()
    vault = fast.watch._vaults[0]
    assert before != fast.watch._read_vault(vault) == fast.watch.vaults[0]


@pytest.mark.parametrize("sweeps", [False, True])
def test_sweep__sees_what_no_event_tells_of(fast, tampered, sweeps):
    vault = fast.watch._vaults[1]
    tampered.words[vault.address, BOOKS] = lambda word: word - 10**9
    fast.watch.thorough = sweeps
    found = send(fast, "keeper", "breaker", "poke", "@token.WBTC")
    assert ("SOLV-2" in found) is sweeps
    if not sweeps:
        assert "SOLV-2" in {violation.promise for violation in fast.watch.sweep()}


def test_watch__caps(fast):
    factor, _, _, highest = fast.watch.configs[1]
    fast.watch.configs[1] = (factor, 10**6, 10**6, highest)
    assert "CAP-1" in send(fast, "lender_1", "vault.USDC", "deposit", 10**6, "@lender_1")
    args = "borrower_1#0", "@token.USDC", 10**6, "@borrower_1"
    assert "CAP-1" in send(fast, "borrower_1", "engine", "borrow", *args)


def test_watch__holds_and_latches(fast, tampered):
    asset = fast.watch._listed[1]
    late = fast.host.now + 9 * 86_400
    tampered.words[fast.watch._risk, asset.latch] = lambda _: late << 128 | late
    assert "GATE-1" in send(fast, "guardian", "breaker", "trip", "@token.USDC", 1, 3_600)
    send(fast, "keeper", "source.HOOK.0", "set_words", [1, 10**8, {"now": 0}, {"now": 0}, 1])
    send(fast, "keeper", "breaker", "poke", "@token.HOOK")
    tampered.words[fast.watch._breaker, fast.watch._listed[3].breaker] = lambda _: 0
    assert "GATE-2" in send(fast, "keeper", "breaker", "poke", "@token.HOOK")


def test_watch__rules_that_make_a_healthy_account_weak(fast, tampered):
    asset = fast.watch._listed[0]
    tampered.words[fast.watch._risk, asset.term] = lambda word: word >> 28 << 28
    assert "GATE-3" in send(fast, "guardian", "breaker", "trip", "@token.USDC", 1, 3_600)


def test_trials__what_must_work_and_does_not(fast):
    weaken(fast)
    fast.watch.sweep()
    fast.host.advance(12, 1)
    fast.watch.sweep()
    found = {violation.promise for violation in fast.watch.trials(lambda call: "no")}
    assert found == {"LIVE-1", "LIVE-2", "LIVE-3"}


def test_trials__liquidated_without_a_chance_to_top_up(fast):
    weaken(fast)
    fast.host.advance(12, 1)
    fast.watch.sweep()
    refused = {"deposit_collateral": "no"}
    found = {
        violation.promise for violation in fast.watch.trials(lambda call: refused.get(call[2]))
    }
    assert "GATE-4" in found


def test_refusal__without_a_reason_breaks_a_promise():
    call = ("keeper", "vault.USDC", "accrue", (), 0, 0)
    for reason in ("", "halt", "panic: 0x11"):
        assert [one.promise for one in unreasoned(call, reason, 0)] == ["LIVE-4"]
    assert not unreasoned(call, "vault is halted", 0)
    assert not unreasoned(("keeper", "token.ODD", "transfer", (), 0, 0), "", 0)


# ------------------------------------------------------------ operators


def grant(fast, amount=10**9, actions=4, expiry=2**40 - 1, asset="@token.USDC"):
    args = "borrower_1#0", "@operator", asset, actions, amount, expiry
    assert send(fast, "borrower_1", "engine", "set_operator", *args) == set()


BY_OPERATOR = (
    "operator",
    "engine",
    "borrow",
    "borrower_1#0",
    "@token.USDC",
    6 * 10**8,
    "@operator",
)


def test_watch__operator_within_his_grant(fast):
    grant(fast)
    assert send(fast, *BY_OPERATOR) == set()
    grant(fast, asset=genes.NOBODY, amount=2**128 - 1, actions=2)
    args = "borrower_1#0", "@token.WETH", 10**15, "@operator"
    assert send(fast, "operator", "engine", "withdraw_collateral", *args) == set()
    assert fast.watch.sweep() == []


def test_watch__operator_whose_grant_does_not_fall(fast, tampered):
    grant(fast)
    account = fast.world.account("borrower_1#0")
    places = [
        place for key, place in fast.watch._grant_slots.items()
        if key[0] == account and fast.watch.grants.get(key)
    ]  # fmt: skip
    assert len(places) == 1
    tampered.words[fast.watch._engine, places[0]] = lambda word: word + 6 * 10**8
    assert "SOLV-8" in send(fast, *BY_OPERATOR)


@pytest.mark.parametrize("known", [0, 6 * 10**8 - 1, "expired", "other action"])
def test_watch__operator_beyond_his_grant(fast, known):
    grant(fast)
    ((key, word),) = fast.watch.grants.items()
    fast.watch.grants[key] = {
        0: 0,
        "expired": word & ~((2**40 - 1) << 128) | (fast.host.now - 1) << 128,
        "other action": word ^ (4 ^ 2) << 168,
    }.get(known, word - 10**9 + 6 * 10**8 - 1)
    assert "SOLV-8" in send(fast, *BY_OPERATOR)


def test_watch__operator_who_brings_a_new_collateral(fast):
    account = "borrower_1#0"
    held = {tag for tag, _ in fast.watch.legs[fast.world.accounts.index(account)]}
    new = fast.player.symbols.index("WBTC") + 1
    assert new not in held
    grant(fast, actions=1, asset="@token.WBTC")
    call = ("operator", "engine", "deposit_collateral", account, "@token.WBTC", 10**5)
    for step in (
        ("borrower_1", "token.WBTC", "transfer", "@operator", 10**6),
        ("operator", "token.WBTC", "approve", "@engine", 10**6),
    ):
        send(fast, *step)
    fast.watch.grants.clear()
    assert "SOLV-8" in send(fast, *call)


# ------------------------------------------------------------ no false alarms


def dearer(*answers, **time):
    """USDC at these answers of its sources, poked."""
    set_ = [Step("keeper", f"source.USDC.{i}", "set", (n,)) for i, n in enumerate(answers)]
    return [*set_, Step("keeper", "breaker", "poke", ("@token.USDC",), **time)]


def liquidation(account, collateral, credit=genes.NO_ACCOUNT):
    return [32, account, "@token.USDC", 10**8, "@borrower_1", credit, f"@token.{collateral}", 0]


def test_judge__account_credited_before_it_is_liquidated(fast):
    legs = [
        liquidation("borrower_1#0", "WETH", "borrower_1#1"),
        liquidation("borrower_1#1", "HOOK"),
    ]
    steps = [
        *dearer(9 * 10**8, 9 * 10**8),
        *dearer(wait=61, blocks=5),
        Step("borrower_1", "engine", "batch", (legs, "0x"), 600, 50),
    ]
    assert fast.run_steps(steps) == []
    for step in steps:
        reason, _ = fast._one(
            (step.sender, step.target, step.function, step.args, step.wait, step.blocks), None
        )
    assert reason is None  # both were liquidated


def test_judge__source_whose_price_is_beyond_128_bits(fast):
    one = ("borrower_1#0", "@token.USDC", "@token.WETH", 4 * 10**9, 1, "@liquidator_1")
    steps = [
        *dearer(45 * 10**7, 45 * 10**7),
        Step("keeper", "source.USDC.0", "set", (4 * 10**28,), 600),
        *dearer(),
        Step("liquidator_1", "engine", "liquidate", (*one, genes.NO_ACCOUNT, "0x")),
    ]
    assert fast.run_steps(steps) == []


def test_trials__at_the_time_of_a_call_that_was_refused(fast):
    call = ("borrower_1", "engine", "repay", ("borrower_1#0", "@token.USDC", 0), 60, 5)
    assert fast.player.send(call) is not None
    assert fast.watch.trials(lambda trial: "blocked") is not None
    assert fast.watch.now == fast.host.now


def test_trials__a_jump_is_waited_for_at_what_was_topped_up(fast, monkeypatch):
    """A unit more may be half of what a tiny account has."""
    weaken(fast)
    fast.host.advance(12, 1)
    watch = fast.watch
    watch.sweep()
    health = watch.health

    def waiting(legs, patience=0):
        found = health(legs, patience)
        if patience:
            found.factor = WAD if legs in topped else 0
        return found

    def send(call):
        if call[2] == "deposit_collateral":
            i = next(i for i in range(len(watch.legs)) if watch._name(i) == call[3][0])
            watch.legs[i] = [(tag, amount + (tag < 128)) for tag, amount in watch.legs[i]]
            topped.append(watch.legs[i])
        return "price jump is too recent" if call[2] == "liquidate" else None

    topped: list = []
    monkeypatch.setattr(watch, "health", waiting)
    found = watch.trials(send)
    assert topped
    assert [violation.promise for violation in found] == []
