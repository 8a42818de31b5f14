"""`set_level`: which halts spend the latch budget, 7 days in any 30 (LIVE-2)."""

import pytest

HOUR = 3_600
DAY = 86_400
SPENT = "latch budget is spent"


@pytest.fixture
def vault(world):
    world.act("deposit", 1_000 * world.unit, world.lender)
    return world


def halt(world, seconds, held=0):
    now = world.host.now
    ends = 0, now + seconds if seconds else 0, now + held if held else 0
    world.act("set_level", *ends, sender=world.breaker)


def refused(world, seconds, held=0):
    now = world.host.now
    ends = 0, now + seconds, now + held if held else 0
    world.refuses(SPENT, "set_level", *ends, sender=world.breaker)


def steal(world, amount=1):
    """What no book knows of."""
    world.host.transact(
        world.token, world.token_kind, "burn", [world.vault, amount], sender=world.other
    )


def give_back(world, amount=1):
    world.host.transact(
        world.token, world.token_kind, "mint", [world.vault, amount], sender=world.other
    )


def test_set_level__halts_of_a_sound_vault_end_after_seven_days(vault):
    """Whoever orders them: that nobody holds them makes them no cheaper."""
    for _ in range(7):
        halt(vault, DAY)
        vault.host.advance(DAY)
    refused(vault, 1)
    vault.act("withdraw", 1, vault.lender, vault.lender)


def test_set_level__a_donation_makes_no_halt_longer(vault):
    give_back(vault, 10**20)
    for _ in range(7):
        halt(vault, DAY)
        vault.host.advance(DAY)
    refused(vault, 1)


@pytest.mark.parametrize("lacks", [1, 10**21])
def test_set_level__halts_of_a_short_vault_go_on(vault, lacks):
    steal(vault, lacks)
    for _ in range(40):
        halt(vault, DAY)
        assert vault.read("level") == 2
        vault.host.advance(DAY - 1)
        vault.refuses("vault is halted", "withdraw", 1, vault.lender, vault.lender)
    # and spent nothing
    give_back(vault, lacks)
    vault.host.advance(1)
    halt(vault, 7 * DAY, 7 * DAY)


def test_set_level__spent_budget_stops_no_halt_of_a_short_vault(vault):
    halt(vault, 7 * DAY, 7 * DAY)
    vault.host.advance(7 * DAY)
    refused(vault, 1)
    steal(vault)
    halt(vault, DAY)
    assert vault.read("level") == 2


def test_set_level__what_is_held_counts_in_a_short_vault(vault):
    """A guardian has his seven days, whatever the vault lacks."""
    steal(vault)
    for _ in range(7):
        halt(vault, DAY, DAY)
        vault.host.advance(DAY)
    refused(vault, DAY, DAY)
    halt(vault, DAY)


def test_set_level__halt_within_what_is_held_makes_it_no_shorter(vault):
    """A guardian's CAUTION of seven days, and a day's halt beside it."""
    now = vault.host.now
    vault.act("set_level", now + 7 * DAY, now + DAY, now + 7 * DAY, sender=vault.breaker)
    vault.host.advance(7 * DAY)
    refused(vault, DAY)
    refused(vault, 0, 1)


def test_set_level__pushed_again_when_it_is_sound_is_no_new_halt(vault):
    """The guardian's lift, or anyone's reset, pushes what still stands: it is never refused."""
    halt(vault, 7 * DAY, 7 * DAY)
    vault.host.advance(7 * DAY)
    steal(vault)
    halt(vault, DAY)
    give_back(vault)
    vault.host.advance(HOUR)
    halt(vault, 23 * HOUR)
    assert vault.read("level") == 2
    refused(vault, 23 * HOUR + 1)
    # once it was shorter, the rest of it is new
    halt(vault, 0)
    assert vault.read("level") == 0
    refused(vault, 22 * HOUR)


def test_set_level__in_a_flash_loan_nothing_is_missing(vault):
    """What is out is not short: a halt then counts."""
    from breakwater.host import interface_of

    host = vault.host
    borrower = host.deploy("FlashBorrowerMock", sender=vault.owner)
    vault.act("set_breaker", borrower, sender=vault.owner)
    until = host.now + DAY
    data = interface_of("LendingVault").function("set_level", 3).encode([0, until, 0])
    calls = [(vault.vault, data, True)]
    magic = bytes.fromhex("439148f0bbc682ca079e46d6e2c2f0c1e3b820f1a291b069d8882abf8cf18dd9")
    host.transact(borrower, "FlashBorrowerMock", "set_calls", [calls, magic], sender=vault.other)
    approve = interface_of("TokenMock").function("approve", 2).encode([vault.vault, 2**256 - 1])
    host.transact(
        borrower, "FlashBorrowerMock", "execute", [vault.token, approve], sender=vault.other
    )
    vault.act("flashLoan", borrower, vault.token, vault.unit, b"")
    assert vault.read("level") == 2
    vault.act("set_breaker", vault.breaker, sender=vault.owner)
    host.advance(DAY)
    halt(vault, 6 * DAY, 6 * DAY)
    refused(vault, 6 * DAY + 1, 6 * DAY + 1)
