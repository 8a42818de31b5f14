"""Payments let one collateral out in proportion; what then lacked went above the cap of another."""

from breakwater.units import MAX_UINT256, WAD
from tests.market import REPAY, WITHDRAW, refuses


def test_cap_filled_by_payments(new_market):
    """No price moves: loan, payment, withdrawal and a top-up, a quarter of the cap in each round.
    What is left carries more debt than is lent on it, and less than would be liquidated.
    """
    market = new_market(
        RISKY={"decimals": 18, "dollars": 1, "borrow_ltv": 5_000, "borrow_ltv_floor": 5_000,
               "liquidation_ltv": 8_000, "cap": 100_000 * WAD},
    )  # fmt: skip
    risky, account = market.assets["RISKY"], market.account()
    market.deposit("RISKY", 99_999)
    market.deposit("DAI", 100_000)
    market.borrow("USDC", 124_900)
    market.host.advance(12)
    # DAI's part of the debt, of which it carries 75 of 100 dollars and RISKY 50 of 100
    paid = market.owed("USDC") // 2 + 10**6
    market.give("USDC", market.borrower, paid)
    steps = [market.leg(REPAY, "USDC", paid), market.leg(WITHDRAW, "DAI", MAX_UINT256)]
    market.engine.batch(steps, b"", sender=market.borrower)
    # 62,449 dollars are owed on 99,999 of RISKY: 24,897 more of it would meet the initial margin
    position = market.engine.position_of(account)
    margin = market.lens.margin_of(position)
    assert margin.required - margin.collateral > 12_000 * WAD
    assert market.risk.shortfall(position, risky.id) == 0
    market.give("RISKY", market.borrower, 20_000 * WAD)
    with refuses("collateral cap is reached"):
        market.engine.deposit_collateral(account, risky, 20_000 * WAD, sender=market.borrower)
