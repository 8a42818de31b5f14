"""The measurements of `make bench-fuzz`: what they compare is the same work, and one that cannot
run does not take the others along.
"""

import difflib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from benchmarks import finding, foundry, fuzz, rates
from benchmarks.report import readme, tables, write_readme
from breakwater import artifacts
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
    calls, succeeded, _ = rates._replay(host, rates._tape("small", 500))
    assert (calls, succeeded) == (lane.calls, lane.succeeded)


def test_measure__a_lane_that_lacks_something(lanes):
    found = fuzz.measure(list(lanes), rates.Options(1_000, 1, (), 1.0))
    assert found["fast"] == {"default": FIGURES}
    assert found["forge"] == {"lacks": "forge is not installed: run `make node`"}
    assert found["ape"]["lacks"].startswith("KeyError at test_bench_fuzz.py:")


def test_measure__each_in_a_process_of_its_own(monkeypatch):
    told = []
    found = {
        "limit": lambda options: {"pid": os.getpid()},
        "fast": lambda options: {"pid": os.getpid()},
        "coverage": lambda options: options.show("half way") or {"pid": os.getpid()},
        "ape": lambda options: os._exit(3),
    }
    monkeypatch.setattr(fuzz, "LANES", found)
    options = rates.Options(1_000, 1, (), 1.0, told.append)
    report = fuzz.measure(list(found), options)
    assert told == ["limit", "fast", "coverage", "half way", "ape"]
    assert report["limit"] == report["fast"] != report["coverage"]
    assert report["coverage"]["pid"] != os.getpid()
    assert report["ape"] == {"lacks": "its process ended with 3"}
    assert set(options.times) == set(found)


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


MISS = {"seed": 2, "calls": finding.FIND_CALLS, "cpu_seconds": 9.0, "promise": None}


def bug(*runs):
    return {"promise": "SOLV-1", "runs": list(runs), **finding._medians(runs)}


def test_medians__what_was_not_found_counts():
    assert bug(hit(), MISS, hit())["median_calls"] == 100
    assert bug(hit(), MISS, hit())["worst_calls"] is None
    assert bug(hit(), MISS, MISS)["median_calls"] is None
    assert bug(hit(), MISS)["median_calls"] is None
    assert bug(hit(100), hit(300))["median_calls"] == 200
    assert bug(hit(100), hit(300))["worst_calls"] == 300
    assert bug(hit(100), hit(300))["worst_seconds"] == 0.3
    assert bug(MISS)["found"] == 0


def state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_campaign__plays_in_its_turns_only():
    with rates.settings(profile="small", coverage=False, calls=10**12) as wanted:
        with rates._Campaign(wanted) as one:
            with pytest.raises(UserError, match="no search reported"):
                one.rate()
            one.take(1)
            pid, told = one._process.pid, one._told
            until = time.monotonic() + 10
            while state(pid) != "T":  # stopped, soon
                assert time.monotonic() < until
            one.count_from_here()
            one.take(1)
            found = one.rate()
            assert 0 < found["calls"] == one._told[0] - told[0]
            assert 0 < found["cpu_seconds"] <= found["seconds"] * 1.5
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_search__finds_and_shrinks():
    found = finding.search(planted.load("burnt_shares_in_supply"), 1)
    assert found["promise"] == "SOLV-4"
    assert 0 < found["calls"] <= finding.FIND_CALLS
    assert len(found["sequence"]) == found["steps"] <= found["raw_steps"]


def test_search__what_the_sound_contracts_show_as_well(monkeypatch):
    steps = SEQUENCES["burnt_shares_in_supply"]
    assert finding._alarm(steps) is None
    bad = planted.compiler(planted.load("burnt_shares_in_supply"))
    monkeypatch.setattr(finding, "_sound", lambda market: Replayer(new_world(market, bad)))
    assert "engine.liquidate" in finding._alarm(steps)
    found = finding.search(planted.load("burnt_shares_in_supply"), 1)
    assert found["promise"] is None
    assert "engine.liquidate" in found["false_alarm"]


def report(**bugs):
    return {"ratios": {}, "jobs": {"ratio": 1.9}, "planted": bugs, "fast": {"default": FIGURES}}


def test_readme__shows_what_was_not_found():
    table = "\n".join(readme(report(good=bug(hit(), hit()), bad=bug(hit(), MISS))))
    assert "| fast lane, every promise | 100, 50% |" in table
    assert "| found with every seed, of 2 | 1 of 2 | 2 |" in table
    assert "| not found with every seed: `bad` | 1 of 2 |" in table
    assert "the slowest bug | > 20,000 (1 not found) | 5,000 |" in table
    assert "the worst seed of all | > 20,000 (1 not found) | 20,000 |" in table


