"""Assets, their feeds, and what must fit between them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from breakwater.markets.market import Asset, Check, Devnet, Feed, Source
from breakwater.markets.reading import (
    Item,
    Section,
    in_percent,
    in_percent_a_year,
    in_times,
    read_address,
    read_amount,
    read_choice,
    read_duration,
    read_integer,
    read_switch,
    read_usd,
    read_who,
    show_duration,
)
from breakwater.model.feeds import FEED_GAS, NAV_GAS, checked_gas, median_gas, rate_gas
from breakwater.units import BPS, DAY, HOUR, WAD, format_units

GAP = 200
"""Basis points from borrow_ltv to liquidation_ltv, at least."""

# In the order of IConfigurator.AssetConfig; ranges and steps of asset_config.vy.
_PARAMETERS: dict[str, Callable[[Item], Any]] = {
    "max_age": lambda item: read_duration(item, 60, 4_080 * 60, 60),
    "min_price": lambda item: read_usd(item, 10**9, 10**28),
    "max_price": lambda item: read_usd(item, 10**9, 10**28),
    "jump_band": in_percent(50, 6_300, 50),
    "borrow_ltv": in_percent(0, 9_600),
    "borrow_ltv_floor": in_percent(0, 9_600),
    "liquidation_ltv": in_percent(0, 9_800),
    "debt_weight": in_times(BPS, 35_500, 100),
    "max_leverage": in_times(BPS, 1_275_000, 5_000),
    "volatility_ref": in_percent(0, 2_550, 10),
    "volatility_slope": in_times(0, 127_000, 1_000),
    "tip": in_percent(1, 5_000),
    "incentive_min": in_percent(1, 5_000),
    "incentive_max": in_percent(1, 5_000),
    "incentive_slope": in_times(0, 65_535),
    "target_health": in_times(BPS + 1, 16_000),
    "target_slope": in_times(0, 1_000_000),
    "closes_whole": read_switch,
}


def read_asset(symbol: str, item: Item, symbols: Sequence[str], on_devnet: bool) -> Asset:
    """One asset, its price left out where its feed has a rate."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9.]{0,7}", symbol):
        raise item.error(" is no symbol: 1 to 8 letters and digits")
    section = item.section()
    decimals = read_integer(section.at("decimals"), 6, 24)
    address = _token_address(section, on_devnet)
    parameters = {key: parse(section.at(key)) for key, parse in _PARAMETERS.items()}
    feed = _feed(symbol, section.at("feed"), symbols, parameters, on_devnet)
    price = 0
    if feed.kind != "rate":
        price = read_usd(section.at("price"), 10**9, 10**28)
    _check_listing(section, parameters, price)
    _check_ages(section, feed, parameters)

    cap: int | None = None
    takes_fee = False
    collateral = section.optional("collateral")
    if collateral is not None:
        inner = collateral.section()
        cap = read_amount(inner.at("cap"), symbol, decimals, 0)
        takes_fee = read_switch(inner.at("takes_fee"))
        inner.done()
        if parameters["liquidation_ltv"] == 0:
            raise collateral.error(" is given, but liquidation_ltv is 0 %: a debt-only asset")
    limit = section.optional("supply_limit")
    supply_limit = in_percent(10, 10_000)(limit) if limit is not None else 0
    section.done()
    return Asset(symbol, decimals, address, feed, price, parameters, cap, takes_fee, supply_limit)


def _token_address(section: Section, on_devnet: bool) -> str | None:
    if on_devnet:
        item = section.optional("address")
        if item is not None:
            raise item.error(" is given beside `devnet`: there tokens are mocks")
        return None
    return read_address(section.at("address"))


def _feed(
    symbol: str,
    item: Item,
    symbols: Sequence[str],
    parameters: Mapping[str, Any],
    on_devnet: bool,
) -> Feed:
    section = item.section()
    kind = read_choice(section.at("kind"), ("aggregator", "median", "rate", "nav"))
    feed: Feed
    if kind == "aggregator":
        source = Source(parameters["max_age"], _token_address(section, on_devnet))
        feed = Feed("aggregator", (source,))
    elif kind == "median":
        feed = _median(section, on_devnet)
    elif kind == "rate":
        base_item = section.at("base")
        others = [other for other in symbols if other != symbol]
        base = read_choice(base_item, others)
        feed = Feed("rate", base=base, growth=in_percent_a_year(1, 10_000)(section.at("growth")))
    else:
        valid_for = read_duration(section.at("valid_for"), HOUR, 366 * DAY)
        publisher = section.optional("publisher")
        if publisher is None:
            feed = Feed("nav", valid_for=valid_for)
        else:
            growth = in_percent_a_year(0, 10_000)(section.at("growth"))
            feed = Feed("nav", publisher=read_who(publisher), valid_for=valid_for, growth=growth)
    check = section.optional("check")
    if check is not None:
        if kind == "aggregator":
            raise check.error(" is given for an aggregator: give it as a median of one source")
        inner = check.section()
        feed = replace(
            feed,
            check=Check(
                market=_median(inner, on_devnet),
                band=in_percent(1, 2_000)(inner.at("apart")),
                decides=read_switch(inner.at("decides")),
            ),
        )
        inner.done()
    section.done()
    return feed


def _median(section: Section, on_devnet: bool) -> Feed:
    sources_item = section.at("sources")
    sources = []
    for one in sources_item.items():
        inner = one.section()
        age = read_duration(inner.at("max_age"), 60, 68 * HOUR)
        sources.append(Source(age, _token_address(inner, on_devnet)))
        inner.done()
    if not 1 <= len(sources) <= 3:
        raise sources_item.error(f" lists {len(sources)}: must be 1 to 3 sources")
    return Feed(
        "median",
        tuple(sources),
        quorum=read_integer(section.at("quorum"), 1, len(sources)),
        band=in_percent(1, 2_000)(section.at("band")),
        pegged=read_switch(section.at("pegged")),
    )


