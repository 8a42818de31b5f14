"""Shares borrowed, posted, and borrowed again: Cream, October 2021, 130 million dollars.

One account borrowed yUSD on two billion dollars of flash-borrowed ether, another posted it, and
so again and again: a billion and a half of claims stood on eight million of yUSD. Then eight
million dollars were given to the yUSD vault. The rate of a share doubled, and with it all the
claims; the second account borrowed whatever there was on them, and the first was left with a debt
that was worth more than its ether.

Here a million shares, borrowed eight times on 10.6 million dollars of ether, and a million given.
Collateral lies in the engine and is lent to nobody, so the claims are shares of our own vault.
"""

from fractions import Fraction

import pytest

from breakwater.driver import MedianFeed, RateFeed
from breakwater.mocks import AggregatorMock, StakedTokenMock
from breakwater.units import DAY, WAD
from tests.incidents.ledger import SPOT_BELIEVED, Ledger, put, stripped, take
from tests.market import refuses

SHARES, LOOPS, ETHER = 10**6, 8, 5_300
CLAIM = 2 * (1 + ETHER * 1_000 / SHARES) / (1 + LOOPS)
"""Dollars that a claim is worth in the end: a million shares at two dollars in cash, and what ether
is left for the debt.
"""


class Cream:
    """yUSD, a share of DAI, is lent, and the share of its vault is collateral."""

    def __init__(self, market):
        self.on, self.me = market, market.other
        host, owner, self.dai = market.host, market.owner, market.assets["DAI"]
        self.share = StakedTokenMock.deploy(host, "yUSD", "yUSD", self.dai, sender=owner)
        source = AggregatorMock.deploy(host, 8, 10**8, sender=owner)
        dollar = MedianFeed.deploy(host, [source], [DAY], 1, 100, False, "DAI", sender=owner)
        rate = RateFeed.deploy(host, self.share, dollar, 1_000, sender=owner)
        market.add_asset(
            "yUSD", decimals=18, dollars=1, token=self.share, source=rate.address, is_feed=True
        )
        market.add_vault("yUSD", SHARES, 100)
        # shares that were minted out of nothing get what backs them
        self.dai.token.mint(self.share, (SHARES + 1) * WAD, sender=owner)
        self.vault = market.assets["yUSD"].vault
        claim = RateFeed.deploy(host, self.vault, rate, 1_000, sender=owner)
        market.add_asset(
            "claim", decimals=24, dollars=1, token=self.vault, cap=2**104,
            source=claim.address, is_feed=True,
        )  # fmt: skip
        market.give("WETH", self.me, ETHER * WAD)
        market.give("DAI", self.me, SHARES * WAD)
        market.give("yUSD", self.me, 0)
        self.ledger = Ledger(market, yUSD=2, claim=CLAIM)

    def attack(self, loan):
        """The gain of loops, a gift and a loan of so many USDC on the claims."""
        market, me = self.on, self.me
        before = self.ledger.worth(me)
        borrowing = put(market, me, "WETH", ETHER)
        for _ in range(LOOPS):
            take(market, me, "yUSD", SHARES)
            self.vault.deposit(SHARES * WAD, me, sender=me)
            posting = put(market, me, "claim", Fraction(self.vault.balanceOf(me), 10**24), 1)
        self.dai.token.transfer(self.share, SHARES * WAD, sender=me)
        assert self.share.convertToAssets(WAD) == pytest.approx(2 * WAD, rel=1e-5)
        take(market, me, "USDC", loan, 1)
        return self.ledger.worth(me, borrowing, posting) - before


def test_gift_doubles_all_claims(new_market):
    """As it was: twelve million borrowed on what is worth eleven, and the ether given up."""
    with stripped(SPOT_BELIEVED):
        cream = Cream(new_market())
    assert cream.attack(12_700_000) > 10**6


@pytest.mark.parametrize("loan", [6_300_000, 100])
def test_gift_is_given_away(new_market, loan):
    """No rate rises faster than it may: the claims count what they did, and the gift is lost."""
    cream = Cream(new_market())
    start = cream.on.host.snapshot()
    with refuses("initial margin is not met"):
        cream.attack(6_500_000)
    cream.on.host.restore(start)
    assert cream.attack(loan) < 0
