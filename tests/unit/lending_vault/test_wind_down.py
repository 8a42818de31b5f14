"""Wind-down: no more interest, and each holder his part of the cash, as often as there is some: the
same in all, whenever he takes it.
"""

import random
from collections import Counter

import pytest

PART = "part of the cash is taken"
PARTLY = "shares are redeemed in part"
WOUND = "vault is wound down"


@pytest.fixture
def vault(new_world):
    """The fund has 100 of 1,000, two lenders 450 each; 900 are lent. Wound down."""
    world = new_world(seed=100 * 10**18, reserve_factor=0, outflow_limit=10, growth_limit=10)
    world.configure(outflow_limit=0, growth_limit=0)
    for who in (world.lender, world.other):
        world.act("deposit", 450 * world.unit, who, sender=who)
    world.lend(900 * world.unit)
    world.configure(outflow_limit=10, growth_limit=10)
    world.act("wind_down", sender=world.owner)
    return world


def take(world, who):
    """All that is his turn."""
    most = world.read("maxWithdraw", who)
    if most:
        world.act("withdraw", most, who, who, sender=who)
    return most


def test_wind_down__interest_stops_and_nothing_goes_in(vault):
    index = vault.read("debt_index")
    assert vault.read("level") == 3
    vault.host.advance(10**8)
    assert vault.read("debt_index") == vault.act("accrue").value == index
    vault.refuses(WOUND, "deposit", 1, vault.lender)
    vault.refuses(WOUND, "mint", 10**6, vault.lender)
    vault.refuses(WOUND, "lend", 1, vault.borrower, sender=vault.engine)
    vault.refuses(WOUND, "flashLoan", vault.other, vault.token, 1, b"")
    vault.refuses(WOUND, "wind_down", sender=vault.owner)
    assert vault.read("maxDeposit", vault.lender) == vault.read("maxMint", vault.lender) == 0
    assert vault.read("maxFlashLoan", vault.token) == 0
    assert vault.read("limits")[0] == vault.read("cash")


def test_wind_down__emits_and_stays(vault, new_world):
    world = new_world()
    receipt = world.act("wind_down", sender=world.owner)
    assert len(world.events(receipt, "WindDown")) == 1
    world.act("set_level", 0, 0, 0, sender=world.breaker)
    world.configure(reserve_factor=0)
    assert world.read("level") == 3


def test_wind_down__each_his_part_and_no_more(vault):
    # 100 of cash: 45 % for each lender, 10 % for the fund
    for who in (vault.lender, vault.other):
        most = vault.read("maxWithdraw", who)
        assert 45 * vault.unit - 1 <= most <= 45 * vault.unit
        args = ("withdraw", most + 1, who, who)
        vault.refuses(PART, *args, sender=who)
        assert take(vault, who) == most
        assert vault.read("maxWithdraw", who) <= 1
    assert 10 * vault.unit <= vault.read("cash") <= 10 * vault.unit + 2


