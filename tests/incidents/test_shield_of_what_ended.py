"""A settled collateral carries no new risk, but counted in health for loans that were taken after
it had ended: whoever held what nobody buys any more borrowed beside it, and was not liquidated.
"""

from contextlib import suppress

from breakwater.host import Reverted
from breakwater.units import DAY, WAD
from tests.incidents.ledger import Ledger, put, take


def test_shield_of_what_ended(market):
    """Bitcoin that was settled at 50,000 is worth nothing a month later. Beside it 750,000 are lent
    on a million in ether, which then falls by 40 %: whoever may, liquidates at each step.
    """
    wbtc, me = market.assets["WBTC"], market.borrower
    market.poke("WBTC")
    market.give("WBTC", me, 20 * wbtc.unit)
    market.give("WETH", me, 500 * 10**18)
    account = put(market, me, "WBTC", 20)
    market.configurator.announce_settlement(wbtc, 50_000 * WAD, sender=market.owner)
    market.host.advance(DAY)
    market.refresh()
    market.configurator.settle(wbtc, sender=market.owner)
    market.host.advance(30 * DAY)
    market.refresh()
    put(market, me, "WETH", 500)
    with suppress(Reverted):
        take(market, me, "USDC", 750_000)
    for dollars in (1_850, 1_700, 1_500, 1_200):
        market.price("WETH", dollars)
        market.settle("WETH")
        with suppress(Reverted):
            market.liquidate("USDC", "WETH")
    collateral, debt = Ledger(market, WBTC=0, WETH=1_200).of(account)
    assert collateral >= debt
