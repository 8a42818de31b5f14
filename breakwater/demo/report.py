"""The report of a run as one HTML file that needs nothing else: no network, no library."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from breakwater.demo import show
from breakwater.demo.results import BUCKETS, LEVELS, Results
from breakwater.demo.script import MAIN

TEMPLATE = Path(__file__).with_name("report.html")
MOST_POINTS = 1_500
"""Bars that are drawn; of more, some are left out, but none with an extreme of the price."""


def write(results: Results, folder: Path) -> Path:
    """Write `report.html` into a folder; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    path.write_text(render(results), encoding="utf-8")
    return path


def render(results: Results) -> str:
    """The page."""
    data = json.dumps(_data(results), separators=(",", ":")).replace("</", "<\\/")
    page = TEMPLATE.read_text(encoding="utf-8")
    page = page.replace("{{title}}", html.escape(results.title))
    return page.replace("{{data}}", data)


def _data(results: Results) -> dict[str, Any]:
    bars = results.bars
    keep = _kept([bar.prices[MAIN] for bar in bars])
    drawn = [bars[index] for index in keep]
    symbols = list(bars[0].vaults) if bars else []
    assets = list(bars[0].levels) if bars else []
    totals = results.liquidation_totals()
    return {
        "title": results.title,
        "main": MAIN,
        "seed": results.seed,
        "borrowers": results.borrowers,
        "bars": len(bars),
        "interrupted": results.interrupted,
        "sources": results.sources,
        "times": [bar.time for bar in drawn],
        "price": [_digits(bar.prices[MAIN]) for bar in drawn],
        "levels": {asset: _runs(results, asset) for asset in assets},
        "level_names": LEVELS,
        "bounds": BUCKETS,
        "buckets": [bar.buckets for bar in drawn],
        "weakest": [_digits(bar.weakest[0]) if bar.weakest else None for bar in drawn],
        "vaults": {
            symbol: {
                "assets": [
                    _digits(bar.vaults[symbol].cash + bar.vaults[symbol].debt, 9) for bar in drawn
                ],
                "claims": [_digits(bar.vaults[symbol].claims, 9) for bar in drawn],
                "debt": [_digits(bar.vaults[symbol].debt, 9) for bar in drawn],
            }
            for symbol in symbols
        },
        "liquidations": [
            [
                item.time,
                _digits(item.repaid),
                _digits(item.loss),
                item.debt,
                item.collateral,
                _digits(item.health),
                _digits(item.incentive),
                item.kind,
            ]
            for item in results.liquidations
        ],
        "tiles": _tiles(results, totals),
        "vault_table": [
            [
                symbol,
                show.amount(row.cash),
                show.amount(row.debt),
                show.amount(row.claims),
                f"{100 * row.utilization:.1f} %",
                show.amount(row.loss),
            ]
            for symbol, row in (bars[-1].vaults.items() if bars else ())
        ],
        "breaker_table": [
            [
                item.asset,
                item.reason,
                LEVELS[item.level],
                show.moment(item.start),
                "" if item.until is None else show.moment(item.until),
                str(item.trips),
            ]
            for item in show.episodes(results.breaker)
        ],
        "promise_table": [
            [
                tally.promise.id,
                f"{tally.checks:,}",
                "held" if tally.held else "broken",
                tally.promise.sentence,
                str(tally.violations[0]) if tally.violations else "",
            ]
            for tally in results.ledger.judged
        ],
    }


def _tiles(results: Results, totals: dict[str, float]) -> list[list[str]]:
    bars = results.bars
    found = []
    if bars:
        first, prices = results.opening[MAIN], [bar.prices[MAIN] for bar in bars]
        lowest = min(prices)
        found.append(
            [
                f"{MAIN} in USD, first to last",
                f"{_digits(first, 4):,g} → {_digits(prices[-1], 4):,g}",
                f"lowest at a bar's end {show.price(lowest)}, {100 * (lowest / first - 1):+.0f} %",
            ]
        )
    found += [
        [
            "liquidations",
            f"{totals['count']:.0f}",
            f"of {totals['accounts']:.0f} accounts, {show.amount(totals['repaid_usd'])} USD repaid",
        ],
        [
            "liquidators' incentive",
            f"{show.amount(totals['incentive_usd'])} USD",
            f"{_share(totals['incentive_usd'], totals['repaid_usd'])} of what was repaid",
        ],
        [
            "bad debt",
            f"{results.bad_debt_bps:.2f} bps",
            f"{show.amount(results.bad_debt_usd)} of {show.amount(results.peak_debt_usd)} USD",
        ],
        [
            "promises held",
            f"{results.ledger.held}/{len(results.ledger.judged)}",
            f"{sum(tally.checks for tally in results.ledger.judged):,} checks",
        ],
    ]
    return found


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "nothing"


def _digits(value: float, digits: int = 6) -> float:
    return float(f"{value:.{digits}g}")


def _kept(values: list[float]) -> list[int]:
    """Indices to draw: first, lowest, highest and last of each group."""
    if len(values) <= MOST_POINTS:
        return list(range(len(values)))
    size = -(-len(values) * 4 // MOST_POINTS)
    found: set[int] = set()
    for start in range(0, len(values), size):
        group = range(start, min(start + size, len(values)))
        found |= {group[0], group[-1], min(group, key=values.__getitem__)}
        found.add(max(group, key=values.__getitem__))
    return sorted(found)


def _runs(results: Results, asset: str) -> list[list[int]]:
    """Stretches of one level: from, until, level; NORMAL left out."""
    found: list[list[int]] = []
    bars = results.bars
    for index, bar in enumerate(bars):
        level = bar.levels[asset]
        until = bars[index + 1].time if index + 1 < len(bars) else bar.time
        if level and found and found[-1][2] == level and found[-1][1] == bar.time:
            found[-1][1] = until
        elif level:
            found.append([bar.time, until, level])
    return found
