"""Sequences that would take something from the pool, or from one of its lenders."""

from fractions import Fraction

import pytest

from breakwater.driver import LendingVault
from breakwater.host import Reverted
from breakwater.units import MAX_UINT256
from tests.backstop import Backstop
from tests.market import ZERO, refuses

UNIT = 10**6


def test_flash_deposit__deposit_buy_withdraw(fallen):
    """In one block, with money that is not one's own: nothing of the purchase, nothing lost."""
    fallen.mark()
    alone = fallen.terms()
    fallen.deposit("thief", 10**9 * UNIT)
    assert fallen.terms() == alone  # nor is the slice any larger
    fallen.buy()
    assert fallen.earned("thief") == 0
    who = fallen.lender("thief")
    assert fallen.pool.cancel_deposit(MAX_UINT256, who, sender=who).value == 10**9 * UNIT
    with refuses("zero assets"):
        fallen.withdraw("thief")


@pytest.mark.parametrize("early", [1_199, 600, 0])
def test_deposit_on_a_mark__joins_too_late(fallen, early):
    """At the end of a window, so that it stands the least: no mark seen before counts that long."""
    fallen.host.advance(3_599 - fallen.host.now % 3_600 - early)
    fallen.mark(wait=early)
    fallen.deposit("thief", 10**9 * UNIT)
    fallen.window(2)
    assert fallen.worth("thief") == 10**9 * UNIT
    with refuses("mark has lapsed"):
        fallen.buy()


def test_deposit_that_picks__has_no_choice_once_joined(fallen):
    """Ripe deposits are shares, called for or not: nobody keeps one back for the good purchase."""
    fallen.deposit("picker", 90_000 * UNIT)
    fallen.window(2)
    fallen.mark()
    fallen.buy()  # the first call since
    assert fallen.earned("picker") == pytest.approx(
        fallen.earned("first") + fallen.earned("second"), abs=3
    )
    assert fallen.worth("picker") < 90_000 * UNIT
    who = fallen.lender("picker")
    with refuses("zero assets"):
        fallen.pool.cancel_deposit(MAX_UINT256, who, sender=who)


def test_late_deposit__earns_nothing_of_the_past(fallen):
    """Neither what was bought before it joined, nor what nobody has claimed yet."""
    fallen.mark()
    fallen.buy()
    fallen.deposit("late", 90_000 * UNIT)
    fallen.window()
    fallen.mark()
    fallen.buy()
    before = fallen.earned("first"), fallen.earned("second"), fallen.worth("first")
    cash, shares, _ = fallen.pool.totals()
    assert 90_000 * UNIT * shares % cash  # not even
    fallen.window()
    joined = fallen.pool.stake_of(fallen.lender("late")).shares
    assert joined == 90_000 * UNIT * shares // cash
    assert fallen.earned("late") == 0
    assert fallen.worth("late") in (90_000 * UNIT, 90_000 * UNIT - 1)
    assert (fallen.earned("first"), fallen.earned("second"), fallen.worth("first")) == before
    fallen.withdraw("late")
    with refuses("nothing to claim"):
        fallen.claim("late")
    assert (fallen.earned("first"), fallen.earned("second")) == before[:2]
    assert fallen.worth("first") >= before[2]


def test_first_depositor__cannot_make_a_share_dear(backstop):
    """One unit, gifts, exits in odd parts: whoever comes next has what he brought."""
    backstop.stand(thief=1)
    backstop.debt.token.mint(backstop.pool, 10**12, sender=backstop.market.owner)
    for step in range(30):
        backstop.deposit("thief", 1 + step % 3)
        backstop.window(2)
        if step % 2:
            backstop.withdraw("thief", 1 + step % 2)
    backstop.stand(victim=999_999)
    assert backstop.worth("victim") == 999_999
    cash, shares, _ = backstop.pool.totals()
    assert shares >= cash * 10**6
    assert backstop.withdraw("victim") == 999_999


