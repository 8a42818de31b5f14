"""Reads a market whose price sources are mocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from breakwater import mocks
from breakwater.fuzz.aggregators import (
    AGGREGATOR_ROUND,
    BAD_MODE,
    BAD_WORDS,
    aggregator_price,
)
from breakwater.host import Host
from breakwater.observation.asset import NO_PRICE, Source
from breakwater.observation.observer import Observer
from breakwater.observation.words import bits

if TYPE_CHECKING:
    from breakwater.fuzz.world import World


class MockObserver(Observer):
    """Reads the mocks by their storage: one of them may burn all gas when it is called."""

    def __init__(self, world: World, host: Host, **parts: Any) -> None:
        self._bad = {
            contract.address.lower()
            for contract in world.contracts.values()
            if isinstance(contract, mocks.BadFeedMock)
        }
        super().__init__(host, **parts)

    def _source(self, rule: int, now: int) -> Source:
        if bits(rule, 172, 5) == 31:
            return super()._source(rule, now)
        address = "0x" + (rule & (2**160 - 1)).to_bytes(20, "big").hex()
        storage = self.host.storage
        if address in self._bad:
            if storage(address, BAD_MODE):
                return NO_PRICE
            words = [storage(address, BAD_WORDS + i) for i in range(5)]
            round_id, answer, updated_at, answered_in = words[0], words[1], words[3], words[4]
        else:
            round_id, answer, updated_at, answered_in = (
                storage(address, AGGREGATOR_ROUND + i) for i in range(4)
            )
        price = aggregator_price(rule, now, round_id, answer, updated_at, answered_in)
        return Source(price, price, price, updated_at, 1) if price else NO_PRICE
