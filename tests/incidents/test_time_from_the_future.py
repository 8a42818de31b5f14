"""A price that is from the future: publishers whose clock runs ahead, or who say when a price will
be. What is younger than now is never old.
"""

import pytest

from breakwater.units import DAY
from tests.incidents.ledger import bug, stripped, take
from tests.market import refuses

NEVER_OLD = bug(
    "never_old",
    "A time in the future is fresh until it is past.",
    "RiskEngine",
    "contracts/modules/aggregator.vy",
    (
        "        or unsafe_sub(block.timestamp, updated_at) > max_age\n",
        "        or updated_at + max_age < block.timestamp\n",
    ),
)


def ahead(market, seconds):
    """The last thing that WETH's feed says is 2,000 dollars, so far ahead; then it is silent for
    half a year.
    """
    feed = market.assets["WETH"].feeds[0]
    feed.set_round(5, 2_000 * 10**8, market.host.now + seconds, 5, sender=market.owner)
    market.host.advance(180 * DAY)
    market.refresh("USDC")


def lend(market):
    market.give("WETH", market.borrower, 10**18)
    market.engine.deposit_collateral(
        market.account(0, market.borrower), market.assets["WETH"], 10**18, sender=market.borrower
    )
    take(market, market.borrower, "USDC", 1_500)


def test_silent_and_fresh(new_market):
    """As it was: a loan on the price of half a year ago."""
    with stripped(NEVER_OLD):
        market = new_market()
    ahead(market, 365 * DAY)
    lend(market)


@pytest.mark.parametrize("seconds", [1, 60, 365 * DAY, 2**64 - 1, 2**256 - 1 - 10**11])
def test_future_is_no_price(market, seconds):
    """It is none at once, by a second, and none when that second has come and gone with the age."""
    feed = market.assets["WETH"].feeds[0]
    feed.set_round(5, 2_000 * 10**8, market.host.now + seconds, 5, sender=market.owner)
    assert market.lens.quote(market.assets["WETH"]).status == 3
    ahead(market, seconds)
    with refuses("price is stale"):
        lend(market)
