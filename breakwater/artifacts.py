"""Compiled contracts: every deployable below contracts/, by name, compiled once and cached.

A deployable is a `.vy` file outside `contracts/modules` and `contracts/interfaces`; its name is the
file's stem. The cache in `.build/breakwater` is keyed by the text of the file and of everything it
imports, the compiler's version and the settings, so it is never stale. Several processes may
compile at once: one works, the others wait, and files are replaced whole.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from breakwater.errors import UserError

ROOT = Path(os.environ.get("BREAKWATER_ROOT") or Path(__file__).resolve().parent.parent)
"""The project's root: imports in contracts start here."""

EVM_VERSION = "cancun"
OPTIMIZE = "gas"
SIZE_LIMIT = 24_576
"""Bytes of runtime code a chain accepts (EIP-170)."""

SIZE_BUDGET = 22_500
"""Bytes of runtime code this project allows itself."""

_NOT_DEPLOYABLE = ("modules", "interfaces")
_FORMAT = 1  # raise it when what is stored changes
_IMPORT = re.compile(
    r"^\s*(?:from\s+(?P<base>[.\w]+)\s+import\s+(?P<names>.+)|import\s+(?P<mod>.+))$"
)
_FOREIGN = ("snekmate", "ethereum", "vyper", "math")

Progress = Callable[[str, int, int], None]
"""Called after each compiled contract with its name, how many are done, and how many there are."""


class CompileError(UserError):
    """A contract that does not compile, with what the compiler said; or one that does not exist."""


@dataclass(frozen=True)
class Artifact:
    """One compiled contract."""

    name: str
    source_id: str
    """Path of the source below the root."""
    abi: list[dict[str, Any]] = field(repr=False)
    bytecode: bytes = field(repr=False)
    """Creation code, without constructor arguments."""
    deployed: bytes = field(repr=False)
    """Runtime code, without the immutables that the constructor appends."""
    layout: dict[str, Any] = field(repr=False)
    userdoc: dict[str, Any] = field(repr=False)
    devdoc: dict[str, Any] = field(repr=False)
    method_identifiers: dict[str, str] = field(repr=False)
    key: str = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes of code on chain: the runtime code and its immutables."""
        return len(self.deployed) + _extent(self.layout.get("code_layout", {}))

    @property
    def is_mock(self) -> bool:
        """Whether it exists for tests only."""
        return self.source_id.startswith("contracts/mocks/")


def _extent(layout: dict[str, Any]) -> int:
    """End of the last entry of a (nested) layout, in bytes."""
    if "offset" in layout and "length" in layout and isinstance(layout["offset"], int):
        return int(layout["offset"]) + int(layout["length"])
    return max((_extent(part) for part in layout.values() if isinstance(part, dict)), default=0)


_loaded: dict[tuple[Path, str], Artifact] = {}
_replaced: dict[str, Artifact] = {}
_compiles_source: list[Callable[[str, str], bytes | None]] = []
_texts: dict[bytes, tuple[Artifact, str]] = {}


def names(root: Path | None = None) -> list[str]:
    """Names of every deployable, sorted. CompileError when two files share one."""
    return sorted(_deployables(root or ROOT))


def load(name: str, root: Path | None = None) -> Artifact:
    """The artifact of one contract, compiled when its cache is missing or stale.

    Looked up once for each process; `forget()` makes it look again.
    """
    root = root or ROOT
    found = _replaced.get(name) if root == ROOT else None
    found = found or _loaded.get((root, name))
    if found is None:
        found = _compile(root, [name], None)[name]
    return found


def load_all(root: Path | None = None) -> dict[str, Artifact]:
    """Every deployable's artifact by name, in order of name."""
    return compile_all(root=root)


def compile_all(progress: Progress | None = None, root: Path | None = None) -> dict[str, Artifact]:
    """Compile what is stale, in two processes, and return every artifact by name."""
    root = root or ROOT
    return _compile(root, names(root), progress)


def compile_some(wanted: Iterable[str], progress: Progress | None = None) -> None:
    """Compile what is stale of these, in two processes: faster than when each is first loaded."""
    _compile(ROOT, list(wanted), progress)


def sizes(root: Path | None = None) -> dict[str, int]:
    """Bytes of runtime code, immutables included, of every deployable."""
    return {name: artifact.size for name, artifact in load_all(root).items()}


