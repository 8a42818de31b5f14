"""A router that believes what it is told: Exactly, August 2023, 7 million dollars; Prisma, March
2024, 11 million; Silo's leverage helper, June 2025, 0.5 million; AaveRebalancer, April 2026;
CompoundProvider, July 2026, 0.8 million; Aave's ParaSwap adapter, August 2024.

Leverage in one call needs a contract that may act for an account. Theirs took the market, the
exchange, the account or whoever calls back from their caller: a market of the attacker's said whose
account it was, anyone called what a flash loan was to call, and leftovers were for whoever came.

`LeverageRouter` takes an account from its owner alone, a pool from one factory, and a callback from
the pool that it is swapping in. Everybody here has given it every right and every token.
"""

import pytest

from breakwater.foreign import Pool, factory
from breakwater.host import interface_of
from breakwater.mocks import HookTokenMock
from breakwater.units import WAD, account_id
from tests.incidents.ledger import Ledger
from tests.market import ASSETS, ZERO, refuses
from tests.unit.leverage_router.conftest import (
    ALL,
    DECREASE,
    FAR,
    INCREASE,
    PRICE_AT_MOST,
    RIGHTS,
    World,
    leveraged,
)
from tests.unit.leverage_router.test_orders import KEY, execute, fall, signature, with_key

pytestmark = pytest.mark.needs("uniswap")
USD = 10**6


@pytest.fixture
def trusting(market):
    """A borrower whose account and wallet the router may empty, for him; another who attacks."""
    world = leveraged(World(market))
    world.attacker = market.other
    market.give("WETH", world.owner, 5 * WAD)
    market.give("USDC", world.owner, 5_000 * USD)
    for name in market.assets:
        market.assets[name].token.approve(world.router, ALL, sender=world.owner)
    market.engine.set_operator(
        account_id(world.attacker, 0), world.router, ZERO, RIGHTS, ALL, FAR, sender=world.attacker
    )
    return world


def worth(world):
    return Ledger(world.market).worth(world.owner, world.account)


def test_account_of_another(trusting):
    """Prisma and Silo: whose account it is was an argument. Here it is the caller's, or none."""
    before = worth(trusting)
    attempts = [
        (DECREASE, "WETH", "USDC", ALL, {"withdraw": ALL}),
        (DECREASE, "WETH", "USDC", ALL, {"exact_output": True, "withdraw": ALL}),
        (INCREASE, "USDC", "WETH", 5_000 * USD, {}),
    ]
    for kind, sell, buy, amount, options in attempts:
        with refuses("caller is not account owner"):
            trusting.trade(kind, sell, buy, amount, sender=trusting.attacker, **options)
    assert worth(trusting) == before


def test_callback_of_anyone(trusting):
    """Prisma: `onFlashLoan` was for a lender, and anyone called it with a victim in its data."""
    market, attacker = trusting.market, trusting.attacker
    weth, usdc = (market.assets[name].address for name in ("WETH", "USDC"))
    words = [bytes(12) + bytes.fromhex(address[2:]) for address in (weth, usdc)]
    job = trusting.account + b"".join(words) + bytes(32 * 11)
    with refuses("caller is not the pool"):
        trusting.router.uniswapV3SwapCallback(5 * WAD, -1, job, sender=attacker)
    # nor while a trade of his own goes over a token of his own
    hook = HookTokenMock.deploy(trusting.host, "Mine", "MINE", 18, sender=attacker)
    market.add_asset("MINE", **ASSETS["DAI"], token=hook, listed=False)
    trusting.pool("USDC", "MINE", fee=500)
    trusting.pool("MINE", "WETH", fee=500, liquidity=10**26)
    call = interface_of("LeverageRouter").function("uniswapV3SwapCallback", 3)
    hook.set_hook(trusting.router, call.encode((5 * WAD, -1, job)), True, sender=attacker)
    market.assets["USDC"].token.mint(attacker, 100 * USD, sender=market.owner)
    market.assets["USDC"].token.approve(trusting.router, ALL, sender=attacker)
    before = worth(trusting)
    trusting.trade(
        INCREASE, "USDC", "WETH", 100 * USD, path=trusting.path(500, "MINE", 500),
        own_sell=100 * USD, account=account_id(attacker, 0), sender=attacker,
    )  # fmt: skip
    assert hook.calls() == 2
    assert not hook.succeeded()
    assert b"caller is not the pool" in hook.answer()
    assert worth(trusting) == before


