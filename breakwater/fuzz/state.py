"""What the watch knows of a market: the words that it has read, and what it has found so far.

Prices are kept until time passes or a feed is set, everything else until a call could touch it.
"""

from __future__ import annotations

from operator import truediv
from typing import Any, Final, NamedTuple

from breakwater.fuzz.events import NOBODY, kinds
from breakwater.fuzz.positions import Positions, parse
from breakwater.fuzz.prices import UNREAD, Asset, balances
from breakwater.fuzz.slots import slot
from breakwater.fuzz.world import World
from breakwater.model import vault_limits
from breakwater.observation.observer import LEAST_FULL_RATE
from breakwater.observation.words import M40, M64, M112, M128, decoded, mapped
from breakwater.promises.sentences import SENTENCES
from breakwater.promises.verdicts import Violation
from breakwater.units import BPS, RAY, YEAR

_DECIMALS: Final = 24
"""Values of SOLV-8 are tokens with so many decimals, times price."""

_OF_CONFIG: Final = 2**157 - 1
"""Bits of a vault's configuration that stand where the owner wrote them."""

_FAR: Final = float("inf")

Grant = tuple[bytes, bytes, bytes]
"""Account, operator, asset (zero: any)."""


class Vault:
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


class Slice(NamedTuple):
    """A part of a liquidation of one pair, as the next part has to find it."""

    now: int
    words: tuple[int, ...]
    patience: int
    incentive: int
    allowed: int
    """What rounding may add to the next incentive."""


class Waited(NamedTuple):
    """Parts of a liquidation at prices that wait for a jump, see docs/specification.md."""

    now: int
    words: tuple[int, ...]
    """Of the account after them."""
    most: int
    """Collateral less debt before them, at the jump [WAD]."""
    gain: int
    """What they took less what they paid, at the jump [WAD]."""


