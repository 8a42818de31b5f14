"""The measurements of `make bench-fuzz`: what they compare is the same work, and one that cannot
run does not take the others along.
"""

import json
import subprocess

import pytest
from click.testing import CliRunner
from rich.console import Console

from benchmarks import foundry, fuzz
from breakwater.errors import UserError
from breakwater.evm import EvmHost
from breakwater.fuzz.lane import Lane
from breakwater.fuzz.world import World

FIGURES = {"calls": 10, "succeeded": 0.5, "cpu_seconds": 0.1, "per_cpu_second": 100.0}


@pytest.fixture
def lanes(monkeypatch):
    """Instead of the true ones: one that measures, one that lacks something, one with a fault."""

    def lacks(options):
        raise UserError("forge is not installed: run `make node`")

    found = {"fast": lambda options: {"default": FIGURES}, "forge": lacks, "ape": lambda _: {}[1]}
    monkeypatch.setattr(fuzz, "LANES", found)
    return found


def test_replay__does_what_the_lane_did():
    lane = Lane(World(EvmHost(), "small"), 1)
    lane.run(calls=500)
    host = EvmHost()
    World(host, "small")
    found = fuzz._replay(host, fuzz._tape("small", 500))
    assert found["calls"] == lane.calls
    assert found["succeeded"] == round(lane.succeeded / lane.calls, 3)


def test_measure__a_lane_that_lacks_something(lanes):
    found = fuzz.measure(list(lanes), fuzz.Options(1_000, 1, (), 1.0))
    assert found["fast"] == {"default": FIGURES}
    assert found["forge"] == {"lacks": "forge is not installed: run `make node`"}
    assert found["ape"]["lacks"].startswith("KeyError at test_bench_fuzz.py:")


def test_main__a_part_keeps_the_rest(lanes, tmp_path):
    path = tmp_path / "fuzz.json"
    path.write_text(json.dumps({"limit": {"default": {**FIGURES, "per_cpu_second": 400.0}}}))
    result = CliRunner().invoke(fuzz.main, ["--output", str(path)])
    assert result.exit_code == 0, result.output
    report = json.loads(path.read_text())
    assert report["limit"]["default"]["per_cpu_second"] == 400
    assert report["ratios"] == {"fast_of_limit": 0.25}
    assert "forge lacks" in result.output


def test_main__unknown_bug():
    result = CliRunner().invoke(fuzz.main, ["--bug", "none_such"])
    assert result.exit_code == 2
    assert "none_such is none of" in result.output


def test_medians__what_was_not_found_counts():
    hit = {"promise": "SOLV-1", "calls": 100, "cpu_seconds": 1.0, "steps": 2, "shrink_seconds": 0.1}
    miss = {"promise": None, "calls": fuzz.FIND_CALLS, "cpu_seconds": 9.0}
    assert fuzz._medians([hit, miss, hit])["median_calls"] == 100
    assert fuzz._medians([hit, miss, miss])["median_calls"] is None
    assert fuzz._medians([miss])["found"] == 0


def test_tables__planted():
    run = {"seed": 1, "calls": 6_000, "cpu_seconds": 1.0, "promise": "SOLV-1", "raw_steps": 50,
           "steps": 3, "shrink_seconds": 0.2, "sequence": []}  # fmt: skip
    bugs = {"a_bug": {"promise": "SOLV-1", "runs": [run], **fuzz._medians([run])}}
    console = Console(width=110, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    for part in fuzz.tables({"planted": bugs}):
        console.print(part)
    assert "a_bug" in console.export_text()


def test_foundry__market_is_exported(tmp_path, monkeypatch):
    monkeypatch.setattr(foundry, "MARKET", tmp_path / "build" / "market.hex")
    blob = bytes.fromhex(foundry.export().read_text()[2:])
    world = World(EvmHost(), "small")
    for name in ("engine", "vault.USDC"):
        assert bytes.fromhex(world.address(name)[2:]) in blob


@pytest.mark.skipif(not foundry.FORGE.exists(), reason="forge is not installed: run `make node`")
def test_compiler__speaks_as_forge_expects():
    def solc(*args, text=""):
        done = subprocess.run(
            [str(foundry.FOLDER / "solc.mjs"), *args], input=text, capture_output=True, text=True
        )
        return done.returncode, done.stdout

    assert "\nVersion: 0.8." in solc("--version")[1]
    source = "pragma solidity ^0.8.0; contract C { function f() external {} }"
    asked = {"language": "Solidity", "sources": {"C.sol": {"content": source}},
             "settings": {"outputSelection": {"*": {"*": ["abi"]}}}}  # fmt: skip
    answer = json.loads(solc("--standard-json", text=json.dumps(asked))[1])
    assert answer["contracts"]["C.sol"]["C"]["abi"][0]["name"] == "f"
    assert solc("--nonsense")[0] == 1
