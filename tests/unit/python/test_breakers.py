"""Replays of made-up prices against the real breaker, and what is said about them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from breakwater import artifacts, markets
from breakwater.breakers import judge, page, picture, results, sources, study
from breakwater.breakers.judge import Bad, Latches, Seen
from breakwater.breakers.replay import Replay, Settings
from breakwater.breakers.results import Results
from breakwater.breakers.setup import ASSET, Rules, market_of
from breakwater.breakers.sources import Drift, Source, Tick
from breakwater.cli import main
from breakwater.driver import CircuitBreaker
from breakwater.errors import UserError
from breakwater.prices import Bar

START = 1_700_006_400
MINUTES = 6 * 60
QUIET = 180
"""Minutes at rest before anything happens."""


def venue(name: str, *moves: tuple[int, int, float], price: float = 1.0) -> Source:
    """Six hours of minutes at `price`; each move is from, to (minutes), and the price then."""
    prints = []
    for minute in range(MINUTES):
        now = price
        for start, end, level in moves:
            if start <= minute < end:
                now = level
        if now:
            prints.append((START + 60 * minute, now))
    return Source(name, prints, 60, START + 60 * MINUTES)


def play(*given: Source, **settings: Any) -> Results:
    rules = Rules(**settings.pop("rules", {}))
    return Replay(markets.load(), given, Settings(rules, **settings)).run()


def at(found: Results, minute: int) -> results.Row:
    return found.rows[minute]


# ------------------------------------------------------------ the replay


@pytest.fixture(scope="module")
def calm() -> Results:
    return play(venue("calm", price=2_000.0))


@pytest.fixture(scope="module")
def fall() -> Results:
    """Ten percent down, for good."""
    return play(venue("fall", (QUIET, MINUTES, 1_800.0), price=2_000.0))


def test_replay__calm__nothing_trips(calm: Results) -> None:
    assert calm.trips == []
    assert calm.bad_moves == []
    assert calm.held == {"NORMAL": 60 * (MINUTES - 1)}
    assert len(calm.rows) == MINUTES
    assert calm.liquidated == 0
    assert all(why == "" for row in calm.rows for why in row.possible.values() if why is not None)


def test_replay__ladder__begins_as_asked(calm: Results) -> None:
    """At rest: the average is the price, no volatility, and every account at its health."""
    row = calm.rows[0]
    assert row.time == START
    assert row.average == pytest.approx(2_000, rel=1e-6)
    assert row.volatility < 1e-6
    assert row.borrow_ltv == pytest.approx(0.8)
    assert row.health == pytest.approx([one.health for one in calm.accounts], rel=1e-5)


@pytest.mark.parametrize("like", ["USDC", "WBTC", "wstETH"])
def test_replay__ladder__by_the_rules_of_any_asset(like: str) -> None:
    found = play(venue("calm", price=3.0), rules={"like": like, "ladder": (1.01,)}, end=START + 60)
    assert found.rows[0].health == pytest.approx([1.01, 1.01], rel=1e-5)


def test_replay__jump__caution_at_once(fall: Results) -> None:
    assert at(fall, QUIET - 1).level == 0
    row = at(fall, QUIET)
    assert (row.level, row.now) == (1, "price jump")
    assert row.latched == {"price jump": (1, START + 60 * QUIET + 1_800)}
    assert [move.wait for move in fall.bad_moves] == [0]
    assert fall.bad_moves[0].start == START + 60 * QUIET
    assert fall.by_reason()["price jump"]["trips"] == 1


def test_replay__jump__what_stays_possible(fall: Results) -> None:
    possible = at(fall, QUIET + 5).possible
    assert possible["borrow it"] == possible["withdraw it"] == "price is in a jump"
    after = at(fall, QUIET + 45)
    assert after.now == ""
    assert after.possible["borrow it"] == "asset is in caution"
    for action in ("borrow against it", "add it", "repay it", "withdraw as lender"):
        assert possible[action] == ""
    counts = fall.possible["CAUTION"]
    assert counts["borrow it"][0] == 0 < counts["borrow it"][1]
    assert counts["repay it"][0] == counts["repay it"][1]


def test_replay__jump__weak_accounts_are_liquidated(fall: Results) -> None:
    """Two pokes a minute apart confirm it, and then those below 1 at the new price go."""
    done = {one.account: one.first for one in fall.accounts if one.first is not None}
    assert set(done) == {"long 1.02", "long 1.05", "long 1.1"}
    assert min(done.values()) == START + 60 * (QUIET + 1)
    assert at(fall, QUIET).possible["liquidate"] == "account is healthy"
    assert at(fall, QUIET + 1).possible["liquidate"] == ""


@pytest.mark.parametrize(("minutes", "false"), [(1, True), (14, True), (20, False)])
def test_replay__jump__false_unless_it_persists(minutes: int, false: bool) -> None:
    found = play(venue("wick", (QUIET, QUIET + minutes, 1_800.0), price=2_000.0), trials=False)
    assert [trip.false for trip in found.trips[:1]] == [false]


def test_replay__band__decides_what_trips() -> None:
    wick = venue("small", (QUIET, QUIET + 1, 1_880.0), price=2_000.0)
    assert len(play(wick, rules={"jump_band": 500}, trials=False).trips) == 1
    assert play(wick, rules={"jump_band": 1_000}, trials=False).trips == []


@pytest.mark.parametrize(("price", "side"), [(0.65, "long"), (1.3, "short")])
def test_replay__one_venue_breaks__two_pegged(price: float, side: str) -> None:
    """For less than the wait of dispersion nobody is liquidated on the venue that broke."""
    broken = venue("broken", (QUIET, QUIET + 29, price))
    found = play(broken, venue("sound"), rules={"pegged": True}, end=START + 60 * (QUIET + 60))
    assert at(found, QUIET + 5).now == "dispersion"
    assert at(found, QUIET + 5).possible["borrow it"] == "price sources disagree"
    assert at(found, QUIET + 5).possible["liquidate"] == "account is healthy"
    assert found.liquidated == 0
    alone = play(broken, rules={"pegged": True}, end=START + 60 * (QUIET + 29))
    assert {one.side for one in alone.accounts if one.liquidations} == {side}


def test_replay__one_of_three_breaks__outvoted() -> None:
    given = [venue("broken", (QUIET, MINUTES, 0.65)), venue("one"), venue("other")]
    found = play(*given, rules={"pegged": False, "like": "USDC", "quorum": 2})
    assert found.trips == []
    assert [move.wait for move in found.bad_moves] == [None]
    assert "bad, not yet CAUTION" in found.possible
    assert found.liquidated == 0


def test_replay__silence__halts() -> None:
    silent = venue("silent", (QUIET, MINUTES, 0.0), price=2_000.0)
    found = play(dataclasses.replace(silent, end=START + 60 * MINUTES), rules={"max_age": 600})
    row = at(found, QUIET + 60)
    assert (row.level, row.now, row.raw, row.price) == (2, "stale", [None], None)
    assert row.latched["stale"][0] == 2
    assert row.possible["repay it"] == ""
    assert row.possible["borrow against it"] != ""
    assert found.by_reason()["stale"]["false"] is None


def test_replay__schedule__pokes_on_moves() -> None:
    """The minute of the wick lies between two pokes on schedule."""
    wick = venue("wick", (QUIET + 1, QUIET + 2, 1_800.0), price=2_000.0)
    moves = play(wick, poke_every=240, trials=False)
    schedule = play(wick, poke_every=240, poke_move=10.0, trials=False)
    assert moves.pokes == schedule.pokes + 2
    assert len(moves.trips) == 1
    assert schedule.trips == []
    assert schedule.held["CAUTION"] == 60, "where prices are read the level is up without a poke"


# ------------------------------------------------------------ reasons


def test_reasons__are_those_of_the_interface() -> None:
    assert results.reasons()[:4] == ("price jump", "dispersion", "stale", "guardian")


def test_reasons__a_further_one_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its latch is read by its place, and shown under its name, without a change here."""
    text = (artifacts.ROOT / "contracts/interfaces/ICircuitBreaker.vyi").read_text()
    folder = tmp_path / "contracts" / "interfaces"
    folder.mkdir(parents=True)
    last = results.reasons()[-1].upper().replace(" ", "_")
    text = text.replace(f"    {last}\n", f"    {last}\n    NET_OUTFLOW\n", 1)
    (folder / "ICircuitBreaker.vyi").write_text(text)
    monkeypatch.setattr(artifacts, "ROOT", tmp_path)
    names = results.reasons()
    monkeypatch.undo()
    added = 1 << names.index("net outflow")
    real = CircuitBreaker.latch_of

    def latch_of(self: CircuitBreaker, asset: Any, reason: int) -> tuple[int, int]:
        if reason == added:
            return 1, START + 60 * MINUTES
        return real(self, asset, reason)

    monkeypatch.setattr("breakwater.breakers.replay.reasons", lambda: names)
    monkeypatch.setattr(CircuitBreaker, "latch_of", latch_of)
    found = play(venue("calm", price=2_000.0), end=START + 600)
    assert set(found.rows[0].latched) == {"net outflow"}
    assert "net outflow" in picture.svg(found)


