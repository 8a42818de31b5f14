"""`preview` and `debt_for_leverage`: what a trade would leave, by the model; then it is done."""

import pytest

from tests.market import ZERO, refuses
from tests.unit.leverage_router.conftest import (
    ALL,
    DECREASE,
    INCREASE,
    SWAP_COLLATERAL,
    SWAP_DEBT,
    WAD,
    World,
    opened,
)

pytestmark = pytest.mark.needs("uniswap")
USD = 10**6


def judged(world):
    """Health factor and leverage of the account, by the model."""
    health = world.market.health(world.account)
    if health.debt_value == 0:
        return health.health_factor, WAD
    equity = health.collateral_value - health.debt_value
    return health.health_factor, health.collateral_value * WAD // equity


TRADES = {
    "raise": (INCREASE, "USDC", "WETH", 5_000 * USD, {}),
    "raise exactly": (INCREASE, "USDC", "WETH", 2 * WAD, {"exact_output": True}),
    "raise with own": (INCREASE, "USDC", "WETH", 5_000 * USD,
                       {"own_sell": 1_000 * USD, "own_buy": WAD}),
    "paid by the owner": (INCREASE, "USDC", "WETH", 500 * USD, {"own_sell": 1_000 * USD}),
    "lower": (DECREASE, "WETH", "USDC", WAD, {}),
    "lower exactly": (DECREASE, "WETH", "USDC", 4_000 * USD, {"exact_output": True}),
    "lower and withdraw": (DECREASE, "WETH", "USDC", WAD, {"withdraw": WAD}),
    "close": (DECREASE, "WETH", "USDC", ALL, {"exact_output": True, "withdraw": ALL}),
    "close with own": (DECREASE, "WETH", "USDC", ALL,
                       {"exact_output": True, "own_buy": 4_000 * USD}),
    "cash out": (DECREASE, "WETH", "USDC", ALL, {}),
    "other collateral": (SWAP_COLLATERAL, "WETH", "DAI", 3 * WAD, {}),
    "all collateral": (SWAP_COLLATERAL, "WETH", "DAI", ALL, {}),
    "raise and withdraw": (INCREASE, "DAI", "WETH", 1_000 * WAD, {"withdraw": 300 * WAD}),
    "other debt and withdraw": (SWAP_DEBT, "DAI", "USDC", 1_000 * WAD, {"withdraw": ALL}),
    "other debt": (SWAP_DEBT, "DAI", "USDC", ALL, {"exact_output": True}),
}  # fmt: skip


@pytest.mark.parametrize("name", TRADES)
def test_preview__is_what_comes(long, name):
    """Given what the pools take and give, which a call of the trade itself tells."""
    kind, sell, buy, amount, options = TRADES[name]
    long.pool("WETH", "DAI", liquidity=10**26)
    long.pool("DAI", "USDC")
    long.wallet("USDC", 4_000 * USD)
    long.wallet("WETH", WAD)
    if sell == "DAI" and "withdraw" in options:
        long.market.deposit("DAI", 500)
    job = long.job(kind, sell, buy, amount, **options)
    sold, bought = long.router._try("trade", job, [], [], sender=long.owner)
    found = long.router.preview(job, sold if job.exact_output else bought)
    assert long.trade(job) == (sold, bought)
    borrows, repays = kind in (INCREASE, SWAP_DEBT), kind in (DECREASE, SWAP_DEBT)
    after = (
        long.owed(sell) if borrows else long.held(sell),
        long.owed(buy) if repays else long.held(buy),
    )
    # a new debt is rounded up to a share
    assert 0 <= after[0] - found.sell_amount <= 1
    assert abs(after[1] - found.buy_amount) <= 1
    health, leverage = judged(long)
    assert found.health_factor == pytest.approx(health, rel=1e-9)
    assert found.leverage == pytest.approx(leverage, rel=1e-9)


def test_preview__where_one_token_is_on_both_sides(world):
    job = world.job(INCREASE, "USDC", "USDC", 20_000 * USD, own_buy=10_000 * USD)
    found = world.router.preview(job, 20_000 * USD)
    # 30,000 at 0.8 against 20,000
    assert found == (20_000 * USD, 30_000 * USD, 12 * WAD // 10, 3 * WAD)
    job = job._replace(own_buy=0)
    assert world.router.preview(job, 20_000 * USD).leverage == ALL  # no equity


def test_preview__refusals(long):
    with refuses("not enough collateral"):
        long.router.preview(long.job(DECREASE, "WETH", "USDC", 10 * WAD + 1), USD)
    with refuses("account has no such debt"):
        long.router.preview(long.job(DECREASE, "WETH", "DAI", WAD), WAD)
    with refuses("amount is zero"):
        long.router.preview(long.job(DECREASE, "WETH", "USDC", 0), USD)


@pytest.mark.parametrize("debt", ["USDC", "DAI", "WETH"])
def test_debt_for_leverage__up_and_down(market, debt):
    """30 WETH of equity 50,000 beside 10,000 of debt: for 3 it owes 90,000 more, for 1.1
    half of that less."""
    world = opened(World(market))
    market.deposit("WETH", 30)
    market.borrow("USDC", 10_000)
    asset = market.assets[debt]

    def units(dollars):
        return int(dollars / asset.dollars[0] * asset.unit)

    def asked(leverage, own=0):
        return world.router.debt_for_leverage(world.account, asset, own, leverage)

    assert asked(3 * WAD) == (units(90_000), 0)
    assert asked(11 * WAD // 10) == (0, units(5_000))
    assert asked(12 * WAD // 10) == (0, 0)
    assert asked(WAD) == (0, units(10_000))
    assert asked(3 * WAD, 10_000 * WAD) == (units(110_000), 0)


def test_debt_for_leverage__at_a_price_that_is_not_round(market):
    """15,000 of equity, twice leveraged, owes 15,000 of what costs 1.0371."""
    world = opened(World(market))
    market.deposit("WETH", "7.5")
    market.price("DAI", "1.0371")
    more, less = world.router.debt_for_leverage(world.account, market.assets["DAI"], 0, 2 * WAD)
    assert (more, less) == (15_000 * WAD * 10_000 // 10_371, 0)


def test_debt_for_leverage__opens_at_it(world):
    """3 WETH of the owner's, five times leveraged: within what the pool costs, it is."""
    own = 3 * WAD
    more, less = world.router.debt_for_leverage(
        world.account, world.market.assets["USDC"], 6_000 * WAD, 4 * WAD
    )
    assert (more, less) == (18_000 * USD, 0)
    world.wallet("WETH", own)
    world.trade(INCREASE, "USDC", "WETH", more, own_buy=own)
    assert 4 * WAD < judged(world)[1] < 42 * WAD // 10


def test_debt_for_leverage__refusals(long):
    usdc = long.market.assets["USDC"]
    with refuses("leverage is below 1"):
        long.router.debt_for_leverage(long.account, usdc, 0, WAD - 1)
    with refuses("asset is not listed"):
        long.router.debt_for_leverage(long.account, ZERO, 0, WAD)
    long.market.price("WETH", 1_000)
    with refuses("account has no equity"):
        long.router.debt_for_leverage(long.account, usdc, 0, WAD)
    assert long.router.debt_for_leverage(long.account, usdc, WAD, WAD)[0] == 0
