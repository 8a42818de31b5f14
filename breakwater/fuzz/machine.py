"""The Hypothesis lane: every call predicted by the reference model, every promise judged.

`Laboratory` is one market on the in-process EVM with its model beside it, reset between examples.
`solvency` and `liveness` make state machines of it: a rule for each action of
`breakwater.fuzz.actions`, whose gene Hypothesis draws and shrinks, and one that compares an
operation with the same operation in slices.

A call that differs from the prediction (outcome, reason, returned value, events, words of storage)
or that breaks a promise raises `Broken`, whose text is the whole sequence in names. A refusal
passes only for the reason that the model gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis import target
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from breakwater.evm import EvmHost
from breakwater.fuzz import actions
from breakwater.fuzz.compare import Comparison
from breakwater.fuzz.counterexample import MODEL, MODEL_SENTENCE, Compile, Counterexample
from breakwater.fuzz.lane import Player, unreasoned
from breakwater.fuzz.steps import Step
from breakwater.fuzz.watch import SENTENCES, Watch
from breakwater.fuzz.world import World
from breakwater.model.protocol import mirror
from breakwater.promises import Violation

STEERED = ("SOLV-5", "SOLV-7", "GATE-3")
"""Promises toward whose edge Hypothesis steers; of others the room is nothing as a rule."""

SWEEP = 16
"""Calls after which every word is compared, not only what the model wrote."""


GENE = st.binary(min_size=actions.GENE - 1, max_size=actions.GENE - 1)
"""What an action is drawn from, its number aside: see `breakwater.fuzz.actions`."""

_AMOUNT = {"deposit": 0, "redeem": 0, "withdraw": 0, "borrow": 2, "repay": 2, "liquidate": 3}
"""Where the amount is among the arguments of what may be split."""

SPLIT = [actions.NAMES.index(name) for name in _AMOUNT]


class Broken(AssertionError):
    """A call that did what it must not; `counterexample` has the calls that led there."""

    def __init__(self, counterexample: Counterexample) -> None:
        self.counterexample = counterexample
        lines = [f"{counterexample.promise}: {counterexample.sentence}", counterexample.actual]
        lines += [f"  {number}. {step}" for number, step in enumerate(counterexample.steps, 1)]
        super().__init__("\n".join(lines))


class Laboratory:
    """A market, its model and the watch over its promises.

    counts  (action, reason or "") -> calls
    """

    def __init__(self, profile: str = "default", compile: Compile | None = None) -> None:
        self.host = EvmHost()
        self.world = World(self.host, profile, compile=compile)
        self.chain = mirror(self.world)
        self.player = Player(self.world, Watch(self.world))
        self.watch = self.player.watch
        self.comparison = Comparison(self.chain, self.host, self.world.name)
        self.counts: Counter[tuple[str, str]] = Counter()
        self.steps: list[Step] = []
        self.broken = False
        """Whether the present sequence broke something."""
        self._base = self.host.snapshot()
        self.sweep()
        self._mark = self.comparison.mark()

    def reset(self) -> None:
        """Back to the market as it was deployed."""
        self.host.restore(self._base)
        self.comparison.back(self._mark)
        self.watch.reset()
        self.watch.slack = {}
        self.player.scheduled.clear()
        self.steps = []
        self.broken = False

    @property
    def calls(self) -> int:
        """Made so far."""
        return sum(self.counts.values())

    @property
    def never(self) -> list[str]:
        """Actions that never succeeded."""
        passed = {action for action, reason in self.counts if not reason}
        return sorted({action for action, _ in self.counts} - passed - actions.REFUSED)

    # ------------------------------------------------------------ calls

    def act(self, number: int, gene: bytes) -> None:
        """Do action `number` with what seven bytes say of it."""
        name, act, _ = actions.ACTIONS[number]
        for call in act(self.player, bytes([number]) + gene) or ():
            self.call(name, call)

    def call(self, action: str, call: actions.Call) -> str | None:
        """One call, on both and judged. Why it was refused. Raises Broken."""
        sender, name, function, args, _, _ = call
        world = self.world
        step = Step(*call)
        self.steps.append(step)
        differs = self.comparison.play(world, step)
        if differs is not None:
            self._break(MODEL, MODEL_SENTENCE, differs)
        outcome = self.comparison.outcome
        self.counts[action, "" if outcome.reason is None else outcome.reason or "(empty)"] += 1
        if outcome.reason is not None:
            for violation in unreasoned(call, outcome.reason, self.host.now):
                self._violated(violation)
        else:
            for violation in self.watch.judge(name, function, world.address(sender), args):
                self._violated(violation)
        if len(self.steps) % SWEEP == 0:
            self.sweep()
        return outcome.reason

    def sweep(self) -> None:
        """Compare every word that the model knows, and everything that the watch keeps."""
        differs = self.comparison.everything()
        if differs is not None:
            self._break(MODEL, MODEL_SENTENCE, differs)
        for violation in self.watch.sweep():
            self._violated(violation)

    def trials(self) -> None:
        """The calls that must work in every state."""
        for violation in self.watch.trials(lambda call: self.call("trial", call)):
            self._violated(violation)

    def _violated(self, violation: Violation) -> None:
        sentence = SENTENCES.get(violation.promise, violation.sentence)
        self._break(violation.promise, sentence, violation.what)

    def _break(self, promise: str, sentence: str, actual: str) -> None:
        self.broken = True
        raise Broken(
            Counterexample(
                self.world.profile, promise, tuple(self.steps), sentence=sentence, actual=actual
            )
        )

    # ------------------------------------------------------------ slices

    def split(self, gene: bytes) -> None:
        """One call, and after it was undone the same in slices in one block: they may not gain
        more. Where any is refused there is nothing to compare, liquidations aside.
        """
        number = SPLIT[gene[0] % len(SPLIT)]
        calls = actions.ACTIONS[number][1](self.player, bytes([number]) + gene)
        if not calls:
            return
        sender, name, function, args, wait, blocks = calls[0]
        if function not in _AMOUNT or sender == "attacker":
            return
        at, count = _AMOUNT[function], 2 + gene[6] % 4
        whole = args[at]
        if not count <= whole < actions.MOST:
            return
        if function == "liquidate" and self._waits(args[0]):
            return
        parts = [whole // count] * (count - 1)
        parts.append(whole - sum(parts))
        slices = [
            (sender, name, function, (*args[:at], part, *args[at + 1 :]), 0, 0) for part in parts
        ]
        slices[0] = (*slices[0][:4], wait, blocks)
        snapshot, mark, steps = self.host.snapshot(), self.comparison.mark(), list(self.steps)
        first = self._gain(calls[:1])
        self.host.restore(snapshot)
        self.comparison.back(mark)
        self.watch.reload()
        self.steps = steps
        if first is None:
            return
        second = self._gain(slices)
        if second is not None and second > first:
            what = f"{name}.{function} in {count} slices gains {second - first} more than whole"
            promise = "SOLV-7" if function == "liquidate" else "SOLV-8"
            self._break(promise, SENTENCES[promise], what)

    def _waits(self, account: str) -> bool:
        """Whether an account is under water at prices that a slice might change: those of a jump
        that it waits for, see docs/specification.md, Liquidation."""
        i = self.player.names.index(account)
        return self.watch.health(self.watch.legs[i]).under_water

    def _gain(self, calls: Sequence[actions.Call]) -> int | None:
        """What calls bring their caller, by what they return; None where one is refused.

        In shares or assets received (or minus those given); of a liquidation the value of what is
        seized above what is paid, in parts of 10**-24 USD.
        """
        total = 0
        for call in calls:
            if self.call("split", call) is not None:
                if call[2] == "liquidate":
                    break
                return None
            value = self.comparison.outcome.value
            if call[2] == "liquidate":
                total += self._worth(call[3][2], value[1], 8) - self._worth(call[3][1], value[0], 9)
            elif call[2] == "repay":
                total += value[1]
            else:
                total += -value if call[2] in ("withdraw", "borrow") else value
        return total

    def _worth(self, token: str, amount: int, field: int) -> int:
        """Of token units at a price of the asset, see `watch.Price`."""
        symbol = token.rpartition(".")[2]
        price = self.watch.price(self.player.symbols.index(symbol) + 1)[field]
        return int(price) * amount * 10**6 // self.world.listings[symbol].unit


# ------------------------------------------------------------ machines


def solvency(laboratory: Laboratory) -> type[RuleBasedStateMachine]:
    """Every action of everyone; each call is predicted and judged."""
    return _machine("Solvency", laboratory, trials=False)


def liveness(laboratory: Laboratory) -> type[RuleBasedStateMachine]:
    """The same; whatever state it reaches, the calls that must work are made at its end."""
    return _machine("Liveness", laboratory, trials=True)


def _machine(name: str, laboratory: Laboratory, *, trials: bool) -> type[RuleBasedStateMachine]:
    class Machine(RuleBasedStateMachine):
        @initialize()
        def reset(self) -> None:
            laboratory.reset()

        def teardown(self) -> None:
            if laboratory.broken or not laboratory.steps:
                return
            laboratory.sweep()
            if trials:
                laboratory.trials()
            for promise in STEERED:
                slack = laboratory.watch.slack.get(promise)
                if slack is not None:
                    target(-float(slack), label=promise)

        @rule(gene=GENE)
        def split(self, gene: bytes) -> None:
            laboratory.split(gene)

    for number, (action, _, _) in enumerate(actions.ACTIONS):
        setattr(Machine, action, _rule(laboratory, number))
    Machine.__name__ = Machine.__qualname__ = name
    return Machine


def _rule(laboratory: Laboratory, number: int) -> Any:
    def act(self: Any, gene: bytes) -> None:
        laboratory.act(number, gene)

    act.__name__ = actions.ACTIONS[number][0]
    return rule(gene=GENE)(act)
