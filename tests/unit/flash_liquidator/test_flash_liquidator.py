"""`FlashLiquidator` on the real Uniswap v3: what the caller gets, by hand, and whom it believes."""

import contextlib

import pytest

from breakwater.driver import FlashLiquidator
from breakwater.host import Reverted, interface_of
from breakwater.mocks import HookTokenMock, HostileEngineMock, HostilePoolMock, OddTokenMock
from breakwater.units import WAD, account_id
from tests.market import ASSETS, ZERO, refuses
from tests.unit.flash_liquidator.conftest import paid_out

pytestmark = pytest.mark.needs("uniswap")
USD = 10**6


@pytest.fixture
def weak(world):
    """10 WETH against 16,000 USDC at 1,900: health 0.98, and a pool of either at the price."""
    market = world.market
    market.deposit("WETH", 10)
    market.borrow("USDC", 16_000)
    market.price("WETH", 1_900)
    market.host.advance(12)
    world.weth_usdc = world.pool("WETH", "USDC")
    return world


@pytest.fixture
def drowned(world):
    """10 WETH and 0.2 WBTC against 20,000 USDC, all of it worth less than that."""
    market = world.market
    market.deposit("WETH", 10)
    market.deposit("WBTC", "0.2")
    market.borrow("USDC", 20_000)
    market.price("WETH", 1_000)
    market.price("WBTC", 25_000)
    market.host.advance(12)
    world.pool("WETH", "USDC")
    return world


def proceeds(world, debt="USDC", collateral="WETH", pool=None):
    """What the pool pays for what is seized, and what is owed for it."""
    terms = world.market.terms(debt, collateral)
    token = world.market.assets[collateral].token
    return paid_out(pool or world.weth_usdc, token, terms.seize[collateral]), terms.repay + (
        terms.fund_fee
    )


def test_liquidate__caller_gets_what_is_left(weak):
    market = weak.market
    got, owed = proceeds(weak)
    before = market.owed("USDC")
    receipt = weak.liquidate("USDC", "WETH", weak.route("WETH"))
    assert receipt.value == weak.tokens("USDC") == got - owed > 99 * USD
    assert weak.tokens("WETH") == 0
    assert weak.is_empty()
    event = receipt.event("Liquidate")
    assert (event.repaid + event.fund_fee, event.liquidator) == (owed, weak.flash.address)
    assert abs(before - market.owed("USDC") - event.repaid) <= 1
    assert receipt.event("FlashLiquidate").args == {
        "account": market.account(), "debt_asset": market.assets["USDC"].address,
        "caller": weak.caller, "profit": got - owed,
    }  # fmt: skip


def test_liquidate__profit_is_at_least_what_was_asked_for(weak):
    got, owed = proceeds(weak)
    with refuses("profit is too low"):
        weak.liquidate("USDC", "WETH", weak.route("WETH"), min_profit=got - owed + 1)
    receipt = weak.liquidate("USDC", "WETH", weak.route("WETH"), min_profit=got - owed)
    assert receipt.value == got - owed


@pytest.mark.parametrize(
    ("dollars", "reason"), [(1_895, "profit is too low"), (1_800, "proceeds do not cover the debt")]
)
def test_liquidate__pool_moves_before_it_is_sent(weak, dollars, reason):
    """What was simulated no longer holds: everything is undone."""
    market = weak.market
    arguments = weak.arguments("USDC", "WETH", weak.route("WETH"))
    simulated = weak.flash._try("liquidate", *arguments, sender=weak.caller)
    market.price("WETH", dollars)
    there = weak.pool("WETH", "USDC", fee=10_000).tick  # where such a price is
    market.price("WETH", 1_900)
    weak.weth_usdc.swap_to(there)
    words = market.engine.words_of(market.account())
    with refuses(reason):
        weak.liquidate("USDC", "WETH", weak.route("WETH"), min_profit=simulated)
    assert market.engine.words_of(market.account()) == words
    assert weak.tokens("USDC") == 0


