"""What follows from the words that pokes store of a price, and the time alone."""

from __future__ import annotations

from math import isqrt
from typing import Final

from breakwater.observation.words import M32, M96
from breakwater.units import BPS, DAY, WAD

FADE_TIME: Final = 86_400
MAX_GAP: Final = 3_600
WAIT_TIME: Final = 1_800

_AVERAGE_TIME: Final = 2_700
_SETTLED: Final = 900  # seconds after which a stored price pulls no further
_VOLATILITY_TIME: Final = 31_163


def volatility_after(volatility: int, spot: int, reference: int, elapsed: int) -> int:
    """Daily volatility after one more sample [1e-9]."""
    volatility *= 10**9
    change = min(abs(spot - reference) * WAD // reference, 100 * WAD)
    sample = change * change // WAD * DAY // elapsed
    weight = elapsed * WAD // (elapsed + _VOLATILITY_TIME)
    variance = (volatility * volatility // WAD * (WAD - weight) + sample * weight) // WAD
    return min(isqrt(variance * WAD) // 10**9, M32)


def is_still(words: tuple[int, ...], now: int) -> bool:
    """Whether an average and a liquidation LTV stand where they are, from now on."""
    term, checkpoint = words[1], words[2]
    return term & 16_383 == term >> 14 & 16_383 and (
        checkpoint & M96 == checkpoint >> 96 & M96 or now - (checkpoint >> 224) >= _SETTLED
    )


def averaged(stored: int, average: int, elapsed: int) -> int:
    """An average that a stored price has pulled at for some seconds."""
    share = _SHARES[max(min(elapsed, _SETTLED), 0)]
    if stored > average:
        return average + (stored - average) * share // WAD
    return average - (average - stored) * share // WAD


def _share(elapsed: int) -> int:
    x = elapsed * WAD // _AVERAGE_TIME
    square = x * x // WAD
    return x - square // 2 + square * x // (6 * WAD)


_SHARES: Final = [_share(elapsed) for elapsed in range(_SETTLED + 1)]
"""What an average goes of the way to a stored price, by seconds [WAD]."""


def ramped(start: int, end: int, elapsed: int, duration: int) -> int:
    """Where a ramp is before its end."""
    if end > start:
        return start + (end - start) * elapsed // duration
    return start - (start - end) * elapsed // duration


def faded(seen: int, now: int) -> int:
    """Seconds without a price that count."""
    last = seen >> 160 & M32
    return min((seen >> 239) + min(now - last, MAX_GAP), FADE_TIME) if last else 0


def waited(seen: int, checkpoint: int, now: int) -> int:
    """Seconds for which sources that disagree have delayed liquidations."""
    waited = seen >> 224 & 4_095
    if seen >> 238 & 1:
        return min(waited + now - (checkpoint >> 224), WAIT_TIME)
    return 0 if now >= (seen >> 192 & M32) + DAY else waited


def is_jump(rule: int, price: int, average: int) -> bool:
    """Whether two prices are apart by more than the band."""
    return abs(price - average) * BPS > average * (rule >> 177 & 127) * 50
