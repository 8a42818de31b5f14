"""What the contracts of the risk side and its feeds, and their models, refuse to be built from."""

import pytest

from breakwater.units import MAX_UINT256, WAD
from tests.market import ZERO
from tests.unit.python.risk_world import Both

pytestmark = pytest.mark.usefixtures("check_rounding")


def test_model__constructors():
    both = Both()
    owner = both.roles["owner"]
    fine = [both.deploy("AggregatorMock", 8, 1) for _ in range(3)]
    odd = both.deploy("AggregatorMock", 31, 1)
    source = fine[0]
    assert both.refuses("RiskEngine", ZERO, owner, ZERO) == "breaker is zero"
    assert both.refuses("RiskEngine", owner, ZERO, ZERO) == "owner is zero"
    assert both.refuses("CircuitBreaker", ZERO, owner) == "owner is zero"
    assert both.refuses("Configurator", owner, source, 0, owner) == "credit engine has no code"
    assert both.refuses("Configurator", source, owner, 0, owner) == "blend feed has no code"
    assert both.refuses("Configurator", source, source, 0, ZERO) == "owner is zero"
    for args, reason in [
        (([], [], 1, 1, False), "no sources"),
        ((fine, [60, 60], 1, 1, False), "one max age for each source"),
        (([*fine, odd], [60, 60, 60], 1, 1, False), ""),
        ((fine, [60, 60, 60, 60], 1, 1, False), ""),
        ((fine, [60, 60, 60], 0, 1, False), "quorum is out of range"),
        ((fine, [60, 60, 60], 4, 1, False), "quorum is out of range"),
        ((fine, [60, 60, 60], 3, 0, False), "band is out of range"),
        ((fine, [60, 60, 60], 3, 2_001, False), "band is out of range"),
        (([owner], [60], 1, 1, True), "source has no code"),
        (([source, source], [60, 60], 1, 1, True), "source is listed twice"),
        (([source], [59], 1, 1, True), "max age is out of range"),
        (([source], [244_801], 1, 1, True), "max age is out of range"),
        (([source, odd], [60, 60], 1, 1, True), "source has too many decimals"),
    ]:
        assert both.refuses("MedianFeed", *args, "") == reason
    feed = both.deploy("MedianFeed", fine, [60, 244_800, 60], 3, 2_000, True, "USD " * 16)
    for index in (0, 1, 2, 3, MAX_UINT256):
        both.run("other", feed, "source", index)
    for function in ("COUNT", "QUORUM", "BAND", "PEGGED", "description", "quote"):
        both.run("other", feed, function)
    token = both.deploy("TokenMock", "T", "T", 6)
    vault = both.deploy("StakedTokenMock", "S", "S", token)
    bad = both.deploy("BadFeedMock", 25)
    for args, reason in [
        ((owner, feed, 1), "vault has no code"),
        ((vault, owner, 1), "base has no code"),
        ((vault, feed, 0), "growth is out of range"),
        ((vault, feed, 10_001), "growth is out of range"),
        ((bad, feed, 1), "asset has no code"),
        ((source, feed, 1), ""),
    ]:
        assert both.refuses("RateFeed", *args) == reason
    both.run("other", bad, "set_mode", 1)
    assert both.refuses("RateFeed", vault, bad, 1) == "base is not valid"
    both.run("other", bad, "set_asset", token)
    assert both.refuses("RateFeed", bad, feed, 1) == "too many decimals"
    both.run("other", vault, "set_rate", 999)
    assert both.refuses("RateFeed", vault, feed, 1) == "rate is not valid"
    both.run("other", vault, "set_rate", 1_000)
    rate = both.deploy("RateFeed", vault, feed, 10_000)
    assert both.refuses("RateFeed", vault, rate, 10_000) == "base needs too much gas"
    for function in ("VAULT", "BASE", "GROWTH", "quote", "rates", "reference"):
        both.run("other", rate, function)
    base = both.deploy("BadFeedMock", 18)
    both.run("other", base, "set_words", (WAD, WAD, WAD, both.host.now, 1))
    over = both.deploy("RateFeed", vault, base, 10_000)
    for assets, low, high in [(999, 1, WAD), (1_000, 999, WAD), (1_000, 1_000, WAD),
                              (4 * 10**6, WAD, 2**126), (4 * 10**6, WAD, 2**126 - 1),
                              (10**15, WAD, WAD), (10**15 + 1, WAD, WAD)]:  # fmt: skip
        both.run("other", vault, "set_rate", assets)
        both.run("other", base, "set_words", (low, high, high, both.host.now, 1))
        both.run("other", over, "quote")
        both.run("other", over, "rates")
    for function in ("decimals", "round_id", "answer", "updated_at", "answered_in_round"):
        both.run("other", source, function)
    for function in ("mode", "decimals", "asset"):
        both.run("other", bad, function)
    for index in range(6):
        both.run("other", bad, "words", index)
    both.run("other", source, "set_decimals", 7)
    constant = both.deploy("ConstantFeedMock", 8, 5)
    both.run("other", constant, "latestRoundData")
    both.run("other", constant, "decimals")
    both.check()
