"""Model of the `CircuitBreaker`. Specification, Levels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from breakwater.model import average
from breakwater.model.average import DISPERSED, JUMP, STALE
from breakwater.model.chain import ZERO_ADDRESS, Chain, Refused, Word, reentrant, view
from breakwater.model.feeds import ask, one_word
from breakwater.model.liquidation import GRACE_TIME
from breakwater.model.oracle import CAUTION, HALT, NORMAL, WIND_DOWN, rule_of, term_of
from breakwater.model.owned import Owned
from breakwater.units import BPS, DAY, HOUR, MINUTE

PRICE_JUMP, DISPERSION, NO_PRICE, GUARDIAN, SUPPLY, INSOLVENCY = range(6)
"""Reasons, in the order of their latches; the ABI has a bit for each."""

COOL_DOWN = 30 * MINUTE
STALE_DELAY = 15 * MINUTE
STALE_HALT = HOUR
MAX_DURATION = 7 * DAY
MAX_VAULTS = 32
MAX_HOLD = 4 * HOUR
RANGE_DAYS = 7

SUPPLY_LIMITS = range(10, 10_001)
"""Of a supply's growth in a day [BPS]."""
SUPPLY_CONFIRMED = 10 * MINUTE
MAX_SUPPLY = 2**112 - 1
"""What a higher supply is taken for, and the reference that stands for none."""


class ReasonLatch(NamedTuple):
    """What one reason holds, until then."""

    level: int = NORMAL
    until: int = 0


OPEN = ReasonLatch()


class Latches(NamedTuple):
    """Of one asset."""

    by_reason: tuple[ReasonLatch, ...] = (OPEN,) * 6

    def of(self, reason: int, now: int) -> ReasonLatch:
        """What a reason holds now."""
        latch = self.by_reason[reason]
        return latch if latch.until > now else OPEN

    def having(self, reason: int, latch: ReasonLatch) -> Latches:
        """One of them replaced."""
        parts = self.by_reason
        return self._replace(by_reason=(*parts[:reason], latch, *parts[reason + 1 :]))

    def expiry(self, level: int) -> int:
        """Latest expiry of a latch of this very level."""
        return max((one.until for one in self.by_reason if one.level == level), default=0)


NONE = Latches()


class DayRange(NamedTuple):
    """Spot that pokes saw on a day (UTC)."""

    low: int = 0
    high: int = 0
    day: int = 0


class SupplyGrowth(NamedTuple):
    """Of one asset's issuer supply, see `ICircuitBreaker.SupplyGrowth`. Specification, Supply."""

    limit: int = 0
    reference: int = 0
    least: int = 0
    highest: int = 0
    day_start: int = 0
    excess_since: int = 0

    def observed(self, supply: int, now: int) -> SupplyGrowth:
        """After a reading."""
        supply = min(supply, MAX_SUPPLY)
        start, reference, since = self.day_start or now, self.reference, self.excess_since
        day = [supply, supply] if not self.day_start else [self.least, self.highest, supply]
        if now - start >= DAY:
            if reference == MAX_SUPPLY or reference < min(day):
                reference = min(day)
            elif reference > max(day):
                reference = max(day)
            start, day = now, [supply]
        is_excess = supply * BPS > reference * (BPS + self.limit)
        return SupplyGrowth(
            self.limit, reference, min(day), max(day), start, (since or now) if is_excess else 0
        )

    def is_confirmed(self, now: int) -> bool:
        """Whether it was too much for long enough."""
        return self.excess_since != 0 and now - self.excess_since >= SUPPLY_CONFIRMED


UNWATCHED = SupplyGrowth()

SENSORS = {
    JUMP: (PRICE_JUMP, CAUTION, COOL_DOWN),
    DISPERSED: (DISPERSION, CAUTION, COOL_DOWN),
    STALE: (NO_PRICE, HALT, STALE_HALT),
}
"""What a status latches: for which reason, which level, for how long."""


