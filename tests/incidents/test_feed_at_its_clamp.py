"""A feed that stood at its clamp: Venus and Blizz, May 2022, 20 million dollars.

LUNA fell from 80 dollars to nothing in days. Its aggregator publishes nothing below 0.10, so the
feed stood at 0.107 while the market paid a cent. Whoever bought LUNA for a cent and deposited it
could borrow seven times what he had paid.
"""

from fractions import Fraction

import pytest

from breakwater.driver import MedianFeed
from breakwater.mocks import AggregatorMock, ClampedAggregatorMock
from breakwater.units import MAX_UINT256, WAD
from tests.market import refuses

TENTH = 10**7
"""A clamp of 0.10 dollars, 8 decimals."""


def list_luna(market, source):
    feed = MedianFeed.deploy(
        market.host, [source], [86_400], 1, 100, False, "LUNA / USD", sender=market.owner
    )
    market.add_asset(
        "LUNA", decimals=6, dollars=1, source=feed.address, is_feed=True,
        min_price=10**12, max_price=10**24,
    )  # fmt: skip
    return feed


def crash(market, set_answer):
    """From 1 dollar to a cent in a day, and on: averages have caught up with what is published."""
    for cents in (100, 60, 30, 20, 15, 11, 5, 1, 1, 1, 1, 1, 1, 1, 1):
        for _ in range(12):
            market.host.advance(600)
            market.refresh()
            set_answer(cents * 10**6)
            market.poke("LUNA")


def test_clamp_that_nobody_minds(market):
    """As it was: the same aggregator, its clamp behind a contract that does not tell it."""
    source = AggregatorMock.deploy(market.host, 8, 10**8, sender=market.owner)
    list_luna(market, source)
    crash(market, lambda answer: source.set(max(answer, TENTH), sender=market.owner))
    true = Fraction(1, 100)
    market.deposit("LUNA", 1_000_000)
    market.borrow("USDC", 79_000)
    assert market.owed("USDC") > 7 * 10**6 * 1_000_000 * true


def test_clamp_is_no_price(market):
    """From 1 % above the clamp on the answer is no price: neither deposits nor loans rest on it."""
    args = 8, 10**8, TENTH, 10**12
    source = ClampedAggregatorMock.deploy(market.host, *args, sender=market.owner)
    feed = list_luna(market, source)
    market.deposit("LUNA", 1_000_000)
    market.borrow("USDC", 1_000)
    crash(market, lambda answer: source.set(answer, sender=market.owner))
    assert source.answer() == TENTH
    assert feed.quote() == (0, 0, 0, 0, 0)
    with refuses("initial margin is not met"):
        market.borrow("USDC", 100)
    market.give("LUNA", market.other, 10**12)
    account = market.account(0, market.other)
    with refuses("price is stale"):
        market.engine.deposit_collateral(
            account, market.assets["LUNA"], 10**12, sender=market.other
        )
    # who owes may still pay
    usdc = market.assets["USDC"]
    market.give("USDC", market.borrower, 2_000 * usdc.unit)
    market.engine.repay(market.account(), usdc, MAX_UINT256, sender=market.borrower)
    assert market.owed("USDC") == 0


@pytest.mark.parametrize("answer", [TENTH, TENTH * 101 // 100])
def test_clamp_behind_a_proxy(market, answer):
    """What protocols read is a proxy, which has no clamps of its own."""
    behind = ClampedAggregatorMock.deploy(market.host, 8, 10**8, TENTH, 10**12, sender=market.owner)
    proxy = ClampedAggregatorMock.deploy(market.host, 8, 10**8, -1, -1, sender=market.owner)
    proxy.set_aggregator(behind, sender=market.owner)
    feed = list_luna(market, proxy)
    proxy.set_round(2, answer, market.host.now, 2, sender=market.owner)
    assert feed.quote() == (0, 0, 0, 0, 0)
    proxy.set_round(2, answer + TENTH, market.host.now, 2, sender=market.owner)
    assert feed.quote()[1] == (answer + TENTH) * WAD // 10**8
