"""Bands compared over a folder of price files: how often they trip in calm weeks, and how soon in
crashes. The windows are of the calendar, the same for all files of an event, chosen before a run:
calm is what lies outside the days of the crash and its echo.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from breakwater.breakers import sources
from breakwater.breakers.judge import DISPERSION, JUMP
from breakwater.breakers.replay import Replay, Settings
from breakwater.breakers.results import ACTIONS, LEVELS, UNSEEN, Results
from breakwater.breakers.setup import Rules
from breakwater.breakers.sources import Source
from breakwater.errors import UserError
from breakwater.markets import Market
from breakwater.units import DAY, HOUR

Say = Callable[[str], None]

STEP = 900
"""Seconds between prints within a bar: of bars of an hour or less, the four corners."""


@dataclass(frozen=True)
class Event:
    """A crash: its days, and calm days of the same files; from, until in UTC."""

    name: str
    crash: tuple[str, str]
    calm: tuple[tuple[str, str], ...]
    prefix: str = ""
    """What its files begin with; the name where empty."""


EVENTS = {
    event.name: event
    for event in (
        Event("2020-03-black-thursday", ("2020-03-12", "2020-03-14"),
              (("2020-03-01", "2020-03-08"),)),
        Event("2022-05-luna-ust", ("2022-05-09", "2022-05-14"),
              (("2022-05-01", "2022-05-08"), ("2022-05-15", "2022-06-01"))),
        Event("2022-11-ftx-crv", ("2022-11-08", "2022-11-11"),
              (("2022-11-01", "2022-11-08"), ("2022-11-13", "2022-11-21"))),
        Event("2023-03-usdc-depeg", ("2023-03-10", "2023-03-14"),
              (("2023-03-01", "2023-03-09"), ("2023-03-15", "2023-03-22"))),
        Event("2025-10-10-11-cascade", ("2025-10-10", "2025-10-12"),
              (("2025-10-01", "2025-10-10"), ("2025-10-13", "2025-11-01"))),
        Event("2022-05-ust", ("2022-05-07", "2022-05-13"), (("2022-01-15", "2022-05-06"),), "full"),
        Event("2022-06-3ac-steth", ("2022-06-08", "2022-06-20"), (("2022-08-01", "2024-01-28"),),
              "full"),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Class:
    """Assets that share a band. `files` are patterns of an event's files without the event, several
    with + for several sources, two with a comma for a product."""

    name: str
    like: str
    bands: tuple[int, ...]
    """Basis points."""
    bad: float
    files: Mapping[str, tuple[str, ...]]
    pegged: bool = False
    closes: bool = False
    max_age: int | None = None
    dispersion: bool = False
    """Whether the bands are those of dispersion."""
    default: int | None = None
    """For what the market file has no asset of."""


_BTC, _ETH = "BTC-USDT__binance", "ETH-USDT__binance-spot"
_STETH = "stETH-ETH__chainlink-mainnet"

CLASSES = (
    Class("majors", "WETH", (250, 500, 1_000), 0.05, {
        "2020-03-black-thursday": (_BTC, _ETH),
        "2022-05-luna-ust": (_BTC, _ETH),
        "2022-11-ftx-crv": (_BTC, _ETH),
        "2023-03-usdc-depeg": (_BTC, _ETH),
        "2025-10-10-11-cascade": (_BTC, _ETH, "BTC-USD__gemini", "ETH-USD__gemini"),
    }),
    Class("volatile", "WETH", (500, 1_000, 1_500), 0.1, {
        "2022-05-luna-ust": ("AAVE", "AVAX", "BNB", "CRV", "LDO", "LINK", "MKR", "SOL", "UNI"),
        "2022-11-ftx-crv": ("AAVE", "AVAX", "CRV", "LINK", "SOL"),
        "2023-03-usdc-depeg": ("AAVE", "AVAX", "CRV", "LDO", "LINK", "MKR"),
        "2025-10-10-11-cascade": ("AAVE", "AVAX", "CRV", "ENA", "LINK"),
    }, default=1_000),
    Class("staked, in USD", "wstETH", (250, 500, 1_000), 0.05, {
        "2022-05-luna-ust": (f"{_STETH},{_ETH}",),
        "2022-11-ftx-crv": (f"{_STETH},{_ETH}",),
        "2023-03-usdc-depeg": ("BETH-USDT", f"{_STETH},{_ETH}"),
    }),
    Class("staked, in ETH", "wstETH", (50, 100, 200), 0.01, {
        "2022-05-luna-ust": (_STETH,),
        "2022-11-ftx-crv": (_STETH,),
        "2023-03-usdc-depeg": (_STETH,),
        "2022-06-3ac-steth": (_STETH,),
    }, max_age=25 * HOUR, default=100),
    Class("pegged", "USDC", (50, 100, 200), 0.01, {
        "2022-05-luna-ust": ("BUSD-USDT", "TUSD-USDT", "USDC-USDT__uniswap"),
        "2022-11-ftx-crv": ("BUSD-USDT", "USDC-USDT__uniswap"),
        "2023-03-usdc-depeg": ("BUSD-USDT", "USDC-USD__kraken", "USDT-USD__coinbase",
                               "USDT-USD__kraken"),
        "2025-10-10-11-cascade": ("USDC-USDT__uniswap", "USDe-USDT__binance"),
        "2022-05-ust": ("UST-USDT",),
    }, pegged=True, closes=True),
    Class("two sources, volatile", "WETH", (100, 200, 500), 0.05, {
        "2020-03-black-thursday": ("BTC-USDT__binance+BTC-USD__unnamed",),
        "2025-10-10-11-cascade": ("BTC-USD__gemini+BTC-USD__binance-cm",),
    }, closes=True, dispersion=True),
    Class("two sources, pegged", "USDC", (50, 100, 200, 500), 0.01, {
        "2022-05-luna-ust": ("USDC-USDT__binance+USDC-USDT__uniswap",),
        "2023-03-usdc-depeg": ("USDT-USD__kraken+USDT-USD__coinbase",),
        "2025-10-10-11-cascade": ("USDe-USDT__binance+USDe-USDT__uniswap",),
    }, pegged=True, closes=True, dispersion=True),
)  # fmt: skip


@dataclass
class Calm:
    """A class and a band in calm windows, all files together."""

    name: str
    band: int
    default: bool
    seconds: int = 0
    trips: int = 0
    false: int = 0
    caution: int = 0

    def row(self) -> list[str]:
        """Cells of the table."""
        days = self.seconds / DAY
        return [
            self.name,
            _percent(self.band) + (" (default)" if self.default else ""),
            f"{days:,.0f}",
            f"{30 * self.trips / days:.2f}" if days else "",
            f"{30 * self.false / days:.2f}" if days else "",
            f"{100 * self.caution / self.seconds:.2f} %" if self.seconds else "",
        ]


@dataclass
class Crash:
    """One replay of a crash."""

    name: str
    event: str
    files: str
    band: int
    default: bool
    trips: int
    moves: int
    first: int | None
    longest: int | None
    never: int
    caution: int
    liquidated: int
    accounts: int
    unpaid: float

    def row(self) -> list[str]:
        """Cells of the table."""
        first = "none bad" if not self.moves else _wait(self.first)
        return [
            self.name,
            self.event,
            self.files,
            _percent(self.band),
            str(self.trips),
            str(self.moves),
            first,
            _wait(self.longest) if self.moves > self.never else "",
            str(self.never),
            f"{self.caution / HOUR:.1f} h",
            f"{self.liquidated} of {self.accounts}" if self.accounts else "not tried",
            f"{self.unpaid:,.0f}" if self.accounts else "",
        ]


CALM_HEAD = ("class", "band", "calm days", "trips / 30 days", "of them false", "in CAUTION")
BAND_HEAD = ("class", "band", "replays", "trips", "bad moves", "answered", "longest wait", "never",
             "in CAUTION")  # fmt: skip
CRASH_HEAD = ("class", "crash", "file", "band", "trips", "bad moves", "first to CAUTION",
              "longest", "never", "in CAUTION", "liquidated", "unpaid USD")  # fmt: skip


@dataclass
class Study:
    """All tables."""

    calm: list[Calm] = field(default_factory=list)
    crashes: list[Crash] = field(default_factory=list)
    possible: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    """By phase and action, over the crashes at the default bands."""
    missing: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """One object with everything."""
        return asdict(self)

    def markdown(self) -> str:
        """The tables as they stand in docs."""
        rows = []
        # a bad print comes before the level that answers it
        phases = [phase for phase in (LEVELS[0], UNSEEN, *LEVELS[1:]) if phase in self.possible]
        for action in ACTIONS:
            cells = [action]
            for phase in phases:
                passed, tried = self.possible[phase].get(action, (0, 0))
                cells.append(f"{passed:,} / {tried:,}" if tried else "")
            rows.append(cells)
        usual = [one.row() for one in self.crashes if one.default]
        parts = [
            _markdown(CALM_HEAD, [one.row() for one in self.calm]),
            _markdown(BAND_HEAD, self._bands()),
            _markdown(CRASH_HEAD, usual),
            _markdown(("", *phases), rows),
        ]
        return "\n\n".join(parts)

    def _bands(self) -> list[list[str]]:
        """The crashes of a class and a band, all files together."""
        groups: dict[tuple[str, int], list[Crash]] = {}
        for one in self.crashes:
            groups.setdefault((one.name, one.band), []).append(one)
        rows = []
        for (name, band), mine in groups.items():
            moves, never = sum(one.moves for one in mine), sum(one.never for one in mine)
            waits = [one.longest for one in mine if one.longest is not None]
            rows.append(
                [
                    name,
                    _percent(band) + (" (default)" if mine[0].default else ""),
                    str(len(mine)),
                    str(sum(one.trips for one in mine)),
                    str(moves),
                    str(moves - never),
                    f"{max(waits):,} s" if waits else "",
                    str(never),
                    f"{sum(one.caution for one in mine) / HOUR:.0f} h",
                ]
            )
        return rows

    def add(self, results: Results) -> None:
        """Count what was possible in one replay."""
        for phase, counts in results.possible.items():
            mine = self.possible.setdefault(phase, {})
            for action, (passed, tried) in counts.items():
                before = mine.get(action, (0, 0))
                mine[action] = (before[0] + passed, before[1] + tried)


def run(market: Market, folder: Path, say: Say, classes: Sequence[Class] = CLASSES) -> Study:
    """Every class, band and file. UserError where the folder has none of the files."""
    study = Study()
    for one in classes:
        given = list(_given(folder, one, study.missing))
        for band in one.bands:
            _band(market, study, one, band, given)
            say(f"{one.name}, band {_percent(band)}")
    if not study.calm and not study.crashes:
        raise UserError(f"{folder} has none of the files of the study")
    for name in study.missing:
        say(f"{name}: not there, left out")
    return study


def _given(
    folder: Path, one: Class, missing: list[str]
) -> Iterator[tuple[Event, str, list[Source]]]:
    for name, patterns in one.files.items():
        event = EVENTS[name]
        for pattern in patterns:
            found = []
            for text in pattern.split("+"):
                paths = [_find(folder, event, part) for part in text.split(",")]
                if None in paths:
                    missing.append(f"{event.prefix or event.name} {text}")
                    break
                found.append(sources.read(",".join(map(str, paths)), STEP, one.closes))
            else:
                yield event, pattern, found


def _find(folder: Path, event: Event, part: str) -> Path | None:
    """The file of an event whose name goes on with `part`."""
    start = f"{event.prefix or event.name}__{part}"
    for path in sorted(folder.glob("*.csv")):
        if re.match(re.escape(start) + r"(?![A-Za-z])", path.name):
            return path
    return None


def _band(
    market: Market,
    study: Study,
    one: Class,
    band: int,
    given: Sequence[tuple[Event, str, list[Source]]],
) -> None:
    asset = market.assets[one.like]
    usual = asset.feed.band if one.dispersion else int(asset.parameters["jump_band"])
    default = band == (one.default or usual)
    calm = Calm(one.name, band, default)
    reason = DISPERSION if one.dispersion else JUMP
    for event, pattern, found in given:
        for start, end in event.calm:
            results = _run(market, one, band, found, (start, end), trials=False)
            if results is None:
                continue
            mine = [trip for trip in results.trips if trip.reason == reason]
            calm.seconds += results.end - results.start
            calm.trips += len(mine)
            calm.false += sum(1 for trip in mine if trip.false)
            calm.caution += sum(min(trip.until, results.end) - trip.start for trip in mine)
        # trials take most of the time: of other bands the trips are enough
        trials = default or one.dispersion
        results = _run(market, one, band, found, event.crash, trials)
        if results is None:
            continue
        if default:
            study.add(results)
        study.crashes.append(_crash(one, event, pattern, band, default, reason, results))
    if calm.seconds:
        study.calm.append(calm)


def _crash(
    one: Class, event: Event, files: str, band: int, default: bool, reason: str, results: Results
) -> Crash:
    waits = results.waits()
    return Crash(
        one.name,
        event.name,
        files,
        band,
        default,
        trips=sum(1 for trip in results.trips if trip.reason == reason),
        moves=waits["moves"] or 0,
        first=waits["first"],
        longest=waits["longest"],
        never=waits["never"] or 0,
        caution=results.held.get("CAUTION", 0),
        liquidated=results.liquidated,
        accounts=len(results.accounts),
        unpaid=sum(account.unpaid for account in results.accounts),
    )


def _run(
    market: Market,
    one: Class,
    band: int,
    found: Sequence[Source],
    days: tuple[str, str],
    trials: bool,
) -> Results | None:
    """A replay of some days; None where the files do not have them."""
    start, end = (int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) for day in days)
    if max(source.start for source in found) >= end or min(s.end for s in found) <= start:
        return None
    rules = Rules(
        like=one.like,
        pegged=one.pegged,
        jump_band=None if one.dispersion else band,
        dispersion_band=band if one.dispersion else None,
        max_age=one.max_age,
    )
    settings = Settings(rules, bad=one.bad, start=start, end=end, trials=trials)
    return Replay(market, found, settings).run()


def _percent(band: int) -> str:
    return f"{band / 100:g} %"


def _wait(seconds: int | None) -> str:
    return "never" if seconds is None else f"{seconds:,} s"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
