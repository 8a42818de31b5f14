"""What feeds of the market stand on beside aggregators: pools, and prices that are published.

What a mock of each is told for a price, and what its words of storage are worth; the watch and the
actions read the same words. Powers of 1.0001 are taken by decimals of 80 digits: what a feed makes
of a tick is within 2**-105 of them, so the two round to another unit once in thousands of years.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from functools import lru_cache
from operator import truediv
from typing import Final

from breakwater.observation.words import M128, M160, mapped
from breakwater.units import WAD

WINDOW: Final = 1_800
"""Of the TWAP [seconds]."""

LEAST_LIQUIDITY: Final = 10**9
OBSERVATIONS: Final = 150
EXPONENTIAL_TIME: Final = 866
"""Of the EMA, to 1/e [seconds]."""

LEAST_HALF_LIFE: Final = 300

NAV_AGE: Final = 7 * 86_400
NAV_GROWTH: Final = 10_000
"""[BPS a year]"""

DOLLAR_AGE: Final = 366 * 86_400

_LIQUIDITY: Final = 10**12
_MAX_TICK: Final = 887_272
_YEAR: Final = 365 * 86_400

# Slots of the mocks, in the order of their variables.
TWAP_ANSWER: Final = 3
TWAP_BURNING: Final = 20
EMA_TIME: Final = 1
EMA_LOCKED: Final = 3
EMA_AVERAGES: Final = 13
EMA_LASTS: Final = 14
NAV_PRICE: Final = 0

Storage = Callable[[str, int], int]


def observations(tick: int, liquidity: int = _LIQUIDITY) -> list[int]:
    """The words that `observe` answers where a tick and a liquidity held for the window."""
    return [64, 160, 2, 0, tick * WINDOW % 2**256, 2, 0, (WINDOW << 128) // liquidity]


def as_bytes(words: list[int]) -> str:
    """Words as an argument of a step."""
    return "0x" + b"".join(word.to_bytes(32, "big") for word in words).hex()


def tick_of(price: int, decimals: int) -> int:
    """The tick at which a token with so many decimals, token 1 beside one of 6, is worth at most
    `price` [10**-8]: the next one."""
    # compiled, `/` rounds large numbers in another way
    return math.ceil(math.log(truediv(10 ** (decimals + 2), price)) / math.log(1.0001))


@lru_cache(maxsize=4_096)
def _power(tick: int) -> Decimal:
    """A feed's powers are a little too low, which shows where the exact one is a whole number."""
    with localcontext(prec=80):
        return Decimal("1.0001") ** tick * (1 if tick <= 0 else 1 - Decimal(2) ** -120)


def twap(storage: Storage, pool: str, decimals: int) -> int:
    """Price of token 1 in token 0, which has 6 decimals, over the window [WAD]; 0: none."""
    if storage(pool, TWAP_BURNING) or storage(pool, TWAP_ANSWER) != 256:
        return 0
    return _twap(decimals, *[storage(pool, TWAP_ANSWER + 1 + i) for i in range(8)])


@lru_cache(maxsize=4_096)
def _twap(decimals: int, *words: int) -> int:
    begin, end = (word - (word >> 255 << 256) for word in words[3:5])
    if (*words[:3], words[5]) != (64, 160, 2, 2) or max(words[6:]) > M160:
        return 0
    if max(begin, end) >= 2**55 or min(begin, end) < -(2**55):
        return 0
    thinness = (words[7] - words[6]) & M160
    if thinness == 0 or (WINDOW << 128) // thinness < LEAST_LIQUIDITY:
        return 0
    tick = (end - begin) // WINDOW
    if abs(tick) > _MAX_TICK:
        return 0
    with localcontext(prec=80):
        price = int(_power(-tick) * 10 ** (12 + decimals))
    return price if price <= M128 else 0


_FIRST_AVERAGE: Final = mapped(EMA_AVERAGES, bytes(32))
_FIRST_LAST: Final = mapped(EMA_LASTS, bytes(32))


def ema(storage: Storage, pool: str, lowest: int, highest: int) -> tuple[int, int]:
    """Average and last price of the first coin beside coin 0 [WAD]; zeros: none."""
    if storage(pool, EMA_TIME) * 694 // 1_000 < LEAST_HALF_LIFE or storage(pool, EMA_LOCKED):
        return 0, 0
    if storage(pool, EMA_TIME) > M128:
        return 0, 0
    average, last = storage(pool, _FIRST_AVERAGE), storage(pool, _FIRST_LAST)
    if not lowest <= average <= highest or not 0 < last <= M128:
        return 0, 0
    return average, last


def average_of(storage: Storage, pool: str) -> int:
    """What a mock of an EMA was told, valid or not [WAD]."""
    return storage(pool, _FIRST_AVERAGE)


def nav(storage: Storage, feed: str, now: int, age: int) -> tuple[int, int]:
    """A published price, and until when it is valid; zeros where it is not any more."""
    word = storage(feed, NAV_PRICE)
    until = (word >> 128) + age
    return (word & M128, until) if now <= until else (0, 0)


def highest_nav(storage: Storage, feed: str, now: int, growth: int) -> int:
    """What may be published now [WAD]."""
    word = storage(feed, NAV_PRICE)
    price = word & M128
    return min(price + price * growth * (now - (word >> 128)) // (10_000 * _YEAR), M128)


def ema_bounds(dollars: int) -> tuple[int, int]:
    """Averages that are believed of an asset that began at so many dollars [WAD]."""
    return dollars * WAD // 100, dollars * WAD * 100
