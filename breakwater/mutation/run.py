"""Runs mutants: compile, compare, play the tape, run unit tests; the cheapest first.

A worker is a process that holds every contract compiled, the tape, and the tests' modules. What it
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
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

from breakwater import artifacts
from breakwater.errors import UserError
from breakwater.mutation.compile import CannotSplice, NotCompiled, Program, whole
from breakwater.mutation.mutants import Mutant, of_programs
from breakwater.mutation.tape import Tape, generate, replaced

KILLED, SURVIVED, EQUIVALENT, FAILED = "killed", "survived", "equivalent", "failed"
"""What becomes of a mutant; "equivalent": its bytes are those of the original or of another."""

TEST_SECONDS = 240
"""After which a group of tests counts as hanging: ten times what the longest takes."""

_FIRST = {
    "contracts/modules/legs.vy": ("credit_engine", "risk_engine", "lens"),
    "contracts/modules/operators.vy": ("credit_engine",),
    "contracts/modules/compact.vy": ("credit_engine",),
    "contracts/modules/maintenance.vy": ("risk_engine", "credit_engine", "lens"),
    "contracts/modules/initial_margin.vy": ("risk_engine", "credit_engine", "lens"),
    "contracts/modules/price_oracle.vy": ("price_oracle", "circuit_breaker", "risk_engine"),
    "contracts/modules/asset_config.vy": ("configurator", "risk_engine", "lens"),
    "contracts/modules/latch.vy": ("latch", "circuit_breaker", "lending_vault"),
    "contracts/modules/interest.vy": ("lending_vault",),
    "contracts/modules/rate_model.vy": ("lending_vault",),
    "contracts/modules/aggregator.vy": ("aggregator", "median_feed", "rate_feed", "price_oracle"),
}
"""Folders of tests/unit that know a file best; for a deployable it is the one of its name."""

_LAST = (
    "tests/incidents",
    "tests/unit/test_constructors.py",
    "tests/unit/test_reasons.py",
    "tests/integration/test_interest.py",
    "tests/unit/python/test_model_risk.py",
    "tests/unit/python/test_model_engine.py",
    "tests/unit/python/test_model_vault.py",
)


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
    ground: dict[str, str] = field(default_factory=dict)
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


# ---------------------------------------------------------------- unit tests


def test_groups(root: Path, file: str) -> list[str]:
    """Paths of tests, in the order in which they are likely to kill a mutant of `file`."""
    unit = root / "tests" / "unit"
    own = "".join(f"_{c.lower()}" if c.isupper() else c for c in Path(file).stem).lstrip("_")
    first = _FIRST.get(file, (own,))
    groups = [f"tests/unit/{name}" for name in first if (unit / name).is_dir()]
    others = sorted(
        f"tests/unit/{path.name}"
        for path in unit.glob("*")
        if path.is_dir() and any(path.glob("test_*.py")) and path.name != "python"
    )
    groups += [name for name in others if name not in groups]
    return groups + [name for name in _LAST if (root / name).exists()]


class _FirstFailure:
    """Remembers the first test that failed."""

    def __init__(self) -> None:
        self.name = ""
        self.ran = 0

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call":
            self.ran += 1
        if report.failed and not self.name:
            self.name = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed and not self.name:
            self.name = f"{report.nodeid} (collection)"


def run_tests(
    root: Path,
    groups: Sequence[str],
    changed: dict[str, bytes],
    compiles_source: Callable[[str, str], bytes | None],
    seconds: float,
) -> tuple[str, bool]:
    """First failing test on changed code ("" when all pass), and whether the time ran out.

    Runs in a fork of this process: nothing of it stays.
    """
    answer = _in_fork(root, groups, changed, compiles_source, seconds)
    if answer is None:
        return "", True
    return str(answer["failed"]), False


def _in_fork(
    root: Path,
    groups: Sequence[str],
    changed: dict[str, bytes],
    compiles_source: Callable[[str, str], bytes | None],
    seconds: float,
) -> dict[str, Any] | None:
    reader, writer = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(reader)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            answer = _tests_here(root, groups, changed, compiles_source)
        except BaseException as problem:
            text = f"{groups[0]}: {type(problem).__name__}: {problem}"
            answer = {"failed": text[:500], "ran": 1}
        os.write(writer, json.dumps(answer).encode())
        os._exit(0)
    os.close(writer)
    try:
        ready, _, _ = select.select([reader], [], [], seconds)
        if not ready:
            return None
        data = b""
        while chunk := os.read(reader, 4_096):
            data += chunk
    finally:
        os.close(reader)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if not data:
        return {"failed": f"{groups[0]}: the test process died"}
    answer = json.loads(data)
    if not answer["failed"] and not answer["ran"]:
        raise UserError(f"no test ran of {', '.join(groups)}")
    return dict(answer)


def _tests_here(
    root: Path,
    groups: Sequence[str],
    changed: dict[str, bytes],
    compiles_source: Callable[[str, str], bytes | None],
) -> dict[str, Any]:
    import pytest

    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    os.chdir(root)
    sys.path.insert(0, str(root))
    uses: set[str] = set()

    def compile_and_note(source_id: str, text: str) -> bytes | None:
        uses.update(re.findall(r"^from contracts\S* import (\w+)", text, re.M))
        return compiles_source(source_id, text)

    replacing = {name: replaced(artifacts.load(name), code) for name, code in changed.items()}
    artifacts.forget()
    artifacts.replace(replacing, compile_and_note)
    first = _FirstFailure()
    without = [f"-pno:{plugin}" for plugin in ("cacheprovider", "xdist", "ape_test")]
    pytest.main(["-x", "-q", "-m", "not ape", *without, *groups], plugins=[first])
    uses.update(artifacts.loaded())
    return {"failed": first.name, "ran": first.ran, "uses": sorted(uses)}


# ---------------------------------------------------------------- one mutant


class Worker:
    """Runs mutants one after the other."""

    def __init__(
        self,
        builder: Builder,
        tape: Tape | None,
        with_tests: bool,
        seen: dict[str, str],
        groups: Groups | None = None,
    ) -> None:
        self.builder = builder
        self.tape = tape
        self.with_tests = with_tests
        self.seen = seen
        """Ids of mutants by the digest of their code."""
        self.groups = groups or {}
        self._order: dict[str, list[int]] = {}

    def run(self, mutant: Mutant) -> Result:
        """What becomes of it."""
        clock = _Clock()
        try:
            changed = self.builder.compile(mutant)
        except NotCompiled as problem:
            return self._result(mutant, FAILED, str(problem), clock.lap("compile"))
        clock.lap("compile")
        if not changed:
            return self._result(mutant, EQUIVALENT, "the same code", clock)
        code = _digest_of(changed)
        other = self.seen.setdefault(code, mutant.id)
        if other != mutant.id:
            return self._result(mutant, EQUIVALENT, f"the same code as {other}", clock, code)
        if self.tape is not None:
            difference = self.tape.play(changed, self._order_for(mutant))
            clock.lap("tape")
            if difference is not None:
                self._killed_by(mutant, difference.sequence)
                return self._result(mutant, KILLED, str(difference), clock, code)
        if self.with_tests:
            names = {*changed, Path(mutant.file).stem}
            groups = test_groups(self.builder.root, mutant.file)
            for group in _fitting(groups, self.groups, names):
                failed, hangs = run_tests(
                    self.builder.root,
                    [group],
                    changed,
                    self._source_compiler(mutant),
                    TEST_SECONDS,
                )
                clock.lap("tests")
                if hangs:
                    return self._result(mutant, KILLED, f"timeout: {group}", clock, code)
                if failed:
                    return self._result(mutant, KILLED, f"test: {failed}", clock, code)
        return self._result(mutant, SURVIVED, "", clock, code)

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


def digest_of_tests(root: Path) -> str:
    """Of every test that may be asked, and of what they share."""
    folders = [
        path.relative_to(root).as_posix()
        for path in sorted((root / "tests" / "unit").glob("*"))
        if path.name != "python"
    ]
    shared = [f"tests/{name}.py" for name in ("conftest", "market", "vault_world")]
    kept = [name for name in (*folders, *shared, *_LAST) if (root / name).exists()]
    return digest_of_files(root, *kept, "breakwater/model")


def ground_of(root: Path, tape: Tape | None) -> dict[str, str]:
    """What findings of this run rest on."""
    versions = importlib.metadata.version("vyper") + importlib.metadata.version("snekmate")
    return {
        "source": digest_of_files(root, "contracts") + versions,
        "tape": tape.digest if tape is not None else "",
        "tests": digest_of_tests(root),
    }


def _rests_on(result: dict[str, Any]) -> tuple[str, ...]:
    status, by = result["status"], result["by"]
    if status in (EQUIVALENT, FAILED):
        return ("source",)
    if status == KILLED:
        return ("source", "tape") if by.startswith("model:") else ("source", "tests")
    return ("source", "tape", "tests")


class Store:
    """Results on disk: one line a mutant, the last one counts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, ground: dict[str, str]) -> dict[str, Result]:
        """Results that still stand, by the mutant's id."""
        found: dict[str, Result] = {}
        if not self.path.is_file():
            return found
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                data = json.loads(line)
                same = all(data["ground"][part] == ground[part] for part in _rests_on(data))
                if same:
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
    """A sample with each file in it by its share, the same for the same seed."""
    rng = random.Random(seed)
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
    chosen = [one for file, found in by_file.items() for one in rng.sample(found, sizes[file])]
    order = {one.id: i for i, one in enumerate(mutants)}
    return sorted(chosen, key=lambda one: order[one.id])


