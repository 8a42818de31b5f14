"""What one call told: its events, sorted by what they are about."""

from __future__ import annotations

from typing import Any, Final

from breakwater.fuzz.positions import Health, Legs
from breakwater.host import Interface, interface_of

NOBODY: Final = bytes(32)


class Event:
    """One event that matters: emitter, topics (the first is its kind), words of data."""

    __slots__ = ("address", "name", "topics", "words")

    name: str
    address: str
    topics: list[bytes]
    words: tuple[int, ...]

    def __init__(
        self, name: str, address: str, topics: list[bytes], words: tuple[int, ...]
    ) -> None:
        self.name = name
        self.address = address
        self.topics = topics
        self.words = words


class Kind:
    """What an event is about."""

    __slots__ = ("asset", "group", "name", "raised")

    group: int
    name: str
    asset: int
    """Topic with the collateral that an event of the engine moved; 0: none."""
    raised: int
    """Topic with the asset by which it raised an account's risk; 0: none."""

    def __init__(self, group: int, name: str, asset: int, raised: int) -> None:
        self.group = group
        self.name = name
        self.asset = asset
        self.raised = raised


TRANSFER: Final = 0
APPROVAL: Final = 1
ENGINE: Final = 2
BOOKS: Final = 3
"""Groups of events: of tokens, of the engine, of a vault or fund."""

_KINDS: Final = {
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


class Change:
    """An account that a call changed."""

    __slots__ = ("account", "after", "before", "health", "number", "words")

    number: int
    account: bytes
    words: tuple[int, ...]
    """Before the call."""
    before: Legs
    after: Legs
    health: Health | None
    """Before the call, once it was asked for."""

    def __init__(
        self, number: int, account: bytes, words: tuple[int, ...], before: Legs, after: Legs
    ) -> None:
        self.number = number
        self.account = account
        self.words = words
        self.before = before
        self.after = after
        self.health = None


class Told:
    """The events of one call. There is one of it, which each call begins anew: most calls leave
    most of it empty."""

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

    def __init__(self) -> None:
        self.books: dict[int, list[Event]] = {}
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

    def begin(self, touched: tuple[int, ...]) -> None:
        """Forget the last call. `touched`: vaults that are looked at even if they tell nothing."""
        self.books = {v: [] for v in touched}
        self.books_before.clear()
        self.engine.clear()
        self.liquidations.clear()
        self.rights.clear()
        self.named.clear()
        self.credited = []
        self.raised.clear()
        self.ids.clear()
        self.funds.clear()
        self.minted.clear()
        self.transfers.clear()
