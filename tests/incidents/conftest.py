"""Incidents play on the market of the unit tests."""

from tests.unit.conftest import market, new_market

__all__ = ["market", "new_market"]
