"""Margin taken out down to the brink: Hyperliquid, March 2025, 4 million dollars.

A whale was long ether with fifty times leverage and far ahead. He took his profit out until what
was left was just the maintenance margin, and let the exchange's fund inherit the rest at the next
small fall: too large to be sold in time. What the account lost on the way he had hedged
elsewhere.
"""

import pytest

from tests.incidents.ledger import MAINTENANCE_IS_ENOUGH, Ledger, put, stripped, take
from tests.market import refuses

PEAK = 2_500
FALL = 2_063
"""17.5 % in a block."""


@pytest.fixture
def whale(new_market):
    """100 WETH, 100,000 dollars of debt; ether has risen to 2,500 and stays there."""

    def make():
        market = new_market()
        me = market.other
        market.give("WETH", me, 100 * 10**18)
        account = put(market, me, "WETH", 100)
        take(market, me, "USDC", 100_000)
        market.price("WETH", PEAK)
        market.settle("WETH", rounds=20)
        return market, account

    return make


def leave(market, account, whole):
    """Take out all but so many WETH."""
    rest = market.assets["WETH"].units(whole)
    market.engine.withdraw_collateral(
        account, market.assets["WETH"], market.held("WETH", account) - rest, market.other,
        sender=market.other,
    )  # fmt: skip


def gain_of_the_fall(market, account):
    """What the fall brings to one who is short elsewhere just as many WETH as he owns."""
    me = market.other
    owned = (market.held("WETH", account) + market.tokens("WETH", me)) / 10**18
    before, lent = Ledger(market).worth(me, account), Ledger(market).lenders(account)
    market.host.advance(12)
    market.price("WETH", FALL)
    after = Ledger(market).worth(me, account) + owned * (PEAK - FALL)
    return after - before, Ledger(market, WETH=FALL).lenders(account) - lent


def test_maintenance_is_enough(whale):
    """As it was: the loss of lenders is the whale's gain; other vaults have no part in it."""
    with stripped(MAINTENANCE_IS_ENOUGH):
        market, account = whale()
    leave(market, account, "48.25")
    weth = market.assets["WETH"].vault.cash() / 10**18
    gain, lost = gain_of_the_fall(market, account)
    assert gain == pytest.approx(-(lost + weth * (PEAK - FALL)), rel=1e-6)
    assert gain > 400
    dai = market.assets["DAI"].vault
    value = dai.convertToAssets(10**24)
    event = market.liquidate("USDC", "WETH", account=account).event("Liquidate")
    assert event.bad_debt > 400 * 10**6
    assert dai.convertToAssets(10**24) == value


def test_what_stays_is_the_initial_margin(whale):
    """A withdrawal leaves what a new loan would need: the same fall costs lenders nothing."""
    market, account = whale()
    for whole in ("48.25", "49.9"):
        with refuses("initial margin is not met"):
            leave(market, account, whole)
    leave(market, account, "50.1")
    weth = market.assets["WETH"].vault.cash() / 10**18
    gain, lost = gain_of_the_fall(market, account)
    assert gain <= 1e-6
    assert lost + weth * (PEAK - FALL) >= -1e-6
    assert market.liquidate("USDC", "WETH", account=account).event("Liquidate").bad_debt == 0


def test_profit_of_this_block(whale):
    """And a profit that has not lasted is none yet."""
    market, account = whale()
    market.price("WETH", 2 * PEAK)
    with refuses("price is in a jump"):
        leave(market, account, "50.1")
    market.price("WETH", PEAK * 3 // 2)
    with refuses("initial margin is not met"):
        leave(market, account, "49.9")
