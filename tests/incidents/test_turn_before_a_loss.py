"""A vault that is wound down pays each share alike; who took his turn before a loss was booked, and
again after it, took out of the others' part.
"""

import pytest

from breakwater.units import MAX_UINT256


@pytest.fixture
def wound(new_market):
    """A million DAI, 800,000 lent against ether that falls. Two lenders of a half each."""
    market = new_market(cash=10**6)
    owner, vault = market.owner, market.assets["DAI"].vault
    me, others = market.other, market.lender
    vault.transfer(me, vault.balanceOf(others) // 2, sender=others)
    market.deposit("WETH", 1_000)
    market.borrow("DAI", 800_000)
    market.host.advance(100)
    market.refresh()
    market.configurator.wind_down_vault(vault, sender=owner)
    market.price("WETH", 100)
    market.settle("WETH")
    return market


def take(market, who):
    vault = market.assets["DAI"].vault
    most = vault.maxWithdraw(who)
    if most > 1:
        vault.withdraw(most, who, who, sender=who)
    return most


@pytest.mark.parametrize("slices", [1, 2, 10])
def test_turn_before_a_loss(wound, slices):
    market, me = wound, wound.other
    got = take(market, me)
    cap = market.terms("DAI", "WETH").repay // slices + 1
    for one in range(slices):
        market.liquidate("DAI", "WETH", cap if one < slices - 1 else MAX_UINT256)
        got += take(market, me)
    rest = 0
    for _ in range(3):
        rest += take(market, market.lender)
        got += take(market, me)
    assert got <= rest * 1.001
