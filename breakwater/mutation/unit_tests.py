"""The unit tests as judges of changed code.

Once, on the sound build: every test must pass, and which lines of the contracts each one reaches is
kept by file of tests in `.build/mutation/tests.json`. For a mutant only the tests that reach its
line run, the quickest first, in a fork of a process that has them all collected: nothing is
imported twice.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import os
import select
import signal
import sys
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from breakwater import artifacts
from breakwater.coverage.instrument import find, instrument_all
from breakwater.errors import UserError
from breakwater.mutation.tape import replaced

FOLDERS = ("tests/unit", "tests/incidents", "tests/integration/test_interest.py")
"""Where the tests are; of tests/unit/python only those of the model call contracts."""

SECONDS, TIMES = 20, 10
"""A test that takes this long [CPU s] and this many times what it takes on the sound build has hung
by the mutant's doing."""

_FORMAT = 1
_HISTORY = 16
"""Sites of a refused call that are known, see `breakwater.coverage`: when there are so many, there
may have been more."""
_OPTIONS = (
    "-q", "-m", "not ape", "--tb=no", "-pno:cacheprovider", "-pno:xdist", "-pno:ape_test",
)  # fmt: skip

Compiles = Callable[[str, str], bytes | None]
"""Creation code of a source id and a text that a test compiles; None: as built."""


def files_of(root: Path) -> list[str]:
    """Files of tests, by path below the root."""
    found = []
    for folder in FOLDERS:
        base = root / folder
        for path in [base] if base.is_file() else sorted(base.rglob("test_*.py")):
            name = path.relative_to(root).as_posix()
            if not name.startswith("tests/unit/python/") or path.stem.startswith("test_model_"):
                found.append(name)
    return found


def keys_of(root: Path, files: Iterable[str], source: str) -> dict[str, str]:
    """A digest for each file of tests: of it, of the helpers in its folder and in those above, of
    the model, of the contracts.
    """
    shared = hashlib.sha256(f"{_FORMAT} {source}".encode())
    for path in sorted((root / "breakwater" / "model").rglob("*.py")):
        _add(shared, root, path)
    found = {}
    for file in files:
        digest = shared.copy()
        _add(digest, root, root / file)
        for folder in (root / file).parents:
            if folder.is_relative_to(root / "tests"):
                for path in sorted(folder.glob("*.py")):
                    if not path.name.startswith("test_"):
                        _add(digest, root, path)
        found[file] = digest.hexdigest()[:16]
    return found


def _add(digest: Any, root: Path, path: Path) -> None:
    data = path.read_bytes()
    digest.update(f"{path.relative_to(root).as_posix()} {len(data)}\0".encode() + data)


# ---------------------------------------------------------------- which test reaches what


@dataclass(frozen=True)
class UnitTest:
    """One test on the sound build."""

    id: str
    seconds: float
    """CPU time."""
    contracts: frozenset[str]
    """That it deploys, by name."""
    lines: Mapping[str, frozenset[int]]
    """First lines of the statements that it runs, by source."""
    unsure: frozenset[str] = frozenset()
    """Sources of contracts in which a call went so far before it was refused that where it began
    is not known."""


@dataclass
class Reach:
    """Every test, and the statements that there are."""

    tests: list[UnitTest] = field(default_factory=list)
    statements: dict[str, dict[int, int]] = field(default_factory=dict)
    """Last line by first line, by source."""
    keys: dict[str, str] = field(default_factory=dict)
    """Of the files of tests: see `keys_of`."""

    def statement(self, file: str, line: int) -> int | None:
        """First line of the innermost statement with this line; None when none yields code."""
        around = [
            (last - first, -first)
            for first, last in self.statements.get(file, {}).items()
            if first <= line <= last
        ]
        return -min(around)[1] if around else None

    def fitting(self, file: str, line: int | None, changed: Iterable[str]) -> list[UnitTest]:
        """Tests that reach a line, the quickest first, then those that may. For no line, or one
        without code of its own: those that deploy one of the changed contracts or something of
        their own that holds the file.
        """
        names = {*changed, file}
        first = self.statement(file, line) if line is not None else None
        deploy = sorted(
            (test for test in self.tests if names & test.contracts), key=lambda test: test.seconds
        )
        if first is None:
            return deploy
        reach = [test for test in deploy if first in test.lines.get(file, ())]
        known = {test.id for test in reach}
        return reach + [test for test in deploy if file in test.unsure and test.id not in known]


