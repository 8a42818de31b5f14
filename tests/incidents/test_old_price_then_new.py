"""An old price, then the new one, in one transaction: feeds that are written when somebody pays for
it, and liquidations of oneself.

Who may choose when a price is written borrows all he can at the old one, writes the new one and
liquidates himself before anyone else: leverage, the fall and the discount in one call. Euler's
attacker, March 2023, made his own account insolvent and liquidated it in the same transaction.

A block has to pass between risk that is raised and a liquidation, so that whoever was quick does
not also get the reward of those who wait for it.
"""

import pytest

from breakwater.units import WAD
from tests.incidents.ledger import Hand, Ledger, put, stripped, take
from tests.market import BORROW, LIQUIDATE, refuses

NEW = 1_550
"""Dollars; the old price is 2,000. 100 WETH carry 160,000 at 80 %, and are worth 155,000 then."""


def sandwich(market):
    """Loan at the old price, the new price, liquidation of oneself; what that gains, and how much
    of it is the liquidation's.
    """
    me, ledger = market.other, Ledger(market, WETH=NEW)
    market.give("WETH", me, 100 * WAD)
    market.give("USDC", me, 0)
    before = ledger.worth(me)
    account = put(market, me, "WETH", 100)
    take(market, me, "USDC", 159_999)
    market.price("WETH", NEW)
    borrowed = ledger.worth(me, account) - before
    market.liquidate("USDC", "WETH", account=account, sender=me)
    return borrowed, ledger.worth(me, account) - before - borrowed


def test_in_one_block(new_market):
    """As it was: to walk away from the loan brings 5,000, and to close it oneself the tip on what
    is repaid, 771; lenders lose both.
    """
    with stripped("fresh_risk_liquidated"):
        market = new_market()
    lent = market.assets["USDC"].vault.totalAssets()
    borrowed, reward = sandwich(market)
    assert borrowed == pytest.approx(4_999)
    assert reward == pytest.approx(155_000 - 155_000 / 1.005, abs=0.01)
    lost = lent - market.assets["USDC"].vault.totalAssets()
    assert lost / 10**6 == pytest.approx(borrowed + reward, abs=0.01)


def test_a_block_later(market):
    """Nobody closes it in that block; in the next one anybody may."""
    start = market.host.snapshot()
    with refuses("risk was raised in this block"):
        sandwich(market)
    market.host.restore(start)
    market.give("WETH", market.other, 100 * WAD)
    account = put(market, market.other, "WETH", 100)
    take(market, market.other, "USDC", 159_999)
    market.price("WETH", NEW)
    with refuses("risk was raised in this block"):
        market.liquidate("USDC", "WETH", account=account)
    market.host.advance(1)
    assert market.liquidate("USDC", "WETH", account=account).event("Liquidate").seized > 0


def test_by_any_way_in_one_block(market):
    """From another account of his, in a batch, out of a flash loan, or by one unit: the account is
    what counts, not who calls.
    """
    hand = Hand(market)
    weth, usdc = market.assets["WETH"], market.assets["USDC"]
    weth.token.mint(hand.address, 101 * WAD, sender=market.owner)
    engine, account = market.engine, hand.account
    hand.call(engine, "deposit_collateral", account, weth.address, 100 * WAD)
    hand.call(engine, "borrow", account, usdc.address, 159_999 * 10**6, hand.address)
    market.price("WETH", NEW)
    args = (account, usdc.address, weth.address, 2**255, 0, hand.address, bytes(32), b"")
    hand.when_called(
        (engine, "liquidate", *args),
        (engine, "batch", [market.leg(LIQUIDATE, "USDC", 10**9, account, collateral="WETH")], b""),
        # what raises nothing wipes no stamp
        (engine, "deposit_collateral", account, weth.address, 1),
        (engine, "repay", account, usdc.address, 10**6),
        (engine, "liquidate", *args),
    )
    hand.call(usdc.vault, "flashLoan", hand.address, usdc.address, usdc.unit, b"")
    assert [hand.mock.results(i) for i in range(5)] == [False, False, True, True, False]
    with refuses("risk was raised in this block"):
        hand.call(engine, "liquidate", *args)


def test_borrow_and_liquidate_in_a_batch(market):
    """Nor as two legs of one call, at a price that moved before it."""
    market.deposit("WETH", 100)
    market.borrow("USDC", 159_000)
    market.host.advance(12)
    market.give("USDC", market.borrower, 10**12)
    legs = [
        market.leg(BORROW, "USDC", 999 * 10**6),
        market.leg(LIQUIDATE, "USDC", 10**10, collateral="WETH"),
    ]
    for price in (2_000, NEW):
        market.price("WETH", price)
        with refuses("risk was raised in this block"):
            market.engine.batch(legs, b"", sender=market.borrower)
