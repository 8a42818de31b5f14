"""Plays the steps of a counterexample on any host, and judges each one.

The judges: every promise of `breakwater.promises` over whole observations of the state, before and
after each call; in process also the watch of the search, at its most thorough, and the reference
model. On a node the same steps are played in process beside it, and every outcome, event and
observation is held against those of the node: what broke in process then broke there too.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from breakwater.abi import AbiError, checksum
from breakwater.errors import UserError
from breakwater.evm import EvmHost
from breakwater.fuzz.counterexample import MODEL, MODEL_SENTENCE, Compile, Counterexample
from breakwater.fuzz.genes import Call
from breakwater.fuzz.lane import unreasoned
from breakwater.fuzz.steps import Step
from breakwater.fuzz.watch import Watch
from breakwater.fuzz.world import Result, World
from breakwater.host import Host, Reverted
from breakwater.observation import Observation, Timed
from breakwater.promises import Ledger, catalogue
from breakwater.promises.verdicts import Violation
from breakwater.units import MAX_UINT256

BLOCKS = 4
"""Most empty blocks that a node mines before a step."""

_SHORT = re.compile(r"account (0x[0-9a-fA-F]{8})#(\d+)")
_HEX = re.compile(r"0x(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{40})\b")


@dataclass(frozen=True)
class Played:
    """A step and what came of it."""

    step: Step
    result: Result
    broken: tuple[Violation, ...] = ()
    after: Observation | None = field(default=None, repr=False)


@dataclass
class Playback:
    """Every step that was played, to the first one that broke something if that was asked for."""

    played: list[Played] = field(default_factory=list)

    @property
    def violations(self) -> list[Violation]:
        """What broke, in order."""
        return [violation for played in self.played for violation in played.broken]

    def broke(self, promise: str) -> Violation | None:
        """The first violation of a promise."""
        return next((one for one in self.violations if one.promise == promise), None)

    def __str__(self) -> str:
        lines = [f"{number}. {played.step}" for number, played in enumerate(self.played, 1)]
        return "\n".join([*lines, *map(str, self.violations)])


class Replayer:
    """Plays sequences on one world, each from the state the world began with."""

    def __init__(self, world: World, promise: str = "") -> None:
        """`promise` is the one that matters: UserError when it is "model" and there is none."""
        self.world = world
        self.quick = False
        """Only the watch judges: fast, for many plays about a promise that it knows."""
        self.trials = True
        """Try at the end what must be possible then."""
        self._observer = world.observer()
        self._start: int | None = None
        self._model: Callable[[], _Compared] | None = None
        self._watch: Watch | None = None
        if isinstance(world.host, EvmHost):
            self._model = _model_of(world)
            if self._model is None and promise == MODEL:
                raise UserError("the reference model lacks a contract of this market")
            self._watch = Watch(world)
            self._watch.thorough = True
        self._compared: _Compared | None = None
        self._last: Observation | None = None
        self._holders = {"@engine", *(f"@vault.{symbol}" for symbol in world.debts)}
        self._lost = False
        """Whether an issuer took away what the protocol held."""
        self._ledger = _ledger()

    @property
    def compares(self) -> bool:
        """Whether the reference model judges too."""
        return self._model is not None

    def play(self, steps: Sequence[Step], until: str = "") -> Playback:
        """Play steps from the world's first state; to the first that breaks `until`."""
        found = Playback()
        for played in self.each(steps):
            found.played.append(played)
            if until and any(one.promise == until for one in played.broken):
                break
        return found

    def each(self, steps: Sequence[Step]) -> Iterator[Played]:
        """Play steps from the world's first state, each when it is asked for; after the last, in
        process, what must be possible then: each such call is a step too.
        """
        self.rewind()
        for step in steps:
            yield self.one(step)
        yield from self._trials()

    def seen(self) -> Observation:
        """The present state."""
        return self._observer.read()

    def rewind(self) -> None:
        """Back to the world's first state."""
        if self._start is None:
            self._start = self.world.host.snapshot()
        else:
            self.world.host.restore(self._start)
            if self._watch is not None:
                self._watch.reset()
        self._last = None
        self._lost = False
        self._ledger = _ledger()
        self._compared = None
        if self._model is not None and not self.quick:
            self._compared = self._model()

    def one(self, step: Step) -> Played:
        """Play and judge a step in the present state."""
        world, host = self.world, self.world.host
        if step.wait or step.blocks:
            host.advance(step.wait, step.blocks)
        still = replace(step, wait=0, blocks=0)
        before = None
        if not self.quick:
            before = self._last
            if before is None or (before.now, before.block) != (host.now, host.block):
                before = self._observer.read()
        broken: list[Violation] = []
        if self._compared is None:
            result = world.run(still)
        else:
            result, differs = self._compared.run(still)
            if differs is not None:
                broken.append(Violation(MODEL, MODEL_SENTENCE, differs, host.now, -1))
                self._compared = None  # what follows would only repeat it
        if self._watch is not None:
            broken += self._watch.after(still, result)
        if result.reason is not None:
            call = (step.sender, step.target, step.function, step.args, 0, 0)
            broken += unreasoned(call, result.reason, host.now)
        after = None
        if before is not None:
            logs = [Timed(host.now, log) for log in result.logs]
            after = self._last = self._observer.read(before, logs, call=True)
            known = {violation.promise for violation in broken}
            if step.function == "burn" and step.args[0] in self._holders:
                self._lost = True
            if self._lost:
                known.add("SOLV-1")  # the watch knows what an issuer took away
            broken += [one for one in self._ledger.check(after) if one.promise not in known]
        return Played(step, result, tuple(self._named(one) for one in broken), after)

    def _trials(self) -> Iterator[Played]:
        if self._watch is None or not self.trials:
            return
        played: list[Played] = []

        def send(call: Call) -> str | None:
            played.append(self.one(Step(*call)))
            return played[-1].result.reason

        broken = tuple(self._named(one) for one in self._watch.trials(send))
        if broken and played:
            played[-1] = replace(played[-1], broken=(*played[-1].broken, *broken))
        yield from played

    def _named(self, violation: Violation) -> Violation:
        """With names for addresses and accounts, so that it says the same on every chain."""

        def name(match: re.Match[str]) -> str:
            text = match[0]
            owner = checksum(text[:42])
            known = self.world.name(owner)
            if len(text) == 42 or known == owner:
                return known if len(text) == 42 else text
            return f"{known}#{int(text[42:], 16)}"

        def short(match: re.Match[str]) -> str:
            for role, address in self.world.roles.items():
                if address.startswith(match[1]):
                    return f"{role}#{match[2]}"
            return match[0]

        return replace(violation, what=_SHORT.sub(short, _HEX.sub(name, violation.what)))


