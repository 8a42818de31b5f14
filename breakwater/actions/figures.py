"""What is shown before and after an action: of an account, of a lender, of a staker.

Where an action is only tried, the figures after it are read from the simulated chain
(`actions.simulation`), by the same views of the contracts: no arithmetic is repeated here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from breakwater.actions import margin
from breakwater.units import BPS, DAY, HOUR, MAX_UINT256, MINUTE, WAD, YEAR, from_wad

if TYPE_CHECKING:
    from breakwater.actions.session import Session

Figures = dict[str, str]
"""What is shown, by its name."""

NONE = "-"


def of_account(session: Session, account: bytes, symbols: Sequence[str] = ()) -> Figures:
    """Legs, health, leverage, liquidation prices, and borrow rates of what is owed or named."""
    protocol = session.protocol
    state = protocol.lens.account(account)
    shown: Figures = {}
    rated = [symbol for symbol in symbols if symbol in protocol.vaults]
    for leg in sorted(state.legs, key=lambda one: bool(one.is_debt)):
        symbol = protocol.symbol_of(leg.asset)
        shown[f"{'owes' if leg.is_debt else 'holds'} {symbol}"] = session.brief(leg.amount, symbol)
        if leg.is_debt and symbol not in rated:
            rated.append(symbol)
    shown["health factor"] = health(state.health.health_factor)
    shown["leverage"] = leverage(state.leverage)
    shown |= liquidation_prices(session, state)
    for symbol in rated:
        shown[f"borrow rate of {symbol}"] = borrow_rate(session, symbol)
    return shown


def liquidation_prices(session: Session, state: Any) -> Figures:
    """At which price of each leg's asset health is 1, all else equal. Of pegged assets only where
    there is no other: nobody watches a dollar beside ether.
    """
    found: dict[bool, Figures] = {False: {}, True: {}}
    for leg in state.legs:
        symbol = session.protocol.symbol_of(leg.asset)
        price = _debt_price(session, state, leg, symbol) if leg.is_debt else leg.liquidation_price
        if price:
            pegged = session.market.assets[symbol].feed.pegged
            found[pegged][f"liquidation price of {symbol}"] = usd(price)
    return found[False] or found[True]


def _debt_price(session: Session, state: Any, leg: Any, symbol: str) -> int:
    """What the Lens tells of collaterals, for a debt: price · (L − D + d) ÷ d, rounded down."""
    tag = margin.tag_of(session, margin.BORROW, symbol)
    alone = session.protocol.risk_engine.health_of(margin.pack({tag: leg.amount}))
    own, health = alone.weighted_debt, state.health
    if own == 0:
        return 0
    room = health.weighted_collateral - health.weighted_debt + own
    price = alone.debt_value * 10 ** session.market.decimals(symbol) // leg.amount
    return int(max(0, room) * price // own)


def of_lender(session: Session, symbol: str) -> Figures:
    """What the sender lent, and what it earns."""
    vault = session.vault(symbol)
    worth = vault.convertToAssets(vault.balanceOf(session.sender))
    return {
        f"lent {symbol}": session.brief(worth, symbol),
        f"in the wallet, {symbol}": session.brief(
            session.token(symbol).balanceOf(session.sender), symbol
        ),
        "utilization": percent(vault.utilization(), 1),
        "earns a year": percent(lending_rate(session, symbol)),
        "borrow rate": borrow_rate(session, symbol),
    }


def lending_rate(session: Session, symbol: str) -> int:
    """What lenders of a vault earn, the fund's part off [WAD a year]."""
    vault = session.vault(symbol)
    config = session.protocol.configurator.vault_config_of(vault)
    earned = vault.borrow_rate() * YEAR * vault.utilization() // WAD
    return int(earned * (BPS - config.reserve_factor) // BPS)


def borrow_rate(session: Session, symbol: str) -> str:
    """Of a vault, in percent a year."""
    return percent(session.vault(symbol).borrow_rate() * YEAR)


def percent(ratio: int, places: int = 2) -> str:
    """A ratio [WAD] in percent, cut off."""
    return f"{from_wad(ratio * 100, places)} %"


def health(factor: int) -> str:
    """A health factor [WAD]."""
    return "no debt" if factor == MAX_UINT256 else from_wad(factor, 4)


def leverage(ratio: int) -> str:
    """Exposure over equity [WAD]."""
    return "no equity" if ratio == MAX_UINT256 else f"{from_wad(ratio, 2)} x"


def usd(value: int) -> str:
    """A value or a price [WAD] as dollars."""
    places = 2 if value >= WAD // 10 or value == 0 else 6
    return f"{from_wad(value, places)} USD"


def span(seconds: int) -> str:
    """A time in its two largest units, cut off: "2 h 5 min"; nothing is below zero."""
    left, parts = max(0, seconds), []
    for size, unit in ((DAY, "days"), (HOUR, "h"), (MINUTE, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {'day' if (count, unit) == (1, 'days') else unit}")
    return " ".join(parts[:2]) or "0 s"


def table(before: Figures, after: Figures) -> list[str]:
    """Both beside each other, a line for each figure that either has."""
    names = list(before)
    for index, name in enumerate(after):
        if name not in names:
            # behind what precedes it afterwards, so that debts stand with debts
            earlier = [one for one in list(after)[:index] if one in names]
            names.insert(names.index(earlier[-1]) + 1 if earlier else 0, name)
    rows = [(name, before.get(name, NONE), after.get(name, NONE)) for name in names]
    return columns([("", "before", "after"), *rows])


def columns(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Rows under each other, never cut: the first columns to the left, figures to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
