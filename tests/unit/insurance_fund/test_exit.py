"""Tickets: 20 days of waiting, 2 of use."""

import pytest

DAY = 86_400


@pytest.fixture
def staked(world):
    world.act("deposit", 1_000 * world.unit, world.lender)
    world.amount = 100 * world.unit * 10**6
    assert world.stake("deposit", world.amount, world.lender).value == world.amount
    world.exit = lambda shares: world.stake("redeem", shares, world.lender, world.lender)
    world.no_exit = lambda reason, shares: world.fund_refuses(
        reason, "redeem", shares, world.lender, world.lender
    )
    return world


def test_redeem__needs_a_ticket(staked):
    staked.no_exit("exit needs a ticket", 1)
    assert staked.staked("maxRedeem", staked.lender) == 0


def test_redeem__between_20_and_22_days(staked):
    staked.stake("request_exit", staked.amount)
    staked.host.advance(20 * DAY - 1)
    staked.no_exit("ticket is not usable yet", 1)
    assert staked.staked("maxRedeem", staked.lender) == 0
    staked.host.advance(1)
    assert staked.staked("maxRedeem", staked.lender) == staked.amount
    assert staked.exit(staked.amount // 2).value == staked.amount // 2
    staked.host.advance(2 * DAY - 1)
    staked.exit(1)
    staked.host.advance(1)
    staked.no_exit("ticket has lapsed", 1)
    assert staked.staked("maxRedeem", staked.lender) == 0


def test_redeem__not_beyond_the_ticket(staked):
    staked.stake("request_exit", 10)
    staked.host.advance(20 * DAY)
    staked.no_exit("more than the ticket", 11)
    staked.exit(10)
    staked.no_exit("exit needs a ticket", 1)


def test_request_exit__locks_shares_until_it_lapses(staked):
    staked.stake("request_exit", staked.amount - 5)
    staked.fund_refuses("shares are in a ticket", "transfer", staked.other, 6)
    staked.stake("transfer", staked.other, 5)
    staked.host.advance(22 * DAY)
    staked.stake("transfer", staked.other, staked.amount - 5)


def test_request_exit__refusals(staked):
    staked.fund_refuses("zero shares", "request_exit", 0)
    staked.fund_refuses("balance too low", "request_exit", staked.amount + 1)
    staked.fund_refuses("no ticket", "cancel_exit")
    staked.stake("request_exit", 1)
    staked.stake("cancel_exit")
    staked.no_exit("exit needs a ticket", 1)


def test_write_off__slashes_shares_in_a_ticket(staked):
    staked.stake("request_exit", staked.amount)
    staked.host.advance(20 * DAY)
    staked.lend(500 * staked.unit)
    worth = staked.staked("maxWithdraw", staked.lender)
    receipt = staked.act("write_off", 50 * staked.unit, sender=staked.engine)
    burnt = staked.events(receipt, "WriteOff")[0]["fund_shares"]
    reserve = staked.seed * 10**6 + 1
    expected = worth - burnt * staked.amount // (staked.amount + reserve)
    assert abs(staked.staked("maxWithdraw", staked.lender) - expected) <= 1
    staked.exit(staked.amount)


@pytest.fixture
def slashed(staked):
    """A share is worth less than one of the vault; a ticket for all of them may be used."""
    staked.lend(500 * staked.unit)
    staked.act("write_off", 50 * staked.unit, sender=staked.engine)
    staked.stake("request_exit", staked.amount)
    staked.host.advance(20 * DAY)
    assert staked.staked("convertToAssets", 10**18) < 10**18
    return staked


def test_redeem__shares_worth_nothing_revert(slashed):
    slashed.no_exit("zero assets", 1)
    slashed.fund_refuses("zero assets", "withdraw", 0, slashed.lender, slashed.lender)


@pytest.mark.parametrize("function", ["redeem", "withdraw"])
def test_exit__spends_the_allowance_in_shares(slashed, function):
    world, allowed = slashed, slashed.amount // 2
    world.stake("approve", world.other, allowed)
    amount = allowed // 4
    found = world.stake(function, amount, world.other, world.lender, sender=world.other).value
    shares = amount if function == "redeem" else found
    assert (found > amount) == (function == "withdraw")
    assert world.staked("allowance", world.lender, world.other) == allowed - shares
    left = world.amount - shares
    assert world.staked("balanceOf", world.lender) == left
    assert world.staked("maxRedeem", world.lender) == left


def test_redeem__of_less_than_a_unit_is_nothing(staked):
    """After a loss a share is worth less than a unit of what the fund holds."""
    staked.lend(999 * staked.unit)
    before = staked.staked("totalAssets")
    staked.act("write_off", 50 * staked.unit, sender=staked.engine)
    assert 0 < staked.staked("totalAssets") < before * 6 // 10
    assert staked.staked("convertToAssets", 1) == 0 < staked.staked("convertToAssets", 3)
    staked.stake("request_exit", 3)
    staked.host.advance(20 * DAY)
    assert staked.staked("maxRedeem", staked.lender) == 3
    staked.exit(2)
    assert staked.staked("maxRedeem", staked.lender) == 0
    staked.no_exit("zero assets", 1)
