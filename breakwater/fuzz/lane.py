"""The fast lane: sequences of genes on the bytecode, every promise judged after every call.

A sequence is a row of genes (`breakwater.fuzz.actions`), drawn in bulk from a seeded generator. It
starts from one base state and is undone when it ends; before that some trials of liveness are made.
Call data is packed by hand, amounts come from the words that the watch keeps anyway.
"""

from __future__ import annotations

import gc
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from breakwater.evm import EvmHost
from breakwater.fuzz import actions, looks
from breakwater.fuzz.actions import GENE, NO_ACCOUNT, NOBODY, TABLE, Call, Gene
from breakwater.fuzz.positions import Legs
from breakwater.fuzz.slots import slot
from breakwater.fuzz.steps import Step
from breakwater.fuzz.watch import SENTENCES, Watch
from breakwater.fuzz.world import AGGREGATOR_ROUND, BAD_MODE, BAD_WORDS, World, sign_permit
from breakwater.host import Reverted, interface_of
from breakwater.mocks import BadFeedMock
from breakwater.observation import mapped
from breakwater.promises import Violation
from breakwater.units import BPS, RAY, WAD

LENGTH = 50
"""Genes of a sequence."""

_M112 = 2**112 - 1
_M128 = 2**128 - 1
_WAITS = tuple(actions.waits(bytes([0] * 6 + [byte, 0])) for byte in range(256))
"""Seconds and blocks before an ordinary call, by the byte of its gene."""

NEEDS_REASON = frozenset({"repay", "liquidate", "accrue", "settle_fee", "poke"})
"""Functions that must have a reason when they refuse (LIVE-4)."""


@dataclass(frozen=True)
class Failure:
    """A sequence that broke a promise."""

    genes: bytes
    steps: list[Step]
    violations: list[Violation]


Key = tuple[str, str | None]
"""An action, and why the call was refused; None: it was not."""


@dataclass
class Outcome:
    """What a sequence did."""

    genes: bytes
    calls: int = 0
    succeeded: int = 0
    counts: Counter[Key] = field(default_factory=Counter)
    keys: set[int] = field(default_factory=set)
    """What it looked like: actions with their outcomes, levels, health of accounts."""
    violations: Sequence[Violation] = ()


class _Words(dict[str, bytes]):
    """Names as words of call data; what is written out in hexadecimal needs no name."""

    def __missing__(self, key: str) -> bytes:
        return bytes.fromhex(key[2:]).rjust(32, b"\0")


def unreasoned(call: Call, reason: str, now: int) -> Sequence[Violation]:
    """LIVE-4: a call that must have a reason when it refuses was refused without one."""
    if reason not in ("", "halt") and reason[:5] != "panic":
        return ()
    _, target, function, args, _, _ = call
    if function not in NEEDS_REASON or (function == "liquidate" and args[7] != "0x"):
        return ()
    what = f"{target}.{function}: a revert without a reason ({reason or 'empty'})"
    return [Violation("LIVE-4", SENTENCES["LIVE-4"], what, now, -1)]


