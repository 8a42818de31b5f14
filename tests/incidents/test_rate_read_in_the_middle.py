"""A rate that is read in the middle of somebody else's call: Market.xyz, October 2022; dForce,
February 2023, 3.65 million dollars; Sentiment, April 2023, 1 million; Sturdy, June 2023, 0.8
million; Conic, July 2023, 3.25 million.

A pool sent coins before it wrote how many it had left. Whoever was called with them found a rate
far too high, and borrowed on it from a protocol that asked for the rate just then; when the call
was over, the rate was right again. Of two such protocols one had a guard, and did not use it.

Played twice: a share of another's that says three times its rate inside a call, as collateral here;
and our own share, read by somebody else inside a call of ours.
"""

import pytest

from breakwater.driver import CurveEmaFeed, MedianFeed, RateFeed
from breakwater.mocks import AggregatorMock, CurvePoolMock, StakedTokenMock
from breakwater.units import DAY, WAD
from tests.incidents.ledger import SPOT_BELIEVED, Hand, Ledger, bug, stripped

BOOKS_LEFT_BEHIND = bug(
    "books_left_behind",
    "What is out in a flash loan is out of the books, too.",
    "LendingVault",
    "contracts/LendingVault.vy",
    (
        "    vault_level._flash_out = amount\n    vault_level._send(receiver, amount)\n",
        "    ledger._books = unsafe_sub(books, amount)\n    vault_level._send(receiver, amount)\n",
    ),
    ("    vault_level._flash_out = 0\n", "    ledger._books = unsafe_add(ledger._books, amount)\n"),
)


class Pool:
    """A share of dollars that is collateral; the attacker holds 100,000, and rules what it says."""

    def __init__(self, market):
        host, owner = market.host, market.owner
        self.on = market
        self.share = StakedTokenMock.deploy(host, "LP", "LP", market.assets["DAI"], sender=owner)
        self.share.set_rate(WAD, sender=owner)
        source = AggregatorMock.deploy(host, 8, 10**8, sender=owner)
        dollar = MedianFeed.deploy(host, [source], [DAY], 1, 100, False, "DAI / USD", sender=owner)
        feed = RateFeed.deploy(host, self.share, dollar, 1_000, sender=owner)
        market.add_asset(
            "LP", decimals=18, dollars=1, token=self.share, source=feed.address, is_feed=True
        )
        self.hand = Hand(market)
        self.share.mint(self.hand.address, 100_000 * WAD, sender=owner)

    def attack(self, loan):
        """In one flash loan's callback: the rate goes up, a loan is taken, the rate comes down."""
        market, hand = self.on, self.hand
        ledger = Ledger(market)
        before = ledger.worth(hand.address)
        lp, usdc, dai = (market.assets[name] for name in ("LP", "USDC", "DAI"))
        hand.when_called(
            (self.share, "set_rate", 3 * WAD),
            (
                market.engine,
                *("deposit_collateral", hand.account, lp.address, 100_000 * WAD),
            ),
            (market.engine, "borrow", hand.account, usdc.address, loan * usdc.unit, hand.address),
            (self.share, "set_rate", WAD),
        )
        hand.call(dai.vault, "flashLoan", hand.address, dai.address, WAD, b"")
        borrowed = hand.mock.results(2)
        return borrowed, ledger.worth(hand.address, hand.account) - before


def test_rate_of_a_moment_is_believed(new_market):
    """As it was: 240,000 dollars on 100,000."""
    with stripped(SPOT_BELIEVED):
        pool = Pool(new_market())
    borrowed, gain = pool.attack(239_000)
    assert borrowed
    assert gain == pytest.approx(139_000)


@pytest.mark.parametrize("loan", [239_000, 80_001])
def test_rate_of_a_moment(market, loan):
    """A rate rises no faster than it may, however it came about."""
    borrowed, gain = Pool(market).attack(loan)
    assert not borrowed
    assert gain == 0


def test_pool_in_the_middle_of_a_call(market):
    """A pool that says it is in a call has no price: what stands on it is silent then."""
    host, owner, dai = market.host, market.owner, market.assets["DAI"]
    source = AggregatorMock.deploy(host, 8, 10**8, sender=owner)
    dollar = MedianFeed.deploy(host, [source], [DAY], 1, 100, False, "DAI / USD", sender=owner)
    coins = [dai.address, market.assets["WETH"].address]
    pool = CurvePoolMock.deploy(host, coins, [], WAD, sender=owner)
    feed = CurveEmaFeed.deploy(
        host, pool, dollar, 1, True, False, 300, WAD // 10, 10 * WAD, sender=owner
    )
    assert feed.quote()[1] == WAD
    pool.set_prices(3 * WAD, 3 * WAD, sender=owner)
    pool.set_locked(True, sender=owner)
    assert feed.quote() == (0, 0, 0, 0, 0)


def seen_inside(market):
    """What a share of USDC seems to be worth inside a flash loan of all the cash, of what it is."""
    usdc = market.assets["USDC"]
    market.deposit("WETH", 100)
    market.borrow("USDC", 100_000)
    hand = Hand(market)
    usdc.token.mint(hand.address, usdc.unit, sender=market.owner)
    hand.when_called((usdc.vault, "convertToAssets", 10**18))
    before = usdc.vault.convertToAssets(10**18)
    hand.call(usdc.vault, "flashLoan", hand.address, usdc.address, usdc.vault.cash(), b"")
    assert usdc.vault.convertToAssets(10**18) == before
    return int.from_bytes(hand.mock.answer(), "big") / before


def test_books_are_left_behind(new_market):
    """As it was: a thousandth, for whoever lends on it or sells it inside the call."""
    with stripped(BOOKS_LEFT_BEHIND):
        market = new_market()
    assert seen_inside(market) == pytest.approx(0.001, rel=0.01)


def test_books_say_what_is_out(market):
    assert seen_inside(market) == 1
