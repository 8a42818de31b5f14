"""A cap that a gift goes past: Venus' THE, March 2026, 3.7 million dollars taken.

Over months the attacker had filled most of the cap of a thin token. The cap was asked for where
shares were minted, and what shares were worth was what the market held for them: he sent it three
times the cap, his shares counted for all of it, and the loans on them bought more of the token,
whose price followed. An audit had said so; it was thought harmless.

Here the token is lent and the vault's shares are collateral, up to a cap of a million dollars. The
attacker holds them all, and has pumped the token from 2.50 dollars to ten.
"""

from fractions import Fraction

import pytest

from breakwater.driver import MedianFeed, RateFeed
from breakwater.mocks import AggregatorMock
from breakwater.units import DAY, WAD
from tests.incidents.ledger import SPOT_BELIEVED, Ledger, joined, put, stripped, take
from tests.market import refuses

POSTED, GIVEN = 100_000, 300_000
PUMPED, TRUE = 10, Fraction(5, 2)


class Venus:
    """THE is lent; shares of its vault are collateral, with a cap of what 100,000 tokens are."""

    def __init__(self, new_market):
        self.on = market = new_market(
            debts=("USDC", "THE"), cash=10**8, THE={"decimals": 18, "dollars": PUMPED}
        )
        self.me, the = market.other, market.assets["THE"]
        self.vault = the.vault
        # nobody else is there
        vault, lender = self.vault, market.lender
        vault.redeem(vault.balanceOf(lender), lender, lender, sender=lender)
        market.give("THE", self.me, (POSTED + GIVEN + 1) * WAD)
        self.vault.deposit((POSTED + 1) * WAD, self.me, sender=self.me)
        host, owner = market.host, market.owner
        source = AggregatorMock.deploy(host, 8, PUMPED * 10**8, sender=owner)
        the_feed = MedianFeed.deploy(host, [source], [DAY], 1, 100, False, "THE", sender=owner)
        claim = RateFeed.deploy(host, self.vault, the_feed, 1_000, sender=owner)
        cap = self.vault.convertToShares(POSTED * WAD)
        market.add_asset(
            "claim", decimals=24, dollars=PUMPED, token=self.vault, cap=cap,
            source=claim.address, is_feed=True,
        )  # fmt: skip
        self.account = put(market, self.me, "claim", Fraction(99_900))
        with refuses("collateral cap is reached"):
            put(market, self.me, "claim", 200)

    def give(self):
        self.on.assets["THE"].token.transfer(self.vault, GIVEN * WAD, sender=self.me)

    def counted(self):
        """Dollars that his collateral counts."""
        return self.on.lens.account(self.account).health.collateral_value / WAD

    def lost(self):
        """What lenders of USDC lose once THE is at its true price, whatever shares count then."""
        worth = self.vault.convertToAssets(self.on.held("claim", self.account)) / WAD * float(TRUE)
        return max(self.on.owed("USDC", self.account) / 10**6 - worth, 0)


def test_gift_goes_past_the_cap(new_market):
    """As it was: a cap of a million, four millions counted, two millions lost."""
    with stripped(joined("gift_counts", "donation_counted", SPOT_BELIEVED)):
        venus = Venus(new_market)
    assert venus.counted() == pytest.approx(999_000, rel=0.001)
    venus.give()
    # a tenth of the gift is the fund's
    assert venus.counted() == pytest.approx(3_696_000, rel=0.001)
    take(venus.on, venus.me, "USDC", 2_950_000)
    assert venus.lost() > 2 * 10**6


def test_gift_counts_nothing(new_market):
    """What is given is gone. The pumped price costs what the cap bounds: 99,900 · (8 - 2.5)."""
    venus = Venus(new_market)
    counted = venus.counted()
    venus.give()
    assert venus.counted() == counted
    with refuses("initial margin is not met"):
        take(venus.on, venus.me, "USDC", 800_000)
    take(venus.on, venus.me, "USDC", 799_000)
    assert venus.lost() == pytest.approx(799_000 - 99_900 * 2.5, rel=0.001)
    assert Ledger(venus.on, claim=TRUE).worth(venus.me, venus.account) < 10**6


def test_gift_to_the_engine(market):
    """Nor does what is sent to where collateral lies, or moved there from another account."""
    market.deposit("WETH", 10)
    weth, me = market.assets["WETH"], market.other
    market.give("WETH", me, 100 * WAD)
    book, health = market.engine.book_of(weth), market.lens.account(market.account())
    weth.token.transfer(market.engine, 50 * WAD, sender=me)
    assert market.engine.book_of(weth) == book
    assert market.lens.account(market.account()) == health
    put(market, me, "WETH", 50)
    market.engine.move_collateral(
        market.account(0, me), market.account(1, me), weth, 20 * WAD, sender=me
    )
    assert market.engine.book_of(weth)[1] == 60 * WAD
