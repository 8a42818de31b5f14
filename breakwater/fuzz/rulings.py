"""What pokes store, what latches hold, and what owners may change."""

from __future__ import annotations

from typing import Final

from breakwater.fuzz.books import Books
from breakwater.fuzz.events import BOOKS, Event
from breakwater.fuzz.prices import DISPERSED, JUMP, STALE, UNREAD, Asset
from breakwater.observation.words import M40, M64, M112, SENSORS, latched
from breakwater.units import BPS, WAD

_DAY: Final = 86_400
_HOLD: Final = 7 * _DAY
_COOL_DOWN: Final = 1_800
_STALE_DELAY: Final = 900
_STALE_HALT: Final = 3_600
_CONFIRMED: Final = 600
_FASTEST: Final = 3 * _DAY
_SLOWEST: Final = 180 * _DAY
"""Ramps of a liquidation_ltv."""

_GAP: Final = 200
"""Of a borrow_ltv below the liquidation_ltv [BPS]."""

_GUARDIAN: Final = 3
_SUPPLY: Final = 4
_INSOLVENCY: Final = 5
_LATCHED: Final = 1 << 227
_LTV: Final = 16_383
_BORROW: Final = _LTV << 184 | 255 << 198
"""Bits of a rule that an owner may change: borrow_ltv, and how far volatility lowers it."""


