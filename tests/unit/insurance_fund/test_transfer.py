"""Moving shares of the fund: balances, allowances and tickets to the share and the second."""

import pytest

from tests.vault_world import WAD

DAY = 86_400


@pytest.fixture
def held(world):
    """The lender holds 100 shares, and nobody else any."""
    world.act("deposit", 10 * WAD, world.lender)
    world.stake("deposit", 100 * 10**6, world.lender)
    world.all = world.staked("balanceOf", world.lender)
    return world


def test_transfer__moves_and_logs(held):
    receipt = held.stake("transfer", held.other, 7)
    assert held.staked("balanceOf", held.other) == 7
    assert held.staked("balanceOf", held.lender) == held.all - 7
    assert held.events(receipt, "Transfer") == [
        {"sender": held.lender, "receiver": held.other, "value": 7}
    ]
    assert receipt.value is True


def test_transfer__all_but_not_a_share_more(held):
    held.fund_refuses("balance too low", "transfer", held.other, held.all + 1)
    held.fund_refuses("receiver is zero", "transfer", "0x" + "00" * 20, 1)
    held.stake("transfer", held.other, held.all)
    assert held.staked("balanceOf", held.lender) == 0


def test_transfer__to_oneself_changes_nothing(held):
    held.stake("transfer", held.lender, 7)
    assert held.staked("balanceOf", held.lender) == held.all


def test_transfer_from__spends_the_allowance(held):
    receipt = held.stake("approve", held.other, 10)
    assert held.events(receipt, "Approval") == [
        {"owner": held.lender, "spender": held.other, "value": 10}
    ]
    args = ("transferFrom", held.lender, held.borrower)
    held.fund_refuses("allowance too low", *args, 11, sender=held.other)
    held.stake(*args, 4, sender=held.other)
    assert held.staked("allowance", held.lender, held.other) == 6
    held.stake(*args, 6, sender=held.other)
    assert held.staked("allowance", held.lender, held.other) == 0
    assert held.staked("balanceOf", held.borrower) == 10
    held.fund_refuses("allowance too low", *args, 1, sender=held.other)


def test_transfer_from__an_unlimited_allowance_stays(held):
    held.stake("approve", held.other, 2**256 - 1)
    held.stake("transferFrom", held.lender, held.borrower, 4, sender=held.other)
    assert held.staked("allowance", held.lender, held.other) == 2**256 - 1
    held.stake("approve", held.other, 2**256 - 2)
    held.stake("transferFrom", held.lender, held.borrower, 4, sender=held.other)
    assert held.staked("allowance", held.lender, held.other) == 2**256 - 6


def test_transfer_from__the_owner_needs_none(held):
    held.stake("transferFrom", held.lender, held.borrower, 4)
    assert held.staked("balanceOf", held.borrower) == 4


def test_transfer__what_is_in_a_ticket_stays_until_it_lapses(held):
    held.stake("request_exit", held.all - 3)
    held.fund_refuses("shares are in a ticket", "transfer", held.other, 4)
    held.stake("transfer", held.other, 3)
    held.host.advance(22 * DAY - 1)
    held.fund_refuses("shares are in a ticket", "transfer", held.other, 1)
    held.host.advance(1)
    held.stake("transfer", held.other, held.all - 3)
