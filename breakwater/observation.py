"""What a protocol's contracts hold at one moment, read as raw storage words, and what follows.

An `Observer` reads the words of accounts, vaults and assets by their slots, never through the
contracts' own views (parameters of vaults aside), and the quotes of the price sources. The rest
(interest until now, averages, health, margin) is computed here in exact integers, so that what the
contracts say of themselves can be checked against it. `breakwater.promises` does that. Formulae:
docs/specification.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from eth_utils.crypto import keccak

from breakwater import artifacts
from breakwater.driver import CircuitBreaker, CreditEngine, LendingVault, RiskEngine, VaultConfig
from breakwater.host import Host, Log, Reverted
from breakwater.units import BPS, MAX_UINT256, RAY, WAD, YEAR

DEBT = 128
"""Bit of a leg's tag that says it is a debt."""

VALID, JUMP, DISPERSED, STALE = range(4)
"""Status of a price."""

LEAST_FULL_RATE = 6_341_958_397
"""Lowest rate at full utilization, 20 % a year [WAD a second]."""

VIRTUAL_SHARES = 10**6
VIRTUAL_ASSETS = 1

_M32, _M40, _M96, _M104, _M112, _M128 = (2**bits - 1 for bits in (32, 40, 96, 104, 112, 128))
_PAIR = 2**224 - 1
_AVERAGE_TIME = 2_700
_CONFIRM_TIME_BIT = 237
_FADE_TIME = 86_400
_MAX_GAP = 3_600
_WAIT_TIME = 1_800
_DAY = 86_400
_MAX_VALUE = 2**120
_IS_FEED = 31


