"""Crumbs that nobody takes: debts so small that a liquidation costs more gas than it brings.

Half of a debt could be repaid, and half of that: what was left, or what somebody split into a
thousand accounts, was nobody's business until it was a loss. Aave raised its close factor for it,
Liquity and Maker have a least debt.

Here the least debt binds on every path: the build that is stripped forgets it where debts are paid.
"""

from fractions import Fraction

import pytest

from breakwater.units import MAX_UINT256
from tests.incidents.ledger import bug, stripped
from tests.market import REPAY, refuses

NO_LEAST_REST = bug(
    "no_least_rest",
    "A payment may leave any debt.",
    "CreditEngine",
    "contracts/CreditEngine.vy",
    ("    if shares != owed:\n", "    if shares > owed:\n"),
)
GAS = 600_000 * 50e-9 * 2_000
"""Dollars for a liquidation at 50 gwei, with ether at 2,000: 60."""
LEAST = 1_000
"""Dollars, so that 6 % of it pay that gas."""


def crumbs(market, left, count=10):
    """So many accounts with a debt of `left` dollars each, below maintenance."""
    usdc = market.assets["USDC"]
    for number in range(count):
        account = market.account(number)
        market.deposit("WETH", 1, account)
        market.borrow("USDC", LEAST, account)
        market.host.advance(12)
        market.give("USDC", market.borrower, 10**9)
        market.engine.repay(account, usdc, (LEAST - left) * 10**6, sender=market.borrower)
        whole = market.assets["WETH"].units(1) - market.assets["WETH"].units(f"{left / 1_590:.6f}")
        market.engine.withdraw_collateral(
            account, market.assets["WETH"], whole, market.borrower, sender=market.borrower
        )
    market.host.advance(12)
    market.price("WETH", 1_800)
    market.settle("WETH", rounds=20)


def reward(market, account):
    """Dollars that the best liquidation of an account brings, before gas."""
    before = market.tokens("WETH", market.liquidator), market.tokens("USDC", market.liquidator)
    event = market.liquidate("USDC", "WETH", account=account).event("Liquidate")
    seized = (market.tokens("WETH", market.liquidator) - before[0]) / 10**18 * 1_800
    return seized - (event.repaid + event.fund_fee) / 10**6


def test_payment_leaves_crumbs(new_market):
    """As it was: ten debts of ten dollars, each brings less than a dollar for sixty of gas."""
    with stripped(NO_LEAST_REST):
        market = new_market(min_debt=LEAST)
    crumbs(market, 10)
    for number in range(10):
        assert 0 < reward(market, market.account(number)) < 1 < GAS


def test_no_path_leaves_crumbs(new_market):
    """Loan, payment, batch and liquidation each refuse to, by a few units."""
    market = new_market(min_debt=LEAST)
    usdc = market.assets["USDC"]
    least = market.engine.debt_of(usdc)[2]
    with refuses("debt is below the minimum"):
        crumbs(market, 10)
    market.engine.repay(market.account(), usdc, MAX_UINT256, sender=market.borrower)
    with refuses("debt is below the minimum"):
        market.borrow("USDC", Fraction(least - 3, 10**6))
    market.borrow("USDC", 1_550)
    for amount in (1_550 * 10**6 - least + 3, 1_540 * 10**6):
        with refuses("debt is below the minimum"):
            market.engine.repay(market.account(), usdc, amount, sender=market.borrower)
        with refuses("debt is below the minimum"):
            market.engine.batch(
                [market.leg(REPAY, "USDC", amount)], b"", sender=market.borrower
            )  # fmt: skip
    market.host.advance(12)
    market.price("WETH", 1_800)
    owed = market.owed("USDC")
    for cap in (owed - least + 1, owed - 1):
        start = market.host.snapshot()
        market.liquidate("USDC", "WETH", cap)
        assert market.owed("USDC") == 0 or market.owed("USDC") >= least
        market.host.restore(start)


@pytest.mark.parametrize("dollars", [1_900, 1_700, 1_650])
def test_least_debt_is_worth_its_gas(new_market, dollars):
    """An account with the least debt closes whole, and at a health of 0.95 its incentive is 6 %."""
    market = new_market(min_debt=LEAST)
    market.deposit("WETH", "0.63")
    market.borrow("USDC", LEAST)
    market.host.advance(12)
    market.price("WETH", dollars)
    if market.health().health_factor >= 10**18:
        with refuses("account is healthy"):
            market.liquidate("USDC", "WETH")
        return
    event = market.liquidate("USDC", "WETH").event("Liquidate")
    assert market.owed("USDC") == 0
    assert event.repaid >= LEAST * 10**6
