"""`Watch`: the promises, judged after every successful call from storage words and events.

What is judged is what `breakwater.promises` says, and SOLV-8 besides; the arithmetic is that of
`breakwater.observation`. Only what a call could touch is read again; what should not have changed
is compared now and then (`sweep`, at the latest when a sequence ends), so that a change that no
event tells of is noticed too.

Slack is how near a promise came to breaking: a share of what it is about where that makes sense
(margin, health, caps, holds), in the smallest units elsewhere. Zero is the edge.

SOLV-8 counts, per call and so without a change of prices, the tokens that left the protocol, the
totals of the vaults and max(0, collateral - debt) of each account that changed, at the sources'
prices: their sum may not rise by more than what rounding to whole units explains. And nobody who
did not act or agree may lose: his tokens, his accounts, the value of his vault's or fund's shares.
An owner agrees to the grant of his operator, which falls by what is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from breakwater.fuzz.backstops import Backstops
from breakwater.fuzz.events import APPROVAL, BOOKS, NOBODY, TRANSFER, Change, Event, Told
from breakwater.fuzz.flashes import Flashes
from breakwater.fuzz.periphery import FLASH
from breakwater.fuzz.positions import Legs, parse
from breakwater.fuzz.prices import UNREAD, WIND_DOWN
from breakwater.fuzz.rulings import Rulings
from breakwater.fuzz.state import SENTENCES, padded
from breakwater.fuzz.steps import Step
from breakwater.fuzz.trials import Send, Trials
from breakwater.fuzz.world import Result, World
from breakwater.observation.words import M32, M112, M128, M256
from breakwater.promises.verdicts import Violation
from breakwater.units import BPS, HOUR

__all__ = ["SENTENCES", "Watch"]

QUIET: Final = 0
FEED: Final = 1
RULES: Final = 2
POKE: Final = 3
MARKET: Final = 4
"""What a call can change: nothing here, prices, rules and levels, a checkpoint, money."""

_word: Final = int.from_bytes

_PRICES: Final = frozenset({"source", "nav", "pool", "base", "market", "feed"})
"""Groups of contracts that prices come from."""

_CALLBACKS: Final = frozenset({"flashLoan", "liquidate", "batch", "execute"})
"""Functions that let a contract that calls them do anything meanwhile."""


class Watch(Rulings):
    """Judges calls on one market. The market must be as it is meant to be when a watch begins."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.thorough = False
        """Sweep after every call: slow, for telling which call broke something."""
        self._kinds: dict[tuple[str, str], tuple[int, tuple[int, ...]]] = {}
        self._trials = Trials(self)
        self._told = Told()
        self._backstops = Backstops(self) if world.pools else None
        self._flashes = Flashes(self) if FLASH in world.contracts else None

    def reset(self) -> None:
        """The base checkpoint was restored."""
        super().reset()
        if self._backstops is not None:
            self._backstops.reset()

    def reload(self) -> None:
        """Take everything as it stands after calls were undone; what is known of the past stays."""
        super().reload()
        if self._backstops is not None:
            self._backstops.load()

    # ------------------------------------------------------------ calls

    def kind(self, target: str, function: str) -> tuple[int, tuple[int, ...]]:
        """What a call to that function can change, and the vaults it is sure to touch."""
        found = self._kinds.get((target, function))
        if found is None:
            found = self._kinds[target, function] = self._classify(target, function)
        return found

    def _classify(self, target: str, function: str) -> tuple[int, tuple[int, ...]]:
        group, _, symbol = target.partition(".")
        debts = self.world.debts
        symbol = symbol.removesuffix(".twin")
        own = (debts.index(symbol),) if symbol in debts else ()
        if function in ("set_calls", "schedule", "cancel", "set_operators", "cancel_nonce"):
            return QUIET, ()
        if group in ("factory", "swap") or target in ("uptime", "sequencer"):
            return QUIET, ()
        if group in _PRICES or function == "set_rate":
            return FEED, ()
        if target == "breaker" and function == "poke":
            return POKE, ()
        if target in ("breaker", "timelock", "configurator", "risk"):
            return RULES, self._all_vaults
        if target == "attacker":
            return MARKET, self._all_vaults
        if group in ("vault", "fund", "token"):
            return MARKET, own
        return MARKET, ()

    def after(self, step: Step, result: Result) -> list[Violation]:
        """Judge the call of a step that the world has just run, before anything else is called."""
        if result.reason is not None:
            return []
        actor = self.world.address(step.sender)
        found = self.judge(step.target, step.function, actor, step.args)
        return list(found)

    def judge(
        self, target: str, function: str, actor: str, args: Sequence[Any] = ()
    ) -> Sequence[Violation]:
        """Judge the successful call that the EVM has just made. What broke, mostly nothing."""
        if self.host._now != self.now:
            self.keep_time()
        self.block = self.host._block
        self._found = []
        kind, touched = self._kinds.get((target, function)) or self.kind(target, function)
        if kind == MARKET:
            if function == "burn" and self._taken_away(target, args):
                return self._found
            if function == "set_hook":
                self.armed = any(bool(arg) for arg in args[1:2])
            elif self.armed or (function in _CALLBACKS and actor == self._caller):
                touched = self._all_vaults
            self._market(target, function, actor, touched, args)
        elif kind != QUIET:
            self.sliced, self.waited = {}, {}
            if kind == FEED:
                for id in self._priced_by(target):
                    self.prices[id] = None
                    self.quotes[id] = UNREAD
            elif kind == RULES:
                proved = function == "check_solvency"
                self._ruled(function, touched, self._by_name[args[0]] if proved else None)
            elif (asset := self._by_name.get(args[0] if args else "")) is not None:
                self._poked(asset)
        if self.thorough and kind != QUIET:
            self._sweep()
        return self._found

    def keep_time(self) -> None:
        """Follow the chain: prices and interest are of another time when some has passed."""
        if self.host._now != self.now:
            self.now = self.host._now
            self.prices = [None] * len(self.prices)
            self.indices = [0] * len(self.indices)

    # ------------------------------------------------------------ calls that move money

    def _market(
        self,
        target: str,
        function: str,
        actor: str,
        touched: tuple[int, ...],
        args: Sequence[Any],
    ) -> None:
        moved = self._actors.get(actor) or self._actor(actor)
        told = self._listen(touched, moved)
        if self._backstops is not None:
            self._backstops.listen(told)
        is_flash = target == FLASH and function == "liquidate"
        if is_flash:
            assert self._flashes is not None
            self._flashes.listen(moved)
        is_engine = target == "engine"
        if is_engine:
            told.credited = self._credited(args)
            told.named.update(told.credited)
        elif target[:6] == "token.":
            told.ids.add(self._by_token.get(self.world.contracts[target].address, 0))
        ids = told.ids
        ids.discard(0)
        if told.transfers:
            self._takings(told.transfers, moved)

        # what it was before, at now: the accounts' values need the old words and the same index
        gain = fuzz = 0
        losses: dict[int, int] = {}
        if told.books:
            gain, fuzz, losses = self._vaults_moved(told)
        changed: list[Change] = []
        if told.engine or is_engine:
            changed = self._accounts(told.named, ids)
        for id in ids:
            if 0 < id < 128:
                more, unit = self._collateral_moved(id, told)
                gain += more
                fuzz += unit
        if ids or told.books:
            self._alike("SOLV-3")
            for v in told.books:
                vault = self._vaults[v]
                gap = self.sums.get(vault.asset | 128, 0) - (self.vaults[v][0] >> 112 & M112)
                if gap:
                    self._differs("SOLV-3", gap, "debt shares of {}", vault.symbol)

        agreed: set[bytes] = set()
        if told.engine:
            if told.raised:
                self._new_risk(told, changed, is_engine, function)
            self._debts(told)
            self._caps(told, changed, is_engine)
            self._comes_in(told)
            if told.liquidations:
                self._liquidated(told, changed)
                self._flood(told, changed)
            agreed = self._operated(target, told, changed, moved)
        if losses or told.liquidations:
            self._unpaid(told, losses)
        self._no_free_lunch(gain, fuzz, changed, told, moved, bool(losses), agreed)
        if self._backstops is not None:
            self._backstops.judge(told, moved, target)
        if is_flash:
            assert self._flashes is not None
            self._flashes.judge(told, args)

    def _listen(self, touched: tuple[int, ...], actor: bytes) -> Told:
        """The events of the call, sorted."""
        known, vault_at, movable = self._topics, self._vault_at, self._movable
        told = self._told
        told.begin(touched)
        words: tuple[int, ...]
        result = self.evm.result
        assert result is not None
        for log in result.logs:
            topics, data = log.data
            kind = known.get(topics[0]) if topics else None
            if kind is None:
                continue
            group, name = kind.group, kind.name
            if group == TRANSFER:
                source = topics[1]
                if source != actor and source not in movable and data != NOBODY:
                    told.transfers.append((log, source))
                continue
            if group == APPROVAL:
                self.approved.add((log.address, topics[1], topics[2]))
                continue
            size = len(data)
            if size == 64:
                word = _word(data, "big")
                words = word >> 256, word & M256
            elif size == 32:
                words = (_word(data, "big"),)
            else:
                words = tuple([_word(data[i : i + 32], "big") for i in range(0, size, 32)])
            if group != BOOKS:
                event = Event(name, self._engine, topics, words)
                self._hear(told, event, kind.asset, kind.raised, actor)
                continue
            address = log.address
            v = vault_at.get(address)
            if v is None:
                v = self._fund_at.get(address)
                if v is not None:
                    told.funds.add(v)
                    told.books.setdefault(v, [])
                continue
            event = Event(name, address, topics, words)
            if v in told.books:
                told.books[v].append(event)
            else:
                told.books[v] = [event]
            if name == "SettleFee":
                told.minted[v] = told.minted.get(v, 0) + words[1]
        return told

    def _hear(self, told: Told, event: Event, asset: int, raised: int, actor: bytes) -> None:
        """An event of the engine. `asset` and `raised`: topics, see `Kind`."""
        name, topics = event.name, event.topics
        account = topics[1]
        told.engine.append(event)
        told.named.add(account)
        if asset:
            told.ids.add(self._by_topic.get(topics[asset], 0))
        if raised:
            id = self._by_topic.get(topics[raised], 0)
            told.raised.setdefault(account, []).append(id)
            if account[:20] != actor[12:]:
                told.rights.append(event)
            if name == "MoveCollateral":
                told.named.add(topics[2])
        elif name == "Liquidate":
            told.liquidations.append(event)
        elif name == "SetOperator":
            told.rights.append(event)

    def _credited(self, args: Sequence[Any]) -> list[bytes]:
        """Accounts that arguments name and no event: credited with what is seized."""
        if len(args) == 8:
            names = [args[6]]
        elif len(args) == 2 and isinstance(args[0], list):
            names = [leg[5] for leg in args[0]]
        else:
            return []
        known = self._account_of
        return [known[name] for name in names if name in known]

    def _actor(self, address: str) -> bytes:
        found = self._actors[address] = padded(address)
        return found

    def _vaults_moved(self, told: Told) -> tuple[int, int, dict[int, int]]:
        """Judge the vaults: what they gave away net of what they gained, what rounding may add to
        that, and the losses that they booked, by asset."""
        gain = fuzz = 0
        losses: dict[int, int] = {}
        old_vaults = self.vaults.copy() if told.funds else self.vaults
        for v, events in told.books.items():
            vault = self._vaults[v]
            old, new = self.vaults[v], self._read_vault(vault)
            if old == new and not events:
                continue
            rise, lost = self._vault(v, old, new, events)
            if lost:
                losses[vault.asset] = lost
            unit = self.counted(vault.asset) * self._listed[vault.asset - 1].scale
            gain += (rise + old[3] - new[3]) * unit
            fuzz += (2 + len(events)) * unit
            self.vaults[v] = new
        for v in told.funds:
            self._fund(v, old_vaults[v], told.minted.get(v, 0))
        for v in told.minted:
            self.funds[v] = self._read_fund(self._vaults[v])
        return gain, fuzz, losses

    def _collateral_moved(self, id: int, told: Told) -> tuple[int, int]:
        """Judge what the engine holds of an asset: the value of what left it, and of a unit."""
        storage, asset = self.storage, self._listed[id - 1]
        book = storage(self._engine, asset.book)
        held = storage(asset.token, asset.balance)
        total = book & M112
        if book >> 112 & 127:
            gap = self.sums.get(id, 0) - total
            if gap:
                self._differs("SOLV-3", gap, "collateral {}", asset.symbol)
            lost = self.lost[id]
            self._room("SOLV-1", held + lost - total, 0, "the engine's balance of {}", asset.symbol)
            if lost:
                self.lost[id] = max(min(lost, total - held), 0)
        old = told.books_before[id] = self.books[id]
        if book != old:
            self._opened(asset, old, book)
        unit = self.counted(id) * asset.scale
        left = self.held[id] - held
        self.books[id] = book
        self.held[id] = held
        return left * unit, unit

    def _accounts(self, named: set[bytes], ids: set[int]) -> list[Change]:
        """Those of the accounts named that changed. Sums follow. The sweep sees to the others."""
        changed: list[Change] = []
        accounts, sums = self.accounts, self.sums
        numbers = [self._names[account] for account in named if account in self._names]
        for i in sorted(numbers):
            words, old = self._read_account(i), accounts[i]
            if words == old:
                continue
            account = self._ids[i]
            before, after = self.legs[i], parse(words)
            accounts[i], self.legs[i] = words, after
            for leg in before:
                if leg not in after:
                    sums[leg[0]] = sums.get(leg[0], 0) - leg[1]
                    ids.add(leg[0])
            for leg in after:
                if leg not in before:
                    sums[leg[0]] = sums.get(leg[0], 0) + leg[1]
                    ids.add(leg[0])
                if leg[1] == 0 or leg[0] & 127 == 0:
                    self._differs("SOLV-3", 1, "an empty leg of {}", self._name(i))
            changed.append(Change(i, account, old, before, after))
        return changed

    # ------------------------------------------------------------ new risk and caps

    def _new_risk(self, told: Told, changed: list[Change], is_engine: bool, function: str) -> None:
        for change in changed:
            i, account = change.number, change.account
            before, after = change.before, change.after
            ids = told.raised.get(account)
            debts = [tag & 127 for tag, _ in after if tag >= 128] if ids is not None else ()
            if ids is None or not debts:
                continue
            # of several calls in one, an account may have had no debt when it withdrew
            alone = is_engine or len(ids) == 1
            level = 0
            if alone:
                kept = {tag for tag, _ in after}
                for id in ids:
                    at = self.price(id).level if id else 0
                    # all of what is wound down may leave
                    if at != WIND_DOWN or id in kept or all(tag != id for tag, _ in before):
                        level = max(level, at)
            if self.outage() is not None:
                level = max(level, 1)
            margin = self.margin_of(i)
            room, free = margin.room, margin.free
            name = self._name(i)
            shield = None if told.liquidations else self._shield(after)
            by_margin = level == 0 and room >= 0 and free >= 0 and shield is None
            for id in debts:
                price = self.price(id)
                if not price.spot or price.level == WIND_DOWN:
                    self._differs("SOLV-5", 1, "new risk of {}, whose debt has no price", name)
            may_be_safer = level < 2 and (function == "batch" or not is_engine)
            is_safer = not by_margin and may_be_safer and self._is_safer(before, after)
            if is_engine and not told.liquidations and (by_margin or is_safer):
                self._stamped(change, by_margin)
            if is_safer:
                continue
            self._exact.add("GATE-2")
            if level:
                self._differs("GATE-2", level, "new risk of {} above level NORMAL", name)
                continue
            if shield is not None:
                self._differs("LIVE-3", 1, f"new risk of {{}} beside {shield}", name)
            self._room("SOLV-5", room // BPS, margin.required // BPS, "initial margin of {}", name)
            self._room("SOLV-5", free, margin.exposure * margin.leverage, "leverage of {}", name)

    def _shield(self, legs: Legs) -> str | None:
        """What would keep new risk from being liquidated: an asset that is settled or held."""
        for tag, _ in legs:
            id = tag & 127
            until = self.rules[id][1] >> 217 & M32
            if self.price(id).level == WIND_DOWN or (until and self.now < until + HOUR):
                return self._listed[id - 1].symbol
        return None

    def _is_safer(self, before: Legs, after: Legs) -> bool:
        owed = {tag: amount for tag, amount in before if tag >= 128}
        for tag, amount in after:
            if tag >= 128 and amount > owed.get(tag, 0):
                return False
        old, new = self.health(before), self.health(after)
        return new.factor >= old.factor and new.collateral * old.debt >= old.collateral * new.debt

    def _stamped(self, change: Change, by_margin: bool) -> None:
        """Who raised his risk bears the stamp of this block; who only became safer does not, but
        for the one that he had."""
        name = self._name(change.number)
        stamped = self._is_stamped(self.accounts[change.number])
        self._exact.add("SOLV-6")
        if by_margin and not stamped:
            self._differs("SOLV-6", 1, "{} raised its risk and bears no stamp", name)
        elif stamped and not by_margin and not self._is_stamped(change.words):
            self._differs("LIVE-3", 1, "{} became safer and bears a stamp", name)

    def _debts(self, told: Told) -> None:
        """No loan or payment leaves a debt below the least."""
        for event in told.engine:
            name, topics = event.name, event.topics
            if name != "Borrow" and name != "Repay":
                continue
            account, id = topics[1], self._by_topic[topics[2]]
            i, least = self._names.get(account), self.least[id]
            if i is None or account in [one.topics[1] for one in told.liquidations]:
                continue
            left = self._owed(self.legs[i], id)
            if left:
                self._room("CAP-1", left - least, least, "debt left to {}", self._name(i))

    # ------------------------------------------------------------ losses and net worth

    def _unpaid(self, told: Told, losses: dict[int, int]) -> None:
        """Losses that liquidations report are those that vaults book."""
        self._alike("SOLV-9")
        for event in told.liquidations:
            id = self._by_topic.get(event.topics[2], 0)
            losses[id] = losses.get(id, 0) - event.words[3]
        for id, gap in losses.items():
            if gap:
                symbol = self._listed[id - 1].symbol
                self._differs("SOLV-9", gap, "losses of {}, reported and booked", symbol)

    def _no_free_lunch(
        self,
        gain: int,
        fuzz: int,
        changed: list[Change],
        told: Told,
        actor: bytes,
        clipped: bool,
        agreed: set[bytes],
    ) -> None:
        weak = {event.topics[1] for event in told.liquidations} if told.liquidations else ()
        for change in changed:
            i, account = change.number, change.account
            before, after = change.before, change.after
            old, dust = self.worth(before)
            new, more = self.worth(after)
            dust += more
            gain += new - old
            fuzz += dust
            if account in weak:
                # what he could not pay is not his: a liquidation of him shows as a gain
                clipped = clipped or old == 0 or new == 0 or self._health_before(change).under_water
            elif new < old and account not in agreed:
                owner = account[:20]
                if owner != actor[12:] and owner != self._attacker[12:]:
                    self._room("SOLV-8", new - old + dust, 0, "taken from {}", self._name(i))
        if not clipped:
            self._room("SOLV-8", fuzz - gain, fuzz, "joint net worth of all actors")

    # ------------------------------------------------------------ all of it

    def sweep(self) -> Sequence[Violation]:
        """Read everything again and compare: what changed without a call that may change it."""
        self.keep_time()
        self._found = []
        self._sweep()
        return self._found

    def _sweep(self) -> None:
        for i, words in enumerate(self.accounts):
            if self._read_account(i) != words:
                what = f"{self._name(i)}: legs changed by a call that does not name it"
                self._room("SOLV-11", -1, 0, what)
                self.accounts[i] = words = self._read_account(i)
                self.legs[i] = parse(words)
        self.sums = self._add_up()
        for v in range(len(self._vaults)):
            self._sweep_vault(v)
        for id in range(1, len(self._listed) + 1):
            self._sweep_asset(id)
        storage = self.storage
        for grant, word in self.grants.items():
            if storage(self._engine, self._grant_slot(grant)) != word:
                what = "what an operator of {} may still take"
                self._differs("SOLV-8", 1, what, self._known_name(grant[0]))
        if self._backstops is not None:
            self._backstops.sweep()

    def _sweep_vault(self, v: int) -> None:
        vault, symbol = self._vaults[v], self._vaults[v].symbol
        old, new = self.vaults[v], self._read_vault(vault)
        if old != new:
            self._vault(v, old, new, [])
            self.vaults[v] = new
            if old[2] & M128 != new[2] & M128:
                self._room("SOLV-2", -1, 0, "shares of {} without an event", symbol)
        gap = abs(self.sums.get(vault.asset | 128, 0) - (new[0] >> 112 & M112))
        self._room("SOLV-3", -gap, 0, "debt shares of {}", symbol)
        config, stop = self._read_config(vault), self.storage(vault.address, vault.latch)
        if (config, stop) != (self.configs[v], self.stops[v]):
            what = "configuration or level of the vault of {} changed by nobody"
            self._room("GATE-1", -1, 0, what, symbol)
            self.configs[v], self.stops[v] = config, stop
        self.ends[v] = self._read_ends(vault)
        fund = self._read_fund(vault)
        if fund != self.funds[v]:
            what = "shares of the fund of {} without a call to it"
            self._room("SOLV-4", -1, 0, what, symbol)
            self.funds[v] = fund

    def _sweep_asset(self, id: int) -> None:
        storage, asset = self.storage, self._listed[id - 1]
        book = storage(self._engine, asset.book)
        total = book & M112
        if book:
            gap = abs(self.sums.get(asset.id, 0) - total)
            self._room("SOLV-3", -gap, 0, "collateral {}", asset.symbol)
            held = storage(asset.token, asset.balance)
            room = held + self.lost[id] - total
            self._room("SOLV-1", room, 0, "the engine's balance of {}", asset.symbol)
            self.held[asset.id] = held
        if book != self.books[id]:
            self._room("GATE-1", -1, 0, "book of {} changed by nobody", asset.symbol)
            self.books[id] = book
        rules, least = self._read_rules(asset), self._read_least(asset)
        old = self.rules[id]
        if rules == old and least == self.least[id]:
            return
        if rules[2] != old[2]:
            self._room("SOLV-11", -1, 0, "stored price of {}", asset.symbol)
        else:
            what = "rules, levels or least debt of {} changed by nobody"
            self._room("GATE-1", -1, 0, what, asset.symbol)
        self.rules[id], self.least[id] = rules, least
        self.prices[id] = None

    def trials(self, send: Send) -> list[Violation]:
        """Make the calls that must work, see `breakwater.fuzz.trials`."""
        self.keep_time()  # a call that was refused may have been the last
        self._found = []
        return self._trials.run(send)
