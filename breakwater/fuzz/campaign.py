"""A campaign: searches in one process or many that share a corpus, and what they found together.

A `Search` runs sequences in its own process, new ones and mutations of the corpus. `run` has one or
more of them search for so many seconds or calls, and adds up in `Totals` what they report. Each
finding is replayed before it is reported: on the plain build, with the reference model beside it,
and on anvil. One search with a number of calls does the same each time, given the same corpus to
begin with.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing import connection, resource_tracker
from typing import TYPE_CHECKING, Any

from breakwater import folders
from breakwater.errors import UserError
from breakwater.fuzz import actions, search
from breakwater.fuzz.counterexample import Counterexample
from breakwater.fuzz.search import Report, Search, Settings, compiler

if TYPE_CHECKING:
    from breakwater.coverage.host import Coverage

LEAST_CALLS = 20_000
"""Calls from which on an action that never succeeded is a failure of the run."""

EXACT = frozenset(f"SOLV-{number}" for number in (1, 2, 3, 4, 6, 8, 9, 10, 11))
"""Promises that are equalities in part, or bounds that every call meets at once: how near one came
to their edge says nothing."""

BATCH_CALLS = 2_000
"""Calls between two reports, where time does not end them first."""
_STOP_SECONDS = 20.0
_ON_ANVIL = 16  # findings replayed there; each differs in what broke


@dataclass
class Totals:
    """What the searches reported so far."""

    settings: Settings
    calls: int = 0
    sequences: int = 0
    succeeded: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    actions: dict[str, dict[str, int]] = field(default_factory=dict)
    """Action -> "ok" or the reason of the refusal -> calls."""
    slack: dict[str, float] = field(default_factory=dict)
    edges: set[tuple[str, int]] = field(default_factory=set)
    edges_total: int = 0
    corpus: int = 0
    broken: dict[str, Counterexample] = field(default_factory=dict)
    """By the name of the file."""
    unconfirmed: dict[str, Counterexample] = field(default_factory=dict)
    """What broke in the search and not when it was played again: a fault of the laboratory."""
    unsaved: set[str] = field(default_factory=set)
    """Names of findings whose file could not be written."""
    interrupted: bool = False
    checking: str = ""
    """What is done after the search, for the progress shown."""

    def add(self, report: Report) -> list[Counterexample]:
        """Count what a search did since its last report; new findings."""
        self.calls += report.calls
        self.sequences += report.sequences
        self.succeeded += report.succeeded
        self.cpu_seconds += report.cpu_seconds
        for action, outcomes in report.actions.items():
            known = self.actions.setdefault(action, {})
            for outcome, count in outcomes.items():
                known[outcome] = known.get(outcome, 0) + count
        for promise, slack in report.slack.items():
            self.slack[promise] = min(slack, self.slack.get(promise, slack))
        self.edges |= report.edges
        self.edges_total = max(self.edges_total, report.edges_total)
        self.corpus = max(self.corpus, report.corpus)
        new = []
        for finding in report.findings:
            group = self.broken if finding.confirmed else self.unconfirmed
            found = finding.found
            known_one = group.get(found.name)
            if known_one is None or len(found.steps) < len(known_one.steps):
                group[found.name] = found
                new.append(found)
        return new

    @property
    def never_succeeded(self) -> list[str]:
        """Actions that never succeeded, once there were `LEAST_CALLS` calls."""
        if self.calls < LEAST_CALLS:
            return []
        failed = {action for action, outcomes in self.actions.items() if not outcomes.get("ok")}
        return sorted(failed - actions.REFUSED)

    @property
    def wrongly_succeeded(self) -> dict[str, int]:
        """Calls that succeeded of actions that never may, by action."""
        found = {one: self.actions.get(one, {}).get("ok", 0) for one in sorted(actions.REFUSED)}
        return {action: count for action, count in found.items() if count}

    @property
    def failed(self) -> bool:
        """Whether the run is one that fails."""
        return bool(
            self.broken or self.unconfirmed or self.never_succeeded or self.wrongly_succeeded
        )

    def as_json(self) -> dict[str, Any]:
        """Figures in the shape of `--json`."""
        settings = self.settings
        return {
            "profile": settings.profile,
            "seed": settings.seed,
            "jobs": settings.jobs,
            "planted": settings.planted,
            "calls": self.calls,
            "sequences": self.sequences,
            "succeeded": self.succeeded,
            "seconds": round(self.seconds, 3),
            "cpu_seconds": round(self.cpu_seconds, 3),
            "actions": {
                action: dict(sorted(outcomes.items()))
                for action, outcomes in sorted(self.actions.items())
            },
            "slack": dict(sorted(self.slack.items())),
            "coverage": self._coverage(),
            "corpus": self.corpus,
            "broken": [str(settings.output / name) for name in sorted(self.broken)],
            "unconfirmed": [
                str(settings.output / UNCONFIRMED / name) for name in sorted(self.unconfirmed)
            ],
            "unsaved": sorted(self.unsaved),
            "never_succeeded": self.never_succeeded,
            "wrongly_succeeded": self.wrongly_succeeded,
            "interrupted": self.interrupted,
        }

    def coverage(self) -> Coverage | None:
        """What was run of the project's own code; None without the instrumented build."""
        if not self.edges or self.settings.planted is not None:
            return None
        from breakwater.coverage.host import Coverage

        found = Coverage()
        found.add(self.edges)
        return found

    def _coverage(self) -> dict[str, Any]:
        """Places passed in the bytecode; lines and branches of the sources, hit and all."""
        found: dict[str, Any] = {"edges": len(self.edges), "edges_total": self.edges_total}
        coverage = self.coverage()
        if coverage is not None:
            from breakwater.coverage.report import measure

            report = measure(coverage)
            found.update(lines=list(report.lines), branches=list(report.branches))
        return found


