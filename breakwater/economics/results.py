"""What runs found: figures of one, and tables over all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Result:
    """One crash under one mechanism. USD at the market's price of the time, of prices alone."""

    crash: str
    mechanism: str
    title: str
    debt: float = 0.0
    """Owed at the start."""
    accounts: int = 0
    booked: float = 0.0
    """Losses that vaults wrote off: the fund's and the lenders'."""
    fund_loss: float = 0.0
    lender_loss: float = 0.0
    latent: float = 0.0
    """Owed at the end by accounts whose collateral is worth less, beyond that worth."""
    stock_loss: float = 0.0
    """By a protocol that takes accounts itself: of each account, what it paid and wrote off beyond
    what it sold the collateral for."""
    stock_gain: float = 0.0
    """By such a protocol, on the other accounts."""
    stock_sold: float = 0.0
    """What such a protocol had for collateral; what is left at the end at its price then."""
    repaid: float = 0.0
    """By liquidations, at the market's price."""
    seized: float = 0.0
    fund_fee: float = 0.0
    surplus: float = 0.0
    """Paid back to borrowers by a protocol that takes accounts whole."""
    profit: float = 0.0
    """Liquidators' net of gas."""
    slippage: float = 0.0
    """What liquidators lost to pools."""
    gas: float = 0.0
    liquidations: int = 0
    liquidated: int = 0
    """Accounts."""
    by_class: dict[str, float] = field(default_factory=dict)
    """Bad debt by the class of an account's first collateral."""
    debt_by_class: dict[str, float] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    """Previews that the contracts refused, by reason."""
    halted: float = 0.0
    """Hours that the assets spent above NORMAL, in all."""
    seconds: float = 0.0

    @property
    def bad_debt(self) -> float:
        """What borrowers left unpaid: of each account the debt beyond what was had for it."""
        return (
            self.stock_loss if self.stock_gain or self.stock_loss else self.booked
        ) + self.latent

    @property
    def income(self) -> float:
        """What liquidation brought to fund or reserve, before losses."""
        return self.fund_fee + self.stock_gain

    @property
    def incentive(self) -> float:
        """What borrowers lost to liquidation."""
        return self.seized - self.repaid - self.surplus

    def bps(self, value: float) -> float:
        """Of the debt at the start."""
        return 10_000 * value / self.debt if self.debt else 0.0

    @property
    def incentive_rate(self) -> float:
        """Of what was repaid."""
        return self.incentive / self.repaid if self.repaid else 0.0

    def as_json(self) -> dict[str, Any]:
        """Every figure; the same for the same seed and prices."""
        found = {name: _rounded(value) for name, value in asdict(self).items()}
        del found["seconds"]
        return {
            **found,
            "bad_debt": _rounded(self.bad_debt),
            "bad_debt_bps": round(self.bps(self.bad_debt), 3),
            "income": _rounded(self.income),
            "incentive": _rounded(self.incentive),
            "incentive_bps": round(self.bps(self.incentive), 3),
            "incentive_rate": round(self.incentive_rate, 6),
        }


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 2)
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return value


HEAD = ("crash", "mechanism", "bad debt", "of it latent", "borrowers pay", "of repaid",
        "liquidators gain", "slippage", "fund, reserve gain", "accounts", "calls")  # fmt: skip


def rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """A row for each result, in the order of HEAD; money in basis points of the debt."""
    return [
        (
            one.crash,
            one.title,
            f"{one.bps(one.bad_debt):.1f}",
            f"{one.bps(one.latent):.1f}",
            f"{one.bps(one.incentive):.1f}",
            f"{100 * one.incentive_rate:.1f} %",
            f"{one.bps(one.profit):.1f}",
            f"{one.bps(one.slippage):.1f}",
            f"{one.bps(one.income):.1f}",
            f"{one.liquidated}",
            f"{one.liquidations}",
        )
        for one in results
    ]


def markdown(head: Sequence[str], found: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *found]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
