"""`EvmHost`: contracts on an EVM inside this process (pyrevm), tens of thousands of calls a second.

What pyrevm does not do by itself is done here: it never ends a transaction, so transient storage is
cleared before each call; it uses a checkpoint up when reverting to it, so a new one is taken; it
gives revert data as text only, so that is parsed; and gas read from it is too low (slots stay
warm), so receipts carry none. One host serves one thread; run several processes for more.
"""

from __future__ import annotations

import os
import re
from typing import Any

import pyrevm

from breakwater.abi import Function, checksum
from breakwater.host import HALT, Host, RawLog, Receipt, Reverted, decode_reason, place_of

FUNDS = 10**24
"""Wei that a labelled account starts with."""

GAS_LIMIT = 2**62
"""Gas of one call: no practical limit. Budgets are measured on a node."""

GENESIS_TIME = 1_700_000_000

_REVERT = re.compile(r"^Revert \{ gas_used: \d+, output: 0x(?P<data>[0-9a-f]*) \}$")
_HALT = re.compile(r"^Halt \{ reason: (?P<reason>.+), gas_used: \d+ \}$")
_ACCOUNT = re.compile(
    r"(?P<address>0x[0-9a-f]{40}): Account \{ info: .*? storage: \{(?P<storage>.*?)\}, status:",
    re.DOTALL,
)
_WORD = re.compile(
    r"(\d+): StorageSlot \{ previous_or_original_value: \d+, present_value: (\d+) \}"
)
_PADDING = bytes(33)  # what pyrevm appends to the code of every contract


