"""What a promise is, and how one is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from breakwater.observation import Observation
from breakwater.units import account_owner


class Finding(NamedTuple):
    """One comparison: room left (negative: broken) and what was compared."""

    slack: int
    what: str


@dataclass(frozen=True)
class Held:
    """A promise held in `checks` comparisons; the tightest left `slack`."""

    checks: int
    slack: int
    what: str = ""


@dataclass(frozen=True)
class Violation:
    """A promise was broken."""

    promise: str
    sentence: str
    what: str
    time: int
    slack: int

    def __str__(self) -> str:
        return f"{self.promise} broken at {self.time}: {self.what} (short by {-self.slack})"


Check = Callable[[Observation], Iterable[Finding]]


@dataclass(frozen=True)
class Promise:
    """One promise: identifier, sentence, and how it is judged."""

    id: str
    sentence: str
    findings: Check = field(repr=False)

    def check(self, observation: Observation) -> Held | Violation | None:
        """Judge one observation."""
        count, least, what = 0, 0, ""
        for finding in self.findings(observation):
            if finding.slack < 0:
                return Violation(
                    self.id, self.sentence, finding.what, observation.now, finding.slack
                )
            if count == 0 or finding.slack < least:
                least, what = finding.slack, finding.what
            count += 1
        return Held(count, least, what) if count else None


def before_call(o: Observation) -> Observation | None:
    """The state before the one call that an observation is about."""
    return o.previous if o.call else None


def name_of(account: bytes) -> str:
    """An account as messages call it."""
    number = int.from_bytes(account[20:], "big")
    return f"account {account_owner(account)[:10]}#{number}"
