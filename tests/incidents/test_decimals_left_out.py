"""Prices of whole tokens taken for prices of units: Blueberry, February 2024, 1.4 million dollars.

One WETH carried loans of 8,616 OHM, 913,000 USDC and 6.9 WBTC: tokens of 9, 6 and 8 decimals that
were valued as if they had 18.
"""

import pytest

from breakwater.host import Reverted
from tests.incidents.ledger import Ledger, bug, put, stripped, take
from tests.market import refuses

EIGHTEEN = bug(
    "eighteen_decimals",
    "Every token has 18 decimals.",
    "RiskEngine",
    "contracts/modules/asset_config.vy",
    (
        "    return min("
        "unsafe_div(unsafe_mul(amount, price), 10**(rule >> DECIMALS_AT & 31)), MAX_VALUE)\n",
        "    return min(unsafe_div(unsafe_mul(amount, price), 10**18), MAX_VALUE)\n",
    ),
    (
        "    unit: uint256 = 10**(rule >> DECIMALS_AT & 31)\n    return min(\n",
        "    unit: uint256 = 10**18\n    return min(\n",
    ),
)


def blueberry(new_market):
    """One WETH is posted; OHM, USDC and WBTC are lent."""
    market = new_market(debts=("USDC", "WBTC", "OHM"), OHM={"decimals": 9, "dollars": 12})
    market.give("WETH", market.other, 10**18)
    return market, put(market, market.other, "WETH", 1)


def test_units_of_six_decimals_are_worth_nothing(new_market):
    """As it was: 1,361,392 dollars of loans on 2,000."""
    with stripped(EIGHTEEN):
        market, account = blueberry(new_market)
    ledger, me = Ledger(market), market.other
    before, lent = ledger.worth(me, account), ledger.lenders(account)
    for name, whole in (("OHM", 8_616), ("USDC", 913_000), ("WBTC", "6.9")):
        take(market, me, name, whole)
    gain = 8_616 * 12 + 913_000 + 6.9 * 50_000 - 2_000
    assert ledger.worth(me, account) - before == pytest.approx(gain)
    assert ledger.lenders(account) - lent == pytest.approx(-gain)


def test_each_in_its_own_decimals(new_market):
    """1,600 dollars in all."""
    market, _ = blueberry(new_market)
    for name, whole in (("OHM", 8_616), ("USDC", 913_000), ("WBTC", "6.9"), ("OHM", "133.4")):
        with refuses("initial margin is not met"):
            take(market, market.other, name, whole)
    take(market, market.other, "OHM", "66.6")
    take(market, market.other, "WBTC", "0.01599")
    with refuses("initial margin is not met"):
        take(market, market.other, "USDC", 101)


@pytest.mark.parametrize("collateral", [6, 8, 9, 18, 24])
@pytest.mark.parametrize("debt", [6, 8, 9, 18, 24])
def test_every_pair_of_decimals(new_market, collateral, debt):
    """A whole token is worth its price, whatever it is cut into: a dollar below the margin is lent,
    a dollar above it is not, and a liquidation takes 1 + β of what it repays.
    """
    market = new_market(
        debts=("USDC",),
        cash=10**4,
        min_debt=10,
        WETH={"decimals": collateral},
        USDC={"decimals": debt},
    )
    market.deposit("WETH", 1)
    with refuses("initial margin is not met"):
        market.borrow("USDC", 1_601)
    market.borrow("USDC", 1_599)
    market.host.advance(12)
    market.price("WETH", 1_900)
    event = market.liquidate("USDC", "WETH").event("Liquidate")
    usdc, weth = market.assets["USDC"].unit, market.assets["WETH"].unit
    paid, taken = event.repaid / usdc, event.seized * 1_900 / weth
    assert taken == pytest.approx(paid * (1 + event.incentive / 10**18), abs=0.01)


@pytest.mark.parametrize("decimals", [0, 2, 5, 25, 27])
def test_too_few_or_too_many_decimals(new_market, decimals):
    with pytest.raises(Reverted, match="decimals out of range"):
        new_market(debts=(), ODD={"decimals": decimals, "dollars": 1})
