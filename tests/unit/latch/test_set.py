"""`_set`: expiries as given, and never more than 7 days held in any 30, whoever calls."""

import random

import pytest

from breakwater.host import Reverted

HOUR = 3_600
DAY = 24 * HOUR
MAX = 7 * DAY
WINDOW = 30 * DAY


def test_set__levels_end_by_themselves(new_latch):
    latch = new_latch()
    latch.set_in(2 * HOUR, HOUR, None)
    seen = []
    for wait in (0, HOUR - 1, 1, HOUR - 1, 1):
        latch.host.advance(wait)
        seen.append(latch.level())
    assert seen == [2, 2, 1, 1, 0]


def test_set__keeps_what_was_given_and_may_lower(new_latch):
    latch = new_latch()
    now = latch.host.now
    latch.set(now + 100, now + 200, now + 300)
    assert (latch.until(), latch.held_until()) == ((now + 100, now + 200), now + 300)
    latch.set(now + 50, 0, now - 1)
    assert (latch.until(), latch.held_until()) == ((now + 50, 0), now - 1)


def test_set__keys_are_apart(new_latch):
    latch = new_latch()
    latch.set_in(None, MAX, None)
    assert latch.level(latch.other) == 0
    latch.set_in(None, MAX, None, key=latch.other)


@pytest.mark.parametrize("which", range(3))
def test_set__beyond_seven_days_reverts(new_latch, which):
    latch = new_latch()
    times = [None, None, None]
    times[which] = MAX
    latch.set_in(*times)
    times[which] = MAX + 1
    with pytest.raises(Reverted) as failure:
        latch.set_in(*times)
    assert failure.value.reason == "latch is too long"


def test_set__caution_of_a_sensor_has_no_budget(new_latch):
    latch = new_latch()
    for _ in range(40):
        latch.set_in(MAX, None, None)
        latch.host.advance(MAX)


def test_set__budget_is_spent_and_comes_back(new_latch):
    """7 days from the start; nothing more until the first of them are 30 days old."""
    latch = new_latch()

    def hold(seconds):
        latch.set_in(None, None, seconds)

    hold(MAX)
    latch.host.advance(MAX)
    for wait in (0, 1, 10 * DAY):
        latch.host.advance(wait)
        with pytest.raises(Reverted) as failure:
            hold(1)
        assert failure.value.reason == "latch budget is spent"
    # 30 days after the start one second may be held for each that leaves the window
    latch.host.advance(WINDOW - MAX - 10 * DAY - 1)
    hold(DAY)
    latch.host.advance(DAY)
    hold(6 * DAY)


def test_set__lifted_time_is_not_counted(new_latch):
    latch = new_latch()
    latch.set_in(None, MAX, MAX)
    latch.host.advance(DAY)
    latch.set_in(None, None, None)
    assert latch.level() == 0
    latch.host.advance(DAY)
    with pytest.raises(Reverted):
        latch.set_in(None, None, 6 * DAY + 1)
    latch.set_in(None, None, 6 * DAY)


def test_set__extensions_count_once(new_latch):
    latch = new_latch()
    for _ in range(7):
        latch.set_in(None, None, DAY)
        latch.host.advance(DAY // 2)
    # held for 3.5 days of 7: the hold began 3.5 days ago
    latch.set_in(None, None, MAX // 2)
    with pytest.raises(Reverted) as failure:
        latch.set_in(None, None, MAX // 2 + 1)
    assert failure.value.reason == "latch budget is spent"


def test_set__ninth_interval_in_thirty_days_reverts(new_latch):
    latch = new_latch()
    for _ in range(8):
        latch.set_in(None, None, 60)
        latch.host.advance(DAY)
    with pytest.raises(Reverted) as failure:
        latch.set_in(None, None, 60)
    assert failure.value.reason == "latch budget is spent"
    # what nobody holds is no interval
    latch.set_in(DAY, DAY, None)
    latch.host.advance(22 * DAY + 61)
    latch.set_in(None, None, 60)


def test_set__trip_and_lift_in_one_block_is_no_interval(new_latch):
    latch = new_latch()
    for _ in range(20):
        latch.set_in(None, DAY, DAY)
        latch.set_in(None, None, None)
        latch.host.advance(60)
    latch.set_in(None, MAX, MAX)


def held_at_most(intervals):
    """The most time held in any 30 days: windows that end or begin with an interval suffice."""
    ends = [end for _, end in intervals] + [start + WINDOW for start, _ in intervals]
    return max(
        (
            sum(max(0, min(end, t) - max(start, t - WINDOW)) for start, end in intervals)
            for t in ends
        ),
        default=0,
    )


@pytest.mark.parametrize("seed", range(40))
def test_set__accepts_exactly_what_every_window_allows(new_latch, seed):
    """Any order of raising, extending, lowering and lifting, against a count over all windows."""
    rng = random.Random(seed)
    latch = new_latch(rng.choice([1, 1_000, 1_700_000_000]))
    host = latch.host
    intervals = []
    for _ in range(100):
        host.advance(rng.choice([0, 1, 12, rng.randrange(DAY), rng.randrange(4 * DAY)]))
        now = host.now
        halt, held = (
            rng.choice([0, now, now + 1, now + rng.randrange(2 * DAY), now + rng.randint(0, MAX)])
            for _ in range(2)
        )
        end = held
        new = list(intervals)
        if new and new[-1][1] >= now:
            start, _ = new.pop()
            if max(end, now) > start:
                new.append((start, max(end, now)))
        elif end > now:
            new.append((now, end))
        recent = sum(end + WINDOW >= now for _, end in new)
        if held_at_most(new) <= MAX and recent <= 8:
            latch.set(0, halt, held)
            intervals = new
        else:
            with pytest.raises(Reverted) as failure:
                latch.set(0, halt, held)
            assert failure.value.reason == "latch budget is spent"
