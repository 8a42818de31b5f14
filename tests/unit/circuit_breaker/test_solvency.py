"""`check_solvency`: who finds less than the books say halts the asset and its vault."""

import pytest

HOUR = 3_600
DAY = 86_400
INSOLVENCY = 32


@pytest.fixture
def sound(world):
    """1,000 held for accounts, 600 of cash and 400 lent against 950 of claims: all there."""
    world.token.send("mint", world.engine.address, 1_000)
    world.token.send("mint", world.vault.address, 600)
    world.engine.send("set_books", 0, 0, 0, 0, 1_000)
    world.vault.send("set_books", 600, 0, 400, 950, 0)
    return world


BROKEN = {
    "engine": (("engine", (0, 0, 0, 0, 1_003)), (3, 0, 0)),
    "cash": (("vault", (607, 0, 400, 950, 0)), (0, 7, 0)),
    "claims": (("vault", (500, 100, 400, 1_001, 0)), (0, 0, 1)),
}


def break_it(world, what):
    (where, books), missing = BROKEN[what]
    getattr(world, where).send("set_books", *books)
    return missing


def test_check_solvency__sound(sound):
    receipt = sound.check()
    assert tuple(receipt.value) == (0, 0, 0)
    assert receipt.events("Trip") == []
    assert sound.levels() == (0, 0, 0)


def test_check_solvency__a_donation_is_nothing(sound):
    sound.token.send("mint", sound.engine.address, 10**30)
    sound.token.send("mint", sound.vault.address, 10**30)
    assert tuple(sound.check().value) == (0, 0, 0)
    assert sound.levels() == (0, 0, 0)


def test_check_solvency__all_that_is_claimed_is_there(sound):
    """To the unit: what is out in a flash loan is not missing."""
    sound.vault.send("set_books", 600, 0, 350, 950, 0)
    assert tuple(sound.check().value) == (0, 0, 0)
    sound.vault.send("set_books", 500, 100, 350, 950, 0)
    assert tuple(sound.check().value) == (0, 0, 0)
    sound.vault.send("set_books", 500, 100, 349, 950, 0)
    assert tuple(sound.check().value) == (0, 0, 1)


@pytest.mark.parametrize("what", BROKEN)
def test_check_solvency__broken_halts_asset_and_vault_for_a_day(sound, what):
    missing = break_it(sound, what)
    receipt = sound.check()
    until = sound.host.now + DAY
    assert tuple(receipt.value) == missing
    event = receipt.event("Trip")
    assert (event.asset, event.reason, event.level, event.until) == (
        sound.asset, INSOLVENCY, 2, until,
    )  # fmt: skip
    assert sound.latch("INSOLVENCY") == (2, until)
    # nobody holds it: the guardian's budget is what it was
    assert sound.risk.read("latched", sound.asset) == (0, until, 0)
    assert sound.vault.read("latched", sound.asset) == (0, until, 0)
    sound.host.advance(DAY - 1)
    assert sound.levels() == (2, 2, 2)
    sound.host.advance(1)
    assert sound.levels() == (0, 0, 0)


@pytest.mark.parametrize("what", BROKEN)
def test_check_solvency__renewed_as_long_as_it_stands(sound, what):
    break_it(sound, what)
    for _ in range(40 * 2):
        sound.check()
        sound.host.advance(12 * HOUR)
        assert sound.levels() == (2, 2, 2)


def test_check_solvency__found_sound_shortens_nothing(sound):
    break_it(sound, "cash")
    sound.check()
    until = sound.host.now + DAY
    sound.vault.send("set_books", 600, 0, 400, 950, 0)
    sound.host.advance(HOUR)
    assert sound.check().events("Trip") == []
    assert sound.latch("INSOLVENCY") == (2, until)
    assert sound.levels() == (2, 2, 2)
    sound.host.advance(23 * HOUR)
    assert sound.levels() == (0, 0, 0)
    assert sound.check().events("Reset") == []
    assert [log.args["reason"] for log in sound.send("reset", sound.asset).events("Reset")] == [
        INSOLVENCY
    ]
    assert sound.vault.read("latched", sound.asset) == (0, 0, 0)


