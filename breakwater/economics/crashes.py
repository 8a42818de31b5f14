"""A crash: its prices, and the market that lists what they are of.

Of a folder of files EVENT__BASE-QUOTE__SOURCE__RESOLUTION.csv, for each asset of `CLASSES` the one
that covers most of the crash is taken, and of those the finest. Pegs are read by their closes: some
venues' wicks were nobody's price.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from breakwater import prices
from breakwater.breakers.study import EVENTS
from breakwater.demo.script import Script
from breakwater.economics.population import Kind
from breakwater.errors import UserError
from breakwater.markets import Asset, Devnet, Feed, Market, Source
from breakwater.prices import Bar, Line

STEP = 300
"""Seconds between two steps of a run."""

MAJOR, STAKED, VOLATILE, PEGGED = "major", "staked", "volatile", "pegged"

CLASSES = {
    "ETH": MAJOR, "BTC": MAJOR, "stETH": STAKED, "UST": PEGGED, "USDe": PEGGED, "USDC": PEGGED,
    **dict.fromkeys(("AAVE", "AVAX", "BNB", "CRV", "ENA", "FTT", "LDO", "LINK", "LUNA", "MKR",
                     "SOL", "UNI"), VOLATILE),
}  # fmt: skip
"""What is read of a folder, by the base of a file's name."""

NAMES = {"ETH": "WETH", "BTC": "WBTC", "stETH": "wstETH"}
"""Symbols in the market, where they differ."""

VOLATILE_RULES = {
    "jump_band": 2_000, "borrow_ltv": 5_500, "borrow_ltv_floor": 4_500, "liquidation_ltv": 6_000,
    "max_leverage": 25_000, "volatility_ref": 800, "incentive_max": 1_500,
    "incentive_slope": 7_500, "target_health": 12_500, "target_slope": 0,
    "min_price": 10**9, "max_price": 10**24,
}  # fmt: skip
"""In place of the rules of ether, for assets of which the market file has none."""

LEAST_TIP = 200
"""Of all assets, and of `incentive_min`, in a market that lists a volatile one: what the sale of a
volatile collateral in a thin pool and the gas take."""

PEGGED_RULES = {"min_price": 10**15, "max_price": 2 * 10**18}
"""In place of those of USDC: a peg may fail for good."""

PARTS = {"WETH": 0.35, "WBTC": 0.2, "wstETH": 0.1, VOLATILE: 0.25, PEGGED: 0.1}
"""Of the accounts that borrow USDC, by collateral; of a class, all its assets together."""

SHORTS = (Kind("wstETH", "WETH", 0.06), Kind("USDC", "WETH", 0.04), Kind("USDC", "WBTC", 0.03))
"""Accounts that borrow something else, beside the whole of the others."""

