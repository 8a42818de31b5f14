"""Figures of a whole market and crossings of lines, calculated by hand."""

from __future__ import annotations

import pytest

from breakwater.units import MAX_UINT256, WAD
from breakwater.watch.figures import (
    Price,
    Standing,
    Velocity,
    is_within,
    leverage,
    standing,
    systemic,
)
from breakwater.watch.lines import Crossing, Lines, below

ETHER, DOLLAR = 1, 2
PRICES = {
    ETHER: Price(2_000 * WAD, 1_660 * WAD, 2_010 * WAD, 10**18),
    DOLLAR: Price(WAD, 8 * WAD // 10, WAD, 10**6),
}
ONE, TWO, THREE, FOUR = (bytes([number]) * 32 for number in (1, 2, 3, 4))


def wad(text: str) -> int:
    return int(float(text) * 10**6) * 10**12


def position(*legs: tuple[int, int, bool]) -> list[int]:
    words = [0, 0, 0, 0]
    for i, (number, amount, is_debt) in enumerate(legs):
        tag = number | (128 if is_debt else 0)
        words[i >> 1] |= amount << 104 * (i & 1) | tag << 208 + 8 * (i & 1)
    return words


def test_standing__collateral_down_and_debt_up():
    words = position(
        (ETHER, 10**18 + 1, False),
        (DOLLAR, 5, False),
        (DOLLAR, 1_200_000_001, True),
        (ETHER, 1, True),
    )
    found = standing(ONE, WAD, words, PRICES)
    # 2,000 wei for a wei of ether; a debt of one wei of ether is worth 2,010 wei of a dollar
    assert found.collateral == 2_000 * WAD + 2_000 + 5 * 10**12
    assert found.debt == 1_200_000_001 * 10**12 + 2_010
    small = Price(WAD // 3, 0, WAD // 3, 10**18)
    part = standing(ONE, WAD, position((ETHER, 1, False), (ETHER, 1, True)), {ETHER: small})
    assert (part.collateral, part.debt) == (0, 1)


@pytest.mark.parametrize(
    ("exposure", "debt", "expected"),
    [
        (300, 0, WAD),
        (300, 100, 15 * WAD // 10),
        (100, 99, 100 * WAD),
        (100, 100, MAX_UINT256),
        (100, 101, MAX_UINT256),
        (7, 1, 1_166666666666666666),
    ],
)
def test_leverage__exposure_over_equity(exposure, debt, expected):
    assert leverage(exposure, debt) == expected


@pytest.mark.parametrize(
    ("fall", "health"),
    [(0, WAD), (20, 125 * WAD // 100), (10, 1_111111111111111112), (5, 1_052631578947368422)],
)
def test_is_within__to_the_last_digit(fall, health):
    """1 / 0.8 is 1.25; 1 / 0.9 and 1 / 0.95 have no last digit and are rounded up."""
    assert not is_within(health, fall)
    assert is_within(health - 1, fall)


def test_systemic__of_four_accounts():
    """Debts of 100, 200, 300 and 400: one below 1, one within 10 %, one within 20 %, one far."""
    found = systemic(
        [
            Standing(ONE, wad("0.9"), 90 * WAD, 100 * WAD),
            Standing(TWO, wad("1.1"), 300 * WAD, 200 * WAD),
            Standing(THREE, wad("1.2"), 500 * WAD, 300 * WAD),
            Standing(FOUR, wad("1.3"), 710 * WAD, 400 * WAD),
            Standing(bytes(32), MAX_UINT256, 10**9 * WAD, 0),
        ]
    )
    assert found.accounts == 4
    assert (found.exposure, found.debt, found.equity) == (1_600 * WAD, 1_000 * WAD, 600 * WAD)
    assert found.leverage == 2_666666666666666666
    assert found.liquidatable == 100 * WAD
    assert found.near == {5: 100 * WAD, 10: 300 * WAD, 20: 600 * WAD}
    assert found.share(found.near[20]) == 6 * WAD // 10
    assert found.uncovered == 10 * WAD


def test_systemic__of_nobody():
    found = systemic([])
    assert (found.accounts, found.debt, found.leverage, found.share(0)) == (0, 0, WAD, 0)


def test_velocity__change_an_hour_over_the_span():
    clock = Velocity()
    assert clock.add(10_000, 2 * WAD) is None
    assert clock.add(10_000, 3 * WAD) is None
    # half an hour later half an x more: one x an hour; after two hours a quarter
    assert clock.add(11_800, 25 * WAD // 10) == WAD
    assert clock.add(17_200, 25 * WAD // 10) == WAD // 4
    assert clock.span == 7_200
    assert clock.add(17_200, MAX_UINT256) is None
    assert clock.add(17_200, WAD) == -WAD // 2
    # 7 more in 7,201 s: cut towards zero on either side
    assert clock.add(17_201, 2 * WAD + 7) == 3
    assert clock.add(17_201, 2 * WAD - 7) == -3


def test_velocity__begins_anew_where_the_chain_went_back():
    clock = Velocity()
    clock.add(10_000, 2 * WAD)
    assert clock.add(9_000, 3 * WAD) is None
    assert clock.add(12_600, 4 * WAD) == WAD


# ------------------------------------------------------------ lines

LINES = (wad("1.5"), wad("1.2"), WAD)


@pytest.mark.parametrize(
    ("health", "before", "after"),
    [
        (wad("1.2"), (), ("1.5",)),
        (wad("1.2") - 1, (), ("1.5", "1.2")),
        # from below a line counts as crossed a hundredth above it: 1.212, 1.515
        (wad("1.212") - 1, ("1.5", "1.2"), ("1.5", "1.2")),
        (wad("1.212"), ("1.5", "1.2"), ("1.5",)),
        (wad("1.515") - 1, ("1.5",), ("1.5",)),
        (wad("1.515"), ("1.5",), ()),
        (wad("1.505"), (), ()),
        (MAX_UINT256, ("1.5", "1.2", "1"), ()),
        (0, (), ("1.5", "1.2", "1")),
    ],
)
def test_below__with_slack_upwards(health, before, after):
    assert below(health, LINES, map(wad, before)) == set(map(wad, after))


def test_lines__a_flicker_is_one_crossing():
    lines = Lines(None, LINES)
    lines.open("market")
    told = []
    for text in ("1.3", "1.199", "1.201", "1.199", "1.211", "1.19", "1.213", "1.199"):
        found = lines.cross([(ONE, wad(text))])
        lines.keep(found, [])
        told += [(text, one.down, one.lines) for one in found]
    assert told == [
        ("1.3", True, (wad("1.5"),)),
        ("1.199", True, (wad("1.2"),)),
        ("1.213", False, (wad("1.2"),)),
        ("1.199", True, (wad("1.2"),)),
    ]


def test_lines__several_at_once_in_their_order():
    lines = Lines(None, LINES)
    lines.open("market")
    fell = lines.cross([(ONE, wad("0.9"))])
    assert fell == [Crossing(ONE, True, LINES, wad("0.9"))]
    lines.keep(fell, [])
    rose = lines.cross([(ONE, MAX_UINT256)])
    assert rose == [Crossing(ONE, False, LINES[::-1], MAX_UINT256)]


def test_lines__remembered_by_market_over_restarts(tmp_path):
    path = tmp_path / "watch.duckdb"
    lines = Lines(path, LINES)
    lines.open("one")
    lines.keep(lines.cross([(ONE, wad("1.1")), (TWO, wad("1.3")), (THREE, 2 * WAD)]), [])
    lines.close()
    lines = Lines(path, (*LINES, 3 * WAD))
    lines.open("other")
    assert len(lines.cross([(ONE, wad("1.1"))])) == 1
    lines.open("one")
    found = lines.cross([(ONE, wad("1.1")), (TWO, wad("1.3")), (THREE, 2 * WAD), (FOUR, WAD)])
    # of the first three the line that is new alone
    assert [one.lines for one in found] == [*[(3 * WAD,)] * 3, (3 * WAD, wad("1.5"), wad("1.2"))]
    lines.keep(lines.cross([(ONE, MAX_UINT256)]), [])
    lines.close()
    lines = Lines(path, LINES)
    lines.open("one")
    assert lines.cross([(ONE, MAX_UINT256), (TWO, wad("1.3"))]) == []
    lines.close()


def test_lines__crossing_and_alert_are_kept_together():
    lines = Lines(None, LINES)
    lines.open("market")
    first, second = lines.ids(2)
    crossings = lines.cross([(ONE, wad("1.1"))])
    lines.keep(crossings, [(first, "a"), (second, "b")])
    assert lines.waiting() == [(first, "a"), (second, "b")]
    with pytest.raises(Exception, match=r"(?i)duplicate"):
        lines.keep([Crossing(TWO, True, (WAD,), 0)], [(first, "again")])
    lines.open("market")
    assert len(lines.cross([(TWO, 0)])) == 1, "nothing was remembered of it"
    lines.delivered([first])
    assert lines.waiting() == [(second, "b")]
    assert lines.ids(1)[0] > second


def test_lines__so_many_alerts_wait(monkeypatch):
    monkeypatch.setattr("breakwater.watch.lines.KEPT", 2)
    lines = Lines(None, LINES)
    lines.open("market")
    assert lines.keep([], [(1, "a"), (2, "b")]) == 0
    assert lines.keep([], [(3, "c")]) == 1
    assert lines.waiting() == [(2, "b"), (3, "c")]
