"""`CoverageHost`: an `EvmHost` whose contracts report what they run.

    seen = Coverage()
    host = CoverageHost(seen)               # deploy, transact, call, snapshot as on any EvmHost
    host.new_bits()                         # {("LendingVault", 17), ...}: sites new in `seen`
    seen.save(path)

For who calls the EVM without the host's methods:
- call instrumented contracts with is_static=False, views too (a static call cannot set bits);
- ask `new_bits()` before a checkpoint is reverted to, since that undoes bits: once a sequence is
  enough, and costs 0.8 us a contract when there is nothing new;
- give the text of a RuntimeError to `plain_error(text)`, or revert data to `plain(data)`: they
  return what the plain build gives, and keep the sites of the trailer. Without that the reason of
  an empty revert is not empty;
- `CoverageHost(seen, skip=True)` deploys contracts without the sites that `seen` has: they cost
  next to nothing, and a bit is news. Make a new one now and then, when much was found.

With BREAKWATER_COVERAGE=FILE in the environment every EvmHost of the process is one of these, and
what they ran is added to FILE when the process ends; several processes may share a FILE.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import json
import os
import re
import sys
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from breakwater import artifacts
from breakwater.abi import checksum
from breakwater.coverage.instrument import (
    FIRST_SLOT,
    FLAG_SLOT,
    MAGIC,
    TRAILER_BYTES,
    TRAILER_SLOT,
    Instrumented,
    find,
    instrument,
    instrument_source,
)
from breakwater.errors import UserError
from breakwater.evm import EvmHost, _failure
from breakwater.host import Abi, Reverted, code_bytes, decode_reason, interface_of

Bit = tuple[str, int]
"""Name of a contract, number of a site."""

_FORMAT = 2


class NotCoverage(UserError):
    """A file that is no coverage, or not all of one."""


class Coverage:
    """The sites that were passed, of any number of contracts: accumulates, merges, keeps."""

    def __init__(self) -> None:
        self.hits: dict[str, set[int]] = {}
        """Numbers of sites by key of the build."""
        self.names: dict[str, str] = {}
        """Name of the contract by key of the build."""

    def of(self, build: Instrumented) -> set[int]:
        """The sites passed of one build: the very set, to add to."""
        self.names.setdefault(build.key, build.name)
        return self.hits.setdefault(build.key, set())

    def __len__(self) -> int:
        return sum(len(numbers) for numbers in self.hits.values())

    def merge(self, other: Coverage) -> int:
        """Add what another has; how many sites were new."""
        before = len(self)
        self.names.update(other.names)
        for key, numbers in other.hits.items():
            self.hits.setdefault(key, set()).update(numbers)
        return len(self) - before

    def add(self, bits: Iterable[Bit]) -> None:
        """Add sites of the present builds, such as another process's `new_bits()`."""
        for name, number in bits:
            self.of(instrument(name)).add(number)

    def to_json(self) -> dict[str, Any]:
        """A compact form: a bit map in hexadecimal by name and key, and a checksum over it."""
        builds = {
            f"{self.names[key]}:{key}": f"{sum(1 << number for number in numbers):x}"
            for key, numbers in sorted(self.hits.items(), key=lambda item: self.names[item[0]])
            if numbers
        }
        return {"format": _FORMAT, "builds": builds, "checksum": _checksum(builds)}

    @classmethod
    def from_json(cls, data: Any) -> Coverage:
        """The inverse of `to_json`. ValueError when it is not that."""
        found = cls()
        if not isinstance(data, dict) or data.get("format") != _FORMAT:
            raise ValueError("not a coverage file of this version")
        if data.get("checksum") != _checksum(data.get("builds")):
            raise ValueError("a coverage file that was changed: its checksum is of something else")
        try:
            for label, text in data["builds"].items():
                name, key = label.split(":")
                bits = int(text, 16)
                found.names[key] = name
                found.hits[key] = {n for n in range(bits.bit_length()) if bits >> n & 1}
        except (AttributeError, KeyError, TypeError) as problem:
            raise ValueError(f"not a coverage file: {problem}") from None
        return found

    def save(self, path: Path) -> None:
        """Write a file, whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(self.to_json(), stream, indent=1)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: Path) -> Coverage:
        """Read a file. UserError when it cannot be read, NotCoverage when it is not a whole one."""
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
        except OSError as problem:
            raise UserError(f"cannot read {path}: {problem.strerror}") from None
        except json.JSONDecodeError as problem:
            raise NotCoverage(f"{path}: not a coverage file, or cut: {problem}") from None
        except ValueError as problem:
            raise NotCoverage(f"{path}: {problem}") from None

    def add_to(self, path: Path) -> None:
        """Add to a file that other processes add to as well; made if it is not there.

        Builds of which the file has another key than this are dropped: they are of older sources.
        What is there and is no coverage is kept under another name, which is said on stderr.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(path):
            old = _old(path)
            if old is not None:
                present = set(self.names.values())
                for key, name in list(old.names.items()):
                    if name in present and key not in self.names:
                        del old.names[key], old.hits[key]
                old.merge(self)
                old.save(path)
            else:
                self.save(path)


