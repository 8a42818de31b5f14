"""A counterexample: the calls that broke a promise, as a JSON file that a person reads.

    {"format": 1, "market": "default", "promise": "SOLV-3", "sentence": "..", "seed": 7,
     "steps": [{"sender": "borrower_1", "target": "engine", "function": "repay", ..}],
     "expected": "..", "actual": "..", "planted": null,
     "checked": {"in process": "broken", "anvil": "broken"},
     "code": {"CreditEngine": "<sha256 of its runtime code>"}, "versions": {"vyper": "0.4.3"}}

The name of a file is that of what broke, not of when: the same failure found twice is one file.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from breakwater import artifacts
from breakwater.errors import UserError
from breakwater.fuzz.profiles import PROFILES
from breakwater.fuzz.steps import Step, StepError
from breakwater.fuzz.tokens import KNOWN, market
from breakwater.fuzz.watch import SENTENCES
from breakwater.fuzz.world import World

FORMAT = 1

Compile = Callable[[str], artifacts.Artifact]

MODEL = "model"
"""What stands for a promise where only the reference model tells."""

MODEL_SENTENCE = "Every call does what the reference model says."

MOST_TIME = 2**36
"""Seconds, and blocks, that the steps of a file may take in all: 2,000 years. The contracts keep
times in 40 bits."""

_FIELDS: dict[str, type | tuple[type, ...]] = {
    "format": int,
    "market": str,
    "promise": str,
    "sentence": str,
    "steps": list,
    "seed": (int, type(None)),
    "expected": str,
    "actual": str,
    "planted": (str, type(None)),
    "checked": dict,
    "code": dict,
    "versions": dict,
}
_NEEDED = ("format", "market", "promise", "steps")
_KINDS = {int: "a number", str: "text", list: "a list", dict: "an object"}
_ACCOUNT = re.compile(r"\b[a-z]+(?:_\d+)?#\d+")
_SYMBOLS = re.compile(
    r"\b(?:"
    + "|".join(sorted({one.symbol for listings in PROFILES.values() for one in listings}))
    + r")\b"
)
_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\d[\d_]*(?:\.\d+)?(?:e[-+]?\d+)?")


class CounterexampleError(UserError):
    """A file that is no counterexample, with what is wrong in it."""


@dataclass(frozen=True)
class Counterexample:
    """What broke, and the calls that broke it."""

    market: str
    """Profile of the world."""
    promise: str
    """Identifier, or "model"."""
    steps: tuple[Step, ...]
    sentence: str = ""
    seed: int | None = None
    expected: str = ""
    actual: str = ""
    planted: str | None = None
    """The bug that was planted, if one was."""
    checked: Mapping[str, str] = field(default_factory=dict)
    """Where it was replayed before it was reported, and what came of it."""
    code: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Eight hexadecimal digits that equal failures share.

        Failures are equal when the same calls, whatever their amounts, senders and assets, broke
        the same promise in the same words, numbers and names aside.
        """
        calls = [f"{_kind(step.target)}.{step.function}" for step in self.steps]
        said = without_numbers(self.actual)
        text = "\n".join((self.market, self.promise, self.planted or "", said, *calls))
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.promise}-{self.key}.json"

    def to_json(self) -> dict[str, Any]:
        """As JSON objects."""
        return {
            "format": FORMAT,
            "market": self.market,
            "promise": self.promise,
            "sentence": self.sentence,
            "seed": self.seed,
            "steps": [step.to_json() for step in self.steps],
            "expected": self.expected,
            "actual": self.actual,
            "planted": self.planted,
            "checked": dict(self.checked),
            "code": dict(self.code),
            "versions": dict(self.versions),
        }

    def text(self) -> str:
        """The file's text: one line for each step."""
        lines = []
        for key, value in self.to_json().items():
            if key == "steps":
                steps = ",\n  ".join(json.dumps(step, ensure_ascii=False) for step in value)
                shown = f"[\n  {steps}\n ]" if steps else "[]"
            else:
                shown = json.dumps(value, ensure_ascii=False, indent=1).replace("\n", "\n ")
            lines.append(f" {json.dumps(key)}: {shown}")
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def save(self, path: Path) -> None:
        """Write a file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        part.write_text(self.text(), encoding="utf-8")
        os.replace(part, path)

    def save_in(self, folder: Path) -> Path:
        """Write it below a folder, where a shorter one of the same failure stays; its file."""
        path = folder / self.name
        try:
            known = load(path)
        except CounterexampleError:
            known = None
        if known is None or len(self.steps) < len(known.steps):
            self.save(path)
        return path


def load(path: Path) -> Counterexample:
    """Read a file. CounterexampleError names what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CounterexampleError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CounterexampleError(f"{path} cannot be read: {error}") from None
    try:
        data = json.loads(text)
    except ValueError as error:
        raise CounterexampleError(f"{path} is not JSON: {error}") from None
    try:
        return parse(data)
    except CounterexampleError as error:
        raise CounterexampleError(f"{path}: {error}") from None


