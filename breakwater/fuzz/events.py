"""What one call told: its events, sorted by what they are about."""

from __future__ import annotations

from typing import Any, NamedTuple

from breakwater.fuzz.positions import Legs
from breakwater.host import Interface, interface_of

NOBODY = bytes(32)


class Event(NamedTuple):
    """One event that matters: emitter, topics (the first is its kind), words of data."""

    name: str
    address: str
    topics: list[bytes]
    words: tuple[int, ...]


class Kind(NamedTuple):
    """What an event is about."""

    group: int
    name: str
    asset: int
    """Topic with the collateral that an event of the engine moved; 0: none."""
    raised: int
    """Topic with the asset by which it raised an account's risk; 0: none."""


TRANSFER, APPROVAL, ENGINE, BOOKS = range(4)
"""Groups of events: of tokens, of the engine, of a vault or fund."""

_KINDS = {
    "Transfer": (TRANSFER, 0, 0),
    "Approval": (APPROVAL, 0, 0),
    "Borrow": (ENGINE, 0, 2),
    "DepositCollateral": (ENGINE, 2, 0),
    "Liquidate": (ENGINE, 3, 0),
    "MoveCollateral": (ENGINE, 3, 3),
    "Repay": (ENGINE, 0, 0),
    "Seize": (ENGINE, 2, 0),
    "SetOperator": (ENGINE, 0, 0),
    "WithdrawCollateral": (ENGINE, 2, 2),
    "Collect": (BOOKS, 0, 0),
    "Deposit": (BOOKS, 0, 0),
    "FlashLoan": (BOOKS, 0, 0),
    "Lend": (BOOKS, 0, 0),
    "SettleFee": (BOOKS, 0, 0),
    "Withdraw": (BOOKS, 0, 0),
    "WriteOff": (BOOKS, 0, 0),
}


def kinds() -> dict[bytes, Kind]:
    """What is known of events, by the topic of their kind."""
    found: dict[bytes, Kind] = {}
    for contract in ("CreditEngine", "LendingVault", "InsuranceFund"):
        interface: Interface = interface_of(contract)
        for topic, event in interface.events.items():
            if event.name in _KINDS:
                group, asset, raised = _KINDS[event.name]
                found[topic] = Kind(group, event.name, asset, raised)
    return found


class Change(NamedTuple):
    """An account that a call changed."""

    number: int
    account: bytes
    words: tuple[int, ...]
    """Before the call."""
    before: Legs
    after: Legs


class Told:
    """The events of one call."""

    __slots__ = (
        "books",
        "books_before",
        "credited",
        "engine",
        "funds",
        "ids",
        "liquidations",
        "minted",
        "named",
        "raised",
        "rights",
        "transfers",
    )

    def __init__(self, touched: tuple[int, ...]) -> None:
        """`touched`: vaults that are looked at even if they tell nothing."""
        self.books: dict[int, list[Event]] = {v: [] for v in touched} if touched else {}
        """By vault. The vault of a fund that told something is there too."""
        self.books_before: dict[int, int] = {}
        """Of collaterals that moved, by id."""
        self.engine: list[Event] = []
        self.liquidations: list[Event] = []
        self.rights: list[Event] = []
        """What was granted, and what was done to accounts of others."""
        self.named: set[bytes] = set()
        """Accounts."""
        self.credited: list[bytes] = []
        """Accounts that get what is seized: no event names them."""
        self.raised: dict[bytes, list[int]] = {}
        """By account, ids of the assets that raised its risk."""
        self.ids: set[int] = set()
        """Of collaterals that moved."""
        self.funds: set[int] = set()
        self.minted: dict[int, int] = {}
        """Shares of a vault that its fund got for fees."""
        self.transfers: list[tuple[Any, bytes]] = []
        """Of tokens whose owner did not act: event, owner."""
