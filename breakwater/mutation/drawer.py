"""Draws the sequences of a tape.

Two sequences in three come from the contracts' ABIs: every function of every contract is called,
mostly by someone who may, with amounts of the size of what is held; a call that is refused is drawn
again, so that most of them do something. The others are what a short search of the fast lane kept,
for the code they reached and for the outcomes of actions. Views are called in between.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from breakwater.abi import AbiError, Function
from breakwater.evm import EvmHost
from breakwater.fuzz.profiles import DELAY
from breakwater.fuzz.steps import Step
from breakwater.fuzz.world import World
from breakwater.host import interface_of
from breakwater.mutation.arguments import Arguments
from breakwater.mutation.tape import Call, Runner, Sequence, Tape, Witness
from breakwater.units import MAX_UINT256

_WEIGHTS: dict[str, dict[str, float]] = {
    "engine": {
        "deposit_collateral": 5, "withdraw_collateral": 6, "borrow": 8, "repay": 6,
        "move_collateral": 4, "liquidate": 10, "batch": 10, "set_operator": 3,
    },
    "vault": {
        "deposit": 3, "mint": 2, "withdraw": 4, "redeem": 3, "flashLoan": 2, "permit": 1,
        "transfer": 1, "transferFrom": 1, "settle_fee": 1, "accrue": 1, "write_config": 1,
        "wind_down": 0.02, "limits": 1, "open": 0.1, "lend": 0.2, "collect": 0.2, "write_off": 0.2,
        "set_breaker": 0.1, "set_level": 0.3, "transfer_ownership": 0.1,
    },
    "fund": {"deposit": 2, "mint": 1, "request_exit": 2, "cancel_exit": 0.5, "withdraw": 2,
             "redeem": 2, "transfer": 0.7, "transferFrom": 0.5, "approve": 0.5},
    "breaker": {"poke": 12, "trip": 3, "hold": 1, "reset": 1.5, "connect": 0.1,
                "transfer_ownership": 0.1},
    "risk": {"write_checkpoint": 0.1, "hold": 0.3, "settle": 0.1, "set_level": 0.3,
             "write_asset": 0.2, "set_breaker": 0.05, "set_configurator": 0.05,
             "transfer_ownership": 0.05, "liquidation_terms": 6, "health_of": 2, "shortfall": 3,
             "check_initial": 3, "check_batch": 2},
    "configurator": {"list_asset": 1, "set_borrow_ltv": 2, "ramp_liquidation_ltv": 2, "set_cap": 2,
                     "set_min_debt": 1, "set_growth": 1, "set_depth": 1, "raise_max_price": 0.5,
                     "announce_settlement": 0.3, "cancel_settlement": 0.1, "settle": 0.3,
                     "grow": 1, "steer": 1, "set_steward": 0.3, "replace_feed": 0.5,
                     "cancel_replacement": 0.3, "finish_replacement": 0.3, "set_vault": 1,
                     "open_vault": 0.1, "wind_down_vault": 0.02},
    "token": {"transfer": 0.1, "mint": 0.3, "approve": 0.1, "set_odds": 1, "set_rate": 1.5,
              "set_blocked": 0.2},
    "source": {"set": 4, "set_round": 0.5, "set_words": 1.5, "set_mode": 0.6,
               "set_decimals": 0.02},
}  # fmt: skip
_ACTING = {"engine": 40, "vault": 30, "fund": 14, "breaker": 13, "risk": 1, "configurator": 4,
           "token": 3, "source": 14}  # fmt: skip
_LOOKING = {"engine": 5, "vault": 12, "fund": 7, "breaker": 4, "risk": 12, "configurator": 1,
            "lens": 16, "feed": 4}  # fmt: skip
_OWNERS = {
    "set_cap", "set_growth", "set_depth", "list_debt", "set_min_debt", "raise_max_price",
    "write_config", "wind_down", "open_vault", "set_vault", "wind_down_vault",
    "set_breaker", "set_steward", "transfer_ownership", "connect", "add_vault",
    "replace_feed", "set_guardian", "list_asset", "set_borrow_ltv", "ramp_liquidation_ltv", "open",
    "cancel_replacement", "announce_settlement", "cancel_settlement", "settle",
}  # fmt: skip
_WAITS = ((0, 60), (12, 8), (61, 6), (300, 6), (901, 8), (3_600, 5), (14_400, 2), (86_400, 2),
          (700_000, 1), (2_600_000, 0.4))  # fmt: skip
_TRIES = 8
_SWEEPS = 0.3
"""Share of drawn sequences after which every view is called."""
_LANE_CALLS = 150_000
"""Of the search of the fast lane: what it finds after that is little."""
_EXITS = (0, 1_727_999, 1_728_000, 1_728_001, 1_800_000, 1_900_799, 1_900_800, 1_900_801)
"""Seconds to wait before leaving a fund: about 20 days, for 2 days."""


class Drawer(Arguments):
    """Draws calls that mostly do something, on a market that has the sound build."""

    def __init__(self, player: Runner, rng: random.Random) -> None:
        super().__init__(player, rng)
        self.lens: Any = self.world.contracts["lens"]
        self.acts: dict[str, list[tuple[str, Function, float]]] = {}
        self.looks: dict[str, list[tuple[str, Function, float]]] = {}
        for name, contract in self.world.contracts.items():
            group = name.split(".")[0]
            weights = _WEIGHTS.get(group, {})
            for function in interface_of(contract.NAME).functions.values():
                into = self.looks if function.reads_only else self.acts
                if not function.reads_only and group == "token" and function.name not in weights:
                    continue
                if function.name in _OWNERS:
                    weights = {**weights, function.name: 0.05}  # see `_by_owner`
                usual = 0.15 if function.reads_only and not function.inputs.entries else 1.0
                weight = weights.get(function.name, 0.5 if into is self.acts else usual)
                into.setdefault(group, []).append((name, function, weight))

    def sequence(self, length: int) -> Sequence:
        """Draw calls, make them, and go back."""
        calls: list[Call] = []
        while len(calls) < length:
            if self.rng.random() < 0.3:
                calls.append(self._look())
            else:
                calls.append(self._act())
            roll = self.rng.random()
            if calls[-1].wait >= 80_000 or roll < 0.01:
                calls.extend(self._fresh_prices())
            elif roll < 0.06:
                calls.extend(self._shock())
            elif roll < 0.10:
                calls.extend(self._by_owner())
            elif roll < 0.12:
                calls.extend(self._leave_fund())
            elif roll < 0.135:
                calls.extend(self._drain())
            elif roll < 0.15:
                calls.extend(self._outage())
        if self.rng.random() < _SWEEPS:
            calls += self._sweep()
        made = Sequence(calls, self.player.changed_words())
        self.player.reset()
        return made

    def with_views(self, steps: Iterable[Step]) -> Sequence:
        """Make the calls of known steps, with a drawn view after some of them, and go back."""
        calls: list[Call] = []
        for step in steps:
            calls.append(self.player.step(step))
            if self.rng.random() < 0.25:
                calls.append(self._look())
        calls += self._sweep()
        made = Sequence(calls, self.player.changed_words())
        self.player.reset()
        return made

    def _sweep(self) -> list[Call]:
        """Every view of every contract, once."""
        return [
            self._call(name, function)
            for group in _LOOKING
            for name, function, weight in self.looks[group]
            for _ in range(max(1, int(weight)))
        ]

    def _look(self) -> Call:
        group = self.rng.choices(list(_LOOKING), list(_LOOKING.values()))[0]
        choices = self.looks[group]
        name, function, _ = self.rng.choices(choices, [weight for _, _, weight in choices])[0]
        return self._call(name, function)

    def _make(self, sender: str, name: str, function: str, args: tuple[Any, ...]) -> Call:
        """One call with known arguments, made."""
        contract = self.world.contracts[name]
        data = interface_of(contract.NAME).function(function, len(args)).encode(args)
        call = Call(self.world.address(sender), name, contract.address, data, 0, 0)
        call.reason, call.output, call.logs = self.player.call(call)
        return call

    def _wait(self, call: Callable[[], Call], seconds: int) -> Call:
        self.player.host.advance(seconds, 1)
        made = call()
        made.wait, made.blocks = seconds, 1
        return made

    def _shock(self) -> list[Call]:
        """A price moves away, pokes see it, and liquidators try every account and pair of legs."""
        rng, world = self.rng, self.world
        symbol = rng.choice([one for one in world.symbols if one != "wstETH"])
        factor = rng.choice((30, 60, 80, 90, 95, 105, 110, 140, 200))
        target = rng.choice(world.accounts)
        legs = self._legs(world.account(target))
        held = [leg[0] for leg in legs if not leg[2]]
        if held and len(held) < len(legs) and rng.random() < 0.8:
            # as far as this account's health goes, or about
            symbol = rng.choice(held).replace("wstETH", "WETH")
            health = self.lens.health_factors([world.account(target)])[0] / 10**18
            factor = int(100 / min(max(health, 0.5), 50) * rng.uniform(0.75, 1.02)) or 1
        calls = []
        for name, contract in world.contracts.items():
            if not name.startswith(f"source.{symbol}."):
                continue
            if rng.random() < 0.1:
                continue  # sources that disagree
            if hasattr(contract, "answer"):
                answer = int(contract.answer()) * factor // 100
                calls.append(self._make("owner", name, "set", (answer,)))
            else:
                now = self.player.host.now
                price = world.listings[symbol].dollars * 10**6 * factor
                calls.append(self._make("owner", name, "set_words", ([1, price, now, now, 1],)))
        token = world.address(f"token.{symbol}")
        for _ in range(rng.choice((0, 1, 2, 3, 3))):
            wait = rng.choice((0, 61, 61, 301, 601))
            calls.append(
                self._wait(lambda: self._make("keeper", "breaker", "poke", (token,)), wait)
            )
        weak = [
            name
            for name in world.accounts
            if self.lens.health_factors([world.account(name)])[0] < 10**18
        ]
        for account in dict.fromkeys((*weak[:4], rng.choice(world.accounts))):
            calls += self._liquidation(account)
        return calls

    def _liquidation(self, account: str) -> list[Call]:
        """Someone previews and tries to liquidate a pair of an account's legs."""
        rng, world = self.rng, self.world
        legs = self._legs(world.account(account))
        debts = [leg for leg in legs if leg[2]]
        owned = [leg for leg in legs if not leg[2]]
        if not debts or not owned:
            return []
        debt, collateral = rng.choice(debts), rng.choice(owned)
        most = rng.choice((MAX_UINT256, MAX_UINT256, debt[1], debt[1] // 2, debt[1] // 7, 1))
        who = rng.choice(("liquidator_1", "liquidator_2", "lender_1"))
        credit = rng.choice((bytes(32), bytes(32), self._account_of(who)))
        args = (
            world.account(account), world.address(f"token.{debt[0]}"),
            world.address(f"token.{collateral[0]}"), most, rng.choice((0, 0, 1)),
            world.address(who), credit, b"",
        )  # fmt: skip
        return [
            self._make(who, "lens", "preview_liquidate", args[:4]),
            self._make(who, "engine", "liquidate", args),
        ]

    def _by_owner(self) -> list[Call]:
        """A call of the timelock: announced, waited for, done."""
        rng, world, host = self.rng, self.world, self.player.host
        group = rng.choice(("vault", "breaker", "configurator", "configurator", "vault"))
        choices = [one for one in self.acts[group] if one[1].name in _OWNERS]
        rare = ("transfer_ownership", "set_breaker", "connect", "open")
        weights = [0.1 if one[1].name in rare else 1.0 for one in choices]
        name, function, _ = rng.choices(choices, weights)[0]
        calls: list[Call] = []
        for _ in range(4):
            begin = host.snapshot()
            hints = {"target": name, "sender": "timelock"}
            try:
                args = [self._value(entry, hints, function) for entry in function.inputs.entries]
                payload = function.encode(args)
            except AbiError:
                continue
            target = world.contracts[name].address
            salt = rng.randbytes(32)
            operation = (target, 0, payload, bytes(32), salt)
            calls = [self._make("governor", "timelock", "schedule", (*operation, DELAY))]
            do = partial(self._make, "governor", "timelock", "execute", operation)
            calls.append(self._wait(do, DELAY))
            if calls[-1].reason is None or rng.random() < 0.2:
                break
            host.restore(begin)
            calls = []
        return calls

    def _leave_fund(self) -> list[Call]:
        """A staker announces, waits about as long as he must, and leaves with a part."""
        rng, world = self.rng, self.world
        name = f"fund.{rng.choice(world.debts)}"
        fund: Any = world.contracts[name]
        staker = world.roles["staker"]
        held = int(fund.balanceOf(staker))
        asked = held * rng.randrange(1, 101) // 100
        calls = [self._make("staker", name, "request_exit", (asked,))]
        wait = rng.choice(_EXITS)
        part = rng.choice((asked, asked, asked + 1, asked // 2, asked // 3))
        args = (part, staker, staker)
        function = rng.choice(("redeem", "redeem", "withdraw"))
        if function == "withdraw":
            args = (int(fund.convertToAssets(part)), staker, staker)
        calls.append(self._wait(lambda: self._make("staker", name, function, args), wait))
        calls.append(self._make("keeper", name, "ticket_of", (staker,)))
        return calls

    def _drain(self) -> list[Call]:
        """Lenders leave until little or no cash is left; then time passes."""
        rng, world = self.rng, self.world
        name = f"vault.{rng.choice(world.debts)}"
        vault: Any = world.contracts[name]
        calls = []
        for who in ("lender_1", "lender_2", "lender_3", "staker"):
            amount = int(vault.maxWithdraw(world.roles[who]))
            amount = rng.choice((amount, amount, amount, amount * 9 // 10, amount // 2))
            args = (amount, world.roles[who], world.roles[who])
            calls.append(self._make(who, name, "withdraw", args))
        for wait in rng.sample((12, 3_600, 86_400, 2_600_000), 2):
            do = partial(self._make, "keeper", name, rng.choice(("accrue", "settle_fee")), ())
            calls.append(self._wait(do, wait))
            for view in ("borrow_rate", "utilization", "rate_at_target", "debt_index"):
                if (view, 0) in interface_of(vault.NAME).functions:
                    calls.append(self._make("keeper", name, view, ()))
        return calls

    def _outage(self) -> list[Call]:
        """The sources of an asset fail, pokes see it for hours, positions are judged all the while;
        then, mostly, they work again.
        """
        rng, world = self.rng, self.world
        symbol = rng.choice([one for one in world.symbols if one != "wstETH"])
        token = world.address(f"token.{symbol}")
        sources = [name for name in world.contracts if name.startswith(f"source.{symbol}.")]
        before = {name: self._answer(name) for name in sources}
        calls = [self._answered(name, 0) for name in sources if rng.random() < 0.9]
        views = [one for one in self.looks["risk"] if one[2] > 1]
        for _ in range(rng.choice((1, 2, 4, 26))):
            wait = rng.choice((61, 600, 3_600, 3_600))
            calls.append(
                self._wait(lambda: self._make("keeper", "breaker", "poke", (token,)), wait)
            )
            for name, function, _ in rng.sample(views, 2):
                calls.append(self._call(name, function))
        for name, function, weight in views:
            calls += [self._call(name, function) for _ in range(int(weight))]
        if rng.random() < 0.8:
            calls += [self._answered(name, max(answer, 1)) for name, answer in before.items()]
        return calls

    def _answered(self, name: str, answer: int) -> Call:
        """A new answer of a source."""
        if hasattr(self.world.contracts[name], "answer"):
            return self._make("owner", name, "set", (answer,))
        now = self.player.host.now
        return self._make("owner", name, "set_words", ([1, answer, now, now, 1],))

    def _act(self) -> Call:
        rng = self.rng
        wait = rng.choices([w for w, _ in _WAITS], [w for _, w in _WAITS])[0]
        blocks = 0 if wait == 0 else max(1, wait // 12)
        if wait == 0 and rng.random() < 0.3:
            blocks = 1
        if wait or blocks:
            self.player.host.advance(wait, blocks)
        group = rng.choices(list(_ACTING), list(_ACTING.values()))[0]
        choices = self.acts[group]
        name, function, _ = rng.choices(choices, [weight for _, _, weight in choices])[0]
        patience = rng.choice((1, 2, 4, _TRIES, _TRIES))
        call = None
        for _ in range(patience):
            call = self._call(name, function)
            if call.reason is None:
                break
        assert call is not None
        call.wait, call.blocks = wait, blocks
        return call

    def _call(self, name: str, function: Function) -> Call:
        rng, world = self.rng, self.world
        while True:
            sender = rng.choice(self.people)
            hints: dict[str, Any] = {"target": name, "sender": sender}
            self._choose_sender(name, function, hints)
            try:
                args = [self._value(entry, hints, function) for entry in function.inputs.entries]
                data = function.encode(args)
                break
            except AbiError:
                continue
        address = world.contracts[name].address
        who = hints["sender"]
        from_address = world.address(who)
        if function.name == "permit" and rng.random() < 0.7:
            deadline = self.player.host.now + rng.choice((-1, 0, 1, 1_000))
            amount = rng.choice((0, 1, 10**9, MAX_UINT256))
            spender = f"@{rng.choice(self.people)}"
            step = Step(who, name, "permit", (f"@{who}", spender, amount, deadline))
            _, _, data = world.encode(step)
        if who in world.contracts:
            # a contract cannot send a transaction: the attacker is told to call
            execute = interface_of(world.contracts["attacker"].NAME).function("execute", 2)
            data = execute.encode((address, data))
            address, from_address = world.address("attacker"), world.roles["keeper"]
        call = Call(from_address, name, address, data, 0, 0)
        call.reason, call.output, call.logs = self.player.call(call)
        return call

    def _choose_sender(self, name: str, function: Function, hints: dict[str, Any]) -> None:
        rng = self.rng
        if name == "breaker" and function.name in ("trip", "reset") and rng.random() < 0.9:
            hints["sender"] = "guardian"
        elif name.split(".")[0] in ("vault", "fund") and rng.random() < 0.6:
            hints["sender"] = rng.choice(("lender_1", "lender_2", "staker"))

    # ------------------------------------------------------------ arguments

    def _fresh_prices(self) -> list[Call]:
        """A new round of every source."""
        calls = []
        for name in self.world.contracts:
            if name.startswith("source."):
                contract = self.world.contracts[name]
                answer = self._answer(name)
                interface = interface_of(contract.NAME)
                if ("set", 1) in interface.functions:
                    data = interface.function("set", 1).encode([max(answer, 1)])
                else:
                    data = interface.function("set_words", 1).encode([self._round(name)])
                call = Call(self.world.roles["owner"], name, contract.address, data, 0, 0)
                call.reason, call.output, call.logs = self.player.call(call)
                calls.append(call)
        return calls


def generate(
    drawn: int = 160,
    length: int = 60,
    seed: int = 1,
    profile: str = "default",
    from_lane: int = 80,
    progress: Callable[[int], None] | None = None,
) -> Tape:
    """Draw a tape on the sound build; the same for the same seed and code.

    `from_lane` sequences are the first that a search of the fast lane keeps, with views called in
    between. Disagreement when the model says another thing.
    """
    player, witness = Runner(profile), Witness(profile)
    words = player.changed_words()
    drawer = Drawer(player, random.Random(seed))
    made: list[Sequence] = []

    def keep(sequence: Sequence) -> None:
        witness.check(sequence)
        made.append(sequence)
        if progress is not None:
            progress(len(made))

    for _ in range(drawn):
        keep(drawer.sequence(length))
    if from_lane:
        for steps in _lane(profile, seed, from_lane):
            keep(drawer.with_views(steps))
    return Tape(profile, words, made)


def _lane(profile: str, seed: int, count: int) -> Iterator[list[Step]]:
    """Sequences of a search that between them pass the most edges of the code, and give the most
    actions their outcomes.
    """
    from breakwater.fuzz.lane import Lane
    from breakwater.fuzz.search import Search, Settings

    search = Search(Settings(profile, seed, corpus=None, anvil=False, beside=False))
    search.run(_LANE_CALLS)
    left = sorted(search.corpus.entries.values(), key=lambda entry: entry.name)
    lane = Lane(World(EvmHost(), profile), seed)
    seen: set[str] = set()
    while left and count:
        best = max(left, key=lambda entry: len(entry.features - seen))
        left.remove(best)
        seen |= best.features
        count -= 1
        yield lane.steps_of(best.genes)
