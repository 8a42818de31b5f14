"""Shares of a vault that is wound down, redeemed in part, were posted as collateral and taken out
again: what was noted with them stayed with everybody's, and the turn began anew.
"""

import pytest

from breakwater.driver import MedianFeed, RateFeed
from breakwater.host import Reverted
from breakwater.mocks import AggregatorMock
from breakwater.units import DAY, MAX_UINT256


@pytest.fixture
def wound(new_market):
    """A million DAI, of which 800,000 are lent. The share is collateral: lenders of four fifths
    hold theirs in an account, the attacker a fifth in his wallet.
    """
    market = new_market(cash=10**6)
    host, owner, vault = market.host, market.owner, market.assets["DAI"].vault
    source = AggregatorMock.deploy(host, 8, 10**8, sender=owner)
    dollar = MedianFeed.deploy(host, [source], [DAY], 1, 100, False, "DAI", sender=owner)
    claim = RateFeed.deploy(host, vault, dollar, 1_000, sender=owner)
    market.add_asset(
        "claim", decimals=24, dollars=1, token=vault, cap=2**104,
        source=claim.address, is_feed=True,
    )  # fmt: skip
    me, others = market.other, market.lender
    vault.transfer(me, vault.balanceOf(others) // 5, sender=others)
    for who in (me, others):
        vault.approve(market.engine, MAX_UINT256, sender=who)
    held = vault.balanceOf(others)
    market.engine.deposit_collateral(market.account(0, others), vault, held, sender=others)
    market.deposit("WETH", 1_000)
    market.borrow("DAI", 800_000)
    market.configurator.wind_down_vault(vault, sender=owner)
    return market


def test_second_turn(wound):
    """His part of 200,000 is 40,000, whoever came before and whatever he does."""
    market, vault, me = wound, wound.assets["DAI"].vault, wound.other
    unit, mine = market.assets["DAI"].unit, market.account(0, wound.other)
    got = 0
    for _ in range(60):
        most = vault.maxWithdraw(me)
        if most == 0:
            break
        vault.withdraw(most, me, me, sender=me)
        got += most
        try:
            market.engine.deposit_collateral(mine, vault, vault.balanceOf(me), sender=me)
        except Reverted:
            break
        market.engine.withdraw_collateral(mine, vault, MAX_UINT256, me, sender=me)
    assert got <= 40_001 * unit
