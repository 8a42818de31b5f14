"""Model of the `Configurator`: the rules of assets and vaults. Specification, Parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from breakwater.driver import AssetConfig
from breakwater.model.chain import Chain, Refused, Word, view
from breakwater.model.oracle import (
    IS_FEED,
    Rule,
    Term,
    rule_of,
    rule_word,
    term_of,
    term_word,
)
from breakwater.model.owned import Owned
from breakwater.model.vault_books import VaultConfig, packed, unpacked
from breakwater.units import BPS, DAY, MAX_UINT256

GAP = 200
"""[BPS] least distance from borrow_ltv to liquidation_ltv"""
MIN_RAMP, MAX_RAMP = 3 * DAY, 180 * DAY
LOWEST_PRICE, HIGHEST_PRICE = 10**9, 10**28
"""[WAD]"""

RULE_RANGES = {
    "max_age": (60, 4_095 * 60, 60),
    "jump_band": (50, 6_350, 50),
    "debt_weight": (BPS, 35_500, 100),
    "max_leverage": (BPS, 1_275_000, 5_000),
    "volatility_ref": (0, 2_550, 10),
    "volatility_slope": (0, 127_000, 1_000),
}
"""Least, most and step of each, in the order they are looked at."""

TERM_RANGES = {
    "incentive_slope": (0, 65_535, 1),
    "target_health": (BPS + 1, 16_000, 1),
    "target_slope": (0, 1_000_000, 1),
}


class Configurator(Owned):
    """Lists assets in the risk engine, configures vaults, and moves what may be moved."""

    NAME = "Configurator"

    def __init__(self, chain: Chain, address: str, risk_engine: str, owner: str) -> None:
        if risk_engine not in chain.contracts:
            raise Refused("risk engine has no code")
        super().__init__(chain, address, owner)
        self.risk = risk_engine

    def list_asset(self, sender: str, asset: str, config: Sequence[Any]) -> int:
        """Its id."""
        self._check_owner(sender)
        if self._ask(self.risk, "id_of", asset) != 0:
            raise Refused("asset is listed already")
        wanted = AssetConfig(*config)
        decimals = self._ask(asset, "decimals")
        feed_decimals = IS_FEED
        if not wanted.is_feed:
            feed_decimals = self._ask(wanted.source, "decimals")
            if feed_decimals >= IS_FEED:
                raise Refused("feed decimals out of range")
        rule, term = ruled(wanted, decimals, feed_decimals), termed(wanted)
        if self.get("tip") not in (0, wanted.tip):
            raise Refused("tip differs from the others")
        self.put(wanted.tip, "tip")
        self._check_pairs(wanted.incentive_max, wanted.liquidation_ltv)
        id: int = self._write(asset, rule, term)
        self.emit("ListAsset", asset=asset, id=id, config=wanted)
        return id

    def set_borrow_ltv(self, sender: str, asset: str, borrow_ltv: int) -> None:
        """At once; far enough below liquidation_ltv, of now and of the end of its ramp."""
        self._check_owner(sender)
        rule, term = self._kept(asset)
        lowest = min(term.liquidation_ltv(self.chain.now), term.target)
        if borrow_ltv and _sum(borrow_ltv, GAP) > lowest:
            raise Refused("borrow_ltv is too high")
        self._write(asset, rule.with_borrow_ltv(borrow_ltv), term)
        self.emit("SetBorrowLtv", asset=asset, borrow_ltv=borrow_ltv)

    def ramp_liquidation_ltv(self, sender: str, asset: str, target: int, duration: int) -> None:
        """In a straight line; a borrow_ltv that would stand too high is lowered at once."""
        self._check_owner(sender)
        rule, term = self._kept(asset)
        now = self.chain.now
        start = term.liquidation_ltv(now)
        if target < start and duration < MIN_RAMP:
            raise Refused("ramp is too fast")
        if duration > MAX_RAMP:
            raise Refused("ramp is too slow")
        self._check_pairs(term.incentive_max, target)
        highest = max(min(start, target) - GAP, 0)
        if rule.borrow_ltv > highest:
            rule = rule.with_borrow_ltv(highest)
            self.emit("SetBorrowLtv", asset=asset, borrow_ltv=highest)
        term = term._replace(start=start, target=target, since=now, duration=duration)
        self._write(asset, rule, term)
        self.emit(
            "RampLiquidationLtv",
            asset=asset,
            start=start,
            target=target,
            starts_at=now,
            ends_at=now + duration,
        )

    def settle(self, sender: str, asset: str, price: int) -> None:
        """Winds an asset down, for good."""
        self._check_owner(sender)
        self.chain.call(self.address, self.risk, "settle", (asset, price))

    def open_vault(
        self, sender: str, vault: str, fund: str, seed: int, config: Sequence[Any]
    ) -> None:
        """Once, with a seed from the owner."""
        self._check_owner(sender)
        if self._ask(fund, "asset") != vault:
            raise Refused("fund is of another vault")
        asset = self._ask(vault, "asset")
        before = self._ask(asset, "balanceOf", self.address)
        if self._ask(asset, "transferFrom", sender, self.address, seed) is False:
            raise Refused("token transfer failed")
        if self._ask(asset, "balanceOf", self.address) < before + seed:
            raise Refused("token takes a fee")
        self._ask(asset, "approve", vault, seed)
        wanted = VaultConfig(*config)
        self._ask(vault, "open", fund, seed, packed(wanted), wanted.flash_fee)
        self.emit("SetVault", vault=vault, config=wanted)

    def set_vault(self, sender: str, vault: str, config: Sequence[Any]) -> None:
        """Everything that an owner sets for a vault."""
        self._check_owner(sender)
        wanted = VaultConfig(*config)
        self._ask(vault, "write_config", packed(wanted), wanted.flash_fee)
        self.emit("SetVault", vault=vault, config=wanted)

    def wind_down_vault(self, sender: str, vault: str) -> None:
        """For good."""
        self._check_owner(sender)
        self._ask(vault, "wind_down")

    @view
    def vault_config_of(self, sender: str, vault: str) -> VaultConfig:
        """As it is kept."""
        return unpacked(*self._ask(vault, "config"))

    @view
    def risk_engine(self, sender: str) -> str:
        """Where the rules are written."""
        return self.risk

    @view
    def tip(self, sender: str) -> int:
        """[BPS] of all assets; 0 before the first."""
        return int(self.get("tip"))

    @view
    def max_incentive(self, sender: str) -> int:
        """[BPS] the highest there ever was."""
        return int(self.get("max_incentive"))

    @view
    def max_liquidation_ltv(self, sender: str) -> int:
        """[BPS] the highest there ever was."""
        return int(self.get("max_liquidation_ltv"))

    def _check_pairs(self, incentive_max: int, liquidation_ltv: int) -> None:
        """(1 + highest incentive) x highest liquidation_ltv < 1, over all assets ever."""
        incentive = max(self.get("max_incentive"), incentive_max)
        highest = max(self.get("max_liquidation_ltv"), liquidation_ltv)
        weighted = (BPS + incentive) * highest
        if weighted > MAX_UINT256:
            raise Refused()
        if weighted >= BPS * BPS:
            raise Refused("incentive too high for an ltv")
        self.put(incentive, "max_incentive")
        self.put(highest, "max_liquidation_ltv")

    def _kept(self, asset: str) -> tuple[Rule, Term]:
        rule, term, _, _ = self._ask(self.risk, "words_of", asset)
        return rule_of(rule), term_of(term)

    def _write(self, asset: str, rule: Rule, term: Term) -> Any:
        return self._ask(self.risk, "write_asset", asset, rule_word(rule), term_word(term))

    def _ask(self, target: str, function: str, *args: Any) -> Any:
        return self.chain.call(self.address, target, function, args)

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """A word each."""
        if name == "owner":
            yield Word(name, keys, int(self.get(name), 16))
        elif name in ("tip", "max_incentive", "max_liquidation_ltv"):
            yield Word(name, keys, self.get(name))
        else:
            yield from super().words(name, keys)


def ruled(config: AssetConfig, decimals: int, feed_decimals: int) -> Rule:
    """The rules of a configuration. Refused: which parameter is out of its range or step."""
    if not 6 <= decimals <= 24:
        raise Refused("decimals out of range")
    for name, allowed in RULE_RANGES.items():
        _check(name, getattr(config, name), allowed)
    drop = config.borrow_ltv - config.borrow_ltv_floor
    _check("borrow_ltv_floor", drop, (0, 255 * 50, 50))
    if config.borrow_ltv and _sum(config.borrow_ltv, GAP) > config.liquidation_ltv:
        raise Refused("borrow_ltv is too high")
    if config.min_price < LOWEST_PRICE:
        raise Refused("min_price out of range")
    if config.max_price > HIGHEST_PRICE:
        raise Refused("max_price out of range")
    if config.min_price >= config.max_price:
        raise Refused("min_price out of range")
    # powers of two, outwards
    upper = config.max_price.bit_length()
    span = upper - (config.min_price.bit_length() - 1)
    if span > 63:
        raise Refused("price bounds are too far apart")
    return Rule(
        source=config.source,
        max_age=config.max_age // 60,
        feed_decimals=feed_decimals,
        jump_band=config.jump_band // 50,
        borrow_ltv=config.borrow_ltv,
        drop=drop // 50,
        debt_weight=(config.debt_weight - BPS) // 100,
        max_leverage=config.max_leverage // 5_000,
        decimals=decimals,
        volatility_slope=config.volatility_slope // 1_000,
        volatility_ref=config.volatility_ref // 10,
        upper=upper,
        span=span,
    )


def termed(config: AssetConfig) -> Term:
    """The terms of a configuration. Refused: which parameter is out of its range."""
    if not 1 <= config.tip <= config.incentive_min:
        raise Refused("tip out of range")
    if not config.incentive_min <= config.incentive_max <= 5_000:
        raise Refused("incentive out of range")
    for name, allowed in TERM_RANGES.items():
        _check(name, getattr(config, name), allowed)
    if config.liquidation_ltv >= BPS:
        raise Refused("liquidation_ltv is too high")
    return Term(
        start=config.liquidation_ltv,
        target=config.liquidation_ltv,
        tip=config.tip,
        incentive_min=config.incentive_min,
        incentive_max=config.incentive_max,
        incentive_slope=config.incentive_slope,
        target_health=config.target_health,
        target_slope=config.target_slope,
        closes_whole=int(config.closes_whole),
    )


def _check(name: str, given: int, allowed: tuple[int, int, int]) -> None:
    least, most, step = allowed
    if not least <= given <= most or given % step:
        raise Refused(f"{name} out of range")


def _sum(a: int, b: int) -> int:
    """Refused beyond a word."""
    if a + b > MAX_UINT256:
        raise Refused()
    return a + b
