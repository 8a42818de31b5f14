"""A constant-product pool of one asset against dollars, which arbitrage pulls back to the market.

The market's price is given and is not moved by sales: past prices hold the sales of their time. A
pool's own price is apart from it after a trade, and half of that is gone after HALF_LIFE.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FEE = 0.001
"""Of what is paid or received."""

HALF_LIFE = 600
"""Seconds in which arbitrage takes back half of what a trade moved."""

_AT_DEPTH = 1 / math.sqrt(0.99) - 1
"""Part of its reserve that a pool buys while its price falls by 1 %."""


@dataclass
class Pool:
    """`depth`: USD that can be sold while the price falls by 1 %."""

    depth: float
    price: float
    """The market's, in USD."""
    _skew: float = 0.0
    """Logarithm of the pool's price over the market's."""
    _time: int = 0

    def move(self, time: int, price: float) -> None:
        """The market's price at a time; arbitrage since the last."""
        self._skew *= 0.5 ** ((time - self._time) / HALF_LIFE)
        self._time, self.price = time, price

    def proceeds(self, amount: float) -> float:
        """USD for a sale of whole tokens."""
        return self._sale(amount)[0]

    def cost(self, amount: float) -> float:
        """USD for a purchase of whole tokens; infinite where the pool has not so many."""
        return self._purchase(amount)[0]

    def sell(self, amount: float) -> float:
        """USD received."""
        received, self._skew = self._sale(amount)
        return received

    def buy(self, amount: float) -> float:
        """USD paid. ValueError where the pool has not so many."""
        paid, skew = self._purchase(amount)
        if math.isinf(paid):
            raise ValueError(f"the pool has not {amount:g} tokens")
        self._skew = skew
        return paid

    def _sale(self, amount: float) -> tuple[float, float]:
        reserve = self.depth / _AT_DEPTH
        tokens, dollars = self._reserves(reserve)
        left = tokens * dollars / (tokens + amount)
        return (dollars - left) * (1 - FEE), 2 * math.log(left / reserve)

    def _purchase(self, amount: float) -> tuple[float, float]:
        reserve = self.depth / _AT_DEPTH
        tokens, dollars = self._reserves(reserve)
        if amount >= tokens:
            return math.inf, self._skew
        after = tokens * dollars / (tokens - amount)
        return (after - dollars) / (1 - FEE), 2 * math.log(after / reserve)

    def _reserves(self, reserve: float) -> tuple[float, float]:
        """Tokens and USD in the pool; `reserve` USD of each where it is at the market's price."""
        lean = math.exp(self._skew / 2)
        return reserve / self.price / lean, reserve * lean
