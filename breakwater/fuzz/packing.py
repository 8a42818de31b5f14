"""Call data in whole words."""

from __future__ import annotations

from typing import Final

ZERO: Final = bytes(32)


class Words(dict[str, bytes]):
    """Names as words of call data; what is written out in hexadecimal needs no name."""

    def __missing__(self, key: str) -> bytes:
        return bytes.fromhex(key[2:]).rjust(32, b"\0")


def sized(data: bytes) -> bytes:
    """Length and bytes."""
    return len(data).to_bytes(32, "big") + data + bytes(-len(data) % 32)


def written(text: str) -> bytes:
    """Length and bytes of what is written in hexadecimal."""
    return ZERO if text == "0x" else sized(bytes.fromhex(text[2:]))
