"""A lending vault, from its words."""

from __future__ import annotations

from dataclasses import dataclass, replace

from breakwater.observation.interest import grow
from breakwater.observation.words import M32, M112, M128, bits
from breakwater.units import BPS, RAY

VIRTUAL_SHARES = 10**6
VIRTUAL_ASSETS = 1


@dataclass(frozen=True)
class Vault:
    """The words of a lending vault, see its LAYOUT, and its parameters."""

    asset: str
    address: str
    token_balance: int
    books: int
    rates: int
    claims: int
    paid: int
    fund_shares: int
    reserve_factor: int
    """[BPS]"""
    deposit_cap: int
    """[assets]"""
    debt_cap: int
    """[assets]"""
    highest_rate: int
    """Highest rate that the curve allows [WAD a second]."""

    @property
    def cash(self) -> int:
        """[assets]"""
        return self.books & M112

    @property
    def debt_shares(self) -> int:
        """Sum of all debt shares."""
        return bits(self.books, 112, 112)

    @property
    def index(self) -> int:
        """Assets owed for a debt share [RAY], at `time`."""
        return self.rates & M112

    @property
    def borrow_rate(self) -> int:
        """[WAD a second]"""
        return bits(self.rates, 112, 40)

    @property
    def time(self) -> int:
        """When the index was written [unix seconds]."""
        return bits(self.rates, 192, 32)

    @property
    def supply(self) -> int:
        """Vault shares."""
        return self.claims & M128

    @property
    def base(self) -> int:
        """[assets] above which gains pay a fee."""
        return self.claims >> 128

    def at(self, now: int) -> Vault:
        """The vault with the interest until `now` written; the drift of the rate is left out."""
        if now <= self.time:
            return self
        index = grow(self.index, self.borrow_rate, now - self.time)
        rest = self.rates & ~(M112 | M32 << 192)
        return replace(self, rates=rest | index | (now & M32) << 192)

    @property
    def debt(self) -> int:
        """All debt [assets], rounded down."""
        return self.debt_shares * self.index // RAY

    @property
    def total(self) -> int:
        """Cash and debt [assets]."""
        return min(self.cash + self.debt, M112)

    @property
    def fee(self) -> int:
        """Owed to the insurance fund and not yet shares [assets]."""
        return max(self.total - self.base, 0) * self.reserve_factor // BPS

    @property
    def price(self) -> tuple[int, int]:
        """Net assets and shares, the virtual ones included, in wind-down also what was paid and
        redeemed since; a share is worth their ratio.
        """
        return (
            self.total - self.fee + VIRTUAL_ASSETS + (self.paid >> 128),
            self.supply + VIRTUAL_SHARES + (self.paid & M128),
        )

    @property
    def claims_value(self) -> int:
        """What all shares together may claim [assets], in wind-down less what was paid."""
        assets, shares = self.price
        return (self.supply + (self.paid & M128)) * assets // shares - (self.paid >> 128)

    @property
    def utilization(self) -> float:
        """Debt over total."""
        return self.debt / self.total if self.total else 0.0