class CircuitBreaker(Owned):
    """Which sensor latches which level of an asset, and for how long."""

    NAME = "CircuitBreaker"

    def __init__(self, chain: Chain, address: str, owner: str, guardian: str) -> None:
        super().__init__(chain, address, owner)
        self.put(guardian, "guardian")

    # ------------------------------------------------------------ sensors and guardian

    def poke(self, sender: str, asset: str) -> int:
        """Stores the price, latches what it shows, drops what has expired; the status."""
        self._check_connected()
        self._check_unlocked()
        now = self.chain.now
        status = self._write_price(asset)
        since = (self._stale_since(asset) or now) if status == STALE else 0
        if since != self._stale_since(asset):
            self.put(since, "stale_since", asset)
        latches = after = self._lifted(asset)
        if status in SENSORS and (status != STALE or now - since >= STALE_DELAY):
            after = self._tripped(asset, after, *SENSORS[status])
        if self._observe_supply(asset):
            after = self._tripped(asset, after, SUPPLY, HALT, DAY)
        self._keep(asset, after)
        if after != latches:
            self._push_risk(asset, after)
        return status

    def check_solvency(self, sender: str, asset: str) -> tuple[int, int, int]:
        """What the engine and the vault lack of an asset; where they do, both are halted."""
        self._check_listed(asset)
        self._check_unlocked()
        engine = self._named("credit_engine")
        vault = self.get("vault_of", asset, default=ZERO_ADDRESS)
        held = self._tell(engine, "book_of", asset)[1]
        missing = [held - self._tell(asset, "balanceOf", engine), 0, 0]
        if vault != ZERO_ADDRESS:
            cash, lent = (self._tell(vault, name) for name in ("cash", "debt_assets"))
            owned = cash + self._tell(vault, "flash_out") + lent
            missing[1] = cash - self._tell(asset, "balanceOf", vault)
            missing[2] = self._tell(vault, "totalAssets") - owned
        if max(missing) > 0:
            latches = self._lifted(asset)
            after = self._tripped(asset, latches, INSOLVENCY, HALT, DAY)
            self._keep(asset, after)
            if after != latches:
                self._push_risk(asset, after)
            self._halt_vault(asset, vault, after)
        return max(missing[0], 0), max(missing[1], 0), max(missing[2], 0)

    def trip(self, sender: str, asset: str, level: int, duration: int) -> None:
        """By the guardian, who may raise and extend what he holds."""
        if sender != self._named("guardian"):
            raise Refused("caller is not guardian")
        if level not in (CAUTION, HALT):
            raise Refused("level must be 1 or 2")
        if duration == 0:
            raise Refused("duration is zero")
        if duration > MAX_DURATION:
            raise Refused("duration above 7 days")
        self._check_listed(asset)
        latches = self._lifted(asset)
        held, until = latches.of(GUARDIAN, self.chain.now), self.chain.now + duration
        if level < held.level:
            raise Refused("level below the latched one")
        if until < held.until:
            raise Refused("expiry before the latched one")
        latches = latches.having(GUARDIAN, ReasonLatch(level, until))
        self._keep(asset, latches)
        self._trip(asset, GUARDIAN, latches)
        self._push_risk(asset, latches)
        self._push_vault(asset, latches)

    def hold(self, sender: str, asset: str, duration: int) -> None:
        """By the guardian: of liquidations that rest on an asset; 0 ends the hold that runs."""
        if sender != self._named("guardian"):
            raise Refused("caller is not guardian")
        if duration > MAX_HOLD:
            raise Refused("duration above 4 hours")
        self._check_connected()
        self._tell(self._named("risk_engine"), "hold", asset, duration)

    def reset(self, sender: str, asset: str) -> None:
        """Drops what has expired; the guardian lifts his own as well."""
        latches = self._lifted(asset)
        if sender == self._named("guardian") and latches.of(GUARDIAN, self.chain.now).level:
            latches = latches.having(GUARDIAN, OPEN)
            self.emit("Reset", asset=asset, reason=1 << GUARDIAN)
        if latches != self._latches(asset):
            self._keep(asset, latches)
            self._push_risk(asset, latches)
            self._push_vault(asset, latches)
        elif self._hold_ended(asset):
            self._push_risk(asset, latches)

    # ------------------------------------------------------------ administration

    def connect(self, sender: str, risk_engine: str, credit_engine: str) -> None:
        """Names the engines, once."""
        self._check_owner(sender)
        if self._named("risk_engine") != ZERO_ADDRESS:
            raise Refused("already connected")
        if risk_engine not in self.chain.contracts:
            raise Refused("risk engine has no code")
        if credit_engine not in self.chain.contracts:
            raise Refused("credit engine has no code")
        self.put(risk_engine, "risk_engine")
        self.put(credit_engine, "credit_engine")
        self.emit("Connect", risk_engine=risk_engine, credit_engine=credit_engine)

    def add_vault(self, sender: str, vault: str) -> None:
        """Adds the vault of an asset, which takes over what the guardian holds."""
        self._check_owner(sender)
        if vault not in self.chain.contracts:
            raise Refused("vault has no code")
        vaults = self.get("vaults", default=())
        if len(vaults) == MAX_VAULTS:
            raise Refused("too many vaults")
        asset = self._tell(vault, "asset")
        if self.get("vault_of", asset, default=ZERO_ADDRESS) != ZERO_ADDRESS:
            raise Refused("asset has a vault")
        if self._named("risk_engine") == ZERO_ADDRESS:
            raise Refused("not connected")
        if self._tell(self._named("credit_engine"), "debt_of", asset)[1] != vault:
            raise Refused("vault is not listed")
        self.put((*vaults, vault), "vaults")
        self.put(vault, "vault_of", asset)
        self.emit("AddVault", asset=asset, vault=vault)
        latches = self._latches(asset)
        if latches.of(GUARDIAN, self.chain.now).level:
            self._push_vault(asset, latches)

    def set_supply_limit(self, sender: str, asset: str, limit: int) -> None:
        """From 0 on it is measured anew; 0 forgets."""
        self._check_owner(sender)
        self._check_listed(asset)
        if limit != 0 and limit not in SUPPLY_LIMITS:
            raise Refused("limit out of range")
        growth = self._growth(asset)
        if limit == 0:
            growth = UNWATCHED
        elif growth.limit == 0:
            growth = SupplyGrowth(limit, reference=MAX_SUPPLY)
        self.put(growth._replace(limit=limit), "supply", asset)
        self.emit("SetSupplyLimit", asset=asset, limit=limit)

    def set_guardian(self, sender: str, guardian: str) -> None:
        """Zero for none. What is latched stays."""
        self._check_owner(sender)
        self.put(guardian, "guardian")
        self.emit("SetGuardian", guardian=guardian)

    # ------------------------------------------------------------ views

    @reentrant
    def level_of(self, sender: str, asset: str) -> int:
        """Highest level latched now."""
        latches = self._latches(asset)
        for level in (HALT, CAUTION):
            if latches.expiry(level) > self.chain.now:
                return level
        return NORMAL

    @reentrant
    def latch_of(self, sender: str, asset: str, reason: int) -> tuple[int, int]:
        """Level and expiry for one reason, given as its bit."""
        if reason >= 64:
            raise Refused()
        if reason.bit_count() != 1:
            raise Refused("one reason at a time")
        return self._latches(asset).of(reason.bit_length() - 1, self.chain.now)

    @view
    def stale_since(self, sender: str, asset: str) -> int:
        """First of the pokes in a row that found no price."""
        return self._stale_since(asset)

    @reentrant
    def supply_of(self, sender: str, asset: str) -> SupplyGrowth:
        """What is known of the growth of a supply."""
        return self._growth(asset)

    @reentrant
    def range_of(self, sender: str, asset: str) -> tuple[int, int]:
        """Lowest and highest spot of the last 7 days up to the last that saw one."""
        last = self.get("last_day", asset)
        days = [self._day_range(asset, at) for at in range(RANGE_DAYS)]
        days = [one for one in days if one.day and one.day + RANGE_DAYS > last]
        if not days:
            return 0, 0
        return min(one.low for one in days), max(one.high for one in days)

    @reentrant
    def settlement_of(self, sender: str, asset: str, price: int) -> int:
        """The checkpoint of an asset that is wound down at a price."""
        risk, now = self._named("risk_engine"), self.chain.now
        if risk == ZERO_ADDRESS:
            raise Refused()
        quote = self._tell(risk, "quote", asset)
        if quote[7] == WIND_DOWN:
            raise Refused("asset is settled")
        low, high = self.range_of(sender, asset)
        if self.vault_of(sender, asset) != ZERO_ADDRESS and quote[0]:
            high = min(high, max(quote[2:4]))
        if price == 0 or not low <= price <= high:
            raise Refused("price is out of range")
        before = average.unpacked(*self._tell(risk, "words_of", asset)[2:])
        after = before._replace(spot=price, average=price, time=now)
        return average.packed(after)[0]

    @reentrant
    def vault_list(self, sender: str) -> tuple[str, ...]:
        """In the order they were added."""
        found: tuple[str, ...] = self.get("vaults", default=())
        return found

    @view
    def risk_engine(self, sender: str) -> str:
        """Whom it pokes."""
        return self._named("risk_engine")

    @view
    def credit_engine(self, sender: str) -> str:
        """Whose lock it respects."""
        return self._named("credit_engine")

    @view
    def guardian(self, sender: str) -> str:
        """Who may trip."""
        return self._named("guardian")

    @view
    def vault_of(self, sender: str, asset: str) -> str:
        """The vault of an asset."""
        return str(self.get("vault_of", asset, default=ZERO_ADDRESS))

    # ------------------------------------------------------------ latches

    def _latches(self, asset: str) -> Latches:
        found: Latches = self.get("latches", asset, default=NONE)
        return found

    def _keep(self, asset: str, latches: Latches) -> None:
        if latches != self._latches(asset):
            self.put(latches, "latches", asset)

    def _lifted(self, asset: str) -> Latches:
        """Without what has expired."""
        latches = self._latches(asset)
        for reason, latch in enumerate(latches.by_reason):
            if latch != OPEN and latch.until <= self.chain.now:
                latches = latches.having(reason, OPEN)
                self.emit("Reset", asset=asset, reason=1 << reason)
        return latches

    def _tripped(
        self, asset: str, latches: Latches, reason: int, level: int, duration: int
    ) -> Latches:
        """A sensor's latch set, never to an earlier end; said where that changes something."""
        now = self.chain.now
        until = max(latches.of(reason, now).until, now + duration)
        after = latches.having(reason, ReasonLatch(level, until))
        if after != latches:
            self._trip(asset, reason, after)
        return after

    def _trip(self, asset: str, reason: int, latches: Latches) -> None:
        level, until = latches.by_reason[reason]
        self.emit("Trip", asset=asset, reason=1 << reason, level=level, until=until)

    def _push_risk(self, asset: str, latches: Latches) -> None:
        """The highest of all reasons, and how long a person holds."""
        held = latches.of(GUARDIAN, self.chain.now)
        caution, halt = latches.expiry(CAUTION), latches.expiry(HALT)
        self._tell(self._named("risk_engine"), "set_level", asset, caution, halt, held.until)

    def _push_vault(self, asset: str, latches: Latches) -> None:
        """What the guardian holds, and the halt for insolvency that the vault took before."""
        vault = self.get("vault_of", asset, default=ZERO_ADDRESS)
        if vault == ZERO_ADDRESS:
            return
        self._tell(vault, "set_level", *self._vault_levels(latches, self._vault_halt(asset)))

    def _halt_vault(self, asset: str, vault: str, latches: Latches) -> None:
        """For insolvency. The vault may refuse; a want of gas is not modelled."""
        until = latches.of(INSOLVENCY, self.chain.now).until
        if vault == ZERO_ADDRESS or until == self._vault_halt(asset):
            return
        try:
            with self.chain.undone_if_refused():
                self._tell(vault, "set_level", *self._vault_levels(latches, until))
        except Refused:
            return
        self.put(until, "vault_halts", asset)

    def _vault_levels(self, latches: Latches, halt: int) -> tuple[int, int, int]:
        """Ends of CAUTION, of HALT and of what the guardian holds, with a halt for insolvency."""
        level, until = latches.of(GUARDIAN, self.chain.now)
        halts = [halt] if halt > self.chain.now else []
        if level == HALT:
            halts.append(until)
        return until if level == CAUTION else 0, max(halts, default=0), until

    # ------------------------------------------------------------ supply

    def _growth(self, asset: str) -> SupplyGrowth:
        found: SupplyGrowth = self.get("supply", asset, default=UNWATCHED)
        return found

    def _observe_supply(self, asset: str) -> bool:
        """Reads a supply that has a limit; whether it was too much for long enough."""
        growth = self._growth(asset)
        if growth.limit == 0:
            return False
        supply = one_word(self.chain, self.address, asset, "totalSupply")
        if supply is None:
            return False
        growth = growth.observed(supply, self.chain.now)
        self.put(growth, "supply", asset)
        return growth.is_confirmed(self.chain.now)

    # ------------------------------------------------------------ others

    def _named(self, role: str) -> str:
        return str(self.get(role, default=ZERO_ADDRESS))

    def _hold_ended(self, asset: str) -> bool:
        """Whether there was a hold, and it and its grace are over."""
        risk = self._named("risk_engine")
        if risk == ZERO_ADDRESS or self._tell(risk, "id_of", asset) == 0:
            return False
        until = term_of(self._tell(risk, "words_of", asset)[1]).held_until
        return until != 0 and self.chain.now >= until + GRACE_TIME

    def _check_connected(self) -> None:
        if self._named("risk_engine") == ZERO_ADDRESS:
            raise Refused("not connected")

    def _check_listed(self, asset: str) -> None:
        self._check_connected()
        if self._tell(self._named("risk_engine"), "id_of", asset) == 0:
            raise Refused("asset is not listed")

    def _check_unlocked(self) -> None:
        for target in (self._named("credit_engine"), *self.get("vaults", default=())):
            answer = ask(self.chain, self.address, target, "is_unlocked")
            if answer is None or answer[:1] != (1,):
                raise Refused("locked")

    def _stale_since(self, asset: str) -> int:
        return int(self.get("stale_since", asset, default=0))

    def _vault_halt(self, asset: str) -> int:
        return int(self.get("vault_halts", asset, default=0))

    def _write_price(self, asset: str) -> int:
        """Stores at the risk engine what is seen of a price now; its status."""
        risk, now = self._named("risk_engine"), self.chain.now
        price, _, _, mean, volatility, _, status, level = self._tell(risk, "quote", asset)
        rule, _, *words = self._tell(risk, "words_of", asset)
        if level == WIND_DOWN:
            return int(status)
        if price:
            self._widen_range(asset, price)
        before = average.unpacked(*words)
        after = average.poke(before, price, now, rule_of(rule).band, status == DISPERSED)
        self._tell(risk, "write_checkpoint", asset, *average.packed(after))
        if price:
            volatility = average.poked_volatility(before, price, now)
        self.emit(
            "Poke", asset=asset, price=price, average=mean, volatility=volatility, status=status
        )
        return int(status)

    def _widen_range(self, asset: str, price: int) -> None:
        day = self.chain.now // DAY
        seen = self._day_range(asset, day % RANGE_DAYS)
        low, high = price, price
        if seen.day == day:
            low, high = min(seen.low, price), max(seen.high, price)
        else:
            self.put(day, "last_day", asset)
        if seen != DayRange(low, high, day):
            self.put(DayRange(low, high, day), "ranges", asset, day % RANGE_DAYS)

    def _day_range(self, asset: str, at: int) -> DayRange:
        found: DayRange = self.get("ranges", asset, at, default=DayRange())
        return found

    def _tell(self, target: str, function: str, *args: Any) -> Any:
        return self.chain.call(self.address, target, function, args)

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """Latches of 36 bits; what is known of a supply in two words."""
        if name == "latches":
            word = 0
            for i, (level, until) in enumerate(self._latches(*keys).by_reason):
                word |= (until | level << 34) << 36 * i
            yield Word(name, keys, word)
        elif name == "supply":
            limit, reference, least, highest, start, since = self._growth(*keys)
            yield Word("_references", keys, reference | least << 112 | limit << 224)
            yield Word("_readings", keys, highest | start << 112 | since << 152)
        elif name == "ranges":
            low, high, day = self._day_range(*keys)
            yield Word(name, keys, low | high << 96 | day << 192)
        elif name in ("stale_since", "vault_halts", "last_day"):
            yield Word(name, keys, int(self.get(name, *keys)))
        elif name == "vaults":
            vaults = self.get(name, default=())
            yield Word(name, (0,), len(vaults))
            for i, vault in enumerate(vaults):
                yield Word(name, (1 + i,), int(vault, 16))
        elif name in ("owner", "guardian", "risk_engine", "credit_engine", "vault_of"):
            yield Word(name, keys, int(self.get(name, *keys, default=ZERO_ADDRESS), 16))
        else:
            yield from super().words(name, keys)