class State(Positions):
    """The words of one market, which must be as it is meant to be when a watch begins."""

    holds: dict[int, list[tuple[int, int]]]
    approved: set[tuple[str, bytes, bytes]]
    """Who may move whose tokens and shares, people only."""
    armed: bool
    """Whether a token calls back."""
    lost: list[int]
    """By asset, what the engine lacks since its issuer took it away [token units]."""
    lost_cash: list[int]
    """By vault, the same."""
    steps: dict[tuple[int, int], int]
    """By asset and parameter, when it was last loosened."""
    listed: dict[int, tuple[int, int]]
    """By asset that was listed since and is new, when, and its first cap."""
    announced: dict[int, tuple[list[int], int]]
    """By asset, the announcement of a settlement as it stands, and since when."""

    def __init__(self, world: World) -> None:
        super().__init__(world, _DECIMALS)
        self.slack: dict[str, float] = {}
        self._exact: set[str] = set()
        """Promises that were judged by what leaves no room."""
        self._found: list[Violation] = []
        self._factors = {}
        self._margins = {}
        self._name_words(world)
        self._name_people(world)
        self.load()
        for asset in self._listed:
            if self.rules[asset.id][0]:
                self.price(asset.id)
        self._base = self._state()

    def _name_words(self, world: World) -> None:
        """Where contracts and their words are."""
        self._topics = kinds()
        self._engine = world.contracts["engine"].address
        self._breaker = world.contracts["breaker"].address
        self._configurator = world.contracts["configurator"].address
        self._vaults = [Vault(world, s, i) for i, s in enumerate(world.debts)]
        self._all_vaults = tuple(range(len(self._vaults)))
        self._by_token = {asset.token: asset.id for asset in self._listed}
        for asset in self._listed:
            twin = world.contracts.get(f"token.{asset.symbol}.twin")
            if twin is not None:
                self._by_token[twin.address] = asset.id
        self._by_name = {f"@token.{asset.symbol}": asset for asset in self._listed}
        self._by_topic = {padded(asset.token): asset.id for asset in self._listed}
        self._vault_at = {vault.address: vault.index for vault in self._vaults}
        self._fund_at = {vault.fund: vault.index for vault in self._vaults}
        names = (
            "_books", "_rates", "_claims", "_config", "_window", "_losses", "_paid", "_balances",
            "_taken",
        )  # fmt: skip
        (
            self._books, self._rates, self._claims, self._config, self._window, self._losses,
            self._paid, self._shares, self._taken,
        ) = (slot("LendingVault", name) for name in names)  # fmt: skip
        self._supply, self._reserve = (slot("InsuranceFund", n) for n in ("_supply", "_reserve"))
        self._operators = slot("CreditEngine", "operators")
        self._grant_slots: dict[Grant, int] = {}

    def _name_people(self, world: World) -> None:
        """Who holds accounts and acts."""
        self._account_names = world.accounts
        self._names = {world.account(name): i for i, name in enumerate(world.accounts)}
        self._ids = list(self._names)
        self._account_of = {name: world.account(name) for name in world.accounts}
        accounts = slot("CreditEngine", "accounts")
        self._slots = [mapped(accounts, account) for account in self._ids]
        self._caller = world.contracts["attacker"].address
        self._attacker = padded(self._caller)
        # whose tokens leave in calls of others: the protocol's, and those of who is called back
        self._movable = {
            NOBODY,
            padded(self._engine),
            self._attacker,
            *(padded(one.address) for name, one in world.contracts.items() if "." in name),
        }
        self._actors: dict[str, bytes] = {}
        self._pooled = frozenset(padded(world.address(f"backstop.{s}"))[12:] for s in world.pools)
        """Owners whose accounts follow the events of a backstop pool, see `Backstops`."""

    def load(self) -> None:
        """Take everything as it stands now."""
        storage, engine = self.storage, self._engine
        self.now, self.block = self.host.now, self.host.block
        self.accounts = [self._read_account(i) for i in range(len(self._ids))]
        self.legs = [parse(words) for words in self.accounts]
        self.sums = self._add_up()
        count = len(self._listed) + 1
        self.books = [0] * count
        self.held = [0] * count
        self.vaults = []
        self.configs: list[tuple[int, int, int, int]] = []
        self.written: list[int] = []
        """By vault, its configuration as it was written, see contracts/modules/vault_config.vy."""
        self.stops: list[int] = []
        """By vault, until when it is at CAUTION and at HALT."""
        self.ends: list[tuple[int, bool]] = []
        """By vault, until when a loss keeps it at CAUTION, and whether it is wound down."""
        self.funds: list[tuple[int, int]] = []
        self.rules = [()] * count
        self.least = [0] * count
        """By asset, the least debt [token units]."""
        for asset in self._listed:
            self.books[asset.id] = storage(engine, asset.book)
            self.held[asset.id] = storage(asset.token, asset.balance)
            self.rules[asset.id] = self._read_rules(asset)
            self.least[asset.id] = self._read_least(asset)
        for vault in self._vaults:
            self.vaults.append(self._read_vault(vault))
            self.configs.append(self._read_config(vault))
            self.written.append(self._read_written(vault))
            self.stops.append(storage(vault.address, vault.latch))
            self.ends.append(self._read_ends(vault))
            self.funds.append(self._read_fund(vault))
        self.quotes = [UNREAD] * count
        # who was granted nothing before is granted nothing: other operators cannot be listed
        self.grants: dict[Grant, int] = {}
        operator = padded(self.world.roles["operator"])
        for account in self._ids:
            for token in (NOBODY, *self._by_topic):
                grant = account, operator, token
                word = storage(engine, self._grant_slot(grant))
                if word:
                    self.grants[grant] = word
        self._forget()

    def reload(self) -> None:
        """Take everything as it stands after calls were undone; what is known of the past stays."""
        kept = self.holds, self.approved, self.armed, self.lost, self.lost_cash
        schedule = self.steps, self.listed, self.announced
        known = list(self.grants)
        self.load()
        self.holds, self.approved, self.armed, self.lost, self.lost_cash = kept
        self.steps, self.listed, self.announced = schedule
        for grant in known:
            self.grants[grant] = self.storage(self._engine, self._grant_slot(grant))

    def _forget(self) -> None:
        """What is not known at the beginning of a sequence."""
        self.prices = [None] * len(self.rules)
        self.indices = [0] * len(self._vaults)
        self.holds = {}
        self.approved = set()
        self.armed = False
        self.lost = [0] * len(self.rules)
        self.lost_cash = [0] * len(self._vaults)
        self.steps = {}
        self.listed = {}
        self.announced = {}
        self.sliced: dict[tuple[bytes, int, int], Slice] = {}
        self.waited: dict[bytes, Waited] = {}

    def _state(self) -> tuple[Any, ...]:
        return (
            self.now, self.block, list(self.accounts), list(self.legs),
            dict(self.sums), list(self.books), list(self.held), list(self.vaults),
            list(self.configs), list(self.written), list(self.stops), list(self.ends),
            list(self.funds), list(self.rules), list(self.least), list(self.quotes),
            dict(self.grants),
        )  # fmt: skip

    def reset(self) -> None:
        """The base checkpoint was restored."""
        (
            self.now, self.block, accounts, legs, sums, books, held, vaults, configs, written,
            stops, ends, funds, rules, least, quotes, grants,
        ) = self._base  # fmt: skip
        self.accounts, self.legs, self.sums = accounts.copy(), legs.copy(), sums.copy()
        self.books, self.held, self.vaults = books.copy(), held.copy(), vaults.copy()
        self.configs, self.stops, self.funds = configs.copy(), stops.copy(), funds.copy()
        self.written, self.ends = written.copy(), ends.copy()
        self.rules, self.least = rules.copy(), least.copy()
        self.quotes, self.grants = quotes.copy(), grants.copy()
        self._forget()

    def _read_account(self, i: int) -> tuple[int, ...]:
        """The words of an account."""
        storage, engine, slot = self.storage, self._engine, self._slots[i]
        first = storage(engine, slot)
        count = first >> 244 & 15
        if count <= 2:
            return (first,)
        return (first, *(storage(engine, slot + k) for k in range(1, (count + 1) >> 1)))

    def _read_rules(self, asset: Asset) -> tuple[int, ...]:
        storage, risk = self.storage, self._risk
        return (
            storage(risk, asset.rule),
            storage(risk, asset.term),
            storage(risk, asset.checkpoint),
            storage(risk, asset.observation),
            storage(risk, asset.latch),
            storage(self._breaker, asset.breaker),
            storage(self._breaker, asset.silent),
        )

    def _read_least(self, asset: Asset) -> int:
        return decoded(self.storage(self._engine, asset.debt) >> 168 & 0xFFFFFF)

    def _read_vault(self, vault: Vault) -> tuple[int, int, int, int, int, int]:
        storage, address = self.storage, vault.address
        return (
            storage(address, self._books),
            storage(address, self._rates),
            storage(address, self._claims),
            storage(vault.token, vault.balance),
            storage(address, vault.fund_shares) & M128,
            storage(address, self._paid),
        )

    def _read_fund(self, vault: Vault) -> tuple[int, int]:
        """Supply and reserve."""
        storage = self.storage
        return storage(vault.fund, self._supply), storage(vault.fund, self._reserve)

    def _read_config(self, vault: Vault) -> tuple[int, int, int, int]:
        """Reserve factor, deposit cap, debt cap, highest rate."""
        word = self.storage(vault.address, self._config)
        most = (word >> 94 & 32_767) * 10**14 // YEAR
        highest = max(most * (word >> 27 & 131_071) // BPS, LEAST_FULL_RATE)
        window = self.storage(vault.address, self._window)
        deposit_cap, debt_cap = (decoded(bits & 0xFFFFFF) for bits in (word >> 133, window >> 96))
        return word & 8_191, deposit_cap, debt_cap, highest

    def _read_written(self, vault: Vault) -> int:
        storage, address = self.storage, vault.address
        kept = storage(address, self._config) & _OF_CONFIG
        return kept | storage(address, self._window) >> 96 << 157

    def _read_ends(self, vault: Vault) -> tuple[int, bool]:
        storage, address = self.storage, vault.address
        return storage(address, self._losses) & M40, bool(storage(address, self._config) >> 255)

    def level_of(self, v: int) -> int:
        """Of a vault, as it was before the call: a halt, wind-down, CAUTION after a loss, or what
        is latched."""
        word, now = self.stops[v], self.now
        until, is_wound_down = self.ends[v]
        if now < word >> 64 & M64:
            return 2
        if is_wound_down:
            return 3
        return int(now < max(word & M64, until))

    def outflow_left(self, v: int, cash: int, level: int) -> int:
        """Cash that may leave a vault of which `cash` stood until now, by its anchors."""
        vault = self._vaults[v]
        config = self.storage(vault.address, self._config)
        window = _window_of(self.storage(vault.address, self._window))
        passed = (vault_limits.number_at(self.now) - (config >> 205)) % 2**16
        if passed:
            debt = (self.vaults[v][0] >> 112 & M112) * self.index(v) // RAY
            window = window.opened(passed, cash, debt, cash + debt)
        return max(cash - vault_limits.value_of(window.least_cash(2 if level == 1 else 1)), 0)

    def _add_up(self) -> dict[int, int]:
        sums: dict[int, int] = {}
        for legs in self.legs:
            for tag, amount in legs:
                sums[tag] = sums.get(tag, 0) + amount
        return sums

    # ------------------------------------------------------------ findings

    def violation(self, promise: str, what: str, slack: int = -1) -> Violation:
        """A promise that is broken now."""
        return Violation(promise, SENTENCES[promise], what, self.now, slack)

    @property
    def judged(self) -> set[str]:
        """Promises that were judged at all."""
        return self._exact | self.slack.keys()

    def _room(self, promise: str, slack: int, per: int, what: str, name: str = "") -> None:
        """One comparison: broken below zero, else how near, as a share of `per`."""
        if slack < 0:
            self._found.append(self.violation(promise, what.format(name), slack))
            return
        least = self.slack.get(promise, _FAR)
        if least:
            # compiled, `/` rounds large numbers in another way
            share = truediv(slack, per) if per > 0 else float(slack)
            if share < least:
                self.slack[promise] = share

    def _differs(self, promise: str, gap: int, what: str, name: str = "") -> None:
        """Two figures that must be the same are not."""
        self._found.append(self.violation(promise, what.format(name), -abs(gap)))

    def _alike(self, promise: str) -> None:
        """Figures that must be the same are compared."""
        self.slack[promise] = 0.0

    def _name(self, i: int) -> str:
        return self._account_names[i]

    def _known_name(self, account: bytes) -> str:
        number = self._names.get(account)
        return account.hex() if number is None else self._name(number)

    def _grant_slot(self, grant: Grant) -> int:
        found = self._grant_slots.get(grant)
        if found is None:
            found = self._operators
            for key in grant:
                found = mapped(found, key)
            self._grant_slots[grant] = found
        return found


def padded(address: str) -> bytes:
    """An address as a word."""
    return bytes.fromhex(address[2:]).rjust(32, b"\0")


def _window_of(word: int) -> vault_limits.Window:
    """The word of a window, see contracts/modules/flow_limits.vy."""
    return vault_limits.Window(
        word & 0xFFFFFF,
        word >> 24 & 0xFFFFFF,
        word >> 48 & 0xFFFFFF,
        word >> 72 & 0xFFFFFF,
        word >> 96 & 0xFFFFFF,
        word >> 120 & 0xFFFFFF,
        word >> 144 & 127,
        word >> 151 & 127,
    )