def _ledger() -> Ledger:
    """The promises that events and states tell without the call's arguments.

    SOLV-11 is left to the watch: a liquidation credits an account that no event names.
    """
    return Ledger(promise for promise in catalogue() if promise.id != "SOLV-11")


def new_world(market: str, compile: Compile | None = None, host: Host | None = None) -> World:
    """A world in this process, unless another host is given."""
    return World(host or EvmHost(), market, compile)


def new_twin(market: str, compile: Compile | None = None) -> World:
    """A world in this process, to be played beside one on a node: its addresses are the same."""
    from breakwater.fuzz.node import TwinHost

    return World(TwinHost(), market, compile)


def play(steps: Sequence[Step], market: str = "default") -> Playback:
    """Play steps on a fresh world in this process: what tests of incidents do."""
    return Replayer(new_world(market)).play(steps)


def on_both(here: Replayer, there: Replayer, steps: Sequence[Step], until: str = "") -> Playback:
    """Play steps in process and on a node, side by side; what came of them on the node.

    `here` is on a `new_twin`. What broke in process counts there too. Difference when the two do
    not agree; quick players compare states at the end only. Of the blocks that pass before a step
    at most `BLOCKS` are mined, on both: a node cannot pass years of them.
    """
    found = Playback()
    there.rewind()
    for ours in here.each([_mineable(step) for step in steps]):
        theirs = there.one(ours.step)
        parts = zip(_parts(here.world, ours), _parts(there.world, theirs), strict=True)
        for (what, one), (_, other) in parts:
            if one != other:
                raise Difference(
                    f"step {len(found.played) + 1} differs in its {what}: {_first(one, other)}"
                    " (in process, on the node)"
                )
        known = {violation.promise for violation in theirs.broken}
        more = [one for one in ours.broken if one.promise not in known]
        found.played.append(replace(theirs, broken=(*more, *theirs.broken)))
        if until and any(one.promise == until for one in found.played[-1].broken):
            break
    one, other = (_told(player.world, player.seen()) for player in (here, there))
    if one != other:
        raise Difference(f"the state at the end differs: {_first(one, other)}")
    return found


