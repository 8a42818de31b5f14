"""While one asset was held, any account borrowed a tenth of its debt in it and was liquidated for
nothing else either: a hold of DAI shielded positions in ether for five hours of a crash.
"""

from contextlib import suppress

from breakwater.host import Reverted
from breakwater.units import HOUR, WAD
from tests.market import BORROW, REPAY


def test_debt_of_a_held_asset(market):
    """12,500 USDC on 10 WETH; the guardian holds DAI, and an eighth of the debt becomes DAI."""
    dai, usdc = market.assets["DAI"], market.assets["USDC"]
    market.deposit("WETH", 10)
    market.borrow("USDC", 12_500)
    market.host.advance(60)
    market.breaker.hold(dai, 4 * HOUR, sender=market.guardian)
    market.give("USDC", market.borrower, 1_500 * usdc.unit)
    swap = [
        market.leg(REPAY, "USDC", 1_500 * usdc.unit),
        market.leg(BORROW, "DAI", 1_500 * dai.unit),
    ]
    with suppress(Reverted):
        market.engine.batch(swap, b"", sender=market.borrower)
    market.host.advance(60)
    market.price("WETH", 1_350)
    health = market.risk.health_of(market.engine.position_of(market.account()))
    assert health.health_factor < 9 * WAD // 10
    market.liquidate("USDC", "WETH")