class EvmHost(Host):
    """A chain inside this process. See `breakwater.host` for what every host does.

    By default time and block number stand still until `advance`: many transactions share a block.
    With `block_per_transaction` each one is followed by a new block `seconds_per_block` later, as
    on a node.
    """

    def __new__(cls, *args: Any, **settings: Any) -> EvmHost:
        """With BREAKWATER_COVERAGE in the environment, a host that keeps what it ran."""
        if cls is EvmHost and os.environ.get("BREAKWATER_COVERAGE"):
            from breakwater.coverage.host import CoverageHost

            return object.__new__(CoverageHost)
        return object.__new__(cls)

    def __init__(
        self,
        *,
        timestamp: int = GENESIS_TIME,
        block: int = 1,
        chain_id: int = 31_337,
        block_per_transaction: bool = False,
        seconds_per_block: int = 1,
        code_size_limit: int | None = None,
    ) -> None:
        """`code_size_limit` [bytes]: None for the limit that chains have."""
        super().__init__()
        self.chain_id = chain_id
        self._evm = pyrevm.EVM(
            env=pyrevm.Env(
                cfg=pyrevm.CfgEnv(chain_id=chain_id, limit_contract_code_size=code_size_limit)
            ),
            gas_limit=GAS_LIMIT,
            spec_id="CANCUN",
        )
        self._now = timestamp
        self._block = block
        self._block_env = pyrevm.BlockEnv(
            basefee=0, gas_limit=GAS_LIMIT, prevrandao=bytes(32), excess_blob_gas=0
        )
        self._per_transaction = block_per_transaction
        self._seconds_per_block = seconds_per_block
        self._snapshots: list[tuple[int, Any, int, int, str | None]] = []
        self._next_snapshot = 1
        self._newest: str | None = None
        self._set_block()

    # ------------------------------------------------------------ time

    @property
    def now(self) -> int:
        """Timestamp the next transaction sees, in UTC seconds."""
        return self._now

    @property
    def block(self) -> int:
        """Number of the block the next transaction is in."""
        return self._block

    def advance(self, seconds: int, blocks: int = 1) -> None:
        """Move `now` by `seconds` and `block` by `blocks`.

        With `block_per_transaction` at least a second passes with each block, as on a node.
        """
        if seconds < 0 or blocks < 0:
            raise ValueError("time does not go back")
        if self._per_transaction:
            seconds = max(seconds, blocks)
        self._now += seconds
        self._block += blocks
        self._set_block()

    def _set_block(self) -> None:
        block = self._block_env
        block.number, block.timestamp = self._block, self._now  # type: ignore[misc]
        self._evm.set_block_env(block)

    def _after_transaction(self) -> None:
        if self._per_transaction:
            self.advance(self._seconds_per_block, 1)

    # ------------------------------------------------------------ accounts and state

    def account(self, label: str) -> str:
        """Address of a funded sender, the same for the same label."""
        address, new = self._labels.get(label)
        if new:
            self._evm.set_balance(address, FUNDS)
        return address

    def fund(self, address: str, amount: int = FUNDS) -> None:
        """Set the native coins of any address, in wei."""
        self._evm.set_balance(address, amount)

    def code(self, address: str) -> bytes:
        """Runtime code, empty where there is none."""
        code = bytes(self._evm.get_code(address) or b"")
        return code[: -len(_PADDING)] if code.endswith(_PADDING) else code

    def storage(self, address: str, slot: int) -> int:
        """The word at a storage slot."""
        return int(self._evm.storage(address, slot))

    def stored(self) -> dict[str, dict[int, int]]:
        """Every word of storage that was read or written, by address and slot. Slow: it is read
        from the text of the EVM's journal.
        """
        found: dict[str, dict[int, int]] = {}
        for account in _ACCOUNT.finditer(self._evm.journal_str):
            words = {int(slot): int(value) for slot, value in _WORD.findall(account["storage"])}
            found[checksum(account["address"])] = words
        return found

    def balance(self, address: str) -> int:
        """Native coins, in wei."""
        return int(self._evm.get_balance(address))

    # ------------------------------------------------------------ deployment and calls

    def _create(self, data: bytes, sender: str, value: int) -> str:
        self._evm.reset_transient_storage()
        try:
            address = checksum(self._evm.deploy(sender, data, value))
        except RuntimeError as error:
            raise self._failed(error) from None
        self._newest = address
        self._after_transaction()
        return address

    def _transact(
        self, codec: Function, address: str, data: bytes, sender: str, value: int
    ) -> Receipt:
        evm = self._evm
        evm.reset_transient_storage()
        try:
            output = evm.message_call(sender, address, data, value)
        except RuntimeError as error:
            raise self._failed(error) from None
        result = evm.result
        receipt = Receipt(codec, output, lambda: _raw_logs(result), self._decoder, None)
        self._after_transaction()
        return receipt

    def attempt(self, sender: str, address: str, data: bytes) -> str | None:
        """Make a call for what it does. None, or what the EVM says of its refusal. Time stands
        still. For whoever makes very many: nothing is decoded.
        """
        evm = self._evm
        evm.reset_transient_storage()
        try:
            evm.message_call(sender, address, data)
        except RuntimeError as error:
            return str(error)
        return None

    def _call(self, codec: Function, address: str, data: bytes, sender: str, value: int) -> bytes:
        """A view runs as a static call. Another function runs in full and is undone."""
        evm = self._evm
        evm.reset_transient_storage()
        try:
            if codec.reads_only:
                return self._read(sender, address, data)
            checkpoint = evm.snapshot()
            try:
                return bytes(evm.message_call(sender, address, data, value))
            finally:
                self._before_undo()
                evm.revert(checkpoint)
        except RuntimeError as error:
            raise self._failed(error) from None

    # What `breakwater.coverage.host` does in another way.

    def _read(self, caller: str, address: str, data: bytes) -> bytes:
        return bytes(self._evm.message_call(caller, address, data, is_static=True))

    def _before_undo(self) -> None:
        pass

    def _failed(self, error: RuntimeError) -> Exception:
        return _failure(error)

    # ------------------------------------------------------------ snapshots

    def snapshot(self) -> int:
        """Remember the state and the time; valid until an older snapshot is restored."""
        identifier = self._next_snapshot
        self._next_snapshot += 1
        self._snapshots.append(
            (identifier, self._evm.snapshot(), self._now, self._block, self._newest)
        )
        return identifier

    def restore(self, snapshot: int) -> None:
        """Go back; later snapshots are dropped, this one stays and may be restored again.

        LookupError when it was dropped. RuntimeError when the EVM lost its state, which must not
        happen.
        """
        index = place_of(snapshot, self._snapshots)
        _, checkpoint, now, block, newest = self._snapshots[index]
        self._before_undo()
        # Later checkpoints go first, newest to oldest: each is used up while it is still alive.
        for later in reversed(self._snapshots[index + 1 :]):
            self._evm.revert(later[1])
        self._evm.revert(checkpoint)
        del self._snapshots[index:]
        if newest is not None and not self._evm.get_code(newest):
            raise RuntimeError("the EVM lost its state on restoring a snapshot")
        self._newest = newest
        if (now, block) != (self._now, self._block):
            self._now, self._block = now, block
            self._set_block()
        self._snapshots.append((snapshot, self._evm.snapshot(), now, block, newest))

    def release(self) -> None:
        """Forget every snapshot and keep the present state for good.

        The EVM's journal is not folded away: pyrevm's `commit` without a checkpoint breaks every
        later call, and frees nothing.
        """
        self._snapshots.clear()


def _raw_logs(result: Any) -> list[RawLog]:
    found = []
    for log in result.logs:
        topics, data = log.data
        found.append((log.address, [bytes(topic) for topic in topics], bytes(data)))
    return found


def _failure(error: RuntimeError) -> Exception:
    """Reverted for what the contract refused; the error itself for an invalid transaction."""
    text = str(error)
    match = _REVERT.match(text)
    if match is not None:
        data = bytes.fromhex(match["data"])
        return Reverted(decode_reason(data), data)
    match = _HALT.match(text)
    if match is not None:
        return Reverted(HALT, detail=match["reason"])
    return RuntimeError(f"the EVM refused the transaction: {text}")
