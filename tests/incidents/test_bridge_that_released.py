"""Collateral released by a bridge that nothing had been burnt for: Kelp rsETH, April 2026.

116,500 rsETH, about 292 million dollars, came out of a bridge. They were real tokens at a real
rate, so lending markets took them at par and lent WETH on them, at 93 % with correlated assets.
Somebody froze the market 77 minutes later; lenders were short of some 200 million.

Here the bridge mints; 500,000 rsETH were there before. One account after another, eleven minutes
apart, brings 10,000 of them until the freeze. Keepers poke every five minutes.

Who does not wait brings all of it at once, before a second poke.
"""

import pytest

from breakwater.units import DAY, MINUTE, WAD
from tests.incidents.ledger import Ledger
from tests.market import refuses

MINTED = 116_500
FREEZE = 77
TRANCHE = 10_000


@pytest.fixture
def rs_eth(new_market):
    """WETH is lent against rsETH, worth 2,500 where WETH is worth 2,000."""
    market = new_market(debts=("WETH",), cash=200 * 10**6)
    market.add_asset(
        "rsETH", decimals=18, dollars=2_500, borrow_ltv=8_900, liquidation_ltv=9_100,
    )  # fmt: skip
    market.give("rsETH", market.other, 500_000 * WAD)
    return market


def pokes(market, minutes):
    for minute in range(1, minutes + 1):
        market.host.advance(MINUTE)
        if minute % 5 == 0:
            market.refresh()
            market.poke("rsETH")


def watched(market, limit):
    if limit:
        market.breaker.set_supply_limit(market.assets["rsETH"], limit, sender=market.owner)
    pokes(market, 25 * 60)
    return market


def bring(market, number):
    """Some of what was released, into the attacker's next account."""
    market.engine.deposit_collateral(
        market.account(number), market.assets["rsETH"], TRANCHE * WAD, sender=market.borrower
    )


def attack(market):
    """Until the freeze, or until nothing is lent on it any more: what was borrowed [WETH]."""
    for number in range(FREEZE // 11):
        bring(market, number)
        market.borrow("WETH", 11_000, market.account(number))
        pokes(market, 11)
    return market.tokens("WETH", market.borrower) // WAD


def test_nobody_counts_what_was_released(rs_eth):
    """As it was: 77,000 WETH are gone by the freeze, three quarters of what lenders had."""
    market = watched(rs_eth, 0)
    market.give("rsETH", market.borrower, MINTED * WAD)
    assert attack(market) == 77_000
    assert market.assets["WETH"].vault.cash() < 24_000 * WAD


def test_supply_that_grew_carries_nothing(rs_eth):
    """With 5 % a day: two accounts, none after a quarter of an hour; the rest of the WETH stays."""
    market = watched(rs_eth, 500)
    weth = market.assets["WETH"]
    market.give("rsETH", market.borrower, MINTED * WAD)
    with refuses("initial margin is not met"):
        attack(market)
    assert market.tokens("WETH", market.borrower) == 22_000 * WAD
    assert market.breaker.level_of(market.assets["rsETH"]) == 2
    # a halt of the collateral, not of the vault: who lends WETH may leave, who owes may repay
    assert weth.vault.level() == 0
    weth.vault.withdraw(77_000 * WAD, market.lender, market.lender, sender=market.lender)
    market.give("WETH", market.borrower, WAD)
    market.engine.repay(market.account(), weth, 2**256 - 1, sender=market.borrower)


def test_release_from_an_escrow_is_no_growth(rs_eth):
    """What this sensor can't see: tokens that had been there, locked. Caps bound those."""
    market = rs_eth
    market.give("rsETH", market.lender, MINTED * WAD)  # the escrow's
    watched(market, 500)
    token = market.assets["rsETH"].token
    token.transfer(market.borrower, MINTED * WAD, sender=market.lender)
    token.approve(market.engine, MINTED * WAD, sender=market.borrower)
    bring(market, 0)
    pokes(market, 15)
    market.borrow("WETH", 11_000)


CAP, GROWTH, DEBT_GROWTH = 150_000, 5, 10
"""rsETH in all; percent of them that a day may add, 7,500; percent of what WETH's vault has that
debt may grow by in four hours, 10,000 WETH.
"""
ON_A_TOKEN = 2_500 * 0.89 / 2_000
"""WETH that is lent on an rsETH."""


def at_once(market):
    """All that is let in, and all that is lent on it."""
    me, rs_eth, weth = market.borrower, market.assets["rsETH"], market.assets["WETH"]
    room = market.lens.collateral(rs_eth).room
    amount = min(room, market.tokens("rsETH", me))
    if amount:
        market.engine.deposit_collateral(market.account(), rs_eth, amount, sender=me)
    loan = market.lens.max_borrow(market.account(), weth)
    market.engine.borrow(market.account(), weth, loan, me, sender=me)


@pytest.mark.parametrize(
    ("growth", "debt_growth", "bound"),
    [
        (0, 0, 100_001),  # all there is
        (GROWTH, 0, 2 * CAP * GROWTH / 100 * ON_A_TOKEN),
        (0, DEBT_GROWTH, 2 * 100_001 * DEBT_GROWTH / 100),
    ],
)
def test_before_the_second_poke(rs_eth, growth, debt_growth, bound):
    """Within a quarter of an hour of the release, which holds a midnight. As it was the vault is
    empty. With a limit of growth 2 · 7,500 rsETH come in and 16,687 WETH leave; with a limit of the
    vault's debt, whatever it is lent on, 2 · 10,000, as a midnight ends a window as well.
    """
    market = watched(rs_eth, 500)
    asset, weth, owner = market.assets["rsETH"], market.assets["WETH"], market.owner
    market.configurator.set_cap(asset, CAP * WAD, sender=owner)
    market.configurator.set_growth(asset, growth, sender=owner)
    # a reference of all that lies there, as after a few days
    market.set_vault("WETH", limit_floor=100_001 * DEBT_GROWTH // 100 * WAD)
    market.set_vault("WETH", growth_limit=debt_growth)
    market.host.advance(-market.host.now % (5 * MINUTE))
    pokes(market, (-market.host.now % DAY) // MINUTE - 5)
    market.give("rsETH", market.borrower, MINTED * WAD)
    before = weth.vault.cash()
    ledger = Ledger(market, rsETH=0)
    lent = ledger.lenders()
    at_once(market)
    pokes(market, 5)
    assert market.host.now % DAY == 0
    if growth or debt_growth:
        at_once(market)
    pokes(market, 15)
    assert market.breaker.level_of(asset) == 2
    lost = (lent - ledger.lenders(market.account())) / 2_000
    assert lost == pytest.approx((before - weth.vault.cash()) / WAD)
    assert bound * 0.999 < lost <= bound
    # who lends leaves with what is left
    rest = weth.vault.maxWithdraw(market.lender)
    assert rest == min(weth.vault.cash(), 100_000 * WAD)
    if rest:
        weth.vault.withdraw(rest, market.lender, market.lender, sender=market.lender)
