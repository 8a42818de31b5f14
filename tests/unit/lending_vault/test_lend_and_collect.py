"""Loans, payments, interest and losses. Expected values are worked out here with integers."""

from fractions import Fraction

import pytest

RAY = 10**27
YEAR = 365 * 86_400


def taylor(rate, seconds):
    """1 + x + x^2/2 + x^3/6 for x = rate * seconds / 10**18."""
    x = Fraction(rate * seconds, 10**18)
    return 1 + x + x**2 / 2 + x**3 / 6


@pytest.fixture
def busy(new_world):
    """100 units, 90 of them lent: at target."""
    world = new_world()
    world.act("deposit", 99 * world.unit, world.lender)
    assert world.lend(90 * world.unit) == 90 * world.unit
    return world


def test_lend__only_engine(busy):
    busy.refuses("caller is not the engine", "lend", 1, busy.borrower)
    busy.refuses("caller is not the engine", "collect", 1, 1, busy.borrower, 0)
    busy.refuses("caller is not the engine", "write_off", 1)


def test_lend__limits(busy):
    lend = ("lend",)
    busy.refuses("amount is zero", *lend, 0, busy.borrower, sender=busy.engine)
    busy.refuses("not enough cash", *lend, 10 * busy.unit + 1, busy.borrower, sender=busy.engine)
    busy.configure(debt_cap=91 * busy.unit)
    # kept to 16 bits
    room = (91 * busy.unit >> 51 << 51) - 90 * busy.unit
    busy.refuses("debt cap is reached", *lend, room + 1, busy.borrower, sender=busy.engine)
    busy.lend(room)


def test_interest__one_year_at_target(busy):
    rate = 4 * 10**16 // YEAR
    assert busy.read("utilization") == 9 * 10**17
    assert busy.read("borrow_rate") == rate
    busy.host.advance(YEAR)
    growth = taylor(rate, YEAR)
    assert 0 <= growth * RAY - busy.read("debt_index") < 3
    debt = 90 * busy.unit * busy.read("debt_index") // RAY
    assert busy.read("debt_assets") == debt
    gain = debt - 90 * busy.unit
    assert busy.read("fee_owed") == gain // 10
    assert busy.read("totalAssets") == 100 * busy.unit + gain - gain // 10


def test_interest__a_century_at_the_highest_rate_saturates(new_world):
    world = new_world(min_rate=20_000, initial_rate=20_000, steepness=100_000)
    world.act("deposit", 99 * world.unit, world.lender)
    world.lend(100 * world.unit)
    world.host.advance(100 * YEAR)
    assert world.read("debt_index") == 2**112 - 1
    world.act("accrue")
    world.act("settle_fee")
    world.collect(10**6, 10**18, 5)
    world.act("write_off", world.read("debt_shares"), sender=world.engine)
    assert world.read("debt_assets") == 0


