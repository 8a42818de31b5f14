"""A report as a table for people, and as JSON for programs. Amounts in JSON are decimal text, in
whole tokens or USD, every digit of them.
"""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from breakwater.actions.session import Session
from breakwater.units import (
    MAX_UINT256,
    WAD,
    account_number,
    account_owner,
    format_units,
    from_wad,
)  # fmt: skip
from breakwater.watch.lines import Crossing
from breakwater.watch.reading import AssetLine, Report, Row, level_name

_PERCENT = 100


def name_of(session: Session, account: bytes) -> str:
    """An account as its owner's label, or the beginning of his address, and its number."""
    owner = account_owner(account)
    return f"{_label(session, owner) or owner[:8] + '…'} {account_number(account)}"


def _label(session: Session, owner: str) -> str | None:
    for label, address in session.protocol.accounts.items():
        if address == owner:
            return str(label)
    return None


# ------------------------------------------------------------------------------ JSON


def as_json(session: Session, report: Report) -> dict[str, Any]:
    """A report as plain values."""
    total = report.systemic
    return {
        "market": session.market.name,
        "chain_id": session.host.chain_id,
        "block": report.block,
        "time": report.now,
        "watched": report.watched,
        "accounts": [
            {
                **_whose(session, row.account),
                "health": _ratio(row.health),
                "leverage": _ratio(row.leverage),
                "collateral_value": _exact(row.collateral),
                "debt_value": _exact(row.debt),
                "depends_on": row.depends_on or None,
                "liquidation_price": _exact(row.liquidation_price),
                "price": _exact(row.price),
            }
            for row in report.rows
        ],
        "crossings": [crossing_json(session, report, one) for one in report.crossings],
        "systemic": {
            "accounts": total.accounts,
            "exposure": _exact(total.exposure),
            "debt": _exact(total.debt),
            "equity": _exact(total.equity),
            "leverage": _ratio(total.leverage) if total.accounts else None,
            "leverage_per_hour": None if report.velocity is None else _exact(report.velocity),
            "span_seconds": report.span,
            "liquidatable_share": _exact(total.share(total.liquidatable)),
            "share_within_percent": {
                str(fall): _exact(total.share(debt)) for fall, debt in total.near.items()
            },
            "uncovered": _exact(total.uncovered),
        },
        "assets": {one.symbol: _asset_json(session, one) for one in report.assets},
    }


def crossing_json(session: Session, report: Report, crossing: Crossing) -> dict[str, Any]:
    """A crossing as plain values; what the webhook gets, beside an id."""
    standing = report.standings[crossing.account]
    return {
        "market": session.market.name,
        "chain_id": session.host.chain_id,
        "block": report.block,
        "time": report.now,
        **_whose(session, crossing.account),
        "direction": "down" if crossing.down else "up",
        "lines": [_exact(line) for line in crossing.lines],
        "health": _ratio(crossing.health),
        "collateral_value": _exact(standing.collateral),
        "debt_value": _exact(standing.debt),
    }


def _whose(session: Session, account: bytes) -> dict[str, Any]:
    owner = account_owner(account)
    return {
        "account": f"0x{account.hex()}",
        "owner": owner,
        "label": _label(session, owner),
        "number": account_number(account),
    }


def _asset_json(session: Session, one: AssetLine) -> dict[str, Any]:
    decimals = session.market.decimals(one.symbol)

    def amount(value: int) -> str:
        return format_units(value, decimals).replace(",", "")

    return {
        "price": _exact(one.price) if one.price else None,
        "collateral": amount(one.collateral),
        "debt": amount(one.debt),
        "bad_debt": amount(one.bad_debt),
        "level": level_name(one.level),
        "reasons": list(one.reasons),
        "vault_level": None if one.vault_level is None else level_name(one.vault_level),
    }


def _exact(value: int) -> str:
    return from_wad(value).replace(",", "")


def _ratio(value: int) -> str | None:
    return None if value == MAX_UINT256 else _exact(value)


# ------------------------------------------------------------------------------ sentences


