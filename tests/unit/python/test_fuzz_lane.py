"""The fast lane: what it plays, where it reads, what it finds, and how small it makes it."""

import json
from dataclasses import replace

import pytest

from breakwater import artifacts
from breakwater.evm import EvmHost
from breakwater.fuzz import actions, lane, player, profiles, slots, watch, world
from breakwater.fuzz.shrink import shrink
from breakwater.fuzz.steps import Step, StepError
from breakwater.host import Reverted
from breakwater.promises import Ledger
from breakwater.promises.verdicts import Violation
from breakwater.units import MAX_UINT256, WAD

# ------------------------------------------------------------ steps and the world


STEPS = [
    Step("lender_1", "vault.USDC", "deposit", (10**9, "@lender_1"), 60, 5),
    Step("attacker", "engine", "repay", ("attacker#0", "@token.USDC", MAX_UINT256)),
    Step("keeper", "vault.USDC", "permit", ("@lender_1", "@lender_2", 5, {"now": 60})),
    Step(
        "keeper",
        "attacker",
        "set_calls",
        (
            [["@vault.USDC", {"call": Step("attacker", "vault.USDC", "accrue")}, True]],
            "0x" + "00" * 32,
        ),
    ),
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.function)
def test_step__survives_json_and_runs(step):
    assert Step.from_json(json.loads(json.dumps(step.to_json()))) == step
    assert world.World(EvmHost()).run(step).succeeded


@pytest.mark.parametrize(
    "data",
    [
        [],
        {"sender": "a", "target": "b"},
        {"sender": "a", "target": "b", "function": "c", "args": [1.5]},
        {"sender": "a", "target": "b", "function": "c", "wait": -1},
        {"sender": "a", "target": "b", "function": "c", "gas": 1},
    ],
)
def test_step__nonsense_is_refused_with_a_reason(data):
    with pytest.raises(StepError):
        Step.from_json(data)


@pytest.mark.parametrize(
    "step",
    [
        Step("nobody", "engine", "accrue"),
        Step("keeper", "lender_1", "accrue"),
        Step("keeper", "engine", "accrue"),
        Step("keeper", "engine", "repay", ("lender_1", "@token.USDC", 1)),
        Step("keeper", "engine", "repay", ("borrower_1#0", "@token.USDC", -1)),
    ],
)
def test_run__step_that_does_not_fit_is_a_user_error(fast, step):
    with pytest.raises(StepError):
        fast.world.run(step)


@pytest.mark.parametrize("profile", sorted(profiles.PROFILES))
def test_world__begins_with_every_promise_kept(profile):
    found = world.World(EvmHost(), profile)
    assert Ledger().check(found.observer().read()) == []
    assert all(one.contract and one.address for one in found.record)
    for name in ("engine", "risk", "configurator", "breaker"):
        owner = found.host.call(found.address(name), found.contracts[name].NAME, "owner", ())
        rules = "configurator" if name in ("engine", "risk") else "timelock"
        assert owner == found.address(rules)


# ------------------------------------------------------------ calls


@pytest.mark.parametrize("profile", ["default", "periphery"])
def test_pack__is_what_the_codec_makes(profile, monkeypatch):
    fast = lane.Lane(world.World(EvmHost(), profile), 1)
    pack, seen = player.Player.pack, {}

    def checked(player, target, function, args):
        data = pack(player, target, function, args)
        seen[target, function] = seen.get((target, function), 0) + 1
        if seen[target, function] < 4:
            step = Step("keeper", target, function, args)
            assert data == player.world._call_data(step), step
        return data

    monkeypatch.setattr(player.Player, "pack", checked)
    fast.run(sequences=25)
    assert len(seen) > 80
    assert {"permit", "set_operator_by_signature"} <= {function for _, function in seen}
    assert (("flash.liquidator", "liquidate") in seen) == (profile == "periphery")


def test_lane__periphery():
    """Every action of its own succeeds, and everybody's promises hold."""
    searched = lane.Lane(world.World(EvmHost(), "periphery"), 3)
    own = {name for name, _, _ in actions.PERIPHERY} - set(actions.NAMES)
    done = set()
    for _ in range(6):
        assert not searched.run(sequences=40), searched.found
        done = {name for name, reason in searched.counts if reason is None}
        if own <= done:
            break
    assert own <= done


def test_lane__is_repeatable():
    first, second = (lane.Lane(world.World(EvmHost()), 7) for _ in range(2))
    for one in (first, second):
        one.run(sequences=8)
    assert first.counts == second.counts
    assert first.slack == second.slack


def test_lane__every_action_succeeds_and_nothing_breaks():
    played = lane.Lane(world.World(EvmHost()), 3)
    found = played.run(sequences=120)
    assert not found, [str(one.violations[0]) for one in found]
    done = {name for (name, reason), count in played.counts.items() if reason is None and count}
    assert done >= set(actions.NAMES) - actions.REFUSED
    assert played.succeeded / played.calls > 0.5
    never = set(watch.SENTENCES) - played.watch.judged
    assert never <= {"LIVE-4"}


