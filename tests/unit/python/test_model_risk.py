"""The model of the risk side beside the contracts: random calls, every reason, value, event, word.

What is expected comes from `breakwater.model` alone; the contracts are only compared with it.
"""

from __future__ import annotations

import pytest

from breakwater import artifacts
from breakwater.abi import checksum
from breakwater.units import DAY, MAX_UINT256, WAD
from tests.market import ZERO
from tests.unit.python.risk_world import DEBT, World

REASONS = range(6)

pytestmark = pytest.mark.usefixtures("check_rounding")


@pytest.mark.parametrize("seed", range(12))
def test_model__random_calls(seed):
    world = World(seed)
    world.begin()
    world.play(220)


def test_model__every_edge_of_a_listing():
    world = World(1)
    world.begin()
    for name, values in world.edges().items():
        for value in values:
            for _, config in (world.unlisted[0], world.unlisted[1]):
                world.list(world.token(18), config._replace(**{name: value}))
    apart = world.unlisted[0][1]._replace(min_price=10**9, max_price=10**28)
    world.list(world.token(18), apart)
    seen = {reason for function, reason in world.reasons if function == "list_asset"}
    ranged = {f"{name} out of range" for name in world.edges()}
    ranged -= {f"{one} out of range" for one in
               ("source", "is_feed", "borrow_ltv", "liquidation_ltv", "incentive_min",
                "incentive_max")}  # fmt: skip
    assert seen >= ranged | {
        None, "", "borrow_ltv is too high", "price bounds are too far apart", "tip out of range",
        "incentive out of range", "feed decimals out of range", "liquidation_ltv is too high",
        "price is not valid", "tip differs from the others", "incentive too high for an ltv",
    }  # fmt: skip
    world.check()