def loaded() -> set[str]:
    """Names of the contracts that this process has loaded."""
    return {*_replaced, *(name for _, name in _loaded)}


def forget() -> None:
    """Drop what this process has loaded, so that changed sources are seen."""
    _loaded.clear()


def replace(
    changed: dict[str, Artifact], compiles_source: Callable[[str, str], bytes | None]
) -> None:
    """From now on this process loads these in place of the project's own: for tests of changed
    code. `compiles_source` gives the creation code of a source id and its text, or None: as built.
    """
    _replaced.update(changed)
    _compiles_source[:] = [compiles_source]


def origin(bytecode: bytes) -> tuple[Artifact, str | None, Path | None] | None:
    """The artifact this process loaded that has this creation code, its text if it was one, and
    the root it was compiled below.
    """
    if bytecode in _texts:
        return (*_texts[bytecode], None)
    for (root, _), artifact in _loaded.items():
        if artifact.bytecode == bytecode:
            return artifact, None, root
    return None


def compile_source(source: str, name: str = "Source", root: Path | None = None) -> Artifact:
    """Compile a text as if it were the file `contracts/<name>.vy`; cached by its content."""
    root = root or ROOT
    source_id = f"contracts/{name}.vy"
    digest = hashlib.sha256(_salt().encode())
    digest.update(f"{source_id}\0{source}\0".encode())
    _add_imports(digest, root, source)
    key = digest.hexdigest()
    out = _folder(root) / "sources" / f"{name}-{key[:16]}.json"
    artifact = _read(out, name, key)
    if artifact is None:
        _run(root, [_Job(name, source_id, key, out, source)], None)
        artifact = _read(out, name, key)
        assert artifact is not None
    _texts[artifact.bytecode] = (artifact, source)
    if _compiles_source:
        code = _compiles_source[0](source_id, source)
        if code is not None:
            artifact = dataclasses.replace(artifact, bytecode=code)
    return artifact


# ---------------------------------------------------------------- sources and keys


def _deployables(root: Path) -> dict[str, Path]:
    folder = root / "contracts"
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.vy")):
        if path.relative_to(folder).parts[0] in _NOT_DEPLOYABLE:
            continue
        if path.stem in found:
            raise CompileError(
                f"two contracts are called {path.stem}: "
                f"{found[path.stem].relative_to(root)} and {path.relative_to(root)}"
            )
        found[path.stem] = path
    return found


def _salt() -> str:
    parts = [f"format {_FORMAT}", f"evm {EVM_VERSION}", f"optimize {OPTIMIZE}"]
    for package in ("vyper", "snekmate"):
        try:
            parts.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            raise CompileError(f"{package} is not installed: run `make setup`") from None
    return "\n".join(parts)


def _imports(root: Path, text: str) -> Iterable[Path] | None:
    """Files of the project a source imports; None when that cannot be told for sure."""
    found: list[Path] = []
    for line in text.splitlines():
        match = _IMPORT.match(line.split("#", 1)[0].rstrip())
        if match is None:
            continue
        if match["base"]:
            bases = [
                f"{match['base']}.{part.split(' as ')[0].strip()}"
                for part in match["names"].strip("() ").split(",")
            ]
        else:
            bases = [part.split(" as ")[0].strip() for part in match["mod"].split(",")]
        for base in bases:
            top, *rest = base.split(".")
            if top in _FOREIGN:
                continue
            stem = root.joinpath(top, *rest)
            hits = [stem.with_name(stem.name + end) for end in (".vy", ".vyi", ".json")]
            hits = [path for path in hits if path.is_file()]
            if top != "contracts" or not hits:
                return None
            found.extend(hits)
    return found


def _add_imports(digest: Any, root: Path, text: str) -> None:
    """Feed the digest with every project source that `text` imports, directly or not."""
    seen: dict[Path, str] = {}
    waiting = [text]
    while waiting:
        paths = _imports(root, waiting.pop())
        if paths is None:  # an unusual import: depend on everything rather than on too little
            paths = [p for p in (root / "contracts").rglob("*.*") if p.suffix in (".vy", ".vyi")]
        for path in paths:
            if path not in seen:
                seen[path] = path.read_text(encoding="utf-8")
                waiting.append(seen[path])
    for path in sorted(seen):
        digest.update(f"{path.relative_to(root)}\0{seen[path]}\0".encode())


