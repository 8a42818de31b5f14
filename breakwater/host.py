"""What both ways of running the contracts share: one interface, one form of results and reverts.

A host runs the very same bytecode either in process (`breakwater.evm.EvmHost`, for what needs
millions of calls) or through eth-ape on a node (`breakwater.ape_host.ApeHost`).

TIME. `now` and `block` are the timestamp and the number that the next transaction sees, and that
calls see too. `advance` moves both; nothing else does, except that a host that mines a block for
each transaction (every node does) moves on after one.

FAILURES. A call the contract refuses raises `Reverted` and leaves no trace. Everything else that
goes wrong (arguments that do not fit, a sender without funds, a lost node) is another exception.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from breakwater import artifacts
from breakwater.abi import Function, Interface, checksum

Abi = Sequence[dict[str, Any]]

HALT = "halt"
"""Reason of a failure without revert data that is no revert: no gas, an invalid opcode."""

NOBODY = "0x" + 40 * "0"
"""Who asks where no sender is named."""

BLUEPRINT = bytes.fromhex("fe7100")
"""What the code of a blueprint begins with, see ERC-5202."""

_ERROR = bytes.fromhex("08c379a0")
_PANIC = bytes.fromhex("4e487b71")


class Reverted(Exception):
    """A call the contract refused.

    reason  the decoded string; "" for empty data (arithmetic, a failed bare call); "panic: 0x11"
            for a panic; "halt" when the machine stopped (no gas, invalid opcode, write in a static
            call); the data in hexadecimal for anything else
    data    the raw revert data, empty where the node does not give it
    """

    def __init__(self, reason: str, data: bytes = b"", detail: str = "") -> None:
        super().__init__(reason or detail or "reverted without a reason")
        self.reason = reason
        self.data = data
        self.detail = detail


def decode_reason(data: bytes) -> str:
    """The reason in revert data; see `Reverted.reason`."""
    if not data:
        return ""
    selector, rest = data[:4], data[4:]
    if selector == _ERROR and len(rest) >= 64:
        length = int.from_bytes(rest[32:64], "big")
        text = rest[64 : 64 + length]
        if len(text) == length:
            return text.decode("utf-8", "replace")
    if selector == _PANIC and len(rest) >= 32:
        return f"panic: {int.from_bytes(rest[:32], 'big'):#04x}"
    return "0x" + data.hex()


@dataclass(frozen=True)
class Log:
    """One event that a transaction emitted.

    `name` and `args` are decoded by the interface registered for the address, else by any
    registered interface that knows the topic. Unknown topics have the name "" and args `topics` and
    `data`.
    """

    address: str
    name: str
    args: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.args[name]
        except KeyError:
            raise AttributeError(f"{self.name or 'the log'} has no argument {name}") from None

    def __getstate__(self) -> dict[str, Any]:
        return {"address": self.address, "name": self.name, "args": self.args}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for key, value in state.items():
            object.__setattr__(self, key, value)


RawLog = tuple[str, list[bytes], bytes]
"""Address (any case), topics, data."""


def raw_log(log: Any) -> RawLog:
    """A log as nodes and web3 give it: hexadecimal text or bytes."""
    topics = [code_bytes(topic) for topic in log["topics"]]
    return str(log["address"]), topics, code_bytes(log["data"])


class LogDecoder:
    """Turns raw logs into `Log`s by the interfaces registered so far."""

    def __init__(self) -> None:
        self._by_address: dict[str, Interface] = {}
        self._by_topic: dict[tuple[bytes, int], Any] = {}

    def add(self, address: str, interface: Interface) -> None:
        """Decode logs of `address` by `interface`."""
        self._by_address[address] = interface
        for topic, event in interface.events.items():
            self._by_topic.setdefault((topic, event.topic_count), event)

    def decode(self, raw: RawLog) -> Log:
        """One log; never fails."""
        address, topics, data = raw
        address = checksum(address)
        if topics:
            interface = self._by_address.get(address)
            event = interface.events.get(topics[0]) if interface is not None else None
            if event is None or event.topic_count != len(topics):
                event = self._by_topic.get((topics[0], len(topics)))
            if event is not None:
                try:
                    return Log(address, event.name, event.decode(topics, data))
                except Exception:  # a foreign contract may emit what does not fit its topic
                    pass
        return Log(address, "", {"topics": list(topics), "data": data})


class Receipt:
    """What a transaction did. The returned value and the logs are decoded when asked for."""

    __slots__ = (
        "_decoder",
        "_function",
        "_logs",
        "_output",
        "_raw_logs",
        "_value",
        "gas_used",
        "txn_hash",
    )

    def __init__(
        self,
        function: Function | None,
        output: bytes,
        raw_logs: Callable[[], Iterable[RawLog]],
        decoder: LogDecoder,
        gas_used: int | None,
    ) -> None:
        self._function = function
        self._output = output
        self._raw_logs: Callable[[], Iterable[RawLog]] | None = raw_logs
        self._decoder = decoder
        self._logs: list[Log] = []
        self._value: tuple[Any] | None = None
        self.gas_used = gas_used
        """Gas of the whole transaction, or None where the host cannot measure it."""
        self.txn_hash: str | None = None
        """Hash of the transaction on a node, or None in process."""

    @property
    def value(self) -> Any:
        """The decoded return value: None, one value, or a tuple; the bytes themselves where they
        are not what the ABI says, as of a token that returns raw words.
        """
        if self._value is None:
            decoded: Any = None
            if self._function is not None:
                try:
                    decoded = self._function.decode(self._output)
                except Exception:  # of eth-abi, or ValueError
                    decoded = self._output
            self._value = (decoded,)
        return self._value[0]

    @property
    def logs(self) -> list[Log]:
        """Every event in order, those of other contracts included."""
        if self._raw_logs is not None:
            self._logs = [self._decoder.decode(raw) for raw in self._raw_logs()]
            self._raw_logs = None
        return self._logs

    def events(self, name: str, address: str | None = None) -> list[Log]:
        """Events of one name, of one contract if an address is given."""
        return [log for log in self.logs if log.name == name and (address in (None, log.address))]

    def event(self, name: str, address: str | None = None) -> Log:
        """The only event of that name. LookupError when there is none or more than one."""
        found = self.events(name, address)
        if len(found) != 1:
            raise LookupError(f"{len(found)} events {name}, not 1")
        return found[0]

    def __iter__(self) -> Iterator[Log]:
        return iter(self.logs)

    def __repr__(self) -> str:
        names = ", ".join(log.name or "?" for log in self.logs)
        return f"Receipt(value={self.value!r}, logs=[{names}], gas_used={self.gas_used})"


class Host(ABC):
    """A chain to run contracts on. The last three methods are what one chain does in another way
    than the next; what is encoded and decoded around them stands here.
    """

    chain_id: int

    def __init__(self, labels: Labels | None = None) -> None:
        self._labels = Labels() if labels is None else labels
        self._decoder = LogDecoder()

    # ------------------------------------------------------------ time and state

    @property
    @abstractmethod
    def now(self) -> int:
        """Timestamp the next transaction sees, in UTC seconds."""

    @property
    @abstractmethod
    def block(self) -> int:
        """Number of the block the next transaction is in."""

    @abstractmethod
    def advance(self, seconds: int, blocks: int = 1) -> None:
        """Move `now` by `seconds` and `block` by `blocks`."""

    @abstractmethod
    def snapshot(self) -> int:
        """Remember the state and the time; valid until an older snapshot is restored."""

    @abstractmethod
    def restore(self, snapshot: int) -> None:
        """Go back; later snapshots are dropped, this one stays and may be restored again."""

    @abstractmethod
    def code(self, address: str) -> bytes:
        """Runtime code, empty where there is none."""

    @abstractmethod
    def storage(self, address: str, slot: int) -> int:
        """The word at a storage slot."""

    @abstractmethod
    def balance(self, address: str) -> int:
        """Native coins, in wei."""

    # ------------------------------------------------------------ accounts

    @abstractmethod
    def account(self, label: str) -> str:
        """Address of a funded sender, the same for the same label."""

    @property
    def accounts(self) -> dict[str, str]:
        """Addresses by label, in the order they were first asked for."""
        return dict(self._labels.known)

    # ------------------------------------------------------------ deployment and calls

    def deploy(self, name: str, *args: Any, sender: str, value: int = 0) -> str:
        """Deploy one of the project's contracts; its checksummed address."""
        data = artifacts.load(name).bytecode + interface_of(name).encode_constructor(args)
        address = self._create(data, sender, value)
        self.register(address, name)
        return address

    def deploy_raw(
        self,
        abi: Abi,
        bytecode: bytes | str,
        args: Sequence[Any] = (),
        *,
        sender: str,
        value: int = 0,
    ) -> str:
        """Deploy foreign creation code; its checksummed address."""
        data = code_bytes(bytecode) + interface_of(abi).encode_constructor(args)
        address = self._create(data, sender, value)
        self.register(address, abi)
        return address

    def creation_code(self, bytecode: bytes) -> bytes:
        """Creation code as this host deploys it, for who lets a contract deploy it."""
        return bytecode

    def deploy_blueprint(self, bytecode: bytes, *, sender: str) -> str:
        """Put creation code on the chain for others to create from (ERC-5202); its address."""
        return self._create(blueprint(self.creation_code(bytecode)), sender, 0)

    def register(self, address: str, abi_or_name: Abi | str) -> None:
        """Decode logs of `address` by this interface."""
        self._decoder.add(checksum(address), interface_of(abi_or_name))

    def transact(
        self,
        address: str,
        abi_or_name: Abi | str,
        function: str,
        args: Sequence[Any] = (),
        *,
        sender: str,
        value: int = 0,
    ) -> Receipt:
        """Call a function and keep what it changed. Raises Reverted, and then nothing changed."""
        codec = interface_of(abi_or_name).function(function, len(args))
        return self._transact(codec, address, codec.encode(args), sender, value)

    def call(
        self,
        address: str,
        abi_or_name: Abi | str,
        function: str,
        args: Sequence[Any] = (),
        *,
        sender: str | None = None,
        value: int = 0,
    ) -> Any:
        """What a function would return if it were the next transaction, decoded; nothing changes.
        Raises Reverted.
        """
        codec = interface_of(abi_or_name).function(function, len(args))
        data = codec.encode(args)
        return codec.decode(self._call(codec, address, data, sender or NOBODY, value))

    @abstractmethod
    def _create(self, data: bytes, sender: str, value: int) -> str:
        """Run creation code; the checksummed address. Raises Reverted."""

    @abstractmethod
    def _transact(
        self, codec: Function, address: str, data: bytes, sender: str, value: int
    ) -> Receipt:
        """See `transact`; `data` is the call's."""

    @abstractmethod
    def _call(self, codec: Function, address: str, data: bytes, sender: str, value: int) -> bytes:
        """See `call`; what was returned, not decoded."""


