"""Good collateral leaves beside a debt whose feed is dead, valued at the last price there was."""

from breakwater.units import MAX_UINT256, WAD
from tests.market import REPAY, WITHDRAW, refuses


def test_debt_without_a_price(market):
    """100 WETH carry 75,000 USDC and 75,000 DAI. The feed of DAI dies, and DAI may have doubled."""
    market.deposit("WETH", 100)
    market.borrow("USDC", 75_000)
    market.borrow("DAI", 75_000)
    market.give("USDC", market.borrower, 1_000 * 10**6)
    market.host.advance(12)
    market.break_feed("DAI")
    with refuses("price is stale"):
        market.engine.withdraw_collateral(
            market.account(), market.assets["WETH"], 1, market.borrower, sender=market.borrower
        )
    # half the debt repaid, half the collateral out: at the dead price no less safe
    steps = [
        market.leg(REPAY, "USDC", MAX_UINT256),
        market.leg(WITHDRAW, "WETH", 499 * WAD // 10),
    ]
    with refuses("price is stale"):
        market.engine.batch(steps, b"", sender=market.borrower)
    # whoever pays that debt is free to go
    market.give("DAI", market.borrower, 1_000 * WAD)
    market.engine.batch(
        [market.leg(REPAY, "DAI", MAX_UINT256), *steps], b"", sender=market.borrower
    )
    assert market.owed("DAI") == 0
