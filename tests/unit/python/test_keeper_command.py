"""`breakwater keeper`: what it says, what it refuses, how it ends; and its file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from breakwater import devnet, markets
from breakwater.artifacts import ROOT
from breakwater.cli import main
from breakwater.driver import FlashLiquidator
from breakwater.errors import UserError
from breakwater.keeper import service
from breakwater.keeper.store import Attempt, Liquidation, Store
from breakwater.mocks import HostileEngineMock
from tests.keeper_world import World


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["keeper", *(str(one) for one in arguments)])


@pytest.fixture(scope="module")
def made() -> tuple[World, int]:
    world = World()
    world.borrow(7, 2_390, WETH=1)
    world.price("WETH", 2_600)
    return world, world.host.snapshot()


@pytest.fixture
def state(made: tuple[World, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file, and a command that finds the chain in this process instead of a node."""
    world, start = made
    world.host.restore(start)

    def connected(settings: Any, market: Any, store: Store, say: Any) -> Iterator[Any]:
        world.said = []
        keeper = world.keeper(store, dry=settings.dry, least_gain=settings.least_gain)
        while True:
            yield keeper.run()

    monkeypatch.setattr(service, "_connected", connected)
    return tmp_path / "keeper.duckdb"


def test_once__tells_the_profit(state):
    result = run("--once", "--state", state)
    assert result.exit_code == 0
    assert "USDC" in result.output
    assert "profit is in the debt asset" in result.output
    # and so does the file, without a chain
    told = json.loads(run("--profit", "--json", "--state", state).output)
    assert told["totals"][0]["liquidations"] == 1
    assert told["liquidations"][0]["number"] == 7
    assert float(told["totals"][0]["profit"]) > 20
    assert told["attempts"] == {"mined": 1}


def test_once__dry_run(state):
    assert "no liquidations yet" in run("--once", "--dry-run", "--state", state).output


def test_interrupt__ends_with_130_and_the_profit(state, monkeypatch):
    passes = []

    def sleep(settings: Any, market: Any, store: Store, say: Any) -> Iterator[Any]:
        passes.append(1)
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(service, "_connected", sleep)
    result = run("--state", state)
    assert (result.exit_code, passes) == (130, [1])
    assert "no liquidations yet" in result.output
    assert "interrupted" in result.output


def test_node__that_goes_away_is_waited_for(state, monkeypatch):
    """At the first answer it must be there; later it is tried again, ever more slowly."""
    waits, said, left = [], [], [3]

    class Gone(ConnectionError):
        pass

    def connected(settings: Any, market: Any, store: Store, say: Any) -> Iterator[Any]:
        if left[0] == 3:
            yield None
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        raise Gone("nobody there")

    monkeypatch.setattr(service, "_connected", connected)
    monkeypatch.setattr(service.time, "sleep", waits.append)
    settings = service.Settings("", "", ROOT / "markets/devnet.yaml", state, "", 0, 1, False, False)
    stores: list[Store] = []
    with pytest.raises(KeyboardInterrupt):
        service.run(settings, said.append, stores.append)
    assert waits == [1, 2, 4]
    assert said[0] == "the node does not answer (nobody there): trying again in 1 s"
    stores[0].close()
    left[0] = 2
    result = run("--state", state)
    assert result.exit_code == 2
    assert "the node does not answer (nobody there)" in result.output


def test_pass__that_fails_is_made_again_and_not_for_ever(state, monkeypatch):
    said: list[str] = []

    def connected(settings: Any, market: Any, store: Store, say: Any) -> Iterator[Any]:
        if not said:
            yield None
        raise RuntimeError("a transaction failed on the node that had passed as a call")

    monkeypatch.setattr(service, "_connected", connected)
    settings = service.Settings("", "", ROOT / "markets/devnet.yaml", state, "", 0, 1, False, False)
    stores: list[Store] = []
    with pytest.raises(UserError, match="3 passes failed"):
        service.run(settings, said.append, stores.append)
    assert len(said) == 2
    stores[0].close()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--profit",), "no keeper has run with it"),
        (("--min-profit", "-1"), "not in the range"),
        (("--interval", "0"), "not in the range"),
        (("--market", "/nowhere.yaml"), "there is no such market file"),
    ],
)
def test_command__wrong_input_is_a_sentence(tmp_path, arguments, says):
    result = run(*arguments, "--state", tmp_path / "none.duckdb")
    assert result.exit_code == 2
    assert says in result.output
    assert "Traceback" not in result.output


