"""A trade inside a position that nobody checked after it: bZx, February 2020, 0.35 million
dollars; Sharwa, October 2025.

A margin account sold ether for bitcoin in a pool that the attacker had pumped to three times the
price. What came back was worth a third, so the position was under water the moment it was opened;
the check that would have said so was skipped on that path.

Here a position swaps its WETH for WBTC in a batch, at a venue that is the attacker's own.
"""

import pytest

from tests.incidents.ledger import Ledger, put, stripped, take
from tests.market import DEPOSIT, WITHDRAW, refuses


@pytest.fixture
def position(new_market):
    """100 WETH, worth 200,000 dollars, and 130,000 dollars of debt; two WBTC are at hand."""

    def make():
        market = new_market()
        me = market.other
        for name, whole in (("WETH", 100), ("WBTC", 4)):
            market.give(name, me, whole * market.assets[name].unit)
        account = put(market, me, "WETH", 100)
        take(market, me, "USDC", 130_000)
        market.host.advance(12)
        return market, account

    return make


def swap(market, account, fill):
    """All the WETH goes to the venue, and so many WBTC come from it."""
    legs = [
        market.leg(WITHDRAW, "WETH", 100 * 10**18, account, receiver=market.other),
        market.leg(DEPOSIT, "WBTC", market.assets["WBTC"].units(fill), account),
    ]
    market.engine.batch(legs, b"", sender=market.other)


def test_trade_is_not_checked(position):
    """As it was: WETH for 200,000 dollars out, WBTC for 66,500 in."""
    with stripped("batch_withdrawal_unchecked"):
        market, account = position()
    ledger, me = Ledger(market), market.other
    before, lent = ledger.worth(me, account), ledger.lenders(account)
    swap(market, account, "1.33")
    assert ledger.worth(me, account) - before == pytest.approx(63_500, rel=0.001)
    assert ledger.lenders(account) - lent == pytest.approx(-63_500, rel=0.001)


@pytest.mark.parametrize("fill", ["1.33", "3.7"])
def test_trade_is_checked_after_it(position, fill):
    """Whatever a batch does in between, the account must meet its margin at the end."""
    market, account = position()
    ledger, me = Ledger(market), market.other
    before, lent = ledger.worth(me, account), ledger.lenders(account)
    with refuses("initial margin is not met"):
        swap(market, account, fill)
    assert ledger.worth(me, account) == before
    assert ledger.lenders(account) == lent


def test_fair_trade(position):
    """One at the price of the market is a batch like any other."""
    market, account = position()
    swap(market, account, 4)
    assert market.held("WBTC", account) == 4 * 10**8
    assert market.held("WETH", account) == 0
