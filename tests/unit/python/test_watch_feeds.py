"""The watch on changed feeds, and on breakers whose sensors see what is missing, or do not."""

import pytest

from breakwater.fuzz import pools
from tests.mutants import Mutant, check_seen, check_silent
from tests.planted.sequences import HOUR, call

GONE = [
    call("keeper", "token.WETH", "burn", "@vault.WETH", 10**18),
    call("keeper", "breaker", "check_solvency", "@token.WETH"),
]


def pool(answer, symbol="WBTC"):
    """The pool of WBTC answers this, and a poke sees it."""
    poke = call("keeper", "breaker", "poke", f"@token.{symbol}")
    return [call("keeper", "pool.WBTC", "set_answer", answer), poke]


THIN = pools.observations(pools.tick_of(40_000 * 10**8, 8), 1)
POKE_ODD = call("keeper", "breaker", "poke", "@token.ODD")

MUTANTS = {
    "shortage that latches for a minute": Mutant(
        "CircuitBreaker",
        "",
        "check_solvency",
        "AT_INSOLVENCY, HALT, DAY",
        "AT_INSOLVENCY, HALT, 60",
        GONE,
        "GATE-2",
    ),
    "shortage of what is all there": Mutant(
        "CircuitBreaker",
        "",
        "check_solvency",
        "of_claims) != 0",
        "of_claims) >= 0",
        GONE[1:],
        "GATE-2",
    ),
    "vault that is short and stays open": Mutant(
        "CircuitBreaker",
        "",
        "check_solvency",
        "        self._halt_vault(asset, vault, latched)\n",
        "",
        GONE,
        "GATE-2",
    ),
    "dead pool that kills what it bounds": Mutant(
        "CheckedFeed",
        "feeds/CheckedFeed",
        "quote",
        "        if DECIDES:\n            return",
        "        if True:\n            return",
        pool("0x"),
        "SOLV-11",
    ),
    "dead pool that decides": Mutant(
        "CheckedFeed",
        "feeds/CheckedFeed",
        "quote",
        "        if DECIDES:\n            return",
        "        if False:\n            return",
        [call("keeper", "pool.ODD", "set_locked", True), POKE_ODD],
        "SOLV-11",
    ),
    "pool that decides, unheard": Mutant(
        "CheckedFeed",
        "feeds/CheckedFeed",
        "quote",
        "price = market",
        "price = price",
        [call("keeper", "pool.ODD", "set_prices", 10**18, 10**18), POKE_ODD],
        "SOLV-11",
    ),
    "thin pool": Mutant(
        "UniswapTwapFeed",
        "feeds/UniswapTwapFeed",
        "_average",
        "liquidity < LEAST_LIQUIDITY",
        "liquidity == 0",
        pool(pools.as_bytes(THIN)),
        "SOLV-11",
    ),
    "average beyond its bounds": Mutant(
        "CurveEmaFeed",
        "feeds/CurveEmaFeed",
        "_prices",
        "average > HIGHEST",
        "average == 0",
        [call("keeper", "pool.ODD", "set_prices", 10**22, 10**22), POKE_ODD],
        "SOLV-11",
    ),
    "price of last week": Mutant(
        "NavFeed",
        "feeds/NavFeed",
        "quote",
        "> AGE",
        "> 2 * AGE",
        [call("keeper", "breaker", "poke", "@token.ODD", wait=8 * 24 * HOUR, blocks=1)],
        "SOLV-11",
    ),
    "answer at its clamp": Mutant(
        "MedianFeed",
        "feeds/MedianFeed",
        "quote",
        "price <= FLOORS[i]",
        "price == 0",
        [
            call("keeper", "source.WBTC.0", "set", 1),
            call("keeper", "breaker", "poke", "@token.WBTC"),
        ],
        "SOLV-11",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_watch__sees_a_mutant(name):
    check_seen(MUTANTS[name])


@pytest.mark.parametrize("name", MUTANTS)
def test_watch__is_silent_without_the_mutant(sound, name):
    check_silent(sound, MUTANTS[name])
