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
from breakwater.promises.verdicts import Promise, Violation


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
    return [
        Promise(
            "SOLV-1",
            "Each contract's real balance of a token is at least what its books say.",
            custody,
        ),
        Promise(
            "SOLV-2",
            "Cash, flash loans out and debt owed cover the claims of shares; no call lowers the"
            " slack.",
            vault_books,
        ),
        Promise(
            "SOLV-3",
            "Debt shares of all accounts are the vault's total, collateral of all accounts the"
            " engine's; zero shares if and only if zero debt.",
            sums,
        ),
        Promise(
            "SOLV-4",
            "A vault share's value falls only in a call that emits a loss, by exactly that loss;"
            " indices never fall, zero time is zero growth, growth is at most exp(highest rate"
            " × time).",
            share_value,
        ),
        Promise(
            "SOLV-5",
            "Every account on which a call borrowed or withdrew meets its initial margin at the"
            " end, or is safer than before.",
            new_risk,
        ),
        Promise(
            "SOLV-6",
            "Only an account below maintenance is liquidated, within the terms quoted, and never"
            " in the block in which it last raised its own risk.",
            liquidated,
        ),
        Promise(
            "SOLV-7",
            "A liquidation never lowers health while C > (1 + tip)·D; an account above water stays"
            " there.",
            never_lowers_health,
        ),
        Promise(
            "SOLV-9",
            "What borrowers left unpaid is what the fund paid and what lenders lost, event by"
            " event.",
            losses,
        ),
        Promise(
            "SOLV-10",
            "Every conversion rounds in the vault's favour; a loan records a debt no smaller, and"
            " at least one share.",
            rounding,
        ),
        Promise(
            "SOLV-11",
            "Elapsed interest, ramps and prices aside, a call changes only the health of the"
            " accounts it names.",
            bystanders,
        ),
        Promise(
            "LIVE-1",
            "Repaying works in every state, and so does adding a collateral that is held and not"
            " wound down.",
            tried("LIVE-1"),
        ),
        Promise(
            "LIVE-2",
            "A lender can take out min(worth of his shares, cash within the outflow limit) in every"
            " state but a halt of that vault.",
            tried("LIVE-2"),
        ),
        Promise(
            "LIVE-3",
            "For every account below maintenance some liquidation call succeeds, from the block"
            " after it last raised its own risk and outside a stated hold.",
            tried("LIVE-3"),
        ),
        Promise(
            "LIVE-4",
            "Accrual, health, repay and liquidate have no reachable arithmetic revert.",
            no_arithmetic,
        ),
        Promise(
            "GATE-1",
            "Guardians only tighten, at most 7 days in any 30 for each asset.",
            GuardianBudget(),
        ),
        Promise(
            "GATE-2",
            "A breaker tightens at once and loosens only after its cool-down.",
            cool_down,
        ),
        Promise(
            "GATE-3",
            "No change of parameters or feeds makes a healthy account liquidatable in that block.",
            no_sudden_rules,
        ),
        Promise(
            "GATE-4",
            "Who cannot repay or top up cannot be liquidated.",
            tried("GATE-4"),
        ),
        Promise(
            "CAP-1",
            "Caps and limits of a day or some hours hold on every path that raises exposure.",
            caps,
        ),
    ]
