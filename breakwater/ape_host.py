"""`ApeHost`: contracts on a node through eth-ape, behind the same interface as `EvmHost`.

Works on ape's in-process provider (`ethereum:local:test`) and on anvil (`ethereum:local:foundry`);
the provider must be connected. Contracts come from `breakwater.artifacts`, never from ape's project
cache, so that both hosts run the same bytes; ape is told each contract's type, so its traces are
readable.

Every transaction is tried as a call in the pending block first: that gives the returned value,
which no node reports, and a refused call takes no block, as on `EvmHost`. Each one that passes is
mined in a block of its own; `EvmHost(block_per_transaction=True)` counts in the same way. Logs,
reverts, time and block numbers then agree; native balances do not (a node charges gas).
"""

from __future__ import annotations

import ast
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from breakwater import artifacts
from breakwater.abi import Function, checksum
from breakwater.errors import UserError
from breakwater.host import (
    HALT,
    NOBODY,
    Abi,
    Host,
    Labels,
    RawLog,
    Receipt,
    Reverted,
    decode_reason,
    place_of,
    raw_log,
)

if TYPE_CHECKING:
    from ape.api import ProviderAPI

FUNDS = 10**24
"""Wei that a made-up labelled account starts with, on anvil."""

_TESTER_PREFIX = "execution reverted: "
_HALTS = (
    "OutOfGas",
    "out of gas",
    "InvalidFEOpcode",
    "invalid opcode",
    "Invalid opcode",
    "StateChange",
)


class FailedOnNode(RuntimeError):
    """A transaction that had passed as a call: the chain moved in between, by somebody else's."""


class Done(NamedTuple):
    """What came of a transaction that passed."""

    output: bytes
    raw_logs: Callable[[], Iterable[RawLog]]
    gas_used: int
    txn_hash: str
    created: str
    """Address of the contract that it deployed, if it deployed one."""


@contextlib.contextmanager
def connected(network: str, url: str | None = None) -> Iterator[ProviderAPI]:
    """Ape's provider of a network, by ape's name for it; of the anvil at `url` where one is given.

    UserError when ape cannot use it.
    """
    before = os.environ.get("APE_FOUNDRY_HOST")
    settings = {}
    if url is not None:
        os.environ["APE_FOUNDRY_HOST"] = url
        settings = {"provider_settings": {"host": url}, "disconnect_after": True}
    try:
        with own_signals():
            import ape
            from ape.exceptions import ApeException
            from ape.logging import logger

            logger.set_level("WARNING")
            try:
                context = ape.networks.parse_network_choice(network, **settings)
                provider = context.__enter__()
            except ApeException as error:
                # the rest is a list of all that ape knows
                why = str(error).partition(" Options:")[0]
                raise UserError(
                    f"{network} cannot be used: {why} A local node is ethereum:local:foundry"
                ) from None
        try:
            yield provider
        finally:
            context.__exit__(None, None, None)
    finally:
        if url is not None:
            if before is None:
                os.environ.pop("APE_FOUNDRY_HOST", None)
            else:
                os.environ["APE_FOUNDRY_HOST"] = before


