"""Model of the `Timelock`: roles, and operations that wait. It holds no native coins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from breakwater.abi import address_bytes
from breakwater.host import decode_reason
from breakwater.model.calls import raw_call
from breakwater.model.chain import ZERO_ADDRESS, Chain, Contract, Refused, Word
from breakwater.units import MAX_UINT256

ADMIN = bytes(32)
PROPOSER = bytes(keccak(text="PROPOSER_ROLE"))
EXECUTOR = bytes(keccak(text="EXECUTOR_ROLE"))
CANCELLER = bytes(keccak(text="CANCELLER_ROLE"))
NOTHING = bytes(32)
"""No predecessor, no salt."""

UNSET, WAITING, READY, DONE = 1, 2, 4, 8
"""States of an operation, as the ABI has them."""
DONE_TIME = 1
"""In place of the time of an operation that was executed."""

MAX_PAYLOAD = 1_024
MAX_CALLS = 255
INTERFACES = tuple(bytes.fromhex(one) for one in ("01ffc9a7", "7965db0b", "4e2312e0"))
ERC721, ERC1155, ERC1155_BATCH = (
    bytes.fromhex(one) for one in ("150b7a02", "f23a6e61", "bc197c81")
)

Call = tuple[str, int, bytes]
"""Target, native coins, call data."""


class Timelock(Contract):
    """Owner of everything else. Its calls may come back to it, so it has no lock."""

    NAME = "Timelock"
    LOCKS = False
    HAS_DEFAULT = True

    def __init__(
        self,
        chain: Chain,
        address: str,
        minimum_delay: int,
        proposers: Sequence[str],
        executors: Sequence[str],
        admin: str,
    ) -> None:
        super().__init__(chain, address)
        self.put(True, "hasRole", ADMIN, address)
        if admin != ZERO_ADDRESS:
            self.put(True, "hasRole", ADMIN, admin)
        for proposer in proposers:
            self.put(True, "hasRole", PROPOSER, proposer)
            self.put(True, "hasRole", CANCELLER, proposer)
        for executor in executors:
            self.put(True, "hasRole", EXECUTOR, executor)
        self.put(minimum_delay, "get_minimum_delay")

    # ------------------------------------------------------------ operations

    def schedule(
        self,
        sender: str,
        target: str,
        amount: int,
        payload: bytes,
        predecessor: bytes,
        salt: bytes,
        delay: int,
    ) -> None:
        """One call, to be made after `delay` seconds."""
        _check_payloads([payload])
        self._check_role(PROPOSER, sender)
        id = self.hash_operation(sender, target, amount, payload, predecessor, salt)
        self._schedule(id, [(target, amount, payload)], predecessor, salt, delay)

    def schedule_batch(
        self,
        sender: str,
        targets: Sequence[str],
        amounts: Sequence[int],
        payloads: Sequence[bytes],
        predecessor: bytes,
        salt: bytes,
        delay: int,
    ) -> None:
        """Several, to be made at once."""
        _check_batch(targets, amounts, payloads)
        self._check_role(PROPOSER, sender)
        calls = _calls(targets, amounts, payloads)
        id = self.hash_operation_batch(sender, targets, amounts, payloads, predecessor, salt)
        self._schedule(id, calls, predecessor, salt, delay)

    def cancel(self, sender: str, id: bytes) -> None:
        """What is not yet executed."""
        self._check_role(CANCELLER, sender)
        if not self.is_operation_pending(sender, id):
            raise Refused("timelock_controller: operation cannot be cancelled")
        self.put(0, "get_timestamp", id)
        self.emit("Cancelled", id=id)

    def execute(
        self, sender: str, target: str, amount: int, payload: bytes, predecessor: bytes, salt: bytes
    ) -> None:
        """What has waited long enough, after its predecessor."""
        _check_payloads([payload])
        self._check_executor(sender)
        id = self.hash_operation(sender, target, amount, payload, predecessor, salt)
        self._execute(id, [(target, amount, payload)], predecessor)

    def execute_batch(
        self,
        sender: str,
        targets: Sequence[str],
        amounts: Sequence[int],
        payloads: Sequence[bytes],
        predecessor: bytes,
        salt: bytes,
    ) -> None:
        """All calls or none."""
        _check_batch(targets, amounts, payloads)
        self._check_executor(sender)
        calls = _calls(targets, amounts, payloads)
        id = self.hash_operation_batch(sender, targets, amounts, payloads, predecessor, salt)
        self._execute(id, calls, predecessor)

    def update_delay(self, sender: str, new_delay: int) -> None:
        """By the timelock itself."""
        if sender != self.address:
            raise Refused("timelock_controller: caller must be timelock")
        old = self.get("get_minimum_delay")
        self.emit("MinimumDelayChange", old_duration=old, new_duration=new_delay)
        self.put(new_delay, "get_minimum_delay")

    def _schedule(
        self, id: bytes, calls: Sequence[Call], predecessor: bytes, salt: bytes, delay: int
    ) -> None:
        if self._state(id) != UNSET:
            raise Refused("timelock_controller: operation already scheduled")
        if delay < self.get("get_minimum_delay"):
            raise Refused("timelock_controller: insufficient delay")
        time = self.chain.now + delay
        if time > MAX_UINT256:
            raise Refused()
        self.put(time, "get_timestamp", id)
        for index, (target, amount, payload) in enumerate(calls):
            self.emit(
                "CallScheduled",
                id=id,
                index=index,
                target=target,
                amount=amount,
                payload=payload,
                predecessor=predecessor,
                delay=delay,
            )
        if salt != NOTHING:
            self.emit("CallSalt", id=id, salt=salt)

    def _execute(self, id: bytes, calls: Sequence[Call], predecessor: bytes) -> None:
        self._check_ready(id)
        if predecessor != NOTHING and self._state(predecessor) != DONE:
            raise Refused("timelock_controller: missing dependency")
        for index, (target, amount, payload) in enumerate(calls):
            succeeded, answer = False, b""
            if amount == 0:
                succeeded, answer = raw_call(self.chain, self.address, target, payload)
            if not succeeded:
                unsaid = "timelock_controller: underlying transaction reverted"
                raise Refused(decode_reason(answer) or unsaid)
            self.emit(
                "CallExecuted", id=id, index=index, target=target, amount=amount, payload=payload
            )
        self._check_ready(id)
        self.put(DONE_TIME, "get_timestamp", id)

    # ------------------------------------------------------------ roles

    def grantRole(self, sender: str, role: bytes, account: str) -> None:
        """By the role's admin."""
        self._check_role(self.getRoleAdmin(sender, role), sender)
        if not self.hasRole(sender, role, account):
            self.put(True, "hasRole", role, account)
            self.emit("RoleGranted", role=role, account=account, sender=sender)

    def revokeRole(self, sender: str, role: bytes, account: str) -> None:
        """By the role's admin."""
        self._check_role(self.getRoleAdmin(sender, role), sender)
        self._revoke(sender, role, account)

    def renounceRole(self, sender: str, role: bytes, account: str) -> None:
        """By who has it."""
        if account != sender:
            raise Refused("access_control: can only renounce roles for itself")
        self._revoke(sender, role, account)

    def set_role_admin(self, sender: str, role: bytes, admin_role: bytes) -> None:
        """By the role's admin until now."""
        old = self.getRoleAdmin(sender, role)
        self._check_role(old, sender)
        self.put(admin_role, "getRoleAdmin", role)
        self.emit("RoleAdminChanged", role=role, previousAdminRole=old, newAdminRole=admin_role)

    def _revoke(self, sender: str, role: bytes, account: str) -> None:
        if self.hasRole(sender, role, account):
            self.put(False, "hasRole", role, account)
            self.emit("RoleRevoked", role=role, account=account, sender=sender)

    def _check_role(self, role: bytes, account: str) -> None:
        if not self.hasRole(account, role, account):
            raise Refused("access_control: account is missing role")

    def _check_executor(self, sender: str) -> None:
        """Anyone where the zero address has the role."""
        if not self.hasRole(sender, EXECUTOR, ZERO_ADDRESS):
            self._check_role(EXECUTOR, sender)

    # ------------------------------------------------------------ views

    def get_timestamp(self, sender: str, id: bytes) -> int:
        """When an operation is ready; 1 once it is done."""
        return int(self.get("get_timestamp", id))

    def get_minimum_delay(self, sender: str) -> int:
        """[seconds]"""
        return int(self.get("get_minimum_delay"))

    def get_operation_state(self, sender: str, id: bytes) -> int:
        """As a flag."""
        return self._state(id)

    def is_operation(self, sender: str, id: bytes) -> bool:
        """Scheduled or done."""
        return self._state(id) != UNSET

    def is_operation_pending(self, sender: str, id: bytes) -> bool:
        """Scheduled."""
        return self._state(id) in (WAITING, READY)

    def is_operation_ready(self, sender: str, id: bytes) -> bool:
        """Has waited long enough."""
        return self._state(id) == READY

    def is_operation_done(self, sender: str, id: bytes) -> bool:
        """Executed."""
        return self._state(id) == DONE

    def hash_operation(
        self, sender: str, target: str, amount: int, payload: bytes, predecessor: bytes, salt: bytes
    ) -> bytes:
        """Identifier of one call."""
        _check_payloads([payload])
        types = ["address", "uint256", "bytes", "bytes32", "bytes32"]
        values = [address_bytes(target), amount, payload, predecessor, salt]
        return bytes(keccak(encode(types, values)))

    def hash_operation_batch(
        self,
        sender: str,
        targets: Sequence[str],
        amounts: Sequence[int],
        payloads: Sequence[bytes],
        predecessor: bytes,
        salt: bytes,
    ) -> bytes:
        """Identifier of several calls."""
        _check_batch(targets, amounts, payloads)
        types = ["address[]", "uint256[]", "bytes[]", "bytes32", "bytes32"]
        plain = [address_bytes(target) for target in targets]
        return bytes(
            keccak(encode(types, [plain, list(amounts), list(payloads), predecessor, salt]))
        )

    def hasRole(self, sender: str, role: bytes, account: str) -> bool:
        """Whether an account has a role."""
        return bool(self.get("hasRole", role, account, default=False))

    def getRoleAdmin(self, sender: str, role: bytes) -> bytes:
        """The role that administers a role."""
        found: bytes = self.get("getRoleAdmin", role, default=ADMIN)
        return found

    def supportsInterface(self, sender: str, interface_id: bytes) -> bool:
        """ERC-165."""
        return interface_id in INTERFACES

    def DEFAULT_ADMIN_ROLE(self, sender: str) -> bytes:
        """Administers every role unless another is set."""
        return ADMIN

    def PROPOSER_ROLE(self, sender: str) -> bytes:
        """Who schedules."""
        return PROPOSER

    def EXECUTOR_ROLE(self, sender: str) -> bytes:
        """Who executes."""
        return EXECUTOR

    def CANCELLER_ROLE(self, sender: str) -> bytes:
        """Who cancels."""
        return CANCELLER

    def onERC721Received(
        self, sender: str, operator: str, owner: str, token_id: int, data: bytes
    ) -> bytes:
        """Takes every token."""
        _check_payloads([data])
        return ERC721

    def onERC1155Received(
        self, sender: str, operator: str, owner: str, id: int, amount: int, data: bytes
    ) -> bytes:
        """Takes every token."""
        _check_payloads([data])
        return ERC1155

    def onERC1155BatchReceived(
        self,
        sender: str,
        operator: str,
        owner: str,
        ids: Sequence[int],
        amounts: Sequence[int],
        data: bytes,
    ) -> bytes:
        """Takes every token."""
        _check_payloads([data])
        return ERC1155_BATCH

    def IERC721_TOKENRECEIVER_SELECTOR(self, sender: str) -> bytes:
        """What the receipt of a token is answered with."""
        return ERC721

    def IERC1155_TOKENRECEIVER_SINGLE_SELECTOR(self, sender: str) -> bytes:
        """What the receipt of a token is answered with."""
        return ERC1155

    def IERC1155_TOKENRECEIVER_BATCH_SELECTOR(self, sender: str) -> bytes:
        """What the receipt of tokens is answered with."""
        return ERC1155_BATCH

    def _state(self, id: bytes) -> int:
        time = self.get("get_timestamp", id)
        if time == 0:
            return UNSET
        if time == DONE_TIME:
            return DONE
        return WAITING if time > self.chain.now else READY

    def _check_ready(self, id: bytes) -> None:
        if self._state(id) != READY:
            raise Refused("timelock_controller: operation is not ready")

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """A word each."""
        value = self.get(name, *keys)
        if name == "getRoleAdmin":
            yield Word(name, keys, int.from_bytes(value or b"", "big"))
        elif name in ("hasRole", "get_timestamp", "get_minimum_delay"):
            yield Word(name, keys, int(value))
        else:
            yield from super().words(name, keys)


def _calls(targets: Sequence[str], amounts: Sequence[int], payloads: Sequence[bytes]) -> list[Call]:
    if not len(targets) == len(amounts) == len(payloads):
        raise Refused("timelock_controller: length mismatch")
    return list(zip(targets, amounts, payloads, strict=True))


def _check_payloads(payloads: Sequence[bytes]) -> None:
    """Longer ones do not decode."""
    if any(len(payload) > MAX_PAYLOAD for payload in payloads):
        raise Refused()


def _check_batch(targets: Sequence[str], amounts: Sequence[int], payloads: Sequence[bytes]) -> None:
    if max(len(targets), len(amounts), len(payloads)) > MAX_CALLS:
        raise Refused()
    _check_payloads(payloads)
