"""Market files: what is listed, on which terms, and who rules; read, checked, in chain units.

A market is a YAML file such as `markets/devnet.yaml`. Each number is written with its unit; here it
becomes the integer the contracts take. Whatever is wrong, unknown or missing raises one
`MarketError` that names file, line, the value and what is allowed. The ranges are those of
`contracts/modules/asset_config.vy`, `LendingVault.vy` and the feeds, so that a file that loads is
one the contracts accept.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from breakwater import artifacts
from breakwater.driver import AssetConfig, VaultConfig
from breakwater.errors import UserError
from breakwater.units import BPS, DAY, HOUR, MINUTE, WAD, UnitError, format_units, parse_units

T = TypeVar("T")

DEFAULT = artifacts.ROOT / "markets" / "devnet.yaml"
"""The market of the devnet."""

ANYONE = "anyone"
"""The executor that stands for the zero address: whoever comes."""

GAP = 200
"""Basis points from borrow_ltv to liquidation_ltv, at least."""

MAX_LEG = 2**104 - 1
"""Most units of a token that an account can hold or a vault be capped at."""

LEAST_SEED_UNITS = 10**6
"""Units of the asset; a fund that begins with less takes no stakers."""

_ADDRESS = re.compile(r"^0x[0-9a-fA-F]{40}$")
_QUANTITY = re.compile(r"^(?P<number>[-+0-9_.,eE]+)\s*(?P<unit>.*)$")
_SECONDS = {
    "s": 1,
    "min": MINUTE,
    "h": HOUR,
    "day": DAY,
    "days": DAY,
}


class MarketError(UserError):
    """A parameter that is wrong, unknown or missing, with its file and line."""


# ------------------------------------------------------------------------------ what a market is


@dataclass(frozen=True)
class Source:
    """One Chainlink aggregator."""

    max_age: int
    """Seconds."""
    address: str | None = None
    """None: a mock on a devnet."""


@dataclass(frozen=True)
class Feed:
    """Where an asset's price comes from.

    aggregator  one source, which the risk engine reads directly
    median      one to three sources behind a `MedianFeed`
    rate        the rate of an ERC-4626 share times the price of the asset `base`
    """

    kind: Literal["aggregator", "median", "rate"]
    sources: tuple[Source, ...] = ()
    quorum: int = 1
    band: int = 0
    """Basis points."""
    pegged: bool = False
    base: str = ""
    growth: int = 0
    """Basis points a year."""


@dataclass(frozen=True)
class Asset:
    """One listed asset; parameters as in `IConfigurator.AssetConfig`."""

    symbol: str
    decimals: int
    address: str | None
    """None: a mock on a devnet."""
    feed: Feed
    price: int
    """WAD; what a devnet's aggregators begin with, and what sizes are judged by. A `rate` feed's is
    that of its base (times the devnet's rate)."""
    parameters: Mapping[str, Any]
    """Fields of `AssetConfig` but source and is_feed."""
    cap: int | None
    """Token units of collateral, all accounts together; None: no collateral."""
    takes_fee: bool

    def config(self, source: str) -> AssetConfig:
        """The parameters as the configurator takes them, with the address of the feed."""
        is_feed = self.feed.kind != "aggregator"
        return AssetConfig(source=source, is_feed=is_feed, **self.parameters)


@dataclass(frozen=True)
class VaultMarket:
    """One lending vault and its insurance fund. Amounts in units of the asset."""

    asset: str
    name: str
    symbol: str
    config: VaultConfig
    min_debt: int
    deposit_cap: int
    debt_cap: int
    seed: int


@dataclass(frozen=True)
class Governance:
    """Who rules. Each is an address, a label of the devnet's accounts, or (executors) `ANYONE`."""

    delay: int
    """Seconds."""
    guardian: str
    proposers: tuple[str, ...]
    executors: tuple[str, ...]
    cancellers: tuple[str, ...]
    """Beside the proposers, who may always cancel."""


@dataclass(frozen=True)
class Devnet:
    """What exists on a development chain only."""

    accounts: tuple[str, ...]
    """Labels, in the order of the accounts of the test mnemonic."""
    rates: Mapping[str, int]
    """WAD, assets per share of each asset with a `rate` feed."""
    heartbeat: int
    """Seconds between two answers of the aggregators, while the devnet runs."""
    balances: Mapping[str, Mapping[str, int]]
    """Token units by label and symbol."""


@dataclass(frozen=True)
class Market:
    """A whole market file."""

    path: Path
    name: str
    chain_id: int
    governance: Governance
    stressed_liquidation: int
    """WAD USD; what one liquidation costs when blocks are full."""
    assets: Mapping[str, Asset]
    vaults: Mapping[str, VaultMarket]
    devnet: Devnet | None

    def decimals(self, symbol: str) -> int:
        """Decimals of an asset; KeyError when it is unknown (see `units.parse_amount`)."""
        return self.assets[symbol].decimals


def load(path: Path | str = DEFAULT) -> Market:
    """Read and check a market file. Raises MarketError."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    path = Path(path)
    shown = str(path)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        shown = str(path.relative_to(Path.cwd()))
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MarketError(f"{shown}: there is no such market file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise MarketError(f"{shown}: cannot be read: {error}") from None
    try:
        tree = YAML().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f":{mark.line + 1}"
        problem = str(error.problem or error.context or "not YAML").split("\n")[0]
        raise MarketError(f"{shown}{line}: {problem}") from None
    except YAMLError as error:
        raise MarketError(f"{shown}: not YAML: {error}") from None
    if not isinstance(tree, dict):
        raise MarketError(f"{shown}:1: a market file is a mapping of parameters to values")
    return _market(path, _Section(shown, "", tree, 1))


# ------------------------------------------------------------------------------ reading


@dataclass(frozen=True)
class _Item:
    """A value where it stands."""

    file: str
    name: str
    value: Any
    line: int

    def error(self, problem: str) -> MarketError:
        return MarketError(f"{self.file}:{self.line}: {self.name}{problem}")

    def refused(self, allowed: str) -> MarketError:
        value = self.value
        if isinstance(value, dict):
            shown = "a mapping"
        elif isinstance(value, list):
            shown = "a list"
        elif isinstance(value, bool):
            shown = str(value).lower()
        else:
            shown = "nothing" if value is None else str(value)
        return self.error(f" is {shown}: must be {allowed}")

    def section(self) -> _Section:
        if not isinstance(self.value, dict):
            raise self.refused("a mapping of parameters to values")
        return _Section(self.file, self.name, self.value, self.line)

    def items(self) -> list[_Item]:
        if not isinstance(self.value, list):
            raise self.refused("a list, such as [one, two]")
        found = []
        for index, value in enumerate(self.value):
            position = getattr(self.value, "lc", None)
            line = position.data[index][0] + 1 if position is not None else self.line
            found.append(_Item(self.file, f"{self.name}[{index}]", value, line))
        return found


class _Section:
    """A mapping of which every key is used, or else it is unknown."""

    def __init__(self, file: str, name: str, value: dict[Any, Any], line: int) -> None:
        self.file = file
        self.name = name
        self.line = line
        self._value = value
        self._used: list[str] = []

    def _path(self, key: object) -> str:
        return f"{self.name}.{key}" if self.name else str(key)

    def _item(self, key: Any) -> _Item:
        position = getattr(self._value, "lc", None)
        line = self.line
        if position is not None and position.data and key in position.data:
            line = position.data[key][0] + 1
        return _Item(self.file, self._path(key), self._value[key], line)

    def at(self, key: str) -> _Item:
        """A parameter that must be there."""
        self._used.append(key)
        if key not in self._value:
            # A key that nobody asked for may be this one, misspelt: the better hint.
            near = difflib.get_close_matches(key, [str(k) for k in self._value], 1, 0.8)
            if near and near[0] not in self._used:
                item = self._item(near[0])
                raise item.error(f" is not a parameter: did you mean {key}?")
            where = self.name or "the file"
            raise MarketError(f"{self.file}:{self.line}: {self._path(key)} is missing in {where}")
        return self._item(key)

    def optional(self, key: str) -> _Item | None:
        """A parameter that may be there."""
        self._used.append(key)
        return self._item(key) if key in self._value else None

    def all(self) -> list[tuple[str, _Item]]:
        """Every entry, for mappings whose keys are names."""
        found = []
        for key in self._value:
            item = self._item(key)
            if not isinstance(key, str):
                raise item.error(" is not a name")
            self._used.append(key)
            found.append((key, item))
        return found

    def done(self) -> None:
        """Refuse what was not asked for."""
        for key in self._value:
            if key not in self._used:
                known = ", ".join(self._used)
                near = difflib.get_close_matches(str(key), self._used, 1)
                hint = f"did you mean {near[0]}?" if near else f"known here: {known}"
                raise self._item(key).error(f" is not a parameter: {hint}")


def _text(item: _Item, most: int) -> str:
    if not isinstance(item.value, str) or not 1 <= len(item.value.encode()) <= most:
        raise item.refused(f"a text of 1 to {most} characters")
    return str(item.value)


def _switch(item: _Item) -> bool:
    if not isinstance(item.value, bool):
        raise item.refused("true or false")
    return bool(item.value)


def _integer(item: _Item, lowest: int, highest: int) -> int:
    value = item.value
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise item.refused(f"a whole number from {lowest:,} to {highest:,}, without a unit")
    return int(value)


def _address(item: _Item) -> str:
    value = item.value
    if isinstance(value, int):  # YAML reads an unquoted 0x... as a number
        raise item.error(" is read as a number: put the address into quotes")
    if not isinstance(value, str) or not _ADDRESS.match(value):
        raise item.refused('an address, "0x" and 40 hexadecimal digits')
    from breakwater.abi import checksum

    return checksum(value)


def _who(item: _Item, *, anyone: bool = False) -> str:
    value = item.value
    if isinstance(value, str) and re.fullmatch(r"[a-z][a-z0-9_-]*", value):
        if value == ANYONE and not anyone:
            raise item.error(f" is {ANYONE}: only executors may be {ANYONE}")
        return str(value)
    return _address(item)


def _split(item: _Item, allowed: str) -> tuple[str, str]:
    """Number and unit of a quantity."""
    value = item.value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise item.refused(allowed)
    match = _QUANTITY.match(str(value).strip())
    if match is None:
        raise item.refused(allowed)
    if not match["unit"]:
        raise item.error(f" is {value} without a unit: must be {allowed}")
    return match["number"], match["unit"].strip()


def _scaled(item: _Item, unit: str, decimals: int, allowed: str) -> int:
    number, found = _split(item, allowed)
    if found != unit:
        raise item.error(f" is in {found}, not in {unit}: must be {allowed}")
    try:
        return parse_units(number, decimals)
    except UnitError:
        raise item.refused(allowed) from None


def _ratio(item: _Item, unit: str, lowest: int, highest: int, step: int = 1) -> int:
    """A ratio in basis points, written in `unit` (percents have 2 decimals, times have 4)."""
    places = 2 if unit.startswith("%") else 4

    def show(bps: int) -> str:
        return f"{format_units(bps, places)} {unit}"

    allowed = f"{show(lowest)} to {show(highest)}"
    if step != 1:
        allowed += f" in steps of {show(step)}"
    value = _scaled(item, unit, places, allowed)
    if not lowest <= value <= highest or value % step:
        raise item.refused(allowed)
    return value


def _percent(lowest: int, highest: int, step: int = 1) -> Callable[[_Item], int]:
    return lambda item: _ratio(item, "%", lowest, highest, step)


def _times(lowest: int, highest: int, step: int = 1) -> Callable[[_Item], int]:
    return lambda item: _ratio(item, "x", lowest, highest, step)


def _yearly(lowest: int, highest: int) -> Callable[[_Item], int]:
    return lambda item: _ratio(item, "%/year", lowest, highest)


def _duration(item: _Item, lowest: int, highest: int, step: int = 1) -> int:
    allowed = f"{show_duration(lowest)} to {show_duration(highest)}"
    if step != 1:
        allowed += f" in steps of {show_duration(step)}"
    number, unit = _split(item, allowed)
    if unit not in _SECONDS:
        raise item.error(f" is in {unit}, not in s, min, h or days: must be {allowed}")
    try:
        seconds = parse_units(number, 6) * _SECONDS[unit]
    except UnitError:
        raise item.refused(allowed) from None
    if seconds % 10**6:
        raise item.refused(allowed)
    seconds //= 10**6
    if not lowest <= seconds <= highest or seconds % step:
        raise item.refused(allowed)
    return seconds


def show_duration(seconds: int) -> str:
    """Seconds in the largest unit that gives a whole number."""
    for size, unit in ((DAY, "days"), (HOUR, "h"), (MINUTE, "min")):
        if seconds and seconds % size == 0:
            count = seconds // size
            return f"{count:,} {'day' if unit == 'days' and count == 1 else unit}"
    return f"{seconds:,} s"


def _usd(item: _Item, lowest: int, highest: int) -> int:
    allowed = f"{format_units(lowest, 18)} USD to {format_units(highest, 18)} USD"
    value = _scaled(item, "USD", 18, allowed)
    if not lowest <= value <= highest:
        raise item.refused(allowed)
    return value


def _amount(item: _Item, symbol: str, decimals: int, lowest: int, highest: int = MAX_LEG) -> int:
    allowed = (
        f"{format_units(lowest, decimals)} to {format_units(highest, decimals, 0)} {symbol}"
        f" with at most {decimals} digits after the point"
    )
    value = _scaled(item, symbol, decimals, allowed)
    if not lowest <= value <= highest:
        raise item.refused(allowed)
    return value


def _one_of(item: _Item, choices: Sequence[str]) -> str:
    if item.value not in choices:
        near = difflib.get_close_matches(str(item.value), choices, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise item.refused(f"one of {', '.join(choices)}{hint}")
    return str(item.value)


# ------------------------------------------------------------------------------ the parts

# In the order of IConfigurator.AssetConfig; ranges and steps of asset_config.vy.
_PARAMETERS: dict[str, Callable[[_Item], Any]] = {
    "max_age": lambda item: _duration(item, 60, 4_080 * 60, 60),
    "min_price": lambda item: _usd(item, 10**9, 10**28),
    "max_price": lambda item: _usd(item, 10**9, 10**28),
    "jump_band": _percent(50, 6_300, 50),
    "borrow_ltv": _percent(0, 9_600),
    "borrow_ltv_floor": _percent(0, 9_600),
    "liquidation_ltv": _percent(0, 9_800),
    "debt_weight": _times(BPS, 35_500, 100),
    "max_leverage": _times(BPS, 1_275_000, 5_000),
    "volatility_ref": _percent(0, 2_550, 10),
    "volatility_slope": _times(0, 127_000, 1_000),
    "tip": _percent(1, 5_000),
    "incentive_min": _percent(1, 5_000),
    "incentive_max": _percent(1, 5_000),
    "incentive_slope": _times(0, 65_535),
    "target_health": _times(BPS + 1, 16_000),
    "target_slope": _times(0, 1_000_000),
    "closes_whole": _switch,
}

# In the order of ILendingVault.VaultConfig but its amount; ranges of LendingVault._pack_config.
_RATES: dict[str, Callable[[_Item], int]] = {
    "reserve_factor": _percent(0, 5_000),
    "target_utilization": _percent(1_000, 9_900),
    "steepness": _times(BPS, 100_000),
    "adjustment_speed": lambda item: _ratio(item, "x/year", 0, 1_000_000),
    "initial_rate": _yearly(1, 20_000),
    "min_rate": _yearly(1, 20_000),
    "max_rate": _yearly(1, 20_000),
    "flash_fee": _percent(0, 100),
}


def _market(path: Path, top: _Section) -> Market:
    name = _text(top.at("name"), 64)
    chain_id = _integer(top.at("chain_id"), 1, 2**64 - 1)
    governance_item = top.at("governance")
    stressed = _usd(top.at("stressed_liquidation"), 0, 10_000 * WAD)
    asset_items = top.at("assets").section().all()
    if not asset_items:
        raise top.at("assets").error(" is empty: at least one asset is needed")
    if len(asset_items) > 127:
        raise top.at("assets").error(f" lists {len(asset_items)}: at most 127 assets")
    vault_items = top.at("vaults").section().all()
    devnet_item = top.optional("devnet")
    top.done()

    symbols = [symbol for symbol, _ in asset_items]
    on_devnet = devnet_item is not None
    assets = {symbol: _asset(symbol, item, symbols, on_devnet) for symbol, item in asset_items}
    for symbol, item in asset_items:
        _check_base(assets, symbol, item)
    _check_pairs({symbol: item.section() for symbol, item in asset_items}, assets)
    devnet = _devnet(devnet_item, assets) if devnet_item is not None else None
    assets = {symbol: _priced(asset, assets, devnet) for symbol, asset in assets.items()}
    vaults = {}
    for symbol, item in vault_items:
        if symbol not in assets:
            near = difflib.get_close_matches(symbol, symbols, 1)
            hint = f"did you mean {near[0]}?" if near else f"assets: {', '.join(symbols)}"
            raise item.error(f" is a vault of an asset that is not listed: {hint}")
        vaults[symbol] = _vault(assets[symbol], item.section())
        _check_min_debt(assets, vaults[symbol], stressed, item)
    governance = _governance(governance_item.section(), devnet)
    return Market(path, name, chain_id, governance, stressed, assets, vaults, devnet)


def _governance(section: _Section, devnet: Devnet | None) -> Governance:
    def people(key: str, *, anyone: bool = False, empty: bool = False) -> tuple[str, ...]:
        item = section.at(key)
        found = [(one, _who(one, anyone=anyone)) for one in item.items()]
        if not found and not empty:
            raise item.error(" is empty: without one nothing could ever be changed")
        if len(found) > 16:
            raise item.error(f" names {len(found)}: at most 16")
        for one, who in found:
            known(one, who)
        return tuple(who for _, who in found)

    def known(item: _Item, who: str) -> None:
        if who == ANYONE or who.startswith("0x"):
            return
        labels = devnet.accounts if devnet is not None else ()
        if who not in labels:
            allowed = f"one of {', '.join(labels)}, or an address" if labels else "an address"
            raise item.refused(allowed)

    delay = _duration(section.at("delay"), HOUR, 30 * DAY)
    guardian_item = section.at("guardian")
    guardian = _who(guardian_item)
    known(guardian_item, guardian)
    proposers = people("proposers")
    executors = people("executors", anyone=True)
    cancellers = people("cancellers", empty=True)
    if guardian in proposers:
        raise guardian_item.error(f" is {guardian}, a proposer too: the two must be separate")
    section.done()
    return Governance(delay, guardian, proposers, executors, cancellers)


def _asset(symbol: str, item: _Item, symbols: Sequence[str], on_devnet: bool) -> Asset:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9.]{0,7}", symbol):
        raise item.error(" is no symbol: 1 to 8 letters and digits")
    section = item.section()
    decimals = _integer(section.at("decimals"), 6, 24)
    address = _token_address(section, on_devnet)
    parameters = {key: parse(section.at(key)) for key, parse in _PARAMETERS.items()}
    feed = _feed(symbol, section.at("feed"), symbols, parameters, on_devnet)
    price = 0
    if feed.kind != "rate":
        price = _usd(section.at("price"), 10**9, 10**28)
    _check_listing(section, parameters, price)
    _check_ages(section, feed, parameters)

    cap: int | None = None
    takes_fee = False
    collateral = section.optional("collateral")
    if collateral is not None:
        inner = collateral.section()
        cap = _amount(inner.at("cap"), symbol, decimals, 0)
        takes_fee = _switch(inner.at("takes_fee"))
        inner.done()
        if parameters["liquidation_ltv"] == 0:
            raise collateral.error(" is given, but liquidation_ltv is 0 %: a debt-only asset")
    section.done()
    return Asset(symbol, decimals, address, feed, price, parameters, cap, takes_fee)


def _token_address(section: _Section, on_devnet: bool) -> str | None:
    if on_devnet:
        item = section.optional("address")
        if item is not None:
            raise item.error(" is given beside `devnet`: there tokens are mocks")
        return None
    return _address(section.at("address"))


def _feed(
    symbol: str,
    item: _Item,
    symbols: Sequence[str],
    parameters: Mapping[str, Any],
    on_devnet: bool,
) -> Feed:
    section = item.section()
    kind = _one_of(section.at("kind"), ("aggregator", "median", "rate"))
    feed: Feed
    if kind == "aggregator":
        source = Source(parameters["max_age"], _token_address(section, on_devnet))
        feed = Feed("aggregator", (source,))
    elif kind == "median":
        sources_item = section.at("sources")
        sources = []
        for one in sources_item.items():
            inner = one.section()
            age = _duration(inner.at("max_age"), 60, 68 * HOUR)
            sources.append(Source(age, _token_address(inner, on_devnet)))
            inner.done()
        if not 1 <= len(sources) <= 3:
            raise sources_item.error(f" lists {len(sources)}: must be 1 to 3 sources")
        feed = Feed(
            "median",
            tuple(sources),
            quorum=_integer(section.at("quorum"), 1, len(sources)),
            band=_percent(1, 2_000)(section.at("band")),
            pegged=_switch(section.at("pegged")),
        )
    else:
        base_item = section.at("base")
        others = [other for other in symbols if other != symbol]
        base = _one_of(base_item, others)
        feed = Feed("rate", base=base, growth=_yearly(1, 10_000)(section.at("growth")))
    section.done()
    return feed


def _check_base(assets: Mapping[str, Asset], symbol: str, item: _Item) -> None:
    feed = assets[symbol].feed
    if feed.kind != "rate":
        return
    base = assets[feed.base]
    where = item.section().at("feed").section().at("base")
    if base.feed.kind == "rate":
        raise where.error(f" is {feed.base}, whose own price is a rate: give one with sources")
    oldest = max(source.max_age for source in base.feed.sources)
    if assets[symbol].parameters["max_age"] < oldest:
        age = item.section().at("max_age")
        raise age.refused(
            f"at least {show_duration(oldest)}, the highest among the sources of {feed.base}"
        )


def _check_listing(section: _Section, values: Mapping[str, Any], price: int) -> None:
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


def _check_pairs(sections: Mapping[str, _Section], assets: Mapping[str, Asset]) -> None:
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


def _check_ages(section: _Section, feed: Feed, values: Mapping[str, Any]) -> None:
    oldest = max((source.max_age for source in feed.sources), default=0)
    if values["max_age"] < oldest:
        raise section.at("max_age").refused(
            f"at least {show_duration(oldest)}, the highest among its sources"
        )


def _priced(asset: Asset, assets: Mapping[str, Asset], devnet: Devnet | None) -> Asset:
    """The asset with its price derived where it has a rate."""
    if asset.feed.kind != "rate":
        return asset
    rate = devnet.rates[asset.symbol] if devnet is not None else WAD
    price = assets[asset.feed.base].price * rate // WAD
    return Asset(
        asset.symbol,
        asset.decimals,
        asset.address,
        asset.feed,
        price,
        asset.parameters,
        asset.cap,
        asset.takes_fee,
    )


def _vault(asset: Asset, section: _Section) -> VaultMarket:
    symbol, decimals = asset.symbol, asset.decimals

    def amount(key: str, lowest: int) -> int:
        return _amount(section.at(key), symbol, decimals, lowest)

    name = _text(section.at("name"), 64)
    label = _text(section.at("symbol"), 32)
    rates = {key: parse(section.at(key)) for key, parse in _RATES.items()}
    for key, wrong, limit in (
        ("min_rate", rates["min_rate"] > rates["max_rate"], "at most max_rate"),
        ("initial_rate", rates["initial_rate"] < rates["min_rate"], "at least min_rate"),
        ("initial_rate", rates["initial_rate"] > rates["max_rate"], "at most max_rate"),
    ):
        if wrong:
            raise section.at(key).refused(limit)
    config = VaultConfig(**rates, min_adaptive_debt=amount("min_adaptive_debt", 0))
    min_debt = amount("min_debt", 1)
    deposit_cap = amount("deposit_cap", 1)
    debt_cap = amount("debt_cap", 0)
    seed = amount("seed", LEAST_SEED_UNITS)

    def shown(units: int) -> str:
        return f"{format_units(units, decimals)} {symbol}"

    if seed > deposit_cap:
        raise section.at("seed").refused(f"at most deposit_cap, {shown(deposit_cap)}")
    if debt_cap > deposit_cap:
        raise section.at("debt_cap").refused(f"at most deposit_cap, {shown(deposit_cap)}")
    if min_debt > debt_cap:
        raise section.at("min_debt").refused(f"at most debt_cap, {shown(debt_cap)}")
    section.done()
    return VaultMarket(symbol, name, label, config, min_debt, deposit_cap, debt_cap, seed)


def _check_min_debt(
    assets: Mapping[str, Asset], vault: VaultMarket, stressed: int, item: _Item
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


def _devnet(item: _Item, assets: Mapping[str, Asset]) -> Devnet:
    section = item.section()
    accounts = [_who(one) for one in section.at("accounts").items()]
    for one, label in zip(section.at("accounts").items(), accounts, strict=True):
        if label.startswith("0x"):
            raise one.refused("a label, such as lender")
        if accounts.count(label) > 1:
            raise one.error(f" is {label}, which is there twice")
    if not 1 <= len(accounts) <= 10:
        raise section.at("accounts").error(f" names {len(accounts)}: must be 1 to 10 labels")
    if "deployer" not in accounts:
        raise section.at("accounts").error(" has no deployer")

    rates = {}
    rates_item = section.optional("rates")
    if rates_item is not None:
        for symbol, one in rates_item.section().all():
            if symbol not in assets or assets[symbol].feed.kind != "rate":
                raise one.error(" is not an asset with a feed of kind rate")
            rates[symbol] = _ratio(one, "x", 10, 10**9 * BPS) * WAD // BPS
    for symbol, asset in assets.items():
        if asset.feed.kind == "rate" and symbol not in rates:
            raise section.at("accounts").error(f" needs `rates.{symbol}` beside it, such as 1.2 x")
    shortest = min(
        source.max_age for asset in assets.values() for source in asset.feed.sources or ()
    )
    heartbeat = _duration(section.at("heartbeat"), 1, shortest)

    balances: dict[str, dict[str, int]] = {}
    for label, one in section.at("balances").section().all():
        if label not in accounts:
            raise one.error(f" is no account: one of {', '.join(accounts)}")
        held = balances[label] = {}
        for amount in one.items():
            allowed = 'an amount such as "1_000 USDC"'
            _, symbol = _split(amount, allowed)
            if symbol not in assets:
                raise amount.refused(f"in one of {', '.join(assets)}")
            if symbol in held:
                raise amount.error(f" names {symbol} a second time")
            decimals = assets[symbol].decimals
            held[symbol] = _amount(amount, symbol, decimals, 0)
    section.done()
    return Devnet(tuple(accounts), rates, heartbeat, balances)
