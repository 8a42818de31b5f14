"""Foundry's invariant runner over the fuzzer's small market, for comparison.

The market is the World's own, profile "small": its record of deployments and calls is exported, and
the test's set-up replays it, so that the same creation code lies at the same addresses. The handler
in `benchmarks/forge/test` begins with accounts that owe, has one action a call, bounded by the
state and aimed at what is weak, and holds the promises as somebody who works with Foundry writes
them: through the contracts' views, after every call. A sequence is as long as one of the fast
lane. `forge` and the compiler come from npm; nothing is downloaded at run time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import encode

from breakwater import artifacts
from breakwater.artifacts import Artifact
from breakwater.errors import UserError
from breakwater.evm import EvmHost
from breakwater.fuzz.lane import LENGTH
from breakwater.fuzz.slots import slot
from breakwater.fuzz.world import World
from breakwater.host import blueprint as creation
from breakwater.host import interface_of

FOLDER = artifacts.ROOT / "benchmarks" / "forge"
FORGE = artifacts.ROOT / "node_modules" / ".bin" / "forge"
MARKET = FOLDER / "build" / "market.hex"
NOTES = FOLDER / "build" / "made.txt"
"""A line for each call of the market."""

CALL = "(bool,address,address,uint256,uint256,bytes)"
NAMES = (
    "(address,address,address,address,address,address,address,address,address,address,address,address,"
    "address[],address[],bytes32[],uint256,uint256)"
)


@dataclass(frozen=True)
class Played:
    """What one campaign did and took: calls, how many were not refused, by action too."""

    calls: int
    succeeded: int
    actions: dict[str, tuple[int, int]]
    """Action -> calls that succeeded, all calls."""
    cpu_seconds: float
    """Of forge and what it started."""
    broken: str | None
    """The promise that fell, as the handler calls it."""


@dataclass(frozen=True)
class Rate:
    """A campaign, and the CPU seconds of one of a single call."""

    played: Played
    setup_seconds: float

    @property
    def cpu_seconds(self) -> float:
        """Without the set-up."""
        return max(self.played.cpu_seconds - self.setup_seconds, 1e-9)


@contextmanager
def exported(compile: Callable[[str], Artifact] = artifacts.load) -> Iterator[None]:
    """The small market stands exported, and no other process exports one or plays meanwhile: there
    is one file, and one folder that forge compiles into. `compile` gives other artifacts.

    UserError on Windows.
    """
    if sys.platform == "win32":
        raise UserError("forge is not measured on Windows")
    import fcntl

    MARKET.parent.mkdir(exist_ok=True)
    with open(MARKET.parent / ".lock", "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        export(compile)
        yield


def export(compile: Callable[[str], Artifact] = artifacts.load) -> Path:
    """Write the small market for the Solidity side; the file."""
    world = World(EvmHost(), "small", compile)
    calls = []
    for step in world.record:
        if step.kind == "deploy":
            data = compile(step.contract).bytecode
            data += interface_of(step.contract).encode_constructor(step.args)
        elif step.kind == "blueprint":
            data = creation(compile(step.contract).bytecode)
        else:
            function = interface_of(step.contract).function(step.function, len(step.args))
            data = function.encode(step.args)
        deploys = step.kind != "call"
        calls.append((deploys, step.sender, step.address, step.now, step.block, data))
    contracts = ("engine", "risk", "lens", "breaker", "vault.USDC", "token.WETH", "token.USDC",
                 "source.WETH.0", "source.USDC.0", "configurator", "timelock",
                 "guardian")  # fmt: skip
    names = (
        *(world.address(name) for name in contracts),
        [world.address(f"lender_{i}") for i in (1, 2, 3)],
        [world.address(f"liquidator_{i}") for i in (1, 2)],
        # of the attacker, a contract, none: the handler acts for people
        [world.account(name) for name in world.accounts if not name.startswith("attacker")],
        slot("CircuitBreaker", "latches"),
        slot("LendingVault", "_expiries"),
    )
    blob = encode(
        [CALL + "[]", NAMES, "uint256", "uint256"],
        [calls, names, world.host.now, world.host.block],  # type: ignore[attr-defined]
    )
    MARKET.parent.mkdir(exist_ok=True)
    MARKET.write_text("0x" + blob.hex())
    return MARKET


def measure(
    checked: bool, calls: int, seed: int = 1, depth: int = LENGTH, timeout: float = 600
) -> Rate:
    """Rate of a campaign of `calls` calls with every promise (`checked`) or with none.

    UserError when forge is not installed or fails, and when a promise is broken.
    """
    contract = "Promises" if checked else "Empty"
    # what follows is compiled already
    play(contract, 1, 1, seed, timeout)
    setup = play(contract, 1, 1, seed, timeout).cpu_seconds
    played = play(contract, max(calls // depth, 1), depth, seed, timeout)
    if played.broken is not None:
        raise UserError(f"forge: {played.broken}")
    return Rate(played, setup)


def made(
    calls: int, seed: int = 1, depth: int = LENGTH, timeout: float = 600
) -> tuple[float, float]:
    """Calls of the market, refused ones included, that go with one call of the handler: what it
    makes itself, and its part of the trials at the end of a sequence. The means of a campaign of
    `calls` of its calls which writes down what it makes.

    UserError when forge is not installed or fails.
    """
    NOTES.unlink(missing_ok=True)
    played = play("Counting", max(calls // depth, 1), depth, seed, timeout)
    lines = NOTES.read_text().splitlines()
    tried = lines.count("trial")
    return (len(lines) - tried) / played.calls, tried / played.calls


def play(
    contract: str, runs: int, depth: int = LENGTH, seed: int = 1, timeout: float = 600
) -> Played:
    """One campaign on the market that was exported. UserError when forge is not there or fails."""
    if not FORGE.exists():
        raise UserError("forge is not installed: run `make node`")
    command = [str(FORGE), "test", "--json", "--match-contract", f"^{contract}$",
               "--fuzz-seed", str(seed)]  # fmt: skip
    env = {
        **os.environ,
        "FOUNDRY_INVARIANT_RUNS": str(runs),
        "FOUNDRY_INVARIANT_DEPTH": str(depth),
        "NO_COLOR": "1",
    }
    # a sequence that once failed would be played first
    shutil.rmtree(FOLDER / "build" / "failures", ignore_errors=True)
    before = _children()
    try:
        done = subprocess.run(
            command, cwd=FOLDER, env=env, capture_output=True, text=True, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"forge did not end within {timeout:.0f} s") from None
    seconds = _children() - before
    for result in _results(done.stdout):
        kind = result["kind"].get("Invariant")
        if kind is None:
            raise UserError(f"forge: {result['status']}: {result.get('reason')}")
        return Played(
            int(kind["calls"]),
            int(kind["calls"]) - int(kind["reverts"]),
            {
                name.rpartition(".")[2]: (one["calls"] - one["reverts"], one["calls"])
                for name, one in sorted(kind["metrics"].items())
            },
            seconds,
            None if result["status"] == "Success" else str(result.get("reason")),
        )
    raise UserError(f"forge failed: {(done.stderr or done.stdout).strip()[-600:]}")


def _results(text: str) -> list[dict[str, Any]]:
    """The tests in forge's answer; none where it did not get that far."""
    try:
        suites = json.loads(text[text.index("{") :])
    except ValueError:
        return []
    return [result for suite in suites.values() for result in suite["test_results"].values()]


def _children() -> float:
    if sys.platform == "win32":
        raise UserError("CPU seconds of other processes are not measured on Windows")
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