def crossing_line(session: Session, crossing: Crossing) -> str:
    """A crossing as a sentence."""
    which = ", ".join(_exact(line) for line in crossing.lines)
    if crossing.health == MAX_UINT256:
        health = "it owes nothing"
    else:
        health = f"health {from_wad(crossing.health, 4)}"
        if crossing.health < WAD:
            health += ", anyone may liquidate"
    way = "fell below" if crossing.down else "rose above"
    return f"{name_of(session, crossing.account)} {way} {which}: {health}"


# ------------------------------------------------------------------------------ tables


def as_table(session: Session, report: Report) -> Group:
    """A report for a terminal. Values are cut off behind the last digit shown."""
    parts: list[Any] = [_accounts(session, report)]
    if report.watched > len(report.rows):
        more = report.watched - len(report.rows)
        parts.append(Text(f"and {more:,} more, each healthier"))
    parts += [Text(""), _assets(session, report), Text(""), *map(Text, _systemic(report))]
    return Group(*parts)


def _accounts(session: Session, report: Report) -> Any:
    if not report.rows:
        return Text("no account that is watched owes anything")
    table = _table(
        "account", "health", "leverage", "collateral USD", "debt USD", "liquidation price", "now"
    )
    for row in report.rows:
        table.add_row(name_of(session, row.account), *_cells(row), style=_style(row.health))
    return table


def _cells(row: Row) -> list[str]:
    price = f"{row.depends_on} {from_wad(row.liquidation_price, 2)}"
    return [
        "no debt" if row.health == MAX_UINT256 else from_wad(row.health, 4),
        "no equity" if row.leverage == MAX_UINT256 else f"{from_wad(row.leverage, 2)} x",
        from_wad(row.collateral, 2),
        from_wad(row.debt, 2),
        price if row.liquidation_price else "-",
        from_wad(row.price, 2) if row.price else "-",
    ]


def _style(health: int) -> str:
    if health < WAD:
        return "bold red"
    return "yellow" if health * 10 < 12 * WAD else ""


def _assets(session: Session, report: Report) -> Table:
    table = _table("asset", "price", "collateral", "debt", "written off", "level", "vault", "why")
    for one in report.assets:
        decimals = session.market.decimals(one.symbol)
        amounts = (one.collateral, one.debt, one.bad_debt)
        table.add_row(
            one.symbol,
            from_wad(one.price, 2) if one.price else "-",
            *(format_units(amount, decimals, 2) for amount in amounts),
            level_name(one.level),
            level_name(one.vault_level),
            "; ".join(one.reasons),
            style="yellow" if one.level or one.vault_level else "",
        )
    return table


def _systemic(report: Report) -> list[str]:
    total = report.systemic
    if not total.accounts:
        return ["nobody owes anything"]
    leverage = "no equity" if total.leverage == MAX_UINT256 else f"{from_wad(total.leverage, 4)} x"
    if report.velocity is not None:
        sign = "+" if report.velocity >= 0 else ""
        leverage += f", {sign}{from_wad(report.velocity, 4)} an hour over {report.span:,} s"
    near = ", ".join(
        f"{_percent(total.share(debt))} within {fall} %" for fall, debt in total.near.items()
    )
    who = "1 account owes" if total.accounts == 1 else f"{total.accounts:,} accounts owe"
    lines = [
        f"{who} {from_wad(total.debt, 2)} USD against "
        f"{from_wad(total.exposure, 2)} USD; total leverage {leverage}",
        f"of the debt {_percent(total.share(total.liquidatable))} is liquidatable, {near}",
    ]
    if total.uncovered:
        lines.append(f"{from_wad(total.uncovered, 2)} USD of debt have no collateral behind them")
    return lines


def _percent(share: int) -> str:
    return f"{from_wad(share * _PERCENT, 2)} %"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    words = {"account", "asset", "level", "vault", "why"}
    for name in columns:
        table.add_column(name, justify="left" if name in words else "right", no_wrap=name != "why")
    return table
