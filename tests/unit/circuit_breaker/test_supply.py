"""The sensor SUPPLY: a growth of the issuer's supply that stays halts the asset."""

import random

import pytest

from breakwater.model.breaker import SupplyGrowth

MINUTE = 60
HOUR = 3_600
DAY = 86_400
SUPPLY = 16
WHOLE = 10**24
NONE = 2**112 - 1


def test_supply__minted_and_held_trips_at_the_second_poke(world):
    world.watch(WHOLE)
    assert world.poked_at(2 * WHOLE) == []
    assert world.levels() == (0, 0, 0)
    world.host.advance(10 * MINUTE - 1)
    assert world.poked_at(2 * WHOLE) == []
    world.host.advance(1)
    event = world.poke(0).event("Trip")
    until = world.host.now + DAY
    assert (event.asset, event.reason, event.level, event.until) == (
        world.asset, SUPPLY, 2, until,
    )  # fmt: skip
    assert world.latch("SUPPLY") == (2, until)
    # of the asset, not of the vault: who lends it has not lost anything yet
    assert world.risk.read("latched", world.asset) == (0, until, 0)
    assert world.levels() == (2, 2, 0)


def test_supply__flash_minted_poked_and_burnt_trips_nothing(world):
    world.watch(WHOLE)
    before = world.growth()
    assert world.flash_mint(100 * WHOLE).events("Trip") == []
    assert world.growth()[5] == world.host.now
    world.host.advance(10 * MINUTE)
    assert world.poked_at(WHOLE) == []
    assert world.growth()[5] == 0
    assert world.growth()[1] == before[1]
    world.host.advance(10 * MINUTE)
    # and it begins anew: a second one is a first one again
    assert world.flash_mint(100 * WHOLE).events("Trip") == []
    assert world.levels() == (0, 0, 0)


def test_supply__no_flash_mint_raises_the_reference(world):
    """At every hour of three days, while somebody else pokes once a day."""
    world.watch(WHOLE)
    for hour in range(72):
        world.host.advance(HOUR)
        world.flash_mint(100 * WHOLE)
        if hour % 24 == 11:
            world.poked_at(WHOLE)
        assert world.growth()[1] == WHOLE
    world.poked_at(WHOLE)
    assert world.poked_at(2 * WHOLE) == []
    world.host.advance(10 * MINUTE)
    assert world.poked_at(2 * WHOLE) == [SUPPLY]


def test_supply__first_reference_is_the_least_of_its_day(world):
    world.token.send("set_supply", WHOLE)
    world.send("set_supply_limit", world.asset, 1_000, sender=world.owner)
    assert world.growth() == (1_000, NONE, 0, 0, 0, 0)
    world.flash_mint(100 * WHOLE)
    world.host.advance(HOUR)
    assert world.poked_at(WHOLE) == []
    world.host.advance(23 * HOUR)
    world.flash_mint(100 * WHOLE)
    assert world.growth()[:2] == (1_000, WHOLE)


