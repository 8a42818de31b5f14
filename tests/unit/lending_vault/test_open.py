"""Opening a vault and its configuration; the ranges are the configurator's, see there."""

import pytest

from breakwater.model import vault_books
from tests.vault_world import packed


def test_open__seed_belongs_to_fund(world):
    assert world.read("balanceOf", world.fund) == world.seed * 10**6
    assert world.read("fund") == world.fund
    assert world.read("cash") == world.seed


def test_open__again_reverts(world):
    args = (world.fund, 1, *packed(world.config))
    world.refuses("vault is open already", "open", *args, sender=world.owner)


def test_open__before_it_nothing_moves(new_world):
    world = new_world(opened=False)
    world.refuses("vault is not open", "deposit", 1, world.lender)
    world.refuses("vault is not open", "mint", 10**6, world.lender)
    word = packed(world.config)
    world.refuses("vault is not open", "write_config", *word, sender=world.owner)
    world.refuses("vault is not open", "wind_down", sender=world.owner)
    world.refuses("not enough cash", "lend", 1, world.borrower, sender=world.engine)
    assert world.read("maxDeposit", world.lender) == world.read("maxMint", world.lender) == 0
    assert world.read("config") == (0, 0)


def test_open__nothing_accrues_before_it(new_world):
    world = new_world(opened=False)
    world.host.advance(10**7)
    assert world.act("accrue").value == world.read("debt_index") == 10**27
    world.host.advance(10**7)
    world.act("open", world.fund, world.unit, *packed(world.config), sender=world.owner)
    assert world.read("rate_at_target") == 400 * 10**14 // (365 * 86_400)


@pytest.mark.parametrize("function", ["open", "write_config", "wind_down"])
def test_owner__others_are_refused(world, function):
    args = {"open": (world.fund, 1, 0, 0), "write_config": (0, 0), "wind_down": ()}[function]
    world.refuses("ownable: caller is not the owner", function, *args)


def told(world):
    """The configuration in words."""
    return vault_books.unpacked(*world.read("config"))._asdict()


def test_write_config__keeps_all_fields(world):
    config = {
        "reserve_factor": 5_000,
        "target_utilization": 9_900,
        "steepness": 100_000,
        "adjustment_speed": 1_000_000,
        "initial_rate": 20_000,
        "min_rate": 20_000,
        "max_rate": 20_000,
        "flash_fee": 100,
        "min_adaptive_debt": 65_535 << 40,
        "deposit_cap": 32_769 << 80,
        "debt_cap": 65_535 << 64,
        "limit_floor": 12_345,
        "outflow_limit": 100,
        "growth_limit": 99,
    }
    world.configure(**config)
    assert told(world) == config


def test_write_config__amounts_keep_sixteen_bits(world):
    world.configure(deposit_cap=123_456_789, debt_cap=2**255)
    kept = told(world)
    assert kept["deposit_cap"] == 123_456_789 >> 11 << 11
    assert kept["debt_cap"] == 65_535 << 88


def test_write_config__charges_old_fee_until_now(world):
    world.act("deposit", 99 * world.unit, world.lender)
    world.lend(90 * world.unit)
    world.host.advance(10**7)
    fee, price = world.read("fee_owed"), world.read("convertToAssets", 10**24)
    assert fee > 0
    receipt = world.configure(reserve_factor=5_000)
    assert world.events(receipt, "SettleFee")[0]["assets"] == fee
    assert world.read("fee_owed") == 0
    assert world.read("convertToAssets", 10**24) - price in (0, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"reserve_factor": 0},
        {"reserve_factor": 5_000},
        {"target_utilization": 1_000},
        {"target_utilization": 9_900},
        {"steepness": 10_000},
        {"steepness": 100_000},
        {"adjustment_speed": 0},
        {"adjustment_speed": 1_000_000},
        {"min_rate": 1},
        {"max_rate": 20_000},
        {"max_rate": 400},
        {"min_rate": 400},
        {"flash_fee": 0},
        {"flash_fee": 1},
        {"flash_fee": 64},
        {"flash_fee": 100},
    ],
)
def test_write_config__ends_of_the_ranges(world, changes):
    world.configure(**changes)
    assert told(world) == {**world.config, "deposit_cap": 2**100, "debt_cap": 2**100}
    fee = changes.get("flash_fee", 0)
    assert world.read("flashFee", world.token, 10**6) == 10**6 * fee // 10_000