def test_first_depositor__after_purchases(fallen):
    """Nor where a share is worth less and exits leave fractions of a unit behind."""
    fallen.mark()
    fallen.buy()
    price = Fraction(*fallen.pool.totals()[:2])
    for amount in (1, 7, 10**3, 10**9 + 1):
        fallen.withdraw("first", amount)
    fallen.withdraw("first")
    fallen.withdraw("second", fallen.worth("second") - 1)
    cash, shares, _ = fallen.pool.totals()
    assert price <= Fraction(cash, shares) <= Fraction(1, 10**6)
    fallen.stand(victim=12_345)
    assert fallen.worth("victim") in (12_345, 12_344)


def test_slices_of_a_unit__cost_the_pool_nothing(fallen):
    """Rounding is paid for by the terms: each call brings at least what it costs, or is refused."""
    fallen.mark()
    cash, reasons = fallen.pool.totals()[0], set()
    for size in (1, 2, 3, 10, 100, 1_000):
        for _ in range(5):
            before = fallen.pool.totals()[0], fallen.earned("first") + fallen.earned("second")
            try:
                fallen.buy(max_repay=size)
            except Reverted as refused:
                reasons.add(refused.reason)
                continue
            paid = before[0] - fallen.pool.totals()[0]
            got = fallen.earned("first") + fallen.earned("second") - before[1]
            assert got * 1_400 * UNIT >= paid * 10**18 - 1_400 * UNIT * 4
    assert reasons == {"nothing to repay"}  # a unit is less than a debt share
    assert fallen.pool.totals()[0] >= cash - 7_000


def test_own_account__liquidated_through_the_pool(fallen):
    """A borrower who lends to the pool and calls it pays all the incentive but his part of it."""
    market = fallen.market
    fallen.mark()
    terms = fallen.terms()
    pool, account = fallen.pool, market.account()
    pool.buy(account, market.assets["WETH"], MAX_UINT256, sender=market.borrower)
    back = pool.claimable(market.borrower, market.assets["WETH"])
    assert back * 400 <= terms.seize["WETH"]
    gained = Fraction(terms.seize["WETH"] * 1_400, 10**18) - Fraction(terms.repay, UNIT)
    assert Fraction(back * 1_400, 10**18) < gained / 2


def test_windows__two_slices_at_a_boundary(fallen):
    """The last second of a window and the first of the next: 19 % at most, and no third."""
    fallen.host.advance(3_599 - 600 - fallen.host.now % 3_600)
    start = fallen.worth("first")
    fallen.mark()
    while fallen.pool.room() > UNIT:
        fallen.buy()
    fallen.host.advance(1)
    while fallen.pool.room() > UNIT:
        fallen.buy()
    assert start * 81 // 100 <= fallen.worth("first") <= start * 81 // 100 + UNIT
    fallen.host.advance(1_000)
    assert fallen.pool.room() <= UNIT


def test_windows__joining_widens_no_slice_that_has_begun(fallen):
    """A window's slice is of those who are in at its start; deposits join only then."""
    fallen.deposit("whale", 10**7 * UNIT)
    fallen.window()
    fallen.mark()
    fallen.buy()
    room = fallen.pool.room()
    fallen.deposit("more", 10**7 * UNIT)
    assert fallen.pool.room() == room
    fallen.withdraw("second")
    assert fallen.pool.room() <= room


def test_exit_within_a_window__takes_its_slice_along(fallen):
    """Nine tenths of the pool leave: the slice is a tenth of what stays, not all of it."""
    fallen.withdraw("first", 54_000 * UNIT)
    fallen.withdraw("second", 27_000 * UNIT)
    assert fallen.pool.totals()[0] == 9_000 * UNIT
    assert fallen.pool.room() == 900 * UNIT
    fallen.mark()
    assert fallen.buy().value <= 900 * UNIT


