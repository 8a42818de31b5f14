"""What the keeper remembers, in a DuckDB file. It may be killed at any moment and goes on from it.

Events are the truth: accounts, liquidations and pokes are those of the chain up to a block whose
hash is kept. When that block is no longer the chain's, what came after the last one that is gets
dropped and read anew. What the keeper itself adds are attempts: written before anything is sent, so
that after a crash the chain can be asked what became of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from breakwater.database import Database
from breakwater.errors import UserError

KEPT = 1_000
"""Hashes of blocks: a chain that went back further is read from its beginning."""

_FORMAT = "1"
_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name VARCHAR PRIMARY KEY, value VARCHAR);
CREATE TABLE IF NOT EXISTS blocks (number BIGINT PRIMARY KEY, hash VARCHAR);
CREATE TABLE IF NOT EXISTS accounts (id BLOB PRIMARY KEY, owes BOOLEAN, health DOUBLE);
CREATE TABLE IF NOT EXISTS pokes (asset VARCHAR, block BIGINT, time BIGINT, price HUGEINT);
CREATE TABLE IF NOT EXISTS liquidations (
    block BIGINT, position BIGINT, txn VARCHAR, account BLOB, debt VARCHAR, collateral VARCHAR,
    way VARCHAR, repaid HUGEINT, fund_fee HUGEINT, bad_debt HUGEINT, seized HUGEINT,
    profit HUGEINT, PRIMARY KEY (block, position));
CREATE SEQUENCE IF NOT EXISTS numbers;
CREATE TABLE IF NOT EXISTS attempts (
    number BIGINT DEFAULT nextval('numbers'), block BIGINT, account BLOB, debt VARCHAR,
    collateral VARCHAR, way VARCHAR, most HUGEINT, txn VARCHAR, outcome VARCHAR);
"""


class Liquidation(NamedTuple):
    """One liquidation on the chain. Amounts in token units, `profit` in those of the debt."""

    block: int
    position: int
    txn: str
    account: bytes
    debt: str
    collateral: str
    way: str
    """own, flash, or other: somebody else's."""
    repaid: int
    fund_fee: int
    bad_debt: int
    seized: int
    profit: int


class Poke(NamedTuple):
    """A price that was stored."""

    asset: str
    block: int
    time: int
    price: int


class Attempt(NamedTuple):
    """A liquidation that is about to be sent."""

    block: int
    account: bytes
    debt: str
    collateral: str
    way: str
    most: int
    """Cap on what is repaid [token units]; 0: none."""


