"""Runs mutants: compile, compare, play the tape, run unit tests; the cheapest first.

A worker is a process that holds every contract compiled, the tape, and the tests collected. What it
finds goes to `.build/mutation/results.jsonl`, one line a mutant, with digests of what the finding
rests on: a later run repeats only those whose ground has changed.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import importlib.metadata
import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from breakwater.mutation.compile import CannotSplice, NotCompiled, Program, whole
from breakwater.mutation.drawer import generate
from breakwater.mutation.mutants import Mutant, of_programs
from breakwater.mutation.tape import Tape
from breakwater.mutation.unit_tests import Reach, UnitTest, be_quiet, judge, with_items

KILLED, SURVIVED, FAILED = "killed", "survived", "failed"
EQUIVALENT, NO_CODE = "equivalent", "no code"
"""What becomes of a mutant. Failed: a process that judged it died, twice. Equivalent: its bytes are
those of the original or of another. No code: it does not compile."""

SECONDS, TIMES = 30, 10
"""Playing the tape for so long [CPU s], and so many times what the sound build takes, is a
timeout."""

TEST_SECONDS = 45
"""Most that the tests for one mutant take on the sound build: the few longest, which draw at random
as the tape does, are left out where many reach a line. What only they would see survives."""

SILENCE = 1_800
"""After which a worker that says nothing is taken for dead [s]."""


@dataclass(frozen=True)
class Result:
    """What became of one mutant."""

    id: str
    status: str
    by: str
    """What killed it, or why it does not count."""
    seconds: float
    mutant: dict[str, Any]
    diff: str = ""
    code: str = ""
    """Digest of the changed code."""
    ground: dict[str, Any] = field(default_factory=dict)
    """Digests of what the finding rests on."""
    steps: dict[str, float] = field(default_factory=dict)
    """Seconds of each step."""

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return dict(self.__dict__)


# ---------------------------------------------------------------- compiling


class Builder:
    """Every deployable, ready to be compiled with a mutant in it."""

    def __init__(self, root: Path, names: Sequence[str] | None = None) -> None:
        """`names`: only these; the others count as not changed by any mutant."""
        self.root = root
        self.programs: dict[str, Program] = {}
        folder = root / "contracts"
        for path in sorted(folder.rglob("*.vy")):
            if path.relative_to(folder).parts[0] in ("modules", "interfaces", "mocks"):
                continue
            if names is None or path.stem in names:
                source_id = path.relative_to(root).as_posix()
                self.programs[path.stem] = Program(path.stem, source_id, root)
        self._sources: dict[Path, str] = {}
        # the trees live as long as the process: collecting garbage must not walk them each time
        gc.collect()
        gc.freeze()

    def source(self, file: str) -> str:
        """Text of a source, by its path below the root."""
        path = self.root / file
        if path not in self._sources:
            self._sources[path] = path.read_text(encoding="utf-8")
        return self._sources[path]

    def mutants(self) -> list[Mutant]:
        """Of every source, in order of place."""
        return of_programs(self.root, self.programs.values())

    def compile(self, mutant: Mutant) -> dict[str, bytes]:
        """Creation code by contract, of those that the mutant changes. NotCompiled."""
        source = self.source(mutant.file)
        path = self.root / mutant.file
        text = mutant.apply(source)
        changed: dict[str, bytes] = {}
        for name, program in self.programs.items():
            if path not in program.files:
                continue
            code = self._one(program, mutant, path, source, text)
            if code != program.code:
                changed[name] = code
        return changed

    def _one(self, program: Program, mutant: Mutant, path: Path, source: str, text: str) -> bytes:
        if mutant.function:
            if not program.holds(path, mutant.function):
                return program.code
            start, end, line = program.span(path, mutant.function, source)
            # the mutant may be longer than what it replaces
            inner = text[start : end + len(text) - len(source)]
            try:
                return program.with_function(path, mutant.function, inner, line)
            except CannotSplice:
                pass
        return whole(self.root, program.source_id, {path: text})


# ---------------------------------------------------------------- one mutant


class Worker:
    """Runs mutants one after the other."""

    def __init__(
        self, builder: Builder, tape: Tape | None, reach: Reach | None, seen: dict[str, str]
    ) -> None:
        self.builder = builder
        self.tape = tape
        self.reach = reach
        """None: the tests are not asked."""
        self.items: dict[str, Any] = {}
        """Collected tests by id."""
        self.seen = seen
        """Ids of mutants by the digest of their code."""
        self.passed: set[str] = set()
        """Ids of mutants that are known to survive the tape."""
        self.close: Callable[[], None] = lambda: None
        """Called in a fork that runs tests."""
        self._order: dict[str, list[int]] = {}
        self._killers: dict[tuple[str, str], list[str]] = {}

    def run(self, mutant: Mutant) -> Result:
        """What becomes of it."""
        clock = _Clock()
        try:
            changed = self.builder.compile(mutant)
        except NotCompiled as problem:
            return self._result(mutant, NO_CODE, str(problem), clock.lap("compile"))
        clock.lap("compile")
        if not changed:
            return self._result(mutant, EQUIVALENT, "the same code", clock)
        code = _digest_of(changed)
        other = self.seen.setdefault(code, mutant.id)
        if other != mutant.id:
            return self._result(mutant, EQUIVALENT, f"the same code as {other}", clock, code)
        if self.tape is not None and mutant.id not in self.passed:
            with _limited(max(SECONDS, TIMES * self.tape.seconds)):
                difference = self.tape.play(changed, self._order_for(mutant))
            clock.lap("tape")
            if difference is not None:
                self._killed_by(mutant, difference.sequence)
                return self._result(mutant, KILLED, str(difference), clock, code)
        status, by = self._ask_tests(mutant, changed)
        return self._result(mutant, status, by, clock.lap("tests"), code)

    def _ask_tests(self, mutant: Mutant, changed: dict[str, bytes]) -> tuple[str, str]:
        if self.reach is None:
            return SURVIVED, ""
        # what is outside of a function, and a constructor, acts wherever it is used
        inside = mutant.function not in ("", "__init__")
        tests = self.reach.fitting(mutant.file, mutant.line if inside else None, changed)
        killers = self._killers.setdefault((mutant.file, mutant.function), [])
        tests.sort(key=lambda test: test.id not in killers)
        if not tests:
            return SURVIVED, "no test reaches it"
        count = len(tests)
        tests = _within(tests, TEST_SECONDS)
        verdict = judge(self.items, tests, changed, self._source_compiler(mutant), self.close)
        if verdict.died:  # once more
            verdict = judge(self.items, tests, changed, self._source_compiler(mutant), self.close)
        if verdict.failed:
            killers.append(verdict.failed)
            return KILLED, f"test: {verdict.failed}"
        if verdict.hung:
            return KILLED, f"timeout: {verdict.hung}"
        if verdict.died:
            return FAILED, verdict.died
        return SURVIVED, f"{len(tests)} of {count} tests pass"

    def _source_compiler(self, mutant: Mutant) -> Callable[[str, str], bytes | None]:
        """Compiles the texts that tests hold, with the mutant's file where they import it."""
        done: dict[str, bytes | None] = {}
        root = self.builder.root

        def compile_source(source_id: str, text: str) -> bytes | None:
            if Path(mutant.file).stem not in text:
                return None
            if text not in done:
                mutated = mutant.apply(self.builder.source(mutant.file))
                texts = {root / mutant.file: mutated, root / source_id: text}
                done[text] = whole(root, source_id, texts)
            return done[text]

        return compile_source

    def _order_for(self, mutant: Mutant) -> list[int]:
        """Sequences that killed in this file come first."""
        assert self.tape is not None
        return self._order.setdefault(mutant.file, list(range(len(self.tape.sequences))))

    def _killed_by(self, mutant: Mutant, sequence: int) -> None:
        order = self._order[mutant.file]
        if sequence >= 0:
            at = order.index(sequence)
            order.insert(at // 2, order.pop(at))

    def failed(self, mutant: Mutant, why: str, status: str = FAILED) -> Result:
        """A result for a mutant whose process could give none."""
        return self._result(mutant, status, why, _Clock())

    def _result(
        self, mutant: Mutant, status: str, by: str, clock: _Clock, code: str = ""
    ) -> Result:
        return Result(
            id=mutant.id,
            status=status,
            by=by,
            seconds=round(sum(clock.laps.values()), 3),
            mutant={**mutant.__dict__, "title": mutant.title},
            diff=mutant.diff(self.builder.source(mutant.file)),
            code=code,
            steps={name: round(spent, 3) for name, spent in clock.laps.items()},
        )


def _within(tests: Sequence[UnitTest], seconds: float) -> list[UnitTest]:
    """The first of them that take so long together."""
    spent = list(accumulate(test.seconds for test in tests))
    return [test for test, total in zip(tests, spent, strict=True) if total <= seconds]


class _Clock:
    def __init__(self) -> None:
        self._last = time.perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> _Clock:
        now = time.perf_counter()
        self.laps[name] = self.laps.get(name, 0.0) + now - self._last
        self._last = now
        return self


def _digest_of(changed: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(changed):
        digest.update(name.encode() + b"\0" + changed[name])
    return digest.hexdigest()[:24]


# ---------------------------------------------------------------- results on disk


def digest_of_files(root: Path, *folders: str) -> str:
    """Of every source below these folders."""
    digest = hashlib.sha256()
    for folder in folders:
        base = root / folder
        for path in [base] if base.is_file() else sorted(base.rglob("*")):
            if path.suffix in (".vy", ".vyi", ".py"):
                digest.update(path.relative_to(root).as_posix().encode() + b"\0")
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def ground_of(root: Path, tape: Tape | None, reach: Reach | None) -> dict[str, Any]:
    """What findings of this run rest on."""
    versions = importlib.metadata.version("vyper") + importlib.metadata.version("snekmate")
    return {
        "source": digest_of_files(root, "contracts") + versions,
        "tape": tape.digest if tape is not None else "",
        "tests": reach.keys if reach is not None else {},
    }


def _rests_on(status: str, by: str, ground: dict[str, Any]) -> dict[str, Any]:
    """The part of a ground that a finding of this kind needs."""
    kind, _, rest = by.partition(": ")
    part = {"source": ground["source"]}
    if status in (EQUIVALENT, NO_CODE):
        return part
    if status == KILLED and kind in ("model", "timeout") and "::" not in rest:
        return {**part, "tape": ground["tape"]}
    if status == KILLED:
        file = rest.partition("::")[0]
        return {**part, "test": ground["tests"].get(file)}
    if not by:  # no test was asked
        return {**part, "tape": ground["tape"]}
    keys = json.dumps(ground["tests"], sort_keys=True).encode()
    tests = hashlib.sha256(keys).hexdigest()[:16]
    return {**part, "tape": ground["tape"], "tests": tests}


class Store:
    """Results on disk: one line a mutant, the last one counts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, ground: dict[str, Any]) -> dict[str, Result]:
        """Results that still stand, by the mutant's id."""
        found: dict[str, Result] = {}
        if not self.path.is_file():
            return found
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                data = json.loads(line)
                if data["ground"] == _rests_on(data["status"], data["by"], ground):
                    found[data["id"]] = Result(**data)
            except (ValueError, KeyError, TypeError):
                continue  # a line that was cut off when the run was stopped
        return found

    def add(self, result: Result) -> None:
        """Append one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as stream:
            size = stream.seek(0, os.SEEK_END)
            if size and stream.seek(size - 1) == size - 1 and stream.read(1) != b"\n":
                stream.write(b"\n")  # a line was cut off
            stream.write(json.dumps(result.to_json()).encode() + b"\n")


# ---------------------------------------------------------------- all of them


def sample(mutants: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """A sample with each file in it by its share, the same for the same seed. A smaller one is
    part of a larger one, but for a mutant or so in a file.
    """
    by_file: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        by_file.setdefault(mutant.file, []).append(mutant)
    if count >= len(mutants):
        return list(mutants)
    # largest remainders: shares that add up to `count`
    shares = {file: count * len(found) / len(mutants) for file, found in by_file.items()}
    sizes = {file: int(share) for file, share in shares.items()}
    rest = sorted(shares, key=lambda file: sizes[file] - shares[file])
    for file in rest[: count - sum(sizes.values())]:
        sizes[file] += 1
    chosen: set[str] = set()
    for file, found in by_file.items():
        shuffled = random.Random(f"{seed} {file}").sample(found, len(found))
        chosen.update(one.id for one in shuffled[: sizes[file]])
    return [one for one in mutants if one.id in chosen]


def tape_of(
    root: Path, sequences: int, seed: int, progress: Callable[[int], None] | None = None
) -> Tape:
    """The tape for the code as it is, drawn when it is not on disk."""
    drawn_by = [f"breakwater/mutation/{name}.py" for name in ("tape", "drawer", "arguments")]
    rests_on = ("contracts", *drawn_by, "breakwater/fuzz", "breakwater/model")
    text = f"{digest_of_files(root, *rests_on)} {sequences} {seed}"
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = root / ".build" / "mutation" / f"tape-{key}.json.gz"
    if path.is_file():
        try:
            return Tape.read(path)
        except (OSError, ValueError, KeyError):
            pass
    tape = generate(sequences * 2 // 3, seed=seed, from_lane=sequences // 3, progress=progress)
    for stale in path.parent.glob("tape-*"):
        stale.unlink(missing_ok=True)
    tape.save(path)
    return tape


# ---------------------------------------------------------------- workers


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """SIGPROF ends this process when it has used more CPU time."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _serve(pipe: Connection, worker: Worker) -> None:
    """Run the mutants that come through a pipe, until None comes or the parent is gone."""
    if worker.reach is not None:
        be_quiet()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    # the end of a worker must be the end of the tests it runs: see `judge`
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    parent = os.getppid()
    worker.close = pipe.close

    def work(items: dict[str, Any]) -> None:
        worker.items = items
        while os.getppid() == parent:  # who was killed told nobody
            if not pipe.poll(5):
                continue
            mutant = pipe.recv()
            if mutant is None:
                return
            try:
                pipe.send(worker.run(mutant))
            except Exception as problem:
                pipe.send(worker.failed(mutant, f"{type(problem).__name__}: {problem}"))

    if worker.reach is None:
        work({})
    else:
        with_items(worker.builder.root, list(worker.reach.keys), work)
    os._exit(0)


class _Crew:
    """Workers, each with at most one mutant; one that dies is replaced."""

    def __init__(self, worker: Worker, jobs: int) -> None:
        self.worker = worker
        self.jobs = jobs
        self._context = multiprocessing.get_context("fork")
        self._at: dict[Connection, tuple[Any, Mutant, float]] = {}
        self._processes: dict[Connection, Any] = {}

    def run(self, mutants: Sequence[Mutant]) -> Iterator[Result]:
        left, tries = list(reversed(mutants)), Counter[str]()
        free = [self._start() for _ in range(min(self.jobs, len(mutants)))]
        while left or self._at:
            while free and left:
                pipe, mutant = free.pop(), left.pop()
                tries[mutant.id] += 1
                self._at[pipe] = (self._processes[pipe], mutant, time.monotonic())
                pipe.send(mutant)
            ready = wait([*self._at, *(at[0].sentinel for at in self._at.values())], timeout=5)
            for pipe, (process, mutant, since) in list(self._at.items()):
                found: Result | None = None
                if pipe in ready or process.sentinel in ready:
                    with contextlib.suppress(EOFError, OSError):
                        found = pipe.recv() if pipe.poll() else None
                elif time.monotonic() - since < SILENCE:
                    continue
                del self._at[pipe]
                if found is None:
                    found = self._died(pipe, process, mutant, tries[mutant.id])
                    pipe = self._start()
                free.append(pipe)
                if found is None:
                    left.append(mutant)
                else:
                    yield found

    def _start(self) -> Connection:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self.worker))
        process.start()
        theirs.close()
        self._processes[ours] = process
        return ours

    def _died(self, pipe: Connection, process: Any, mutant: Mutant, tries: int) -> Result | None:
        """What to make of a death: a timeout, a failure, or (None) another try."""
        process.kill()
        process.join()
        del self._processes[pipe]
        pipe.close()
        if process.exitcode == -signal.SIGPROF:
            return self.worker.failed(mutant, "timeout: the tape", KILLED)
        if tries > 1:
            return self.worker.failed(mutant, f"the process died: {process.exitcode}")
        return None

    def stop(self) -> None:
        """End every worker, and with it the tests it runs."""
        for pipe, process in self._processes.items():
            if pipe in self._at:
                process.terminate()
            else:
                with contextlib.suppress(OSError):
                    pipe.send(None)
        for process in self._processes.values():
            process.join(5)