def test_liquidate__cap_on_what_is_repaid(weak):
    terms = weak.market.terms("USDC", "WETH", 1_000 * USD)
    got = paid_out(weak.weth_usdc, weak.market.assets["WETH"].token, terms.seize["WETH"])
    receipt = weak.liquidate("USDC", "WETH", weak.route("WETH"), max_repay=1_000 * USD)
    assert receipt.value == got - terms.repay - terms.fund_fee
    assert receipt.event("Liquidate").repaid == 1_000 * USD


@pytest.mark.parametrize("fees", [(500, 3_000), (10_000, 500)])
def test_liquidate__over_another_asset(weak, fees):
    pools = weak.pool("WETH", "DAI", fee=fees[0]), weak.pool("DAI", "USDC", fee=fees[1])
    assets = weak.market.assets
    terms = weak.market.terms("USDC", "WETH")
    middle = paid_out(pools[0], assets["WETH"].token, terms.seize["WETH"])
    got = paid_out(pools[1], assets["DAI"].token, middle)
    receipt = weak.liquidate("USDC", "WETH", weak.route("WETH", fees[0], "DAI", fees[1]))
    assert receipt.value == weak.tokens("USDC") == got - terms.repay - terms.fund_fee
    assert weak.tokens("DAI") == 0
    assert weak.is_empty()


def test_liquidate__collateral_is_the_debt_asset(world):
    """Nothing is sold: the incentive less the fund's part is left."""
    market = world.market
    market.deposit("WETH", 10)
    market.deposit("USDC", 4_000)
    market.borrow("USDC", 18_500)
    market.price("WETH", 1_800)
    market.host.advance(12)
    terms = market.terms("USDC", "USDC")
    receipt = world.liquidate("USDC", "USDC")
    left = terms.seize["USDC"] - terms.repay - terms.fund_fee
    assert receipt.value == world.tokens("USDC") == left > 0
    assert world.is_empty()


def test_liquidate__under_water_unsold_collateral_is_handed_over(world):
    """What WETH brings pays for its own part and for WBTC's, which the caller keeps."""
    market = world.market
    market.deposit("WETH", 10)
    market.deposit("WBTC", "0.002")
    market.borrow("USDC", 16_000)
    market.host.advance(12)
    market.price("WETH", 1_550)
    pool = world.pool("WETH", "USDC")
    market.price("WETH", 1_500)
    terms = market.terms("USDC", "WETH")
    assert terms.under_water
    got = paid_out(pool, market.assets["WETH"].token, terms.seize["WETH"])
    receipt = world.liquidate("USDC", "WETH", world.route("WETH"))
    assert receipt.value == world.tokens("USDC") == got - terms.repay > 0
    assert world.tokens("WBTC") == terms.seize["WBTC"] == 200_000
    assert receipt.event("Liquidate").bad_debt > 0
    assert world.is_empty()


def test_liquidate__under_water_every_collateral_is_sold(drowned):
    world, market = drowned, drowned.market
    terms = market.terms("USDC", "WETH")
    assert terms.under_water
    # both are sold at more than the oracle's price: the tip alone does not pay for the pool's fee
    market.price("WETH", 1_010)
    market.price("WBTC", 25_500)
    weth, wbtc = world.pool("WETH", "USDC", fee=500), world.pool("WBTC", "DAI", fee=500)
    dai = world.pool("DAI", "USDC", fee=500)
    market.price("WETH", 1_000)
    market.price("WBTC", 25_000)
    assets = market.assets
    got = paid_out(weth, assets["WETH"].token, terms.seize["WETH"]) + paid_out(
        dai, assets["DAI"].token, paid_out(wbtc, assets["WBTC"].token, terms.seize["WBTC"])
    )
    routes = world.route("WETH", 500), world.route("WBTC", 500, "DAI", 500)
    receipt = world.liquidate("USDC", "WETH", *routes)
    assert receipt.value == world.tokens("USDC") == got - terms.repay > 0
    assert world.tokens("WBTC") == world.tokens("WETH") == world.tokens("DAI") == 0
    assert world.is_empty()
    assert market.legs() == []


