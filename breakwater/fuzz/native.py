"""The hot modules of the fast lane as machine code, which does the same in less time.

`use` compiles them once with mypyc into `.build/native/` and makes the importer take them instead
of the sources, in this process and in those that it starts. It must come before any of them is
imported. Where that cannot be done the sources run: slower, with the same results.
`BREAKWATER_NATIVE=no` in the environment turns it off.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from pathlib import Path
from types import ModuleType

VARIABLE = "BREAKWATER_NATIVE"
"""Where processes find what was compiled; or "no"."""

MODULES = (
    *(
        f"breakwater.fuzz.{name}"
        for name in (
            "aggregators", "averages", "backstops", "books", "events", "exposures", "flashes",
            "genes", "grants", "lane", "liquidations", "looks", "packing", "player", "pools",
            "positions", "prices", "quotes", "rulings", "state", "trials", "watch",
            "actions", "actions.attackers", "actions.backstops", "actions.borrowers",
            "actions.deployments", "actions.ends", "actions.feeds", "actions.flashes",
            "actions.governance", "actions.lenders", "actions.liquidators", "actions.tokens",
        )
    ),
    "breakwater.model.vault_limits",
    "breakwater.observation.exposure",
    "breakwater.observation.interest",
    "breakwater.observation.words",
)  # fmt: skip

_SOURCES = Path(__file__).resolve().parents[2]
_FOLDER = _SOURCES / ".build" / "native"

_FLAGS = "-fvisibility=hidden -fno-plt -g0"
"""Calls within the library are direct."""

_IMPORT = re.compile(r"^\s*from (breakwater[\w.]*) import", re.MULTILINE)


def use(say: Callable[[str], None] | None = None) -> bool:
    """Compile, if that was not done, and import what was compiled from now on. `say` is told when
    that takes time, and why it cannot be done. False: the sources run.
    """
    if os.environ.get(VARIABLE) == "no" or any(name in sys.modules for name in MODULES):
        return active()
    say = say or _say
    try:
        folder = _compiled(say)
    except (OSError, _CannotCompile) as error:
        say(f"the fast lane runs as Python, slower: {error}")
        return False
    os.environ[VARIABLE] = str(folder)
    return follow()


def follow() -> bool:
    """Import what the process that started this one has compiled. False: it has compiled nothing
    for this interpreter and these sources."""
    folder = Path(os.environ.get(VARIABLE, "no"))
    if folder.name != _key() or not folder.is_dir() or any(name in sys.modules for name in MODULES):
        return False
    files = {}
    for path in folder.rglob(f"*{EXTENSION_SUFFIXES[0]}"):
        name = path.relative_to(folder).as_posix().removesuffix(EXTENSION_SUFFIXES[0])
        files[name.removesuffix("/__init__").replace("/", ".")] = path
    sys.meta_path.insert(0, _Finder(files))
    return True


def active() -> bool:
    """Whether what was compiled is imported here."""
    return any(isinstance(finder, _Finder) for finder in sys.meta_path)


class _CannotCompile(Exception):
    """Why."""


class _Finder:
    """Finds the compiled modules, and the library that they share."""

    def __init__(self, files: dict[str, Path]) -> None:
        self.files = files

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self.files.get(name)
        if file is None:
            return None
        inner = [str(file.parent)] if file.name.startswith("__init__.") else None
        return importlib.util.spec_from_file_location(name, file, submodule_search_locations=inner)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _key() -> str:
    """Of what the compiled modules depend on: what they import too, for its constants."""
    digest = hashlib.sha256(f"{sys.version} {_FLAGS} {_SETUP} {_version()}\n".encode())
    texts = {path: path.read_bytes() for path in map(_source, MODULES)}
    for text in list(texts.values()):
        for name in _IMPORT.findall(text.decode()):
            path = _source(name)
            texts[path] = path.read_bytes()
    for path in sorted(texts):
        digest.update(f"{path.relative_to(_SOURCES)}\0".encode() + texts[path] + b"\0")
    return digest.hexdigest()[:20]


def _source(name: str) -> Path:
    path = _SOURCES.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _version() -> str:
    try:
        return importlib.metadata.version("mypy")
    except importlib.metadata.PackageNotFoundError:
        return ""


def _compiled(say: Callable[[str], None]) -> Path:
    """The folder of the compiled modules, which are there when it is."""
    folder = _FOLDER / _key()
    if folder.is_dir():
        return folder
    _check()
    with _lock():
        if folder.is_dir():  # another process has compiled them meanwhile
            return folder
        say("compiling the fast lane, once: it takes a minute or two")
        for left in _FOLDER.glob("part-*"):  # of a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix="part-", dir=_FOLDER) as part:
            _compile(Path(part))
            os.replace(Path(part) / "lib", folder)
    return folder


def _check() -> None:
    """Whether there is what compiling takes."""
    if sys.platform == "win32":
        raise _CannotCompile("it is compiled on Linux and macOS only")
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        raise _CannotCompile(f"there is no C compiler ({compiler})")
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        raise _CannotCompile("Python.h is missing: install Python's development files")
    for name in ("mypyc", "setuptools"):
        if importlib.util.find_spec(name) is None:
            raise _CannotCompile(f"{name} is not installed: run `make setup`")


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    import fcntl  # not on Windows, where the sources run

    _FOLDER.mkdir(parents=True, exist_ok=True)
    with open(_FOLDER / ".lock", "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


_SETUP = """
import sys
from mypyc.build import mypycify
from setuptools import setup

part, *sources = sys.argv[1:]
modules = mypycify(sources, opt_level="2", multi_file=True, target_dir=part + "/c")
build = ["build_ext", "--build-lib", part + "/lib", "--build-temp", part + "/o"]
setup(name="native", packages=[], ext_modules=modules, script_args=["--quiet", *build])
"""


def _compile(part: Path) -> None:
    sources = [str(_source(name).relative_to(_SOURCES)) for name in MODULES]
    done = subprocess.run(
        [sys.executable, "-c", _SETUP, str(part), *sources],
        cwd=_SOURCES,
        env={**os.environ, "CFLAGS": f"{os.environ.get('CFLAGS', '')} {_FLAGS}", VARIABLE: "no"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if "error" in line.lower()]
        raise _CannotCompile(f"it does not compile: {lines[0] if lines else done.stdout[-500:]}")
