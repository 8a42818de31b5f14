"""Collateral at the price of this very block: bZx, February 2020, 0.6 million dollars; Warp
Finance, December 2020, 7.7 million; Deus, April 2022, 13 million; Rodeo, Polter and many since.

One transaction borrows money, buys a token with it in a thin pool, posts tokens that it held at
the price which that made, borrows on them all that they seem worth, and sells what it bought. Who
knows that spots can be moved may take the reserves of the pool instead, each at an honest price:
those are moved as well (Warp).

The feed is the pool's spot here, in both builds. What makes the difference is the average.
"""

from __future__ import annotations

import pytest

from tests.incidents.ledger import SPOT_BELIEVED, Exchange, Ledger, put, stripped, take
from tests.market import refuses

HELD = 50_000
"""Tokens of ten dollars that the attacker posts."""


def reserves(exchange):
    """A share of the pool at what the pool holds, each part at an honest price."""
    return (exchange.tokens * 10 + exchange.dollars) / 200_000


ATTACKS = {
    # what is told of the pool, times its spot is pumped, what that makes of the price told
    "bZx": ("TKN", 2.5, 2.5),
    "Deus": ("TKN", 10, 10),
    "Rodeo": ("TKN", 50, 50),
    "Warp": ("SHARE", 100, 5.05),
}


@pytest.fixture(params=ATTACKS)
def attack(request, new_market):
    """A market with the pool's token and its share at ten dollars; the attacker's money."""

    def make():
        listed = {"decimals": 18, "dollars": 10}
        market = new_market(TKN=listed, SHARE=listed)
        name, times, seems = ATTACKS[request.param]
        quote = reserves if name == "SHARE" else None
        exchange = Exchange(market, "TKN", 10**6, name, quote)
        market.give("USDC", market.other, 10**7 * market.assets["USDC"].unit)
        market.give(name, market.other, HELD * 10**18)
        return market, exchange, name, times, int(HELD * 10 * seems * 0.79)

    return make


def test_spot_is_believed(attack):
    """As it was: the loan is worth more than what stays behind for it."""
    with stripped(SPOT_BELIEVED):
        market, exchange, name, times, loan = attack()
    me, ledger = market.other, Ledger(market)
    before, lent = ledger.worth(me), ledger.lenders()
    bought = exchange.pump(me, times)
    account = put(market, me, name, HELD)
    take(market, me, "USDC", loan)
    exchange.sell(me, bought)
    gain = ledger.worth(me, account) - before
    # trading back and forth costs a little
    assert gain > loan - HELD * 10 - 60_000 > 400_000
    assert ledger.lenders(account) - lent == pytest.approx(HELD * 10 - loan)


def test_spot_counts_when_it_has_lasted(attack):
    """The same feed: in this block, and in the next one, a token is worth what it was."""
    market, exchange, name, times, loan = attack()
    me, ledger = market.other, Ledger(market)
    before, lent = ledger.worth(me), ledger.lenders()
    bought = exchange.pump(me, times)
    account = put(market, me, name, HELD)
    for _ in range(2):
        with refuses("initial margin is not met"):
            take(market, me, "USDC", min(loan, HELD * 10))
        market.poke(name)
        market.host.advance(12)
    take(market, me, "USDC", HELD * 10 * 0.8)
    exchange.sell(me, bought)
    assert ledger.worth(me, account) <= before
    assert ledger.lenders(account) >= lent


def test_spot_that_is_held(new_market):
    """What no average can do: for a pump of ten times that nobody sells into it takes minutes. A
    feed has to be one that is dear to hold.
    """
    market = new_market(TKN={"decimals": 18, "dollars": 10})
    exchange = Exchange(market, "TKN", 10**6)
    me = market.other
    market.give("USDC", me, 10**7 * market.assets["USDC"].unit)
    market.give("TKN", me, HELD * 10**18)
    exchange.pump(me, 10)
    put(market, me, "TKN", HELD)
    for _ in range(10):
        market.poke("TKN")
        market.host.advance(12)
    take(market, me, "USDC", HELD * 10 * 1.05)