def test_liquidate__where_liquidity_ends_the_rest_is_handed_over(weak):
    """A pool that pays well for the first tokens and then has nothing left."""
    market = weak.market
    market.price("WETH", 2_400)
    pool = weak.pool("WETH", "USDC", fee=10_000, liquidity=175 * 10**13, reach=1_200)
    market.price("WETH", 1_900)
    held = market.assets["USDC"].token.balanceOf(pool.address)
    terms = market.terms("USDC", "WETH")
    receipt = weak.liquidate("USDC", "WETH", weak.route("WETH", 10_000))
    left = market.assets["USDC"].token.balanceOf(pool.address)
    sold = market.assets["WETH"].token.balanceOf(pool.address)
    assert receipt.value == held - left - terms.repay - terms.fund_fee
    assert left <= 1
    assert 0 < weak.tokens("WETH") < terms.seize["WETH"] < weak.tokens("WETH") + sold
    assert weak.is_empty()


def test_liquidate__where_the_second_pool_ends_the_rest_is_handed_over(weak):
    market = weak.market
    assets, terms = market.assets, market.terms("USDC", "WETH")
    deep = weak.pool("WETH", "DAI", fee=500)
    market.price("DAI", "1.2")
    thin = weak.pool("DAI", "USDC", fee=10_000, liquidity=95 * 10**15, reach=1_200)
    market.price("DAI", 1)
    middle = paid_out(deep, assets["WETH"].token, terms.seize["WETH"])
    held = assets["USDC"].token.balanceOf(thin.address), assets["DAI"].token.balanceOf(thin.address)
    receipt = weak.liquidate("USDC", "WETH", weak.route("WETH", 500, "DAI", 10_000))
    left = assets["USDC"].token.balanceOf(thin.address), assets["DAI"].token.balanceOf(thin.address)
    assert receipt.value == held[0] - left[0] - terms.repay - terms.fund_fee > 0
    assert weak.tokens("DAI") == middle - (left[1] - held[1]) > 0
    assert weak.is_empty()


def test_liquidate__what_was_sent_here_goes_to_the_next_caller(weak):
    got, owed = proceeds(weak)
    weak.market.assets["USDC"].token.mint(weak.flash, 7, sender=weak.market.owner)
    receipt = weak.liquidate("USDC", "WETH", weak.route("WETH"))
    assert receipt.value == weak.tokens("USDC") == got - owed + 7


# ------------------------------------------------------------ refusals


def test_liquidate__refuses_what_the_engine_refuses(weak):
    market, route = weak.market, weak.route("WETH")
    with refuses("asset is no debt asset"):
        weak.liquidate("WBTC", "WETH", route)
    with refuses("account has no such collateral"):
        weak.liquidate("USDC", "DAI", route)
    market.price("WETH", 2_100)
    with refuses("account is healthy"):
        weak.liquidate("USDC", "WETH", route)


def test_liquidate__refuses_a_pool_that_is_not_there(weak):
    with refuses("there is no such pool"):
        weak.liquidate("USDC", "WETH", weak.route("WETH", 500))
    with refuses("there is no such pool"):
        weak.liquidate("USDC", "WETH", weak.route("WETH", 3_000, "USDC", 3_000))


def test_liquidate__refuses_to_pay_without_selling(weak):
    with refuses("proceeds do not cover the debt"):
        weak.liquidate("USDC", "WETH")


def odd(world, **rules):
    """A market asset that is odd, and an account that holds it."""
    market = world.market
    token = OddTokenMock.deploy(market.host, "Odd", "ODD", 18, sender=market.owner)
    market.add_asset("ODD", **ASSETS["WETH"], token=token, **rules)
    return token


