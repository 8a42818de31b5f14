"""What the watch makes of assets that end, or whose feed is replaced."""

from dataclasses import replace

from breakwater.evm import EvmHost
from breakwater.fuzz.genes import NOBODY
from breakwater.fuzz.profiles import DELAY
from breakwater.fuzz.steps import Step
from breakwater.fuzz.watch import Watch
from breakwater.fuzz.world import World
from breakwater.units import DAY
from tests.planted.sequences import NOTHING, call


def ruled(function, *args, wait=DELAY, salt=NOTHING):
    """A call of the configurator's owner, in two steps."""
    inner = Step("timelock", "configurator", function, args)
    full = "@configurator", 0, {"call": inner}, NOTHING, salt
    return [
        call("governor", "timelock", "schedule", *full, DELAY),
        call("keeper", "timelock", "execute", *full, wait=wait, blocks=wait // 12),
    ]


def judged(steps):
    """What breaks, of steps that all succeed."""
    market = World(EvmHost())
    watch = Watch(market)
    watch.thorough = True
    found = []
    for step in steps:
        result = market.run(step)
        assert result.succeeded, (step, result)
        found += watch.after(step, result)
    return found


def test_settled__all_of_it_leaves_in_a_batch_with_other_new_risk():
    usdc = ("@token.USDC",)
    out = [2, "borrower_3#0", *usdc, 20_000 * 10**6, "@borrower_3", NOTHING, NOBODY, 0]
    into = [1, "borrower_3#0", "@token.WETH", 100 * 10**18, "@borrower_3", NOTHING, NOBODY, 0]
    assert not judged(
        [
            call("keeper", "breaker", "poke", *usdc),
            *ruled("announce_settlement", *usdc, 10**18),
            *ruled("settle", *usdc, wait=DAY),
            *(call("keeper", f"source.WETH.{i}", "set", 2_000 * 10**8) for i in range(3)),
            call("keeper", "source.WBTC.0", "set", 50_000 * 10**8),
            call("borrower_3", "engine", "batch", [out, into], "0x"),
        ]
    )


def test_replaced__a_poke_is_judged_by_what_the_feed_said_before_it():
    """The feed believes the new source by the average, which the poke itself moves."""
    usdc = ("@token.USDC",)
    schedule, execute = ruled("replace_feed", *usdc, "@source.USDC.next", False, DAY, NOBODY)
    told = call("keeper", "source.USDC.next", "set", 6 * 10**8, wait=DELAY)
    assert not judged(
        [
            *(call("keeper", f"source.USDC.{i}", "set", 6 * 10**8) for i in range(2)),
            schedule,
            told,
            replace(execute, wait=0, blocks=0),
            call("keeper", "breaker", "poke", *usdc, wait=40_000, blocks=1),
            call("keeper", "source.USDC.next", "set", 10**8),
            call("keeper", "breaker", "poke", *usdc, wait=43_000, blocks=1),
        ]
    )
