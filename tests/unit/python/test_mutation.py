"""Mutation testing: edits, compiling one function at a time, what kills, what is kept."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

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
from breakwater.mutation.mutants import Mutant
from breakwater.mutation.tape import Disagreement, Runner, Sequence, Tape, Witness, generate

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
    return run.Worker(builder, tape, False, {})


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
    assert found.status == run.FAILED
    assert "missing" in found.by


@pytest.fixture(scope="module")
def feed() -> run.Builder:
    return run.Builder(artifacts.ROOT, ["RateFeed"])


@pytest.fixture(scope="module")
def tape() -> Tape:
    return generate(drawn=3, length=40, from_lane=0)


def test_tape__sound_code_does_what_was_recorded(tape: Tape) -> None:
    assert tape.calls >= 120
    assert tape.play({}) is None


def test_tape__is_the_same_for_a_seed(tape: Tape) -> None:
    assert generate(drawn=3, length=40, from_lane=0).digest == tape.digest


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


def test_run_tests__a_failing_test_kills_and_a_hanging_one(tmp_path: Path) -> None:
    (tmp_path / "test_good.py").write_text("def test_it():\n    pass\n")
    (tmp_path / "test_bad.py").write_text("def test_it():\n    assert False\n")
    (tmp_path / "test_slow.py").write_text("import time\ndef test_it():\n    time.sleep(60)\n")

    def nothing(source_id: str, text: str) -> bytes | None:
        return None

    assert run.run_tests(tmp_path, ["test_good.py"], {}, nothing, 60) == ("", False)
    failed, hangs = run.run_tests(tmp_path, ["test_bad.py"], {}, nothing, 60)
    assert (failed, hangs) == ("test_bad.py::test_it", False)
    assert run.run_tests(tmp_path, ["test_slow.py"], {}, nothing, 2) == ("", True)
    with pytest.raises(UserError, match="no test ran"):
        run.run_tests(tmp_path, ["test_none.py"], {}, nothing, 60)


def test_run__goes_on_where_it_was_stopped(
    tiny: run.Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # what the tests say is another test's matter: here they kill everything
    mutants = [one for one in tiny.mutants() if one.function == "_part"][:6]
    monkeypatch.setattr(run, "test_groups", lambda root, file: ["all"])
    monkeypatch.setattr(run, "run_tests", lambda *given: ("a test", False))
    store = run.Store(tmp_path / "results.jsonl")

    def results() -> list[run.Result]:
        return list(run.run(tiny.root, mutants, builder=tiny, tape=None, store=store))

    quick = run.run(tiny.root, mutants, builder=tiny, tape=None, with_tests=False, store=store)
    assert all(one.status != run.SURVIVED or not one.ground for one in quick)
    assert not any('"survived"' in line for line in _lines(store))
    store.path.unlink(missing_ok=True)

    stopped = run.run(tiny.root, mutants, builder=tiny, tape=None, store=store)
    first = [next(stopped), next(stopped)]
    stopped.close()
    with store.path.open("a") as stream:
        stream.write('{"id": "cut o')
    lines = len(_lines(store))
    every = results()
    assert {one.id for one in every} == {one.id for one in mutants}
    assert [one.id for one in every[:2]] == [one.id for one in first]
    assert len(_lines(store)) == lines + len(mutants) - 2
    assert results() == every
    assert len(_lines(store)) == lines + len(mutants) - 2


def _lines(store: run.Store) -> list[str]:
    return store.path.read_text().splitlines() if store.path.is_file() else []


def test_store__a_result_falls_with_its_ground(tmp_path: Path) -> None:
    store = run.Store(tmp_path / "results.jsonl")
    ground = {"source": "a", "tape": "b", "tests": "c"}
    by = {"1": "model: x", "2": "test: y", "3": "", "4": "the same code"}
    status = {"1": run.KILLED, "2": run.KILLED, "3": run.SURVIVED, "4": run.EQUIVALENT}
    for key, text in by.items():
        store.add(run.Result(key, status[key], text, 0.0, {}, ground=ground))
    assert set(store.read(ground)) == {"1", "2", "3", "4"}
    assert set(store.read({**ground, "tests": "d"})) == {"1", "4"}
    assert set(store.read({**ground, "tape": "d"})) == {"2", "4"}
    assert set(store.read({**ground, "source": "d"})) == set()


def test_sample__by_file_and_seed(tiny: run.Builder) -> None:
    mutants = tiny.mutants()
    chosen = run.sample(mutants, 20, 1)
    assert len(chosen) == 20
    assert chosen == run.sample(mutants, 20, 1) != run.sample(mutants, 20, 2)
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
    assert result.exit_code == 1
    assert "there is no contract Nothing" in result.output


def test_result__is_json(tiny: run.Builder) -> None:
    found = worker(tiny).run(edit(tiny, "amount > most", "amount >= most"))
    assert run.Result(**json.loads(json.dumps(found.to_json()))) == found
