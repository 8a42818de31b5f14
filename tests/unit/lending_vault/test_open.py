"""Opening a vault, its caps and its configuration."""

import pytest


def test_open__seed_belongs_to_fund(world):
    assert world.read("balanceOf", world.fund) == world.seed * 10**6
    assert world.read("fund") == world.fund
    assert world.read("cash") == world.seed


def test_open__again_reverts(world):
    world.refuses("vault is open already", "open", world.fund, 1, 1, 1, sender=world.owner)


def test_open__before_it_nothing_moves(new_world):
    world = new_world(opened=False)
    world.refuses("vault is not open", "deposit", 1, world.lender)
    world.refuses("vault is not open", "mint", 10**6, world.lender)
    world.refuses("vault is not open", "set_caps", 1, 1, sender=world.owner)
    world.refuses("not enough cash", "lend", 1, world.borrower, sender=world.engine)
    assert world.read("maxDeposit", world.lender) == world.read("maxMint", world.lender) == 0


def test_open__token_with_fee_reverts(new_world):
    world = new_world(token="OddTokenMock", opened=False)
    world.host.transact(
        world.token, "OddTokenMock", "set_odds", [1, 10, False, False], sender=world.owner
    )
    args = (world.fund, 10**18, 10**24, 10**24)
    world.refuses("token takes a fee", "open", *args, sender=world.owner)


def test_open__foreign_fund_reverts(new_world):
    world = new_world(opened=False)
    foreign = world.host.deploy("InsuranceFund", world.token, "F", "F", sender=world.owner)
    for fund in (foreign, "0x" + "0" * 40):
        world.refuses("fund is of another vault", "open", fund, 1, 1, 1, sender=world.owner)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("reserve_factor", 5_001, "reserve factor out of range"),
        ("target_utilization", 999, "target out of range"),
        ("target_utilization", 9_901, "target out of range"),
        ("steepness", 9_999, "steepness out of range"),
        ("steepness", 100_001, "steepness out of range"),
        ("adjustment_speed", 1_000_001, "speed out of range"),
        ("min_rate", 0, "rate bounds out of range"),
        ("max_rate", 20_001, "rate bounds out of range"),
        ("initial_rate", 9, "initial rate out of range"),
        ("flash_fee", 101, "flash fee out of range"),
    ],
)
def test_set_config__out_of_range_reverts(world, field, value, reason):
    config = tuple({**world.config, field: value}.values())
    world.refuses(reason, "set_config", config, sender=world.owner)


def test_set_config__keeps_caps_and_all_fields(world):
    caps = world.read("caps")
    config = (
        5_000,
        9_900,
        100_000,
        1_000_000,
        20_000,
        20_000,
        20_000,
        100,
        123_456_789_012 * 10**9,
    )
    world.act("set_config", config, sender=world.owner)
    assert tuple(world.read("config")) == config
    assert world.read("caps") == caps


def test_set_config__charges_old_fee_until_now(world):
    world.act("deposit", 99 * world.unit, world.lender)
    world.lend(90 * world.unit)
    world.host.advance(10**7)
    fee, price = world.read("fee_owed"), world.read("convertToAssets", 10**24)
    assert fee > 0
    config = tuple({**world.config, "reserve_factor": 5_000}.values())
    receipt = world.act("set_config", config, sender=world.owner)
    assert world.events(receipt, "SettleFee")[0]["assets"] == fee
    assert world.read("fee_owed") == 0
    assert world.read("convertToAssets", 10**24) - price in (0, 1)


def test_set_caps__keeps_twelve_digits(world):
    world.act("set_caps", 123_456_789_012_345, 2**255, sender=world.owner)
    assert world.read("caps") == (123_456_789_012_300, 2_028_240_960_365 * 10**19)


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
def test_set_config__ends_of_the_ranges(world, changes):
    config = tuple({**world.config, **changes}.values())
    world.act("set_config", config, sender=world.owner)
    assert tuple(world.read("config")) == config
    fee = changes.get("flash_fee", 0)
    assert world.read("flashFee", world.token, 10**6) == 10**6 * fee // 10_000


@pytest.mark.parametrize(
    "changes",
    [
        {"initial_rate": 401, "max_rate": 400},
        {"initial_rate": 399, "min_rate": 400},
    ],
)
def test_set_config__initial_rate_beyond_its_bounds_reverts(world, changes):
    config = tuple({**world.config, **changes}.values())
    world.refuses("initial rate out of range", "set_config", config, sender=world.owner)
