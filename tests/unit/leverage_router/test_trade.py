"""`trade` on the real Uniswap v3: what an account holds and owes after it, by hand."""

import pytest

from tests.market import refuses
from tests.unit.leverage_router.conftest import (
    ALL,
    DECREASE,
    INCREASE,
    SWAP_COLLATERAL,
    SWAP_DEBT,
    WAD,
    World,
    leveraged,
    paid_out,
    taken_in,
)

pytestmark = pytest.mark.needs("uniswap")
USD = 10**6


def token(world, name):
    return world.market.assets[name].token


# ------------------------------------------------------------ open, increase


def test_increase__opens_a_long_with_own_collateral(world):
    """10 WETH of the owner's and 10,000 borrowed USDC, sold for WETH."""
    world.wallet("WETH", 10 * WAD)
    bought = paid_out(world.weth_usdc, token(world, "USDC"), 10_000 * USD)
    got = world.trade(INCREASE, "USDC", "WETH", 10_000 * USD, own_buy=10 * WAD)
    assert got == (10_000 * USD, bought)
    assert abs(bought - 5 * WAD) < WAD // 20
    assert (world.held("WETH"), world.owed("USDC")) == (10 * WAD + bought, 10_000 * USD)
    assert world.tokens("WETH") == world.tokens("USDC") == 0
    assert world.is_empty()


def test_increase__exact_collateral(world):
    world.wallet("WETH", 10 * WAD)
    sold = taken_in(world.weth_usdc, token(world, "WETH"), 5 * WAD)
    got = world.trade(
        INCREASE, "USDC", "WETH", 5 * WAD, exact_output=True, own_buy=10 * WAD, limit=sold
    )
    assert got == (sold, 5 * WAD)
    assert (world.held("WETH"), world.owed("USDC")) == (15 * WAD, sold)
    assert world.is_empty()


@pytest.mark.parametrize("exact_output", [False, True])
def test_increase__opens_a_long_with_own_money(world, exact_output):
    """20,000 USDC of the owner's are part of what is sold."""
    world.wallet("USDC", 20_000 * USD)
    amount = 15 * WAD if exact_output else 30_000 * USD
    sold, bought = 30_000 * USD, paid_out(world.weth_usdc, token(world, "USDC"), 30_000 * USD)
    if exact_output:
        sold, bought = taken_in(world.weth_usdc, token(world, "WETH"), amount), amount
    got = world.trade(
        INCREASE, "USDC", "WETH", amount, exact_output=exact_output, own_sell=20_000 * USD
    )
    assert got == (sold, bought)
    assert (world.held("WETH"), world.owed("USDC")) == (bought, sold - 20_000 * USD)
    assert world.is_empty()


def test_increase__own_money_suffices(world):
    """Nothing is borrowed, and what is too much comes back."""
    world.wallet("USDC", 20_000 * USD)
    sold = taken_in(world.weth_usdc, token(world, "WETH"), 5 * WAD)
    world.trade(INCREASE, "USDC", "WETH", 5 * WAD, exact_output=True, own_sell=20_000 * USD)
    assert (world.held("WETH"), world.owed("USDC")) == (5 * WAD, 0)
    assert world.tokens("USDC") == 20_000 * USD - sold
    assert world.is_empty()


def test_increase__opens_a_short(world):
    """20,000 USDC of the owner's, and 5 borrowed WETH, sold."""
    world.wallet("USDC", 20_000 * USD)
    bought = paid_out(world.weth_usdc, token(world, "WETH"), 5 * WAD)
    assert world.trade(INCREASE, "WETH", "USDC", 5 * WAD, own_buy=20_000 * USD)[1] == bought
    assert (world.held("USDC"), world.owed("WETH")) == (20_000 * USD + bought, 5 * WAD)
    assert world.is_empty()


