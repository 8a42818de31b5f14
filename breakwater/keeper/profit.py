"""What the keeper's liquidations brought."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from breakwater.keeper.store import Store
from breakwater.markets import Market
from breakwater.units import account_number, account_owner, format_units


def summary(store: Store, market: Market) -> dict[str, Any]:
    """Everything as plain values; amounts as decimal text, in whole tokens of the debt asset."""
    liquidations = store.liquidations()
    totals: dict[tuple[str, str], list[int]] = {}
    for one in liquidations:
        total = totals.setdefault((one.debt, one.way), [0, 0, 0, 0])
        for index, value in enumerate((1, one.repaid, one.fund_fee, one.profit)):
            total[index] += value

    def shown(amount: int, symbol: str) -> str:
        return format_units(amount, market.decimals(symbol)).replace(",", "")

    return {
        "totals": [
            {
                "debt": debt,
                "way": way,
                "liquidations": count,
                "repaid": shown(repaid, debt),
                "fund_fee": shown(fee, debt),
                "profit": shown(profit, debt),
            }
            for (debt, way), (count, repaid, fee, profit) in sorted(totals.items())
        ],
        "liquidations": [
            {
                "block": one.block,
                "transaction": one.txn,
                "owner": account_owner(one.account),
                "number": account_number(one.account),
                "debt": one.debt,
                "collateral": one.collateral,
                "way": one.way,
                "repaid": shown(one.repaid, one.debt),
                "seized": shown(one.seized, one.collateral),
                "profit": shown(one.profit, one.debt),
            }
            for one in liquidations
        ],
        "attempts": store.outcomes(),
    }


def show(console: Console, found: dict[str, Any]) -> None:
    """The table, by debt asset and way."""
    if not found["totals"]:
        console.print("no liquidations yet")
        return
    table = Table("debt", "way", box=None, pad_edge=False)
    for column in ("liquidations", "repaid", "to the fund", "profit"):
        table.add_column(column, justify="right")
    for one in found["totals"]:
        amounts = (f"{float(one[name]):,.2f}" for name in ("repaid", "fund_fee", "profit"))
        table.add_row(one["debt"], one["way"], f"{one['liquidations']:,}", *amounts)
    console.print(table)
    console.print(
        "profit is in the debt asset and before gas: of own capital the incentive less the fund's "
        "part, at the prices of the liquidation; of flash what was left after the sale"
    )
