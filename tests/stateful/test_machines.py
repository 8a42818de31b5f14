"""The Hypothesis lane on the whole market: a fixed seed, every call predicted and judged.

A failure leaves its calls as a counterexample in `.build/fuzz/broken`; `breakwater replay` runs it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis.stateful import RuleBasedStateMachine

from breakwater import artifacts
from breakwater.fuzz import actions, machine, planted
from breakwater.fuzz.compare import slot_of
from breakwater.fuzz.machine import Broken, Laboratory
from breakwater.model import exact

BROKEN = artifacts.ROOT / ".build" / "fuzz" / "broken"


def play(chosen: type[RuleBasedStateMachine], examples: int) -> None:
    try:
        machine.play(chosen, examples)
    except Broken as broken:
        path = broken.counterexample.save_in(BROKEN)
        pytest.fail(f"{broken}\nbreakwater replay {path.relative_to(artifacts.ROOT)}")


@pytest.mark.slow
def test_solvency__20_000_calls() -> None:
    laboratory = Laboratory()
    play(machine.solvency(laboratory), 200)
    assert laboratory.calls >= 20_000
    assert laboratory.never_succeeded == [], "actions that never succeeded"


@pytest.mark.slow
def test_liveness__trials_from_every_state() -> None:
    laboratory = Laboratory()
    play(machine.liveness(laboratory), 240)
    tried = [n for (action, reason), n in laboratory.counts.items() if action == "trial"]
    assert sum(tried) >= 500


@pytest.mark.slow
def test_solvency__every_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model, which the contracts follow to the unit, is held against the exact fractions."""
    counts: Counter[str] = Counter()

    def counted(check: Callable[..., None]) -> Callable[..., None]:
        def held(value: Any, against: Any, *args: Any, **named: Any) -> None:
            counts[check.__name__] += 1
            check(value, against, *args, **named)

        return held

    for check in (exact.at_most, exact.at_least, exact.below):
        monkeypatch.setattr(exact, check.__name__, counted(check))
    monkeypatch.setattr(exact, "CHECK_ROUNDING", True)
    laboratory = Laboratory()
    play(machine.solvency(laboratory), 80)
    assert laboratory.calls >= 5_000
    assert min(counts[name] for name in ("at_most", "at_least", "below")) >= 50, counts


def test_solvency__small_market() -> None:
    laboratory = Laboratory("small")
    play(machine.solvency(laboratory), 20)
    assert laboratory.calls >= 1_000


@pytest.mark.slow
def test_solvency__periphery() -> None:
    laboratory = Laboratory("periphery")
    play(machine.solvency(laboratory), 60)
    assert laboratory.calls >= 5_000
    assert "last_resort" in {action for action, reason in laboratory.counts if not reason}
    played = {action for action, _ in laboratory.counts}
    assert {name for name, _, _ in actions.PERIPHERY} - actions.REFUSED <= played


def test_liveness__periphery() -> None:
    laboratory = Laboratory("periphery")
    play(machine.liveness(laboratory), 6)
    assert laboratory.calls >= 300


@pytest.mark.parametrize("name", ["loan_rounded_down", "empty_leg_kept", "interest_twice"])
def test_solvency__finds_a_planted_bug(name: str) -> None:
    bug = planted.load(name)
    laboratory = Laboratory(compile=planted.compiler(bug))
    with pytest.raises(Broken) as caught:
        machine.play(machine.solvency(laboratory), 200)
    found = caught.value.counterexample
    assert found.promise in (bug.promise, "model")
    assert f"  {len(found.steps)}. {found.steps[-1]}" in str(caught.value)


def test_laboratory__starts_anew_after_reset() -> None:
    laboratory = Laboratory("small")
    before, time = dict(laboratory.chain.state), (laboratory.host.now, laboratory.host.block)
    laboratory.act(0, b"\0\0\0\x01\0\0\0")
    assert laboratory.chain.state != before
    laboratory.reset()
    assert laboratory.chain.state == before
    assert (laboratory.host.now, laboratory.host.block) == time
    laboratory.sweep()


def test_laboratory__sees_a_word_that_no_call_wrote() -> None:
    laboratory = Laboratory("small")
    laboratory.sweep()
    vault = laboratory.world.contracts["vault.USDC"].address
    key = (vault, "_rates")
    assert key in laboratory.chain.state
    slot = slot_of(artifacts.load("LendingVault").layout["storage_layout"], "_rates", ())
    laboratory.host._evm.insert_account_storage(vault, slot, 1)
    with pytest.raises(Broken, match=r"vault\.USDC\._rates is 1 "):
        laboratory.sweep()
