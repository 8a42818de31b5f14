"""Collateral that counts twice: Abracadabra's GMX cauldrons, March 2025, 13 million dollars; Zest,
April 2024, 1 million; and pools that took a list of assets from their caller.

A deposit that had failed lay with an order agent and counted as collateral of the order; a
liquidation wiped the position and left that count, and a new loan was taken on it. Zest was handed
a list in which one asset stood many times.

Nobody hands in a list here, and there are no orders that wait: an account is its legs. The build
that is stripped forgets to take what it seizes off the account.
"""

import pytest

from breakwater.units import WAD
from tests.incidents.ledger import Ledger, bug, put, stripped, take
from tests.market import DEPOSIT, MOVE, WITHDRAW, ZERO, refuses

SEIZED_AND_COUNTED = bug(
    "seized_and_counted",
    "What a liquidation seizes still counts on the account.",
    "CreditEngine",
    "contracts/CreditEngine.vy",
    (
        "        after[i] = unsafe_sub(words[i], word)\n",
        "        after[i] = words[i]\n",
    ),
)


def liquidated_by_himself(market):
    """100 WETH and 159,990 dollars of debt, of which he repays what he can at 1,900 dollars; then
    ether is back, and he borrows again, as much as counts. What he gains.
    """
    me, ledger = market.other, Ledger(market)
    market.give("WETH", me, 100 * WAD)
    market.give("USDC", me, 10**12)
    before = ledger.worth(me)
    account = put(market, me, "WETH", 100)
    take(market, me, "USDC", 159_990)
    market.host.advance(12)
    market.price("WETH", 1_900)
    event = market.liquidate("USDC", "WETH", account=account, sender=me).event("Liquidate")
    seized = event.seized / WAD
    market.price("WETH", 2_000)
    take(market, me, "USDC", int(market.lens.max_borrow(account, market.assets["USDC"]) // 10**6))
    # what is left of the account is worth what the engine really holds for it
    held = min(market.held("WETH", account) / WAD, 100 - seized)
    debt = market.owed("USDC", account) / 10**6
    return ledger.worth(me) + max(held * 2_000 - debt, 0) - before, account


def test_seized_collateral_carries_a_loan(new_market):
    """As it was: 27.8 WETH are in his hands and count on his account, which owes 160,000 dollars on
    144,400 in the end; he has the difference, less the fund's part.
    """
    with stripped(SEIZED_AND_COUNTED):
        market = new_market()
    market.deposit("WETH", 100, market.account(7))  # others'
    gain, account = liquidated_by_himself(market)
    assert gain == pytest.approx(15_420, rel=0.001)
    assert market.held("WETH", account) == 100 * WAD


def test_seized_collateral_is_gone(market):
    """To close it himself costs him the fund's part and is worth nothing besides."""
    gain, account = liquidated_by_himself(market)
    assert -1_000 < gain < 0
    assert market.held("WETH", account) == market.engine.book_of(market.assets["WETH"])[1]


def test_same_asset_again_and_again(market):
    """One leg, however often and by whatever way it comes: the account counts what the engine
    holds, and so do all accounts of an owner together.
    """
    weth, me = market.assets["WETH"], market.borrower
    market.give("WETH", me, 100 * WAD)
    first, second = market.account(0), market.account(1)
    legs = [market.leg(DEPOSIT, "WETH", WAD, first) for _ in range(8)]
    legs += [market.leg(MOVE, "WETH", WAD, first, other=second) for _ in range(4)]
    legs += [market.leg(MOVE, "WETH", WAD, second, other=first) for _ in range(3)]
    legs += [market.leg(WITHDRAW, "WETH", WAD, first)]
    market.engine.batch(legs, b"", sender=me)
    assert [len(market.legs(account)) for account in (first, second)] == [1, 1]
    assert (market.held("WETH", first), market.held("WETH", second)) == (6 * WAD, WAD)
    assert market.engine.book_of(weth)[1] == 7 * WAD == market.tokens("WETH", market.engine.address)
    with refuses("accounts are the same"):
        market.engine.move_collateral(first, first, weth, WAD, sender=me)
    with refuses("credit is the account itself"):
        market.liquidate("USDC", "WETH", account=first, credit=first)


@pytest.mark.parametrize("what", ["token", "vault"])
def test_listed_once(market, what):
    """Nor is a token, or a vault, listed a second time."""
    weth = market.assets["WETH"]
    if what == "token":
        with refuses("asset is listed already"):
            market.configurator.list_asset(
                weth.token, weth.config, 10**30, False, ZERO, 0, sender=market.owner
            )
    else:
        with refuses("debt is listed already"):
            market.configurator.list_debt(weth.vault, 0, sender=market.owner)
