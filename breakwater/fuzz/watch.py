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
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from breakwater import mocks
from breakwater.evm import EvmHost
from breakwater.fuzz.steps import Step
from breakwater.fuzz.world import (
    AGGREGATOR_ROUND,
    BAD_MODE,
    BAD_WORDS,
    Result,
    World,
    aggregator_source,
)
from breakwater.host import Interface, interface_of
from breakwater.observation import LEAST_FULL_RATE, grow, mapped
from breakwater.promises import TOO_RECENT, Violation, catalogue
from breakwater.units import BPS, MAX_UINT256, RAY, WAD, YEAR

QUIET, FEED, RULES, POKE, MARKET = range(5)
"""What a call can change: nothing here, prices, rules and levels, a checkpoint, money."""

_DAY = 86_400
_HOLD = 7 * _DAY
_COOL_DOWN = 1_800
_M32, _M40, _M96, _M104, _M112, _M128 = (2**bits - 1 for bits in (32, 40, 96, 104, 112, 128))
_MAX_VALUE = 2**120
_AVERAGE_TIME = 2_700
_FADE_TIME = 86_400
_MAX_GAP = 3_600
_WAIT_TIME = 1_800
_LATCHED = 1 << 227
_SCALE = 10**24
"""Values of SOLV-8 are tokens times price in this many parts."""

VALID, JUMP, DISPERSED, STALE = range(4)

SENTENCES = {promise.id: promise.sentence for promise in catalogue()}
SENTENCES["SOLV-8"] = (
    "Within one block no sequence of calls by any set of actors raises their joint net worth by"
    " more than dust, liquidation of others and booked losses aside."
)


class Price(NamedTuple):
    """What an asset counts at now [WAD per whole token], see contracts/modules/price_oracle.vy."""

    spot: int
    """0: no valid price."""
    new_collateral: int
    new_debt: int
    level: int
    status: int
    borrow_ltv: int  # [BPS]
    weight: int  # [BPS]
    leverage: int  # [halves]
    as_collateral: int
    as_debt: int
    valid: bool
    liquidation_ltv: int  # [BPS]
    tip: int  # [WAD]
    incentive_max: int  # [WAD]
    average: int
    volatility: int  # [WAD]


class Health(NamedTuple):
    """A position at liquidation prices."""

    factor: int  # [WAD]
    collateral: int  # [WAD]
    debt: int  # [WAD]
    tip: int  # [WAD]
    incentive_max: int  # [WAD]
    priced: bool

    @property
    def under_water(self) -> bool:
        """Whether it cannot pay debt and tip."""
        return self.collateral * WAD <= self.debt * (WAD + self.tip)


Legs = list[tuple[int, int]]


def parse(words: Sequence[int]) -> Legs:
    """(tag, amount) of each leg."""
    first = words[0]
    count = first >> 244 & 15
    if count == 0:
        return []
    found = [(first >> 208 & 255, first & _M104)]
    for i in range(1, count):
        word = words[i >> 1]
        if i & 1:
            found.append((word >> 216 & 255, word >> 104 & _M104))
        else:
            found.append((word >> 208 & 255, word & _M104))
    return found


class _Asset:
    """Where the words of an asset are."""

    __slots__ = (
        "age",
        "bad",
        "balance",
        "band",
        "base",
        "book",
        "breaker",
        "checkpoint",
        "debt",
        "decimals",
        "feed",
        "id",
        "latch",
        "observation",
        "pegged",
        "rule",
        "scale",
        "source",
        "sources",
        "symbol",
        "term",
        "token",
        "unit",
        "vault",
    )

    def __init__(self, world: World, symbol: str, id: int) -> None:
        listing = world.listings[symbol]
        token = world.contracts[f"token.{symbol}"].address
        self.symbol = symbol
        self.id = id
        self.token = token
        self.decimals = listing.decimals
        self.unit = listing.unit
        self.scale = 10 ** (24 - listing.decimals)
        self.book = mapped(4, token)
        self.debt = mapped(5, token)
        self.rule = 3 + id
        self.checkpoint = 131 + id
        self.observation = 259 + id
        self.term = 517 + id
        self.latch = mapped(1, token)
        self.breaker = mapped(38, token)
        self.balance = mapped(6, world.contracts["engine"].address)
        self.vault = world.debts.index(symbol) if symbol in world.debts else -1
        feed = world.contracts.get(f"feed.{symbol}")
        self.feed = None if feed is None else feed.address
        of = listing.rate_over or symbol
        self.age = world.configs[symbol].max_age
        self.band, self.pegged = listing.band, listing.pegged
        self.sources = [
            world.contracts[f"source.{of}.{i}"].address
            for i in range(len(world.listings[of].sources))
        ]
        self.base = list(world.listings).index(of) + 1 if listing.rate_over else None
        self.source = self.sources[0]
        self.bad = isinstance(world.contracts[f"source.{of}.0"], mocks.BadFeedMock)


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
        self.balance = mapped(6, self.address)
        self.fund_shares = mapped(9, self.fund)
        self.latch = mapped(1, self.address)


def _topics() -> dict[bytes, str]:
    found: dict[bytes, str] = {}
    for contract in ("CreditEngine", "LendingVault", "InsuranceFund", "RiskEngine"):
        interface: Interface = interface_of(contract)
        for topic, event in interface.events.items():
            if event.name in _EVENTS:
                found[topic] = event.name
    return found


