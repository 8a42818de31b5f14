"""Average, volatility and status of a price, and what a liquidation may count it at.

DESIGN section 4 and the header of `price_oracle`. Prices are WAD per whole token, times seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isqrt

from breakwater.units import BPS, DAY, WAD

AVERAGE_TIME = 2_700
"""[s] time constant of the average"""
SAMPLE_TIME = 600
"""[s] least time between two samples of volatility"""
VOLATILITY_TIME = 31_163
"""[s] time constant of volatility"""
CONFIRM_TIME = 60
"""[s] between two pokes that confirm a jump"""
PATIENCE = 600
"""[s] that a jump lasts before an account is found under water by it"""
WAIT_TIME = 1_800
"""[s] in a day for which sources that disagree delay liquidation"""
FADE_TIME = DAY
"""[s] seen without a price in which collateral fades to nothing"""
MAX_GAP = 3_600
"""[s] from one poke to the next, for which what both saw is believed"""
MAX_VOLATILITY = 2**32 - 1
"""[1e-9] where volatility saturates"""

VALID, JUMP, DISPERSED, STALE = range(4)


@dataclass(frozen=True)
class Checkpoint:
    """What a poke stores."""

    spot: int
    average: int
    time: int
    volatility: int = 0
    """[WAD], a multiple of 1e9"""
    reference: int = 0
    """price of the last sample of volatility"""
    reference_time: int = 0
    jump_since: int = 0
    """first of the pokes in a row, no gap above MAX_GAP, that saw this jump; 0: none"""
    jump_is_up: bool = False
    confirmed: bool = False
    stale_at: int = 0
    """last poke, where it saw no price; 0: it saw one"""
    stale_seconds: int = 0
    """for which pokes in a row have seen no price"""

    @classmethod
    def first(cls, price: int, now: int) -> Checkpoint:
        """At listing: spot is its own average."""
        return cls(price, price, now, reference=price, reference_time=now)


def weight(elapsed: int) -> int:
    """Pull of the stored spot after `elapsed` seconds [WAD]: x - x^2/2 + x^3/6 for
    1 - exp(-x), x = elapsed / AVERAGE_TIME, at most 1/3.
    """
    x = min(elapsed, AVERAGE_TIME // 3) * WAD // AVERAGE_TIME
    return x - x * x // (2 * WAD) + x * x // WAD * x // (6 * WAD)


def average_at(checkpoint: Checkpoint, now: int) -> int:
    """The average extrapolated to now; its way from the stored average is rounded down."""
    gap = checkpoint.spot - checkpoint.average
    way = abs(gap) * weight(now - checkpoint.time) // WAD
    return checkpoint.average + way if gap >= 0 else checkpoint.average - way


def is_jump(price: int, average: int, band: int) -> bool:
    """Whether spot is away from its average by more than `band` [BPS]."""
    return abs(price - average) * BPS > average * band


def volatility_after(volatility: int, price: int, reference: int, elapsed: int) -> int:
    """Daily volatility after one more sample [WAD], before it is cut to 1e-9.

    variance' = variance x (1 - w) + (change^2 x day / elapsed) x w, w = x/(1 + x),
    x = elapsed / VOLATILITY_TIME.
    """
    change = min(abs(price - reference) * WAD // reference, 100 * WAD)
    sample = change * change // WAD * DAY // elapsed
    share = elapsed * WAD // (elapsed + VOLATILITY_TIME)
    variance = (volatility * volatility // WAD * (WAD - share) + sample * share) // WAD
    return min(isqrt(variance * WAD), MAX_VOLATILITY * 10**9)


def faded(checkpoint: Checkpoint, now: int) -> int:
    """Seconds without a price: what pokes saw, and at most MAX_GAP since the last of them."""
    if checkpoint.stale_at == 0:
        return 0
    return min(checkpoint.stale_seconds + min(now - checkpoint.stale_at, MAX_GAP), FADE_TIME)


def poke(checkpoint: Checkpoint, price: int, now: int, band: int) -> Checkpoint:
    """The checkpoint after a poke that found `price`, 0 for none. One source."""
    if price == 0:
        return replace(checkpoint, stale_at=now, stale_seconds=faded(checkpoint, now))
    average = average_at(checkpoint, now)
    volatility = checkpoint.volatility
    reference, reference_time = checkpoint.reference, checkpoint.reference_time
    if now - reference_time >= SAMPLE_TIME:
        volatility = volatility_after(volatility, price, reference, now - reference_time)
        reference, reference_time = price, now
    since, up, confirmed = 0, False, False
    if is_jump(price, average, band):
        up = price > average
        since, confirmed = checkpoint.jump_since, checkpoint.confirmed
        gap = now - checkpoint.time
        if since == 0 or up != checkpoint.jump_is_up or gap > MAX_GAP:
            since, confirmed = now, False
        elif now >= since + CONFIRM_TIME:
            confirmed = True
    return Checkpoint(
        spot=price,
        average=average,
        time=now,
        volatility=volatility // 10**9 * 10**9,
        reference=reference,
        reference_time=reference_time,
        jump_since=since,
        jump_is_up=up,
        confirmed=confirmed,
    )


def liquidation_prices(
    checkpoint: Checkpoint, price: int, now: int, band: int, patience: int = 0
) -> tuple[int, int, bool]:
    """What one source's price counts at as collateral and as debt, and whether it is valid.

    In a jump that is not confirmed by pokes, the last at most MAX_GAP ago, or that has not lasted
    `patience` seconds, whichever of spot and average favours the borrower. Without a price the last
    one, fading to zero as collateral.
    """
    if price == 0:
        left = FADE_TIME - faded(checkpoint, now)
        return checkpoint.spot * left // FADE_TIME, checkpoint.spot, False
    average = average_at(checkpoint, now)
    if not is_jump(price, average, band):
        return price, price, True
    seen = checkpoint.jump_since != 0 and checkpoint.jump_is_up == (price > average)
    seen = seen and now <= checkpoint.time + MAX_GAP
    confirmed = seen and checkpoint.confirmed and now >= checkpoint.jump_since + patience
    if confirmed:
        return price, price, True
    return max(price, average), min(price, average), True
