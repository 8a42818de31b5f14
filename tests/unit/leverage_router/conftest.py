"""A market, pools of the real Uniswap v3 over its tokens, and an owner who lets the router act."""

import pytest

from breakwater.driver import Grant, LeverageRouter, Order, Path, Permit, Trade
from breakwater.foreign import FEE
from breakwater.units import MAX_UINT256, WAD, account_id
from tests.market import BORROW, DEPOSIT, WITHDRAW, ZERO
from tests.unit.flash_liquidator.conftest import World as Pools
from tests.unit.flash_liquidator.conftest import paid_out

INCREASE, DECREASE, SWAP_COLLATERAL, SWAP_DEBT = 1, 2, 4, 8
PRICE_AT_MOST, PRICE_AT_LEAST, HEALTH_AT_MOST = 1, 2, 4
ALL = MAX_UINT256
FAR = 10**12
RIGHTS = DEPOSIT | WITHDRAW | BORROW


def up(numerator, denominator):
    """Their quotient, rounded up."""
    return (numerator + denominator - 1) // denominator


def taken_in(pool, token, amount):
    """What a pool takes for `amount` of a token, by hand, where all its liquidity is in range."""
    liquidity, price = pool.liquidity, pool.sqrt_price
    shifted = liquidity << 96
    if token.address == pool.tokens[1].address:
        after = price - up(amount << 96, liquidity)
        taken = up(up(shifted * (price - after), price), after)
    else:
        after = up(shifted * price, shifted - amount * price)
        taken = up(liquidity * (after - price), 2**96)
    return taken + up(taken * pool.fee, 10**6 - pool.fee)


class World(Pools):
    """Shorthands over the market, its pools, and the router."""

    def __init__(self, market, owner=None):
        super().__init__(market)
        self.router = LeverageRouter.deploy(
            self.host, market.engine, self.factory, sender=market.owner
        )
        self.owner = owner or market.borrower
        self.account = account_id(self.owner, 0)
        self.keeper = self.host.account("keeper")

    def grant(self, asset=None, actions=RIGHTS, amount=ALL, account=None):
        """The router may act for the account."""
        self.market.engine.set_operator(
            account or self.account, self.router, asset or ZERO, actions, amount, FAR,
            sender=self.owner,
        )  # fmt: skip

    def path(self, fee=FEE, middle=None, middle_fee=0):
        return Path(fee, self.market.assets[middle].address if middle else ZERO, middle_fee)

    def job(self, kind, sell, buy, amount, *, exact_output=False, limit=None, path=None, **changes):
        """A trade without a limit, but for what is said."""
        assets = self.market.assets
        trade = Trade(
            kind=kind, account=self.account, sell=assets[sell].address, buy=assets[buy].address,
            path=path or self.path(), exact_output=exact_output, amount=amount,
            limit=(ALL if exact_output else 0) if limit is None else limit, own_sell=0,
            own_buy=0, withdraw=0, deadline=FAR,
        )  # fmt: skip
        return trade._replace(**changes)

    def trade(self, *args, permits=(), grants=(), sender=None, **options):
        """The trade; what was sold, what was bought."""
        job = args[0] if isinstance(args[0], Trade) else self.job(*args, **options)
        receipt = self.router.trade(job, permits, grants, sender=sender or self.owner)
        return tuple(receipt.value)

    def wallet(self, name, amount):
        """Tokens of the owner, which the router may take."""
        token = self.market.assets[name].token
        token.mint(self.owner, amount, sender=self.market.owner)
        token.approve(self.router, amount, sender=self.owner)

    def tokens(self, name, who=None):
        return self.market.tokens(name, who or self.owner)

    def held(self, name):
        return self.market.held(name, self.account)

    def owed(self, name):
        return self.market.owed(name, self.account)

    def health(self):
        """Of the account by the model [WAD]."""
        return self.market.health(self.account).health_factor

    def is_empty(self):
        """The router holds no token, and nobody may take any."""
        assets = self.market.assets.values()
        spenders = [self.market.engine, *(a.vault for a in assets if hasattr(a, "vault"))]
        return not any(
            amount
            for asset in assets
            for amount in (
                asset.token.balanceOf(self.router),
                *(asset.token.allowance(self.router, other) for other in spenders),
            )
        )

    def order(self, condition, trigger, amount=ALL, *, sell="WETH", buy="USDC", watched=None,
              **changes):  # fmt: skip
        """An order of the owner: to sell all, but for what is said."""
        assets = self.market.assets
        named = watched or ("" if condition == HEALTH_AT_MOST else "WETH")
        order = Order(
            account=self.account, sell=assets[sell].address, buy=assets[buy].address,
            exact_output=False, amount=amount, condition=condition,
            watched=assets[named].address if named else ZERO, trigger=trigger, least_after=0,
            most_after=0, slippage=100, fee=0, epoch=0, nonce=1, deadline=FAR,
        )  # fmt: skip
        return order._replace(**changes)


def opened(world):
    """An account without anything, whose owner lets the router act; a pool at the prices set."""
    world.grant()
    world.weth_usdc = world.pool("WETH", "USDC", liquidity=10**20)
    return world


def leveraged(world):
    """10 WETH at 2,000 against 10,000 USDC: health 1.66, twice leveraged."""
    opened(world)
    world.market.deposit("WETH", 10)
    world.market.borrow("USDC", 10_000)
    # what was borrowed is spent
    token = world.market.assets["USDC"].token
    token.burn(world.owner, 10_000 * 10**6, sender=world.market.owner)
    world.host.advance(12)
    return world


@pytest.fixture
def world(market):
    return opened(World(market))


@pytest.fixture
def long(market):
    return leveraged(World(market))


__all__ = [
    "ALL", "DECREASE", "FAR", "HEALTH_AT_MOST", "INCREASE", "PRICE_AT_LEAST", "PRICE_AT_MOST",
    "RIGHTS", "SWAP_COLLATERAL", "SWAP_DEBT", "WAD", "Grant", "Permit", "World", "leveraged",
    "opened", "paid_out", "taken_in",
]  # fmt: skip