UNCONFIRMED = "unconfirmed"
"""Folder below the output for findings that were not seen again."""

Show = Callable[[Totals], None]


def run(settings: Settings, show: Show = lambda totals: None) -> Totals:
    """Run a campaign to its end, or to Ctrl-C; everything it found.

    `show` is called about twice a second. Counterexamples are written as soon as they are found,
    and again after they were replayed on anvil.
    """
    totals = Totals(settings)
    prepare(settings)
    with reporting(totals, show) as take:
        if settings.jobs == 1:
            _alone(settings, take)
        else:
            _together(settings, take)
    finish(totals, show)
    return totals


def prepare(settings: Settings) -> None:
    """Compile before processes start, and say early what cannot be written."""
    if settings.seconds is None and settings.calls is None:
        raise UserError("a campaign needs a number of seconds or of calls")
    if settings.seconds is not None and not math.isfinite(settings.seconds):
        raise UserError(f"{settings.seconds} is no number of seconds")
    for folder in (settings.output, settings.corpus):
        if folder is None:
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{folder} cannot be made: {error.strerror}") from None
        folders.check(folder)
    search.prepare(settings)


Take = Callable[[Report], None]


@contextlib.contextmanager
def reporting(totals: Totals, show: Show) -> Iterator[Take]:
    """Adds reports up, writes findings and shows them; Ctrl-C ends the block in order."""
    began = time.monotonic()

    def take(report: Report) -> None:
        totals.seconds = time.monotonic() - began
        for found in totals.add(report):
            save(totals, found)
        show(totals)

    try:
        yield take
    except KeyboardInterrupt:
        totals.interrupted = True
    totals.seconds = time.monotonic() - began


def save(totals: Totals, found: Counterexample) -> None:
    """Write a finding where it belongs; on stderr where that fails, so that it is not lost."""
    folder = totals.settings.output
    if found.name not in totals.broken:
        folder = folder / UNCONFIRMED
    path = folder / found.name
    try:
        found.save(path)
        totals.unsaved.discard(found.name)
    except OSError as error:
        totals.unsaved.add(found.name)
        print(f"{path} cannot be written: {error.strerror}; it is\n{found.text()}", file=sys.stderr)


# ------------------------------------------------------------ one process


def _alone(settings: Settings, take: Take) -> None:
    for report in _batches(Search(settings), settings, settings.calls, lambda: False):
        take(report)


def _batches(
    one: Search, settings: Settings, calls: int | None, stopped: Callable[[], bool]
) -> Iterator[Report]:
    """Reports of a search until its calls or the seconds are used up, or it is stopped.

    With a number of calls, how much is done between two reports does not depend on time.
    """
    deadline = None if settings.seconds is None else time.monotonic() + settings.seconds
    done = 0
    try:
        while not stopped():
            batch = BATCH_CALLS if calls is None else min(BATCH_CALLS, calls - done)
            report = one.run(batch, deadline)
            done += report.calls
            yield report
            if calls is not None and done >= calls:
                return
            if deadline is not None and time.monotonic() >= deadline:
                return
    except (KeyboardInterrupt, Exception):
        yield one.report()  # what broke before is not lost
        raise


# ------------------------------------------------------------ processes


