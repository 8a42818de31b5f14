"""Liquidations that make the next ones: collateral is sold, the price falls, more is liquidated.
CRV and other thin tokens, and much of a day in October 2025.

The token's only market holds a hundred thousand of it. Twenty accounts hold ten thousand each, one
a little healthier than the other. Arbitrage from elsewhere refills the market each hour.

A depth is how much of a collateral liquidations may take in an hour. It is for tokens whose market
is known to be thin: where the fall is real it makes the loss larger, so no depth is the default.
"""

from fractions import Fraction

import pytest

from breakwater.host import Reverted
from breakwater.units import WAD
from tests.incidents.ledger import Exchange

DEPTH = 10**6
"""Dollars on each side of the market, at ten dollars a token."""
ACCOUNTS, EACH = 20, 10_000


@pytest.fixture
def thin(new_market):
    """Accounts with a health of 1.04, 1.05, 1.06 and so on at ten dollars."""

    def make(depth=None):
        market = new_market(TKN={"decimals": 18, "dollars": 10}, debts=("USDC",))
        token = market.assets["TKN"]
        for number in range(ACCOUNTS):
            account = market.account(number)
            market.deposit("TKN", EACH, account)
            loan = EACH * 10 * Fraction(83, 100) / (Fraction(104, 100) + Fraction(number, 100))
            market.borrow("USDC", int(loan), account)
        if depth:
            market.configurator.set_depth(token, depth * WAD, sender=market.owner)
        market.host.advance(-market.host.now % 3_600)  # hours are aligned
        market.refresh()
        market.give("USDC", market.liquidator, 10**15)
        return market, Exchange(market, "TKN", DEPTH)

    return make


def hour(market, exchange):
    """Everyone who is below is liquidated, in slices of two thousand dollars, and what was seized
    is sold at once; every five minutes. How many tokens were seized.
    """
    seized = Fraction(0)
    for _ in range(11):
        market.host.advance(300)
        market.refresh()
        market.poke("TKN")
        for number in range(ACCOUNTS):
            for _ in range(40):
                try:
                    receipt = market.liquidate(
                        "USDC", "TKN", 2 * 10**9, account=market.account(number),
                        sender=market.liquidator,
                    )  # fmt: skip
                except Reverted:
                    break
                whole = Fraction(receipt.event("Liquidate").seized, WAD)
                seized += whole
                exchange.sell(market.liquidator, whole)
                exchange.dollars = Fraction(round(exchange.dollars, 6))
                exchange.tokens = Fraction(round(exchange.tokens, 6))
    market.host.advance(300)
    return seized


def refill(market, exchange):
    """Arbitrage brings the price back to 9.6 dollars."""
    spot = Fraction(96, 10)
    exchange.dollars, exchange.tokens = Fraction(DEPTH), DEPTH / spot
    market.price("TKN", spot)


def touched(market):
    return sum(
        market.held("TKN", market.account(number)) < EACH * WAD for number in range(ACCOUNTS)
    )


def crash(market, exchange):
    """The token falls to 9.6 dollars where its first account is below; four hours of that. Tokens
    seized, accounts that lost some, the lowest price.
    """
    refill(market, exchange)
    seized, lowest = [], exchange.spot
    for _ in range(4):
        seized.append(hour(market, exchange))
        lowest = min(lowest, exchange.spot)
        refill(market, exchange)
    return seized, touched(market), lowest


def test_all_at_once(thin):
    """As it was: within the hour each account is sold, at a price that the sales made."""
    seized, accounts, lowest = crash(*thin())
    assert seized[0] == ACCOUNTS * EACH
    assert accounts == ACCOUNTS
    assert lowest < 2


def test_as_much_as_the_market_bears(thin):
    """At a fortieth of the market an hour: few are touched, since the price comes back."""
    depth = 2_500
    seized, accounts, lowest = crash(*thin(depth))
    assert 0 < max(seized) <= depth
    assert accounts == 2
    assert lowest > 9
