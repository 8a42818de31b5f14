"""Reads the words of a protocol's contracts, and asks its price sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from breakwater import artifacts
from breakwater.driver import CircuitBreaker, CreditEngine, LendingVault, RiskEngine
from breakwater.host import Host, Reverted
from breakwater.model.vault_books import unpacked
from breakwater.observation import Observation, Timed, Trial
from breakwater.observation.asset import NO_PRICE, Asset, Source
from breakwater.observation.vault import Vault
from breakwater.observation.words import M96, M112, M128, Words, bits, decoded, mapped
from breakwater.units import BPS, YEAR

LEAST_FULL_RATE = 6_341_958_397
"""Lowest rate at full utilization, 20 % a year [WAD a second]."""

_IS_FEED = 31


class Observer:
    """Reads a protocol. Accounts must be named: chains keep no list of them."""

    def __init__(
        self,
        host: Host,
        *,
        engine: CreditEngine,
        risk: RiskEngine,
        breaker: CircuitBreaker,
        vaults: Iterable[LendingVault],
        assets: Iterable[str],
        accounts: Iterable[bytes] = (),
    ) -> None:
        self.host = host
        self.engine = engine.address
        self.risk = risk.address
        self.breaker = breaker.address
        self.accounts = list(accounts)
        self._layouts = {
            name: artifacts.load(name).layout["storage_layout"]
            for name in ("CreditEngine", "RiskEngine", "LendingVault", "CircuitBreaker")
        }
        self._account_slots: dict[bytes, int] = {}
        self._known: dict[str, tuple[int, int, int, int]] = {}
        self._assets = {asset: self._asset_slots(asset) for asset in assets}
        self._vaults = {vault.asset(): self._vault_slots(vault) for vault in vaults}

    def read(
        self,
        previous: Observation | None = None,
        logs: Iterable[Timed] = (),
        *,
        call: bool = False,
        trials: Iterable[Trial] = (),
    ) -> Observation:
        """The present state. The chain of observations is cut behind `previous`."""
        storage, now = self.host.storage, self.host.now
        engine = self.engine
        if not call:
            self._known.clear()
        books = {}
        collateral = {}
        debts = {}
        for asset, slots in self._assets.items():
            book = storage(engine, slots["book"])
            if bits(book, 112, 7):
                books[asset] = book
                code = bits(book, 120, 24)
                collateral[asset] = (
                    book & M112,
                    decoded(code),
                    self._balance(asset, engine),
                )
            debt = storage(engine, slots["debt"])
            if debt:
                code = bits(debt, 168, 24)
                debts[asset] = decoded(code)
        if previous is not None and previous.previous is not None:
            previous = replace(previous, previous=None)
        return Observation(
            now=now,
            block=self.host.block,
            engine=engine,
            vaults={asset: self._vault(asset) for asset in self._vaults},
            assets={asset: self._asset(asset, now) for asset in self._assets},
            collateral=collateral,
            books=books,
            debts=debts,
            accounts={account: self._words(account) for account in self.accounts},
            logs=tuple(logs),
            call=call,
            previous=previous,
            trials=tuple(trials),
        )

    def asset(self, asset: str) -> Asset:
        """One asset as it is now."""
        return self._asset(asset, self.host.now)

    # ------------------------------------------------------------ slots

    def _asset_slots(self, asset: str) -> dict[str, int]:
        id = self.host.storage(self.risk, mapped(self._slot("RiskEngine", "ids"), asset))
        return {
            "id": id,
            "book": mapped(self._slot("CreditEngine", "books"), asset),
            "debt": mapped(self._slot("CreditEngine", "debts"), asset),
            "rule": self._slot("RiskEngine", "rules") + id,
            "checkpoint": self._slot("RiskEngine", "checkpoints") + id,
            "seen": self._slot("RiskEngine", "observations") + id,
            "term": self._slot("RiskEngine", "terms") + id,
            "latch": mapped(self._slot("RiskEngine", "_expiries"), asset),
            "breaker": mapped(self._slot("CircuitBreaker", "latches"), asset),
        }

    def _vault_slots(self, vault: LendingVault) -> tuple[str, dict[str, int]]:
        names = ("_books", "_rates", "_claims", "_paid")
        slots = {name: self._slot("LendingVault", name) for name in names}
        slots["fund"] = mapped(self._slot("LendingVault", "_balances"), vault.fund())
        return vault.address, slots

    def _slot(self, contract: str, name: str) -> int:
        """Slot of a variable of a contract, or of one of its modules."""
        found = list(_slots_of(self._layouts[contract], name))
        if len(found) != 1:
            raise LookupError(f"{contract} has {len(found)} variables {name}")
        return found[0]

    # ------------------------------------------------------------ parts

    def _words(self, account: bytes) -> Words:
        base = self._account_slots.get(account)
        if base is None:
            base = mapped(self._slot("CreditEngine", "accounts"), account)
            self._account_slots[account] = base
        storage, engine = self.host.storage, self.engine
        first = storage(engine, base)
        words = [first, 0, 0, 0]
        for i in range(1, (bits(first, 244, 4) + 1) // 2):
            words[i] = storage(engine, base + i)
        return (words[0], words[1], words[2], words[3])

    def _vault(self, asset: str) -> Vault:
        address, slots = self._vaults[asset]
        storage = self.host.storage
        factor, deposit_cap, debt_cap, highest = self._parameters(address)
        return Vault(
            asset=asset,
            address=address,
            token_balance=self._balance(asset, address),
            books=storage(address, slots["_books"]),
            rates=storage(address, slots["_rates"]),
            claims=storage(address, slots["_claims"]),
            paid=storage(address, slots["_paid"]),
            fund_shares=storage(address, slots["fund"]) & M128,
            reserve_factor=factor,
            deposit_cap=deposit_cap,
            debt_cap=debt_cap,
            highest_rate=highest,
        )

    def _parameters(self, address: str) -> tuple[int, int, int, int]:
        """Parameters are what their owner set: the contract's word for them is as good as any.

        Read anew for each span, not for each call.
        """
        if address in self._known:
            return self._known[address]
        call = self.host.call
        config = unpacked(*call(address, "LendingVault", "config", ()))
        most = config.max_rate * 10**14 // YEAR
        highest = max(most * config.steepness // BPS, LEAST_FULL_RATE)
        caps = config.deposit_cap, config.debt_cap
        self._known[address] = (config.reserve_factor, *caps, highest)
        return self._known[address]

    def _asset(self, asset: str, now: int) -> Asset:
        slots, storage, risk = self._assets[asset], self.host.storage, self.risk
        rule, checkpoint = (storage(risk, slots[name]) for name in ("rule", "checkpoint"))
        price = checkpoint & M96
        settled = Source(price, price, price, now, 1)
        return Asset(
            address=asset,
            id=slots["id"],
            rule=rule,
            term=storage(risk, slots["term"]),
            checkpoint=checkpoint,
            seen=storage(risk, slots["seen"]),
            latch=storage(risk, slots["latch"]),
            breaker=storage(self.breaker, slots["breaker"]),
            source=self._source(rule, now) if bits(rule, 0, 160) else settled,
        )

    def _balance(self, token: str, owner: str) -> int:
        found: int = self.host.call(token, "TokenMock", "balanceOf", (owner,))
        return found

    def _source(self, rule: int, now: int) -> Source:
        address = "0x" + (rule & (2**160 - 1)).to_bytes(20, "big").hex()
        decimals, max_age = bits(rule, 172, 5), bits(rule, 160, 12) * 60
        upper, span = bits(rule, 243, 7), rule >> 250
        try:
            if decimals == _IS_FEED:
                found = Source(*self.host.call(address, "MedianFeed", "quote", ()))
                if found.status == 0:
                    return NO_PRICE
            else:
                words = self.host.call(address, "AggregatorMock", "latestRoundData", ())
                round_id, answer, _, updated_at, answered_in = words
                if answer <= 0 or answered_in < round_id or not 0 < updated_at <= now:
                    return NO_PRICE
                price = answer * 10**18 // 10**decimals
                found = Source(price, price, price, updated_at, 1)
        except Reverted:
            return NO_PRICE
        if found.updated_at + max_age < now:
            return NO_PRICE
        if found.low >> (upper - span) == 0 or found.high >> upper != 0:
            return NO_PRICE
        return found


def _slots_of(layout: Mapping[str, Any], name: str) -> Iterator[int]:
    for key, entry in layout.items():
        if "slot" not in entry:
            yield from _slots_of(entry, name)
        elif key == name:
            yield int(entry["slot"])