def ceil_div(x: int, y: int) -> int:
    """x / y for natural numbers, rounded up."""
    return -(-x // y)


def bits(word: int, at: int, width: int) -> int:
    """`width` bits of a word, from bit `at` on."""
    return (word >> at) & ((1 << width) - 1)


# ------------------------------------------------------------ interest


def growth(x: int) -> int:
    """exp(x) as the contracts take it, x and result in RAY. See contracts/modules/interest.vy."""
    if x <= RAY // 2:
        return _series(x)
    if x >= 16 * RAY:
        return _M112
    part, halvings = x, 0
    while True:
        part >>= 1
        halvings += 1
        if part <= RAY // 32 or halvings == 9:
            break
    found = _series(part)
    for _ in range(halvings):
        found = found * found // RAY
    return min(found, _M112)


def _series(x: int) -> int:
    square = x * x // (2 * RAY)
    return RAY + x + square + square * x // (3 * RAY)


def grow(index: int, rate: int, elapsed: int) -> int:
    """An index [RAY] after `elapsed` seconds at `rate` [WAD a second]."""
    return min(index * growth(rate * elapsed * 10**9) // RAY, _M112)


# ------------------------------------------------------------ vaults


@dataclass(frozen=True)
class Vault:
    """The words of a lending vault, see its LAYOUT, and its parameters."""

    asset: str
    address: str
    token_balance: int
    books: int
    rates: int
    claims: int
    fund_shares: int
    reserve_factor: int
    """[BPS]"""
    deposit_cap: int
    """[assets]"""
    debt_cap: int
    """[assets]"""
    highest_rate: int
    """Highest rate that the curve allows [WAD a second]."""

    @property
    def cash(self) -> int:
        """[assets]"""
        return self.books & _M112

    @property
    def debt_shares(self) -> int:
        """Sum of all debt shares."""
        return bits(self.books, 112, 112)

    @property
    def index(self) -> int:
        """Assets owed for a debt share [RAY], at `time`."""
        return self.rates & _M112

    @property
    def borrow_rate(self) -> int:
        """[WAD a second]"""
        return bits(self.rates, 112, 40)

    @property
    def time(self) -> int:
        """When the index was written [unix seconds]."""
        return bits(self.rates, 192, 32)

    @property
    def supply(self) -> int:
        """Vault shares."""
        return self.claims & _M128

    @property
    def base(self) -> int:
        """[assets] above which gains pay a fee."""
        return self.claims >> 128

    def at(self, now: int) -> Vault:
        """The vault with the interest until `now` written; the drift of the rate is left out."""
        if now <= self.time:
            return self
        index = grow(self.index, self.borrow_rate, now - self.time)
        rest = self.rates & ~(_M112 | _M32 << 192)
        return replace(self, rates=rest | index | (now & _M32) << 192)

    @property
    def debt(self) -> int:
        """All debt [assets], rounded down."""
        return self.debt_shares * self.index // RAY

    @property
    def total(self) -> int:
        """Cash and debt [assets]."""
        return min(self.cash + self.debt, _M112)

    @property
    def fee(self) -> int:
        """Owed to the insurance fund and not yet shares [assets]."""
        return max(self.total - self.base, 0) * self.reserve_factor // BPS

    @property
    def price(self) -> tuple[int, int]:
        """Net assets and shares, the virtual ones included; a share is worth their ratio."""
        return self.total - self.fee + VIRTUAL_ASSETS, self.supply + VIRTUAL_SHARES

    @property
    def claims_value(self) -> int:
        """What all shares together may claim [assets]."""
        assets, shares = self.price
        return self.supply * assets // shares

    @property
    def utilization(self) -> float:
        """Debt over total."""
        return self.debt / self.total if self.total else 0.0


# ------------------------------------------------------------ assets


class Source(NamedTuple):
    """What a price source answers; all zeros when it is not valid."""

    low: int
    price: int
    high: int
    updated_at: int
    status: int


NO_PRICE = Source(0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Asset:
    """The words of a listed asset, and its source's answer. Layouts: price_oracle, RiskEngine."""

    address: str
    id: int
    rule: int
    term: int
    checkpoint: int
    seen: int
    latch: int
    breaker: int
    source: Source

    @property
    def decimals(self) -> int:
        """Of the token."""
        return bits(self.rule, 222, 5)

    @property
    def debt_weight(self) -> int:
        """[BPS]"""
        return BPS + bits(self.rule, 206, 8) * 100

    @property
    def tip(self) -> int:
        """[WAD]"""
        return bits(self.term, 92, 14) * 10**14

    @property
    def incentive_max(self) -> int:
        """[WAD]"""
        return bits(self.term, 120, 14) * 10**14

    @property
    def volatility(self) -> int:
        """Daily [WAD]."""
        return bits(self.checkpoint, 192, 32) * 10**9

    def liquidation_ltv(self, now: int) -> int:
        """[BPS], along its ramp."""
        start, target = bits(self.term, 0, 14), bits(self.term, 14, 14)
        elapsed, duration = now - bits(self.term, 28, 40), bits(self.term, 68, 24)
        if start == target or elapsed >= duration:
            return target
        if target > start:
            return start + (target - start) * elapsed // duration
        return start - (start - target) * elapsed // duration

    @property
    def borrow_ltv(self) -> int:
        """[BPS], lowered by volatility."""
        base = bits(self.rule, 184, 14)
        slope, reference = bits(self.rule, 228, 7), bits(self.rule, 235, 8) * 10 * 10**14
        if slope == 0 or self.volatility <= reference:
            return base
        drop = (self.volatility - reference) * slope // 10**15
        floor = max(base - bits(self.rule, 198, 8) * 50, 0)
        return max(floor, base - drop, 0)

    def average(self, now: int) -> int:
        """[WAD]"""
        spot, average = self.checkpoint & _M96, bits(self.checkpoint, 96, 96)
        elapsed = min(now - (self.checkpoint >> 224), _AVERAGE_TIME // 3)
        x = elapsed * WAD // _AVERAGE_TIME
        weight = x - x * x // (2 * WAD) + x * x // WAD * x // (6 * WAD)
        if spot >= average:
            return average + (spot - average) * weight // WAD
        return average - (average - spot) * weight // WAD

    def status(self, now: int) -> int:
        """VALID, JUMP, DISPERSED or STALE."""
        if self.source.price == 0:
            return STALE
        if self.source.status == 3:
            return DISPERSED
        average = self.average(now)
        band = bits(self.rule, 177, 7) * 50
        return JUMP if abs(self.source.price - average) * BPS > average * band else VALID

    def level(self, now: int) -> int:
        """What is true now, or latched."""
        true = (0, 1, 1, 2)[self.status(now)]
        latched = 0
        if now < bits(self.latch, 0, 64):
            latched = 1
        if now < bits(self.latch, 64, 64):
            latched = 2
        return max(true, latched)

    def liquidation_prices(self, now: int, patience: int = 0) -> tuple[int, int, bool]:
        """As collateral, as debt [WAD], and whether there is a valid price."""
        source, status = self.source, self.status(now)
        if status == VALID:
            return source.high, source.low, True
        if status == JUMP:
            average = self.average(now)
            since = bits(self.seen, 128, 32)
            poked = (
                since != 0
                and (source.price > average) == bool(self.seen >> 236 & 1)
                and now <= (self.checkpoint >> 224) + _MAX_GAP
            )
            confirmed = source.status == 2 or (poked and bool(self.seen >> _CONFIRM_TIME_BIT & 1))
            if patience:
                confirmed = confirmed and poked and now >= since + patience
            if confirmed:
                return source.high, source.low, True
            return max(source.high, average), min(source.low, average), True
        if status == DISPERSED:
            if self._waited(now) >= _WAIT_TIME:
                return source.price, source.price, True
            return source.high, source.low, True
        spot, average = self.checkpoint & _M96, bits(self.checkpoint, 96, 96)
        left = _FADE_TIME - self._faded(now)
        return max(spot, average) * left // _FADE_TIME, min(spot, average), False

    def _faded(self, now: int) -> int:
        last = bits(self.seen, 160, 32)
        if last == 0:
            return 0
        return min((self.seen >> 239) + min(now - last, _MAX_GAP), _FADE_TIME)

    def _waited(self, now: int) -> int:
        waited = bits(self.seen, 224, 12)
        if self.seen >> 238 & 1:
            return min(waited + now - (self.checkpoint >> 224), _WAIT_TIME)
        return 0 if now >= bits(self.seen, 192, 32) + _DAY else waited


# ------------------------------------------------------------ accounts

Words = tuple[int, int, int, int]


def legs(words: Sequence[int]) -> list[tuple[int, int]]:
    """(tag, amount) of each leg of an account, in order."""
    found = []
    for i in range(8):
        word = words[i >> 1]
        tag = bits(word, 208 + 8 * (i & 1), 8)
        if tag == 0:
            break
        found.append((tag, bits(word, 104 * (i & 1), 104)))
    return found


def stamp(block: int) -> int:
    """What a word bears when one of its legs raised risk in `block`."""
    return 1 + block % (2**20 - 1)


def stamps(words: Sequence[int]) -> list[int]:
    """Stamps of the used words: of the block in which a leg last raised risk; 0: never."""
    return [bits(word, 224, 20) for word in words if word]


class Health(NamedTuple):
    """A position at liquidation prices [WAD]."""

    health_factor: int
    collateral: int
    debt: int
    weighted_collateral: int  # [WAD * BPS]
    weighted_debt: int  # [WAD * BPS]
    tip: int
    incentive_max: int

    @property
    def under_water(self) -> bool:
        """Whether it cannot pay debt and tip."""
        return self.collateral * WAD <= self.debt * (WAD + self.tip)


class Margin(NamedTuple):
    """A position at the prices that bind new risk."""

    collateral: int  # [WAD * BPS]
    required: int  # [WAD * BPS]
    exposure: int  # [WAD]
    debt: int  # [WAD]
    max_leverage: int  # [halves]


# ------------------------------------------------------------ observations


class Timed(NamedTuple):
    """An event and the time of its block."""

    time: int
    log: Log


class Trial(NamedTuple):
    """A call that was tried and undone: for which promise, what it was, why it failed if it did."""

    promise: str
    what: str
    passed: bool
    reason: str = ""


@dataclass(frozen=True)
class Observation:
    """The state before the next transaction, and the events since `previous`."""

    now: int
    block: int
    engine: str
    vaults: Mapping[str, Vault]
    assets: Mapping[str, Asset]
    collateral: Mapping[str, tuple[int, int, int]]
    """By asset: total in the books, cap, the engine's balance of the token [token units]."""
    debts: Mapping[str, int]
    """By asset: the least debt [token units]."""
    accounts: Mapping[bytes, Words]
    logs: tuple[Timed, ...] = ()
    call: bool = False
    """Whether the events are those of one transaction, made at `previous.now`."""
    previous: Observation | None = field(default=None, repr=False)
    trials: tuple[Trial, ...] = ()

    @cached_property
    def by_id(self) -> dict[int, Asset]:
        """Assets by their id."""
        return {asset.id: asset for asset in self.assets.values()}

    def events(self, name: str, address: str | None = None) -> list[Log]:
        """Events of one name since the previous observation, of one contract if given."""
        return [
            timed.log
            for timed in self.logs
            if timed.log.name == name and address in (None, timed.log.address)
        ]

    def owed(self, asset: str, shares: int, now: int) -> int:
        """Debt shares in assets as of `now`, rounded up."""
        return ceil_div(shares * self.vaults[asset].at(now).index, RAY)

    def health(self, words: Sequence[int], now: int, patience: int = 0) -> Health:
        """An account's health at the liquidation prices of this observation's sources."""
        value_collateral = value_debt = collateral = debt = tip = incentive = 0
        for tag, amount in legs(words):
            asset = self.by_id[tag & 127]
            as_collateral, as_debt, _ = asset.liquidation_prices(now, patience)
            unit = 10**asset.decimals
            if tag >= DEBT:
                owed = min(self.owed(asset.address, amount, now), _M104)
                value = min(ceil_div(owed * as_debt, unit), _MAX_VALUE)
                value_debt += value
                debt += value * asset.debt_weight
            else:
                value = min(amount * as_collateral // unit, _MAX_VALUE)
                value_collateral += value
                collateral += value * asset.liquidation_ltv(now)
                tip = max(tip, asset.tip)
                incentive = max(incentive, asset.incentive_max)
        factor = collateral * WAD // debt if debt else MAX_UINT256
        return Health(factor, value_collateral, value_debt, collateral, debt, tip, incentive)

    def margin(self, words: Sequence[int], now: int) -> Margin:
        """An account's initial margin, over all its legs."""
        most = min(
            (bits(self.by_id[tag & 127].rule, 214, 8) for tag, _ in legs(words)), default=255
        )
        *_, whole = self.margins(words, now)
        return whole._replace(max_leverage=min(most, 255))

    def margins(self, words: Sequence[int], now: int) -> Iterator[Margin]:
        """The same of its debts and none of its collateral, then more of it leg by leg: what is
        at HALT is left out. New risk needs one that suffices.
        """
        collateral = required = exposure = debt = 0
        most = 255
        for tag, amount in legs(words):
            if tag < DEBT:
                continue
            asset = self.by_id[tag & 127]
            price = max(asset.source.high, asset.average(now))
            if not asset.source.price:
                price = asset.liquidation_prices(now)[1]
            owed = min(self.owed(asset.address, amount, now), _M104)
            value = min(ceil_div(owed * price, 10**asset.decimals), _MAX_VALUE)
            debt += value
            required += value * asset.debt_weight
            most = min(most, bits(asset.rule, 214, 8))
        yield Margin(collateral, required, exposure, debt, most)
        for tag, amount in legs(words):
            asset = self.by_id[tag & 127]
            if tag >= DEBT or asset.level(now) == 2:
                continue
            price = min(asset.source.low, asset.average(now))
            value = min(amount * price // 10**asset.decimals, _MAX_VALUE)
            exposure += value
            collateral += value * asset.borrow_ltv
            most = min(most, bits(asset.rule, 214, 8))
            yield Margin(collateral, required, exposure, debt, most)


class Observer:
    """Reads a protocol. Accounts must be named: chains keep no list of them."""

    def __init__(
        self,
        host: Host,
        *,
        engine: CreditEngine,
        risk: RiskEngine,
        breaker: CircuitBreaker,
        vaults: Iterable[LendingVault],
        assets: Iterable[str],
        accounts: Iterable[bytes] = (),
    ) -> None:
        self.host = host
        self.engine = engine.address
        self.risk = risk.address
        self.breaker = breaker.address
        self.accounts = list(accounts)
        self._layouts = {
            name: artifacts.load(name).layout["storage_layout"]
            for name in ("CreditEngine", "RiskEngine", "LendingVault", "CircuitBreaker")
        }
        self._account_slots: dict[bytes, int] = {}
        self._known: dict[str, tuple[int, int, int, int]] = {}
        self._assets = {asset: self._asset_slots(asset) for asset in assets}
        self._vaults = {vault.asset(): self._vault_slots(vault) for vault in vaults}

    def read(
        self,
        previous: Observation | None = None,
        logs: Iterable[Timed] = (),
        *,
        call: bool = False,
        trials: Iterable[Trial] = (),
    ) -> Observation:
        """The present state. The chain of observations is cut behind `previous`."""
        storage, now = self.host.storage, self.host.now
        engine = self.engine
        if not call:
            self._known.clear()
        collateral = {}
        debts = {}
        for asset, slots in self._assets.items():
            book = storage(engine, slots["book"])
            if bits(book, 112, 8):
                code = bits(book, 120, 24)
                collateral[asset] = (
                    book & _M112,
                    (code & 65_535) << (code >> 16),
                    self._balance(asset, engine),
                )
            debt = storage(engine, slots["debt"])
            if debt:
                code = bits(debt, 168, 24)
                debts[asset] = (code & 65_535) << (code >> 16)
        if previous is not None and previous.previous is not None:
            previous = replace(previous, previous=None)
        return Observation(
            now=now,
            block=self.host.block,
            engine=engine,
            vaults={asset: self._vault(asset) for asset in self._vaults},
            assets={asset: self._asset(asset, now) for asset in self._assets},
            collateral=collateral,
            debts=debts,
            accounts={account: self._words(account) for account in self.accounts},
            logs=tuple(logs),
            call=call,
            previous=previous,
            trials=tuple(trials),
        )

    def asset(self, asset: str) -> Asset:
        """One asset as it is now."""
        return self._asset(asset, self.host.now)

    # ------------------------------------------------------------ slots

    def _asset_slots(self, asset: str) -> dict[str, int]:
        id = self.host.storage(self.risk, mapped(self._slot("RiskEngine", "ids"), asset))
        return {
            "id": id,
            "book": mapped(self._slot("CreditEngine", "books"), asset),
            "debt": mapped(self._slot("CreditEngine", "debts"), asset),
            "rule": self._slot("RiskEngine", "rules") + id,
            "checkpoint": self._slot("RiskEngine", "checkpoints") + id,
            "seen": self._slot("RiskEngine", "observations") + id,
            "term": self._slot("RiskEngine", "terms") + id,
            "latch": mapped(self._slot("RiskEngine", "_expiries"), asset),
            "breaker": mapped(self._slot("CircuitBreaker", "latches"), asset),
        }

    def _vault_slots(self, vault: LendingVault) -> tuple[str, dict[str, int]]:
        names = ("_books", "_rates", "_claims")
        slots = {name: self._slot("LendingVault", name) for name in names}
        slots["fund"] = mapped(self._slot("LendingVault", "_balances"), vault.fund())
        return vault.address, slots

    def _slot(self, contract: str, name: str) -> int:
        """Slot of a variable of a contract, or of one of its modules."""
        found = list(_slots_of(self._layouts[contract], name))
        if len(found) != 1:
            raise LookupError(f"{contract} has {len(found)} variables {name}")
        return found[0]

    # ------------------------------------------------------------ parts

    def _words(self, account: bytes) -> Words:
        base = self._account_slots.get(account)
        if base is None:
            base = mapped(self._slot("CreditEngine", "accounts"), account)
            self._account_slots[account] = base
        storage, engine = self.host.storage, self.engine
        first = storage(engine, base)
        words = [first, 0, 0, 0]
        for i in range(1, (bits(first, 244, 4) + 1) // 2):
            words[i] = storage(engine, base + i)
        return (words[0], words[1], words[2], words[3])

    def _vault(self, asset: str) -> Vault:
        address, slots = self._vaults[asset]
        storage = self.host.storage
        factor, deposit_cap, debt_cap, highest = self._parameters(address)
        return Vault(
            asset=asset,
            address=address,
            token_balance=self._balance(asset, address),
            books=storage(address, slots["_books"]),
            rates=storage(address, slots["_rates"]),
            claims=storage(address, slots["_claims"]),
            fund_shares=storage(address, slots["fund"]) & _M128,
            reserve_factor=factor,
            deposit_cap=deposit_cap,
            debt_cap=debt_cap,
            highest_rate=highest,
        )

    def _parameters(self, address: str) -> tuple[int, int, int, int]:
        """Parameters are what their owner set: the contract's word for them is as good as any.

        Read anew for each span, not for each call.
        """
        if address in self._known:
            return self._known[address]
        call = self.host.call
        config = VaultConfig(*call(address, "LendingVault", "config", ()))
        deposit_cap, debt_cap = call(address, "LendingVault", "caps", ())
        most = config.max_rate * 10**14 // YEAR
        highest = max(most * config.steepness // BPS, LEAST_FULL_RATE)
        self._known[address] = (config.reserve_factor, deposit_cap, debt_cap, highest)
        return self._known[address]

    def _asset(self, asset: str, now: int) -> Asset:
        slots, storage, risk = self._assets[asset], self.host.storage, self.risk
        rule = storage(risk, slots["rule"])
        return Asset(
            address=asset,
            id=slots["id"],
            rule=rule,
            term=storage(risk, slots["term"]),
            checkpoint=storage(risk, slots["checkpoint"]),
            seen=storage(risk, slots["seen"]),
            latch=storage(risk, slots["latch"]),
            breaker=storage(self.breaker, slots["breaker"]),
            source=self._source(rule, now),
        )

    def _balance(self, token: str, owner: str) -> int:
        found: int = self.host.call(token, "TokenMock", "balanceOf", (owner,))
        return found

    def _source(self, rule: int, now: int) -> Source:
        address = "0x" + (rule & (2**160 - 1)).to_bytes(20, "big").hex()
        decimals, max_age = bits(rule, 172, 5), bits(rule, 160, 12) * 60
        upper, span = bits(rule, 243, 7), rule >> 250
        try:
            if decimals == _IS_FEED:
                found = Source(*self.host.call(address, "MedianFeed", "quote", ()))
                if found.status == 0:
                    return NO_PRICE
            else:
                words = self.host.call(address, "AggregatorMock", "latestRoundData", ())
                round_id, answer, _, updated_at, answered_in = words
                if answer <= 0 or answered_in < round_id or not 0 < updated_at <= now:
                    return NO_PRICE
                price = answer * 10**18 // 10**decimals
                found = Source(price, price, price, updated_at, 1)
        except Reverted:
            return NO_PRICE
        if found.updated_at + max_age < now:
            return NO_PRICE
        if found.low >> (upper - span) == 0 or found.high >> upper != 0:
            return NO_PRICE
        return found


def _slots_of(layout: Mapping[str, Any], name: str) -> Iterator[int]:
    for key, entry in layout.items():
        if "slot" not in entry:
            yield from _slots_of(entry, name)
        elif key == name:
            yield int(entry["slot"])


def mapped(slot: int, key: str | bytes) -> int:
    """Slot of a key's value in a mapping at `slot`."""
    raw = bytes.fromhex(key.removeprefix("0x")) if isinstance(key, str) else key
    return int.from_bytes(keccak(slot.to_bytes(32, "big") + raw.rjust(32, b"\0")), "big")
