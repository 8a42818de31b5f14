"""The Hypothesis lane: every call predicted by the reference model, every promise judged.

`Laboratory` is one market on the in-process EVM with its model beside it, reset between examples.
`solvency` and `liveness` make state machines of it: each step is a few genes that Hypothesis draws
and shrinks, each for an action of `breakwater.fuzz.actions` or for `split`, which compares an
operation with the same operation in slices. `play` runs them.

A call that differs from the prediction (outcome, reason, returned value, events, words of storage)
or that breaks a promise raises `Broken`, whose text is the whole sequence in names. A refusal
passes only for the reason that the model gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, settings, target
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from breakwater.evm import EvmHost
from breakwater.fuzz import actions, genes
from breakwater.fuzz.compare import Comparison
from breakwater.fuzz.counterexample import MODEL, MODEL_SENTENCE, Compile, Counterexample
from breakwater.fuzz.lane import unreasoned
from breakwater.fuzz.player import Player
from breakwater.fuzz.positions import Legs
from breakwater.fuzz.steps import Step
from breakwater.fuzz.watch import SENTENCES, Watch
from breakwater.fuzz.world import World
from breakwater.model.exact import WrongSide
from breakwater.model.protocol import mirror
from breakwater.promises.verdicts import Violation

STEERED = ("SOLV-5", "SOLV-7", "GATE-3")
"""Promises toward whose edge Hypothesis steers; of others the room is nothing as a rule."""

SWEEP = 16
"""Calls after which every word is compared, not only what the model wrote."""

LENGTH = 34
"""Steps of a sequence, each of one to five genes: about 100 actions."""

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
    def never_succeeded(self) -> list[str]:
        """Actions that never succeeded."""
        passed = {action for action, reason in self.counts if not reason}
        return sorted({action for action, _ in self.counts} - passed - actions.REFUSED)

    # ------------------------------------------------------------ calls

    def act(self, number: int, gene: bytes) -> None:
        """Do action `number` with what seven bytes say of it."""
        name, act, _ = actions.PERIPHERY[number]
        for call in act(self.player, bytes([number]) + gene) or ():
            self.call(name, call)

    def call(self, action: str, call: genes.Call) -> str | None:
        """One call, on both and judged. Why it was refused. Raises Broken."""
        sender, name, function, args, _, _ = call
        world = self.world
        step = Step(*call)
        self.steps.append(step)
        try:
            differs = self.comparison.play(world, step)
        except WrongSide as wrong:  # the model's own, under CHECK_ROUNDING
            differs = f"rounded to the wrong side: {wrong}"
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
        sender, _, function, args, _, _ = calls[0]
        if function not in _AMOUNT or sender == "attacker":
            return
        count = 2 + gene[6] % 4
        if count <= args[_AMOUNT[function]] < genes.MOST:
            self.compare(calls[0], count)

    def compare(self, call: genes.Call, count: int) -> None:
        """The same of one call and of so many slices of it. Raises Broken."""
        sender, name, function, args, wait, blocks = call
        at = _AMOUNT[function]
        parts = [args[at] // count] * (count - 1)
        parts.append(args[at] - sum(parts))
        slices = [
            (sender, name, function, (*args[:at], part, *args[at + 1 :]), 0, 0) for part in parts
        ]
        slices[0] = (*slices[0][:4], wait, blocks)
        snapshot, mark, steps = self.host.snapshot(), self.comparison.mark(), list(self.steps)
        legs = self._legs(args[0]) if function == "liquidate" else []
        first = self._gain([call])
        self.watch.keep_time()
        before = self.watch.health(legs)
        dust = self.watch.dust(legs)
        self.host.restore(snapshot)
        self.comparison.back(mark)
        self.watch.reload()
        self.steps = steps
        if first is None:
            return
        second, most = self._gain(slices), first
        if second is None:
            return
        if function == "liquidate":
            # the fund's fee of each slice is rounded down
            most += (count - 1) * self._worth(args[1], 1, True)
        if legs and before.under_water:
            # a jump's wait may end among the slices, see docs/specification.md, Liquidation; and
            # where a loss stops them they have lost less
            above = not self.watch.health(self._legs(args[0])).under_water
            worth = (before.collateral - before.debt + dust) * 10**6
            most = max(first, worth if above else 0)
        if second > most:
            what = f"{name}.{function} in {count} slices gains {second - most} more than it may"
            promise = "SOLV-7" if function == "liquidate" else "SOLV-8"
            self._break(promise, SENTENCES[promise], what)

    def _legs(self, account: str) -> Legs:
        return self.watch.legs[self.player.names.index(account)]

    def _gain(self, calls: Sequence[genes.Call]) -> int | None:
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
                total += self._worth(call[3][2], value[1], False)
                total -= self._worth(call[3][1], value[0], True)
            elif call[2] == "repay":
                total += value[1]
            else:
                total += -value if call[2] in ("withdraw", "borrow") else value
        return total

    def _worth(self, token: str, amount: int, is_debt: bool) -> int:
        """Of token units at the liquidation price of the asset."""
        symbol = token.rpartition(".")[2]
        price = self.watch.price(self.player.symbols.index(symbol) + 1)
        per = price.as_debt if is_debt else price.as_collateral
        return per * amount * 10**6 // self.world.listings[symbol].unit


# ------------------------------------------------------------ machines


def solvency(laboratory: Laboratory) -> type[RuleBasedStateMachine]:
    """Every action of everyone; each call is predicted and judged."""
    return _machine("Solvency", laboratory, trials=False)


def liveness(laboratory: Laboratory) -> type[RuleBasedStateMachine]:
    """The same; whatever state it reaches, the calls that must work are made at its end."""
    return _machine("Liveness", laboratory, trials=True)


def play(machine: type[RuleBasedStateMachine], examples: int) -> None:
    """Run that many sequences of LENGTH steps, the same ones each time. Raises Broken.

    Hypothesis only draws and steers: `breakwater.fuzz.replay` shrinks what broke.
    """
    chosen = settings(
        max_examples=examples,
        stateful_step_count=LENGTH,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.target],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=chosen)


_GENE = st.binary(min_size=genes.GENE, max_size=genes.GENE)
"""See `breakwater.fuzz.genes`; but here all actions are about equally frequent."""


def _machine(name: str, laboratory: Laboratory, *, trials: bool) -> type[RuleBasedStateMachine]:
    # One rule and few steps: choosing a rule costs Hypothesis as much time as a call costs us.
    slices = len(actions.PERIPHERY if laboratory.world.has_periphery else actions.ACTIONS)
    # in the place of an action's number: `Laboratory.split`

    class Machine(RuleBasedStateMachine):
        @initialize()
        def reset(self) -> None:
            laboratory.reset()

        @rule(drawn=st.lists(_GENE, min_size=1, max_size=5))
        def step(self, drawn: list[bytes]) -> None:
            for gene in drawn:
                number = gene[0] % (slices + 1)
                if number == slices:
                    laboratory.split(gene[1:])
                else:
                    laboratory.act(number, gene[1:])

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

    Machine.__name__ = Machine.__qualname__ = name
    return Machine