# ------------------------------------------------------------ judging


def test_latches__extended__is_one_trip() -> None:
    latches = Latches()
    latches.trip(100, "price jump", 1, 1_900)
    latches.trip(500, "price jump", 1, 2_300)
    latches.trip(2_300, "price jump", 1, 4_100)
    latches.trip(300, "stale", 2, 900)
    seen = [Seen(time, 1.0, 2.0, False) for time in range(100, 5_000, 100)]
    trips = latches.trips(seen, 0.05)
    assert [(one.reason, one.start, one.until, one.count) for one in trips] == [
        ("price jump", 100, 2_300, 2),
        ("stale", 300, 900, 1),
        ("price jump", 2_300, 4_100, 1),
    ]
    assert [one.false for one in trips] == [False, None, False]


@pytest.mark.parametrize(("apart", "false"), [(800, True), (1_000, False)])
def test_false__dispersion__by_its_time(apart: int, false: bool) -> None:
    seen = [Seen(time, 1.0, 1.0, time < apart) for time in range(0, 3_600, 10)]
    assert judge._false("dispersion", 0, seen, 0.01) is false


def test_false__time_without_a_price__counts_for_neither() -> None:
    moments = ((0, 0.8), (100, 0.0), (1_100, 1.0), (1_800, 1.0))
    seen = [Seen(time, price, 1.0, False) for time, price in moments]
    assert judge._false("price jump", 0, seen, 0.05) is True


