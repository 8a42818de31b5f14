"""The market outside: prices, and what it costs to trade at them.

A purchase pays SPREAD above the price. A sale loses SPREAD and its impact: IMPACT for each depth's
worth sold, where what was sold before counts less by half every HALF_LIFE. An impact is at most
WORST. The price itself follows the file: the demo does not move the market's price.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SPREAD = 0.001
"""Of the price, on each trade of anything but dollars."""

IMPACT = 0.01
"""Of the price, on a sale as large as the depth."""

WORST = 0.25
"""Highest impact."""

HALF_LIFE = 600
"""Seconds in which half of a sale's impact is gone."""

STABLE = "USDC"
"""Counts as dollars: no spread."""


@dataclass
class Market:
    """Prices in USD by symbol, and the pressure of recent sales."""

    depth: float
    """USD that can be sold of one asset at IMPACT."""
    prices: dict[str, float] = field(default_factory=dict)
    now: int = 0
    _pressure: dict[str, tuple[int, float]] = field(default_factory=dict)

    def cost(self, symbol: str, amount: float) -> float:
        """USD to buy `amount` whole tokens."""
        value = amount * self.prices[symbol]
        return value if symbol == STABLE else value * (1 + SPREAD)

    def proceeds(self, symbol: str, amount: float) -> float:
        """USD that a sale of `amount` whole tokens would bring now."""
        value = amount * self.prices[symbol]
        if symbol == STABLE:
            return value
        impact = IMPACT * (self._recent(symbol) + value / 2) / self.depth
        return value * (1 - SPREAD - min(impact, WORST))

    def sell(self, symbol: str, amount: float) -> float:
        """Sell, and leave the pressure of it behind; USD received."""
        found = self.proceeds(symbol, amount)
        sold = self._recent(symbol) + amount * self.prices[symbol]
        self._pressure[symbol] = (self.now, sold)
        return found

    def _recent(self, symbol: str) -> float:
        time, sold = self._pressure.get(symbol, (self.now, 0.0))
        return float(sold * 0.5 ** ((self.now - time) / HALF_LIFE))
