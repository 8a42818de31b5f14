"""Mutation testing: edits, compiling one function at a time, what kills, what is kept."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from breakwater import artifacts
from breakwater.errors import UserError
from breakwater.fuzz.steps import Step
from breakwater.model.chain import Refused
from breakwater.model.vault import LendingVault
from breakwater.mutation import report, run
from breakwater.mutation.compile import NotCompiled, whole
from breakwater.mutation.drawer import generate
from breakwater.mutation.mutants import Mutant
from breakwater.mutation.tape import Disagreement, Runner, Sequence, Tape, Witness
from breakwater.mutation.unit_tests import Reach, UnitTest

TINY = """# pragma version 0.4.3
# pragma nonreentrancy on

from contracts.modules import half

LIMIT: constant(uint256) = 10

event Add:
    amount: uint256

total: public(uint256)
last: uint256

@deploy
def __init__(start: uint256):
    self.total = start

@external
def add(amount: uint256, most: uint256) -> uint256:
    if amount > most:
        self._fail("too much")
    assert amount != 0 and amount < LIMIT
    kept: uint256 = self._part(amount, most)
    self.total += kept
    self.last = amount
    log Add(amount=self.last)
    return half._down(kept + 1)

@internal
@view
def _part(amount: uint256, most: uint256) -> uint256:
    if amount == 3:
        return max(amount, self.last)
    return unsafe_sub(most, amount)

@internal
@pure
def _fail(why: String[32]):
    raise why
"""
HALF = """# pragma version 0.4.3

@internal
@pure
def _down(amount: uint256) -> uint256:
    return amount // 2
"""


PLAIN = """# pragma version 0.4.3

event Put:
    amount: uint256

one: uint256
two: uint256

@external
def put(amount: uint256):
    self._check(amount)
    self._check(amount + 1)
    self.one = amount
    self.two = amount
    self._note(amount)
    log Put(amount=amount)

@external
def products(amount: uint256):
    self.one += unsafe_mul(amount, amount)
    for side: uint256 in range(2):
        self.one += unsafe_mul(amount, side)
        self.one += unsafe_mul(amount, amount & 1)

@external
def copies(amount: uint256, most: uint256):
    kept: uint256 = amount
    self.one = amount
    kept += most
    self.two = amount

@external
def share(part: uint256, whole: uint256, all: uint256):
    self.one = self._mul_div(part, all, whole)

@internal
@pure
def _mul_div(x: uint256, y: uint256, denominator: uint256) -> uint256:
    return x * y // denominator

@external
def starts(amount: uint256) -> uint256:
    both: uint256 = 11
    loop: uint256 = 12
    some: uint256 = 13
    kept: uint256 = 14
    late: uint256 = 15
    if amount > 1:
        both = amount
        some = amount
    else:
        both = 2
    for i: uint256 in range(2):
        loop = i
        self.one += loop
        self.two += late
        late = i
    kept += amount
    return both + some + kept

@internal
def _note(amount: uint256):
    log Put(amount=amount)

@internal
@pure
def _check(amount: uint256):
    assert amount != 3
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> run.Builder:
    root = tmp_path_factory.mktemp("tiny")
    (root / "contracts" / "modules").mkdir(parents=True)
    (root / "contracts" / "Tiny.vy").write_text(TINY)
    (root / "contracts" / "modules" / "half.vy").write_text(HALF)
    return run.Builder(root)


def worker(builder: run.Builder, tape: Tape | None = None) -> run.Worker:
    return run.Worker(builder, tape, None, {})


def edit(builder: run.Builder, old: str, new: str, file: str = "contracts/Tiny.vy") -> Mutant:
    """A mutant made by hand, of the first place where `old` is."""
    source = builder.source(file)
    start = source.index(old)
    function = source[:start].rsplit("def ", 1)[-1].split("(")[0]
    line = source.count("\n", 0, start) + 1
    return Mutant(file, function, "comparison", start, start + len(old), old, new, line, 0)


