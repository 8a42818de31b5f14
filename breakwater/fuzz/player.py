"""`Player`: the state of a market as actions see it, and the fast way to make their calls.

Call data is packed by hand, amounts come from the words that the watch keeps anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from breakwater.evm import EvmHost
from breakwater.fuzz import looks, pools
from breakwater.fuzz.aggregators import AGGREGATOR_ROUND, BAD_MODE, BAD_WORDS
from breakwater.fuzz.genes import LENDERS, NO_ACCOUNT, NOBODY, Call, Gene, waits
from breakwater.fuzz.packing import ZERO, Words, sized, written
from breakwater.fuzz.positions import Legs, owes
from breakwater.fuzz.signing import sign_operator, sign_permit
from breakwater.fuzz.slots import slot
from breakwater.fuzz.steps import Step
from breakwater.fuzz.watch import Watch
from breakwater.fuzz.world import World
from breakwater.host import Reverted, interface_of
from breakwater.mocks import BadFeedMock
from breakwater.observation import exposure
from breakwater.observation.words import M112, M128, mapped
from breakwater.units import BPS, RAY, WAD

_WAITS: Final = tuple(waits(bytes([0] * 6 + [byte, 0])) for byte in range(256))
"""Seconds and blocks before an ordinary call, by the byte of its gene."""


def _sources(world: World, symbol: str) -> list[str]:
    """Names of what an asset's own price is set at."""
    names = [f"nav.{symbol}", *(f"source.{symbol}.{i}" for i in range(3)), f"pool.{symbol}"]
    return [name for name in names if name in world.contracts]


