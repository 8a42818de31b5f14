"""What the models of all contracts stand on: state, time, calls, locks and undoing.

A model of a contract is a `Contract`: its methods bear the names of the ABI, take the sender first
and arguments in the ABI's order, and raise `Refused` with the very reason of the contract. All
state of all contracts is one flat dictionary of immutable values, so a call is undone by putting an
older copy back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple, TypeVar

ZERO_ADDRESS = "0x" + "00" * 20

F = TypeVar("F", bound=Callable[..., Any])
Key = tuple[Any, ...]
"""Address of a contract, name of a variable, keys of a mapping."""


class Refused(Exception):
    """The contract reverts; the text is the reason, "" where there is no revert data."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Event(NamedTuple):
    """One event, arguments by their names in the ABI."""

    address: str
    name: str
    args: dict[str, Any]


class Word(NamedTuple):
    """One word of storage: the variable's name in the compiler's layout, the keys of a mapping or
    the index in an array, and what is stored there.
    """

    variable: str
    keys: tuple[Any, ...]
    value: int


class Outcome(NamedTuple):
    """What a call does: `reason` is None when it succeeds."""

    reason: str | None
    value: Any
    events: list[Event]


def reentrant(method: F) -> F:
    """Mark a function that runs while its contract's lock is held, and takes none itself."""
    method.reentrant = True  # type: ignore[attr-defined]
    return method


def view(method: F) -> F:
    """Mark a function that changes nothing: it respects the lock but takes none."""
    method.view = True  # type: ignore[attr-defined]
    return method


class Chain:
    """Time, state, and the contracts by address."""

    def __init__(self, now: int, block: int, chain_id: int = 31_337) -> None:
        self.now = now
        self.block = block
        self.chain_id = chain_id
        self.state: dict[Key, Any] = {}
        self.contracts: dict[str, Contract] = {}
        self.events: list[Event] = []
        self.written: set[Key] = set()
        """Keys that calls wrote since somebody last cleared it."""
        self.locked: set[str] = set()
        self.transient: dict[Key, Any] = {}

    def advance(self, seconds: int, blocks: int = 1) -> None:
        """Move time and block number."""
        self.now += seconds
        self.block += blocks

    def transact(self, sender: str, address: str, function: str, args: Sequence[Any]) -> Outcome:
        """One transaction. A refused one leaves no trace."""
        self.events = []
        self.locked = set()
        self.transient = {}
        before, count = dict(self.state), len(self.contracts)
        try:
            value = self.call(sender, address, function, args)
        except Refused as refused:
            self.state = before
            self.forget(count)
            self.locked = set()
            return Outcome(refused.reason, None, [])
        return Outcome(None, value, self.events)

    def call(self, sender: str, address: str, function: str, args: Sequence[Any]) -> Any:
        """A call from one contract to another, or the outermost one. Raises Refused."""
        contract = self.contracts.get(address)
        method = getattr(contract, function, None)
        if contract is None or method is None:
            raise Refused()  # no code there, or none for this function
        if getattr(method, "reentrant", False):
            return method(sender, *args)
        if address in self.locked:
            raise Refused()
        if getattr(method, "view", False) or not contract.LOCKS:
            return method(sender, *args)
        self.locked.add(address)
        try:
            return method(sender, *args)
        finally:
            self.locked.discard(address)

    def forget(self, count: int) -> None:
        """Drop the contracts that were created after the first `count`."""
        for address in list(self.contracts)[count:]:
            del self.contracts[address]

    @contextmanager
    def undone_if_refused(self) -> Iterator[None]:
        """A call whose failure the caller survives: undo what it did, then raise Refused."""
        state, events, locked = dict(self.state), list(self.events), set(self.locked)
        transient, count = dict(self.transient), len(self.contracts)
        try:
            yield
        except Refused:
            self.forget(count)
            self.state, self.events, self.locked = state, events, locked
            self.transient = transient
            raise


class Contract:
    """The model of one contract at one address."""

    NAME: ClassVar[str] = ""
    """Of the deployable."""

    LOCKS: ClassVar[bool] = True
    """Whether the contract has `pragma nonreentrancy on`."""

    def __init__(self, chain: Chain, address: str) -> None:
        self.chain = chain
        self.address = address
        chain.contracts[address] = self

    def get(self, name: str, *keys: Any, default: Any = 0) -> Any:
        """A variable's value."""
        return self.chain.state.get((self.address, name, *keys), default)

    def put(self, value: Any, name: str, *keys: Any) -> None:
        """Write a variable. Values must be immutable."""
        key = (self.address, name, *keys)
        self.chain.state[key] = value
        self.chain.written.add(key)

    def emit(self, event: str, **args: Any) -> None:
        """Emit an event."""
        self.chain.events.append(Event(self.address, event, args))

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """How a variable of the model lies in storage, as of now."""
        raise NotImplementedError(f"{self.NAME} does not say how {name} is stored")