def test_bad__moves_and_waits() -> None:
    bad = Bad(0.05)
    bad.print(0, "one", 0.04)
    assert not bad.unanswered(0)
    bad.print(100, "one", 0.06)
    bad.level(100, 0)
    assert bad.unanswered(100)
    bad.print(130, "other", 0.2)
    bad.level(130, 1)
    bad.level(200, 2)
    assert not bad.unanswered(200)
    bad.print(130 + 3_600, "one", 0.07)
    bad.close()
    assert [(move.source, move.start, move.end, move.prints, move.wait) for move in bad.moves] == [
        ("one", 100, 130, 2, 30),
        ("one", 3_730, 3_730, 1, None),
    ]


def test_drift__from_the_median_of_the_hour() -> None:
    drift = Drift()
    assert drift.move(0, 100.0) == 0
    assert drift.move(60, 100.0) == 0
    assert drift.move(120, 90.0) == pytest.approx(0.1)
    assert drift.move(180, 90.0) == pytest.approx(0.1), "one print does not move the median"
    assert drift.move(3_780, 99.0) == pytest.approx(0.1), "the hour holds the 90 of 180 alone"
    assert drift.move(10**6, 99.0) == 0, "an empty hour: against the print before"


# ------------------------------------------------------------ sources


def bars(*closes: float, length: int = 60, start: int = START) -> list[Bar]:
    return [
        Bar(start + length * index, close, close, close, close)
        for index, close in enumerate(closes)
    ]


def test_sources__gap__is_silent() -> None:
    """A file's gap is no print, so that its age tells."""
    given = bars(1, 2) + bars(3, start=START + 600)
    found = sources.from_bars({"gap.csv": given}, 300)
    assert [time - START for time, _ in found.prints] == [0, 60, 600]


def test_sources__closes__leave_wicks_out() -> None:
    given = [Bar(START, 1.0, 9.0, 0.1, 1.0), Bar(START + 60, 1.0, 1.0, 1.0, 1.0)]
    assert {price for _, price in sources.from_bars({"a": given}, 300).prints} >= {9.0, 0.1}
    closes = sources.from_bars({"a": given}, 300, closes=True)
    assert closes.prints == [(START + 59, 1.0), (START + 119, 1.0)]


def test_sources__product__of_what_was_last() -> None:
    ratio = bars(0.9, 0.8, length=600)
    base = bars(100, 110, 120, length=300)
    found = sources.from_bars({"ratio.csv": ratio, "b/base.csv": base}, 300)
    assert found.name == "ratio × base"
    assert [(time - START, round(price, 9)) for time, price in found.prints] == [
        (0, 90.0), (300, 99.0), (600, 96.0),
    ]  # fmt: skip


