"""Real crashes against the real breaker. Price files are not in the repository."""

from __future__ import annotations

import pytest

from breakwater import markets
from breakwater.breakers import sources
from breakwater.breakers.replay import Replay, Settings
from breakwater.breakers.results import LIQUIDATE, Results
from breakwater.breakers.setup import LONG, Rules
from tests.needs import PRICES

pytestmark = pytest.mark.needs("prices")

USDE = (
    "2025-10-10-11-cascade__USDe-USDT__binance-spot__1m.csv",
    "2025-10-10-11-cascade__USDe-USDT__uniswap__blocks.csv",
)
BROKE = 1_760_131_230
"""10 October 2025, 21:20:30 UTC: the first print away from the peg, on one venue of two."""

WAIT = 1_800
"""Seconds a day for which sources that disagree delay liquidations."""


def play(*files: str | sources.Source, rules: Rules, start: int, end: int) -> Results:
    given = [
        sources.read(str(PRICES / file), 300) if isinstance(file, str) else file for file in files
    ]
    return Replay(markets.load(), given, Settings(rules, start=start, end=end)).run()


@pytest.fixture(scope="module")
def both() -> Results:
    """USDe from both venues: pegged, both must agree."""
    rules = Rules(pegged=True, quorum=2)
    return play(*USDE, rules=rules, start=BROKE - 1_800, end=BROKE + 7_200)


def test_usde__two_venues__caution_at_the_first_print(both: Results) -> None:
    first = both.bad_moves[0]
    assert (first.start, first.wait) == (BROKE, 0)
    assert {trip.reason for trip in both.trips if trip.start == BROKE} == {"dispersion"}
    for phase, counts in both.possible.items():
        assert counts["repay it"][0] == counts["repay it"][1]
        assert counts["withdraw as lender"][0] == counts["withdraw as lender"][1]
        if phase != "NORMAL":
            assert counts["borrow it"][0] == counts["withdraw it"][0] == 0


def test_usde__two_venues__nobody_liquidated_within_the_wait(both: Results) -> None:
    """A venue at 0.67 against 0.9998: accounts down to health 1.02 are held back."""
    waiting = [row for row in both.rows if BROKE <= row.time + 60 <= BROKE + WAIT]
    assert min(row.raw[0] or 1.0 for row in waiting) < 0.7
    assert any(row.possible[LIQUIDATE] == "account is healthy" for row in waiting)
    assert not [one for one in both.accounts if one.first and one.first < BROKE + WAIT]


def test_usde__two_venues__after_the_wait_the_mean_counts(both: Results) -> None:
    """The venue stayed broken for 96 minutes, and a wait lasts 30, or a feed that is stuck would
    shield. After it the two count as one source, with the mean for a price: where that is a jump
    that no second poke has seen, the average. Nobody is liquidated at the price of the venue that
    broke.
    """
    after = [row for row in both.rows if BROKE + WAIT <= row.time <= BROKE + 96 * 60]
    worst = min((row for row in after if None not in row.raw), key=lambda row: row.raw[0] or 0)
    (broken, sound), average = worst.raw, worst.average
    assert broken is not None
    assert sound is not None
    mean = (broken + sound) / 2
    assert 1.2 * broken < 1
    assert 1.05 * mean < 1 < 1.1 * mean
    assert 1.02 * average < 1 < 1.05 * average
    assert {one.account for one in both.accounts if one.liquidations} == {"long 1.02"}


def test_usde__two_venues_and_what_it_is_redeemed_for__nobody_liquidated() -> None:
    """Of three sources one broke: the median is a sound price, during the wait and after it. How
    USDe is best listed.
    """
    start, end = BROKE - 600, BROKE + 6_000
    redeemed = sources.Source("redemption", [(t, 1.0) for t in range(start, end, 60)], 60, end)
    rules = Rules(pegged=True, quorum=2)
    found = play(*USDE, redeemed, rules=rules, start=start, end=end)
    assert {trip.reason for trip in found.trips} == {"dispersion"}
    assert found.liquidated == 0


def test_usde__broken_venue_alone__liquidates_within_the_wait() -> None:
    """What a single source does, and a second prevents."""
    rules = Rules(pegged=True)
    found = play(USDE[0], rules=rules, start=BROKE - 1_800, end=BROKE + WAIT)
    assert found.liquidated > 0
    assert {one.side for one in found.accounts if one.liquidations} == {LONG}


def test_ether__12_march_2020() -> None:
    """It falls by a half in a day: CAUTION comes and goes, who must be liquidated is, nobody else,
    and no loss is left.
    """
    name = "2020-03-black-thursday__ETH-USD__coinapi-unnamed-venue__10m__2020-03-12.csv"
    found = play(name, rules=Rules(), start=1_583_971_200, end=1_584_057_600)
    assert found.by_reason().keys() == {"price jump"}
    assert all((one.liquidations > 0) == (one.side == LONG) for one in found.accounts)
    assert sum(one.unpaid for one in found.accounts) == 0
    caution = found.possible["CAUTION"]
    assert caution["borrow it"][0] == caution["withdraw it"][0] == 0
    assert caution["repay it"][0] == caution["repay it"][1] > 0