def test_check_solvency__twice_in_a_block_changes_nothing(sound):
    break_it(sound, "cash")
    sound.check()
    pushes = sound.risk.read("pushes"), sound.vault.read("pushes")
    assert sound.check().events("Trip") == []
    assert (sound.risk.read("pushes"), sound.vault.read("pushes")) == pushes


def test_check_solvency__vault_that_refuses_spares_the_asset_nothing(sound):
    """A vault whose latch budget is spent stays open; the asset is halted, and reset works."""
    break_it(sound, "engine")
    sound.vault.send("set_refusal", "latch budget is spent")
    sound.check()
    assert sound.levels() == (2, 2, 0)
    sound.host.advance(HOUR)
    sound.check()
    sound.vault.send("set_refusal", "")
    sound.host.advance(DAY)
    sound.send("reset", sound.asset)
    assert sound.vault.read("latched", sound.asset) == (0, 0, 0)


def test_check_solvency__vault_that_took_none_is_pushed_none(sound):
    break_it(sound, "engine")
    sound.vault.send("set_refusal", "latch budget is spent")
    sound.check()
    sound.vault.send("set_refusal", "")
    sound.trip(1, HOUR)
    assert sound.vault.read("latched", sound.asset) == (
        sound.host.now + HOUR, 0, sound.host.now + HOUR,
    )  # fmt: skip
    sound.check()
    assert sound.levels() == (2, 2, 2)


def test_check_solvency__other_refusals_of_the_engine_bubble_up(sound):
    break_it(sound, "cash")
    sound.risk.send("set_refusal", "out of order")
    assert sound.refused("check_solvency", sound.asset) == "out of order"


@pytest.mark.parametrize("level", [1, 2])
def test_check_solvency__beside_the_guardian(sound, level):
    """What he holds counts as before; each ends when it ends."""
    now = sound.host.now
    sound.trip(level, 3 * DAY)
    break_it(sound, "cash")
    sound.host.advance(HOUR)
    sound.check()
    ends = now + 3 * DAY, now + HOUR + DAY
    latched = (ends[0], ends[1], ends[0]) if level == 1 else (0, ends[0], ends[0])
    assert sound.vault.read("latched", sound.asset) == latched
    assert sound.risk.read("latched", sound.asset) == latched
    sound.host.advance(HOUR)
    sound.send("reset", sound.asset, sender=sound.guardian)
    assert sound.vault.read("latched", sound.asset) == (0, ends[1], 0)
    assert sound.levels() == (2, 2, 2)
    sound.trip(1, HOUR)
    assert sound.vault.read("latched", sound.asset) == (now + 3 * HOUR, ends[1], now + 3 * HOUR)


def test_check_solvency__asset_without_a_vault(sound):
    token = sound.new_token()
    sound.risk.send("set_asset", token.address, 2)
    assert tuple(sound.send("check_solvency", token.address).value) == (1_000, 0, 0)
    assert sound.risk.read("level", token.address) == 2
    assert sound.vault.read("pushes") == 0


@pytest.mark.parametrize("which", ["engine", "vault", "another vault"])
def test_check_solvency__locked_reverts(sound, which):
    break_it(sound, "cash")
    target = sound.new_vault(sound.other) if which == "another vault" else getattr(sound, which)
    if which == "another vault":
        sound.send("add_vault", target.address, sender=sound.owner)
    target.send("set_locked", True)
    assert sound.refused("check_solvency", sound.asset) == "locked"
    target.send("set_locked", False)
    sound.check()


def test_check_solvency__unlisted_reverts(sound):
    assert sound.refused("check_solvency", sound.other) == "asset is not listed"


def test_check_solvency__not_connected_reverts(unconnected):
    assert unconnected.refused("check_solvency", unconnected.asset) == "not connected"


def test_check_solvency__too_little_gas_leaves_no_vault_open(sound):
    """With whatever gas: both are halted, or nothing is done."""
    break_it(sound, "cash")
    seen = set()
    for gas in range(20_000, 900_000, 5_000):
        start = sound.host.snapshot()
        data = sound.interface.function("check_solvency", 1).encode([sound.asset])
        ok, _ = sound.host.transact(
            sound.caller, "CallerMock", "attempt", [sound.breaker, data, gas], sender=sound.anyone
        ).value  # fmt: skip
        seen.add((ok, sound.levels()))
        sound.host.restore(start)
    assert seen == {(False, (0, 0, 0)), (True, (2, 2, 2))}
