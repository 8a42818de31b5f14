"""A parameter that was cut, and accounts that were healthy were liquidated in the same block: known
from every protocol whose threshold is a number that governance sets, and why Euler's and Aave's
later versions ramp it or leave old positions as they were.
"""

import pytest

from breakwater.units import DAY, WAD
from tests.incidents.ledger import bug, stripped
from tests.market import refuses

CUT_AT_ONCE = bug(
    "cut_at_once",
    "A threshold that goes elsewhere is there.",
    "RiskEngine",
    "contracts/modules/asset_config.vy",
    (
        "    if start == target:\n        return target\n",
        "    if start != 0:\n        return target\n",
    ),
)


def cut(market):
    """100 WETH, 200,000 dollars, behind 159,000; the threshold goes from 83 to 78 %."""
    market.deposit("WETH", 100)
    market.borrow("USDC", 159_000)
    market.host.advance(12)
    market.configurator.ramp_liquidation_ltv(
        market.assets["WETH"], 7_800, 3 * DAY, sender=market.owner
    )
    return market


def test_cut_acts_at_once(new_market):
    """As it was: 166,000 of 200,000 counted a block ago, 156,000 do now."""
    with stripped(CUT_AT_ONCE):
        market = cut(new_market())
    event = market.liquidate("USDC", "WETH").event("Liquidate")
    assert event.health_factor == pytest.approx(WAD * 156 / 159, rel=1e-6)


def test_cut_takes_days(market):
    """Three days at least: 1.67 points a day. This one is below after 2.1 days."""
    cut(market)
    with refuses("account is healthy"):
        market.liquidate("USDC", "WETH")
    for _ in range(4):
        market.host.advance(DAY // 2)
        market.refresh()
        with refuses("account is healthy"):
            market.liquidate("USDC", "WETH")
    market.host.advance(DAY // 4)
    market.refresh()
    event = market.liquidate("USDC", "WETH").event("Liquidate")
    assert 0.98 * WAD < event.health_factor < WAD


@pytest.mark.parametrize("duration", [0, 1, DAY, 3 * DAY - 1])
def test_no_faster_ramp(market, duration):
    """Nor one in several parts: a second ramp begins where the first one stands."""
    weth = market.assets["WETH"]
    with refuses("ramp is too fast"):
        market.configurator.ramp_liquidation_ltv(weth, 7_800, duration, sender=market.owner)


def test_nothing_else_moves_health(market):
    """Every other thing that governance may change at once leaves health what it is."""
    market.deposit("WETH", 100)
    market.borrow("USDC", 159_000)
    market.host.advance(12)
    weth, usdc, owner = market.assets["WETH"], market.assets["USDC"], market.owner
    before = market.lens.account(market.account()).health
    market.configurator.set_borrow_ltv(weth, 6_000, sender=owner)
    market.configurator.set_cap(weth, 0, sender=owner)
    market.configurator.set_min_debt(usdc, 10**12, sender=owner)
    market.configurator.set_depth(weth, 1, sender=owner)
    market.configurator.set_growth(weth, 1, sender=owner)
    market.set_vault("USDC", debt_cap=1, deposit_cap=1, min_rate=300, max_rate=400)
    market.breaker.trip(weth, 2, DAY, sender=market.guardian)
    market.breaker.trip(usdc, 2, DAY, sender=market.guardian)
    assert market.lens.account(market.account()).health == before
    with refuses("account is healthy"):
        market.liquidate("USDC", "WETH")
