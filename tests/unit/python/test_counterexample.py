"""Counterexample files: what they keep, what they are called, and what they refuse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from breakwater.evm import EvmHost
from breakwater.fuzz import counterexample
from breakwater.fuzz.as_test import as_test, file_name
from breakwater.fuzz.counterexample import Counterexample, CounterexampleError
from breakwater.fuzz.replay import Playback, Played
from breakwater.fuzz.steps import Step
from breakwater.fuzz.world import Result, World
from breakwater.promises.verdicts import Violation
from breakwater.units import MAX_UINT256

INNER = Step("attacker", "vault.USDC", "deposit", (10**6, "@attacker"))
STEPS = (
    Step("lender_1", "vault.USDC", "withdraw", (1_500_000, "@lender_1", "@lender_1"), 3_600, 1),
    Step(
        "keeper",
        "attacker",
        "set_calls",
        ([["@vault.USDC", {"call": INNER}, True]], "0x" + 64 * "0"),
    ),
    Step("keeper", "source.USDC.0", "set_round", (5, -1, {"now": -60}, 5)),
    Step("borrower_1", "engine", "repay", ("borrower_1#0", "@token.USDC", MAX_UINT256)),
)
FOUND = Counterexample(
    market="default",
    promise="SOLV-3",
    steps=STEPS,
    sentence="Sums are sums.",
    seed=7,
    expected="the promise holds",
    actual="debt shares of USDC (short by 12)",
    checked={"in process": "broken", "anvil": "broken"},
    code={"CreditEngine": "ab" * 32},
    versions={"vyper": "0.4.3"},
)


@pytest.fixture(scope="module")
def world() -> World:
    return World(EvmHost())


def test_save__reads_back_the_same(tmp_path: Path) -> None:
    path = FOUND.save_in(tmp_path)
    assert counterexample.load(path) == FOUND
    assert path.name == FOUND.name
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    # a step to a line, and amounts beyond 2**53 whole
    text = path.read_text()
    assert sum(line.lstrip().startswith('{"sender"') for line in text.splitlines()) == len(STEPS)
    assert str(MAX_UINT256) in text


def test_name__same_failure_same_file(tmp_path: Path) -> None:
    other_numbers = tuple(replace(step, wait=99, sender="lender_2") for step in STEPS[:1])
    again = replace(
        FOUND,
        steps=(*other_numbers, *STEPS[1:]),
        seed=8,
        actual="debt shares of USDC (short by 7)",
    )
    assert again.name == FOUND.name
    assert FOUND.name.startswith("SOLV-3-")
    assert replace(FOUND, promise="SOLV-2").name != FOUND.name
    assert replace(FOUND, steps=STEPS[1:]).name != FOUND.name
    assert replace(FOUND, actual="debt shares of WETH (short by 12)").name == FOUND.name
    assert replace(FOUND, actual="collateral of USDC (short by 12)").name != FOUND.name
    one = replace(FOUND, actual="an empty leg of borrower_1#0")
    assert replace(FOUND, actual="an empty leg of attacker#1").name == one.name


def test_save_in__keeps_the_shorter(tmp_path: Path) -> None:
    path = FOUND.save_in(tmp_path)
    replace(FOUND, seed=9).save_in(tmp_path)
    assert counterexample.load(path).seed == 7
    path.write_text("{")
    replace(FOUND, seed=9).save_in(tmp_path)
    assert counterexample.load(path).seed == 9


def changed(**fields: Any) -> dict[str, Any]:
    return {**FOUND.to_json(), **fields}


def step(**fields: Any) -> dict[str, Any]:
    return changed(steps=[STEPS[0].to_json(), {**STEPS[0].to_json(), **fields}])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ([], "not an object"),
        (changed(format=2), "its format is 2, this version reads 1"),
        ({"format": 1, "market": "default"}, "it lacks promise, steps"),
        (changed(market="moon"), "there is no market 'moon': default, small"),
        (changed(promise="../x"), "'../x' is no promise: SOLV-1, .*, model"),
        (changed(promise="SOLV-99"), "'SOLV-99' is no promise"),
        (changed(steps=[]), "it has no steps"),
        (changed(steps={}), "steps is {}, not a list"),
        (changed(seed="7"), "seed is '7', not a number"),
        (changed(seed=True), "seed is True, not a number"),
        (changed(code={"CreditEngine": 1}), "code has a value that is no text"),
        (changed(colour="red"), "it has an unknown field colour"),
        (step(wait=-1), "step 2: wait of a step is a natural number"),
        (step(wait=2**40), "step 2: 1,099,511,631,376 seconds have passed, 68,719,476,736 are"),
        (step(blocks=2**36), "step 2: 68,719,476,737 blocks have passed"),
        (step(sender=None), "step 2: a step needs its sender"),
        (step(args=[{"cal": 1}]), "step 2: not an argument"),
        (step(args=[1.5]), "step 2: not an argument"),
    ],
)
def test_parse__names_what_is_wrong(data: Any, says: str) -> None:
    with pytest.raises(CounterexampleError, match=says.replace("(", r"\(")):
        counterexample.parse(json.loads(json.dumps(data)))


def test_load__names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    with pytest.raises(CounterexampleError, match=r"none\.json: there is no such file"):
        counterexample.load(path)
    path.write_text("{'format': 1}")
    with pytest.raises(CounterexampleError, match=r"none\.json is not JSON: .*line 1"):
        counterexample.load(path)
    path.write_text(json.dumps(changed(steps=[3])))
    with pytest.raises(CounterexampleError, match=r"none\.json: step 1: not a step: 3"):
        counterexample.load(path)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (Step("nobody", "engine", "repay", ()), "step 2: the market has no nobody"),
        (Step("lender_1", "vault.DOGE", "accrue", ()), "step 2: the market has no vault.DOGE"),
        (Step("lender_1", "vault.USDC", "fly", ()), "step 2: .*there is no function fly"),
        (Step("lender_1", "vault.USDC", "accrue", (1,)), "step 2: .*accrue takes 0 arguments"),
        (Step("lender_1", "vault.USDC", "deposit", (-1, "@lender_1")), "step 2: .*not a uint256"),
        (Step("lender_1", "vault.USDC", "deposit", (1, "@nobody")), "step 2: .*no nobody"),
        (Step("lender_1", "lender_2", "deposit", (1,)), "step 2: lender_2 is no contract"),
    ],
)
def test_check__names_the_step(world: World, bad: Step, says: str) -> None:
    with pytest.raises(CounterexampleError, match=says):
        counterexample.check(replace(FOUND, steps=(STEPS[0], bad)), world)


def test_check__passes_what_fits(world: World) -> None:
    counterexample.check(FOUND, world)


def test_changed_code__names_what_is_other(world: World) -> None:
    hashes = counterexample.code_hashes(world)
    assert {"CreditEngine", "LendingVault", "TokenMock"} <= set(hashes)
    same = replace(FOUND, code=hashes)
    assert counterexample.changed_code(same, world) == []
    other = replace(FOUND, code={**hashes, "RiskEngine": "00" * 32})
    assert counterexample.changed_code(other, world) == ["RiskEngine"]


def test_as_test__the_same_steps() -> None:
    text = as_test(FOUND)
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "1_500_000" in text
    assert "MAX_UINT256" in text
    assert file_name(FOUND) == f"test_solv_3_repay_{FOUND.key}.py"
    found: dict[str, Any] = {}
    broken: tuple[Violation, ...] = ()

    def play(steps: list[Step]) -> Playback:
        found["steps"] = tuple(steps)
        return Playback([Played(steps[0], Result(None), broken)])

    names: dict[str, Any] = {}
    exec(compile(text, "test.py", "exec"), names)
    names["play"] = play
    test = names[file_name(FOUND).removesuffix(".py")]
    test()
    # another promise than the file's fails it too
    broken = (Violation("SOLV-6", "", "late", 0, -1),)
    with pytest.raises(AssertionError, match="SOLV-6"):
        test()
    assert [step.to_json() for step in found["steps"]] == [step.to_json() for step in STEPS]
