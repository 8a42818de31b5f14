"""Where a contract's variables are in storage, by the compiler's layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from breakwater import artifacts
from breakwater.fuzz import pools
from breakwater.fuzz.aggregators import AGGREGATOR_ROUND, BAD_MODE, BAD_WORDS

# What is read as one block of words, in the order of the variables.
_BLOCKS = (
    ("AggregatorMock", AGGREGATOR_ROUND, ("round_id", "answer", "updated_at", "answered_in_round")),
    (
        "ClampedAggregatorMock",
        AGGREGATOR_ROUND,
        ("round_id", "answer", "updated_at", "answered_in_round"),
    ),
    ("UniswapPoolMock", pools.TWAP_ANSWER, ("answer",)),
    ("UniswapPoolMock", pools.TWAP_BURNING, ("burning",)),
    ("CurvePoolMock", pools.EMA_TIME, ("ma_exp_time",)),
    ("CurvePoolMock", pools.EMA_LOCKED, ("locked",)),
    ("CurvePoolMock", pools.EMA_AVERAGES, ("averages", "lasts")),
    ("NavFeed", pools.NAV_PRICE, ("packed_price",)),
    ("BadFeedMock", BAD_MODE, ("mode",)),
    ("BadFeedMock", BAD_WORDS, ("words",)),
)


@cache
def slot(contract: str, name: str) -> int:
    """Slot of a variable of a contract, or of one of its modules. LookupError: not one such."""
    layout = artifacts.load(contract).layout["storage_layout"]
    found = list(_named(layout, name))
    if len(found) != 1:
        raise LookupError(f"{contract} has {len(found)} variables {name}")
    return found[0]


def check() -> None:
    """LookupError where the mocks' words are not where `breakwater.fuzz.observing` reads them."""
    for contract, first, names in _BLOCKS:
        for at, name in enumerate(names, first):
            if slot(contract, name) != at:
                raise LookupError(f"{contract}.{name} is at slot {slot(contract, name)}, not {at}")


def _named(layout: Mapping[str, Any], name: str) -> Iterator[int]:
    for key, entry in layout.items():
        if "slot" not in entry:
            yield from _named(entry, name)
        elif key == name:
            yield int(entry["slot"])