def _checksum(builds: Any) -> str:
    """Of the whole content: JSON that was cut does not parse, but digits may be lost or changed."""
    return hashlib.sha256(json.dumps(builds, sort_keys=True).encode()).hexdigest()[:16]


def _old(path: Path) -> Coverage | None:
    """What a file holds; None where there is none, or where it had to be put aside."""
    if not path.exists():
        return None
    try:
        return Coverage.load(path)
    except NotCoverage as problem:
        aside = _free(path)
        os.replace(path, aside)
        print(f"{problem}; it is kept as {aside.name}", file=sys.stderr)
        return None


def _free(path: Path) -> Path:
    """A name beside it that nothing has, and that is not read as coverage."""
    number = 1
    while (found := path.with_name(f"{path.name}.not-coverage-{number}")).exists():
        number += 1
    return found


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with open(path.with_name(f".{path.name}.lock"), "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


class _Reader:
    """Reads bits out of an EVM. Outlives its host, so that the last calls count."""

    def __init__(self, evm: Any, coverage: Coverage) -> None:
        self.evm = evm
        self.coverage = coverage
        self.places: list[tuple[str, Instrumented, set[int]]] = []
        self.catchers: list[str] = []
        self.fresh: set[Bit] = set()

    def watch(self, address: str, build: Instrumented) -> None:
        self.places.append((address, build, self.coverage.of(build)))

    def collect(self) -> None:
        self.caught()
        storage = self.evm.storage
        for address, build, seen in self.places:
            if not storage(address, FLAG_SLOT):
                continue
            self.evm.insert_account_storage(address, FLAG_SLOT, 0)
            for number in build.numbers - seen:
                if storage(address, FIRST_SLOT + number):
                    seen.add(number)
                    self.fresh.add((build.name, number))

    def strip(self, data: bytes) -> bytes:
        while len(data) >= TRAILER_BYTES and data.startswith(MAGIC, len(data) - TRAILER_BYTES):
            self.note(data[-TRAILER_BYTES:])
            data = data[:-TRAILER_BYTES]
        return data

    def note(self, trailer: bytes) -> None:
        build = _by_magic.get(trailer[:32])
        if build is None:
            return
        seen = self.coverage.of(build)
        for number in _history(trailer, len(build.sites)):
            if number not in seen:
                seen.add(number)
                self.fresh.add((build.name, number))

    def caught(self) -> None:
        storage = self.evm.storage
        for address in self.catchers:
            slot = TRAILER_SLOT
            while first := storage(address, slot):
                last = storage(address, slot + 1)
                self.note(first.to_bytes(32, "big") + last.to_bytes(32, "big"))
                self.evm.insert_account_storage(address, slot, 0)
                slot += TRAILER_BYTES


def _history(trailer: bytes, sites: int) -> list[int]:
    """Numbers of the sites in a trailer; none where it cannot be what they were kept as.

    The word of memory that keeps them is also written by code that is not of the compiler: then
    there are numbers that no site has, or a zero after a number.
    """
    words = (trailer[start : start + 2] for start in range(32, TRAILER_BYTES, 2))
    numbers = [int.from_bytes(word, "big") for word in words]
    while numbers and numbers[0] == 0:
        del numbers[0]
    return numbers if all(0 < number <= sites for number in numbers) else []


_by_magic: dict[bytes, Instrumented] = {}  # a constructor may fail before it has an address
_MAGIC_TEXT = MAGIC.hex()
_MOST_TRAILERS = 100_000
_REVERT = re.compile(r"^Revert \{ gas_used: \d+, output: 0x(?P<data>[0-9a-f]*) \}$")


class CoverageHost(EvmHost):
    """See the head of this file. Mocks and foreign contracts have no sites."""

    def __init__(self, coverage: Coverage | None = None, *, skip: bool = False, **settings: Any):
        """`settings` are those of `EvmHost`."""
        super().__init__(**{**settings, "code_size_limit": 2**20})
        if coverage is None:
            coverage = _of_process() if os.environ.get("BREAKWATER_COVERAGE") else Coverage()
        self.coverage = coverage
        self._skip = skip
        self._reader = _Reader(self._evm, coverage)
        self._trailers: set[str] = set()
        self._known: dict[str, Instrumented] = {}  # every contract that was built here
        self._made: dict[str, Instrumented] = {}  # what contracts may deploy, by name
        weakref.finalize(self, self._reader.collect)
        if coverage is _process:
            _hosts.add(self)

    def new_bits(self) -> set[Bit]:
        """Sites passed since the last time it was asked that `coverage` did not have before."""
        self._reader.collect()
        fresh = self._reader.fresh
        self._reader.fresh = set()
        return fresh

    def plain(self, data: bytes) -> bytes:
        """Revert data as the plain build gives it; the trailer's sites are kept."""
        return self._reader.strip(data) if MAGIC in data else data

    def plain_error(self, text: str) -> str:
        """The text of pyrevm's error as the plain build gives it; the trailer's sites are kept.

        For who calls the EVM a million times: a trailer that was seen before costs 0.3 us.
        """
        cut = text.find(_MAGIC_TEXT)
        if cut < 0:
            return text
        trailers = text[cut:]
        if trailers not in self._trailers:
            if len(self._trailers) < _MOST_TRAILERS:
                self._trailers.add(trailers)
            self._reader.strip(bytes.fromhex(trailers.partition(" ")[0]))
        return text[:cut] + " }"

    # ------------------------------------------------------------ what EvmHost does otherwise

    def deploy(self, name: str, *args: Any, sender: str, value: int = 0) -> str:
        """Deploy the instrumented build of one of the project's contracts."""
        return self._deploy(instrument(name), interface_of(name), args, sender, value)

    def deploy_raw(
        self,
        abi: Abi,
        bytecode: bytes | str,
        args: Any = (),
        *,
        sender: str,
        value: int = 0,
    ) -> str:
        """Deploy creation code; the instrumented build of it if the project compiled it."""
        build = _build_of(code_bytes(bytecode))
        if build is None:
            return super().deploy_raw(abi, bytecode, args, sender=sender, value=value)
        return self._deploy(build, interface_of(abi), args, sender, value)

    def creation_code(self, bytecode: bytes) -> bytes:
        """The instrumented build of creation code that the project compiled."""
        build = _build_of(bytecode)
        if build is None or not build.sites:
            return bytecode if build is None else build.artifact.bytecode
        _by_magic[build.magic] = build
        self._made[build.name] = build
        return build.creation(self.coverage.of(build) if self._skip else ())

    def register(self, address: str, abi_or_name: Abi | str) -> None:
        """Decode logs of `address`; what `creation_code` gave may be deployed there."""
        super().register(address, abi_or_name)
        build = self._made.get(abi_or_name) if isinstance(abi_or_name, str) else None
        if build is not None:
            self._reader.catchers.append(checksum(address))
            self._known[checksum(address)] = build
            self._reader.watch(checksum(address), build)

    def code(self, address: str) -> bytes:
        """Runtime code of the plain build, with this contract's immutables."""
        code = super().code(address)
        build = self._known.get(checksum(address))
        if build is None or not code:
            return code
        start = len(build.artifact.deployed)
        return (
            build.plain.deployed
            + code[start : start + build.plain.size - len(build.plain.deployed)]
        )

    def stored(self) -> dict[str, dict[int, int]]:
        """See `EvmHost.stored`; without the bits."""
        bits = range(FLAG_SLOT, FIRST_SLOT + 2**16)
        return {
            address: {slot: word for slot, word in words.items() if slot not in bits}
            for address, words in super().stored().items()
        }

    def _deploy(
        self, build: Instrumented, interface: Any, args: Any, sender: str, value: int
    ) -> str:
        if not build.sites:
            code = build.artifact.bytecode
        else:
            code = build.creation(self.coverage.of(build) if self._skip else ())
            _by_magic[build.magic] = build
        address = self._create(code + interface.encode_constructor(args), sender, value)
        self._decoder.add(address, interface)
        self._reader.catchers.append(address)
        self._known[address] = build
        if build.sites:
            self._reader.watch(address, build)
        return address

    def _read(self, caller: str, address: str, data: bytes) -> bytes:
        build = self._known.get(address)
        if build is not None and data[:4] in build.views:
            return bytes(self._evm.message_call(caller, address, data))
        return super()._read(caller, address, data)

    def _before_undo(self) -> None:
        self._reader.collect()

    def _failed(self, error: RuntimeError) -> Exception:
        match = _REVERT.match(str(error))
        if match is not None:
            data = self.plain(bytes.fromhex(match["data"]))
            return Reverted(decode_reason(data), data)
        return _failure(error)


def _build_of(bytecode: bytes) -> Instrumented | None:
    """The instrumented build of creation code that this process compiled."""
    found = artifacts.origin(bytecode)
    if found is None:
        return None
    artifact, source, root = found
    if source is None:
        return instrument(artifact.name, root)
    return instrument_source(source, artifact)


_process: Coverage | None = None
_hosts: weakref.WeakSet[CoverageHost] = weakref.WeakSet()


def _of_process() -> Coverage:
    """What this process ran, added to the file when it ends."""
    global _process
    if _process is None:
        _process = Coverage()
        atexit.register(save_process)
    return _process


def save_process() -> None:
    """Add what this process ran so far to the file BREAKWATER_COVERAGE.

    Called when the process ends; a worker of pytest-xdist calls it when its session does.
    """
    for host in _hosts:
        host.new_bits()
    if _process is not None and len(_process):
        path = Path(os.environ["BREAKWATER_COVERAGE"])
        try:
            _process.add_to(path)
        except (OSError, UserError) as problem:
            print(f"the coverage could not be added to {path}: {problem}", file=sys.stderr)


__all__ = ["Bit", "Coverage", "CoverageHost", "NotCoverage", "find", "save_process"]
