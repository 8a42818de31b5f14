"""A payment of one unit that cancels no debt share kept a loss off the books (LIVE-3)."""

from fractions import Fraction

from breakwater.units import WAD


def test_payment_below_a_share(new_market):
    """One unit of COIN is worth 100 dollars, more than the dust below which all is written off."""
    market = new_market(
        debts=("USDC", "COIN"), COIN={"decimals": 6, "dollars": 10**8, "min_price": 10**20,
                                      "max_price": 10**28},
    )  # fmt: skip
    market.deposit("DAI", 10_000)
    market.borrow("COIN", Fraction(70, 10**6))
    market.host.advance(86_400)
    market.refresh()
    market.price("DAI", Fraction(1, 200))
    market.settle("DAI")
    position = market.engine.position_of(market.account())
    assert market.risk.health_of(position).health_factor < WAD
    # 50 dollars of collateral, 7,000 of debt: "nothing to repay", whatever is offered
    market.liquidate("COIN", "DAI")
    assert market.owed("COIN") == 0
