"""Crumbs of what was settled stay where a backstop pool receives, for good, after every claim:
beside two of them it cannot buy an account of seven collaterals. A known limit: anyone else can.
"""

from breakwater.units import DAY, WAD
from tests.backstop import Backstop
from tests.market import refuses

ENDED = ("OLD1", "OLD2")
OTHERS = tuple(f"NEW{i}" for i in range(6))
COIN = {"decimals": 18, "dollars": 1}


def test_account_of_seven_beside_crumbs(new_market):
    market = new_market(("USDC",), **dict.fromkeys((*ENDED, *OTHERS), COIN))
    backstop = Backstop(market)
    for number, names in ((1, ENDED), (2, OTHERS)):
        account = market.account(number)
        market.deposit("WETH", 100, account)
        for name in names:
            market.deposit(name, 2, account)
        market.borrow("USDC", 150_000, account)
    backstop.stand(first=10**13)
    for name in ENDED:
        market.poke(name)
        market.configurator.announce_settlement(market.assets[name], WAD, sender=market.owner)
    market.host.advance(DAY)
    market.refresh()
    for name in ENDED:
        market.configurator.settle(market.assets[name], sender=market.owner)
    market.price("WETH", 1_400)
    market.settle("WETH", rounds=20)
    backstop.window()
    backstop.mark(market.account(1))
    assert backstop.buy(account=market.account(1)).value > 0
    for name in ENDED:
        backstop.claim("first", name)
        backstop.pool.claim(market.assets[name], market.other, sender=market.other)
    backstop.window()
    backstop.mark(market.account(2))
    with refuses("account holds 8 assets"):
        backstop.buy(account=market.account(2))
    assert market.liquidate("USDC", "WETH", account=market.account(2)).value[0] > 0