def test_sources__ticks__merge() -> None:
    one = Source("one", [(START, 1.0), (START + 100, 2.0)], 100, START + 200)
    other = Source("other", [(START - 5, 5.0), (START + 70, 6.0)], 75, START + 150)
    first, last = sources.window([one, other])
    assert (first, last) == (START, START + 150)
    assert list(sources.ticks([one, other], first, last, 100)) == [
        Tick(START, (1.0, 5.0)), Tick(START + 70, (None, 6.0)), Tick(START + 100, (2.0, None)),
    ]  # fmt: skip


def test_sources__no_time_in_common() -> None:
    one, other = (
        sources.from_bars({"a": bars(1)}, 60),
        sources.from_bars({"b": bars(1, start=9)}, 60),
    )
    with pytest.raises(UserError, match="a and b: there are no prices at the same time"):
        sources.window([one, other])


# ------------------------------------------------------------ rules


def test_market_of__rules_of_the_asset() -> None:
    market = markets.load()
    made, rules = market_of(market, Rules(pegged=True), 2, 1.0)
    feed = made.assets[ASSET].feed
    assert (rules["like"], feed.pegged, feed.quorum, len(feed.sources)) == ("USDC", True, 2, 2)
    assert feed.band == market.assets["USDC"].feed.band
    made, rules = market_of(market, Rules(), 1, 200.0)
    listed = made.assets[ASSET].parameters
    usual = market.assets["WETH"]
    assert listed["jump_band"] == usual.parameters["jump_band"]
    ratio = usual.parameters["min_price"] / usual.price
    assert listed["min_price"] / (200 * 10**18) == pytest.approx(ratio)


# ------------------------------------------------------------ pictures and the command


def test_picture__stands_alone(fall: Results, tmp_path: Path) -> None:
    """Well formed, nothing fetched, both schemes."""
    page.write(fall, tmp_path / "fall.svg")
    page.write(fall, tmp_path / "fall.html")
    svg, html = (tmp_path / "fall.svg").read_text(), (tmp_path / "fall.html").read_text()
    tree = ElementTree.fromstring(svg)
    texts = {one.text for one in tree.iter("{http://www.w3.org/2000/svg}text")}
    assert {"price jump", *results.ACTIONS} <= texts
    for text in (svg, html):
        assert "prefers-color-scheme: dark" in text
        rest = text.replace("http://www.w3.org/2000/svg", "")
        assert not [mark for mark in ("http", "url(", "src=") if mark in rest]
    data = html.split('id="data">')[1].split("</script>")[0]
    assert len(json.loads(data)["rows"]) == MINUTES
    assert "{{" not in html
    assert "persisted" in html


def test_picture__long_file__keeps_the_extremes() -> None:
    rows = play(venue("calm"), end=START + 120).rows
    many = [dataclasses.replace(rows[0], time=60 * i, raw=[1.0]) for i in range(5_000)]
    many[1_234] = dataclasses.replace(many[1_234], raw=[0.2])
    many[4_321] = dataclasses.replace(many[4_321], raw=[5.0])
    kept = picture._kept(many)
    assert len(kept) < 1_500
    assert {0, 1_234, 4_321, 4_999} <= set(kept)


def command(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["breakers", *[str(one) for one in arguments]])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "prices.csv"
    lines = [
        f"{START + 300 * i},{a},{a},{a},{a},"
        for i, a in enumerate([100] * 24 + [90] * 12)
    ]  # fmt: skip
    path.write_text("\n".join(["timestamp,open,high,low,close,volume", *lines]))
    return path


def test_command__json__one_object(file: Path, tmp_path: Path) -> None:
    code, output = command(file, "--json", "--output", tmp_path / "new" / "a.svg")
    found = json.loads(output)
    assert code == 0
    assert found["summary"]["trips"]["price jump"] == {"trips": 1, "false": 0, "seconds": 3_600}
    assert found["summary"]["bad_moves"] == {"moves": 1, "first": 0, "longest": 0, "never": 0}
    assert len(found["rows"]) == 36
    assert (tmp_path / "new" / "a.svg").exists()


def test_command__plain__a_line_for_each_bar(file: Path) -> None:
    code, output = command(file, "--plain", "--band", "20%", "--ladder", "1.05")
    lines = [line for line in output.splitlines() if " | raw " in line]
    assert code == 0
    assert len(lines) == 36
    assert all("NORMAL" in line for line in lines)
    assert "Trips: none" in output
    assert "Accounts liquidated: 1 of 2" in output


