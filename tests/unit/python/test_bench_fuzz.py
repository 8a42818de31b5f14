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
from breakwater.fuzz import planted
from breakwater.fuzz.lane import LENGTH, Lane
from breakwater.fuzz.replay import Replayer, new_world
from breakwater.fuzz.world import World
from tests.planted.sequences import SEQUENCES

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
    calls, succeeded, _ = fuzz._replay(host, fuzz._tape("small", 500))
    assert (calls, succeeded) == (lane.calls, lane.succeeded)


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
    assert set(report["runs"]) == {"fast", "forge", "ape"}
    assert report["runs"]["fast"]["commit"] == fuzz.commit()
    assert report["runs"]["fast"]["options"] == {"calls": 50_000, "seeds": 5, "seconds": 20.0}
    assert report["runs"]["fast"]["machine"]["cores"]
    assert "forge lacks" in result.output


def test_main__unknown_bug():
    result = CliRunner().invoke(fuzz.main, ["--bug", "none_such"])
    assert result.exit_code == 2
    assert "none_such is none of" in result.output


def hit(calls=100, promise="SOLV-1"):
    return {"seed": 1, "calls": calls, "cpu_seconds": calls / 1_000, "promise": promise,
            "raw_steps": 50, "steps": 3, "shrink_seconds": 0.2, "sequence": []}  # fmt: skip


MISS = {"seed": 2, "calls": fuzz.FIND_CALLS, "cpu_seconds": 9.0, "promise": None}


def bug(*runs):
    return {"promise": "SOLV-1", "runs": list(runs), **fuzz._medians(runs)}


def test_medians__what_was_not_found_counts():
    assert bug(hit(), MISS, hit())["median_calls"] == 100
    assert bug(hit(), MISS, hit())["worst_calls"] is None
    assert bug(hit(), MISS, MISS)["median_calls"] is None
    assert bug(hit(), MISS)["median_calls"] is None
    assert bug(hit(100), hit(300))["median_calls"] == 200
    assert bug(hit(100), hit(300))["worst_calls"] == 300
    assert bug(hit(100), hit(300))["worst_seconds"] == 0.3
    assert bug(MISS)["found"] == 0


def test_steady__neither_start_nor_end_counts():
    # nothing for five seconds, then 100 calls a second for ten, then a slow end
    seen = [(5.0 + i, 100 * i, 0.5 * i) for i in range(11)] + [(18.0, 1_001, 6.0)]
    assert fuzz.steady(seen, 10) == (600, 6, 3)
    with pytest.raises(UserError, match="too few reports"):
        fuzz.steady(seen[:3], 10)


def test_search__finds_and_shrinks():
    found = fuzz.search(planted.load("burnt_shares_in_supply"), 1)
    assert found["promise"] == "SOLV-4"
    assert 0 < found["calls"] <= fuzz.FIND_CALLS
    assert len(found["sequence"]) == found["steps"] <= found["raw_steps"]


def test_search__what_the_sound_contracts_show_as_well(monkeypatch):
    steps = SEQUENCES["burnt_shares_in_supply"]
    assert fuzz._alarm(steps) is None
    bad = planted.compiler(planted.load("burnt_shares_in_supply"))
    monkeypatch.setattr(fuzz, "_sound", lambda: Replayer(new_world("default", bad)))
    assert "engine.liquidate" in fuzz._alarm(steps)
    found = fuzz.search(planted.load("burnt_shares_in_supply"), 1)
    assert found["promise"] is None
    assert "engine.liquidate" in found["false_alarm"]


def report(**bugs):
    return {"ratios": {}, "jobs": {"ratio": 1.9}, "planted": bugs, "fast": {"default": FIGURES}}


def test_readme__shows_what_was_not_found():
    table = "\n".join(fuzz.readme(report(good=bug(hit(), hit()), bad=bug(hit(), MISS))))
    assert "| fast lane, every promise | 100, 50% |" in table
    assert "| found with every seed, of 2 | 1 of 2 | 2 |" in table
    assert "| not found with every seed: `bad` | 1 of 2 |" in table
    assert "the slowest bug | > 20,000 (1 not found) | 5,000 |" in table
    assert "the worst seed of all | > 20,000 (1 not found) | 20,000 |" in table


def test_readme__is_put_where_the_table_is(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("# B\n\n### Fuzz\n\nText.\n\n| a |\n| --- |\n| 1 |\n\n## More\n\n| b |\n")
    one = report(good=bug(hit()))
    fuzz.write_readme(one, path)
    fuzz.write_readme(one, path)
    table = "\n".join(fuzz.readme(one))
    assert path.read_text() == f"# B\n\n### Fuzz\n\nText.\n\n{table}\n\n## More\n\n| b |\n"
    path.write_text("# B\n")
    with pytest.raises(UserError, match="no table"):
        fuzz.write_readme(one, path)


def test_tables__planted():
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    for part in fuzz.tables({"planted": {"a_bug": bug(hit(6_000), hit(7_000), MISS)}}):
        console.print(part)
    text = console.export_text()
    assert "a_bug" in text
    assert "7,000" in text
    assert "> 20,000 (1 not found)" in text


def test_foundry__market_is_exported(tmp_path, monkeypatch):
    monkeypatch.setattr(foundry, "MARKET", tmp_path / "build" / "market.hex")
    blob = bytes.fromhex(foundry.export().read_text()[2:])
    world = World(EvmHost(), "small")
    for name in ("engine", "vault.USDC"):
        assert bytes.fromhex(world.address(name)[2:]) in blob


@pytest.mark.needs("forge")
@pytest.mark.slow
def test_forge__holds_on_the_contracts_and_finds_a_bug():
    foundry.export()
    # a liquidation sets a price first, to name one
    assert 1.1 < foundry.made(10 * LENGTH) < 1.5
    sound = foundry.play("Promises", 40)
    assert sound.broken is None
    assert sound.calls == 40 * LENGTH
    assert set(sound.actions) >= {"borrow", "repay", "liquidate", "withdrawCollateral"}
    for name, (succeeded, calls) in sound.actions.items():
        assert succeeded > 0.4 * calls, name
    assert 0.6 < sound.succeeded / sound.calls < 0.9
    try:
        # it takes a liquidation with a loss to see it
        foundry.export(planted.compiler(planted.load("burnt_shares_in_supply")))
        assert foundry.play("Promises", 40).broken == "SOLV-4 share"
        with pytest.raises(UserError, match="SOLV-4 share"):
            foundry.measure(True, 2_000)
    finally:
        foundry.export()


@pytest.mark.needs("forge")
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
