"""ABI codecs, built once for each function and event.

Arguments are packed by hand, forty times faster than by the general codec. So are values read whose
types are all static (integers, addresses, booleans, fixed bytes, and tuples or fixed arrays of
them); the rest is read by eth-abi.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from eth_abi.abi import decode as _abi_decode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

Encoder = Callable[[Any], bytes]
Decoder = Callable[[bytes], Any]

_SHAPE = re.compile(r"^(?P<base>.*?)(?P<array>(\[\d*\])*)$")
_ZERO12 = bytes(12)


class AbiError(TypeError, ValueError):
    """Arguments that do not fit a function: a mistake of the caller, never a revert."""


@lru_cache(maxsize=65_536)
def checksum_bytes(address: bytes) -> str:
    """The checksummed text of 20 bytes."""
    return str(to_checksum_address(address))


def checksum(address: str | bytes) -> str:
    """The checksummed text of an address in any writing. AbiError when it is none."""
    return checksum_bytes(address_bytes(address))


def created(creator: str, nonce: int) -> str:
    """Address of the contract that another one creates with a nonce; its first is 1."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    coded = number if nonce < 0x80 else bytes([0x80 + len(number)]) + number
    body = b"\x94" + address_bytes(creator) + coded
    return checksum_bytes(bytes(keccak(bytes([0xC0 + len(body)]) + body))[12:])


@lru_cache(maxsize=65_536)
def _address_bytes(address: str) -> bytes:
    try:
        raw = bytes.fromhex(address.removeprefix("0x"))
    except ValueError:
        raise AbiError(f"not an address: {address!r}") from None
    if len(raw) != 20:
        raise AbiError(f"not an address: {address!r}")
    return raw


def address_bytes(address: Any) -> bytes:
    """20 bytes of an address given as text, bytes, or an object with an `address`."""
    if isinstance(address, str):
        return _address_bytes(address)
    if isinstance(address, bytes | bytearray) and len(address) == 20:
        return bytes(address)
    inner = getattr(address, "address", None)
    if isinstance(inner, str):
        return _address_bytes(inner)
    raise AbiError(f"not an address: {address!r}")


def type_string(entry: dict[str, Any]) -> str:
    """The canonical type of an ABI parameter, with tuples spelled out."""
    kind = str(entry["type"])
    if kind.startswith("tuple"):
        inner = ",".join(type_string(part) for part in entry.get("components", []))
        return f"({inner}){kind[5:]}"
    return kind


# ---------------------------------------------------------------- static types


def _encode_uint(bits: int) -> Encoder:
    limit = 1 << bits

    def encode(value: Any) -> bytes:
        if not isinstance(value, int) or not 0 <= value < limit:
            raise AbiError(f"not a uint{bits}: {value!r}")
        return value.to_bytes(32, "big")

    return encode


def _encode_int(bits: int) -> Encoder:
    limit = 1 << (bits - 1)

    def encode(value: Any) -> bytes:
        if not isinstance(value, int) or not -limit <= value < limit:
            raise AbiError(f"not an int{bits}: {value!r}")
        return value.to_bytes(32, "big", signed=True)

    return encode


def _encode_bool(value: Any) -> bytes:
    if not isinstance(value, bool):
        raise AbiError(f"not a bool: {value!r}")
    return b"\x01".rjust(32, b"\0") if value else bytes(32)


def _encode_address(value: Any) -> bytes:
    return _ZERO12 + address_bytes(value)


def _encode_fixed_bytes(size: int) -> Encoder:
    def encode(value: Any) -> bytes:
        if isinstance(value, str) and value.startswith("0x"):
            value = bytes.fromhex(value[2:])
        if not isinstance(value, bytes | bytearray) or len(value) != size:
            raise AbiError(f"not {size} bytes: {value!r}")
        return bytes(value).ljust(32, b"\0")

    return encode


def _decode_uint(word: bytes) -> int:
    return int.from_bytes(word, "big")


def _decode_int(word: bytes) -> int:
    return int.from_bytes(word, "big", signed=True)


def _decode_bool(word: bytes) -> bool:
    return word[31] != 0


def _decode_address(word: bytes) -> str:
    return checksum_bytes(word[12:])


class _Static:
    """Codec of a type of fixed length."""

    __slots__ = ("decode", "encode", "size")

    def __init__(self, size: int, encode: Encoder, decode: Decoder) -> None:
        self.size = size
        self.encode = encode
        self.decode = decode


