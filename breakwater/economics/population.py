"""Borrowers of a run: drawn once from a seed, the same for every mechanism.

Debts are log-normal: few owe most. Health is 1 + a log-normal with a median of 0.4, so that about a
tenth of accounts begin below 1.13 and a tenth above 2.3; nobody is nearer to 1 than the initial
margin lets him. A part borrows against two collaterals. Borrowers do nothing but wait.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

SPREAD = 1.6
"""Of the logarithm of a debt."""

LARGEST = 0.05
"""Of all debt, at most one account's."""

SMALLEST = 500.0
"""USD"""

HEALTH_MEDIAN, HEALTH_SPREAD = 0.4, 0.9
"""Of health above 1."""

CROSS = 0.2
"""Part of accounts with two collaterals."""


@dataclass(frozen=True)
class Borrower:
    """One account. The values are in USD at the first prices."""

    collateral: Mapping[str, float]
    """Parts of the collateral's value, by symbol; the first is the account's class."""
    debt: str
    owed: float
    health: float
    """Wanted; the initial margin may demand more."""


@dataclass(frozen=True)
class Kind:
    """A collateral, the debt that goes with it, and how often it is drawn."""

    collateral: str
    debt: str
    weight: float


def draw(rng: Random, count: int, kinds: Sequence[Kind], total: float) -> list[Borrower]:
    """`count` borrowers who owe `total` USD between them."""
    weights = [kind.weight for kind in kinds]
    chosen = rng.choices(kinds, weights, k=count)
    debts = [rng.lognormvariate(0, SPREAD) for _ in range(count)]
    scale = total / sum(debts)
    owed = [min(max(debt * scale, SMALLEST), LARGEST * total) for debt in debts]
    scale = total / sum(owed)
    found = []
    for kind, debt in zip(chosen, owed, strict=True):
        parts = {kind.collateral: 1.0}
        others = [one for one in kinds if one.debt == kind.debt and one is not kind]
        if others and rng.random() < CROSS:
            other = rng.choices(others, [one.weight for one in others])[0]
            parts = {kind.collateral: 0.6, other.collateral: 0.4}
        health = 1 + HEALTH_MEDIAN * rng.lognormvariate(0, HEALTH_SPREAD)
        found.append(Borrower(parts, kind.debt, max(debt * scale, SMALLEST), health))
    return found
