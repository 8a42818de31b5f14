"""`withdraw_collateral`: with and without debt, all of it, levels, receivers."""

import pytest

from breakwater.mocks import OddTokenMock
from breakwater.model import margin
from breakwater.units import MAX_UINT256, WAD
from tests.market import ZERO, refuses


def withdraw(market, name, amount, *, receiver=None, sender=None, account=None):
    return market.engine.withdraw_collateral(
        account or market.account(),
        market.assets[name],
        amount,
        receiver or market.borrower,
        sender=sender or market.borrower,
    )


@pytest.mark.everywhere
def test_withdraw_collateral__without_debt(market):
    market.deposit("WETH", 3)
    receipt = withdraw(market, "WETH", WAD, receiver=market.other)
    assert receipt.value == WAD
    assert receipt.event("WithdrawCollateral").args == {
        "account": market.account(),
        "asset": market.assets["WETH"].address,
        "receiver": market.other,
        "amount": WAD,
    }
    assert market.held("WETH") == 2 * WAD
    assert market.tokens("WETH", market.other) == WAD
    assert market.engine.book_of(market.assets["WETH"])[1] == 2 * WAD
    assert market.tokens("WETH", market.engine.address) == 2 * WAD


@pytest.mark.everywhere
def test_withdraw_collateral__all(market):
    market.deposit("WETH", 3)
    market.deposit("WBTC", 1)
    assert withdraw(market, "WETH", MAX_UINT256).value == 3 * WAD
    assert [(leg.asset, leg.amount) for leg in market.legs()] == [("WBTC", 10**8)]
    assert withdraw(market, "WBTC", 10**8).value == 10**8
    assert market.engine.words_of(market.account()) == [0, 0, 0, 0]
    assert market.engine.book_of(market.assets["WETH"])[1] == 0


def test_withdraw_collateral__every_leg_keeps_its_place(new_market):
    """Legs stay dense and keep their amounts whichever of them is emptied."""
    more = {f"T{i}": {"decimals": 18, "dollars": 1} for i in range(4)}
    market = new_market(**more)
    names = ["WETH", "WBTC", "USDC", "DAI", *more]
    for i, name in enumerate(names):
        market.deposit(name, i + 1)
    start = market.host.snapshot()
    for gone in names:
        withdraw(market, gone, MAX_UINT256)
        wanted = [
            (name, (i + 1) * market.assets[name].unit)
            for i, name in enumerate(names)
            if name != gone
        ]
        assert [(leg.asset, leg.amount) for leg in market.legs()] == wanted
        assert market.engine.words_of(market.account())[0] >> 244 & 15 == 7
        market.host.restore(start)


def test_withdraw_collateral__with_debt_up_to_the_initial_margin(scaled):
    """Exactly as far as the model says, to the unit."""
    market = scaled
    market.deposit("WETH", 10)
    market.borrow("USDC", 10_000)
    unit, rules, prices = market.assets["WETH"].unit, market.rules(), market.spot()
    held = 10 * unit
    debts = [leg for leg in market.legs() if leg.is_debt]

    def fits(left):
        return margin.initial([margin.Leg("WETH", left), *debts], rules, prices) is None

    least = 625 * unit // 100  # 10,000 / 0.8 / 2,000
    assert fits(least)
    assert not fits(least - 1)
    with refuses("initial margin is not met"):
        withdraw(market, "WETH", held - least + 1)
    withdraw(market, "WETH", held - least)
    assert market.held("WETH") == least
    with refuses("initial margin is not met"):
        withdraw(market, "WETH", 1)


def test_withdraw_collateral__all_of_one_while_another_suffices(market):
    market.deposit("WETH", 10)
    market.deposit("WBTC", 1)
    market.borrow("USDC", 10_000)
    withdraw(market, "WBTC", MAX_UINT256)
    with refuses("initial margin is not met"):
        withdraw(market, "WETH", MAX_UINT256)


@pytest.mark.everywhere
def test_withdraw_collateral__refusals(market):
    market.deposit("WETH", 3)
    with refuses("amount is zero"):
        withdraw(market, "WETH", 0)
    with refuses("not enough collateral"):
        withdraw(market, "WETH", 3 * WAD + 1)
    with refuses("account has no such collateral"):
        withdraw(market, "WBTC", MAX_UINT256)
    with refuses("caller may not do this"):
        withdraw(market, "WETH", 1, sender=market.other)
    for receiver in (ZERO, market.engine.address):
        with refuses("receiver is not valid"):
            withdraw(market, "WETH", 1, receiver=receiver)
    with refuses("asset is no collateral"):
        market.engine.withdraw_collateral(
            market.account(), market.other, 1, market.other, sender=market.borrower
        )


def test_withdraw_collateral__one_unit(market):
    market.deposit("WETH", 1)
    withdraw(market, "WETH", 1)
    assert market.held("WETH") == WAD - 1


@pytest.mark.parametrize(("level", "reason"), [(1, "asset is in caution"), (2, "asset is halted")])
def test_withdraw_collateral__levels_bind_with_debt_alone(market, level, reason):
    market.deposit("WETH", 10)
    market.deposit("WETH", 1, market.account(1))
    market.deposit("WBTC", 1)
    market.borrow("USDC", 1_000)
    market.breaker.trip(market.assets["WETH"], level, 3_600, sender=market.guardian)
    with refuses(reason):
        withdraw(market, "WETH", 1)
    with refuses(reason):
        withdraw(market, "WETH", MAX_UINT256)  # the leg is gone, its level still counts
    withdraw(market, "WETH", 1, account=market.account(1))
    if level == 1:
        withdraw(market, "WBTC", MAX_UINT256)
    else:
        with refuses("initial margin is not met"):  # a halted collateral counts nothing
            withdraw(market, "WBTC", MAX_UINT256)
        withdraw(market, "WBTC", 10**7)


def test_withdraw_collateral__without_debt_works_when_stale(market):
    market.deposit("WETH", 10)
    market.break_feed("WETH")
    withdraw(market, "WETH", MAX_UINT256)
    assert market.legs() == []


def test_withdraw_collateral__stale_prices(market):
    market.deposit("WETH", 10)
    market.deposit("WBTC", 1)
    market.borrow("USDC", 1_000)
    market.break_feed("WBTC")
    withdraw(market, "WETH", WAD)  # WBTC is not needed, so nobody asks for its price
    with refuses("price is stale"):
        withdraw(market, "WBTC", 1)
    market.break_feed("USDC")
    with refuses("price is stale"):
        withdraw(market, "WETH", 1)


def test_withdraw_collateral__raises_risk_in_this_block(market):
    market.deposit("WETH", 10)
    market.borrow("USDC", 10_000)
    market.host.advance(12)
    assert not market.lens.account(market.account()).at_risk_block
    withdraw(market, "WETH", 1)
    assert market.lens.account(market.account()).at_risk_block
    market.host.advance(0, 1)
    assert not market.lens.account(market.account()).at_risk_block


def test_withdraw_collateral__blocked_receiver_harms_nobody_else(new_market, host):
    owner = host.account("owner")
    token = OddTokenMock.deploy(host, "Odd", "ODD", 18, sender=owner)
    market = new_market(ODD={"decimals": 18, "dollars": 1, "token": token})
    market.deposit("ODD", 5)
    token.set_blocked(market.borrower, True, sender=owner)
    with refuses("blocked"):
        withdraw(market, "ODD", 1)
    withdraw(market, "ODD", 1, receiver=market.other)
    token.set_odds(0, 0, False, False, sender=owner)
    with refuses("token transfer failed"):
        withdraw(market, "ODD", 1, receiver=market.other)
