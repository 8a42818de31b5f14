"""How soon planted bugs are found; see `benchmarks.fuzz`."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence
from functools import cache

from benchmarks.rates import Options, Report, settings
from breakwater.evm import EvmHost
from breakwater.fuzz import planted
from breakwater.fuzz.counterexample import MODEL
from breakwater.fuzz.lane import LENGTH, Failure
from breakwater.fuzz.replay import Replayer, new_world
from breakwater.fuzz.search import Finding, Search
from breakwater.fuzz.steps import Step
from breakwater.fuzz.world import World

FIND_SECONDS = 60.0
FIND_CALLS = 20_000
MEDIAN_CALLS = 5_000
SHRINK_SECONDS = 2.0
STEPS = 8
"""Limits and targets of a search for a planted bug."""


def find(options: Options) -> Report:
    """Each planted bug with each seed."""
    found: Report = {}
    names = options.bugs or tuple(planted.names())
    for name in names:
        bug = planted.load(name)
        runs = []
        for seed in range(1, options.seeds + 1):
            options.show(f"{name}, seed {seed}")
            runs.append(search(bug, seed))
        found[name] = {"promise": bug.promise, "runs": runs, **_medians(runs)}
    return found


def search(bug: planted.Bug, seed: int) -> Report:
    """One search for one bug: what it took, and what was found, shrunk."""
    if bug.promise == MODEL:
        return _search_model(planted.compiler(bug), seed)
    with settings(coverage=False, planted=bug.name, seed=seed) as wanted:
        one = _Search(wanted)
        began = time.process_time()
        while one.calls < FIND_CALLS and _since(began) - one.shrinking < FIND_SECONDS:
            finding = next((found for found in one.run(1).findings if found.confirmed), None)
            if finding is not None:
                return _judged_found(one, finding, began)
        seconds = round(_since(began) - one.shrinking, 3)
    return {"seed": seed, "calls": one.calls, "cpu_seconds": seconds, "promise": None}


class _Search(Search):
    """One that tells what time its shrinking took, and how long what it found was: of the market
    beside it as well.
    """

    shrinking = 0.0
    last = 0.0
    raw_steps = 0

    def _broken(self, failure: Failure) -> None:
        first = self._above or self
        assert isinstance(first, _Search)
        began = time.process_time()
        first.raw_steps = len(failure.steps)
        super()._broken(failure)
        first.last = time.process_time() - began
        first.shrinking += first.last


def _judged_found(one: _Search, finding: Finding, began: float) -> Report:
    """What was found. What the sound contracts do as well is not what was looked for."""
    seconds = round(_since(began) - one.shrinking, 3)
    found: Report = {"seed": one.settings.seed, "calls": one.calls, "cpu_seconds": seconds}
    steps = finding.found.steps
    alarm = _alarm(steps, finding.found.market)
    if alarm:
        return {**found, "promise": None, "false_alarm": alarm}
    shrunk = _shrunk(one.raw_steps, steps, one.last)
    return {**found, "promise": finding.found.promise, **shrunk}


def _alarm(steps: Sequence[Step], market: str = "default") -> str | None:
    """What steps break on the sound contracts, the reference model included."""
    violations = _sound(market).play(steps).violations
    return str(violations[0]) if violations else None


@cache
def _sound(market: str) -> Replayer:
    return Replayer(new_world(market))


def _search_model(compile: planted.Compile, seed: int) -> Report:
    from breakwater.fuzz import actions, genes
    from breakwater.fuzz.machine import Broken, Laboratory
    from breakwater.fuzz.replay import shrink

    draw = random.Random(seed)
    laboratory = Laboratory(compile=compile)
    began = time.process_time()
    while laboratory.calls < FIND_CALLS and _since(began) < FIND_SECONDS:
        laboratory.reset()
        try:
            for _ in range(LENGTH):
                gene = draw.randbytes(genes.GENE)
                laboratory.act(actions.TABLE[gene[0]], gene[1:])
        except Broken as broken:
            found = broken.counterexample
            break
    else:
        return {
            "seed": seed, "calls": laboratory.calls, "cpu_seconds": _since(began),
            "promise": None,
        }  # fmt: skip
    report: Report = {"seed": seed, "calls": laboratory.calls, "cpu_seconds": _since(began)}
    alarm = _alarm(found.steps)
    if alarm:
        return {**report, "promise": None, "false_alarm": alarm}
    began = time.process_time()
    steps = shrink(found, Replayer(World(EvmHost(), "default", compile), found.promise)).steps
    shrunk = _shrunk(len(found.steps), steps, _since(began))
    return {**report, "promise": found.promise, **shrunk}


def _shrunk(raw_steps: int, steps: Sequence[Step], seconds: float) -> Report:
    return {
        "raw_steps": raw_steps,
        "steps": len(steps),
        "shrink_seconds": round(seconds, 3),
        "sequence": [str(step) for step in steps],
    }


def _since(began: float) -> float:
    """CPU seconds."""
    return round(time.process_time() - began, 3)


def _medians(runs: Sequence[Report]) -> Report:
    """Over the seeds. A search that found nothing took more calls than any: a median or a worst
    that falls on one is None.
    """
    hits = [run for run in runs if run["promise"]]
    lost = [float("inf")] * (len(runs) - len(hits))
    found: Report = {"found": len(hits), "most_steps": None, "most_shrink_seconds": None}
    for key in ("calls", "cpu_seconds"):
        # one that was found in a sequence which passed the limit counts as found at its calls
        values = sorted([float(run[key]) for run in hits] + lost)
        name = "calls" if key == "calls" else "seconds"
        found[f"median_{name}"] = _finite(statistics.median(values))
        found[f"worst_{name}"] = _finite(values[-1])
    if hits:
        found["most_steps"] = max(run["steps"] for run in hits)
        found["most_shrink_seconds"] = max(run["shrink_seconds"] for run in hits)
    return found


def _finite(value: float) -> float | None:
    return None if value == float("inf") else round(value, 2)
