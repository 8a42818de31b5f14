"""Values where they stand in a file, each with its unit."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from breakwater.errors import UserError
from breakwater.markets.market import ANYONE
from breakwater.units import DAY, HOUR, MINUTE, UnitError, format_units, parse_units

MAX_LEG = 2**104 - 1
"""Most units of a token that an account can hold or a vault be capped at."""

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


@dataclass(frozen=True)
class Item:
    """A value where it stands."""

    file: str
    name: str
    value: Any
    line: int

    def error(self, problem: str) -> MarketError:
        """That something is wrong with it."""
        return MarketError(f"{self.file}:{self.line}: {self.name}{problem}")

    def refused(self, allowed: str) -> MarketError:
        """That it is not what is allowed."""
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

    def section(self) -> Section:
        """The mapping that it is. Raises MarketError for anything else."""
        if not isinstance(self.value, dict):
            raise self.refused("a mapping of parameters to values")
        return Section(self.file, self.name, self.value, self.line)

    def items(self) -> list[Item]:
        """The entries of the list that it is. Raises MarketError for anything else."""
        if not isinstance(self.value, list):
            raise self.refused("a list, such as [one, two]")
        found = []
        for index, value in enumerate(self.value):
            position = getattr(self.value, "lc", None)
            line = position.data[index][0] + 1 if position is not None else self.line
            found.append(Item(self.file, f"{self.name}[{index}]", value, line))
        return found


class Section:
    """A mapping of which every key is used, or else it is unknown."""

    def __init__(self, file: str, name: str, value: dict[Any, Any], line: int) -> None:
        self.file = file
        self.name = name
        self.line = line
        self._value = value
        self._used: list[str] = []

    def _path(self, key: object) -> str:
        return f"{self.name}.{key}" if self.name else str(key)

    def _item(self, key: Any) -> Item:
        position = getattr(self._value, "lc", None)
        line = self.line
        if position is not None and position.data and key in position.data:
            line = position.data[key][0] + 1
        return Item(self.file, self._path(key), self._value[key], line)

    def at(self, key: str) -> Item:
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

    def optional(self, key: str) -> Item | None:
        """A parameter that may be there."""
        self._used.append(key)
        return self._item(key) if key in self._value else None

    def all(self) -> list[tuple[str, Item]]:
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


def read_text(item: Item, most: int) -> str:
    """A text of 1 to `most` bytes."""
    if not isinstance(item.value, str) or not 1 <= len(item.value.encode()) <= most:
        raise item.refused(f"a text of 1 to {most} characters")
    return str(item.value)


def read_switch(item: Item) -> bool:
    """True or false."""
    if not isinstance(item.value, bool):
        raise item.refused("true or false")
    return bool(item.value)


def read_integer(item: Item, lowest: int, highest: int) -> int:
    """A whole number without a unit."""
    value = item.value
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise item.refused(f"a whole number from {lowest:,} to {highest:,}, without a unit")
    return int(value)


def read_address(item: Item) -> str:
    """An address, with its checksum."""
    value = item.value
    if isinstance(value, int):  # YAML reads an unquoted 0x... as a number
        raise item.error(" is read as a number: put the address into quotes")
    if not isinstance(value, str) or not _ADDRESS.match(value):
        raise item.refused('an address, "0x" and 40 hexadecimal digits')
    from breakwater.abi import checksum

    return checksum(value)


def read_who(item: Item, *, anyone: bool = False) -> str:
    """An address or a label; ANYONE where that is allowed."""
    value = item.value
    if isinstance(value, str) and re.fullmatch(r"[a-z][a-z0-9_-]*", value):
        if value == ANYONE and not anyone:
            raise item.error(f" is {ANYONE}: only executors may be {ANYONE}")
        return str(value)
    return read_address(item)


def read_quantity(item: Item, allowed: str) -> tuple[str, str]:
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


def _scaled(item: Item, unit: str, decimals: int, allowed: str) -> int:
    number, found = read_quantity(item, allowed)
    if found != unit:
        raise item.error(f" is in {found}, not in {unit}: must be {allowed}")
    try:
        return parse_units(number, decimals)
    except UnitError:
        raise item.refused(allowed) from None


def read_ratio(item: Item, unit: str, lowest: int, highest: int, step: int = 1) -> int:
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


def in_percent(lowest: int, highest: int, step: int = 1) -> Callable[[Item], int]:
    """Reads a percentage [BPS]; the bounds and the step are in BPS too."""
    return lambda item: read_ratio(item, "%", lowest, highest, step)


def in_times(lowest: int, highest: int, step: int = 1) -> Callable[[Item], int]:
    """Reads a multiple such as 1.5 x [BPS]; the bounds and the step are in BPS too."""
    return lambda item: read_ratio(item, "x", lowest, highest, step)


def in_percent_a_year(lowest: int, highest: int) -> Callable[[Item], int]:
    """Reads a yearly rate [BPS]; the bounds are in BPS too."""
    return lambda item: read_ratio(item, "%/year", lowest, highest)


def read_duration(item: Item, lowest: int, highest: int, step: int = 1) -> int:
    """A duration [seconds]."""
    allowed = f"{show_duration(lowest)} to {show_duration(highest)}"
    if step != 1:
        allowed += f" in steps of {show_duration(step)}"
    number, unit = read_quantity(item, allowed)
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


def read_usd(item: Item, lowest: int, highest: int) -> int:
    """A price or value in USD [WAD]."""
    allowed = f"{format_units(lowest, 18)} USD to {format_units(highest, 18)} USD"
    value = _scaled(item, "USD", 18, allowed)
    if not lowest <= value <= highest:
        raise item.refused(allowed)
    return value


def read_amount(item: Item, symbol: str, decimals: int, lowest: int, highest: int = MAX_LEG) -> int:
    """An amount of an asset [token units]."""
    allowed = (
        f"{format_units(lowest, decimals)} to {format_units(highest, decimals, 0)} {symbol}"
        f" with at most {decimals} digits after the point"
    )
    value = _scaled(item, symbol, decimals, allowed)
    if not lowest <= value <= highest:
        raise item.refused(allowed)
    return value


def read_choice(item: Item, choices: Sequence[str]) -> str:
    """One of the choices."""
    if item.value not in choices:
        near = difflib.get_close_matches(str(item.value), choices, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise item.refused(f"one of {', '.join(choices)}{hint}")
    return str(item.value)