def tape_of(
    root: Path, sequences: int, seed: int, progress: Callable[[int], None] | None = None
) -> Tape:
    """The tape for the code as it is, drawn when it is not on disk."""
    rests_on = ("contracts", "breakwater/mutation/tape.py", "breakwater/fuzz", "breakwater/model")
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


Groups = dict[str, dict[str, Any]]
"""By group of tests: seconds on the sound build, and names of contracts and modules it uses."""


def check_tests(root: Path, files: Sequence[str], done: Callable[[str], None]) -> Groups:
    """Run every group of tests that may be asked on the sound build. UserError when one fails:
    it would kill every mutant. What passed is not run again until something changes.
    """
    groups = list(dict.fromkeys(group for file in files for group in test_groups(root, file)))
    ground = ground_of(root, None)
    key = ground["source"] + ground["tests"]
    mark = root / ".build" / "mutation" / "groups.json"
    try:
        known: Groups = json.loads(mark.read_text())
    except (OSError, ValueError):
        known = {}
    for group in groups:
        if known.get(group, {}).get("key") != key:
            begin = time.monotonic()
            answer = _in_fork(root, [group], {}, lambda _, __: None, TEST_SECONDS)
            if answer is None or answer["failed"]:
                why = group if answer is None else answer["failed"]
                raise UserError(f"the tests do not pass on the sound build: {why}")
            seconds = round(time.monotonic() - begin, 2)
            known[group] = {"key": key, "seconds": seconds, "uses": answer["uses"]}
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.write_text(json.dumps(known, indent=1))
        done(group)
    return {group: known[group] for group in groups}


