"""Inside a row of jumps that pokes had seen, one print nobody had seen was believed at once."""

import pytest

from tests.market import refuses


@pytest.mark.parametrize("dollars", [10_000, 30_000])
def test_print_in_a_row_of_jumps(new_market, dollars):
    """At 10,000 a loss of 30,099 USDC and 93,000 dollars of WBTC for 19,900; at 30,000 a slice."""
    market = new_market(WBTC={"jump_band": 500})
    market.deposit("WBTC", 2)
    market.borrow("USDC", 50_000)
    market.host.advance(12)
    # down by 7 %, which pokes saw for eleven minutes; the account is healthy at 1.39
    market.price("WBTC", 46_500)
    for _ in range(11):
        market.host.advance(60)
        market.poke("WBTC")
    with refuses("account is healthy"):
        market.liquidate("USDC", "WBTC")
    market.host.advance(12)
    market.price("WBTC", dollars)
    with refuses("account is healthy"):
        market.liquidate("USDC", "WBTC")
