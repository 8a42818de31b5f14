"""The base of every typed contract object in `breakwater.driver` and `breakwater.mocks`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self, TypeAlias, Union

from breakwater import artifacts
from breakwater.abi import checksum
from breakwater.host import Host, Receipt


class Contract:
    """One deployed contract on a host.

    Methods bear the names of the ABI. One that changes state takes `sender` (and `value` where it
    is payable) by keyword and returns a `Receipt`: its `value` is what was returned, its `logs` are
    the decoded events. A view returns its decoded value. What the contract refuses raises
    `Reverted`. A contract may be given wherever an address is expected.
    """

    NAME: ClassVar[str] = ""

    def __init__(self, host: Host, address: str) -> None:
        self.host = host
        self.address = checksum(address)
        host.register(self.address, self.NAME)

    @classmethod
    def at(cls, host: Host, address: str) -> Self:
        """The object for a contract that is deployed already."""
        return cls(host, address)

    @classmethod
    def _deploy(cls, host: Host, args: Sequence[Any], sender: Address, value: int = 0) -> Self:
        return cls(host, host.deploy(cls.NAME, *args, sender=_text(sender), value=value))

    @classmethod
    def artifact(cls) -> artifacts.Artifact:
        """The compiled contract this object stands for."""
        return artifacts.load(cls.NAME)

    def _transact(
        self, function: str, args: Sequence[Any], sender: Address, value: int = 0
    ) -> Receipt:
        return self.host.transact(
            self.address, self.NAME, function, args, sender=_text(sender), value=value
        )

    def _call(self, function: str, args: Sequence[Any]) -> Any:
        return self.host.call(self.address, self.NAME, function, args)

    def _try(self, function: str, *args: Any, sender: Address, value: int = 0) -> Any:
        """What a state-changing function would return; nothing changes."""
        return self.host.call(
            self.address, self.NAME, function, args, sender=_text(sender), value=value
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Contract)
            and other.host is self.host
            and other.address == self.address
        )

    def __hash__(self) -> int:
        return hash(self.address)

    def __repr__(self) -> str:
        return f"{self.NAME}({self.address})"


Address: TypeAlias = Union[str, "Contract"]
"""An address as text, or a contract that has one."""


def given(required: Sequence[Any], *optional: Any) -> Sequence[Any]:
    """Arguments of a call, without the trailing optional ones that were not given."""
    count = len(optional)
    while count and optional[count - 1] is None:
        count -= 1
    return (*required, *optional[:count])


def _text(address: Address) -> str:
    return address if isinstance(address, str) else address.address