def test_mutants__operators(tiny: run.Builder) -> None:
    found = {(one.function, one.kind, one.old, one.new) for one in tiny.mutants()}
    check = 'if amount > most:\n        self._fail("too much")'
    assert found >= {
        ("add", "comparison", ">", ">="),
        ("add", "comparison", ">", "<="),
        ("add", "comparison", "!=", "=="),
        ("add", "check", check, "pass"),
        ("add", "check", "assert amount != 0 and amount < LIMIT", "pass"),
        ("add", "condition", " and ", " or "),
        ("add", "constant", "0", "1"),
        ("add", "write", "self.total += kept", "pass"),
        ("add", "write", "self.last = amount", "pass"),
        ("add", "log", "log Add(amount=self.last)", "pass"),
        ("add", "arithmetic", "+=", "-="),
        ("add", "arithmetic", "+", "-"),
        ("add", "arguments", "amount, most", "most, amount"),
        ("add", "variable", "kept", "most"),
        (
            "add",
            "order",
            "self.last = amount\n    log Add(amount=self.last)",
            "log Add(amount=self.last)\n    self.last = amount",
        ),
        ("_part", "comparison", "==", "!="),
        ("_part", "constant", "3", "4"),
        ("_part", "constant", "3", "2"),
        ("_part", "arithmetic", "max", "min"),
        ("_part", "arithmetic", "unsafe_sub", "unsafe_add"),
        ("_part", "arguments", "most, amount", "amount, most"),
        ("_down", "arithmetic", "//", "*"),
        ("", "constant", "10", "(10) + 1"),
        ("", "lock", "# pragma nonreentrancy on", "# pragma nonreentrancy off"),
    }
    assert {one.file for one in tiny.mutants()} == {
        "contracts/Tiny.vy",
        "contracts/modules/half.vy",
    }


def test_mutants__what_changes_nothing_by_its_form_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "Plain.vy").write_text(PLAIN)
    found = run.Builder(tmp_path).mutants()
    # of `order` only what may be seen: calls that log, and writes to one variable
    orders = [one.old.split("\n")[0] for one in found if one.kind == "order"]
    assert orders == [
        "self.two = amount",
        "self._note(amount)",
        "self.one += unsafe_mul(amount, side)",
    ]
    products = [one.line for one in found if (one.old, one.new) == ("unsafe_mul", "unsafe_div")]
    assert [PLAIN.splitlines()[line - 1].strip() for line in products] == [
        "self.one += unsafe_mul(amount, amount)"
    ]
    swapped = [one.old for one in found if (one.function, one.kind) == ("share", "arguments")]
    assert swapped == ["all, whole"]
    # a first value counts where something may read it
    first = {one.old for one in found if (one.function, one.kind) == ("starts", "constant")}
    assert first & {"11", "12", "13", "14", "15"} == {"13", "14", "15"}
    # `kept` for `amount` only when it has changed, and `most` before
    changes = [(one.old, one.new) for one in found if one.function == "copies"]
    assert [new for old, new in changes if old == "amount"] == ["most", "most", "kept"]


def test_mutants__ids_are_stable(tiny: run.Builder) -> None:
    mutants = tiny.mutants()
    assert len({one.id for one in mutants}) == len(mutants)
    moved = dataclasses.replace(mutants[5], start=mutants[5].start + 9, line=99)
    assert moved.id == mutants[5].id


def test_compile__one_function_gives_the_bytes_of_the_whole(tiny: run.Builder) -> None:
    program = tiny.programs["Tiny"]
    compared = 0
    for mutant in tiny.mutants()[::7]:
        path = tiny.root / mutant.file
        texts = {path: mutant.apply(tiny.source(mutant.file))}
        try:
            expected = whole(tiny.root, "contracts/Tiny.vy", texts)
        except NotCompiled:
            with pytest.raises(NotCompiled):
                tiny.compile(mutant)
            continue
        assert tiny.compile(mutant).get("Tiny", program.code) == expected, mutant.title
        compared += expected != program.code
    assert compared > 4
    assert program.code == whole(tiny.root, "contracts/Tiny.vy", {})