class Store(Database):
    """The file. One keeper at a time; UserError for a file that is no keeper's, or another's."""

    def __init__(self, path: Path | None) -> None:
        """`path` None: in memory."""
        super().__init__(path, _TABLES, "keeper")

    def bind(self, facts: dict[str, str]) -> None:
        """Which chain, market and sender the file is about. UserError where it is about others."""
        known = dict(self._db.execute("SELECT name, value FROM facts").fetchall())
        facts = {**facts, "format": _FORMAT}
        if not known:
            self._db.executemany("INSERT INTO facts VALUES (?, ?)", list(facts.items()))
        for name, value in facts.items():
            if known and known.get(name) != value:
                raise UserError(
                    f"{self._path} was kept for another {name} ({known.get(name)}, here {value}): "
                    "choose another file with --state, or remove it"
                )

    # ------------------------------------------------------------ blocks

    def cursor(self) -> tuple[int, str] | None:
        """The newest block that was read, and its hash."""
        found = self.all("SELECT number, hash FROM blocks ORDER BY number DESC LIMIT 1")
        return (int(found[0][0]), str(found[0][1])) if found else None

    def blocks(self) -> list[tuple[int, str]]:
        """Blocks whose hashes are kept, the newest first."""
        return self.all("SELECT number, hash FROM blocks ORDER BY number DESC")

    def read_to(self, number: int, block_hash: str) -> None:
        """Everything up to this block has been added."""
        self._db.execute("INSERT OR REPLACE INTO blocks VALUES (?, ?)", [number, block_hash])
        self._db.execute(
            "DELETE FROM blocks WHERE number < (SELECT min(number) FROM "
            f"(SELECT number FROM blocks ORDER BY number DESC LIMIT {KEPT}))"
        )

    def roll_back(self, number: int) -> None:
        """Forget what was read of the blocks after `number`. Who repaid in them may owe again, so
        every account is read anew.
        """
        with self.together():
            for table in ("blocks", "pokes", "liquidations"):
                column = "number" if table == "blocks" else "block"
                self._db.execute(f"DELETE FROM {table} WHERE {column} > ?", [number])
            self._db.execute("UPDATE accounts SET owes = true")

    # ------------------------------------------------------------ accounts

    def add_accounts(self, accounts: Sequence[bytes]) -> None:
        """Accounts that owe something, known already or not."""
        self._db.execute(
            "INSERT INTO accounts SELECT DISTINCT unnest(?::BLOB[]), true, NULL "
            "ON CONFLICT DO UPDATE SET owes = true",
            [list(accounts)],
        )

    def debtors(self) -> list[bytes]:
        """Accounts that owe something, as far as is known."""
        return [row[0] for row in self.all("SELECT id FROM accounts WHERE owes ORDER BY id")]

    def set_health(self, accounts: Sequence[bytes], health: Sequence[float | None]) -> None:
        """Health of accounts; None: no debt."""
        self._db.execute(
            "UPDATE accounts SET health = new.health, owes = new.health IS NOT NULL FROM "
            "(SELECT unnest(?::BLOB[]) AS id, unnest(?::DOUBLE[]) AS health) AS new "
            "WHERE accounts.id = new.id",
            [list(accounts), list(health)],
        )

    def weakest(self, below: float) -> list[bytes]:
        """Accounts whose health is below a bound, the weakest first."""
        query = "SELECT id FROM accounts WHERE owes AND health < ? ORDER BY health, id"
        return [row[0] for row in self.all(query, below)]

    def lowest_health(self) -> float | None:
        """Of any account."""
        found = self.all("SELECT min(health) FROM accounts WHERE owes")[0][0]
        return None if found is None else float(found)

    # ------------------------------------------------------------ prices

    def add_poke(self, poke: Poke) -> None:
        """A price that was stored."""
        self._db.execute("INSERT INTO pokes VALUES (?, ?, ?, ?)", list(poke))

    def last_poke(self, asset: str) -> Poke | None:
        """The newest of an asset."""
        query = "SELECT * FROM pokes WHERE asset = ? ORDER BY block DESC LIMIT 1"
        found = self.all(query, asset)
        return Poke(*found[0]) if found else None

    # ------------------------------------------------------------ liquidations

    def add_liquidation(self, one: Liquidation) -> None:
        """One that the chain has."""
        marks = ", ".join("?" * len(one))
        self._db.execute(f"INSERT INTO liquidations VALUES ({marks})", list(one))

    def liquidations(self, *, ours: bool = True) -> list[Liquidation]:
        """Those the chain has, in order."""
        where = "WHERE way <> 'other'" if ours else ""
        rows = self.all(f"SELECT * FROM liquidations {where} ORDER BY block, position")
        return [Liquidation(*row) for row in rows]

    def begin(self, attempt: Attempt) -> int:
        """Note what is about to be sent; its number."""
        found = self.all(
            "INSERT INTO attempts (block, account, debt, collateral, way, most) "
            "VALUES (?, ?, ?, ?, ?, ?) RETURNING number",
            *attempt,
        )
        return int(found[0][0])

    def finish(self, number: int, outcome: str, txn: str | None = None) -> None:
        """What became of it: mined, refused, failed, lost."""
        self._db.execute(
            "UPDATE attempts SET outcome = ?, txn = ? WHERE number = ?", [outcome, txn, number]
        )

    def settle(self, waiting: bool) -> tuple[int, int]:
        """Hold attempts against the liquidations that the chain has: how many were found that
        nobody had noted the end of, and how many are gone.

        waiting  a transaction may still be mined: what is open stays open
        """
        self._db.execute(
            "UPDATE attempts SET outcome = NULL WHERE outcome = 'mined' AND NOT EXISTS "
            "(SELECT 1 FROM liquidations AS l WHERE l.account = attempts.account "
            "AND l.way = attempts.way AND l.block >= attempts.block)"
        )
        found = self.all(
            "UPDATE attempts SET outcome = 'mined', txn = l.txn FROM liquidations AS l "
            "WHERE attempts.outcome IS NULL AND l.account = attempts.account "
            "AND l.way = attempts.way AND l.block >= attempts.block RETURNING number"
        )
        if waiting:
            return len(found), 0
        lost = self.all(
            "UPDATE attempts SET outcome = 'lost' WHERE outcome IS NULL RETURNING number"
        )
        return len(found), len(lost)

    def outcomes(self) -> dict[str, int]:
        """Attempts by what became of them; "" for what is not known yet."""
        rows = self.all("SELECT coalesce(outcome, ''), count(*) FROM attempts GROUP BY ALL")
        return {str(name): int(count) for name, count in rows}
