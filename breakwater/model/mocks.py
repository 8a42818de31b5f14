"""Models of the mocks that call: lists of calls, and what is called back in mid-liquidation.

Calls are kept as call data, so they are decoded by the ABI of whom they reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from breakwater.model.calls import FLASH_CALLBACK, MAX_ANSWER, must_call, raw_call
from breakwater.model.chain import Chain, Contract, Refused, Word, view
from breakwater.model.tokens import text_words
from breakwater.units import MAX_UINT256


class CallerMock(Contract):
    """Makes a list of calls as itself; takes every other call."""

    NAME = "CallerMock"
    LOCKS = False
    HAS_DEFAULT = True

    def run(self, sender: str, calls: Sequence[tuple[str, bytes]]) -> None:
        """Every call must succeed."""
        for target, data in calls:
            must_call(self.chain, self.address, target, data)

    def attempt(self, sender: str, target: str, data: bytes, gas_limit: int) -> tuple[bool, bytes]:
        """One call that may fail. A limit of gas is not modelled."""
        ok, answer = raw_call(self.chain, self.address, target, data)
        return ok, answer[:MAX_ANSWER]

    def on_liquidate(self, sender: str, *args: Any) -> None:
        """Falls to the default, which does nothing."""


class FlashBorrowerMock(Contract):
    """Takes flash loans and liquidates; runs a list of calls whenever it is called back."""

    NAME = "FlashBorrowerMock"
    LOCKS = False

    def __init__(self, chain: Chain, address: str) -> None:
        super().__init__(chain, address)
        self.put(FLASH_CALLBACK, "magic")

    def set_calls(
        self, sender: str, calls: Sequence[tuple[str, bytes, bool]], magic: bytes
    ) -> None:
        """What to call, and what a flash loan's callback returns."""
        if len(calls) > 8 or any(len(data) > 2_048 for _, data, _ in calls):
            raise Refused()
        self.put(tuple(tuple(call) for call in calls), "calls")
        self.put(magic, "magic")

    def execute(self, sender: str, target: str, data: bytes) -> bytes:
        """One call that must succeed."""
        if len(data) > 2_048:
            raise Refused()
        return must_call(self.chain, self.address, target, data)[:MAX_ANSWER]

    def onFlashLoan(
        self, sender: str, initiator: str, token: str, amount: int, fee: int, data: bytes
    ) -> bytes:
        """The calls; then the magic word."""
        kinds = ["address", "address", "uint256", "uint256", "bytes"]
        self.put(bytes(keccak(encode(kinds, [initiator, token, amount, fee, data]))), "last")
        self._run()
        return bytes(self.get("magic"))

    def on_liquidate(
        self,
        sender: str,
        account: bytes,
        debt_asset: str,
        repay: int,
        collateral: str,
        seized: int,
        data: bytes,
    ) -> None:
        """The calls."""
        kinds = ["bytes32", "address", "uint256", "address", "uint256", "bytes"]
        values = [account, debt_asset, repay, collateral, seized, data]
        self.put(bytes(keccak(encode(kinds, values))), "last")
        self._run()

    def _run(self) -> None:
        self.put((), "results")
        for target, data, must in self.get("calls", default=()):
            ok, answer = raw_call(self.chain, self.address, target, data)
            self.put(answer[:MAX_ANSWER], "answer")
            if must and not ok:
                raise Refused("call failed")
            results = self.get("results")  # a call may have run the list once more
            if len(results) == 8:
                raise Refused()
            self.put((*results, ok), "results")

    def magic(self, sender: str) -> bytes:
        """What a flash loan's callback returns."""
        return bytes(self.get("magic"))

    def results(self, sender: str, index: int) -> bool:
        """Whether a call of the last callback passed."""
        found = self.get("results", default=())
        if index >= len(found):
            raise Refused()
        return bool(found[index])

    def answer(self, sender: str) -> bytes:
        """What the last call returned."""
        return bytes(self.get("answer", default=b""))

    def last(self, sender: str) -> bytes:
        """Hash of what the last callback was told."""
        return bytes(self.get("last", default=bytes(32)))

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """All but the list of calls itself, which only `set_calls` writes."""
        value = self.get(name, *keys, default=None)
        if name in ("magic", "last"):
            yield Word(name, keys, int.from_bytes(value or b"", "big"))
        elif name == "results":
            yield Word(name, (0,), len(value or ()))
            for i, ok in enumerate(value or ()):
                yield Word(name, (1 + i,), int(ok))
        elif name == "answer":
            yield from text_words(name, value or b"")
        elif name != "calls":
            yield from super().words(name, keys)


class FlashReceiverMock(Contract):
    """Looks at a flash loan and does nothing."""

    NAME = "FlashReceiverMock"
    LOCKS = False

    def __init__(self, chain: Chain, address: str, token: str, lender: str) -> None:
        super().__init__(chain, address)
        self.token = token
        chain.call(address, token, "approve", (lender, MAX_UINT256))

    @view
    def onFlashLoan(
        self, sender: str, initiator: str, token: str, amount: int, fee: int, data: bytes
    ) -> bytes:
        """The magic word, for a loan of somebody else's that is as it was promised."""
        if initiator == self.address or token != self.token or amount <= fee or data:
            raise Refused()
        return FLASH_CALLBACK
