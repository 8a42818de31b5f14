"""The reference model beside the contracts: one call on both, and whatever they differ in.

Compared are the reason of a refusal, the returned value, every event in order, and the storage that
the model wrote, word by word; `everything` compares each word that the model knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from eth_utils.crypto import keccak

from breakwater import artifacts
from breakwater.abi import AbiError, address_bytes, checksum
from breakwater.evm import EvmHost
from breakwater.host import Host, Log, Reverted, interface_of
from breakwater.model.calls import returned
from breakwater.model.chain import Chain, Contract, Event, Outcome, Word
from breakwater.model.protocol import plain

if TYPE_CHECKING:
    from breakwater.fuzz.steps import Step
    from breakwater.fuzz.world import World

Layout = Mapping[str, Any]

_MAP = re.compile(r"^HashMap\[(?P<key>[^,]+), (?P<value>.+)\]$")
_DYNAMIC = re.compile(r"^DynArray\[(?P<item>.+), (?P<count>\d+)\]$")
_ARRAY = re.compile(r"^(?P<item>.+)\[(?P<count>\d+)\]$")
_BYTES = re.compile(r"^(?:Bytes|String)\[(?P<count>\d+)\]$")


class Comparison:
    """Runs calls on a model and on a host that stand at the same state.

    `name` gives an address a name for the texts of differences. With `every` each step compares
    all words that the model knows, not only those it wrote.
    """

    def __init__(
        self,
        chain: Chain,
        host: Host,
        name: Callable[[str], str] = str,
        every: bool = False,
    ) -> None:
        self.chain = chain
        self.host = host
        self.outcome = Outcome(None, None, [])
        """Of the model, in the last step."""
        self._name = name
        self._every = every
        self._slots: dict[tuple[str, str, tuple[Any, ...]], int] = {}
        self._storage = host._evm.storage if isinstance(host, EvmHost) else host.storage
        self._expected: dict[tuple[str, int], int] | None = None
        """What the model says of each slot; None until all of it was compared once."""
        self._places: list[tuple[Any, ...]] = []
        """Addresses and slots of what is expected, in the same order, as `everything` last saw."""

    def step(
        self, sender: str, address: str, function: str, args: Sequence[Any] = ()
    ) -> str | None:
        """One call on both, at the host's time. What differs, or None."""
        chain, host = self.chain, self.host
        contract = chain.contracts[address]
        chain.now, chain.block = host.now, host.block
        chain.written.clear()
        self.outcome = model = chain.transact(sender, address, function, plain(args))
        reason, value, logs = None, None, []
        try:
            receipt = host.transact(address, contract.NAME, function, args, sender=sender)
            value, logs = receipt.value, receipt.logs
        except Reverted as refused:
            reason = refused.reason
        differs = (
            self._reason(model.reason, reason)
            or self._value(self._returned(contract, function, args, model), plain(value))
            or self._events(model.events, logs)
            or (self.everything() if self._every else self.words(chain.written))
        )
        if differs is None:
            return None
        call = f"{self._show(sender)}: {self._show(address)}.{function}"
        return f"{call}({', '.join(map(self._show, args))}): {differs}"

    def play(self, world: World, step: Step) -> str | None:
        """A step of a sequence: its time passes, then its call, on both."""
        if step.wait or step.blocks:
            world.host.advance(step.wait, step.blocks)
        sender, target, function, args = world.resolve(step)
        if step.sender in world.contracts:
            codec = interface_of(world.contracts[step.target].NAME).function(function, len(args))
            args = (target, codec.encode(args))
            return self.step(world.address("keeper"), sender, "execute", args)
        return self.step(sender, target, function, args)

    def everything(self) -> str | None:
        """The first word that the model knows and the contracts have otherwise, or None."""
        if self._expected is None:
            self._expected = {}
            return self.words(self.chain.state)
        if not self._places or len(self._places[0]) != len(self._expected):
            self._places = list(zip(*self._expected, strict=True)) or [(), ()]
        if list(map(self._storage, *self._places)) != list(self._expected.values()):
            return self.words(self.chain.state)
        return None

    def mark(self) -> tuple[Any, ...]:
        """The model's state, to go `back` to."""
        expected = None if self._expected is None else dict(self._expected)
        return dict(self.chain.state), expected, len(self.chain.contracts)

    def back(self, mark: tuple[Any, ...]) -> None:
        """Put the model's state back; the host's is the caller's to restore."""
        self.chain.state = dict(mark[0])
        self.chain.forget(mark[2])
        self._expected = None if mark[1] is None else dict(mark[1])
        self._places = []

    def unknown(self) -> str | None:
        """The first word that a contract holds and the model knows nothing of, or None.

        Only of a chain in this process, and not of mocks, whose scripts the model keeps whole.
        """
        if not isinstance(self.host, EvmHost):
            return None
        known: dict[str, set[int]] = {address: set() for address in self.chain.contracts}
        for address, name, *rest in self.chain.state:
            contract = self.chain.contracts[address]
            for word in contract.words(name, tuple(rest)):
                known[address].add(self._slot(contract.NAME, word))
        for address, words in self.host.stored().items():
            found = self.chain.contracts.get(address)
            if found is None or not found.NAME or artifacts.load(found.NAME).is_mock:
                continue
            for slot, value in words.items():
                if value and slot not in known[address]:
                    return f"{self._show(address)} holds {value:#x} at {slot:#x}, which has no name"
        return None

    def words(self, keys: Iterable[tuple[Any, ...]]) -> str | None:
        """The first word of these variables that differs, or None."""
        storage, expected = self._storage, self._expected
        for key in keys:
            address = key[0]
            contract = self.chain.contracts[address]
            for word in contract.words(key[1], key[2:]):
                slot = self._slot(contract.NAME, word)
                stored = storage(address, slot)
                if expected is not None:
                    expected[address, slot] = word.value
                if stored != word.value:
                    index = "".join(f"[{self._show(key)}]" for key in word.keys)
                    return (
                        f"{self._show(address)}.{word.variable}{index} is "
                        f"{stored} ({stored:#x}), not {word.value} ({word.value:#x})"
                    )
        return None

    # ------------------------------------------------------------ parts

    def _reason(self, expected: str | None, found: str | None) -> str | None:
        if expected == found:
            return None
        return f"{_said(found)}, not {_said(expected)}"

    def _value(self, expected: Any, found: Any) -> str | None:
        if expected == found or plain(expected) == found:
            return None
        return f"returned {self._show(found)}, not {self._show(expected)}"

    def _returned(
        self, contract: Contract, function: str, args: Sequence[Any], model: Outcome
    ) -> Any:
        """What the model returned; as bytes, where the contract answers raw words for `bytes`."""
        value = model.value
        if model.reason is None and (value is None or isinstance(value, bool)):
            codec = interface_of(contract.NAME).function(function, len(args))
            if codec.outputs.types == ["bytes"]:
                return returned(codec, value)
        return value

    def _events(self, expected: Sequence[Event], found: Sequence[Log]) -> str | None:
        for i in range(max(len(expected), len(found))):
            event = expected[i] if i < len(expected) else None
            log = found[i] if i < len(found) else None
            if event is None or log is None or not _same(event, log):
                return f"event {i} is {self._told(log)}, not {self._told(event)}"
        return None

    def _told(self, event: Event | Log | None) -> str:
        if event is None:
            return "none"
        args = ", ".join(f"{key}={self._show(value)}" for key, value in event.args.items())
        return f"{self._show(event.address)} {event.name or '?'}({args})"

    def _slot(self, contract: str, word: Word) -> int:
        key = contract, word.variable, word.keys
        slot = self._slots.get(key)
        if slot is None:
            layout = artifacts.load(contract).layout.get("storage_layout", {})
            slot = self._slots[key] = slot_of(layout, word.variable, word.keys)
        return slot

    def _show(self, value: Any) -> str:
        """A value as a person reads it: addresses and accounts by name."""
        if isinstance(value, str) and len(value) == 42 and value.startswith("0x"):
            return self._name(value)
        if isinstance(value, bytes):
            if len(value) == 32 and any(value):
                owner = checksum(value[:20])
                name = self._name(owner)
                if name != owner:
                    return f"{name}#{int.from_bytes(value[20:], 'big')}"
            return "0x" + value.hex()
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(self._show, value))}]"
        return str(value)


