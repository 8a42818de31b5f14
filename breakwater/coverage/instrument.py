"""Contracts that report what they run.

    build = instrument("LendingVault")     # compiled once, cached in .build
    build.artifact                         # same ABI and layout, other bytecode
    build.sites[number - 1]                # what the site `number` stands for

HOW
A site is a place in the code: a block (after each label), an edge (each way of each conditional
jump) or a revert. The code of a block or an edge sets the storage slot FIRST_SLOT + number to 1,
and FLAG_SLOT too when the site is new there; nothing else in storage is touched. The numbers of
the last 16 sites of a frame are kept in memory, and a revert appends a trailer of 64 bytes to its
data: `magic` and those numbers, so that what a reverted frame ran is known although its bits are
undone. Frames that pass a revert on append their own. A contract that catches a revert, a mock too,
sees its data without trailers, and keeps those from TRAILER_SLOT on for the host.

CALLS AND GAS
Bits cannot be set in a static call. In an instrumented contract, and in a mock, a static call to an
instrumented contract (they are BIG) is an ordinary call; to any other it is what it was. A call of
a view from outside must be an ordinary one: `CoverageHost` sees to it.
Bits cost gas. A static call with a limit of gas gives an instrumented contract 2**24 times as much,
and `msg.gas` there is what is left, divided by that: the limit, of which next to nothing is used.
Other calls with a limit (those of mocks, to try one) keep it: with less than LEAST_GAS left no bits
are set, only trailers are written, at about 80 gas for each site.

LIMITS
An instrumented contract is larger than a chain allows. Gas is never measured on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from breakwater import artifacts
from breakwater.abi import Function
from breakwater.artifacts import Artifact, Progress

FIRST_SLOT = 2**16
FLAG_SLOT = 2**16 - 1
TRAILER_SLOT = FIRST_SLOT + 2**15
"""Where a contract that caught a revert keeps its trailers: two slots each, 64 apart."""

HISTORY = 0x40
"""Where in memory the last 16 sites of a frame are."""

SCRATCH = 0x60
"""A word of memory that the added code uses."""

GAS_SHIFT = 24
"""An instrumented contract that is called with a limit of gas gets 2**GAS_SHIFT times as much, and
reads it as if it had the limit."""

LEAST_GAS = 1_000_000
"""With less gas than that left no bits are set: a caller who sets a limit on gas gets very nearly
what the plain build gives."""

MAGIC = bytes.fromhex("c0be7a9e55b1e0d3f1a6c2480d97e35b64af18d22c7b09e1")
"""First bytes of a revert's trailer; the rest of its first word is the key of the contract."""

TRAILER_BYTES = 64
SITE_BYTES = 11
"""Length of the code of a site."""

BIG = 2**15
"""Least size of an instrumented contract [bytes]; no other contract is that large."""

_FORMAT = 6  # raise it when the code that is added or what is stored changes
_KEPT = 8  # builds of one contract, for reports on what was run before a change
_NO_SITE = bytes([0x68, *bytes(9), 0x50])  # PUSH9 0, POP


@dataclass(frozen=True)
class Statement:
    """Lines of a statement; of an `if` or a `for` the header's."""

    source: str
    line: int
    last: int


@dataclass(frozen=True)
class Site:
    """One place in the code."""

    kind: str
    """block, edge or revert."""
    part: str
    """runtime or constructor."""
    what: str
    """Of an edge: if, and, or, ternary, assert, loop, `loop again`; `check ...` for one that the
    compiler made."""
    outcome: bool | None
    """Of an edge: what the condition was. Of a loop: entered, again."""
    at: tuple[str, int, int] | None
    """Of an edge: file, line, column, if it stems from a statement of the project."""
    statement: int
    """Of an edge: first line of its statement."""
    lines: tuple[Statement, ...]
    """Statements that have run when this site was passed."""
    offset: int = field(compare=False)
    """Where the code of the site is in the creation code; -1 for a revert."""

    @property
    def is_branch(self) -> bool:
        """Whether it is one way of a branch that the source has."""
        return self.at is not None and bool(self.what) and not self.what.startswith("check")


@dataclass(frozen=True)
class Instrumented:
    """A contract with sites."""

    artifact: Artifact
    plain: Artifact
    """The contract as it is without sites."""
    sites: tuple[Site, ...]
    magic: bytes
    files: dict[str, str]
    """SHA-256 of each source that sites point into, "" where there is no such file."""

    @property
    def name(self) -> str:
        """Name of the contract."""
        return self.artifact.name

    @property
    def key(self) -> str:
        """Stands for this very build."""
        return self.artifact.key

    @cached_property
    def numbers(self) -> frozenset[int]:
        """Of every site that sets a bit."""
        return frozenset(
            number for number, site in enumerate(self.sites, 1) if site.kind != "revert"
        )

    @cached_property
    def views(self) -> frozenset[bytes]:
        """Selectors of what reads only, and must all the same not be called statically; none of a
        mock.
        """
        if not self.sites:
            return frozenset()
        functions = [entry for entry in self.artifact.abi if entry["type"] == "function"]
        return frozenset(
            Function(entry).selector
            for entry in functions
            if entry["stateMutability"] in ("view", "pure")
        )

    def creation(self, skip: Collection[int] = ()) -> bytes:
        """Creation code in which the sites of `skip` cost nothing and report nothing."""
        if not skip:
            return self.artifact.bytecode
        code = bytearray(self.artifact.bytecode)
        for number in skip:
            offset = self.sites[number - 1].offset
            if offset >= 0:
                code[offset : offset + SITE_BYTES] = _NO_SITE
        return bytes(code)