def test_model__every_edge_of_a_price():
    """Band, bounds, age, agreement: on both sides of each."""
    world = World(4)
    world.begin()
    (eth, btc), (one, two) = world.feeds[:2], world.feeds[2].sources
    odd = world.feeds[4].sources[0]
    unit, now = 10**8, world.host.now
    for answer in (52_500 * unit, 52_500 * unit + 1, 47_500 * unit, 47_500 * unit - 1):
        world.run("other", btc.sources[0], "set", answer)
        world.run("other", world.risk, "quote", world.tokens[1])
    for exponent in (55, 89):
        for change in (-1, 0, 1):
            answer = (2**exponent // 10**10) + change
            world.run("other", btc.sources[0], "set", answer)
            world.run("other", world.risk, "quote", world.tokens[1])
    for age in (86_400, 86_401):
        world.run("other", btc.sources[0], "set_round", 1, 50_000 * unit, now - age, 1)
        world.run("other", world.risk, "quote", world.tokens[1])
    for answer in (1_005_000, 1_005_001, 995_024, 995_025):
        world.run("other", one, "set", 1_000_000)
        world.run("other", two, "set", answer)
        world.run("other", world.risk, "quote", world.tokens[2])
    for answers in [(100, 101, 102), (100, 101, 103), (100, 102, 103), (100, 102, 105), (9, 9, 9)]:
        for source, answer in zip(eth.sources, answers, strict=True):
            world.run("other", source, "set", answer * 20 * unit)
        for source in eth.sources:
            world.run("other", source, "latestRoundData")
        world.run("other", world.risk, "quote", world.tokens[0])
    for answer in (1, 10**6 - 1, 10**6, 5 * 10**23):
        world.run("other", odd, "set", answer)
        world.run("other", world.risk, "quote", world.tokens[4])
    bad = world.bad[2]
    for low, high in [(2**39, 2**39), (2**39 - 1, WAD), (WAD, 2**74 - 1), (WAD, 2**74)]:
        for status in range(5):
            world.run("other", bad, "set_words", (low, high, high, now, status))
            world.run("other", world.risk, "quote", world.tokens[8])
    for time in (now, now + 1, now - 86_400, now - 86_401, 0):
        world.run("other", bad, "set_words", (WAD, WAD, WAD, time, 1))
        world.run("other", world.risk, "quote", world.tokens[8])
    for words in ((0, WAD, WAD), (WAD, WAD - 1, WAD), (WAD, WAD + 1, WAD), (WAD, WAD, 2**128)):
        world.run("other", bad, "set_words", (*words, now, 1))
        world.run("other", world.risk, "quote", world.tokens[8])
    world.check()


def test_model__every_edge_of_time():
    """Waits, confirmation, patience, fading: a second before, at, and after each."""
    world = World(6)
    world.begin()
    start = world.host.snapshot()
    before = dict(world.chain.state)
    unit = 10**8
    pairs = [[(1, 10**8, False), (2, owed * 10**6, True)] for owed in (30_000, 40_000, 45_000)]
    apart = [(2, 10**11, False), (1, 10**8, True)]

    def look() -> None:
        for legs in (*pairs, apart):
            position = world.position(legs)
            world.run("other", world.risk, "health_of", position)
            debt = next(i + 1 for i, _, is_debt in legs if is_debt)
            collateral = next(i + 1 for i, _, is_debt in legs if not is_debt)
            args = (position, debt | DEBT, collateral, MAX_UINT256, 0)
            world.run("other", world.risk, "liquidation_terms", *args)

    def poke(index: int, wait: int, *answers: int) -> None:
        """Time passes, then a round of an asset's sources, then a poke."""
        world.host.advance(wait)
        for source, answer in zip(world.feeds[index].sources, answers, strict=True):
            world.run("other", source, "set", answer)
        look()
        world.run("other", world.breaker, "poke", world.tokens[index])
        look()

    jump, calm = 35_000 * unit, 50_000 * unit
    runs: list[list[tuple[int, int, tuple[int, ...]]]] = []
    for edge in (59, 60, 61, 539, 540, 599, 600, 601, 899, 900, 901, 3_599, 3_600, 3_601):
        runs.append([(1, 12, (jump,)), (1, edge, (jump,)), (1, 60, (jump,)), (1, 3_600, (jump,))])
        runs.append([(1, 12, (jump,)), (1, 60, (jump,)), (1, edge, (calm,)), (1, edge, (jump,))])
        runs.append([(1, 12, (0,)), (1, edge, (0,)), (1, edge, (0,)), (1, edge, (calm,))])
    for edge in (DAY - 3_600, DAY - 3_601, DAY):
        runs.append([(1, 12, (0,)), *[(1, 3_600, (0,))] * 22, (1, edge, (0,)), (1, 1, (0,))])
    agree, differ = (10**6, 10**6), (10**6, 980_000)
    for edge in (899, 900, 1_799, 1_800, 1_801):
        for pause in (60, DAY - 1, DAY, DAY + 1):
            runs.append([(2, 12, differ), (2, edge, agree), (2, pause, differ), (2, 900, differ),
                         (2, 900, differ), (2, 1, agree)])  # fmt: skip
    for steps in runs:
        for index, wait, answers in steps:
            poke(index, wait, *answers)
        world.host.advance(1)
        look()
        world.check()
        world.host.restore(start)
        world.chain.state = dict(before)
    assert world.reasons["liquidation_terms", "price jump is too recent"] > 10


def test_model__dust_makes_no_pair_admissible():
    """A pair lowers health while a price is gone: what else is priced decides."""
    world = World(8)
    world.begin()
    world.run("other", world.feeds[1].sources[0], "set", 0)
    for dust in (0, 1, 2 * 10**24 - 1, 2 * 10**24, 2 * 10**24 + 1, 2 * 10**24 + 2, 4 * 10**24):
        for owed in (96_000, 97_000, 98_000, 99_000):
            legs = [(2, 50_000 * 10**6, False), (1, 10**8, False), (5, owed * WAD // 30, True)]
            if dust:
                legs.append((4, dust, False))
            for collateral in (3, 5):
                args = (world.position(legs), 6 | DEBT, collateral, MAX_UINT256, 0)
                world.run("other", world.risk, "liquidation_terms", *args)
    assert world.reasons["liquidation_terms", "pair would lower health"] > 3
    assert world.reasons["liquidation_terms", None] > 3


def test_model__slice_of_the_tightest_listing():
    """H x w - (1 + beta) x L, by which a slice is divided, where listing makes it least: it is
    above 0 by 1.00001e18 of 1e22.
    """
    world = World(3)
    world.run("owner", world.risk, "set_configurator", world.configurator)
    world.run("owner", world.breaker, "connect", world.risk, world.engine)
    least = {"tip": 3_837, "incentive_min": 3_837, "incentive_max": 3_837, "liquidation_ltv": 7_227,
             "borrow_ltv": 0, "borrow_ltv_floor": 0, "target_health": 10_001,
             "debt_weight": 10_000}  # fmt: skip
    config = world.unlisted[-1][1]._replace(**least)
    for beyond, reason in (
        ({"incentive_max": 3_838}, "incentive too high for an ltv"),
        ({"liquidation_ltv": 7_228}, "incentive too high for an ltv"),
        ({"target_health": 10_000}, "target_health out of range"),
        ({"debt_weight": 9_900}, "debt_weight out of range"),
    ):
        world.list(world.token(6), config._replace(**beyond))
        assert world.comparison.outcome.reason == reason
    for _ in range(2):
        assert world.list(world.token(6), config)
    # just below health 1, and above water: 1.3837 of the debt
    owed = 10**16
    for held in (owed * 13_837 // 10_000 + 1, owed * 10_000 // 7_227):
        position = world.position([(0, held, False), (1, owed, True)])
        args = (position, 2 | DEBT, 1, MAX_UINT256, 0)
        terms = world.run("other", world.risk, "liquidation_terms", *args)
        assert terms is not None, world.comparison.outcome.reason
        assert 0 < terms[0] <= owed


def test_model__as_many_assets_and_vaults_as_there_may_be():
    world = World(2)
    world.begin()
    _, config = world.unlisted[-1]
    for _ in range(127 - len(world.tokens)):
        assert world.list(world.token(18), config)
    assert not world.list(world.token(18), config)
    assert world.reasons["list_asset", "too many assets"] == 1
    world.run("owner", world.breaker, "add_vault", ZERO)
    for i in range(31):
        vault = world.deploy("BadFeedMock", 18)
        world.run("other", vault, "set_asset", checksum(f"0x{i + 1:040x}"))
        world.lend(vault)
        world.run("owner", world.breaker, "add_vault", vault)
    assert world.reasons["add_vault", "too many vaults"] == 1
    world.run("other", world.breaker, "vault_list")
    world.check()


def test_model__latched_before_the_vault_is_added():
    """The vault takes over what the guardian holds."""
    world = World(3)
    world.begin()
    token = world.tokens[2]
    world.run("guardian", world.breaker, "trip", token, 2, DAY)
    owner = world.roles["owner"]
    vault = world.deploy("LendingVault", token, world.engine, world.breaker, "V", "V", owner)
    assert not world.run("owner", world.breaker, "add_vault", vault)
    world.lend(vault)
    world.run("owner", world.breaker, "add_vault", vault)
    assert world.run("other", vault, "level") == 2
    world.check()


@pytest.mark.parametrize("level", [1, 2])
def test_model__latches_expire_to_the_second(level):
    world = World(7)
    world.begin()
    token = world.tokens[1]
    world.run("guardian", world.breaker, "trip", token, level, 60)
    for wait in (59, 1, 1):
        world.host.advance(wait)
        for reason in REASONS:
            world.run("other", world.breaker, "latch_of", token, 1 << reason)
        world.run("other", world.breaker, "level_of", token)
        world.run("other", world.risk, "quote", token)
        world.run("other", world.breaker, "reset", token)
    world.check()


def test_model__has_every_function():
    """Of the ABI, by its name."""
    from breakwater.model.protocol import models

    for name in ("RiskEngine", "CircuitBreaker", "Configurator", "BlendFeed", "MedianFeed",
                 "RateFeed", "Timelock", "AggregatorMock", "BadFeedMock",
                 "ConstantFeedMock"):  # fmt: skip
        for entry in artifacts.load(name).abi:
            if entry["type"] == "function":
                assert hasattr(models()[name], entry["name"]), (name, entry["name"])
