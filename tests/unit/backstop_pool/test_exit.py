"""`withdraw` and `claim`: at any time, just one's part."""

from fractions import Fraction

import pytest

from breakwater.mocks import OddTokenMock
from breakwater.units import MAX_UINT256
from tests.backstop import Backstop
from tests.market import ZERO, refuses


def test_withdraw__part_and_rest(backstop):
    backstop.stand(first=100, second=50)
    who, other = backstop.lender("first"), backstop.market.other
    receipt = backstop.pool.withdraw(30, other, sender=who)
    assert receipt.value == 30
    assert receipt.event("Withdraw").args == {
        "owner": who, "receiver": other, "assets": 30, "shares": 30 * 10**6
    }  # fmt: skip
    assert backstop.debt.token.balanceOf(other) == 30
    assert backstop.withdraw("first") == 70
    assert backstop.withdraw("second") == 50
    assert backstop.pool.totals() == (0, 0, 0)


def test_withdraw__refusals(backstop):
    who = backstop.lender("first")
    with refuses("zero assets"):
        backstop.withdraw("first")
    with refuses("balance too low"):
        backstop.withdraw("first", 1)
    backstop.stand(first=100)
    with refuses("zero assets"):
        backstop.withdraw("first", 0)
    for amount in (101, MAX_UINT256 - 1):
        with refuses("balance too low"):
            backstop.withdraw("first", amount)
    for receiver in (ZERO, backstop.pool):
        with refuses("receiver is not valid"):
            backstop.pool.withdraw(1, receiver, sender=who)


def test_withdraw__what_waits_is_not_meant(backstop):
    backstop.stand(first=100)
    backstop.deposit("first", 50)
    with refuses("balance too low"):
        backstop.withdraw("first", 101)
    assert backstop.withdraw("first") == 100
    assert backstop.pool.totals() == (0, 0, 50)


