"""`set_operator`: scopes by action and asset, budgets, expiry, revocation."""

import pytest

from breakwater.units import MAX_UINT256, WAD
from tests.market import BORROW, DEPOSIT, MOVE, WITHDRAW, ZERO, refuses

UNLIMITED = 2**128 - 1
FAR = 10**7


def grant(market, actions, *, asset=None, amount=MAX_UINT256, expiry=None, sender=None):
    return market.engine.set_operator(
        market.account(),
        market.other,
        market.assets[asset] if asset else ZERO,
        actions,
        amount,
        market.host.now + FAR if expiry is None else expiry,
        sender=sender or market.borrower,
    )


@pytest.fixture
def calls(market):
    """What the operator tries, by action."""
    weth, usdc = market.assets["WETH"], market.assets["USDC"]
    market.deposit("WETH", 10)
    market.deposit("WBTC", 1, market.account(1))
    market.give("DAI", market.other, WAD)
    engine, who, account = market.engine, market.other, market.account()
    return {
        DEPOSIT: lambda: engine.deposit_collateral(account, market.assets["DAI"], WAD, sender=who),
        WITHDRAW: lambda: engine.withdraw_collateral(account, weth, 1, who, sender=who),
        BORROW: lambda: engine.borrow(account, usdc, 10**9, who, sender=who),
        MOVE: lambda: engine.move_collateral(account, market.account(1), weth, 1, sender=who),
    }


@pytest.mark.everywhere
def test_set_operator__is_recorded(market):
    expiry = market.host.now + FAR
    receipt = grant(market, BORROW | WITHDRAW, asset="WETH", amount=7, expiry=expiry)
    assert receipt.event("SetOperator").args == {
        "account": market.account(),
        "operator": market.other,
        "asset": market.assets["WETH"].address,
        "actions": BORROW | WITHDRAW,
        "amount": 7,
        "expiry": expiry,
    }
    read = market.engine.operator_of
    found = read(market.account(), market.other, market.assets["WETH"])
    assert found == (BORROW | WITHDRAW, 7, expiry)
    assert read(market.account(), market.other, market.assets["USDC"]) == (0, 0, 0)
    assert read(market.account(1), market.other, market.assets["WETH"]) == (0, 0, 0)


@pytest.mark.parametrize("granted", [DEPOSIT, WITHDRAW, BORROW, MOVE])
def test_set_operator__each_action_by_itself(market, calls, granted):
    """A grant for any asset lets pass what it names and nothing else."""
    grant(market, granted)
    if granted == MOVE:
        market.engine.set_operator(
            market.account(1), market.other, ZERO, DEPOSIT, MAX_UINT256, 2**40,
            sender=market.borrower,
        )  # fmt: skip
    for action, call in calls.items():
        if action == granted:
            call()
        else:
            with refuses("caller may not do this"):
                call()


@pytest.mark.parametrize(("action", "asset"), [(WITHDRAW, "WETH"), (BORROW, "USDC")])
def test_set_operator__scope_is_one_asset(market, calls, action, asset):
    grant(market, action, asset="WBTC")
    with refuses("caller may not do this"):
        calls[action]()
    grant(market, action, asset=asset)
    calls[action]()


def test_set_operator__own_grant_of_an_asset_comes_before_that_for_any(market, calls):
    grant(market, BORROW | WITHDRAW)
    grant(market, DEPOSIT, asset="WETH")
    with refuses("caller may not do this"):
        calls[WITHDRAW]()
    calls[BORROW]()


