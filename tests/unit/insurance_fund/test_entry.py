"""Entering the fund: the reserve, the fee settled first, the closed fund."""

import pytest


def test_deposit__first_staker_gets_nothing_of_the_seed(world):
    world.act("deposit", 1_000 * world.unit, world.lender)
    reserve = world.seed * 10**6
    assert world.staked("totalAssets") == reserve
    assert world.staked("reserve_shares") == reserve + 1
    for amount in (1, 10**12, 3 * reserve):
        shares = world.stake("deposit", amount, world.lender).value
        assert shares == amount
        assert world.staked("convertToAssets", shares) == amount


def test_deposit__settles_the_fee_first(world):
    world.act("deposit", 1_000 * world.unit, world.lender)
    world.stake("deposit", 10**20, world.lender)
    world.lend(900 * world.unit)
    world.host.advance(10**7)
    owed, expected = world.read("fee_shares"), world.staked("previewDeposit", 10**20)
    assert owed > 0
    assert expected < 10**20
    worth = world.staked("convertToAssets", world.staked("balanceOf", world.lender))
    assert world.stake("deposit", 10**20, world.lender).value == expected
    assert world.read("fee_shares") == 0
    # the newcomer has no part in what was earned before; a fund share is worth 2 vault shares
    assert world.staked("convertToAssets", expected) in range(10**20 - 3, 10**20 + 1)
    held = world.staked("balanceOf", world.lender) - expected
    assert abs(world.staked("convertToAssets", held) - worth) <= 1


def test_mint__costs_what_the_preview_says(world):
    world.act("deposit", 1_000 * world.unit, world.lender)
    world.lend(900 * world.unit)
    world.host.advance(10**7)
    expected = world.staked("previewMint", 10**20)
    assert world.stake("mint", 10**20, world.lender).value == expected


def test_deposit__without_reserve_reverts(new_world):
    world = new_world(seed=10**6 - 1)
    world.act("deposit", world.unit, world.lender)
    world.fund_refuses("fund has no reserve", "deposit", 10**18, world.lender)
    assert world.staked("maxDeposit", world.lender) == world.staked("maxMint", world.lender) == 0


def test_deposit__into_a_slashed_fund_reverts(world):
    world.act("deposit", 1_000 * world.unit, world.lender)
    world.stake("deposit", 10**24, world.lender)
    world.lend(900 * world.unit)
    world.act("write_off", 900 * world.unit, sender=world.engine)
    assert world.staked("totalAssets") == 0
    world.fund_refuses("fund is closed", "deposit", 10**9, world.lender)
    assert world.staked("maxDeposit", world.lender) == world.staked("maxMint", world.lender) == 0


@pytest.mark.parametrize("more", [0, 1])
def test_deposit__into_a_fund_slashed_to_the_limit(world, more):
    """With a million fund shares to a vault share it is open; a unit of loss more closes it."""
    world.act("deposit", 1_000 * world.unit, world.lender)
    world.stake("deposit", 10**24 - 1, world.lender)
    fund_shares = world.staked("totalSupply") + world.staked("reserve_shares")
    limit = fund_shares // 10**6 - 1  # and one virtual vault share
    loss = (world.read("balanceOf", world.fund) - limit) // 10**6
    world.lend(loss + more)
    world.act("write_off", loss + more, sender=world.engine)
    assert world.read("balanceOf", world.fund) == limit - more * 10**6
    assert fund_shares % 10**6 == 0
    if more:
        world.fund_refuses("fund is closed", "deposit", 10**9, world.lender)
        assert world.staked("maxDeposit", world.lender) == 0
        return
    assert world.staked("maxDeposit", world.lender) > 0
    assert world.stake("deposit", 10**9, world.lender).value == 10**15


def test_any_amount__has_a_reason(world):
    world.fund_refuses("amount is too large", "deposit", 2**256 - 1, world.lender)
    world.fund_refuses("amount is too large", "mint", 2**256 - 1, world.lender)
    args = (2**256 - 1, world.lender, world.lender)
    world.fund_refuses("amount is too large", "withdraw", *args)
    world.fund_refuses("balance too low", "redeem", *args)
