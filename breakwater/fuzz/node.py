"""A node for sequences: an anvil of our own through ape, on which several calls share a block.

On anvil a block is usually mined for each transaction. Here it stays open until time moves, as in
process, so that what only happens within one block is seen on a node too. Every call is traced in
the open block first: that tells its outcome, and it is sent only when it passes. When the block is
mined, each transaction must have passed and emitted what its trace said.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyrevm

from breakwater import devnet
from breakwater.abi import Function
from breakwater.anvil import running
from breakwater.ape_host import ApeHost, Done, connected
from breakwater.errors import UserError
from breakwater.evm import GENESIS_TIME, EvmHost
from breakwater.host import HALT, RawLog, Receipt, Reverted, decode_reason, raw_log

GAS = 10**8
"""Gas of a call."""

_BLOCK_GAS = 2**50
_TRACER = {"tracer": "callTracer", "tracerConfig": {"withLog": True}}

Frame = dict[str, Any]
"""A call of a trace, as `callTracer` gives it."""


class NodeError(UserError):
    """A node that is not fit for sequences."""


class OpenBlockHost(ApeHost):
    """Anvil whose block stays open until `advance`. See `breakwater.host` for the rest.

    Snapshots and restoring mine the open block first.
    """

    def __init__(self, provider: Any = None) -> None:
        super().__init__(provider)
        if not self._anvil:
            raise NodeError("sequences run on anvil only: --network ethereum:local:foundry")
        self._gas = GAS
        self._open: list[tuple[str, int]] = []  # hash and number of logs of each sent
        self._number = int(self._web3.eth.block_number) + 1
        self._places: dict[tuple[str, int], None] = {}  # every word that was ever read
        self._words: dict[tuple[str, int], int] = {}  # those read since the state changed
        self.trace_of_last: Frame | None = None
        """The tree of calls of the last transaction, refused or not."""
        self._ask("evm_setAutomine", False)
        # Nobody pays: accounts that a sequence names need no coins, and balances do not matter.
        self._ask("anvil_setNextBlockBaseFeePerGas", "0x0")

    def _ask(self, method: str, *params: Any) -> Any:
        return self._provider.make_request(method, list(params))

    # ------------------------------------------------------------ time

    @property
    def block(self) -> int:
        """Number of the open block."""
        return self._number

    def advance(self, seconds: int, blocks: int = 1) -> None:
        """Mine the open block and go to the one `blocks` later, at `now` + `seconds`.

        A node's time moves with a block only: seconds without one take a block that is empty so
        far, and RuntimeError when it is not.
        """
        if seconds < 0 or blocks < 0:
            raise ValueError("time does not go back")
        if blocks:
            self._close()
            for _ in range(blocks - 1):
                self._set_time(self._now)
                self._ask("evm_mine")
            self._number += blocks
        elif seconds and self._open:
            raise RuntimeError("time cannot move within a block of a node")
        self._now += seconds
        self._set_time(self._now)

    def _sync_time(self) -> None:
        self._now = int(self._web3.eth.get_block("latest")["timestamp"]) + 1
        self._set_time(self._now)

    def _close(self) -> None:
        """Mine the open block, and hold the node to what its traces said."""
        self._set_time(self._now)
        self._ask("evm_mine")
        requests = [("eth_getTransactionReceipt", [txn_hash]) for txn_hash, _ in self._open]
        answers = self._web3.provider.make_batch_request(requests) if requests else []
        for (txn_hash, logs), answer in zip(self._open, answers, strict=True):
            mined = answer["result"]
            if mined is None or int(mined["status"], 16) != 1 or len(mined["logs"]) != logs:
                raise RuntimeError(f"transaction {txn_hash} went otherwise than its trace")
        self._open.clear()

    # ------------------------------------------------------------ state

    def account(self, label: str) -> str:
        """Address of a sender, the same for the same label, as in process."""
        address, _ = self._labels.get(label)
        return address

    @property
    def _tag(self) -> str:
        """Where to read: a block without transactions is the last one, and faster to read."""
        return "pending" if self._open else "latest"

    def code(self, address: str) -> bytes:
        """Runtime code, empty where there is none."""
        return bytes.fromhex(self._ask("eth_getCode", address, self._tag)[2:])

    def storage(self, address: str, slot: int) -> int:
        """The word at a storage slot."""
        place = address, slot
        found = self._words.get(place)
        if found is None:
            self._places[place] = None
            # who reads one word reads the others again too: all in one request
            wanted = [one for one in self._places if one not in self._words]
            requests = [("eth_getStorageAt", [at, hex(number), self._tag]) for at, number in wanted]
            answers = self._web3.provider.make_batch_request(requests)
            for one, answer in zip(wanted, answers, strict=True):
                self._words[one] = int(answer["result"], 16)
            found = self._words[place]
        return found

    def balance(self, address: str) -> int:
        """Native coins, in wei."""
        return int(self._ask("eth_getBalance", address, self._tag), 16)

    def snapshot(self) -> int:
        """Remember the state and the time."""
        if self._open:
            self._close()
            self._number += 1
        return super().snapshot()

    def restore(self, snapshot: int) -> None:
        """Go back; this snapshot stays and may be restored again."""
        if self._open:
            self._close()
        super().restore(snapshot)
        self._words.clear()
        self._number = int(self._web3.eth.block_number) + 1

    # ------------------------------------------------------------ calls

    def _run(self, request: dict[str, Any]) -> Done:
        frame = self._traced(request)
        raw = sorted(_logs(frame), key=lambda pair: pair[0])
        txn_hash = self._pass_on(request, len(raw))
        return Done(
            _output(frame),
            lambda: [log for _, log in raw],
            int(frame["gasUsed"], 16),
            txn_hash,
            frame["to"],
        )

    def _try(self, request: dict[str, Any]) -> bytes:
        request = {**request, "value": hex(request["value"]), "gas": hex(request["gas"])}
        frame = self._ask("debug_traceCall", request, "pending", _TRACER)
        return _output(frame)

    def _traced(self, request: dict[str, Any]) -> Frame:
        plain = {**request, "value": hex(request["value"]), "gas": hex(request["gas"])}
        frame: Frame = self._ask("debug_traceCall", plain, "pending", _TRACER)
        self.trace_of_last = frame
        _output(frame)
        return frame

    def _pass_on(self, request: dict[str, Any], logs: int) -> str:
        """Add a transaction to the open block; its hash."""
        plain = {**request, "value": hex(request["value"]), "gas": hex(request["gas"])}
        txn_hash = str(self._ask("eth_sendTransaction", {**plain, "gasPrice": "0x0"}))
        self._open.append((txn_hash, logs))
        self._words.clear()
        return txn_hash


class TwinHost(EvmHost):
    """A chain in this process on which contracts get the addresses that a node gives them.

    There a sender's transactions count, here by itself only deployments do.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._sent: Counter[str] = Counter()

    def _transact(
        self, codec: Function, address: str, data: bytes, sender: str, value: int
    ) -> Receipt:
        receipt = super()._transact(codec, address, data, sender, value)
        self._sent[sender] += 1
        return receipt

    def _create(self, data: bytes, sender: str, value: int) -> str:
        balance = self._evm.basic(sender).balance
        info = pyrevm.AccountInfo(nonce=self._sent[sender], balance=balance)  # type: ignore[call-arg]
        self._evm.insert_account_info(sender, info)
        address = super()._create(data, sender, value)
        self._sent[sender] += 1
        return address


