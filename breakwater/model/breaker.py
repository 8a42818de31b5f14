"""Model of the `CircuitBreaker`. Specification, Levels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from breakwater.model.average import DISPERSED, JUMP, STALE
from breakwater.model.chain import ZERO_ADDRESS, Chain, Refused, Word, reentrant, view
from breakwater.model.feeds import ask
from breakwater.model.oracle import CAUTION, HALT, NORMAL
from breakwater.model.owned import Owned
from breakwater.units import DAY, HOUR, MINUTE

PRICE_JUMP, DISPERSION, NO_PRICE, GUARDIAN = range(4)
"""Reasons, in the order of their latches; the ABI has a bit for each."""

COOL_DOWN = 30 * MINUTE
STALE_DELAY = 15 * MINUTE
STALE_HALT = HOUR
MAX_DURATION = 7 * DAY
MAX_VAULTS = 32


class Latch(NamedTuple):
    """What one reason holds, until then."""

    level: int = NORMAL
    until: int = 0


OPEN = Latch()


class Latches(NamedTuple):
    """Of one asset."""

    by_reason: tuple[Latch, ...] = (OPEN,) * 4
    stale_since: int = 0
    """first of the pokes in a row that found no price; 0: the last found one"""

    def of(self, reason: int, now: int) -> Latch:
        """What a reason holds now."""
        latch = self.by_reason[reason]
        return latch if latch.until > now else OPEN

    def having(self, reason: int, latch: Latch) -> Latches:
        """One of them replaced."""
        parts = self.by_reason
        return self._replace(by_reason=(*parts[:reason], latch, *parts[reason + 1 :]))

    def expiry(self, level: int) -> int:
        """Latest expiry of a latch of this very level."""
        return max((one.until for one in self.by_reason if one.level == level), default=0)


NONE = Latches()

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
        for target in (self._named("credit_engine"), *self.get("vaults", default=())):
            answer = ask(self.chain, self.address, target, "is_unlocked")
            if answer is None or answer[:1] != (1,):
                raise Refused("locked")
        now = self.chain.now
        status: int = self._tell(self._named("risk_engine"), "poke", asset)
        latches = self._lifted(asset)
        since = (latches.stale_since or now) if status == STALE else 0
        latches = latches._replace(stale_since=since)
        after = latches
        if status in SENSORS and (status != STALE or now - since >= STALE_DELAY):
            reason, level, duration = SENSORS[status]
            until = max(latches.of(reason, now).until, now + duration)
            after = latches.having(reason, Latch(level, until))
        self._keep(asset, after)
        if after != latches:
            self._trip(asset, reason, after)
            self._push_risk(asset, after)
        return status

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
        self._check_connected()
        if self._tell(self._named("risk_engine"), "id_of", asset) == 0:
            raise Refused("asset is not listed")
        latches = self._lifted(asset)
        held, until = latches.of(GUARDIAN, self.chain.now), self.chain.now + duration
        if level < held.level:
            raise Refused("level below the latched one")
        if until < held.until:
            raise Refused("expiry before the latched one")
        latches = latches.having(GUARDIAN, Latch(level, until))
        self._keep(asset, latches)
        self._trip(asset, GUARDIAN, latches)
        self._push_risk(asset, latches)
        self._push_vault(self.get("vault_of", asset, default=ZERO_ADDRESS), latches)

    def reset(self, sender: str, asset: str) -> None:
        """Drops what has expired; the guardian lifts his own as well."""
        latches = self._lifted(asset)
        if sender == self._named("guardian") and latches.of(GUARDIAN, self.chain.now).level:
            latches = latches.having(GUARDIAN, OPEN)
            self.emit("Reset", asset=asset, reason=1 << GUARDIAN)
        if latches != self._latches(asset):
            self._keep(asset, latches)
            self._push_risk(asset, latches)
            self._push_vault(self.get("vault_of", asset, default=ZERO_ADDRESS), latches)

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
        self.put((*vaults, vault), "vaults")
        self.put(vault, "vault_of", asset)
        self.emit("AddVault", asset=asset, vault=vault)
        latches = self._latches(asset)
        if latches.of(GUARDIAN, self.chain.now).level:
            self._push_vault(vault, latches)

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
        if reason >= 16:
            raise Refused()
        if reason.bit_count() != 1:
            raise Refused("one reason at a time")
        return self._latches(asset).of(reason.bit_length() - 1, self.chain.now)

    @reentrant
    def stale_since(self, sender: str, asset: str) -> int:
        """First of the pokes in a row that found no price."""
        return self._latches(asset).stale_since

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

    def _trip(self, asset: str, reason: int, latches: Latches) -> None:
        level, until = latches.by_reason[reason]
        self.emit("Trip", asset=asset, reason=1 << reason, level=level, until=until)

    def _push_risk(self, asset: str, latches: Latches) -> None:
        """The highest of all reasons, and how long a person holds."""
        held = latches.of(GUARDIAN, self.chain.now)
        caution, halt = latches.expiry(CAUTION), latches.expiry(HALT)
        self._tell(self._named("risk_engine"), "set_level", asset, caution, halt, held.until)

    def _push_vault(self, vault: str, latches: Latches) -> None:
        """The guardian's alone."""
        if vault == ZERO_ADDRESS:
            return
        level, until = latches.of(GUARDIAN, self.chain.now)
        by_level = [until if level == one else 0 for one in (CAUTION, HALT)]
        self._tell(vault, "set_level", *by_level, until)

    # ------------------------------------------------------------ others

    def _named(self, role: str) -> str:
        return str(self.get(role, default=ZERO_ADDRESS))

    def _check_connected(self) -> None:
        if self._named("risk_engine") == ZERO_ADDRESS:
            raise Refused("not connected")

    def _tell(self, target: str, function: str, *args: Any) -> Any:
        return self.chain.call(self.address, target, function, args)

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """Four latches of 42 bits, and since when there is no price."""
        if name == "latches":
            latches = self._latches(*keys)
            word = latches.stale_since << 168
            for i, (level, until) in enumerate(latches.by_reason):
                word |= (until | level << 40) << 42 * i
            yield Word(name, keys, word)
        elif name == "vaults":
            vaults = self.get(name, default=())
            yield Word(name, (0,), len(vaults))
            for i, vault in enumerate(vaults):
                yield Word(name, (1 + i,), int(vault, 16))
        elif name in ("owner", "guardian", "risk_engine", "credit_engine", "vault_of"):
            yield Word(name, keys, int(self.get(name, *keys, default=ZERO_ADDRESS), 16))
        else:
            yield from super().words(name, keys)
