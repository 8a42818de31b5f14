"""The tape: sequences of calls with what each did on the sound build.

Played on changed code it shows the first difference: another reason, return value, event, or word
of storage. Nothing is decoded, so a call costs what the EVM takes.

Two sequences in three come from the contracts' ABIs: every function of every contract is called,
mostly by someone who may, with amounts of the size of what is held; a call that is refused is drawn
again, so that most of them do something. The others are what a short search of the fast lane kept,
for the code they reached and for the outcomes of actions. Views are called in between.

While it is recorded the reference model makes the same calls: a tape holds what the model says, or
it is not recorded at all.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from breakwater import artifacts
from breakwater.abi import AbiError, Function, checksum
from breakwater.artifacts import Artifact
from breakwater.errors import UserError
from breakwater.evm import _HALT, _REVERT, EvmHost
from breakwater.fuzz.compare import Comparison
from breakwater.fuzz.steps import Step
from breakwater.fuzz.world import DELAY, World
from breakwater.host import Reverted, decode_reason, interface_of
from breakwater.model.protocol import mirror
from breakwater.units import MAX_UINT256

GAS = 30_000_000
"""Of one call: changed code that never ends must stop."""

_FORMAT = 1
_CHANGE = re.compile(
    r"StorageChange \{ address: (0x[0-9a-f]{40}), key: (\d+), had_value: Some\(\d+\) \}"
)


@dataclass
class Call:
    """One call and what it did."""

    sender: str
    target: str
    """Name in the world."""
    address: str
    data: bytes
    wait: int
    blocks: int
    reason: str | None = None
    """None: it passed."""
    output: bytes = b""
    logs: bytes = b""

    def to_json(self) -> list[Any]:
        """Bytes as hexadecimal text."""
        return [
            self.sender, self.target, self.address, self.data.hex(), self.wait, self.blocks,
            self.reason, self.output.hex(), self.logs.hex(),
        ]  # fmt: skip

    @classmethod
    def from_json(cls, row: list[Any]) -> Call:
        """The reverse of `to_json`."""
        parts = [bytes.fromhex(row[i]) for i in (3, 7, 8)]
        sender, target, address, _, wait, blocks, reason, _, _ = row
        return cls(sender, target, address, parts[0], wait, blocks, reason, parts[1], parts[2])


Words = list[tuple[str, int, int]]
"""Address, slot, value."""


@dataclass
class Sequence:
    """Calls from the market as deployed, and the words they changed."""

    calls: list[Call]
    words: Words = field(default_factory=list)


@dataclass(frozen=True)
class Difference:
    """The first place where changed code does something else."""

    sequence: int
    """-1: the deployment."""
    step: int
    what: str

    def __str__(self) -> str:
        if self.sequence < 0:
            return f"model: set-up: {self.what}"
        return f"model: sequence {self.sequence}, step {self.step}: {self.what}"


class Disagreement(UserError):
    """The model says another thing than the sound build did: one of them is wrong."""


class Runner:
    """A market on some code, ready for sequences."""

    def __init__(self, profile: str, changed: Mapping[str, bytes] | None = None) -> None:
        changed = changed or {}

        def load(name: str) -> Artifact:
            found = artifacts.load(name)
            code = changed.get(name)
            return found if code is None else replaced(found, code)

        self.host = EvmHost()
        self.world = World(self.host, profile, load)
        self.evm = self.host._evm
        self.start = self.host.snapshot()

    def call(self, call: Call) -> tuple[str | None, bytes, bytes]:
        """Reason (None: passed), returned data, and logs packed, of one call."""
        if call.wait or call.blocks:
            self.host.advance(call.wait, call.blocks)
        evm = self.evm
        evm.reset_transient_storage()
        try:
            output = evm.message_call(call.sender, call.address, call.data, gas=GAS)
        except RuntimeError as error:
            return _reason(str(error)), b"", b""
        logs = b""
        result: Any = evm.result
        for log in result.logs:
            topics, data = log.data
            logs += log.address.encode() + b"".join(topics) + data
        return None, output, logs

    def step(self, step: Step) -> Call:
        """Make the call of a step; what it did."""
        if step.wait or step.blocks:
            self.host.advance(step.wait, step.blocks)
        sender, address, data = self.world.encode(step)
        call = Call(sender, step.target, address, data, 0, 0)
        call.reason, call.output, call.logs = self.call(call)
        call.wait, call.blocks = step.wait, step.blocks
        return call

    def changed_words(self) -> Words:
        """Every word that was written since the deployment began."""
        found = {(a, int(k)) for a, k in _CHANGE.findall(self.evm.journal_str)}
        places = sorted((checksum(address), slot) for address, slot in found)
        return [(a, slot, int(self.evm.storage(a, slot))) for a, slot in places]

    def reset(self) -> None:
        """Back to the market as deployed."""
        self.host.restore(self.start)


class Witness:
    """The reference model beside the sound build, to which every recorded call is put."""

    def __init__(self, profile: str) -> None:
        self.player = Runner(profile)
        world = self.player.world
        self.comparison = Comparison(mirror(world), self.player.host, world.name)
        self._functions = {
            (contract.address, function.selector): function
            for contract in world.contracts.values()
            for function in interface_of(contract.NAME).functions.values()
        }
        self._agree(self.comparison.everything(), "set-up")
        self._start = self.comparison.mark()

    def check(self, sequence: Sequence) -> None:
        """Make its calls on both, and go back. Disagreement, see there.

        Compared are reason, value, events and the words written of each call, and at the end every
        word that the model knows.
        """
        player, comparison = self.player, self.comparison
        for i, call in enumerate(sequence.calls):
            if call.wait or call.blocks:
                player.host.advance(call.wait, call.blocks)
            function = self._functions[call.address, call.data[:4]]
            args = function.inputs.decode(call.data[4:])
            differs = comparison.step(call.sender, call.address, function.name, args)
            # what was compared is what was recorded
            if differs is None and comparison.outcome.reason != call.reason:
                differs = f"{function.name} {_said(comparison.outcome.reason)} the second time"
            self._agree(differs, f"call {i}")
        self._agree(comparison.everything(), "the end")
        self._agree(comparison.unknown(), "the end")
        player.reset()
        comparison.back(self._start)

    @staticmethod
    def _agree(differs: str | None, place: str) -> None:
        if differs is not None:
            raise Disagreement(f"no tape: the model disagrees at {place}: {differs}")


class Tape:
    """Sequences for one profile, and the words of the market they start from."""

    def __init__(self, profile: str, words: Words, sequences: list[Sequence]) -> None:
        self.profile = profile
        self.words = words
        self.sequences = sequences

    @property
    def calls(self) -> int:
        """In all sequences."""
        return sum(len(one.calls) for one in self.sequences)

    @property
    def digest(self) -> str:
        """Of everything in it."""
        digest = hashlib.sha256(f"{_FORMAT} {self.profile}".encode())
        for one in self.sequences:
            digest.update(repr([call.to_json() for call in one.calls]).encode())
        return digest.hexdigest()[:16]

    # ------------------------------------------------------------ playing

    def play(
        self, changed: Mapping[str, bytes], order: Iterable[int] | None = None
    ) -> Difference | None:
        """The first difference that changed creation code (by contract) makes; None: none."""
        try:
            player = Runner(self.profile, changed)
        except Reverted as error:
            return Difference(-1, 0, f"refused: {error.reason!r}")
        except Exception as error:  # the set-up trips over what a contract answered
            return Difference(-1, 0, f"{type(error).__name__}: {str(error)[:80]}")
        storage = player.evm.storage
        for address, slot, value in self.words:
            if storage(address, slot) != value:
                return Difference(-1, 0, self._word(player.world, address, slot))
        for number in order if order is not None else range(len(self.sequences)):
            difference = self._play_one(player, number)
            if difference is not None:
                return difference
        return None

    def _play_one(self, player: Runner, number: int) -> Difference | None:
        sequence = self.sequences[number]
        play = player.call
        for i, call in enumerate(sequence.calls):
            reason, output, logs = play(call)
            if reason != call.reason or output != call.output or logs != call.logs:
                what = self._told(call, reason, output != call.output)
                return Difference(number, i, what)
        storage = player.evm.storage
        for address, slot, value in sequence.words:
            if storage(address, slot) != value:
                what = self._word(player.world, address, slot)
                return Difference(number, len(sequence.calls), what)
        player.reset()
        return None

    @staticmethod
    def _told(call: Call, reason: str | None, is_value: bool) -> str:
        name = f"{call.target}.{_function_name(call)}"
        if reason != call.reason:
            return f"{name} {_said(reason)}, not {_said(call.reason)}"
        return f"{name} {'returned another value' if is_value else 'emitted other events'}"

    @staticmethod
    def _word(world: World, address: str, slot: int) -> str:
        place = slot if slot < 10**6 else f"{hex(slot)[:10]}.."
        return f"word {place} of {world.name(address)}"

    # ------------------------------------------------------------ files

    def save(self, path: Path) -> None:
        """Write it, compressed JSON."""
        data = {
            "format": _FORMAT,
            "profile": self.profile,
            "words": self.words,
            "sequences": [
                {"calls": [call.to_json() for call in one.calls], "words": one.words}
                for one in self.sequences
            ],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(gzip.compress(json.dumps(data).encode(), 1))
        part.replace(path)

    @classmethod
    def read(cls, path: Path) -> Tape:
        """The reverse of `save`."""
        data = json.loads(gzip.decompress(path.read_bytes()))
        return cls(
            data["profile"],
            [tuple(word) for word in data["words"]],
            [
                Sequence(
                    [Call.from_json(row) for row in one["calls"]],
                    [tuple(word) for word in one["words"]],
                )
                for one in data["sequences"]
            ],
        )


def replaced(artifact: Artifact, code: bytes) -> Artifact:
    """The artifact with other creation code; its runtime code is what deploys from it."""
    return replace(artifact, bytecode=code)


def _reason(text: str) -> str:
    match = _REVERT.match(text)
    if match is not None:
        return decode_reason(bytes.fromhex(match["data"]))
    match = _HALT.match(text)
    return f"halt: {match['reason']}" if match is not None else text[:80]


def _said(reason: str | None) -> str:
    return "passes" if reason is None else f"is refused with {reason!r}"


def _function_name(call: Call) -> str:
    return _selectors().get(call.data[:4], "0x" + call.data[:4].hex())


_known: dict[bytes, str] = {}


def _selectors() -> dict[bytes, str]:
    if not _known:
        for name in artifacts.names():
            for function in interface_of(name).functions.values():
                _known.setdefault(function.selector, function.name)
    return _known


# ---------------------------------------------------------------- drawing


_WEIGHTS: dict[str, dict[str, float]] = {
    "engine": {
        "deposit_collateral": 5, "withdraw_collateral": 6, "borrow": 8, "repay": 6,
        "move_collateral": 4, "liquidate": 10, "batch": 10, "set_operator": 3,
    },
    "vault": {
        "deposit": 3, "mint": 2, "withdraw": 4, "redeem": 3, "flashLoan": 2, "permit": 1,
        "transfer": 1, "transferFrom": 1, "settle_fee": 1, "accrue": 1, "set_config": 1,
        "set_caps": 1, "open": 0.1, "lend": 0.2, "collect": 0.2, "write_off": 0.2,
        "set_breaker": 0.1, "set_level": 0.3, "transfer_ownership": 0.1,
    },
    "fund": {"deposit": 2, "mint": 1, "request_exit": 2, "cancel_exit": 0.5, "withdraw": 2,
             "redeem": 2, "transfer": 0.7, "transferFrom": 0.5, "approve": 0.5},
    "breaker": {"poke": 12, "trip": 3, "reset": 1.5, "connect": 0.1, "transfer_ownership": 0.1},
    "risk": {"poke": 0.3, "set_level": 0.3, "write_asset": 0.2, "set_breaker": 0.05,
             "set_configurator": 0.05, "transfer_ownership": 0.05, "liquidation_terms": 6,
             "margin_of": 2, "health_of": 2, "shortfall": 3, "check_initial": 3, "check_batch": 2},
    "configurator": {"list_asset": 1, "set_borrow_ltv": 2, "ramp_liquidation_ltv": 2},
    "token": {"transfer": 0.1, "mint": 0.3, "approve": 0.1, "set_odds": 1, "set_rate": 1.5,
              "set_blocked": 0.2},
    "source": {"set": 4, "set_round": 0.5, "set_words": 1.5, "set_mode": 0.6,
               "set_decimals": 0.02},
}  # fmt: skip
_ACTING = {"engine": 40, "vault": 30, "fund": 14, "breaker": 13, "risk": 1, "configurator": 4,
           "token": 3, "source": 14}  # fmt: skip
_LOOKING = {"engine": 5, "vault": 12, "fund": 7, "breaker": 4, "risk": 12, "configurator": 1,
            "lens": 16, "feed": 4}  # fmt: skip
_ACTIONS = {1: "deposit_collateral", 2: "withdraw_collateral", 4: "borrow", 8: "repay",
            16: "move_collateral", 32: "liquidate"}  # fmt: skip
_OWNERS = {
    "list_collateral", "set_cap", "list_debt", "set_min_debt", "set_config", "set_caps",
    "set_breaker", "set_configurator", "transfer_ownership", "connect", "add_vault",
    "set_guardian", "list_asset", "set_borrow_ltv", "ramp_liquidation_ltv", "open",
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


class Drawer:
    """Draws calls that mostly do something, on a market that has the sound build."""

    def __init__(self, player: Runner, rng: random.Random) -> None:
        self.player = player
        self.world = player.world
        self.rng = rng
        self.lens: Any = self.world.contracts["lens"]
        self.engine: Any = self.world.contracts["engine"]
        self.people = [
            role for role in self.world.roles if role not in ("owner", "governor", "keeper")
        ]
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
            legs = self._legs(world.account(account))
            debts = [leg for leg in legs if leg[2]]
            owned = [leg for leg in legs if not leg[2]]
            if not debts or not owned:
                continue
            debt, collateral = rng.choice(debts), rng.choice(owned)
            most = rng.choice((MAX_UINT256, MAX_UINT256, debt[1], debt[1] // 2, debt[1] // 7, 1))
            who = rng.choice(("liquidator_1", "liquidator_2", "lender_1"))
            credit = rng.choice((bytes(32), bytes(32), self._account_of(who)))
            args = (
                world.account(account), world.address(f"token.{debt[0]}"),
                world.address(f"token.{collateral[0]}"), most, rng.choice((0, 0, 1)),
                world.address(who), credit, b"",
            )  # fmt: skip
            calls.append(self._make(who, "lens", "preview_liquidate", args[:4]))
            calls.append(self._make(who, "engine", "liquidate", args))
        return calls

    def _by_owner(self) -> list[Call]:
        """A call of the timelock: announced, waited for, done."""
        rng, world, host = self.rng, self.world, self.player.host
        group = rng.choice(("engine", "vault", "breaker", "configurator", "configurator", "vault"))
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

    def _legs(self, account: bytes) -> list[tuple[str, int, bool]]:
        """Symbol, amount, and whether it is debt, of what an account has."""
        words = self.engine.position_of(account)
        found = []
        for i in range(8):
            tag = words[i // 2] >> (208 + 8 * (i % 2)) & 255
            amount = words[i // 2] >> (104 * (i % 2)) & 2**104 - 1
            if tag:
                found.append((self._symbol(tag & 127), amount, tag >= 128))
        return found

    def _symbol(self, number: int) -> str:
        known = [*self.world.symbols, "LATE"]
        return known[number - 1] if number <= len(known) else "LATE"

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

    def _value(self, entry: dict[str, Any], hints: dict[str, Any], function: Function) -> Any:
        kind, name, rng = str(entry["type"]), str(entry["name"]), self.rng
        if kind.endswith("[]"):
            inner = {**entry, "type": kind[:-2], "name": name.rstrip("s")}
            count = rng.choice((0, 1, 1, 2, 2, 3, 4))
            return [self._value(inner, dict(hints), function) for _ in range(count)]
        if kind.endswith("]"):
            if kind == "uint256[4]":
                return self._position(hints)
            size = int(kind[kind.rindex("[") + 1 : -1])
            if name == "words" and hints["target"].startswith("source."):
                return self._round(hints["target"])
            inner = {**entry, "type": kind[: kind.rindex("[")]}
            return [self._value(inner, hints, function) for _ in range(size)]
        if kind == "tuple":
            return self._struct(entry, hints, function)
        if kind == "bool":
            return rng.random() < 0.3
        if kind == "address":
            return self._address(name, hints, function)
        if kind == "bytes32":
            return self._account(name, hints)
        if kind == "bytes":
            return b"" if rng.random() < 0.9 else b"data"
        if kind.startswith("bytes"):
            return bytes(int(kind[5:]))
        if kind.startswith("int"):
            return self._answer(hints["target"])
        return self._number(name, hints, function, int(kind[4:] or 256))

    def _struct(self, entry: dict[str, Any], hints: dict[str, Any], function: Function) -> Any:
        rng, world = self.rng, self.world
        parts = entry["components"]
        names = {part["name"] for part in parts}
        if "liquidation_ltv" in names:
            config = world.configs[rng.choice((*world.symbols, "LATE", "LATE", "LATE"))]
            values: list[Any] = list(config)
            if rng.random() < 0.4:
                at = rng.randrange(len(values))
                if isinstance(values[at], int):
                    values[at] = self._nudge(values[at])
            return tuple(values)
        if "reserve_factor" in names:
            vault: Any = world.contracts[hints["target"]]
            values = list(vault.config())
            for _ in range(rng.choice((0, 1, 1, 2))):
                at = rng.randrange(len(values))
                values[at] = self._nudge(values[at])
            return tuple(values)
        if "action" in names:
            # most legs of a batch act on the accounts of one person
            hints.pop("account", None)
            made: list[Any] = []
            for part in parts:
                if part["name"] == "action":
                    action = rng.choice((1, 1, 1, 2, 4, 4, 4, 8, 8, 16, 32))
                    made.append(action)
                    hints["action"] = action
                elif part["name"] == "account" and rng.random() < 0.9:
                    mine = [one for one in world.accounts if one.split("#")[0] == hints["sender"]]
                    if mine:
                        hints["account"] = rng.choice(mine)
                        made.append(world.account(hints["account"]))
                    else:
                        made.append(self._value(part, hints, function))
                else:
                    made.append(self._value(part, hints, function))
            return tuple(made)
        return tuple(self._value(part, hints, function) for part in parts)

    def _nudge(self, value: int) -> int:
        rng = self.rng
        if isinstance(value, bool):
            return not value
        return max(0, rng.choice((value + 1, value - 1, value * 2, value // 2, value + 50,
                                  value - 50, 0, value * 11 // 10, 10_000)))  # fmt: skip

    def _position(self, hints: dict[str, Any]) -> list[int]:
        """An account's words, some changed a little; or legs that nobody has."""
        words = list(hints.get("position", ()))
        if not words or self.rng.random() < 0.2:  # the second of two is mostly like the first
            account = self.world.account(self.rng.choice(self.world.accounts))
            words = list(self.engine.position_of(account))
            if self.rng.random() < 0.6:
                words = self._invented()
        if self.rng.random() < 0.4:
            at = self.rng.randrange(4)
            words[at] ^= 1 << self.rng.randrange(100)
        hints["position"] = words
        return words

    def _invented(self) -> list[int]:
        """Some legs, whose debts are worth about what the collateral may carry."""
        rng, world = self.rng, self.world
        symbols = list(world.symbols)
        held = rng.sample(symbols, rng.randint(1, min(5, len(symbols))))
        owed = rng.sample(world.debts, rng.randint(0, min(3, len(world.debts))))
        worth = {symbol: 10 ** rng.uniform(-4, 6) for symbol in held}
        total = sum(worth.values()) * rng.uniform(0.3, 1.3)
        parts = [rng.random() + 0.01 for _ in owed]
        legs = [(symbol, value, 0) for symbol, value in worth.items()]
        for symbol, part in zip(owed, parts, strict=True):
            legs.append((symbol, total * part / sum(parts), 128))
        rng.shuffle(legs)
        words = [0, 0, 0, 0]
        for i, (symbol, value, side) in enumerate(legs):
            listing = world.listings[symbol]
            amount = max(1, int(value * listing.unit / listing.dollars))
            tag = side | symbols.index(symbol) + 1
            words[i // 2] |= (amount | tag << (208 - 104 * (i % 2) + 8 * (i % 2))) << 104 * (i % 2)
        return words

    def _tags(self, hints: dict[str, Any]) -> list[tuple[int, int]]:
        """Tag and amount of each leg of the position that was drawn."""
        found = []
        for i in range(8):
            word = hints.get("position", (0, 0, 0, 0))[i // 2]
            tag = word >> (208 + 8 * (i % 2)) & 255
            if tag:
                found.append((tag, word >> (104 * (i % 2)) & 2**104 - 1))
        return found

    def _account_of(self, who: str) -> bytes:
        mine = [name for name in self.world.accounts if name.split("#")[0] == who]
        return self.world.account(self.rng.choice(mine or self.world.accounts))

    def _account(self, name: str, hints: dict[str, Any]) -> bytes:
        rng, world = self.rng, self.world
        if name in ("credit", "other") and rng.random() < 0.7:
            return bytes(32) if rng.random() < 0.5 else self._account_of(hints["sender"])
        found = rng.choice(world.accounts)
        hints["account"] = found
        if hints["sender"] in self.people and name in ("account", "source") and rng.random() < 0.8:
            owner = found.split("#")[0]
            hints["sender"] = owner
        if name == "target" and rng.random() < 0.8:
            return self._account_of(hints["sender"])
        return world.account(found)

    def _address(self, name: str, hints: dict[str, Any], function: Function) -> str:
        rng, world = self.rng, self.world
        roll = rng.random()
        if name in ("asset", "token", "debt_asset", "collateral"):
            symbol = rng.choice(world.debts if name == "debt_asset" else world.symbols)
            if "account" in hints and rng.random() < 0.85:
                symbol = self._fitting(name, hints, function) or symbol
            if roll < 0.04:
                symbol = "LATE"
            own = hints["target"].split(".")[1:]
            if name == "token" and own and roll < 0.9:
                symbol = own[0]
            if function.name == "list_asset" and roll < 0.8:
                symbol = "LATE"
            hints["asset"] = symbol
            return world.address(f"token.{symbol}")
        if name == "vault":
            return world.address(f"vault.{rng.choice(world.debts)}")
        if name == "owner" and roll < 0.8:
            return world.address(hints["sender"])
        if name in ("receiver", "owner") and function.name == "flashLoan" and roll < 0.8:
            return world.address("attacker")
        if roll < 0.03:
            return "0x" + "00" * 20
        if roll < 0.12:
            return world.address(rng.choice(list(world.contracts)))
        return world.address(rng.choice(self.people))

    def _fitting(self, name: str, hints: dict[str, Any], function: Function) -> str | None:
        """An asset that this account has a leg in, or may have one in."""
        action = _ACTIONS.get(hints.get("action", 0), function.name)
        legs = self._legs(self.world.account(hints["account"]))
        if action in ("borrow", "max_borrow"):
            return self.rng.choice(self.world.debts)
        if action == "deposit_collateral" or not legs:
            return None
        is_debt = action == "repay" or name == "debt_asset"
        if action == "liquidate" and name == "asset":
            is_debt = True
        found = [leg[0] for leg in legs if leg[2] == is_debt]
        return self.rng.choice(found) if found else None

    def _answer(self, target: str) -> int:
        rng = self.rng
        contract: Any = self.world.contracts.get(target)
        now = int(contract.answer()) if hasattr(contract, "answer") else 10**8
        listing = self.world.listings.get(target.split(".")[1]) if "." in target else None
        usual = listing.dollars * 10**8 if listing else 10**8
        return rng.choice((
            now, usual, usual, now * rng.randrange(90, 111) // 100,
            now * rng.randrange(99, 102) // 100, now * rng.randrange(50, 200) // 100,
            usual * rng.randrange(40, 160) // 100, rng.choice((0, -1, 1)),
        ))  # fmt: skip

    def _round(self, target: str) -> list[int]:
        now = self.player.host.now
        listing = self.world.listings[target.split(".")[1]]
        price = listing.dollars * 10**8 * self.rng.randrange(50, 150) // 100
        words = [1, price, now, now, 1]
        if self.rng.random() < 0.2:
            words[self.rng.randrange(5)] = self.rng.choice((0, 1, now + 1, now - 86_401, 2**255))
        return words

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

    def _number(self, name: str, hints: dict[str, Any], function: Function, bits: int) -> int:
        rng, world, now = self.rng, self.world, self.player.host.now
        if name in ("caution_until", "halt_until", "held_until", "expiry", "deadline"):
            return max(0, now + rng.choice((-1, 0, 1, 60, 3_600, 86_400, 604_800, 604_801))) * (
                rng.random() < 0.8
            )
        if name in ("level", "reason", "mode", "action", "actions"):
            return rng.choice((0, 1, 1, 2, 2, 3, 4, 8, 16, 32, 63))
        if name == "duration":
            return rng.choice((0, 60, 3_600, 86_400, 259_200, 604_800, 604_801))
        legs = self._tags(hints)
        if legs and name in ("debt_tag", "tag", "collateral_tag", "touched") and rng.random() < 0.8:
            tags = [tag for tag, _ in legs]
            if name == "touched":
                picked = rng.sample(tags, rng.randint(0, len(tags)))
                return sum(tag << 8 * i for i, tag in enumerate(picked))
            wanted = [tag for tag in tags if (tag >= 128) == (name == "debt_tag")]
            return rng.choice(wanted or tags)
        if legs and name in ("max_repay", "min_debt") and rng.random() < 0.8:
            owed = [amount for tag, amount in legs if tag >= 128] or [0]
            most = int(rng.choice(owed) * rng.choice((0, 0.01, 0.1, 0.3, 0.5, 0.9, 1)))
            return rng.choice((MAX_UINT256, most, most)) if name == "max_repay" else most
        if name in ("id", "debt_tag", "tag", "collateral_tag"):
            return rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 127, 128, 129, 130, 131, 132, 200))
        if name == "touched":
            return rng.choice((0, 1, 2, 6, 62, 255, MAX_UINT256, rng.getrandbits(200)))
        if name in ("borrow_ltv", "target"):
            return rng.choice((0, 4_000, 5_500, 7_000, 7_450, 7_500, 7_700, 8_000, 9_000, 10_000,
                               rng.randrange(10_000)))  # fmt: skip
        if name == "rate":
            return 10**18 * rng.randrange(95, 115) // 100
        if name in ("answer", "fee") and function.name == "set_odds":
            return rng.choice((0, 1, 2, 3, 100, 300))
        if name == "updated_at":
            return max(0, now + rng.choice((-90_000, -3_600, 0, 0, 1)))
        if bits <= 8:
            return rng.choice((0, 1, 6, 8, 18, 27, 28))
        symbol = hints.get("asset")
        if symbol is None:
            parts = hints["target"].split(".")
            symbol = parts[1] if len(parts) > 1 else rng.choice(world.symbols)
        listing = world.listings[symbol]
        return min(self._amount(name, listing, hints), 2**bits - 1)

    def _amount(self, name: str, listing: Any, hints: dict[str, Any]) -> int:
        rng = self.rng
        roll = rng.random()
        if roll < 0.06:
            return rng.choice((0, 1, 2, 3, 1_000))
        if roll < 0.13:
            return MAX_UINT256
        scale = 10**6 if "share" in name else 1
        if hints["target"].startswith("fund."):
            scale = 10**12 if "share" in name else 10**6
        if roll < 0.45:
            held = self._held(hints)
            if held:
                amount = rng.choice(held)
                return rng.choice((amount, amount, amount - 1, amount + 1, amount // 2,
                                   amount * rng.randrange(100) // 100)) % 2**256  # fmt: skip
        dollars = 10 ** rng.uniform(-4, 5.5) if roll < 0.9 else 10 ** rng.uniform(4, 8)
        return int(dollars * listing.unit / listing.dollars) * scale

    def _held(self, hints: dict[str, Any]) -> list[int]:
        """Amounts that are there: legs of the account, shares and tokens of the sender."""
        world, target = self.world, hints["target"]
        found: list[int] = []
        account = hints.get("account")
        if target == "engine" and account is not None:
            for word in self.engine.position_of(world.account(account)):
                found += [word & 2**104 - 1, word >> 104 & 2**104 - 1]
        elif target.split(".")[0] in ("vault", "fund", "token"):
            contract: Any = world.contracts[target]
            found = [int(contract.balanceOf(world.address(hints["sender"])))]
        return [amount for amount in found if amount]


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

    search = Search(Settings(profile=profile, seed=seed, corpus=None, anvil=False))
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
