"""From events to what the keeper knows: who owes, what was poked, what was liquidated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from breakwater.keeper.chain import Chain, Found
from breakwater.keeper.store import Liquidation, Poke, Store
from breakwater.units import WAD

NAMES = ("Borrow", "Liquidate", "FlashLiquidate", "Poke")
RANGE = 2_000
"""Blocks that a node is asked for at once."""


class Watch:
    """Reads on where the store ends."""

    def __init__(self, chain: Chain, store: Store, protocol: Any, flash: Any, sender: str) -> None:
        self._chain = chain
        self._store = store
        self._protocol = protocol
        self._flash = None if flash is None else flash.address
        self._sender = sender
        self._contracts = {
            protocol.credit_engine.address: "CreditEngine",
            protocol.breaker.address: "CircuitBreaker",
        }
        if flash is not None:
            self._contracts[flash.address] = "FlashLiquidator"

    def went_back(self) -> int | None:
        """Whether the chain lost blocks that were read, as a node does that was killed: forgets
        what was in them; the block from which on it was forgotten, else None.
        """
        cursor = self._store.cursor()
        if cursor is None or self._chain.hash_of(cursor[0]) == cursor[1]:
            return None
        for number, block_hash in self._store.blocks():
            if self._chain.hash_of(number) == block_hash:
                self._store.roll_back(number)
                return number + 1
        self._store.roll_back(-1)
        return 0

    def read(self) -> list[Liquidation]:
        """Read every block that is new; the liquidations in them."""
        cursor, head = self._store.cursor(), self._chain.head()
        first, found = (0 if cursor is None else cursor[0] + 1), []
        while first <= head:
            last = min(first + RANGE - 1, head)
            events = list(self._chain.events(first, last, self._contracts, NAMES))
            block_hash = self._chain.hash_of(last)
            if block_hash is None:
                break  # the chain went back just now: the next pass sees it
            with self._store.together():
                found += self._add(events)
                self._store.read_to(last, block_hash)
            first = last + 1
        return found

    def _add(self, events: list[Found]) -> list[Liquidation]:
        debtors = {one.log.account for one in events if one.log.name == "Borrow"}
        if debtors:
            self._store.add_accounts(sorted(debtors))
        pokes: dict[str, Found] = {one.log.asset: one for one in events if one.log.name == "Poke"}
        for asset, one in pokes.items():
            time = self._chain.time_of(one.block)
            self._store.add_poke(Poke(asset, one.block, time, one.log.price))
        liquidations = self._liquidations(events)
        for liquidation in liquidations:
            self._store.add_liquidation(liquidation)
        return liquidations

    def _liquidations(self, events: Iterable[Found]) -> list[Liquidation]:
        """Our profit: what the flash liquidator sent us, else the incentive less the fund's part,
        at the prices of the liquidation.
        """
        found, flashes = [], {}
        for one in reversed(list(events)):
            log = one.log
            if log.name == "FlashLiquidate" and log.address == self._flash:
                flashes[one.txn, log.account, log.debt_asset] = log
            if log.name != "Liquidate":
                continue
            way, profit = "other", 0
            flash = flashes.get((one.txn, log.account, log.debt_asset))
            if log.liquidator == self._sender:
                way = "own"
                profit = log.repaid * log.incentive // WAD - log.fund_fee
            elif log.liquidator == self._flash and flash and flash.caller == self._sender:
                way, profit = "flash", flash.profit
            found.append(
                Liquidation(
                    one.block, one.position, one.txn, log.account,
                    self._protocol.symbol_of(log.debt_asset),
                    self._protocol.symbol_of(log.collateral), way, log.repaid, log.fund_fee,
                    log.bad_debt, log.seized, profit,
                )
            )  # fmt: skip
        return found[::-1]
