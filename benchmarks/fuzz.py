"""How fast the fuzzer is, beside its limit and beside others, and how soon it finds planted bugs.

    python -m benchmarks.fuzz [--only LANE]... [--bug NAME]... [--seeds N] [--calls N]

RATES, calls per CPU second, each without its set-up
    limit       the in-process EVM alone, replaying what the fast lane asked of it
    fast        the fast lane, every promise after every successful call
    coverage    a search of `breakwater fuzz`: guided by the edges of the instrumented build
    hypothesis  the stateful machine of `make test`
    forge       Foundry's invariant runner, with an empty invariant and with the promises
    ape         the fast lane's calls, sent to anvil through ape; anvil's CPU counts
    jobs        two searches on this machine against one, by the clock
Forge and ape play on the small market; limit and fast are measured on both, so that each is
compared with its like.

PLANTED
    Each bug of `tests/planted/` is searched for with several seeds by the fast lane in one process,
    guided by behaviour, for at most 60 seconds and 20,000 calls, from an empty corpus. What it
    found first must hold without the bug, and is shrunk.

A lane that cannot run leaves the reason, and the others report. The figures go into
`snapshots/fuzz.json`; a run of a part replaces that part.
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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from breakwater import artifacts
from breakwater.errors import UserError
from breakwater.evm import EvmHost
from breakwater.fuzz import planted
from breakwater.fuzz.counterexample import MODEL
from breakwater.fuzz.lane import LENGTH, Lane
from breakwater.fuzz.steps import Step
from breakwater.fuzz.world import World

SNAPSHOT = artifacts.ROOT / "snapshots" / "fuzz.json"

FIND_SECONDS = 60.0
FIND_CALLS = 20_000
MEDIAN_CALLS = 5_000
SHRINK_SECONDS = 2.0
STEPS = 8
"""Targets of a search for a planted bug."""

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
    found = {}
    for profile in ("default", SMALL):
        lane = Lane(World(EvmHost(), profile), 1)
        lane.run(calls=options.calls // 10)  # what is looked up once
        calls, succeeded, began = lane.calls, lane.succeeded, time.process_time()
        broken = lane.run(calls=options.calls)
        seconds = time.process_time() - began
        if broken:
            raise UserError(f"{profile}: {broken[0].violations[0]}")
        found[profile] = rate(lane.calls - calls, lane.succeeded - succeeded, seconds)
    return found


def limit(options: Options) -> Report:
    """The calls of the fast lane, and nothing else, on both markets."""
    found = {}
    for profile in ("default", SMALL):
        sequences = _tape(profile, options.calls)
        host = EvmHost()
        World(host, profile)
        found[profile] = _replay(host, sequences)
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


def _replay(host: EvmHost, sequences: Sequence[Sequence[Sent]]) -> Report:
    """Calls that were prepared, each sequence from the same state."""
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
    return rate(calls, passed, time.process_time() - began)


def coverage(options: Options) -> Report:
    """A search as `breakwater fuzz` does it, on the instrumented build, with an empty corpus."""
    from breakwater.fuzz.search import Search, prepare

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
    from hypothesis import HealthCheck, Phase, settings
    from hypothesis.stateful import run_state_machine_as_test

    from breakwater.fuzz.machine import Laboratory, solvency

    laboratory = Laboratory()
    chosen = settings(
        max_examples=max(options.calls // 100, 1),
        stateful_step_count=50,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.target],
        suppress_health_check=list(HealthCheck),
    )
    began = time.process_time()
    run_state_machine_as_test(solvency(laboratory), settings=chosen)
    seconds = time.process_time() - began
    passed = sum(count for (_, reason), count in laboratory.counts.items() if not reason)
    return rate(laboratory.calls, passed, seconds)


def jobs(options: Options) -> Report:
    """Calls per second of one search and of two: what the later part of a longer campaign adds, so
    that starting processes does not count.
    """
    from breakwater.fuzz import campaign

    found: Report = {}
    for count in (1, 2):
        done = []
        for seconds in (options.seconds / 2, options.seconds * 1.5):
            with _settings(coverage=True, jobs=count, seconds=seconds) as settings:
                totals = campaign.run(settings)
            done.append((totals.calls, totals.seconds))
        calls, seconds = (long - short for short, long in zip(*done, strict=True))
        found[str(count)] = {
            "calls": calls,
            "seconds": round(seconds, 3),
            "per_second": round(calls / seconds, 1),
        }
    found["ratio"] = round(found["2"]["per_second"] / found["1"]["per_second"], 2)
    return found


@contextmanager
def _settings(**wanted: Any) -> Iterator[Any]:
    """Of a campaign that keeps nothing."""
    from breakwater.fuzz.campaign import Settings

    with tempfile.TemporaryDirectory() as folder:
        yield Settings(corpus=None, output=Path(folder), anvil=False, **wanted)


# ------------------------------------------------------------ others


def forge(options: Options) -> Report:
    """Foundry, with an empty invariant and with the promises."""
    from benchmarks import foundry

    foundry.export()
    found = {}
    for name, checked in (("empty", False), ("promises", True)):
        one = foundry.measure(checked, options.calls)
        found[name] = rate(one.calls, one.succeeded, one.cpu_seconds - one.setup_seconds)
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
    """One search for one bug: what it took, and what was found, shrunk.

    What only the reference model tells is searched for by drawing for the stateful machine.
    """
    compile = planted.compiler(bug)
    if bug.promise == MODEL:
        return _search_model(compile, seed)
    lane = Lane(World(EvmHost(), "default", compile), seed, coverage=_no_news, stop=True)
    began = time.process_time()
    failures = lane.run(calls=FIND_CALLS, seconds=FIND_SECONDS)
    found: Report = {"seed": seed, "calls": lane.calls, "cpu_seconds": _since(began)}
    if not failures:
        return {**found, "promise": None}
    # what the contracts without the bug do as well is not what was looked for
    alarm = Lane(World(EvmHost()), seed).run_steps(failures[0].steps)
    if alarm:
        return {**found, "promise": None, "false_alarm": str(alarm[0])}

    from breakwater.fuzz.shrink import shrink

    began = time.process_time()
    steps = shrink(lane, failures[0]).steps
    promise = failures[0].violations[0].promise
    return {**found, "promise": promise, **_shrunk(failures[0].steps, steps, began)}


def _search_model(compile: planted.Compile, seed: int) -> Report:
    from breakwater.fuzz import actions
    from breakwater.fuzz.machine import Broken, Laboratory
    from breakwater.fuzz.replay import Player, shrink

    draw = random.Random(seed)
    laboratory = Laboratory(compile=compile)
    began = time.process_time()
    while laboratory.calls < FIND_CALLS and _since(began) < FIND_SECONDS:
        laboratory.reset()
        try:
            for _ in range(LENGTH):
                genes = draw.randbytes(actions.GENE)
                laboratory.act(actions.TABLE[genes[0]], genes[1:])
        except Broken as broken:
            found = broken.counterexample
            break
    else:
        return {
            "seed": seed, "calls": laboratory.calls, "cpu_seconds": _since(began),
            "promise": None,
        }  # fmt: skip
    report: Report = {"seed": seed, "calls": laboratory.calls, "cpu_seconds": _since(began)}
    began = time.process_time()
    steps = shrink(found, Player(World(EvmHost(), "default", compile), found.promise)).steps
    return {**report, "promise": found.promise, **_shrunk(found.steps, steps, began)}


def _shrunk(raw: Sequence[Step], steps: Sequence[Step], began: float) -> Report:
    return {
        "raw_steps": len(raw),
        "steps": len(steps),
        "shrink_seconds": _since(began),
        "sequence": [str(step) for step in steps],
    }


def _since(began: float) -> float:
    """CPU seconds."""
    return round(time.process_time() - began, 3)


def _no_news() -> int:
    """Code that is new: none is looked at. The lane is then guided by behaviour alone."""
    return 0


def _medians(runs: Sequence[Report]) -> Report:
    """Over the seeds; a search that found nothing counts as one of all calls and more."""
    calls = [run["calls"] if run["promise"] else FIND_CALLS * 10 for run in runs]
    hits = [run for run in runs if run["promise"]]
    median = statistics.median(calls)
    found: Report = {
        "found": len(hits),
        "median_calls": median if median <= FIND_CALLS else None,
        "median_seconds": None,
        "most_steps": None,
        "most_shrink_seconds": None,
    }
    if hits:
        found["median_seconds"] = round(statistics.median(run["cpu_seconds"] for run in hits), 2)
        found["most_steps"] = max(run["steps"] for run in hits)
        found["most_shrink_seconds"] = max(run["shrink_seconds"] for run in hits)
    return found


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
        try:
            found[name] = LANES[name](options)
        except UserError as error:
            found[name] = {"lacks": str(error)}
        except Exception as error:  # one lane must not take the others along
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name}:{last.lineno}"
            found[name] = {"lacks": f"{type(error).__name__} at {where}: {error}"}
    return found


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
        table.add_row("two searches, of one", _judged(value, 1.8), "1.8")
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
    for column in ("seeds", "median calls", "CPU s", "steps", "shrinking s"):
        table.add_column(column, justify="right")
    for name, one in bugs.items():
        by = sorted({run["promise"] for run in one["runs"] if run["promise"]})
        calls = one["median_calls"]
        table.add_row(
            name,
            one["promise"],
            " ".join(by) or "[red]nothing[/red]",
            f"{one['found']}/{len(one['runs'])}",
            "[red]-[/red]" if calls is None else _most(calls, MEDIAN_CALLS),
            _number(one["median_seconds"]),
            _most(one["most_steps"], STEPS),
            _most(one["most_shrink_seconds"], SHRINK_SECONDS),
        )
    return table


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
    console = Console(width=max(110, Console().width))
    with console.status("compiling") as status:
        options = Options(calls, seeds, bug, seconds, status.update)
        artifacts.compile_all()
        found = measure(lanes, options)
    report: Report = json.loads(output.read_text()) if output.is_file() else {}
    if bug and isinstance(report.get("planted"), dict) and "lacks" not in report["planted"]:
        found["planted"] = {**report["planted"], **found.get("planted", {})}
    report |= {"machine": machine(), **found}
    report["ratios"] = ratios(report)
    for part in tables(report):
        console.print(part)
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(report, indent=2) + "\n")
    console.print(f"wrote {output}")


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