def survey(root: Path, source: str, done: Callable[[str], None]) -> Reach:
    """Run the tests on the sound build and see what they reach; only files that have changed.

    UserError when one fails: it would kill every mutant. `source` stands for the contracts.
    """
    files = files_of(root)
    keys = keys_of(root, files, source)
    path = root / ".build" / "mutation" / "tests.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        known = {file: entry for file, entry in kept.items() if entry["key"] == keys.get(file)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        known = {}
    stale = [file for file in files if file not in known]
    if stale:
        instrument_all()
        done(f"{len(stale)} files pass on the sound build")
        times = _forked(lambda: _run_plain(root, stale))
        if times["failed"]:
            raise UserError(f"the tests do not pass on the sound build: {times['failed']}")
        done(f"what {len(stale)} files reach")
        seen = _forked(lambda: _run_instrumented(root, stale))
        for file in stale:
            known[file] = {"key": keys[file], "tests": {}}
        for identifier, seconds in times["seconds"].items():
            reached = seen.get(identifier, {"contracts": [], "lines": {}, "unsure": []})
            entry = {"seconds": round(seconds, 3), **reached}
            known[identifier.partition("::")[0]]["tests"][identifier] = entry
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(known), encoding="utf-8")
    tests = [
        UnitTest(
            identifier,
            entry["seconds"],
            frozenset(entry["contracts"]),
            {name: frozenset(lines) for name, lines in entry["lines"].items()},
            frozenset(entry["unsure"]),
        )
        for file in files
        for identifier, entry in known[file]["tests"].items()
    ]
    return Reach(tests, _statements(), keys)


