"""A share worth more than a unit of the asset: small amounts mint nothing."""

import pytest

YEAR = 365 * 86_400


@pytest.fixture
def dear(new_world):
    """Nine tenths were lent until the index could grow no more: 5,192,296 times."""
    world = new_world(
        decimals=6, seed=1_000, reserve_factor=0, adjustment_speed=0,
        initial_rate=20_000, min_rate=20_000, max_rate=20_000,
    )  # fmt: skip
    world.lend(900)
    for _ in range(11):
        world.host.advance(YEAR)
        world.act("accrue")
    world.total, world.shares = world.read("totalAssets"), world.read("totalSupply")
    # 10**6 virtual shares, and one virtual unit
    assert 4 * (world.shares + 10**6) < world.total + 1 <= 5 * (world.shares + 10**6)
    return world


def test_deposit__of_less_than_a_share_reverts(dear):
    dear.refuses("zero shares", "deposit", 4, dear.lender)
    dear.refuses("zero shares", "deposit", 1, dear.lender)
    assert dear.act("deposit", 5, dear.lender).value == 1
    assert dear.read("balanceOf", dear.lender) == 1


def test_max_deposit__is_nothing_where_the_room_is_less_than_a_share(dear):
    cap = 1 << (dear.total - 1).bit_length()
    dear.configure(deposit_cap=cap, debt_cap=cap)
    dear.act("deposit", cap - dear.total - 1, dear.lender)
    assert dear.read("totalAssets") == cap - 1
    assert dear.read("maxDeposit", dear.other) == 0
    assert dear.read("maxMint", dear.other) == 0
