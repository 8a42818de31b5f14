"""The project's own ABI encoder beside eth-abi, on random types."""

from __future__ import annotations

import random
from typing import Any

import pytest
from eth_abi.abi import encode

from breakwater.abi import AbiError, Parameters

KINDS = ("uint256", "uint8", "int128", "bool", "address", "bytes32", "bytes", "string", "tuple")


class Draw:
    """Types, and values of them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def entry(self, depth: int = 0) -> dict[str, Any]:
        kind = self.random.choice(KINDS if depth < 3 else KINDS[:-1])
        found: dict[str, Any] = {"name": "x"}
        if kind == "tuple":
            found["components"] = [self.entry(depth + 1) for _ in range(self.random.randint(1, 3))]
        arrays = self.random.choices(["[]", "[2]", "[1]"], k=self.random.choice([0, 0, 0, 1, 1, 2]))
        found["type"] = kind + "".join(arrays)
        return found

    def value(self, entry: dict[str, Any]) -> Any:
        kind, draw = entry["type"], self.random
        if kind.endswith("]"):
            cut = kind.rindex("[")
            count = int(kind[cut + 1 : -1] or draw.randrange(4))
            return [self.value({**entry, "type": kind[:cut]}) for _ in range(count)]
        if kind == "tuple":
            return tuple(self.value(part) for part in entry["components"])
        return {
            "uint256": draw.getrandbits(256),
            "uint8": draw.getrandbits(8),
            "int128": draw.getrandbits(128) - 2**127,
            "bool": draw.random() < 0.5,
            "address": "0x" + draw.randbytes(20).hex(),
            "bytes32": draw.randbytes(32),
            "bytes": draw.randbytes(draw.choice([0, 1, 31, 32, 33, 70])),
            "string": "".join(draw.choices("aé✓ ", k=draw.randrange(40))),
        }[kind]


def test_encode__as_eth_abi() -> None:
    draw = Draw(1)
    for _ in range(1_000):
        entries = [draw.entry() for _ in range(draw.random.randrange(5))]
        values = [draw.value(entry) for entry in entries]
        codec = Parameters(entries)
        assert codec.encode(values) == encode(codec.types, values), codec.types


@pytest.mark.parametrize(
    ("kind", "value"),
    [("bytes", 5), ("bytes", "0xzz"), ("string", b"a"), ("uint8[]", [256]), ("uint8[]", 1),
     ("bytes[2]", [b""])],
)  # fmt: skip
def test_encode__value_of_another_type(kind: str, value: Any) -> None:
    with pytest.raises(AbiError):
        Parameters([{"type": kind}]).encode([value])


def test_encode__another_number_of_values() -> None:
    with pytest.raises(AbiError, match="1 values expected, not 2"):
        Parameters([{"type": "bytes"}]).encode([b"", b""])