def _fitting(groups: Sequence[str], known: Groups, names: set[str]) -> list[str]:
    """Those that use one of these contracts and modules: the first as given, the rest by time."""
    fitting = [group for group in groups if group not in known or names & set(known[group]["uses"])]
    return fitting[:1] + sorted(
        fitting[1:], key=lambda group: known.get(group, {}).get("seconds", 0.0)
    )


def _serve(
    jobs: Any,
    answers: Any,
    tape: Tape | None,
    with_tests: bool,
    seen: dict[str, str],
    builder: Builder,
    groups: Groups,
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    # the end of a worker must be the end of the tests it runs: see `run_tests`
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    parent = os.getppid()
    _warm(with_tests)
    worker = Worker(builder, tape, with_tests, seen, groups)
    while os.getppid() == parent:  # who was killed told nobody
        try:
            mutant = jobs.get(timeout=5)
        except Empty:
            continue
        if mutant is None:
            return
        try:
            answers.put(worker.run(mutant))
        except Exception as problem:
            answers.put((mutant, f"{type(problem).__name__}: {problem}"))


def _warm(with_tests: bool) -> None:
    """Import what the tests' processes need, once."""
    if with_tests:
        import hypothesis
        import pytest

        assert pytest
        hypothesis.settings.register_profile(
            "mutation", database=None, derandomize=True, deadline=None
        )
        hypothesis.settings.load_profile("mutation")


def run(
    root: Path,
    mutants: Sequence[Mutant],
    *,
    builder: Builder,
    tape: Tape | None,
    plays: bool = True,
    with_tests: bool = True,
    jobs: int = 1,
    store: Store,
    groups: Groups | None = None,
) -> Iterator[Result]:
    """Results in the order they come, those on disk first. Closing it stops the workers.

    A mutant that survives without having met the tests is not kept: its `ground` is empty.
    `plays` False leaves out the tape, for mutants that it did not kill before. `groups` is what
    `check_tests` found.
    """
    ground = ground_of(root, tape)
    known = store.read(ground)
    places = {mutant.id: (mutant.start, mutant.end) for mutant in mutants}
    # an id counts like edits of a function: with other edits left out it may be another's
    known = {
        key: found
        for key, found in known.items()
        if places.get(key, _place(found)) == _place(found)
    }
    wanted = set(places)
    seen = {one.code: one.id for one in known.values() if one.code and one.status != EQUIVALENT}
    for identifier, result in known.items():
        if identifier in wanted and not _leans_elsewhere(result, wanted, known):
            yield result
            wanted.discard(identifier)
    left = [mutant for mutant in mutants if mutant.id in wanted]
    if not left:
        return
    context = multiprocessing.get_context("fork")
    queue: Any = context.Queue()
    answers: Any = context.Queue()
    for mutant in left:
        queue.put(mutant)
    count = min(jobs, len(left))
    for _ in range(count):
        queue.put(None)
    workers = [
        context.Process(
            target=_serve,
            args=(queue, answers, tape if plays else None, with_tests, seen, builder, groups or {}),
        )
        for _ in range(count)
    ]
    for process in workers:
        process.start()
    try:
        for _ in left:
            answer = _next(answers, workers)
            if isinstance(answer, tuple):
                raise RuntimeError(f"{answer[0].title}: {answer[1]}")
            result = answer
            first = seen.setdefault(result.code, result.id) if result.code else result.id
            if result.status in (KILLED, SURVIVED) and first != result.id:
                text = f"the same code as {first}"  # another worker had it meanwhile
                result = Result(**{**result.to_json(), "status": EQUIVALENT, "by": text})
            if with_tests or result.status != SURVIVED:
                result = Result(**{**result.to_json(), "ground": ground})
                store.add(result)
            yield result
    finally:
        for process in workers:
            if process.is_alive():
                process.terminate()
            process.join(5)


def _place(result: Result) -> tuple[int, int]:
    return result.mutant["start"], result.mutant["end"]


def _leans_elsewhere(result: Result, wanted: set[str], known: dict[str, Result]) -> bool:
    """Equivalent to a mutant whose own result no longer stands: it must be run again."""
    if result.status != EQUIVALENT or " as " not in result.by:
        return False
    return result.by.rsplit(" ", 1)[1] not in known


def _next(answers: Any, workers: list[Any]) -> Any:
    while True:
        try:
            return answers.get(timeout=5)
        except Empty:
            if not any(process.is_alive() for process in workers):
                raise RuntimeError("the workers ended early") from None
