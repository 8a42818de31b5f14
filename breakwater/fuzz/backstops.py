"""Backstop pools: what their words must be after their events, and what each lender has by then.

Books, stakes, marks and claims are kept by events alone, a claim as a fraction; the words are read
after a call that told something of the pool, and all claims in a sweep. Judged are

SOLV-1   the pool's tokens and accounts cover its books
SOLV-3   stakes make no more than all shares
SOLV-6   it buys only what stood marked, and only who is below maintenance is marked
SOLV-8   nobody's worth falls by another's deposit, exit or claim; what a purchase brings goes to
         the shares of that moment, and to each claim the whole of it
SOLV-10  joining and leaving round against who does it, by less than a share
CAP-1    purchases take at most a tenth of a share's cash in a window
LIVE-2   a lender can leave at any time, with cash, deposits and claims
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from breakwater.fuzz.events import Told
from breakwater.fuzz.prices import WIND_DOWN
from breakwater.fuzz.slots import slot
from breakwater.host import interface_of
from breakwater.model.backstop import (
    FIRST_SHARES,
    MARK_LASTS,
    REWARD,
    SCALE,
    SLICE,
    WAIT,
    WINDOW,
)
from breakwater.observation.words import mapped
from breakwater.promises.verdicts import Violation
from breakwater.units import MAX_UINT256, WAD, account_id

if TYPE_CHECKING:
    from breakwater.fuzz.trials import Send, Trial
    from breakwater.fuzz.watch import Watch

_UNIT: Final = 2**200
"""Parts of a unit that claims are counted in."""

_ROLLS: Final = frozenset({"Deposit", "CancelDeposit", "Withdraw", "Claim", "Buy"})
"""Events of functions that open a window."""

_OWNED: Final = frozenset({"Deposit", "CancelDeposit", "Withdraw", "Claim"})
"""Events of what only an owner may do."""

_word: Final = int.from_bytes

Stake = tuple[int, int, int]
"""Shares, what waits, since which window."""


class Kept:
    """What a pool has, by its events."""

    __slots__ = (
        "acts", "cash", "claims", "earned", "marks", "shares", "stakes", "start_cash",
        "start_shares", "waiting", "window",
    )  # fmt: skip

    def __init__(self) -> None:
        self.cash = 0
        self.shares = 0
        self.waiting = 0
        self.window = 0
        self.start_cash = 0
        self.start_shares = 0
        self.stakes: dict[bytes, Stake] = {}
        """By owner."""
        self.earned: dict[tuple[bytes, int], int] = {}
        """By owner and asset [units * _UNIT]."""
        self.acts: dict[bytes, int] = {}
        """How often an owner may have been settled: each time he loses less than two units."""
        self.claims: dict[int, int] = {}
        """By asset, what was taken and nobody has claimed yet [units]."""
        self.marks: dict[bytes, tuple[int, int]] = {}
        """By account, when it was seen first and last."""

    def copy(self) -> Kept:
        """As it is now."""
        found = Kept()
        found.cash, found.shares, found.waiting = self.cash, self.shares, self.waiting
        found.window = self.window
        found.start_cash, found.start_shares = self.start_cash, self.start_shares
        found.stakes, found.earned = self.stakes.copy(), self.earned.copy()
        found.acts, found.claims = self.acts.copy(), self.claims.copy()
        found.marks = self.marks.copy()
        return found


class Bought:
    """What purchases of one call brought."""

    __slots__ = ("account", "caller", "paid", "taken")

    def __init__(self, account: bytes, caller: bytes) -> None:
        self.account = account
        self.caller = caller
        self.paid = 0
        self.taken: dict[int, int] = {}


class Backstop:
    """One pool: where its words are, and what they must be."""

    __slots__ = (
        "address", "asset", "balance", "base", "bought", "kept", "shelves", "symbol", "token"
    )  # fmt: skip

    def __init__(self, watch: Watch, symbol: str) -> None:
        world = watch.world
        asset = watch._by_name[f"@token.{symbol}"]
        self.symbol = symbol
        self.address = world.address(f"backstop.{symbol}")
        self.asset = asset.id
        self.token = asset.token
        at = slot(world.contracts[f"token.{symbol}"].NAME, "balanceOf")
        self.balance = mapped(at, self.address)
        count = len(watch._listed) + 1
        self.shelves = [watch._names.get(account_id(self.address, n), -1) for n in range(count)]
        self.kept = Kept()
        self.base = Kept()
        self.bought: Bought | None = None


class Backstops:
    """All of a market, which a watch follows."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        world = watch.world
        self.pools = [Backstop(watch, symbol) for symbol in world.pools]
        self._at = {pool.address: pool for pool in self.pools}
        self._by_symbol = {pool.symbol: pool for pool in self.pools}
        self._logs: list[Any] = []
        self._names: dict[bytes, str] = {}
        for topic, event in interface_of("BackstopPool").events.items():
            self._names[topic] = event.name
        self._people = {_padded(world.roles[role]): role for role in world.roles}
        self._people[watch._attacker] = "attacker"
        self._owners = {who: owner for owner, who in self._people.items()}
        self._slots = {
            name: slot("BackstopPool", name)
            for name in ("_cash", "_shares", "_waiting", "_window", "_start_cash", "_start_shares",
                         "_batches", "_stakes", "_marks", "_per_share", "_opening", "_settled",
                         "_owed")
        }  # fmt: skip
        self._mapped: dict[tuple[int, bytes], int] = {}
        self._tokens = {asset.id: _padded(asset.token) for asset in watch._listed}
        self.load()
        for pool in self.pools:
            pool.base = pool.kept.copy()

    def reset(self) -> None:
        """The base checkpoint was restored."""
        for pool in self.pools:
            pool.kept = pool.base.copy()

    def load(self) -> None:
        """Take everything as it stands now."""
        for pool in self.pools:
            kept = pool.kept = Kept()
            (kept.cash, kept.shares, kept.waiting, kept.window, kept.start_cash,
             kept.start_shares) = self._totals(pool)  # fmt: skip
            for owner in self._people:
                stake = self._stake(pool, owner)
                if stake[0] or stake[1]:
                    kept.stakes[owner] = stake
                for id in self._tokens:
                    earned = self._claimable(pool, owner, id)
                    if earned:
                        kept.earned[owner, id] = earned * _UNIT
            for id in self._tokens:
                kept.claims[id] = self._shelf(pool, id)
            for account in self.watch._ids:
                mark = self._place("_marks", account)
                since, seen = self._read(pool, mark), self._read(pool, mark + 1)
                if since:
                    kept.marks[account] = since, seen

    def stood(self, symbol: str, who: str) -> int:
        """Shares of a pool that someone has."""
        return self._by_symbol[symbol].kept.stakes.get(self._owners[who], (0, 0, 0))[0]

    def waiting(self, symbol: str, who: str) -> int:
        """What someone has deposited that has not joined."""
        return self._by_symbol[symbol].kept.stakes.get(self._owners[who], (0, 0, 0))[1]

    def claims(self, symbol: str) -> list[tuple[str, int]]:
        """Who has earned something, and the id of what."""
        earned = self._by_symbol[symbol].kept.earned
        people = self._people
        return [(people[owner], id) for (owner, id), part in earned.items() if part >= 2 * _UNIT]

    def books(self, symbol: str) -> tuple[int, int]:
        """Cash and shares of a pool."""
        kept = self._by_symbol[symbol].kept
        return kept.cash, kept.shares

    # ------------------------------------------------------------ words

    def _read(self, pool: Backstop, place: int) -> int:
        return self.watch.evm.storage(pool.address, place)

    def _place(self, name: str, key: bytes, inner: bytes | None = None) -> int:
        found = self._map(self._slots[name], key)
        return found if inner is None else self._map(found, inner)

    def _map(self, place: int, key: bytes) -> int:
        found = self._mapped.get((place, key))
        if found is None:
            found = self._mapped[place, key] = mapped(place, key)
        return found

    def _totals(self, pool: Backstop) -> tuple[int, int, int, int, int, int]:
        """Cash, shares, what waits, window, cash and shares at its start."""
        read, slots = self._read, self._slots
        return (
            read(pool, slots["_cash"]), read(pool, slots["_shares"]),
            read(pool, slots["_waiting"]), read(pool, slots["_window"]),
            read(pool, slots["_start_cash"]), read(pool, slots["_start_shares"]),
        )  # fmt: skip

    def _batch(self, pool: Backstop, window: int) -> tuple[int, int]:
        """Deposits of a window, and the shares that they became."""
        place = self._place("_batches", window.to_bytes(32, "big"))
        return self._read(pool, place), self._read(pool, place + 1)

    def _stake(self, pool: Backstop, owner: bytes) -> Stake:
        """Of an owner; what has joined is shares."""
        place = self._place("_stakes", owner)
        shares, waits = self._read(pool, place), self._read(pool, place + 1)
        if waits == 0:
            return shares, 0, 0
        window = self._read(pool, place + 2)
        assets, joined = self._batch(pool, window)
        return (shares + waits * joined // assets, 0, 0) if joined else (shares, waits, window)

    def _claimable(self, pool: Backstop, owner: bytes, id: int) -> int:
        """What a claim would send."""
        token = self._tokens[id]
        found = self._read(pool, self._place("_owed", owner, token))
        now = self._read(pool, self._place("_per_share", token))
        if now == 0:
            return found
        place = self._place("_stakes", owner)
        shares, waits = self._read(pool, place), self._read(pool, place + 1)
        settled = self._read(pool, self._place("_settled", owner, token))
        found += shares * (now - settled) // SCALE
        if waits:
            window = self._read(pool, place + 2)
            assets, joined = self._batch(pool, window)
            if joined:
                key = window.to_bytes(32, "big")
                opening = self._read(pool, self._place("_opening", key, token))
                found += waits * joined // assets * (now - opening) // SCALE
        return found

    def _shelf(self, pool: Backstop, id: int) -> int:
        """What the engine holds of an asset for the pool: what is wound down stays where it came
        in, in the first account."""
        found = 0
        for number in (0, id):
            for tag, amount in self.watch.legs[pool.shelves[number]]:
                if tag == id:
                    found += amount
        return found

    # ------------------------------------------------------------ calls

    def listen(self, told: Told) -> None:
        """Keep what the call told of pools: reading a price may be a call too. An account that is
        credited with what is seized is named by no event."""
        result = self.watch.evm.result
        assert result is not None
        self._logs = [log for log in result.logs if log.address in self._at]
        for log in self._logs:
            if self._names[log.data[0][0]] == "Buy":
                told.named.add(account_id(log.address, 0))

    def judge(self, told: Told, actor: bytes, target: str) -> None:
        """The call that was just made, if it told something of a pool."""
        touched: list[Backstop] = []
        for log in self._logs:
            pool = self._at[log.address]
            topics, data = log.data
            if pool not in touched:
                touched.append(pool)
                pool.bought = None
            words = [_word(data[i : i + 32], "big") for i in range(0, len(data), 32)]
            self._event(pool, self._names[topics[0]], topics, words, actor)
        for pool in touched:
            if target == f"backstop.{pool.symbol}":
                self._marked(pool)
            if pool.bought is not None:
                self._worth_it(pool, pool.bought, told)
            self._compare(pool)

    def _event(
        self, pool: Backstop, name: str, topics: list[bytes], words: list[int], actor: bytes
    ) -> None:
        watch, kept = self.watch, pool.kept
        now = watch.now // WINDOW
        if name in _ROLLS and kept.window != now:
            kept.window, kept.start_cash, kept.start_shares = now, kept.cash, kept.shares
        if name in _OWNED:
            owner = topics[1]
            kept.acts[owner] = kept.acts.get(owner, 0) + 1
            if owner != actor and owner != watch._attacker:
                what = f"{name} of the pool of {{}} for who did not act"
                watch._differs("SOLV-8", 1, what, pool.symbol)
        if name == "Join":
            self._join(pool, *words)
        elif name == "Deposit":
            shares, waits, _ = kept.stakes.get(topics[1], (0, 0, 0))
            kept.stakes[topics[1]] = shares, waits + words[0], now
            kept.waiting += words[0]
        elif name == "CancelDeposit":
            shares, waits, window = kept.stakes.get(topics[1], (0, 0, 0))
            waits -= words[0]
            kept.stakes[topics[1]] = shares, waits, window if waits else 0
            kept.waiting -= words[0]
        elif name == "Withdraw":
            self._left(pool, topics[1], words[0], words[1])
        elif name == "Claim":
            self._claimed(pool, topics[1], topics[2], words[0])
        elif name == "SetMark":
            self._mark(pool, topics[1], words[0])
        elif name == "ClearMark":
            kept.marks.pop(topics[1], None)
        elif name == "Buy":
            self._buy(pool, topics[1], topics[3], words[0])
        elif name == "Take":
            self._take(pool, topics[1], words[0], words[1])

    def _join(self, pool: Backstop, window: int, assets: int, shares: int) -> None:
        watch, kept, symbol = self.watch, pool.kept, pool.symbol
        cash, all_shares = kept.cash, kept.shares
        if window + 2 > watch.now // WINDOW:
            watch._differs("SOLV-8", 1, "a deposit to the pool of {} joins early", symbol)
        if all_shares:
            ahead = assets * all_shares - shares * cash
            watch._room("SOLV-8", ahead, assets * all_shares, "who joins the pool of {}", symbol)
            watch._room(
                "SOLV-10", cash - 1 - ahead, cash, "shares for a deposit, pool of {}", symbol
            )
        else:
            watch._alike("SOLV-10")
            if shares != assets * FIRST_SHARES:
                watch._differs("SOLV-10", 1, "first shares of the pool of {}", symbol)
        waited = 0
        for owner, (held, waits, since) in list(kept.stakes.items()):
            if waits and since == window:
                kept.stakes[owner] = held + waits * shares // assets, 0, 0
                kept.acts[owner] = kept.acts.get(owner, 0) + 1
                waited += waits
        if waited != assets:
            watch._differs("SOLV-8", waited - assets, "what joins the pool of {}", symbol)
        kept.cash, kept.shares = cash + assets, all_shares + shares
        kept.waiting -= assets

    def _left(self, pool: Backstop, owner: bytes, sent: int, burnt: int) -> None:
        """Who stays loses nothing; who leaves less than a share."""
        watch, kept, symbol = self.watch, pool.kept, pool.symbol
        held, waits, window = kept.stakes.get(owner, (0, 0, 0))
        ahead = burnt * kept.cash - sent * kept.shares
        whole = kept.shares * kept.cash
        watch._room("SOLV-8", ahead, whole, "worth of who stays in the pool of {}", symbol)
        behind = kept.cash - 1 - ahead
        watch._room("SOLV-10", behind, kept.cash, "shares burnt, pool of {}", symbol)
        watch._room("SOLV-8", held - burnt, held, "shares of who leaves the pool of {}", symbol)
        kept.stakes[owner] = held - burnt, waits, window
        kept.cash -= sent
        kept.shares -= burnt

    def _claimed(self, pool: Backstop, owner: bytes, token: bytes, amount: int) -> None:
        watch, kept = self.watch, pool.kept
        id = watch._by_topic[token]
        left = kept.earned.get((owner, id), 0) - amount * _UNIT
        self._exactly(pool, owner, left)
        kept.earned[owner, id] = max(left, 0)
        kept.claims[id] = kept.claims.get(id, 0) - amount

    def _exactly(self, pool: Backstop, owner: bytes, left: int) -> None:
        """A claim is all that was earned, but for parts of units."""
        watch = self.watch
        watch._room("SOLV-8", left, 0, "claims on the pool of {}, more than earned", pool.symbol)
        lost = (2 * pool.kept.acts.get(owner, 0) + 2) * _UNIT
        watch._room(
            "SOLV-8", lost - left, 0, "claims on the pool of {}, less than earned", pool.symbol
        )

    # ------------------------------------------------------------ purchases

    def _mark(self, pool: Backstop, account: bytes, since: int) -> None:
        watch, now = self.watch, self.watch.now
        first, last = pool.kept.marks.get(account, (0, 0))
        first = now if now > last + MARK_LASTS else first
        if since != first:
            watch._differs(
                "SOLV-6", since - first, "time of a mark of {}", watch._known_name(account)
            )
        pool.kept.marks[account] = since, now

    def _marked(self, pool: Backstop) -> None:
        """Only who is below maintenance is marked, and stays so."""
        watch = self.watch
        for log in self._logs:
            topics = log.data[0]
            name = self._names.get(topics[0]) if log.address == pool.address else None
            if name is None or (name != "SetMark" and name != "ClearMark"):
                continue
            number = watch._names.get(topics[1])
            if number is None:
                continue
            watch._exact.add("SOLV-6")
            if (watch.factor(number) < WAD) != (name == "SetMark"):
                what = "a mark of {} that its health does not allow"
                watch._differs("SOLV-6", 1, what, watch._name(number))

    def _buy(self, pool: Backstop, account: bytes, caller: bytes, paid: int) -> None:
        watch, kept, symbol, now = self.watch, pool.kept, pool.symbol, self.watch.now
        since, seen = kept.marks.get(account, (0, 0))
        early = now - since - WAIT if since else -1
        watch._room("SOLV-6", early, WAIT, "the pool of {} buys before its time", symbol)
        late = seen + MARK_LASTS - now
        watch._room("SOLV-6", late, MARK_LASTS, "the pool of {} buys after a mark", symbol)
        kept.marks[account] = since, now
        kept.cash -= paid
        whole = kept.start_cash * kept.shares
        left = SLICE * kept.start_shares * kept.cash - (SLICE - 1) * whole
        watch._room("CAP-1", left, whole, "slice of the pool of {}", symbol)
        if pool.bought is None:
            pool.bought = Bought(account, caller)
        pool.bought.caller = caller
        pool.bought.paid += paid

    def _take(self, pool: Backstop, token: bytes, amount: int, reward: int) -> None:
        watch, kept, bought = self.watch, pool.kept, pool.bought
        if bought is None or kept.shares == 0:
            watch._differs("SOLV-8", 1, "what the pool of {} takes without paying", pool.symbol)
            return
        id = watch._by_topic[token]
        most = amount * REWARD // WAD
        watch._room("SOLV-8", most - reward, most, "reward of the pool of {}", pool.symbol)
        bought.taken[id] = bought.taken.get(id, 0) + amount
        kept.claims[id] = kept.claims.get(id, 0) + amount
        earned = kept.earned
        for owner, stake in kept.stakes.items():
            if stake[0]:
                more = (amount - reward) * stake[0] * _UNIT // kept.shares
                earned[owner, id] = earned.get((owner, id), 0) + more
                kept.acts[owner] = kept.acts.get(owner, 0) + 1
        key = bought.caller, id
        earned[key] = earned.get(key, 0) + reward * _UNIT

    def _worth_it(self, pool: Backstop, bought: Bought, told: Told) -> None:
        """All that was seized is taken, and at spot it is worth what was paid."""
        watch = self.watch
        scale = watch._listed[pool.asset - 1].scale
        value = -bought.paid * watch.counted(pool.asset) * scale
        for id, amount in bought.taken.items():
            value += amount * watch.counted(id) * watch._listed[id - 1].scale
        watch._room("SOLV-8", value, 0, "a purchase of the pool of {} at spot", pool.symbol)
        if len(told.liquidations) != 1:
            return
        seized: dict[int, int] = {}
        for event in told.engine:
            if event.name == "Liquidate":
                id, amount = watch._by_topic[event.topics[3]], event.words[4]
            elif event.name == "Seize":
                id, amount = watch._by_topic[event.topics[2]], event.words[0]
            else:
                continue
            seized[id] = seized.get(id, 0) + amount
        for id, amount in seized.items():
            if amount > bought.taken.get(id, 0):
                watch._differs("SOLV-8", amount, "what the pool of {} seized and lost", pool.symbol)

    # ------------------------------------------------------------ comparing

    def _compare(self, pool: Backstop) -> None:
        """The words of a pool are what its events say."""
        watch, kept, symbol = self.watch, pool.kept, pool.symbol
        cash, shares, waiting, window, start_cash, start_shares = self._totals(pool)
        watch._alike("SOLV-8")
        if (cash, shares, waiting) != (kept.cash, kept.shares, kept.waiting):
            watch._differs("SOLV-8", 1, "books of the pool of {} and its events", symbol)
        if (window, start_cash, start_shares) != (kept.window, kept.start_cash, kept.start_shares):
            watch._differs("CAP-1", 1, "start of a window of the pool of {}", symbol)
        total = waits = 0
        for owner, stake in kept.stakes.items():
            if self._stake(pool, owner) != stake:
                watch._differs("SOLV-8", 1, "a stake in the pool of {}", symbol)
            if stake[1] and stake[2] + 2 <= window:
                watch._differs("SOLV-8", 1, "a deposit to the pool of {} joins late", symbol)
            total += stake[0]
            waits += stake[1]
        watch._room("SOLV-3", shares - total, 0, "stakes in the pool of {}", symbol)
        if waits != waiting:
            watch._differs("SOLV-3", waits - waiting, "deposits to the pool of {}", symbol)
        watch._room(
            "SOLV-8", shares - cash * FIRST_SHARES, shares, "price of the pool of {}", symbol
        )
        held = watch.evm.storage(pool.token, pool.balance)
        watch._room("SOLV-1", held - cash - waiting, 0, "balance of the pool of {}", symbol)
        for id, claims in kept.claims.items():
            if claims:
                left = self._shelf(pool, id) - claims
                watch._room("SOLV-1", left, 0, "collateral of the pool of {}", symbol)
        if any(watch.price(tag).level != WIND_DOWN for tag, _ in watch.legs[pool.shelves[0]]):
            watch._differs("SOLV-8", 1, "what the pool of {} received and did not take", symbol)

    def sweep(self) -> None:
        """All words, and every claim against what was earned."""
        for pool in self.pools:
            self._compare(pool)
            earned = pool.kept.earned
            for id, claims in pool.kept.claims.items():
                for owner in self._people if claims else ():
                    left = earned.get((owner, id), 0) - self._claimable(pool, owner, id) * _UNIT
                    self._exactly(pool, owner, left)

    # ------------------------------------------------------------ trials

    def trials(self, turn: int, send: Send, found: list[Violation]) -> None:
        """One lender of a pool leaves, with all that is his."""
        pool = self.pools[turn % len(self.pools)]
        owners = [
            one for one, stake in pool.kept.stakes.items() if one in self._people and any(stake)
        ]
        if not owners:
            return
        owner = owners[turn // 2 % len(owners)]
        who, name = self._people[owner], f"backstop.{pool.symbol}"
        kept = pool.kept
        shares, waits, window = kept.stakes[owner]
        joined = waits and window + 2 <= self.watch.now // WINDOW
        if shares and shares * kept.cash >= kept.shares:
            self._try(send, (who, name, "withdraw", (MAX_UINT256, f"@{who}"), 0, 0), found)
        elif joined and waits >= 2:  # joining loses less than two shares
            self._try(send, (who, name, "withdraw", (1, f"@{who}"), 0, 0), found)
        if waits and not joined:
            self._try(send, (who, name, "cancel_deposit", (waits, f"@{who}"), 0, 0), found)
        for id in self._tokens:
            asset = self.watch._listed[id - 1]
            movable = self.watch._trials._moves(asset) and not self.watch.lost[id]
            if movable and self._claimable(pool, owner, id):
                args = f"@token.{asset.symbol}", f"@{who}"
                self._try(send, (who, name, "claim", args, 0, 0), found)

    def _try(self, send: Send, call: Trial, found: list[Violation]) -> None:
        self.watch._exact.add("LIVE-2")
        reason = send(call)
        if reason is not None and reason != "blocked":
            self.watch._trials._failed("LIVE-2", call, reason, found)


def _padded(address: str) -> bytes:
    return bytes.fromhex(address[2:]).rjust(32, b"\0")
