"""A price in another number of decimals: PAXG on Morpho, October 2024, 0.23 million dollars; tETH
on Term, April 2025, 0.65 million; Ribbon, December 2025, 2.7 million.

Who made PAXG's market typed the scale of its oracle, and it was wrong: a crumb of gold carried all
there was. On Term and at Ribbon decimals did not match either, eight of them beside eighteen.

Here nobody types a scale: a token and its aggregator are asked for their decimals, and the price
range of a listing is given in dollars. What is played is an aggregator that tells 8 decimals where
its answers have 12: gold at 26.5 million dollars.
"""

import pytest

from breakwater.units import DAY, WAD
from tests.incidents.ledger import Ledger, put, take
from tests.market import NEW_LIMIT, refuses

TRUE, TOLD = 2_650, 26_500_000
BOUNDS = {"min_price": TRUE * WAD // 4, "max_price": TRUE * WAD * 4}


def test_told_and_believed(market):
    """As it was: the listing asks for no range, and 0.132 ounces, 350 dollars, carry 230,000."""
    market.add_asset("PAXG", decimals=18, dollars=TOLD)
    me, ledger = market.other, Ledger(market, PAXG=TRUE)
    market.give("PAXG", me, WAD * 350 // TRUE)
    before, lent = ledger.worth(me), ledger.lenders()
    account = put(market, me, "PAXG", 350 / TRUE)
    take(market, me, "USDC", 230_000)
    assert ledger.worth(me, account) - before == pytest.approx(230_000 - 350, rel=1e-6)
    assert lent - ledger.lenders(account) == pytest.approx(230_000 - 350, rel=1e-6)


def test_listed_within_a_range(market):
    """Who knows what gold costs, within a factor of four, cannot list it like this."""
    with refuses("price is not valid"):
        market.add_asset("PAXG", decimals=18, dollars=TOLD, **BOUNDS)
    market.add_asset("PAXG", decimals=18, dollars=TRUE, **BOUNDS)


def test_told_later(market):
    """Nor is anything lent on a feed that changes its decimals after the listing."""
    market.add_asset("PAXG", decimals=18, dollars=TRUE, **BOUNDS)
    me = market.other
    market.give("PAXG", me, WAD)
    put(market, me, "PAXG", 1)
    market.price("PAXG", TOLD)
    with refuses("initial margin is not met"):
        take(market, me, "USDC", 1_000)


def test_listed_after_genesis(market):
    """Who knows nothing lists for all lenders at most 10,000,000 / 1,024 at 80 %: 7,813 dollars."""
    market.configurator.seal(sender=market.owner)
    market.host.advance(8 * DAY)
    market.refresh()
    cap = NEW_LIMIT // TOLD
    with refuses("cap is too high"):
        market.add_asset("PAXG", decimals=18, dollars=TOLD, cap=2 * cap, max_price=2 * TOLD * WAD)
    market.add_asset("PAXG", decimals=18, dollars=TOLD, cap=cap, max_price=2 * TOLD * WAD)
    me, ledger = market.other, Ledger(market, PAXG=TRUE)
    market.give("PAXG", me, WAD)
    asset, account = market.assets["PAXG"], market.account(0, me)
    room = market.lens.collateral(asset).room
    market.engine.deposit_collateral(account, asset, room, sender=me)
    with refuses("collateral cap is reached"):
        market.engine.deposit_collateral(account, asset, WAD // 10**6, sender=me)
    lent = ledger.lenders()
    loan = market.lens.max_borrow(account, market.assets["USDC"])
    market.engine.borrow(account, market.assets["USDC"], loan, me, sender=me)
    lost = lent - ledger.lenders(account)
    assert 7_700 < lost <= NEW_LIMIT / WAD / 1_024 * 0.8
