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
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from breakwater import artifacts
from breakwater.abi import Interface, checksum
from breakwater.errors import UserError
from breakwater.host import (
    HALT,
    Abi,
    Labels,
    LogDecoder,
    RawLog,
    Receipt,
    Reverted,
    code_bytes,
    decode_reason,
    interface_of,
    refuse_snapshot,
)

if TYPE_CHECKING:
    from ape.api import ProviderAPI

FUNDS = 10**24
"""Wei that a made-up labelled account starts with, on anvil."""

_TESTER_PREFIX = "execution reverted: "
_NOBODY = "0x0000000000000000000000000000000000000000"
_HALTS = (
    "OutOfGas",
    "out of gas",
    "InvalidFEOpcode",
    "invalid opcode",
    "Invalid opcode",
    "StateChange",
)


class ApeHost:
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
        self._labels = Labels(self._test_accounts)
        self._decoder = LogDecoder()
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

    @property
    def accounts(self) -> dict[str, str]:
        """Addresses by label, in the order they were first asked for."""
        return dict(self._labels.known)

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

    # ------------------------------------------------------------ deployment

    def deploy(self, name: str, *args: Any, sender: str, value: int = 0) -> str:
        """Deploy one of the project's contracts; its checksummed address."""
        artifact = artifacts.load(name)
        return self._create(
            interface_of(name), artifact.abi, artifact.bytecode, args, sender, value, artifact
        )

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
        code = code_bytes(bytecode)
        return self._create(interface_of(abi), abi, code, args, sender, value, None)

    def register(self, address: str, abi_or_name: Abi | str) -> None:
        """Decode logs of `address` by this interface, and tell ape its type."""
        address = checksum(address)
        self._decoder.add(address, interface_of(abi_or_name))
        if isinstance(abi_or_name, str):
            artifact = artifacts.load(abi_or_name)
            self._tell_ape(address, artifact.abi, artifact)
        else:
            self._tell_ape(address, abi_or_name, None)

    def _create(
        self,
        interface: Interface,
        abi: Abi,
        code: bytes,
        args: Sequence[Any],
        sender: str,
        value: int,
        artifact: artifacts.Artifact | None,
    ) -> str:
        request = self._request(None, code + interface.encode_constructor(args), sender, value)
        self._try(request)
        receipt = self._send(request)
        address = checksum(str(receipt["contractAddress"]))
        self._decoder.add(address, interface)
        self._tell_ape(address, abi, artifact)
        return address

    def _tell_ape(self, address: str, abi: Abi, artifact: artifacts.Artifact | None) -> None:
        from ethpm_types import ContractType

        fields: dict[str, Any] = {"abi": list(abi), "contractName": "Foreign"}
        if artifact is not None:
            fields = {
                "abi": artifact.abi,
                "contractName": artifact.name,
                "sourceId": artifact.source_id,
                "deploymentBytecode": {"bytecode": "0x" + artifact.bytecode.hex()},
                "runtimeBytecode": {"bytecode": "0x" + artifact.deployed.hex()},
            }
        self._ape.chain.contracts[address] = ContractType.model_validate(fields)

    def contract(self, address: str) -> Any:
        """Ape's own object for a deployed contract, for traces and interactive use."""
        return self._ape.Contract(address)

    # ------------------------------------------------------------ calls

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
        """Call a function and keep what it changed. Raises Reverted, and then nothing changed."""
        codec = interface_of(abi_or_name).function(function, len(args))
        request = self._request(address, codec.encode(args), sender, value)
        output = self._try(request)
        mined = self._send(request)
        logs = mined["logs"]
        receipt = Receipt(
            codec, output, lambda: [_raw_log(log) for log in logs], self._decoder, mined["gasUsed"]
        )
        receipt.txn_hash = "0x" + bytes(mined["transactionHash"]).hex()
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
        """What a function would return in the pending block, decoded. Raises Reverted."""
        codec = interface_of(abi_or_name).function(function, len(args))
        request = self._request(address, codec.encode(args), sender or _NOBODY, value)
        return codec.decode(self._try(request))

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
        if request["from"] == _NOBODY and not self._anvil:
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
            raise RuntimeError("a transaction failed on the node that had passed as a call")
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
        self._snapshots.append((identifier, self._ape.chain.snapshot(), self._now))
        return identifier

    def restore(self, snapshot: int) -> None:
        """Go back; later snapshots are dropped, this one stays and may be restored again."""
        for index in range(len(self._snapshots) - 1, -1, -1):
            if self._snapshots[index][0] == snapshot:
                break
        else:
            refuse_snapshot(snapshot)
        _, node_id, now = self._snapshots[index]
        del self._snapshots[index:]
        self._ape.chain.restore(node_id)
        self._now = now
        self._set_time(now)
        self._snapshots.append((snapshot, self._ape.chain.snapshot(), now))


_MINED_SINGLY = (
    16  # empty blocks with a timestamp set for each; beyond, the node mines them in one go
)


def _raw_log(log: Any) -> RawLog:
    topics = [bytes(topic) for topic in log["topics"]]
    data = log["data"]
    raw = bytes.fromhex(data.removeprefix("0x")) if isinstance(data, str) else bytes(data)
    return str(log["address"]), topics, raw


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
