"""A DuckDB file that one process at a time keeps what it knows in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from breakwater.errors import UserError


class Database:
    """The file, with its tables. What was written is there after a kill."""

    def __init__(self, path: Path | None, tables: str, whose: str) -> None:
        """`path` None: in memory. `tables` is SQL that may run again; `whose` names in refusals
        whose file it is, as in "keeper". UserError for a file that is none, or in use.
        """
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = duckdb.connect(":memory:" if path is None else str(path))
            self._db.execute(tables)
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error}") from None
        except duckdb.Error as error:
            why = " ".join(str(error).split())
            if isinstance(error, duckdb.IOException) and "lock" in why.lower():
                raise UserError(
                    f"{path} is in use by another {whose}: end that one, or choose another file "
                    "with --state"
                ) from None
            raise UserError(f"{path} is no {whose}'s state ({why})") from None
        self._path = path

    def close(self) -> None:
        """Write everything into the file and let go of it."""
        self._db.close()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """All of it, or none."""
        self._db.begin()
        try:
            yield
        except BaseException:
            self._db.rollback()
            raise
        self._db.commit()

    def all(self, query: str, *values: Any) -> list[Any]:
        """Rows that a statement leaves."""
        return self._db.execute(query, list(values)).fetchall()