class Difference(UserError):
    """The same steps do not do the same in process and on a node."""


def _parts(world: World, played: Played) -> Iterator[tuple[str, Any]]:
    """What is compared of a step on two hosts."""
    result, seen = played.result, played.after
    yield "outcome", result.reason
    yield "value", _told(world, result.value)
    yield "events", [[world.name(e.address), e.name, _told(world, e.args)] for e in result.logs]
    if seen is not None:
        yield "state", _told(world, replace(seen, previous=None, logs=()))


def _told(world: World, value: Any) -> Any:
    """A value with names for addresses and accounts, also where they are a part of a word."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        name = world.name("0x" + (value % 2**160).to_bytes(20, "big").hex())
        return value if name.startswith("0x") else (value >> 160, name)
    if isinstance(value, str):
        return world.name(value) if len(value) == 42 and value.startswith("0x") else value
    if isinstance(value, bytes):
        if len(value) == 32:
            name = world.name(checksum(value[:20]))
            return value if name.startswith("0x") else (name, value[20:])
        # call data and the like: words that may be addresses
        words = [value[i : i + 32] for i in range(len(value) % 32, len(value), 32)]
        return [value[: len(value) % 32], *(_told(world, _int(word)) for word in words)]
    if isinstance(value, Mapping):
        return {_key(_told(world, key)): _told(world, part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_told(world, part) for part in value]
    if is_dataclass(value):
        return {one.name: _told(world, getattr(value, one.name)) for one in fields(value)}
    return value


def _int(word: bytes) -> int:
    return int.from_bytes(word, "big")


def _key(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _first(one: Any, other: Any) -> str:
    """The first part in which two values differ."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            if one[key] != other[key]:
                return f"{key}: {_first(one[key], other[key])}"
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            if left != right:
                return f"{index}: {_first(left, right)}"
    return f"{one!r}, {other!r}"


