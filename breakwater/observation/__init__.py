"""What a protocol's contracts hold at one moment, read as raw storage words, and what follows.

An `Observer` reads the words of accounts, vaults and assets by their slots, never through the
contracts' own views (parameters of vaults aside), and the quotes of the price sources. The rest
(interest until now, averages, health, margin) is computed here in exact integers, so that what the
contracts say of themselves can be checked against it. `breakwater.promises` does that. Formulae:
docs/specification.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from breakwater.host import Log
from breakwater.observation.asset import Asset, target_health
from breakwater.observation.vault import Vault
from breakwater.observation.words import DEBT, M104, Words, bits, ceil_div, legs
from breakwater.units import BPS, MAX_UINT256, RAY, WAD

_MAX_VALUE = 2**120


class Health(NamedTuple):
    """A position at liquidation prices [WAD]."""

    health_factor: int
    collateral: int
    debt: int
    weighted_collateral: int  # [WAD * BPS]
    weighted_debt: int  # [WAD * BPS]
    tip: int
    incentive_max: int

    @property
    def under_water(self) -> bool:
        """Whether it cannot pay debt and tip."""
        return self.collateral * WAD <= self.debt * (WAD + self.tip)


class Margin(NamedTuple):
    """A position at the prices that bind new risk."""

    collateral: int  # [WAD * BPS]
    required: int  # [WAD * BPS]
    exposure: int  # [WAD]
    debt: int  # [WAD]
    max_leverage: int  # [halves]


class Timed(NamedTuple):
    """An event and the time of its block."""

    time: int
    log: Log


class Trial(NamedTuple):
    """A call that was tried and undone: for which promise, what it was, why it failed if it did."""

    promise: str
    what: str
    passed: bool
    reason: str = ""


@dataclass(frozen=True)
class Observation:
    """The state before the next transaction, and the events since `previous`."""

    now: int
    block: int
    engine: str
    vaults: Mapping[str, Vault]
    assets: Mapping[str, Asset]
    collateral: Mapping[str, tuple[int, int, int]]
    """By asset: total in the books, cap, the engine's balance of the token [token units]."""
    books: Mapping[str, int]
    """By asset: the same as stored, with the limits; see `breakwater.observation.exposure`."""
    debts: Mapping[str, int]
    """By asset: the least debt [token units]."""
    accounts: Mapping[bytes, Words]
    logs: tuple[Timed, ...] = ()
    call: bool = False
    """Whether the events are those of one transaction, made at `previous.now`."""
    previous: Observation | None = field(default=None, repr=False)
    trials: tuple[Trial, ...] = ()

    @cached_property
    def by_id(self) -> dict[int, Asset]:
        """Assets by their id."""
        return {asset.id: asset for asset in self.assets.values()}

    def events(self, name: str, address: str | None = None) -> list[Log]:
        """Events of one name since the previous observation, of one contract if given."""
        return [
            timed.log
            for timed in self.logs
            if timed.log.name == name and address in (None, timed.log.address)
        ]

    def owed(self, asset: str, shares: int, now: int) -> int:
        """Debt shares in assets as of `now`, rounded up."""
        return ceil_div(shares * self.vaults[asset].at(now).index, RAY)

    def health(self, words: Sequence[int], now: int, patience: int = 0) -> Health:
        """An account's health at the liquidation prices of this observation's sources."""
        value_collateral = value_debt = collateral = debt = tip = incentive = 0
        for tag, amount in legs(words):
            asset = self.by_id[tag & 127]
            as_collateral, as_debt, _ = asset.liquidation_prices(now, patience)
            unit = 10**asset.decimals
            if tag >= DEBT:
                owed = min(self.owed(asset.address, amount, now), M104)
                value = min(ceil_div(owed * as_debt, unit), _MAX_VALUE)
                value_debt += value
                debt += value * asset.debt_weight
            else:
                value = min(amount * as_collateral // unit, _MAX_VALUE)
                value_collateral += value
                collateral += value * asset.liquidation_ltv(now)
                tip = max(tip, asset.tip)
                incentive = max(incentive, asset.incentive_max)
        factor = collateral * WAD // debt if debt else MAX_UINT256
        return Health(factor, value_collateral, value_debt, collateral, debt, tip, incentive)

    def shortfall(self, words: Sequence[int], asset: str, now: int, target: int = 0) -> int:
        """What of a collateral lifts an account below maintenance to the health that a liquidation
        restores, or to `target` if that is more [token units]."""
        health = self.health(words, now)
        for tag, _ in legs(words):
            if tag < DEBT:
                one = self.by_id[tag]
                target = max(target, target_health(one.rule, one.term, one.volatility))
        added = self.assets[asset]
        price, _, valid = added.liquidation_prices(now)
        weight = price * added.liquidation_ltv(now)
        is_new = added.term >> 249 & 1
        if health.health_factor >= WAD or not valid or weight == 0 or is_new:
            return 0
        missing = target * ceil_div(health.weighted_debt, BPS) // WAD
        missing = min(missing - health.weighted_collateral // BPS, _MAX_VALUE)
        return missing * BPS * 10**added.decimals // weight

    def margin(self, words: Sequence[int], now: int) -> Margin:
        """An account's initial margin, over all its legs."""
        most = min(
            (bits(self.by_id[tag & 127].rule, 214, 8) for tag, _ in legs(words)), default=255
        )
        *_, whole = self.margins(words, now)
        return whole._replace(max_leverage=min(most, 255))

    def margins(self, words: Sequence[int], now: int) -> Iterator[Margin]:
        """The same of its debts and none of its collateral, then more of it leg by leg: what is
        at HALT is left out. New risk needs one that suffices.
        """
        collateral = required = exposure = debt = 0
        most = 255
        for tag, amount in legs(words):
            if tag < DEBT:
                continue
            asset = self.by_id[tag & 127]
            price = max(asset.source.high, asset.average(now))
            if not asset.source.price:
                price = asset.liquidation_prices(now)[1]
            owed = min(self.owed(asset.address, amount, now), M104)
            value = min(ceil_div(owed * price, 10**asset.decimals), _MAX_VALUE)
            debt += value
            required += value * asset.debt_weight
            most = min(most, bits(asset.rule, 214, 8))
        yield Margin(collateral, required, exposure, debt, most)
        for tag, amount in legs(words):
            asset = self.by_id[tag & 127]
            if tag >= DEBT or asset.level(now) >= 2:
                continue
            price = min(asset.source.low, asset.average(now))
            value = min(amount * price // 10**asset.decimals, _MAX_VALUE)
            exposure += value
            collateral += value * asset.borrow_ltv
            most = min(most, bits(asset.rule, 214, 8))
            yield Margin(collateral, required, exposure, debt, most)