def test_command__tables(file: Path) -> None:
    code, output = command(file)
    assert code == 0
    assert "price jump      1      0" in output
    assert "What stayed possible" in output


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "give one to three price files"),
        (("FILE", "FILE", "FILE", "FILE"), "4 price files: a feed takes at most three"),
        (("no.csv",), "no.csv: there is no such file"),
        (("FILE,FILE,FILE",), "write FILE or RATIO,FILE"),
        (("FILE", "--quorum", "2"), "--quorum 2 of 1 sources"),
        (("FILE", "--band", "0.7"), "0.7 is not 0.5 to 63 percent in steps of 0.5"),
        (("FILE", "--band", "wide"), "wide is no percentage"),
        (("FILE", "--dispersion", "30"), "30 is not 0.01 to 20 percent"),
        (("FILE", "--like", "DOGE"), "--like DOGE: devnet.yaml has USDC, WETH"),
        (("FILE", "--ladder", "0.9"), "health factors from 1.01 to 100"),
        (("FILE", "--ladder", "high"), "high is no list of health factors"),
        (("FILE", "--from", "noon"), "noon is no time"),
        (("FILE", "--from", "2030-01-01"), "no prices at the same time within --from"),
        (("FILE", "--from", "2023-01-02", "--until", "2023-01-01"), "--from is not before"),
        (("FILE", "--output", "a.png"), "a.png ends in neither .html nor .svg"),
        (("FILE", "--output", "/sys/kernel/a.svg"), "/sys/kernel cannot be written"),
        (("FILE", "--json", "--plain"), "choose one"),
        (("FILE", "--study", "FOLDER"), "--study compares its own settings"),
        (("--study", "FOLDER", "--band", "5"), "--study compares its own settings"),
        (("--study", "FOLDER"), "has none of the files of the study"),
        (("FILE", "--market", "no.yaml"), "there is no such market file"),
    ],
)  # fmt: skip
def test_command__bad_input__says_what(
    arguments: tuple[str, ...], why: str, file: Path, tmp_path: Path
) -> None:
    places = [a.replace("FILE", str(file)).replace("FOLDER", str(tmp_path)) for a in arguments]
    code, output = command(*places)
    assert code == 2
    assert why in " ".join(output.split())
    assert "Traceback" not in output


def test_command__price_out_of_reach(tmp_path: Path) -> None:
    path = tmp_path / "tiny.csv"
    path.write_text(f"timestamp,open,high,low,close\n{START},1e-9,1e-9,1e-9,1e-9\n")
    code, output = command(path)
    assert code == 2
    assert "below what a feed of 8 decimals can say" in output


# ------------------------------------------------------------ the study


def test_study__table(file: Path, tmp_path: Path) -> None:
    """One calm window and one crash of one file, two bands."""
    event = study.Event("made", ("2023-11-15T01:00", "2023-11-15T03:00"),
                        (("2023-11-15", "2023-11-15T01:00"),))  # fmt: skip
    (tmp_path / "made__ETH__here.csv").write_bytes(file.read_bytes())
    files = {"made": ("ETH", "gone")}
    one = study.Class("majors", "WETH", (500, 2_000), 0.05, files)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(study.EVENTS, "made", event)
        found = study.run(markets.load(), tmp_path, lambda text: None, [one])
    assert [calm.trips for calm in found.calm] == [0, 0]
    assert [calm.default for calm in found.calm] == [True, False]
    assert [(crash.trips, crash.first) for crash in found.crashes] == [(1, 0), (0, None)]
    assert found.missing == ["made gone"]
    table = found.markdown()
    assert "| majors | made | ETH | 5 % | 1 | 1 | 0 s |" in table
    assert "| majors | 5 % (default) | 1 | 1 | 1 | 1 | 0 s | 0 |" in table
    assert "| majors | 20 % | 1 | 0 | 1 | 0 |  | 1 |" in table
    assert found.possible["CAUTION"]["borrow it"][0] == 0


def test_docs__default_bands_are_those_of_the_market() -> None:
    """Where the market has an asset of the class, what docs/breakers.md calls default is its."""
    text = (artifacts.ROOT / "docs" / "breakers.md").read_text()
    assets = markets.load().assets
    for one in study.CLASSES:
        asset = assets[one.like]
        usual = asset.feed.band if one.dispersion else asset.parameters["jump_band"]
        band = one.default or usual
        assert f"| {one.name} | {band / 100:g} % (default) |" in text
