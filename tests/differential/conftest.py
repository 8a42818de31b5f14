"""A whole protocol at the same addresses on any host, and its state as raw words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from eth_utils.crypto import keccak

from breakwater import artifacts
from breakwater.abi import checksum
from breakwater.host import Host, interface_of
from breakwater.model.chain import ZERO_ADDRESS
from breakwater.units import MAX_UINT256, WAD, account_id

ACTORS = ("owner", "guardian", "lender", "staker", "borrower", "trader", "liquidator", "operator")
DECIMALS = {"usdc": 6, "weth": 18, "wbtc": 8}
PRICES = {"usdc": 1, "weth": 2_000, "wbtc": 30_000}
BORROW_LTV = {"usdc": 7_700, "weth": 8_000, "wbtc": 7_300}
CONFIG = (1_000, 9_000, 40_000, 500_000, 400, 10, 20_000, 5, 0)

_MAP = re.compile(r"^HashMap\[(?P<key>\w+), (?P<value>.+)\]$")
_ARRAY = re.compile(r"^(?P<dynamic>DynArray\[)?(?P<of>\w+)(, |\[)(?P<length>\d+)\]$")
_WORDS = {"Ticket": 3}


class World:
    """Contracts by name on one host. Each is made by a sender of its own, in its first
    transaction: a node and the in-process host then agree on every address, and so on every word.
    """

    def __init__(self, host: Any) -> None:
        self.host: Host = host
        self.kinds: dict[str, str] = {}
        self.at: dict[str, str] = {}
        for actor in ACTORS:
            self.at[actor] = _made_up(actor)
            host.fund(self.at[actor])
        self._deploy()
        self._list()
        self._fill()
        self.accounts = [
            account_id(self.at[owner], number)
            for owner in ("borrower", "trader", "liquidator")
            for number in (0, 1)
        ]

    def make(self, name: str, kind: str, *args: Any) -> str:
        sender = _made_up(f"maker of {name}")
        self.host.fund(sender)  # type: ignore[attr-defined]
        self.kinds[name] = kind
        self.at[name] = self.host.deploy(kind, *args, sender=sender)
        return self.at[name]

    def act(self, name: str, function: str, *args: Any, sender: str) -> Any:
        """A transaction on the contract `name` by the actor `sender`."""
        return self.host.transact(
            self.at[name], self.kinds[name], function, args, sender=self.at[sender]
        )

    def read(self, name: str, function: str, *args: Any) -> Any:
        return self.host.call(self.at[name], self.kinds[name], function, args)

    # ------------------------------------------------------------ setting up

    def _deploy(self) -> None:
        at, owner = self.at, self.at["owner"]
        for asset, decimals in DECIMALS.items():
            self.make(asset, "TokenMock", asset, asset.upper(), decimals)
            self.make(f"{asset} feed", "AggregatorMock", 8, PRICES[asset] * 10**8)
        self.make("breaker", "CircuitBreaker", owner, at["guardian"])
        self.make("risk", "RiskEngine", at["breaker"], owner, "0x" + "00" * 20)
        self.make("engine", "CreditEngine", at["risk"], owner)
        # nothing is replaced here: any code will do for a blueprint
        self.make("configurator", "Configurator", at["engine"], at["risk"], 10**7 * WAD, owner)
        self.make("lens", "Lens", at["engine"])
        for asset in ("usdc", "weth"):
            names = f"{asset} vault", "bw"
            args = at[asset], at["engine"], at["breaker"], *names, at["configurator"]
            vault = self.make(f"{asset} vault", "LendingVault", *args)
            self.make(f"{asset} fund", "InsuranceFund", vault, f"{asset} fund", "f")
        self.make("flash borrower", "FlashBorrowerMock")

    def _list(self) -> None:
        at = self.at
        self.act("risk", "set_configurator", at["configurator"], sender="owner")
        self.act("engine", "transfer_ownership", at["configurator"], sender="owner")
        self.act("breaker", "connect", at["risk"], at["engine"], sender="owner")
        for asset, decimals in DECIMALS.items():
            ltv = BORROW_LTV[asset]
            price = PRICES[asset] * WAD
            config = (
                *(at[f"{asset} feed"], False, 86_400, price // 100, price * 100, 500),
                *(ltv, ltv - 2_000, ltv + 300, 10_000, 100_000, 400, 3_000),
                *(100, 100, 800, 10_000, 10_500, 80_000, False),
            )
            args = (at[asset], config, 10**6 * 10**decimals, False, ZERO_ADDRESS, 0)
            self.act("configurator", "list_asset", *args, sender="owner")
            for actor in ACTORS:
                self.act(asset, "mint", at[actor], 10**6 * 10**decimals, sender="owner")
        for asset in ("usdc", "weth"):
            unit, vault = 10 ** DECIMALS[asset], f"{asset} vault"
            for spender in (vault, "configurator"):
                self.act(asset, "approve", at[spender], MAX_UINT256, sender="owner")
            config = (*CONFIG, 10**7 * unit, 10**7 * unit, 10**6 * unit, 20, 20)
            opening = at[vault], at[f"{asset} fund"], 100 * unit, config
            self.act("configurator", "open_vault", *opening, sender="owner")
            least = 100 * unit if asset == "usdc" else unit // 20
            self.act("configurator", "list_debt", at[vault], least, sender="owner")
            self.act("breaker", "add_vault", at[vault], sender="owner")

    def _fill(self) -> None:
        at = self.at
        for actor in ("lender", "staker", "borrower", "trader", "liquidator"):
            for asset in DECIMALS:
                self.act(asset, "approve", at["engine"], MAX_UINT256, sender=actor)
                if asset != "wbtc":
                    self.act(asset, "approve", at[f"{asset} vault"], MAX_UINT256, sender=actor)
                    fund = at[f"{asset} fund"]
                    self.act(f"{asset} vault", "approve", fund, MAX_UINT256, sender=actor)
        for asset in ("usdc", "weth"):
            amount = 10**5 * 10 ** DECIMALS[asset]
            self.act(f"{asset} vault", "deposit", amount, at["lender"], sender="lender")
            codec = interface_of("TokenMock").function("approve", 2)
            data = codec.encode((at[f"{asset} vault"], MAX_UINT256))
            self.act("flash borrower", "execute", at[asset], data, sender="owner")

    # ------------------------------------------------------------ state

    def slots(self) -> Iterator[tuple[str, int]]:
        """Every storage slot that an address, an account or a small number may have led to."""
        addresses = [int(address, 16) for address in self.at.values()]
        accounts = [int.from_bytes(account, "big") for account in self.accounts]
        keys = {"address": [0, *addresses], "bytes32": accounts, "uint256": [0, 1, 2]}

        def walk(kind: str, slot: int, count: int) -> Iterator[int]:
            mapping = _MAP.match(kind)
            if mapping is not None:
                value = mapping["value"]
                for key in keys[mapping["key"]]:
                    inner = keccak(slot.to_bytes(32, "big") + key.to_bytes(32, "big"))
                    yield from walk(value, int.from_bytes(inner, "big"), _length(value))
            else:
                yield from range(slot, slot + count)

        def leaves(layout: dict[str, Any]) -> Iterator[int]:
            for part in layout.values():
                if isinstance(part.get("slot"), int):
                    yield from walk(part["type"], part["slot"], part["n_slots"])
                else:
                    yield from leaves(part)

        for name, kind in self.kinds.items():
            layout = artifacts.load(kind).layout.get("storage_layout", {})
            for slot in leaves(layout):
                yield name, slot

    def words(self, where: Any = None) -> dict[tuple[str, int], int]:
        """Storage words at `where`, else at every slot."""
        if where is None:
            where = self.slots()
        return {(name, slot): self.host.storage(self.at[name], slot) for name, slot in where}


def _made_up(label: str) -> str:
    return checksum(bytes(keccak(text=f"breakwater differential {label}"))[12:])


def _length(kind: str) -> int:
    array = _ARRAY.match(kind)
    if array is None:
        return _WORDS.get(kind, 1)
    return int(array["length"]) + (array["dynamic"] is not None)


@pytest.fixture
def make_world() -> type[World]:
    return World
