"""The devnet as a person starts it: `breakwater devnet` in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from breakwater.artifacts import ROOT

PROGRAMS = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Devnet:
    """`breakwater devnet` as a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.said = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
        return {
            **os.environ,
            "BREAKWATER_DEVNET": str(self.folder),
            # what ape remembers of other nodes it looks through each time
            "APE_DATA_FOLDER": str(self.folder / "ape"),
            "PATH": path,
        }

    def start(self, *arguments: str) -> str:
        log = self.folder / "devnet.log"
        command = [PROGRAMS / "breakwater", "devnet", "--port", str(self.port), *arguments]
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                command, stdout=out, stderr=out, env=self.environment, cwd=ROOT
            )
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            self.said = log.read_text()
            if "listening on" in self.said:
                return self.said
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise AssertionError(f"the devnet did not start:\n{self.said}")

    def stop(self, number: int = signal.SIGINT) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(number)
        assert process.wait(40) == 0
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", self.port)) != 0, "anvil still runs"

    def run(self, name: str, *arguments: str) -> str:
        """What an `ape run` command says; it must succeed."""
        found = self.call("ape", "run", name, *arguments)
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout

    def call(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One of the project's programs, ended."""
        return subprocess.run(
            [PROGRAMS / program, *arguments],
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=ROOT,
            timeout=180,
        )
