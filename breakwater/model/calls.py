"""Calls by encoded call data between models: what `raw_call` does in the mocks that call out.

Whom the data calls, and with which arguments, tells the ABI of the contract that its model names. A
model with HAS_DEFAULT takes every other call as well.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from breakwater.abi import Function
from breakwater.host import interface_of
from breakwater.model.chain import Chain, Contract, Refused

FLASH_CALLBACK = bytes(keccak(text="ERC3156FlashBorrower.onFlashLoan"))
"""What the receiver of a flash loan returns."""

MAX_ANSWER = 512
"""Bytes that the mocks keep of what a call returned."""

_ERROR = bytes.fromhex("08c379a0")


@lru_cache(maxsize=256)
def _functions(name: str) -> dict[bytes, Function]:
    return {one.selector: one for one in interface_of(name).functions.values()}


def raw_call(chain: Chain, sender: str, target: str, data: bytes) -> tuple[bool, bytes]:
    """Whether the call succeeds, and what it returns or why it reverts, as bytes.

    A call to an address without code succeeds and returns nothing.
    """
    contract = chain.contracts.get(target)
    if contract is None:
        return True, b""
    try:
        with chain.undone_if_refused():
            return True, _answer(chain, sender, contract, data)
    except Refused as refused:
        return False, error(refused.reason)


def must_call(chain: Chain, sender: str, target: str, data: bytes) -> bytes:
    """What the call returns; refused with the very reason of the call."""
    contract = chain.contracts.get(target)
    return b"" if contract is None else _answer(chain, sender, contract, data)


def _answer(chain: Chain, sender: str, contract: Contract, data: bytes) -> bytes:
    function = _functions(contract.NAME).get(data[:4])
    if function is None:
        if getattr(contract, "HAS_DEFAULT", False):
            return b""
        raise Refused()
    try:
        args = function.inputs.decode(data[4:])
    except Exception:  # whatever the codec says of bad data, the contract says nothing
        raise Refused() from None
    return returned(function, chain.call(sender, contract.address, function.name, args))


def returned(function: Function, value: Any) -> bytes:
    """A model's value as return data. None is none at all; a truth value where the ABI has bytes is
    the raw word of a token that returns raw words.
    """
    if value is None or not function.outputs.entries:
        return b""
    if function.outputs.types == ["bytes"] and isinstance(value, bool):
        return int(value).to_bytes(32, "big")
    return function.outputs.encode((value,) if len(function.outputs.entries) == 1 else value)


def error(reason: str) -> bytes:
    """Revert data of a reason, empty for none."""
    return _ERROR + bytes(encode(["string"], [reason])) if reason else b""