def test_withdraw__burns_rounded_up(fallen):
    """Bought once, a share is worth less than 10**-6: one unit costs more than 10**6 shares."""
    fallen.mark()
    fallen.buy()
    cash, shares, _ = fallen.pool.totals()
    price = Fraction(cash, shares)
    assert price < Fraction(1, 10**6)
    before = fallen.pool.stake_of(fallen.lender("first")).shares
    assert fallen.withdraw("first", 1) == 1
    burnt = before - fallen.pool.stake_of(fallen.lender("first")).shares
    assert burnt == -(-shares // cash)
    assert Fraction(*fallen.pool.totals()[:2]) >= price


def test_withdraw__of_all_leaves_nothing_to_the_last(fallen):
    """Exactly the cash that is there goes out; less than a unit's worth of shares may stay."""
    fallen.mark()
    fallen.buy()
    cash = fallen.pool.totals()[0]
    first = fallen.withdraw("first")
    assert abs(first - Fraction(2 * cash, 3)) < 1
    second = fallen.withdraw("second")
    left, shares, _ = fallen.pool.totals()
    assert first + second + left == cash
    assert left <= 1
    assert (left == 0) == (shares == 0)
    # who comes next is not in anyone's way
    fallen.stand(third=10**6)
    assert fallen.worth("third") in (10**6, 10**6 - 1)


def test_claim__sends_all_of_one_collateral(fallen):
    market = fallen.market
    fallen.mark()
    fallen.buy()
    who = fallen.lender("first")
    earned = fallen.earned("first")
    receipt = fallen.pool.claim(market.assets["WETH"], who, sender=who)
    assert receipt.value == earned > 0
    assert receipt.event("Claim").args == {
        "owner": who, "asset": market.assets["WETH"].address, "receiver": who, "amount": earned
    }  # fmt: skip
    assert market.tokens("WETH", who) == earned
    assert fallen.earned("first") == 0
    with refuses("nothing to claim"):
        fallen.claim("first")
    with refuses("nothing to claim"):
        fallen.claim("second", "WBTC")


def test_claim__refusals(fallen):
    fallen.mark()
    fallen.buy()
    who, weth = fallen.lender("first"), fallen.market.assets["WETH"]
    for receiver in (ZERO, fallen.market.engine, fallen.pool):
        with refuses("receiver is not valid"):
            fallen.pool.claim(weth, receiver, sender=who)
    with refuses("nothing to claim"):
        fallen.pool.claim(weth, who, sender=fallen.market.borrower)


def test_claim__after_leaving(fallen):
    """Cash and claims are apart: who has left still has what he earned, and earns no more."""
    fallen.mark()
    fallen.buy()
    earned = fallen.earned("first"), fallen.earned("second")
    fallen.withdraw("first")
    assert (fallen.earned("first"), fallen.earned("second")) == earned
    fallen.window()
    fallen.mark()
    fallen.buy()
    dust, held = (fallen.pool.stake_of(fallen.lender(who)).shares for who in ("first", "second"))
    more = fallen.earned("second") - earned[1]
    assert more > 0
    assert fallen.earned("first") - earned[0] <= dust * more // held + 1
    assert fallen.claim("first") >= earned[0]


@pytest.mark.parametrize("oddity", ["blocked", "paused", "fee", "no"])
def test_claim__of_a_hostile_token_waits_alone(new_market, host, oddity):
    """The purchase passes, claims on other collateral pass, the debt's cash can be taken."""
    token = OddTokenMock.deploy(host, "Odd", "ODD", 18, sender=host.account("owner"))
    market = new_market(
        ODD={"decimals": 18, "dollars": 1, "token": token, "takes_fee": oddity == "fee"}
    )
    owner, backstop = market.owner, Backstop(market)
    market.deposit("WETH", 50)
    market.deposit("ODD", 50_000)
    market.borrow("USDC", 100_000)
    backstop.stand(first=60_000 * 10**6, second=30_000 * 10**6)
    market.price("WETH", 900)
    market.settle("WETH", rounds=20)
    who = backstop.lender("first")
    odds = {"paused": (1, 0, True), "fee": (1, 100, False), "no": (0, 0, False)}
    token.set_odds(*odds.get(oddity, (1, 0, False)), False, sender=owner)
    token.set_blocked(market.engine, oddity == "blocked", sender=owner)
    backstop.window()
    backstop.mark()
    backstop.buy("ODD")
    earned = backstop.earned("first", "ODD")
    assert earned > 0
    reason = {"blocked": "blocked", "paused": "token is paused", "no": "token transfer failed"}
    if oddity == "fee":
        assert backstop.claim("first", "ODD") == earned
        assert token.balanceOf(who) == earned - earned // 100
    else:
        with refuses(reason[oddity]):
            backstop.claim("first", "ODD")
        assert backstop.earned("first", "ODD") == earned
    assert backstop.withdraw("first") > 0
    assert backstop.claim("first", "WETH") > 0
    token.set_odds(1, 0, False, False, sender=owner)
    token.set_blocked(market.engine, False, sender=owner)
    assert backstop.claim("second", "ODD") == pytest.approx(earned // 2, abs=2)


def test_donation__changes_nothing(fallen):
    """Tokens sent to the pool, collateral added to its accounts in the engine."""
    market = fallen.market
    fallen.mark()
    fallen.buy()
    before = fallen.pool.totals(), fallen.worth("first"), fallen.earned("first")
    fallen.debt.token.mint(fallen.pool, 10**12, sender=market.owner)
    market.give("WETH", market.other, 10**18)
    shelf = bytes.fromhex(fallen.pool.address[2:]) + market.assets["WETH"].id.to_bytes(12, "big")
    market.engine.deposit_collateral(shelf, market.assets["WETH"], 10**18, sender=market.other)
    assert (fallen.pool.totals(), fallen.worth("first"), fallen.earned("first")) == before
    inbox = bytes.fromhex(fallen.pool.address[2:]) + bytes(12)
    with refuses("caller may not do this"):
        market.engine.deposit_collateral(inbox, market.assets["WETH"], 1, sender=market.other)
