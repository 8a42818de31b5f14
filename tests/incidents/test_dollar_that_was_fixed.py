"""A stablecoin fixed at a dollar: USDC on Compound, March 2023.

A bank failed and USDC was worth 0.88 for a weekend. Where it was fixed at a dollar, whoever
bought it could borrow more on it than he had paid, so markets were paused. And DAI, which was not
fixed, had fallen along: who owed USDC on DAI was to be liquidated for a fall that his debt had
shared.
"""

from fractions import Fraction

import pytest

from breakwater.driver import NavFeed
from breakwater.units import DAY, WAD
from tests.incidents.ledger import Ledger, put, take
from tests.market import ASSETS, ZERO, refuses

DEPEG = Fraction(88, 100)


@pytest.fixture
def usdc(new_market, host):
    """USDC at 92 %, fixed or not. A borrower owes 74,000 of it on 100,000 DAI; the attacker has
    just bought a million of it for 440 WETH.
    """

    def make(fixed):
        rules = {"borrow_ltv": 9_200, "liquidation_ltv": 9_400}
        if fixed:
            nav = NavFeed.deploy(host, WAD, ZERO, 30 * DAY, 0, sender=host.account("owner"))
            rules |= {"source": nav.address, "is_feed": True}
        assets = {name: {"incentive_max": 400} for name in ASSETS}
        assets["USDC"] |= rules
        market = new_market(**assets)
        market.deposit("DAI", 100_000)
        market.borrow("USDC", 74_000)
        market.host.advance(12)
        for name in ("USDC", "DAI"):
            market.price(name, DEPEG)
        market.give("USDC", market.other, 10**6 * market.assets["USDC"].unit)
        return market, Ledger(market)

    return make


def test_fixed_dollar_is_bought_cheap(usdc):
    """As it was: bought for 880,000 dollars, lent on for 919,000."""
    market, ledger = usdc(True)
    me = market.other
    before, lent = ledger.worth(me), ledger.lenders()
    assert before == 880_000
    account = put(market, me, "USDC", 10**6)
    take(market, me, "WETH", "459.5")
    assert ledger.worth(me, account) - before == pytest.approx(39_000)
    assert ledger.lenders(account) - lent == pytest.approx(-39_000)


def test_market_price_of_a_dollar(usdc):
    """At what the market pays, from its first print on."""
    market, ledger = usdc(False)
    me = market.other
    before, lent = ledger.worth(me), ledger.lenders()
    account = put(market, me, "USDC", 10**6)
    with refuses("initial margin is not met"):
        take(market, me, "WETH", 405)
    take(market, me, "WETH", 404)
    assert ledger.worth(me, account) <= before
    assert ledger.lenders(account) >= lent


def test_fixed_dollar_that_is_owed(usdc):
    """As it was: a debt that is worth less counts in full, beside collateral that fell with it."""
    market, ledger = usdc(True)
    me, account = market.other, market.account()
    mine, his = ledger.worth(me), ledger.worth(market.borrower, account)
    market.liquidate("USDC", "DAI", sender=me)
    assert ledger.worth(me) - mine > 5_000
    assert ledger.worth(market.borrower, account) - his < -5_000


def test_debt_that_fell_along(usdc):
    """Both at their prices: nothing has happened to who owes one on the other."""
    market, _ = usdc(False)
    with refuses("account is healthy"):
        market.liquidate("USDC", "DAI", sender=market.other)


@pytest.mark.parametrize("name", ["USDC", "DAI"])
@pytest.mark.parametrize("percent", [98, 102])
def test_wick_of_two_percent(new_market, name, percent):
    """Nor is one close to his initial margin liquidated by a wick of two percent of either."""
    market = new_market()
    market.deposit("DAI", 100_000)
    market.borrow("USDC", 74_990)
    market.host.advance(12)
    market.price(name, Fraction(percent, 100))
    with refuses("account is healthy"):
        market.liquidate("USDC", "DAI")
