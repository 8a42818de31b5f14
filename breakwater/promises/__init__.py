"""The promises of the protocol, as checks of what was observed.

Each `Promise` has the identifier and the sentence of the design, and checks one `Observation`: it
finds how much room was left (`Held`) or what broke it (`Violation`), or nothing to judge (None).
What is expected is computed from raw words and events (`breakwater.observation`), never from the
contracts' own views. A `Ledger` runs them all and counts.

An observation whose events are those of one transaction (`call`) says more than one of a span of
time: where interest, prices and several calls mix, only the weaker half of a promise is judged.
Promises of liveness are judged by trials: calls that were made and undone (`Observation.trials`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from breakwater.observation import Observation
from breakwater.promises.gates import GuardianBudget, caps, cool_down, no_sudden_rules
from breakwater.promises.liveness import no_arithmetic, tried
from breakwater.promises.sentences import SENTENCES
from breakwater.promises.solvency import (
    bystanders,
    custody,
    liquidated,
    losses,
    never_lowers_health,
    new_risk,
    rounding,
    share_value,
    sums,
    vault_books,
)
from breakwater.promises.verdicts import Check, Promise, Violation


@dataclass
class Tally:
    """How often a promise was judged, and the first time it was broken."""

    promise: Promise
    checks: int = 0
    observations: int = 0
    slack: int | None = None
    violations: list[Violation] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Whether it was judged and never broken."""
        return self.checks > 0 and not self.violations


class Ledger:
    """Runs promises over observations and keeps count."""

    def __init__(self, promises: Iterable[Promise] | None = None) -> None:
        found = catalogue() if promises is None else list(promises)
        self.tallies = {promise.id: Tally(promise) for promise in found}

    def check(self, observation: Observation) -> list[Violation]:
        """Judge one observation by every promise; what broke."""
        broken = []
        for tally in self.tallies.values():
            verdict = tally.promise.check(observation)
            if verdict is None:
                continue
            tally.observations += 1
            if isinstance(verdict, Violation):
                tally.checks += 1
                tally.violations.append(verdict)
                broken.append(verdict)
                continue
            tally.checks += verdict.checks
            if tally.slack is None or verdict.slack < tally.slack:
                tally.slack = verdict.slack
        return broken

    @property
    def judged(self) -> list[Tally]:
        """Promises that had something to judge."""
        return [tally for tally in self.tallies.values() if tally.checks]

    @property
    def held(self) -> int:
        """How many of the judged ones were never broken."""
        return sum(tally.held for tally in self.tallies.values())


def catalogue() -> list[Promise]:
    """Every promise that can be judged from what is observed, in the order of the design."""
    checks: dict[str, Check] = {
        "SOLV-1": custody,
        "SOLV-2": vault_books,
        "SOLV-3": sums,
        "SOLV-4": share_value,
        "SOLV-5": new_risk,
        "SOLV-6": liquidated,
        "SOLV-7": never_lowers_health,
        "SOLV-9": losses,
        "SOLV-10": rounding,
        "SOLV-11": bystanders,
        "LIVE-1": tried("LIVE-1"),
        "LIVE-2": tried("LIVE-2"),
        "LIVE-3": tried("LIVE-3"),
        "LIVE-4": no_arithmetic,
        "GATE-1": GuardianBudget(),
        "GATE-2": cool_down,
        "GATE-3": no_sudden_rules,
        "GATE-4": tried("GATE-4"),
        "CAP-1": caps,
    }
    return [Promise(id, SENTENCES[id], check) for id, check in checks.items()]
