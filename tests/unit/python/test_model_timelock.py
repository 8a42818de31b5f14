"""The model of the timelock beside the contract, and what it owns."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from breakwater.host import interface_of
from breakwater.model.timelock import ADMIN, CANCELLER, EXECUTOR, PROPOSER
from breakwater.units import MAX_UINT256
from tests.market import ZERO
from tests.unit.python.risk_world import Both

pytestmark = pytest.mark.usefixtures("check_rounding")


class Delayed(Both):
    """A timelock, and what it owns."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        owner, other = self.roles["owner"], self.roles["other"]
        self.lock = self.deploy("Timelock", 100, [owner], [other], owner)
        self.breaker = self.deploy("CircuitBreaker", self.lock, owner)
        self.risk = self.deploy("RiskEngine", self.breaker, self.lock, ZERO)
        self.roles["lock"] = self.lock
        self.known: list[tuple[bool, tuple[Any, ...], bytes]] = []
        """Whether a batch, arguments of its execution, id."""

    def some_call(self) -> tuple[str, int, bytes]:
        rng = self.rng

        def data(name: str, function: str, *args: Any) -> bytes:
            return interface_of(name).function(function, len(args)).encode(args)

        address = rng.choice(list(self.roles.values()))
        role = rng.choice([ADMIN, PROPOSER, EXECUTOR, CANCELLER, b"\1" * 32])
        amount = 1 if rng.random() < 0.05 else 0
        target, payload = rng.choice([
            (self.breaker, data("CircuitBreaker", "set_guardian", address)),
            (self.breaker, data("CircuitBreaker", "connect", self.risk, self.breaker)),
            (self.breaker, data("CircuitBreaker", "transfer_ownership", ZERO)),
            (self.risk, data("RiskEngine", "set_configurator", rng.choice([address, ZERO]))),
            (self.risk, data("RiskEngine", "quote", address)),
            (self.risk, data("RiskEngine", "set_breaker", address)[:20]),
            (self.risk, b""),
            (self.risk, b"\1\2\3\4"),
            (self.lock, b""),
            (self.lock, data("Timelock", "update_delay", rng.choice([0, 50, 100, 1_000]))),
            (self.lock, data("Timelock", "grantRole", role, address)),
            (self.lock, data("Timelock", "revokeRole", EXECUTOR, ZERO)),
            (address, b"\1" * rng.choice([0, 5, 1_024])),
        ])  # fmt: skip
        return target, amount, payload

    def some_operation(self) -> tuple[bool, tuple[Any, ...], bytes]:
        rng = self.rng
        before = rng.choice([bytes(32)] * 12 + [id for _, _, id in self.known[-3:]] + [b"\7" * 32])
        salt = rng.choice([bytes(32), rng.randbytes(32)])
        if rng.random() < 0.6:
            args = (*self.some_call(), before, salt)
            return False, args, self.run("other", self.lock, "hash_operation", *args)
        calls = [self.some_call() for _ in range(rng.choice([0, 1, 2, 3]))]
        parts = tuple(list(part) for part in zip(*calls, strict=True)) or ([], [], [])
        if rng.random() < 0.1:
            parts[1].append(0)
        args = (*parts, before, salt)
        return True, args, self.run("other", self.lock, "hash_operation_batch", *args)

    def some_step(self) -> None:
        rng = self.rng
        who = rng.choice(["owner", "owner", "owner", "other", "other", "guardian"])
        what = rng.random()
        if what < 0.4 or not self.known:
            operation = self.some_operation() if rng.random() < 0.95 else rng.choice(
                self.known or [self.some_operation()])  # fmt: skip
            self.known.append(operation)
            is_batch, args, _ = operation
            delay = rng.choice([100, 100, 100, 1_000, 1_000, 99, MAX_UINT256])
            self.run(who, self.lock, "schedule_batch" if is_batch else "schedule", *args, delay)
        elif what < 0.9:
            is_batch, args, _ = rng.choice(self.known[-4:])
            who = rng.choice(["other"] * 4 + [who])
            self.run(who, self.lock, "execute_batch" if is_batch else "execute", *args)
        elif what < 0.93:
            self.run(who, self.lock, "cancel", rng.choice(self.known)[2])
        elif what < 0.97:
            role = rng.choice([ADMIN, PROPOSER, EXECUTOR, CANCELLER])
            account = rng.choice([*self.roles.values(), ZERO])
            change = rng.choice(["grantRole", "grantRole", "revokeRole", "renounceRole"])
            if (role, change) != (ADMIN, "revokeRole"):
                self.run(who, self.lock, change, role, account)
        else:
            self.run(who, self.lock, "set_role_admin", CANCELLER, rng.choice([ADMIN, PROPOSER]))
            self.run(who, self.lock, "update_delay", 1)
        id = self.known[-1][2]
        for view in ("get_operation_state", "is_operation", "is_operation_pending", "get_timestamp",
                     "is_operation_ready", "is_operation_done"):  # fmt: skip
            self.run("other", self.lock, view, id)
        self.host.advance(rng.choice([0, 1, 50, 99, 100, 101, 1_000]))


def test_model__timelock():
    reasons: Counter[tuple[str, str | None]] = Counter()
    for seed in range(5):
        both = Delayed(seed)
        for _ in range(200):
            both.some_step()
        reasons += both.reasons
    lock, zero = both.lock, bytes(32)
    for function in ("DEFAULT_ADMIN_ROLE", "PROPOSER_ROLE", "EXECUTOR_ROLE", "CANCELLER_ROLE",
                     "IERC721_TOKENRECEIVER_SELECTOR", "IERC1155_TOKENRECEIVER_SINGLE_SELECTOR",
                     "IERC1155_TOKENRECEIVER_BATCH_SELECTOR", "get_minimum_delay"):  # fmt: skip
        both.run("other", lock, function)
    for id in ("01ffc9a7", "7965db0b", "4e2312e0", "ffffffff"):
        both.run("other", lock, "supportsInterface", bytes.fromhex(id))
    both.run("other", lock, "getRoleAdmin", CANCELLER)
    both.run("other", lock, "onERC721Received", lock, lock, 1, b"data")
    both.run("other", lock, "onERC1155Received", lock, lock, 1, 1, b"data")
    both.run("other", lock, "onERC1155BatchReceived", lock, lock, [1], [1], b"data" * 400)
    both.run("owner", lock, "schedule", lock, 0, b"1" * 1_025, zero, zero, 1_000)
    both.check()
    reasons += both.reasons
    prefix = "timelock_controller: "
    assert {reason for _, reason in reasons if reason} >= {
        prefix + "operation already scheduled", prefix + "insufficient delay",
        prefix + "operation cannot be cancelled", prefix + "operation is not ready",
        prefix + "missing dependency", prefix + "length mismatch",
        prefix + "underlying transaction reverted", prefix + "caller must be timelock",
        "access_control: account is missing role", "configurator is zero",
        "access_control: can only renounce roles for itself", "already connected",
    }  # fmt: skip
    assert reasons["execute", None] > 20
