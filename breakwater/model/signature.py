"""Signatures of typed data: EIP-712 digests and who signed them."""

from __future__ import annotations

from functools import lru_cache

from eth_keys import keys  # type: ignore[attr-defined]
from eth_utils.crypto import keccak

from breakwater.abi import address_bytes
from breakwater.model.chain import ZERO_ADDRESS

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@lru_cache(maxsize=256)
def domain(name: str, version: str, chain_id: int, contract: str) -> bytes:
    """The separator of a contract's signatures."""
    kind = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    return hashed(kind, bytes(keccak(text=name)), bytes(keccak(text=version)), chain_id, contract)


def hashed(kind: str, *values: int | str | bytes) -> bytes:
    """Hash of a struct: its type, then numbers, addresses and words of 32 bytes."""
    parts = [value if isinstance(value, bytes) else _word(value) for value in values]
    return bytes(keccak(bytes(keccak(text=kind)) + b"".join(parts)))


def digest(separator: bytes, message: bytes) -> bytes:
    """What is signed."""
    return bytes(keccak(b"\x19\x01" + separator + message))


@lru_cache(maxsize=1_024)
def ecrecover(digest: bytes, v: int, r: int, s: int) -> str:
    """Who signed, as the precompile says: the zero address where nobody can have. High s counts."""
    if v not in (27, 28) or not 0 < r < CURVE_ORDER or not 0 < s < CURVE_ORDER:
        return ZERO_ADDRESS
    try:
        key = keys.Signature(vrs=(v - 27, r, s)).recover_public_key_from_msg_hash(digest)
    except Exception:  # r is on no point of the curve: backends tell it in their own ways
        return ZERO_ADDRESS
    return str(key.to_checksum_address())


def _word(value: int | str) -> bytes:
    if isinstance(value, int):
        return value.to_bytes(32, "big")
    return address_bytes(value).rjust(32, b"\0")