_HUGE = 2**103
_UNITS = {"m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True)
class Crash:
    """Prices by symbol from `start` to `end`, and the market that lists them."""

    name: str
    start: int
    end: int
    lines: Mapping[str, Line]
    """A rated asset's is a ratio: only its change counts."""
    sources: Mapping[str, str]
    market: Market
    classes: Mapping[str, str]
    kinds: Sequence[Kind]

    @property
    def steps(self) -> range:
        """Times of the steps."""
        return range(self.start, self.end, STEP)


def names(folder: Path) -> list[str]:
    """Crashes that a folder has prices of ether for, in order."""
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder")
    return [name for name in EVENTS if list(folder.glob(f"{name}__ETH-USD*.csv"))]


def read(folder: Path, name: str, market: Market) -> Crash:
    """A crash of a folder. UserError for a name that it has no prices for."""
    if name not in names(folder):
        known = ", ".join(names(folder)) or "no crash"
        raise UserError(f"{folder} has no prices of {name}: it has {known}")
    start, end = (_seconds(day) for day in EVENTS[name].crash)
    found: dict[str, tuple[int, int, str, Sequence[Bar]]] = {}
    for path in sorted(folder.glob(f"{name}__*.csv")):
        parts = path.stem.split("__")
        base, _, quote = parts[1].partition("-")
        if base not in CLASSES or quote not in (("ETH",) if base == "stETH" else ("USD", "USDT")):
            continue
        if "uniswap" in parts[2] or "daily" in parts[2]:
            continue
        bars = prices.read(path)
        if CLASSES[base] == PEGGED:
            bars = [Bar(one.timestamp, *[one.close] * 4) for one in bars]
        usual = _resolution(parts[3])
        if bars[0].timestamp > start + 3_600:
            continue
        covered = min(bars[-1].timestamp + usual, end)
        symbol = NAMES.get(base, base)
        if symbol not in found or (covered, -usual) > found[symbol][:2]:
            found[symbol] = (covered, -usual, path.name, bars)
    lines = {symbol: _line(bars, start, end) for symbol, (_, _, _, bars) in found.items()}
    files = {symbol: one[2] for symbol, one in found.items()}
    return _crash(name, start, end, lines, files, market)


def of_script(script: Script, market: Market) -> Crash:
    """The prices of a demo."""
    main = next(iter(script.bars.values()))
    usual = prices.spacing(main)
    start, end = main[0].timestamp, main[-1].timestamp + usual
    lines = {symbol: _line(bars, start, end) for symbol, bars in script.bars.items()}
    return _crash(script.title, start, end, lines, script.sources, market)


def _crash(
    name: str,
    start: int,
    end: int,
    lines: Mapping[str, Line],
    files: Mapping[str, str],
    market: Market,
) -> Crash:
    symbols = list(dict.fromkeys([*market.vaults, *market.assets, *lines]))
    classes = {}
    for symbol in symbols:
        base = next((base for base, other in NAMES.items() if other == symbol), symbol)
        classes[symbol] = CLASSES.get(base, VOLATILE)
    dropped = {s for s in symbols if classes[s] in (MAJOR,) and s not in lines}
    symbols = [symbol for symbol in symbols if symbol not in dropped]
    made = _market(market, symbols, classes, lines, start)
    return Crash(name, start, end, lines, dict(files), made, classes, _kinds(made, classes, lines))


def _line(bars: Sequence[Bar], start: int, end: int) -> Line:
    return Line([one for one in prices.path(bars, STEP) if one.timestamp < end])


def _seconds(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


def _resolution(text: str) -> int:
    match = re.fullmatch(r"(\d+)([mhd])", text)
    return int(match[1]) * _UNITS[match[2]] if match else 86_400


def _market(
    market: Market,
    symbols: Sequence[str],
    classes: Mapping[str, str],
    lines: Mapping[str, Line],
    start: int,
) -> Market:
    """The market file with an asset for each symbol, and caps that nothing reaches.

    No limit of a vault binds (`limit_floor`): everybody borrows in the first second, and nobody
    comes or leaves afterwards. Growth and depth of a collateral are off, as after any deployment;
    nobody holds liquidations, and there is no sequencer.
    """
    if market.devnet is None or "WETH" not in market.assets or "USDC" not in market.vaults:
        raise UserError(f"{market.path.name} is no devnet that lists WETH and lends USDC")
    assets: dict[str, Asset] = {}
    for symbol in symbols:
        asset = market.assets.get(symbol)
        if asset is None:
            asset = _like(market, symbol, classes[symbol])
        if symbol in lines and asset.feed.kind != "rate":
            asset = replace(asset, price=round(lines[symbol].at(start) * 10**8) * 10**10)
        parameters = dict(asset.parameters)
        if VOLATILE in classes.values():
            for name in ("tip", "incentive_min"):
                parameters[name] = max(parameters[name], LEAST_TIP)
        assets[symbol] = replace(
            asset, cap=None if asset.cap is None else _HUGE, parameters=parameters
        )
    vaults = {
        symbol: replace(
            vault,
            config=vault.config._replace(deposit_cap=_HUGE, debt_cap=_HUGE, limit_floor=_HUGE),
        )
        for symbol, vault in market.vaults.items()
        if symbol in assets
    }
    devnet = Devnet(market.devnet.accounts, market.devnet.rates, market.devnet.heartbeat, {})
    return replace(market, name="economics", assets=assets, vaults=vaults, devnet=devnet)


def _like(market: Market, symbol: str, one: str) -> Asset:
    if one == PEGGED:
        like = market.assets["USDC"]
        return replace(
            like, symbol=symbol, decimals=18, parameters={**like.parameters, **PEGGED_RULES}
        )
    like = market.assets["WETH"]
    feed = Feed("aggregator", (Source(like.parameters["max_age"]),))
    parameters = {**like.parameters, **VOLATILE_RULES}
    return replace(like, symbol=symbol, decimals=18, feed=feed, parameters=parameters)


def _kinds(
    market: Market, classes: Mapping[str, str], lines: Mapping[str, Line]
) -> tuple[Kind, ...]:
    """Collaterals with prices; a class's part is shared by its assets."""
    found = []
    for name, part in PARTS.items():
        members = [name] if name in market.assets else []
        if name in (VOLATILE, PEGGED):
            members = [s for s in lines if classes[s] == name and s not in market.vaults]
        found += [Kind(symbol, "USDC", part / len(members)) for symbol in members]
    found += [
        kind for kind in SHORTS if kind.collateral in market.assets and kind.debt in market.vaults
    ]
    return tuple(found)