def _check_gas(feed: Feed, base: Feed | None, item: Item) -> None:
    """What the contracts demand of feeds upon feeds: all fit into the gas that one is given."""
    if feed.check is None:
        return
    if base is not None:
        gas = rate_gas(median_gas(len(base.sources)))
    else:
        gas = NAV_GAS if feed.kind == "nav" else median_gas(len(feed.sources))
    if checked_gas(gas, median_gas(len(feed.check.market.sources))) > FEED_GAS:
        check = item.section().at("feed").section().at("check")
        raise check.error(f" has too many sources: both feeds must fit into {FEED_GAS:,} gas")


def check_base(assets: Mapping[str, Asset], symbol: str, item: Item) -> None:
    """That a rate's base has a price of its own kind, and that both fit into the gas of a feed."""
    feed = assets[symbol].feed
    if feed.kind != "rate":
        _check_gas(feed, None, item)
        return
    base = assets[feed.base]
    where = item.section().at("feed").section().at("base")
    if base.feed.kind in ("rate", "nav"):
        raise where.error(
            f" is {feed.base}, whose own price is a {base.feed.kind}: give one with sources"
        )
    if base.feed.check is not None:
        raise where.error(f" is {feed.base}, whose own price is checked: give one that is not")
    _check_gas(feed, base.feed, item)
    oldest = max(source.max_age for source in base.feed.sources)
    if assets[symbol].parameters["max_age"] < oldest:
        age = item.section().at("max_age")
        raise age.refused(
            f"at least {show_duration(oldest)}, the highest among the sources of {feed.base}"
        )


def check_publisher(feed: Feed, devnet: Devnet | None, item: Item) -> None:
    """That a publisher's label is one of the devnet's."""
    labels = devnet.accounts if devnet is not None else ()
    if feed.publisher and not feed.publisher.startswith("0x") and feed.publisher not in labels:
        where = item.section().at("feed").section().at("publisher")
        raise where.refused(
            f"one of {', '.join(labels)}, or an address" if labels else "an address"
        )


def _check_listing(section: Section, values: Mapping[str, Any], price: int) -> None:
    """The conditions between parameters that `asset_config._pack` demands."""

    def percent(bps: int) -> str:
        return f"{format_units(bps, 2)} %"

    borrow, liquidation = values["borrow_ltv"], values["liquidation_ltv"]
    if borrow and borrow + GAP > liquidation:
        raise section.at("borrow_ltv").refused(
            f"at most {percent(max(0, liquidation - GAP))}, {percent(GAP)} below liquidation_ltv"
        )
    floor = values["borrow_ltv_floor"]
    if floor > borrow or (borrow - floor) % 50:
        raise section.at("borrow_ltv_floor").refused(
            f"0 % to borrow_ltv ({percent(borrow)}), in steps of 0.5 % below it"
        )
    if values["tip"] > values["incentive_min"]:
        raise section.at("tip").refused(
            f"at most incentive_min, {percent(values['incentive_min'])}"
        )
    if values["incentive_max"] < values["incentive_min"]:
        raise section.at("incentive_max").refused(
            f"at least incentive_min, {percent(values['incentive_min'])}"
        )
    lower, upper = values["min_price"], values["max_price"]
    if lower >= upper:
        shown = f"{format_units(upper, 18)} USD"
        raise section.at("min_price").refused(f"below max_price, {shown}")
    if upper.bit_length() - (lower.bit_length() - 1) > 63:
        raise section.at("max_price").refused("at most 2**62 times min_price")
    if price and not lower <= price < upper:
        raise section.at("price").refused("from min_price to max_price")


def check_pairs(sections: Mapping[str, Section], assets: Mapping[str, Asset]) -> None:
    """The conditions between assets that `Configurator` demands."""
    listed = {symbol: asset.parameters for symbol, asset in assets.items()}
    first = next(iter(listed))
    for symbol, values in listed.items():
        if values["tip"] != listed[first]["tip"]:
            raise (
                sections[symbol]
                .at("tip")
                .refused(
                    f"{_bps(listed[first]['tip'])}, as that of {first}: one tip for all assets"
                )
            )
    worst = max(listed, key=lambda symbol: listed[symbol]["incentive_max"])
    incentive = listed[worst]["incentive_max"]
    most = (BPS * BPS - 1) // (BPS + incentive)
    for symbol, values in listed.items():
        if values["liquidation_ltv"] > most:
            raise (
                sections[symbol]
                .at("liquidation_ltv")
                .refused(
                    f"at most {_bps(most)}: with the highest incentive, {_bps(incentive)} of"
                    f" {worst}, a liquidation above it could lower health"
                )
            )


def _bps(value: int) -> str:
    return f"{format_units(value, 2)} %"


def _check_ages(section: Section, feed: Feed, values: Mapping[str, Any]) -> None:
    oldest = max((source.max_age for source in feed.all_sources), default=0)
    if values["max_age"] < oldest:
        raise section.at("max_age").refused(
            f"at least {show_duration(oldest)}, the highest among its sources"
        )


def priced(asset: Asset, assets: Mapping[str, Asset], devnet: Devnet | None) -> Asset:
    """The asset with its price derived where it has a rate."""
    if asset.feed.kind != "rate":
        return asset
    rate = devnet.rates[asset.symbol] if devnet is not None else WAD
    price = assets[asset.feed.base].price * rate // WAD
    return replace(asset, price=price)
