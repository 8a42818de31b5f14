"""Figures of a whole market: sums over the accounts that owe something, in exact integers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from breakwater.observation.words import ceil_div, legs
from breakwater.units import HOUR, MAX_UINT256, WAD

FALLS = (5, 10, 20)
"""Falls of all collaterals [percent] that debts are held against."""

_DEBT = 128
_PERCENT = 100


class Price(NamedTuple):
    """What maintenance counts a whole token of an asset for, in USD [WAD]."""

    as_collateral: int
    weighted: int
    """`as_collateral` at liquidation_ltv, rounded down."""
    as_debt: int
    unit: int
    """Token units of a whole token."""


class Standing(NamedTuple):
    """An account, as maintenance sees it. Values in USD [WAD]."""

    account: bytes
    health: int
    """[WAD] MAX_UINT256 without debt."""
    collateral: int
    """Rounded down, leg by leg."""
    debt: int
    """Rounded up, leg by leg."""


@dataclass(frozen=True)
class Systemic:
    """Of all accounts that owe something. Values in USD [WAD]."""

    accounts: int = 0
    exposure: int = 0
    """Collateral of all."""
    debt: int = 0
    leverage: int = 0
    """See `leverage` [WAD]."""
    liquidatable: int = 0
    """Debt of accounts below maintenance."""
    near: Mapping[int, int] = field(default_factory=dict)
    """Debt that would be liquidatable after a fall, by percent of the fall; see `is_within`."""
    uncovered: int = 0
    """What debts exceed collaterals by, account by account: bad debt that is not booked yet."""

    @property
    def equity(self) -> int:
        """Collateral less debt; negative where debts are more."""
        return self.exposure - self.debt

    def share(self, debt: int) -> int:
        """A part of the debt [WAD], rounded down; 0 without any."""
        return debt * WAD // self.debt if self.debt else 0


def standing(
    account: bytes, health: int, position: Sequence[int], prices: Mapping[int, Price]
) -> Standing:
    """Values of a position by prices of its assets' ids; the sums of `Lens.account().health`."""
    collateral = debt = 0
    for tag, amount in legs(position):
        price = prices[tag & ~_DEBT]
        if tag & _DEBT:
            debt += ceil_div(amount * price.as_debt, price.unit)
        else:
            collateral += amount * price.as_collateral // price.unit
    return Standing(account, health, collateral, debt)


def leverage(exposure: int, debt: int) -> int:
    """Σ exposure over Σ equity [WAD], rounded down: 1 without debt, MAX_UINT256 without equity.

    An account whose debt exceeds its collateral counts with its negative equity: its loss is
    borne by lenders, and by no other borrower.
    """
    if debt == 0:
        return WAD
    if exposure <= debt:
        return MAX_UINT256
    return exposure * WAD // (exposure - debt)


def is_within(health: int, fall: int) -> bool:
    """Whether an account is liquidatable after a fall of all its collaterals by `fall` percent,
    each debt's price as it is: health · (100 − fall) < 100.

    Health is linear in the collaterals' prices, so this is what the engine would find, to the last
    digit of a health factor. Who is liquidatable already is within every fall.
    """
    return health * (_PERCENT - fall) < WAD * _PERCENT


def systemic(standings: Iterable[Standing]) -> Systemic:
    """Of accounts, of which those without debt are left out."""
    owing = [one for one in standings if one.debt]
    exposure = sum(one.collateral for one in owing)
    debt = sum(one.debt for one in owing)

    def within(fall: int) -> int:
        return sum(one.debt for one in owing if is_within(one.health, fall))

    return Systemic(
        accounts=len(owing),
        exposure=exposure,
        debt=debt,
        leverage=leverage(exposure, debt),
        liquidatable=within(0),
        near={fall: within(fall) for fall in FALLS},
        uncovered=sum(max(0, one.debt - one.collateral) for one in owing),
    )


class Velocity:
    """How fast total leverage moves over the span that was watched."""

    def __init__(self) -> None:
        self.span = 0
        """Seconds that the last answer is about."""
        self._first: tuple[int, int] | None = None
        """Time [unix seconds] and leverage."""

    def add(self, now: int, leverage: int) -> int | None:
        """Change of leverage an hour since the first look [WAD], rounded towards zero; None at the
        first look, and while there is no equity. `now` is the chain's time [unix seconds].

        The span begins anew where the chain went back behind its beginning.
        """
        if leverage == MAX_UINT256:
            return None
        if self._first is None or now < self._first[0]:
            self._first = (now, leverage)
        since, before = self._first
        self.span = now - since
        if self.span == 0:
            return None
        moved = abs(leverage - before) * HOUR // self.span
        return moved if leverage >= before else -moved
