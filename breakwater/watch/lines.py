"""Which account crossed which line of health, once for each crossing, remembered in DuckDB.

A line is crossed DOWN when health is below it, and UP when it is a hundredth of the line above it:
a flicker at a line is one crossing. An account that was never seen counts as above every line.
Alerts are written together with the crossing that they tell of, and leave when they were delivered:
after a kill none is lost, and one that was on its way may come twice, with the same id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from breakwater.database import Database
from breakwater.units import BPS

SLACK = 100
"""BPS above a line that health must reach to have crossed it upwards."""

KEPT = 10_000
"""Alerts that wait for the webhook at most: the oldest make room."""

_TABLES = """
CREATE TABLE IF NOT EXISTS below (
    market VARCHAR, account BLOB, line VARCHAR, PRIMARY KEY (market, account, line));
CREATE SEQUENCE IF NOT EXISTS ids;
CREATE TABLE IF NOT EXISTS alerts (id BIGINT PRIMARY KEY, body VARCHAR);
"""
_PAIRS = "SELECT unnest(?::BLOB[]), unnest(?::VARCHAR[])"


class Crossing(NamedTuple):
    """Lines that an account crossed between two looks, all in one direction."""

    account: bytes
    down: bool
    lines: tuple[int, ...]
    """[WAD] from the one that was crossed first."""
    health: int
    """[WAD] MAX_UINT256 without debt."""


def below(health: int, lines: Iterable[int], before: Iterable[int]) -> set[int]:
    """Lines that an account is below, given those that it was below [WAD]."""
    was = set(before)
    return {
        line
        for line in lines
        if (health * BPS < line * (BPS + SLACK) if line in was else health < line)
    }


class Lines:
    """The file. One watch at a time; of any number of markets."""

    def __init__(self, path: Path | None, lines: Sequence[int]) -> None:
        """`lines` [WAD]. UserError for a file that is no watch's. `path` None: in memory."""
        self._file = Database(path, _TABLES, "watch")
        self._lines = frozenset(lines)
        self._market = ""
        self._below: dict[bytes, set[int]] = {}

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def open(self, market: str) -> None:
        """Remember what is known of a market, named with its chain, at the lines given."""
        self._market, self._below = market, {}
        rows = self._file.all("SELECT account, line FROM below WHERE market = ?", market)
        for account, line in rows:
            if int(line) in self._lines:
                self._below.setdefault(account, set()).add(int(line))

    def cross(self, healths: Iterable[tuple[bytes, int]]) -> list[Crossing]:
        """Crossings since the last look, by account and its health. `keep` remembers them."""
        found = []
        for account, health in healths:
            before = self._below.get(account, set())
            after = below(health, self._lines, before)
            if after - before:
                lines = tuple(sorted(after - before, reverse=True))
                found.append(Crossing(account, True, lines, health))
            if before - after:
                found.append(Crossing(account, False, tuple(sorted(before - after)), health))
        return found

    def keep(self, crossings: Sequence[Crossing], alerts: Sequence[tuple[int, str]]) -> int:
        """Remember crossings and the alerts about them, all or nothing; how many alerts that
        nobody took were dropped to make room.
        """
        rows = [(one.account, str(line), one.down) for one in crossings for line in one.lines]
        fell = [row[:2] for row in rows if row[2]]
        rose = [row[:2] for row in rows if not row[2]]
        with self._file.together():
            self._file.all(
                f"INSERT INTO below SELECT ?, * FROM ({_PAIRS}) ON CONFLICT DO NOTHING",
                self._market, *_columns(fell),
            )  # fmt: skip
            self._file.all(
                f"DELETE FROM below WHERE market = ? AND (account, line) IN ({_PAIRS})",
                self._market, *_columns(rose),
            )  # fmt: skip
            self._file.all(
                "INSERT INTO alerts SELECT unnest(?::BIGINT[]), unnest(?::VARCHAR[])",
                *_columns(alerts),
            )
            dropped = self._file.all(
                "DELETE FROM alerts WHERE id NOT IN "
                f"(SELECT id FROM alerts ORDER BY id DESC LIMIT {KEPT}) RETURNING id"
            )
        for one in crossings:
            known = self._below.setdefault(one.account, set())
            if one.down:
                known.update(one.lines)
            else:
                known.difference_update(one.lines)
        return len(dropped)

    def ids(self, count: int) -> list[int]:
        """For alerts; never given twice."""
        return [row[0] for row in self._file.all("SELECT nextval('ids') FROM range(?)", count)]

    def waiting(self) -> list[tuple[int, str]]:
        """Alerts that nobody took yet, by id, the oldest first."""
        return self._file.all("SELECT id, body FROM alerts ORDER BY id")

    def delivered(self, numbers: Sequence[int]) -> None:
        """Alerts of these ids were taken."""
        self._file.all("DELETE FROM alerts WHERE id IN (SELECT unnest(?::BIGINT[]))", list(numbers))


def _columns(rows: Sequence[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    return [row[0] for row in rows], [row[1] for row in rows]
