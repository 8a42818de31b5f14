"""Vaults and their insurance funds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from breakwater.driver import VaultConfig
from breakwater.markets.market import Asset, VaultMarket
from breakwater.markets.reading import (
    Item,
    Section,
    in_percent,
    in_percent_a_year,
    in_times,
    read_amount,
    read_ratio,
    read_switch,
    read_text,
)
from breakwater.units import BPS, format_units

LEAST_SEED_UNITS = 10**6
"""Units of the asset; a fund that begins with less takes no stakers."""

# Of IConfigurator.VaultConfig but its amounts; ranges of modules/vault_config.vy.
_RATES: dict[str, Callable[[Item], int]] = {
    "reserve_factor": in_percent(0, 5_000),
    "target_utilization": in_percent(1_000, 9_900),
    "steepness": in_times(BPS, 100_000),
    "adjustment_speed": lambda item: read_ratio(item, "x/year", 0, 1_000_000),
    "initial_rate": in_percent_a_year(1, 20_000),
    "min_rate": in_percent_a_year(1, 20_000),
    "max_rate": in_percent_a_year(1, 20_000),
    "flash_fee": in_percent(0, 100),
    "outflow_limit": in_percent(0, BPS),
    "growth_limit": in_percent(0, BPS),
}


def read_vault(asset: Asset, section: Section) -> VaultMarket:
    """One vault, with the conditions that `Configurator` demands."""
    symbol, decimals = asset.symbol, asset.decimals

    def amount(key: str, lowest: int) -> int:
        return read_amount(section.at(key), symbol, decimals, lowest)

    name = read_text(section.at("name"), 64)
    label = read_text(section.at("symbol"), 32)
    rates = {key: parse(section.at(key)) for key, parse in _RATES.items()}
    for key, wrong, limit in (
        ("min_rate", rates["min_rate"] > rates["max_rate"], "at most max_rate"),
        ("initial_rate", rates["initial_rate"] < rates["min_rate"], "at least min_rate"),
        ("initial_rate", rates["initial_rate"] > rates["max_rate"], "at most max_rate"),
    ):
        if wrong:
            raise section.at(key).refused(limit)
    for key in ("outflow_limit", "growth_limit"):
        if rates[key] % 100:
            raise section.at(key).refused("a whole number of percent")
        rates[key] //= 100
    min_debt = amount("min_debt", 1)
    deposit_cap = amount("deposit_cap", 1)
    debt_cap = amount("debt_cap", 0)
    config = VaultConfig(
        **rates,
        min_adaptive_debt=amount("min_adaptive_debt", 0),
        deposit_cap=deposit_cap,
        debt_cap=debt_cap,
        limit_floor=amount("limit_floor", 0),
    )
    seed = amount("seed", LEAST_SEED_UNITS)
    pool = section.optional("backstop")
    backstop = pool is not None and read_switch(pool)

    def shown(units: int) -> str:
        return f"{format_units(units, decimals)} {symbol}"

    if seed > deposit_cap:
        raise section.at("seed").refused(f"at most deposit_cap, {shown(deposit_cap)}")
    if debt_cap > deposit_cap:
        raise section.at("debt_cap").refused(f"at most deposit_cap, {shown(deposit_cap)}")
    if min_debt > debt_cap:
        raise section.at("min_debt").refused(f"at most debt_cap, {shown(debt_cap)}")
    section.done()
    return VaultMarket(symbol, name, label, config, min_debt, seed, backstop)


def check_min_debt(
    assets: Mapping[str, Asset], vault: VaultMarket, stressed: int, item: Item
) -> None:
    """The least debt's least incentive must pay a liquidation, or nobody would clean it up."""
    asset = assets[vault.asset]
    least = min(
        (one.parameters["incentive_min"] for one in assets.values() if one.cap is not None),
        default=BPS,
    )
    for one in assets.values():
        if one.cap is None or one.cap == 0 or not one.price:
            continue
        if one.cap * one.price // 10**one.decimals <= vault.min_debt * asset.price // 10 ** (
            asset.decimals
        ):
            raise (
                item.section()
                .at("min_debt")
                .refused(f"worth less than the collateral cap of {one.symbol}")
            )
    reward = vault.min_debt * asset.price * least // (10**asset.decimals * BPS)
    if reward >= stressed:
        return
    needed = -(-stressed * BPS * 10**asset.decimals // (least * asset.price))
    raise (
        item.section()
        .at("min_debt")
        .refused(
            f"at least {format_units(needed, asset.decimals)} {asset.symbol}: its least incentive, "
            f"{format_units(least, 2)} %, must pay a liquidation that costs "
            f"{format_units(stressed, 18)} USD (stressed_liquidation)"
        )
    )
