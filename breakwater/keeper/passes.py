"""One look at everything, and what follows from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from breakwater.driver import FlashLiquidator
from breakwater.keeper import prices
from breakwater.keeper.chain import Chain
from breakwater.keeper.liquidations import Deal, Liquidator
from breakwater.keeper.store import Liquidation, Store
from breakwater.keeper.watch import Watch
from breakwater.units import MAX_UINT256, WAD, account_number, account_owner, format_units

Say = Callable[[str], None]


@dataclass
class Seen:
    """What one pass saw and did."""

    block: int = 0
    accounts: int = 0
    """That owe something."""
    lowest: float | None = None
    """Health of the weakest."""
    below: int = 0
    """Accounts below maintenance at the look."""
    poked: int = 0
    deals: list[Deal] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)
    """Why accounts below maintenance were left alone."""
    scan_seconds: float = 0.0
    """Asking the Lens for the health of every account, and keeping it."""

    def line(self) -> str:
        """As a sentence."""
        lowest = "none" if self.lowest is None else f"{self.lowest:.4f}"
        text = (
            f"block {self.block:,}: {self.accounts:,} accounts with debt read in "
            f"{self.scan_seconds:.2f} s, lowest health {lowest}"
        )
        if self.below:
            text += f", {self.below:,} below maintenance, {len(self.deals):,} liquidated"
        if self.poked:
            text += f", {self.poked} poked"
        for why, count in sorted(self.reasons.items()):
            text += f"; {count:,} left: {why}"
        return text


class Keeper:
    """Everything that a pass needs. `dry`: nothing is sent."""

    def __init__(
        self,
        chain: Chain,
        store: Store,
        protocol: Any,
        sender: str,
        *,
        flash: FlashLiquidator | None = None,
        least_gain: int = WAD,
        dry: bool = False,
        say: Say = lambda text: None,
    ) -> None:
        """`least_gain` of a liquidation, in USD [WAD]. UserError where the store is of another
        chain, market or sender.
        """
        self._chain = chain
        self._store = store
        self._protocol = protocol
        self._sender = sender
        self._flash = flash
        self._least_gain = least_gain
        self._dry = dry
        self._say = say
        store.bind(
            {
                "chain": chain.hash_of(0) or str(chain.host.chain_id),
                "market": protocol.credit_engine.address,
                "sender": sender,
            }
        )
        self._watch = Watch(chain, store, protocol, flash, sender)

    def run(self) -> Seen:
        """One pass."""
        gone = self._watch.went_back()
        if gone is not None:
            self._say(f"the chain lost its blocks from {gone:,} on: they are read anew")
        for one in self._watch.read():
            self._tell(one)
        waiting = self._chain.is_waiting(self._sender)
        found, lost = self._store.settle(waiting)
        if found:
            self._say(f"{found:,} liquidations sent before the end were mined")
        if lost:
            self._say(f"{lost:,} attempts are not on the chain: their accounts are judged anew")
        seen = Seen(block=self._chain.head())
        quotes, seen.poked = prices.poke(
            self._protocol, self._store, self._sender, self._say, send=not self._dry
        )
        self._scan(seen)
        weak = self._store.weakest(1.0)
        seen.below = len(weak)
        if waiting:
            # what we sent may be one of these: nothing is sent twice
            seen.reasons = {"a transaction of ours is not mined yet": len(weak)} if weak else {}
            return seen
        liquidator = Liquidator(
            self._protocol, self._store, self._sender, self._flash, self._least_gain, self._say,
            self._dry,
        )  # fmt: skip
        for account in weak:
            deal = liquidator.take(account, quotes, self._chain.head())
            if deal is not None:
                seen.deals.append(deal)
                if self._dry:
                    self._say(f"would liquidate {whose(account)}: {self._deal(deal)}")
        seen.reasons = liquidator.reasons
        for one in self._watch.read():
            self._tell(one)
        return seen

    def _scan(self, seen: Seen) -> None:
        began = time.perf_counter()
        accounts = self._store.debtors()
        health = self._chain.health_factors(self._protocol.lens, accounts)
        if accounts:
            self._store.set_health(
                accounts, [None if one == MAX_UINT256 else one / WAD for one in health]
            )
        seen.accounts = sum(one != MAX_UINT256 for one in health)
        seen.scan_seconds = time.perf_counter() - began
        seen.lowest = self._store.lowest_health()

    def _show(self, amount: int, symbol: str) -> str:
        return f"{format_units(amount, self._protocol.market.decimals(symbol), 4)} {symbol}"

    def _deal(self, deal: Deal) -> str:
        return (
            f"repay at most {self._show(deal.most, deal.debt)} for {deal.collateral} "
            f"by {deal.way}, gain {format_units(deal.gain, 18, 2)} USD"
        )

    def _tell(self, one: Liquidation) -> None:
        if one.way == "other":
            return
        self._say(
            f"liquidated {whose(one.account)} by {one.way}: "
            f"paid {self._show(one.repaid + one.fund_fee, one.debt)}, "
            f"seized {self._show(one.seized, one.collateral)}, "
            f"profit {self._show(one.profit, one.debt)}"
        )


def whose(account: bytes) -> str:
    """An account as its number and its owner."""
    return f"account {account_number(account)} of {account_owner(account)[:8]}…"
