"""What may leave a vault, and how far its debt may grow, in a window of 4 hours."""

import random

import pytest

WINDOW = 4 * 3_600
MILLION = 10**6
OUT = "outflow limit is reached"
GROWTH = "debt growth limit is reached"


def left(world):
    """What lenders and borrowers may take out."""
    return world.read("limits")[0]


def growth_left(world):
    return world.read("limits")[1]


def to_next_window(world, seconds=0):
    """The first block of the next window, or later."""
    world.host.advance(WINDOW - world.host.now % WINDOW + seconds)


def about(found, wanted, level):
    """Amounts keep 16 bits and are rounded against who takes: three times at most."""
    assert wanted - 3 * (level >> 15) - 3 <= found <= wanted


@pytest.fixture
def vault(new_world):
    """A million, of which 10 % may leave and 5 % be borrowed in a window; for long undisturbed."""
    world = new_world(outflow_limit=10, growth_limit=5)
    world.act("deposit", (MILLION - 1) * world.unit, world.lender)
    world.host.advance(70 * WINDOW)
    to_next_window(world)
    world.act("deposit", 1, world.lender)
    return world


def test_limits__told_and_exact(vault):
    outflow, growth, ends = vault.read("limits")
    about(outflow, 100_000 * vault.unit, MILLION * vault.unit)
    about(growth, 50_000 * vault.unit, 50_000 * vault.unit)
    assert ends == (vault.host.now // WINDOW + 1) * WINDOW
    assert vault.read("maxWithdraw", vault.lender) == outflow
    vault.refuses(OUT, "withdraw", outflow + 1, vault.lender, vault.lender, sender=vault.lender)
    vault.act("withdraw", outflow, vault.lender, vault.lender)
    assert left(vault) == vault.read("maxWithdraw", vault.lender) == 0
    vault.refuses(OUT, "withdraw", 1, vault.lender, vault.lender, sender=vault.lender)


def test_limits__max_redeem_is_exact(vault):
    shares = vault.read("maxRedeem", vault.lender)
    vault.refuses(OUT, "redeem", shares + 10**6, vault.lender, vault.lender, sender=vault.lender)
    vault.act("redeem", shares, vault.lender, vault.lender)


def test_limits__loans_and_payments_count_as_deposits_do(vault):
    before = left(vault)
    vault.lend(40_000 * vault.unit)
    assert left(vault) == before - 40_000 * vault.unit
    vault.act("withdraw", 30_000 * vault.unit, vault.lender, vault.lender)
    assert left(vault) == before - 70_000 * vault.unit
    vault.collect(40_000 * vault.unit, 2**255)
    vault.act("deposit", 30_000 * vault.unit, vault.lender)
    assert left(vault) == before


def test_limits__a_loan_is_refused_by_them(vault):
    vault.configure(growth_limit=0)
    outflow = left(vault)
    vault.refuses(OUT, "lend", outflow + 1, vault.borrower, sender=vault.engine)
    vault.lend(outflow)
    vault.refuses("not enough cash", "lend", 2**255, vault.borrower, sender=vault.engine)


def test_growth__up_to_the_limit_and_back(vault):
    growth = growth_left(vault)
    vault.refuses(GROWTH, "lend", growth + 1, vault.borrower, sender=vault.engine)
    vault.lend(growth)
    assert growth_left(vault) == 0
    vault.refuses(GROWTH, "lend", 1, vault.borrower, sender=vault.engine)
    vault.collect(1_000 * vault.unit, 2**255)
    assert 0 <= 1_000 * vault.unit - growth_left(vault) <= 1
    vault.host.advance(WINDOW)
    # interest of the window aside
    assert growth_left(vault) > 49_000 * vault.unit


def test_growth__the_cap_is_named_where_it_binds(vault):
    vault.configure(debt_cap=1 << 70)
    assert growth_left(vault) == 1 << 70
    reason = "debt cap is reached"
    vault.refuses(reason, "lend", (1 << 70) + 1, vault.borrower, sender=vault.engine)
    vault.lend(1 << 70)
    vault.refuses(reason, "lend", 1, vault.borrower, sender=vault.engine)


def test_growth__interest_counts_and_the_rest_is_exact(vault):
    vault.lend(20_000 * vault.unit)
    vault.host.advance(WINDOW // 2)
    growth = growth_left(vault)
    assert growth < 30_000 * vault.unit
    vault.refuses(GROWTH, "lend", growth + 2, vault.borrower, sender=vault.engine)
    vault.lend(growth)


@pytest.mark.parametrize("block", [0, 1])
@pytest.mark.parametrize("boundary", [False, True])
def test_outflow__ten_million_in_and_out_takes_nothing(vault, block, boundary):
    """Within a block, over two, and over two with the window's boundary between them."""
    before = left(vault)
    amount = 10 * MILLION * vault.unit
    if boundary:
        vault.host.advance(WINDOW - vault.host.now % WINDOW - 1)
    vault.act("deposit", amount, vault.other, sender=vault.other)
    if block:
        vault.host.advance(12)
    shares = vault.read("maxRedeem", vault.other)
    vault.act("redeem", shares, vault.other, vault.other, sender=vault.other)
    assert vault.read("balanceOf", vault.other) < 10**6
    if boundary and block:
        # the reference went a sixth of the way, so that lenders have more, not less
        assert before < left(vault) < before + amount // 60
    else:
        assert left(vault) == before
    vault.act("withdraw", left(vault), vault.lender, vault.lender)


def test_outflow__what_was_brought_counts_once_it_stood_for_a_window(vault):
    vault.act("deposit", MILLION * vault.unit, vault.other, sender=vault.other)
    total = 2 * MILLION * vault.unit
    # now it may leave, with the limit: it has not stood for a window
    about(left(vault), 1_100_000 * vault.unit, total)
    to_next_window(vault)
    vault.act("deposit", 1, vault.lender)
    # the reference has gone a sixth of the way
    about(left(vault), MILLION * vault.unit * 11 // 10 + MILLION * vault.unit // 60, total)
    to_next_window(vault)
    vault.act("deposit", 1, vault.lender)
    reference = 2 * MILLION - MILLION * 25 / 36
    about(left(vault), int(reference / 10) * vault.unit, total)


def test_limits__nothing_within_a_block_moves_them(vault):
    to_next_window(vault)
    told = vault.read("limits")
    start = vault.host.snapshot()
    million = MILLION * vault.unit
    # a donation
    donation = vault.token, "TokenMock", "transfer", [vault.vault, million]
    vault.host.transact(*donation, sender=vault.other)
    assert vault.read("limits") == told
    # a deposit that opens the window, and one that follows
    vault.act("deposit", 10 * million, vault.other, sender=vault.other)
    vault.act("withdraw", 10 * million, vault.other, vault.other, sender=vault.other)
    assert vault.read("limits") == told
    # a loan and its payment
    vault.lend(40_000 * vault.unit)
    vault.collect(2**255, 2**255)
    assert vault.read("limits")[0] - told[0] in (0, 1)
    vault.host.restore(start)
    vault.lend(growth_left(vault))
    vault.collect(2**255, 2**255)
    vault.lend(told[1] - 1)


def test_limits__a_flash_loan_counts_nothing(vault):
    told = vault.read("limits")
    receiver = vault.host.deploy("FlashReceiverMock", vault.token, vault.vault, sender=vault.owner)
    vault.act("flashLoan", receiver, vault.token, vault.read("cash"), b"")
    assert vault.read("limits") == told


def test_reference__moves_a_sixth_in_each_window_and_so_over_skipped_ones(vault):
    vault.act("deposit", MILLION * vault.unit, vault.other, sender=vault.other)
    start = vault.host.snapshot()
    for _ in range(6):
        to_next_window(vault)
        vault.act("deposit", 1, vault.lender)
    one_by_one = left(vault)
    vault.host.restore(start)
    vault.host.advance(6 * WINDOW)
    assert abs(left(vault) - one_by_one) <= one_by_one // 2_000
    reference = (2 - (5 / 6) ** 6) * MILLION
    about(left(vault), int(reference / 10 * vault.unit), 2 * MILLION * vault.unit)
    vault.host.restore(start)
    vault.host.advance(64 * WINDOW)
    about(left(vault), 200_000 * vault.unit, 2 * MILLION * vault.unit)


@pytest.mark.parametrize("decimals", [6, 8, 18])
def test_floor__is_the_limit_of_a_vault_just_opened(new_world, decimals):
    world = new_world(decimals, outflow_limit=10, growth_limit=10, limit_floor=2**20)
    world.act("deposit", 1_000 * world.unit, world.lender)
    # nothing has stood for a window: all that was brought may leave
    assert left(world) == world.read("cash")
    assert growth_left(world) == 2**20
    to_next_window(world)
    world.act("deposit", 1, world.lender)
    to_next_window(world)
    world.act("deposit", 1, world.lender)
    cash = world.read("cash")
    # a tenth of a reference of about 1 - (5 / 6)**2 of the total, or the floor
    wanted = max(cash * 11 // 360, 2**20)
    about(left(world), wanted, cash)


def test_limits__none_where_they_are_zero(vault):
    vault.configure(outflow_limit=0, growth_limit=0)
    cash = vault.read("cash")
    assert vault.read("limits")[:2] == (cash, vault.read("limits")[1])
    assert growth_left(vault) == 2**100
    vault.lend(cash - 1)
    vault.act("withdraw", 1, vault.lender, vault.lender)


def test_write_config__limits_change_within_the_window_from_its_anchors(vault):
    vault.act("withdraw", 60_000 * vault.unit, vault.lender, vault.lender)
    vault.configure(outflow_limit=5)
    assert left(vault) == 0
    vault.configure(outflow_limit=20)
    about(left(vault), 140_000 * vault.unit, MILLION * vault.unit)


def test_caution__half_for_lenders_and_halt_none(vault):
    whole = left(vault)
    now = vault.host.now
    vault.act("set_level", now + 3_600, 0, 0, sender=vault.breaker)
    half = left(vault)
    about(half, 50_000 * vault.unit, MILLION * vault.unit)
    assert vault.read("maxWithdraw", vault.lender) == half
    vault.refuses(OUT, "withdraw", half + 1, vault.lender, vault.lender, sender=vault.lender)
    vault.act("withdraw", half, vault.lender, vault.lender)
    vault.refuses(OUT, "withdraw", 1, vault.lender, vault.lender, sender=vault.lender)
    vault.act("set_level", 0, now + 3_600, 0, sender=vault.breaker)
    assert vault.read("maxWithdraw", vault.lender) == vault.read("maxRedeem", vault.lender) == 0
    args = ("withdraw", 1, vault.lender, vault.lender)
    vault.refuses("vault is halted", *args, sender=vault.lender)
    vault.act("set_level", 0, 0, 0, sender=vault.breaker)
    assert left(vault) == whole - half


def test_outflow__in_any_span_of_a_window_cash_falls_by_two_limits_at_most(vault):
    """Whatever is done: never below the lower of two openings less a limit, or two in a span."""
    rng = random.Random(4)
    past = []  # time, cash, base of the window, limit of the window
    openings = [vault.read("cash")] * 2
    number = vault.host.now // WINDOW
    reached = 0
    for _ in range(400):
        vault.host.advance(rng.choice((0, 12, 600, 3_000, WINDOW)))
        now, cash = vault.host.now, vault.read("cash")
        if now // WINDOW != number:
            skipped = now // WINDOW - number > 1
            openings = [cash if skipped else openings[1], cash]
            number = now // WINDOW
        base = min(openings)
        amount = rng.choice((1, MILLION // 50, MILLION // 5, 3 * MILLION)) * vault.unit
        who = rng.choice((vault.lender, vault.other))
        action = rng.choice(("in", "out", "out", "most", "lend", "pay"))
        if action == "in":
            vault.act("deposit", amount, who, sender=who)
        elif action == "pay":
            vault.collect(amount, 2**255)
        elif action == "lend":
            amount = min(amount, *vault.read("limits")[:2])
            if amount:
                vault.lend(amount)
        else:
            most = vault.read("maxWithdraw", who)
            amount = min(amount, most) if action == "out" else most
            if amount:
                vault.act("withdraw", amount, who, who, sender=who)
                reached += amount == most == 0 or left(vault) == 0
        after = vault.read("cash")
        # the limit of this window, from outside: no reference is above the highest total
        limit = max((at_most for *_, at_most in past), default=0)
        limit = max(limit, (vault.read("totalAssets") + 10 * MILLION * vault.unit) // 10)
        past.append((now, after, base, limit))
        assert after >= base - limit
        for then, _, base_then, _ in reversed(past):
            if now - then >= WINDOW:
                break
            assert after >= base_then - 2 * limit
    assert reached > 20
