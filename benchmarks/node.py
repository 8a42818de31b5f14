"""An anvil of our own, driven by plain JSON-RPC: hundreds of transactions a second, real gas."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from breakwater.abi import Function, checksum
from breakwater.anvil import running
from breakwater.host import Host, Receipt, Reverted, decode_reason, raw_log

GENESIS_TIME = 1_700_000_000
"""Fixed, so that a run gives the same bytes, and the same gas, as the one before."""

GAS_LIMIT = 16_000_000


class NodeHost(Host):
    """Contracts on an anvil by JSON-RPC; see `breakwater.host` for what every host does.

    Unlike `ApeHost` it tries nothing before sending, and every transaction has a gas limit.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._ids = 0
        self._snapshots: dict[int, tuple[str, int]] = {}
        self.chain_id = int(self.rpc("eth_chainId"), 16)
        self._now = int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16) + 1

    def rpc(self, method: str, *params: Any) -> Any:
        """One request's result. Reverted for a refused call, RuntimeError for any other error."""
        self._ids += 1
        body = {"jsonrpc": "2.0", "id": self._ids, "method": method, "params": params}
        self._connection.request(
            "POST", "/", json.dumps(body), {"Content-Type": "application/json"}
        )
        answer = json.loads(self._connection.getresponse().read())
        if "error" not in answer:
            return answer["result"]
        error = answer["error"]
        data = error.get("data")
        if isinstance(data, str) and data.startswith("0x"):
            raw = bytes.fromhex(data[2:])
            raise Reverted(decode_reason(raw), raw)
        raise RuntimeError(f"{method}: {error.get('message')}")

    # ------------------------------------------------------------ time

    @property
    def now(self) -> int:
        """Timestamp the next transaction sees, in UTC seconds."""
        return self._now

    @property
    def block(self) -> int:
        """Number of the block the next transaction is in."""
        return int(self.rpc("eth_blockNumber"), 16) + 1

    def advance(self, seconds: int, blocks: int = 1) -> None:
        """Move `now` by `seconds` and `block` by `blocks`."""
        target = self._now + max(seconds, blocks)
        for index in range(blocks):
            self.rpc("evm_setNextBlockTimestamp", self._now + index)
            self.rpc("anvil_mine", "0x1")
        self._now = target

    # ------------------------------------------------------------ accounts and state

    def account(self, label: str) -> str:
        """Address of a funded sender, the same for the same label."""
        address, new = self._labels.get(label)
        if new:
            self.rpc("anvil_setBalance", address, hex(10**24))
        return address

    def code(self, address: str) -> bytes:
        """Runtime code, empty where there is none."""
        return bytes.fromhex(self.rpc("eth_getCode", address, "latest")[2:])

    def set_code(self, address: str, code: bytes) -> None:
        """Replace the runtime code at an address."""
        self.rpc("anvil_setCode", address, "0x" + code.hex())

    def storage(self, address: str, slot: int) -> int:
        """The word at a storage slot."""
        return int(self.rpc("eth_getStorageAt", address, hex(slot), "latest"), 16)

    def balance(self, address: str) -> int:
        """Native coins, in wei."""
        return int(self.rpc("eth_getBalance", address, "latest"), 16)

    # ------------------------------------------------------------ deployment and calls

    def _create(self, data: bytes, sender: str, value: int) -> str:
        return checksum(self._send(_request(None, data, sender, value))["contractAddress"])

    def _transact(
        self, codec: Function, address: str, data: bytes, sender: str, value: int
    ) -> Receipt:
        """The receipt has no returned value."""
        mined = self._send(_request(address, data, sender, value))
        logs, gas = mined["logs"], int(mined["gasUsed"], 16)
        receipt = Receipt(None, b"", lambda: map(raw_log, logs), self._decoder, gas)
        receipt.txn_hash = mined["transactionHash"]
        return receipt

    def _call(self, codec: Function, address: str, data: bytes, sender: str, value: int) -> bytes:
        request, block = _request(address, data, sender, value), {"time": hex(self._now)}
        return bytes.fromhex(self.rpc("eth_call", request, "latest", {}, block)[2:])

    def _send(self, request: dict[str, Any]) -> dict[str, Any]:
        self.rpc("evm_setNextBlockTimestamp", self._now)
        txn_hash = self.rpc("eth_sendTransaction", {**request, "gas": hex(GAS_LIMIT)})
        for attempt in range(2_000):
            mined: dict[str, Any] | None = self.rpc("eth_getTransactionReceipt", txn_hash)
            if mined is not None:
                break
            time.sleep(0 if attempt < 20 else 0.005)
        else:
            raise RuntimeError("the node did not mine a transaction within ten seconds")
        self._now += 1
        if int(mined["status"], 16) != 1:
            self.rpc("eth_call", request, "latest")
            raise RuntimeError(f"transaction {txn_hash} failed on the node")
        return mined

    def trace(self, txn_hash: str) -> dict[str, Any]:
        """The tree of calls of a transaction, with the gas of each."""
        options = {"tracer": "callTracer", "tracerConfig": {"withLog": False}}
        found: dict[str, Any] = self.rpc("debug_traceTransaction", txn_hash, options)
        return found

    def steps(self, txn_hash: str) -> list[dict[str, Any]]:
        """Every instruction of a transaction: `depth`, `op`, `gasCost`, `refund`."""
        options = {"disableStorage": True, "disableStack": True}
        found: list[dict[str, Any]] = self.rpc("debug_traceTransaction", txn_hash, options)[
            "structLogs"
        ]
        return found

    # ------------------------------------------------------------ snapshots

    def snapshot(self) -> int:
        """Remember the state and the time; valid until an older snapshot is restored."""
        identifier = len(self._snapshots) + 1
        self._snapshots[identifier] = (self.rpc("evm_snapshot"), self._now)
        return identifier

    def restore(self, snapshot: int) -> None:
        """Go back; this snapshot stays and may be restored again."""
        node_id, now = self._snapshots[snapshot]
        if not self.rpc("evm_revert", node_id):
            raise LookupError(f"snapshot {snapshot} is gone")
        self._snapshots[snapshot] = (self.rpc("evm_snapshot"), now)
        self._now = now


def _request(to: str | None, data: bytes, sender: str, value: int) -> dict[str, Any]:
    request = {"from": sender, "data": "0x" + data.hex(), "value": hex(value)}
    return request if to is None else {**request, "to": to}


@contextlib.contextmanager
def anvil(hardfork: str = "prague", steps: bool = False) -> Iterator[NodeHost]:
    """An anvil on a free port for as long as the context lasts.

    steps  keep every instruction of every transaction for `NodeHost.steps`
    """
    options = ["--hardfork", hardfork, "--timestamp", str(GENESIS_TIME), "--auto-impersonate"]
    with running(*options, *(["--steps-tracing"] if steps else [])) as url:
        yield NodeHost(url)