class Player:
    """The state as actions see it, and the way to make their calls."""

    def __init__(self, world: World, watch: Watch | None = None) -> None:
        if not isinstance(world.host, EvmHost):
            raise TypeError("the fast lane needs the in-process EVM")
        self.world = world
        self.host = world.host
        self.evm = world.host._evm
        self.watch = watch or Watch(world)
        self.names = world.accounts
        self.owners = [name.split("#")[0] for name in self.names]
        self.account_count = len(self.names) - 1
        self.debts = world.debts
        self.vault_count = len(self.debts)
        self.symbols = list(world.listings)
        self.asset_count = len(world.symbols)
        self.priced = [
            (s, [f"source.{s}.{i}" for i in range(len(listing.sources))])
            for s, listing in world.listings.items()
            if listing.sources
        ]
        self.priced_count = len(self.priced)
        self.views = looks.views(world)
        self.scheduled: list[tuple[tuple[Any, ...], int]] = []
        self.tape: list[tuple[int, int, str, str, bytes]] | None = None
        """Where every call is recorded: now, block, sender, target, call data."""
        self._collaterals = [self.symbols.index(symbol) + 1 for symbol in world.collaterals]
        self._siblings = [
            [j for j, owner in enumerate(self.owners) if owner == self.owners[i] and j != i]
            for i in range(self.account_count)
        ]
        self._ids = {f"@token.{symbol}": i + 1 for i, symbol in enumerate(self.symbols)}
        self._bad = {name for name, one in world.contracts.items() if isinstance(one, BadFeedMock)}
        self._addresses = dict(world.roles)
        self._addresses.update((name, one.address) for name, one in world.contracts.items())
        self._words: dict[str, bytes] = _Words()
        for name, address in self._addresses.items():
            self._words[f"@{name}"] = bytes.fromhex(address[2:]).rjust(32, b"\0")
        self._words.update((name, world.account(name)) for name in self.names)
        self._words[NOBODY] = self._words[NO_ACCOUNT] = bytes(32)
        self._slots: dict[tuple[str, str, str], tuple[str, int]] = {}
        self._selectors: dict[tuple[str, str, int], bytes] = {}
        self._reasons: dict[str, str] = {}
        # of the instrumented build: what a revert says of the code that ran goes first
        self._plain_error: Callable[[str], str] | None = getattr(self.host, "plain_error", None)
        self._separators: dict[str, bytes] = {}
        self._keeper = world.roles["keeper"]
        self._attacker = world.contracts["attacker"].address
        self._execute = interface_of("FlashBorrowerMock").function("execute", 2).selector

    # ------------------------------------------------------------ state

    def token(self, id: int) -> str:
        """Name of an asset's token, as an argument."""
        return "@token." + self.symbols[id - 1]

    def legs(self, i: int) -> Legs:
        """Of account number `i`."""
        return self.watch.legs[i]

    def word(self, contract: str, holder: str, variable: str) -> int:
        """A word of a mapping by address."""
        place = self._slots.get((contract, holder, variable))
        if place is None:
            at = slot(self.world.contracts[contract].NAME, variable)
            place = self._slots[contract, holder, variable] = (
                self._addresses[contract],
                mapped(at, self._addresses[holder]),
            )
        return self.evm.storage(*place)

    def balance(self, symbol: str, who: str) -> int:
        """Tokens that someone has."""
        return self.word(f"token.{symbol}", who, "balanceOf")

    def shares(self, v: int, who: str) -> int:
        """Vault shares that someone has."""
        return self.word(f"vault.{self.debts[v]}", who, "_balances") & _M128

    def stake(self, v: int, who: str) -> int:
        """Fund shares that someone has."""
        return self.word(f"fund.{self.debts[v]}", who, "_balances")

    def fund(self, v: int) -> tuple[int, int]:
        """Supply and reserve of a fund; ones where nobody has staked."""
        supply, reserve = self.watch.funds[v]
        return (supply, reserve) if reserve else (0, self.watch.vaults[v][4] + 1)

    def cash(self, v: int) -> int:
        """Of a vault."""
        return self.watch.vaults[v][0] & _M112

    def totals(self, v: int) -> tuple[int, int, int, int]:
        """Total, net assets and shares (virtual ones included), deposit cap."""
        watch = self.watch
        books, _, claims, _, _ = watch.vaults[v]
        factor, cap, _, _ = watch.configs[v]
        total = (books & _M112) + (books >> 112 & _M112) * watch.index(v) // RAY
        base = claims >> 128
        fee = (total - base) * factor // BPS if total > base else 0
        return total, total - fee + 1, (claims & _M128) + 10**6, cap

    def debt_left(self, v: int) -> int:
        """What the debt cap leaves."""
        watch = self.watch
        debt = (watch.vaults[v][0] >> 112 & _M112) * watch.index(v) // RAY
        return max(watch.configs[v][2] - debt, 0)

    def least(self, v: int) -> int:
        """Least debt of an asset."""
        asset = self.watch._listed[self.watch._vaults[v].asset - 1]
        code = self.evm.storage(self._addresses["engine"], asset.debt) >> 168 & 0xFFFFFF
        return (code & 65_535) << (code >> 16)

    def cap_left(self, id: int) -> int:
        """What a collateral's cap leaves."""
        book = self.watch.books[id]
        code = book >> 120 & 0xFFFFFF
        return max(((code & 65_535) << (code >> 16)) - (book & _M112), 0)

    def amount(self, i: int, id: int) -> int:
        """Of a collateral that an account holds."""
        for tag, amount in self.watch.legs[i]:
            if tag == id:
                return amount
        return 0

    def owed(self, i: int, v: int) -> int:
        """Debt of an account, rounded up."""
        tag = self.watch._vaults[v].asset | 128
        for other, shares in self.watch.legs[i]:
            if other == tag:
                return -(-shares * self.watch.index(v) // RAY)
        return 0

    def free(self, i: int, id: int) -> int:
        """Most of a collateral that initial margin lets go."""
        watch = self.watch
        room = watch.margin_of(i).room
        price = watch.price(id)
        per = price.new_collateral * price.borrow_ltv
        if per == 0:
            return self.amount(i, id)
        return max(room, 0) * watch._listed[id - 1].unit // per

    def needed(self, i: int, id: int) -> int:
        """What of a collateral would just meet the initial margin."""
        watch = self.watch
        room = watch.margin_of(i).room
        price = watch.price(id)
        per = price.new_collateral * price.borrow_ltv
        if room >= 0 or per == 0:
            return watch._listed[id - 1].unit
        return -room * watch._listed[id - 1].unit // per

    def credit(self, i: int, v: int) -> int:
        """What initial margin lets an account borrow."""
        watch = self.watch
        id = watch._vaults[v].asset
        room = watch.margin_of(i).room
        price = watch.price(id)
        per = price.new_debt * price.weight
        return max(room, 0) * watch._listed[id - 1].unit // per if per else 0

    def collateral(self, what: int, legs: Legs, preference: int) -> int:
        """Id of a collateral: mostly one that is held, else any."""
        if preference & 8 and legs:
            return self.held(what, legs)
        return self._collaterals[what % len(self._collaterals)]

    def held(self, what: int, legs: Legs) -> int:
        """Id of a collateral that is held; of any where none is."""
        ids = [tag for tag, _ in legs if tag < 128]
        if ids:
            return ids[what % len(ids)]
        return self._collaterals[what % len(self._collaterals)]

    def owing(self, what: int, legs: Legs) -> int:
        """Vault of a debt that is owed; any where none is."""
        listed = self.watch._listed
        found = [listed[(tag & 127) - 1].vault for tag, _ in legs if tag >= 128]
        return found[what % len(found)] if found else what % self.vault_count

    def sibling(self, i: int, what: int) -> int:
        """Another account of the same owner; the same where there is none."""
        others = self._siblings[i]
        return others[what % len(others)] if others else i

    def weak(self, what: int) -> tuple[int, bool]:
        """An account below maintenance; one that owes, and False, where there is none."""
        owing = self._owing()
        count = len(owing)
        if count == 0:
            return what % self.account_count, False
        # a few are looked at, not all: their health costs time
        for offset in range(min(count, 3)):
            i = owing[(what + offset) % count]
            if self.watch.factor(i) < WAD:
                return i, True
        return owing[what % count], False

    def _owing(self) -> list[int]:
        """Accounts with debt."""
        return [i for i, legs in enumerate(self.watch.legs) if legs and max(legs)[0] >= 128]

    def debtor(self, what: int) -> int:
        """An account that owes; any where none does."""
        found = self._owing()
        return found[what % len(found)] if found else what % self.account_count

    def holder(self, what: int) -> int:
        """An account that holds collateral; any where none does."""
        legs = self.watch.legs
        found = [i for i in range(self.account_count) if legs[i]]
        return found[what % len(found)] if found else what % self.account_count

    def health(self, i: int) -> int:
        """Health factor of an account."""
        return self.watch.factor(i)

    def share(self, i: int, id: int) -> int:
        """Part of the weighted collateral of an account that is in one asset [WAD]."""
        watch = self.watch
        part = total = 0
        for tag, amount in watch.legs[i]:
            if tag < 128:
                price = watch.price(tag)
                unit = watch._listed[tag - 1].unit
                value = amount * price.as_collateral * price.liquidation_ltv // unit
                total += value
                if tag == id:
                    part = value
        return part * WAD // total if total else 0

    def sources_of(self, id: int) -> list[str]:
        """Names of the sources behind an asset's price."""
        symbol = self.symbols[id - 1]
        symbol = self.world.listings[symbol].rate_over or symbol
        return dict(self.priced).get(symbol, [])

    def actor(self, g: Gene, holds: bool = False) -> tuple[int, str]:
        """An account, and who acts for it: its owner, an operator, rarely a stranger."""
        i = self.holder(g[1]) if holds else g[1] % self.account_count
        if g[1] < 224:
            return i, self.owners[i]
        return i, "operator" if g[1] < 248 else "borrower_3"

    def at(self, who: str, byte: int) -> str:
        """A receiver: mostly oneself."""
        if byte & 31:
            return f"@{who}"
        return ("@lender_2", "@borrower_1", "@attacker", "@engine")[byte >> 5 & 3]

    # ------------------------------------------------------------ feeds

    def is_bad(self, name: str) -> bool:
        """Whether a source is the one that misbehaves on demand."""
        return name in self._bad

    def answer(self, name: str) -> int:
        """What a source answers."""
        slot = BAD_WORDS + 1 if name in self._bad else AGGREGATOR_ROUND + 1
        found: int = self.evm.storage(self._addresses[name], slot)
        if not 0 < found < 2**100:
            return self.base_answer(name.split(".")[1])
        return found

    def base_answer(self, symbol: str) -> int:
        """What the sources of an asset answered at first."""
        return self.world.listings[symbol].dollars * 10**8

    def feed(self, name: str, answer: int, wait: int, blocks: int) -> Call:
        """A new answer of a source, as of now."""
        if name in self._bad:
            if self.evm.storage(self._addresses[name], BAD_MODE):
                return ("keeper", name, "set_mode", (0,), wait, blocks)
            words = [1, answer, {"now": 0}, {"now": 0}, 1]
            return ("keeper", name, "set_words", (words,), wait, blocks)
        return ("keeper", name, "set", (answer,), wait, blocks)

    # ------------------------------------------------------------ calls

    def call(self, g: Gene, sender: str, target: str, function: str, *args: Any) -> Call:
        """A call after the wait that the gene asks for."""
        wait, blocks = _WAITS[g[6]]
        return (sender, target, function, args, wait, blocks)

    def send(self, call: Call) -> str | None:
        """Make a call, at its time. Why it was refused; None when it was not."""
        sender, target, function, args, wait, blocks = call
        if wait or blocks:
            self.host.advance(wait, blocks)
        data = self.pack(target, function, args)
        address = self._addresses[target]
        if sender == "attacker":
            data = (
                self._execute
                + self._words["@" + target]
                + _64
                + len(data).to_bytes(32, "big")
                + data
                + bytes(-len(data) % 32)
            )
            caller, address = self._keeper, self._attacker
        else:
            caller = self._addresses[sender]
        tape, evm = self.tape, self.evm
        if tape is not None:
            tape.append((self.host._now, self.host._block, caller, address, data))
        evm.reset_transient_storage()
        try:
            evm.message_call(caller, address, data)
        except RuntimeError as error:
            return self._reason(error)
        return None

    def _reason(self, error: RuntimeError) -> str:
        text = str(error)
        if self._plain_error is not None:
            text = self._plain_error(text)
        cut = text.find("output: ")
        key = text[cut:] if cut >= 0 else text
        found = self._reasons.get(key)
        if found is None:
            failure = self.host._failed(RuntimeError(text))
            if not isinstance(failure, Reverted):
                raise failure
            found = failure.reason
            if cut >= 0 and len(self._reasons) < 10_000:
                self._reasons[key] = found
        return found

    def pack(self, target: str, function: str, args: tuple[Any, ...]) -> bytes:
        """Call data of a step."""
        key = target, function, len(args)
        selector = self._selectors.get(key)
        if selector is None:
            selector = self._selectors[key] = self._selector(*key)
        words = self._words
        out = [selector]
        if function not in _SHAPED:
            if selector == b"":
                return self.world._call_data(Step("keeper", target, function, args))
            for arg in args:
                kind = type(arg)
                if kind is int:
                    if arg >= 0:
                        out.append(arg.to_bytes(32, "big"))
                    else:
                        out.append(arg.to_bytes(32, "big", signed=True))
                elif kind is str:
                    out.append(words[arg])
                else:
                    self._flat(out, (arg,))
            return b"".join(out)
        if function in _DYNAMIC:
            return self._dynamic(target, selector, function, args)
        if function == "liquidate":
            data = bytes.fromhex(args[7][2:])
            for arg in args[:7]:
                out.append(words[arg] if type(arg) is str else arg.to_bytes(32, "big"))
            out.append(_256)
            out.append(len(data).to_bytes(32, "big"))
            out.append(data + bytes(-len(data) % 32))
            return b"".join(out)
        if function == "batch":
            legs = args[0]
            count = len(legs)
            out += (_64, (96 + 256 * count).to_bytes(32, "big"), count.to_bytes(32, "big"))
            for leg in legs:
                for arg in leg:
                    out.append(words[arg] if type(arg) is str else arg.to_bytes(32, "big"))
            out.append(bytes(32))
            return b"".join(out)
        if function == "flashLoan":
            for arg in args[:3]:
                out.append(words[arg] if type(arg) is str else arg.to_bytes(32, "big"))
            out.append(_128)
            out.append(bytes(32))
            return b"".join(out)
        raise AssertionError(function)

    def _dynamic(self, target: str, selector: bytes, function: str, args: tuple[Any, ...]) -> bytes:
        """Calls that carry the data of other calls, and those that are signed."""
        words = self._words
        if function == "permit":
            if len(args) == 7:  # signed by the action
                self._flat(out := [selector], args)
                return b"".join(out)
            owner = args[0][1:]
            separator = self._separators.get(target)
            if separator is None:
                contract = self.world.contracts[target]
                separator = self._separators[target] = self.host.call(
                    contract.address, contract.NAME, "DOMAIN_SEPARATOR", ()
                )
            nonce = self.word(target, owner, "_nonces")
            deadline = self.host._now + args[3]["now"]
            names = self._addresses[owner], self._addresses[args[1][1:]]
            v, r, s = sign_permit(owner, separator, (*names, args[2], nonce, deadline))
            out = [selector, words[args[0]], words[args[1]]]
            out += (number.to_bytes(32, "big") for number in (args[2], deadline, v))
            return b"".join((*out, r, s))
        if function == "set_calls":
            head = [selector, _64, words[args[1]], len(args[0]).to_bytes(32, "big")]
            tail: list[bytes] = []
            offset = 32 * len(args[0])
            for name, inner, must in args[0]:
                part = words[name] + _96 + int(must).to_bytes(32, "big") + self._data(inner)
                head.append(offset.to_bytes(32, "big"))
                tail.append(part)
                offset += len(part)
            return b"".join(head + tail)
        out = [selector]
        data = b""
        for arg in args:
            if type(arg) is dict or arg == "0x":
                out.append((32 * len(args)).to_bytes(32, "big"))
                data = self._data(arg)
            elif type(arg) is str:
                out.append(words[arg])
            else:
                out.append(int(arg).to_bytes(32, "big"))
        return b"".join(out) + data

    def _data(self, arg: Any) -> bytes:
        """Length and bytes of call data."""
        data = b""
        if type(arg) is dict:
            step = arg["call"]
            data = self.pack(step.target, step.function, step.args)
        return len(data).to_bytes(32, "big") + data + bytes(-len(data) % 32)

    def _flat(self, out: list[bytes], args: Sequence[Any]) -> None:
        words = self._words
        for arg in args:
            kind = type(arg)
            if kind is int:
                if arg >= 0:
                    out.append(arg.to_bytes(32, "big"))
                else:
                    out.append(arg.to_bytes(32, "big", signed=True))
            elif kind is str:
                out.append(words[arg])
            elif kind is bool:
                out.append(b"\x01".rjust(32, b"\0") if arg else bytes(32))
            elif kind is dict:
                out.append((self.host._now + arg["now"]).to_bytes(32, "big"))
            else:
                self._flat(out, arg)

    def _selector(self, target: str, function: str, count: int) -> bytes:
        """Of a function whose arguments can be packed here; empty for another."""
        if (function, count) == ("set_operator_by_signature", 8):
            return b""  # it is signed when it is made
        if function == "permit" and count == 4:
            count = 7
        codec = interface_of(self.world.contracts[target].NAME).function(function, count)
        if codec.inputs._static is None and function not in _SHAPED:
            return b""
        return codec.selector


_64, _96, _128, _256 = ((n).to_bytes(32, "big") for n in (64, 96, 128, 256))
_DYNAMIC = frozenset({"permit", "set_calls", "schedule", "execute", "set_hook"})
_SHAPED = _DYNAMIC | {"liquidate", "batch", "flashLoan"}
"""Functions whose arguments are not one word after another."""


class Lane:
    """Runs sequences and keeps what they showed.

    counts  (action, reason; None: it succeeded) -> calls
    slack   promise -> least room seen
    found   sequences that broke a promise, as long as they were
    """

    def __init__(
        self,
        world: World,
        seed: int,
        *,
        length: int = LENGTH,
        coverage: Callable[[], int] | None = None,
        guide: Callable[[Outcome], bool] | None = None,
        corpus: Sequence[bytes] = (),
        stop: bool = False,
        trials: bool = True,
    ) -> None:
        """`coverage` tells after each sequence how much of the code is new; `guide` whether a
        sequence joins the corpus (by default: where it showed something new, if a corpus or a
        coverage was given). `stop`: at the first failure."""
        self.world = world
        self.seed = seed
        self.random = random.Random(seed)
        self.length = length
        self.player = Player(world)
        self.watch = self.player.watch
        self.host = self.player.host
        self.coverage = coverage
        self.guide = guide
        self.corpus = list(corpus)
        self.stop = stop
        self.trials = trials
        self.guided = bool(corpus) or coverage is not None or guide is not None
        self.counts: Counter[Key] = Counter()
        self.found: list[Failure] = []
        self.keys: set[int] = set()
        self.sequences = 0
        self.calls = 0
        self.succeeded = 0
        self.seconds = 0.0
        """CPU seconds of running sequences."""
        self._numbers: dict[Key, int] = {}
        self._base = self.host.snapshot()

    @property
    def slack(self) -> dict[str, float]:
        """Least room of each promise that was judged."""
        return self.watch.slack

    # ------------------------------------------------------------ campaigns

    def run(
        self,
        sequences: int | None = None,
        seconds: float | None = None,
        calls: int | None = None,
    ) -> list[Failure]:
        """Run until one of the limits is reached; the failures of this run. `seconds` of CPU."""
        first = len(self.found)
        for _ in self.outcomes(sequences, seconds, calls):
            if self.stop and len(self.found) > first:
                break
        return self.found[first:]

    def outcomes(
        self,
        sequences: int | None = None,
        seconds: float | None = None,
        calls: int | None = None,
    ) -> Iterator[Outcome]:
        """The same, one sequence at a time."""
        began, before, done = time.process_time(), self.calls, 0
        # nothing here is cyclic: the collector would only take time
        collects = gc.isenabled()
        gc.disable()
        try:
            yield from self._outcomes(sequences, seconds, calls, began, before, done)
        finally:
            if collects:
                gc.enable()

    def _outcomes(
        self,
        sequences: int | None,
        seconds: float | None,
        calls: int | None,
        began: float,
        before: int,
        done: int,
    ) -> Iterator[Outcome]:
        while True:
            if sequences is not None and done >= sequences:
                return
            if calls is not None and self.calls - before >= calls:
                return
            if seconds is not None and time.process_time() - began >= seconds:
                return
            start = time.process_time()
            outcome = self.sequence(self.draw())
            self.seconds += time.process_time() - start
            done += 1
            if done % 1_000 == 0:
                gc.collect()
            yield outcome

    def draw(self) -> bytes:
        """The genes of the next sequence: new ones, or a mutation of the corpus."""
        draw = self.random
        size = GENE * self.length
        if not self.corpus or draw.random() < 0.4:
            return draw.randbytes(size)
        return mutated(draw, draw.choice(self.corpus), draw.choice(self.corpus), size)

    def sequence(self, genes: bytes) -> Outcome:
        """Run a sequence, count it, keep it if it broke something, undo it."""
        outcome = Outcome(genes)
        broken = self._play(genes, outcome, None)
        news = self.coverage() if self.coverage is not None else 0
        self._undo()
        self.sequences += 1
        self.calls += outcome.calls
        self.succeeded += outcome.succeeded
        self.counts.update(outcome.counts)
        if broken:
            genes = genes[: self._reached * GENE]
            steps, again = self.replay(genes)
            outcome.violations = again or broken
            self.found.append(Failure(genes, steps, list(again or broken)))
        fresh = not outcome.keys <= self.keys
        self.keys |= outcome.keys
        if self.guide is not None:
            keep = self.guide(outcome)
        else:
            keep = self.guided and (fresh or news > 0)
        if keep and not broken:
            self.corpus.append(genes)
        return outcome

    def replay(self, genes: bytes, thorough: bool = True) -> tuple[list[Step], list[Violation]]:
        """The steps of genes, up to the one that breaks something, and what it breaks.

        Thorough: everything is compared after every call.
        """
        steps: list[Step] = []
        self.watch.thorough = thorough
        tape, self.player.tape = self.player.tape, None
        try:
            broken = self._play(genes, Outcome(genes), steps)
        finally:
            self.player.tape = tape
            self.watch.thorough = False
            self._undo()
        return steps, list(broken)

    def test(self, genes: bytes) -> list[Violation]:
        """What genes break; nothing is kept or counted."""
        try:
            return list(self._play(genes, Outcome(genes), None))
        finally:
            self._undo()

    def steps_of(self, genes: bytes) -> list[Step]:
        """The calls that genes become."""
        return self.replay(genes)[0]

    def run_steps(self, steps: Sequence[Step], trials: bool = True) -> list[Violation]:
        """What concrete steps break, trials at their end included; everything is undone."""
        self.watch.thorough = True
        broken: Sequence[Violation] = ()
        try:
            for step in steps:
                call = (
                    step.sender, step.target, step.function, step.args, step.wait, step.blocks,
                )  # fmt: skip
                broken = self._one(call, None)[1]
                if broken:
                    break
            else:
                broken = self._end(None, None) if trials else self.watch.sweep()
        finally:
            self.watch.thorough = False
            self._undo()
        return list(broken)

    def _undo(self) -> None:
        self.host.restore(self._base)
        self.watch.reset()
        self.player.scheduled.clear()

    # ------------------------------------------------------------ a sequence

    def _play(
        self, genes: bytes, outcome: Outcome, steps: list[Step] | None
    ) -> Sequence[Violation]:
        player = self.player
        send, judge, host = player.send, self.watch.judge, self.host
        addresses, acts, table = player._addresses, actions.ACTIONS, TABLE
        done: list[Key] = []
        note = done.append
        broken: Sequence[Violation] = ()
        at = 0
        for at in range(0, len(genes), GENE):
            gene = genes[at : at + GENE]
            name, act, _ = acts[table[gene[0]]]
            for call in act(player, gene) or ():
                if steps is not None:
                    steps.append(Step(*call))
                reason = send(call)
                note((name, reason))
                if reason is None:
                    broken = judge(call[1], call[2], addresses[call[0]], call[3])
                elif reason == "" or reason == "halt" or reason[:5] == "panic":
                    broken = unreasoned(call, reason, host._now)
                if broken:
                    break
            if broken:
                break
        self._reached = at // GENE + 1 if genes else 0
        self._count(outcome, done)
        if not broken:
            self._behaviour(outcome.keys)
            broken = self._end(outcome, steps)
        return broken

    def _count(self, outcome: Outcome, done: list[Key]) -> None:
        counts, numbers, keys = Counter(done), self._numbers, outcome.keys
        for key, count in counts.items():
            outcome.calls += count
            if key[1] is None:
                outcome.succeeded += count
            number = numbers.get(key)
            if number is None:
                number = numbers[key] = len(numbers)
            keys.add(number)
        outcome.counts.update(counts)

    def _behaviour(self, keys: set[int]) -> None:
        """Where the sequence ended: health of the accounts in bands, levels, shapes."""
        watch = self.watch
        for i, legs in enumerate(watch.legs):
            if legs and max(legs)[0] >= 128:
                band = min(watch.factor(i) * 8 // WAD, 20)
                keys.add(1_000_000 + 100 * band + len(legs))
        for id, price in enumerate(watch.prices):
            if price is not None:
                keys.add(2_000_000 + 100 * id + 10 * price.level + price.status)

    def _one(self, call: Call, steps: list[Step] | None) -> tuple[str | None, Sequence[Violation]]:
        if steps is not None:
            steps.append(Step(*call))
        reason = self.player.send(call)
        if reason is None:
            sender = self.player._addresses[call[0]]
            return None, self.watch.judge(call[1], call[2], sender, call[3])
        return reason, unreasoned(call, reason, self.host._now)

    def _end(self, outcome: Outcome | None, steps: list[Step] | None) -> Sequence[Violation]:
        """The sweep, and the trials of liveness."""
        broken = self.watch.sweep()
        if broken or not self.trials:
            return broken
        broken = list(broken)

        def send(call: Call) -> str | None:
            reason, found = self._one(call, steps)
            broken.extend(found)
            if outcome is not None:
                outcome.calls += 1
                outcome.succeeded += reason is None
                outcome.counts["trial", reason] += 1
            return reason

        broken.extend(self.watch.trials(send))
        return broken


def raw(lane: Lane, sequences: int) -> tuple[int, float, float]:
    """Calls, CPU seconds of the lane, and CPU seconds of the EVM alone replaying the same calls.

    The limit: call data is prepared, nothing is drawn, judged or counted.
    """
    player = lane.player
    tapes: list[list[tuple[int, int, str, str, bytes]]] = []
    before = lane.calls
    judged = 0.0
    outcomes = lane.outcomes(sequences)
    while True:
        player.tape = []
        began = time.process_time()
        if next(outcomes, None) is None:
            break
        judged += time.process_time() - began
        tapes.append(player.tape)
    player.tape = None
    host = lane.host
    evm = host._evm
    spent = 0.0
    for tape in tapes:
        began = time.process_time()
        now, block = host._now, host._block
        for at, number, sender, target, data in tape:
            if at != now or number != block:
                host.advance(at - now, number - block)
                now, block = at, number
            evm.reset_transient_storage()
            try:
                evm.message_call(sender, target, data)
            except RuntimeError:
                continue
        host.restore(lane._base)
        spent += time.process_time() - began
    return lane.calls - before, judged, spent


def mutated(draw: random.Random, genes: bytes, other: bytes, size: int) -> bytes:
    """A sequence like `genes`: some genes changed, inserted, dropped, or taken from `other`."""
    found = [genes[at : at + GENE] for at in range(0, len(genes), GENE)]
    donor = [other[at : at + GENE] for at in range(0, len(other), GENE)]
    for _ in range(1 + draw.randrange(4)):
        at = draw.randrange(len(found)) if found else 0
        kind = draw.randrange(6)
        if kind == 0 and found:
            gene = bytearray(found[at])
            gene[draw.randrange(GENE)] = draw.randrange(256)
            found[at] = bytes(gene)
        elif kind == 1:
            found.insert(at, draw.randbytes(GENE))
        elif kind == 2 and len(found) > 1:
            del found[at]
        elif kind == 3 and donor:
            start = draw.randrange(len(donor))
            found[at:at] = donor[start : start + 1 + draw.randrange(10)]
        elif kind == 4 and found:
            end = draw.randrange(len(found))
            found[at], found[end] = found[end], found[at]
        elif found:
            found[at:] = [draw.randbytes(GENE) for _ in found[at:]]
    while len(found) * GENE < size:
        found.append(draw.randbytes(GENE))
    return b"".join(found)[:size]