def test_replay__gives_the_steps_that_were_played(fast):
    genes = fast.draw()
    steps, broken = fast.replay(genes)
    assert not broken
    again = world.World(EvmHost())
    reasons = [again.run(step).reason for step in steps]
    assert reasons.count(None) > len(reasons) // 4
    for step, reason in zip(steps, reasons, strict=True):
        call = (step.sender, step.target, step.function, step.args, step.wait, step.blocks)
        assert fast.player.send(call) == reason


# ------------------------------------------------------------ shrinking


def test_shrink__few_steps_and_round_numbers(fast, monkeypatch):
    """A fault that is made up: a withdrawal of more than 1,234 USDC after a poke."""
    poked = []
    judge = watch.Watch.judge

    def faulty(self, target, function, actor, args=()):
        found = judge(self, target, function, actor, args)
        if function == "poke":
            poked.append(True)
        if poked and (target, function) == ("vault.USDC", "withdraw") and args[0] > 1_234 * 10**6:
            return [Violation("SOLV-1", watch.SENTENCES["SOLV-1"], "made up", self.now, -1)]
        return found

    reset = watch.Watch.reset

    def forget(self):
        poked.clear()
        reset(self)

    monkeypatch.setattr(watch.Watch, "judge", faulty)
    monkeypatch.setattr(watch.Watch, "reset", forget)
    fast.stop, fast.random = True, type(fast.random)(5)
    try:
        (failure,) = fast.run(sequences=200)
    finally:
        fast.stop = False
        fast.found.clear()
    small = shrink(fast, failure)
    assert [step.function for step in small.steps] == ["poke", "withdraw"]
    assert len(str(small.steps[1].args[0]).rstrip("0")) <= 2
    assert small.steps[1].wait == 0
    assert small.seconds < 2.5


def test_corpus__new_behaviour_is_kept_and_mutated():
    played = lane.Lane(world.World(EvmHost()), 5, coverage=lambda: 0, length=10)
    played.run(sequences=20)
    assert played.corpus
    grown = lane.mutated(played.random, played.corpus[0], played.corpus[-1], 80)
    assert len(grown) == 80
    assert grown != played.corpus[0]


def test_sender__a_lie_about_the_call_is_an_error(fast):
    with pytest.raises(KeyError):
        fast.player.send(("nobody", "engine", "repay", ("borrower_1#0", "@token.USDC", 1), 0, 0))
    with pytest.raises(Reverted):
        fast.world.host.transact(
            fast.world.address("vault.USDC"), "LendingVault", "lend",
            (WAD, fast.world.address("lender_1")), sender=fast.world.address("lender_1"),
        )  # fmt: skip


# ------------------------------------------------------------ where words are


def moved(layout, name):
    """The layout with another name for a variable, of the contract or of a module."""
    return {
        f"{key}_of_old" if key == name and "slot" in entry else key: (
            entry if "slot" in entry else moved(entry, name)
        )
        for key, entry in layout.items()
    }


@pytest.mark.parametrize(
    ("contract", "name"),
    [("CreditEngine", "accounts"), ("LendingVault", "_claims"), ("AggregatorMock", "answer")],
)
def test_slots__a_changed_layout_is_followed_or_refused(monkeypatch, contract, name):
    market = world.World(EvmHost())
    plain = artifacts.load

    def renamed(wanted, *args):
        found = plain(wanted, *args)
        if wanted != contract:
            return found
        storage = moved(found.layout["storage_layout"], name)
        return replace(found, layout={**found.layout, "storage_layout": storage})

    monkeypatch.setattr(artifacts, "load", renamed)
    slots.slot.cache_clear()
    try:
        with pytest.raises(LookupError, match=name):
            watch.Watch(market)
    finally:
        slots.slot.cache_clear()


def test_slots__mocks_are_where_the_world_reads_them(monkeypatch):
    monkeypatch.setattr(slots, "slot", lambda contract, name: 7)
    with pytest.raises(LookupError, match="AggregatorMock"):
        slots.check()


def test_counts__success_and_an_empty_reason_differ(fast):
    outcome = lane.Outcome(b"")
    fast._count(outcome, [("add", None), ("add", ""), ("add", None)])
    assert outcome.counts == {("add", None): 2, ("add", ""): 1}
    assert (outcome.calls, outcome.succeeded, len(outcome.keys)) == (3, 2, 2)


def test_reason__of_the_instrumented_build_is_the_plain_one(fast, monkeypatch):
    text = "Revert { gas_used: 7, output: 0x }"
    monkeypatch.setattr(fast.player, "_plain_error", lambda told: text)
    assert fast.player._reason("Revert { gas_used: 7, output: 0xc0be }") == ""
