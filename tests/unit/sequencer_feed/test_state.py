"""Whether a sequencer is up, what is believed of it, and how often grace is given."""

import pytest

from breakwater.driver import SequencerFeed
from breakwater.evm import EvmHost
from breakwater.host import interface_of
from breakwater.mocks import AggregatorMock, BadFeedMock
from breakwater.units import DAY, HOUR
from tests.market import refuses

UP, GRACE, DOWN = range(3)


class World:
    def __init__(self):
        self.host = EvmHost()
        self.me = self.host.account("anyone")
        self.uptime = AggregatorMock.deploy(self.host, 0, 0, sender=self.me)
        self.feed = SequencerFeed.deploy(self.host, self.uptime, sender=self.me)

    def round(self, answer, since, number=7, answered_in=7):
        """What the uptime feed says, as of `since` seconds ago."""
        args = number, answer, self.host.now - since, answered_in
        self.uptime.set_round(*args, sender=self.me)

    def poke(self):
        return self.feed.poke(sender=self.me)


@pytest.fixture
def world():
    return World()


def test_constructor__feed_without_code_reverts(world):
    with refuses("feed has no code"):
        SequencerFeed.deploy(world.host, world.me, sender=world.me)
    assert world.feed.uptime_feed() == world.uptime.address


@pytest.mark.parametrize(
    ("answer", "since", "state"),
    [
        (1, 0, DOWN), (1, 7 * DAY, DOWN), (1, 7 * DAY + 1, UP),
        (0, 0, GRACE), (0, HOUR - 1, GRACE), (0, HOUR, UP), (0, 9 * DAY, UP),
    ],
)  # fmt: skip
def test_state__by_answer_and_time(world, answer, since, state):
    world.round(answer, since)
    assert world.feed.state() == state


@pytest.mark.parametrize("answer", [0, 1])
@pytest.mark.parametrize("wrong", ["answer", "future", "no start", "round"])
def test_state__of_a_feed_that_is_not_believed(world, answer, wrong):
    """It is up, and no poke keeps anything."""
    if wrong == "answer":
        world.round(answer - 1 if answer == 0 else 2, 10)
    elif wrong == "future":
        world.round(answer, -1)
    elif wrong == "no start":
        world.uptime.set_round(7, answer, 0, 7, sender=world.me)
    else:
        world.round(answer, 10, number=8, answered_in=7)
    assert world.feed.state() == UP
    assert not world.poke().logs
    assert world.feed.last_grace() == 0


@pytest.mark.parametrize("mode", range(1, 8))
def test_state__of_a_feed_that_fails(world, mode):
    """One that reverts, burns its gas, answers short or long."""
    bad = BadFeedMock.deploy(world.host, 8, sender=world.me)
    now = world.host.now
    bad.set_words([7, 1, now - 10, now - 10, 7], sender=world.me)
    feed = SequencerFeed.deploy(world.host, bad, sender=world.me)
    assert feed.state() == DOWN
    bad.set_mode(mode, sender=world.me)
    assert feed.state() == UP


def test_state__with_too_little_gas_reverts(world):
    """Else whoever liquidates could make it look silent."""
    host, me = world.host, world.me
    world.round(1, 10)
    caller = host.deploy("CallerMock", sender=me)
    data = interface_of("SequencerFeed").function("state", 0).encode([])
    found = set()
    for gas in (30_000, 45_000, 47_000, 60_000, 100_000):
        ok, answer = host.transact(
            caller, "CallerMock", "attempt", [world.feed.address, data, gas], sender=me
        ).value
        found.add(int.from_bytes(answer, "big") if ok else b"too little gas" in answer)
    assert found == {True, DOWN}


def test_grace__once_in_a_day(world):
    """A sequencer that flaps shields nobody by it, where a poke saw its first return."""
    world.round(0, 0)
    start = world.host.now
    assert world.poke().event("Grace").since == start == world.feed.last_grace()
    assert not world.poke().logs
    assert world.feed.state() == GRACE
    world.host.advance(HOUR - 1)
    assert world.feed.state() == GRACE
    world.host.advance(1)
    assert world.feed.state() == UP
    for later, state in ((HOUR, UP), (DAY - 1, UP), (DAY, GRACE)):
        world.host.advance(start + later - world.host.now)
        world.round(1, 0)
        assert world.feed.state() == DOWN
        assert not world.poke().logs
        world.round(0, 0)
        assert world.feed.state() == state
        assert len(world.poke().logs) == (state == GRACE)
    assert world.feed.last_grace() == start + DAY


def test_grace__goes_on_after_another_return(world):
    """It begins none, and moves the end of none."""
    world.round(0, 0)
    start = world.host.now
    world.poke()
    for later in (600, HOUR - 1):
        world.host.advance(start + later - world.host.now)
        world.round(1, 0)
        assert world.feed.state() == DOWN
        world.round(0, 0)
        assert world.feed.state() == GRACE
        assert not world.poke().logs
    world.host.advance(1)
    assert world.feed.state() == UP
    assert world.feed.last_grace() == start


def test_grace__that_no_poke_saw_counts_for_nothing(world):
    world.round(0, 0)
    assert world.feed.state() == GRACE
    world.host.advance(2 * HOUR)
    world.round(0, 0)
    assert world.feed.state() == GRACE
    world.poke()
    # of a return within a day of that nothing is kept, and it has no grace
    world.host.advance(HOUR)
    world.round(0, HOUR - 1)
    assert world.feed.state() == UP
    assert not world.poke().logs
