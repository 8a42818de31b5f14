"""A gift to a share, and everyone who had borrowed it was liquidated: wUSDM on Venus, February
2025, 86 WETH and 0.7 million dollars of bad debt.

A donation to the vault behind wUSDM raised the rate of a share from 1.06 to 1.77 within a
transaction. Debts in it grew as much, and the attacker liquidated others, and himself, in a loop of
34 rounds at that rate.

The feed tells a rate, and a lower one that rose no faster than a rate may: a debt that was there
counts at the lower one. Edel, July 2026, and Summer, July 2026, where such a gift raised what
collateral counts, are in rate of one block and in shares posted again and again.
"""

import pytest

from breakwater.driver import MedianFeed, RateFeed
from breakwater.mocks import AggregatorMock, StakedTokenMock
from breakwater.units import DAY, WAD
from tests.incidents.ledger import Ledger, bug, put, stripped, take
from tests.market import refuses

DEBT_AT_ACTUAL = bug(
    "debt_at_actual",
    "A debt counts at the rate of now.",
    "RateFeed",
    "contracts/feeds/RateFeed.vy",
    (
        "    low = min(actual, self._bounded()) * low // WAD\n",
        "    low = actual * low // WAD\n",
    ),
)


def borrowed(market):
    """The victim owes 5,000 shares at 1.06 dollars on 10,000 dollars; the attacker has shares."""
    host, owner = market.host, market.owner
    share = StakedTokenMock.deploy(host, "wUSDM", "wUSDM", market.assets["DAI"], sender=owner)
    share.set_rate(106 * WAD // 100, sender=owner)
    source = AggregatorMock.deploy(host, 8, 10**8, sender=owner)
    dollar = MedianFeed.deploy(host, [source], [DAY], 1, 100, False, "DAI / USD", sender=owner)
    feed = RateFeed.deploy(host, share, dollar, 1_000, sender=owner)
    market.add_asset(
        "wUSDM", decimals=18, dollars=1, token=share, source=feed.address, is_feed=True
    )
    market.add_vault("wUSDM", 10**6, 100)
    market.give("USDC", market.lender, 10_000 * 10**6)
    account = put(market, market.lender, "USDC", 10_000)
    take(market, market.lender, "wUSDM", 5_000)
    market.give("wUSDM", market.other, 10_000 * WAD)
    market.host.advance(12)
    share.set_rate(170 * WAD // 100, sender=owner)
    return share, account


def liquidate(market, account):
    return market.liquidate("wUSDM", "USDC", account=account, sender=market.other)


def test_debt_grows_in_a_block(new_market):
    """As it was: health from 1.51 to 0.94. Each share that is worth 1.06 buys 1.70 dollars and
    more; the borrower loses that, and lenders nothing.
    """
    with stripped(DEBT_AT_ACTUAL):
        market = new_market()
        share, account = borrowed(market)
    ledger = Ledger(market, wUSDM="1.06")
    before = ledger.worth(market.other)
    event = liquidate(market, account).event("Liquidate")
    share.set_rate(106 * WAD // 100, sender=market.owner)
    repaid = event.repaid / WAD
    gain = ledger.worth(market.other) - before
    assert gain == pytest.approx(event.seized / 10**6 - 1.06 * repaid, rel=0.01)
    assert gain > 0.64 * repaid > 1_000


@pytest.mark.parametrize("hours", [0, 24])
def test_debt_grows_as_a_rate_may(market, hours):
    """10 % a year, however long the gift stays; the collateral's side is not lifted either."""
    _, account = borrowed(market)
    for _ in range(hours):
        market.host.advance(3_600)
        market.refresh()
        with refuses("account is healthy"):
            liquidate(market, account)
    with refuses("account is healthy"):
        liquidate(market, account)