def run(
    root: Path,
    mutants: Sequence[Mutant],
    *,
    builder: Builder,
    tape: Tape | None,
    reach: Reach | None,
    jobs: int = 1,
    store: Store,
) -> Iterator[Result]:
    """Results in the order they come, those on disk first. Closing it stops the workers.

    Without `reach` no test is asked; who survives need not be played again when they are.
    """
    ground = ground_of(root, tape, reach)
    known = store.read(ground)
    places = {mutant.id: (mutant.start, mutant.end) for mutant in mutants}
    # an id counts like edits of a function: with other edits left out it may be another's
    known = {
        key: found
        for key, found in known.items()
        if places.get(key, _place(found)) == _place(found)
    }
    passed = {key for key, one in known.items() if one.status == SURVIVED and not one.by}
    if reach is not None:
        known = {key: one for key, one in known.items() if key not in passed}
    wanted = set(places)
    seen = {one.code: one.id for one in known.values() if one.code and one.status != EQUIVALENT}
    for identifier, result in known.items():
        if identifier in wanted and not _leans_elsewhere(result, wanted, known):
            yield result
            wanted.discard(identifier)
    # in order of ids, which is by chance: what a run has found when it is stopped is a sample
    left = sorted((one for one in mutants if one.id in wanted), key=lambda one: one.id)
    if not left:
        return
    worker = Worker(builder, tape, reach, seen)
    worker.passed = passed
    crew = _Crew(worker, jobs)
    try:
        for result in crew.run(left):
            first = seen.setdefault(result.code, result.id) if result.code else result.id
            if result.status in (KILLED, SURVIVED) and first != result.id:
                text = f"the same code as {first}"  # another worker had it meanwhile
                result = replace(result, status=EQUIVALENT, by=text)
            if result.status != FAILED:
                result = replace(result, ground=_rests_on(result.status, result.by, ground))
                store.add(result)
            yield result
    finally:
        crew.stop()


def _place(result: Result) -> tuple[int, int]:
    return result.mutant["start"], result.mutant["end"]


def _leans_elsewhere(result: Result, wanted: set[str], known: dict[str, Result]) -> bool:
    """Equivalent to a mutant whose own result no longer stands: it must be run again."""
    if result.status != EQUIVALENT or " as " not in result.by:
        return False
    return result.by.rsplit(" ", 1)[1] not in known
