"""`liquidation_terms` where an equality could decide."""

from dataclasses import replace

import pytest

from breakwater.model import liquidation, margin
from breakwater.units import MAX_UINT256
from tests.market import ASSETS, refuses

DOLLAR = {
    "decimals": 18, "dollars": 1, "borrow_ltv": 0, "borrow_ltv_floor": 0, "incentive_max": 500,
}  # fmt: skip


@pytest.fixture
def market(new_market):
    """Three collaterals at a dollar; LOW has no price any more."""
    market = new_market(
        **{name: {"incentive_max": 500} for name in ASSETS},
        HIGH={**DOLLAR, "liquidation_ltv": 9_500},
        MID={**DOLLAR, "liquidation_ltv": 8_000},
        LOW={**DOLLAR, "liquidation_ltv": 5_000},
    )
    market.break_feed("LOW")
    return market


@pytest.mark.parametrize("missing", [0, 1])
def test_liquidation_terms__priced_pair_that_just_lowers_no_health(market, missing):
    """At health 0.804 the pair of 0.80 lowers none at the tip of 0.5 %: that of 0.95, which
    would, has to wait for it. With a little less the only pair that would do has no price: any
    that has one is let pass."""
    whole = 10**18
    legs = [
        ("HIGH", 5_000 * whole, False),
        ("MID", 100 * whole, False),
        ("LOW", 6_420 * whole - missing * 10**6, False),
        ("USDC", 10_000 * 10**6, True),
    ]
    usdc, high = market.assets["USDC"], market.assets["HIGH"]
    args = (market.position(*legs), 128 | usdc.id, high.id, 10**9, 0)
    spot = market.spot()
    prices = {**spot, "LOW": replace(spot["LOW"], is_priced=False)}
    rest = ([margin.Leg(*leg) for leg in legs], market.rules(), prices, "USDC", "HIGH", 10**9, 0)
    if missing:
        terms, expected = market.risk.liquidation_terms(*args), liquidation.terms(*rest)
        assert terms.health_factor == expected.health_factor == 804 * 10**15 - 50
        assert terms.repay == expected.repay == 10**9
        assert terms.seize[0] == expected.seize["HIGH"]
        return
    with pytest.raises(liquidation.Refused, match="pair would lower health"):
        liquidation.terms(*rest)
    with refuses("pair would lower health"):
        market.risk.liquidation_terms(*args)


def test_liquidation_terms__as_many_tokens_as_the_debt_is_dollars(market):
    """One of two debts of 100 dollars gets half of 100 tokens, as of any other number."""
    legs = [
        ("MID", 100 * 10**18, False),
        ("USDC", 100 * 10**6, True),
        ("DAI", 100 * 10**18, True),
    ]
    usdc, mid = market.assets["USDC"], market.assets["MID"]
    args = (market.position(*legs), 128 | usdc.id, mid.id, MAX_UINT256, 0)
    terms = market.risk.liquidation_terms(*args)
    expected = liquidation.terms(
        [margin.Leg(*leg) for leg in legs], market.rules(), market.spot(), "USDC", "MID",
        MAX_UINT256, 0,
    )  # fmt: skip
    assert expected.under_water
    assert (terms.repay, terms.write_off) == (expected.repay, expected.write_off)
    assert terms.seize[0] == expected.seize["MID"] == 50 * 10**18