def test_liquidate__collateral_that_takes_a_fee(world):
    """With a route it is refused, without one it is handed over as it arrives."""
    market = world.market
    token = odd(world, takes_fee=True)
    market.deposit("WETH", 10)
    market.deposit("ODD", "0.01")
    market.borrow("USDC", 16_000)
    token.set_odds(1, 100, False, False, sender=market.owner)
    market.price("WETH", 1_500)
    market.host.advance(12)
    market.price("WETH", 1_800)
    world.pool("WETH", "USDC")  # pays more than the oracle says
    market.price("WETH", 1_500)
    with refuses("collateral takes a fee"):
        world.liquidate("USDC", "WETH", world.route("WETH"), world.route("ODD"))
    world.liquidate("USDC", "WETH", world.route("WETH"))
    assert world.tokens("USDC") > 0
    assert world.tokens("ODD") == 10**16 * 99 // 100 * 99 // 100
    assert world.is_empty()


def test_liquidate__token_that_does_not_go_to_the_caller(world):
    market = world.market
    token = odd(world)
    market.deposit("WETH", 10)
    market.deposit("ODD", "0.01")
    market.borrow("USDC", 16_000)
    market.host.advance(12)
    market.price("WETH", 1_800)
    world.pool("WETH", "USDC")
    token.set_blocked(world.caller, True, sender=market.owner)
    market.price("WETH", 1_500)
    assert market.terms("USDC", "WETH").under_water
    with refuses("blocked"):
        world.liquidate("USDC", "WETH", world.route("WETH"))
    token.set_blocked(world.caller, False, sender=market.owner)
    token.set_odds(0, 0, False, False, sender=market.owner)
    with refuses("token transfer failed"):
        world.liquidate("USDC", "WETH", world.route("WETH"))


def test_liquidate__blocked_token_sent_here_blocks_nothing(weak):
    """A borrower who holds it sends a unit here: it is not seized, so it is not touched."""
    market = weak.market
    token = odd(weak)
    market.deposit("ODD", "0.00001")
    token.mint(weak.flash, 1, sender=market.owner)
    token.set_odds(0, 0, True, False, sender=market.owner)
    assert weak.liquidate("USDC", "WETH", weak.route("WETH")).value > 0


# ------------------------------------------------------------ who calls in


def test_on_liquidate__for_the_engine_only(weak):
    market = weak.market
    usdc = market.assets["USDC"]
    usdc.token.mint(weak.flash, 10**9, sender=market.owner)
    data = b"".join(
        [bytes(12), bytes.fromhex(market.other[2:]), (64).to_bytes(32, "big"), bytes(32)]
    )
    with refuses("caller is not the engine"):
        weak.flash.on_liquidate(market.account(), usdc, 10**9, usdc, 0, data, sender=market.other)
    assert usdc.token.allowance(weak.flash, market.other) == 0


def test_callback__for_the_pool_that_is_swapped_in_only(weak):
    market = weak.market
    market.assets["USDC"].token.mint(weak.flash, 10**9, sender=market.owner)
    with refuses("caller is not the pool"):
        weak.flash.uniswapV3SwapCallback(10**9, -1, b"", sender=market.other)


HOOKS = {
    "liquidate": "",  # locked
    "on_liquidate": "caller is not the engine",
    "uniswapV3SwapCallback": "caller is not the pool",
}


@pytest.mark.parametrize("function", HOOKS)
@pytest.mark.parametrize("after", [False, True])
def test_token__cannot_call_back_in(world, function, after):
    """A token that is sold over calls out while the proceeds are here."""
    market = world.market
    token = HookTokenMock.deploy(market.host, "Hook", "HOOK", 18, sender=market.owner)
    market.add_asset("HOOK", **ASSETS["DAI"], token=token)
    market.deposit("WETH", 10)
    market.borrow("USDC", 16_000)
    market.price("WETH", 1_900)
    market.host.advance(12)
    world.pool("WETH", "HOOK", fee=500)
    world.pool("HOOK", "USDC", fee=500)
    usdc = market.assets["USDC"].address
    arguments = {
        "liquidate": (market.account(), usdc, usdc, 1, [], 0),
        "on_liquidate": (market.account(), usdc, 10**9, usdc, 0, bytes(96)),
        "uniswapV3SwapCallback": (1, 1, b""),
    }[function]
    codec = interface_of("FlashLiquidator").function(function, len(arguments))
    token.set_hook(world.flash, codec.encode(arguments), after, sender=market.owner)
    assert world.liquidate("USDC", "WETH", world.route("WETH", 500, "HOOK", 500)).value > 0
    assert token.calls() >= 2
    assert not token.succeeded()
    assert HOOKS[function].encode() in token.answer()
    assert world.is_empty()


