"""Trials of liveness in states that random calls seldom reach."""

import pytest

from breakwater.evm import EvmHost
from breakwater.fuzz.profiles import DELAY
from breakwater.fuzz.steps import Step
from breakwater.fuzz.watch import Watch
from breakwater.fuzz.world import World
from tests.mutants import Mutant, changed
from tests.planted.sequences import NOTHING, add, borrow, call

FORGETFUL = Mutant(
    "LendingVault", "modules/lenders", "_claim",
    "unsafe_add(paid >> 128, books & M112)", "books & M112", [], "LIVE-2",
)  # fmt: skip
"""The part of who comes later is of what is left, not of all that there was."""

GREEDY = Mutant(
    "LendingVault", "modules/lenders", "_claim",
    "unsafe_sub(part, min(part, self._taken[owner]))", "part", [], "SOLV-2",
)  # fmt: skip
"""What he took before is not counted."""


def wound(market, watch):
    """The vault of USDC is wound down."""
    inner = Step("timelock", "configurator", "wind_down_vault", ("@vault.USDC",))
    full = "@configurator", 0, {"call": inner}, NOTHING, NOTHING
    for step in (
        call("governor", "timelock", "schedule", *full, DELAY),
        call("keeper", "timelock", "execute", *full, wait=DELAY, blocks=300),
    ):
        result = market.run(step)
        assert result.succeeded
        assert not watch.after(step, result)


def test_shared_out__nobody_takes_his_part_twice():
    market = World(EvmHost(), compile=changed(GREEDY))
    watch = Watch(market)
    found = []
    for step in (
        add("borrower_1#0", "WETH", 10**20),
        borrow("borrower_1#0", "USDC", 10**11),
    ):
        result = market.run(step)
        assert result.succeeded, result
        found += watch.after(step, result)
    wound(market, watch)
    who = market.roles["lender_1"]
    most = market.host.call(market.address("vault.USDC"), "LendingVault", "maxWithdraw", [who])
    for amount in (most, 10**6):
        assert not found
        step = call("lender_1", "vault.USDC", "withdraw", amount, "@lender_1", "@lender_1")
        result = market.run(step)
        assert result.succeeded, result
        found += watch.after(step, result)
    assert {violation.promise for violation in found} == {GREEDY.promise}


@pytest.mark.parametrize("mutated", [False, True])
def test_share_out__who_comes_later_gets_his_part(mutated):
    market = World(EvmHost(), compile=changed(FORGETFUL)) if mutated else World(EvmHost())
    watch, redeemed = Watch(market), []
    wound(market, watch)
    step = call("lender_1", "vault.USDC", "redeem", 10**17, "@lender_1", "@lender_1")
    result = market.run(step)
    assert result.succeeded
    assert not watch.after(step, result)

    def send(made):
        step = Step(*made)
        result = market.run(step)
        if result.succeeded:
            assert not watch.after(step, result)
        redeemed.append((step.sender, result.reason))
        return result.reason

    trials = watch._trials
    found = []
    trials._withdraw([vault.symbol for vault in watch._vaults].index("USDC"), send, found)
    held_back = "part of the cash is taken"
    assert redeemed == [(name, held_back if mutated else None) for name in ("lender_1", "lender_2")]
    assert {violation.promise for violation in found} == ({"LIVE-2"} if mutated else set())
