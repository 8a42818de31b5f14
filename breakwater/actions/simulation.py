"""A node's chain on which transactions are tried one after the other, and none is sent.

Whatever acts on a host acts on this one alike, and reads afterwards what would be there: balances,
health, rates. It is `eth_simulateV1`, a method of Ethereum's execution API that public nodes have,
not a snapshot that is restored: nobody else sees any of it, and no key is asked for. Everything is
as of one block and one moment, the one of the first transaction.
"""

from __future__ import annotations

from typing import Any

from breakwater.abi import Function, checksum
from breakwater.ape_host import ApeHost
from breakwater.errors import UserError
from breakwater.host import HALT, Host, Receipt, Reverted, code_bytes, decode_reason, raw_log

_BLOCK_GAS = 10**12
"""Gas of the simulated block, in which all that was tried so far is repeated each time."""


class CannotSimulate(UserError):
    """The node lacks the method."""


class Simulation(Host):
    """See above. Time does not move, and nothing is deployed. Reverted as from any host."""

    def __init__(self, node: ApeHost) -> None:
        super().__init__()
        self.node = node
        self.chain_id = node.chain_id
        self._tried: list[dict[str, Any]] = []
        self._base: tuple[int, int] | None = None

    @property
    def genesis(self) -> Any:
        """Hash of block 0, where the node's host tells it."""
        return getattr(self.node, "genesis", None)

    @property
    def now(self) -> int:
        """Timestamp of what is tried."""
        return self.node.now if self._base is None else self._base[1]

    @property
    def block(self) -> int:
        """Number of the block that is simulated."""
        return self.node.block if self._base is None else self._base[0] + 1

    def advance(self, seconds: int, blocks: int = 1) -> None:
        raise NotImplementedError("time does not move in a simulation")

    def snapshot(self) -> int:
        raise NotImplementedError("a simulation is thrown away whole")

    def restore(self, snapshot: int) -> None:
        raise NotImplementedError("a simulation is thrown away whole")

    def code(self, address: str) -> bytes:
        """Runtime code before anything was tried."""
        return self.node.code(address)

    def storage(self, address: str, slot: int) -> int:
        """A storage word before anything was tried."""
        return self.node.storage(address, slot)

    def balance(self, address: str) -> int:
        """Native coins before anything was tried, in wei."""
        return self.node.balance(address)

    @property
    def web3(self) -> Any:
        """The node, for what no contract tells."""
        return self.node.web3

    def account(self, label: str) -> str:
        return self.node.account(label)

    @property
    def accounts(self) -> dict[str, str]:
        return self.node.accounts

    def _create(self, data: bytes, sender: str, value: int) -> str:
        raise NotImplementedError("nothing is deployed in a simulation")

    def _transact(
        self, codec: Function, address: str, data: bytes, sender: str, value: int
    ) -> Receipt:
        if self._base is None:
            self._base = (self.node.block - 1, self.node.now)
        request = _request(address, data, sender, value)
        found = self._simulate(request)
        self._tried.append(request)
        return Receipt(
            codec,
            code_bytes(found["returnData"]),
            lambda: [raw_log(log) for log in found["logs"]],
            self._decoder,
            int(found["gasUsed"], 16),
        )

    def _call(self, codec: Function, address: str, data: bytes, sender: str, value: int) -> bytes:
        if not self._tried:
            return self.node._call(codec, address, data, sender, value)
        return code_bytes(self._simulate(_request(address, data, sender, value))["returnData"])

    def _simulate(self, request: dict[str, str]) -> dict[str, Any]:
        """What a request comes to after all that was tried. Raises Reverted."""
        assert self._base is not None
        block, time = self._base
        state = {
            "blockOverrides": {"time": hex(time), "gasLimit": hex(_BLOCK_GAS)},
            "calls": [*self._tried, request],
        }
        try:
            answer = self.node.web3.provider.make_request(
                "eth_simulateV1", [{"blockStateCalls": [state], "validation": False}, hex(block)]
            )
        except Exception as error:
            raise _cannot(error) from None
        if "result" not in answer:
            raise _cannot(answer.get("error", {}).get("message", "no result"))
        found: dict[str, Any] = answer["result"][0]["calls"][-1]
        if int(found["status"], 16) != 1:
            data = code_bytes(found.get("returnData") or "0x")
            text = str(found.get("error", {}).get("message", ""))
            stopped = not data and "revert" not in text.lower()
            raise Reverted(HALT if stopped else decode_reason(data), data, text)
        return found


def _request(address: str, data: bytes, sender: str, value: int) -> dict[str, str]:
    return {
        "from": checksum(sender),
        "to": checksum(address),
        "data": "0x" + data.hex(),
        "value": hex(value),
        "gas": hex(30_000_000),
    }


def _cannot(why: object) -> CannotSimulate:
    return CannotSimulate(
        f"the node cannot simulate transactions (eth_simulateV1: {why}): only --yes works on it"
    )
