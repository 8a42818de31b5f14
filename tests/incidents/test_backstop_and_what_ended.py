"""A backstop pool and assets that were settled or are held."""

from breakwater.units import DAY, WAD
from tests.backstop import Backstop
from tests.market import refuses

UNIT = 10**6


def settle(market, name, dollars):
    asset = market.assets[name]
    market.poke(name)
    market.configurator.announce_settlement(asset, int(dollars * WAD), sender=market.owner)
    market.host.advance(DAY)
    market.refresh()
    market.poke(name)
    market.configurator.settle(asset, sender=market.owner)


def test_settled_debt(market):
    """WETH is owed, settled at 2,000 and worth 4,000 since: nobody else buys at the price that
    ended, and the pool's lenders must not pay twice what they get.
    """
    backstop = Backstop(market, "WETH")
    market.deposit("WBTC", "0.6")
    market.borrow("WETH", 10)
    backstop.stand(first=10 * 10**18)
    settle(market, "WETH", 2_000)
    market.price("WBTC", 40_000)
    market.settle("WBTC", rounds=12)
    backstop.window()
    before = backstop.worth("first")
    backstop.mark()
    with refuses("asset is settled"):
        backstop.buy("WBTC")
    assert backstop.worth("first") == backstop.withdraw("first") == before
    # whoever wants it at that price may: the engine refuses nobody
    market.liquidate("WETH", "WBTC")


def test_settled_collateral_leg(market):
    """The engine lets anyone liquidate; the pool cannot put away what was settled."""
    backstop = Backstop(market)
    market.deposit("WETH", 300)
    market.deposit("WBTC", 0.001)
    market.borrow("USDC", 400_000)
    backstop.stand(first=100_000 * UNIT)
    settle(market, "WBTC", 50_000)
    market.price("WETH", 1_200)
    market.settle("WETH", rounds=12)
    backstop.window()
    backstop.mark()
    assert backstop.buy("WETH").value > 0


def test_held_leg(market):
    """Fifty dollars of what is held hold no liquidation, but the pool, which has none of it yet."""
    backstop = Backstop(market)
    market.deposit("WETH", 300)
    market.deposit("WBTC", 0.001)
    market.borrow("USDC", 400_000)
    backstop.stand(first=100_000 * UNIT)
    market.price("WETH", 1_200)
    market.settle("WETH", rounds=12)
    backstop.window()
    market.breaker.hold(market.assets["WBTC"], 4 * 3600, sender=market.guardian)
    backstop.mark()
    assert backstop.buy("WETH").value > 0
