"""What a run found: figures for people, for machines and for the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from breakwater.promises import Ledger

REASONS = ("price jump", "dispersion", "stale", "guardian", "supply", "insolvency")
LEVELS = ("NORMAL", "CAUTION", "HALT")
BUCKETS = (1.0, 1.1, 1.25, 1.5, 2.0)
"""Bounds between the groups of the health distribution."""


@dataclass(frozen=True)
class LiquidationRecord:
    """One `Liquidate` event; values in USD at the market's price, loss of lenders and fund."""

    time: int
    borrower: int
    kind: str
    debt: str
    collateral: str
    price: float
    health: float
    incentive: float
    repaid: float
    seized: float
    fee: float
    loss: float
    liquidator: str


@dataclass(frozen=True)
class BreakerRecord:
    """One `Trip` or `Reset`; times as in the price file."""

    time: int
    asset: str
    event: str
    reason: str
    level: int
    until: int | None


@dataclass(frozen=True)
class VaultRow:
    """A vault at the end of a bar, in whole tokens."""

    cash: float
    debt: float
    claims: float
    utilization: float
    loss: float


@dataclass(frozen=True)
class BarRow:
    """What the report draws, once a bar."""

    time: int
    prices: dict[str, float]
    levels: dict[str, int]
    buckets: list[int]
    weakest: list[float]
    vaults: dict[str, VaultRow]
    debt_usd: float


@dataclass
class Results:
    """Everything a run found."""

    title: str
    seed: int
    borrowers: int
    sources: dict[str, str]
    """Where the prices of each asset come from."""
    ledger: Ledger
    opening: dict[str, float] = field(default_factory=dict)
    """First prices in USD."""
    bars_total: int = 0
    steps: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    bars: list[BarRow] = field(default_factory=list)
    liquidations: list[LiquidationRecord] = field(default_factory=list)
    breaker: list[BreakerRecord] = field(default_factory=list)
    losses: dict[str, dict[str, float]] = field(default_factory=dict)
    """By vault: fund, lenders and usd."""
    refused: dict[str, int] = field(default_factory=dict)
    """Calls that the protocol refused, by what was tried and why."""
    actions: dict[str, int] = field(default_factory=dict)
    """Calls that passed, by what they were."""
    peak_debt_usd: float = 0.0

    @property
    def bad_debt_usd(self) -> float:
        """Losses at the price of their time."""
        return sum(loss["usd"] for loss in self.losses.values())

    @property
    def bad_debt_bps(self) -> float:
        """Losses over the largest debt there was, in basis points."""
        return 10_000 * self.bad_debt_usd / self.peak_debt_usd if self.peak_debt_usd else 0.0

    @property
    def broken(self) -> int:
        """Promises that were broken."""
        return len(self.ledger.judged) - self.ledger.held

    def summary(self) -> str:
        """The last line."""
        return f"promises held: {self.ledger.held}/{len(self.ledger.judged)}"

    def liquidation_totals(self) -> dict[str, float]:
        """Count and sums in USD."""
        found = self.liquidations
        return {
            "count": len(found),
            "accounts": len({item.borrower for item in found}),
            "repaid_usd": _usd(sum(item.repaid for item in found)),
            "seized_usd": _usd(sum(item.seized for item in found)),
            "incentive_usd": _usd(sum(item.seized - item.repaid for item in found)),
            "fund_fee_usd": _usd(sum(item.fee for item in found)),
            "loss_usd": _usd(sum(item.loss for item in found)),
        }

    def as_json(self) -> dict[str, Any]:
        """The figures for a machine; the same for the same seed, prices and market."""
        last = self.bars[-1] if self.bars else None
        vaults = {}
        for symbol, row in (last.vaults if last else {}).items():
            loss = self.losses.get(symbol, {"fund": 0.0, "lenders": 0.0, "usd": 0.0})
            vaults[symbol] = {
                "cash": row.cash,
                "debt": row.debt,
                "claims": row.claims,
                "utilization": round(row.utilization, 6),
                "loss": row.loss,
                "loss_of_fund": loss["fund"],
                "loss_of_lenders": loss["lenders"],
            }
        return {
            "title": self.title,
            "seed": self.seed,
            "borrowers": self.borrowers,
            "prices": {
                symbol: {
                    "source": self.sources.get(symbol, ""),
                    "first": self.opening[symbol],
                    "last": last.prices[symbol] if last else None,
                }
                for symbol in (last.prices if last else {})
            },
            "bars": len(self.bars),
            "steps": self.steps,
            "interrupted": self.interrupted,
            "vaults": vaults,
            "liquidations": {
                **self.liquidation_totals(),
                "events": [dict(vars(item)) for item in self.liquidations],
            },
            "breaker": [dict(vars(item)) for item in self.breaker],
            "peak_debt_usd": _usd(self.peak_debt_usd),
            "bad_debt_usd": _usd(self.bad_debt_usd),
            "bad_debt_bps": round(self.bad_debt_bps, 4),
            "actions": dict(sorted(self.actions.items())),
            "refused": dict(sorted(self.refused.items())),
            "promises": {
                tally.promise.id: {
                    "held": tally.held,
                    "checks": tally.checks,
                    "broken": [str(item) for item in tally.violations[:20]],
                }
                for tally in self.ledger.judged
            },
            "promises_held": self.ledger.held,
            "promises_judged": len(self.ledger.judged),
        }


def _usd(value: float) -> float:
    return round(value, 2)
