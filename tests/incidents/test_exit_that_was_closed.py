"""The exit of lenders closed to save them: deUSD on Compound, November 2025.

A collateral had lost nearly all it was worth. What could be stopped at once was withdrawals, so
the guardian stopped those: lenders were locked in with the bad collateral.
"""

import pytest

from breakwater.units import DAY
from tests.market import refuses


@pytest.fixture
def lending(market):
    """USDC is lent on WETH and on DAI; what is left may be withdrawn."""
    for name, whole, loan in (("WETH", 1_000, 10**6), ("DAI", 10**6, 500_000)):
        market.deposit(name, whole)
        market.borrow("USDC", loan)
    market.host.advance(12)
    return market


def leave(market, whole=10**6):
    usdc = market.assets["USDC"]
    usdc.vault.withdraw(whole * usdc.unit, market.lender, market.lender, sender=market.lender)


def test_exit_is_closed(lending):
    """As it was: a halt of what is lent stops lenders, too. It ends by itself, and is not to be
    had again for three weeks.
    """
    usdc = lending.assets["USDC"]
    lending.breaker.trip(usdc, 2, 7 * DAY, sender=lending.guardian)
    for _ in range(7):
        with refuses("vault is halted"):
            leave(lending)
        lending.host.advance(DAY)
    leave(lending)
    for _ in range(2):
        with refuses("latch budget is spent"):
            lending.breaker.trip(usdc, 2, DAY, sender=lending.guardian)
        lending.host.advance(11 * DAY)


def test_borrowing_stops_first(lending):
    """A level below it there is no new debt, and lenders leave with all that is there."""
    usdc = lending.assets["USDC"]
    lending.breaker.trip(usdc, 1, 7 * DAY, sender=lending.guardian)
    with refuses("vault is in caution"):
        lending.borrow("USDC", 100)
    leave(lending)
    cash = usdc.vault.cash() // usdc.unit
    leave(lending, cash)
    assert usdc.vault.cash() < usdc.unit


@pytest.mark.parametrize("cause", ["guardian", "price", "jump"])
def test_halt_of_a_collateral(lending, cause):
    """What happens to a collateral stops loans on it, and no lender."""
    dai = lending.assets["DAI"]
    if cause == "guardian":
        lending.breaker.trip(dai, 2, 7 * DAY, sender=lending.guardian)
    elif cause == "price":
        lending.break_feed("DAI")
        for _ in range(2):
            lending.breaker.poke(dai, sender=lending.other)
            lending.host.advance(1_000)
        lending.refresh("USDC", "WETH")
    else:
        lending.price("DAI", "0.1")
        lending.poke("DAI")
    # ether carries 160,000, a million DAI 75,000 at a tenth and nothing when it is halted
    account = lending.account(2)
    lending.deposit("WETH", 100, account)
    if cause != "price":
        lending.deposit("DAI", 10**6, account)
    with refuses("initial margin is not met"):
        lending.borrow("USDC", 240_000, account)
    leave(lending)
