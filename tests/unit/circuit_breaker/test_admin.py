"""What the owner of a breaker may do: connect once, add vaults, name the guardian."""

import pytest

DAY = 86_400


def test_admin__strangers_revert(unconnected):
    world = unconnected
    for call in (
        ("connect", world.risk.address, world.engine.address),
        ("add_vault", world.vault.address),
        ("set_guardian", world.anyone),
    ):
        for sender in (world.anyone, world.guardian):
            assert world.refused(*call, sender=sender) == "ownable: caller is not the owner"


def test_connect__once(unconnected):
    world = unconnected
    args = [world.risk.address, world.engine.address]
    event = world.send("connect", *args, sender=world.owner).event("Connect")
    assert [event.risk_engine, event.credit_engine] == args
    assert world.refused("connect", *args, sender=world.owner) == "already connected"


def test_connect__without_code_reverts(unconnected):
    world = unconnected
    reasons = [
        world.refused("connect", world.anyone, world.engine.address, sender=world.owner),
        world.refused("connect", world.risk.address, world.anyone, sender=world.owner),
        world.refused("add_vault", world.anyone, sender=world.owner),
    ]
    expected = ["risk engine has no code", "credit engine has no code", "vault has no code"]
    assert reasons == expected


def test_add_vault__one_for_each_asset(world):
    again = world.new_vault(world.asset)
    assert world.refused("add_vault", again.address, sender=world.owner) == "asset has a vault"
    assert world.read("vault_of", world.asset) == world.vault.address
    assert world.read("vault_list") == [world.vault.address]


def test_add_vault__that_the_engine_does_not_list_reverts(world):
    vault = world.new_vault(world.other)
    world.new_vault(world.other)
    assert world.refused("add_vault", vault.address, sender=world.owner) == "vault is not listed"


def test_add_vault__not_connected_reverts(unconnected):
    world = unconnected
    reason = world.refused("add_vault", world.vault.address, sender=world.owner)
    assert reason == "not connected"


def test_add_vault__takes_over_what_the_guardian_holds(world):
    world.risk.send("set_asset", world.other, 2)
    world.send("trip", world.other, 2, DAY, sender=world.guardian)
    vault = world.new_vault(world.other)
    world.send("add_vault", vault.address, sender=world.owner)
    assert vault.read("level", world.other) == 2


def test_add_vault__at_most_thirty_two(world):
    for i in range(31):
        vault = world.new_vault(world.host.account(f"asset {i}"))
        world.send("add_vault", vault.address, sender=world.owner)
    last = world.new_vault(world.other)
    assert world.refused("add_vault", last.address, sender=world.owner) == "too many vaults"
    world.poke(0)


@pytest.mark.parametrize("who", ["zero", "someone"])
def test_set_guardian__replaces(world, who):
    new = "0x" + "00" * 20 if who == "zero" else world.anyone
    event = world.send("set_guardian", new, sender=world.owner).event("SetGuardian")
    assert event.guardian == new
    reason = world.refused("trip", world.asset, 1, DAY, sender=world.guardian)
    assert reason == "caller is not guardian"


def test_constructor__owner_is_zero_reverts(unconnected):
    from breakwater.host import Reverted

    world = unconnected
    zero = "0x" + "00" * 20
    with pytest.raises(Reverted) as failure:
        world.host.deploy("CircuitBreaker", zero, world.guardian, sender=world.owner)
    assert failure.value.reason == "owner is zero"