def share(settings: Settings, index: int) -> int | None:
    """Calls of one of the searches."""
    if settings.calls is None:
        return None
    calls, rest = divmod(settings.calls, settings.jobs)
    return calls + (index < rest)


def _work(settings: Settings, index: int, pipe: connection.Connection) -> None:
    """A process of its own. Ctrl-C is for the parent: it says when to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for report in _batches(
            Search(settings, index), settings, share(settings, index), pipe.poll
        ):
            pipe.send(report)
        pipe.send(None)
    except (BrokenPipeError, EOFError):
        pass  # the parent is gone
    except Exception as error:
        text = str(error) if isinstance(error, UserError) else traceback.format_exc()
        pipe.send((isinstance(error, UserError), text))
    finally:
        pipe.close()


def _together(settings: Settings, take: Take) -> None:
    # a fresh interpreter each: an EVM must not be carried over by a fork
    context = multiprocessing.get_context("spawn")
    pipes: list[connection.Connection] = []
    processes = []
    resource_tracker.ensure_running()  # started with the first process, it would let Ctrl-C through
    try:
        for index in range(settings.jobs):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(settings, index, theirs), daemon=True)
            # held back here, Ctrl-C never reaches the process, not even while it starts
            held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                process.start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, held)
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        try:
            _listen(pipes, take)
        except KeyboardInterrupt:
            _stop(pipes)
            with contextlib.suppress(RuntimeError, UserError):  # one may not have begun
                _listen(pipes, take, time.monotonic() + _STOP_SECONDS)
            raise
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.join(1 if pipes else _STOP_SECONDS)
            if process.is_alive():
                process.terminate()
                process.join()


def _listen(pipes: list[connection.Connection], take: Take, deadline: float | None = None) -> None:
    """Take reports until every search has ended."""
    open_pipes = [pipe for pipe in pipes if not pipe.closed]
    while open_pipes:
        if deadline is not None and time.monotonic() > deadline:
            return
        for pipe in connection.wait(open_pipes, 0.5):
            assert isinstance(pipe, connection.Connection)
            try:
                message = pipe.recv()
            except (EOFError, ConnectionResetError):
                message = (False, "a search ended without a word")
            if isinstance(message, Report):
                take(message)
                continue
            open_pipes.remove(pipe)
            if message is not None:
                _stop(open_pipes)
                mendable, text = message
                raise UserError(text) if mendable else RuntimeError(text)
            pipe.close()


def _stop(pipes: Sequence[connection.Connection]) -> None:
    for pipe in pipes:
        with contextlib.suppress(OSError):  # it may have ended
            pipe.send("stop")


# ------------------------------------------------------------ confirming


def finish(totals: Totals, show: Show = lambda totals: None) -> None:
    """Replay what was found on anvil, and write it into the files."""
    settings = totals.settings
    if not totals.broken or not settings.anvil:
        return
    if totals.interrupted:
        _note(totals, list(totals.broken), "not played: the campaign was interrupted")
        return
    try:
        _on_anvil(totals, show)
    except KeyboardInterrupt:
        totals.interrupted = True
    left = [name for name, found in totals.broken.items() if "anvil" not in found.checked]
    _note(totals, left, "not played: too many findings or interrupted")


def _on_anvil(totals: Totals, show: Show) -> None:
    from breakwater.anvil import AnvilError
    from breakwater.fuzz.node import anvil
    from breakwater.fuzz.replay import Difference, Replayer, new_twin, new_world, on_both

    settings = totals.settings
    compile = compiler(settings.planted)
    names = sorted(totals.broken)[:_ON_ANVIL]
    for market in sorted({totals.broken[name].market for name in names}):
        chosen = [name for name in names if totals.broken[name].market == market]
        totals.checking = "starting anvil"
        show(totals)
        try:
            with anvil() as host:
                there = Replayer(new_world(market, compile, host))
                here = Replayer(new_twin(market, compile))
                for name in chosen:
                    totals.checking = f"playing {name} on anvil"
                    show(totals)
                    found = totals.broken[name]
                    try:
                        playback = on_both(here, there, found.steps, found.promise)
                        said = "held" if playback.broke(found.promise) is None else "broken"
                    except Difference as error:
                        said = f"differs: {error}"
                    _note(totals, [name], said)
        except AnvilError as error:
            _note(totals, chosen, f"not played: {error}")
    totals.checking = ""


def _note(totals: Totals, names: Sequence[str], said: str) -> None:
    for name in names:
        found = totals.broken[name]
        totals.broken[name] = replace(found, checked={**found.checked, "anvil": said})
        save(totals, totals.broken[name])
