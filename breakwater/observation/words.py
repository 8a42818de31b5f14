"""How the contracts store what they know: bits of words, and slots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from eth_utils.crypto import keccak

DEBT: Final = 128
"""Bit of a leg's tag that says it is a debt."""

M32: Final = 2**32 - 1
M40: Final = 2**40 - 1
M64: Final = 2**64 - 1
M96: Final = 2**96 - 1
M104: Final = 2**104 - 1
M112: Final = 2**112 - 1
M127: Final = 2**127 - 1
M128: Final = 2**128 - 1
M160: Final = 2**160 - 1
M256: Final = 2**256 - 1
_UNTIL: Final = 2**34 - 1


def ceil_div(x: int, y: int) -> int:
    """x / y for natural numbers, rounded up."""
    return -(-x // y)


def bits(word: int, at: int, width: int) -> int:
    """`width` bits of a word, from bit `at` on."""
    return (word >> at) & ((1 << width) - 1)


Words = tuple[int, int, int, int]


def legs(words: Sequence[int]) -> list[tuple[int, int]]:
    """(tag, amount) of each leg of an account, in order."""
    found = []
    for i in range(8):
        word = words[i >> 1]
        tag = bits(word, 208 + 8 * (i & 1), 8)
        if tag == 0:
            break
        found.append((tag, bits(word, 104 * (i & 1), 104)))
    return found


def stamp(block: int) -> int:
    """What a word bears when one of its legs raised risk in `block`."""
    return 1 + block % (2**20 - 1)


def stamps(words: Sequence[int]) -> list[int]:
    """Stamps of the used words: of the block in which a leg last raised risk; 0: never."""
    return [bits(word, 224, 20) for word in words if word]


def decoded(code: int) -> int:
    """The amount of a cap or of a least debt that is stored in 24 bits: mantissa and exponent."""
    return (code & 65_535) << (code >> 16)


SENSORS: Final = (0, 1, 2, 4, 5)
"""Latches of the circuit breaker that no person holds, in the order of its reasons."""


def latched(word: int, reason: int) -> tuple[int, int]:
    """Level of a latch of the circuit breaker, and until when [unix seconds]."""
    latch = word >> 36 * reason
    return latch >> 34 & 3, latch & _UNTIL


def mapped(slot: int, key: str | bytes) -> int:
    """Slot of a key's value in a mapping at `slot`."""
    raw = bytes.fromhex(key.removeprefix("0x")) if isinstance(key, str) else key
    return int.from_bytes(keccak(slot.to_bytes(32, "big") + raw.rjust(32, b"\0")), "big")
