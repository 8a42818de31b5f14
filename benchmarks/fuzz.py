"""How fast the fuzzer is, beside its limit and beside others, and how soon it finds planted bugs.

    python -m benchmarks.fuzz [--only LANE]... [--bug NAME]... [--seeds N] [--calls N]

RATES, calls per CPU second, each without its set-up
    limit       the in-process EVM alone, replaying what the fast lane asked of it; takes turns with
                the fast lane, so that a busy machine slows both alike
    fast        the fast lane, every promise after every successful call
    coverage    a search of `breakwater fuzz`: guided by the edges of the instrumented build
    hypothesis  the stateful machine of `make test`
    forge       Foundry's invariant runner, with an empty invariant and with the promises; counted
                are the calls of the market that its handler's calls make; takes turns with the fast
                lane, and all of them count
    ape         the fast lane's calls, sent to anvil through ape; anvil's CPU counts
    jobs        a campaign of two searches against one of one search, on this machine, by the clock;
                they take short turns, the other one stopped meanwhile, and the first quarter of
                them does not count; the corpus is on disk, empty at first
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

import contextlib
import importlib.metadata
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from breakwater import artifacts
from breakwater.errors import UserError
from breakwater.fuzz import native

if __name__ == "__main__" and "--help" not in sys.argv:
    native.use()  # before what follows imports what it compiles

from benchmarks import finding, rates
from benchmarks.rates import Options, Report
from benchmarks.report import ratios, tables, write_readme
from breakwater.fuzz import planted

SNAPSHOT = artifacts.ROOT / "snapshots" / "fuzz.json"
README = artifacts.ROOT / "README.md"

LANES: dict[str, Callable[[Options], Report]] = {
    "limit": rates.limit,
    "fast": rates.fast,
    "coverage": rates.coverage,
    "hypothesis": rates.hypothesis,
    "forge": rates.forge,
    "ape": rates.ape,
    "jobs": rates.jobs,
    "planted": finding.find,
}


def measure(lanes: Sequence[str], options: Options) -> Report:
    """Figures of each lane, or {"lacks": why}. Each is measured in a process of its own, so that
    none pays for what those before it left in memory; limit and fast lane, which take turns, share
    one.
    """
    found: Report = {}
    together = [name for name in lanes if name in ("limit", "fast")]
    for group in [together, *([name] for name in lanes if name not in together)]:
        for name, (figures, took) in _apart(group, options).items():
            found[name], options.times[name] = figures, took
    return found


def _apart(lanes: Sequence[str], options: Options) -> dict[str, tuple[Report, float]]:
    """Figures of lanes, and seconds by the clock, of a process that ends with them."""
    if sys.platform == "win32":  # has no fork
        return {name: _measured(name, options) for name in lanes}
    here, there = multiprocessing.Pipe(duplex=False)

    def work() -> None:
        with contextlib.suppress(KeyboardInterrupt):
            inner = replace(options, show=there.send)
            there.send({name: _measured(name, inner) for name in lanes})

    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    there.close()
    try:
        while isinstance(told := here.recv(), str):
            options.show(told)
    except EOFError:
        child.join()
        lost: Report = {"lacks": f"its process ended with {child.exitcode}"}
        return dict.fromkeys(lanes, (lost, 0.0))
    except BaseException:
        child.terminate()
        raise
    child.join()
    found: dict[str, tuple[Report, float]] = told
    return found


def _measured(name: str, options: Options) -> tuple[Report, float]:
    options.show(name)
    began = time.monotonic()
    try:
        found = LANES[name](options)
    except UserError as error:
        found = {"lacks": str(error)}
    except Exception as error:  # one lane must not take the others along
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        found = {"lacks": f"{type(error).__name__} at {where}: {error}"}
    return found, round(time.monotonic() - began, 1)


def written(path: Path) -> Report:
    """What an earlier run left. UserError where the file is something else."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no figures: give another --output")
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
    report = written(output)
    lanes = only or (("planted",) if bug else tuple(LANES))
    code = commit()
    console = Console(width=max(140, Console().width))
    with console.status("compiling") as status:
        options = Options(calls, seeds, bug, seconds, status.update)
        artifacts.compile_all()
        found = measure(lanes, options)
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
    for part in tables(report, LANES):
        console.print(part)
    console.print(f"wrote {output}; it took {sum(options.times.values()):.0f} s")


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except click.Abort:
        raise SystemExit(130) from None