@contextlib.contextmanager
def own_signals() -> Iterator[None]:
    """Keep the handlers there were: ape and its providers put their own in their place."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class ApeHost(Host):
    """A node's chain. See `breakwater.host` for what every host does.

    Time never lags behind the chain's: at least one second passes with each block, so `advance`
    moves `now` by at least as many seconds as blocks.
    """

    def __init__(self, provider: ProviderAPI | None = None, *, seconds_per_block: int = 1) -> None:
        import ape

        if seconds_per_block < 1:
            raise ValueError("a node needs at least a second for each block")
        if provider is None:
            provider = ape.networks.active_provider
        if provider is None:
            raise UserError("no network is connected: use `ape run --network ...`")
        self._ape = ape
        self._provider: Any = provider
        self._web3: Any = self._provider.web3
        self._anvil = provider.name == "foundry"
        if not self._anvil and provider.name != "test":
            raise UserError(f"only local networks can be driven, not the provider {provider.name}")
        self.chain_id = int(provider.chain_id)
        self._step = seconds_per_block
        self._gas = min(30_000_000, int(self._web3.eth.get_block("latest")["gasLimit"]))
        self._test_accounts = [str(account.address) for account in ape.accounts.test_accounts]
        super().__init__(Labels(self._test_accounts))
        self._snapshots: list[tuple[int, Any, int]] = []
        self._next_snapshot = 1
        self._now = 0
        self._sync_time()

    # ------------------------------------------------------------ time

    @property
    def now(self) -> int:
        """Timestamp the next transaction sees, in UTC seconds."""
        return self._now

    @property
    def block(self) -> int:
        """Number of the block the next transaction is in."""
        return int(self._web3.eth.block_number) + 1

    def advance(self, seconds: int, blocks: int = 1) -> None:
        """Move `block` by `blocks`, and `now` by `seconds` or `blocks`, whichever is more."""
        if seconds < 0 or blocks < 0:
            raise ValueError("time does not go back")
        target = self._now + max(seconds, blocks)
        if blocks:
            # Empty blocks take the time that is left to them evenly; the last is before `target`.
            for index in range(min(blocks, _MINED_SINGLY)):
                self._set_time(self._now + index)
                self._mine(1)
            if blocks > _MINED_SINGLY:
                self._mine(blocks - _MINED_SINGLY)
        self._now = target
        self._set_time(target)

    def _mine(self, count: int) -> None:
        if self._anvil:
            self._provider.make_request("anvil_mine", [hex(count), "0x1"])
        else:
            self._provider.tester.ethereum_tester.mine_blocks(count)

    def _set_time(self, timestamp: int) -> None:
        """Give the pending block this timestamp."""
        if self._anvil:
            self._provider.make_request("evm_setNextBlockTimestamp", [timestamp])
            return
        # The tester's own time travel would mine a block.
        chain = self._provider.tester.backend.chain
        chain.header = chain.header.copy(timestamp=timestamp)

    def _sync_time(self) -> None:
        """Continue from the chain's own time."""
        latest = int(self._web3.eth.get_block("latest")["timestamp"])
        self._now = max(self._now, latest + self._step)
        self._set_time(self._now)

    # ------------------------------------------------------------ accounts and state

    def account(self, label: str) -> str:
        """Address of a funded sender, the same for the same label.

        UserError when the in-process provider has no test account left for a new label.
        """
        address, new = self._labels.get(label)
        if new and address not in self._test_accounts:
            if not self._anvil:
                raise UserError(f"no test account is left for {label}: raise number_of_accounts")
            self.fund(address)
        return address

    def fund(self, address: str, amount: int = FUNDS) -> None:
        """Set the native coins of any address, in wei. On anvil only."""
        self._provider.make_request("anvil_setBalance", [address, hex(amount)])

    def code(self, address: str) -> bytes:
        """Runtime code, empty where there is none."""
        return bytes(self._web3.eth.get_code(address))

    def storage(self, address: str, slot: int) -> int:
        """The word at a storage slot."""
        return int.from_bytes(bytes(self._web3.eth.get_storage_at(address, slot)), "big")

    def balance(self, address: str) -> int:
        """Native coins, in wei."""
        return int(self._web3.eth.get_balance(address))

    # ------------------------------------------------------------ deployment and calls

    def register(self, address: str, abi_or_name: Abi | str) -> None:
        """Decode logs of `address` by this interface, and tell ape its type."""
        from ethpm_types import ContractType

        address = checksum(address)
        super().register(address, abi_or_name)
        if isinstance(abi_or_name, str):
            artifact = artifacts.load(abi_or_name)
            fields: dict[str, Any] = {
                "abi": artifact.abi,
                "contractName": artifact.name,
                "sourceId": artifact.source_id,
                "deploymentBytecode": {"bytecode": "0x" + artifact.bytecode.hex()},
                "runtimeBytecode": {"bytecode": "0x" + artifact.deployed.hex()},
            }
        else:
            fields = {"abi": list(abi_or_name), "contractName": "Foreign"}
        self._ape.chain.contracts[address] = ContractType.model_validate(fields)

    def _create(self, data: bytes, sender: str, value: int) -> str:
        return checksum(self._run(self._request(None, data, sender, value)).created)

    def _transact(
        self, codec: Function, address: str, data: bytes, sender: str, value: int
    ) -> Receipt:
        done = self._run(self._request(address, data, sender, value))
        receipt = Receipt(codec, done.output, done.raw_logs, self._decoder, done.gas_used)
        receipt.txn_hash = done.txn_hash
        return receipt

    def _call(self, codec: Function, address: str, data: bytes, sender: str, value: int) -> bytes:
        return self._try(self._request(address, data, sender, value))

    def _run(self, request: dict[str, Any]) -> Done:
        """Make a transaction of a request. Raises Reverted."""
        output = self._try(request)
        mined = self._send(request)
        return Done(
            output,
            lambda: [raw_log(log) for log in mined["logs"]],
            mined["gasUsed"],
            "0x" + bytes(mined["transactionHash"]).hex(),
            str(mined["contractAddress"]),
        )

    @property
    def web3(self) -> Any:
        """The node, for what no contract tells."""
        return self._web3

    def read(self, address: str, data: bytes, gas: int) -> bytes:
        """What a call of a view returns that takes more gas than a transaction may."""
        request = self._request(address, data, NOBODY, 0)
        return self._try({**request, "gas": gas})

    def read_many(self, calls: Sequence[tuple[str, bytes]]) -> list[bytes]:
        """What calls of views return, by address and data, all in one request to the node. Raises
        Reverted for the first that a contract refuses.
        """
        requests = [
            ("eth_call", [{"to": address, "data": "0x" + data.hex()}, "pending"])
            for address, data in calls
        ]
        if not requests:
            return []
        answers = self._web3.provider.make_batch_request(requests)
        if not isinstance(answers, list) or len(answers) != len(calls):
            raise ConnectionError("the node did not answer every call of a request")
        found = []
        for answer in answers:
            if "error" in answer:
                raise _failure(RuntimeError(answer["error"], str(answer["error"])))
            found.append(bytes.fromhex(answer["result"][2:]))
        return found

    def send(self, address: str, data: bytes, gas: int, *, sender: str, wait: bool = True) -> None:
        """Send without trying it as a call first, on anvil: for thousands of transactions that are
        known to pass. Several share a block as far as `gas` allows. With `wait` this one must pass.
        """
        request = self._request(address, data, sender, 0)
        request["value"], request["gas"] = "0x0", hex(gas)
        txn_hash = self._provider.make_request("eth_sendTransaction", [request])
        if wait and self._wait(txn_hash)["status"] != 1:
            raise RuntimeError("a transaction failed on the node")

    def contract(self, address: str) -> Any:
        """Ape's own object for a deployed contract, for traces and interactive use."""
        return self._ape.Contract(address)

    def trace(self, receipt: Receipt) -> Any:
        """Ape's trace of a transaction (anvil only): `host.trace(receipt).show()`."""
        if receipt.txn_hash is None:
            raise UserError("this receipt is not of a node's transaction")
        return self._provider.get_transaction_trace(receipt.txn_hash)

    def _request(self, to: str | None, data: bytes, sender: str, value: int) -> dict[str, Any]:
        request: dict[str, Any] = {
            "from": checksum(sender),
            "data": "0x" + data.hex(),
            "value": value,
            "gas": self._gas,
        }
        if to is not None:
            request["to"] = checksum(to)
        return request

    def _try(self, request: dict[str, Any]) -> bytes:
        """Run a request in the pending block without keeping anything."""
        request = dict(request)
        if request["from"] == NOBODY and not self._anvil:
            request["from"] = self._test_accounts[0]
        if not self._anvil:
            request["maxFeePerGas"] = self._fee()
            request["maxPriorityFeePerGas"] = 0
        try:
            return bytes(self._web3.eth.call(request, "pending"))
        except Exception as error:
            raise _failure(error) from None

    def _fee(self) -> int:
        blocks = (self._web3.eth.get_block("latest"), self._web3.eth.get_block("pending"))
        return 2 * max(int(block.get("baseFeePerGas", 0)) for block in blocks)

    def _send(self, request: dict[str, Any]) -> Any:
        """Mine a request that is known to pass in a block of its own; its raw receipt."""
        request = dict(request)
        self._set_time(self._now)
        if self._anvil:
            request["value"] = hex(request["value"])
            request["gas"] = hex(request["gas"])
            sender = request["from"]
            unlock = sender not in self._test_accounts
            if unlock:
                self._provider.make_request("anvil_impersonateAccount", [sender])
            txn_hash = self._provider.make_request("eth_sendTransaction", [request])
        else:
            request["maxFeePerGas"] = self._fee()
            request["maxPriorityFeePerGas"] = 0
            txn_hash = self._web3.eth.send_transaction(request)
        receipt = self._wait(txn_hash)
        if receipt["status"] != 1:
            raise FailedOnNode("a transaction failed on the node that had passed as a call")
        self._now += self._step
        self._set_time(self._now)
        return receipt

    def _wait(self, txn_hash: Any) -> Any:
        from web3.exceptions import TransactionNotFound

        for attempt in range(2_000):
            try:
                return self._web3.eth.get_transaction_receipt(txn_hash)
            except TransactionNotFound:
                time.sleep(0 if attempt < 5 else 0.005)
        raise RuntimeError("the node did not mine a transaction within ten seconds")

    # ------------------------------------------------------------ snapshots

    def snapshot(self) -> int:
        """Remember the state and the time; valid until an older snapshot is restored."""
        identifier = self._next_snapshot
        self._next_snapshot += 1
        self._snapshots.append((identifier, self._ape.chain.provider.snapshot(), self._now))
        return identifier

    def restore(self, snapshot: int) -> None:
        """Go back; later snapshots are dropped, this one stays and may be restored again."""
        index = place_of(snapshot, self._snapshots)
        _, node_id, now = self._snapshots[index]
        del self._snapshots[index:]
        # not through ape's list of snapshots, which is one for all nodes of a chain id
        chain = self._ape.chain
        chain.provider.restore(node_id)
        chain.history.revert_to_block(chain.blocks.height)
        self._now = now
        self._set_time(now)
        self._snapshots.append((snapshot, chain.provider.snapshot(), now))