def test_wind_down__repeatedly_as_debts_are_paid(vault):
    first = take(vault, vault.lender)
    vault.collect(450 * vault.unit, 2**255)
    # 550 in all so far: 247.5 for each
    assert abs(first + take(vault, vault.lender) - 495 * vault.unit // 2) <= 2
    assert abs(take(vault, vault.other) - 495 * vault.unit // 2) <= 2
    vault.collect(2**255, 2**255)
    assert abs(take(vault, vault.lender) - 405 * vault.unit // 2) <= 3
    assert abs(take(vault, vault.other) - 405 * vault.unit // 2) <= 3
    # what the fund's shares claim is there
    worth = vault.read("convertToAssets", vault.read("balanceOf", vault.fund))
    assert worth <= vault.read("cash") <= worth + 4


def test_wind_down__max_redeem_is_exact(vault):
    shares = vault.read("maxRedeem", vault.lender)
    more = ("redeem", shares + 1, vault.lender, vault.lender)
    vault.refuses(PART, *more, sender=vault.lender)
    vault.act("redeem", shares, vault.lender, vault.lender)


def test_wind_down__who_redeemed_transfers_nothing(vault):
    """Neither to a fresh address, nor to itself, nor by an allowance, nor all that is left."""
    vault.act("transfer", vault.borrower, 10**6)
    take(vault, vault.lender)
    held = vault.read("balanceOf", vault.lender)
    vault.act("approve", vault.other, held, sender=vault.lender)
    for receiver in (vault.other, vault.borrower, vault.lender, vault.engine, vault.fund):
        for amount in (0, 1, held):
            vault.refuses(PARTLY, "transfer", receiver, amount)
    args = ("transferFrom", vault.lender, vault.other, 1)
    vault.refuses(PARTLY, *args, sender=vault.other)
    vault.refuses("balance too low", "transfer", vault.other, held + 1)


def test_wind_down__fresh_shares_move_and_take_their_turn_with_them(vault):
    """Who has redeemed may be given some, and redeems their part; they stay with him."""
    first = take(vault, vault.lender)
    held = vault.read("balanceOf", vault.other)
    vault.act("transfer", vault.lender, held // 3, sender=vault.other)
    more = take(vault, vault.lender)
    assert abs(more - first // 3) <= 2
    assert abs(take(vault, vault.other) - first * 2 // 3) <= 2
    vault.refuses(PARTLY, "transfer", vault.other, 1)


@pytest.fixture
def rewarded(new_world):
    """A fund's fee of 6 of which a reserve factor of 1 % makes a gain of 600; wound down before."""
    world = new_world(seed=100 * 10**18, reserve_factor=100)
    for who in (world.lender, world.other):
        world.act("deposit", 450 * world.unit, who, sender=who)
    world.lend(900 * world.unit)
    world.act("wind_down", sender=world.owner)
    world.collect(800 * world.unit, 2**255, 6 * world.unit)
    assert abs(world.read("fee_owed") - 6 * world.unit) <= 1
    return world


@pytest.mark.parametrize("is_settled", [False, True])
@pytest.mark.parametrize("amount", [1, 10**18, None])
def test_wind_down__the_fee_owed_takes_its_part_of_the_cash(rewarded, is_settled, amount):
    """Whether somebody settles it before, and however little a first withdrawal takes."""
    if is_settled:
        rewarded.act("settle_fee")
    lender, got = rewarded.lender, 0
    if amount is not None:
        rewarded.act("withdraw", amount, lender, lender)
        assert rewarded.read("fee_owed") <= 1
        got = amount
    got += take(rewarded, lender)
    # of 1,006 in all 906 are cash; the lenders' claim is 450 each, the fund's 106
    wanted = 906 * rewarded.unit * 450 // 1_006
    assert abs(got - wanted) <= 3
    assert abs(take(rewarded, rewarded.other) - wanted) <= 3


def test_wind_down__max_redeem_is_exact_with_a_fee_owed(rewarded):
    who, shares = rewarded.lender, rewarded.read("maxRedeem", rewarded.lender)
    rewarded.refuses(PART, "redeem", shares + 1, who, who)
    rewarded.act("redeem", shares, who, who)


def test_wind_down__a_loss_is_the_funds_first(vault):
    shares = vault.read("debt_shares")
    take(vault, vault.lender)
    vault.act("write_off", shares // 18, sender=vault.engine)  # 50
    vault.collect(2**255, 2**255)
    assert abs(take(vault, vault.lender) - 405 * vault.unit) <= 4
    assert abs(take(vault, vault.other) - 450 * vault.unit) <= 4
    worth = vault.read("convertToAssets", vault.read("balanceOf", vault.fund))
    assert abs(worth - 50 * vault.unit) <= 2


def test_wind_down__a_halt_goes_before_and_ends(vault):
    now = vault.host.now
    vault.act("set_level", 0, now + 3_600, 0, sender=vault.breaker)
    assert vault.read("level") == 2
    assert vault.read("maxWithdraw", vault.lender) == 0
    args = ("withdraw", 1, vault.lender, vault.lender)
    vault.refuses("vault is halted", *args, sender=vault.lender)
    vault.host.advance(3_600)
    assert vault.read("level") == 3
    take(vault, vault.lender)


def test_wind_down__a_caution_halves_nothing(vault):
    before = vault.read("maxWithdraw", vault.lender)
    vault.act("set_level", vault.host.now + 3_600, 0, 0, sender=vault.breaker)
    assert vault.read("maxWithdraw", vault.lender) == before
    assert vault.read("level") == 3


def test_wind_down__the_fee_owed_becomes_shares(new_world):
    world = new_world()
    world.act("deposit", 99 * world.unit, world.lender)
    world.lend(90 * world.unit)
    world.host.advance(10**7)
    fee, price = world.read("fee_owed"), world.read("convertToAssets", 10**24)
    receipt = world.act("wind_down", sender=world.owner)
    assert world.events(receipt, "SettleFee")[0]["assets"] == fee > 0
    assert world.read("fee_owed") == 0
    assert world.read("convertToAssets", 10**24) - price in (0, 1)


def test_wind_down__shares_redeemed_in_part_cannot_be_staked(vault):
    start = vault.host.snapshot()
    vault.stake("deposit", 10**24, vault.lender, sender=vault.lender)
    vault.host.restore(start)
    take(vault, vault.lender)
    refused = ("deposit", 10**24, vault.lender)
    vault.fund_refuses(PARTLY, *refused, sender=vault.lender)


def test_wind_down__stakers_leave_with_the_turn_that_waited(vault):
    vault.stake("deposit", 450 * 10**24, vault.other, sender=vault.other)
    take(vault, vault.lender)
    vault.stake("request_exit", vault.staked("balanceOf", vault.other), sender=vault.other)
    vault.host.advance(20 * 86_400)
    most = vault.staked("maxRedeem", vault.other)
    vault.stake("redeem", most, vault.other, vault.other, sender=vault.other)
    assert abs(take(vault, vault.other) - 45 * vault.unit) <= 2


def lose(world, assets):
    """Write off so much of a debt whose index is RAY."""
    world.act("write_off", assets, sender=world.engine)


@pytest.mark.parametrize("decimals", [6, 8, 18])
@pytest.mark.parametrize("slices", [0, 1, 3])
def test_wind_down__a_loss_leaves_nobody_ahead(new_world, decimals, slices):
    """Of 1,000, 100 the fund's, 100 are cash and 400 are lost: 600 for 900 shares that are left."""
    world = new_world(decimals, seed=100 * 10**decimals, reserve_factor=0)
    for who in (world.lender, world.other):
        world.act("deposit", 450 * world.unit, who, sender=who)
    world.lend(900 * world.unit)
    world.act("wind_down", sender=world.owner)
    got, near = 0, 2 * slices + 2
    for _ in range(slices):
        got += take(world, world.lender)
        lose(world, 400 * world.unit // slices)
    if slices == 0:
        lose(world, 400 * world.unit)
    elif slices == 1:
        assert 45 * world.unit - 1 <= got <= 45 * world.unit
    got += take(world, world.lender)
    assert abs(got - 50 * world.unit) <= near
    assert world.read("balanceOf", world.fund) <= 10**6 * near
    world.collect(2**255, 2**255)
    got += take(world, world.lender)
    rest = take(world, world.other)
    assert abs(got - 300 * world.unit) <= near
    assert abs(rest - 300 * world.unit) <= near
    assert world.read("cash") <= near


def test_wind_down__shares_beyond_the_claim_are_worth_nothing(vault):
    """45 at 1 and 255 at 2/3: 427.5 of 450 shares are burnt."""
    take(vault, vault.lender)
    lose(vault, 400 * vault.unit)
    fresh = vault.read("balanceOf", vault.other)
    assert abs(vault.read("convertToAssets", fresh) - 300 * vault.unit) <= 1
    assert vault.read("totalAssets") == vault.read("cash") + vault.read("debt_assets")
    vault.collect(2**255, 2**255)
    assert abs(vault.read("maxWithdraw", vault.other) - 300 * vault.unit) <= 1
    take(vault, vault.lender)
    left = vault.read("balanceOf", vault.lender)
    assert abs(left - 225 * 10**5 * vault.unit) <= 4 * 10**6
    assert vault.read("maxWithdraw", vault.lender) <= 1
    assert vault.read("maxRedeem", vault.lender) <= 10**7
    vault.refuses(PART, "redeem", left, vault.lender, vault.lender)
    vault.refuses(PARTLY, "transfer", vault.other, 1)
    # fresh ones given to him are worth what they are worth to others
    vault.act("transfer", vault.lender, fresh // 3, sender=vault.other)
    assert abs(take(vault, vault.lender) - 100 * vault.unit) <= 3
    assert abs(take(vault, vault.other) - 200 * vault.unit) <= 3


def test_wind_down__payments_leave_the_price_as_it_is(vault):
    one = 10**6 * vault.unit
    assert vault.read("convertToAssets", one) == vault.unit
    for _ in range(2):
        for who in (vault.lender, vault.other):
            take(vault, who)
            assert vault.read("convertToAssets", one) == vault.unit
            assert vault.read("previewWithdraw", vault.unit) == one
            assert vault.read("previewRedeem", one) == vault.unit
        vault.collect(100 * vault.unit, 2**255)
    # 105 of 1,000 beyond the fund's 100: all shares, those redeemed too, fall by it
    lose(vault, 190 * vault.unit)
    assert abs(vault.read("convertToAssets", one) - 9 * vault.unit // 10) <= 1


@pytest.mark.parametrize("decimals", [6, 8, 18])
def test_wind_down__one_unit(new_world, decimals):
    """Of three units with one each one is lent and lost, after one lender took what he could."""
    world = new_world(decimals, seed=1, reserve_factor=0)
    for who in (world.lender, world.other):
        world.act("deposit", 1, who, sender=who)
    world.lend(1)
    world.act("wind_down", sender=world.owner)
    # two units for three: a part below one
    assert take(world, world.lender) == take(world, world.other) == 0
    lose(world, 1)
    # the fund's share is burnt for it
    assert world.read("balanceOf", world.fund) == 0
    assert take(world, world.lender) == take(world, world.other) == 1
    assert world.read("cash") == world.read("totalSupply") == 0
    world.refuses("balance too low", "redeem", 1, world.lender, world.lender)


def test_wind_down__everything_is_lost(vault):
    first = take(vault, vault.lender)
    lose(vault, vault.read("debt_shares"))
    # 100 for the 900 of the lenders: 50 each
    assert abs(first + take(vault, vault.lender) - 50 * vault.unit) <= 2
    assert abs(take(vault, vault.other) - 50 * vault.unit) <= 2
    assert vault.read("cash") <= 3


def shuffled(world, dice):
    """Withdrawals, payments, fees, losses and transfers of shares of which none was redeemed.
    By holder, the shares he had and got, and what he took.
    """
    people = [world.lender, world.other, world.borrower]
    had, got = Counter({who: world.read("balanceOf", who) for who in people}), Counter()
    for _ in range(60):
        who, most = dice.choice(people), world.read("debt_shares")
        what = dice.choice(["take", "part", "redeem", "collect", "lose", "give"])
        worth = world.read("maxWithdraw", who)
        if what == "take":
            got[who] += take(world, who)
        elif what == "part" and worth:
            part = dice.randint(1, worth)
            world.act("withdraw", part, who, who, sender=who)
            got[who] += part
        elif what == "redeem":
            shares = world.read("maxRedeem", who)
            if shares:
                got[who] += world.act("redeem", shares, who, who, sender=who).value
        elif what == "collect" and most:
            fee = dice.choice([0, dice.randint(1, world.unit)])
            world.collect(2**255, dice.randint(1, 1 + most // 4), fee)
        elif what == "lose" and most and dice.random() < 0.4:
            lose(world, dice.randint(1, 1 + most // 8))
        elif what == "give" and not got[who]:
            amount, receiver = dice.randint(0, had[who]), dice.choice(people)
            world.act("transfer", receiver, amount, sender=who)
            had[who] -= amount
            had[receiver] += amount
    return had, got


@pytest.mark.parametrize("reserve_factor", [0, 100, 1_700])
@pytest.mark.parametrize("decimals", [6, 8, 18])
@pytest.mark.parametrize("seed", range(4))
def test_wind_down__each_share_gets_the_same_in_all(new_world, decimals, reserve_factor, seed):
    dice = random.Random(f"{decimals} {reserve_factor} {seed}")
    world = new_world(
        decimals, seed=dice.randint(1, 200) * 10**decimals, reserve_factor=reserve_factor
    )
    for who in (world.lender, world.other):
        world.act("deposit", dice.randint(1, 500 * world.unit), who, sender=who)
    world.lend(world.read("cash") * dice.randint(50, 100) // 100)
    world.act("wind_down", sender=world.owner)
    had, got = shuffled(world, dice)
    world.collect(2**255, 2**255)
    world.act("settle_fee")
    for _ in range(2):
        for who in had:
            got[who] += take(world, who)
    there = sum(got.values()) + world.read("cash")
    waits = world.read("balanceOf", world.fund)
    every = sum(had.values()) + waits
    for who in had:
        assert abs(got[who] - had[who] * there // every) <= 20
    assert abs(world.read("cash") - waits * there // every) <= 20