def test_increase__again(long):
    """From twice to three times leveraged, as `debt_for_leverage` says."""
    router = long.router
    more, less = router.debt_for_leverage(
        long.account, long.market.assets["USDC"].address, 0, 3 * WAD
    )
    owed = long.owed("USDC")
    # equity is 20,000 less the debt, and twice that is to be owed
    assert (more, less) == (2 * (20_000 * USD - owed) - owed, 0)
    bought = paid_out(long.weth_usdc, token(long, "USDC"), more)
    long.trade(INCREASE, "USDC", "WETH", more)
    assert long.held("WETH") == 10 * WAD + bought
    health = long.market.health(long.account)
    assert abs(health.collateral_value * 100 // (health.collateral_value - health.debt_value)
               - 300) <= 3  # fmt: skip


# ------------------------------------------------------------ decrease, close


def test_decrease__exact_debt(long):
    sold = taken_in(long.weth_usdc, token(long, "USDC"), 4_000 * USD)
    owed = long.owed("USDC")
    got = long.trade(DECREASE, "WETH", "USDC", 4_000 * USD, exact_output=True, limit=sold)
    assert got == (sold, 4_000 * USD)
    assert long.held("WETH") == 10 * WAD - sold
    assert abs(long.owed("USDC") - (owed - 4_000 * USD)) <= 1
    assert long.is_empty()


def test_decrease__exact_collateral(long):
    bought = paid_out(long.weth_usdc, token(long, "WETH"), 2 * WAD)
    owed = long.owed("USDC")
    assert long.trade(DECREASE, "WETH", "USDC", 2 * WAD, limit=bought) == (2 * WAD, bought)
    assert long.held("WETH") == 8 * WAD
    assert abs(long.owed("USDC") - (owed - bought)) <= 1
    assert long.is_empty()


def test_decrease__closes_and_the_rest_of_the_collateral_goes_to_the_owner(long):
    owed = long.owed("USDC")
    sold = taken_in(long.weth_usdc, token(long, "USDC"), owed)
    got = long.trade(DECREASE, "WETH", "USDC", ALL, exact_output=True, withdraw=ALL)
    assert got == (sold, owed)
    assert long.market.legs(long.account) == []
    assert (long.tokens("WETH"), long.tokens("USDC")) == (10 * WAD - sold, 0)
    assert long.is_empty()


def test_decrease__closes_into_the_debt_asset(long):
    """All collateral is sold, and what the debt does not take goes to the owner."""
    owed = long.owed("USDC")
    bought = paid_out(long.weth_usdc, token(long, "WETH"), 10 * WAD)
    assert long.trade(DECREASE, "WETH", "USDC", ALL) == (10 * WAD, bought)
    assert long.market.legs(long.account) == []
    assert (long.tokens("WETH"), long.tokens("USDC")) == (0, bought - owed)
    assert long.is_empty()


def test_decrease__closes_a_short(world):
    world.wallet("USDC", 20_000 * USD)
    got = world.trade(INCREASE, "WETH", "USDC", 5 * WAD, own_buy=20_000 * USD)[1]
    world.host.advance(86_400)
    world.market.refresh()
    owed = world.owed("WETH")
    assert owed > 5 * WAD
    sold = taken_in(world.weth_usdc, token(world, "WETH"), owed)
    world.trade(DECREASE, "USDC", "WETH", ALL, exact_output=True, withdraw=ALL)
    assert world.market.legs(world.account) == []
    assert world.tokens("USDC") == 20_000 * USD + got - sold
    assert world.is_empty()


def test_decrease__with_own_money_beside(long):
    """What the wallet pays need not be bought."""
    owed = long.owed("USDC")
    long.wallet("USDC", 6_000 * USD)
    sold = taken_in(long.weth_usdc, token(long, "USDC"), owed - 6_000 * USD)
    got = long.trade(DECREASE, "WETH", "USDC", ALL, exact_output=True, own_buy=6_000 * USD)
    assert got == (sold, owed - 6_000 * USD)
    assert (long.held("WETH"), long.owed("USDC")) == (10 * WAD - sold, 0)
    assert long.is_empty()


