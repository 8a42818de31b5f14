"""What the mocks of aggregators hold, and what it is to an asset."""

from __future__ import annotations

from typing import Final

# Slots of the mocks, in the order of their variables.
AGGREGATOR_ROUND: Final = 1
BAD_MODE: Final = 0
BAD_WORDS: Final = 1

_POWERS: Final = [10**exponent for exponent in range(19)]
_M80: Final = 2**80
_M128: Final = 2**128


def aggregator_price(
    rule: int, now: int, round_id: int, answer: int, updated_at: int, answered_in: int
) -> int:
    """Price [WAD] that an aggregator with these words tells of the asset with that rule; 0: none.
    See contracts/modules/aggregator.vy.
    """
    if (
        not 0 < answer < _M128
        or not round_id <= answered_in < _M80
        or not 0 < updated_at <= now
        or now - updated_at > (rule >> 160 & 4_095) * 60
    ):
        return 0
    decimals = rule >> 172 & 31
    price = answer * _POWERS[18 - decimals] if decimals <= 18 else answer // _POWERS[decimals - 18]
    upper = rule >> 243 & 127
    if price >> (upper - (rule >> 250)) == 0 or price >> upper != 0:
        return 0
    return price