def test_readme__is_put_where_the_table_is(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("# B\n\n### Fuzz\n\nText.\n\n| a |\n| --- |\n| 1 |\n\n## More\n\n| b |\n")
    one = report(good=bug(hit()))
    write_readme(one, path)
    write_readme(one, path)
    table = "\n".join(readme(one))
    assert path.read_text() == f"# B\n\n### Fuzz\n\nText.\n\n{table}\n\n## More\n\n| b |\n"
    path.write_text("# B\n")
    with pytest.raises(UserError, match="no table"):
        write_readme(one, path)


def test_tables__planted():
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    for part in tables({"planted": {"a_bug": bug(hit(6_000), hit(7_000), MISS)}}, fuzz.LANES):
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
    with foundry.exported():
        # a liquidation sets a price first, to name one; every sequence ends with trials
        acted, tried = foundry.made(10 * LENGTH)
        sound = foundry.play("Promises", 40)
    assert 1.1 < acted < 1.5
    assert 1 / LENGTH < tried < 10 / LENGTH
    assert sound.broken is None
    assert sound.calls == 40 * LENGTH
    assert set(sound.actions) >= {"borrow", "repay", "liquidate", "withdrawCollateral"}
    for name, (succeeded, calls) in sound.actions.items():
        assert succeeded > 0.4 * calls, name
    assert 0.6 < sound.succeeded / sound.calls < 0.9
    # it takes a liquidation with a loss to see it
    with foundry.exported(planted.compiler(planted.load("burnt_shares_in_supply"))):
        assert foundry.play("Promises", 40).broken == "SOLV-4 share"
        with pytest.raises(UserError, match="SOLV-4 share"):
            foundry.measure(True, 2_000)


REPAY = "    return self._repay(account, asset, amount)\n"
ADD = "    return self._deposit(account, asset, amount)\n"
WEIGH = (
    "    weighed: IRiskEngine.Health = staticcall register.RISK_ENGINE.health_of(\n"
    "        register._position(accounts._load(account))\n    )\n"
)
CHANGES = {
    "LIVE-1 repay": (
        "CreditEngine", "", REPAY,
        '    assert amount != max_value(uint256), "not all"\n' + REPAY,
    ),
    "LIVE-1 top up": (
        "CreditEngine", "", ADD,
        WEIGH + '    assert amount != 1 or weighed.health_factor < 10**18, "too little"\n' + ADD,
    ),
    "LIVE-2": (
        "LendingVault", "modules/lenders",
        "    return self._exit(assets, receiver, owner, False)\n",
        "    if assets > 10**9:\n        assert assets % 10**6 == 0, \"not round\"\n"
        "    return self._exit(assets, receiver, owner, False)\n",
    ),
    "LIVE-3 not credited": (
        "CreditEngine", "", "    return self._liquidate(\n        account, debt",
        '    assert credit == empty(bytes32), "not credited"\n'
        "    return self._liquidate(\n        account, debt",
    ),
    "LIVE-4": ("CreditEngine", "", REPAY, "    assert amount != 1\n" + REPAY),
    "GATE-2 at once": (
        "CircuitBreaker", "", "COOL_DOWN: constant(uint256) = 1_800",
        "COOL_DOWN: constant(uint256) = 1_700",
    ),
    "GATE-2 acts": (
        "CircuitBreaker", "", "    if latched != word:\n        self._push_risk(asset, latched)\n"
        "    return status", "    return status",
    ),
    "GATE-2 vault": ("CircuitBreaker", "", "    self._push_vault(asset, word)\n\n\n@external\n"
                     "def hold", "\n\n@external\ndef hold"),
    "GATE-2 vault is stopped": (
        "LendingVault", "modules/vault_level", '    @dev Reverts above level `highest`.\n    """\n',
        '    """\n    if highest != 0:\n        return\n',
    ),
    "GATE-2 new risk": (
        "RiskEngine", "modules/initial_margin",
        "            if state & price_oracle.LEVEL != 0:\n"
        "                return self._level_reason(state)\n"
        "            unseen = 0\n        if enough", "            unseen = 0\n        if enough",
    ),
    "GATE-4": (
        "CreditEngine", "", ADD,
        WEIGH + '    assert weighed.health_factor >= 10**18, "too weak"\n' + ADD,
    ),
    "GATE-3": (
        "Configurator", "modules/asset_rules",
        "| start\n        | (target", "| target\n        | (target",
    ),
}  # fmt: skip
"""What forge should say -> contract, its module, a text of it and what to put there instead."""

EIGHT_DAYS = """\
--- a/contracts/CircuitBreaker.vy
+++ b/contracts/CircuitBreaker.vy
@@ -104 +104 @@
-MAX_DURATION: constant(uint256) = 7 * 86_400  # [s] of a trip
+MAX_DURATION: constant(uint256) = 8 * 86_400  # [s] of a trip
--- a/contracts/modules/latch.vy
+++ b/contracts/modules/latch.vy
@@ -34,2 +34,2 @@
-MAX_LATCH: constant(uint256) = 7 * 86_400  # [s]
-MAX_LATCHED: constant(uint256) = 7 * 86_400  # [s]
+MAX_LATCH: constant(uint256) = 8 * 86_400  # [s]
+MAX_LATCHED: constant(uint256) = 8 * 86_400  # [s]
"""
LATCHES = ("CircuitBreaker", "RiskEngine", "LendingVault")
PLANTED = {
    "GATE-1 seven days": planted.Bug("forge_latch", "", "", "GATE-1", LATCHES, EIGHT_DAYS),
    "GATE-1 budget": planted.load("hold_budget_open"),
    "GATE-2 loosened": planted.load("latch_lifted_early"),
}


def changed(name):
    """The market with one change of it, as a bug."""
    contract, module, old, new = CHANGES[name]
    path = f"contracts/{module or contract}.vy"
    source = (artifacts.ROOT / path).read_text()
    assert source.count(old) == 1
    lines = source.splitlines(True), source.replace(old, new).splitlines(True)
    diff = "".join(difflib.unified_diff(*lines, f"a/{path}", f"b/{path}"))
    return planted.Bug(f"forge_{name.replace(' ', '_')}", "", "", name, (contract,), diff)


@pytest.mark.needs("forge")
@pytest.mark.slow
@pytest.mark.parametrize("name", [*CHANGES, *PLANTED])
def test_forge__holds_the_promises_that_the_lane_holds(name):
    with foundry.exported(planted.compiler(PLANTED.get(name) or changed(name))):
        assert foundry.play("Promises", 200).broken == name


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
