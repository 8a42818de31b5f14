"""How fast the fuzzer is, beside its limit and beside others, and how soon it finds planted bugs.

    python -m benchmarks.fuzz [--only LANE]... [--bug NAME]... [--seeds N] [--calls N]

RATES, calls per CPU second, each without its set-up
    limit       the in-process EVM alone, replaying what the fast lane asked of it; takes turns with
                the fast lane, so that a busy machine slows both alike
    fast        the fast lane, every promise after every successful call
    coverage    a search of `breakwater fuzz`: guided by the edges of the instrumented build
    hypothesis  the stateful machine of `make test`
    forge       Foundry's invariant runner, with an empty invariant and with the promises; counted
                are the calls of the market that its handler's calls make
    ape         the fast lane's calls, sent to anvil through ape; anvil's CPU counts
    jobs        a campaign of two searches against one of one search, on this machine, by the clock:
                calls between a quarter and nine tenths of the time after the first report, when all
                processes have started and none has ended; the corpus is on disk, empty at first
Forge and ape play on the small market; limit and fast are measured on both, so that each is
compared with its like.

PLANTED
    Each bug of `tests/planted/` is searched for with several seeds by `search.Search`, which is
    what `breakwater fuzz --no-coverage` runs in each process, from an empty corpus in memory, for
    at most 60 CPU seconds and 20,000 calls. What was found, shrunk by the same search, counts only
    where the sound contracts, the reference model beside them, do not show it. A bug whose promise
    is "model" is searched for by the machine's laboratory, with random genes.

A lane that cannot run leaves the reason, and the others report. The figures go into
`snapshots/fuzz.json`, each part with its commit, options and time; a run of a part replaces that
part. The table of README.md is made from that file.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import random
import statistics
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from breakwater import artifacts
from breakwater.errors import UserError
from breakwater.evm import EvmHost
from breakwater.fuzz import campaign, planted
from breakwater.fuzz.campaign import Totals
from breakwater.fuzz.counterexample import MODEL
from breakwater.fuzz.lane import LENGTH, Failure, Lane
from breakwater.fuzz.replay import Replayer, new_world
from breakwater.fuzz.search import Finding, Search, Settings, prepare
from breakwater.fuzz.steps import Step
from breakwater.fuzz.world import World

SNAPSHOT = artifacts.ROOT / "snapshots" / "fuzz.json"
README = artifacts.ROOT / "README.md"

FIND_SECONDS = 60.0
FIND_CALLS = 20_000
MEDIAN_CALLS = 5_000
SHRINK_SECONDS = 2.0
STEPS = 8
"""Limits and targets of a search for a planted bug."""

JOBS = 1.8
"""Target of two searches against one."""

STEADY = (0.25, 0.9)
"""Part of a campaign's seconds, from its first report on, in which `jobs` counts."""

TURNS = 10
"""How often limit and fast lane alternate."""

SMALL = "small"