_named: dict[str, Interface] = {}
_by_identity: dict[int, tuple[Abi, Interface]] = {}


def interface_of(abi_or_name: Abi | str) -> Interface:
    """The indexed ABI of a project contract's name, or of an ABI; built once for each."""
    if isinstance(abi_or_name, str):
        found = _named.get(abi_or_name)
        if found is None:
            found = _named[abi_or_name] = Interface(artifacts.load(abi_or_name).abi)
        return found
    known = _by_identity.get(id(abi_or_name))
    if known is None:
        known = _by_identity[id(abi_or_name)] = (abi_or_name, Interface(abi_or_name))
    return known[1]


def blueprint(bytecode: bytes) -> bytes:
    """Creation code of the blueprint of some creation code."""
    data = BLUEPRINT + bytecode
    # copies what follows it, and returns that
    return b"\x62" + len(data).to_bytes(3, "big") + bytes.fromhex("3d81600b3d39f3") + data


def code_bytes(code: bytes | str) -> bytes:
    """What is given as bytes or hexadecimal text."""
    return bytes.fromhex(code.removeprefix("0x")) if isinstance(code, str) else bytes(code)


def place_of(snapshot: int, kept: Sequence[tuple[Any, ...]]) -> int:
    """Index of a snapshot among those kept, which begin with their identifiers.

    LookupError when it no longer stands for a state.
    """
    for index in range(len(kept) - 1, -1, -1):
        if kept[index][0] == snapshot:
            return index
    raise LookupError(f"snapshot {snapshot} was dropped when an older one was restored")


