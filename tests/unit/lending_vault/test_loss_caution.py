"""CAUTION for a day after losses above 1 % of the total, by the vault itself. The reference of the
limits bounds what counts of the total: a deposit of the moment does not.
"""

import pytest

from breakwater.model.vault_limits import kept, value_of

DAY = 86_400
WINDOW = 4 * 3_600


@pytest.fixture
def vault(new_world):
    """A thousand, all of it lent but a tenth; 10 % may leave in a window."""
    world = new_world(reserve_factor=0, outflow_limit=10, limit_floor=2**60)
    world.act("deposit", 999 * world.unit, world.lender)
    world.host.advance(64 * WINDOW)
    world.configure(outflow_limit=0)
    # after 64 windows it is the total
    world.reference, world.opened = value_of(kept(total(world))), world.host.now // WINDOW
    world.shares = world.act("lend", 900 * world.unit, world.borrower, sender=world.engine).value
    for _ in range(2):
        world.host.advance(WINDOW)
        world.reference, world.opened = reference(world), world.host.now // WINDOW
        world.act("deposit", 1, world.lender)
    world.configure(outflow_limit=10)
    return world


def total(world):
    return world.read("cash") + world.read("debt_assets")


def reference(world):
    """Of the window of now, which opens from this state if it is not open."""
    found, passed = world.reference, world.host.now // WINDOW - world.opened
    for _ in range(passed):
        found = (5 * found + total(world)) // 6
    return value_of(kept(found)) if passed < 64 else value_of(kept(total(world)))


def measure(world):
    """What losses are measured against."""
    return min(total(world), reference(world))


def lose(world, parts, more=0):
    """Write off `parts` of 1,000 of that, rounded down, and so many shares more."""
    shares = parts * measure(world) // 1_000 * 10**27 // world.read("debt_index")
    return world.act("write_off", shares + more, sender=world.engine)


def test_loss__of_one_percent_is_borne(vault):
    most = measure(vault) // 100
    receipt = lose(vault, 10)
    assert most - vault.events(receipt, "WriteOff")[0]["loss"] in (0, 1)
    assert vault.events(receipt, "LossCaution") == []
    assert vault.read("level") == 0
    vault.lend(1)


def test_loss__above_one_percent_stops_loans_for_a_day(vault):
    receipt = lose(vault, 10, more=2)
    (event,) = vault.events(receipt, "LossCaution")
    assert event["until"] == vault.host.now + DAY
    assert vault.read("level") == 1
    vault.refuses("vault is in caution", "lend", 1, vault.borrower, sender=vault.engine)
    vault.act("deposit", vault.unit, vault.lender)
    vault.collect(vault.unit, 2**255)
    vault.host.advance(DAY - 1)
    vault.refuses("vault is in caution", "lend", 1, vault.borrower, sender=vault.engine)
    vault.host.advance(1)
    assert vault.read("level") == 0
    vault.lend(1)


