"""Starting and ending an anvil, with programs that stand in for one."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from breakwater import anvil


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Makes a shell script what is found for anvil."""

    def make(text: str) -> Path:
        path = tmp_path / "anvil"
        path.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/process\n{text}\n")
        path.chmod(0o755)
        monkeypatch.setattr(anvil, "find", lambda: path)
        return tmp_path

    return make


def test_running__is_ended_with_its_context(program):
    folder = program("echo Listening on 127.0.0.1:4321; echo $* > $0.said; exec sleep 60")
    with anvil.running("--order", "fifo") as url:
        assert url == "http://127.0.0.1:4321"
        process = int((folder / "process").read_text())
        assert alive(process)
    assert not alive(process)
    assert (folder / "anvil.said").read_text() == "--host 127.0.0.1 --port 0 --order fifo\n"


def test_running__is_ended_when_its_user_fails(program):
    folder = program("echo Listening on 127.0.0.1:4321; exec sleep 60")
    with contextlib.suppress(ZeroDivisionError), anvil.running():
        assert alive(int((folder / "process").read_text()))
        _ = 1 / 0
    assert not alive(int((folder / "process").read_text()))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("echo one; echo the state is damaged >&2; exit 1", "did not start (the state is damaged)"),
        ("exit 0", "did not start (it said nothing)"),
        ("exec sleep 60", "did not start (it said nothing)"),
    ],
)
def test_running__does_not_start(program, monkeypatch, tmp_path, text, says):
    monkeypatch.setattr(anvil, "_START_TIMEOUT", 0.5)
    folder = program(text)
    with pytest.raises(anvil.AnvilError) as refused, anvil.running(log=tmp_path / "log"):
        pass
    assert says in str(refused.value)
    assert f"its log is {tmp_path / 'log'}" in str(refused.value)
    assert not alive(int((folder / "process").read_text()))


def test_running__one_that_will_not_end_is_killed_with_its_children(program, monkeypatch):
    monkeypatch.setattr(anvil, "_STOP_TIMEOUT", 0.3)
    folder = program(
        "trap '' INT; sleep 60 & echo $! > $0.child; echo Listening on 127.0.0.1:1; wait"
    )
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        with anvil.running():
            child = int((folder / "anvil.child").read_text())
            assert alive(child)
        deadline = time.monotonic() + 5
        while alive(child) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not alive(child)
        assert other.poll() is None
        other.kill()


def test_stop__again_signals_nobody(monkeypatch):
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    anvil.stop(process)

    def signalled(*arguments: int) -> None:
        raise AssertionError(f"a process that is not ours was signalled: {arguments}")

    monkeypatch.setattr(os, "kill", signalled)
    monkeypatch.setattr(os, "killpg", signalled)
    anvil.stop(process)


@pytest.mark.needs("anvil")
def test_keep_first_block__chain_is_the_same_after_every_restart(tmp_path):
    """Anvil adds a first block of its own to those of the file."""
    from breakwater.devnet import _ask

    state, found = tmp_path / "state.json", []
    for _ in range(4):
        anvil.keep_first_block(state)
        with anvil.running("--state", str(state)) as url:
            found.append(_ask(url, "eth_getBlockByNumber", "0x0", False)["hash"])
            _ask(url, "anvil_mine", "0x2")
            time.sleep(1.1)  # each one's own first block has another time
    assert len(set(found)) == 1
    anvil.keep_first_block(state)
    blocks = json.loads(state.read_text())["blocks"]
    assert sorted(int(one["header"]["number"], 16) for one in blocks) == list(range(9))


@pytest.mark.parametrize("text", ["", "no JSON", "{}", '{"blocks": [{}]}', "[1]"])
def test_keep_first_block__leaves_what_it_does_not_know(tmp_path, text):
    state = tmp_path / "state.json"
    anvil.keep_first_block(state)
    assert not state.exists()
    state.write_text(text)
    anvil.keep_first_block(state)
    assert state.read_text() == text