def _static(entry: dict[str, Any]) -> _Static | None:
    """The codec of a static type, or None for a dynamic one."""
    match = _SHAPE.match(str(entry["type"]))
    assert match is not None
    base, array = match["base"], match["array"]
    if array:
        cut = array.rindex("[")
        length = array[cut + 1 : -1]
        if not length:
            return None
        item = _static({**entry, "type": base + array[:cut]})
        return None if item is None else _sequence([item] * int(length), list)
    if base == "tuple":
        parts = [_static(part) for part in entry.get("components", [])]
        known = [part for part in parts if part is not None]
        return _sequence(known, tuple) if len(known) == len(parts) else None
    if base.startswith("uint"):
        return _Static(32, _encode_uint(int(base[4:] or 256)), _decode_uint)
    if base.startswith("int"):
        return _Static(32, _encode_int(int(base[3:] or 256)), _decode_int)
    if base == "bool":
        return _Static(32, _encode_bool, _decode_bool)
    if base == "address":
        return _Static(32, _encode_address, _decode_address)
    if base.startswith("bytes") and base != "bytes":
        size = int(base[5:])
        return _Static(32, _encode_fixed_bytes(size), lambda word: bytes(word[:size]))
    return None


def _sequence(items: list[_Static], kind: type) -> _Static:
    encoders = [item.encode for item in items]
    spans = []
    offset = 0
    for item in items:
        spans.append((offset, offset + item.size, item.decode))
        offset += item.size

    def encode(value: Any) -> bytes:
        if len(value) != len(encoders):
            raise AbiError(f"{len(encoders)} values expected, not {len(value)}")
        return b"".join([one(part) for one, part in zip(encoders, value, strict=True)])

    def decode(data: bytes) -> Any:
        return kind([one(data[start:end]) for start, end, one in spans])

    return _Static(offset, encode, decode)


# ---------------------------------------------------------------- parameter lists


def _encoder(entry: dict[str, Any]) -> tuple[int, Encoder]:
    """Bytes that a type takes in its place, 0 for a dynamic one, and how it is encoded."""
    static = _static(entry)
    if static is not None:
        return static.size, static.encode
    kind = str(entry["type"])
    if kind.endswith("]"):
        cut = kind.rindex("[")
        item = _encoder({**entry, "type": kind[:cut]})
        count = kind[cut + 1 : -1]
        if count:
            return 0, _joined([item] * int(count))
        return (
            0,
            lambda values: len(values).to_bytes(32, "big") + _join([item] * len(values), values),
        )
    if kind == "tuple":
        return 0, _joined([_encoder(part) for part in entry.get("components", [])])
    return 0, _encode_string if kind == "string" else _encode_bytes


def _joined(parts: list[tuple[int, Encoder]]) -> Encoder:
    def encode(values: Any) -> bytes:
        if len(values) != len(parts):
            raise AbiError(f"{len(parts)} values expected, not {len(values)}")
        return _join(parts, values)

    return encode


def _join(parts: list[tuple[int, Encoder]], values: Any) -> bytes:
    """Each value in its place, or, where it is dynamic, how far behind the start it stands."""
    heads, tails = [], []
    end = sum(size or 32 for size, _ in parts)
    for (size, encode), value in zip(parts, values, strict=True):
        data = encode(value)
        if not size:
            tails.append(data)
            end, data = end + len(data), end.to_bytes(32, "big")
        heads.append(data)
    return b"".join(heads + tails)


def _encode_bytes(value: Any) -> bytes:
    if isinstance(value, str):
        value = bytes.fromhex(value.removeprefix("0x"))
    if not isinstance(value, bytes | bytearray):
        raise AbiError(f"not bytes: {value!r}")
    return len(value).to_bytes(32, "big") + value + bytes(-len(value) % 32)


def _encode_string(value: Any) -> bytes:
    if not isinstance(value, str):
        raise AbiError(f"not a string: {value!r}")
    return _encode_bytes(value.encode())


def _decoded(entry: dict[str, Any], value: Any) -> Any:
    """A value from eth-abi in this project's shapes: checksummed addresses, lists, tuples."""
    kind = str(entry["type"])
    if kind.endswith("]"):
        inner = {**entry, "type": kind[: kind.rindex("[")]}
        return [_decoded(inner, item) for item in value]
    if kind == "tuple":
        parts = entry.get("components", [])
        return tuple(_decoded(part, item) for part, item in zip(parts, value, strict=True))
    return checksum(value) if kind == "address" else value