@pytest.mark.parametrize(
    ("more", "times", "reason"),
    [
        (1, 1, "pool asks for too much"),
        (-(2**200), 1, "pool asks for too much"),
        (0, 2, "caller is not the pool"),
        (0, 1, "proceeds do not cover the debt"),
        (0, 0, "proceeds do not cover the debt"),
    ],
)
def test_pool__that_is_hostile_gets_nothing(weak, more, times, reason):
    """It would have to be one of the factory's; this factory is hostile too."""
    market = weak.market
    pool = HostilePoolMock.deploy(market.host, sender=market.owner)
    weak.flash = FlashLiquidator.deploy(market.host, market.engine, pool, sender=market.owner)
    pool.set_odds(more, times, sender=market.owner)
    market.assets["USDC"].token.mint(weak.flash, 10 * USD, sender=market.owner)
    with refuses(reason):
        weak.liquidate("USDC", "WETH", weak.route("WETH"))
    assert market.tokens("WETH", pool.address) == 0


def test_engine__that_takes_nothing_may_not_take_it_later(world):
    market = world.market
    engine = HostileEngineMock.deploy(market.host, sender=market.owner)
    world.flash = FlashLiquidator.deploy(market.host, engine, world.factory, sender=market.owner)
    usdc = market.assets["USDC"].token
    usdc.mint(world.flash, USD, sender=market.owner)
    engine.set_owed(USD, sender=market.owner)
    receipt = world.liquidate("USDC", "WETH")
    assert receipt.value == world.tokens("USDC") == USD
    usdc.mint(world.flash, USD, sender=market.owner)
    with refuses("allowance too low"):
        engine.take(usdc, world.flash, USD, sender=market.owner)


def test_deploy__refuses_addresses_without_code(market):
    with refuses("credit engine has no code"):
        FlashLiquidator.deploy(market.host, market.other, market.engine, sender=market.owner)
    with refuses("factory has no code"):
        FlashLiquidator.deploy(market.host, market.engine, ZERO, sender=market.owner)


def test_views__tell_what_it_stands_on(world):
    assert world.flash.credit_engine() == world.market.engine.address
    assert world.flash.factory() == world.factory


@pytest.mark.parametrize("number", range(3))
def test_liquidate__hostile_arguments_move_nobody_else(weak, number):
    """Whatever is asked for, other accounts, and what people hold, stay as they are."""
    market = weak.market
    stranger = account_id(market.other, 0)
    market.give("WETH", market.other, WAD)
    market.engine.deposit_collateral(stranger, market.assets["WETH"], WAD, sender=market.other)
    market.assets["USDC"].token.mint(market.other, USD, sender=market.owner)
    market.assets["USDC"].token.approve(weak.flash, 2**255, sender=market.other)
    before = market.engine.words_of(stranger), market.tokens("USDC", market.other)
    attempts = [
        lambda: weak.liquidate("USDC", "WETH", weak.route("WETH"), account=stranger),
        lambda: weak.liquidate("USDC", "USDC", *[weak.route("USDC", middle="WETH")] * 7),
        lambda: weak.liquidate("USDC", "WETH", weak.route("WETH"), weak.route("WETH"), max_repay=1),
    ]
    with contextlib.suppress(Reverted):
        attempts[number]()
    assert (market.engine.words_of(stranger), market.tokens("USDC", market.other)) == before
    assert weak.is_empty()
