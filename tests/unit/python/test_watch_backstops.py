"""The watch on backstop pools with one function changed, and their lenders' trials."""

import pytest

from breakwater.evm import EvmHost
from breakwater.fuzz.steps import Step
from breakwater.fuzz.watch import Watch
from breakwater.fuzz.world import World
from breakwater.model.backstop import WAIT, WINDOW
from tests.mutants import Mutant, changed, check_seen, check_silent
from tests.planted.sequences import ALL, call, price, usdc

ACCOUNT = "borrower_1#0"
HOME = "periphery/BackstopPool"


def pool(sender, function, *args, **time):
    return call(sender, "backstop.USDC", function, *args, **time)


def buy(most=ALL, **time):
    return pool("keeper", "buy", ACCOUNT, "@token.WETH", most, **time)


def leave(who, amount=ALL, **time):
    return pool(who, "withdraw", amount, f"@{who}", **time)


def claim(who):
    return pool(who, "claim", "@token.WETH", f"@{who}")


FALL = price("WETH", 900, 3)
MARKED = [*FALL, pool("keeper", "mark", ACCOUNT, blocks=1)]
BOUGHT = [*MARKED, buy(wait=WAIT, blocks=50)]
"""10 WETH at 900 for 8,000 USDC; a pool of 50,000, and 20,000 that wait."""

JOINED = [*MARKED, pool("keeper", "mark", ACCOUNT, wait=1_200, blocks=100)] + [
    pool("keeper", "mark", ACCOUNT, wait=1_200, blocks=100) for _ in range(6)
]
"""Two hours and a third later."""