def test_exchange_of_the_attacker(trusting):
    """Silo and ParaSwap: what was called to swap was an argument. A pool is named by its tokens and
    fee, and is that of the one factory, whatever others were made.
    """
    tokens = tuple(trusting.market.assets[name].token for name in ("WETH", "USDC"))
    made = factory(trusting.host)
    Pool(trusting.host, tokens=tokens, made_by=made, fee=10_000, observations=1)
    with refuses("there is no such pool"):
        trusting.trade(DECREASE, "WETH", "USDC", WAD, path=trusting.path(10_000))


def test_market_of_the_attacker(trusting):
    """Exactly: a market of the attacker's was asked whose money to take. No market is named here,
    and a token that the engine does not know is nothing: neither collateral nor debt.
    """
    hook = HookTokenMock.deploy(trusting.host, "Fake", "FAKE", 18, sender=trusting.attacker)
    trusting.market.add_asset("FAKE", **ASSETS["DAI"], token=hook, listed=False)
    trusting.pool("FAKE", "USDC", fee=500)
    mine, before = account_id(trusting.attacker, 0), worth(trusting)
    path = trusting.path(500)
    hook.mint(trusting.attacker, 10**24, sender=trusting.attacker)
    hook.approve(trusting.router, ALL, sender=trusting.attacker)
    for kind, pair, reason in (
        (INCREASE, ("FAKE", "USDC"), "asset is no debt asset"),
        (INCREASE, ("USDC", "FAKE"), "asset is no collateral"),
        (DECREASE, ("USDC", "FAKE"), "account has no such debt"),
    ):
        amount = WAD if pair[0] == "FAKE" else USD
        with refuses(reason):
            trusting.trade(
                kind, *pair, 100 * amount, path=path, account=mine, sender=trusting.attacker
            )
    assert worth(trusting) == before


def test_approval_of_another(trusting):
    """Whose wallet pays was an argument, or was left over from the call before: here it is the
    caller, and what was left over went to the owner.
    """
    mine, before = account_id(trusting.attacker, 0), worth(trusting)
    for name, options in (("USDC", {"own_sell": USD}), ("WETH", {"own_buy": WAD})):
        assert trusting.tokens(name) > 0
        with refuses("allowance too low"):
            trusting.trade(
                INCREASE, "USDC", "WETH", 100 * USD, account=mine, sender=trusting.attacker,
                **options,
            )  # fmt: skip
    assert worth(trusting) == before


def test_keeper_of_his_own(market):
    """A keeper may choose pools, make them and move them: what the owner can lose is what he
    signed, one percent and the fee, and no keeper gets more than that and the pool's own fee.
    """
    world = with_key(World(market, KEY.address))
    path = fall(world, 1_500)
    order = world.order(PRICE_AT_MOST, 1_500 * WAD, 3 * WAD, slippage=100, fee=10 * USD)
    signed = signature(world, order)
    hook = HookTokenMock.deploy(world.host, "Mine", "MINE", 18, sender=world.keeper)
    market.add_asset("MINE", **ASSETS["DAI"], token=hook, listed=False)
    world.pool("WETH", "MINE", fee=500, liquidity=10**26)
    market.price("MINE", 2)  # in the second pool he buys for half of it
    world.pool("MINE", "USDC", fee=500)
    market.price("MINE", 1)
    start = world.host.snapshot()
    assert execute(world, order, signed, path=world.path(500, "MINE", 500))[1] > 8_500 * USD
    world.host.restore(start)
    market.price("MINE", "0.5")
    world.pool("MINE", "USDC", fee=3_000)
    with refuses("trade loses too much"):
        execute(world, order, signed, path=world.path(500, "MINE", 3_000))
    before = Ledger(market).worth(world.owner, world.account)
    execute(world, order, signed, path=path)
    lost = before - Ledger(market).worth(world.owner, world.account)
    assert 10 < lost <= 10 + 45