def _same(event: Event, log: Log) -> bool:
    if event.address != log.address or event.name != log.name:
        return False
    return event.args.keys() == log.args.keys() and all(
        value == log.args[key] or plain(value) == plain(log.args[key])
        for key, value in event.args.items()
    )


def _said(reason: str | None) -> str:
    if reason is None:
        return "passes"
    return f'refused: "{reason}"' if reason else "refused without a reason"


# ---------------------------------------------------------------- slots


def slot_of(layout: Layout, variable: str, keys: Sequence[Any]) -> int:
    """Slot of a word by the compiler's layout. LookupError when there is no such variable.

    `keys` are those of nested mappings, then the index of an item or of a field. In a `DynArray`
    or a `Bytes` index 0 is the length, and words count from 1.
    """
    found = list(_entries(layout, variable))
    if len(found) != 1:
        raise LookupError(f"there are {len(found)} variables {variable} in storage")
    return _slot(found[0]["type"], int(found[0]["slot"]), list(keys))


def _slot(kind: str, slot: int, keys: list[Any]) -> int:
    if not keys:
        return slot
    key, rest = keys[0], keys[1:]
    if match := _MAP.match(kind):
        raw = slot.to_bytes(32, "big") + _key(match["key"], key)
        return _slot(match["value"], int.from_bytes(keccak(raw), "big"), rest)
    match = _ARRAY.match(kind)
    if match and not _DYNAMIC.match(kind) and not _BYTES.match(kind):
        return _slot(match["item"], slot + key * _size(match["item"]), rest)
    return slot + int(key)  # a struct whose fields are a word each, or see `slot_of`


def _key(kind: str, key: Any) -> bytes:
    if kind == "address":
        return address_bytes(key).rjust(32, b"\0")
    if isinstance(key, bytes):
        return key.ljust(32, b"\0")
    try:
        return int(key).to_bytes(32, "big")
    except (TypeError, ValueError, OverflowError):
        raise AbiError(f"not a key of type {kind}: {key!r}") from None


def _size(kind: str) -> int:
    """Words that a value takes."""
    if match := _BYTES.match(kind):
        return 1 + -(-int(match["count"]) // 32)
    if match := _DYNAMIC.match(kind):
        return 1 + int(match["count"]) * _size(match["item"])
    if kind.startswith("HashMap["):
        return 1
    if match := _ARRAY.match(kind):
        return int(match["count"]) * _size(match["item"])
    return 1


def _entries(layout: Layout, name: str) -> Iterator[Mapping[str, Any]]:
    """Variables of that name in a contract's layout and in those of its modules."""
    for key, entry in layout.items():
        if "slot" not in entry:
            yield from _entries(entry, name)
        elif key == name:
            yield entry
