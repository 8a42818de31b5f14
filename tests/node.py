"""An anvil of its own for a test, with the devnet's market."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from breakwater import addresses, anvil, deploy, devnet, markets
from breakwater.keeper import service


def hear_interrupts() -> None:
    """For a process that is to be interrupted: one that was begun in the background of a shell
    ignores it, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Node:
    """An anvil that may be killed, and started again from a state it wrote before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state.json"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        told = {"url": f"http://127.0.0.1:{self.port}", "port": self.port, "process": os.getpid()}
        (folder / "devnet.json").write_text(json.dumps(told))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        anvil.keep_first_block(self.state)
        command = [
            anvil.find(), "--host", "127.0.0.1", "--port", self.port, "--hardfork",
            devnet.HARDFORK, "--accounts", markets.MOST_ACCOUNTS, "--state", self.state,
            "--state-interval", 1,
        ]  # fmt: skip
        with (self.folder / "anvil.log").open("wb") as out:
            self.process = subprocess.Popen([str(one) for one in command], stdout=out, stderr=out)
        until(lambda: devnet._ask(devnet.url(), "eth_chainId") is not None)

    def keep_state(self) -> None:
        """A copy of the state as of now or a second later, whole."""
        began = time.time()

        def written() -> bool:
            try:
                if self.state.stat().st_mtime <= began:
                    return False
                shutil.copy(self.state, self.folder / "kept.json")
                json.loads((self.folder / "kept.json").read_text())
            except (OSError, ValueError):
                return False
            return True

        until(written)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def start_from_kept(self) -> None:
        shutil.copy(self.folder / "kept.json", self.state)
        self.start()


def until(done: Callable[[], Any], seconds: float = 90) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = done()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {done}")


@contextlib.contextmanager
def protocol(fresh: bool = False) -> Iterator[deploy.Protocol]:
    market = markets.load()
    with devnet.connect() as host:
        if not fresh:
            yield service.load(host, market)
            return
        path = addresses.path_for(market.name, addresses.identify(host))
        book = addresses.AddressBook.open(path, host, market.name)
        made = deploy.deploy(host, market, book)
        deploy.fund_accounts(made, book)
        yield made
