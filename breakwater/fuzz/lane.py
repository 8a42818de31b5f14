"""The fast lane: sequences of genes on the bytecode, every promise judged after every call.

A sequence is a row of genes (`breakwater.fuzz.genes`), drawn in bulk from a seeded generator. It
starts from one base state and is undone when it ends; before that some trials of liveness are made.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from breakwater.fuzz import actions
from breakwater.fuzz.genes import GENE, Call
from breakwater.fuzz.player import Player
from breakwater.fuzz.positions import owes
from breakwater.fuzz.steps import Step
from breakwater.fuzz.watch import SENTENCES
from breakwater.fuzz.world import World
from breakwater.promises.verdicts import Violation
from breakwater.units import WAD

LENGTH: Final = 50
"""Genes of a sequence."""

NEEDS_REASON: Final = frozenset({"repay", "liquidate", "accrue", "settle_fee", "poke"})
"""Functions that must have a reason when they refuse (LIVE-4)."""


@dataclass(frozen=True)
class Failure:
    """A sequence that broke a promise."""

    genes: bytes
    steps: list[Step]
    violations: list[Violation]


Key = tuple[str, str | None]
"""An action, and why the call was refused; None: it was not."""


@dataclass
class Outcome:
    """What a sequence did."""

    genes: bytes
    calls: int = 0
    succeeded: int = 0
    counts: dict[Key, int] = field(default_factory=dict)
    keys: set[int] = field(default_factory=set)
    """What it looked like: actions with their outcomes, levels, health of accounts."""
    violations: Sequence[Violation] = ()


def unreasoned(call: Call, reason: str, now: int) -> Sequence[Violation]:
    """LIVE-4: a call that must have a reason when it refuses was refused without one."""
    if reason not in ("", "halt") and reason[:5] != "panic":
        return ()
    _, target, function, args, _, _ = call
    if function not in NEEDS_REASON:
        return ()
    if function == "liquidate" and (target != "engine" or args[7] != "0x"):
        return ()  # others are called in between
    what = f"{target}.{function}: a revert without a reason ({reason or 'empty'})"
    return [Violation("LIVE-4", SENTENCES["LIVE-4"], what, now, -1)]


class Lane:
    """Runs sequences and keeps what they showed.

    counts  (action, reason; None: it succeeded) -> calls
    slack   promise -> least room seen
    found   sequences that broke a promise, as long as they were
    """

    def __init__(
        self,
        world: World,
        seed: int,
        *,
        length: int = LENGTH,
        coverage: Callable[[], int] | None = None,
        guide: Callable[[Outcome], bool] | None = None,
        corpus: Sequence[bytes] = (),
        stop: bool = False,
        trials: bool = True,
    ) -> None:
        """`coverage` tells after each sequence how much of the code is new; `guide` whether a
        sequence joins the corpus (by default: where it showed something new, if a corpus or a
        coverage was given). `stop`: at the first failure."""
        self.world = world
        self.seed = seed
        self.random = random.Random(seed)
        self.length = length
        self.player = Player(world)
        self.watch = self.player.watch
        self.host = self.player.host
        self.coverage = coverage
        self.guide = guide
        self.corpus = list(corpus)
        self.stop = stop
        self.trials = trials
        self.guided = bool(corpus) or coverage is not None or guide is not None
        self.counts: dict[Key, int] = {}
        self.found: list[Failure] = []
        self.keys: set[int] = set()
        self.sequences = 0
        self.calls = 0
        self.succeeded = 0
        self.seconds = 0.0
        """CPU seconds of running sequences."""
        self._numbers: dict[Key, int] = {}
        self._base = self.host.snapshot()

    @property
    def slack(self) -> dict[str, float]:
        """Least room of each promise that was judged."""
        return self.watch.slack

    # ------------------------------------------------------------ campaigns

    def run(
        self,
        sequences: int | None = None,
        seconds: float | None = None,
        calls: int | None = None,
    ) -> list[Failure]:
        """Run until one of the limits is reached; the failures of this run. `seconds` of CPU."""
        first = len(self.found)
        for _ in self.outcomes(sequences, seconds, calls):
            if self.stop and len(self.found) > first:
                break
        return self.found[first:]

    def outcomes(
        self,
        sequences: int | None = None,
        seconds: float | None = None,
        calls: int | None = None,
    ) -> Iterator[Outcome]:
        """The same, one sequence at a time."""
        began, before, done = time.process_time(), self.calls, 0
        # nothing here is cyclic: the collector would only take time
        collects = gc.isenabled()
        gc.disable()
        try:
            yield from self._outcomes(sequences, seconds, calls, began, before, done)
        finally:
            if collects:
                gc.enable()

    def _outcomes(
        self,
        sequences: int | None,
        seconds: float | None,
        calls: int | None,
        began: float,
        before: int,
        done: int,
    ) -> Iterator[Outcome]:
        while True:
            if sequences is not None and done >= sequences:
                return
            if calls is not None and self.calls - before >= calls:
                return
            if seconds is not None and time.process_time() - began >= seconds:
                return
            start = time.process_time()
            outcome = self.sequence(self.draw())
            self.seconds += time.process_time() - start
            done += 1
            if done % 1_000 == 0:
                gc.collect()
            yield outcome

    def draw(self) -> bytes:
        """The genes of the next sequence: new ones, or a mutation of the corpus."""
        draw = self.random
        size = GENE * self.length
        if not self.corpus or draw.random() < 0.4:
            return draw.randbytes(size)
        return mutated(draw, draw.choice(self.corpus), draw.choice(self.corpus), size)

    def sequence(self, genes: bytes) -> Outcome:
        """Run a sequence, count it, keep it if it broke something, undo it."""
        outcome = Outcome(genes)
        broken = self._play(genes, outcome, None)
        news = self.coverage() if self.coverage is not None else 0
        self._undo()
        self.sequences += 1
        self.calls += outcome.calls
        self.succeeded += outcome.succeeded
        counts = self.counts
        for key, count in outcome.counts.items():
            counts[key] = counts.get(key, 0) + count
        if broken:
            genes = genes[: self._reached * GENE]
            steps, again = self.replay(genes)
            outcome.violations = again or broken
            self.found.append(Failure(genes, steps, list(again or broken)))
        fresh = not outcome.keys <= self.keys
        self.keys |= outcome.keys
        if self.guide is not None:
            keep = self.guide(outcome)
        else:
            keep = self.guided and (fresh or news > 0)
        if keep and not broken:
            self.corpus.append(genes)
        return outcome

    def replay(self, genes: bytes, thorough: bool = True) -> tuple[list[Step], list[Violation]]:
        """The steps of genes, up to the one that breaks something, and what it breaks.

        Thorough: everything is compared after every call.
        """
        steps: list[Step] = []
        self.watch.thorough = thorough
        tape, self.player.tape = self.player.tape, None
        try:
            broken = self._play(genes, Outcome(genes), steps)
        finally:
            self.player.tape = tape
            self.watch.thorough = False
            self._undo()
        return steps, list(broken)

    def test(self, genes: bytes) -> list[Violation]:
        """What genes break; nothing is kept or counted."""
        try:
            return list(self._play(genes, Outcome(genes), None))
        finally:
            self._undo()

    def steps_of(self, genes: bytes) -> list[Step]:
        """The calls that genes become."""
        return self.replay(genes)[0]

    def run_steps(self, steps: Sequence[Step], trials: bool = True) -> list[Violation]:
        """What concrete steps break, trials at their end included; everything is undone."""
        self.watch.thorough = True
        broken: Sequence[Violation] = ()
        try:
            for step in steps:
                call = (
                    step.sender, step.target, step.function, step.args, step.wait, step.blocks,
                )  # fmt: skip
                broken = self._one(call, None)[1]
                if broken:
                    break
            else:
                broken = self._end(None, None) if trials else self.watch.sweep()
        finally:
            self.watch.thorough = False
            self._undo()
        return list(broken)

    def _undo(self) -> None:
        self.host.restore(self._base)
        self.watch.reset()
        self.player.scheduled.clear()

    # ------------------------------------------------------------ a sequence

    def _play(
        self, genes: bytes, outcome: Outcome, steps: list[Step] | None
    ) -> Sequence[Violation]:
        player = self.player
        watch, host = self.watch, self.host
        addresses = player._addresses
        drawn = actions.PERIPHERY_DRAWN if player.world.has_periphery else actions.DRAWN
        done: list[Key] = []
        broken: Sequence[Violation] = ()
        at = 0
        for at in range(0, len(genes), GENE):
            gene = genes[at : at + GENE]
            name, act = drawn[gene[0]]
            for call in act(player, gene) or ():
                if steps is not None:
                    steps.append(Step(*call))
                reason = player.send(call)
                done.append((name, reason))
                if reason is None:
                    broken = watch.judge(call[1], call[2], addresses[call[0]], call[3])
                elif reason == "" or reason == "halt" or reason.startswith("panic"):
                    broken = unreasoned(call, reason, host._now)
                if broken:
                    break
            if broken:
                break
        self._reached = at // GENE + 1 if genes else 0
        self._count(outcome, done)
        if not broken:
            if self.guided:
                self._behaviour(outcome.keys)
            broken = self._end(outcome, steps)
        return broken

    def _count(self, outcome: Outcome, done: list[Key]) -> None:
        counts, numbers, keys = outcome.counts, self._numbers, outcome.keys
        outcome.calls += len(done)
        for key in done:
            counts[key] = counts.get(key, 0) + 1
        for key, count in counts.items():
            if key[1] is None:
                outcome.succeeded += count
            number = numbers.get(key)
            if number is None:
                number = numbers[key] = len(numbers)
            keys.add(number)

    def _behaviour(self, keys: set[int]) -> None:
        """Where the sequence ended: health of the accounts in bands, levels, shapes."""
        watch = self.watch
        for i, legs in enumerate(watch.legs):
            if owes(legs):
                band = min(watch.factor(i) * 8 // WAD, 20)
                keys.add(1_000_000 + 100 * band + len(legs))
        for id, price in enumerate(watch.prices):
            if price is not None:
                keys.add(2_000_000 + 100 * id + 10 * price.level + price.status)

    def _one(self, call: Call, steps: list[Step] | None) -> tuple[str | None, Sequence[Violation]]:
        if steps is not None:
            steps.append(Step(*call))
        reason = self.player.send(call)
        if reason is None:
            sender = self.player._addresses[call[0]]
            return None, self.watch.judge(call[1], call[2], sender, call[3])
        return reason, unreasoned(call, reason, self.host._now)

    def _end(self, outcome: Outcome | None, steps: list[Step] | None) -> Sequence[Violation]:
        """The sweep, and the trials of liveness."""
        broken = self.watch.sweep()
        if broken or not self.trials:
            return broken
        broken = list(broken)

        def send(call: Call) -> str | None:
            reason, found = self._one(call, steps)
            broken.extend(found)
            if outcome is not None:
                outcome.calls += 1
                outcome.succeeded += reason is None
                key = "trial", reason
                outcome.counts[key] = outcome.counts.get(key, 0) + 1
            return reason

        broken.extend(self.watch.trials(send))
        return broken


def mutated(draw: random.Random, genes: bytes, other: bytes, size: int) -> bytes:
    """A sequence like `genes`: some genes changed, inserted, dropped, or taken from `other`.

    Mostly only its beginning is like that, and what comes after is new: the same calls once more
    find little.
    """
    found = [genes[at : at + GENE] for at in range(0, len(genes), GENE)]
    if draw.randrange(4):
        del found[1 + draw.randrange(max(len(found), 1)) :]
    donor = [other[at : at + GENE] for at in range(0, len(other), GENE)]
    for _ in range(1 + draw.randrange(4)):
        at = draw.randrange(len(found)) if found else 0
        kind = draw.randrange(5)
        if kind == 0 and found:
            gene = bytearray(found[at])
            gene[draw.randrange(GENE)] = draw.randrange(256)
            found[at] = bytes(gene)
        elif kind == 1:
            found.insert(at, draw.randbytes(GENE))
        elif kind == 2 and len(found) > 1:
            del found[at]
        elif kind == 3 and donor:
            start = draw.randrange(len(donor))
            found[at:at] = donor[start : start + 1 + draw.randrange(10)]
        elif found:
            end = draw.randrange(len(found))
            found[at], found[end] = found[end], found[at]
    while len(found) * GENE < size:
        found.append(draw.randbytes(GENE))
    return b"".join(found)[:size]
