"""Campaigns: what they count, find and keep, alone, in processes, interrupted, and on a cluster.

They search on the plain build for a bug that a few hundred calls show.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from breakwater import artifacts
from breakwater.cli import main
from breakwater.coverage.host import Coverage
from breakwater.fuzz import campaign, counterexample
from breakwater.fuzz.campaign import LEAST_CALLS, Totals
from breakwater.fuzz.counterexample import Counterexample
from breakwater.fuzz.replay import Replayer, new_world
from breakwater.fuzz.search import Finding, Report, Settings, compiler
from breakwater.fuzz.steps import Step

BUG = "stake_rounded_up"
CALLS = 1_500
TIMES = ("seconds", "cpu_seconds")


def fuzz(folder: Path, *options: str, **changes: Any) -> tuple[int, dict[str, Any]]:
    """The command, with a corpus and an output of its own."""
    result = CliRunner().invoke(
        main,
        [
            "fuzz", "--json", "--no-coverage", "--no-anvil",
            "--corpus", str(changes.get("corpus", folder / "corpus")),
            "--output", str(folder / "broken"), *options,
        ],
    )  # fmt: skip
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, json.loads(result.stdout) if result.stdout.startswith("{") else {}


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "broken").glob("*.json"))


# ------------------------------------------------------------ counting


def report(**fields: Any) -> Report:
    return Report(**{"calls": 10, "succeeded": 6, **fields})


def test_totals__add_up() -> None:
    totals = Totals(Settings(calls=1))
    totals.add(report(actions={"borrow": {"ok": 6}}, slack={"SOLV-2": 5.0}, edges={("A", 1)}))
    totals.add(
        report(
            actions={"borrow": {"ok": 1, "price is stale": 2}, "poke": {"": 1}},
            slack={"SOLV-2": 7.0, "CAP-1": 1.0},
            edges={("A", 1), ("A", 2)},
        )
    )
    assert (totals.calls, totals.succeeded) == (20, 12)
    assert totals.actions == {"borrow": {"ok": 7, "price is stale": 2}, "poke": {"": 1}}
    assert totals.slack == {"SOLV-2": 5.0, "CAP-1": 1.0}
    assert totals.edges == {("A", 1), ("A", 2)}


def test_totals__same_failure_once_and_the_shorter() -> None:
    step = Step("keeper", "vault.USDC", "accrue")
    long = Counterexample("default", "SOLV-2", (step,), actual="books of USDC (short by 3)")
    other = Counterexample("default", "SOLV-2", (step, step), actual="books of USDC")
    again = Counterexample("default", "SOLV-2", (step,), actual="books of WETH (short by 4)")
    totals = Totals(Settings(calls=1))
    assert totals.add(report(findings=[Finding(long, True)])) == [long]
    assert totals.add(report(findings=[Finding(again, True)])) == []
    assert len(totals.add(report(findings=[Finding(other, False)]))) == 1
    assert (len(totals.broken), len(totals.unconfirmed)) == (1, 1)
    assert totals.failed


def test_on_anvil__one_that_does_not_start_loses_no_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "anvil"
    program.write_text("#!/bin/sh\necho no room\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr("breakwater.anvil.find", lambda: program)
    found = Counterexample("default", "SOLV-2", (Step("keeper", "vault.USDC", "accrue"),))
    totals = Totals(Settings(calls=1, output=tmp_path))
    totals.add(report(findings=[Finding(found, True)]))
    campaign._on_anvil(totals, lambda totals: None)
    (kept,) = totals.broken.values()
    assert kept.checked["anvil"] == "not played: anvil did not start (no room)"


def test_totals__an_action_that_never_succeeds_fails_the_run() -> None:
    totals = Totals(Settings(calls=1))
    actions = {"borrow": {"ok": 1}, "poke": {"price is stale": 9}}
    totals.add(report(calls=LEAST_CALLS - 1, actions=actions))
    assert not totals.failed  # too few calls to say so
    totals.add(report(calls=1))
    assert totals.never_succeeded == ["poke"]
    assert totals.failed


def test_totals__a_call_that_never_may_succeed_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    totals = Totals(Settings(calls=1))
    totals.add(report(actions={"intrude": {"amount is zero": 4}, "borrow": {"ok": 1}}))
    assert (totals.wrongly_succeeded, totals.failed) == ({}, False)
    totals.add(report(actions={"intrude": {"ok": 2}}))
    assert (totals.wrongly_succeeded, totals.failed) == ({"intrude": 2}, True)
    # of an action that does succeed, were it one that must not
    monkeypatch.setattr("breakwater.fuzz.actions.REFUSED", frozenset({"wait", "intrude"}))
    code, found = fuzz(tmp_path, "--calls", "600", "--profile", "small")
    assert code == 1
    assert found["wrongly_succeeded"] == {"wait": found["actions"]["wait"]["ok"]}
    assert found["broken"] == []


def test_save__a_finding_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step = Step("keeper", "vault.USDC", "accrue")
    found = Counterexample("default", "SOLV-2", (step,), actual="books of USDC")
    (tmp_path / "broken").write_text("in the way")
    totals = Totals(Settings(calls=1, output=tmp_path / "broken"))
    with campaign.reporting(totals, lambda totals: None) as take:
        take(report(findings=[Finding(found, True)]))
    error = capsys.readouterr().err
    assert f"{found.name} cannot be written: " in error
    assert counterexample.parse(json.loads(error[error.index("{") :])) == found
    assert (totals.unsaved, totals.failed) == ({found.name}, True)
    (tmp_path / "broken").unlink()
    campaign.save(totals, found)
    assert totals.unsaved == set()
    assert counterexample.load(tmp_path / "broken" / found.name) == found


# ------------------------------------------------------------ one process


def test_fuzz__finds_keeps_and_repeats(tmp_path: Path) -> None:
    options = ("--calls", str(CALLS), "--seed", "5", "--planted", BUG)
    first = fuzz(tmp_path / "one", *options)
    again = fuzz(tmp_path / "two", *options)
    code, found = first
    assert code == 1
    assert found["calls"] >= CALLS
    assert found["succeeded"] == sum(
        count for outcomes in found["actions"].values() for reason, count in outcomes.items()
        if reason == "ok"
    )  # fmt: skip
    assert found["slack"]["SOLV-5"] >= 0
    assert found["cpu_seconds"] > 0
    assert found["unconfirmed"] == []
    assert [Path(path).name for path in found["broken"]] == files(tmp_path / "one")
    assert files(tmp_path / "one") == files(tmp_path / "two") != []
    for figures in (first[1], again[1]):
        for key in (*TIMES, "broken"):
            del figures[key]
    assert first[1] == again[1]

    for name in files(tmp_path / "one"):
        kept = counterexample.load(tmp_path / "one" / "broken" / name)
        assert kept == counterexample.load(tmp_path / "two" / "broken" / name)
        assert (kept.planted, kept.seed) == (BUG, 5)
        assert kept.checked["plain build"] == "broken"
        assert len(kept.steps) <= 8
        world = new_world(kept.market, compiler(BUG))
        assert counterexample.changed_code(kept, world, compiler(BUG)) == []
        assert Replayer(world).play(kept.steps).broke(kept.promise) is not None
        assert Replayer(new_world("default")).play(kept.steps).broke(kept.promise) is None


def test_fuzz__goes_on_from_the_corpus(tmp_path: Path) -> None:
    options = ("--calls", "600", "--profile", "small")
    _, first = fuzz(tmp_path, *options)
    assert first["corpus"] > 0
    _, second = fuzz(tmp_path, *options, "--seed", "2")
    assert second["corpus"] >= first["corpus"]
    folders = list((tmp_path / "corpus" / "small").iterdir())
    assert len(folders) == 1
    # other code: the sequences are played again, and what they reach is known anew
    (folders[0]).rename(folders[0].with_name("0" * 16))
    _, third = fuzz(tmp_path, *options)
    assert third["corpus"] > 0
    assert len(list((tmp_path / "corpus" / "small").iterdir())) == 2


def test_fuzz__coverage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("breakwater.commands.fuzz.COVERAGE", tmp_path / "coverage.json")
    monkeypatch.setattr("breakwater.fuzz.search._FIRST_BUILD", 4)
    result = CliRunner().invoke(
        main,
        [
            "fuzz", "--json", "--calls", "1200", "--profile", "small", "--no-anvil",
            "--corpus", str(tmp_path / "corpus"), "--output", str(tmp_path / "broken"),
        ],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    seen = found["coverage"]
    assert 1_000 < seen["edges"] < seen["edges_total"]
    assert 0 < seen["lines"][0] < seen["lines"][1]
    assert 0 < seen["branches"][0] < seen["branches"][1]
    # the code was built anew on the way: nothing is counted twice, or lost
    assert found["sequences"] > 4
    assert found["calls"] == sum(sum(one.values()) for one in found["actions"].values())
    saved = Coverage.load(tmp_path / "coverage.json")
    assert {"CreditEngine", "LendingVault"} <= set(saved.names.values())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--planted", "nothing"), "there is no planted bug nothing"),
        (("--profile", "moon"), "there is no profile moon: default, small"),
        (("--jobs", "0"), "0 is not in the range"),
        (("--output", "/proc/none"), "/proc/none cannot be made"),
        (("--output", "/sys/kernel"), "/sys/kernel cannot be written"),
        (("--corpus", "/sys/kernel"), "/sys/kernel cannot be written"),
        (("--seconds", "nan"), "nan is no number of seconds"),
    ],
)
def test_fuzz__user_error(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    arguments = ["fuzz", "--calls", "10", "--no-coverage", "--corpus", str(tmp_path), *options]
    if "--output" not in options:
        arguments += ["--output", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert says in result.output
    assert "Traceback" not in result.output


def test_fuzz__summary(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main,
        [
            "fuzz", "--calls", str(CALLS), "--seed", "5", "--planted", BUG, "--no-coverage",
            "--no-anvil", "--corpus", str(tmp_path / "corpus"), "--output", str(tmp_path),
        ],
    )  # fmt: skip
    assert result.exit_code == 1
    assert "SOLV-8 broken in 1 steps" in result.output
    assert f"breakwater replay {tmp_path}" in result.output.replace("\n", "")
    # a line of the terminal may be too short for all of it
    _, _, report = " ".join(result.output.split()).partition("nearest to")
    near, _, exact = report.partition("exact: ")
    assert "SOLV-5 " in near
    assert "SOLV-1" not in near
    assert exact.startswith("SOLV-1, SOLV-2, SOLV-3, SOLV-4, ")
    assert "SOLV-5" not in exact
    assert "\x1b" not in result.output


# ------------------------------------------------------------ several


def test_fuzz__two_processes(tmp_path: Path) -> None:
    code, found = fuzz(tmp_path, "--calls", str(2 * CALLS), "--jobs", "2", "--planted", BUG)
    assert code == 1
    assert found["jobs"] == 2
    assert found["calls"] >= 2 * CALLS
    assert files(tmp_path) == [Path(path).name for path in found["broken"]]
    kept = list((tmp_path / "corpus" / "default").glob("*/*.json"))
    assert len(kept) >= found["corpus"] * 0.8


def test_fuzz__two_processes__an_error_ends_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign, "prepare", lambda settings: None)
    # what a search cannot begin with, so that both of them fail
    settings = Settings(seconds=60, jobs=2, coverage=False, corpus=tmp_path, output=tmp_path)
    settings = replace(settings, profile=[])  # type: ignore[arg-type]
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="Traceback"):
        campaign.run(settings)
    assert time.monotonic() - began < 40


@pytest.mark.parametrize("jobs", [1, 2])
def test_fuzz__interrupted__keeps_what_was_found(tmp_path: Path, jobs: int) -> None:
    command = [
        sys.executable, "-m", "breakwater.cli", "fuzz", "--seconds", "120", "--no-coverage",
        "--planted", BUG, "--jobs", str(jobs), "--json",
        "--corpus", str(tmp_path / "corpus"), "--output", str(tmp_path / "broken"),
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=artifacts.ROOT
    )
    try:
        deadline = time.monotonic() + 60
        while not files(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=40)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == 1, err
    found = json.loads(out)
    assert found["interrupted"] is True
    assert found["seconds"] < 110
    assert files(tmp_path) == [Path(path).name for path in found["broken"]] != []
    kept = counterexample.load(Path(found["broken"][0]))
    assert kept.checked["anvil"] == "not played: the campaign was interrupted"
    assert "Traceback" not in err


@pytest.mark.slow
def test_fuzz__local_ray_of_two_workers(tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "breakwater.cli", "fuzz", "--calls", str(2 * CALLS),
        "--no-coverage", "--no-anvil", "--planted", BUG, "--jobs", "2", "--ray", "local", "--json",
        "--corpus", str(tmp_path / "corpus"), "--output", str(tmp_path / "broken"),
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=artifacts.ROOT, timeout=180,
        env={**os.environ, "RAY_TMPDIR": "/tmp"},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["calls"] >= 2 * CALLS
    # both workers worked, on one corpus, and what both found is one file
    assert files(tmp_path) == [Path(path).name for path in found["broken"]] != []
    kept = list((tmp_path / "corpus").glob("*/*/*.json"))
    assert len(kept) == found["corpus"] > 0


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nowhere"])
def test_fuzz__no_ray_cluster_there(tmp_path: Path, address: str) -> None:
    result = CliRunner().invoke(
        main,
        [
            "fuzz", "--calls", "10", "--no-coverage", "--ray", address,
            "--corpus", str(tmp_path / "corpus"), "--output", str(tmp_path),
        ],
    )  # fmt: skip
    assert result.exit_code == 2
    assert f"no Ray cluster at {address}" in result.output
