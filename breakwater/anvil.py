"""An anvil of our own: found, started, waited for, and ended."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from breakwater import artifacts
from breakwater.errors import UserError

_START_TIMEOUT = 30.0
_STOP_TIMEOUT = 20.0
_LISTENING = re.compile(r"Listening on 127\.0\.0\.1:(\d+)")

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class AnvilError(UserError):
    """Anvil is not installed, or does not start."""


def find() -> Path:
    """The program, of the project's node_modules or on PATH. AnvilError where there is none.

    npm's launcher is passed over: it would stand between us and the process that has the state.
    """
    modules = artifacts.ROOT / "node_modules"
    for ours in sorted(modules.glob("@foundry-rs/anvil-*/bin/anvil")):
        if os.access(ours, os.X_OK):
            return ours
    launcher = modules / ".bin" / "anvil"
    found = str(launcher) if launcher.is_file() else shutil.which("anvil")
    if found is None:
        raise AnvilError("anvil is not installed: `make node` installs it (Node.js 20 is needed)")
    return Path(found)


@contextlib.contextmanager
def running(*options: str, port: int = 0, log: Path | None = None) -> Iterator[str]:
    """URL of an anvil that lives as long as the context. At its end it may write its state.

    port  0 for any that is free
    log   where what it says is kept; forgotten without
    AnvilError when it does not start.
    """
    command = [str(find()), "--host", "127.0.0.1", "--port", str(port), *options]
    with contextlib.ExitStack() as stack:
        if log is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="breakwater-anvil-"))
            said = Path(folder) / "anvil.log"
        else:
            said = log
        with said.open("wb") as out:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C reaches us alone, and we end it when we are done
                preexec_fn=_end_with_parent,
            )
        stack.callback(stop, process)
        found = _wait(process, said)
        if found is None:
            lines = said.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            kept = f"; its log is {log}" if log is not None else ""
            raise AnvilError(
                f"anvil did not start ({lines[-1] if lines else 'it said nothing'}){kept}"
            )
        yield f"http://127.0.0.1:{found}"


def keep_first_block(state: Path) -> None:
    """Mend a state file before anvil loads it.

    Anvil makes a first block of its own before it loads the one of the file, writes both, and after
    the next start takes either: the chain would have another identity by chance. Ours is the older.
    """
    try:
        tree = json.loads(state.read_text(encoding="utf-8"))
        first = [one for one in tree["blocks"] if int(one["header"]["number"], 16) == 0]
        if len(first) < 2:
            return
        ours = min(first, key=lambda one: int(one["header"]["timestamp"], 16))
        tree["blocks"] = [one for one in tree["blocks"] if one not in first or one is ours]
    except (OSError, ValueError, KeyError, TypeError):
        return  # none yet, or of a form that anvil itself has to judge
    whole = state.with_suffix(".part")
    whole.write_text(json.dumps(tree), encoding="utf-8")
    os.replace(whole, state)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that `running` started, and nothing else; again is as good as once."""
    if process.poll() is not None:
        return  # it is waited for: its number may be another's by now
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its own group: a launcher's child ends too
        process.wait()


def _wait(process: subprocess.Popen[bytes], said: Path) -> int | None:
    """The port it says it listens on; None when it ends, or takes too long."""
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        match = _LISTENING.search(said.read_text(encoding="utf-8", errors="replace"))
        if match is not None:
            return int(match[1])
        if ended:
            return None
        time.sleep(0.02)
    return None


def _end_with_parent() -> None:
    """In the child, before it runs: be asked to end when the parent is killed. Linux only."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