def parse(data: Any) -> Counterexample:
    """The counterexample of JSON objects. CounterexampleError names what is wrong."""
    if not isinstance(data, dict):
        raise CounterexampleError("not an object")
    if data.get("format") != FORMAT:
        raise CounterexampleError(
            f"its format is {data.get('format', 'not given')}, this version reads {FORMAT}"
        )
    missing = [key for key in _NEEDED if key not in data]
    if missing:
        raise CounterexampleError(f"it lacks {', '.join(missing)}")
    for key, value in data.items():
        kind = _FIELDS.get(key)
        if kind is None:
            raise CounterexampleError(f"it has an unknown field {key}")
        if not isinstance(value, kind) or isinstance(value, bool):
            first = kind if isinstance(kind, type) else kind[0]
            raise CounterexampleError(f"{key} is {value!r}, not {_KINDS[first]}")
        if isinstance(value, dict) and not all(isinstance(one, str) for one in value.values()):
            raise CounterexampleError(f"{key} has a value that is no text")
    try:
        market(data["market"])
    except UserError:
        raise CounterexampleError(f"there is no market {data['market']!r}: {KNOWN}") from None
    if data["promise"] not in SENTENCES and data["promise"] != MODEL:
        known = ", ".join([*SENTENCES, MODEL])
        raise CounterexampleError(f"{data['promise']!r} is no promise: {known}")
    if not data["steps"]:
        raise CounterexampleError("it has no steps")
    steps = []
    for number, step in enumerate(data["steps"], 1):
        try:
            steps.append(Step.from_json(step))
        except StepError as error:
            raise CounterexampleError(f"step {number}: {error}") from None
        for what, taken in (
            ("seconds", sum(step.wait for step in steps)),
            ("blocks", sum(step.blocks for step in steps)),
        ):
            if taken > MOST_TIME:
                raise CounterexampleError(
                    f"step {number}: {taken:,} {what} have passed, {MOST_TIME:,} are the most"
                )
    rest = {key: value for key, value in data.items() if key not in ("format", "steps")}
    return Counterexample(steps=tuple(steps), **rest)


def check(found: Counterexample, world: World) -> None:
    """That every name, function and argument of the steps exists in the world.

    CounterexampleError names the step that does not fit. Signatures and what they cover are not
    checked: they depend on the state.
    """
    for number, step in enumerate(found.steps, 1):
        try:
            world.encode(step)
        except (StepError, TypeError, ValueError, AttributeError) as error:
            raise CounterexampleError(f"step {number}: {error}") from None


def code_hashes(world: World, compile: Compile | None = None) -> dict[str, str]:
    """sha256 of the runtime code of each deployable in a world, immutables left out.

    `compile` is what the world was compiled with.
    """
    kinds = sorted({type(contract).NAME for contract in world.contracts.values()})
    artifact = compile or artifacts.load
    return {kind: hashlib.sha256(artifact(kind).deployed).hexdigest() for kind in kinds}


def changed_code(found: Counterexample, world: World, compile: Compile | None = None) -> list[str]:
    """Deployables whose code is not what it was when the counterexample was found."""
    now = code_hashes(world, compile)
    return [kind for kind, was in found.code.items() if now.get(kind) != was]


def without_numbers(text: str) -> str:
    """A text without its numbers, accounts and assets: what equal failures share."""
    return _NUMBERS.sub("0", _SYMBOLS.sub("asset", _ACCOUNT.sub("account", text)))


def versions() -> dict[str, str]:
    """Of what a result may depend on."""
    found = {"python": platform.python_version()}
    for package in ("breakwater", "vyper", "snekmate", "pyrevm"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _kind(name: str) -> str:
    """A contract's name without its asset."""
    return name.split(".", 1)[0]
