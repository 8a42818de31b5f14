"""A market, pools of the real Uniswap v3 over its tokens, and a caller who owns nothing."""

from math import floor, log

import pytest

from breakwater.driver import FlashLiquidator, Route
from breakwater.foreign import FEE, Pool, factory
from tests.market import ZERO


def paid_out(pool, token, amount):
    """What a pool pays for `amount` of a token, by hand, where all its liquidity is in range."""
    left, liquidity, price = amount * (10**6 - pool.fee) // 10**6, pool.liquidity, pool.sqrt_price
    shifted = liquidity << 96
    if token.address == pool.tokens[0].address:
        after = -(-shifted * price // (shifted + left * price))
        return liquidity * (price - after) >> 96
    after = price + (left << 96) // liquidity
    return shifted * (after - price) // after // price


class World:
    """Shorthands over the market and its pools."""

    def __init__(self, market):
        self.market = market
        self.host = market.host
        self.caller = self.host.account("caller")
        self.factory = factory(self.host)
        self.flash = FlashLiquidator.deploy(
            self.host, market.engine, self.factory, sender=market.owner
        )

    def pool(self, one, other, fee=FEE, liquidity=10**24, reach=None):
        """A pool of two assets at the prices that are set; `reach` [ticks] bounds its liquidity."""
        assets = sorted(
            (self.market.assets[name] for name in (one, other)), key=lambda a: int(a.address, 16)
        )
        ratio = assets[0].dollars[0] / assets[1].dollars[0]
        tick = floor(log(ratio * 10 ** assets[1].decimals / 10 ** assets[0].decimals, 1.0001))
        between = None
        if reach is not None:
            middle = tick // 200 * 200
            between = (middle - reach, middle + reach)
        return Pool(
            self.host, tick=tick, liquidity=liquidity, observations=1, made_by=self.factory,
            tokens=tuple(asset.token for asset in assets), fee=fee, between=between,
        )  # fmt: skip

    def route(self, collateral, fee=FEE, middle=None, middle_fee=0):
        assets = self.market.assets
        return Route(assets[collateral].address, fee, assets[middle].address if middle else ZERO,
                     middle_fee)  # fmt: skip

    def arguments(self, debt, collateral, *routes, max_repay=2**200, min_profit=0, account=None):
        assets = self.market.assets
        account = account or self.market.account()
        return account, assets[debt], assets[collateral], max_repay, routes, min_profit

    def liquidate(self, *args, **options):
        arguments = self.arguments(*args, **options)
        return self.flash.liquidate(*arguments, sender=self.caller)

    def tokens(self, name):
        """What the caller holds."""
        return self.market.tokens(name, self.caller)

    def is_empty(self):
        """The contract holds no token, and no vault may take any."""
        assets = self.market.assets.values()
        held = [asset.token.balanceOf(self.flash) for asset in assets]
        allowed = [
            asset.token.allowance(self.flash, other)
            for asset in assets
            for other in [self.market.engine, *(a.vault for a in assets if hasattr(a, "vault"))]
        ]
        return not any(held) and not any(allowed)


@pytest.fixture
def world(market):
    return World(market)