def test_decrease__sells_own_collateral_beside(long):
    """A wallet's WETH goes before the account's, with all of that."""
    owed = long.owed("USDC")
    long.wallet("WETH", WAD)
    bought = paid_out(long.weth_usdc, token(long, "WETH"), 11 * WAD)
    assert long.trade(DECREASE, "WETH", "USDC", ALL, own_sell=WAD) == (11 * WAD, bought)
    assert long.tokens("USDC") == bought - owed
    assert long.is_empty()


def test_decrease__withdraws_a_part(long):
    long.trade(DECREASE, "WETH", "USDC", 6_000 * USD, exact_output=True, withdraw=WAD)
    assert long.tokens("WETH") == WAD


def test_decrease__below_initial_margin_in_a_jump(new_market):
    """What makes an account safer works where no new risk may be taken."""
    long = leveraged(World(new_market(WETH={"jump_band": 500})))
    market = long.market
    market.price("WETH", 1_290)
    with refuses("price is in a jump"):
        market.engine.withdraw_collateral(
            long.account, market.assets["WETH"], 1, long.owner, sender=long.owner
        )
    owed = long.owed("USDC")
    long.trade(DECREASE, "WETH", "USDC", 3_000 * USD, exact_output=True)
    assert abs(long.owed("USDC") - (owed - 3_000 * USD)) <= 1


def test_decrease__between_initial_margin_and_liquidation(long):
    """9,000 of debt weight against 8,000 that may be borrowed: it is lowered all the same."""
    long.market.price("WETH", 1_220)
    assert WAD < long.health() < WAD * 102 // 100
    with refuses("initial margin is not met"):
        long.market.engine.withdraw_collateral(
            long.account, long.market.assets["WETH"], WAD // 10, long.owner, sender=long.owner
        )
    before = long.health()
    long.trade(DECREASE, "WETH", "USDC", 3_000 * USD, exact_output=True)
    assert long.health() > before


# ------------------------------------------------------------ swaps within an account


def test_swap_collateral__all_of_it(long):
    world, dai = long, "DAI"
    pool = world.pool("WETH", dai, fee=500, liquidity=10**26)
    bought = paid_out(pool, token(world, "WETH"), 10 * WAD)
    got = world.trade(SWAP_COLLATERAL, "WETH", dai, ALL, path=world.path(500))
    assert got == (10 * WAD, bought)
    assert (world.held("WETH"), world.held(dai)) == (0, bought)
    assert world.is_empty()


def test_swap_collateral__for_so_much(long):
    pool = long.pool("WETH", "DAI", fee=500, liquidity=10**26)
    sold = taken_in(pool, token(long, "DAI"), 3_000 * WAD)
    long.trade(SWAP_COLLATERAL, "WETH", "DAI", 3_000 * WAD, exact_output=True, path=long.path(500))
    assert (long.held("WETH"), long.held("DAI")) == (10 * WAD - sold, 3_000 * WAD)
    assert long.is_empty()


def test_swap_debt__all_of_it(long):
    pool = long.pool("USDC", "DAI", fee=500)
    owed = long.owed("USDC")
    sold = taken_in(pool, token(long, "USDC"), owed)
    got = long.trade(SWAP_DEBT, "DAI", "USDC", ALL, exact_output=True, path=long.path(500))
    assert got == (sold, owed)
    assert long.owed("USDC") == 0
    assert 0 <= long.owed("DAI") - sold <= 1
    assert long.is_empty()


def test_swap_debt__a_part(long):
    pool = long.pool("USDC", "DAI", fee=500)
    owed = long.owed("USDC")
    bought = paid_out(pool, token(long, "DAI"), 4_000 * WAD)
    long.trade(SWAP_DEBT, "DAI", "USDC", 4_000 * WAD, path=long.path(500))
    assert abs(long.owed("USDC") - (owed - bought)) <= 1
    assert 0 <= long.owed("DAI") - 4_000 * WAD <= 1
    assert long.is_empty()