def _forked(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` gives in a fork of this process. RuntimeError when that dies."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(reader)
        be_quiet()
        try:
            data = json.dumps(work()).encode()
        except BaseException as problem:
            data = json.dumps({"failed": f"{type(problem).__name__}: {problem}"}).encode()
        with os.fdopen(writer, "wb") as stream:
            stream.write(data)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        data = stream.read()
    os.waitpid(child, 0)
    if not data:
        raise RuntimeError("a process that ran tests died")
    return dict(json.loads(data))


def be_quiet() -> None:
    """Let nothing of what pytest prints through; end when told to."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)


class _Timer:
    """Notes what each test takes [CPU s], and the first that fails."""

    def __init__(self) -> None:
        self.failed = ""
        self.seconds: dict[str, float] = {}
        self._begin = 0.0

    def pytest_runtest_logstart(self) -> None:
        self._begin = time.process_time()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.seconds[nodeid] = time.process_time() - self._begin

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed and not self.failed:
            self.failed = f"{report.nodeid} (collection)"


def _run_plain(root: Path, files: Sequence[str]) -> dict[str, Any]:
    timer = _Timer()
    _pytest(root, ["-x", *files], timer)
    return {"failed": timer.failed, "seconds": timer.seconds}


def _pytest(root: Path, arguments: Sequence[str], plugin: Any) -> None:
    """Run a session of pytest in this process."""
    import pytest

    os.chdir(root)
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    no_shrinking()
    pytest.main([*_OPTIONS, *arguments], plugins=[plugin])


def no_shrinking() -> None:
    """Hypothesis gives the same examples each time, and does not look for the shortest."""
    import hypothesis

    hypothesis.settings.register_profile(
        "mutation",
        database=None,
        derandomize=True,
        deadline=None,
        phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile("mutation")


class _Witness:
    """Notes what each test runs; a chain that outlives a test counts for the next one too."""

    def __init__(self) -> None:
        from breakwater.coverage import host

        self.seen: dict[str, dict[str, Any]] = {}
        self._chains: list[tuple[weakref.ref[Any], Any]] = []
        self._lines: dict[str, list[list[tuple[str, int]]]] = {}
        chains, make = self._chains, host.CoverageHost.__init__

        def noted(chain: Any, coverage: Any = None, **settings: Any) -> None:
            coverage = host.Coverage() if coverage is None else coverage
            make(chain, coverage, **settings)
            chains.append((weakref.ref(chain), coverage))

        host.CoverageHost.__init__ = noted  # type: ignore[method-assign, assignment]
        self._cut: set[str] = set()
        self._failed = False
        history = host._history

        def whole(trailer: bytes, sites: int) -> list[int]:
            found = history(trailer, sites)
            if len(found) == _HISTORY:
                self._cut.add(host._by_magic[trailer[:32]].key)
            return found

        host._history = whole

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._failed |= report.failed

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        contracts: set[str] = set()
        lines: dict[str, set[int]] = {}
        for chain, coverage in self._chains:
            alive = chain()
            if alive is not None:
                alive.new_bits()
            for key, numbers in coverage.hits.items():
                contracts.add(coverage.names[key])
                for place in self._places(key, numbers):
                    lines.setdefault(place[0], set()).add(place[1])
        if any(chain() is not None for chain, _ in self._chains):
            gc.collect()
        self._chains[:] = [entry for entry in self._chains if entry[0]() is not None]
        self.seen[nodeid] = {
            "contracts": sorted({*contracts, *lines}),
            "lines": {file: sorted(found) for file, found in lines.items()},
            "unsure": sorted({name for key in self._cut for name in self._sources(key)}),
        }
        if self._failed:  # what holds on the plain build need not hold on this one
            self.seen[nodeid]["unsure"] = sorted(_statements())
        self._cut.clear()
        self._failed = False

    def _places(self, key: str, numbers: Iterable[int]) -> Iterator[tuple[str, int]]:
        sites = self._of(key)
        for number in numbers:
            yield from sites[number - 1]

    def _sources(self, key: str) -> set[str]:
        return {place[0] for places in self._of(key) for place in places}

    def _of(self, key: str) -> list[list[tuple[str, int]]]:
        if key not in self._lines:
            build = find(key)
            sites = build.sites if build is not None else ()
            self._lines[key] = [[(one.source, one.line) for one in site.lines] for site in sites]
        return self._lines[key]


def _run_instrumented(root: Path, files: Sequence[str]) -> dict[str, Any]:
    os.environ["BREAKWATER_COVERAGE"] = str(root / ".build" / "mutation" / "unused.json")
    witness = _Witness()
    gc.freeze()
    _pytest(root, files, witness)
    return witness.seen


def _statements() -> dict[str, dict[int, int]]:
    """Last line by first line of every statement with code, by source."""
    found: dict[str, dict[int, int]] = {}
    for build in instrument_all().values():
        for site in build.sites:
            for one in site.lines:
                found.setdefault(one.source, {})[one.line] = one.last
    return found


# ---------------------------------------------------------------- judging


class _Loop:
    """Instead of running the tests that were collected, hands them to `work`."""

    def __init__(self, work: Callable[[dict[str, Any]], None]) -> None:
        self.work = work
        self.failed = ""

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_runtestloop(self, session: Any) -> bool:
        if self.failed:
            raise UserError(f"cannot collect {self.failed}")
        self.work({item.nodeid: item for item in session.items})
        return True


def with_items(root: Path, files: Sequence[str], work: Callable[[dict[str, Any]], None]) -> None:
    """Collect files of tests and call `work` with the tests by id, ready for `judge`."""
    _pytest(root, list(files), _Loop(work))


@dataclass(frozen=True)
class Verdict:
    """What tests said of changed code."""

    failed: str = ""
    """Id of the first that failed."""
    hung: str = ""
    """Id of one that took too long, see SECONDS."""
    died: str = ""
    """Why there is no verdict."""


def judge(
    items: Mapping[str, Any],
    tests: Sequence[UnitTest],
    changed: Mapping[str, bytes],
    compiles_source: Compiles,
    close: Callable[[], None] = lambda: None,
) -> Verdict:
    """Run tests on changed code, up to the first that fails.

    In a fork of this process: nothing of it stays. `close` is called there first. CPU time is what
    counts, so that a busy machine kills nothing.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        be_quiet()
        close()
        with os.fdopen(writer, "w", buffering=1) as stream:
            try:
                _judge_here(items, tests, changed, compiles_source, stream)
            except BaseException as problem:
                stream.write(f"died {type(problem).__name__}: {problem}\n")
        os._exit(0)
    os.close(writer)
    try:  # the clock on the wall only ends what sleeps
        lines = _read(reader, 300 + 60 * sum(test.seconds for test in tests))
    finally:
        os.close(reader)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    return _verdict(lines, status)


def _judge_here(
    items: Mapping[str, Any],
    tests: Sequence[UnitTest],
    changed: Mapping[str, bytes],
    compiles_source: Compiles,
    stream: IO[str],
) -> None:
    replacing = {name: replaced(artifacts.load(name), code) for name, code in changed.items()}
    artifacts.forget()
    artifacts.replace(replacing, compiles_source)
    timer = _Timer()
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    chosen = [items[test.id] for test in tests]
    if chosen:
        chosen[0].config.pluginmanager.register(timer)
    for test, item, after in zip(tests, chosen, [*chosen[1:], None], strict=True):
        stream.write(f"run {test.id}\n")
        signal.setitimer(signal.ITIMER_PROF, max(SECONDS, TIMES * test.seconds))
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        if timer.failed:
            stream.write(f"failed {timer.failed}\n")
            return
    stream.write("passed all\n")


def _read(reader: int, seconds: float) -> list[str]:
    """Lines that the child wrote until it ended or the time was over."""
    data, end = b"", time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        ready, _, _ = select.select([reader], [], [], left)
        chunk = os.read(reader, 65_536) if ready else b""
        if not chunk:
            break
        data += chunk
    return data.decode(errors="replace").splitlines()


def _verdict(lines: Sequence[str], status: int) -> Verdict:
    kind, _, rest = lines[-1].partition(" ") if lines else ("", "", "")
    if kind == "failed":
        return Verdict(failed=rest)
    if kind == "passed":
        return Verdict()
    if kind == "died":
        return Verdict(died=rest)
    if kind == "run" and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
        return Verdict(hung=rest)
    return Verdict(died=f"status {status} in {rest or 'no test'}")