def test_supply__burnt_and_minted_again_lowers_no_reference(world):
    """Redeeming most of a supply for one poke makes what was there all along no growth."""
    world.watch(WHOLE)
    for _ in range(5):
        world.host.advance(12 * HOUR)
        world.flash_mint(WHOLE // 2)
        assert world.poked_at(WHOLE) == []
        assert world.growth()[1] == WHOLE
    assert world.levels() == (0, 0, 0)


def test_supply__poke_in_each_block_neither_delays_nor_hastens(world):
    world.watch(WHOLE)
    start = world.host.now
    for second in range(0, 10 * MINUTE, 12):
        assert world.poked_at(2 * WHOLE) == [], second
        world.host.advance(12)
    assert world.host.now == start + 10 * MINUTE
    assert world.poked_at(2 * WHOLE) == [SUPPLY]


def test_supply__absent_between_begins_anew(world):
    world.watch(WHOLE)
    world.poked_at(2 * WHOLE)
    world.host.advance(9 * MINUTE)
    world.poked_at(WHOLE)
    world.host.advance(MINUTE)
    assert world.poked_at(2 * WHOLE) == []
    world.host.advance(9 * MINUTE)
    assert world.poked_at(2 * WHOLE) == []
    world.host.advance(MINUTE)
    assert world.poked_at(2 * WHOLE) == [SUPPLY]


@pytest.mark.parametrize("limit", [10, 1_000, 10_000])
def test_supply__limit_itself_is_no_excess(world, limit):
    world.watch(WHOLE, limit)
    most = WHOLE * (10_000 + limit) // 10_000
    assert world.poked_at(most) == []
    assert world.growth()[5] == 0
    assert world.poked_at(most + 1) == []
    assert world.growth()[5] == world.host.now


def test_supply__ends_as_the_reference_catches_up(world):
    """At most two days, then the last halt: three in all, with a poke an hour."""
    world.watch(WHOLE)
    start = world.host.now
    halted = 0
    while True:
        world.poked_at(3 * WHOLE)
        if world.growth()[5]:
            caught_up = world.host.now - start
        if halted and world.levels() == (0, 0, 0):
            break
        halted = max(halted, world.levels()[0])
        world.host.advance(HOUR)
    assert halted == 2
    assert caught_up <= 2 * DAY
    assert world.host.now - start <= 3 * DAY
    assert world.growth()[1] == 3 * WHOLE
    assert world.poked_at(33 * WHOLE // 10) == []
    assert world.growth()[5] == 0


def test_supply__good_supply_shortens_nothing(world):
    world.watch(WHOLE)
    world.poked_at(2 * WHOLE)
    world.host.advance(10 * MINUTE)
    world.poked_at(2 * WHOLE)
    until = world.host.now + DAY
    world.host.advance(HOUR)
    world.poked_at(WHOLE)
    assert world.latch("SUPPLY") == (2, until)
    world.host.advance(23 * HOUR)
    assert world.levels() == (0, 0, 0)


def test_supply__that_falls_is_followed_down(world):
    world.watch(WHOLE)
    for _ in range(49):
        assert world.poked_at(WHOLE // 2) == []
        world.host.advance(HOUR)
    assert world.growth()[1] == WHOLE // 2
    world.poked_at(WHOLE)
    world.host.advance(10 * MINUTE)
    assert world.poked_at(WHOLE) == [SUPPLY]


def test_supply__slow_growth_is_no_excess(world):
    """5 % a day under a limit of 15 %: the reference is never more than two days old."""
    supply = WHOLE
    world.watch(supply, 1_500)
    for hour in range(10 * 24):
        if hour % 24 == 0:
            supply = supply * 105 // 100
        assert world.poked_at(supply) == []
        world.host.advance(HOUR)
    assert world.levels() == (0, 0, 0)


def test_supply__of_zero(world):
    """None of it is no growth; the first of it is, until it is the reference."""
    world.watch(0)
    assert world.growth()[1] == 0
    assert world.poked_at(0) == []
    assert world.growth()[5] == 0
    world.poked_at(1)
    world.host.advance(10 * MINUTE)
    assert world.poked_at(1) == [SUPPLY]


@pytest.mark.parametrize("supply", [2**112 - 2, 2**112 - 1, 2**112, 2**256 - 1])
def test_supply__largest(world, supply):
    world.watch(supply, 10_000)
    assert world.poked_at(supply) == []
    assert world.growth()[1] == min(supply, 2**112 - 1)
    assert world.poked_at(2**256 - 1) == []


def test_supply__above_the_largest_is_growth(world):
    """What is clipped is no way around the limit."""
    world.watch(WHOLE)
    world.poked_at(2**256 - 1)
    world.host.advance(10 * MINUTE)
    assert world.poked_at(2**256 - 1) == [SUPPLY]


@pytest.mark.parametrize("how", ["reverts", "burns gas", b"", b"\x01", bytes(33), bytes(64)])
def test_supply__token_that_answers_otherwise_gives_no_reading(world, how):
    world.watch(WHOLE)
    world.poked_at(2 * WHOLE)
    before = world.growth()
    if isinstance(how, bytes):
        world.token.send("set_answer", how)
    else:
        world.token.send("set_mode", 2 if how == "reverts" else 100_000)
    for _ in range(3):
        world.host.advance(DAY)
        assert world.poke(0).events("Trip") == []
        assert world.growth() == before


def test_supply__too_little_gas_reverts(world):
    """A caller who leaves no gas for the token makes it look silent to nobody."""
    world.watch(WHOLE)
    world.poked_at(2 * WHOLE)
    world.host.advance(10 * MINUTE)
    world.risk.send("set_status", 0)
    # a reading that costs nearly all of what there is for it
    world.token.send("set_mode", 3)
    seen = {world.poke_with(gas) for gas in range(20_000, 300_000, 500)}
    assert seen == {"", "too little gas", "tripped"}


def test_supply__beside_another_latch(world):
    """One poke may trip two reasons; each is logged, and the highest acts."""
    world.watch(WHOLE)
    world.poked_at(2 * WHOLE)
    world.host.advance(10 * MINUTE)
    events = world.poke(1).events("Trip")
    assert [event.reason for event in events] == [1, SUPPLY]
    assert world.latch("PRICE_JUMP") == (1, world.host.now + 30 * MINUTE)
    assert world.risk.read("latched", world.asset) == (
        world.host.now + 30 * MINUTE, world.host.now + DAY, 0,
    )  # fmt: skip
    assert world.levels() == (2, 2, 0)


def test_supply__off_reads_nothing(world):
    world.watch(WHOLE)
    world.send("set_supply_limit", world.asset, 0, sender=world.owner)
    assert world.growth() == (0, 0, 0, 0, 0, 0)
    for _ in range(3):
        assert world.poked_at(9 * WHOLE) == []
        world.host.advance(10 * MINUTE)
    assert world.growth() == (0, 0, 0, 0, 0, 0)


def test_set_supply_limit__keeps_what_is_known(world):
    world.watch(WHOLE)
    before = world.growth()
    event = world.send(
        "set_supply_limit", world.asset, 5_000, sender=world.owner
    ).event("SetSupplyLimit")  # fmt: skip
    assert (event.asset, event.limit) == (world.asset, 5_000)
    assert world.growth() == (5_000, *before[1:])


@pytest.mark.parametrize("limit", [1, 9, 10_001, 2**255])
def test_set_supply_limit__out_of_range_reverts(world, limit):
    reason = world.refused("set_supply_limit", world.asset, limit, sender=world.owner)
    assert reason == "limit out of range"


def test_set_supply_limit__for_the_owner(world):
    for sender in (world.anyone, world.guardian):
        reason = world.refused("set_supply_limit", world.asset, 100, sender=sender)
        assert reason == "ownable: caller is not the owner"


def test_set_supply_limit__of_what_is_not_listed_reverts(world):
    reason = world.refused("set_supply_limit", world.other, 100, sender=world.owner)
    assert reason == "asset is not listed"


def test_supply__as_the_model_says(world):
    """Any supplies at any times."""
    rng = random.Random(7)
    world.send("set_supply_limit", world.asset, 1_000, sender=world.owner)
    growth = SupplyGrowth(1_000, reference=2**112 - 1)
    supply = WHOLE
    for _ in range(300):
        world.host.advance(rng.choice([0, 12, 300, 600, HOUR, 9 * HOUR, DAY]))
        factor = rng.choice([100, 100, 101, 105, 112, 60, 250, 0])
        supply = rng.choice([1, 2**112, 2**255]) if not factor else supply * factor // 100
        supply = min(supply, 2**256 - 1)
        tripped = world.poked_at(supply)
        growth = growth.observed(supply, world.host.now)
        assert world.growth() == growth
        latched = world.latch("SUPPLY")[1] == world.host.now + DAY
        assert latched >= growth.is_confirmed(world.host.now)
        assert bool(tripped) <= growth.is_confirmed(world.host.now)