_MINED_SINGLY = (
    16  # empty blocks with a timestamp set for each; beyond, the node mines them in one go
)


def _failure(error: Exception) -> Exception:
    """Reverted for what the contract refused; the error itself for anything else."""
    data = _revert_data(error) or _tester_data(error)
    text = " ".join(str(part) for part in error.args) or str(error)
    if isinstance(data, str):
        return Reverted(data)
    if data:
        return Reverted(decode_reason(data), data)
    if any(word in text for word in _HALTS):
        return Reverted(HALT, detail=text)
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"TransactionFailed", "ContractLogicError"} or "revert" in text.lower():
        return Reverted("")
    return error


def _revert_data(error: Exception) -> bytes | None:
    """Revert data in an exception of web3 or of the in-process tester."""
    for candidate in (getattr(error, "data", None), *error.args):
        if isinstance(candidate, dict):
            candidate = candidate.get("data")
        if isinstance(candidate, bytes | bytearray):
            return bytes(candidate)
        if isinstance(candidate, str) and candidate.startswith("0x"):
            try:
                return bytes.fromhex(candidate[2:])
            except ValueError:
                continue
    return None


def _tester_data(error: Exception) -> bytes | str | None:
    """What the in-process tester keeps of revert data: the reason, or the text of the bytes."""
    text = str(error.args[0]) if error.args else ""
    if not text.startswith(_TESTER_PREFIX):
        return None
    rest = text.removeprefix(_TESTER_PREFIX)
    if rest.startswith(("b'", 'b"')):
        raw = ast.literal_eval(rest)
        return raw if isinstance(raw, bytes) else None
    return rest