_loaded: dict[tuple[Path, str], Instrumented] = {}
_by_key: dict[str, Instrumented] = {}


def instrument(name: str, root: Path | None = None) -> Instrumented:
    """The instrumented build of a deployable; compiled when its cache is missing or stale.

    Looked up once for each process. A mock has no sites.
    """
    return instrument_all([name], root=root)[name]


def instrument_all(
    names: Iterable[str] | None = None,
    progress: Progress | None = None,
    root: Path | None = None,
) -> dict[str, Instrumented]:
    """Instrumented builds by name, of every deployable if no names are given."""
    root = root or artifacts.ROOT
    wanted = list(artifacts.names(root) if names is None else names)
    missing = [name for name in wanted if (root, name) not in _loaded]
    plain = [artifacts.load(name, root) for name in missing]
    for build in _compile(root, [(artifact, None) for artifact in plain], progress):
        _loaded[(root, build.name)] = build
    return {name: _loaded[(root, name)] for name in wanted}


def instrument_source(source: str, artifact: Artifact, root: Path | None = None) -> Instrumented:
    """The instrumented build of what `artifacts.compile_source` compiled."""
    return _compile(root or artifacts.ROOT, [(artifact, source)], None)[0]


def forget() -> None:
    """Drop what this process has loaded, so that changed sources are seen."""
    _loaded.clear()
    _by_key.clear()


def find(key: str, root: Path | None = None) -> Instrumented | None:
    """The build with that key, of older sources perhaps; None if it is gone from the cache."""
    if key not in _by_key:
        for path in _folder(root or artifacts.ROOT).glob(f"*-{key[:16]}.json"):
            name = path.stem.rsplit("-", 1)[0]
            build = _read(path, None, name, key)
            if build is not None:
                _by_key[key] = build
    return _by_key.get(key)


def _folder(root: Path) -> Path:
    return root / ".build" / "coverage" / "builds"


def _compile(
    root: Path, wanted: list[tuple[Artifact, str | None]], progress: Progress | None
) -> list[Instrumented]:
    jobs: list[Any] = []
    for artifact, source in wanted:
        key = hashlib.sha256(f"coverage {_FORMAT} {artifact.key}".encode()).hexdigest()
        out = _folder(root) / f"{artifact.name}-{key[:16]}.json"
        jobs.append(artifacts._Job(artifact.name, artifact.source_id, key, out, source))
    found = [
        _read(job.out, artifact, artifact.name, job.key)
        for job, (artifact, _) in zip(jobs, wanted, strict=True)
    ]
    if not all(found):
        with artifacts._lock(root):
            left = [job for job in jobs if _read(job.out, None, job.name, job.key) is None]
            artifacts._run(root, left, progress, "breakwater.coverage._worker")
            for job in left:
                _prune(job.out.parent, job.name)
        found = [
            _read(job.out, artifact, artifact.name, job.key)
            for job, (artifact, _) in zip(jobs, wanted, strict=True)
        ]
    ready = [build for build in found if build is not None]
    assert len(ready) == len(wanted)
    for build in ready:
        _by_key[build.key] = build
    return ready


def _prune(folder: Path, name: str) -> None:
    """Drop all but the newest builds of a contract."""
    found = [
        path for path in folder.glob(f"{name}-*.json") if path.stem == f"{name}-{path.stem[-16:]}"
    ]
    for path in sorted(found, key=lambda path: path.stat().st_mtime)[:-_KEPT]:
        path.unlink(missing_ok=True)


def _read(path: Path, plain: Artifact | None, name: str, key: str) -> Instrumented | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if data.get("key") != key:
        return None
    if plain is None:  # for a report: the code is not needed
        plain = Artifact(name, data["source_id"], [], b"", b"", {}, {}, {}, {}, "")
    artifact = replace(
        plain,
        bytecode=bytes.fromhex(data["bytecode"]),
        deployed=bytes.fromhex(data["deployed"]),
        key=key,
    )
    sites = tuple(
        Site(
            kind=kind,
            part=part,
            what=what,
            outcome=outcome,
            at=None if at is None else (at[0], at[1], at[2]),
            statement=statement,
            lines=tuple(Statement(*line) for line in lines),
            offset=offset,
        )
        for kind, part, what, outcome, at, statement, lines, offset in data["sites"]
    )
    highest = max((slot for slot in _slots(artifact.layout)), default=0)
    if sites and highest >= FLAG_SLOT:
        raise artifacts.CompileError(f"{name} uses storage where the bits of coverage are kept")
    return Instrumented(artifact, plain, sites, bytes.fromhex(data["magic"]), data["files"])


def _slots(layout: dict[str, Any]) -> Iterable[int]:
    """Last slot of every entry of a (nested) layout of storage."""
    for name, part in layout.items():
        if not isinstance(part, dict) or name in ("code_layout", "transient_storage_layout"):
            continue
        if isinstance(part.get("slot"), int):
            yield part["slot"] + int(part.get("n_slots", 1)) - 1
        else:
            yield from _slots(part)
