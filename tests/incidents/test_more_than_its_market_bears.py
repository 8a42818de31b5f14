"""More of a token than its market bears: XVS on Venus, May 2021, 77 million dollars; CRV on Aave,
November 2022, 1.6 million.

XVS went from 70 dollars to 144 in hours. A whale posted two million of it, borrowed four thousand
bitcoins, and XVS fell to 31: nobody could sell that many. A year later 92 million CRV were
borrowed and sold short; when CRV rose, nobody could buy as many to repay them. Most of the loss
was made by the liquidations themselves, each of which moved the price for the next.

The price is what the market pays, and no average helps. What bounds the loss is the cap of what
is posted, or lent, beside the depth of the market; and where caps are wrong, how much liquidations
may seize in an hour.
"""

from fractions import Fraction

import pytest

from breakwater.units import HOUR, WAD
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


ACCOUNTS = 12
NEWS = 9.3
"""Dollars: what the token is worth from now on. Each account of 5,000 tokens, which owes 39,000
dollars, has a health factor of 0.99 there.
"""
SEIZED_IN_AN_HOUR = 2_000


def posted(thin, depth):
    """The accounts, at the first second of an hour."""
    market, exchange = thin()
    market.configurator.set_depth(market.assets["TKN"], depth * WAD, sender=market.owner)
    accounts = []
    for number in range(ACCOUNTS):
        accounts.append(put(market, market.other, "TKN", 5_000, number))
        take(market, market.other, "USDC", 39_000, number)
    market.host.advance(HOUR - market.host.now % HOUR)
    return market, exchange, accounts


def settled(exchange):
    """Others trade the price back to what the token is worth."""
    product = float(exchange.dollars * exchange.tokens)
    exchange.tokens, exchange.dollars = (
        Fraction((product / NEWS) ** 0.5),
        Fraction((product * NEWS) ** 0.5),
    )
    exchange.on.price("TKN", exchange.spot)


def hour_of_liquidations(market, exchange, accounts):
    """Whoever is below maintenance, and whoever is after that, is liquidated and what was seized
    sold at once: the losses that are booked [dollars].
    """
    me, lost = market.liquidator, 0
    token, usdc = market.assets["TKN"], market.assets["USDC"]
    for account in accounts:
        if market.lens.account(account).health.health_factor >= WAD:
            continue
        repay, state = 10**6 * usdc.unit, market.lens.collateral(token)
        if state.depth:
            # with an incentive of at most 8 %
            repay = int(state.seizable * exchange.spot / Fraction(108, 100) / 10**12)
            if repay < 1_000 * usdc.unit:
                break
        before = market.tokens("TKN", me)
        receipt = market.liquidate("USDC", "TKN", repay, account=account)
        lost += receipt.event("Liquidate").bad_debt / usdc.unit
        if seized := market.tokens("TKN", me) - before:
            exchange.sell(me, Fraction(seized, token.unit))
    return lost


@pytest.mark.parametrize("depth", [0, SEIZED_IN_AN_HOUR])
def test_more_sold_than_the_market_takes(thin, depth):
    """60,000 tokens are posted, six tenths of what the pool holds: the cap was wrong. A fall by 7 %
    wants 15,000 of them sold. As it was that happens at once; each sale puts the next account
    lower, down to four dollars, and lenders lose 82,900. With 2,000 an hour the price falls by
    1 - (103,700 / 105,700)² = 3.8 % below the market's and comes back, no account is ever worth
    less than 5,000 · 8.95 = 44,700 dollars, and nobody loses but those who pay incentives.
    """
    market, exchange, accounts = posted(thin, depth)
    ledger = Ledger(market, TKN=NEWS)
    lent, lost, lowest = ledger.lenders(*accounts), 0, NEWS
    for _ in range(24):
        settled(exchange)
        lost += hour_of_liquidations(market, exchange, accounts)
        lowest = min(lowest, float(exchange.spot))
        market.host.advance(HOUR)
    settled(exchange)
    if depth:
        assert lost == 0
        assert lowest > NEWS * (103_700 / 105_700) ** 2 - 0.01
        assert ledger.lenders(*accounts) >= lent
        states = [market.lens.account(account).health for account in accounts]
        assert all(health.health_factor >= WAD for health in states)
    else:
        assert lost == pytest.approx(82_900, rel=0.01)
        assert lent - ledger.lenders(*accounts) > 80_000
        assert lowest < 5


def test_slices_of_twice_the_least_debt_are_not_counted_out(thin):
    """What the limit can't do: 200 dollars are always liquidated, whatever the hour has seen, since
    nothing may keep liquidators out for good. A hundred such calls sell another 2,200 tokens; what
    stands against it is the gas of each, and the least debt.
    """
    market, exchange, accounts = posted(thin, SEIZED_IN_AN_HOUR)
    me, token = market.liquidator, market.assets["TKN"]
    settled(exchange)
    hour_of_liquidations(market, exchange, accounts)
    full = exchange.spot
    least = market.engine.debt_of(market.assets["USDC"])[2]
    with refuses("liquidation limit is reached"):
        market.liquidate("USDC", "TKN", 3 * least, account=accounts[-1])
    sold = Fraction(0)
    for _ in range(100):
        before = market.tokens("TKN", me)
        market.liquidate("USDC", "TKN", 2 * least, account=accounts[-1])
        seized = Fraction(market.tokens("TKN", me) - before, token.unit)
        exchange.sell(me, seized)
        sold += seized
    assert sold == pytest.approx(2_300, rel=0.1)
    assert exchange.spot < full * 97 / 100
