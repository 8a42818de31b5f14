"""The Hypothesis lane on the whole market: a fixed seed, every call predicted and judged.

A failure leaves its calls as a counterexample in `.build/fuzz/broken`; `breakwater replay` runs it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from breakwater import artifacts
from breakwater.fuzz import machine, planted
from breakwater.fuzz.compare import slot_of
from breakwater.fuzz.machine import Broken, Laboratory

BROKEN = artifacts.ROOT / ".build" / "fuzz" / "broken"


def run(build: Callable[[Laboratory], Any], laboratory: Laboratory, examples: int) -> None:
    chosen = settings(
        max_examples=examples,
        stateful_step_count=50,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.target],
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(build(laboratory), settings=chosen)
    except Broken as broken:
        path = broken.counterexample.save_in(BROKEN)
        pytest.fail(f"{broken}\nbreakwater replay {path.relative_to(artifacts.ROOT)}")


@pytest.mark.slow
def test_solvency__20_000_calls() -> None:
    laboratory = Laboratory()
    run(machine.solvency, laboratory, 400)
    assert laboratory.calls >= 20_000
    assert laboratory.never == [], "actions that never succeeded"


@pytest.mark.slow
def test_liveness__trials_from_every_state() -> None:
    laboratory = Laboratory()
    run(machine.liveness, laboratory, 200)
    tried = [n for (action, reason), n in laboratory.counts.items() if action == "trial"]
    assert sum(tried) >= 500


def test_solvency__small_market() -> None:
    laboratory = Laboratory("small")
    run(machine.solvency, laboratory, 40)
    assert laboratory.calls >= 1_000


@pytest.mark.parametrize("name", ["loan_rounded_down", "empty_leg_kept", "interest_twice"])
def test_solvency__finds_a_planted_bug(name: str) -> None:
    bug = planted.load(name)
    laboratory = Laboratory(compile=planted.compiler(bug))
    chosen = settings(
        max_examples=400,
        stateful_step_count=50,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises(Broken) as caught:
        run_state_machine_as_test(machine.solvency(laboratory), settings=chosen)
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
