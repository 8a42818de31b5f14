"""What accounts are worth at the prices of now: health, initial margin, net worth.

The arithmetic is that of `breakwater.observation`, which is slower and reads more.
"""

from __future__ import annotations

from typing import Any, Final

from breakwater.fuzz.observing import AGGREGATOR_ROUND
from breakwater.fuzz.prices import Prices
from breakwater.fuzz.quotes import Price
from breakwater.observation.asset import target_health
from breakwater.observation.interest import grow
from breakwater.observation.words import M32, M40, M112
from breakwater.units import BPS, DAY, HOUR, MAX_UINT256, RAY, WAD

Legs = list[tuple[int, int]]
"""(tag, amount) of each leg of an account; a tag of 128 and more is a debt."""

_M104: Final = 2**104 - 1
_MAX_VALUE: Final = 2**120
_UP: Final = RAY - 1  # what rounds a division by RAY up
_OUTAGE_GRACE: Final = "grace after an outage"


class Health:
    """A position at liquidation prices."""

    __slots__ = ("collateral", "debt", "factor", "incentive_max", "priced", "tip")

    factor: int  # [WAD]
    collateral: int  # [WAD]
    debt: int  # [WAD]
    tip: int  # [WAD]
    incentive_max: int  # [WAD]
    priced: bool

    def __init__(
        self, factor: int, collateral: int, debt: int, tip: int, incentive_max: int, priced: bool
    ) -> None:
        self.factor = factor
        self.collateral = collateral
        self.debt = debt
        self.tip = tip
        self.incentive_max = incentive_max
        self.priced = priced

    @property
    def under_water(self) -> bool:
        """Whether it cannot pay debt and tip."""
        return self.collateral * WAD <= self.debt * (WAD + self.tip)


class Margin:
    """A position at the prices that bind new risk."""

    __slots__ = ("exposure", "free", "leverage", "required", "room")

    room: int  # [WAD * BPS]
    required: int  # [WAD * BPS]
    free: int
    """Room of the cap on leverage [WAD * halves]."""
    exposure: int  # [WAD]
    leverage: int
    """Least cap of what was counted [halves]."""

    def __init__(self, room: int, required: int, free: int, exposure: int, leverage: int) -> None:
        self.room = room
        self.required = required
        self.free = free
        self.exposure = exposure
        self.leverage = leverage


def parse(words: tuple[int, ...]) -> Legs:
    """The legs of an account."""
    first = words[0]
    count = first >> 244 & 15
    if count == 0:
        return []
    found = [(first >> 208 & 255, first & _M104)]
    for i in range(1, count):
        word = words[i >> 1]
        if i & 1:
            found.append((word >> 216 & 255, word >> 104 & _M104))
        else:
            found.append((word >> 208 & 255, word & _M104))
    return found


def owes(legs: Legs) -> bool:
    """Whether one of them is a debt."""
    return any(tag >= 128 for tag, _ in legs)


_Known = tuple[Legs, list[Price | None], list[int], list[Price | None], Any]
"""What was computed of an account: from which legs, which prices, and the result."""


