"""Who rules, and what exists on a devnet only."""

from __future__ import annotations

from collections.abc import Mapping

from breakwater.markets.market import ANYONE, Asset, Devnet, Governance, Pool
from breakwater.markets.reading import (
    Item,
    Section,
    read_amount,
    read_duration,
    read_quantity,
    read_ratio,
    read_text,
    read_usd,
    read_who,
)
from breakwater.units import BPS, DAY, HOUR, WAD

MOST_ACCOUNTS = 20
"""Labels of a devnet."""

FEES = (500, 3_000, 10_000)
"""Of Uniswap's pools [millionths]."""


def read_governance(section: Section, devnet: Devnet | None) -> Governance:
    """Who rules; labels are those of the devnet."""

    def people(key: str, *, anyone: bool = False, empty: bool = False) -> tuple[str, ...]:
        item = section.at(key)
        found = [(one, read_who(one, anyone=anyone)) for one in item.items()]
        if not found and not empty:
            raise item.error(" is empty: without one nothing could ever be changed")
        if len(found) > 16:
            raise item.error(f" names {len(found)}: at most 16")
        for one, who in found:
            known(one, who)
        return tuple(who for _, who in found)

    def known(item: Item, who: str) -> None:
        if who == ANYONE or who.startswith("0x"):
            return
        labels = devnet.accounts if devnet is not None else ()
        if who not in labels:
            allowed = f"one of {', '.join(labels)}, or an address" if labels else "an address"
            raise item.refused(allowed)

    delay = read_duration(section.at("delay"), HOUR, 30 * DAY)
    guardian_item = section.at("guardian")
    guardian = read_who(guardian_item)
    known(guardian_item, guardian)
    proposers = people("proposers")
    executors = people("executors", anyone=True)
    cancellers = people("cancellers", empty=True)
    steward_item = section.optional("steward")
    steward = ""
    if steward_item is not None:
        steward = read_who(steward_item)
        known(steward_item, steward)
        if steward in proposers:
            raise steward_item.error(f" is {steward}, a proposer too: the two must be separate")
    new_assets = read_usd(section.at("new_assets"), 0, 10**9 * WAD)
    if guardian in proposers:
        raise guardian_item.error(f" is {guardian}, a proposer too: the two must be separate")
    section.done()
    return Governance(delay, guardian, proposers, executors, cancellers, steward, new_assets)


def read_devnet(item: Item, assets: Mapping[str, Asset]) -> Devnet:
    """See `Devnet`."""
    section = item.section()
    accounts = [read_who(one) for one in section.at("accounts").items()]
    for one, label in zip(section.at("accounts").items(), accounts, strict=True):
        if label.startswith("0x"):
            raise one.refused("a label, such as lender")
        if accounts.count(label) > 1:
            raise one.error(f" is {label}, which is there twice")
    if not 1 <= len(accounts) <= MOST_ACCOUNTS:
        raise section.at("accounts").error(
            f" names {len(accounts)}: must be 1 to {MOST_ACCOUNTS} labels"
        )
    if "deployer" not in accounts:
        raise section.at("accounts").error(" has no deployer")

    rates = {}
    rates_item = section.optional("rates")
    if rates_item is not None:
        for symbol, one in rates_item.section().all():
            if symbol not in assets or assets[symbol].feed.kind != "rate":
                raise one.error(" is not an asset with a feed of kind rate")
            rates[symbol] = read_ratio(one, "x", 10, 10**9 * BPS) * WAD // BPS
    for symbol, asset in assets.items():
        if asset.feed.kind == "rate" and symbol not in rates:
            raise section.at("accounts").error(f" needs `rates.{symbol}` beside it, such as 1.2 x")
    shortest = min(source.max_age for asset in assets.values() for source in asset.feed.all_sources)
    heartbeat = read_duration(section.at("heartbeat"), 1, shortest)

    balances: dict[str, dict[str, int]] = {}
    for label, one in section.at("balances").section().all():
        if label not in accounts:
            raise one.error(f" is no account: one of {', '.join(accounts)}")
        held = balances[label] = {}
        for amount in one.items():
            allowed = 'an amount such as "1_000 USDC"'
            _, symbol = read_quantity(amount, allowed)
            if symbol not in assets:
                raise amount.refused(f"in one of {', '.join(assets)}")
            if symbol in held:
                raise amount.error(f" names {symbol} a second time")
            decimals = assets[symbol].decimals
            held[symbol] = read_amount(amount, symbol, decimals, 0)
    delay_item = section.optional("delay")
    delay = read_duration(delay_item, 1, 30 * DAY) if delay_item is not None else None
    wrapped_item = section.optional("wrapped")
    wrapped = _wrapped(wrapped_item, assets) if wrapped_item is not None else ""
    pools_item = section.optional("pools")
    pools = _pools(pools_item, assets) if pools_item is not None else ()
    if pools and not wrapped:
        raise section.at("pools").error(" need `wrapped` beside them, such as WETH")
    section.done()
    return Devnet(tuple(accounts), rates, heartbeat, balances, delay, wrapped, pools)


def _wrapped(item: Item, assets: Mapping[str, Asset]) -> str:
    symbol = read_text(item, 32)
    asset = assets.get(symbol)
    if asset is None or asset.decimals != 18 or asset.feed.kind == "rate":
        raise item.refused("an asset with 18 decimals and a price of its own")
    return symbol


def _pools(item: Item, assets: Mapping[str, Asset]) -> tuple[Pool, ...]:
    found: list[Pool] = []
    for name, one in item.section().all():
        symbols = name.split("/")
        if len(symbols) != 2 or symbols[0] == symbols[1] or not set(symbols) <= set(assets):
            raise one.error(f" is no pair of two of {', '.join(assets)}, such as WETH/USDC")
        if any(set(symbols) == set(pool.assets) for pool in found):
            raise one.error(" names a pair a second time")
        section = one.section()
        fee_item = section.at("fee")
        fee = read_ratio(fee_item, "%", 0, BPS) * 100
        if fee not in FEES:
            raise fee_item.refused("0.05 %, 0.3 % or 1 %")
        depth = read_usd(section.at("depth"), WAD, 10**9 * WAD)
        section.done()
        found.append(Pool((symbols[0], symbols[1]), fee, depth))
    return tuple(found)