def _output(frame: Frame) -> bytes:
    """What a call returned. Raises Reverted."""
    data = bytes.fromhex(frame.get("output", "0x")[2:])
    error = frame.get("error")
    if error is None:
        return data
    if data or "revert" in error:
        raise Reverted(decode_reason(data), data)
    raise Reverted(HALT, detail=error)


def _logs(frame: Frame) -> Iterator[tuple[int, RawLog]]:
    """Logs of a trace that stay, with their places; not in order."""
    if frame.get("error") is not None:
        return
    for log in frame.get("logs", ()):
        yield int(log["index"], 16), raw_log(log)
    for call in frame.get("calls", ()):
        yield from _logs(call)


# ------------------------------------------------------------ the node


@contextlib.contextmanager
def anvil(timestamp: int = GENESIS_TIME) -> Iterator[OpenBlockHost]:
    """An anvil for as long as the context lasts; its first open block is number 1, at `timestamp`.

    AnvilError when anvil is not installed or does not start.
    """
    options = (
        *("--hardfork", devnet.HARDFORK),
        *("--timestamp", str(timestamp - 1), "--gas-limit", str(_BLOCK_GAS)),
        *("--base-fee", "0", "--gas-price", "0", "--order", "fifo"),
        *("--no-mining", "--auto-impersonate", "--disable-min-priority-fee"),
    )
    with running(*options) as url, connected(devnet.NETWORK, url) as provider:
        yield OpenBlockHost(provider)