# ------------------------------------------------------------ one token on both sides


def test_recursive__is_wound_up_and_unwound_in_a_call_each(world):
    """10,000 USDC held against themselves: 3 times leveraged, and out again, without a pool."""
    world.wallet("USDC", 10_000 * USD)
    world.market.assets["USDC"].token.approve(world.market.engine, ALL, sender=world.owner)
    got = world.trade(INCREASE, "USDC", "USDC", 20_000 * USD, own_buy=10_000 * USD)
    assert got == (20_000 * USD, 20_000 * USD)
    assert (world.held("USDC"), world.owed("USDC")) == (30_000 * USD, 20_000 * USD)
    world.host.advance(86_400)
    world.market.refresh()
    owed = world.owed("USDC")
    got = world.trade(DECREASE, "USDC", "USDC", ALL, exact_output=True, withdraw=ALL)
    assert got == (owed, owed)
    assert world.market.legs(world.account) == []
    assert world.tokens("USDC") == 30_000 * USD - owed
    assert world.is_empty()


def test_recursive__all_collateral_is_withdrawn_and_the_surplus_sent(world):
    world.wallet("USDC", 11_000 * USD)
    world.trade(INCREASE, "USDC", "USDC", 20_000 * USD, own_buy=10_000 * USD, own_sell=1_000 * USD)
    assert (world.held("USDC"), world.owed("USDC")) == (30_000 * USD, 19_000 * USD)
    world.trade(DECREASE, "USDC", "USDC", ALL)
    assert world.tokens("USDC") == 11_000 * USD
    assert world.is_empty()


def test_recursive__over_a_market_is_unwound_in_one_call(world):
    """Eight rounds of lending, borrowing and buying, undone by one."""
    world.wallet("WETH", 10 * WAD)
    world.trade(INCREASE, "USDC", "WETH", 2_000 * USD, own_buy=10 * WAD)
    for _ in range(7):
        world.trade(INCREASE, "USDC", "WETH", 4_000 * USD)
    owed, held = world.owed("USDC"), world.held("WETH")
    sold = taken_in(world.weth_usdc, token(world, "USDC"), owed)
    world.trade(DECREASE, "WETH", "USDC", ALL, exact_output=True, withdraw=ALL)
    assert world.market.legs(world.account) == []
    assert world.tokens("WETH") == held - sold


# ------------------------------------------------------------ over two pools


@pytest.fixture
def far(long):
    """WETH is traded for DAI, DAI for USDC."""
    long.first = long.pool("WETH", "DAI", fee=500, liquidity=10**26)
    long.second = long.pool("DAI", "USDC", fee=3_000)
    long.over = long.path(500, "DAI", 3_000)
    long.back = long.path(3_000, "DAI", 500)
    return long


def test_two_pools__exact_output(far):
    middle = taken_in(far.second, token(far, "USDC"), 4_000 * USD)
    sold = taken_in(far.first, token(far, "DAI"), middle)
    got = far.trade(
        DECREASE, "WETH", "USDC", 4_000 * USD, exact_output=True, limit=sold, path=far.over
    )
    assert got == (sold, 4_000 * USD)
    assert far.held("WETH") == 10 * WAD - sold
    assert far.is_empty()


def test_two_pools__exact_input(far):
    middle = paid_out(far.first, token(far, "WETH"), 2 * WAD)
    bought = paid_out(far.second, token(far, "DAI"), middle)
    got = far.trade(DECREASE, "WETH", "USDC", 2 * WAD, limit=bought, path=far.over)
    assert got == (2 * WAD, bought)
    assert far.held("WETH") == 8 * WAD
    assert far.is_empty()


