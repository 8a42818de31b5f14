"""The unit tests as judges of mutants: which reach a line, and what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from breakwater import artifacts
from breakwater.mutation import unit_tests
from breakwater.mutation.unit_tests import Reach, UnitTest, Verdict

BODIES = {
    "good": "pass",
    "bad": "assert False",
    "busy": "while True:\n        pass",
    "dying": "import os, signal\n    os.kill(os.getpid(), signal.SIGKILL)",
    "fussy": "raise SystemExit('no')",
}
FEED = "contracts/feeds/RateFeed.vy"


def _test(name: str, seconds: float = 0.01, **lines: Any) -> UnitTest:
    contracts, unsure = lines.pop("contracts", ()), lines.pop("unsure", ())
    return UnitTest(name, seconds, frozenset(contracts), lines, frozenset(unsure))


def _verdicts(root: Path, wanted: list[list[str]]) -> list[dict[str, str]]:
    """Verdicts of lists of tests, of a process that has collected them."""

    def nothing(source_id: str, text: str) -> bytes | None:
        return None

    def work() -> dict[str, Any]:
        found = []

        def ask(items: dict[str, Any]) -> None:
            for names in wanted:
                tests = [_test(f"test_{name}.py::test_it") for name in names]
                verdict = unit_tests.judge(items, tests, {}, nothing)
                found.append({key: text for key, text in verdict.__dict__.items() if text})

        unit_tests.with_items(root, [f"test_{name}.py" for name in BODIES], ask)
        return {"found": found}

    answer = unit_tests._forked(work)
    assert "failed" not in answer, answer
    return list(answer["found"])


def test_judge__tells_failing_hanging_and_dying_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit_tests, "SECONDS", 0.5)
    for name, body in BODIES.items():
        (tmp_path / f"test_{name}.py").write_text(f"def test_it():\n    {body}\n")
    found = _verdicts(
        tmp_path, [["good"], ["good", "bad", "dying"], ["busy"], ["dying"], ["good", "good"]]
    )
    assert found[:3] == [
        {},
        {"failed": "test_bad.py::test_it"},
        {"hung": "test_busy.py::test_it"},
    ]
    assert "status 9 in test_dying.py::test_it" in found[3]["died"]
    assert found[4] == {}


def test_verdict__of_a_process_that_said_nothing() -> None:
    assert unit_tests._verdict([], 256) == Verdict(died="status 256 in no test")


def test_fitting__tests_that_reach_the_statement_quickest_first() -> None:
    statements = {"a.vy": {3: 9, 5: 5, 20: 20}, "b.vy": {3: 3}}
    tests = [
        _test("slow", 2.0, **{"a.vy": {3, 5}, "contracts": {"A", "a.vy"}}),
        _test("quick", 0.1, **{"a.vy": {5}, "contracts": {"A", "a.vy"}}),
        _test("other", 0.5, **{"b.vy": {3}, "contracts": {"B", "b.vy"}}),
        _test("own", 0.2, **{"contracts": {"Source", "a.vy"}}),
        _test("cut", 0.1, **{"contracts": {"A"}, "unsure": {"a.vy"}}),
    ]
    reach = Reach(tests, statements)

    def names(*given: Any) -> list[str]:
        return [test.id for test in reach.fitting(*given)]

    assert names("a.vy", 5, ["A"]) == ["quick", "slow", "cut"]
    assert names("a.vy", 7, ["A"]) == ["slow", "cut"]  # in the statement of lines 3 to 9
    assert names("a.vy", 20, ["A"]) == ["cut"]
    # no code of its own, or outside of functions: whatever deploys what has changed
    assert names("a.vy", 30, ["A"]) == ["quick", "cut", "own", "slow"]
    assert names("a.vy", None, ["A", "B"]) == ["quick", "cut", "own", "other", "slow"]


def test_survey__knows_what_a_test_reaches() -> None:
    root = artifacts.ROOT
    file = "tests/unit/rate_feed/test_constructor.py"
    seen = unit_tests._forked(lambda: unit_tests._run_instrumented(root, [file]))
    source = (root / FEED).read_text().splitlines()
    first = next(i for i, line in enumerate(source, 1) if line.startswith("def __init__"))
    last = next(i for i, line in enumerate(source, 1) if i > first and line.startswith("def "))
    assert seen
    for name, entry in seen.items():
        reached = entry["lines"][FEED]
        assert any(first < line < last for line in reached), name
    # a constructor that refuses runs no function that is called later
    quote = next(i for i, line in enumerate(source, 1) if line.startswith("def quote"))
    assert any(all(line < quote for line in one["lines"][FEED]) for one in seen.values())


def test_keys__change_with_the_file_its_helpers_and_the_contracts(tmp_path: Path) -> None:
    for name in ("tests/unit/a/test_a.py", "tests/unit/b/test_b.py", "tests/unit/a/world.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    files = ["tests/unit/a/test_a.py", "tests/unit/b/test_b.py"]
    assert unit_tests.files_of(tmp_path / "none") == []

    def keys(source: str = "x") -> list[str]:
        return list(unit_tests.keys_of(tmp_path, files, source).values())

    before = keys()
    (tmp_path / "tests/unit/a/world.py").write_text("# other")
    after = keys()
    assert before[0] != after[0]
    assert before[1] == after[1]
    (tmp_path / "tests/market.py").write_text("# other")
    assert not set(after) & set(keys())
    assert not set(keys()) & set(keys("y"))
