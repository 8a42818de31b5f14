"""A buyer of last resort that bought everything but what is delisted, when everybody else has left.

The pool moved what it bought to a shelf of its own, and nothing that is wound down may be moved:
each purchase of it was refused, and each one under water from an account that held some beside.
Hyperliquid delisted JELLY in March 2025 with its buyer of last resort in the middle of it.
"""

from fractions import Fraction

import pytest

from breakwater.units import DAY, WAD
from tests.backstop import Backstop

UNIT = 10**6


@pytest.fixture
def backstop(market):
    backstop = Backstop(market)
    market.deposit("WETH", 100)
    market.borrow("USDC", 120_000)
    backstop.stand(first=60_000 * UNIT, second=30_000 * UNIT)
    return backstop


def fall(backstop, dollars):
    market = backstop.market
    market.price("WETH", dollars)
    market.settle("WETH", rounds=20)


def end(backstop, dollars, name="WETH"):
    """The asset is wound down at that price."""
    market, asset = backstop.market, backstop.market.assets[name]
    market.configurator.announce_settlement(asset, dollars * WAD, sender=market.owner)
    market.host.advance(DAY)
    market.refresh()
    market.configurator.settle(asset, sender=market.owner)
    backstop.window()


def test_purchase_of_what_is_wound_down(backstop):
    """At the settlement price, for all shares, and each claim is paid."""
    fall(backstop, 1_400)
    end(backstop, 1_400)
    backstop.mark()
    terms = backstop.terms()
    reward = backstop.reward(terms, "WETH")
    take = backstop.buy().event("Take")
    assert (take.amount, take.reward) == (terms.seize["WETH"], reward)
    parts = {"first": Fraction(2, 3), "second": Fraction(1, 3)}
    for name, part in parts.items():
        assert abs(backstop.claim(name) - part * (take.amount - reward)) <= 1
    caller = backstop.market.other
    sent = backstop.pool.claim(backstop.market.assets["WETH"], caller, sender=caller)
    assert sent.value == reward


def test_purchases_before_and_after_the_end(backstop):
    """What stands on the shelf and what cannot be put there are one claim."""
    fall(backstop, 1_400)
    backstop.window()
    backstop.mark()
    before = backstop.buy(max_repay=3_000 * UNIT).event("Take")
    end(backstop, 1_400)
    backstop.mark()
    first = backstop.buy(max_repay=2_000 * UNIT).event("Take")
    second = backstop.buy(max_repay=1_000 * UNIT).event("Take")
    net = sum(take.amount - take.reward for take in (before, first, second))
    assert abs(backstop.claim("first") - Fraction(2, 3) * net) <= 3
    again = backstop.buy(max_repay=1_000 * UNIT).event("Take")
    net += again.amount - again.reward
    assert abs(backstop.claim("second") - Fraction(1, 3) * net) <= 4
    rest = Fraction(2, 3) * (again.amount - again.reward)
    assert abs(backstop.claim("first") - rest) <= 4
