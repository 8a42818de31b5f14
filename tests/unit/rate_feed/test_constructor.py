"""What a rate feed refuses to be built from."""

import pytest

from breakwater.host import Reverted


def refused(world, **kwargs):
    with pytest.raises(Reverted) as failure:
        world.new_feed(**kwargs)
    return failure.value.reason


@pytest.mark.parametrize("growth", [0, 10_001])
def test_constructor__growth_out_of_range_reverts(world, growth):
    assert refused(world, growth=growth) == "growth is out of range"


def test_constructor__no_code_reverts(world, host):
    assert refused(world, vault=host.account("nobody")) == "vault has no code"
    assert refused(world, base=host.account("nobody")) == "base has no code"


def test_constructor__base_without_a_price_reverts(world):
    world.send(world.base, "BadFeedMock", "set_mode", 1)
    assert refused(world) == "base is not valid"


def test_constructor__rate_out_of_range_reverts(world):
    world.set_rate(10**world.decimals // 1_001)
    assert refused(world) == "rate is not valid"


def test_constructor__asset_without_code_reverts(world, host):
    vault = host.deploy("BadFeedMock", 18, sender=world.deployer)
    world.send(vault, "BadFeedMock", "set_asset", host.account("nobody"))
    assert refused(world, vault=vault) == "asset has no code"


def test_constructor__too_many_decimals_reverts(world, host):
    vault = host.deploy("BadFeedMock", 25, sender=world.deployer)
    world.send(vault, "BadFeedMock", "set_asset", world.asset)
    assert refused(world, vault=vault) == "too many decimals"


def test_constructor__stores_the_rate(world, host):
    feed = world.new_feed()
    assert host.call(feed, "RateFeed", "reference") == (10**18, host.now)


@pytest.mark.parametrize("growth", [1, 10_000])
def test_constructor__ends_of_growth(world, growth):
    world.new_feed(growth=growth)
    assert world.quote()[1] == 100 * 10**18
