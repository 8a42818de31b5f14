"""A first growth limit counted from a deposit of the same block: who executed the owner's change in
the middle of a flash loan had all the room up to the cap, for that day.
"""

from breakwater.units import WAD


def test_first_limit_within_a_flash_loan(new_market):
    """100 of 1,000 WETH are held; a tenth may come in a day."""
    market = new_market(WETH={"cap": 1_000 * WAD})
    weth, me = market.assets["WETH"], market.other
    market.deposit("WETH", 100)
    market.host.advance(12)
    market.give("WETH", me, 800 * WAD)
    account = market.account(0, me)
    # one block
    market.engine.deposit_collateral(account, weth, 800 * WAD, sender=me)
    market.configurator.set_growth(weth, 10, sender=market.owner)
    market.engine.withdraw_collateral(account, weth, 800 * WAD, me, sender=me)
    assert market.lens.max_deposit(account, weth) <= 100 * WAD
