"""LIVE: what must work, judged by trials."""

from __future__ import annotations

from collections.abc import Iterator

from breakwater.observation import Observation
from breakwater.promises.verdicts import Check, Finding

TOO_RECENT = "price jump is too recent"
"""A stated hold of LIVE-3: of who is below maintenance only by a jump a moment ago."""

FLOOD = "liquidation limit is reached"
"""The other one: of what is more than a slice of twice the least debt, for the rest of the hour."""


def tried(promise: str) -> Check:
    """How a promise is judged by its trials alone."""

    def findings(o: Observation) -> Iterator[Finding]:
        for trial in o.trials:
            if trial.promise == promise:
                why = "" if trial.passed else f": {trial.reason or 'no reason'}"
                yield Finding(0 if trial.passed else -1, trial.what + why)

    return findings


def no_arithmetic(o: Observation) -> Iterator[Finding]:
    """LIVE-4"""
    for trial in o.trials:
        broken = not trial.passed and (
            trial.reason in ("", "halt") or trial.reason.startswith("panic")
        )
        yield Finding(-int(broken), f"{trial.what}: a revert without a reason")
