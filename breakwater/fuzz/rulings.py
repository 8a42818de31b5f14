"""What pokes store, what latches hold, and what owners may change."""

from __future__ import annotations

from typing import Final

from breakwater.fuzz.books import Books
from breakwater.fuzz.events import BOOKS, Event
from breakwater.fuzz.prices import DISPERSED, JUMP, STALE, UNREAD, Asset
from breakwater.fuzz.profiles import NEW_LIMIT
from breakwater.observation import exposure
from breakwater.observation.words import M32, M40, M64, M96, M112, SENSORS, decoded, latched
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

_BY_GUARDIAN: Final = ((0, "caution of {}"), (64, "halt of {}"), (128, "hold of {}"))
"""What a guardian latches: where in the word it ends."""

_INTERVAL: Final = 3 * _DAY
_LANES: Final = 8
_STEER: Final = 5
_LTV_STEP: Final = 500
_STEER_CAP: Final = 2_000
_STEER_LTV: Final = 100
"""Steps after genesis, see contracts/Configurator.vy [BPS]."""

_AMOUNTS: Final = ((133, "deposit cap"), (157, "debt cap"), (181, "floor"))
_LIMITS: Final = ((205, "outflow limit"), (212, "growth limit"))
_RATES: Final = ((13, 14, "target"), (27, 17, "steepness"), (79, 15, "least rate"),
                 (94, 15, "highest rate"))  # fmt: skip
"""What goes by steps of a vault's configuration: where, how wide, what."""

_LATCHES_AT_ONCE: Final = [f"sensor {at} of {{}} latches at once" for at in range(6)]

_GUARDIAN: Final = 3
_SUPPLY: Final = 4
_INSOLVENCY: Final = 5
_SOURCE: Final = 2**160 - 1
_FEED: Final = 2**177 - 1
"""Bits of a rule: the source; with its highest age and decimals."""
_LATCHED: Final = 1 << 227
_TERM: Final = 2**185 - 1
_HELD: Final = 2**64 - 1 << 185
_IS_NEW: Final = 1 << 249
"""Bits of a term: what an owner writes, a hold, and whether the asset is new."""
_RAMP: Final = 2**92 - 1
_MAX_HOLD: Final = 4 * 3_600
_LTV: Final = 16_383
_BOUNDS: Final = 2**13 - 1 << 243
_BORROW: Final = _LTV << 184 | 255 << 198
"""Bits of a rule that an owner may change: borrow_ltv, and how far volatility lowers it."""