def test_compile__matches_the_build(feed: run.Builder) -> None:
    assert artifacts.load("RateFeed").deployed in feed.programs["RateFeed"].code


def test_worker__same_code_is_equivalent(tiny: run.Builder) -> None:
    here = worker(tiny)
    same = here.run(edit(tiny, "kept + 1", "(kept) + 1"))
    assert (same.status, same.by) == (run.EQUIVALENT, "the same code")
    first = here.run(edit(tiny, "amount > most", "amount >= most"))
    assert first.status == run.SURVIVED
    again = here.run(edit(tiny, "amount > most", "(amount) >= most"))
    assert again.status == run.EQUIVALENT
    assert first.id in again.by


def test_worker__what_does_not_compile_does_not_count(tiny: run.Builder) -> None:
    found = worker(tiny).run(edit(tiny, "amount > most", "amount > missing"))
    assert found.status == run.NO_CODE
    assert "missing" in found.by


@pytest.fixture(scope="module")
def feed() -> run.Builder:
    return run.Builder(artifacts.ROOT, ["RateFeed"])


@pytest.fixture(scope="module")
def tape() -> Tape:
    return generate(drawn=6, length=40, from_lane=0)


def test_tape__sound_code_does_what_was_recorded(tape: Tape) -> None:
    assert tape.calls >= 120
    assert tape.play({}) is None


def test_tape__is_the_same_for_a_seed(tape: Tape) -> None:
    assert generate(drawn=6, length=40, from_lane=0).digest == tape.digest


def test_tape__survives_a_file(tape: Tape, tmp_path: Path) -> None:
    tape.save(tmp_path / "tape.json.gz")
    read = Tape.read(tmp_path / "tape.json.gz")
    assert (read.digest, read.words) == (tape.digest, tape.words)
    assert read.play({}) is None


def test_witness__refuses_what_the_model_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    witness = Witness("default")
    call = Runner("default").step(Step("keeper", "vault.USDC", "accrue", (), 60, 5))
    witness.check(Sequence([call]))
    other = Sequence([dataclasses.replace(call, reason="vault is halted")])
    with pytest.raises(Disagreement, match="passes the second time"):
        witness.check(other)

    def refuses(self: LendingVault, sender: str) -> None:
        raise Refused("no")

    monkeypatch.setattr(LendingVault, "accrue", refuses)
    with pytest.raises(Disagreement, match=r'call 0: .*accrue\(\): passes, not refused: "no"'):
        Witness("default").check(Sequence([call]))


def test_worker__tape_kills(feed: run.Builder, tape: Tape) -> None:
    files = [one for one in feed.mutants() if one.file == "contracts/feeds/RateFeed.vy"]
    write = next(one for one in files if one.function == "quote" and one.kind == "arithmetic")
    found = worker(feed, tape).run(write)
    assert found.status == run.KILLED
    assert re.fullmatch(r"model: (set-up|sequence \d+, step \d+): .+", found.by)


def test_tape__a_difference_on_the_sound_build_is_refused(tape: Tape) -> None:
    tape.prove()
    assert tape.seconds > 0
    call = next(call for call in tape.sequences[0].calls if call.reason is None)
    other = dataclasses.replace(call, reason="vault is halted")
    calls = [other if one is call else one for one in tape.sequences[0].calls]
    wrong = Tape(tape.profile, tape.words, [Sequence(calls)])
    with pytest.raises(UserError, match="does not do what was recorded: model: sequence 0"):
        wrong.prove()


def test_within__leaves_out_the_longest() -> None:
    tests = [UnitTest(name, 1.0, frozenset(), {}) for name in "abcd"]
    assert [test.id for test in run._within(tests, 2.5)] == ["a", "b"]
    assert len(run._within(tests, 4.0)) == 4


