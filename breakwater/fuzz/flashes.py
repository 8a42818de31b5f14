"""Liquidations through the flash liquidator: who calls gets all of it, and nothing stays.

SOLV-8  it sends its caller what it has of the debt, of what arrived and of what was sold over, not
        less than he asked for, and leaves the vault no allowance
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from breakwater.fuzz.events import Told
from breakwater.fuzz.genes import NOBODY
from breakwater.fuzz.periphery import FLASH
from breakwater.fuzz.slots import slot
from breakwater.host import interface_of
from breakwater.observation.words import mapped

if TYPE_CHECKING:
    from breakwater.fuzz.watch import Watch

_word: Final = int.from_bytes


class Flashes:
    """The flash liquidator of a market, which a watch follows."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.address = watch.world.contracts[FLASH].address
        self._topic = next(iter(interface_of("FlashLiquidator").events))
        self._places: dict[str, tuple[str, int]] = {}
        self._profit = -1

    def listen(self, actor: bytes) -> None:
        """Keep what it tells of its profit, to who called: reading a price may be a call too."""
        result = self.watch.evm.result
        assert result is not None
        self._profit = -1
        for log in result.logs:
            topics, data = log.data
            if log.address == self.address and topics[0] == self._topic and topics[3] == actor:
                self._profit = _word(data, "big")

    def judge(self, told: Told, args: Sequence[Any]) -> None:
        """A liquidation that went through it. Where a token calls back, others may have sent it
        something meanwhile."""
        watch = self.watch
        watch._exact.add("SOLV-8")
        debt, least = args[1], args[5]
        watch._room("SOLV-8", self._profit - least, 0, "profit of who liquidates through {}", FLASH)
        if watch.armed:
            return
        names = {debt, *(route[2] for route in args[4])} - {NOBODY}
        for event in told.engine:
            if event.name == "Seize":
                names.add(self._name(watch._by_topic[event.topics[2]]))
            elif event.name == "Liquidate" and event.words[4]:
                names.add(self._name(watch._by_topic[event.topics[3]]))
        for name in sorted(names):
            left = self._read(name, "balanceOf", "")
            if left:
                watch._differs("SOLV-8", left, "tokens that {} keeps", FLASH)
        left = self._read(debt, "allowance", f"vault.{debt[7:]}")
        if left:
            watch._differs("SOLV-8", left, "what a vault may still take from {}", FLASH)

    def _name(self, id: int) -> str:
        return f"@token.{self.watch._listed[id - 1].symbol}"

    def _read(self, name: str, variable: str, spender: str) -> int:
        """A word of the liquidator's in a token."""
        place = self._places.get(name + variable)
        if place is None:
            world = self.watch.world
            token = world.contracts[name[1:]]
            at = mapped(slot(token.NAME, variable), self.address)
            if spender:
                at = mapped(at, world.address(spender))
            place = self._places[name + variable] = token.address, at
        return self.watch.evm.storage(*place)
