"""What a replay found: a row for each bar, and the summary, for people and for machines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from breakwater import artifacts

LEVELS = ("NORMAL", "CAUTION", "HALT")
STATUSES = ("", "price jump", "dispersion", "stale")
"""Reason that a status of the price is, by number."""

UNSEEN = "bad, not yet CAUTION"
"""Phase between a bad print and the level that answers it."""

BORROW_AGAINST = "borrow against it"
BORROW = "borrow it"
WITHDRAW = "withdraw it"
ADD = "add it"
REPAY = "repay it"
LENDER = "withdraw as lender"
LIQUIDATE = "liquidate"
ACTIONS = (BORROW_AGAINST, BORROW, WITHDRAW, ADD, REPAY, LENDER, LIQUIDATE)
"""What is tried. All but the last by accounts far from any threshold, so that a refusal is the
breaker's. The last on the account of the ladders that is weakest at the worst print."""


def reasons() -> tuple[str, ...]:
    """Reasons of a latch, in the order of `ICircuitBreaker.Reason`: read from the interface."""
    path = artifacts.ROOT / "contracts" / "interfaces" / "ICircuitBreaker.vyi"
    block = re.search(r"^flag Reason:\n((?:[ \t]+.*\n|\n|#.*\n)+)", path.read_text(), re.MULTILINE)
    names = re.findall(r"^[ \t]+([A-Z_]+)", block.group(1), re.MULTILINE) if block else []
    if not names:
        raise RuntimeError(f"{path}: no flag Reason")
    return tuple(name.lower().replace("_", " ") for name in names)


@dataclass(frozen=True)
class Edge:
    """The account of a ladder that is nearest to health 1, and why it may not be made to do
    something; "" where it may."""

    account: str
    health: float
    borrow: str
    withdraw: str
    repay: str
    liquidate: str


@dataclass(frozen=True)
class Row:
    """The end of one bar."""

    time: int
    raw: list[float | None]
    """Last print of each source; None once it is too old."""
    price: float | None
    """What the feed answers; None: no price."""
    low: float | None
    high: float | None
    average: float
    volatility: float
    """Daily."""
    borrow_ltv: float
    """What new risk counts the asset at now."""
    level: int
    now: str
    """Reason that is true now; "" for none."""
    latched: dict[str, tuple[int, int]]
    """Level and expiry by reason."""
    possible: dict[str, str | None]
    """By action: "" when it passes, else why it is refused. `liquidate` passes if it did in this
    bar; None where no account was below 1 at any print."""
    edge: Edge | None
    """None once every account of the ladders is closed."""
    health: list[float | None]
    """Of the ladders' accounts; None without debt."""


@dataclass(frozen=True)
class Trip:
    """A latch from its first `Trip` to its expiry; trips before that extend it."""

    reason: str
    level: int
    start: int
    until: int
    count: int
    false: bool | None
    """None: not a move of the price, or silence, which is what it is."""


@dataclass(frozen=True)
class BadMove:
    """Bad prints with less than an hour between one and the next."""

    source: str
    start: int
    end: int
    prints: int
    move: float
    """Of the first print, from where its source stood."""
    wait: int | None
    """Seconds from the first print to CAUTION or more; None: not within an hour of the last."""


@dataclass
class Outcome:
    """What became of one account."""

    account: str
    side: str
    health: float
    """At the first price."""
    liquidations: int = 0
    first: int | None = None
    """Time of the first."""
    repaid: float = 0.0
    """USD at the price of the time."""
    seized: float = 0.0
    unpaid: float = 0.0
    """Written off."""


@dataclass
class Results:
    """Everything a replay found."""

    title: str
    sources: list[str]
    rules: dict[str, object]
    bar: int
    """Seconds of a row."""
    bad: float
    start: int = 0
    end: int = 0
    prints: int = 0
    pokes: int = 0
    seconds: float = 0.0
    rows: list[Row] = field(default_factory=list)
    trips: list[Trip] = field(default_factory=list)
    bad_moves: list[BadMove] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)
    """Seconds at each level."""
    possible: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    """By phase and action: how often it passed, of how many trials."""
    accounts: list[Outcome] = field(default_factory=list)

    @property
    def liquidated(self) -> int:
        """Accounts that were liquidated, in whole or in part."""
        return sum(1 for one in self.accounts if one.liquidations)

    def false_trips(self, reason: str | None = None) -> int:
        """Trips that were false, of one reason or of all."""
        return sum(1 for trip in self.trips if trip.false and reason in (None, trip.reason))

    def by_reason(self) -> dict[str, dict[str, int | None]]:
        """For each reason that tripped: trips, of them false (None: not judged), seconds."""
        found: dict[str, dict[str, int | None]] = {}
        for reason in dict.fromkeys(trip.reason for trip in self.trips):
            mine = [trip for trip in self.trips if trip.reason == reason]
            judged = [trip.false for trip in mine if trip.false is not None]
            found[reason] = {
                "trips": len(mine),
                "false": sum(judged) if judged else None,
                "seconds": sum(min(trip.until, self.end) - trip.start for trip in mine),
            }
        return found

    def waits(self) -> dict[str, int | None]:
        """Seconds from a bad print to CAUTION: first, longest, and how many never came."""
        waits = [move.wait for move in self.bad_moves]
        known = [wait for wait in waits if wait is not None]
        return {
            "moves": len(waits),
            "first": waits[0] if waits else None,
            "longest": max(known, default=None),
            "never": len(waits) - len(known),
        }

    def as_json(self) -> dict[str, Any]:
        """One object with everything."""
        found = asdict(self)
        summary: Mapping[str, Any] = {
            "trips": self.by_reason(),
            "bad_moves": self.waits(),
            "held": self.held,
            "liquidated": self.liquidated,
            "accounts": len(self.accounts),
            "unpaid": sum(one.unpaid for one in self.accounts),
        }
        return {"title": found.pop("title"), "summary": summary, **found}