def test_run__goes_on_where_it_was_stopped(
    tiny: run.Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # what the tests say is another test's matter: here they kill everything
    mutants = [one for one in tiny.mutants() if one.function == "_part"][:6]
    store = run.Store(tmp_path / "results.jsonl")

    def results(reach: Reach | None) -> Iterator[run.Result]:
        return run.run(tiny.root, mutants, builder=tiny, tape=None, reach=reach, store=store)

    quick = {one.id for one in results(None) if one.status == run.SURVIVED}
    assert quick
    kept = _lines(store)
    assert quick == {one.id for one in results(None) if one.status == run.SURVIVED}
    assert _lines(store) == kept

    def ask(self: run.Worker, mutant: Mutant, changed: Any) -> tuple[str, str]:
        return run.KILLED, f"test: a::b{'' if mutant.id in self.passed else ' played'}"

    monkeypatch.setattr(run.Worker, "_ask_tests", ask)
    monkeypatch.setattr(run, "with_items", lambda root, files, work: work({}))
    reach = Reach(keys={"a": "1"})
    # who survived without tests is asked now, but not played again
    every = list(results(reach))
    assert {one.id for one in every if one.by == "test: a::b"} == quick
    store.path.unlink()

    stopped = results(reach)
    first = [next(stopped), next(stopped)]
    stopped.close()
    with store.path.open("a") as stream:
        stream.write('{"id": "cut o')
    lines = len(_lines(store))
    every = list(results(reach))
    assert {one.id for one in every} == {one.id for one in mutants}
    assert [one.id for one in every[:2]] == [one.id for one in first]
    assert len(_lines(store)) == lines + len(mutants) - 2
    assert list(results(reach)) == every
    assert len(_lines(store)) == lines + len(mutants) - 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_run__a_process_that_dies_is_tried_again_then_failed(
    tiny: run.Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    mutants = [one for one in tiny.mutants() if one.function == "add"][:5]
    fate = {mutants[0].id: "always", mutants[1].id: "once", mutants[2].id: "slow"}
    sound = run.Worker.run

    def dies(self: run.Worker, mutant: Mutant) -> run.Result:
        tried = tmp_path / mutant.id
        with tried.open("a") as stream:
            stream.write("x")
        kind = fate.get(mutant.id)
        if kind == "always" or (kind == "once" and len(tried.read_text()) == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "slow":
            with run._limited(0.05):
                while True:
                    pass
        return sound(self, mutant)

    monkeypatch.setattr(run.Worker, "run", dies)
    store = run.Store(tmp_path / "results.jsonl")
    options = {"builder": tiny, "tape": None, "reach": None, "jobs": jobs, "store": store}
    found = {one.id: one for one in run.run(tiny.root, mutants, **options)}
    assert set(found) == {one.id for one in mutants}
    assert (found[mutants[0].id].status, found[mutants[0].id].by) == (
        run.FAILED,
        "the process died: -9",
    )
    assert len((tmp_path / mutants[0].id).read_text()) == 2
    assert found[mutants[1].id].status != run.FAILED
    assert (found[mutants[2].id].status, found[mutants[2].id].by) == (
        run.KILLED,
        "timeout: the tape",
    )
    # who failed is judged again by the next run
    assert mutants[0].id not in {json.loads(line)["id"] for line in _lines(store)}
    data = report.summary(list(found.values()), ignored=0, whole=5)
    assert (data["timeouts"], data["failed"]) == (1, 1)
    assert data["score"] == data["killed"] / (data["killed"] + data["survived"] + 1)


def _lines(store: run.Store) -> list[str]:
    return store.path.read_text().splitlines() if store.path.is_file() else []


def test_store__a_result_falls_with_its_ground(tmp_path: Path) -> None:
    store = run.Store(tmp_path / "results.jsonl")
    ground: dict[str, Any] = {"source": "a", "tape": "b", "tests": {"t.py": "c", "u.py": "d"}}
    by = {
        "1": "model: x", "2": "test: t.py::y", "3": "9 tests pass", "4": "the same code",
        "5": "timeout: the tape", "6": "timeout: t.py::y", "7": "",
    }  # fmt: skip
    status = {"3": run.SURVIVED, "4": run.EQUIVALENT, "7": run.SURVIVED}
    for key, text in by.items():
        kind = status.get(key, run.KILLED)
        rests_on = run._rests_on(kind, text, ground)
        store.add(run.Result(key, kind, text, 0.0, {}, ground=rests_on))
    assert set(store.read(ground)) == set("1234567")
    tests = ground["tests"]
    assert set(store.read({**ground, "tests": {**tests, "t.py": "e"}})) == set("1457")
    assert set(store.read({**ground, "tests": {**tests, "u.py": "e"}})) == set("124567")
    assert set(store.read({**ground, "tests": {**tests, "v.py": "e"}})) == set("124567")
    assert set(store.read({**ground, "tape": "d"})) == set("246")
    assert set(store.read({**ground, "source": "d"})) == set()


def test_sample__by_file_and_seed(tiny: run.Builder) -> None:
    mutants = tiny.mutants()
    chosen = run.sample(mutants, 20, 1)
    assert len(chosen) == 20
    assert chosen == run.sample(mutants, 20, 1) != run.sample(mutants, 20, 2)
    assert len(set(run.sample(mutants, 10, 1)) - set(chosen)) <= 2
    share = sum(one.file.endswith("half.vy") for one in mutants) / len(mutants)
    assert sum(one.file.endswith("half.vy") for one in chosen) == round(20 * share)


def test_report__shows_survivors_and_score(tiny: run.Builder) -> None:
    here = worker(tiny)
    survived = here.run(edit(tiny, "amount > most", "amount >= most"))
    killed = dataclasses.replace(survived, id="x", status=run.KILLED, by="test: tests/a.py::b")
    data = report.summary([survived, killed], ignored=1, whole=40)
    assert (data["mutants"], data["killed"], data["survived"], data["ignored"]) == (3, 1, 1, 1)
    assert data["score"] == 0.5
    assert data["killers"] == {"tests/a.py": 1}
    console = Console(record=True, width=120, file=open("/dev/null", "w"))  # noqa: SIM115
    report.show(console, [survived, killed], data)
    shown = console.export_text()
    assert "-    if amount > most:" in shown
    assert "+    if amount >= most:" in shown
    assert survived.id in shown
    assert "between" in shown


def test_interval__is_wilsons() -> None:
    low, high = report.interval(95, 100)
    assert (round(low, 4), round(high, 4)) == (0.8882, 0.9785)
    assert report.interval(0, 0) == (0.0, 1.0)


def test_ignored__needs_a_mutant_and_a_reason(tiny: run.Builder, tmp_path: Path) -> None:
    mutants = tiny.mutants()
    path = tmp_path / "ignored.yaml"
    known = mutants[0].id
    assert report.read_ignored(path, mutants) == {}
    path.write_text(f'- id: "{known}"\n  reason: Both are the same.\n')
    assert report.read_ignored(path, mutants) == {known: "Both are the same."}
    for text, message in (
        ('- id: "000000000000"\n  reason: Why.\n', "matches no mutant"),
        (f'- id: "{known}"\n  reason: ""\n', "has no reason"),
        (f'- id: "{known}"\n', "needs an id and a reason"),
        (f'- id: "{known}"\n  reason: a\n- id: "{known}"\n  reason: b\n', "twice"),
        ("- [", "ignored.yaml"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            report.read_ignored(path, mutants)


def test_command__unknown_contract() -> None:
    from breakwater.cli import main

    result = CliRunner().invoke(main, ["mutate", "--only", "Nothing", "--list"])
    assert result.exit_code == 2
    assert "there is no contract Nothing" in result.output


def test_result__is_json(tiny: run.Builder) -> None:
    found = worker(tiny).run(edit(tiny, "amount > most", "amount >= most"))
    assert run.Result(**json.loads(json.dumps(found.to_json()))) == found
