"""`trip` and `reset`: a guardian only tightens, and lifts nothing but its own (GATE-1)."""

import pytest

JUMP = 1
HOUR = 3_600
DAY = 86_400


@pytest.mark.parametrize("level", [1, 2])
def test_trip__latches_asset_and_vault(world, level):
    until = world.host.now + DAY
    event = world.trip(level, DAY).event("Trip")
    assert (event.asset, event.reason, event.level, event.until) == (world.asset, 8, level, until)
    latched = (until, 0, until) if level == 1 else (0, until, until)
    assert world.risk.read("latched", world.asset) == latched
    assert world.vault.read("latched", world.asset) == latched
    assert world.latch("GUARDIAN") == (level, until)
    world.host.advance(DAY - 1)
    assert world.levels() == (level, level, level)
    world.host.advance(1)
    assert world.levels() == (0, 0, 0)


def test_trip__asset_without_a_vault(world):
    world.risk.send("set_asset", world.other, 2)
    world.send("trip", world.other, 2, DAY, sender=world.guardian)
    assert world.risk.read("level", world.other) == 2


def test_trip__raises_and_extends(world):
    world.trip(1, HOUR)
    world.trip(2, HOUR)
    world.trip(2, DAY)
    assert world.latch("GUARDIAN") == (2, world.host.now + DAY)


def test_trip__may_not_lower(world):
    world.trip(2, DAY)
    reasons = [
        world.refused("trip", world.asset, 1, DAY, sender=world.guardian),
        world.refused("trip", world.asset, 2, DAY - 1, sender=world.guardian),
    ]
    assert reasons == ["level below the latched one", "expiry before the latched one"]
    world.host.advance(DAY)
    world.trip(1, HOUR)


@pytest.mark.parametrize(
    ("level", "duration", "reason"),
    [
        (0, DAY, "level must be 1 or 2"),
        (3, DAY, "level must be 1 or 2"),
        (1, 0, "duration is zero"),
        (1, 7 * DAY + 1, "duration above 7 days"),
        (1, 2**256 - 1, "duration above 7 days"),
    ],
)
def test_trip__out_of_range_reverts(world, level, duration, reason):
    assert world.refused("trip", world.asset, level, duration, sender=world.guardian) == reason


def test_trip__not_listed_reverts(world):
    assert (
        world.refused("trip", world.other, 1, DAY, sender=world.guardian) == "asset is not listed"
    )


def test_trip__not_connected_reverts(unconnected):
    guardian = unconnected.guardian
    assert (
        unconnected.refused("trip", unconnected.asset, 1, DAY, sender=guardian) == "not connected"
    )


def test_trip__caller_is_not_guardian_reverts(world):
    for sender in (world.anyone, world.owner):
        reason = world.refused("trip", world.asset, 1, DAY, sender=sender)
        assert reason == "caller is not guardian"


def test_trip__seven_days_in_thirty(world):
    """GATE-1: whatever the guardian does, 7 days of any 30 is all it holds."""
    world.trip(1, 7 * DAY)
    world.host.advance(7 * DAY)
    reason = world.refused("trip", world.asset, 1, HOUR, sender=world.guardian)
    assert reason == "latch budget is spent"
    assert world.levels() == (0, 0, 0)


def test_trip__refusal_of_a_vault_bubbles_up(world):
    world.vault.send("set_refusal", "out of order")
    assert world.refused("trip", world.asset, 1, DAY, sender=world.guardian) == "out of order"
    assert world.levels() == (0, 0, 0)


def test_trip__sensors_stay_when_the_guardian_trips_and_lifts(world):
    world.risk.send("set_status", JUMP)
    world.send("poke", world.asset)
    sensor = world.host.now + 30 * 60
    world.trip(2, DAY)
    assert world.risk.read("latched", world.asset) == (
        sensor,
        world.host.now + DAY,
        world.host.now + DAY,
    )
    event = world.send("reset", world.asset, sender=world.guardian).event("Reset")
    assert event.reason == 8
    assert world.risk.read("latched", world.asset) == (sensor, 0, 0)
    assert world.levels() == (1, 1, 0)
    assert world.send("reset", world.asset, sender=world.guardian).logs == []
    assert world.levels() == (1, 1, 0)


def test_reset__anyone_lifts_only_what_has_expired(world):
    world.trip(2, DAY)
    assert world.send("reset", world.asset).logs == []
    assert world.levels() == (2, 2, 2)
    world.host.advance(DAY)
    assert world.send("reset", world.asset).event("Reset").reason == 8
    assert world.send("reset", world.asset).logs == []


def test_reset__lifted_time_is_given_back(world):
    world.trip(2, 7 * DAY)
    world.host.advance(HOUR)
    world.send("reset", world.asset, sender=world.guardian)
    assert world.levels() == (0, 0, 0)
    assert world.refused("trip", world.asset, 2, 7 * DAY, sender=world.guardian) == (
        "latch budget is spent"
    )
    world.trip(2, 7 * DAY - HOUR)


def test_reset__former_guardian_lifts_nothing(world):
    world.trip(2, DAY)
    world.send("set_guardian", world.anyone, sender=world.owner)
    world.send("reset", world.asset, sender=world.guardian)
    assert world.levels() == (2, 2, 2)


def test_latch_of__one_reason_at_a_time(world):
    from breakwater.host import Reverted

    for reasons in (0, 3, 15):
        with pytest.raises(Reverted) as failure:
            world.read("latch_of", world.asset, reasons)
        assert failure.value.reason == "one reason at a time"