class Rulings(Books):
    """GATE-1 to GATE-3, and the stored prices of SOLV-11."""

    def _poked(self, asset: Asset) -> None:
        """A poke of one asset: what it stores and latches at the price that it saw."""
        status, *due = self.poked(asset.id)
        old = self.rules[asset.id]
        new = self._read_poke(asset, old)
        self._exact.add("SOLV-11")
        if new[2] != due[0] or new[3] != due[1]:
            self._differs("SOLV-11", 1, "what a poke stores of {}", asset.symbol)
        since = (old[6] or self.now) if status == STALE else 0
        if since != new[6]:
            self._differs("GATE-2", 1, "since when {} has no price", asset.symbol)
        if status in (JUMP, DISPERSED):
            self._tightened(asset, new[5], status - 1, 1, _COOL_DOWN)
        elif status == STALE and self.now - since >= _STALE_DELAY:
            self._tightened(asset, new[5], 2, 2, _STALE_HALT)
        self._issued(asset, new[5])
        self._latches(asset, new)

    def _issued(self, asset: Asset, word: int) -> None:
        """GATE-2: a supply above its limit at all pokes of ten minutes halts its asset."""
        storage = self.evm.storage
        known = storage(self._breaker, asset.reference)
        limit, reference = known >> 224, known & M112
        if not limit:
            return
        supply = min(storage(asset.token, asset.supply), M112)
        since = storage(self._breaker, asset.readings) >> 152
        too_much = supply * BPS > reference * (BPS + limit)
        if too_much != (since != 0):
            self._differs("GATE-2", 1, "whether the supply of {} is too much", asset.symbol)
        if too_much and self.now - since >= _CONFIRMED:
            self._tightened(asset, word, _SUPPLY, 2, _DAY)

    def _proved(self, asset: Asset, before: int) -> None:
        """GATE-2: less than the books say halts its asset at once, and a vault that is short itself
        beyond every budget; all there, nothing is latched."""
        book = self.books[asset.id] & M112
        short = book > self.evm.storage(asset.token, asset.balance)
        word, v = self.rules[asset.id][5], asset.vault
        if v >= 0 and self.vaults[v][3] < self.vaults[v][0] & M112:
            short = True
            room = (self.stops[v] >> 64 & M64) - self.now - _DAY
            self._room("GATE-2", room, _DAY, "the vault of {}, which is short", asset.symbol)
        if short:
            self._tightened(asset, word, _INSOLVENCY, 2, _DAY)
        elif word != before:
            self._differs("GATE-2", 1, "a latch of {}, of which all is there", asset.symbol)

    def _read_poke(self, asset: Asset, old: tuple[int, ...]) -> tuple[int, ...]:
        """The words of an asset after a poke, which changes levels only if it latches some."""
        storage = self.evm.storage
        if storage(self._breaker, asset.breaker) != old[5]:
            return self._read_rules(asset)
        checkpoint = storage(self._risk, asset.checkpoint)
        observation = storage(self._risk, asset.observation)
        return (*old[:2], checkpoint, observation, *old[4:6], storage(self._breaker, asset.silent))

    def _tightened(self, asset: Asset, word: int, at: int, level: int, seconds: int) -> None:
        """GATE-2: what a sensor finds is latched at once."""
        found, until = latched(word, at)
        room = until - self.now - seconds if found >= level else -1
        self._room("GATE-2", room, seconds, f"sensor {at} of {asset.symbol} latches at once")

    def _latches(self, asset: Asset, new: tuple[int, ...]) -> None:
        """Words of an asset as they are now."""
        old = self.rules[asset.id]
        self.prices[asset.id] = None
        if old == new:
            return
        self.rules[asset.id] = new
        now = self.now
        if old[5] and old[5] != new[5]:
            for reason in SENSORS:
                level, until = latched(old[5], reason)
                if level and until > now:
                    left = latched(new[5], reason)
                    self._room(
                        "GATE-2", min(left[0] - level, left[1] - until), 0,
                        f"latch {reason} of {asset.symbol} until {until}",
                    )  # fmt: skip
        if old[4] != new[4]:
            self._hold(asset.id, asset.symbol, new[4])
        if old[4:6] != new[4:6]:
            due = [0, 0, 0]
            for reason in (_GUARDIAN, *SENSORS):
                level, until = latched(new[5], reason)
                due[level] = max(due[level], until)
            self._acts(f"what is latched of {asset.symbol}", due, new[4])

    def _acts(self, what: str, until: list[int], latch: int) -> None:
        """GATE-2: until when the breaker latches a level is until when it acts."""
        self._exact.add("GATE-2")
        for level in (1, 2):
            due, acts = until[level], latch >> 64 * (level - 1) & M64
            if max(due, self.now) != max(acts, self.now):
                self._differs("GATE-2", due - acts, f"{what} at level {level} acts")

    def _hold(self, key: int, name: str, latch: int) -> None:
        """GATE-1, see `promises.GuardianBudget`."""
        now = self.now
        for at, what in ((0, "caution"), (64, "halt"), (128, "hold")):
            until = latch >> at & M64
            self._room("GATE-1", now + _HOLD - until, _HOLD, f"{what} of {name}")
        end = latch >> 128 & M64
        holds = self.holds.setdefault(key, [])
        if holds and holds[-1][1] >= now:
            holds[-1] = holds[-1][0], max(end, now)
        elif end > now:
            holds.append((now, end))
        for _, last in holds:
            begin = last - 30 * _DAY
            total = sum(max(min(e, last) - max(s, begin), 0) for s, e in holds)
            self._room("GATE-1", _HOLD - total, _HOLD, f"holds of {name} in 30 days")

    # ------------------------------------------------------------ owners and guardians

    def _ruled(self, touched: tuple[int, ...], proved: Asset | None = None) -> None:
        """What an owner, a guardian, or anyone who lifts a latch may change; `proved`: whose
        solvency was checked."""
        before = self.rules[proved.id][5] if proved is not None else 0
        self.quotes = [UNREAD] * len(self.quotes)
        healthy = None
        found = [self._read_rules(asset) for asset in self._listed]
        for asset, new in zip(self._listed, found, strict=True):
            old = self.rules[asset.id]
            if new == old or not old[0]:
                continue
            if new[2:4] != old[2:4]:
                self._room("SOLV-11", -1, 0, "stored price of {}", asset.symbol)
            if new[1] != old[1] or (new[0] ^ old[0]) & ~_LATCHED:
                if healthy is None:
                    healthy = [
                        i for i, legs in enumerate(self.legs) if self.health(legs).factor >= WAD
                    ]
                self._rewritten(asset, old, new)
        for asset, new in zip(self._listed, found, strict=True):
            self._latches(asset, new)
        for i in healthy or ():
            factor = self.health(self.legs[i]).factor
            self._room("GATE-3", min(factor, 2**128) - WAD, WAD, "{}, new rules", self._name(i))
        self._vaults_ruled(touched)
        storage = self.evm.storage
        for asset in self._listed:
            self.books[asset.id] = storage(self._engine, asset.book)
            self.least[asset.id] = self._read_least(asset)
        if proved is not None:
            self._proved(proved, before)

    def _rewritten(self, asset: Asset, old: tuple[int, ...], new: tuple[int, ...]) -> None:
        """GATE-3: health moves along a ramp, and what is fixed at listing stays."""
        symbol = asset.symbol
        if (old[0] ^ new[0]) & ~(_BORROW | _LATCHED) or old[1] >> 92 != new[1] >> 92:
            self._room("GATE-3", -1, 0, "{}: a rule that is fixed at listing", symbol)
        ltv, term = self._price(asset.id, old, 0).liquidation_ltv, new[1]
        end = term >> 14 & _LTV
        if term != old[1]:
            begins = term & _LTV == ltv and term >> 28 & M40 == self.now
            self._room("GATE-3", int(begins) - 1, 0, "{}: a ramp from where it is, now", symbol)
            duration = term >> 68 & 0xFFFFFF
            if end < ltv:
                self._room("GATE-3", duration - _FASTEST, _FASTEST, "{}: a ramp down", symbol)
            self._room("GATE-3", _SLOWEST - duration, _SLOWEST, "{}: a ramp", symbol)
        most = new[0] >> 184 & _LTV
        if most:
            room = min(ltv, end) - _GAP - most
            self._room("GATE-3", room, BPS, "{}: borrow_ltv below the liquidation_ltv", symbol)

    def _vaults_ruled(self, touched: tuple[int, ...]) -> None:
        by_vault: dict[int, list[Event]] = {v: [] for v in touched}
        for event in self.events():
            v = self._vault_at.get(event.address)
            if v is not None:
                by_vault[v].append(event)
        for v in touched:
            vault = self._vaults[v]
            old, config, new = self.vaults[v], self.configs[v], self._read_vault(vault)
            self.configs[v] = self._read_config(vault)
            if old != new:
                self._vault(v, old, new, by_vault[v], config)
                self.vaults[v] = new
            stop = self.evm.storage(vault.address, vault.latch)
            if stop != self.stops[v]:
                self.stops[v] = stop
                self._hold(-1 - v, f"the vault of {vault.symbol}", stop)
            breaker = self.rules[vault.asset][5]
            if stop or breaker:
                asset = self._listed[vault.asset - 1]
                # a halt for insolvency acts from when the vault takes it
                due = [0, 0, self.evm.storage(self._breaker, asset.vault_halt)]
                level, until = latched(breaker, _GUARDIAN)
                due[level] = max(due[level], until)
                self._acts(f"what is latched at the vault of {vault.symbol}", due, stop)

    def events(self) -> list[Event]:
        """Events of vaults and funds in the last call."""
        result = self.evm.result
        assert result is not None
        found = []
        for log in result.logs:
            topics, data = log.data
            kind = self._topics.get(topics[0]) if topics else None
            if kind is not None and kind.group == BOOKS:
                words = [int.from_bytes(data[i : i + 32], "big") for i in range(0, len(data), 32)]
                found.append(Event(kind.name, log.address, topics, tuple(words)))
        return found
