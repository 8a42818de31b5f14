"""The tape: sequences of calls with what each did on the sound build.

Played on changed code it shows the first difference: another reason, return value, event, or word
of storage. Nothing is decoded, so a call costs what the EVM takes.

While it is recorded the reference model makes the same calls: a tape holds what the model says, or
it is not recorded at all.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from breakwater import artifacts
from breakwater.abi import checksum
from breakwater.artifacts import Artifact
from breakwater.errors import UserError
from breakwater.evm import _HALT, _REVERT, EvmHost
from breakwater.fuzz.compare import Comparison
from breakwater.fuzz.steps import Step
from breakwater.fuzz.world import World
from breakwater.host import Reverted, decode_reason, interface_of
from breakwater.model.protocol import mirror

GAS = 30_000_000
"""Of one call: changed code that never ends must stop."""

_FORMAT = 1
_CHANGE = re.compile(
    r"StorageChange \{ address: (0x[0-9a-f]{40}), key: (\d+), had_value: Some\(\d+\) \}"
)


@dataclass
class Call:
    """One call and what it did."""

    sender: str
    target: str
    """Name in the world."""
    address: str
    data: bytes
    wait: int
    blocks: int
    reason: str | None = None
    """None: it passed."""
    output: bytes = b""
    logs: bytes = b""

    def to_json(self) -> list[Any]:
        """Bytes as hexadecimal text."""
        return [
            self.sender, self.target, self.address, self.data.hex(), self.wait, self.blocks,
            self.reason, self.output.hex(), self.logs.hex(),
        ]  # fmt: skip

    @classmethod
    def from_json(cls, row: list[Any]) -> Call:
        """The reverse of `to_json`."""
        parts = [bytes.fromhex(row[i]) for i in (3, 7, 8)]
        sender, target, address, _, wait, blocks, reason, _, _ = row
        return cls(sender, target, address, parts[0], wait, blocks, reason, parts[1], parts[2])


Words = list[tuple[str, int, int]]
"""Address, slot, value."""


@dataclass
class Sequence:
    """Calls from the market as deployed, and the words they changed."""

    calls: list[Call]
    words: Words = field(default_factory=list)


@dataclass(frozen=True)
class Difference:
    """The first place where changed code does something else."""

    sequence: int
    """-1: the deployment."""
    step: int
    what: str

    def __str__(self) -> str:
        if self.sequence < 0:
            return f"model: set-up: {self.what}"
        return f"model: sequence {self.sequence}, step {self.step}: {self.what}"


class Disagreement(UserError):
    """The model says another thing than the sound build did: one of them is wrong."""


class Runner:
    """A market on some code, ready for sequences."""

    def __init__(self, profile: str, changed: Mapping[str, bytes] | None = None) -> None:
        changed = changed or {}

        def load(name: str) -> Artifact:
            found = artifacts.load(name)
            code = changed.get(name)
            return found if code is None else replaced(found, code)

        self.host = EvmHost()
        self.world = World(self.host, profile, load)
        self.evm = self.host._evm
        self.start = self.host.snapshot()

    def call(self, call: Call) -> tuple[str | None, bytes, bytes]:
        """Reason (None: passed), returned data, and logs packed, of one call."""
        if call.wait or call.blocks:
            self.host.advance(call.wait, call.blocks)
        evm = self.evm
        evm.reset_transient_storage()
        try:
            output = evm.message_call(call.sender, call.address, call.data, gas=GAS)
        except RuntimeError as error:
            return _reason(str(error)), b"", b""
        logs = b""
        result: Any = evm.result
        for log in result.logs:
            topics, data = log.data
            logs += log.address.encode() + b"".join(topics) + data
        return None, output, logs

    def step(self, step: Step) -> Call:
        """Make the call of a step; what it did."""
        if step.wait or step.blocks:
            self.host.advance(step.wait, step.blocks)
        sender, address, data = self.world.encode(step)
        call = Call(sender, step.target, address, data, 0, 0)
        call.reason, call.output, call.logs = self.call(call)
        call.wait, call.blocks = step.wait, step.blocks
        return call

    def changed_words(self) -> Words:
        """Every word that was written since the deployment began."""
        found = {(a, int(k)) for a, k in _CHANGE.findall(self.evm.journal_str)}
        places = sorted((checksum(address), slot) for address, slot in found)
        return [(a, slot, int(self.evm.storage(a, slot))) for a, slot in places]

    def reset(self) -> None:
        """Back to the market as deployed."""
        self.host.restore(self.start)


class Witness:
    """The reference model beside the sound build, to which every recorded call is put."""

    def __init__(self, profile: str) -> None:
        self.player = Runner(profile)
        world = self.player.world
        self.comparison = Comparison(mirror(world), self.player.host, world.name)
        self._functions = {
            (contract.address, function.selector): function
            for contract in world.contracts.values()
            for function in interface_of(contract.NAME).functions.values()
        }
        self._agree(self.comparison.everything(), "set-up")
        self._start = self.comparison.mark()

    def check(self, sequence: Sequence) -> None:
        """Make its calls on both, and go back. Disagreement, see there.

        Compared are reason, value, events and the words written of each call, and at the end every
        word that the model knows.
        """
        player, comparison = self.player, self.comparison
        for i, call in enumerate(sequence.calls):
            if call.wait or call.blocks:
                player.host.advance(call.wait, call.blocks)
            function = self._functions[call.address, call.data[:4]]
            args = function.inputs.decode(call.data[4:])
            differs = comparison.step(call.sender, call.address, function.name, args)
            # what was compared is what was recorded
            if differs is None and comparison.outcome.reason != call.reason:
                differs = f"{function.name} {_said(comparison.outcome.reason)} the second time"
            self._agree(differs, f"call {i}")
        self._agree(comparison.everything(), "the end")
        self._agree(comparison.unknown(), "the end")
        player.reset()
        comparison.back(self._start)

    @staticmethod
    def _agree(differs: str | None, place: str) -> None:
        if differs is not None:
            raise Disagreement(f"no tape: the model disagrees at {place}: {differs}")


class Tape:
    """Sequences for one profile, and the words of the market they start from."""

    def __init__(self, profile: str, words: Words, sequences: list[Sequence]) -> None:
        self.profile = profile
        self.words = words
        self.sequences = sequences
        self.seconds = 0.0
        """CPU time of playing it on the sound build: see `prove`."""

    @property
    def calls(self) -> int:
        """In all sequences."""
        return sum(len(one.calls) for one in self.sequences)

    @property
    def digest(self) -> str:
        """Of everything in it."""
        digest = hashlib.sha256(f"{_FORMAT} {self.profile}".encode())
        for one in self.sequences:
            digest.update(repr([call.to_json() for call in one.calls]).encode())
        return digest.hexdigest()[:16]

    # ------------------------------------------------------------ playing

    def prove(self) -> None:
        """Play it on the sound build and note what that takes. UserError when it differs."""
        begin = time.process_time()
        difference = self.play({})
        self.seconds = time.process_time() - begin
        if difference is not None:
            raise UserError(f"the sound build does not do what was recorded: {difference}")

    def play(
        self, changed: Mapping[str, bytes], order: Iterable[int] | None = None
    ) -> Difference | None:
        """The first difference that changed creation code (by contract) makes; None: none."""
        try:
            player = Runner(self.profile, changed)
        except Reverted as error:
            return Difference(-1, 0, f"refused: {error.reason!r}")
        except Exception as error:  # the set-up trips over what a contract answered
            return Difference(-1, 0, f"{type(error).__name__}: {str(error)[:80]}")
        storage = player.evm.storage
        for address, slot, value in self.words:
            if storage(address, slot) != value:
                return Difference(-1, 0, self._word(player.world, address, slot))
        for number in order if order is not None else range(len(self.sequences)):
            difference = self._play_one(player, number)
            if difference is not None:
                return difference
        return None

    def _play_one(self, player: Runner, number: int) -> Difference | None:
        sequence = self.sequences[number]
        play = player.call
        for i, call in enumerate(sequence.calls):
            reason, output, logs = play(call)
            if reason != call.reason or output != call.output or logs != call.logs:
                what = self._told(call, reason, output != call.output)
                return Difference(number, i, what)
        storage = player.evm.storage
        for address, slot, value in sequence.words:
            if storage(address, slot) != value:
                what = self._word(player.world, address, slot)
                return Difference(number, len(sequence.calls), what)
        player.reset()
        return None

    @staticmethod
    def _told(call: Call, reason: str | None, is_value: bool) -> str:
        name = f"{call.target}.{_function_name(call)}"
        if reason != call.reason:
            return f"{name} {_said(reason)}, not {_said(call.reason)}"
        return f"{name} {'returned another value' if is_value else 'emitted other events'}"

    @staticmethod
    def _word(world: World, address: str, slot: int) -> str:
        place = slot if slot < 10**6 else f"{hex(slot)[:10]}.."
        return f"word {place} of {world.name(address)}"

    # ------------------------------------------------------------ files

    def save(self, path: Path) -> None:
        """Write it, compressed JSON."""
        data = {
            "format": _FORMAT,
            "profile": self.profile,
            "words": self.words,
            "sequences": [
                {"calls": [call.to_json() for call in one.calls], "words": one.words}
                for one in self.sequences
            ],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(gzip.compress(json.dumps(data).encode(), 1))
        part.replace(path)

    @classmethod
    def read(cls, path: Path) -> Tape:
        """The reverse of `save`."""
        data = json.loads(gzip.decompress(path.read_bytes()))
        return cls(
            data["profile"],
            [tuple(word) for word in data["words"]],
            [
                Sequence(
                    [Call.from_json(row) for row in one["calls"]],
                    [tuple(word) for word in one["words"]],
                )
                for one in data["sequences"]
            ],
        )


def replaced(artifact: Artifact, code: bytes) -> Artifact:
    """The artifact with other creation code; its runtime code is what deploys from it."""
    return replace(artifact, bytecode=code)


def _reason(text: str) -> str:
    match = _REVERT.match(text)
    if match is not None:
        return decode_reason(bytes.fromhex(match["data"]))
    match = _HALT.match(text)
    return f"halt: {match['reason']}" if match is not None else text[:80]


def _said(reason: str | None) -> str:
    return "passes" if reason is None else f"is refused with {reason!r}"


def _function_name(call: Call) -> str:
    return _selectors().get(call.data[:4], "0x" + call.data[:4].hex())


_known: dict[bytes, str] = {}


def _selectors() -> dict[bytes, str]:
    if not _known:
        for name in artifacts.names():
            for function in interface_of(name).functions.values():
                _known.setdefault(function.selector, function.name)
    return _known
