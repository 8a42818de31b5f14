"""Makes a failing sequence small: few calls, round numbers, and the same promise broken.

First on genes, whose amounts follow the state: chunks are dropped, then each gene is made simpler
(no wait, the simplest rung). What is left becomes concrete steps, and these are shrunk again: steps
dropped, amounts rounded to one digit, waits shortened. A limit of time holds for all of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from breakwater.fuzz.genes import GENE
from breakwater.fuzz.lane import Failure, Lane
from breakwater.fuzz.steps import Step
from breakwater.promises.verdicts import Violation
from breakwater.units import MAX_UINT256

SECONDS = 2.0

_SIMPLE = (b"\0", b"\6")
"""Values that a byte of a gene is tried at: half, all; no wait; oneself."""

_WAITS = (0, 1, 12, 60, 600, 3_600, 86_400, 30 * 86_400)


@dataclass(frozen=True)
class Shrunk:
    """The smallest sequence found."""

    steps: list[Step]
    violations: list[Violation]
    tries: int
    seconds: float


def shrink(lane: Lane, failure: Failure, seconds: float = SECONDS) -> Shrunk:
    """Shrink a failure of a lane. The promise that is kept is its first violation's."""
    promise = failure.violations[0].promise
    return _Shrinker(lane, promise, seconds).run(failure)


def shrink_steps(
    lane: Lane, steps: Sequence[Step], promise: str, seconds: float = SECONDS
) -> Shrunk:
    """Shrink concrete steps."""
    shrinker = _Shrinker(lane, promise, seconds)
    found = shrinker.concrete(list(steps))
    return Shrunk(found, shrinker.last, shrinker.tries, shrinker.spent)


class _Shrinker:
    def __init__(self, lane: Lane, promise: str, seconds: float) -> None:
        self.lane = lane
        self.promise = promise
        self.began = time.process_time()
        self.limit = self.began + seconds
        self.tries = 0
        self.last: list[Violation] = []

    @property
    def spent(self) -> float:
        """CPU seconds."""
        return time.process_time() - self.began

    def _late(self) -> bool:
        return time.process_time() > self.limit

    def run(self, failure: Failure) -> Shrunk:
        """Genes first, then steps."""
        genes = [failure.genes[at : at + GENE] for at in range(0, len(failure.genes), GENE)]
        if self._genes_break(genes):
            genes = self._fewer(genes, self._genes_break)
            genes = self._simpler(genes)
            steps = self.lane.replay(b"".join(genes))[0]
        else:
            steps = failure.steps
        if not self._steps_break(steps):
            return Shrunk(steps, failure.violations, self.tries, self.spent)
        steps = self.concrete(steps)
        return Shrunk(steps, self.last, self.tries, self.spent)

    def concrete(self, steps: list[Step]) -> list[Step]:
        """Fewer steps and rounder numbers."""
        steps = self._fewer(steps, self._steps_break)
        while not self._late():
            before = steps
            steps = self._rounder(steps)
            steps = self._fewer(steps, self._steps_break)
            if steps == before:
                break
        self._steps_break(steps)
        return steps

    # ------------------------------------------------------------ tests

    def _genes_break(self, genes: Sequence[bytes]) -> bool:
        self.tries += 1
        return self._same(self.lane.test(b"".join(genes)))

    def _steps_break(self, steps: Sequence[Step]) -> bool:
        self.tries += 1
        # where a trial broke it the trial's call is one of the steps; a promise of liveness is
        # broken by what is refused, so there the trials are made anew
        found = self.lane.run_steps(steps, self.promise.startswith("LIVE"))
        if self._same(found):
            self.last = found
            return True
        return False

    def _same(self, violations: Sequence[Violation]) -> bool:
        return any(violation.promise == self.promise for violation in violations)

    # ------------------------------------------------------------ fewer

    def _fewer(self, items: list[Any], breaks: Callable[[Sequence[Any]], bool]) -> list[Any]:
        """Drop chunks, from halves down to single ones, as long as it still breaks."""
        size = max(len(items) // 2, 1)
        while items and not self._late():
            at = 0
            dropped = False
            while at < len(items) and not self._late():
                shorter = items[:at] + items[at + size :]
                if breaks(shorter):
                    items = shorter
                    dropped = True
                else:
                    at += size
            if size == 1 and not dropped:
                break
            size = max(size // 2, 1)
        return items

    # ------------------------------------------------------------ simpler

    def _simpler(self, genes: list[bytes]) -> list[bytes]:
        for at in range(len(genes)):
            for index in (6, 3, 5, 7, 4):
                for value in _SIMPLE:
                    gene = genes[at]
                    if self._late() or gene[index] == value[0]:
                        break
                    simple = gene[:index] + value + gene[index + 1 :]
                    tried = [*genes[:at], simple, *genes[at + 1 :]]
                    if self._genes_break(tried):
                        genes = tried
                        break
        return genes

    def _rounder(self, steps: list[Step]) -> list[Step]:
        for at in range(len(steps)):
            step = steps[at]
            for wait in _WAITS:
                if wait >= step.wait or self._late():
                    break
                blocks = min(step.blocks, wait // 12)
                if self._try(steps, at, replace(step, wait=wait, blocks=blocks)):
                    break
            step = steps[at]
            for blocks in (0, 1):
                if blocks < step.blocks and self._try(steps, at, replace(step, blocks=blocks)):
                    break
            for path, value in _amounts(steps[at].args):
                for round_one in _rounded(value):
                    if self._late():
                        return steps
                    args = _with(steps[at].args, path, round_one)
                    if self._try(steps, at, replace(steps[at], args=args)):
                        break
        return steps

    def _try(self, steps: list[Step], at: int, step: Step) -> bool:
        """Keep `step` in place if it still breaks."""
        tried = [*steps[:at], step, *steps[at + 1 :]]
        if self._steps_break(tried):
            steps[at] = step
            return True
        return False


def _amounts(args: Any, path: tuple[int, ...] = ()) -> list[tuple[tuple[int, ...], int]]:
    """Places of numbers worth rounding: what has more than one digit that is not zero."""
    found = []
    for index, arg in enumerate(args):
        if isinstance(arg, list | tuple):
            found += _amounts(arg, (*path, index))
        elif (
            isinstance(arg, int)
            and not isinstance(arg, bool)
            and 10 < arg < MAX_UINT256
            and len(str(arg).rstrip("0")) > 1
        ):
            found.append(((*path, index), arg))
    return found


def _rounded(value: int) -> list[int]:
    """Rounder numbers near a value, the roundest first."""
    digits = len(str(value))
    found = []
    for kept in (1, 2, 3):
        unit = 10 ** max(digits - kept, 0)
        low = value // unit * unit
        for one in (low, low + unit):
            if one not in found and one != value:
                found.append(one)
    return found


def _with(args: tuple[Any, ...], path: tuple[int, ...], value: int) -> tuple[Any, ...]:
    def put(items: Any, path: tuple[int, ...]) -> Any:
        copy = list(items)
        copy[path[0]] = value if len(path) == 1 else put(copy[path[0]], path[1:])
        return copy

    return tuple(put(args, path))
