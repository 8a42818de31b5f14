"""`Watch`: the promises, judged after every successful call from storage words and events.

What is judged is what `breakwater.promises` says, and SOLV-8 besides; the arithmetic is that of
`breakwater.observation`. Only what a call could touch is read again; what should not have changed
is compared now and then (`sweep`, at the latest when a sequence ends), so that a change that no
event tells of is noticed too. Prices are kept until time passes or a feed is set.

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
from typing import Any, NamedTuple

from breakwater.fuzz.positions import Legs, Positions, parse
from breakwater.fuzz.prices import JUMP, UNREAD, Asset, balances
from breakwater.fuzz.slots import slot
from breakwater.fuzz.steps import Step
from breakwater.fuzz.trials import Send, Trials
from breakwater.fuzz.world import Result, World
from breakwater.host import Interface, interface_of
from breakwater.observation import LEAST_FULL_RATE, mapped
from breakwater.promises import Violation, catalogue
from breakwater.units import BPS, RAY, WAD, YEAR

QUIET, FEED, RULES, POKE, MARKET = range(5)
"""What a call can change: nothing here, prices, rules and levels, a checkpoint, money."""

_DAY = 86_400
_HOLD = 7 * _DAY
_COOL_DOWN = 1_800
_M32, _M40, _M112, _M128 = (2**bits - 1 for bits in (32, 40, 112, 128))
_LATCHED = 1 << 227
_DECIMALS = 24
"""Values of SOLV-8 are tokens with so many decimals, times price."""

SENTENCES = {promise.id: promise.sentence for promise in catalogue()}
SENTENCES["SOLV-8"] = (
    "Within one block no sequence of calls by any set of actors raises their joint net worth by"
    " more than dust, liquidation of others and booked losses aside; and nobody loses who neither"
    " acted nor agreed."
)


class _Vault:
    """Where the words of a vault are."""

    __slots__ = (
        "address",
        "asset",
        "balance",
        "fund",
        "fund_shares",
        "index",
        "latch",
        "symbol",
        "token",
    )

    def __init__(self, world: World, symbol: str, index: int) -> None:
        self.symbol = symbol
        self.index = index
        self.address = world.contracts[f"vault.{symbol}"].address
        self.token = world.contracts[f"token.{symbol}"].address
        self.fund = world.contracts[f"fund.{symbol}"].address
        self.asset = world.symbols.index(symbol) + 1
        self.balance = mapped(balances(world, symbol), self.address)
        self.fund_shares = mapped(slot("LendingVault", "_balances"), self.fund)
        self.latch = mapped(slot("LendingVault", "_expiries"), self.address)


_TRANSFER, _APPROVAL, _ENGINE, _BOOKS, _OTHER = range(5)
"""Groups of events: of tokens, of the engine, of a vault or fund, of the risk engine."""

_EVENTS = {
    "Transfer": _TRANSFER, "Approval": _APPROVAL,
    "Borrow": _ENGINE, "DepositCollateral": _ENGINE, "Liquidate": _ENGINE,
    "MoveCollateral": _ENGINE, "Repay": _ENGINE, "Seize": _ENGINE, "SetOperator": _ENGINE,
    "WithdrawCollateral": _ENGINE,
    "Collect": _BOOKS, "Deposit": _BOOKS, "FlashLoan": _BOOKS, "Lend": _BOOKS,
    "SettleFee": _BOOKS, "Withdraw": _BOOKS, "WriteOff": _BOOKS,
    "Poke": _OTHER,
}  # fmt: skip


def _topics() -> dict[bytes, tuple[int, str]]:
    """Group and name by the topic of an event."""
    found: dict[bytes, tuple[int, str]] = {}
    for contract in ("CreditEngine", "LendingVault", "InsuranceFund", "RiskEngine"):
        interface: Interface = interface_of(contract)
        for topic, event in interface.events.items():
            if event.name in _EVENTS:
                found[topic] = _EVENTS[event.name], event.name
    return found


# What an operator may be allowed, see docs/specification.md.
_DEPOSIT, _WITHDRAW, _BORROW, _MOVE = 1, 2, 4, 16
_SPENDS = {"WithdrawCollateral": _WITHDRAW, "Borrow": _BORROW, "MoveCollateral": _MOVE}
_REVOKED = 1 << 255
_NOBODY = bytes(32)

Grant = tuple[bytes, bytes, bytes]
"""Account, operator, asset (zero: any)."""


class Change(NamedTuple):
    """An account that a call changed."""

    number: int
    account: bytes
    words: tuple[int, ...]
    """Before the call."""
    before: Legs
    after: Legs


class Event(NamedTuple):
    """One event that matters: emitter, topics (the first is its kind), words of data."""

    name: str
    address: str
    topics: list[bytes]
    words: tuple[int, ...]


_word = int.from_bytes
_new = tuple.__new__  # what a NamedTuple's own constructor does, in half the time
_FAR = float("inf")

_CALLBACKS = frozenset({"flashLoan", "liquidate", "execute"})
"""Functions that let a contract that calls them do anything meanwhile."""


class Watch(Positions):
    """Judges calls on one market. The market must be as it is meant to be when a watch begins."""

    holds: dict[int, list[tuple[int, int]]]
    approved: set[tuple[str, bytes, bytes]]
    """Who may move whose tokens and shares, people only."""
    armed: bool

    def __init__(self, world: World) -> None:
        super().__init__(world, _DECIMALS)
        self.slack: dict[str, float] = {}
        self.judged: dict[str, int] = dict.fromkeys(SENTENCES, 0)
        """How often each promise was judged."""
        self.thorough = False
        """Sweep after every call: slow, for telling which call broke something."""
        self._topics = _topics()
        self._engine = world.contracts["engine"].address
        self._risk = world.contracts["risk"].address
        self._breaker = world.contracts["breaker"].address
        self._vaults = [_Vault(world, s, i) for i, s in enumerate(world.debts)]
        self._by_token = {asset.token: asset.id for asset in self._listed}
        self._by_name = {f"@token.{asset.symbol}": asset for asset in self._listed}
        self._by_topic = {_padded(asset.token): asset.id for asset in self._listed}
        self._vault_at = {vault.address: vault.index for vault in self._vaults}
        self._fund_at = {vault.fund: vault.index for vault in self._vaults}
        self._names = {world.account(name): i for i, name in enumerate(world.accounts)}
        self._ids = list(self._names)
        self._account_of = {name: world.account(name) for name in world.accounts}
        accounts = slot("CreditEngine", "accounts")
        self._slots = [mapped(accounts, account) for account in self._ids]
        self._caller = world.contracts["attacker"].address
        self._attacker = _padded(self._caller)
        # whose tokens leave in calls of others: the protocol's, and those of who is called back
        self._movable = {
            _NOBODY,
            _padded(self._engine),
            self._attacker,
            *(_padded(one.address) for name, one in world.contracts.items() if "." in name),
        }
        self._actors: dict[str, bytes] = {}
        self._all_vaults = tuple(range(len(self._vaults)))
        self._kinds: dict[tuple[str, str], tuple[int, tuple[int, ...]]] = {}
        self._factors = {}
        self._margins = {}
        self._feeds: dict[str, list[int]] = {}
        self._found: list[Violation] = []
        self._books, self._rates, self._claims, self._config = (
            slot("LendingVault", name) for name in ("_books", "_rates", "_claims", "_config")
        )
        self._supply, self._reserve = (slot("InsuranceFund", n) for n in ("_supply", "_reserve"))
        self._operators = slot("CreditEngine", "operators")
        self._grant_slots: dict[Grant, int] = {}
        self._trials = Trials(self)
        self.load()
        for asset in self._listed:
            if self.rules[asset.id][0]:
                self.price(asset.id)
        self._base = self._state()

    # ------------------------------------------------------------ state

    def load(self) -> None:
        """Take everything as it stands now."""
        storage, engine = self.evm.storage, self._engine
        self.now, self.block = self.host.now, self.host.block
        self.accounts = [self._read_account(i) for i in range(len(self._ids))]
        self.firsts = [words[0] for words in self.accounts]
        self.legs = [parse(words) for words in self.accounts]
        self.sums = self._add_up()
        count = len(self._listed) + 1
        self.books = [0] * count
        self.held = [0] * count
        self.vaults = []
        self.configs: list[tuple[int, int, int, int]] = []
        self.funds: list[tuple[int, int]] = []
        self.rules = [()] * count
        for asset in self._listed:
            self.books[asset.id] = storage(engine, asset.book)
            self.held[asset.id] = storage(asset.token, asset.balance)
            self.rules[asset.id] = self._read_rules(asset)
        for vault in self._vaults:
            self.vaults.append(self._read_vault(vault))
            self.configs.append(self._read_config(vault))
            self.funds.append(self._read_fund(vault))
        self.quotes = [UNREAD] * count
        # who was granted nothing before is granted nothing: other operators cannot be listed
        self.grants: dict[Grant, int] = {}
        operator = _padded(self.world.roles["operator"])
        for account in self._ids:
            for token in (_NOBODY, *self._by_topic):
                grant = account, operator, token
                word = storage(engine, self._grant_slot(grant))
                if word:
                    self.grants[grant] = word
        self._forget()

    def reload(self) -> None:
        """Take everything as it stands after calls were undone; what is known of the past stays."""
        kept = self.holds, self.approved, self.armed
        known = list(self.grants)
        self.load()
        (self.holds, self.approved, self.armed) = kept
        for grant in known:
            self.grants[grant] = self.evm.storage(self._engine, self._grant_slot(grant))

    def _forget(self) -> None:
        """What is not known at the beginning of a sequence."""
        self.prices = [None] * len(self.rules)
        self.indices = [0] * len(self._vaults)
        self.holds = {}
        self.approved = set()
        self.armed = False
        self.sliced: dict[tuple[bytes, int, int], tuple[int, tuple[int, ...], int, int, int]] = {}

    def _state(self) -> tuple[Any, ...]:
        return (
            self.now, self.block, list(self.accounts), list(self.firsts), list(self.legs),
            dict(self.sums), list(self.books), list(self.held), list(self.vaults),
            list(self.configs), list(self.funds), list(self.rules), list(self.quotes),
            dict(self.grants),
        )  # fmt: skip

    def reset(self) -> None:
        """The base checkpoint was restored."""
        (
            self.now, self.block, accounts, firsts, legs, sums, books, held, vaults, configs,
            funds, rules, quotes, grants,
        ) = self._base  # fmt: skip
        self.accounts, self.firsts = accounts.copy(), firsts.copy()
        self.legs, self.sums = legs.copy(), sums.copy()
        self.books, self.held, self.vaults = books.copy(), held.copy(), vaults.copy()
        self.configs, self.funds, self.rules = configs.copy(), funds.copy(), rules.copy()
        self.quotes, self.grants = quotes.copy(), grants.copy()
        self._forget()

    def _read_account(self, i: int) -> tuple[int, ...]:
        storage, engine, slot = self.evm.storage, self._engine, self._slots[i]
        first = storage(engine, slot)
        count = first >> 244 & 15
        if count <= 2:
            return (first,)
        return (first, *(storage(engine, slot + k) for k in range(1, (count + 1) >> 1)))

    def _read_rules(self, asset: Asset) -> tuple[int, ...]:
        storage, risk = self.evm.storage, self._risk
        return (
            storage(risk, asset.rule),
            storage(risk, asset.term),
            storage(risk, asset.checkpoint),
            storage(risk, asset.observation),
            storage(risk, asset.latch),
            storage(self._breaker, asset.breaker),
        )

    def _read_vault(self, vault: _Vault) -> tuple[int, int, int, int, int]:
        storage, address = self.evm.storage, vault.address
        return (
            storage(address, self._books),
            storage(address, self._rates),
            storage(address, self._claims),
            storage(vault.token, vault.balance),
            storage(address, vault.fund_shares) & _M128,
        )

    def _read_fund(self, vault: _Vault) -> tuple[int, int]:
        """Supply and reserve."""
        storage = self.evm.storage
        return storage(vault.fund, self._supply), storage(vault.fund, self._reserve)

    def _read_config(self, vault: _Vault) -> tuple[int, int, int, int]:
        """Reserve factor, deposit cap, debt cap, highest rate."""
        word = self.evm.storage(vault.address, self._config)
        most = (word >> 94 & 32_767) * 10**14 // YEAR
        highest = max(most * (word >> 27 & 131_071) // BPS, LEAST_FULL_RATE)
        return word & 8_191, _amount_of(word >> 155), _amount_of(word >> 201), highest

    def _add_up(self) -> dict[int, int]:
        sums: dict[int, int] = {}
        for legs in self.legs:
            for tag, amount in legs:
                sums[tag] = sums.get(tag, 0) + amount
        return sums

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
        own = (debts.index(symbol),) if symbol in debts else ()
        if function in ("set_calls", "schedule", "cancel", "set_operators", "cancel_nonce"):
            return QUIET, ()
        if group in ("source", "feed") or function == "set_rate":
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
        now = self.host._now
        if now != self.now:
            self.now = now
            self.prices = [None] * len(self.prices)
            self.indices = [0] * len(self.indices)
        self.block = self.host._block
        self._found = []
        known = self._kinds.get((target, function))
        kind, touched = self.kind(target, function) if known is None else known
        if kind == MARKET:
            if function == "set_hook":
                self.armed = any(bool(arg) for arg in args[1:2])
            elif self.armed or (function in _CALLBACKS and actor == self._caller):
                touched = self._all_vaults
            self._market(target, actor, touched, args)
        elif kind == FEED:
            self.sliced = {}
            for id in self._priced_by(target):
                self.prices[id] = None
                self.quotes[id] = UNREAD
        elif kind == POKE:
            self.sliced = {}
            asset = self._by_name.get(args[0]) if args else None
            if asset is not None:
                self._latches(asset, self._read_rules(asset), self._jumped())
        elif kind == RULES:
            self._ruled(touched)
        if self.thorough and kind != QUIET:
            self._sweep()
        return self._found

    def _priced_by(self, target: str) -> list[int]:
        """Ids of the assets that a source, a feed, or a token with a rate prices."""
        found = self._feeds.get(target)
        if found is None:
            symbol = target.split(".")[1]
            found = self._feeds[target] = [
                asset.id
                for asset in self._listed
                if symbol in (asset.symbol, self.world.listings[asset.symbol].rate_over)
            ]
        return found

    def events(self) -> list[Event]:
        """Events of the last call that matter here."""
        found = []
        known = self._topics
        result = self.evm.result
        assert result is not None
        for log in result.logs:
            topics, data = log.data
            kind = known.get(topics[0]) if topics else None
            if kind is not None:
                words = tuple([_word(data[i : i + 32], "big") for i in range(0, len(data), 32)])
                found.append(Event(kind[1], log.address, topics, words))
        return found

    def _jumped(self) -> set[int]:
        """Assets of which the last call told that their price has jumped."""
        found = set()
        result = self.evm.result
        assert result is not None
        for log in result.logs:
            topics, data = log.data
            is_poke = self._topics.get(topics[0], (0, ""))[0] == _OTHER
            if is_poke and _word(data[96:128], "big") == JUMP:
                found.add(self._by_topic.get(topics[1], 0))
        return found

    # ------------------------------------------------------------ findings

    def violation(self, promise: str, what: str, slack: int = -1) -> Violation:
        """A promise that is broken now."""
        return Violation(promise, SENTENCES[promise], what, self.now, slack)

    def _room(self, promise: str, slack: int, per: int, what: str, name: str = "") -> None:
        """One comparison: broken below zero, else how near, as a share of `per`."""
        self.judged[promise] += 1
        if slack < 0:
            self._found.append(self.violation(promise, what.format(name), slack))
            return
        share = slack / per if per > 0 else float(slack)
        known = self.slack
        if share < known.get(promise, _FAR):
            known[promise] = share

    def _differs(self, promise: str, gap: int, what: str, name: str = "") -> None:
        """Two figures that must be the same are not."""
        self._found.append(self.violation(promise, what.format(name), -abs(gap)))

    def _alike(self, promise: str) -> None:
        """Figures that must be the same are compared."""
        self.judged[promise] += 1
        self.slack[promise] = 0.0

    # ------------------------------------------------------------ calls that move money

    def _market(
        self, target: str, actor: str, touched: tuple[int, ...], args: Sequence[Any]
    ) -> None:
        vault_at, by_topic, known = self._vault_at, self._by_topic, self._topics
        by_vault: dict[int, list[Event]] = {v: [] for v in touched}
        engine_events: list[Event] = []
        named: set[bytes] = set()
        ids: set[int] = set()
        liquidations: list[Event] = []
        raised: set[bytes] = set()
        rights: list[Event] = []
        funds: set[int] = set()
        minted: dict[int, int] = {}
        transfers: list[tuple[Any, bytes]] = []
        moved = self._actors.get(actor) or self._actor(actor)
        own, movable = moved[12:], self._movable
        result = self.evm.result
        assert result is not None
        for log in result.logs:
            topics, data = log.data
            kind = known.get(topics[0]) if topics else None
            if kind is None:
                continue
            group, name = kind
            if group == _TRANSFER:
                source = topics[1]
                if source != moved and source not in movable and data != _NOBODY:
                    transfers.append((log, source))
                continue
            if group == _APPROVAL:
                self.approved.add((log.address, topics[1], topics[2]))
                continue
            size = len(data)
            words: tuple[int, ...]
            if size == 64:
                words = (_word(data[:32], "big"), _word(data[32:], "big"))
            elif size == 32:
                words = (_word(data, "big"),)
            else:
                words = tuple([_word(data[i : i + 32], "big") for i in range(0, size, 32)])
            if group == _BOOKS:
                address = log.address
                event = _new(Event, (name, address, topics, words))
                v = vault_at.get(address)
                if v is None:
                    v = self._fund_at.get(address)
                    if v is not None:
                        funds.add(v)
                        by_vault.setdefault(v, [])
                    continue
                if v in by_vault:
                    by_vault[v].append(event)
                else:
                    by_vault[v] = [event]
                if name == "SettleFee":
                    minted[v] = minted.get(v, 0) + words[1]
            elif group == _ENGINE:
                event = _new(Event, (name, self._engine, topics, words))
                engine_events.append(event)
                account = topics[1]
                named.add(account)
                if name == "Borrow":
                    raised.add(account)
                elif name == "WithdrawCollateral":
                    raised.add(account)
                    ids.add(by_topic.get(topics[2], 0))
                elif name == "MoveCollateral":
                    raised.add(account)
                    named.add(topics[2])
                    ids.add(by_topic.get(topics[3], 0))
                elif name == "Liquidate":
                    liquidations.append(event)
                    ids.add(by_topic.get(topics[3], 0))
                elif name == "SetOperator":
                    rights.append(event)
                elif name != "Repay":
                    ids.add(by_topic.get(topics[2], 0))
                if name in _SPENDS and account[:20] != own:
                    rights.append(event)
        is_engine = target == "engine"
        if target[:6] == "token.":
            asset_id = self._by_token.get(self.world.contracts[target].address, 0)
            if asset_id:
                ids.add(asset_id)
        ids.discard(0)
        if is_engine:
            named.update(self._credited(args))
        if transfers:
            self._takings(transfers, moved)

        # what it was before, at now: the accounts' values need the old words and the same index
        gain = 0
        fuzz = 0
        losses = False
        unpaid: dict[int, int] = {}
        old_vaults = self.vaults.copy() if funds else self.vaults
        for v, events in by_vault.items():
            vault = self._vaults[v]
            old = self.vaults[v]
            new = self._read_vault(vault)
            if old == new and not events:
                continue
            rise, lost = self._vault(v, old, new, events)
            if lost:
                losses = True
                unpaid[vault.asset] = lost
            unit = self.spot(vault.asset) * self._listed[vault.asset - 1].scale
            gain += (rise + old[3] - new[3]) * unit
            fuzz += (2 + len(events)) * unit
            self.vaults[v] = new

        changed = self._accounts(named, ids) if engine_events or is_engine else []
        storage = self.evm.storage
        for id in ids:
            asset = self._listed[id - 1]
            book = storage(self._engine, asset.book)
            held = storage(asset.token, asset.balance)
            total = book & _M112
            if book >> 112 & 255:
                gap = self.sums.get(id, 0) - total
                if gap:
                    self._differs("SOLV-3", gap, "collateral {}", asset.symbol)
                self._room("SOLV-1", held - total, 0, "the engine's balance of {}", asset.symbol)
            unit = self.spot(id) * asset.scale
            gain += (self.held[id] - held) * unit
            fuzz += unit
            self.books[id] = book
            self.held[id] = held
        for v in by_vault:
            vault = self._vaults[v]
            gap = self.sums.get(vault.asset | 128, 0) - (self.vaults[v][0] >> 112 & _M112)
            if gap:
                self._differs("SOLV-3", gap, "debt shares of {}", vault.symbol)
        if ids or by_vault:
            self._alike("SOLV-3")
        for v in funds:
            self._fund(v, old_vaults[v], minted.get(v, 0))
        for v in minted:
            self.funds[v] = self._read_fund(self._vaults[v])

        agreed: set[bytes] = set()
        if engine_events:
            if raised:
                self._new_risk(raised, changed)
            self._caps(engine_events, changed)
            if liquidations:
                self._liquidated(liquidations, engine_events, changed)
                for event in liquidations:
                    id = by_topic.get(event.topics[2], 0)
                    unpaid[id] = unpaid.get(id, 0) - event.words[3]
            agreed = self._operated(target, rights, changed, moved)
        if unpaid:
            self._alike("SOLV-9")
            for id, gap in unpaid.items():
                if gap:
                    symbol = self._listed[id - 1].symbol
                    self._differs("SOLV-9", gap, "losses of {}, reported and booked", symbol)
        self._no_free_lunch(gain, fuzz, changed, liquidations, moved, losses, agreed)

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
        found = self._actors.get(address)
        if found is None:
            found = self._actors[address] = _padded(address)
        return found

    def _takings(self, transfers: list[tuple[Any, bytes]], actor: bytes) -> None:
        """Nobody loses tokens or shares in a call that is not his, without having approved."""
        self._alike("SOLV-8")
        for log, source in transfers:
            address = log.address
            if (address, source, actor) not in self.approved:
                what = "tokens of {} taken from who did not act"
                self._differs("SOLV-8", 1, what, self.world.name(address))

    # ------------------------------------------------------------ operators

    def _grant_slot(self, grant: Grant) -> int:
        found = self._grant_slots.get(grant)
        if found is None:
            found = self._operators
            for key in grant:
                found = mapped(found, key)
            self._grant_slots[grant] = found
        return found

    def _operated(
        self, target: str, rights: list[Event], changed: list[Change], actor: bytes
    ) -> set[bytes]:
        """What was done to accounts of others is within what their owners granted, and the grants
        fall by it. The accounts that may have lost by that. `rights` in the order of the call."""
        used: set[Grant] = set()
        agreed: set[bytes] = set()
        owner, attacker = actor[12:], self._attacker[12:]
        called = self.armed or target == "attacker" or owner == attacker
        actors = (actor, self._attacker) if called and owner != attacker else (actor,)
        for name, _, topics, words in rights:
            account = topics[1]
            if name == "SetOperator":
                actions, amount, expiry = words
                grant = account, topics[2], topics[3]
                word = min(amount, _M128) | min(expiry, _M40) << 128 | actions << 168
                self.grants[grant] = word if actions else _REVOKED
                used.add(grant)
            elif called and account[:20] == attacker:
                # he may have taken it himself, called back by who acted
                asset = topics[3] if name == "MoveCollateral" else topics[2]
                for token in (asset, _NOBODY):
                    grant = account, actor, token
                    if grant in self.grants:
                        self.grants[grant] = self.evm.storage(self._engine, self._grant_slot(grant))
            else:
                agreed.add(account)
                asset = topics[3] if name == "MoveCollateral" else topics[2]
                used.update(self._spend(account, actors, _SPENDS[name], asset, words[0]))
        for _, account, _, before, after in changed:
            if account[:20] == owner or (called and account[:20] == attacker) or not after:
                continue
            held = {tag for tag, _ in before}
            for tag, _ in after:
                if tag < 128 and tag not in held:
                    token = _padded(self._listed[tag - 1].token)
                    self._spend(account, actors, _DEPOSIT, token, 0)
        if used:
            self._alike("SOLV-8")
            storage = self.evm.storage
            for grant in used:
                if storage(self._engine, self._grant_slot(grant)) != self.grants[grant]:
                    name = self._known_name(grant[0])
                    self._differs("SOLV-8", 1, "what an operator of {} may still take", name)
        return agreed

    def _spend(
        self, account: bytes, actors: Sequence[bytes], action: int, asset: bytes, amount: int
    ) -> list[Grant]:
        """Take from the grant of one of those who may have acted."""
        for operator in actors:
            grant = account, operator, asset
            word = self.grants.get(grant, 0)
            if word == 0:
                grant = account, operator, _NOBODY
                word = self.grants.get(grant, 0)
            left = word & _M128
            if word >> 168 & action == 0 or self.now > word >> 128 & _M40:
                continue
            if left != _M128 and action != _DEPOSIT:
                if amount > left:
                    continue
                self.grants[grant] = word - amount
            return [grant]
        what = "{}: more than its owner granted to who acted"
        self._differs("SOLV-8", amount or 1, what, self._known_name(account))
        return []

    def _known_name(self, account: bytes) -> str:
        number = self._names.get(account)
        return account.hex() if number is None else self._name(number)

    # ------------------------------------------------------------ parts of a call

    def _vault(
        self,
        v: int,
        old: tuple[int, int, int, int, int],
        new: tuple[int, int, int, int, int],
        events: list[Event],
        config: tuple[int, int, int, int] | None = None,
    ) -> tuple[int, int]:
        """Judge a vault; what its total rose by, and the loss it booked. `config`: the old one."""
        vault = self._vaults[v]
        room = self._room
        symbol = vault.symbol
        due = self.index(v)
        old_books, old_rates, old_claims, _, _ = old
        books, rates, claims, balance, _ = new
        index = rates & _M112
        time = rates >> 192 & _M32
        gap = 0
        if time == self.now & _M32:
            gap = index - due
        elif rates != old_rates:
            gap = index - (old_rates & _M112) or -1
        elapsed = self.now - (old_rates >> 192 & _M32)
        if gap:
            room("SOLV-11", -abs(gap), 0, "index of {}: what every debtor owes", symbol)
            if elapsed == 0 or index < old_rates & _M112:
                room("SOLV-4", -abs(gap), 0, "index of {} in zero time", symbol)
            due = index
            self.indices[v] = index
        self.judged["SOLV-11"] += 1
        factor, deposit_cap, debt_cap, highest = self.configs[v]
        old_factor = factor if config is None else config[0]
        rate = rates >> 112 & _M40
        room("SOLV-4", highest - rate, highest, "growth of the index of {}", symbol)

        cash = books & _M112
        shares = books >> 112 & _M112
        debt = shares * due // RAY
        total = min(cash + debt, _M112)
        old_shares = old_books >> 112 & _M112
        old_debt = old_shares * due // RAY
        old_total = min((old_books & _M112) + old_debt, _M112)
        base, old_base = claims >> 128, old_claims >> 128
        fee = (total - base) * factor // BPS if total > base else 0
        old_fee = (old_total - old_base) * old_factor // BPS if old_total > old_base else 0
        assets, supply = total - fee + 1, (claims & _M128) + 10**6
        old_assets, old_supply = old_total - old_fee + 1, (old_claims & _M128) + 10**6

        room("SOLV-1", balance - cash, 0, "balance of the vault of {}", symbol)
        owed = (claims & _M128) * assets // supply
        room("SOLV-2", cash + debt - fee - owed, 0, "books of {}", symbol)

        flow = 0
        entries = 0
        booked: list[Event] = []
        paid = lent = payments = loans = fees = 0
        for event in events:
            name, words = event.name, event.words
            if name == "Lend":
                lent += words[0]
                loans += 1
                room("SOLV-10", words[1] - 1, 0, "shares of a loan of {}", symbol)
                room(
                    "SOLV-10", words[1] * due - words[0] * RAY, RAY, "debt of a loan of {}", symbol
                )
            elif name == "Collect":
                flow += words[2]
                fees += words[2]
                paid += words[0]
                payments += 1
                room("SOLV-10", words[0] * RAY - words[1] * due, RAY, "a payment of {}", symbol)
            elif name == "Deposit":
                flow += words[0]
                entries += 1
            elif name == "Withdraw":
                flow -= words[0]
                entries += 1
            elif name == "WriteOff":
                flow -= words[1]
                booked.append(event)
            elif name == "FlashLoan":
                flow += words[1]
                fees += words[1]
        rise = total - old_total
        room("SOLV-2", rise - flow + len(events), 0, "total of {} after its events", symbol)

        if not booked:
            ahead = assets * old_supply - old_assets * supply
            room("SOLV-4", ahead, old_assets * supply, "worth of a share of {}, no loss", symbol)
        else:
            loss = sum(event.words[3] for event in booked)
            fall = old_assets * supply // old_supply - assets
            # fees paid in the same call make up for a part of it
            gap = max(fall - loss, loss - fees - fall)
            room("SOLV-4", 2 + 2 * len(booked) - gap, 0, "shares of {} fall", symbol)
            for event in booked:
                words = event.words
                gap = abs(words[1] - words[2] - words[3])
                room("SOLV-9", -gap, 0, "parts of a loss of {}", symbol)
            if len(booked) == 1 and not fees:
                words = booked[0].words
                worth = words[4] * old_assets // old_supply
                room("SOLV-9", 2 - abs(worth - words[2]), 0, "the fund's part of a loss {}", symbol)
                gap = abs(old_debt + lent - debt - paid - words[1])
                room("SOLV-9", payments + 2 - gap, 0, "debts of {} after a loss", symbol)
        if entries == 1 and not fees and not booked:
            # a loan or payment around it left a part of a unit to the lenders
            other = (payments + loans) * old_supply
            for event in events:
                if event.name == "Deposit":
                    ahead = event.words[0] * old_supply - event.words[1] * old_assets + other
                    room("SOLV-10", ahead, old_supply, "a deposit of {}", symbol)
                    # and a payment in the middle of it lifts the total by that part
                    left = deposit_cap - total + payments + loans
                    room("CAP-1", left, deposit_cap, "deposit cap of {}", symbol)
                elif event.name == "Withdraw":
                    ahead = event.words[1] * old_assets - event.words[0] * old_supply + other
                    room("SOLV-10", ahead, old_supply, "a withdrawal of {}", symbol)
        if lent:
            room("CAP-1", debt_cap - debt, debt_cap, "debt cap of {}", symbol)
        return rise, sum(event.words[1] for event in booked)

    def _fund(self, v: int, before: tuple[int, ...], minted: int) -> None:
        """A fund's share is worth no less after an entry or exit than before it."""
        vault = self._vaults[v]
        supply, reserve = self._read_fund(vault)
        old_supply, old_reserve = self.funds[v]
        self.funds[v] = supply, reserve
        if old_reserve == 0:
            return
        held = self.vaults[v][4] + 1
        old_held = before[4] + minted + 1
        ahead = held * (old_supply + old_reserve) - old_held * (supply + reserve)
        self._room(
            "SOLV-8",
            ahead,
            old_held * (supply + reserve),
            "worth of a fund share of {}",
            vault.symbol,
        )

    def _accounts(self, named: set[bytes], ids: set[int]) -> list[Change]:
        """Accounts that changed: number, id, legs before and after. Sums follow."""
        storage, engine = self.evm.storage, self._engine
        firsts = [storage(engine, slot) for slot in self._slots]
        several = [
            i for i in map(self._names.get, named) if i is not None and len(self.accounts[i]) > 1
        ]
        if firsts == self.firsts and not several:
            return []
        candidates = set(several)
        candidates.update(i for i, word in enumerate(self.firsts) if firsts[i] != word)
        changed: list[Change] = []
        sums = self.sums
        for i in sorted(candidates):
            words, old = self._read_account(i), self.accounts[i]
            if words == old:
                continue
            account = self._ids[i]
            before, after = self.legs[i], parse(words)
            if account not in named:
                what = "{}: legs changed by a call that does not name it"
                self._differs("SOLV-11", 1, what, self._name(i))
            self.accounts[i], self.firsts[i], self.legs[i] = words, words[0], after
            for tag, amount in before:
                sums[tag] = sums.get(tag, 0) - amount
                if tag < 128:
                    ids.add(tag)
            for tag, amount in after:
                sums[tag] = sums.get(tag, 0) + amount
                if amount == 0:
                    self._differs("SOLV-3", 1, "an empty leg of {}", self._name(i))
            changed.append(_new(Change, (i, account, old, before, after)))
        return changed

    def _new_risk(self, raised: set[bytes], changed: list[Change]) -> None:
        for i, account, _, before, after in changed:
            if account not in raised or not any(tag >= 128 for tag, _ in after):
                continue
            room, required, free, exposure, leverage = self.margin_of(i)
            if min(room, free) < 0 and self._is_safer(before, after):
                continue
            name = self._name(i)
            self._room("SOLV-5", room // BPS, required // BPS, "initial margin of {}", name)
            self._room("SOLV-5", free, exposure * leverage, "leverage of {}", name)

    def _is_safer(self, before: Legs, after: Legs) -> bool:
        owed = {tag: amount for tag, amount in before if tag >= 128}
        for tag, amount in after:
            if tag >= 128 and amount > owed.get(tag, 0):
                return False
        old, new = self.health(before), self.health(after)
        return new.factor >= old.factor and new.collateral * old.debt >= old.collateral * new.debt

    def _caps(self, events: list[Event], changed: list[Change]) -> None:
        for event in events:
            if event.name != "DepositCollateral":
                continue
            id = self._by_topic.get(event.topics[2], 0)
            if id == 0:
                continue
            book = self.books[id]
            code = book >> 120 & 0xFFFFFF
            cap = (code & 65_535) << (code >> 16)
            room = cap - (book & _M112)
            if room < 0:
                account = event.topics[1]
                for _, other, _, before, _ in changed:
                    if other == account and self.margin(before)[0] < 0:
                        room = 0
            self._room("CAP-1", room, cap, "cap of collateral {}", self._listed[id - 1].symbol)

    def _liquidated(
        self,
        liquidations: list[Event],
        events: list[Event],
        changed: list[Change],
    ) -> None:
        room = self._room
        by_account = {change.account: change for change in changed}
        for event in liquidations:
            account = event.topics[1]
            debt_id = self._by_topic.get(event.topics[2], 0)
            id = self._by_topic.get(event.topics[3], 0)
            if account not in by_account or any(
                other is not event
                and other.name != "Seize"
                and (account == other.topics[1] or account == other.topics[2])
                for other in events
            ):
                continue
            i, _, words, before, after = by_account[account]
            name = self.world.accounts[i]
            _, repaid, _, _, seized, reported_health, incentive = event.words
            health = self.health(before)
            patience = 600 if health.under_water else 0
            if patience:
                health = self.health(before, patience)
            room("SOLV-6", WAD - 1 - health.factor, WAD, "health of {} before liquidation", name)
            gap = abs(reported_health - health.factor)
            room("SOLV-6", -gap, 0, "health reported for {}", name)
            now = 1 + self.block % (2**20 - 1)
            fresh = any(word >> 224 & (2**20 - 1) == now for word in words)
            room("SOLV-6", -int(fresh), 0, "{} raised its risk in this block", name)
            known = self.sliced.get((account, debt_id, id))
            if known is not None and known[0] == self.now and known[1:3] == (words, patience):
                # prices as they were, and nothing else happened to it: the next slice. Where a
                # slice ended the wait for a jump the next one counts at other prices.
                most = known[3] - incentive + known[4]
                room("SOLV-7", most, WAD, "incentive of the next slice of {}", name)
            dust = 0
            for tag, _ in before:
                if tag >= 128:
                    asset = self._listed[(tag & 127) - 1]
                    high = self.price(asset.id).as_debt
                    dust += 2 * -(-(high or 1) // asset.unit) + 2
            new = self.health(after, patience)
            if new.debt and health.priced:
                # what is seized is rounded down: a unit of collateral may stay
                unit = self.price(id).as_collateral // self._listed[id - 1].unit + 1
                allowed = 4 * WAD * (dust + unit) // new.debt + 4
                self.sliced[account, debt_id, id] = (
                    self.now, self.accounts[i], patience, incentive, allowed,
                )  # fmt: skip
            if health.under_water:
                room("SOLV-6", -abs(incentive - health.tip), 0, "incentive under water of {}", name)
                continue
            room("SOLV-6", health.incentive_max - incentive, WAD, "incentive of {}", name)
            debt, collateral = self._listed[debt_id - 1], self._listed[id - 1]
            if patience:
                owed_price = self._price(debt_id, self.rules[debt_id], patience).as_debt
                price = self._price(id, self.rules[id], patience).as_collateral
            else:
                owed_price, price = self.price(debt_id).as_debt, self.price(id).as_collateral
            paid = (repaid + 1) * owed_price // debt.unit + 1
            taken = seized * price // collateral.unit
            most = paid * (WAD + incentive) // WAD
            room("SOLV-6", most - taken, most, "seized from {}", name)
            if not health.priced:
                continue  # LIVE-3 goes before SOLV-7
            if new.debt:
                allowed = health.factor * dust // new.debt + 1
                room(
                    "SOLV-7", new.factor - health.factor + allowed, WAD, "health of {} after", name
                )
            owed = -(-new.debt * (WAD + health.tip) // WAD)
            room(
                "SOLV-7", new.collateral - owed + 2 * dust, new.collateral,
                "collateral and debt of {} after", name,
            )  # fmt: skip

    def _no_free_lunch(
        self,
        gain: int,
        fuzz: int,
        changed: list[Change],
        liquidations: list[Event],
        actor: bytes,
        losses: bool,
        agreed: set[bytes],
    ) -> None:
        weak = {event.topics[1] for event in liquidations}
        clipped = losses
        for i, account, _, before, after in changed:
            old, dust = self.worth(before)
            new, more = self.worth(after)
            if old is None or new is None:
                return
            dust += more
            gain += new - old
            fuzz += dust
            if account in weak:
                # what he could not pay is not his: a liquidation of him shows as a gain
                clipped = clipped or old == 0 or new == 0 or self.health(before).under_water
            elif new < old and account not in agreed:
                owner = account[:20]
                if owner != actor[12:] and owner != self._attacker[12:]:
                    self._room("SOLV-8", new - old + dust, 0, "taken from {}", self._name(i))
        if not clipped:
            self._room("SOLV-8", fuzz - gain, fuzz, "joint net worth of all actors")

    def _name(self, i: int) -> str:
        return self.world.accounts[i]

    # ------------------------------------------------------------ rules, levels, checkpoints

    def _latches(self, asset: Asset, new: tuple[int, ...], jumped: set[int]) -> None:
        """Words of an asset as they are now; `jumped`: assets whose price has, as was told."""
        old = self.rules[asset.id]
        self.prices[asset.id] = None
        if old == new:
            return
        self.rules[asset.id] = new
        now = self.now
        if old[5]:
            for reason in (0, 1, 2):
                level, until = old[5] >> 42 * reason + 40 & 3, old[5] >> 42 * reason & _M40
                if level and until > now:
                    left = new[5] >> 42 * reason + 40 & 3, new[5] >> 42 * reason & _M40
                    self._room(
                        "GATE-2", min(left[0] - level, left[1] - until), 0,
                        f"latch {reason} of {asset.symbol} until {until}",
                    )  # fmt: skip
        if asset.id in jumped:
            until = new[5] & _M40
            self._room("GATE-2", until - now - _COOL_DOWN, _COOL_DOWN, "a jump of {}", asset.symbol)
        if old[4] != new[4]:
            self._hold(asset, new[4])

    def _hold(self, asset: Asset, latch: int) -> None:
        """GATE-1, see `promises.GuardianBudget`."""
        now = self.now
        for at, what in ((0, "caution"), (64, "halt"), (128, "hold")):
            until = latch >> at & (2**64 - 1)
            self._room("GATE-1", now + _HOLD - until, _HOLD, f"{what} of {asset.symbol}")
        end = latch >> 128 & (2**64 - 1)
        holds = self.holds.setdefault(asset.id, [])
        if holds and holds[-1][1] >= now:
            holds[-1] = holds[-1][0], max(end, now)
        elif end > now:
            holds.append((now, end))
        for _, last in holds:
            begin = last - 30 * _DAY
            total = sum(max(min(e, last) - max(s, begin), 0) for s, e in holds)
            self._room("GATE-1", _HOLD - total, _HOLD, "holds of {} in 30 days", asset.symbol)

    def _ruled(self, touched: tuple[int, ...]) -> None:
        """What an owner, a guardian, or anyone who lifts a latch may change."""
        self.sliced = {}
        self.quotes = [UNREAD] * len(self.quotes)
        healthy = None
        found = [self._read_rules(asset) for asset in self._listed]
        for asset, new in zip(self._listed, found, strict=True):
            old = self.rules[asset.id]
            if new == old:
                continue
            if old[0] and (new[1] != old[1] or (new[0] ^ old[0]) & ~_LATCHED) and healthy is None:
                healthy = [i for i, legs in enumerate(self.legs) if self.health(legs).factor >= WAD]
            if old[2] and new[2] != old[2]:
                self._room("SOLV-11", -1, 0, "stored price of {}", asset.symbol)
        jumped = self._jumped()
        for asset, new in zip(self._listed, found, strict=True):
            self._latches(asset, new, jumped)
        for i in healthy or ():
            factor = self.health(self.legs[i]).factor
            self._room("GATE-3", min(factor, 2**128) - WAD, WAD, "{}, new rules", self._name(i))
        by_vault: dict[int, list[Event]] = {v: [] for v in touched}
        for event in self.events():
            v = self._vault_at.get(event.address)
            if v is not None:
                by_vault[v].append(event)
        for v in touched:
            old_words, config = self.vaults[v], self.configs[v]
            new_words = self._read_vault(self._vaults[v])
            self.configs[v] = self._read_config(self._vaults[v])
            if old_words != new_words:
                self._vault(v, old_words, new_words, by_vault[v], config)
                self.vaults[v] = new_words
        for asset in self._listed:
            self.books[asset.id] = self.evm.storage(self._engine, asset.book)

    # ------------------------------------------------------------ all of it

    def sweep(self) -> Sequence[Violation]:
        """Read everything again and compare: what changed without a call that may change it."""
        if self.host._now != self.now:
            self.now = self.host._now
            self.prices = [None] * len(self.prices)
            self.indices = [0] * len(self.indices)
        self._found = []
        self._sweep()
        return self._found

    def _sweep(self) -> None:
        storage = self.evm.storage
        for i, words in enumerate(self.accounts):
            if self._read_account(i) != words:
                what = f"{self._name(i)}: legs changed by a call that does not name it"
                self._room("SOLV-11", -1, 0, what)
                self.accounts[i] = words = self._read_account(i)
                self.firsts[i], self.legs[i] = words[0], parse(words)
        self.sums = sums = self._add_up()
        for v, vault in enumerate(self._vaults):
            old, new = self.vaults[v], self._read_vault(vault)
            if old != new:
                self._vault(v, old, new, [])
                self.vaults[v] = new
                if old[2] & _M128 != new[2] & _M128:
                    self._room("SOLV-2", -1, 0, "shares of {} without an event", vault.symbol)
            shares = new[0] >> 112 & _M112
            gap = abs(sums.get(vault.asset | 128, 0) - shares)
            self._room("SOLV-3", -gap, 0, "debt shares of {}", vault.symbol)
            config, fund = self._read_config(vault), self._read_fund(vault)
            if config != self.configs[v]:
                what = f"configuration of the vault of {vault.symbol} changed by nobody"
                self._room("GATE-1", -1, 0, what)
                self.configs[v] = config
            if fund != self.funds[v]:
                what = f"shares of the fund of {vault.symbol} without a call to it"
                self._room("SOLV-4", -1, 0, what)
                self.funds[v] = fund
        for asset in self._listed:
            book = storage(self._engine, asset.book)
            total = book & _M112
            if book:
                gap = abs(sums.get(asset.id, 0) - total)
                self._room("SOLV-3", -gap, 0, "collateral {}", asset.symbol)
                held = storage(asset.token, asset.balance)
                self._room("SOLV-1", held - total, 0, "the engine's balance of {}", asset.symbol)
                self.held[asset.id] = held
            rules = self._read_rules(asset)
            old_rules = self.rules[asset.id]
            if rules != old_rules:
                if rules[2] != old_rules[2]:
                    self._room("SOLV-11", -1, 0, "stored price of {}", asset.symbol)
                else:
                    what = f"rules or levels of {asset.symbol} changed by nobody"
                    self._room("GATE-1", -1, 0, what)
                self.rules[asset.id] = rules
                self.prices[asset.id] = None

        for grant, word in self.grants.items():
            if storage(self._engine, self._grant_slot(grant)) != word:
                what = "what an operator of {} may still take"
                self._differs("SOLV-8", 1, what, self._known_name(grant[0]))

    def trials(self, send: Send) -> list[Violation]:
        """Make the calls that must work, see `breakwater.fuzz.trials`."""
        self._found = []
        return self._trials.run(send)


def _padded(address: str) -> bytes:
    """An address as a word."""
    return bytes.fromhex(address[2:]).rjust(32, b"\0")


def _amount_of(bits: int) -> int:
    """An amount of 46 bits, see contracts/LendingVault.vy."""
    return (bits & (2**41 - 1)) * 10 ** (bits >> 41 & 31)
