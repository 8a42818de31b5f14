"""An anvil of our own, driven by plain JSON-RPC: hundreds of transactions a second, real gas."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Any

from breakwater import artifacts
from breakwater.abi import Interface, checksum
from breakwater.errors import UserError
from breakwater.host import (
    Abi,
    Labels,
    LogDecoder,
    Receipt,
    Reverted,
    code_bytes,
    decode_reason,
    interface_of,
)

ANVIL = artifacts.ROOT / "node_modules" / ".bin" / "anvil"
GENESIS_TIME = 1_700_000_000
"""Fixed, so that a run gives the same bytes, and the same gas, as the one before."""

GAS_LIMIT = 16_000_000
_START_TIMEOUT = 30
_LISTENING = re.compile(r"Listening on 127\.0\.0\.1:(\d+)")
_NOBODY = "0x0000000000000000000000000000000000000000"


class NodeHost:
    """Contracts on an anvil by JSON-RPC; see `breakwater.host` for what every host does.

    Unlike `ApeHost` it tries nothing before sending, and every transaction has a gas limit.
    """

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._ids = 0
        self._labels = Labels()
        self._decoder = LogDecoder()
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

    def deploy(self, name: str, *args: Any, sender: str, value: int = 0) -> str:
        """Deploy one of the project's contracts; its checksummed address."""
        return self._create(interface_of(name), artifacts.load(name).bytecode, args, sender, value)

    def deploy_raw(
        self,
        abi: Abi,
        bytecode: bytes | str,
        args: Sequence[Any] = (),
        *,
        sender: str,
        value: int = 0,
    ) -> str:
        """Deploy foreign creation code; its checksummed address."""
        return self._create(interface_of(abi), code_bytes(bytecode), args, sender, value)

    def register(self, address: str, abi_or_name: Abi | str) -> None:
        """Decode logs of `address` by this interface."""
        self._decoder.add(checksum(address), interface_of(abi_or_name))

    def _create(
        self, interface: Interface, code: bytes, args: Sequence[Any], sender: str, value: int
    ) -> str:
        data = code + interface.encode_constructor(args)
        mined = self._send({"from": sender, "data": "0x" + data.hex(), "value": hex(value)})
        address = checksum(mined["contractAddress"])
        self._decoder.add(address, interface)
        return address

    def transact(
        self,
        address: str,
        abi_or_name: Abi | str,
        function: str,
        args: Sequence[Any] = (),
        *,
        sender: str,
        value: int = 0,
    ) -> Receipt:
        """Call a function and keep what it changed. The receipt has no returned value."""
        codec = interface_of(abi_or_name).function(function, len(args))
        request = {
            "from": sender,
            "to": address,
            "data": "0x" + codec.encode(args).hex(),
            "value": hex(value),
        }
        mined = self._send(request)
        logs = [
            (log["address"], [bytes.fromhex(t[2:]) for t in log["topics"]], log["data"])
            for log in mined["logs"]
        ]
        receipt = Receipt(
            None,
            b"",
            lambda: [(at, topics, bytes.fromhex(data[2:])) for at, topics, data in logs],
            self._decoder,
            int(mined["gasUsed"], 16),
        )
        receipt.txn_hash = mined["transactionHash"]
        return receipt

    def call(
        self,
        address: str,
        abi_or_name: Abi | str,
        function: str,
        args: Sequence[Any] = (),
        *,
        sender: str | None = None,
        value: int = 0,
    ) -> Any:
        """What a function would return in the next block, decoded. Raises Reverted."""
        codec = interface_of(abi_or_name).function(function, len(args))
        request = {
            "from": sender or _NOBODY,
            "to": address,
            "data": "0x" + codec.encode(args).hex(),
            "value": hex(value),
        }
        block = {"time": hex(self._now)}
        return codec.decode(bytes.fromhex(self.rpc("eth_call", request, "latest", {}, block)[2:]))

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


@contextlib.contextmanager
def anvil(hardfork: str = "prague", steps: bool = False) -> Iterator[NodeHost]:
    """An anvil on a free port for as long as the context lasts.

    steps  keep every instruction of every transaction for `NodeHost.steps`
    """
    if not ANVIL.exists():
        raise UserError("anvil is not installed: run `make node`")
    process = subprocess.Popen(
        [
            str(ANVIL),
            *("--hardfork", hardfork),
            *("--port", "0"),
            *("--timestamp", str(GENESIS_TIME)),
            "--auto-impersonate",
            *(["--steps-tracing"] if steps else []),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # the command is a wrapper: its child must end with it
    )
    try:
        yield NodeHost(_port(process))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _port(process: subprocess.Popen[str]) -> int:
    """The port anvil says it listens on."""
    import threading

    assert process.stdout is not None
    timer = threading.Timer(_START_TIMEOUT, process.kill)
    timer.start()
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            match = _LISTENING.search(line)
            if match is not None:
                break
        else:
            raise UserError("anvil did not start:\n" + "".join(said[-20:]))
    finally:
        timer.cancel()
    # keep its pipe empty: a full one would stop it
    threading.Thread(target=lambda: [None for _ in process.stdout or ()], daemon=True).start()
    return int(match[1])
