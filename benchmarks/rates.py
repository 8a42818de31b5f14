"""Calls per CPU second of the fast lane, its limit, and others; see `benchmarks.fuzz`."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from breakwater import artifacts
from breakwater.errors import UserError
from breakwater.evm import EvmHost
from breakwater.fuzz import campaign
from breakwater.fuzz.campaign import Totals
from breakwater.fuzz.lane import Lane
from breakwater.fuzz.search import Search, Settings, prepare
from breakwater.fuzz.steps import Step
from breakwater.fuzz.world import World

if TYPE_CHECKING:
    from benchmarks import foundry

TURNS = 10
"""How often limit and fast lane alternate."""

FORGE_TURNS = 6
"""How often forge and fast lane alternate: forge takes seconds to start."""

JOBS_TURNS = 40
"""How often a campaign of one search and one of two alternate."""

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
        turn = _Turns(profile, calls)
        replayed = []
        size = -(-len(sequences) // TURNS)
        for at in range(0, len(sequences), size):
            replayed.append(_replay(host, sequences[at : at + size]))
            turn.take(calls // TURNS)
        limit = rate(*(sum(part) for part in zip(*replayed, strict=True)))
        found[profile] = limit, turn.rate()
    return found


class _Turns:
    """The fast lane, a part of its calls at a time."""

    def __init__(self, profile: str, calls: int) -> None:
        self.profile = profile
        self.lane = Lane(World(EvmHost(), profile), 1)
        self.lane.run(calls=calls // 10)  # what is looked up once
        self.before, self.succeeded, self.seconds = self.lane.calls, self.lane.succeeded, 0.0

    def take(self, calls: int) -> Report:
        """Figures of one turn. UserError when a promise breaks."""
        lane = self.lane
        before, succeeded = lane.calls, lane.succeeded
        began = time.process_time()
        broken = lane.run(calls=calls)
        seconds = time.process_time() - began
        self.seconds += seconds
        if broken:
            raise UserError(f"{self.profile}: {broken[0].violations[0]}")
        return rate(lane.calls - before, lane.succeeded - succeeded, seconds)

    def rate(self) -> Report:
        """Of all turns."""
        lane = self.lane
        return rate(lane.calls - self.before, lane.succeeded - self.succeeded, self.seconds)


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
    with settings(coverage=True) as wanted:
        prepare(wanted)
        one = Search(wanted)
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
    """Calls per second of a campaign of one search and of one of two, by the clock.

    Both begin, then they take short turns, the other one stopped meanwhile: the same search makes
    up to a third more or fewer calls per CPU second from one minute to the next, also on a machine
    that does nothing else, which campaigns that run after one another would show as their ratio.
    Counted is all after the first quarter of the turns, in which little is known and much is kept.
    UserError on Windows, which stops no process, and where `options.seconds` are too few.
    """
    if sys.platform == "win32":
        raise UserError("campaigns are not stopped on Windows")
    with ExitStack() as stack:
        campaigns = []
        for count in (1, 2):
            wanted = stack.enter_context(settings(jobs=count, calls=10**12))
            campaigns.append(stack.enter_context(_Campaign(wanted)))
        for turn in range(JOBS_TURNS):
            if turn == JOBS_TURNS // 4:
                for one in campaigns:
                    one.count_from_here()
            for one in campaigns:
                one.take(options.seconds / JOBS_TURNS)
    found: Report = {str(one.wanted.jobs): one.rate() for one in campaigns}
    found["ratio"] = round(found["2"]["per_second"] / found["1"]["per_second"], 2)
    return found


class _Campaign:
    """A campaign without an end, in a process group of its own, that plays in its turns only."""

    def __init__(self, wanted: Settings) -> None:
        self.wanted = wanted
        self.seconds = 0.0
        self._told = self._from = (0, 0.0)

    def __enter__(self) -> _Campaign:
        """It has reported once, and stands still."""
        self._pipe, there = multiprocessing.Pipe(duplex=False)
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_play, args=(self.wanted, there))
        self._process.start()
        there.close()
        try:
            self._hear(self._pipe.recv())
            self.count_from_here()
            self._signal(signal.SIGSTOP)
        except BaseException as error:
            self.__exit__()
            if isinstance(error, EOFError):
                raise UserError("a campaign ended without a word") from None
            raise
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(ProcessLookupError):
            self._signal(signal.SIGKILL)
        self._process.kill()  # it may not have a group yet
        self._process.join()
        self._pipe.close()

    def take(self, seconds: float) -> None:
        """One turn. UserError when a promise breaks."""
        began = time.monotonic()
        self._signal(signal.SIGCONT)
        time.sleep(seconds)
        self._signal(signal.SIGSTOP)
        self.seconds += time.monotonic() - began
        while self._pipe.poll():
            self._hear(self._pipe.recv())

    def count_from_here(self) -> None:
        """What was until now does not count."""
        self.seconds, self._from = 0.0, self._told

    def rate(self) -> Report:
        """Of the turns that count. UserError where nothing was reported in them."""
        calls, cpu = (now - then for now, then in zip(self._told, self._from, strict=True))
        if not calls:
            raise UserError("no search reported: give more --seconds")
        return {
            "calls": calls,
            "seconds": round(self.seconds, 3),
            "cpu_seconds": round(cpu, 3),
            "per_second": round(calls / self.seconds, 1),
        }

    def _hear(self, told: tuple[int, float] | str) -> None:
        if isinstance(told, str):
            raise UserError(told)
        self._told = told

    def _signal(self, number: int) -> None:
        group = self._process.pid
        assert group
        os.killpg(group, number)


def _play(wanted: Settings, pipe: Connection) -> None:
    """Play until this is killed, or nobody listens any more."""
    os.setpgid(0, 0)

    def tell(totals: Totals) -> None:
        broken = next(iter(totals.broken.values()), None)
        # little enough to be written whole, at whatever moment this is stopped
        figures = totals.calls, totals.cpu_seconds
        pipe.send(figures if broken is None else f"{broken.promise} broke")

    with suppress(BrokenPipeError):
        campaign.run(replace(wanted, corpus=wanted.output / "corpus"), tell)


@contextmanager
def settings(**wanted: Any) -> Iterator[Settings]:
    """Of a campaign that keeps nothing."""
    with tempfile.TemporaryDirectory() as folder:
        yield Settings(corpus=None, output=Path(folder), anvil=False, **wanted)


# ------------------------------------------------------------ others


def forge(options: Options) -> Report:
    """Foundry, with an empty invariant and with the promises. The latter and the fast lane take
    turns, each with sequences of its own, and all of them count: the fastest of forge's would be
    the one whose seed draws the lightest calls, or of whose time the most was taken for its set-up.
    """
    from benchmarks import foundry

    turns, calls = [], options.calls // FORGE_TURNS
    with foundry.exported():
        # one call of the handler makes several of the market, which are what the fast lane counts
        acted, tried = foundry.made(options.calls)
        empty = foundry.measure(False, options.calls)
        lane = _Turns(SMALL, options.calls)
        for seed in range(1, FORGE_TURNS + 1):
            checked = foundry.measure(True, calls, seed)
            turns.append((_made(checked, acted + tried), lane.take(calls)))
    return {
        "empty": _made(empty, acted),
        "promises": _added([turn[0] for turn in turns]),
        "fast": lane.rate(),
        "turns": [[_speed(one) for one in turn] for turn in turns],
    }


def _made(one: foundry.Rate, made: float) -> Report:
    """Figures of a campaign of forge, whose calls make so many of the market each."""
    played = one.played
    return {
        **rate(played.calls, played.succeeded, one.cpu_seconds),
        "made_per_call": round(made, 3),
        "per_cpu_second": round(played.calls * made / one.cpu_seconds, 1),
        "actions": played.actions,
    }


def _added(turns: Sequence[Report]) -> Report:
    """Of campaigns of forge, all together."""
    calls, cpu = (sum(one[key] for one in turns) for key in ("calls", "cpu_seconds"))
    actions: dict[str, tuple[int, int]] = {}
    for one in turns:
        for name, (succeeded, made) in one["actions"].items():
            before = actions.get(name, (0, 0))
            actions[name] = before[0] + succeeded, before[1] + made
    each = turns[0]["made_per_call"]
    return {
        **rate(calls, sum(succeeded for succeeded, _ in actions.values()), cpu),
        "made_per_call": each,
        "per_cpu_second": round(calls * each / cpu, 1),
        "actions": dict(sorted(actions.items())),
    }


def _speed(figures: Report) -> float:
    found: float = figures["per_cpu_second"]
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