class Positions(Prices):
    """Accounts of one market."""

    legs: list[Legs]
    """By number of the account."""
    vaults: list[tuple[int, int, int, int, int, int]]
    """By vault: books, rates, claims, its balance of the token, the fund's shares, what was
    redeemed and paid in wind-down."""
    indices: list[int]
    _factors: dict[int, _Known]
    _margins: dict[int, _Known]

    def index(self, v: int) -> int:
        """Of a vault, with the interest until now [RAY]."""
        found = self.indices[v]
        if not found:
            rates = self.vaults[v][1]
            elapsed = self.now - (rates >> 192 & M32)
            found = rates & M112
            if elapsed > 0:
                found = grow(found, rates >> 112 & M40, elapsed)
            self.indices[v] = found
        return found

    def health(self, legs: Legs, patience: int = 0) -> Health:
        """At liquidation prices."""
        value_collateral = value_debt = collateral = debt = tip = most = 0
        priced = True
        listed, prices, indices = self._listed, self.prices, self.indices
        for tag, amount in legs:
            id = tag & 127
            asset = listed[id - 1]
            if patience:
                price = self.patient_price(id, patience)
            else:
                price = prices[id] or self.price(id)
            if not price.spot:
                priced = False
            if tag >= 128:
                v = asset.vault
                owed = (amount * (indices[v] or self.index(v)) + _UP) // RAY
                value = (owed if owed < _M104 else _M104) * price.as_debt
                value = (value + asset.unit - 1) // asset.unit
                if value > _MAX_VALUE:
                    value = _MAX_VALUE
                value_debt += value
                debt += value * price.weight
            else:
                value = amount * price.as_collateral // asset.unit
                if value > _MAX_VALUE:
                    value = _MAX_VALUE
                value_collateral += value
                collateral += value * price.liquidation_ltv
                if price.tip > tip:
                    tip = price.tip
                if price.incentive_max > most:
                    most = price.incentive_max
        factor = collateral * WAD // debt if debt else MAX_UINT256
        return Health(factor, value_collateral, value_debt, tip, most, priced)

    def outage(self) -> str | None:
        """What is refused with while the sequencer is down, or was an hour ago."""
        storage = self.storage
        number, said, since, answered_in = (
            storage(self._uptime, AGGREGATOR_ROUND + i) for i in range(4)
        )
        elapsed, last = self.now - since, storage(self._sequencer, self._last_grace)
        if said > 1 or since == 0 or answered_in < number or elapsed < 0:
            return None
        if said:
            return "sequencer is down" if elapsed <= 7 * DAY else None
        begins = since >= last + DAY and elapsed < HOUR
        return _OUTAGE_GRACE if begins or self.now - last < HOUR else None

    def stated_hold(self, legs: Legs, health: Health) -> str | None:
        """Why an account below maintenance is not liquidated for now; None: it may be."""
        outage = self.outage()
        has_grace = health.factor >= 95 * WAD // 100
        if outage is not None and (outage != _OUTAGE_GRACE or has_grace):
            return outage
        for tag, amount in legs:
            id = tag & 127
            until = self.rules[id][1] >> 217 & M32
            if not until or self.now >= until + HOUR:
                continue
            asset, price = self._listed[id - 1], self.price(id)
            at = price.as_collateral
            if tag >= 128:
                amount, at = -(-amount * self.index(asset.vault) // RAY), price.as_debt
            if min(amount * at // asset.unit, _MAX_VALUE) * 10 < health.debt:
                continue
            if self.now < until:
                return "liquidation is held"
            if has_grace:
                return "grace after a hold"
        return None

    def _known(self, known: _Known, i: int) -> bool:
        """Whether something that was computed of an account still holds."""
        legs, prices, ids, used, _ = known
        # as lists, which compare what they hold by identity first
        return legs is self.legs[i] and prices is self.prices and [prices[id] for id in ids] == used

    def _keep(self, legs: Legs, found: Any) -> _Known:
        ids = [tag & 127 for tag, _ in legs]
        return legs, self.prices, ids, [self.prices[id] for id in ids], found

    def factor(self, i: int) -> int:
        """Health factor of an account; kept while its legs and prices stay."""
        known = self._factors.get(i)
        if known is not None and self._known(known, i):
            return int(known[4])
        legs = self.legs[i]
        factor = self.health(legs).factor
        self._factors[i] = self._keep(legs, factor)
        return factor

    def margin_of(self, i: int) -> Margin:
        """Initial margin of an account; kept while its legs and prices stay."""
        known = self._margins.get(i)
        if known is not None and self._known(known, i):
            found: Margin = known[4]
            return found
        legs = self.legs[i]
        found = self.margin(legs)
        self._margins[i] = self._keep(legs, found)
        return found

    def margin(self, legs: Legs) -> Margin:
        """By the part of the collateral, in order, that leaves most room."""
        listed, prices, indices = self._listed, self.prices, self.indices
        required = debt = 0
        leverage = 255
        for tag, amount in legs:
            if tag < 128:
                continue
            asset = listed[tag - 129]
            price = prices[tag - 128] or self.price(tag - 128)
            owed = (amount * (indices[asset.vault] or self.index(asset.vault)) + _UP) // RAY
            value = (owed if owed < _M104 else _M104) * price.new_debt
            value = (value + asset.unit - 1) // asset.unit
            if value > _MAX_VALUE:
                value = _MAX_VALUE
            debt += value
            required += value * price.weight
            if price.leverage < leverage:
                leverage = price.leverage
        counted = exposure = 0
        best = Margin(-required, required, -debt * leverage, 0, leverage)
        fits = required == 0
        for tag, amount in legs:
            if tag >= 128:
                continue
            price = prices[tag] or self.price(tag)
            if price.level >= 2:
                continue
            value = amount * price.new_collateral // listed[tag - 1].unit
            if value > _MAX_VALUE:
                value = _MAX_VALUE
            exposure += value
            counted += value * price.borrow_ltv
            if price.leverage < leverage:
                leverage = price.leverage
            room = counted - required
            free = exposure * (leverage - 2) - debt * leverage
            enough = room >= 0 and free >= 0
            if enough or not fits:
                best = Margin(room, required, free, exposure, leverage)
                fits = enough
        return best

    def shortfall(self, legs: Legs, id: int, target: int = 0) -> int:
        """What of a collateral lifts an account below maintenance to the health that a liquidation
        restores, or to `target` if that is more [token units]."""
        counted = required = 0
        for tag, amount in legs:
            asset = self._listed[(tag & 127) - 1]
            price = self.price(tag & 127)
            if tag >= 128:
                owed = min(-(-amount * self.index(asset.vault) // RAY), _M104)
                value = min(-(-owed * price.as_debt // asset.unit), _MAX_VALUE)
                required += value * price.weight
            else:
                value = min(amount * price.as_collateral // asset.unit, _MAX_VALUE)
                counted += value * price.liquidation_ltv
                rule, term = self.rules[tag][:2]
                target = max(target, target_health(rule, term, price.volatility))
        price = self.price(id)
        weight = price.as_collateral * price.liquidation_ltv
        is_new = self.rules[id][1] >> 249 & 1
        if counted >= required or not price.valid or weight == 0 or is_new:
            return 0
        missing = min(target * -(-required // BPS) // WAD - counted // BPS, _MAX_VALUE)
        return missing * BPS * self._listed[id - 1].unit // weight

    def worth(self, legs: Legs) -> tuple[int, int]:
        """max(0, collateral - debt), and what a unit of every debt is worth, at the prices of
        `counted` [WAD in the smallest parts of values]."""
        found = dust = 0
        listed, prices, indices = self._listed, self.prices, self.indices
        for tag, amount in legs:
            id = tag & 127
            asset, price = listed[id - 1], prices[id]
            spot = price.spot if price is not None else 0
            unit = (spot or self.counted(id)) * asset.scale
            if tag >= 128:
                index = indices[asset.vault] or self.index(asset.vault)
                found -= (amount * index + _UP) // RAY * unit
                dust += unit
            else:
                found += amount * unit
        return (found if found > 0 else 0), dust