def shrink(
    found: Counterexample,
    player: Replayer,
    *,
    seconds: float | None = 20.0,
    tries: int | None = None,
) -> Counterexample:
    """A counterexample of the same promise with fewer steps and rounder numbers.

    Stops looking after `seconds` or `tries`. UserError when the steps do not break the promise.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    count = 0
    promise = found.promise
    player.quick = promise != MODEL
    if player.play(found.steps, promise).broke(promise) is None:
        player.quick = False
    try:
        first = player.play(found.steps, promise)
        if first.broke(promise) is None:
            raise UserError(f"{promise} holds: there is nothing to shrink")
        # what is tried at the end becomes a step, unless only that it must be possible broke
        best = [played.step for played in first.played]
        player.trials = False
        if player.play(best, promise).broke(promise) is None:
            player.trials = True
            best = best[: len(found.steps)]

        def breaks(steps: list[Step]) -> bool:
            nonlocal count
            if not steps or (deadline is not None and time.monotonic() > deadline):
                return False
            count += 1
            if tries is not None and count > tries:
                return False
            try:
                return player.play(steps, promise).broke(promise) is not None
            except (UserError, AbiError):  # a simpler argument may not fit the function
                return False

        best = _fewer(best, breaks)
        best = _rounder(best, breaks)
        best = _fewer(best, breaks)
        violation = player.play(best, promise).broke(promise)
        assert violation is not None
        return replace(
            found, steps=tuple(best), sentence=violation.sentence, actual=_said(violation)
        )
    finally:
        player.quick, player.trials = False, True


def _said(violation: Violation) -> str:
    return (
        f"{violation.what} (short by {-violation.slack})"
        if violation.slack < -1
        else (violation.what)
    )


def _fewer(steps: list[Step], breaks: Callable[[list[Step]], bool]) -> list[Step]:
    """Without the steps that are not needed; each keeps the time that passed before it."""
    size = max(len(steps) // 2, 1)
    while True:
        at = 0
        while at < len(steps):
            rest = _without(steps, at, at + size)
            if breaks(rest):
                steps = rest
            else:
                at += size
        if size == 1:
            return steps
        size //= 2


def _without(steps: list[Step], start: int, end: int) -> list[Step]:
    gone, after = steps[start:end], steps[end:]
    if after:
        wait = after[0].wait + sum(step.wait for step in gone)
        blocks = after[0].blocks + sum(step.blocks for step in gone)
        after = [replace(after[0], wait=wait, blocks=blocks), *after[1:]]
    return [*steps[:start], *after]


def _rounder(steps: list[Step], breaks: Callable[[list[Step]], bool]) -> list[Step]:
    for at in range(len(steps)):
        for simpler in _simpler_times(steps[at]):
            trial = [*steps[:at], simpler, *steps[at + 1 :]]
            if breaks(trial):
                steps = trial
                break
        for index in range(len(steps[at].args)):
            for value in _simpler(steps[at].args[index]):
                args = steps[at].args
                step = replace(steps[at], args=(*args[:index], value, *args[index + 1 :]))
                trial = [*steps[:at], step, *steps[at + 1 :]]
                if breaks(trial):
                    steps = trial
                    break
    return steps


def _simpler_times(step: Step) -> Iterator[Step]:
    if not step.wait and not step.blocks:
        return
    yield replace(step, wait=0, blocks=0)
    for wait in (12, 60, 3_600, 86_400):
        if wait < step.wait:
            yield replace(step, wait=wait, blocks=1)
    for wait in _simpler(step.wait):
        if wait > 1:
            yield replace(step, wait=wait, blocks=1)
    if step.blocks > 1:
        yield replace(step, blocks=1)


_SIMPLE = (0, 1, MAX_UINT256)


def _simpler(value: Any) -> Iterator[Any]:
    """Simpler values of an argument, the simplest first; none of it is larger."""
    if isinstance(value, list):
        for index, part in enumerate(value):
            for simple in _simpler(part):
                yield [*value[:index], simple, *value[index + 1 :]]
        return
    if isinstance(value, bool) or not isinstance(value, int) or value in _SIMPLE:
        return
    yield 1
    digits = len(str(abs(value)))
    for kept in (1, 2, 3, 4):
        if kept < digits:
            unit = 10 ** (digits - kept)
            rounded = value // unit * unit
            if rounded != value:
                yield rounded


# ------------------------------------------------------------ the model


def _mineable(step: Step) -> Step:
    """A step as a node can take it: few blocks before it, and one at least where time passes."""
    return replace(step, blocks=min(max(step.blocks, int(step.wait > 0)), BLOCKS))


class _Recorder:
    """A host that remembers what its last transaction came to."""

    def __init__(self, world: World) -> None:
        self._host: Any = world.host
        self.result = Result(None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)

    def transact(self, *args: Any, **options: Any) -> Any:
        try:
            receipt = self._host.transact(*args, **options)
        except Reverted as refused:
            self.result = Result(refused.reason)
            raise
        self.result = Result(None, receipt.value, tuple(receipt.logs))
        return receipt


class _Compared:
    """A world and its model, from the state that the world began with."""

    def __init__(self, world: World, chain: Any) -> None:
        from breakwater.fuzz.compare import Comparison

        self._world = world
        self._recorder = _Recorder(world)
        self._comparison = Comparison(chain, self._recorder, world.name)  # type: ignore[arg-type]

    def run(self, step: Step) -> tuple[Result, str | None]:
        differs = self._comparison.play(self._world, step)
        return self._world.decoded(step, self._recorder.result), differs


def _model_of(world: World) -> Callable[[], _Compared] | None:
    """Makes a model of a world that stands at its beginning; None where a contract has none."""
    from copy import deepcopy

    try:
        from breakwater.model.protocol import MirrorError, mirror
    except ImportError:
        return None
    try:
        chain = mirror(world)
    except (MirrorError, ImportError):
        return None
    return lambda: _Compared(world, deepcopy(chain))