def test_loss__lenders_leave_at_half_the_rate(vault):
    start = vault.host.snapshot()
    whole = vault.read("limits")[0]
    lose(vault, 11)
    half = vault.read("limits")[0]
    assert abs(half - whole // 2) < whole // 1_000
    assert vault.read("maxWithdraw", vault.lender) == half
    vault.act("withdraw", half, vault.lender, vault.lender)
    vault.host.restore(start)


def test_loss__spends_nothing_of_the_guardians_budget(vault):
    lose(vault, 11)
    now = vault.host.now
    week = now + 7 * DAY
    vault.act("set_level", week, week, week, sender=vault.breaker)
    assert vault.read("level") == 2
    # nor can the breaker lift it
    vault.act("set_level", 0, 0, 0, sender=vault.breaker)
    assert vault.read("level") == 1
    vault.refuses("vault is in caution", "lend", 1, vault.borrower, sender=vault.engine)


def test_loss__a_second_one_begins_the_day_anew(vault):
    lose(vault, 11)
    vault.host.advance(DAY // 2)
    lose(vault, 50)
    vault.host.advance(DAY - 1)
    assert vault.read("level") == 1
    vault.host.advance(1)
    assert vault.read("level") == 0


def test_loss__in_two_parts_of_one_block(vault):
    lose(vault, 5)
    assert vault.read("level") == 0
    lose(vault, 6)
    assert vault.read("level") == 1


@pytest.mark.parametrize("after", [0, 1, DAY // 2, DAY - 1, DAY, 10 * DAY])
def test_loss__fades_in_a_day(vault, after):
    """After a loss of 1 %, what makes room for the next: as much as faded, to the unit."""
    first = vault.events(lose(vault, 10), "WriteOff")[0]["loss"]
    vault.host.advance(after)
    room = measure(vault) // 100 - first * max(DAY - after, 0) // DAY
    index = vault.act("accrue").value
    if room > 0:
        # a loss is rounded up
        shares = room * 10**27 // index
        receipt = vault.act("write_off", shares, sender=vault.engine)
        assert 0 <= room - vault.events(receipt, "WriteOff")[0]["loss"] <= 1
        assert vault.read("level") == 0
    vault.act("write_off", 3 + max(-room, 0), sender=vault.engine)
    assert vault.read("level") == 1


@pytest.mark.parametrize(("parts", "levels"), [(94, {0}), (120, {0, 1})])
def test_loss__a_row_of_them_may_be_one_percent_a_day(vault, parts, levels):
    """For three days a slice each hour, by which the total falls by 3 %."""
    shares = parts * measure(vault) // 240_000 * 10**27 // vault.read("debt_index")
    found = set()
    for _ in range(3 * 24):
        vault.act("write_off", shares, sender=vault.engine)
        found.add(vault.read("level"))
        vault.host.advance(3_600)
    assert found == levels


def test_loss__a_caution_has_counted_what_was_before_it(vault):
    lose(vault, 11)
    vault.host.advance(DAY // 2)
    # a part of it does not begin the day anew
    lose(vault, 5)
    vault.host.advance(DAY // 2)
    assert vault.read("level") == 0


def test_loss__a_deposit_of_the_moment_does_not_count(vault):
    """Nor one of the window, however large; it counts by a sixth once it stood over a boundary."""
    most = measure(vault) // 100
    vault.act("deposit", 10**6 * vault.unit, vault.other, sender=vault.other)
    start = vault.host.snapshot()
    last = -vault.host.now % WINDOW - 1
    for wait, more in ((0, 3), (last, 3), (last + 1, 0)):
        vault.host.advance(wait)
        shares = most * 10**27 // vault.read("debt_index")
        vault.act("write_off", shares + more, sender=vault.engine)
        assert vault.read("level") == (1 if more else 0)
        vault.host.restore(start)
    vault.host.advance(last + 1)
    # (5 * 1,000 + 1,001,000) / 6 = 167,666.67: 900 of it are no 1 %
    lost = vault.act("write_off", vault.read("debt_shares"), sender=vault.engine)
    assert 100 * vault.events(lost, "WriteOff")[0]["loss"] < 167_667 * vault.unit
    assert vault.read("level") == 0


def test_loss__the_total_counts_where_it_is_below_the_reference(vault):
    vault.act("withdraw", 99 * vault.unit, vault.lender, vault.lender)
    assert total(vault) < reference(vault)
    start = vault.host.snapshot()
    for more, level in ((0, 0), (2, 1)):
        lose(vault, 10, more)
        assert vault.read("level") == level
        vault.host.restore(start)


@pytest.mark.parametrize("decimals", [6, 8, 18])
def test_loss__a_new_vault_has_no_reference(new_world, decimals):
    """One unit lost in the first window is followed by CAUTION; in the second 1 % of a sixth."""
    world = new_world(decimals)
    world.act("deposit", 599 * world.unit, world.lender)
    world.host.advance(-world.host.now % WINDOW)
    start = world.host.snapshot()
    world.lend(300 * world.unit)
    # opened with a sixth of 600: of 100 one may be lost, less what 16 bits leave out
    world.act("write_off", 100 * world.unit // 100 * 32_767 // 32_768, sender=world.engine)
    assert world.read("level") == 0
    world.act("write_off", world.unit // 10_000, sender=world.engine)
    assert world.read("level") == 1
    world.host.restore(start)
    world = new_world(decimals)
    world.act("deposit", 599 * world.unit, world.lender)
    world.lend(1)
    world.act("write_off", 1, sender=world.engine)
    assert world.read("level") == 1
