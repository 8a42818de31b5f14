"""Average, volatility and status of a price, and what a liquidation may count it at.

Specification, Prices. Prices are WAD per whole token, times seconds.
"""

from __future__ import annotations

from functools import lru_cache
from math import isqrt
from typing import NamedTuple

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


class Checkpoint(NamedTuple):
    """What a poke stores."""

    spot: int = 0
    average: int = 0
    time: int = 0
    """of the last poke that saw a price"""
    volatility: int = 0
    """[WAD], a multiple of 1e9"""
    reference: int = 0
    """price of the last sample of volatility"""
    reference_time: int = 0
    jump_since: int = 0
    """first of the pokes in a row that saw this jump, whether sources disagreed or not, no gap
    above MAX_GAP and no change of spot beyond the band between them; 0: none"""
    jump_is_up: bool = False
    confirmed: bool = False
    stale_at: int = 0
    """last poke, where it saw no price; 0: it saw one"""
    stale_seconds: int = 0
    """for which pokes in a row have seen no price"""
    waited_at: int = 0
    """last poke that found or ended a wait for sources that disagree"""
    waited: int = 0
    """seconds waited since a day went by without"""
    disagrees: bool = False
    """the last poke that saw a price saw sources that disagree"""

    @property
    def lowest(self) -> int:
        """At which a debt counts while there is no price."""
        return min(self.spot, self.average)

    @property
    def highest(self) -> int:
        """At which collateral counts while there is no price, before it fades."""
        return max(self.spot, self.average)

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


@lru_cache(maxsize=1_024)
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


def waited(checkpoint: Checkpoint, now: int) -> int:
    """Seconds for which disagreement has delayed liquidations, none left out before a whole day
    went by without. The time since a poke that saw it counts, whatever sources did since.
    """
    if checkpoint.disagrees:
        return min(checkpoint.waited + now - checkpoint.time, WAIT_TIME)
    return 0 if now - checkpoint.waited_at >= DAY else checkpoint.waited


def poked_volatility(checkpoint: Checkpoint, price: int, now: int) -> int:
    """Volatility as a poke that found `price` computes it [WAD], before it is cut to 1e-9."""
    elapsed = now - checkpoint.reference_time
    if elapsed < SAMPLE_TIME:
        return checkpoint.volatility
    return volatility_after(checkpoint.volatility, price, checkpoint.reference, elapsed)


def poke(
    checkpoint: Checkpoint, price: int, now: int, band: int, disagrees: bool = False
) -> Checkpoint:
    """The checkpoint after a poke that found `price`, 0 for none, of sources that may disagree."""
    if price == 0:
        return checkpoint._replace(stale_at=now, stale_seconds=faded(checkpoint, now))
    average = average_at(checkpoint, now)
    volatility = poked_volatility(checkpoint, price, now)
    reference, reference_time = checkpoint.reference, checkpoint.reference_time
    if now - reference_time >= SAMPLE_TIME:
        reference, reference_time = price, now
    since, up, confirmed = 0, False, False
    if is_jump(price, average, band):
        up = price > average
        since, confirmed = checkpoint.jump_since, checkpoint.confirmed
        unseen = now - checkpoint.time > MAX_GAP or is_jump(price, checkpoint.spot, band)
        if since == 0 or up != checkpoint.jump_is_up or unseen:
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
        waited_at=now if disagrees or checkpoint.disagrees else checkpoint.waited_at,
        waited=waited(checkpoint, now),
        disagrees=disagrees,
    )


def liquidation_prices(
    checkpoint: Checkpoint,
    price: int,
    now: int,
    band: int,
    patience: int = 0,
    *,
    low: int | None = None,
    high: int | None = None,
    agreed: bool = False,
    disagrees: bool = False,
) -> tuple[int, int, bool]:
    """What a price counts at as collateral and as debt, and whether it is valid.

    Without `low` and `high` there is one number; `agreed`: at least two sources stand for it.

    In a jump that nothing confirms, or that has not lasted `patience` seconds under pokes' eyes,
    the last at most MAX_GAP ago and at a spot within the band of this one, whichever of spot and
    average favours the borrower. Sources that disagree favour him for WAIT_TIME, in which no jump
    is confirmed; from then on they count as one. Without a price whichever of last spot and last
    average favours him, fading as collateral.
    """
    if price == 0:
        left = FADE_TIME - faded(checkpoint, now)
        return checkpoint.highest * left // FADE_TIME, checkpoint.lowest, False
    low, high = price if low is None else low, price if high is None else high
    waits = disagrees and waited(checkpoint, now) < WAIT_TIME
    if disagrees and not waits:
        low = high = price
    average = average_at(checkpoint, now)
    if not is_jump(price, average, band):
        return high, low, True
    if waits:
        return max(high, average), min(low, average), True
    seen = checkpoint.jump_since != 0 and checkpoint.jump_is_up == (price > average)
    seen = seen and now <= checkpoint.time + MAX_GAP
    seen = seen and not is_jump(price, checkpoint.spot, band)
    confirmed = agreed or (seen and checkpoint.confirmed)
    if patience:
        confirmed = confirmed and seen and now >= checkpoint.jump_since + patience
    if confirmed:
        return high, low, True
    return max(high, average), min(low, average), True


def packed(checkpoint: Checkpoint) -> tuple[int, int]:
    """The two words as stored: checkpoint, observation."""
    c = checkpoint
    return (
        c.spot | c.average << 96 | c.volatility // 10**9 << 192 | c.time << 224,
        c.reference
        | c.reference_time << 96
        | c.jump_since << 128
        | c.stale_at << 160
        | c.waited_at << 192
        | c.waited << 224
        | c.jump_is_up << 236
        | c.confirmed << 237
        | c.disagrees << 238
        | c.stale_seconds << 239,
    )


def unpacked(checkpoint: int, observation: int) -> Checkpoint:
    """Out of the two words."""
    c, o = checkpoint, observation
    price, time = 2**96 - 1, 2**32 - 1
    return Checkpoint(
        spot=c & price,
        average=c >> 96 & price,
        time=c >> 224,
        volatility=(c >> 192 & time) * 10**9,
        reference=o & price,
        reference_time=o >> 96 & time,
        jump_since=o >> 128 & time,
        jump_is_up=bool(o >> 236 & 1),
        confirmed=bool(o >> 237 & 1),
        stale_at=o >> 160 & time,
        stale_seconds=o >> 239,
        waited_at=o >> 192 & time,
        waited=o >> 224 & 2**12 - 1,
        disagrees=bool(o >> 238 & 1),
    )