def test_allowance__none_is_left_to_anyone(fallen):
    """Nothing makes the vault, the engine or a flash loan take from the pool between purchases."""
    market, pool, token = fallen.market, fallen.pool, fallen.debt.token
    fallen.mark()
    fallen.buy()
    vault: LendingVault = fallen.debt.vault
    assert token.allowance(pool, vault) == token.allowance(pool, market.engine) == 0
    with pytest.raises(Reverted):
        vault.flashLoan(pool, fallen.debt, UNIT, b"", sender=market.other)
    inbox = bytes.fromhex(pool.address[2:]) + bytes(12)
    for number in (0, market.assets["WETH"].id):
        account = inbox[:31] + bytes([number])
        with refuses("caller may not do this"):
            market.engine.withdraw_collateral(
                account, market.assets["WETH"], 1, market.other, sender=market.other
            ) if number else market.engine.borrow(
                account, market.assets["USDC"], UNIT, market.other, sender=market.other
            )


def test_signature__of_the_pool_is_nobodys(fallen):
    """It answers no EIP-1271: no operator can be set for its accounts."""
    market = fallen.market
    account = bytes.fromhex(fallen.pool.address[2:]) + bytes(11) + b"\x01"
    with pytest.raises(Reverted):
        market.engine.set_operator_by_signature(
            account, market.other, ZERO, 63, MAX_UINT256, 2**40, 1, 2**40, bytes(65),
            sender=market.other,
        )  # fmt: skip


def test_account_of_the_pool__is_never_bought(fallen):
    account = bytes.fromhex(fallen.pool.address[2:]) + bytes(12)
    with refuses("account is healthy"):
        fallen.pool.mark(account, sender=fallen.market.other)


def test_many_collaterals__neither_lock_nor_mix(new_market):
    """Ten collaterals come through an inbox of eight legs, each to its own account."""
    names = [f"C{i}" for i in range(10)]
    market = new_market(**{name: {"decimals": 18, "dollars": 100} for name in names})
    backstop = Backstop(market)
    for half in (names[:7], names[3:]):
        account = market.account(len(half[0]) + int(half[0][1]))
        for name in half:
            market.deposit(name, 10, account)
        market.borrow("USDC", 5_000, account)
    backstop.stand(first=60_000 * UNIT, second=30_000 * UNIT)
    for name in names:
        market.price(name, 60)
    market.settle(*names, rounds=40)
    taken = dict.fromkeys(names, 0)
    for first in (names[0], names[3]):
        backstop.window()
        account = market.account(2 + int(first[1]))
        backstop.mark(account)
        for event in backstop.buy(first, account=account).events("Take"):
            (name,) = (one for one in names if market.assets[one].address == event.asset)
            taken[name] += event.amount - event.reward
    assert len(backstop.pool.collaterals()) == 10
    for name, amount in taken.items():
        claims = [backstop.claim(who, name) for who in ("first", "second")]
        assert amount - 3 <= sum(claims) <= amount
        assert claims[0] == pytest.approx(2 * claims[1], abs=3)


def test_many_collaterals__who_joined_between_has_only_later_ones(new_market):
    """A collateral that is new after one joined opens at nothing for him."""
    market = new_market()
    backstop = Backstop(market)
    for name, number in (("WETH", 0), ("WBTC", 1)):
        market.deposit(name, 100 if name == "WETH" else 4, market.account(number))
        market.borrow("USDC", 120_000, market.account(number))
    backstop.stand(first=90_000 * UNIT)
    market.price("WETH", 1_400)
    market.price("WBTC", 38_000)
    market.settle("WETH", "WBTC", rounds=12)
    backstop.window()
    backstop.mark()
    backstop.buy()
    backstop.stand(second=backstop.worth("first"))
    weth = backstop.earned("first")
    for name, number in (("WBTC", 1), ("WETH", 0)):
        backstop.mark(market.account(number))
        backstop.buy(name, account=market.account(number), max_repay=10**9)
    assert backstop.earned("first", "WBTC") == pytest.approx(
        backstop.earned("second", "WBTC"), abs=2
    )
    assert backstop.earned("first") - weth == pytest.approx(backstop.earned("second"), rel=1e-9)
    assert backstop.earned("second") > 0
