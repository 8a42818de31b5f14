"""Fees, bounds and events of flash loans, to the unit."""

import pytest

from tests.unit.lending_vault.test_reentry import BORROWER, encode
from tests.vault_world import YEAR

DAYS = 30 * 86_400


@pytest.mark.parametrize(
    ("amount", "bps", "fee"),
    [
        (1, 9, 1),
        (1_111, 9, 1),
        (1_112, 9, 2),
        (9_999, 1, 1),
        (10_000, 1, 1),
        (10_001, 1, 2),
        (100, 100, 1),
        (101, 100, 2),
        (10**24, 100, 10**22),
        (10**24, 0, 0),
        (2**112 - 1, 100, 51_922_968_585_348_276_285_304_963_292_201),
    ],
)
def test_flash_fee__rounds_up(new_world, amount, bps, fee):
    world = new_world(flash_fee=bps)
    assert fee == -(-amount * bps // 10_000)
    assert world.read("flashFee", world.token, amount) == fee


def test_flash_fee__of_more_than_a_vault_holds_reverts(world):
    assert world.read("flashFee", world.token, 2**112 - 1) == 0
    world.refuses("not enough cash", "flashFee", world.token, 2**112)
    world.refuses("token is not lent", "flashFee", world.vault, 1)


def test_max_flash_loan__is_the_cash(world):
    world.act("deposit", 99 * world.unit, world.lender)
    world.lend(30 * world.unit)
    assert world.read("maxFlashLoan", world.token) == 70 * world.unit
    assert world.read("maxFlashLoan", world.vault) == 0


@pytest.fixture
def flash(new_world):
    """A fee of 9 bps; a third of the cash is lent and has earned."""
    world = new_world(flash_fee=9, adjustment_speed=0)
    host = world.host
    world.taker = host.deploy(BORROWER, sender=world.owner)
    host.transact(world.token, "TokenMock", "mint", [world.taker, 10**24], sender=world.owner)
    data = encode("TokenMock", "approve", world.vault, 2**256 - 1)
    host.transact(world.taker, BORROWER, "execute", [world.token, data], sender=world.owner)
    world.act("deposit", 99 * world.unit, world.lender)
    world.lend(30 * world.unit)
    host.advance(DAYS)
    world.loan = lambda amount: world.act(
        "flashLoan", world.taker, world.token, amount, b"", sender=world.other
    )
    return world


def test_flash_loan__all_the_cash_but_no_more(flash):
    flash.refuses(
        "not enough cash", "flashLoan", flash.taker, flash.token, 70 * flash.unit + 1, b"",
        sender=flash.other,
    )  # fmt: skip
    assert flash.loan(70 * flash.unit).value is True


def test_flash_loan__logs_who_what_and_the_fee(flash):
    # 9 bps of 11,112 units are 10.0008
    events = flash.events(flash.loan(11_112), "FlashLoan")
    assert events == [
        {"receiver": flash.taker, "initiator": flash.other, "assets": 11_112, "fee": 11}
    ]


def test_flash_loan__moves_only_the_fee(flash):
    before = flash.tokens(flash.taker), flash.tokens(flash.vault)
    flash.loan(11_112)
    assert flash.tokens(flash.taker) == before[0] - 11
    assert flash.tokens(flash.vault) == before[1] + 11
    assert flash.read("cash") == before[1] + 11
    assert flash.read("debt_shares") == 30 * flash.unit


def test_flash_loan__with_a_fee_accrues_and_fixes_the_rate(flash):
    """At a new utilization the next second costs the rate of that utilization."""
    index = flash.read("debt_index")
    flash.loan(70 * flash.unit)
    assert flash.read("debt_index") == index
    rate = flash.read("borrow_rate")
    flash.host.advance(YEAR)
    after = flash.read("debt_index")
    start = flash.host.snapshot()
    flash.act("accrue")
    assert flash.read("debt_index") == after
    flash.host.restore(start)
    # growth over a year at a rate that stood still: e**(rate * year), to the first terms
    x = rate * YEAR / 10**18
    assert after / index == pytest.approx(1 + x + x * x / 2 + x**3 / 6, rel=1e-5)


def test_flash_loan__without_a_fee_touches_nothing(new_world):
    world = new_world()
    taker = world.host.deploy(BORROWER, sender=world.owner)
    data = encode("TokenMock", "approve", world.vault, 2**256 - 1)
    world.host.transact(taker, BORROWER, "execute", [world.token, data], sender=world.owner)
    world.act("deposit", 99 * world.unit, world.lender)
    world.lend(30 * world.unit)
    before = world.host.stored()[world.vault]
    world.host.advance(DAYS)
    receipt = world.act("flashLoan", taker, world.token, 7, b"", sender=world.other)
    assert world.host.stored()[world.vault] == before
    assert world.events(receipt, "FlashLoan") == [
        {"receiver": taker, "initiator": world.other, "assets": 7, "fee": 0}
    ]