class Parameters:
    """Codec of a list of ABI parameters."""

    def __init__(self, entries: Sequence[dict[str, Any]]) -> None:
        self.entries = list(entries)
        self.types = [type_string(entry) for entry in entries]
        parts = [_static(entry) for entry in entries]
        known = [part for part in parts if part is not None]
        self._static = _sequence(known, tuple) if len(known) == len(parts) else None
        self._encode = (
            self._static.encode if self._static else _joined([_encoder(entry) for entry in entries])
        )

    def encode(self, values: Sequence[Any]) -> bytes:
        """Encode one value for each parameter. AbiError when one does not fit."""
        try:
            return self._encode(values)
        except AbiError:
            raise
        except (TypeError, ValueError) as problem:
            raise AbiError(str(problem)) from problem

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """Decode to one value for each parameter. ValueError when the data is too short."""
        if self._static is not None:
            if len(data) < self._static.size:
                raise ValueError(f"{len(data)} bytes returned, {self._static.size} expected")
            result: tuple[Any, ...] = self._static.decode(data)
            return result
        values = _abi_decode(self.types, data)
        return tuple(_decoded(e, v) for e, v in zip(self.entries, values, strict=True))


class Function:
    """One function of an ABI: encodes calls and decodes what they return."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.name: str = entry["name"]
        self.entry = entry
        self.inputs = Parameters(entry.get("inputs", []))
        self.outputs = Parameters(entry.get("outputs", []))
        self.mutability: str = entry.get("stateMutability", "nonpayable")
        self.signature = f"{self.name}({','.join(self.inputs.types)})"
        self.selector = bytes(keccak(text=self.signature)[:4])
        self._count = len(self.inputs.entries)
        self._returns = len(self.outputs.entries)

    @property
    def reads_only(self) -> bool:
        """Whether the ABI declares it view or pure."""
        return self.mutability in ("view", "pure")

    def encode(self, args: Sequence[Any]) -> bytes:
        """Call data. AbiError when the arguments do not fit."""
        try:
            return self.selector + self.inputs.encode(args)
        except AbiError as problem:
            raise AbiError(f"{self.signature}: {problem}") from None

    def decode(self, data: bytes) -> Any:
        """None without outputs, the value of a single one, else a tuple."""
        if self._returns == 0:
            return None
        values = self.outputs.decode(data)
        return values[0] if self._returns == 1 else values


class Event:
    """One event of an ABI."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.name: str = entry["name"]
        self.entry = entry
        inputs = entry.get("inputs", [])
        self._order = [part["name"] for part in inputs]
        self._indexed = [part for part in inputs if part.get("indexed")]
        self._topics = [
            (part["name"], Parameters([part]) if _static(part) is not None else None)
            for part in self._indexed
        ]
        plain = [part for part in inputs if not part.get("indexed")]
        self._data_names = [part["name"] for part in plain]
        self._data = Parameters(plain)
        self.signature = f"{self.name}({','.join(type_string(part) for part in inputs)})"
        self.topic = bytes(keccak(text=self.signature))

    @property
    def topic_count(self) -> int:
        """Topics a log of it has, its own included."""
        return len(self._topics) + 1

    def decode(self, topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
        """Arguments by name in declared order; an indexed dynamic one stays its hash."""
        found: dict[str, Any] = {}
        for (name, codec), topic in zip(self._topics, topics[1:], strict=True):
            found[name] = topic if codec is None else codec.decode(topic)[0]
        found.update(zip(self._data_names, self._data.decode(data), strict=True))
        return {name: found[name] for name in self._order}


class Interface:
    """An ABI, indexed for calls and logs."""

    def __init__(self, abi: Sequence[dict[str, Any]]) -> None:
        self.functions: dict[tuple[str, int], Function] = {}
        self.events: dict[bytes, Event] = {}
        self.constructor = Parameters([])
        self.constructor_payable = False
        for entry in abi:
            kind = entry.get("type", "function")
            if kind == "function":
                function = Function(entry)
                self.functions.setdefault((function.name, len(entry.get("inputs", []))), function)
            elif kind == "event":
                event = Event(entry)
                self.events[event.topic] = event
            elif kind == "constructor":
                self.constructor = Parameters(entry.get("inputs", []))
                self.constructor_payable = entry.get("stateMutability") == "payable"

    def function(self, name: str, count: int) -> Function:
        """The function of that name with that many arguments. AbiError when there is none."""
        try:
            return self.functions[name, count]
        except KeyError:
            counts = sorted(n for known, n in self.functions if known == name)
            if counts:
                wanted = " or ".join(map(str, counts))
                raise AbiError(f"{name} takes {wanted} arguments, not {count}") from None
            raise AbiError(f"there is no function {name}") from None

    def encode_constructor(self, args: Sequence[Any]) -> bytes:
        """Arguments to append to creation code. AbiError when they do not fit."""
        wanted = len(self.constructor.entries)
        if len(args) != wanted:
            raise AbiError(f"the constructor takes {wanted} arguments, not {len(args)}")
        return self.constructor.encode(args)