def test_two_pools__loan_is_sold(far):
    middle = paid_out(far.second, token(far, "USDC"), 3_000 * USD)
    bought = paid_out(far.first, token(far, "DAI"), middle)
    assert far.trade(INCREASE, "USDC", "WETH", 3_000 * USD, path=far.back)[1] == bought
    assert far.held("WETH") == 10 * WAD + bought
    middle = taken_in(far.first, token(far, "WETH"), WAD)
    sold = taken_in(far.second, token(far, "DAI"), middle)
    got = far.trade(INCREASE, "USDC", "WETH", WAD, exact_output=True, path=far.back)
    assert got == (sold, WAD)
    assert far.is_empty()


# ------------------------------------------------------------ decimals, least and most


PAIRS = [("WBTC", "USDC"), ("WETH", "DAI"), ("WBTC", "DAI"), ("DAI", "USDC"), ("USDC", "WETH")]


@pytest.mark.parametrize(("collateral", "debt"), PAIRS)
@pytest.mark.parametrize("exact_output", [False, True])
def test_trade__any_decimals(world, collateral, debt, exact_output):
    """20,000 dollars of the owner's, 10,000 more; 4,000 of them lowered again; closed."""
    market = world.market
    pool = world.pool(collateral, debt, fee=500, liquidity=10**26)
    held, lent = market.assets[collateral], market.assets[debt]
    own = int(20_000 / held.dollars[0] * held.unit)
    world.wallet(collateral, own)
    borrowed = int(10_000 / lent.dollars[0] * lent.unit)
    bought = paid_out(pool, lent.token, borrowed)
    if exact_output:
        borrowed = taken_in(pool, held.token, bought)
    path = world.path(500)
    got = world.trade(
        INCREASE, debt, collateral, bought if exact_output else borrowed, path=path,
        exact_output=exact_output, own_buy=own,
    )  # fmt: skip
    assert got == (borrowed, bought)
    assert (world.held(collateral), world.owed(debt)) == (own + bought, borrowed)

    paid = int(4_000 / lent.dollars[0] * lent.unit)
    sold = taken_in(pool, lent.token, paid)
    if not exact_output:
        paid = paid_out(pool, held.token, sold)
    got = world.trade(
        DECREASE, collateral, debt, paid if exact_output else sold, path=path,
        exact_output=exact_output,
    )  # fmt: skip
    assert got == (sold, paid)
    assert world.held(collateral) == own + bought - sold
    assert abs(world.owed(debt) - (borrowed - paid)) <= 1
    world.trade(DECREASE, collateral, debt, ALL, exact_output=True, path=path, withdraw=ALL)
    assert market.legs(world.account) == []
    assert world.is_empty()


def test_trade__one_unit(long):
    """Of collateral it buys nothing; of a debt on which interest is due it pays no share."""
    with refuses("amount is too small"):
        long.trade(DECREASE, "WETH", "USDC", 1)
    with refuses("amount is too small"):
        long.trade(DECREASE, "WETH", "USDC", 1, exact_output=True)
    # of a loan it is one: what is owed is rounded up, and what it buys goes to the account
    bought = paid_out(long.weth_usdc, token(long, "USDC"), 2)
    owed, held = long.owed("USDC"), long.held("WETH")
    assert long.trade(INCREASE, "USDC", "WETH", 2) == (2, bought)
    assert (long.held("WETH") - held, long.owed("USDC") - owed in (2, 3)) == (bought, True)
    assert long.is_empty()


def test_trade__more_than_there_is(long):
    with refuses("not enough collateral"):
        long.trade(DECREASE, "WETH", "USDC", 10 * WAD + 1)
    with refuses("amount is too large"):
        long.trade(DECREASE, "WETH", "USDC", 2**104)
    with refuses("amount is too large"):
        long.trade(INCREASE, "USDC", "WETH", ALL)
    with refuses("amount is too large"):
        long.trade(INCREASE, "USDC", "WETH", ALL, exact_output=True)
    with refuses("initial margin is not met"):
        long.trade(INCREASE, "USDC", "WETH", 60_000 * USD)
