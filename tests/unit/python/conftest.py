"""What tests of the model, of the fast lane and of the watch share."""

import pytest

from breakwater.evm import EvmHost
from breakwater.fuzz import lane, world
from breakwater.model import exact


@pytest.fixture
def check_rounding(monkeypatch):
    """The model holds each rounding against the unrounded fraction."""
    monkeypatch.setattr(exact, "CHECK_ROUNDING", True)


@pytest.fixture(scope="module")
def played():
    """A market and a lane on it; every test leaves the base state behind."""
    return lane.Lane(world.World(EvmHost()), 1)


@pytest.fixture(scope="module")
def sound():
    """A market of the contracts as they are."""
    return world.World(EvmHost())


@pytest.fixture
def fast(played):
    played.player.scheduled.clear()
    yield played
    played._undo()
    played.watch.thorough = False
