"""A backstop pool on the market of the tests, with shorthands."""

from __future__ import annotations

from typing import Any

from breakwater.driver import BackstopPool
from breakwater.host import Receipt
from breakwater.model import backstop, liquidation
from breakwater.model.backstop import WAIT, WINDOW
from breakwater.units import MAX_UINT256, WAD
from tests.market import Market


class Backstop:
    """A pool for one debt asset of a market, and its lenders by name."""

    def __init__(self, market: Market, debt: str = "USDC") -> None:
        self.market = market
        self.host = market.host
        self.debt = market.assets[debt]
        self.pool = BackstopPool.deploy(
            self.host, market.engine, self.debt.token, sender=market.owner
        )

    def lender(self, name: str) -> str:
        """Address of a lender of last resort."""
        return self.host.account(f"backstop {name}")

    def deposit(self, name: str, amount: int) -> Receipt:
        """Units of the debt asset, minted for it."""
        who = self.lender(name)
        self.debt.token.mint(who, amount, sender=self.market.owner)
        self.debt.token.approve(self.pool, MAX_UINT256, sender=who)
        return self.pool.deposit(amount, sender=who)

    def window(self, count: int = 1) -> None:
        """Go to the start of the next window but so many."""
        target = (self.host.now // WINDOW + count) * WINDOW
        self.host.advance(target - self.host.now, count * 300)
        self.market.refresh()

    def stand(self, **amounts: int) -> None:
        """Deposits of units by name that have joined."""
        for name, amount in amounts.items():
            self.deposit(name, amount)
        self.window(2)

    def mark(self, account: bytes | None = None, wait: int = WAIT) -> None:
        """Mark an account and let it stand."""
        self.pool.mark(account or self.market.account(), sender=self.market.other)
        self.host.advance(wait, 50)

    def buy(
        self, collateral: str = "WETH", max_repay: int = MAX_UINT256, account: bytes | None = None
    ) -> Receipt:
        """Let the pool liquidate; the keeper of the market's cast calls."""
        return self.pool.buy(
            account or self.market.account(), self.market.assets[collateral], max_repay,
            sender=self.market.other,
        )  # fmt: skip

    def worth(self, name: str) -> int:
        """Cash of a lender's shares."""
        return self.pool.assets_of(self.lender(name))

    def earned(self, name: str, collateral: str = "WETH") -> int:
        """Units that a lender may claim."""
        return self.pool.claimable(self.lender(name), self.market.assets[collateral])

    def withdraw(self, name: str, amount: int = MAX_UINT256) -> int:
        """Take cash out; what came."""
        who = self.lender(name)
        return int(self.pool.withdraw(amount, who, sender=who).value)

    def claim(self, name: str, collateral: str = "WETH") -> int:
        """Take a collateral out; what came."""
        who = self.lender(name)
        return int(self.pool.claim(self.market.assets[collateral], who, sender=who).value)

    def cap(self) -> int:
        """What the pool repays at most, fund's part aside, by its room."""
        return int(self.pool.room()) * 10_000 // 10_500

    def terms(self, collateral: str = "WETH", **options: Any) -> liquidation.Terms:
        """Of a purchase with all that the slice has, by the model."""
        return self.market.terms(self.debt.name, collateral, self.cap(), **options)

    def reward(self, terms: liquidation.Terms, collateral: str) -> int:
        """The caller's part of what is seized, by hand."""
        market = self.market
        value = sum(
            amount * _wad(market, name) // market.assets[name].unit
            for name, amount in terms.seize.items()
        )
        cost = -(-(terms.repay + terms.fund_fee) * _wad(market, self.debt.name) // self.debt.unit)
        part = min(backstop.REWARD, (value - cost) * WAD // (2 * value))
        return int(terms.seize[collateral] * part // WAD)


def _wad(market: Market, name: str) -> int:
    return int(market.assets[name].dollars[0] * 10**8) * 10**10
