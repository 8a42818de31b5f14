"""What holds an owner back after genesis: `new_assets` and `steps`. Specification, Governance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from breakwater.model.chain import ZERO_ADDRESS, Refused, Word
from breakwater.model.owned import Owned
from breakwater.units import DAY, MAX_UINT256

WEEK = 7 * DAY
DOUBLING, DOUBLINGS = 3 * DAY, 10
YOUNG = DOUBLING * DOUBLINGS
MAX_CAP = 2**128 - 1
RING = 5
INTERVAL = 3 * DAY
LANES = 8
CAP, BORROW_LTV, LIQUIDATION_LTV, MIN_DEBT, MAX_PRICE, STEWARD, GROWTH, DEPTH = range(LANES)
"""Parameters that have steps."""

NOTHING = (0,) * LANES


class Schedule(Owned):
    """New assets by asset: when listed, target, value of the cap. Steps: the last of each."""

    limit: int
    """[WAD]"""

    def _add_new(self, asset: str, target: int, price: int, unit: int) -> int:
        """The first cap."""
        now = self.chain.now
        if now < self.get("last_listing") + WEEK:
            raise Refused("one listing a week")
        if target * price // unit > self.limit:
            raise Refused("cap is too high")
        count = self.get("count")
        self.put(now, "last_listing")
        self.put(asset, "ring", count % RING)
        self.put(count + 1, "count")
        self.put(now, "listed_at", asset)
        self.put(target, "targets", asset)
        first = target >> DOUBLINGS
        self._value_new(asset, first, price, unit)
        return first

    def _scheduled(self, asset: str) -> int:
        """The cap that the schedule has reached."""
        elapsed = self.chain.now - self.get("listed_at", asset)
        target: int = self.get("targets", asset)
        return target >> DOUBLINGS - min(elapsed // DOUBLING, DOUBLINGS)

    def _is_new(self, asset: str) -> bool:
        return bool(self.get("listed_at", asset))

    def _is_over(self, asset: str) -> bool:
        return bool(self.chain.now >= self.get("listed_at", asset) + YOUNG)

    def _value_new(self, asset: str, cap: int, price: int, unit: int) -> None:
        """All caps of new assets are worth at most the limit."""
        self.put(cap * price // unit, "values", asset)
        ring = {self.get("ring", i, default=ZERO_ADDRESS) for i in range(RING)}
        total = sum(
            self.get("values", one) for one in ring if self._is_new(one) and not self._is_over(one)
        )
        if total > self.limit:
            raise Refused("new assets are at their limit")

    def _next_step(self, asset: str, lane: int) -> int:
        last: int = self.get("taken", asset, default=NOTHING)[lane]
        return last + INTERVAL

    def _take_step(self, asset: str, lane: int) -> None:
        if self.chain.now < self._next_step(asset, lane):
            raise Refused("step comes too soon")
        taken = list(self.get("taken", asset, default=NOTHING))
        taken[lane] = self.chain.now
        self.put(tuple(taken), "taken", asset)

    def _take_all(self, asset: str) -> None:
        self.put((self.chain.now,) * LANES, "taken", asset)

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """A word each; steps 32 bits a lane."""
        if name == "taken":
            lanes = enumerate(self.get(name, *keys, default=NOTHING))
            yield Word(name, keys, sum(time << 32 * lane for lane, time in lanes))
        elif name == "ring":
            yield Word(name, keys, int(self.get(name, *keys, default=ZERO_ADDRESS), 16))
        elif name in ("listed_at", "targets", "values", "count", "last_listing"):
            yield Word(name, keys, self.get(name, *keys) & MAX_UINT256)
        else:
            yield from super().words(name, keys)