def test_collect__rounds_for_the_vault(busy):
    busy.host.advance(YEAR)
    index = busy.read("debt_index")
    taken, shares = busy.collect(10**18, 10**30)
    assert (taken, shares) == (10**18, 10**18 * RAY // index)
    left = 90 * busy.unit - shares
    assert busy.collect(2**256 - 1, left) == (-(-left * index // RAY), left)
    assert busy.read("debt_shares") == 0
    assert busy.read("cash") == busy.tokens(busy.vault)


def test_collect__fund_fee_is_owed_and_becomes_fund_shares(busy):
    """What the liquidator pays for the fund is the fund's, to the unit, and lowers no share."""
    busy.host.advance(YEAR)
    supply, assets = busy.read("totalSupply") + 10**6, busy.read("totalAssets") + 1
    owed = busy.read("fee_owed")
    held = busy.read("balanceOf", busy.fund)
    busy.collect(10**18, 10**30, 10**15)
    assert 10**15 - 1 <= busy.read("fee_owed") - owed <= 10**15
    assert assets <= busy.read("totalAssets") + 1 <= assets + 2
    busy.act("settle_fee")
    due = owed + 10**15
    assert due - 2 <= (busy.read("balanceOf", busy.fund) - held) * assets // supply <= due
    assert busy.read("cash") == busy.tokens(busy.vault)


def test_collect__fund_fee_without_reserve_factor_is_minted(new_world):
    world = new_world(seed=90 * 10**18, reserve_factor=0)
    world.act("deposit", 810 * world.unit, world.lender)
    world.lend(100 * world.unit)
    world.host.advance(YEAR)
    supply, assets = world.read("totalSupply") + 10**6, world.read("totalAssets") + 1
    held = world.read("balanceOf", world.fund)
    world.collect(10**18, 10**30, 10**15)
    assert world.read("balanceOf", world.fund) - held == 10**15 * supply // assets
    assert world.read("fee_owed") == 0


def test_collect__fund_fee_above_what_the_base_can_owe_is_minted(busy):
    """A payment whose gain would exceed all that was deposited."""
    supply, assets = busy.read("totalSupply") + 10**6, busy.read("totalAssets") + 1
    fee = assets // 2
    held = busy.read("balanceOf", busy.fund)
    busy.collect(10**18, 10**30, fee)
    assert busy.read("balanceOf", busy.fund) - held == fee * supply // assets


def test_collect__works_at_halt(busy):
    end = busy.host.now + 86_400
    busy.act("set_level", end, end, 0, sender=busy.breaker)
    busy.refuses("vault is halted", "lend", 1, busy.borrower, sender=busy.engine)
    busy.refuses("vault is halted", "withdraw", 1, busy.lender, busy.lender)
    busy.refuses("vault is halted", "deposit", 1, busy.lender)
    busy.collect(1, 1)
    busy.act("write_off", 1, sender=busy.engine)
    busy.act("accrue")


def test_lend__caution_reverts_until_it_expires(busy):
    busy.act("set_level", busy.host.now + 100, 0, 0, sender=busy.breaker)
    busy.refuses("vault is in caution", "lend", 1, busy.borrower, sender=busy.engine)
    busy.act("withdraw", 1, busy.lender, busy.lender)
    busy.host.advance(100)
    busy.lend(1)


def test_write_off__fund_of_90_in_900_pays_40_with_36(new_world):
    """SOLV-9. 900 shares worth 1,000: a loss of 40 burns 36 of the fund's 90."""
    world = new_world(seed=90 * 10**18, reserve_factor=0)
    world.act("deposit", 810 * world.unit, world.lender)
    world.lend(900 * world.unit)
    while world.read("totalAssets") < 1_000 * world.unit:
        world.host.advance(86_400)
    supply, assets = world.read("totalSupply") + 10**6, world.read("totalAssets") + 1
    index = world.read("debt_index")
    shares = 40 * world.unit * RAY // index
    loss = -(-shares * index // RAY)
    receipt = world.act("write_off", shares, sender=world.engine)
    burnt = -(-loss * supply // assets)
    assert burnt == pytest.approx(36 * 10**24, rel=0.01)
    assert world.events(receipt, "WriteOff") == [
        {
            "shares": shares,
            "loss": loss,
            "fund_loss": loss,
            "lender_loss": 0,
            "fund_shares": burnt,
        }
    ]
    after = Fraction(world.read("totalAssets") + 1, world.read("totalSupply") + 10**6)
    assert after >= Fraction(assets, supply)


def test_write_off__beyond_the_fund_lowers_every_share(busy):
    supply, assets = busy.read("totalSupply") + 10**6, busy.read("totalAssets") + 1
    receipt = busy.act("write_off", 30 * busy.unit, sender=busy.engine)
    (event,) = busy.events(receipt, "WriteOff")
    held = busy.seed * 10**6
    assert event["fund_shares"] == held
    assert event["fund_loss"] == held * assets // supply
    assert event["fund_loss"] + event["lender_loss"] == event["loss"] == 30 * busy.unit
    assert busy.read("balanceOf", busy.fund) == 0


def test_write_off__of_everything_closes_the_vault(new_world):
    world = new_world()
    world.act("deposit", 99 * world.unit, world.lender)
    world.lend(100 * world.unit)
    world.act("write_off", 100 * world.unit, sender=world.engine)
    assert world.read("totalAssets") == 0
    assert world.read("maxDeposit", world.lender) == 0
    world.refuses("vault is closed", "deposit", world.unit, world.lender)


def test_settle_fee__moves_no_price(busy):
    busy.host.advance(YEAR)
    shares, price = busy.read("fee_shares"), busy.read("convertToAssets", 10**30)
    assert busy.act("settle_fee", sender=busy.other).value == shares
    assert busy.read("balanceOf", busy.fund) == busy.seed * 10**6 + shares
    assert 0 <= busy.read("convertToAssets", 10**30) - price < 10**6
    assert busy.read("fee_owed") == 0


def test_settle_fee__often_loses_no_fee(new_world):
    """6 decimals and a settlement every second: each gain alone is below a unit of fee."""
    often, once = (new_world(decimals=6, adjustment_speed=0) for _ in range(2))
    for world in (often, once):
        world.act("deposit", 999 * world.unit, world.lender)
        world.lend(900 * world.unit)
    for _ in range(500):
        often.host.advance(1)
        often.act("settle_fee")
    once.host.advance(500)
    once.act("settle_fee")
    minted = [w.read("balanceOf", w.fund) - w.seed * 10**6 for w in (often, once)]
    assert minted[1] > 0
    # what is short of a whole unit of the asset is still owed
    assert abs(minted[0] - minted[1]) <= 10**6


def test_write_off__dust_of_the_fund_is_burnt_for_nothing(busy):
    """The fund's last shares are worth less than a unit: they go, and pay for nothing."""
    busy.host.advance(YEAR)
    busy.act("settle_fee")
    index = busy.read("debt_index")
    supply, assets = busy.read("totalSupply") + 10**6, busy.read("totalAssets") + 1
    worth = busy.read("balanceOf", busy.fund) * assets // supply
    shares = worth * RAY // index
    loss = -(-shares * index // RAY)
    assert loss == worth
    left = busy.read("balanceOf", busy.fund) - -(-loss * supply // assets)
    assert 0 < left < supply // assets
    busy.act("write_off", shares, sender=busy.engine)
    assert busy.read("balanceOf", busy.fund) == left

    receipt = busy.act("write_off", busy.unit, sender=busy.engine)
    (event,) = busy.events(receipt, "WriteOff")
    loss = -(-busy.unit * index // RAY)
    assert event == {
        "shares": busy.unit,
        "loss": loss,
        "fund_loss": 0,
        "lender_loss": loss,
        "fund_shares": left,
    }
    zero = "0x" + "00" * 20
    assert busy.events(receipt, "Transfer") == [
        {"sender": busy.fund, "receiver": zero, "value": left}
    ]
    # nothing is left to burn
    receipt = busy.act("write_off", busy.unit, sender=busy.engine)
    assert busy.events(receipt, "Transfer") == []


def test_write_off__of_nothing_does_nothing(busy):
    busy.host.advance(YEAR)
    receipt = busy.act("write_off", 0, sender=busy.engine)
    assert (receipt.value, list(receipt.logs)) == (0, [])


def test_redeem__of_gains_pays_the_fund_its_part_first(busy):
    """Who takes out more than was ever paid in leaves no fee to be owed on it twice."""
    busy.host.advance(YEAR)
    index = busy.read("debt_index")
    gain = -(-90 * busy.unit * index // RAY) - 90 * busy.unit
    busy.collect(2**256 - 1, 90 * busy.unit)
    owed, fee_shares = busy.read("fee_owed"), busy.read("fee_shares")
    assert owed == gain // 10
    shares = busy.read("balanceOf", busy.lender)
    # 99 of the 100 units, and of nine tenths of the gain
    supply, assets = 100 * busy.unit * 10**6 + 10**6, 100 * busy.unit + gain - owed + 1
    worth = shares * assets // supply
    assert worth > 100 * busy.unit
    receipt = busy.act("redeem", shares, busy.lender, busy.lender)
    assert receipt.value == worth
    assert busy.events(receipt, "SettleFee") == [{"assets": owed, "shares": fee_shares}]
    assert busy.read("fee_owed") == 0
    assert busy.read("totalAssets") == 100 * busy.unit + gain - worth
