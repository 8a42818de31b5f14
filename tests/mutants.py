"""Contracts with one function changed, and what the watch says of calls to them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import NamedTuple

from breakwater import artifacts
from breakwater.evm import EvmHost
from breakwater.fuzz.steps import Step
from breakwater.fuzz.watch import Watch
from breakwater.fuzz.world import World
from breakwater.mutation.compile import Program


class Mutant(NamedTuple):
    """A change of one function, and calls that show it."""

    contract: str
    module: str
    """The file of the function, if it is not the contract's own."""
    function: str
    old: str
    new: str
    steps: list[Step]
    promise: str


@cache
def program(contract):
    return Program(contract, artifacts.load(contract).source_id, artifacts.ROOT)


def changed(mutant):
    """What a world is compiled with."""
    path = artifacts.ROOT / "contracts" / f"{mutant.module or mutant.contract}.vy"
    source = path.read_text(encoding="utf-8")
    begin, end, line = program(mutant.contract).span(path, mutant.function, source)
    text = source[begin:end]
    assert text.count(mutant.old) == 1
    text = text.replace(mutant.old, mutant.new)
    code = program(mutant.contract).with_function(path, mutant.function, text, line)

    def load(name):
        plain = artifacts.load(name)
        return replace(plain, bytecode=code) if name == mutant.contract else plain

    return load


def broken(market, steps):
    """What the watch says of each step, and why steps were refused."""
    watch, found, reasons = Watch(market), [], []
    for step in steps:
        result = market.run(step)
        reasons.append(result.reason)
        found += watch.after(step, result)
    return [*found, *watch.sweep()], reasons


def check_seen(mutant, profile="default"):
    """The watch finds the mutant by the promise that it breaks."""
    found, reasons = broken(World(EvmHost(), profile, compile=changed(mutant)), mutant.steps)
    assert mutant.promise in {violation.promise for violation in found}, (reasons, found)


def check_silent(sound, mutant):
    """It finds nothing where the contracts are as they should be."""
    snapshot = sound.host.snapshot()
    found, _ = broken(sound, mutant.steps)
    sound.host.restore(snapshot)
    assert not found, found