_EVENTS = frozenset(
    {
        "Approval", "Borrow", "Collect", "Deposit", "DepositCollateral", "FlashLoan", "Lend",
        "Liquidate", "MoveCollateral", "Poke", "Repay", "Seize", "SetOperator", "SettleFee",
        "Transfer", "Withdraw", "WithdrawCollateral", "WriteOff",
    }
)  # fmt: skip


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
_FAR = float("inf")

_CALLBACKS = frozenset({"flashLoan", "liquidate", "execute"})
"""Functions that let a contract that calls them do anything meanwhile."""


class Watch:
    """Judges calls on one market. The market must be as it is meant to be when a watch begins."""

    def __init__(self, world: World) -> None:
        if not isinstance(world.host, EvmHost):
            raise TypeError("a watch needs the in-process EVM")
        self.world = world
        self.host = world.host
        self.evm = world.host._evm
        self.slack: dict[str, float] = {}
        self.judged: dict[str, int] = dict.fromkeys(SENTENCES, 0)
        """How often each promise was judged."""
        self.thorough = False
        """Sweep after every call: slow, for telling which call broke something."""
        self._topics = _topics()
        self._engine = world.contracts["engine"].address
        self._risk = world.contracts["risk"].address
        self._breaker = world.contracts["breaker"].address
        # an asset that is not listed yet gets the next id
        self._listed = [_Asset(world, s, i + 1) for i, s in enumerate(world.listings)]
        self._vaults = [_Vault(world, s, i) for i, s in enumerate(world.debts)]
        self._by_token = {asset.token: asset.id for asset in self._listed}
        self._by_topic = {
            bytes.fromhex(asset.token[2:]).rjust(32, b"\0"): asset.id for asset in self._listed
        }
        self._vault_at = {vault.address: vault.index for vault in self._vaults}
        self._fund_at = {vault.fund: vault.index for vault in self._vaults}
        self._names = {world.account(name): i for i, name in enumerate(world.accounts)}
        self._ids = list(self._names)
        self._account_of = {name: world.account(name) for name in world.accounts}
        self._slots = [mapped(3, account) for account in self._ids]
        self._protocol = {
            bytes.fromhex(address[2:]).rjust(32, b"\0")
            for address in (
                "0x" + "00" * 20,
                self._engine,
                *(contract.address for name, contract in world.contracts.items() if "." in name),
            )
        }
        self._caller = world.contracts["attacker"].address
        self._attacker = bytes.fromhex(world.contracts["attacker"].address[2:]).rjust(32, b"\0")
        self._actors: dict[str, bytes] = {}
        self._all_vaults = tuple(range(len(self._vaults)))
        self._kinds: dict[tuple[str, str], tuple[int, tuple[int, ...]]] = {}
        self._factors: dict[int, tuple[Any, Any, list[tuple[int, Price | None]], int]] = {}
        self._lenders = {name: mapped(9, world.roles[name]) for name in ("lender_1", "lender_2")}
        self._feeds: dict[str, list[int]] = {}
        self._found: list[Violation] = []
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
        self.legs = [parse(words) for words in self.accounts]
        self.sums = self._add_up()
        self.books = [0] * (len(self._listed) + 1)
        self.held = [0] * (len(self._listed) + 1)
        self.vaults: list[tuple[int, int, int, int, int]] = []
        self.configs: list[tuple[int, int, int, int]] = []
        self.funds: list[tuple[int, int]] = []
        self.rules: list[tuple[int, ...]] = [()] * (len(self._listed) + 1)
        for asset in self._listed:
            self.books[asset.id] = storage(engine, asset.book)
            self.held[asset.id] = storage(asset.token, asset.balance)
            self.rules[asset.id] = self._read_rules(asset)
        for vault in self._vaults:
            self.vaults.append(self._read_vault(vault))
            self.configs.append(self._read_config(vault))
            self.funds.append((storage(vault.fund, 0), storage(vault.fund, 1)))
        self.prices: list[Price | None] = [None] * (len(self._listed) + 1)
        self.quotes: list[tuple[tuple[int, int, int, int], int]] = [((0, 0, 0, 0), -1)] * (
            len(self._listed) + 1
        )
        self.indices = [0] * len(self._vaults)
        self.holds: dict[int, list[tuple[int, int]]] = {}
        self.operators: set[tuple[bytes, bytes]] = set()
        self.approved: set[tuple[str, bytes, bytes]] = self._approved()
        self.armed = False
        self.sliced: dict[tuple[bytes, int, int], tuple[int, tuple[int, ...], int, int, int]] = {}

    def _approved(self) -> set[tuple[str, bytes, bytes]]:
        """Who may move whose tokens and shares, people only."""
        return set()

    def _state(self) -> tuple[Any, ...]:
        return (
            self.now, self.block, list(self.accounts), list(self.legs), dict(self.sums),
            list(self.books), list(self.held), list(self.vaults), list(self.configs),
            list(self.funds), list(self.rules), list(self.quotes),
        )  # fmt: skip

    def reset(self) -> None:
        """The base checkpoint was restored."""
        base = self._base
        self.now, self.block = base[0], base[1]
        self.accounts, self.legs, self.sums = list(base[2]), list(base[3]), dict(base[4])
        self.books, self.held, self.vaults = list(base[5]), list(base[6]), list(base[7])
        self.configs, self.funds, self.rules = list(base[8]), list(base[9]), list(base[10])
        self.quotes = list(base[11])
        self.prices = [None] * len(self.prices)
        self.indices = [0] * len(self.indices)
        self.holds = {}
        self.operators = set()
        self.approved = self._approved()
        self.armed = False
        self.sliced = {}

    def _read_account(self, i: int) -> tuple[int, ...]:
        storage, engine, slot = self.evm.storage, self._engine, self._slots[i]
        first = storage(engine, slot)
        count = first >> 244 & 15
        if count <= 2:
            return (first,)
        return (first, *(storage(engine, slot + k) for k in range(1, (count + 1) >> 1)))

    def _read_rules(self, asset: _Asset) -> tuple[int, ...]:
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
            storage(address, 3),
            storage(address, 4),
            storage(address, 5),
            storage(vault.token, vault.balance),
            storage(address, vault.fund_shares) & _M128,
        )

    def _read_config(self, vault: _Vault) -> tuple[int, int, int, int]:
        """Reserve factor, deposit cap, debt cap, highest rate."""
        word = self.evm.storage(vault.address, 6)
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
                self.quotes[id] = (0, 0, 0, 0), -1
        elif kind == POKE:
            self._poked(args[0] if args else None)
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
        names = self._topics
        result = self.evm.result
        assert result is not None
        for log in result.logs:
            topics, data = log.data
            if not topics:
                continue
            name = names.get(topics[0])
            if name is None:
                continue
            words = tuple(_word(data[i : i + 32], "big") for i in range(0, len(data), 32))
            found.append(Event(name, log.address, topics, words))
        return found

    # ------------------------------------------------------------ findings

    def _break(self, promise: str, what: str, slack: int) -> None:
        self._found.append(Violation(promise, SENTENCES[promise], what, self.now, slack))

    def _room(self, promise: str, slack: int, per: int, what: str, name: str = "") -> None:
        """One comparison: broken below zero, else how near, as a share of `per`."""
        self.judged[promise] += 1
        if slack < 0:
            self._break(promise, what.format(name), slack)
            return
        share = slack / per if per > 0 else slack
        if share < self.slack.get(promise, _FAR):
            self.slack[promise] = float(share)

    # ------------------------------------------------------------ prices

    def _quote(self, asset: _Asset, rule: int) -> tuple[int, int, int, int]:
        """low, price, high, status of the source; zeros when it is not valid."""
        known, until = self.quotes[asset.id]
        now = self.now
        if now <= until:
            return known
        storage = self.evm.storage
        if asset.feed is None:
            if asset.bad:
                if storage(asset.source, BAD_MODE):
                    found, until = (0, 0, 0, 0), 2**64
                    self.quotes[asset.id] = found, until
                    return found
                words = [storage(asset.source, BAD_WORDS + i) for i in (0, 1, 3, 4)]
            else:
                words = [storage(asset.source, AGGREGATOR_ROUND + i) for i in range(4)]
            source = aggregator_source(rule, now, words[0], words[1], words[2], words[3])
            found = (source.low, source.price, source.high, source.status)
            until = words[2] + (rule >> 160 & 4_095) * 60 if source.price else now
            self.quotes[asset.id] = found, until
            return found
        if asset.base is not None:
            return self._rate_quote(asset, rule)
        return self._median_quote(asset, rule)

    def _median_quote(self, asset: _Asset, rule: int) -> tuple[int, int, int, int]:
        """What a MedianFeed answers over mock aggregators; see contracts/feeds."""
        storage, now = self.evm.storage, self.now
        age = asset.age
        prices: list[int] = []
        oldest, until = now, 2**64
        for source in asset.sources:
            round_id = storage(source, AGGREGATOR_ROUND)
            answer = storage(source, AGGREGATOR_ROUND + 1)
            updated_at = storage(source, AGGREGATOR_ROUND + 2)
            answered_in = storage(source, AGGREGATOR_ROUND + 3)
            if updated_at > now:
                until = now  # it will be valid
            elif (
                0 < answer < 2**128
                and round_id <= answered_in < 2**80
                and updated_at
                and now - updated_at <= age
            ):
                prices.append(answer * _FEED_UNIT)
                oldest = min(oldest, updated_at)
                until = min(until, updated_at + age)
        prices.sort()
        count, band = len(prices), asset.band
        found = (0, 0, 0, 0)
        if count == 1:
            found = (prices[0], prices[0], prices[0], 1)
        elif count == 2:
            near = (prices[1] - prices[0]) * BPS <= prices[0] * band
            found = (prices[0], (prices[0] + prices[1]) // 2, prices[1], 2 if near else 3)
        elif count == 3:
            low, price, high = prices
            if asset.pegged:
                near = (high - low) * BPS <= low * band
            else:
                near = (price - low) * BPS <= low * band or (high - price) * BPS <= price * band
            found = (price, price, price, 2) if near else (low, price, high, 3)
        upper = rule >> 243 & 127
        if (
            now - oldest > (rule >> 160 & 4_095) * 60
            or found[0] >> (upper - (rule >> 250)) == 0
            or found[2] >> upper != 0
        ):
            found = (0, 0, 0, 0)
        self.quotes[asset.id] = found, until
        return found

    def _rate_quote(self, asset: _Asset, rule: int) -> tuple[int, int, int, int]:
        """What a RateFeed answers over the mock of a staked token; see contracts/feeds."""
        storage, now = self.evm.storage, self.now
        assert asset.base is not None
        assert asset.feed is not None
        base = self._listed[asset.base - 1]
        low, price, high, status = self._quote(base, self.rules[base.id][0])
        actual = storage(asset.token, _STAKED_RATE)
        found = (0, 0, 0, 0)
        if price and 10**15 <= actual <= 10**27:
            packed = storage(asset.feed, 0)
            stored = packed & _M128
            bounded = stored + stored * _GROWTH * (now - (packed >> 128)) // (BPS * YEAR)
            low = min(actual, bounded) * low // WAD
            price = actual * price // WAD
            high = (actual * high + WAD - 1) // WAD
            upper = rule >> 243 & 127
            if low >> (upper - (rule >> 250)) != 0 and high >> upper == 0:
                found = (low, price, high, status)
        self.quotes[asset.id] = found, now
        return found

    def spot(self, id: int) -> int:
        """Price of the source; 0 when it is not valid [WAD]."""
        found = self.prices[id]
        if found is not None:
            return found[0]
        return self._quote(self._listed[id - 1], self.rules[id][0])[1]

    def price(self, id: int) -> Price:
        """What an asset counts at now."""
        found = self.prices[id]
        if found is None:
            found = self.prices[id] = self._price(id, self.rules[id], 0)
        return found

    def _price(self, id: int, words: Sequence[int], patience: int) -> Price:
        asset = self._listed[id - 1]
        rule, term, checkpoint, seen, latch = words[:5]
        now = self.now
        low, spot, high, feed_status = self._quote(asset, rule)
        stored = checkpoint & _M96
        average = checkpoint >> 96 & _M96
        poked_at = checkpoint >> 224
        if stored != average and now != poked_at:
            x = min(now - poked_at, _AVERAGE_TIME // 3) * WAD // _AVERAGE_TIME
            square = x * x // WAD
            share = x - square // 2 + square * x // (6 * WAD)
            if stored > average:
                average += (stored - average) * share // WAD
            else:
                average -= (average - stored) * share // WAD
        level = 0
        if spot == 0:
            status, level = STALE, 2
        elif feed_status == 3:
            status, level = DISPERSED, 1
        elif abs(spot - average) * BPS > average * (rule >> 177 & 127) * 50:
            status, level = JUMP, 1
        else:
            status = VALID
        if now < latch & (2**64 - 1) and level < 1:
            level = 1
        if now < latch >> 64 & (2**64 - 1):
            level = 2

        as_collateral, as_debt, valid = high, low, True
        if status == JUMP:
            since = seen >> 128 & _M32
            poked = (
                since != 0
                and (spot > average) == (seen >> 236 & 1 == 1)
                and now <= poked_at + _MAX_GAP
            )
            confirmed = feed_status == 2 or (poked and seen >> 237 & 1 == 1)
            if patience:
                confirmed = confirmed and poked and now >= since + patience
            if not confirmed:
                as_collateral, as_debt = max(high, average), min(low, average)
        elif status == DISPERSED:
            waited = seen >> 224 & 4_095
            if seen >> 238 & 1:
                waited = min(waited + now - poked_at, _WAIT_TIME)
            elif now >= (seen >> 192 & _M32) + _DAY:
                waited = 0
            if waited >= _WAIT_TIME:
                as_collateral = as_debt = spot
        elif status == STALE:
            last, faded = seen >> 160 & _M32, 0
            if last:
                faded = min((seen >> 239) + min(now - last, _MAX_GAP), _FADE_TIME)
            as_collateral = stored * (_FADE_TIME - faded) // _FADE_TIME
            as_debt, valid = stored, False

        ltv = rule >> 184 & 16_383
        slope = rule >> 228 & 127
        volatility = (checkpoint >> 192 & _M32) * 10**9
        reference = (rule >> 235 & 255) * 10**15
        if slope and volatility > reference:
            drop = (volatility - reference) * slope // 10**15
            ltv = max(max(ltv - (rule >> 198 & 255) * 50, 0), ltv - drop)
        start, end = term & 16_383, term >> 14 & 16_383
        if start != end:
            elapsed, duration = now - (term >> 28 & _M40), term >> 68 & 0xFFFFFF
            if elapsed < duration:
                if end > start:
                    end = start + (end - start) * elapsed // duration
                else:
                    end = start - (start - end) * elapsed // duration
        return Price(
            spot,
            min(low, average),
            max(high, average) if spot else stored,
            level,
            status,
            ltv,
            BPS + (rule >> 206 & 255) * 100,
            rule >> 214 & 255,
            as_collateral,
            as_debt,
            valid,
            end,
            (term >> 92 & 16_383) * 10**14,
            (term >> 120 & 16_383) * 10**14,
            average,
            volatility,
        )

    def index(self, v: int) -> int:
        """Of a vault, with the interest until now [RAY]."""
        found = self.indices[v]
        if not found:
            rates = self.vaults[v][1]
            elapsed = self.now - (rates >> 192 & _M32)
            found = rates & _M112
            if elapsed > 0:
                found = grow(found, rates >> 112 & _M40, elapsed)
            self.indices[v] = found
        return found

    # ------------------------------------------------------------ positions

    def health(self, legs: Legs, patience: int = 0, rules: Any = None) -> Health:
        """At liquidation prices; with other rules if given."""
        value_collateral = value_debt = collateral = debt = tip = most = 0
        priced = True
        for tag, amount in legs:
            asset = self._listed[(tag & 127) - 1]
            if patience or rules is not None:
                words = self.rules[asset.id] if rules is None else rules[asset.id]
                price = self._price(asset.id, words, patience)
            else:
                price = self.price(asset.id)
            if not price.valid:
                priced = False
            if tag >= 128:
                owed = min(-(-amount * self.index(asset.vault) // RAY), _M104)
                value = min(-(-owed * price.as_debt // asset.unit), _MAX_VALUE)
                value_debt += value
                debt += value * price.weight
            else:
                value = min(amount * price.as_collateral // asset.unit, _MAX_VALUE)
                value_collateral += value
                collateral += value * price.liquidation_ltv
                if price.tip > tip:
                    tip = price.tip
                if price.incentive_max > most:
                    most = price.incentive_max
        factor = collateral * WAD // debt if debt else MAX_UINT256
        return Health(factor, value_collateral, value_debt, tip, most, priced)

    def factor(self, i: int) -> int:
        """Health factor of an account; kept while its legs and prices stay."""
        legs, prices = self.legs[i], self.prices
        known = self._factors.get(i)
        if known is not None and known[0] is legs and known[1] is prices:
            for id, price in known[2]:
                if prices[id] is not price:
                    break
            else:
                return known[3]
        factor = self.health(legs).factor
        used = [(tag & 127, prices[tag & 127]) for tag, _ in legs]
        self._factors[i] = legs, prices, used, factor
        return factor

    def margin(self, legs: Legs) -> tuple[int, int, int, int, int]:
        """Room of initial margin [WAD * BPS], what is required, and leverage's room, exposure and
        least cap; by the part of the collateral, in order, that leaves most."""
        required = debt = 0
        leverage = 255
        for tag, amount in legs:
            if tag < 128:
                continue
            asset = self._listed[(tag & 127) - 1]
            price = self.price(asset.id)
            owed = min(-(-amount * self.index(asset.vault) // RAY), _M104)
            value = min(-(-owed * price.new_debt // asset.unit), _MAX_VALUE)
            debt += value
            required += value * price.weight
            leverage = min(leverage, price.leverage)
        counted = exposure = 0
        best = (-required, required, -debt * leverage, 0, leverage)
        for tag, amount in legs:
            if tag >= 128:
                continue
            asset = self._listed[tag - 1]
            price = self.price(tag)
            if price.level == 2:
                continue
            value = min(amount * price.new_collateral // asset.unit, _MAX_VALUE)
            exposure += value
            counted += value * price.borrow_ltv
            leverage = min(leverage, price.leverage)
            room = counted - required
            free = exposure * (leverage - 2) - debt * leverage
            if min(best[0], best[2]) < 0 or min(room, free) >= 0:
                best = (room, required, free, exposure, leverage)
        return best

    def net(self, legs: Legs) -> int | None:
        """max(0, collateral - debt) at the sources' prices [1 / (_SCALE * WAD)]; None: no price."""
        found = 0
        for tag, amount in legs:
            asset = self._listed[(tag & 127) - 1]
            spot = self.spot(asset.id)
            if spot == 0:
                return None
            if tag >= 128:
                owed = -(-amount * self.index(asset.vault) // RAY)
                found -= owed * spot * asset.scale
            else:
                found += amount * spot * asset.scale
        return found if found > 0 else 0

    # ------------------------------------------------------------ calls that move money

    def _market(
        self, target: str, actor: str, touched: tuple[int, ...], args: Sequence[Any]
    ) -> None:
        vault_at = self._vault_at
        by_vault: dict[int, list[Event]] = {v: [] for v in touched}
        engine_events: list[Event] = []
        named: set[bytes] = set()
        ids: set[int] = set()
        liquidations: list[Event] = []
        funds: set[int] = set()
        minted: dict[int, int] = {}
        transfers: list[tuple[Any, bytes]] = []
        names = self._topics
        result = self.evm.result
        assert result is not None
        for log in result.logs:
            topics, data = log.data
            name = names.get(topics[0]) if topics else None
            if name is None:
                continue
            if name == "Transfer":
                if any(data):
                    transfers.append((log, topics[1]))
                continue
            size = len(data)
            words: tuple[int, ...]
            if size == 64:
                words = (_word(data[:32], "big"), _word(data[32:], "big"))
            elif size == 32:
                words = (_word(data, "big"),)
            else:
                words = tuple([_word(data[i : i + 32], "big") for i in range(0, size, 32)])
            event = Event(name, log.address, topics, words)
            v = vault_at.get(event.address)
            if v is not None:
                if v in by_vault:
                    by_vault[v].append(event)
                else:
                    by_vault[v] = [event]
                if name == "SettleFee":
                    minted[v] = minted.get(v, 0) + words[1]
                elif name == "Approval":
                    self._approve(event)
            elif event.address == self._engine:
                engine_events.append(event)
                account = topics[1]
                named.add(account)
                if name == "MoveCollateral":
                    named.add(topics[2])
                    ids.add(self._by_topic.get(topics[3], 0))
                elif name == "Liquidate":
                    liquidations.append(event)
                    ids.add(self._by_topic.get(topics[3], 0))
                elif name == "SetOperator":
                    self.operators.add((account, topics[2]))
                elif name not in ("Borrow", "Repay"):
                    ids.add(self._by_topic.get(topics[2], 0))
            elif event.address in self._fund_at:
                if name == "Approval":
                    self._approve(event)
                v = self._fund_at[event.address]
                funds.add(v)
                by_vault.setdefault(v, [])
            elif name == "Approval":
                self._approve(event)
        if target[:6] == "token.":
            asset_id = self._by_token.get(self.world.contracts[target].address, 0)
            if asset_id:
                ids.add(asset_id)
        ids.discard(0)

        if target == "engine":
            named.update(self._credited(args))
        moved = self._actor(actor)
        if transfers:
            self._takings(transfers, moved)

        # what it was before, at now: the accounts' values need the old words and the same index
        gain = 0
        fuzz = 0
        before_vaults = {}
        losses = False
        unpaid: dict[int, int] = {}
        for v, events in by_vault.items():
            old = self.vaults[v]
            new = self._read_vault(self._vaults[v])
            before_vaults[v] = old
            if old == new and not events:
                continue
            rise, lost = self._vault(v, old, new, events)
            if lost:
                losses = True
                unpaid[self._vaults[v].asset] = lost
            asset = self._listed[self._vaults[v].asset - 1]
            spot = self.spot(asset.id)
            gain += (rise + old[3] - new[3]) * spot * asset.scale
            fuzz += (2 + len(events)) * spot * asset.scale
            self.vaults[v] = new

        changed = self._accounts(named, ids, bool(engine_events) or target == "engine")
        for id in ids:
            asset = self._listed[id - 1]
            book = self.evm.storage(self._engine, asset.book)
            held = self.evm.storage(asset.token, asset.balance)
            total = book & _M112
            if book >> 112 & 255:
                gap = abs(self.sums.get(id, 0) - total)
                self._room("SOLV-3", -gap, 0, "collateral {}", asset.symbol)
                self._room("SOLV-1", held - total, 0, "the engine's balance of {}", asset.symbol)
            spot = self.spot(id)
            gain += (self.held[id] - held) * spot * asset.scale
            fuzz += spot * asset.scale
            self.books[id] = book
            self.held[id] = held
        for v in by_vault:
            shares = self.vaults[v][0] >> 112 & _M112
            gap = abs(self.sums.get(self._vaults[v].asset | 128, 0) - shares)
            self._room("SOLV-3", -gap, 0, "debt shares of {}", self._vaults[v].symbol)
        for v in funds:
            self._fund(v, before_vaults.get(v), minted.get(v, 0))
        if minted:
            for v in minted:
                vault = self._vaults[v]
                storage = self.evm.storage
                self.funds[v] = storage(vault.fund, 0), storage(vault.fund, 1)

        if engine_events:
            self._new_risk(engine_events, changed)
            self._caps(engine_events, changed)
            if liquidations:
                self._liquidated(liquidations, engine_events, changed)
                for event in liquidations:
                    id = self._by_topic.get(event.topics[2], 0)
                    unpaid[id] = unpaid.get(id, 0) - event.words[3]
        for id, gap in unpaid.items():
            symbol = self._listed[id - 1].symbol
            self._room("SOLV-9", -abs(gap), 0, "losses of {}, reported and booked", symbol)
        self._no_free_lunch(gain, fuzz, changed, liquidations, moved, losses)

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
            found = self._actors[address] = bytes.fromhex(address[2:]).rjust(32, b"\0")
        return found

    def _approve(self, event: Event) -> None:
        self.approved.add((event.address, event.topics[1], event.topics[2]))

    def _takings(self, transfers: list[tuple[Any, bytes]], actor: bytes) -> None:
        """Nobody loses tokens or shares in a call that is not his, without having approved."""
        for log, source in transfers:
            if source == actor or source in self._protocol or source == self._attacker:
                continue
            address = log.address
            self._room(
                "SOLV-8",
                0 if (address, source, actor) in self.approved else -1,
                0,
                "tokens of {} taken from who did not act",
                self.world.name(address),
            )

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
                    room("CAP-1", deposit_cap - total, deposit_cap, "deposit cap of {}", symbol)
                elif event.name == "Withdraw":
                    ahead = event.words[1] * old_assets - event.words[0] * old_supply + other
                    room("SOLV-10", ahead, old_supply, "a withdrawal of {}", symbol)
        if lent:
            room("CAP-1", debt_cap - debt, debt_cap, "debt cap of {}", symbol)
        return rise, sum(event.words[1] for event in booked)

    def _fund(self, v: int, before: tuple[int, ...] | None, minted: int) -> None:
        """A fund's share is worth no less after an entry or exit than before it."""
        vault = self._vaults[v]
        storage = self.evm.storage
        supply, reserve = storage(vault.fund, 0), storage(vault.fund, 1)
        old_supply, old_reserve = self.funds[v]
        self.funds[v] = supply, reserve
        if before is None or old_reserve == 0:
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

    def _accounts(self, named: set[bytes], ids: set[int], look: bool) -> list[Change]:
        """Accounts that changed: number, id, legs before and after. Sums follow."""
        changed: list[Change] = []
        if not look and not named:
            return changed
        storage, engine, slots = self.evm.storage, self._engine, self._slots
        for i, old in enumerate(self.accounts):
            if storage(engine, slots[i]) == old[0] and (len(old) == 1 or self._ids[i] not in named):
                continue
            words = self._read_account(i)
            if words == old:
                continue
            account = self._ids[i]
            before, after = self.legs[i], parse(words)
            if account not in named:
                what = f"{self.world.accounts[i]}: legs changed by a call that does not name it"
                self._room("SOLV-11", -1, 0, what)
            self.accounts[i], self.legs[i] = words, after
            sums = self.sums
            for tag, amount in before:
                sums[tag] = sums.get(tag, 0) - amount
            for tag, amount in after:
                sums[tag] = sums.get(tag, 0) + amount
                if amount == 0:
                    self._room("SOLV-3", -1, 0, "an empty leg of {}", self.world.accounts[i])
            for tag, _ in before:
                if tag < 128:
                    ids.add(tag)
            changed.append(Change(i, account, old, before, after))
        return changed

    def _new_risk(self, events: list[Event], changed: list[Change]) -> None:
        raised = {
            event.topics[1]
            for event in events
            if event.name in ("Borrow", "WithdrawCollateral", "MoveCollateral")
        }
        for i, account, _, before, after in changed:
            if account not in raised or not any(tag >= 128 for tag, _ in after):
                continue
            room, required, free, exposure, leverage = self.margin(after)
            if min(room, free) < 0 and self._is_safer(before, after):
                continue
            name = self.world.accounts[i]
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
    ) -> None:
        weak = {event.topics[1] for event in liquidations}
        clipped = losses
        for i, account, _, before, after in changed:
            old, new = self.net(before), self.net(after)
            if old is None or new is None:
                return
            gain += new - old
            dust = self._unit_values(before) + self._unit_values(after)
            fuzz += dust
            if account in weak:
                # what he could not pay is not his: a liquidation of him shows as a gain
                clipped = clipped or old == 0 or new == 0 or self.health(before).under_water
            elif new < old:
                owner = account[:20].rjust(32, b"\0")
                if owner not in (actor, self._attacker) and (account, actor) not in self.operators:
                    self._room("SOLV-8", new - old + dust, 0, "taken from {}", self._name(i))
        if not clipped:
            self._room("SOLV-8", fuzz - gain, fuzz, "joint net worth of all actors")

    def _name(self, i: int) -> str:
        return self.world.accounts[i]

    def _unit_values(self, legs: Legs) -> int:
        """What one unit of every debt is worth."""
        found = 0
        for tag, _ in legs:
            if tag >= 128:
                asset = self._listed[(tag & 127) - 1]
                found += self.spot(asset.id) * asset.scale
        return found

    # ------------------------------------------------------------ rules, levels, checkpoints

    def _poked(self, asset: Any) -> None:
        """A poke may write the checkpoint, observation and latches of one asset."""
        self.sliced = {}
        symbol = str(asset).partition(".")[2]
        for one in self._listed:
            if one.symbol == symbol:
                self._latches(one, None)

    def _latches(self, asset: _Asset, events: list[Event] | None) -> None:
        old = self.rules[asset.id]
        new = self.rules[asset.id] = self._read_rules(asset)
        self.prices[asset.id] = None
        if old == new:
            return
        now = self.now
        for reason in (0, 1, 2):
            level, until = old[5] >> 42 * reason + 40 & 3, old[5] >> 42 * reason & _M40
            if level and until > now:
                left = new[5] >> 42 * reason + 40 & 3, new[5] >> 42 * reason & _M40
                self._room(
                    "GATE-2", min(left[0] - level, left[1] - until), 0,
                    f"latch {reason} of {asset.symbol} until {until}",
                )  # fmt: skip
        for event in self.events() if events is None else events:
            if event.name == "Poke" and event.words[3] == JUMP:
                until = new[5] & _M40
                self._room(
                    "GATE-2", until - now - _COOL_DOWN, _COOL_DOWN, "a jump of {}", asset.symbol
                )
        if old[4] != new[4]:
            self._hold(asset, new[4])

    def _hold(self, asset: _Asset, latch: int) -> None:
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
        events = self.events()  # before the EVM is asked for a quote
        before = list(self.rules)
        self.quotes = [((0, 0, 0, 0), -1)] * len(self.quotes)
        healthy = None
        for asset in self._listed:
            old = before[asset.id]
            new = self._read_rules(asset)
            if new == old:
                continue
            if old[0] and (new[1] != old[1] or (new[0] ^ old[0]) & ~_LATCHED) and healthy is None:
                healthy = [i for i, legs in enumerate(self.legs) if self.health(legs).factor >= WAD]
            if old[2] and new[2] != old[2]:
                self._room("SOLV-11", -1, 0, "stored price of {}", asset.symbol)
        for asset in self._listed:
            self._latches(asset, events)
        for i in healthy or ():
            factor = self.health(self.legs[i]).factor
            self._room("GATE-3", min(factor, 2**128) - WAD, WAD, "{}, new rules", self._name(i))
        by_vault: dict[int, list[Event]] = {v: [] for v in touched}
        for event in events:
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
                self.accounts[i] = self._read_account(i)
                self.legs[i] = parse(self.accounts[i])
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

    # ------------------------------------------------------------ liveness

    def trials(self, send: Callable[[Trial], str | None]) -> list[Violation]:
        """Make the calls that must work: one debtor, one lender, everyone below maintenance.

        `send` makes a call for good and tells why it was refused. Which ones are tried depends on
        the state alone, so that a replay tries the same.
        """
        found: list[Violation] = []
        self._found = []
        turn = self.block + self.now
        weak = [
            i
            for i, legs in enumerate(self.legs)
            if any(tag >= 128 for tag, _ in legs) and self.factor(i) < WAD
        ]
        for i in weak:
            self._try_liquidate(i, send, found)
        count = len(self.legs)
        for offset in range(count):
            i = (turn + offset) % count
            if any(tag >= 128 for tag, _ in self.legs[i]):
                self._try_repay(i, send, found)
                break
        if self._vaults:
            self._try_withdraw(turn % len(self._vaults), send, found)
        return found

    def _failed(self, promise: str, call: Trial, reason: str, found: list[Violation]) -> None:
        what = f"{call[1]}.{call[2]} by {call[0]} was refused: {reason or 'no reason'}"
        found.append(Violation(promise, SENTENCES[promise], what, self.now, -1))

    def _held_up(self, promise: str) -> None:
        self.judged[promise] += 1

    def _moves(self, asset: _Asset) -> bool:
        """Whether a token is in a state in which it can be paid at all."""
        if not isinstance(self.world.contracts[f"token.{asset.symbol}"], mocks.OddTokenMock):
            return True
        storage = self.evm.storage
        return bool(storage(asset.token, 8)) and not storage(asset.token, 10)

    def _try_repay(
        self, i: int, send: Callable[[Trial], str | None], found: list[Violation]
    ) -> None:
        name = self._name(i)
        for tag, _ in list(self.legs[i]):
            asset = self._listed[(tag & 127) - 1]
            token = f"@token.{asset.symbol}"
            if tag >= 128:
                args = (name, token, MAX_UINT256)
                call: Trial | None = ("keeper", "engine", "repay", args, 0, 0)
            else:
                call = self._top_up(i, asset)
            if call is None:
                continue
            self._held_up("LIVE-1")
            reason = send(call)
            if reason is not None and reason != "blocked":
                self._failed("LIVE-1", call, reason, found)

    def _top_up(self, i: int, asset: _Asset) -> Trial | None:
        """A little of a collateral that an account holds; None where it need not be possible."""
        book = self.books[asset.id]
        code = book >> 120 & 0xFFFFFF
        room = ((code & 65_535) << (code >> 16)) - (book & _M112)
        if room < 2 or not self.price(asset.id).valid or not self._moves(asset):
            return None
        amount = 1
        if asset.symbol == "ODD" and self.evm.storage(asset.token, 9):
            amount = min(room, 10**6)  # or its fee takes all
        args = (self._name(i), f"@token.{asset.symbol}", amount)
        return "keeper", "engine", "deposit_collateral", args, 0, 0

    def _try_withdraw(
        self, v: int, send: Callable[[Trial], str | None], found: list[Violation]
    ) -> None:
        vault = self._vaults[v]
        storage = self.evm.storage
        halted = storage(vault.address, vault.latch) >> 64 & (2**64 - 1)
        if self.now < halted:
            return
        books, _, claims, _, _ = self.vaults[v]
        factor = self.configs[v][0]
        total = (books & _M112) + (books >> 112 & _M112) * self.index(v) // RAY
        base = claims >> 128
        fee = (total - base) * factor // BPS if total > base else 0
        for lender in ("lender_1", "lender_2"):
            shares = storage(vault.address, self._lenders[lender]) & _M128
            worth = shares * (total - fee + 1) // ((claims & _M128) + 10**6)
            assets = min(worth, books & _M112)
            if assets == 0:
                continue
            args = (assets, f"@{lender}", f"@{lender}")
            call: Trial = (lender, f"vault.{vault.symbol}", "withdraw", args, 0, 0)
            self._held_up("LIVE-2")
            reason = send(call)
            if reason is not None:
                self._failed("LIVE-2", call, reason, found)
            return

    def _is_dust(self, i: int, debts: list[int]) -> bool:
        """Whether all that an account holds with a price is worth less than two units of a debt."""
        worth = 0
        for tag, amount in self.legs[i]:
            if tag < 128 and self.price(tag).valid:
                worth += amount * self.price(tag).as_collateral // self._listed[tag - 1].unit
        return all(worth <= 2 * self.price(id).as_debt // self._listed[id - 1].unit for id in debts)

    def _try_liquidate(
        self, i: int, send: Callable[[Trial], str | None], found: list[Violation]
    ) -> None:
        """Some liquidation of an account below maintenance must work, from the next block on."""
        stamp = 1 + self.block % (2**20 - 1)
        if any(word >> 224 & (2**20 - 1) == stamp for word in self.accounts[i]):
            return
        legs = list(self.legs[i])
        debts = [tag & 127 for tag, _ in legs if tag >= 128]
        held = [tag for tag, _ in legs if tag < 128]
        priced = [id for id in debts if self.price(id).valid]
        sold = [id for id in held if self.price(id).valid]
        if not priced or (held and not sold):
            return  # it waits for a price
        # who cannot top up cannot be liquidated
        added = ""
        for id in sold[:1]:
            more = self._top_up(i, self._listed[id - 1])
            if more is not None:
                added = send(more) or ""
                if self.factor(i) >= WAD:
                    return  # it was that near
        reasons = []
        self._held_up("LIVE-3")
        for debt in priced:
            for id in sold or [debt]:
                asset = self._listed[id - 1]
                # credited to an account, so that no token can be in its way
                call: Trial = (
                    "keeper", "engine", "liquidate",
                    (self._name(i), f"@token.{self._listed[debt - 1].symbol}",
                     f"@token.{asset.symbol}", MAX_UINT256, 0, "@keeper",
                     "keeper#0", "0x"),
                    0, 0,
                )  # fmt: skip
                reason = send(call)
                if reason is None:
                    self._held_up("GATE-4")
                    if added and added != "blocked":
                        self._failed("GATE-4", call, f"liquidated, and topping up: {added}", found)
                    return
                reasons.append(reason)
        if TOO_RECENT in reasons or (
            set(reasons) == {"nothing to repay"} and self._is_dust(i, priced)
        ):
            return
        text = "; ".join(sorted(set(reasons)))
        self._failed(
            "LIVE-3", ("keeper", "engine", f"liquidate {self._name(i)}", (), 0, 0), text, found
        )


Trial = tuple[str, str, str, tuple[Any, ...], int, int]
"""Sender, target, function, arguments, seconds and blocks before it."""

_STAKED_RATE = 10  # slot of the mock's rate, which the set-up sets
_GROWTH = 1_000  # [BPS a year] of the rate feeds of the world

_FEED_UNIT = 10**10  # answers of the world's aggregators have 8 decimals


def _amount_of(bits: int) -> int:
    """An amount of 46 bits, see contracts/LendingVault.vy."""
    return (bits & (2**41 - 1)) * 10 ** (bits >> 41 & 31)
