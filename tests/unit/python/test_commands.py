"""What commands refuse before they begin, and what they leave alone."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from click import Context
from click.testing import CliRunner

from breakwater import folders
from breakwater.anvil import AnvilError
from breakwater.cli import main
from breakwater.commands import coverage, mutate
from breakwater.coverage.host import Coverage
from breakwater.errors import UserError
from breakwater.fuzz import campaign, cluster


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def never(*args: Any, **options: Any) -> Any:
    pytest.fail("it began")


def test_check_folder__leaves_nothing(tmp_path: Path) -> None:
    folders.check(tmp_path)
    folders.check(tmp_path / "not" / "there" / "yet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/dev/null", "/dev/null is no folder"),
        ("/dev/null/below", ""),
        ("/sys/kernel", ""),
        ("/proc/none", ""),
    ],
)
def test_check_folder__cannot_be_written(path: str, why: str) -> None:
    with pytest.raises(UserError, match=f"^{path} cannot be written: .*{why}"):
        folders.check(Path(path))


@pytest.mark.parametrize("folder", ["/dev/null", "/sys/kernel"])
def test_coverage__html__refused_before_tests_run(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coverage, "_run_tests", never)
    code, output = run("coverage", "--html", folder, "--pytest", "tests")
    assert code == 2
    assert f"{folder} cannot be written" in output


def test_fuzz__coverage_file_that_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign, "run", never)
    folder = ("--corpus", tmp_path / "corpus", "--output", tmp_path / "broken")
    monkeypatch.setattr("breakwater.commands.fuzz.COVERAGE", Path("/sys/kernel/fuzz.json"))
    assert "/sys/kernel cannot be written" in run("fuzz", *folder)[1]


def test_fuzz__coverage_file_that_fails_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figures are shown all the same."""

    def fails(self: Coverage, path: Path) -> None:
        raise OSError(28, "No space left on device")

    totals = campaign.Totals(campaign.Settings(calls=1), edges={("Lens", 1)})
    monkeypatch.setattr(campaign, "run", lambda settings, show: totals)
    monkeypatch.setattr(Coverage, "add_to", fails)
    monkeypatch.setattr("breakwater.commands.fuzz.COVERAGE", tmp_path / "fuzz.json")
    code, output = run("fuzz", "--corpus", tmp_path, "--output", tmp_path)
    assert code == 0
    assert "no promise broke" in output
    assert "the coverage could not be added" in output
    assert "No space left on device" in output


# For each command, what a user may get wrong, and what it says of it.
MISTAKES = {
    "bench": ("", "anvil is not installed"),
    "breakers": ("none.csv", "there is no such file"),
    "coverage": ("none.json", "cannot read none.json"),
    "demo": ("--prices DOGE=none.csv", "unknown asset DOGE"),
    "devnet": ("--market none.yaml", "there is no such market file"),
    "economics": ("none", "there is no such folder"),
    "fuzz": ("--planted nothing --no-coverage --calls 1", "there is no planted bug nothing"),
    "keeper": ("--market none.yaml", "there is no such market file"),
    "mutate": ("--only Nothing", "there is no contract Nothing"),
    "prices": ("none.csv", "there is no such file"),
    "replay": ("none.json", "there is no such file"),
    "sizes": ("--sideways", "No such option"),
    "watch": ("--market none.yaml", "there is no such market file"),
}


def test_command__every_one_is_known_here() -> None:
    assert main.list_commands(Context(main)) == sorted(MISTAKES)


@pytest.mark.parametrize("name", MISTAKES)
def test_command__users_mistake_is_exit_code_2(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> Path:
        raise AnvilError("anvil is not installed: run `make node`")

    monkeypatch.setattr("breakwater.anvil.find", none)
    monkeypatch.chdir(tmp_path)
    arguments, says = MISTAKES[name]
    code, output = run(name, *arguments.split())
    assert code == 2
    assert says in output
    assert run(name, "--nonsense=1")[0] == 2


@pytest.mark.parametrize(("name", "what"), [("sizes", "above 1 bytes"), ("bench", "gas changed")])
def test_command__what_is_wrong_with_contracts_is_exit_code_1(
    name: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks import gas, node

    monkeypatch.setattr("breakwater.artifacts.SIZE_BUDGET", 1)
    monkeypatch.setattr(node, "anvil", lambda **options: contextlib.nullcontext())
    found = {operation.name: gas.Measurement(1, []) for operation in gas.OPERATIONS}
    monkeypatch.setattr(gas, "measure", lambda *options: found)
    code, output = run(name, *(["--check"] if name == "bench" else []))
    assert code == 1
    assert what in output


def test_mutate__only__empty() -> None:
    code, output = run("mutate", "--only", "", "--list")
    assert code == 2
    assert "Error: --only needs a name: " in output
    assert "CircuitBreaker, " in output


def test_mutate__fresh__forgets_what_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    lines = [
        json.dumps({"id": str(number), "mutant": {"file": f"contracts/{name}.vy"}})
        for number, name in enumerate(["Lens", "RiskEngine", "Lens"])
    ]
    path.write_text("\n".join([*lines, '{"id": "3", "mut']))
    mutate._forget(path, {"contracts/Lens.vy"})
    assert path.read_text() == lines[1] + "\n"
    mutate._forget(path, {"contracts/Latch.vy"})
    assert path.read_text() == lines[1] + "\n"
    mutate._forget(path, set())
    assert list(tmp_path.iterdir()) == []
    mutate._forget(path, {"contracts/Lens.vy"})
    mutate._forget(path, set())


def test_ctrl_c__exit_code_130(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*args: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(campaign, "prepare", interrupted)
    folder = ("--corpus", tmp_path / "corpus", "--output", tmp_path / "broken")
    assert run("fuzz", "--no-coverage", *folder) == (130, "interrupted\n")
    monkeypatch.setattr(coverage, "_load", interrupted)
    assert run("coverage") == (130, "interrupted\n")


def test_ray__why_there_is_no_cluster() -> None:
    """What its library writes is kept from the terminal, and the last of it is the reason."""
    said: list[str] = []
    with cluster._stderr(said):
        os.write(2, b"[W 1] gcs.cc:205: Failed to get ID: RpcError: RPC Error: not found\n\n")
    assert cluster._reason(said).endswith("does not answer as one (not found)")
    assert cluster._reason([]).endswith("does not answer as one")