def test_command__no_devnet(tmp_path, monkeypatch):
    monkeypatch.setenv("BREAKWATER_DEVNET", str(tmp_path))
    (tmp_path / "devnet.json").write_text('{"url": "http://127.0.0.1:9"}')
    result = run("--once")
    assert result.exit_code == 2
    assert "no devnet is running at" in result.output


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("0x12", "is no FlashLiquidator"),
        ("0x" + 40 * "1", "there is no code on this chain"),
        ("token", "is no FlashLiquidator (reverted without a reason)"),
        ("other", "is for the credit engine 0x"),
    ],
)
def test_flash__that_is_none(made, address, says):
    world, start = made
    world.host.restore(start)
    if address == "token":
        address = world.token("USDC").address
    if address == "other":
        engine = HostileEngineMock.deploy(world.host, sender=world.sender)
        address = FlashLiquidator.deploy(
            world.host, engine, world.token("USDC"), sender=world.sender
        ).address
    with pytest.raises(UserError) as error:
        service._flash(world.host, world.protocol, address)
    assert says in str(error.value)


def test_forget__a_new_chain_begins_without_memories(tmp_path, monkeypatch):
    monkeypatch.setenv("BREAKWATER_DEVNET", str(tmp_path))
    for name in ("state.json", "keeper.duckdb", "keeper.duckdb.wal"):
        (tmp_path / name).write_text("old")
    devnet.forget(markets.load())
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------ the file


@pytest.mark.parametrize("text", [b"", b"not a database at all, but long enough" * 200])
def test_store__file_that_is_none(tmp_path, text):
    path = tmp_path / "keeper.duckdb"
    path.write_bytes(text)
    with pytest.raises(UserError, match="is no keeper's state"):
        Store(path)


def test_store__folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        Store(tmp_path / "file" / "keeper.duckdb")


def test_store__of_another_keeper(tmp_path):
    store = Store(tmp_path / "keeper.duckdb")
    store.bind({"chain": "one", "sender": "me"})
    store.bind({"chain": "one", "sender": "me"})
    with pytest.raises(UserError, match=r"kept for another sender \(me, here you\)"):
        store.bind({"chain": "one", "sender": "you"})
    program = """
import sys
from pathlib import Path
from breakwater.keeper.store import Store
Store(Path(sys.argv[1]))
"""
    found = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "keeper.duckdb"],
        capture_output=True, text=True, cwd=ROOT, timeout=60,
    )  # fmt: skip
    assert "in use by another keeper" in found.stderr
    store.close()


def test_store__keeps_so_many_hashes(monkeypatch):
    monkeypatch.setattr("breakwater.keeper.store.KEPT", 3)
    store = Store(None)
    for number in range(0, 10, 2):
        store.read_to(number, f"hash {number}")
    assert store.blocks() == [(number, f"hash {number}") for number in (8, 6, 4)]
    assert store.cursor() == (8, "hash 8")


def test_store__together_is_all_or_nothing():
    store = Store(None)

    def half() -> None:
        with store.together():
            store.add_accounts([bytes(32)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert store.debtors() == []


def liquidation(block: int, account: bytes, way: str = "own") -> Liquidation:
    return Liquidation(block, 0, "0x", account, "USDC", "WETH", way, 1, 0, 0, 2**111, 3)


def test_store__settles_what_is_open():
    store = Store(None)
    one, other, third = (bytes([number]) * 32 for number in (1, 2, 3))
    for account in (one, other, third):
        store.begin(Attempt(10, account, "USDC", "WETH", "own", 2**120))
    store.add_liquidation(liquidation(11, one))
    store.add_liquidation(liquidation(9, other))  # before it was tried
    store.add_liquidation(liquidation(12, third, way="other"))  # not by us
    assert store.settle(waiting=True) == (1, 0)
    assert store.outcomes() == {"mined": 1, "": 2}
    assert store.settle(waiting=False) == (0, 2)
    assert store.outcomes() == {"mined": 1, "lost": 2}
    store.roll_back(10)
    assert store.liquidations() == [liquidation(9, other)]
    assert store.settle(waiting=False) == (0, 1)
    assert store.outcomes() == {"lost": 3}
