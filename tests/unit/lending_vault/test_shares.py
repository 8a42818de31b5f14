"""Deposits, withdrawals and share transfers."""

import pytest

from breakwater.units import RAY

FUND_REFUSAL = "fund takes no transfers"


@pytest.fixture(params=[6, 8, 18])
def busy(new_world, request):
    world = new_world(decimals=request.param)
    world.act("deposit", 99 * world.unit, world.lender)
    world.lend(50 * world.unit)
    world.host.advance(10**7)
    return world


def test_deposit__first_price(world):
    assert world.act("deposit", 5, world.lender).value == 5 * 10**6
    assert world.read("decimals") == 24


def test_preview__tells_what_follows(busy):
    for preview, action, amount in (
        ("previewDeposit", "deposit", 12_345),
        ("previewMint", "mint", 12_345_678_901),
    ):
        expected = busy.read(preview, amount)
        assert busy.act(action, amount, busy.lender).value == expected
    for preview, action, amount in (
        ("previewWithdraw", "withdraw", 12_345),
        ("previewRedeem", "redeem", 12_345_678_901),
    ):
        expected = busy.read(preview, amount)
        assert busy.act(action, amount, busy.lender, busy.lender).value == expected


def test_max__is_the_most_that_works(busy):
    most = busy.read("maxWithdraw", busy.lender)
    assert most == busy.read("cash")
    busy.refuses("not enough cash", "withdraw", most + 1, busy.lender, busy.lender)
    shares = busy.read("maxRedeem", busy.lender)
    busy.refuses("not enough cash", "redeem", shares + 1, busy.lender, busy.lender)
    busy.act("redeem", shares, busy.lender, busy.lender)
    assert busy.read("cash") == busy.read("maxWithdraw", busy.lender) == 0
    room = busy.read("maxDeposit", busy.lender)
    busy.refuses("deposit cap is reached", "deposit", room + 1, busy.lender)


def test_max_redeem__shares_worth_just_a_unit(world):
    """A share less is worth nothing, and is not redeemed."""
    world.act("mint", 10**6, world.lender)
    assert world.read("maxRedeem", world.lender) == 10**6
    world.act("transfer", world.other, 1)
    assert world.read("maxRedeem", world.lender) == 0
    world.act("transfer", world.lender, 1, sender=world.other)
    assert world.act("redeem", 10**6, world.lender, world.lender).value == 1


def test_round_trip__never_gains(busy):
    """In and out in one block, both ways to say how much: never more out than in, and what stays
    behind is the other lenders'."""

    def slack():
        # cash + debt, from the raw numbers, less what the shares were worth when they were issued
        debt = busy.read("debt_shares") * busy.read("debt_index") // RAY
        return busy.read("cash") + debt - busy.read("fee_owed") - busy.read("totalAssets")

    for amount in (1, 2, 3, 999, busy.unit, 7 * busy.unit + 3):
        before, cash = slack(), busy.read("cash")
        shares = busy.act("deposit", amount, busy.other, sender=busy.other).value
        worth = shares * (busy.read("totalAssets") + 1) // (busy.read("totalSupply") + 10**6)
        back = 0
        if worth:
            back = busy.act("redeem", shares, busy.other, busy.other, sender=busy.other).value
        assert amount - 1 <= worth <= amount
        assert back == worth
        assert busy.read("cash") == cash + amount - back
        assert slack() >= before

        paid = busy.act("mint", 10**6 * amount, busy.other, sender=busy.other).value
        held = busy.read("balanceOf", busy.other)
        most = held * (busy.read("totalAssets") + 1) // (busy.read("totalSupply") + 10**6)
        busy.act("withdraw", min(paid, most), busy.other, busy.other, sender=busy.other)
        assert slack() >= before


def test_donation__changes_nothing(busy):
    read = ("totalAssets", "debt_index", "cash", "utilization", "borrow_rate", "fee_owed")
    before = [busy.read(name) for name in read]
    busy.host.transact(
        busy.token, busy.token_kind, "transfer", [busy.vault, 10**9], sender=busy.other
    )
    assert [busy.read(name) for name in read] == before


def test_transfer__to_fund_reverts(busy):
    busy.refuses(FUND_REFUSAL, "transfer", busy.fund, 1)
    busy.refuses(FUND_REFUSAL, "deposit", 1, busy.fund)
    busy.refuses(FUND_REFUSAL, "mint", 10**6, busy.fund)
    busy.act("approve", busy.other, 10)
    busy.refuses(FUND_REFUSAL, "transferFrom", busy.lender, busy.fund, 1, sender=busy.other)
    assert busy.read("maxDeposit", busy.fund) == 0


def test_withdraw__spends_allowance(world):
    world.act("deposit", 10**18, world.lender)
    world.act("approve", world.other, 5 * 10**23)
    args = ("withdraw", 5 * 10**17 + 1, world.other, world.lender)
    world.refuses("allowance too low", *args, sender=world.other)
    world.act("withdraw", 5 * 10**17, world.other, world.lender, sender=world.other)
    assert world.read("allowance", world.lender, world.other) == 0


@pytest.mark.parametrize("amount", [2**128, 2**255, 2**256 - 1])
def test_any_amount__has_a_reason(world, amount):
    world.refuses("balance too low", "transfer", world.other, amount)
    world.refuses("balance too low", "redeem", amount, world.lender, world.lender)
    world.refuses("not enough cash", "withdraw", amount, world.lender, world.lender)


@pytest.mark.parametrize("answer", [0, 2])
def test_odd_token__false_reverts_and_nothing_is_fine(new_world, answer):
    world = new_world(token="OddTokenMock")
    world.act("deposit", 10**18, world.lender)
    world.host.transact(
        world.token, "OddTokenMock", "set_odds", [answer, 0, False, True], sender=world.owner
    )
    if answer == 2:
        world.act("deposit", 10**18, world.lender)
        world.act("withdraw", 10**18, world.lender, world.lender)
        world.lend(1)
        world.collect(1, 1)
        world.collect(0, 1)
    else:
        world.refuses("token transfer failed", "deposit", 1, world.lender)
        world.refuses("token transfer failed", "withdraw", 1, world.lender, world.lender)
        world.refuses("token transfer failed", "lend", 1, world.borrower, sender=world.engine)