def test_set_operator__amount_is_spent(market):
    usdc, engine, who = market.assets["USDC"], market.engine, market.other
    market.deposit("WETH", 10)
    market.deposit("USDC", 1_000)
    grant(market, BORROW | WITHDRAW, asset="USDC", amount=500 * 10**6)

    def left():
        return engine.operator_of(market.account(), who, usdc)[1]

    engine.borrow(market.account(), usdc, 300 * 10**6, who, sender=who)
    assert left() == 200 * 10**6
    with refuses("operator's amount is spent"):
        engine.borrow(market.account(), usdc, 200 * 10**6 + 1, who, sender=who)
    engine.withdraw_collateral(market.account(), usdc, 150 * 10**6, who, sender=who)
    assert left() == 50 * 10**6
    with refuses("operator's amount is spent"):
        engine.withdraw_collateral(market.account(), usdc, MAX_UINT256, who, sender=who)
    engine.withdraw_collateral(market.account(), usdc, 50 * 10**6, who, sender=who)
    assert left() == 0
    with refuses("operator's amount is spent"):
        engine.withdraw_collateral(market.account(), usdc, 1, who, sender=who)
    engine.borrow(market.account(), usdc, 10**6, who, sender=market.borrower)
    assert left() == 0


def test_set_operator__no_bound_is_not_spent(market, calls):
    grant(market, BORROW, asset="USDC")
    calls[BORROW]()
    assert (
        market.engine.operator_of(market.account(), market.other, market.assets["USDC"])[1]
        == UNLIMITED
    )


@pytest.mark.everywhere
def test_set_operator__expiry(market, calls):
    expiry = market.host.now + 1_000
    grant(market, WITHDRAW, expiry=expiry)
    market.host.advance(expiry - market.host.now)
    calls[WITHDRAW]()  # the last second
    market.host.advance(1)
    with refuses("operator's grant has expired"):
        calls[WITHDRAW]()


def test_set_operator__revoked(market, calls):
    grant(market, WITHDRAW, asset="WETH")
    calls[WITHDRAW]()
    receipt = grant(market, 0, asset="WETH")
    assert receipt.event("SetOperator").actions == 0
    with refuses("caller may not do this"):
        calls[WITHDRAW]()
    assert market.engine.operator_of(market.account(), market.other, market.assets["WETH"]) == (
        0,
        0,
        0,
    )


def test_set_operator__revoked_for_an_asset_against_a_grant_for_any(market, calls):
    grant(market, WITHDRAW | BORROW)
    grant(market, 0, asset="WETH")
    with refuses("caller may not do this"):
        calls[WITHDRAW]()
    calls[BORROW]()
    assert market.engine.operator_of(market.account(), market.other, market.assets["WETH"])[0] == 0


def test_set_operator__replaces_and_is_clipped(market):
    grant(market, WITHDRAW, asset="WETH", amount=5, expiry=10)
    grant(market, BORROW, asset="WETH", amount=2**200, expiry=2**200)
    assert market.engine.operator_of(market.account(), market.other, market.assets["WETH"]) == (
        BORROW,
        UNLIMITED,
        2**40 - 1,
    )


@pytest.mark.everywhere
def test_set_operator__refusals(market):
    with refuses("caller is not account owner"):
        grant(market, BORROW, sender=market.other)
    with refuses("any asset takes no amount"):
        grant(market, BORROW, amount=5)


def test_set_operator__cannot_grant_on(market):
    grant(market, BORROW | WITHDRAW | MOVE | DEPOSIT)
    with refuses("caller is not account owner"):
        market.engine.set_operator(
            market.account(), market.lender, ZERO, BORROW, MAX_UINT256, 2**40,
            sender=market.other,
        )  # fmt: skip


def test_set_operator__one_account_alone(market):
    market.deposit("WETH", 1, market.account(1))
    grant(market, WITHDRAW)
    with refuses("caller may not do this"):
        market.engine.withdraw_collateral(
            market.account(1), market.assets["WETH"], 1, market.other, sender=market.other
        )


def test_set_operator__amount_counts_in_a_batch(market):
    market.deposit("WETH", 10)
    grant(market, WITHDRAW, asset="WETH", amount=3)
    legs = [market.leg(WITHDRAW, "WETH", 2), market.leg(WITHDRAW, "WETH", 1)]
    with refuses("operator's amount is spent"):
        market.engine.batch([*legs, market.leg(WITHDRAW, "WETH", 1)], b"", sender=market.other)
    market.engine.batch(legs, b"", sender=market.other)
