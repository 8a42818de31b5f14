"""What the keeper reads of a chain beside its contracts: heads, events, accounts in pages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeVar

from breakwater.ape_host import ApeHost
from breakwater.driver import CreditEngine, Lens
from breakwater.host import HALT, Host, Log, LogDecoder, Reverted, interface_of, raw_log

T = TypeVar("T")

PAGE = 400
"""Accounts of one request: the most that the Lens takes in a call."""

_AT_ONCE = 4
"""Pages that a node is asked for at once."""

_GAS = 2**36
"""Of a page; nodes cut it down to what they allow, and a page that then fails is halved."""


class Found(NamedTuple):
    """An event, and where it is."""

    block: int
    position: int
    """Among the logs of its block."""
    txn: str
    log: Log


class Chain(ABC):
    """A host, and what it tells of the past."""

    host: Host

    @abstractmethod
    def head(self) -> int:
        """Number of the newest block."""

    @abstractmethod
    def hash_of(self, block: int) -> str | None:
        """Hash of a block; None where there is none yet, or no longer."""

    @abstractmethod
    def time_of(self, block: int) -> int:
        """Timestamp of a block that is there."""

    @abstractmethod
    def events(
        self, first: int, last: int, contracts: dict[str, str], names: Sequence[str]
    ) -> Iterable[Found]:
        """Events of some names, of contracts by address and the names of their interfaces, in the
        blocks from `first` to `last`, in order.
        """

    @abstractmethod
    def is_waiting(self, sender: str) -> bool:
        """Whether a transaction of `sender` is sent and not mined."""

    def health_factors(self, lens: Lens, accounts: Sequence[bytes]) -> list[int]:
        """Health of accounts [WAD], in pages."""
        return self._paged(partial(self._halving, lens), accounts)

    def positions(self, engine: CreditEngine, accounts: Sequence[bytes]) -> list[list[int]]:
        """Legs of accounts, packed, with debts in assets as of now, in pages."""
        return self._paged(partial(self._positions, engine), accounts)

    def _paged(
        self, read: Callable[[Sequence[bytes]], list[T]], accounts: Sequence[bytes]
    ) -> list[T]:
        pages = [accounts[start : start + PAGE] for start in range(0, len(accounts), PAGE)]
        return [one for page in self._read(read, pages) for one in page]

    def _read(
        self, read: Callable[[Sequence[bytes]], list[T]], pages: Sequence[Sequence[bytes]]
    ) -> Iterable[list[T]]:
        return [read(page) for page in pages]

    def _positions(self, engine: CreditEngine, accounts: Sequence[bytes]) -> list[list[int]]:
        return [list(engine.position_of(account)) for account in accounts]

    def _halving(self, lens: Lens, accounts: Sequence[bytes]) -> list[int]:
        try:
            return self._page(lens, accounts)
        except Reverted as error:
            if error.reason != HALT or len(accounts) == 1:
                raise
        half = len(accounts) // 2
        return self._halving(lens, accounts[:half]) + self._halving(lens, accounts[half:])

    def _page(self, lens: Lens, accounts: Sequence[bytes]) -> list[int]:
        return list(lens.health_factors(accounts))


class NodeChain(Chain):
    """A node that ape is connected to."""

    def __init__(self, host: ApeHost) -> None:
        self.host = host
        self._node = host
        self._eth: Any = host.web3.eth

    def head(self) -> int:
        """See `Chain`."""
        return int(self._eth.block_number)

    def hash_of(self, block: int) -> str | None:
        """See `Chain`."""
        from web3.exceptions import BlockNotFound

        try:
            return "0x" + bytes(self._eth.get_block(block)["hash"]).hex()
        except BlockNotFound:
            return None

    def time_of(self, block: int) -> int:
        """See `Chain`."""
        return int(self._eth.get_block(block)["timestamp"])

    def events(
        self, first: int, last: int, contracts: dict[str, str], names: Sequence[str]
    ) -> Iterable[Found]:
        """See `Chain`."""
        decoder, topics = LogDecoder(), set()
        for address, kind in contracts.items():
            interface = interface_of(kind)
            decoder.add(address, interface)
            topics |= {
                "0x" + topic.hex()
                for topic, event in interface.events.items()
                if event.name in names
            }
        found = self._eth.get_logs(
            {
                "fromBlock": first,
                "toBlock": last,
                "address": list(contracts),
                "topics": [sorted(topics)],
            }
        )
        for one in found:
            txn = "0x" + bytes(one["transactionHash"]).hex()
            log = decoder.decode(raw_log(one))
            yield Found(int(one["blockNumber"]), int(one["logIndex"]), txn, log)

    def is_waiting(self, sender: str) -> bool:
        """See `Chain`."""
        sent = self._eth.get_transaction_count(sender, "pending")
        return bool(sent > self._eth.get_transaction_count(sender, "latest"))

    def _read(
        self, read: Callable[[Sequence[bytes]], list[T]], pages: Sequence[Sequence[bytes]]
    ) -> Iterable[list[T]]:
        """Several at a time: while the node is at one, the next is packed."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(read, pages))

    def _page(self, lens: Lens, accounts: Sequence[bytes]) -> list[int]:
        # by hand: a codec takes as long as the node
        selector = interface_of("Lens").function("health_factors", 1).selector
        head = (32).to_bytes(32, "big") + len(accounts).to_bytes(32, "big")
        answer = self._node.read(lens.address, selector + head + b"".join(accounts), _GAS)
        words = [answer[start : start + 32] for start in range(64, len(answer), 32)]
        return [int.from_bytes(word, "big") for word in words]

    def _positions(self, engine: CreditEngine, accounts: Sequence[bytes]) -> list[list[int]]:
        # one request for all: the engine tells of one account in a call
        selector = interface_of("CreditEngine").function("position_of", 1).selector
        calls = [(engine.address, selector + account) for account in accounts]
        return [
            [int.from_bytes(answer[start : start + 32], "big") for start in range(0, 128, 32)]
            for answer in self._node.read_many(calls)
        ]