MUTANTS = {
    "exit that burns too little": Mutant(
        "BackstopPool", HOME, "withdraw", "self._ceil_div(sent * shares, cash)",
        "sent * shares // cash",
        [*BOUGHT, leave("lender_1", usdc(1_000) + 1)],
        "SOLV-8",
    ),
    "exit that keeps its shares": Mutant(
        "BackstopPool", HOME, "withdraw", "held - burnt", "held",
        [leave("lender_1", usdc(1_000))],
        "SOLV-8",
    ),
    "deposit that still waits when it was taken back": Mutant(
        "BackstopPool", HOME, "cancel_deposit", "    self._waiting -= sent\n", "",
        [pool("lender_2", "cancel_deposit", ALL, "@lender_2")],
        "SOLV-8",
    ),
    "deposit that joins at once": Mutant(
        "BackstopPool", HOME, "_rolled", "window + 2 > now", "window + 1 > now",
        [pool("lender_3", "deposit", usdc(1_000)), leave("lender_1", 1, wait=WINDOW, blocks=300)],
        "SOLV-8",
    ),
    "join at the first price": Mutant(
        "BackstopPool", HOME, "_rolled", "assets * books.shares // books.cash",
        "assets * FIRST_SHARES",
        [*BOUGHT, leave("lender_1", 1, wait=2 * WINDOW, blocks=600)],
        "SOLV-10",
    ),
    "slice of a fifth": Mutant(
        "BackstopPool", HOME, "_room", "(SLICE - 1)", "(SLICE - 2)",
        BOUGHT,
        "CAP-1",
    ),
    "slice of what was there before a run": Mutant(
        "BackstopPool", HOME, "_room", "start_cash * shares * (SLICE - 1), start_shares * SLICE",
        "cash - min(cash, start_cash // SLICE), 1",
        [*MARKED, leave("lender_1"), buy(wait=WAIT, blocks=50)],
        "CAP-1",
    ),
    "purchase before its time": Mutant(
        "BackstopPool", HOME, "buy", "mark.since + WAIT", "mark.since",
        [*MARKED, buy(blocks=1)],
        "SOLV-6",
    ),
    "purchase after its time": Mutant(
        "BackstopPool", HOME, "buy", "mark.seen + MARK_LASTS", "mark.seen + 2 * MARK_LASTS",
        [*MARKED, buy(wait=1_201, blocks=100)],
        "SOLV-6",
    ),
    "row of marks with a gap": Mutant(
        "BackstopPool", HOME, "mark", "mark.seen + MARK_LASTS", "mark.seen + 2 * MARK_LASTS",
        [*MARKED, pool("keeper", "mark", ACCOUNT, wait=1_201, blocks=100)],
        "SOLV-6",
    ),
    "mark on a healthy account": Mutant(
        "BackstopPool", HOME, "mark", "not shelves._is_liquidatable(account)",
        "account == empty(bytes32)",
        [pool("keeper", "mark", ACCOUNT)],
        "SOLV-6",
    ),
    "mark taken off a weak account": Mutant(
        "BackstopPool", HOME, "unmark", "shelves._is_liquidatable(account)",
        "account == empty(bytes32)",
        [*MARKED, pool("keeper", "unmark", ACCOUNT)],
        "SOLV-6",
    ),
    "purchase that costs nothing": Mutant(
        "BackstopPool", HOME, "buy", "    self._cash -= paid\n", "",
        BOUGHT,
        "SOLV-8",
    ),
    "reward of a hundredth": Mutant(
        "BackstopPool", HOME, "_distribute", "amount * part // WAD", "amount // 100",
        BOUGHT,
        "SOLV-8",
    ),
    "proceeds for those who have left": Mutant(
        "BackstopPool", HOME, "_distribute", "// self._shares", "// self._start_shares",
        [*MARKED, leave("lender_2", usdc(10_000)), buy(wait=WAIT, blocks=50)],
        "SOLV-8",
    ),
    "proceeds of the past": Mutant(
        "BackstopPool", HOME, "_earned", "self._opening[stake.window][asset]",
        "self._settled[owner][asset]",
        [pool("lender_3", "deposit", usdc(1_000)), *BOUGHT,
         leave("lender_3", 1, wait=2 * WINDOW, blocks=600)],
        "SOLV-8",
    ),
    "claim paid twice": Mutant(
        "BackstopPool", HOME, "claim", "    self._owed[msg.sender][asset] = 0\n", "",
        [*BOUGHT, claim("lender_1"), claim("lender_1")],
        "SOLV-8",
    ),
    "claim of who left": Mutant(
        "BackstopPool", HOME, "_settle",
        "            self._owed[owner][asset] += earned\n",
        "            self._owed[owner][asset] = earned\n",
        [*BOUGHT, leave("lender_1", 1), *MARKED, buy(wait=WAIT, blocks=50), leave("lender_1", 1)],
        "SOLV-8",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def sound():
    return World(EvmHost(), "periphery")


@pytest.mark.parametrize("name", MUTANTS)
def test_watch__sees_a_mutant(name):
    check_seen(MUTANTS[name], "periphery")


@pytest.mark.parametrize("name", MUTANTS)
def test_watch__is_silent_without_the_mutant(sound, name):
    check_silent(sound, MUTANTS[name])


STUCK = {
    "exit": ("withdraw", "sent > worth", "sent >= worth"),
    "deposit taken back": ("cancel_deposit", "sent > stake.waiting", "sent >= stake.waiting"),
    "claim": ("claim", "amount == 0", "amount != 0"),
}


@pytest.mark.parametrize("what", [None, *STUCK])
def test_trials__a_lender_can_leave(what):
    """With cash, deposit and claims, after a purchase (LIVE-2)."""
    load = None
    if what is not None:
        load = changed(Mutant("BackstopPool", HOME, *STUCK[what], [], ""))
    market = World(EvmHost(), "periphery", compile=load)
    for step in BOUGHT:
        assert market.run(step).succeeded
    watch, made = Watch(market), []

    def send(trial):
        step = Step(*trial)
        result = market.run(step)
        made.append((step.function, result.reason))
        if result.succeeded:
            assert not watch.after(step, result)
        return result.reason

    found = []
    for turn in range(4):
        watch._backstops.trials(turn, send, found)
    assert {"withdraw", "cancel_deposit", "claim"} <= {function for function, _ in made}
    assert {violation.promise for violation in found} == ({"LIVE-2"} if what else set())
