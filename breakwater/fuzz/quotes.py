"""What a source answers, what an asset counts at, and its parameters."""

from __future__ import annotations

from breakwater.observation.words import M40
from breakwater.units import BPS


class Price:
    """What an asset counts at now [WAD per whole token], see contracts/modules/price_oracle.vy."""

    __slots__ = (
        "as_collateral",
        "as_debt",
        "average",
        "borrow_ltv",
        "incentive_max",
        "level",
        "leverage",
        "liquidation_ltv",
        "new_collateral",
        "new_debt",
        "spot",
        "status",
        "tip",
        "valid",
        "volatility",
        "weight",
    )

    spot: int
    """0: no valid price."""
    new_collateral: int
    new_debt: int
    level: int
    status: int
    borrow_ltv: int  # [BPS]
    weight: int  # [BPS]
    leverage: int  # [halves]
    as_collateral: int
    as_debt: int
    valid: bool
    liquidation_ltv: int  # [BPS]
    tip: int  # [WAD]
    incentive_max: int  # [WAD]
    average: int
    volatility: int  # [WAD]

    def __init__(
        self,
        spot: int,
        new_collateral: int,
        new_debt: int,
        level: int,
        status: int,
        borrow_ltv: int,
        weight: int,
        leverage: int,
        as_collateral: int,
        as_debt: int,
        valid: bool,
        liquidation_ltv: int,
        tip: int,
        incentive_max: int,
        average: int,
        volatility: int,
    ) -> None:
        self.spot = spot
        self.new_collateral = new_collateral
        self.new_debt = new_debt
        self.level = level
        self.status = status
        self.borrow_ltv = borrow_ltv
        self.weight = weight
        self.leverage = leverage
        self.as_collateral = as_collateral
        self.as_debt = as_debt
        self.valid = valid
        self.liquidation_ltv = liquidation_ltv
        self.tip = tip
        self.incentive_max = incentive_max
        self.average = average
        self.volatility = volatility


class Terms:
    """The parameters of an asset, out of the words that hold them."""

    __slots__ = (
        "band",
        "duration",
        "end",
        "incentive_max",
        "leverage",
        "ltv",
        "most_off",
        "reference",
        "since",
        "slope",
        "start",
        "tip",
        "weight",
    )

    band: int  # [BPS] from the average; beyond it a price has jumped
    ltv: int  # [BPS]
    slope: int
    reference: int  # [WAD]
    most_off: int  # [BPS] that volatility takes off
    weight: int
    leverage: int
    start: int  # of the ramp of the liquidation LTV [BPS]
    end: int
    since: int
    duration: int
    tip: int
    incentive_max: int

    def __init__(
        self,
        band: int,
        ltv: int,
        slope: int,
        reference: int,
        most_off: int,
        weight: int,
        leverage: int,
        start: int,
        end: int,
        since: int,
        duration: int,
        tip: int,
        incentive_max: int,
    ) -> None:
        self.band = band
        self.ltv = ltv
        self.slope = slope
        self.reference = reference
        self.most_off = most_off
        self.weight = weight
        self.leverage = leverage
        self.start = start
        self.end = end
        self.since = since
        self.duration = duration
        self.tip = tip
        self.incentive_max = incentive_max


class Quote:
    """low, price, high [WAD per whole token], status of the source; zeros when it is not valid."""

    __slots__ = ("high", "low", "price", "status")

    def __init__(self, low: int, price: int, high: int, status: int) -> None:
        self.low = low
        self.price = price
        self.high = high
        self.status = status


def terms_of(rule: int, term: int) -> Terms:
    return Terms(
        band=(rule >> 177 & 127) * 50,
        ltv=rule >> 184 & 16_383,
        slope=rule >> 228 & 127,
        reference=(rule >> 235 & 255) * 10**15,
        most_off=(rule >> 198 & 255) * 50,
        weight=BPS + (rule >> 206 & 255) * 100,
        leverage=rule >> 214 & 255,
        start=term & 16_383,
        end=term >> 14 & 16_383,
        since=term >> 28 & M40,
        duration=term >> 68 & 0xFFFFFF,
        tip=(term >> 92 & 16_383) * 10**14,
        incentive_max=(term >> 120 & 16_383) * 10**14,
    )
