"""`move_collateral`: between accounts of one owner, with the margin of the source."""

import pytest

from breakwater.units import MAX_UINT256, WAD
from tests.market import DEPOSIT, MOVE, ZERO, refuses


def move(market, amount, *, name="WETH", source=None, target=None, sender=None):
    return market.engine.move_collateral(
        source or market.account(),
        target or market.account(1),
        market.assets[name],
        amount,
        sender=sender or market.borrower,
    )


@pytest.mark.everywhere
def test_move_collateral__part_and_all(market):
    market.deposit("WETH", 3)
    receipt = move(market, WAD)
    assert receipt.value == WAD
    assert receipt.event("MoveCollateral").args == {
        "source": market.account(),
        "target": market.account(1),
        "asset": market.assets["WETH"].address,
        "amount": WAD,
    }
    assert (market.held("WETH"), market.held("WETH", market.account(1))) == (2 * WAD, WAD)
    assert move(market, MAX_UINT256).value == 2 * WAD
    assert market.legs() == []
    assert market.held("WETH", market.account(1)) == 3 * WAD
    assert market.engine.book_of(market.assets["WETH"])[1] == 3 * WAD


def test_move_collateral__ignores_the_cap(market):
    market.deposit("WETH", 3)
    market.configurator.set_cap(market.assets["WETH"], 0, sender=market.owner)
    move(market, WAD)


@pytest.mark.everywhere
def test_move_collateral__refusals(market):
    market.deposit("WETH", 3)
    with refuses("accounts of two owners"):
        move(market, WAD, target=market.account(0, market.other))
    with refuses("accounts are the same"):
        move(market, WAD, target=market.account())
    with refuses("amount is zero"):
        move(market, 0)
    with refuses("not enough collateral"):
        move(market, 3 * WAD + 1)
    with refuses("account has no such collateral"):
        move(market, 1, name="WBTC")
    with refuses("caller may not do this"):
        move(market, 1, sender=market.other)
    with refuses("asset is no collateral"):
        market.engine.move_collateral(
            market.account(), market.account(1), ZERO, 1, sender=market.borrower
        )


def test_move_collateral__source_keeps_its_initial_margin(market):
    market.deposit("WETH", 10)
    market.borrow("USDC", 8_000)
    with refuses("initial margin is not met"):
        move(market, 5 * WAD + 1)
    move(market, 5 * WAD)
    assert market.lens.account(market.account()).at_risk_block
    assert not market.lens.account(market.account(1)).at_risk_block


@pytest.mark.parametrize(("level", "reason"), [(1, "asset is in caution"), (2, "asset is halted")])
def test_move_collateral__levels_bind_with_debt_alone(market, level, reason):
    market.deposit("WETH", 10)
    market.deposit("WBTC", 1)
    market.deposit("WETH", 1, market.account(2))
    market.borrow("USDC", 1_000)
    market.breaker.trip(market.assets["WETH"], level, 3_600, sender=market.guardian)
    with refuses(reason):
        move(market, 1)
    move(market, 1, source=market.account(2))


def test_move_collateral__new_leg_needs_a_price(market):
    """An asset without a valid price becomes new to no account by any way."""
    market.deposit("WETH", 1)
    market.break_feed("WETH")
    with refuses("price is stale"):
        move(market, WAD)


def test_move_collateral__by_operators(market):
    market.deposit("WETH", 3)
    weth, far = market.assets["WETH"], market.host.now + 10**6
    engine, operator = market.engine, market.other
    engine.set_operator(
        market.account(), operator, weth, MOVE, 2 * WAD, far, sender=market.borrower
    )
    with refuses("caller may not do this"):  # new to the target
        move(market, WAD, sender=operator)
    engine.set_operator(market.account(1), operator, weth, DEPOSIT, 0, far, sender=market.borrower)
    move(market, WAD, sender=operator)
    move(market, WAD, sender=operator)
    with refuses("operator's amount is spent"):
        move(market, 1, sender=operator)
