"""More of a token than its market bears: XVS on Venus, May 2021, 77 million dollars; CRV on Aave,
November 2022, 1.6 million.

XVS went from 70 dollars to 144 in hours. A whale posted two million of it, borrowed four thousand
bitcoins, and XVS fell to 31: nobody could sell that many. A year later 92 million CRV were
borrowed and sold short; when CRV rose, nobody could buy as many to repay them.

The price is what the market pays, and no average helps. What bounds the loss is the cap of what
is posted, or lent, beside the depth of the market.
"""

import pytest

from tests.incidents.ledger import Exchange, Ledger, put, take
from tests.market import refuses

DEPTH = 10**6
"""Dollars on each side of the only pool, at ten dollars a token: 100,000 tokens."""


@pytest.fixture
def thin(new_market):
    """A market for a token of such a pool."""

    def make(cap=None):
        market = new_market(TKN={"decimals": 18, "dollars": 10, "cap": cap}, debts=("USDC", "DAI"))
        for name in ("USDC", "TKN"):
            asset = market.assets[name]
            market.give(name, market.other, 10**6 * asset.unit)
        return market, Exchange(market, "TKN", DEPTH)

    return make


def pump(market, exchange):
    """Twice the price, for hours, whoever sells into it; then all that was bought is worth ten
    dollars a token again. What that cost is lost.
    """
    exchange.pump(market.other, 2)
    market.settle("TKN", rounds=20)


def test_posted_without_a_cap(thin):
    """As it was: 900,000 tokens at twenty dollars carry a loan of fourteen million."""
    market, exchange = thin()
    me, ledger = market.other, Ledger(market)
    before, lent = ledger.worth(me), ledger.lenders()
    pump(market, exchange)
    account = put(market, me, "TKN", 900_000)
    take(market, me, "USDC", 14 * 10**6)
    assert ledger.worth(me, account) - before > 4 * 10**6
    assert lent - ledger.lenders(account) > 4 * 10**6


def test_posted_within_a_cap(thin):
    """With a cap of a tenth of what the pool holds the pump costs more than it brings; the loss is
    what the design states: cap · (pumped price · borrow_ltv - true price).
    """
    cap = 10_000
    market, exchange = thin(cap * 10**18)
    me, ledger = market.other, Ledger(market)
    before, lent = ledger.worth(me), ledger.lenders()
    pump(market, exchange)
    accounts = []
    for number in range(3):
        accounts.append(put(market, me, "TKN", cap * 0.33, number))
        take(market, me, "USDC", cap * 0.33 * 20 * 0.79, number)
    with refuses("collateral cap is reached"):
        put(market, me, "TKN", cap * 0.02, 3)
    assert ledger.worth(me, *accounts) < before
    assert lent - ledger.lenders(*accounts) <= cap * (20 * 0.8 - 10)


def squeeze(market, exchange, account):
    """The price rises by a tenth each hour until it has doubled. Each hour liquidators repay what
    the pool would sell them for a tenth more, which is 5 % of what it holds.
    """
    me = market.liquidator
    market.give("TKN", me, 10**7 * market.assets["TKN"].unit)
    for step in range(1, 9):
        market.price("TKN", int(10 * 1.1**step))
        for _ in range(12):
            market.host.advance(300)
            market.refresh()
            market.poke("TKN")
        if market.lens.account(account).health.health_factor < 10**18:
            repay = int(exchange.tokens * 10**18) // 20
            market.liquidate("TKN", "USDC", repay, account=account, sender=me)


@pytest.mark.parametrize("debt_cap", [None, 15_000])
def test_lent_and_squeezed(thin, debt_cap):
    """As it was: 92 % of the pool was lent and sold; liquidators are not through when the account
    is under water. With a debt cap of 15 % of the pool they are.
    """
    market, exchange = thin()
    market.add_vault("TKN", 2 * 10**6, 100)
    me = market.other
    asset = market.assets["TKN"]
    market.give("USDC", me, 10**7 * market.assets["USDC"].unit)
    wanted = 92_000
    if debt_cap:
        market.set_vault(asset.name, debt_cap=debt_cap * asset.unit)
        put(market, me, "USDC", 1_200_000)
        with refuses("debt cap is reached"):
            take(market, me, "TKN", wanted)
        wanted = debt_cap - 1  # the cap keeps 16 bits, rounded down
    account = market.account(1, me)
    put(market, me, "USDC", int(wanted * 13.1), 1)
    take(market, me, "TKN", wanted, 1)
    squeeze(market, exchange, account)
    collateral, debt = Ledger(market).of(account)
    if debt_cap:
        assert debt <= collateral
    else:
        assert debt > collateral * 5 / 4
