"""The prices of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from breakwater import black_thursday, markets, prices
from breakwater.errors import UserError
from breakwater.prices import Bar

MAIN = "WETH"
"""The asset that a price file without a symbol is for."""

BETA = {"WBTC": 0.8}
"""Elasticity with which an asset without prices of its own follows MAIN."""

START = {"WBTC": 35.0}
"""Its first price, in first prices of MAIN."""

LONGEST_STEP = 900
SHORTEST_STEP = 300
MOST_STEPS = 6_000
"""Steps of a run, about: longer files take longer steps, up to LONGEST_STEP."""


@dataclass(frozen=True)
class Script:
    """Prices of a run: bars by asset; MAIN's bars are the run's bars."""

    bars: Mapping[str, Sequence[Bar]]
    sources: Mapping[str, str]
    title: str

    @property
    def step(self) -> int:
        """Seconds between two steps."""
        main = self.bars[MAIN]
        span = main[-1].timestamp - main[0].timestamp
        return min(max(SHORTEST_STEP, span // MOST_STEPS), LONGEST_STEP)


def script(files: Mapping[str, str], market: markets.Market, most: int | None = None) -> Script:
    """The prices of a run from files by symbol ("" or MAIN: the collateral), or Black Thursday's.

    `most` cuts the run to that many bars. UserError for an unknown symbol, or a file that does not
    cover the run's time.
    """
    bars: dict[str, Sequence[Bar]] = {}
    sources: dict[str, str] = {}
    for symbol, name in files.items():
        symbol = symbol or MAIN
        if symbol not in market.assets:
            known = ", ".join(market.assets)
            raise UserError(f"unknown asset {symbol} for {name}: the market has {known}")
        bars[symbol], sources[symbol] = prices.read(name), Path(name).name
    if MAIN not in bars and "WBTC" not in bars:
        for symbol, built in black_thursday.BARS.items():
            bars[symbol] = built
            sources[symbol] = "published waypoints of 12-13 March 2020"
        title = "Black Thursday, 12-13 March 2020"
    elif MAIN not in bars:
        raise UserError(f"give the prices of {MAIN} too: --prices FILE")
    else:
        title = sources[MAIN].removesuffix(".csv")
    main: Sequence[Bar] = bars[MAIN][:most]
    bars[MAIN] = main
    for symbol, found in bars.items():
        if symbol != MAIN and not prices.overlapping(found, main[0].timestamp, main[-1].timestamp):
            raise UserError(f"{sources[symbol]} does not cover the time of {sources[MAIN]}")
    for symbol, beta in BETA.items():
        if symbol in market.assets and symbol not in bars:
            start = main[0].open * START[symbol]
            bars[symbol] = prices.follow(main, start, beta)
            sources[symbol] = f"follows {MAIN} with elasticity {beta:g}"
    return Script(bars, sources, title)
