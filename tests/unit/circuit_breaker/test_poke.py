"""`poke`: what the sensors saw keeps the level up until its cool-down is over (GATE-2)."""

import pytest

VALID, JUMP, DISPERSED, STALE = range(4)
MINUTE = 60
HOUR = 3_600
DAY = 86_400


@pytest.mark.parametrize(("status", "reason"), [(JUMP, "PRICE_JUMP"), (DISPERSED, "DISPERSION")])
def test_poke__caution_for_thirty_minutes(world, status, reason):
    until = world.host.now + 30 * MINUTE
    event = world.poke(status).event("Trip")
    assert (event.asset, event.level, event.until) == (world.asset, 1, until)
    assert world.latch(reason) == (1, until)
    assert world.risk.read("latched", world.asset) == (until, 0, 0)
    assert world.levels() == (1, 1, 0)
    world.host.advance(30 * MINUTE - 1)
    assert world.levels() == (1, 1, 0)
    world.host.advance(1)
    assert world.levels() == (0, 0, 0)


def test_poke__good_price_shortens_nothing(world):
    until = world.host.now + 30 * MINUTE
    world.poke(JUMP)
    world.host.advance(10 * MINUTE)
    assert world.poke(VALID).events("Trip") == []
    assert world.latch("PRICE_JUMP") == (1, until)
    assert world.levels() == (1, 1, 0)


def test_poke__extends_while_it_lasts(world):
    world.poke(JUMP)
    world.host.advance(10 * MINUTE)
    until = world.host.now + 30 * MINUTE
    assert world.poke(JUMP).event("Trip").until == until
    assert world.latch("PRICE_JUMP") == (1, until)


def test_poke__twice_in_a_block_changes_nothing(world):
    world.poke(JUMP)
    pushes = world.risk.read("pushes")
    assert world.poke(JUMP).events("Trip") == []
    assert world.risk.read("pushes") == pushes


def test_poke__reasons_are_latched_apart(world):
    world.poke(JUMP)
    world.host.advance(10 * MINUTE)
    world.poke(DISPERSED)
    assert world.latch("PRICE_JUMP") == (1, world.host.now + 20 * MINUTE)
    assert world.latch("DISPERSION") == (1, world.host.now + 30 * MINUTE)
    world.host.advance(20 * MINUTE)
    event = world.poke(VALID).event("Reset")
    assert (event.asset, event.reason) == (world.asset, 1)
    assert world.latch("PRICE_JUMP") == (0, 0)
    assert world.levels() == (1, 1, 0)


def test_poke__stale_halts_after_fifteen_minutes(world):
    start = world.host.now
    assert world.poke(STALE).events("Trip") == []
    assert world.read("stale_since", world.asset) == start
    world.host.advance(15 * MINUTE - 1)
    assert world.poke(STALE).events("Trip") == []
    assert world.levels() == (0, 0, 0)
    world.host.advance(1)
    assert world.poke(STALE).event("Trip").level == 2
    assert world.latch("STALE") == (2, world.host.now + HOUR)
    assert world.levels() == (2, 2, 0)  # LIVE-2: lenders are not halted by prices


def test_poke__price_between_starts_the_delay_anew(world):
    world.poke(STALE)
    world.host.advance(10 * MINUTE)
    world.poke(VALID)
    assert world.read("stale_since", world.asset) == 0
    world.host.advance(10 * MINUTE)
    assert world.poke(STALE).events("Trip") == []
    world.host.advance(14 * MINUTE)
    assert world.poke(STALE).events("Trip") == []
    assert world.levels() == (0, 0, 0)


def test_poke__stale_halt_is_renewed_while_it_lasts(world):
    """A sensor spends nothing of the guardian's 7 days: it ends with its cause."""
    world.poke(STALE)
    world.host.advance(15 * MINUTE)
    for _ in range(8 * 48):
        trip = world.poke(STALE).event("Trip")
        assert trip.until == world.host.now + 60 * MINUTE
        world.host.advance(30 * MINUTE)
    world.trip(2, 7 * DAY)
    world.host.advance(7 * DAY)
    assert world.levels() == (0, 0, 0)


def test_poke__budget_spent_by_the_guardian_stops_no_sensor(world):
    world.trip(2, 7 * DAY)
    world.host.advance(7 * DAY)
    world.poke(STALE)
    world.host.advance(15 * MINUTE)
    assert world.poke(STALE).event("Trip").level == 2
    # the prices' halt is none of the vault's
    assert world.levels() == (2, 2, 0)


@pytest.mark.parametrize("which", ["engine", "vault"])
def test_poke__locked_reverts(world, which):
    getattr(world, which).send("set_locked", True)
    assert world.refused("poke", world.asset) == "locked"
    getattr(world, which).send("set_locked", False)
    world.poke(VALID)


def test_poke__not_connected_reverts(unconnected):
    assert unconnected.refused("poke", unconnected.asset) == "not connected"


def test_poke__unlisted_reverts_with_the_engines_reason(world):
    assert world.refused("poke", world.other) == "asset is not listed"


def test_poke__other_refusals_of_the_engine_bubble_up(world):
    world.risk.send("set_status", JUMP)
    world.risk.send("set_refusal", "out of order")
    assert world.refused("poke", world.asset) == "out of order"


@pytest.mark.parametrize("which", ["engine", "vault"])
@pytest.mark.parametrize(
    "answer", [b"", b"\x01", bytes(30) + b"\x01", bytes(32), bytes(31) + b"\x02"]
)
def test_poke__lock_that_answers_otherwise_is_not_free(world, which, answer):
    """Only a whole word that is 1 says that the lock is free."""
    getattr(world, which).send("set_answer", answer)
    assert world.refused("poke", world.asset) == "locked"
    getattr(world, which).send("set_answer", bytes(31) + b"\x01")
    world.poke(0)
