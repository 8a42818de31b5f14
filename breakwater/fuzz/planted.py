"""Bugs planted on purpose: patches of contracts/ that a fuzzer has to find.

A patch is a unified diff below `tests/planted/`, headed by four lines: what the bug does, the
incident it was taken from, the promise it breaks ("model": only the reference model tells), and
the contracts whose code it changes. The contracts are never touched: a patch is applied to a copy
below `.build/planted/`, which has its own cache of compiled contracts.
"""

from __future__ import annotations

import filecmp
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from breakwater import artifacts
from breakwater.artifacts import Artifact
from breakwater.errors import UserError

Compile = Callable[[str], Artifact]

_HEADER = ("what", "incident", "promise", "contracts")
_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@")


@dataclass(frozen=True)
class Bug:
    """One planted bug."""

    name: str
    what: str
    incident: str
    promise: str
    """Identifier of the promise it breaks, or "model"."""
    contracts: tuple[str, ...]
    """Deployables whose bytecode it changes."""
    diff: str


def folder(root: Path | None = None) -> Path:
    """Where the patches are."""
    return (root or artifacts.ROOT) / "tests" / "planted"


def names(root: Path | None = None) -> list[str]:
    """Names of the planted bugs, sorted."""
    return sorted(path.stem for path in folder(root).glob("*.patch"))


def load(name: str, root: Path | None = None) -> Bug:
    """One bug by name. UserError when there is none or its file is not as it should be."""
    path = folder(root) / f"{name}.patch"
    if name not in names(root):
        raise UserError(
            f"there is no planted bug {name}: {', '.join(names(root)) or 'none at all'}"
        )
    head, _, diff = path.read_text(encoding="utf-8").partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    missing = [key for key in _HEADER if not fields.get(key)]
    if missing or not diff:
        raise UserError(f"{path.name} lacks {', '.join(missing) or 'a diff'}")
    what, incident, promise, contracts = (fields[key] for key in _HEADER)
    return Bug(name, what, incident, promise, tuple(contracts.split()), diff)


def catalogue(root: Path | None = None) -> list[Bug]:
    """Every planted bug, in order of name."""
    return [load(name, root) for name in names(root)]


# ------------------------------------------------------------ unified diffs


@dataclass
class _Hunk:
    start: int  # line of the old text, counted from 1
    old: list[str]
    new: list[str]


def apply(diff: str, read: Callable[[str], str]) -> dict[str, str]:
    """The new text of every file that `diff` changes; `read` gives the old one, by path.

    A hunk is placed where its old lines are, nearest to where it says. UserError when they are
    nowhere, or when the diff is none.
    """
    changed: dict[str, str] = {}
    for path, hunks in _parse(diff).items():
        lines = read(path).splitlines(keepends=True)
        shift = 0
        for hunk in hunks:
            at = _place(lines, hunk, hunk.start - 1 + shift)
            if at is None:
                raise UserError(f"{path}: the hunk at line {hunk.start} does not apply any more")
            lines[at : at + len(hunk.old)] = hunk.new
            shift = at - (hunk.start - 1) + len(hunk.new) - len(hunk.old)
        changed[path] = "".join(lines)
    return changed


def _parse(diff: str) -> dict[str, list[_Hunk]]:
    files: dict[str, list[_Hunk]] = {}
    path, left = "", [0, 0]
    for line in diff.splitlines(keepends=True):
        if left == [0, 0]:
            if line.startswith("+++ "):
                path = line[4:].split("\t")[0].strip().removeprefix("b/")
            elif match := _HUNK.match(line):
                left = [int(match[2] or 1), int(match[3] or 1)]
                files.setdefault(path, []).append(_Hunk(int(match[1]), [], []))
            continue
        hunk = files[path][-1]
        if line[0] in " -":
            hunk.old.append(line[1:])
            left[0] -= 1
        if line[0] in " +":
            hunk.new.append(line[1:])
            left[1] -= 1
        if line[0] not in " -+" or min(left) < 0:
            raise UserError(f"the diff of {path} is broken at {line.rstrip()!r}")
    if not files or left != [0, 0] or "" in files:
        raise UserError("the diff is broken: no hunk, or one that ends early")
    return files


def _place(lines: list[str], hunk: _Hunk, near: int) -> int | None:
    size = len(hunk.old)
    found = [at for at in range(len(lines) - size + 1) if lines[at : at + size] == hunk.old]
    return min(found, key=lambda at: abs(at - near), default=None)


# ------------------------------------------------------------ compiling


def plant(bug: Bug, root: Path | None = None) -> Path:
    """The root of a copy of contracts/ with the bug in it, made or brought up to date."""
    root = root or artifacts.ROOT
    copy = root / ".build" / "planted" / bug.name
    changed = apply(bug.diff, lambda path: _read(root, path))
    wanted = set()
    for source in (root / "contracts").rglob("*"):
        if source.suffix not in (".vy", ".vyi", ".json"):
            continue
        path = source.relative_to(root)
        wanted.add(path)
        text = changed.get(path.as_posix())
        target = copy / path
        if text is None:
            if not target.is_file() or not filecmp.cmp(source, target, shallow=False):
                _replace(target, source.read_text(encoding="utf-8"))
        elif not target.is_file() or target.read_text(encoding="utf-8") != text:
            _replace(target, text)
    for target in list((copy / "contracts").rglob("*.*")):
        if target.suffix in (".vy", ".vyi") and target.relative_to(copy) not in wanted:
            target.unlink(missing_ok=True)
    return copy


def compiler(bug: Bug, root: Path | None = None) -> Compile:
    """What a World compiles with to be deployed with the bug: an artifact by name.

    Contracts that the bug does not change come from the plain build.
    """
    copy = plant(bug, root)

    def load(name: str) -> Artifact:
        return artifacts.load(name, copy if name in bug.contracts else root)

    return load


def _read(root: Path, path: str) -> str:
    target = root / path
    if not target.is_file():
        raise UserError(f"there is no file {path} to patch")
    return target.read_text(encoding="utf-8")


def _replace(target: Path, text: str) -> None:
    """Write a file so that a compiler sees the old one or the new one, never a part."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    os.replace(part, target)
