"""The rate model and compound interest, against exact arithmetic."""

import math
import random
from fractions import Fraction

import pytest

from breakwater.evm import EvmHost
from breakwater.model import interest
from tests import rates

RAY = 10**27
WAD = 10**18
YEAR = 365 * 86_400


@pytest.fixture(scope="module")
def model():
    return rates.deploy(EvmHost())


def test_growth__zero_is_none(model):
    assert model("growth_down", 0) == RAY


@pytest.mark.parametrize("x", [1e-9, 1e-4, 0.1, 0.3, 0.5, 0.500001, 1.0, 2.7, 5.0, 10.0, 15.4])
def test_growth__within_one_percent_and_never_above(model, x):
    exact = math.exp(x)
    found = Fraction(model("growth_down", int(x * RAY)), RAY)
    assert float(found) <= exact * (1 + 1e-14)
    assert float(found) - 1 >= math.expm1(x) * 0.99


def test_growth__is_monotone(model):
    xs = sorted([RAY * i // 64 for i in range(64 * 17)] + [RAY // 2 + d for d in range(-2, 3)])
    found = [model("growth_down", x) for x in xs]
    assert found == sorted(found)
    assert found[-1] == 2**112 - 1


def test_grow__saturates(model):
    assert model("grown", 2**112 - 1, 2**40 - 1, 2**32 - 1) == 2**112 - 1


@pytest.mark.parametrize(
    ("utilization", "bps"), [(0, 100), (45, 250), (90, 400), (95, 1_200), (100, 2_000)]
)
def test_borrow_rate__curve(model, utilization, bps):
    """4 % at a target of 90 %; a quarter of it when idle; 20 % at least when full."""
    rate = 4 * 10**16 // YEAR
    found = model("borrow_rate", rate, utilization * WAD // 100, 9_000, 40_000)
    assert found * YEAR == pytest.approx(bps * 10**14, rel=1e-8)


def test_borrow_rate__steep_and_high(model):
    top = 2 * WAD // YEAR
    assert model("borrow_rate", top, WAD, 9_900, 100_000) == top * 10
    assert top * 10 < 2**40


@pytest.mark.parametrize("elapsed", [12, 3_600, 86_400, 30 * 86_400])
@pytest.mark.parametrize("utilization", [0, 50, 80, 90, 95, 100])
def test_drift__follows_the_error(model, elapsed, utilization):
    rate = 4 * 10**16 // YEAR
    least, highest = 10**15 // YEAR, 2 * WAD // YEAR
    u = utilization / 100
    error = (u - 0.9) / 0.1 if u >= 0.9 else (u - 0.9) / 0.9
    exact = rate * math.exp(50 * error * elapsed / YEAR)
    exact = min(max(exact, least), highest)
    found = model(
        "drifted", rate, utilization * WAD // 100, 9_000, 500_000, elapsed, least, highest
    )
    assert found == pytest.approx(exact, rel=3e-3)


def test_drift__small_steps_add_up(model):
    """300 blocks at an error of 1 % drift as far as an hour, within 1e-6."""
    rate = whole = 4 * 10**16 // YEAR
    u, bounds = 9 * 10**17 + 10**15, (1, 2**40 - 1)
    for _ in range(300):
        rate = model("drifted", rate, u, 9_000, 500_000, 12, *bounds)
    whole = model("drifted", whole, u, 9_000, 500_000, 3_600, *bounds)
    assert rate == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("utilization", [0, WAD // 2, WAD])
def test_drift__extremes_saturate(model, utilization):
    """Bounds as far apart as a configuration allows."""
    least, highest = 5 * 10**7, 10**12
    found = model("drifted", highest, utilization, 1_000, 1_000_000, 2**32 - 1, least, highest)
    assert found == (least if utilization == 0 else highest)


def test_growth__as_the_model_says(model):
    """To the unit, at every number of halvings and at the edges between them."""
    edges = [RAY // 2] + [RAY * 2**n // 32 for n in range(10)]
    xs = [edge + d for edge in edges for d in (-1, 0, 1)]
    xs += [16 * RAY * i // 97 for i in range(97)]
    assert [model("growth_down", x) for x in xs] == [interest.growth_down(x) for x in xs]


def test_grow__as_the_model_says(model):
    rng = random.Random(1)
    for _ in range(100):
        args = rng.randrange(RAY, 2 ** rng.randrange(91, 113)), rng.randrange(2**40)
        elapsed = rng.randrange(2 ** rng.randrange(1, 33))
        assert model("grown", *args, elapsed) == interest.grown(*args, elapsed)


def test_borrow_rate__as_the_model_says(model):
    """To the unit: low and high rates, on both sides of the target and at it."""
    rng = random.Random(2)
    for _ in range(200):
        target = rng.randrange(1_000, 9_901)
        kink = target * 10**14
        utilization = rng.choice((0, kink - 1, kink, kink + 1, WAD, rng.randrange(WAD)))
        args = (
            rng.randrange(1, 2 * WAD // YEAR),
            utilization,
            target,
            rng.randrange(10_000, 100_001),
        )
        assert model("borrow_rate", *args) == interest.borrow_rate(*args)


def test_drift__as_the_model_says(model):
    rng = random.Random(3)
    for _ in range(200):
        target = rng.randrange(1_000, 9_901)
        kink = target * 10**14
        utilization = rng.choice((0, kink - 1, kink, kink + 1, WAD, rng.randrange(WAD)))
        elapsed = rng.randrange(2 ** rng.randrange(1, 33))
        rate = rng.randrange(10**7, 2 * WAD // YEAR)
        bounds = rng.randrange(1, 10**8), rng.randrange(10**10, 2**40)
        args = rate, utilization, target, rng.randrange(0, 1_000_001), elapsed, *bounds
        assert model("drifted", *args) == interest.drifted(*args)
