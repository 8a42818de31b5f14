"""Incidents play on the market of the unit tests, or on a vault alone."""

from breakwater.units import WAD
from tests.unit.conftest import market, new_market
from tests.vault_world import new_world, world

__all__ = ["harm", "market", "new_market", "new_world", "world"]


def harm(quote: tuple[int, ...], whole: int, true: float, ltv: float = 0.8) -> float:
    """Dollars that a lender loses who trusts a quote alone: what it lends on whole tokens, less
    what they fetch at their true price.
    """
    return whole * (quote[0] / WAD * ltv - true)
