"""`breakwater watch` on anvil: killed, without its node, without its webhook; and as a script."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmarks.keeper import populate
from breakwater import artifacts
from breakwater.artifacts import ROOT
from breakwater.units import WAD
from tests.node import Node, hear_interrupts, protocol, until

pytestmark = [pytest.mark.ape, pytest.mark.slow, pytest.mark.needs("anvil")]
ACCOUNTS = 6


class Program:
    """`breakwater watch` as a process of its own, and what it said so far."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._out, self._err = folder / "watch.out", folder / "watch.err"
        command = [sys.executable, "-m", "breakwater.cli", "watch", *arguments]
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=err, cwd=ROOT, preexec_fn=hear_interrupts
            )

    def reports(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._out.read_text().splitlines(keepends=True)
                if line.endswith("\n")]  # fmt: skip

    def said(self) -> str:
        return self._err.read_text()

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    artifacts.load_all()
    monkeypatch.setenv("BREAKWATER_DEVNET", str(tmp_path))
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    return tmp_path


@pytest.fixture
def node(folder: Path) -> Iterator[Node]:
    node = Node(folder)
    node.start()
    with protocol(fresh=True) as made:
        populate(made, ACCOUNTS)
    yield node
    node.kill()


def ether_at(dollars: int) -> None:
    with protocol() as made:
        deployer = made.accounts["deployer"]
        made.refresh(sender=deployer)
        made.set_price("WETH", dollars * WAD, sender=deployer)


def server(got: list[dict[str, Any]], port: int = 0) -> HTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    made = HTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    return made


def crossed(alerts: list[dict[str, Any]], direction: str) -> list[int]:
    return [one["number"] for one in alerts if one["direction"] == direction]


def test_watch__each_crossing_once_whatever_is_killed(node, folder):
    """Debts of 100 to 212 USDC against 300 USD of ether, half of them with bitcoin beside."""
    got: list[dict[str, Any]] = []
    hook = server(got)
    port = hook.server_port
    arguments = ("borrower", "--json", "--interval", "0.2", "--line", "1.1",
                 "--webhook", f"http://127.0.0.1:{port}/")  # fmt: skip
    watch = Program(folder, *arguments)
    try:
        first = until(watch.reports)[0]
        assert (first["watched"], first["crossings"]) == (ACCOUNTS, [])
        ether_at(2_500)  # 207.5 USD at the threshold for 190 of debt, and 254.3 for 212
        until(lambda: len(got) == 1)
        assert crossed(got, "down") == [2]

        # killed with no webhook there: what it crossed meanwhile, and before, is delivered once
        hook.shutdown()
        hook.server_close()
        ether_at(2_100)  # 221.1 for 212
        until(lambda: "the webhook failed, alerts that wait: 1" in watch.said())
        assert watch.end(signal.SIGKILL) == -signal.SIGKILL
        hook = server(got, port)
        watch = Program(folder, *arguments)
        until(lambda: len(got) == 2)
        assert crossed(got, "down") == [2, 1]

        # the node dies, and comes back with the price where it was before
        until(watch.reports)
        node.kill()
        until(lambda: "the node does not answer" in watch.said())
        node.start()
        ether_at(3_000)
        until(lambda: len(got) == 4)
        assert sorted(crossed(got, "up")) == [1, 2]
        assert len({one["id"] for one in got}) == 4
        assert watch.end(signal.SIGINT) == 130
        assert watch.reports()[-1]["systemic"]["accounts"] == ACCOUNTS
    finally:
        watch.process.kill()
        watch.process.wait()
        hook.server_close()


def test_watch__as_a_script(node, folder):
    """`ape run watch` is the same command."""
    programs = Path(sys.executable).parent
    found = subprocess.run(
        [programs / "ape", "run", "watch", "borrower", "--once"],
        capture_output=True, text=True, cwd=ROOT, timeout=180,
        env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
    assert f"{ACCOUNTS} accounts owe " in found.stdout
    assert "borrower 2 fell below 1.5: health 1.3105" in found.stderr
