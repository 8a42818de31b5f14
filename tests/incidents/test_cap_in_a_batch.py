"""A loan first, then collateral above its cap "up to the initial margin", in one batch."""

from breakwater.units import WAD
from tests.market import BORROW, DEPOSIT, refuses

USD = 10**6


def test_cap_in_a_batch(new_market):
    market = new_market(RISKY={"decimals": 18, "dollars": 10, "borrow_ltv": 5_000,
                               "liquidation_ltv": 6_000, "cap": 1_000 * WAD})  # fmt: skip
    # the cap of 1,000 holds against a plain deposit
    market.deposit("RISKY", 100)
    with refuses("collateral cap is reached"):
        market.deposit("RISKY", 100_000)
    # the borrower takes 900,000 dollars first: now the account is below its initial margin, and
    # who is below it may add what is missing, whatever the cap
    market.give("RISKY", market.borrower, 300_000 * WAD)
    steps = [
        market.leg(BORROW, "USDC", 900_000 * USD),
        market.leg(DEPOSIT, "RISKY", 179_900 * WAD),
    ]
    with refuses("collateral cap is reached"):
        market.engine.batch(steps, b"", sender=market.borrower)
    # nor in a second call of the block of a loan that was allowed
    market.borrow("USDC", 400)
    market.price("RISKY", 7)
    with refuses("collateral cap is reached"):
        market.engine.deposit_collateral(
            market.account(), market.assets["RISKY"], 1_000 * WAD, sender=market.borrower
        )
    assert market.engine.book_of(market.assets["RISKY"])[1] == 100 * WAD
