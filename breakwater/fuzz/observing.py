"""Reads a market whose price sources are mocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from breakwater import mocks
from breakwater.host import Host
from breakwater.observation.asset import NO_PRICE, Source
from breakwater.observation.observer import Observer
from breakwater.observation.words import bits

if TYPE_CHECKING:
    from breakwater.fuzz.world import World


# Slots of the mocks, in the order of their variables.
AGGREGATOR_ROUND: Final = 1
BAD_MODE: Final = 0
BAD_WORDS: Final = 1

_M80: Final = 2**80
_M128: Final = 2**128


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
        return aggregator_source(rule, now, round_id, answer, updated_at, answered_in)


def aggregator_source(
    rule: int, now: int, round_id: int, answer: int, updated_at: int, answered_in: int
) -> Source:
    """What an aggregator with these words is to the asset with that rule; see `aggregator`."""
    if (
        not 0 < answer < _M128
        or not round_id <= answered_in < _M80
        or not 0 < updated_at <= now
        or now - updated_at > (rule >> 160 & 4_095) * 60
    ):
        return NO_PRICE
    decimals = rule >> 172 & 31
    price = answer * 10 ** (18 - decimals) if decimals <= 18 else answer // 10 ** (decimals - 18)
    upper = rule >> 243 & 127
    if price >> (upper - (rule >> 250)) == 0 or price >> upper != 0:
        return NO_PRICE
    return Source(price, price, price, updated_at, 1)