def _key(root: Path, path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    digest = hashlib.sha256(_salt().encode())
    digest.update(f"{path.relative_to(root)}\0{text}\0".encode())
    _add_imports(digest, root, text)
    return digest.hexdigest()


# ---------------------------------------------------------------- cache and compiler


@dataclass(frozen=True)
class _Job:
    name: str
    source_id: str
    key: str
    out: Path
    source: str | None = None


def _folder(root: Path) -> Path:
    return root / ".build" / "breakwater"


def _read(path: Path, name: str, key: str) -> Artifact | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if data.get("key") != key:
        return None
    return Artifact(
        name=name,
        source_id=data["source_id"],
        abi=data["abi"],
        bytecode=bytes.fromhex(data["bytecode"].removeprefix("0x")),
        deployed=bytes.fromhex(data["bytecode_runtime"].removeprefix("0x")),
        layout=data["layout"],
        userdoc=data["userdoc"],
        devdoc=data["devdoc"],
        method_identifiers=data["method_identifiers"],
        key=key,
    )


@contextlib.contextmanager
def _lock(root: Path) -> Iterator[None]:
    folder = _folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _compile(root: Path, wanted: list[str], progress: Progress | None) -> dict[str, Artifact]:
    paths = _deployables(root)
    for name in wanted:
        if name not in paths:
            raise CompileError(f"there is no contract {name} below {root / 'contracts'}")
    keys = {name: _key(root, paths[name]) for name in wanted}
    outs = {name: _folder(root) / f"{name}.json" for name in wanted}
    result = {name: _read(outs[name], name, keys[name]) for name in wanted}
    if not all(result.values()):
        with _lock(root):
            for name in wanted:  # another process may have done it while this one waited
                result[name] = result[name] or _read(outs[name], name, keys[name])
            jobs = [
                _Job(name, str(paths[name].relative_to(root)), keys[name], outs[name])
                for name in wanted
                if result[name] is None
            ]
            _run(root, jobs, progress)
            for job in jobs:
                result[job.name] = _read(job.out, job.name, job.key)
    ready = {name: artifact for name, artifact in result.items() if artifact is not None}
    for name, artifact in ready.items():
        _loaded[(root, name)] = artifact
    if root == ROOT:
        ready.update({name: _replaced[name] for name in wanted if name in _replaced})
    return ready


def _run(
    root: Path,
    jobs: list[_Job],
    progress: Progress | None,
    module: str = "breakwater._compile_worker",
) -> None:
    """Compile jobs in at most two worker processes; CompileError names every failure."""
    queue: SimpleQueue[_Job] = SimpleQueue()
    for job in sorted(jobs, key=lambda job: _weight(root, job), reverse=True):
        queue.put(job)
    errors: dict[str, str] = {}
    done = 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal done
        with _Worker(root, module) as worker:
            while True:
                try:
                    job = queue.get_nowait()
                except Empty:
                    return
                error = worker.run(job)
                with guard:
                    done += 1
                    if error:
                        errors[job.source_id] = error
                    if progress is not None:
                        progress(job.name, done, len(jobs))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(2, len(jobs)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors or done != len(jobs):
        listed = "\n\n".join(f"{path} does not compile:\n{errors[path]}" for path in sorted(errors))
        raise CompileError(listed or "the compiler stopped without an answer")


def _weight(root: Path, job: _Job) -> int:
    return len(job.source) if job.source is not None else (root / job.source_id).stat().st_size


class _Worker:
    """A compiler process that answers one job at a time."""

    def __init__(self, root: Path, module: str) -> None:
        self._root = root
        self._module = module

    def __enter__(self) -> _Worker:
        import sysconfig

        self._search = [sysconfig.get_path("purelib")]
        env = dict(os.environ)
        package_parent = str(Path(__file__).resolve().parent.parent)
        env["PYTHONPATH"] = os.pathsep.join(
            part for part in (package_parent, env.get("PYTHONPATH", "")) if part
        )
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", self._module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self._root,
            env=env,
        )
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()

    def run(self, job: _Job) -> str | None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {
            "root": str(self._root),
            "search": self._search,
            "source_id": job.source_id,
            "source": job.source,
            "key": job.key,
            "out": str(job.out),
            "evm_version": EVM_VERSION,
        }
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return "the compiler process ended early"
        answer = self._process.stdout.readline()
        if not answer:
            return "the compiler process ended early"
        error = json.loads(answer)["error"]
        return None if error is None else str(error)