class Player:
    """The state as actions see it, and the way to make their calls."""

    def __init__(self, world: World, watch: Watch | None = None) -> None:
        if not isinstance(world.host, EvmHost):
            raise TypeError("the fast lane needs the in-process EVM")
        self.world = world
        self.host = world.host
        self.storage: pools.Storage = world.host._evm.storage
        self.watch = watch or Watch(world)
        self.names = world.accounts
        self.owners = [name.split("#")[0] for name in self.names]
        self.account_count = self.names.index("keeper#0")
        self.debts = world.debts
        self.vault_count = len(self.debts)
        self.symbols = list(world.listings)
        self.asset_count = len(world.symbols)
        self.priced = [(s, names) for s in world.listings if (names := _sources(world, s))]
        self.priced_count = len(self.priced)
        self._sources = dict(self.priced)
        self._dollar = ["nav.dollar"] * ("nav.dollar" in world.contracts)
        self.views = looks.views(world)
        self.lens_views = [view for view in self.views if view.target == "lens"]
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
        self._words: dict[str, bytes] = Words()
        for name, address in self._addresses.items():
            self._words[f"@{name}"] = bytes.fromhex(address[2:]).rjust(32, b"\0")
        self._words.update((name, world.account(name)) for name in self.names)
        self._words[NOBODY] = self._words[NO_ACCOUNT] = bytes(32)
        self._slots: dict[tuple[str, str, str, str], tuple[str, int]] = {}
        # where aggregators have what they answer
        self._answers: dict[str, tuple[str, int]] = {}
        for name, address in self._addresses.items():
            if name[:7] == "source.":
                at = BAD_WORDS if name in self._bad else AGGREGATOR_ROUND
                self._answers[name] = address, at + 1
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

    def word(self, group: str, symbol: str, variable: str, holder: str) -> int:
        """A word of a mapping by address, of an asset's token, vault or fund."""
        place = self._slots.get((group, symbol, variable, holder))
        if place is None:
            contract = f"{group}.{symbol}"
            at = slot(self.world.contracts[contract].NAME, variable)
            place = self._addresses[contract], mapped(at, self._addresses[holder])
            self._slots[group, symbol, variable, holder] = place
        address, at = place
        return self.storage(address, at)

    def balance(self, symbol: str, who: str) -> int:
        """Tokens that someone has."""
        return self.word("token", symbol, "balanceOf", who)

    def shares(self, v: int, who: str) -> int:
        """Vault shares that someone has."""
        return self.word("vault", self.debts[v], "_balances", who) & M128

    def stake(self, v: int, who: str) -> int:
        """Fund shares that someone has."""
        return self.word("fund", self.debts[v], "_balances", who)

    def fund(self, v: int) -> tuple[int, int]:
        """Supply and reserve of a fund; ones where nobody has staked."""
        supply, reserve = self.watch.funds[v]
        return (supply, reserve) if reserve else (0, self.watch.vaults[v][4] + 1)

    def cash(self, v: int) -> int:
        """Of a vault."""
        return self.watch.vaults[v][0] & M112

    def totals(self, v: int) -> tuple[int, int, int, int]:
        """Total, net assets and shares (virtual ones included), deposit cap."""
        watch = self.watch
        books, _, claims, _, _, paid = watch.vaults[v]
        factor, cap, _, _ = watch.configs[v]
        total = (books & M112) + (books >> 112 & M112) * watch.index(v) // RAY
        base = claims >> 128
        fee = (total - base) * factor // BPS if total > base else 0
        assets, shares = total - fee + 1, (claims & M128) + 10**6
        return total, assets + (paid >> 128), shares + (paid & M128), cap

    def debt_left(self, v: int) -> int:
        """What the debt cap leaves."""
        watch = self.watch
        debt = (watch.vaults[v][0] >> 112 & M112) * watch.index(v) // RAY
        return max(watch.configs[v][2] - debt, 0)

    def least(self, v: int) -> int:
        """Least debt of an asset."""
        return self.watch.least[self.watch._vaults[v].asset]

    def cap_left(self, id: int) -> int:
        """What a collateral's cap leaves, and its growth limit."""
        book = self.watch.books[id]
        return max(exposure.reachable(book, self.watch.now) - (book & M112), 0)

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

    def vault_asset(self, v: int) -> int:
        """Id of the asset that a vault lends."""
        return self.watch._vaults[v].asset

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
        return [i for i, legs in enumerate(self.watch.legs) if owes(legs)]

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

    def share(self, i: int, leg: int) -> int:
        """Part of the weighted collateral, or debt, of an account that is in one leg [WAD]."""
        watch = self.watch
        part = total = 0
        for tag, amount in watch.legs[i]:
            if tag >> 7 == leg >> 7:
                price = watch.price(tag & 127)
                unit = watch._listed[(tag & 127) - 1].unit
                if tag < 128:
                    value = amount * price.as_collateral * price.liquidation_ltv // unit
                else:  # the index hardly differs
                    value = amount * price.as_debt * price.weight // unit
                total += value
                if tag == leg:
                    part = value
        return part * WAD // total if total else 0

    def sources_of(self, id: int) -> list[str]:
        """Names of the sources behind an asset's price."""
        symbol = self.symbols[id - 1]
        symbol = self.world.listings[symbol].rate_over or symbol
        return self._sources.get(symbol, [])

    def actor(self, g: Gene, holds: bool = False) -> tuple[int, str]:
        """An account, and who acts for it: its owner, an operator, rarely a stranger."""
        i = self.holder(g[1]) if holds else g[1] % self.account_count
        if g[1] < 224:
            return i, self.owners[i]
        if g[1] >= 248:
            return i, "borrower_3"
        names = self.watch._names
        found = sorted({names[grant[0]] for grant in self.watch.grants if grant[0] in names})
        return (found[g[1] % len(found)], "operator") if found else (i, self.owners[i])

    def at(self, who: str, byte: int) -> str:
        """A receiver: mostly oneself."""
        if byte & 31:
            return f"@{who}"
        return ("@lender_2", "@borrower_1", "@attacker", "@engine")[byte >> 5 & 3]

    def one_with(self, people: Sequence[str], what: int, of: Callable[[str], int]) -> str:
        """Who has something of a kind, mostly; any where nobody has."""
        found = people if what & 192 == 192 else [who for who in people if of(who)] or people
        return found[what % len(found)]

    def lender(self, v: int, what: int) -> str:
        """Who has shares of a vault, mostly."""
        return self.one_with(LENDERS, what, partial(self.shares, v))

    # ------------------------------------------------------------ feeds

    def is_bad(self, name: str) -> bool:
        """Whether a source is the one that misbehaves on demand."""
        return name in self._bad

    def answer(self, name: str) -> int:
        """What a source answers."""
        place = self._answers.get(name)
        if place is not None:
            address, at = place
            found = self.storage(address, at)
            if 0 < found < 2**100:
                return found
        group, _, rest = name.partition(".")
        symbol = rest.partition(".")[0]
        address, storage = self._addresses[name], self.storage
        if group == "source":
            return self.base_answer(symbol)
        if group == "nav":
            found = (storage(address, pools.NAV_PRICE) & M128) // 10**10
        elif self.world.listings[symbol].market == "CurveEmaFeed":
            found = pools.average_of(storage, address) // 10**10
        else:
            found = pools.twap(storage, address, self.world.listings[symbol].decimals) // 10**10
        if not 0 < found < 2**100:
            return self.base_answer(symbol)
        return int(found)

    def base_answer(self, symbol: str) -> int:
        """What the sources of an asset answered at first."""
        listing = self.world.listings.get(symbol)
        return listing.dollars * 10**8 if listing else 10**8  # the dollar

    def feed(self, name: str, answer: int, wait: int, blocks: int) -> Call:
        """A new answer of a source, as of now; or what it needs before it can answer."""
        storage, address = self.storage, self._addresses[name]
        if name not in self._bad and name in self._answers:
            return ("keeper", name, "set", (answer,), wait, blocks)
        if name in self._bad:
            if storage(address, BAD_MODE):
                return ("keeper", name, "set_mode", (0,), wait, blocks)
            words = [1, answer, {"now": 0}, {"now": 0}, 1]
            return ("keeper", name, "set_words", (words,), wait, blocks)
        group, _, symbol = name.partition(".")
        if group == "nav":
            most = pools.highest_nav(storage, address, self.host._now + wait, pools.NAV_GROWTH)
            return ("keeper", name, "publish", (min(answer * 10**10, most),), wait, blocks)
        listing = self.world.listings[symbol]
        if listing.market == "CurveEmaFeed":
            if storage(address, pools.EMA_LOCKED):
                return ("keeper", name, "set_locked", (False,), wait, blocks)
            if storage(address, pools.EMA_TIME) != pools.EXPONENTIAL_TIME:
                return ("keeper", name, "set_times", (pools.EXPONENTIAL_TIME, 601), wait, blocks)
            return ("keeper", name, "set_prices", (answer * 10**10,) * 2, wait, blocks)
        if storage(address, pools.TWAP_BURNING):
            return ("keeper", name, "set_burning", (False,), wait, blocks)
        seen = pools.observations(pools.tick_of(answer, listing.decimals))
        return ("keeper", name, "set_answer", (pools.as_bytes(seen),), wait, blocks)

    def ready(self, g: Gene, i: int, v: int | None = None) -> list[Call]:
        """Mostly: what an account needs before it may take risk in a vault, an answer of the day
        from each source that is out of date."""
        if g[7] & 64:
            return []
        ids = [tag & 127 for tag, _ in self.legs(i)]
        if v is not None:
            ids.append(self.watch._vaults[v].asset)
        if all(self.watch.spot(id) for id in ids):
            return []
        return [
            self.feed(name, self.answer(name), 0, 0)
            for id in dict.fromkeys(ids)
            if not self.watch.spot(id)
            for name in [*self.sources_of(id), *self._dollar]
        ]

    # ------------------------------------------------------------ calls

    def call(self, g: Gene, sender: str, target: str, function: str, *args: Any) -> Call:
        """A call after the wait that the gene asks for."""
        wait, blocks = _WAITS[g[6]]
        return (sender, target, function, args, wait, blocks)

    def send(self, call: Call) -> str | None:
        """Make a call, at its time. Why it was refused; None when it was not."""
        sender, target, function, args, wait, blocks = call
        if wait or blocks:
            host = self.host
            host._now += wait
            host._block += blocks
            host._set_block()
        data = self.pack(target, function, args)
        address = self._addresses[target]
        if sender == "attacker":
            data = self._execute + self._words["@" + target] + _64 + sized(data)
            caller, address = self._keeper, self._attacker
        else:
            caller = self._addresses[sender]
        tape = self.tape
        if tape is not None:
            tape.append((self.host._now, self.host._block, caller, address, data))
        refusal = self.host.attempt(caller, address, data)
        return None if refusal is None else self._reason(refusal)

    def _reason(self, text: str) -> str:
        """Of what the EVM says of a refusal. RuntimeError where it is not the contracts'."""
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
        if selector == b"":
            return self.world._call_data(Step("keeper", target, function, args))
        out = [selector]
        if function not in _SHAPED:
            for arg in args:
                kind = type(arg)
                if kind is str:
                    out.append(words[arg])
                elif kind is int and arg >= 0:
                    number: int = arg
                    out.append(number.to_bytes(32, "big"))
                else:
                    self._flat(out, (arg,))
            return b"".join(out)
        if function in _DYNAMIC:
            return self._dynamic(target, selector, function, args)
        if function == "set_answer":
            out += (_32, written(args[0]))
            return b"".join(out)
        if function == "liquidate":
            for arg in args[:7]:
                out.append(self._packed(arg))
            out += (_256, written(args[7]))
            return b"".join(out)
        if function == "batch":
            legs = args[0]
            count = len(legs)
            out += (_64, (96 + 256 * count).to_bytes(32, "big"), count.to_bytes(32, "big"))
            for leg in legs:
                for arg in leg:
                    out.append(self._packed(arg))
            out.append(written(args[1]))
            return b"".join(out)
        if function == "flashLoan":
            for arg in args[:3]:
                out.append(self._packed(arg))
            out += (_128, ZERO)
            return b"".join(out)
        raise AssertionError(function)

    def _packed(self, arg: Any) -> bytes:
        """A name or a natural number as a word."""
        if type(arg) is str:
            return self._words[arg]
        number: int = arg
        return number.to_bytes(32, "big")

    def _dynamic(self, target: str, selector: bytes, function: str, args: tuple[Any, ...]) -> bytes:
        """Calls that carry the data of other calls, and those that are signed."""
        words = self._words
        if function in ("permit", "set_operator_by_signature"):
            return self._signed(target, selector, function, args)
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

    def _signed(self, target: str, selector: bytes, function: str, args: tuple[Any, ...]) -> bytes:
        """A permit or a grant, signed by its owner unless it comes with a signature."""
        words = self._words
        if function == "permit":
            if len(args) == 7:  # signed by the action
                self._flat(out := [selector], args)
                return b"".join(out)
            owner = args[0][1:]
            separator = self._separator(target)
            group, _, symbol = target.partition(".")
            nonce = self.word(group, symbol, "_nonces", owner)
            deadline = self.host._now + args[3]["now"]
            names = self._addresses[owner], self._addresses[args[1][1:]]
            v, r, s = sign_permit(owner, separator, (*names, args[2], nonce, deadline))
            out = [selector, words[args[0]], words[args[1]]]
            out += (number.to_bytes(32, "big") for number in (args[2], deadline, v))
            return b"".join((*out, r, s))
        self._flat(out := [], args[:8])
        if len(args) == 8:
            owner = args[0].split("#")[0]
            signature = sign_operator(owner, self._separator(target), out)
        else:  # signed already
            signature = bytes.fromhex(args[8][2:])
        size = len(signature)
        out += (_288, size.to_bytes(32, "big"), signature, bytes(-size % 32))
        return selector + b"".join(out)

    def _separator(self, target: str) -> bytes:
        """What binds signatures to a contract and this chain."""
        found = self._separators.get(target)
        if found is None:
            contract = self.world.contracts[target]
            found = self._separators[target] = self.host.call(
                contract.address, contract.NAME, "DOMAIN_SEPARATOR", ()
            )
        return found

    def _data(self, arg: Any) -> bytes:
        """Length and bytes of call data."""
        if type(arg) is not dict:
            return ZERO
        step = arg["call"]
        return sized(self.pack(step.target, step.function, step.args))

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
        # what is signed when it is made
        if function == "permit" and count == 4:
            count = 7
        elif function == "set_operator_by_signature" and count == 8:
            count = 9
        codec = interface_of(self.world.contracts[target].NAME).function(function, count)
        shaped = function in _SHAPED and target[:6] != "flash."
        if codec.inputs._static is None and not shaped:
            return b""
        return codec.selector


_32, _64, _96, _128, _256, _288 = (n.to_bytes(32, "big") for n in (32, 64, 96, 128, 256, 288))
_DYNAMIC: Final = frozenset(
    {"permit", "set_calls", "set_operator_by_signature", "schedule", "execute", "set_hook"}
)
_SHAPED: Final = _DYNAMIC | {"liquidate", "batch", "flashLoan", "set_answer"}
"""Functions whose arguments are not one word after another."""
