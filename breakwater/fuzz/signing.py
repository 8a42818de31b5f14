"""Signatures of the roles that have a key."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from breakwater.fuzz.profiles import ROLES

_SIGNERS = ROLES[:10]


def sign_permit(
    role: str, separator: bytes, message: tuple[str, str, int, int, int]
) -> tuple[int, bytes, bytes]:
    """v, r, s of a role that has a key over owner, spender, value, nonce, deadline.

    Others sign nothing: zeros, which no contract may take for a signature.
    """
    kind = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
    raw = _signed(role, separator, kind, message)
    return raw[64], raw[:32], raw[32:64]


def sign_operator(role: str, separator: bytes, message: Sequence[Any]) -> bytes:
    """r, s, v of a role that has a key over the fields of SetOperator; zeros of another."""
    kind = (
        "SetOperator(bytes32 account,address operator,address asset,uint256 actions,"
        "uint256 amount,uint256 expiry,uint256 nonce,uint256 deadline)"
    )
    return _signed(role, separator, kind, tuple(message))


@lru_cache(maxsize=10_000)
def _signed(role: str, separator: bytes, kind: str, message: tuple[Any, ...]) -> bytes:
    """r, s, v over an EIP-712 message of words."""
    if role not in _SIGNERS:
        return bytes(64) + b"\x1b"
    from eth_utils.crypto import keccak

    struct = _hash(kind) + b"".join(_word(part) for part in message)
    digest = keccak(b"\x19\x01" + separator + keccak(struct))
    raw = _key(_SIGNERS.index(role)).sign_recoverable(digest, hasher=None)
    return bytes(raw[:64]) + bytes([27 + raw[64]])


@cache
def _hash(text: str) -> bytes:
    from eth_utils.crypto import keccak

    return bytes(keccak(text=text))


def _word(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    number = int(value, 16) if isinstance(value, str) else value
    return int(number).to_bytes(32, "big")


_keys: dict[int, Any] = {}


def _key(index: int) -> Any:
    """A key of the well-known development mnemonic."""
    if index not in _keys:
        from coincurve import PrivateKey
        from eth_account import Account

        Account.enable_unaudited_hdwallet_features()
        account = Account.from_mnemonic(
            "test test test test test test test test test test test junk",
            account_path=f"m/44'/60'/0'/0/{index}",
        )
        _keys[index] = PrivateKey(bytes(account.key))
    return _keys[index]
