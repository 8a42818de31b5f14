"""`breakwater watch`: what it says, what it refuses, how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from breakwater.artifacts import ROOT
from breakwater.cli import main
from breakwater.errors import UserError
from breakwater.units import WAD
from breakwater.watch import service
from breakwater.watch.lines import Lines
from tests.keeper_world import World


def run(*arguments: object) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, ["watch", *(str(one) for one in arguments)])


@pytest.fixture(scope="module")
def made() -> tuple[World, int]:
    world = World()
    world.borrow(0, 2_000, WETH=1)
    world.borrow(7, 2_300, WETH=1)
    return world, world.host.snapshot()


@pytest.fixture
def state(made: tuple[World, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file, and a command that finds the chain in this process instead of a node."""
    world, start = made
    world.host.restore(start)

    def connected(settings: Any, market: Any, *others: Any) -> Iterator[Any]:
        return service.looks(world.chain, world.protocol, settings, *others)

    monkeypatch.setattr(service, "_connected", connected)
    return tmp_path / "watch.duckdb"


def test_once__a_table_and_crossings(state):
    result = run("--once", "--state", state)
    assert result.exit_code == 0
    assert "borrower 7 fell below 1.5, 1.2: health 1.0826" in result.stderr
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith("borrower")]
    assert rows[0][:7] == ["borrower", "7", "1.0826", "4.28", "x", "3,000.00", "2,300.00"]
    assert rows[0][7:] == ["WETH", "2,771.08", "3,000.00"]
    assert "2 accounts owe 4,300.00 USD against 6,000.00 USD; total leverage 3.529" in result.stdout
    assert "53.48 % within 10 %, 100.00 % within 20 %" in result.stdout
    # remembered: the next one crosses nothing
    assert run("--once", "--state", state).stderr == ""


def test_once__json_and_lines(state):
    arguments = ("--once", "--json", "--line", "1.1", "--line", "1.24", "--state", state)
    result = run(*arguments)
    told = json.loads(result.stdout)
    assert [(one["number"], one["lines"]) for one in told["crossings"]] == [(7, ["1.24", "1.1"])]
    assert told["accounts"][0]["health"].startswith("1.08260")
    assert told["assets"]["USDC"]["vault_level"] == "NORMAL"
    assert json.loads(run(*arguments).stdout)["crossings"] == []


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("borrower", [7, 0]),
        ("lender", []),
        ("TEST::3", [7, 0]),
        ("0x90f79bf6EB2c4f870365E785982E1f101E93b906", [7, 0]),
        ("0x90f79bf6EB2c4f870365E785982E1f101E93b906" + 23 * "0" + "7", [7]),
    ],
)
def test_account__by_label_address_and_number(state, name, numbers):
    told = json.loads(run(name, "--once", "--json", "--state", state).stdout)
    assert [one["number"] for one in told["accounts"]] == numbers
    assert told["systemic"]["accounts"] == 2


def test_interval__a_line_of_json_each_until_interrupted(state, monkeypatch):
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(service.time, "sleep", sleep)
    result = run("--json", "--interval", "7", "--state", state)
    assert (result.exit_code, waits) == (130, [7, 7, 7])
    assert [len(json.loads(line)["crossings"]) for line in result.stdout.splitlines()] == [2, 0, 0]
    assert result.stderr.endswith("interrupted\n")
    # without a terminal the table comes once a minute, and where something is crossed
    waits.clear()
    assert run("--state", state).stdout.count("total leverage") == 1


def test_node__that_goes_away_is_waited_for(state, monkeypatch):
    found, waits = service._connected, []

    def connected(*arguments: Any) -> Iterator[Any]:
        yield next(found(*arguments))
        if len(waits) == 2:
            raise KeyboardInterrupt
        raise ConnectionError("nobody there")

    monkeypatch.setattr(service, "_connected", connected)
    monkeypatch.setattr(service.keeper.time, "sleep", waits.append)
    result = run("--state", state)
    assert (result.exit_code, waits) == (130, [1, 1])
    assert "the node does not answer (nobody there): trying again in 1 s" in result.stderr
    assert result.stderr.count("fell below") == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nobody",), "nobody is no account: give TEST::0, a label (deployer"),
        (("0x1234",), "or 32 bytes in hexadecimal, for one account"),
        (("TEST::99",), "TEST::99 is not there"),
        (("--line", "low"), "--line low is no health factor (not a number: 'low')"),
        (("--line", "0"), "--line 0 is not above 0 and at most 1000"),
        (("--line", "-1"), "--line -1 is not above 0"),
        (("--line", "1001"), "at most 1000"),
        (("--line", "nan"), "--line nan is no health factor"),
        (("--line", "1.0000000000000000001"), "more than 18 digits"),
        (("--webhook", "http://10.0.0.1/"), "10.0.0.1 is not its loopback"),
        (("--webhook", "nothing"), "--webhook nothing is no http URL"),
        (("--interval", "0"), "not in the range"),
        (("--interval", "soon"), "is not a valid float"),
        (("--market", "/nowhere.yaml"), "there is no such market file"),
        (("--state", "/dev/null/x"), "cannot be written"),
        (("--state", "/proc"), "is a directory"),
    ],
)
def test_command__wrong_input_is_a_sentence(state, arguments, says):
    options = arguments if "--state" in arguments else (*arguments, "--state", state)
    result = run("--once", *options)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_command__no_devnet(tmp_path, monkeypatch):
    monkeypatch.setenv("BREAKWATER_DEVNET", str(tmp_path))
    (tmp_path / "devnet.json").write_text('{"url": "http://127.0.0.1:9"}')
    result = run("--once")
    assert result.exit_code == 2
    assert "no devnet is running at" in result.stderr


def test_state__that_is_none_or_in_use(tmp_path):
    path = tmp_path / "none.duckdb"
    path.write_bytes(b"not a database at all, but long enough" * 200)
    with pytest.raises(UserError, match="is no watch's state"):
        Lines(path, [WAD])
    lines = Lines(tmp_path / "watch.duckdb", [WAD])
    program = """
import sys
from pathlib import Path
from breakwater.watch.lines import Lines
Lines(Path(sys.argv[1]), [1])
"""
    found = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "watch.duckdb"],
        capture_output=True, text=True, cwd=ROOT, timeout=60,
    )  # fmt: skip
    assert "in use by another watch" in found.stderr
    lines.close()
