"""Pools, published prices and factories of the laboratory's market."""

import random

import pytest

from breakwater import artifacts
from breakwater.coverage.host import Coverage, CoverageHost
from breakwater.coverage.instrument import instrument
from breakwater.evm import EvmHost
from breakwater.fuzz import pools, pricing
from breakwater.fuzz.actions import deployments, feeds
from breakwater.fuzz.counterexample import Counterexample
from breakwater.fuzz.player import Player
from breakwater.fuzz.prices import UNREAD
from breakwater.fuzz.replay import play
from breakwater.fuzz.steps import Step, StepError
from breakwater.fuzz.watch import Watch
from breakwater.fuzz.world import World
from breakwater.observation.words import mapped
from breakwater.units import WAD


def call(sender, target, function, *args, wait=0):
    return Step(sender, target, function, args, wait, wait // 12)


@pytest.fixture(scope="module")
def player():
    return Player(World(EvmHost()))


@pytest.fixture
def fast(player):
    snapshot = player.host.snapshot()
    yield player
    player.host.restore(snapshot)
    player.watch.reset()


def quoted(fast, symbol):
    """What the watch and the feed say of an asset: low, price, high."""
    watch = fast.watch
    watch.keep_time()
    asset = watch._by_name[f"@token.{symbol}"]
    watch.quotes[asset.id] = UNREAD
    mine = watch._quote(asset, watch.rules[asset.id][0])
    contract = fast.world.contracts[f"feed.{symbol}"]
    theirs = fast.host.call(contract.address, contract.NAME, "quote", ())
    return (mine.low, mine.price, mine.high, mine.status), (*theirs[:3], theirs[4])


@pytest.mark.parametrize("symbol", ["WBTC", "ODD"])
def test_watch__quotes_what_the_feed_quotes(fast, symbol):
    """Whatever pools, publishers and aggregators say."""
    draw = random.Random(symbol)
    at = next(i for i, (one, _) in enumerate(fast.priced) if one == symbol)
    seen = set()
    for _ in range(600):
        gene = bytes([0, 0, at, *draw.randbytes(5)])
        act = draw.choice((feeds.price, feeds.bad_feed, feeds.bad_feed, feeds.refresh))
        for one in act(fast, gene):
            fast.send(one)
            mine, theirs = quoted(fast, symbol)
            if not mine[1] and theirs[1]:
                assert theirs[0] < WAD // 10**4 or theirs[2] > 10**28  # beyond the asset's bounds
                continue
            assert mine == theirs, one
            seen.add(mine[3])
    assert seen == {0, 1, 3}


@pytest.mark.parametrize("tick", [-6, -5, -1, 0, 1, 1_000, -62_147])
def test_twap__is_what_the_feed_makes_of_a_tick(fast, tick):
    """Where 1.0001**tick is a whole number of units, too: there rounding down shows."""
    answer = pools.as_bytes(pools.observations(tick))
    assert fast.send(("keeper", "pool.WBTC", "set_answer", (answer,), 0, 0)) is None
    pool, feed = (fast.world.contracts[f"{one}.WBTC"] for one in ("pool", "market"))
    mine = pools.twap(fast.storage, pool.address, 8)
    assert mine == fast.host.call(feed.address, feed.NAME, "quote", ())[1]


@pytest.mark.parametrize("dollars", [1, 1_000, 50_000, 10**7])
def test_tick_of__is_worth_at_most_the_price(dollars):
    tick = pools.tick_of(dollars * 10**8, 8)
    words = pools.observations(tick)
    price = pools._twap(8, *words)
    assert dollars * WAD * 9_999 // 10_000 <= price <= dollars * WAD


def test_player__answers_are_what_was_fed(fast):
    for name in ("pool.WBTC", "pool.ODD", "nav.ODD", "nav.dollar", "source.WBTC.0"):
        answer = fast.answer(name) * 97 // 100
        assert fast.send(fast.feed(name, answer, 0, 0)) is None
        assert answer * 9_998 // 10_000 <= fast.answer(name) <= answer


# ------------------------------------------------------------ what an issuer takes away


def taken(*steps):
    """What the watch says after an issuer took ten WETH from the engine, and these steps."""
    world = World(EvmHost())
    watch = Watch(world)
    found = []
    for step in (call("keeper", "token.WETH", "burn", "@engine", 10 * WAD), *steps):
        result = world.run(step)
        assert result.reason is None
        found += watch.after(step, result)
    return world, watch, found


def test_watch__what_was_taken_away_is_no_broken_promise():
    world, watch, found = taken(call("keeper", "breaker", "check_solvency", "@token.WETH"))
    assert not found
    assert not watch.sweep()
    assert watch.lost[1] > 0
    step = call("keeper", "token.WETH", "mint", "@engine", 10 * WAD)
    assert not watch.after(step, world.run(step))
    assert watch.lost[1] == 0


def test_watch__more_than_was_taken_away_is_one():
    world, watch, _ = taken()
    token, engine = (world.address(name) for name in ("token.WETH", "engine"))
    place = mapped(
        artifacts.load("TokenMock").layout["storage_layout"]["balanceOf"]["slot"], engine
    )
    held = world.host.storage(token, place)
    world.host._evm.insert_account_storage(token, place, held - 1)
    assert [one.promise for one in watch.sweep()] == ["SOLV-1"]


def test_replay__knows_what_was_taken_away():
    steps = [
        call("keeper", "token.ODD", "burn", "@engine", 10**12),
        call("keeper", "breaker", "check_solvency", "@token.ODD"),
        call("keeper", "breaker", "check_solvency", "@token.ODD", wait=90_000),
    ]
    assert not play(steps).violations


# ------------------------------------------------------------ factories

GOOD = {"constructor": "NavFeed", "args": [WAD, "@keeper", 3_600, 10_000]}


def test_factory__deploys_as_often_as_addresses_are_known(fast):
    world = fast.world
    for nonce in range(1, 9):
        result = world.run(call("keeper", "factory.NavFeed", "make", GOOD))
        assert world.name(result.value) == f"factory.NavFeed.{nonce}"
        assert [log.name for log in result.logs] == ["Publish"]
    assert world.run(call("keeper", "factory.NavFeed", "make", GOOD)).reason == "no more of them"


def test_factory__shows_what_constructors_ran():
    seen = Coverage()
    world = World(CoverageHost(seen))
    build = instrument("NavFeed")
    world.host.new_bits()
    before = set(seen.of(build))
    bad = {**GOOD, "args": [0, "@keeper", 3_600, 10_000]}
    result = world.run(call("keeper", "factory.NavFeed", "make", bad))
    assert result.reason == "price is out of range"
    world.host.new_bits()
    refused = set(seen.of(build)) - before
    assert any(build.sites[number - 1].part == "constructor" for number in refused)
    fixed = {**GOOD, "args": [WAD, "0x" + "00" * 20, 3_600, 0]}
    assert world.run(call("keeper", "factory.NavFeed", "make", fixed)).reason is None
    assert world.run(call("keeper", "factory.NavFeed", "quote")).value[1] == WAD
    assert world.host.new_bits()


def test_deploy__every_kind_passes_and_is_refused(fast):
    draw = random.Random(1)
    found = {kind: set() for kind in pricing.FEEDS}
    for _ in range(400):
        gene = bytes([0, *draw.randbytes(7)])
        snapshot = fast.host.snapshot()
        for one in deployments.deploy(fast, gene):
            reason = fast.send(one)
            if one[2] == "make":
                found[one[3][0]["constructor"]].add(reason)
        fast.host.restore(snapshot)
    assert all(None in reasons and len(reasons) > 3 for reasons in found.values()), found


def test_step__keeps_the_arguments_of_a_constructor():
    step = call("keeper", "factory.NavFeed", "make", GOOD)
    assert Step.from_json(step.to_json()) == step
    assert "NavFeed(1e18, @keeper, 3_600, 10_000)" in str(step)
    assert Counterexample("default", "SOLV-1", (step,)).to_json()["steps"][0] == step.to_json()
    with pytest.raises(StepError, match="the args of a constructor are a list"):
        Step.from_json({**step.to_json(), "args": [{"constructor": "NavFeed", "args": 1}]})


def test_step__constructor_that_takes_other_arguments(fast):
    step = call("keeper", "factory.NavFeed", "make", {**GOOD, "args": [1]})
    with pytest.raises(StepError, match="NavFeed: the constructor takes 4 arguments, not 1"):
        fast.world.run(step)
