"""The keeper on anvil: a crash in which the node and the keeper are killed, and how it is run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.keeper import populate
from breakwater import artifacts, devnet
from breakwater.artifacts import ROOT
from breakwater.host import interface_of
from breakwater.keeper.chain import NodeChain
from breakwater.keeper.store import Store
from breakwater.units import WAD
from tests.node import Node, hear_interrupts, protocol, until

pytestmark = [pytest.mark.ape, pytest.mark.slow, pytest.mark.needs("anvil")]
ACCOUNTS = 160


class KeeperProcess:
    """`breakwater keeper` as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None
        self.said = ""

    def start(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "breakwater.cli", "keeper", "--interval", "0.1", "--json",
                   "--min-profit", "0.1", *arguments]  # fmt: skip
        with (self.folder / "keeper.log").open("a") as err:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=err, text=True, cwd=ROOT,
                preexec_fn=hear_interrupts,
            )  # fmt: skip

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Exit code, and what it put out."""
        assert self.process is not None
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, out

    def log(self) -> str:
        return (self.folder / "keeper.log").read_text()


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
    yield node
    node.kill()


@pytest.fixture
def keeper(folder: Path) -> Iterator[KeeperProcess]:
    keeper = KeeperProcess(folder)
    yield keeper
    with contextlib.suppress(ProcessLookupError, AssertionError):
        keeper.kill()


def ether_at(dollars: int, then: Callable[[], None] | None = None) -> int:
    """Sets the price, and at once does what is to be done; the block from which on it is."""
    with protocol() as made:
        deployer = made.accounts["deployer"]
        made.refresh(sender=deployer)
        block = made.host.block
        made.set_price("WETH", dollars * WAD, sender=deployer)
        if then is not None:
            then()
        return block


def events() -> list[Any]:
    """Every liquidation that the chain has."""
    with protocol() as made:
        chain = NodeChain(made.host)
        contracts = {made.credit_engine.address: "CreditEngine"}
        return list(chain.events(0, chain.head(), contracts, ["Liquidate"]))


def count() -> int:
    """How many that are, asked of the node alone: fast enough to kill it between two."""
    topic = next(
        "0x" + topic.hex()
        for topic, event in interface_of("CreditEngine").events.items()
        if event.name == "Liquidate"
    )
    found = devnet._ask(
        devnet.url(), "eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest", "topics": [topic]}
    )
    return len(found)


def weak() -> int:
    """Accounts below maintenance."""
    with protocol() as made:
        chain = NodeChain(made.host)
        contracts = {made.credit_engine.address: "CreditEngine"}
        debtors = {one.log.account for one in chain.events(0, chain.head(), contracts, ["Borrow"])}
        health = chain.health_factors(made.lens, sorted(debtors))
        assert len(health) == ACCOUNTS
        return sum(one < WAD for one in health)


def test_drill__node_and_keeper_are_killed_in_mid_crash(node, keeper, folder):
    """Nothing is liquidated twice, nothing is lost, and the keeper's books are the chain's."""
    with protocol(fresh=True) as made:
        populate(made, ACCOUNTS)
        sender = made.accounts["liquidator"]
    keeper.start()
    until(lambda: "lowest health" in keeper.log())
    falls = [ether_at(2_700)]
    until(count)
    until(lambda: weak() == 0)

    # both die in the middle of a fall, and the node comes back as it was before the fall
    node.keep_state()
    before = count()

    def kill_both() -> None:
        until(lambda: count() >= before + 2)
        node.kill()
        keeper.kill()

    ether_at(2_430, kill_both)
    assert "19 below" not in keeper.log(), "it was killed before its pass ended"
    node.start_from_kept()
    assert count() == before, "the state kept is from before the fall"
    falls.append(ether_at(2_430))
    keeper.start()
    until(lambda: weak() == 0)
    assert "the chain lost its blocks" in keeper.log()

    # the keeper alone dies, after every few liquidations
    def kill_thrice() -> None:
        for _ in range(3):
            seen = count()
            until(lambda seen=seen: count() > seen)
            keeper.kill()
            keeper.start()

    falls.append(ether_at(2_190, kill_thrice))
    until(lambda: weak() == 0)

    # the node alone dies: the keeper waits for it
    node.keep_state()
    node.kill()
    until(lambda: "the node does not answer" in keeper.log())
    node.start_from_kept()
    falls.append(ether_at(1_970))
    until(lambda: weak() == 0)
    made_so_far = count()
    time.sleep(2)  # a pass ends by reading the blocks that it made
    code, out = keeper.end()
    assert code == 130
    told = json.loads(out)

    chain = events()
    assert len(chain) == made_so_far > 20
    assert {one.log.liquidator for one in chain} == {sender}
    # never twice in one fall
    parts = Counter((one.log.account, sum(one.block >= first for first in falls)) for one in chain)
    assert set(parts.values()) == {1}
    # the books are the chain's, one by one
    store = Store(folder / devnet.KEEPER_STATE)
    assert [(row.block, row.txn, row.account, row.repaid) for row in store.liquidations()] == [
        (one.block, one.txn, one.log.account, one.log.repaid) for one in chain
    ]
    outcomes = {name.split(":")[0] for name in store.outcomes()}
    assert outcomes <= {"mined", "lost", "failed", "refused"}
    store.close()
    assert sum(one["liquidations"] for one in told["totals"]) == len(chain)
    assert weak() == 0


def test_keeper__as_a_script(node, folder):
    """`ape run keeper` is the same command."""
    with protocol(fresh=True) as made:
        populate(made, 10)
    programs = Path(sys.executable).parent
    found = subprocess.run(
        [programs / "ape", "run", "keeper", "--once"],
        capture_output=True, text=True, cwd=ROOT, timeout=180,
        env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
    assert "10 accounts with debt read in" in found.stderr
    assert "4 poked" in found.stderr
    assert "no liquidations yet" in found.stdout
