"""Model of `asset_config`: a configuration as it is kept. Specification, Parameters."""

from __future__ import annotations

from breakwater.driver import AssetConfig
from breakwater.model.chain import Refused
from breakwater.model.oracle import Rule, Term
from breakwater.units import BPS, MAX_UINT256

GAP = 200
"""[BPS] least distance from borrow_ltv to liquidation_ltv"""
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


def ruled(config: AssetConfig, decimals: int, feed_decimals: int) -> Rule:
    """The rules of a configuration. Refused: which parameter is out of its range or step."""
    if not 6 <= decimals <= 24:
        raise Refused("decimals out of range")
    for name, allowed in RULE_RANGES.items():
        check(name, getattr(config, name), allowed)
    drop = config.borrow_ltv - config.borrow_ltv_floor
    check("borrow_ltv_floor", drop, (0, 255 * 50, 50))
    if config.borrow_ltv and total(config.borrow_ltv, GAP) > config.liquidation_ltv:
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
        check(name, getattr(config, name), allowed)
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


def check(name: str, given: int, allowed: tuple[int, int, int]) -> None:
    """Refused outside of least, most and step."""
    least, most, step = allowed
    if not least <= given <= most or given % step:
        raise Refused(f"{name} out of range")


def total(a: int, b: int) -> int:
    """Refused beyond a word."""
    if a + b > MAX_UINT256:
        raise Refused()
    return a + b
