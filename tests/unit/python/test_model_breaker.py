"""The model of the circuit breaker beside the contracts: tokens are lost, supplies grow."""

from __future__ import annotations

import pytest

from breakwater.units import DAY, HOUR
from tests.unit.python.engine_pair import Pair

SYMBOLS = ("WETH", "USDC", "wstETH", "ODD")


def _step(pair: Pair) -> None:
    """One of what may happen to a market that loses tokens."""
    random = pair.random
    symbol = random.choice(SYMBOLS)
    token, at = pair.token(symbol), f"token.{symbol}"
    what = random.random()
    if what < 0.3:
        pair.host.advance(random.choice([12, 599, 600, HOUR, 6 * HOUR, DAY - 1, DAY, 3 * DAY]), 1)
    elif what < 0.5:
        pair.do("keeper", "breaker", "check_solvency", token)
    elif what < 0.6:
        pair.do("keeper", "breaker", "poke", token)
    elif what < 0.75:
        loser = random.choice(["engine", f"vault.{symbol}"])
        if loser not in pair.world.contracts:
            loser = "engine"
        function = random.choice(["mint", "burn", "burn"])
        pair.do("keeper", at, function, pair.address(loser), random.choice([1, 1, 10**6]))
    elif what < 0.85:
        level, days = random.choice([1, 2, 2]), random.choice([1, 2, 7])
        pair.do("guardian", "breaker", "trip", token, level, days * DAY)
    elif what < 0.95:
        pair.do(random.choice(["guardian", "keeper"]), "breaker", "reset", token)
    else:
        for _ in range(3):
            pair.do("keeper", at, random.choice(["mint", "burn"]), pair.address("keeper"), 10**27)
            pair.do("keeper", "breaker", "poke", token)
            pair.host.advance(random.choice([12, 600, 601]), 1)
    for function in ("level_of", "supply_of", "stale_since", "vault_of"):
        pair.do("keeper", "breaker", function, token)
    pair.do("keeper", "breaker", "latch_of", token, 1 << random.randrange(7))
    if f"vault.{symbol}" in pair.world.contracts:
        pair.do("keeper", f"vault.{symbol}", "level")


@pytest.mark.parametrize("seed", range(3))
def test_model__tokens_are_lost_and_minted(seed: int) -> None:
    pair = Pair(seed)
    for step in range(400):
        _step(pair)
        if step % 40 == 0:
            assert pair.comparison.everything() is None
    assert pair.comparison.everything() is None
    assert pair.reasons["latch budget is spent"]
    assert pair.passed["check_solvency"] > 40
    assert pair.events["Trip"] > 20


def test_model__limit_through_the_timelock() -> None:
    """What the owner sets goes the way of the rest, and the limits are the contract's."""
    pair = Pair()
    token = pair.token("USDC")
    for limit, reason in ((9, "limit out of range"), (10, None), (10_001, "limit out of range")):
        pair.order("breaker", "set_supply_limit", token, limit)
        assert pair.comparison.outcome.reason == reason
    assert pair.passes("keeper", "breaker", "supply_of", token).limit == 10
    stranger = "keeper", "breaker", "set_supply_limit", token, 10
    pair.refused("ownable: caller is not the owner", *stranger)