class Rulings(Books):
    """GATE-1 to GATE-3, and the stored prices of SOLV-11."""

    def _poked(self, asset: Asset) -> None:
        """A poke of one asset: what it stores and latches at the price that it saw."""
        status, checkpoint, observation = self.poked(asset.id)
        old = self.rules[asset.id]
        new = self._read_poke(asset, old)
        self._exact.add("SOLV-11")
        if new[2] != checkpoint or new[3] != observation:
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
        storage = self.storage
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
        short = book > self.storage(asset.token, asset.balance)
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
        storage = self.storage
        if storage(self._breaker, asset.breaker) != old[5]:
            return self._read_rules(asset)
        checkpoint = storage(self._risk, asset.checkpoint)
        observation = storage(self._risk, asset.observation)
        return (*old[:2], checkpoint, observation, *old[4:6], storage(self._breaker, asset.silent))

    def _tightened(self, asset: Asset, word: int, at: int, level: int, seconds: int) -> None:
        """GATE-2: what a sensor finds is latched at once."""
        found, until = latched(word, at)
        room = until - self.now - seconds if found >= level else -1
        self._room("GATE-2", room, seconds, _LATCHES_AT_ONCE[at], asset.symbol)

    def _latches(self, asset: Asset, new: tuple[int, ...]) -> None:
        """Words of an asset as they are now."""
        old = self.rules[asset.id]
        self.prices[asset.id] = None
        if old == new:
            return
        self.rules[asset.id] = new
        self.quotes[asset.id] = UNREAD
        now = self.now
        if (old[1] ^ new[1]) & _HELD:
            self._held(asset, old[1], new[1])
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
            self._acts("what is latched of {}", asset.symbol, due, new[4])

    def _acts(self, what: str, name: str, until: list[int], latch: int) -> None:
        """GATE-2: until when the breaker latches a level is until when it acts."""
        self._exact.add("GATE-2")
        for level in (1, 2):
            due, acts = until[level], latch >> 64 * (level - 1) & M64
            if max(due, self.now) != max(acts, self.now):
                self._differs("GATE-2", due - acts, f"{what} at level {level} acts", name)

    def _hold(self, key: int, name: str, latch: int) -> None:
        """GATE-1, see `promises.GuardianBudget`."""
        now = self.now
        for at, what in _BY_GUARDIAN:
            until = latch >> at & M64
            self._room("GATE-1", now + _HOLD - until, _HOLD, what, name)
        end = latch >> 128 & M64
        holds = self.holds.setdefault(key, [])
        if holds and holds[-1][1] >= now:
            holds[-1] = holds[-1][0], max(end, now)
        elif end > now:
            holds.append((now, end))
        for _, last in holds:
            begin = last - 30 * _DAY
            total = sum(max(min(e, last) - max(s, begin), 0) for s, e in holds)
            self._room("GATE-1", _HOLD - total, _HOLD, "holds of {} in 30 days", name)

    # ------------------------------------------------------------ owners and guardians

    def _ruled(self, function: str, touched: tuple[int, ...], proved: Asset | None = None) -> None:
        """What an owner, a steward, a guardian, or anyone who lifts a latch may change; `proved`:
        whose solvency was checked."""
        events = self.events() if touched else []
        latch = self.rules[proved.id][5] if proved is not None else 0
        self.quotes = [UNREAD] * len(self.quotes)
        healthy = None
        found = [self._read_rules(asset) for asset in self._listed]
        before = [self.rules[asset.id] for asset in self._listed]
        for i, asset in enumerate(self._listed):
            old, new = before[i], found[i]
            if new == old or not old[0]:
                continue
            settles = old[0] & _SOURCE != 0 and new[0] & _SOURCE == 0
            if settles:
                self._settled(asset, old, new)
            elif new[2:4] != old[2:4]:
                self._room("SOLV-11", -1, 0, "stored price of {}", asset.symbol)
            if (new[1] ^ old[1]) & ~_HELD or (new[0] ^ old[0]) & ~_LATCHED:
                if healthy is None:
                    healthy = [
                        i for i, legs in enumerate(self.legs) if self.health(legs).factor >= WAD
                    ]
                if settles:
                    # at once at any price that pokes have seen
                    healthy = []
                else:
                    self._rewritten(asset, old, new)
        for i, asset in enumerate(self._listed):
            self._latches(asset, found[i])
        for i in healthy or ():
            factor = self.health(self.legs[i]).factor
            self._room("GATE-3", min(factor, 2**128) - WAD, WAD, "{}, new rules", self._name(i))
        self._vaults_ruled(touched, events)
        storage = self.storage
        for i, asset in enumerate(self._listed):
            id, book, least = asset.id, storage(self._engine, asset.book), self._read_least(asset)
            old = (self.books[id], self.least[id], before[i][0], before[i][1])
            if book != old[0]:
                self._limited(asset, old[0], book)
            self.books[id], self.least[id] = book, least
            if old != (book, least, found[i][0], found[i][1]) or id in self.listed:
                self._loosened(asset, function, old)
            announced = [storage(self._configurator, at) for at in asset.announced]
            if announced != self.announced.get(asset.id, (None,))[0]:
                self.announced[asset.id] = announced, self.now
        if proved is not None:
            self._proved(proved, latch)

    def _limited(self, asset: Asset, old: int, new: int) -> None:
        """An owner's change gives no more room today than a limit left, or a day begins with. One
        of something else leaves it."""
        if not (old ^ new) & exposure.LIMITS:
            return
        most, stands = exposure.most_set(old, new), exposure.limit(new)
        self._room("CAP-1", most - stands, most, "limit of {} that was set", asset.symbol)

    def _settled(self, asset: Asset, old: tuple[int, ...], new: tuple[int, ...]) -> None:
        """GATE-1: wound down at a price that pokes saw within a week and that was announced a day
        before, one that is lent at no more than it costs; all else stays."""
        price, slots = new[2] & M96, asset.ranges
        announced, since = self.announced.get(asset.id, ([0], self.now))
        if announced[0] != price:
            self._room("GATE-1", -1, 0, "the settlement of {} as announced", asset.symbol)
        self._room("GATE-1", self.now - since - _DAY, _DAY, "notice for {}", asset.symbol)
        kept = price | price << 96 | old[2] & M32 << 192 | self.now << 224
        if (new[2], new[0], new[3]) != (kept, old[0] & ~_SOURCE, old[3]):
            self._room("GATE-1", -1, 0, "the settlement of {}", asset.symbol)
        words = [self.storage(self._breaker, slot) for slot in slots]
        last = max(word >> 192 for word in words)
        seen = [word for word in words if word >> 192 and word >> 192 > last - 7]
        low = min((word & M96 for word in seen), default=0)
        high = max((word >> 96 & M96 for word in seen), default=0)
        now = self.price(asset.id)
        if asset.vault >= 0 and now.spot:
            high = min(high, now.new_debt)
        room = min(price - low, high - price)
        self._room("GATE-1", room, high, "settlement price of {}", asset.symbol)

    def _held(self, asset: Asset, old: int, new: int) -> None:
        """GATE-1: liquidations are held for at most 4 hours, once in 7 days."""
        start, until = (new >> at & M32 for at in (185, 217))
        before, ends = (old >> at & M32 for at in (185, 217))
        what = "hold of liquidations on {}"
        if start == before:
            self._room("GATE-1", ends - until, _MAX_HOLD, what, asset.symbol)
            return
        self._room("GATE-1", -abs(start - self.now), 0, what, asset.symbol)
        self._room("GATE-1", start - before - _HOLD, _HOLD, what, asset.symbol)
        self._room("GATE-1", start + _MAX_HOLD - until, _MAX_HOLD, what, asset.symbol)

    def _rewritten(self, asset: Asset, old: tuple[int, ...], new: tuple[int, ...]) -> None:
        """GATE-3: health moves along a ramp, and what is fixed at listing stays."""
        symbol = asset.symbol
        free, fixed = _BORROW | _LATCHED | _FEED | _BOUNDS, _TERM & ~_RAMP
        if (old[0] ^ new[0]) & ~free or (old[1] ^ new[1]) & fixed or new[1] & ~old[1] & _IS_NEW:
            self._room("GATE-3", -1, 0, "{}: a rule that is fixed at listing", symbol)
        if (new[0] >> 243 & 127) - (new[0] >> 250) != (old[0] >> 243 & 127) - (old[0] >> 250):
            self._room("GATE-3", -1, 0, "{}: the least price that is valid", symbol)
        ltv, term = self._price(asset.id, old, 0).liquidation_ltv, new[1]
        end = term >> 14 & _LTV
        if (term ^ old[1]) & _TERM:
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

    def _loosened(self, asset: Asset, function: str, old: tuple[int, ...]) -> None:
        """GATE-1 and CAP-1: what an owner loosens goes in steps, and a steward's are smaller; the
        cap of a new asset follows its schedule."""
        id, symbol, now = asset.id, asset.symbol, self.now
        rule, term = self.rules[id][:2]
        if not rule:
            return
        cap = decoded(self.books[id] >> 120 & 0xFFFFFF)
        if not old[2]:
            self.listed[id] = now, cap
            self.steps.update({(id, lane): now for lane in range(_LANES)})
            self._room("CAP-1", self._begins(asset) - cap, cap, "first cap of {}", symbol)
            return
        was, least = decoded(old[0] >> 120 & 0xFFFFFF), self.least[id]
        ltv, ltv_was = rule >> 184 & _LTV, old[2] >> 184 & _LTV
        upper, upper_was = rule >> 243 & 127, old[2] >> 243 & 127
        end, end_was = term >> 14 & _LTV, old[3] >> 14 & _LTV
        if function == "steer" and (cap != was or ltv != ltv_was):
            self._step(id, symbol, _STEER)
            part = abs(ltv - ltv_was) * _STEER_CAP * was + abs(cap - was) * _STEER_LTV * BPS
            # caps are kept in 16 bits
            whole = _STEER_LTV * _STEER_CAP * was + _STEER_LTV * BPS * (was >> 15)
            self._room("GATE-1", whole - part, whole, "a step of the steward at {}", symbol)
            return
        if id in self.listed and cap > was:
            since, first = self.listed[id]
            most = first + 1 << min((now - since) // (3 * _DAY), 10) + 1
            self._room("CAP-1", most - cap, cap, "the schedule of {}", symbol)
        elif cap > was:
            self._step(id, symbol, 0)
            most = max(2 * was, self._begins(asset))
            self._room("GATE-1", most - cap, cap, "cap of {}", symbol)
        if not term & _IS_NEW:
            self.listed.pop(id, None)
        if ltv > ltv_was:
            self._step(id, symbol, 1)
            self._room("GATE-1", ltv_was + _LTV_STEP - ltv, BPS, "borrow_ltv of {}", symbol)
        start = term & _LTV
        if (term ^ old[3]) & _RAMP and end > min(start, end_was):
            self._step(id, symbol, 2)
            self._room("GATE-1", start + _LTV_STEP - end, BPS, "liquidation_ltv of {}", symbol)
        if least != old[1]:
            self._step(id, symbol, 3)
            room = min(2 * old[1] - least, 2 * least + (least >> 14) + 1 - old[1])
            self._room("GATE-1", room, least, "least debt of {}", symbol)
        if upper != upper_was:
            self._step(id, symbol, 4)
            self._room("GATE-1", 1 - abs(upper - 1 - upper_was), 0, "max_price of {}", symbol)
        growth, before = exposure.growth(self.books[id]), exposure.growth(old[0])
        if before and (growth == 0 or growth > before):
            self._step(id, symbol, 6)
            room = 2 * before - growth if growth else -1
            self._room("GATE-1", room, growth, "growth of {}", symbol)
        self._deepened(id, symbol, old[0], self.books[id])

    def _deepened(self, id: int, symbol: str, old: int, new: int) -> None:
        """GATE-1: the depth goes in steps, up or down. CAP-1: what this hour has seized counts."""
        depth, before = exposure.depth(new), exposure.depth(old)
        if depth == before:
            return
        kept = exposure.kept(old, self.now, depth)
        if exposure.counted(new, self.now) != kept:
            self._differs("CAP-1", 1, "what was seized of {} before", symbol)
        stands = before or old & M112
        if before or depth < stands:
            self._step(id, symbol, 7)
            # kept in 16 bits
            room = min(2 * stands - depth, 2 * depth + (depth >> 14) + 1 - stands)
            self._room("GATE-1", room, depth, "depth of {}", symbol)

    def _begins(self, asset: Asset) -> int:
        """The cap that an asset which is listed now begins with at most."""
        prices = [self.rules[asset.id][2] & M96, self.price(asset.id).spot]
        return (NEW_LIMIT >> 10) * asset.unit // min([price for price in prices if price])

    def _step(self, id: int, symbol: str, lane: int) -> None:
        """Not before its interval."""
        due = self.steps.get((id, lane), 0) + _INTERVAL
        self._room("GATE-1", self.now - due, _INTERVAL, f"step {lane} of {symbol}")
        self.steps[id, lane] = self.now

    def _vaults_ruled(self, touched: tuple[int, ...], events: list[Event]) -> None:
        by_vault: dict[int, list[Event]] = {v: [] for v in touched}
        for event in events:
            v = self._vault_at.get(event.address)
            if v is not None:
                by_vault[v].append(event)
        for v in touched:
            vault = self._vaults[v]
            old, config, new = self.vaults[v], self.configs[v], self._read_vault(vault)
            self.configs[v] = self._read_config(vault)
            written = self._read_written(vault)
            if written != self.written[v]:
                self._opened_up(v, self.written[v], written)
                self.written[v] = written
            self.ends[v] = self._read_ends(vault)
            if old != new:
                self._vault(v, old, new, by_vault[v], config)
                self.vaults[v] = new
            stop = self.storage(vault.address, vault.latch)
            if stop != self.stops[v]:
                self.stops[v] = stop
                self._hold(-1 - v, f"the vault of {vault.symbol}", stop)
            breaker = self.rules[vault.asset][5]
            if stop or breaker:
                asset = self._listed[vault.asset - 1]
                # a halt for insolvency acts from when the vault takes it
                due = [0, 0, self.storage(self._breaker, asset.vault_halt)]
                level, until = latched(breaker, _GUARDIAN)
                due[level] = max(due[level], until)
                self._acts("what is latched at the vault of {}", vault.symbol, due, stop)

    def _opened_up(self, v: int, old: int, new: int) -> None:
        """GATE-1: what is loosened of a vault is one step, all of it."""
        vault, is_step = self._vaults[v], False
        what = f"{{}} of the vault of {vault.symbol}"
        for at, name in _AMOUNTS:
            was, now = (decoded(word >> at & 0xFFFFFF) for word in (old, new))
            if now > was:
                is_step = True
                if now > 2 * was:
                    most = self._begins(self._listed[vault.asset - 1])
                    self._room("GATE-1", most - now, now, what, name)
        for at, name in _LIMITS:
            was, now = old >> at & 127, new >> at & 127
            if was and (now == 0 or now > was):
                is_step = True
                self._room("GATE-1", 2 * was - now if now else -1, 100, what, name)
        for at, width, name in _RATES:
            was, now = ((word >> at) & ((1 << width) - 1) for word in (old, new))
            if was != now:
                is_step = True
                self._room("GATE-1", min(2 * was - now, 2 * now - was), BPS, what, name)
        if is_step:
            self._step(-1 - v, f"the vault of {vault.symbol}", 0)

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