Report = dict[str, Any]
Show = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What a run is asked for."""

    calls: int
    seeds: int
    bugs: tuple[str, ...]
    seconds: float
    show: Show = lambda text: None
    times: dict[str, float] = field(default_factory=dict)
    """Seconds that each lane took, by the clock, its set-up included."""


def rate(calls: int, succeeded: int, cpu_seconds: float) -> Report:
    """Figures of a lane."""
    return {
        "calls": calls,
        "succeeded": round(succeeded / max(calls, 1), 3),
        "cpu_seconds": round(cpu_seconds, 3),
        "per_cpu_second": round(calls / max(cpu_seconds, 1e-9), 1),
    }


# ------------------------------------------------------------ in this process


def fast(options: Options) -> Report:
    """The fast lane, on both markets."""
    return {profile: one for profile, (_, one) in _in_turns(options.calls).items()}


def limit(options: Options) -> Report:
    """The calls of the fast lane, and nothing else, on both markets."""
    return {profile: one for profile, (one, _) in _in_turns(options.calls).items()}


@cache
def _in_turns(calls: int) -> dict[str, tuple[Report, Report]]:
    """Limit and fast lane on each market. They take turns, so that whatever else slows the machine
    slows both alike.
    """
    found = {}
    for profile in ("default", SMALL):
        sequences = _tape(profile, calls)
        host = EvmHost()
        World(host, profile)
        lane = Lane(World(EvmHost(), profile), 1)
        lane.run(calls=calls // 10)  # what is looked up once
        before, succeeded, seconds = lane.calls, lane.succeeded, 0.0
        replayed = []
        size = -(-len(sequences) // TURNS)
        for at in range(0, len(sequences), size):
            replayed.append(_replay(host, sequences[at : at + size]))
            began = time.process_time()
            broken = lane.run(calls=calls // TURNS)
            seconds += time.process_time() - began
            if broken:
                raise UserError(f"{profile}: {broken[0].violations[0]}")
        limit = rate(*(sum(part) for part in zip(*replayed, strict=True)))
        found[profile] = limit, rate(lane.calls - before, lane.succeeded - succeeded, seconds)
    return found


Sent = tuple[int, int, str, str, bytes]
"""Now, block, sender, target, call data."""


def _tape(profile: str, calls: int) -> list[list[Sent]]:
    """What the fast lane sends, sequence by sequence."""
    lane = Lane(World(EvmHost(), profile), 1)
    found: list[list[Sent]] = []
    lane.player.tape = []
    for _ in lane.outcomes(calls=calls):
        found.append(lane.player.tape)
        lane.player.tape = []
    return found


def _replay(host: EvmHost, sequences: Sequence[Sequence[Sent]]) -> tuple[int, int, float]:
    """Make calls that were prepared, each sequence from the same state: how many, how many of them
    succeeded, CPU seconds.
    """
    evm, start = host._evm, (host.now, host.block)
    call, transient = evm.message_call, evm.reset_transient_storage
    calls = passed = 0
    base = evm.snapshot()
    began = time.process_time()
    for sequence in sequences:
        at = start
        for now, block, sender, target, data in sequence:
            if (now, block) != at:
                at = (now, block)
                host._now, host._block = at
                host._set_block()
            transient()
            try:
                call(sender, target, data)
                passed += 1
            except RuntimeError:
                pass
        calls += len(sequence)
        evm.revert(base)
        base = evm.snapshot()
        if at != start:
            host._now, host._block = start
            host._set_block()
    return calls, passed, time.process_time() - began


def coverage(options: Options) -> Report:
    """A search as `breakwater fuzz` does it, on the instrumented build, with an empty corpus."""
    with _settings(coverage=True) as settings:
        prepare(settings)
        one = Search(settings)
        one.run(options.calls // 10)
        began = time.process_time()
        report = one.run(options.calls)
        seconds = time.process_time() - began
    if report.findings:
        raise UserError(f"{report.findings[0].found.promise} broke")
    return rate(report.calls, report.succeeded, seconds)


def hypothesis(options: Options) -> Report:
    """Calls of the stateful machine, the reference model and the promises included."""
    from breakwater.fuzz.machine import Laboratory, play, solvency

    laboratory = Laboratory()
    began = time.process_time()
    play(solvency(laboratory), max(options.calls // 100, 1))
    seconds = time.process_time() - began
    passed = sum(count for (_, reason), count in laboratory.counts.items() if not reason)
    return rate(laboratory.calls, passed, seconds)


def jobs(options: Options) -> Report:
    """Calls per second of one search and of two, both in full swing."""
    found: Report = {}
    for count in (1, 2):
        seen: list[Seen] = []
        with _settings(jobs=count, seconds=options.seconds) as settings:
            settings = replace(settings, corpus=settings.output / "corpus")
            totals = campaign.run(settings, partial(_note, seen))
        if totals.broken:
            raise UserError(f"{next(iter(totals.broken.values())).promise} broke")
        calls, seconds, cpu = steady(seen, options.seconds)
        found[str(count)] = {
            "calls": calls,
            "seconds": round(seconds, 3),
            "cpu_seconds": round(cpu, 3),
            "per_second": round(calls / seconds, 1),
        }
    found["ratio"] = round(found["2"]["per_second"] / found["1"]["per_second"], 2)
    return found


Seen = tuple[float, int, float]
"""When a search reported, and calls and CPU seconds of the campaign so far."""


def _note(seen: list[Seen], totals: Totals) -> None:
    seen.append((time.monotonic(), totals.calls, totals.cpu_seconds))


def steady(seen: Sequence[Seen], seconds: float) -> tuple[int, float, float]:
    """Calls, seconds and CPU seconds between the first and the last report of the `STEADY` part of
    a campaign, whose searches take so many seconds.

    UserError where it holds fewer than two reports.
    """
    began = seen[0][0] if seen else 0.0
    low, high = (began + part * seconds for part in STEADY)
    inside = [one for one in seen if low <= one[0] <= high]
    if len(inside) < 2:
        raise UserError(f"too few reports in {seconds:.0f} s: give more --seconds")
    first, last = inside[0], inside[-1]
    return last[1] - first[1], last[0] - first[0], last[2] - first[2]


@contextmanager
def _settings(**wanted: Any) -> Iterator[Settings]:
    """Of a campaign that keeps nothing."""
    with tempfile.TemporaryDirectory() as folder:
        yield Settings(corpus=None, output=Path(folder), anvil=False, **wanted)


# ------------------------------------------------------------ others


def forge(options: Options) -> Report:
    """Foundry, with an empty invariant and with the promises."""
    from benchmarks import foundry

    foundry.export()
    found = {}
    # one call of the handler makes several of the market, which are what the fast lane counts
    made = foundry.made(options.calls)
    for name, checked in (("empty", False), ("promises", True)):
        one = foundry.measure(checked, options.calls)
        found[name] = rate(one.played.calls, one.played.succeeded, one.cpu_seconds)
        found[name]["made_per_call"] = round(made, 3)
        found[name]["per_cpu_second"] = round(one.played.calls * made / one.cpu_seconds, 1)
        found[name]["actions"] = one.played.actions
    return found


def ape(options: Options) -> Report:
    """The calls of a few sequences of the fast lane, through ape to anvil, one after another."""
    lane = Lane(World(EvmHost(), SMALL), 1, trials=False)
    steps: list[Step] = []
    while len(steps) < min(options.calls // 100, 300):
        steps += lane.steps_of(lane.draw())
    os.environ["PATH"] = os.pathsep.join(
        (str(artifacts.ROOT / "node_modules" / ".bin"), os.environ.get("PATH", ""))
    )
    import ape as framework
    from ape.logging import logger

    from breakwater.ape_host import ApeHost

    logger.set_level("ERROR")
    with framework.networks.ethereum.local.use_provider("foundry"):
        world = World(ApeHost(), SMALL)
        succeeded = 0
        began, clock = _tree_seconds(), time.monotonic()
        for step in steps:
            # mining for years takes its time, and leaves nothing to do
            still = replace(step, wait=min(step.wait, 60), blocks=min(step.blocks, 5))
            succeeded += world.run(still).succeeded
        clock = time.monotonic() - clock
        found = rate(len(steps), succeeded, _tree_seconds() - began)
    return {**found, "per_second": round(len(steps) / clock, 1)}


def _tree_seconds() -> float:
    """CPU seconds of this process and all below it. UserError where there is no /proc."""
    parents, used = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        parents[int(path.parent.name)] = int(fields[1])
        used[int(path.parent.name)] = int(fields[11]) + int(fields[12])
    if os.getpid() not in used:
        raise UserError("CPU seconds of a node are measured on Linux only")
    total = 0
    for pid, ticks in used.items():
        at = pid
        while at not in (0, 1, os.getpid()):
            at = parents.get(at, 0)
        total += ticks if at == os.getpid() else 0
    return total / os.sysconf("SC_CLK_TCK")


# ------------------------------------------------------------ planted bugs


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
    with _settings(coverage=False, planted=bug.name, seed=seed) as settings:
        one = _Search(settings)
        began = time.process_time()
        while one.calls < FIND_CALLS and _since(began) - one.shrinking < FIND_SECONDS:
            finding = next((found for found in one.run(1).findings if found.confirmed), None)
            if finding is not None:
                return _judged_found(one, finding, began)
        seconds = round(_since(began) - one.shrinking, 3)
    return {"seed": seed, "calls": one.calls, "cpu_seconds": seconds, "promise": None}


class _Search(Search):
    """One that tells what time its shrinking took, and how long what it found was."""

    shrinking = 0.0
    raw_steps = 0

    @property
    def calls(self) -> int:
        """So far, without those of shrinking."""
        return self._lane.calls

    def _broken(self, failure: Failure) -> None:
        began = time.process_time()
        self.raw_steps = len(failure.steps)
        super()._broken(failure)
        self.last = time.process_time() - began
        self.shrinking += self.last


def _judged_found(one: _Search, finding: Finding, began: float) -> Report:
    """What was found. What the sound contracts do as well is not what was looked for."""
    seconds = round(_since(began) - one.shrinking, 3)
    found: Report = {"seed": one.settings.seed, "calls": one.calls, "cpu_seconds": seconds}
    steps = finding.found.steps
    alarm = _alarm(steps)
    if alarm:
        return {**found, "promise": None, "false_alarm": alarm}
    shrunk = _shrunk(one.raw_steps, steps, one.last)
    return {**found, "promise": finding.found.promise, **shrunk}


def _alarm(steps: Sequence[Step]) -> str | None:
    """What steps break on the sound contracts, the reference model included."""
    violations = _sound().play(steps).violations
    return str(violations[0]) if violations else None


@cache
def _sound() -> Replayer:
    return Replayer(new_world("default"))


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


# ------------------------------------------------------------ the run

LANES: dict[str, Callable[[Options], Report]] = {
    "limit": limit,
    "fast": fast,
    "coverage": coverage,
    "hypothesis": hypothesis,
    "forge": forge,
    "ape": ape,
    "jobs": jobs,
    "planted": find,
}


def measure(lanes: Sequence[str], options: Options) -> Report:
    """Figures of each lane, or {"lacks": why}."""
    found: Report = {}
    for name in lanes:
        options.show(name)
        began = time.monotonic()
        try:
            found[name] = LANES[name](options)
        except UserError as error:
            found[name] = {"lacks": str(error)}
        except Exception as error:  # one lane must not take the others along
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name}:{last.lineno}"
            found[name] = {"lacks": f"{type(error).__name__} at {where}: {error}"}
        options.times[name] = round(time.monotonic() - began, 1)
    return found


def commit() -> str:
    """Of the code that is measured, and whether it is "dirty": not as committed. What a run writes
    does not count.
    """
    told = []
    written = [f":!{path.relative_to(artifacts.ROOT)}" for path in (SNAPSHOT, README)]
    for command in (["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain", "--", *written]):
        try:
            done = subprocess.run(
                ["git", "-C", str(artifacts.ROOT), *command],
                capture_output=True, text=True, timeout=30, check=True,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError):
            return "unknown"
        told.append(done.stdout.strip())
    return f"{told[0]} dirty" if told[1] else told[0]


def machine() -> Report:
    """What the figures were taken on."""
    found = {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    for name in ("vyper", "pyrevm", "hypothesis", "eth-ape"):
        found[name] = importlib.metadata.version(name)
    for name in ("anvil", "forge"):
        program = artifacts.ROOT / "node_modules" / ".bin" / name
        try:
            done = subprocess.run(
                [program, "--version"], capture_output=True, text=True, timeout=30, check=True
            )
            found[name] = done.stdout.split("Version:")[-1].split()[0]
        except (OSError, subprocess.SubprocessError):
            found[name] = "not installed"
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


@dataclass(frozen=True)
class Ratio:
    """One figure over another, and what it should be at least."""

    name: str
    title: str
    over: tuple[str, ...]
    under: tuple[str, ...]
    target: float | None


RATIOS = (
    Ratio("fast_of_limit", "fast lane, of its limit", ("fast", "default"), ("limit", "default"),
          0.5),
    Ratio("coverage_of_limit", "with coverage, of the limit", ("coverage",), ("limit", "default"),
          1 / 3),
    Ratio("fast_of_forge", "fast lane, of forge with the promises", ("fast", SMALL),
          ("forge", "promises"), 5),
    Ratio("limit_of_forge", "limit, of forge with nothing", ("limit", SMALL), ("forge", "empty"),
          None),
    Ratio("fast_of_ape", "fast lane, of ape on anvil", ("fast", SMALL), ("ape",), None),
)  # fmt: skip


def ratios(report: Report) -> dict[str, float]:
    """Those whose two figures are there."""
    found = {}
    for one in RATIOS:
        over, under = (_at(report, path) for path in (one.over, one.under))
        if over and under:
            found[one.name] = round(over / under, 3)
    return found


def _at(report: Report, path: Sequence[str]) -> float | None:
    for part in path:
        report = report.get(part, {})
    return report.get("per_cpu_second")


# ------------------------------------------------------------ shown


def tables(report: Report) -> Iterator[Table | str]:
    """What a person reads."""
    table = Table("calls per CPU second", box=None, pad_edge=False)
    for column in ("rate", "calls", "succeeded"):
        table.add_column(column, justify="right")
    for name in LANES:
        for title, figures in _rates(name, report.get(name, {})):
            table.add_row(
                title,
                f"{figures['per_cpu_second']:,.0f}",
                f"{figures['calls']:,}",
                f"{figures['succeeded']:.0%}",
            )
    if table.row_count:
        yield table
    table = Table("ratios", box=None, pad_edge=False)
    for column in ("found", "target"):
        table.add_column(column, justify="right")
    for one in RATIOS:
        if one.name in report.get("ratios", {}):
            value = report["ratios"][one.name]
            table.add_row(one.title, _judged(value, one.target), _number(one.target))
    if "ratio" in report.get("jobs", {}):
        value = report["jobs"]["ratio"]
        table.add_row("two searches, of one", _judged(value, JOBS), _number(JOBS))
    if table.row_count:
        yield table
    bugs = report.get("planted", {})
    if bugs and "lacks" not in bugs:
        yield _bugs(bugs)
    for name in LANES:
        if "lacks" in report.get(name, {}):
            yield f"[red]{name} lacks[/red] {report[name]['lacks']}"


def _rates(name: str, figures: Report) -> Iterator[tuple[str, Report]]:
    if "per_cpu_second" in figures:
        yield name, figures
        return
    for part, inner in figures.items():
        if isinstance(inner, dict) and "per_cpu_second" in inner:
            yield f"{name}, {part}", inner


def _bugs(bugs: Report) -> Table:
    table = Table("planted bug", box=None, pad_edge=False)
    table.add_column("promise")
    table.add_column("found by")
    for column in ("seeds", "median calls", "worst", "CPU s", "steps", "shrinking s"):
        table.add_column(column, justify="right")
    for name, one in bugs.items():
        by = sorted({run["promise"] for run in one["runs"] if run["promise"]})
        median, worst = one["median_calls"], one["worst_calls"]
        table.add_row(
            name,
            one["promise"],
            " ".join(by) or "[red]nothing[/red]",
            f"{one['found']}/{len(one['runs'])}",
            f"[red]{_lost(one)}[/red]" if median is None else _most(median, MEDIAN_CALLS),
            f"[red]{_lost(one)}[/red]" if worst is None else _most(worst, FIND_CALLS),
            _number(one["median_seconds"]),
            _most(one["most_steps"], STEPS),
            _most(one["most_shrink_seconds"], SHRINK_SECONDS),
        )
    return table


def _lost(one: Report) -> str:
    """Instead of a number of calls, where searches of one bug found nothing."""
    return f"> {FIND_CALLS:,} ({len(one['runs']) - one['found']} not found)"


def _judged(value: float, target: float | None) -> str:
    colour = "white" if target is None else "green" if value >= target else "red"
    return f"[{colour}]{value:,.2f}[/{colour}]"


def _most(value: float | None, target: float) -> str:
    if value is None:
        return "-"
    colour = "green" if value <= target else "red"
    return f"[{colour}]{_number(value)}[/{colour}]"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.2f}"


# ------------------------------------------------------------ README

_RATES = {
    "the EVM alone": ("limit", "default"),
    "fast lane, every promise": ("fast", "default"),
    "search guided by coverage": ("coverage",),
    "Hypothesis machine, with the model": ("hypothesis",),
    "small market: the EVM alone": ("limit", SMALL),
    "small market: fast lane": ("fast", SMALL),
    "small market: forge, nothing to hold": ("forge", "empty"),
    "small market: forge, promises": ("forge", "promises"),
    "small market: ape on anvil": ("ape",),
}


def readme(report: Report) -> list[str]:
    """The table of README.md, line by line, of a whole report."""
    rows = [
        ("calls per CPU second, and what part of them succeeded", "measured", "target"),
        ("---", "---", "---"),
    ]
    for title, path in _RATES.items():
        part = report
        for key in path:
            part = part.get(key, {})
        told = "-"
        if "per_cpu_second" in part:
            told = f"{part['per_cpu_second']:,.0f}, {part['succeeded']:.0%}"
        rows.append((title, told, "2,000" if path == ("hypothesis",) else ""))
    rows.append(("**ratios**", "", ""))
    for one in RATIOS:
        rows.append((one.title, _two(report["ratios"].get(one.name)), _two(one.target, "")))
    rows.append(
        ("two searches, of one, by the clock", _two(report["jobs"].get("ratio")), _two(JOBS))
    )
    rows += [("**planted bugs**", "", ""), *_found(report["planted"])]
    return [f"| {' | '.join(row)} |".replace("  |", " |") for row in rows]


def _found(bugs: Report) -> Iterator[tuple[str, str, str]]:
    """Rows about planted bugs: each that some search did not find has one of its own."""
    if "lacks" in bugs:
        yield "planted bugs", bugs["lacks"], ""
        return
    counts = sorted({len(one["runs"]) for one in bugs.values()})
    seeds = " or ".join(map(str, counts))
    lost = {name: one for name, one in bugs.items() if one["found"] < len(one["runs"])}
    every = f"{len(bugs) - len(lost)} of {len(bugs)}"
    yield f"found with every seed, of {seeds}", every, str(len(bugs))
    for name, one in lost.items():
        yield f"not found with every seed: `{name}`", f"{one['found']} of {len(one['runs'])}", ""
    for title, key, target in (
        ("calls to find one, median of the seeds, the slowest bug", "median_calls", MEDIAN_CALLS),
        ("calls to find one, the worst seed of all", "worst_calls", FIND_CALLS),
    ):
        values = [one[key] for one in bugs.values()]
        missing = values.count(None)
        told = f"> {FIND_CALLS:,} ({missing} not found)" if missing else f"{max(values):,.0f}"
        yield title, told, f"{target:,}"
    seconds = [one["worst_seconds"] for one in bugs.values()]
    told = f"> {FIND_CALLS:,} calls" if None in seconds else _two(max(seconds))
    yield "CPU seconds to find one, the worst seed of all", told, _two(FIND_SECONDS)
    steps, shrinking = (
        max((one[key] for one in bugs.values() if one[key] is not None), default=None)
        for key in ("most_steps", "most_shrink_seconds")
    )
    yield "steps after shrinking, the most", "-" if steps is None else str(steps), str(STEPS)
    yield "CPU seconds of shrinking, the most", _two(shrinking), _two(SHRINK_SECONDS)


def _two(value: float | None, none: str = "-") -> str:
    return none if value is None else f"{value:,.2f}"


def write_readme(report: Report, path: Path) -> None:
    """Put the table where README.md has it."""
    text = path.read_text(encoding="utf-8")
    head, mark, rest = text.partition("### Fuzz\n")
    before, bar, table = rest.partition("\n| ")
    if not mark or not bar:
        raise UserError(f"{path} has no table of fuzz figures")
    after = "\n\n" + table.partition("\n\n")[2]
    text = head + mark + before + "\n" + "\n".join(readme(report)) + after
    path.write_text(text, encoding="utf-8")


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(LANES)), help="A lane; repeatable.")
@click.option("--bug", multiple=True, metavar="NAME", help="A planted bug; repeatable.")
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(1, 100))
@click.option("--calls", default=50_000, show_default=True, type=click.IntRange(1_000))
@click.option("--seconds", default=20.0, show_default=True, type=click.FloatRange(1.0),
              help="Of each campaign that is timed by the clock.")  # fmt: skip
@click.option("--output", default=SNAPSHOT, type=click.Path(dir_okay=False, path_type=Path))
def main(
    only: tuple[str, ...],
    bug: tuple[str, ...],
    seeds: int,
    calls: int,
    seconds: float,
    output: Path,
) -> None:
    """Measure the fuzzer; see the head of benchmarks/fuzz.py."""
    known = planted.names()
    for name in bug:
        if name not in known:
            raise click.BadParameter(f"{name} is none of {', '.join(known)}", param_hint="--bug")
    lanes = only or (("planted",) if bug else tuple(LANES))
    code = commit()
    console = Console(width=max(140, Console().width))
    with console.status("compiling") as status:
        options = Options(calls, seeds, bug, seconds, status.update)
        artifacts.compile_all()
        found = measure(lanes, options)
    report: Report = json.loads(output.read_text()) if output.is_file() else {}
    if bug and isinstance(report.get("planted"), dict) and "lacks" not in report["planted"]:
        found["planted"] = {**report["planted"], **found.get("planted", {})}
    here = machine()
    asked = {"calls": calls, "seeds": seeds, "seconds": seconds}
    runs = {
        name: {"commit": code, "options": asked, "took": took, "machine": here}
        for name, took in options.times.items()
    }
    report |= {**found, "runs": {**report.get("runs", {}), **runs}, "ratios": {}}
    report["ratios"] = ratios(report)
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(report, indent=2) + "\n")
    if output == SNAPSHOT and all(name in report for name in LANES):
        write_readme(report, README)
    for part in tables(report):
        console.print(part)
    console.print(f"wrote {output}; it took {sum(options.times.values()):.0f} s")


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
    except click.Abort:
        raise SystemExit(130) from None
