"""What may leave a vault, and how far its debt may grow, in a window. Specification: Limits."""

from __future__ import annotations

from typing import Final, NamedTuple

from breakwater.model.shares import down
from breakwater.units import HOUR

WINDOW: Final = 4 * HOUR
"""Seconds; windows begin at multiples of it."""
DAY: Final = 6
"""Windows over which the reference averages."""
SATURATED: Final = 64
"""Windows after which the reference is the total."""
NUMBERS: Final = 2**16
"""Windows after which the number that is stored begins again."""
MANTISSA: Final = 16
"""Bits that are kept of an amount."""


def number_at(now: int) -> int:
    """Of the window at a time, as it is stored."""
    return now // WINDOW % NUMBERS


def end_of_window(now: int) -> int:
    """When the next window begins [unix seconds]."""
    return (now // WINDOW + 1) * WINDOW


def kept(amount: int) -> int:
    """The code of an amount to 16 bits, rounded down: mantissa, exponent of 2 from bit 16 on."""
    exponent = max(amount.bit_length() - MANTISSA, 0)
    return amount >> exponent | exponent << MANTISSA


def kept_up(amount: int) -> int:
    """The code of an amount raised by 1 part in 32,768 first: never below it."""
    return kept(amount + (amount >> (MANTISSA - 1)))


def value_of(code: int) -> int:
    """The amount that a code stands for."""
    return (code & (2**MANTISSA - 1)) << (code >> MANTISSA)


class Window(NamedTuple):
    """What limits follow from; amounts as codes, limits in percent of the reference (0: none)."""

    reference: int = 0
    opening: int = 0
    """Cash when it was opened."""
    before: int = 0
    """Cash when the one before was."""
    debt: int = 0
    """When it was opened."""
    debt_cap: int = 0
    floor: int = 0
    outflow_limit: int = 0
    growth_limit: int = 0

    def opened(self, passed: int, cash: int, debt: int, total: int) -> Window:
        """The one that begins `passed` windows later, the state being what it was before the
        operation that opens it.
        """
        reference = total
        if passed < SATURATED:
            reference = value_of(self.reference)
            for _ in range(passed):
                reference = down((DAY - 1) * reference + total, DAY)
        opening = kept_up(cash)
        return self._replace(
            reference=kept(reference),
            opening=opening,
            before=self.opening if passed == 1 else opening,
            debt=kept(debt),
        )

    def _limit(self, percent: int) -> int:
        return max(down(value_of(self.reference) * percent, 100), value_of(self.floor))

    def least_cash(self, parts: int = 1) -> int:
        """Code of the cash that stays where one of `parts` parts of the limit may leave."""
        if self.outflow_limit == 0:
            return 0
        base = min(value_of(self.opening), value_of(self.before))
        return kept_up(max(base - down(self._limit(self.outflow_limit), parts), 0))

    def most_debt(self) -> int:
        """Code of the debt that there may be."""
        if self.growth_limit == 0:
            return self.debt_cap
        grown = value_of(self.debt) + self._limit(self.growth_limit)
        return kept(min(value_of(self.debt_cap), grown))

    @property
    def word(self) -> int:
        """As it is stored."""
        amounts = self[:6]
        word = sum(code << (24 * place) for place, code in enumerate(amounts))
        return word | self.outflow_limit << 144 | self.growth_limit << 151
