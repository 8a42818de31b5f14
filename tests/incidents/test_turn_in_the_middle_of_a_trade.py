"""A turn in the middle of a trade: the leverage router, before it looked twice.

A path may lead over a token of anyone's, which gets a turn in each of its transfers. The router had
read the debt before, and approved that much: a unit paid in that turn stayed in the router, and so
did its approval. Of a token like USDT, which approves from zero alone, no debt could then be paid
through the router any more: anybody's closing trade and stop-loss, for good, for a unit.

A keeper had his turn between an order's condition and its bound of slippage. He liquidated the
account, and the sale that was to save it came on top; or he brought the next price, and a
take-profit at 2,500 sold at 2,300 less slippage.
"""

import pytest

from breakwater.mocks import OddTokenMock
from tests.market import ZERO, Market, refuses
from tests.unit.leverage_router.conftest import (
    ALL,
    DECREASE,
    HEALTH_AT_MOST,
    PRICE_AT_LEAST,
    WAD,
    World,
    opened,
)
from tests.unit.leverage_router.test_hostile import calls, over, pays, token_of
from tests.unit.leverage_router.test_orders import KEY, execute, fall, with_key

pytestmark = pytest.mark.needs("uniswap")
USD = 10**6
CHANGED = "account has changed"


def test_approval_that_would_stay(host):
    """Of a token like USDT, which approves from zero alone, a unit of it left here would be the
    last payment of its debt through the router, anyone's.
    """
    market = Market(host, debts=("USDC", "WETH"))
    odd = OddTokenMock.deploy(host, "Odd", "ODD", 6, sender=market.owner)
    market.add_asset("ODD", decimals=6, dollars=1, token=odd)
    market.add_vault("ODD", 10**7, 100)
    odd.set_quirks(2, sender=market.owner)
    world = opened(World(market))
    market.deposit("WETH", 10)
    market.borrow("ODD", 10_000)
    host.advance(12)
    hook = token_of(world, world.owner)
    pays(world, hook, "ODD", USD, world.owner)
    world.pool("WETH", "ODD", liquidity=10**20)
    with refuses(CHANGED):
        world.trade(DECREASE, "WETH", "ODD", 9 * WAD, path=over(world, buy="ODD"))
    assert odd.allowance(world.router, market.assets["ODD"].vault) == 0
    world.trade(DECREASE, "WETH", "ODD", WAD)


def test_liquidated_meanwhile(market):
    """A keeper liquidates the account within its order, which waited for that very health: the
    sale came on top, and what it bought for a debt that was gone stayed in the router.
    """
    long = with_key(World(market, KEY.address))
    hook = token_of(long, long.keeper)
    fall(long, 1_200)
    path = over(long)
    usdc, weth = market.assets["USDC"], market.assets["WETH"]
    usdc.token.mint(hook, 10**5 * USD, sender=market.owner)
    calls(hook, usdc.token, ("TokenMock", "approve"), (usdc.vault.address, ALL), long.keeper)
    hook.mint(long.keeper, 1, sender=long.keeper)
    hook.transfer(market.owner, 1, sender=long.keeper)
    order = long.order(HEALTH_AT_MOST, WAD, 7 * WAD, most_after=ALL, fee=USD)
    assert long.health() < WAD
    terms = (long.account, usdc.address, weth.address, ALL, 0, long.keeper, bytes(32), b"")
    calls(hook, market.engine, ("CreditEngine", "liquidate"), terms, long.keeper)
    with refuses(CHANGED):
        execute(long, order, amount=7 * WAD, path=path)
    hook.set_hook(ZERO, b"", True, sender=long.keeper)
    execute(long, order, amount=7 * WAD, path=path)
    assert long.is_empty()


def test_price_that_falls_meanwhile(market):
    """A take-profit at 2,500: the keeper holds back the next price, 2,300, until the condition has
    been looked at, and the bound of slippage follows it down.
    """
    long = with_key(World(market, KEY.address))
    market.price("WETH", 2_300)
    hook = token_of(long, long.keeper)
    path = over(long)
    market.price("WETH", 2_500)
    order = long.order(PRICE_AT_LEAST, 2_500 * WAD, WAD, slippage=100)
    feed = market.assets["WETH"].feeds[0]
    calls(hook, feed, ("AggregatorMock", "set"), (2_300 * 10**8,), long.keeper)
    with refuses("condition does not hold"):
        execute(long, order, path=path)
    hook.set_hook(ZERO, b"", True, sender=long.keeper)
    with refuses("trade loses too much"):
        execute(long, order, path=path)


def test_health_at_a_price_that_falls_meanwhile(market):
    """The condition is that of the account before its trade, at the prices it is measured by."""
    long = with_key(World(market, KEY.address))
    path = fall(long, 1_300)
    order = long.order(HEALTH_AT_MOST, 11 * WAD // 10, exact_output=True, most_after=ALL)
    hook = token_of(long, long.keeper)
    path = over(long)
    calls(hook, market.assets["WETH"].feeds[0], ("AggregatorMock", "set"), (1_350 * 10**8,),
          long.keeper)  # fmt: skip
    with refuses("condition does not hold"):
        execute(long, order._replace(slippage=1_000), amount=3_000 * USD, path=path)
