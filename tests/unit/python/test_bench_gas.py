"""Gas of every operation: within its budget, as measured and as written down."""

from __future__ import annotations

import json

import pytest

from benchmarks import gas
from breakwater.commands.bench import SNAPSHOT

BUDGETS = {operation.name: operation.budget for operation in gas.OPERATIONS}


def over(found: dict[str, int]) -> dict[str, int]:
    """By how much, where one is over its budget."""
    return {name: used - BUDGETS[name] for name, used in found.items() if used > BUDGETS[name]}


def test_snapshot__is_within_the_budgets() -> None:
    found = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    assert set(found) == set(BUDGETS)
    assert over(found) == {}


@pytest.mark.needs("anvil")
def test_measure__is_within_the_budgets() -> None:
    from benchmarks.node import anvil

    with anvil() as host:
        found = gas.measure(host)
    assert over({name: measurement.gas for name, measurement in found.items()}) == {}
