"""Tokens that the books know of are gone: `check_solvency` on the whole protocol."""

import pytest

from breakwater.evm import EvmHost
from breakwater.units import DAY, HOUR
from tests.market import Market, refuses

HALT = 2
SPENT = "latch budget is spent"


@pytest.fixture
def market():
    return Market(EvmHost())


def check(market):
    return tuple(market.breaker.check_solvency(market.assets["WETH"], sender=market.other).value)


def lose(market, where, amount=1):
    market.assets["WETH"].token.burn(where, amount, sender=market.other)


def leave(market):
    """A lender takes some out."""
    vault = market.assets["WETH"].vault
    vault.withdraw(1, market.lender, market.lender, sender=market.lender)


def test_short_vault_is_halted_as_long_as_it_is_short(market):
    """A month on end, which spends nothing of the guardian's seven days."""
    weth = market.assets["WETH"]
    lose(market, weth.vault.address)
    for _ in range(30):
        assert check(market) == (0, 1, 0)
        market.host.advance(DAY - 1)
        assert (market.breaker.level_of(weth), weth.vault.level()) == (HALT, HALT)
        with refuses("vault is halted"):
            leave(market)
    weth.token.mint(weth.vault.address, 1, sender=market.other)
    assert check(market) == (0, 0, 0)
    assert weth.vault.level() == HALT
    market.host.advance(1)
    leave(market)
    market.breaker.trip(weth, HALT, 7 * DAY, sender=market.guardian)


def test_short_engine_halts_lenders_for_seven_days_and_its_asset_for_as_long_as_it_is(market):
    """The vault has what it owes: its lenders are locked in for no longer than by a guardian."""
    weth = market.assets["WETH"]
    market.deposit("WETH", 10)
    lose(market, market.engine.address, 5)
    for day in range(20):
        assert check(market) == (5, 0, 0)
        assert market.breaker.level_of(weth) == HALT
        assert weth.vault.level() == (HALT if day < 7 else 0)
        market.host.advance(DAY)
    leave(market)
    check(market)
    with refuses(SPENT):
        market.breaker.trip(weth, HALT, HOUR, sender=market.guardian)
    market.refresh()
    with refuses("initial margin is not met"):
        market.borrow("USDC", 1_000)


def test_guardian_lifts_beside_a_halt_that_no_longer_has_its_cause(market):
    """His reset, and anyone's, passes whatever the budget: it orders nothing new."""
    weth = market.assets["WETH"]
    market.breaker.trip(weth, HALT, 7 * DAY, sender=market.guardian)
    market.host.advance(7 * DAY - HOUR)
    lose(market, weth.vault.address)
    check(market)
    weth.token.mint(weth.vault.address, 1, sender=market.other)
    market.breaker.reset(weth, sender=market.guardian)
    market.host.advance(2 * HOUR)
    market.breaker.reset(weth, sender=market.other)
    assert weth.vault.level() == HALT
    market.host.advance(DAY)
    market.breaker.reset(weth, sender=market.other)
    leave(market)


def test_donation_trips_nothing_and_hides_nothing_of_the_other(market):
    weth = market.assets["WETH"]
    market.deposit("WETH", 10)
    for where in (market.engine.address, weth.vault.address):
        weth.token.mint(where, 10**20, sender=market.other)
    assert check(market) == (0, 0, 0)
    assert (market.breaker.level_of(weth), weth.vault.level()) == (0, 0)
    lose(market, weth.vault.address, 10**20 + 7)
    assert check(market) == (0, 7, 0)


def test_nobody_else_is_halted(market):
    weth, usdc = market.assets["WETH"], market.assets["USDC"]
    lose(market, weth.vault.address)
    check(market)
    assert (market.breaker.level_of(usdc), usdc.vault.level()) == (0, 0)
    usdc.vault.withdraw(1, market.lender, market.lender, sender=market.lender)
    market.deposit("DAI", 1_000)
    market.borrow("USDC", 500)
