"""Liquidations that a unit stops: a borrower who pays, adds or sends one unit before each of them.

A call that names an exact debt, or that insists on a rest of an exact size, reverts when anything
moved since it was signed. One unit in each block, paid by the borrower, is far less than what he
keeps.
"""

import pytest

from breakwater.host import Reverted
from tests.incidents.ledger import bug, stripped
from tests.market import refuses

EXACT = bug(
    "exact_amounts",
    "More than is owed may not be offered.",
    "RiskEngine",
    "contracts/modules/maintenance.vy",
    (
        "    takes_all: bool = affordable <= repay\n",
        '    if max_repay > owed:\n        legs._fail("more than is owed")\n'
        "    takes_all: bool = affordable <= repay\n",
    ),
)


def unhealthy(market):
    """A whole debt of 1,000 dollars is to be closed."""
    market.deposit("WETH", "0.63")
    market.borrow("USDC", 1_000)
    market.give("USDC", market.borrower, 10**9)
    market.host.advance(12)
    market.price("WETH", 1_850)
    return market


def pay(market):
    """A cent, more than the interest of a block."""
    market.engine.repay(market.account(), market.assets["USDC"], 10**4, sender=market.borrower)


def add(market):
    market.give("WETH", market.borrower, 1)
    market.engine.deposit_collateral(
        market.account(), market.assets["WETH"], 1, sender=market.borrower
    )


def send(market):
    for name in ("WETH", "USDC"):
        market.give(name, market.borrower, 2)
        for where in (market.engine, market.assets[name].vault):
            market.assets[name].token.transfer(where, 1, sender=market.borrower)


def front_run(market, move, rounds=5):
    """In each block the liquidator offers what was owed in the one before; why he was refused."""
    reasons = []
    for _ in range(rounds):
        offer = market.owed("USDC")
        market.host.advance(12)
        market.refresh()
        move(market)
        try:
            market.liquidate("USDC", "WETH", offer)
        except Reverted as error:
            reasons.append(error.reason)
        else:
            break
    return reasons


def test_cent_stops_a_liquidation(new_market):
    """As it was: a cent a block keeps a debt of a thousand dollars from being closed."""
    with stripped(EXACT):
        market = unhealthy(new_market(min_debt=0))
    assert front_run(market, pay) == ["more than is owed"] * 5


@pytest.mark.parametrize("move", [pay, add, send])
def test_nothing_stops_it(new_market, move):
    """What is offered is a cap: what is owed, and what lifts health, is taken of it."""
    assert front_run(unhealthy(new_market(min_debt=0)), move) == []


def test_least_to_seize_is_a_bound(market):
    """What the liquidator insists on is a least amount. A unit added lifts health and lowers the
    incentive by less than a millionth of what is seized; who insists on all of it can be stopped.
    """
    unhealthy(market)
    quoted = market.terms("USDC", "WETH", 500 * 10**6).seize["WETH"]
    add(market)
    with refuses("too little would be seized"):
        market.liquidate("USDC", "WETH", 500 * 10**6, min_seized=quoted)
    least = quoted * 999_999 // 10**6
    market.liquidate("USDC", "WETH", 500 * 10**6, min_seized=least)
