"""Buyers of last resort: Hyperliquid's HLP, March 2025, and runs on pools that carry losses.

The vault behind Hyperliquid took over every position that nobody else would have, whole and at
once: 4 million dollars on an ether position whose owner had taken his margin out, and in JELLY up
to 12 million on paper, as the price went on after the take-over. And where what is lost belongs to
those who have not left yet, each who leaves makes it worse for the rest, so all leave.
"""

from fractions import Fraction

import pytest

from tests.backstop import Backstop
from tests.market import refuses

UNIT = 10**6


@pytest.fixture
def crash(market):
    """Three lenders of last resort with 300,000 USDC; 400,000 owed against 300 WETH at 1,500."""
    backstop = Backstop(market)
    market.deposit("WETH", 300)
    market.borrow("USDC", 400_000)
    backstop.stand(first=100_000 * UNIT, second=100_000 * UNIT, third=100_000 * UNIT)
    fall(backstop, 1_500)
    backstop.window()
    return backstop


def fall(backstop, dollars):
    backstop.market.price("WETH", dollars)
    backstop.market.settle("WETH", rounds=12)


def bought(backstop, calls=30):
    """Buy as often as it goes in this window; USDC paid."""
    backstop.mark()
    paid = 0
    for _ in range(calls):
        if backstop.pool.room() < UNIT:
            break
        paid += backstop.buy().value
    return paid


def test_unlimited_buyer(crash):
    """What falls on after the purchase costs a tenth, not everything: the rest is left to others,
    and each hour whoever wants to leave does, at the price of the day.
    """
    start = crash.pool.totals()[0]
    paid = bought(crash)
    assert paid <= start // 10
    assert crash.market.health().health_factor < 10**18
    fall(crash, 20)  # worth nothing any more
    for name in ("first", "second", "third"):
        assert crash.withdraw(name) >= 90_000 * UNIT - 1


def test_position_taken_over_whole(crash):
    """As JELLY's was: a position of twice the pool, four times the price against it. In a day of
    it, with nobody leaving, an hour never takes more than a tenth of what there is.
    """
    for _ in range(5):
        before = crash.pool.totals()[0]
        assert 0 < bought(crash) <= before // 10
        crash.window()
    assert crash.pool.totals()[0] >= 300_000 * UNIT * 9**5 // 10**5


def test_run_before_a_purchase(crash):
    """Two of three leave as soon as the account is marked. The third pays a tenth of his own, not
    of theirs: his slice is as large as if they had stayed.
    """
    account, other = crash.market.account(), crash.market.other
    crash.pool.mark(account, sender=other)
    snapshot = crash.host.snapshot()
    crash.host.advance(600, 50)
    crash.buy()
    stayed = crash.worth("third"), crash.earned("third")
    crash.host.restore(snapshot)
    assert crash.withdraw("first") == crash.withdraw("second") == 100_000 * UNIT
    crash.host.advance(600, 50)
    crash.buy()
    alone = crash.worth("third"), crash.earned("third")
    assert alone[0] == pytest.approx(stayed[0], abs=2)
    assert alone[1] == pytest.approx(stayed[1], rel=1e-9)
    assert alone[0] >= 90_000 * UNIT


def test_run_between_purchases(crash):
    """One leaves before, one after the first slice, one after the second: cash and claims of each
    are those of the hours that he was in.
    """
    cash = {name: Fraction(100_000 * UNIT) for name in ("first", "second", "third")}
    weth = dict.fromkeys(cash, Fraction(0))
    got = {}
    there = list(cash)
    for leaves in ("first", "second", "third"):
        got[leaves] = crash.withdraw(leaves)
        there.remove(leaves)
        if not there:
            break
        crash.mark()
        total = sum(cash[name] for name in there)
        receipt = crash.buy()
        take = receipt.event("Take")
        for name in there:
            part = cash[name] / total
            cash[name] -= part * receipt.value
            weth[name] += part * (take.amount - take.reward)
        crash.window()
    for name, exact in cash.items():
        assert abs(got[name] - exact) <= 3
        # less than a unit of cash may stay as shares, and earn what that earns
        assert abs(crash.earned(name) - weth[name]) <= 10**12
    assert crash.pool.totals()[0] <= 3


def test_run_of_all(crash):
    """Who is last gets as much as who is first; an empty pool buys nothing."""
    bought(crash)
    got = [crash.withdraw(name) for name in ("third", "first", "second")]
    assert max(got) - min(got) <= 1
    assert min(got) >= 90_000 * UNIT
    crash.window()
    crash.mark()
    with refuses("slice is used up"):
        crash.buy()
    claims = [crash.claim(name) for name in ("second", "third", "first")]
    assert max(claims) - min(claims) <= 10**12


def test_leave_and_come_back(crash):
    """Who steps aside for a purchase is out for an hour at least, and buys in at the price then."""
    crash.withdraw("first")
    crash.deposit("first", 100_000 * UNIT)
    bought(crash)
    assert crash.earned("first") == 0
    crash.window()
    bought(crash)
    assert crash.earned("first") == 0
    crash.window()
    weth = crash.earned("second")
    assert crash.worth("first") in (100_000 * UNIT, 100_000 * UNIT - 1)
    assert crash.earned("first") == 0
    bought(crash)
    assert crash.earned("second") > weth
    assert crash.earned("first") > 0
