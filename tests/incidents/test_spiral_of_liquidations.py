"""Liquidations that make an account worse: the toxic spiral that was described in 2022 and cost
Aave 1.6 million dollars on CRV that year; Euler, March 2023, where the discount was larger than
what the account had left.

A fixed incentive takes more value than an account close to its debt can give: each slice lowers its
health, and what could have paid ends with a loss. The same happens where the liquidator takes the
safest of several collaterals, and where the discount of an account that cannot pay grows with its
loss: the loss grows with it.
"""

from fractions import Fraction

import pytest

from breakwater.units import WAD
from tests.incidents.ledger import ALWAYS_STANDARD, Ledger, bug, joined, stripped
from tests.market import ASSETS, refuses

MAINTENANCE = "contracts/modules/maintenance.vy"

FIXED_INCENTIVE = joined(
    "fixed_incentive",
    bug(
        "whole_incentive",
        "The incentive is what the schedule says, whatever the account has left.",
        "RiskEngine",
        MAINTENANCE,
        (
            "    incentive = min(incentive, max(tip, surplus))\n    if ltv != 0:\n",
            "    if max_value(uint256) == 0:\n",
        ),
    ),
    ALWAYS_STANDARD,
)

RULES = {"incentive_min": 450, "incentive_max": 450, "incentive_slope": 0}


def market_of(new_market, **more):
    """Everything pays 4.5 %; TKN is collateral at 89 %."""
    every = {name: {**RULES, **more} for name in ASSETS}
    tkn = {"decimals": 18, "dollars": 1, "borrow_ltv": 8_600, "liquidation_ltv": 8_900}
    return new_market(debts=("USDC",), min_debt=0, **every, TKN={**tkn, **RULES, **more})


def halved(market):
    """TKN falls to what makes health 0.92: 103.37 of collateral for each 100 of debt. Half of what
    is owed is repaid, until nothing is left of either. Slices, collateral and debt that are left in
    the end, what was written off, in thousands.
    """
    market.deposit("TKN", 120_000)
    market.borrow("USDC", 100_000)
    market.host.advance(0, 1)
    market.price("TKN", Fraction(100 * 92, 89) / 120)
    slices, lost = 0, 0
    while market.held("TKN") and market.health().health_factor < WAD and slices < 60:
        cap = max(market.owed("USDC") // 2, 10**5)
        lost += market.liquidate("USDC", "TKN", cap).event("Liquidate").bad_debt
        slices += 1
    collateral, debt = Ledger(market).of(market.account())
    return slices, float(collateral) / 1_000, float(debt) / 1_000, lost / 10**9


def test_each_slice_lowers_health(new_market):
    """As it was: seven slices at 4.5 % of half of what is owed, and 1.08 of 100 are lost."""
    with stripped(FIXED_INCENTIVE):
        market = market_of(new_market)
    slices, collateral, debt, _ = halved(market)
    assert (slices, collateral) == (7, 0)
    assert debt == pytest.approx(1.08, abs=0.005)


def test_no_slice_lowers_health(new_market):
    """C ÷ D is 1.0337, so the incentive is at most 3.37 %, and stays that: all is repaid."""
    slices, _, debt, lost = halved(market_of(new_market))
    assert slices > 7
    assert (debt, lost) == (pytest.approx(0, abs=0.0001), 0)


EULER = {"incentive_min": 100, "incentive_max": 2_000, "incentive_slope": 10_000}


def euler(new_market):
    """An account whose collateral is worth 0.95 of its debt, all of it repaid that can be. What the
    liquidator gains and what lenders lose, of a debt of 100 thousand.
    """
    every = {name: {**EULER, "liquidation_ltv": 7_800, "borrow_ltv": 7_500} for name in ASSETS}
    market = new_market(debts=("USDC",), **every)
    market.deposit("WETH", 100)
    market.borrow("USDC", 100_000)
    market.host.advance(0, 1)
    market.price("WETH", 950)
    ledger, me = Ledger(market), market.other
    market.give("USDC", me, 10**12)
    before, lent = ledger.worth(me), market.assets["USDC"].vault.totalAssets()
    event = market.liquidate("USDC", "WETH", sender=me).event("Liquidate")
    gain = ledger.worth(me) - before
    debt = Ledger(market).of(market.account())[1] if market.held("WETH") == 0 else 0
    booked = (lent - market.assets["USDC"].vault.totalAssets()) / 10**6
    assert abs(booked * 10**6 - event.bad_debt) <= 2
    return gain / 1_000, booked / 1_000, float(debt) / 1_000


def test_discount_is_larger_than_the_loss(new_market):
    """As it was: up to 20 % off. 79.17 are paid for 95: the loss of five becomes twenty, and nobody
    books it.
    """
    with stripped(FIXED_INCENTIVE):
        gain, booked, owed = euler(new_market)
    assert gain == pytest.approx(95 - 95 / 1.2 - 0.1 * 0.195 * 79.17, rel=0.01)
    assert (booked, owed) == (0, pytest.approx(100 - 95 / 1.2, rel=0.001))


def test_who_cannot_pay_pays_the_tip(new_market):
    """95 ÷ 1.005 = 94.53 are paid for 95, the rest is booked there and then."""
    gain, booked, owed = euler(new_market)
    assert gain == pytest.approx(95 - 95 / 1.005, rel=1e-4)
    assert (booked, owed) == (pytest.approx(100 - 95 / 1.005, rel=1e-4), 0)


def pair(new_market):
    """50 of collateral at 0.95 and 92 at 0.50 against a debt of 100, in hundreds: health 0.935."""
    rules = {"decimals": 18, "dollars": 100, "incentive_max": 500}
    market = new_market(
        **{name: {"incentive_max": 500} for name in ASSETS},
        SAFE={**rules, "borrow_ltv": 9_300, "liquidation_ltv": 9_500},
        RISKY={**rules, "borrow_ltv": 4_700, "liquidation_ltv": 5_000},
    )
    market.deposit("SAFE", 50)
    market.deposit("RISKY", 120)
    market.borrow("USDC", 10_000)
    market.host.advance(12)
    market.price("RISKY", Fraction(92, 120) * 100)
    return market


def test_safest_is_taken_first(new_market):
    """As it was: the safe collateral goes, and what is left is worth 0.92 of what it was."""
    with stripped("pair_lowers_health"):
        market = pair(new_market)
    before = market.health().exact
    market.liquidate("USDC", "SAFE")
    assert market.held("SAFE") == 0
    assert market.health().exact < before * Fraction(98, 100)


def test_safest_is_not_to_be_had(new_market):
    """1.005 · 0.95 is above the health of 0.935: that pair is refused, the other lifts health."""
    market = pair(new_market)
    before = market.health().exact
    with refuses("pair would lower health"):
        market.liquidate("USDC", "SAFE")
    market.liquidate("USDC", "RISKY")
    assert market.health().exact > before
