"""Accounts that nobody can liquidate because they are the worst: a bug of many engines, found again
and again in audits.

Where collateral no longer covers debt and incentive, the call took more than there was and
reverted; or it insisted that health be better afterwards, which no slice of an account under water
is. And where an insurance was too small for a loss, booking it reverted, with all the rest.
"""

import pytest

from tests.incidents.ledger import ALWAYS_STANDARD, Ledger, bug, stripped
from tests.market import refuses

FUND_MUST_SUFFICE = bug(
    "fund_must_suffice",
    "A loss that the fund cannot pay is refused.",
    "LendingVault",
    "contracts/LendingVault.vy",
    (
        "    if burnt > held & M128:\n        burnt = held & M128\n",
        '    if burnt > held & M128:\n        share._fail("fund is too small")\n',
    ),
)


def drowned(market, dollars=900):
    """100 WETH behind 100,000 dollars; the fund has a dollar."""
    market.deposit("WETH", 100)
    market.borrow("USDC", 100_000)
    market.host.advance(0, 1)
    market.price("WETH", dollars)
    return market


@pytest.mark.parametrize("cap", [2**255, 10**9, 10**6])
def test_health_must_be_better(new_market, cap):
    """As it was: no slice, of whatever size, and the debt goes on growing."""
    with stripped(ALWAYS_STANDARD):
        market = drowned(new_market())
    with refuses("pair would lower health"):
        market.liquidate("USDC", "WETH", cap)


def test_fund_must_pay_all(new_market):
    """As it was: a fund of one dollar against a loss of 10,448; nobody liquidates."""
    with stripped(FUND_MUST_SUFFICE):
        market = drowned(new_market())
    with refuses("fund is too small"):
        market.liquidate("USDC", "WETH")


@pytest.mark.parametrize("dollars", [1_005, 1_000, 900, 500, 1, "0.02"])
def test_every_account_ends(market, dollars):
    """C ÷ 1.005 is paid for all there is, what that leaves is lost, and each loss is whose it is:
    the fund's dollar, then the lenders'.
    """
    usdc = market.assets["USDC"]
    market.deposit("WETH", 100)
    market.borrow("USDC", 100_000)
    market.price("WETH", dollars)
    market.settle("WETH", rounds=40)
    owed, worth = market.owed("USDC") / 10**6, 100 * float(dollars)
    receipt = market.liquidate("USDC", "WETH")
    event = receipt.event("Liquidate")
    loss = receipt.event("WriteOff", usdc.vault.address) if event.bad_debt else None
    assert market.legs() == []
    assert event.seized == 100 * 10**18
    assert event.repaid / 10**6 == pytest.approx(min(owed, worth / 1.005), rel=1e-6)
    lost = event.bad_debt / 10**6
    assert lost == pytest.approx(owed - event.repaid / 10**6, abs=1e-4)
    if loss:
        assert loss.fund_loss + loss.lender_loss == event.bad_debt
        # the dollar, and a tenth of ten hours' interest
        assert 10**6 <= loss.fund_loss <= 2 * 10**6 or loss.lender_loss == 0
    assert Ledger(market).of(market.account()) == (0, 0)
