"""`Lens.collateral`, `max_deposit`, and why a deposit or a liquidation would be held back."""

import pytest

from breakwater.host import Reverted
from breakwater.units import DAY, HOUR, MAX_UINT256, WAD
from tests.market import DEPOSIT, ZERO, refuses

MAX_LEG = 2**104 - 1


def deposit(market, name, amount, number=0):
    market.give(name, market.borrower, min(amount, 2**128))
    market.engine.deposit_collateral(
        market.account(number), market.assets[name], amount, sender=market.borrower
    )


def check(market, name, amount, reason, number=0):
    """The lens tells the reason for which the engine refuses, or that it does not."""
    account, asset = market.account(number), market.assets[name]
    start = market.host.snapshot()
    assert market.lens.why_blocked(account, DEPOSIT, asset, amount) == reason
    if reason:
        with refuses(reason):
            deposit(market, name, amount, number)
    else:
        deposit(market, name, amount, number)
    market.host.restore(start)


def most(market, name, amount, number=0):
    """The lens tells the most that passes."""
    account, asset = market.account(number), market.assets[name]
    assert market.lens.max_deposit(account, asset) == amount
    if amount:
        check(market, name, amount, "", number)
    with pytest.raises(Reverted):
        deposit(market, name, amount + 1, number)


def test_collateral__everything(new_market):
    market = new_market(WETH={"cap": 65_535})
    weth = market.assets["WETH"]
    assert market.lens.collateral(weth) == (
        weth.address, 0, 65_535, 0, 65_535, 0, 0, MAX_UINT256, 0,
    )  # fmt: skip
    market.configurator.set_growth(weth, 10, sender=market.owner)
    market.configurator.set_depth(weth, 1_000, sender=market.owner)
    deposit(market, "WETH", 53)
    now = market.host.now
    assert market.lens.collateral(weth) == (
        weth.address, 53, 65_535, 10, 6_500, now - now % DAY + DAY, 1_000, 1_000,
        now - now % HOUR + HOUR,
    )  # fmt: skip
    assert market.lens.collateral(market.other) == (ZERO, *[0] * 8)


def test_max_deposit__by_growth_and_cap(new_market):
    market = new_market(WETH={"cap": 60_000})
    weth = market.assets["WETH"]
    most(market, "WETH", 60_000)
    market.configurator.set_growth(weth, 50, sender=market.owner)
    most(market, "WETH", 30_000)
    check(market, "WETH", 30_001, "exposure growth limit is reached")
    check(market, "WETH", 60_001, "collateral cap is reached")
    deposit(market, "WETH", 30_000)
    most(market, "WETH", 0)
    most(market, "WETH", 0, 1)
    market.host.advance(DAY)
    market.refresh()
    most(market, "WETH", 30_000)
    check(market, "WETH", 30_001, "collateral cap is reached")


def test_max_deposit__below_maintenance(new_market):
    market = new_market()
    weth = market.assets["WETH"]
    market.deposit("WETH", 10)
    market.borrow("USDC", 16_000)
    market.configurator.set_cap(weth, 10 * WAD, sender=market.owner)
    market.price("WETH", 1_900)
    most(market, "WETH", 0)  # in the block of the loan
    market.host.advance(12)
    position = market.engine.position_of(market.account())
    missing = market.risk.shortfall(position, weth.id)
    assert missing > 0
    most(market, "WETH", missing)
    check(market, "WETH", missing + 1, "collateral cap is reached")
    check(market, "WETH", 1, "collateral cap is reached", 1)


def test_max_deposit__what_a_leg_and_a_book_hold(new_market):
    market = new_market(WETH={"cap": 2**128 - 1})
    deposit(market, "WETH", 300)
    most(market, "WETH", MAX_LEG - 300)
    check(market, "WETH", MAX_LEG - 299, "amount is too large")
    check(market, "WETH", MAX_LEG + 1, "amount is too large", 1)
    for number in range(1, 256):
        deposit(market, "WETH", MAX_LEG, number)
    most(market, "WETH", 2**112 - 1 - 300 - 255 * MAX_LEG, 300)
    check(market, "WETH", 2**112 - 300 - 255 * MAX_LEG, "amount is too large", 300)


def test_max_deposit__what_is_new_to_an_account(new_market):
    more = {f"T{i}": {"decimals": 18, "dollars": 1} for i in range(6)}
    market = new_market(**more)
    for name in ["WETH", "WBTC", "USDC", *list(more)[:5]]:
        market.deposit(name, 1)
    most(market, "T5", 0)
    check(market, "T5", 1, "account holds 8 assets")
    market.break_feed("T5")
    check(market, "T5", 1, "price is stale")
    market.break_feed("T4")
    check(market, "T4", 1, "")


def test_why_blocked__of_nothing_and_of_what_is_no_collateral(new_market):
    market = new_market(LINK={"decimals": 18, "dollars": 10, "listed": False})
    check(market, "WETH", 0, "amount is zero")
    check(market, "LINK", 1, "asset is no collateral")
    most(market, "LINK", 0)


def test_preview_liquidate__by_the_depth(new_market):
    market = new_market()
    market.deposit("WETH", 10)
    market.borrow("USDC", 16_000)
    market.host.advance(12)
    market.price("WETH", 1_800)
    pair = market.account(), market.assets["USDC"], market.assets["WETH"]
    assert market.lens.preview_liquidate(*pair, MAX_UINT256).seized > WAD
    market.configurator.set_depth(market.assets["WETH"], WAD, sender=market.owner)
    least = market.engine.debt_of(market.assets["USDC"])[2]
    with refuses("liquidation limit is reached"):
        market.lens.preview_liquidate(*pair, MAX_UINT256)
    market.liquidate("USDC", "WETH", 1_500 * 10**6)
    with refuses("liquidation limit is reached"):
        market.lens.preview_liquidate(*pair, 2_000 * 10**6)
    assert market.lens.preview_liquidate(*pair, 2 * least).repay == 2 * least
    market.price("WETH", 1_500)
    assert market.lens.preview_liquidate(*pair, MAX_UINT256).write_off > 0


def test_max_deposit__of_what_is_settled(market):
    """Nothing, whoever asks."""
    dai, account = market.assets["DAI"], market.account()
    market.deposit("DAI", 1)
    market.poke("DAI")
    market.wind_down("DAI", WAD)
    assert market.lens.max_deposit(account, dai) == market.lens.collateral(dai).room == 0
    assert market.lens.why_blocked(account, DEPOSIT, dai, 1) == "asset is settled"