# The accounts of the well-known development mnemonic, in order: what local nodes fund and unlock.
DEVELOPMENT_ACCOUNTS = (
    "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
    "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
    "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
    "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
    "0x976EA74026E726554dB657fA54763abd0C3a0aa9",
    "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
    "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f",
    "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
    "0xBcd4042DE499D14e55001CcbB24a551F3b954096",
    "0x71bE63f3384f5fb98995898A86B02Fb2426c5788",
    "0xFABB0ac9d68B0B445fB7357272Ff202C5651694a",
    "0x1CBd3b2770909D4e10f157cABC84C7264073C9Ec",
    "0xdF3e18d64BC6A983f673Ab319CCaE4f1a57C7097",
    "0xcd3B766CCDd6AE721141F452C550Ca635964ce71",
    "0x2546BcD3c84621e976D8185a91A922aE77ECEc30",
    "0xbDA5747bFD65F08deb54cb465eB87D40e51B197E",
    "0xdD2FD4581271e230360230F9337D5c0430Bf44C0",
    "0x8626f6940E2eb28930eFb4CeF49B2d1F2C9C1199",
)


@dataclass
class Labels:
    """Gives each new label the next address of a list, then made-up ones."""

    addresses: Sequence[str] = DEVELOPMENT_ACCOUNTS
    known: dict[str, str] = field(default_factory=dict)

    def get(self, label: str) -> tuple[str, bool]:
        """Address of a label, and whether it is new."""
        if label in self.known:
            return self.known[label], False
        count = len(self.known)
        if count < len(self.addresses):
            address = checksum(self.addresses[count])
        else:
            from eth_utils.crypto import keccak

            address = checksum(bytes(keccak(text=f"breakwater account {label}"))[12:])
        self.known[label] = address
        return address, True
