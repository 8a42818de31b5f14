"""Price files: every kind of bad row is named with its line; paths visit every low and high."""

from __future__ import annotations

import math

import pytest

from breakwater import black_thursday
from breakwater.prices import Bar, Line, PriceError, durations, follow, parse, path, read, spacing

HEADER = "timestamp,open,high,low,close,volume\n"
GOOD = "1000,10,12,9,11,5\n"


def test_parse__good_rows():
    bars = parse(HEADER + GOOD + "1060,11,11,11,11,\n\n1120.0,11,12.5,10,12\n")
    assert bars[0] == Bar(1000, 10.0, 12.0, 9.0, 11.0, 5.0)
    assert bars[1].volume is None
    assert bars[1].is_flat
    assert bars[2] == Bar(1120, 11.0, 12.5, 10.0, 12.0, None)


def test_parse__columns_in_another_order():
    bars = parse("close,low,high,open,timestamp\n11,9,12,10,1000\n")
    assert bars == [Bar(1000, 10.0, 12.0, 9.0, 11.0)]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("1060,x,12,9,11,5", "open is not a number: 'x'"),
        ("1060,,12,9,11,5", "open is not a number: ''"),
        ("1060,10,12,-9,11,5", "low -9 is negative"),
        ("1060,10,12,0,11,5", "low 0 is not between"),
        ("1060,10,1e11,9,11,5", "high 1e11 is not between"),
        ("1060,10,12,9,nan,5", "close is not finite: nan"),
        ("1060,10,inf,9,11,5", "high is not finite: inf"),
        ("1060,10,8,9,10,5", "high 8 is below low 9"),
        ("1060,13,12,9,11,5", "open 13 is outside low..high, 9..12"),
        ("1060,10,12,9,8,5", "close 8 is outside low..high, 9..12"),
        ("1000,10,12,9,11,5", "timestamp 1000 is not after the one before, 1000"),
        ("940,10,12,9,11,5", "timestamp 940 is not after the one before, 1000"),
        ("1060.5,10,12,9,11,5", "timestamp 1060.5 is not in UTC seconds"),
        ("1583971200000,10,12,9,11,5", "timestamp 1583971200000 is not in UTC seconds"),
        ("-60,10,12,9,11,5", "timestamp -60 is not in UTC seconds"),
        ("later,10,12,9,11,5", "timestamp is not a number: 'later'"),
        ("1060,10,12", "3 columns, not 6"),
        ("1060,10,12,9,11,-1", "volume -1 is negative"),
        ("1060,10,12,9,11,much", "volume is not a number: 'much'"),
    ],
)
def test_parse__bad_row(row: str, says: str):
    with pytest.raises(PriceError) as caught:
        parse(HEADER + GOOD + row + "\n", "eth.csv")
    assert str(caught.value).startswith("eth.csv, line 3: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "eth.csv: the file is empty"),
        ("\n\n", "eth.csv: the file is empty"),
        (HEADER, "eth.csv: the file has a header and no prices"),
        ("timestamp,open,high,close\n", "eth.csv, line 1: no column low"),
        (GOOD, "eth.csv, line 1: no column timestamp, open, high, low, close"),
    ],
)
def test_parse__bad_file(text: str, says: str):
    with pytest.raises(PriceError) as caught:
        parse(text, "eth.csv")
    assert says in str(caught.value)


def test_read__missing_file(tmp_path):
    with pytest.raises(PriceError, match="there is no such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(PriceError, match="this is a folder"):
        read(tmp_path)
    (tmp_path / "image").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(PriceError, match="not a text file"):
        read(tmp_path / "image")


BARS = [
    Bar(0, 10, 12, 9, 11),
    Bar(60, 11, 11.5, 8, 8.5),
    Bar(120, 8.5, 8.5, 8.5, 8.5),
    Bar(400, 9, 14, 7, 13),
]


@pytest.mark.parametrize("step", [1, 7, 15, 20, 60, 900])
def test_path__visits_every_corner_in_order(step: int):
    points = path(BARS, step)
    stamps = [point.timestamp for point in points]
    assert stamps == sorted(set(stamps))
    for index, bar in enumerate(BARS):
        prices = [point.price for point in points if point.bar == index]
        rest = iter(prices)
        assert all(corner in rest for corner in bar.corners()) or bar.is_flat
        assert min(prices) == bar.low
        assert max(prices) == bar.high
        assert prices[0] == bar.open


def test_path__order_follows_the_direction():
    assert Bar(0, 10, 12, 9, 11).corners() == (10, 9, 12, 11)
    assert Bar(0, 11, 12, 9, 10).corners() == (11, 12, 9, 10)


def test_path__holds_the_close_in_a_gap():
    points = [point for point in path(BARS, 60) if 180 <= point.timestamp < 400]
    assert [point.price for point in points] == [8.5] * len(points)
    assert [point.timestamp for point in points] == [180, 240, 300, 360]


def test_path__is_deterministic():
    assert path(BARS, 15) == path(BARS, 15)


def test_spacing__irregular_rounds():
    rounds = [Bar(stamp, 1, 1, 1, 1) for stamp in (0, 86_400, 172_800, 172_860, 259_260)]
    assert spacing(rounds) == 86_400
    assert durations(rounds) == [86_400, 86_400, 60, 86_400, 86_400]
    points = path(rounds, 3_600)
    assert len([point for point in points if point.bar == 2]) == 1


def test_line__holds_between_points():
    line = Line(path([Bar(100, 5, 5, 5, 5), Bar(200, 7, 7, 7, 7)], 100))
    assert [line.at(stamp) for stamp in (0, 100, 199, 200, 9_999)] == [5, 5, 5, 7, 7]


def test_follow__moves_with_elasticity():
    bars = follow([Bar(0, 100, 121, 81, 100)], 1_000, 0.5)
    assert bars == [Bar(0, 1_000, pytest.approx(1_100), pytest.approx(900), 1_000)]


def test_black_thursday__is_a_path_between_its_waypoints():
    for waypoints, bars in (
        (black_thursday.ETH, black_thursday.BARS["WETH"]),
        (black_thursday.BTC, black_thursday.BARS["WBTC"]),
    ):
        assert bars[0].open == waypoints[0].price
        assert bars[-1].close == waypoints[-1].price
        assert min(bar.low for bar in bars) == min(point.price for point in waypoints)
        for point in waypoints:
            stamp = black_thursday.stamp(point.time)
            around = [bar for bar in bars if abs(bar.timestamp - stamp) <= black_thursday.STEP]
            assert any(
                math.isclose(price, point.price)
                for bar in around
                for price in (bar.open, bar.high, bar.low, bar.close)
            )
        for bar in bars:
            assert bar.low <= min(bar.open, bar.close)
            assert bar.high >= max(bar.open, bar.close)
    sources = (black_thursday.__doc__ or "").split("SOURCES")[1]
    for point in (*black_thursday.ETH, *black_thursday.BTC):
        for source in point.source.split(", "):
            assert f"\n{source} " in sources
