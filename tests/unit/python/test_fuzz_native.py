"""The compiled modules of the fast lane: they do the same, and nothing needs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from breakwater import artifacts
from breakwater.fuzz import native

_LANE = """
import sys
from breakwater.fuzz import native
assert native.use() == (sys.argv[1] == "native")
from breakwater.evm import EvmHost
from breakwater.fuzz import actions, lane
from breakwater.fuzz.world import World
from breakwater.observation import interest
ends = {module.__file__.endswith(".py") for module in (actions, actions.borrowers, lane, interest)}
assert ends == {sys.argv[1] != "native"}, ends
for profile in ("default", "small"):
    one = lane.Lane(World(EvmHost(), profile), 1, coverage=lambda: 0)
    print(one.run(calls=2_000), one.calls, one.succeeded, one.keys, one.corpus)
    print(sorted(map(repr, one.counts.items())), sorted(one.slack.items()), one.watch.judged)
"""


def _run(kind: str, setting: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _LANE, kind],
        cwd=artifacts.ROOT,
        env={**os.environ, native.VARIABLE: setting, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow  # it compiles, where that was not done
def test_use__what_is_compiled_does_the_same() -> None:
    compiled, plain = _run("native", ""), _run("plain", "no")
    assert not compiled.returncode, compiled.stderr
    assert not plain.returncode, plain.stderr
    assert compiled.stdout == plain.stdout


def test_use__without_a_compiler_the_sources_run(tmp_path, monkeypatch, capsys) -> None:
    _as_if_fresh(tmp_path, monkeypatch)
    monkeypatch.setenv("CC", "/no/compiler")
    assert not native.use()
    said = capsys.readouterr().err
    assert said == ("the fast lane runs as Python, slower: there is no C compiler (/no/compiler)\n")
    assert os.environ[native.VARIABLE] == ""
    assert not native.active()


def test_use__what_does_not_compile_leaves_nothing(tmp_path, monkeypatch) -> None:
    _as_if_fresh(tmp_path, monkeypatch)
    monkeypatch.setattr(native, "_SETUP", "raise SystemExit('error: no room on the disk')")
    (tmp_path / "part-of-one-that-was-killed").mkdir()
    said: list[str] = []
    assert not native.use(said.append)
    assert said == [
        "compiling the fast lane, once: it takes a minute or two",
        "the fast lane runs as Python, slower: it does not compile: error: no room on the disk",
    ]
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_use__interrupted_leaves_nothing(tmp_path, monkeypatch) -> None:
    _as_if_fresh(tmp_path, monkeypatch)

    def interrupted(part: Path) -> None:
        (part / "lib").mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(native, "_compile", interrupted)
    with pytest.raises(KeyboardInterrupt):
        native.use()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_follow__of_other_sources_is_not_taken(tmp_path, monkeypatch) -> None:
    _as_if_fresh(tmp_path, monkeypatch)
    (tmp_path / "0123").mkdir()
    monkeypatch.setenv(native.VARIABLE, str(tmp_path / "0123"))
    assert not native.follow()
    (tmp_path / native._key()).mkdir()
    monkeypatch.setenv(native.VARIABLE, str(tmp_path / native._key()))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    assert native.follow()
    assert native.active()


def test_use__too_late_or_turned_off(monkeypatch) -> None:
    monkeypatch.setattr(native, "_compiled", lambda say: pytest.fail("it compiles"))
    monkeypatch.setenv(native.VARIABLE, "no")
    assert not native.use()
    monkeypatch.setenv(native.VARIABLE, "")
    monkeypatch.setattr(native, "MODULES", ("breakwater.fuzz.native",))  # which is imported
    assert not native.use()


def _as_if_fresh(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has imported nothing yet, with an empty cache."""
    monkeypatch.setenv(native.VARIABLE, "")
    monkeypatch.setattr(native, "_FOLDER", folder)
    monkeypatch.setattr(sys, "modules", {
        name: module for name, module in sys.modules.items() if name not in native.MODULES
    })  # fmt: skip
