"""Model of `BackstopPool`. Specification, Backstop pool.

Cash and deposits in units of the debt asset, collateral in its own. A purchase is a liquidation in
the model of the engine, so terms and refusals are those of there.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from breakwater.model import exact
from breakwater.model.chain import ZERO_ADDRESS, Chain, Contract, Refused, Word, reentrant, view
from breakwater.model.legs import MAX_AMOUNT
from breakwater.model.shares import down, up
from breakwater.units import BPS, MAX_UINT256, WAD, account_id

WINDOW = 3_600
"""Seconds."""
WAIT = 600
"""From the first sight of an account that is liquidatable until the pool buys."""
MARK_LASTS = 1_200
"""From the last sight."""
SLICE = 10
"""In a window purchases take one part in so many of a share's cash."""
REWARD = 25 * 10**14
"""WAD of what is seized, for the caller."""
MOST_FEE = 500
"""BPS that the insurance fund's part is of a payment at most."""
FIRST_SHARES = 10**6
"""Shares of a unit at first."""
USED_UP = 10**12
"""Shares of a unit above which nothing is deposited."""
SCALE = 2**150
SOURCE = 2**160 - 1
"""Of an asset's rules: none once it is settled."""
MAX_ASSETS = MAX_AMOUNT


class Stake(NamedTuple):
    """Shares, and assets that wait since a window."""

    shares: int = 0
    waiting: int = 0
    window: int = 0


class Mark(NamedTuple):
    """When an account was first and last seen liquidatable."""

    since: int = 0
    seen: int = 0


class Batch(NamedTuple):
    """Deposits of a window, and the shares that they became."""

    assets: int = 0
    shares: int = 0


STRUCTS: dict[str, tuple[int, ...]] = {
    "_stakes": Stake(), "_marks": Mark(), "_batches": Batch()
}  # fmt: skip


class Books(NamedTuple):
    """Cash and shares once what has stood has joined, and who joins: window and shares."""

    cash: int
    shares: int
    joining: dict[int, int]


class BackstopPool(Contract):
    """For one debt asset."""

    NAME = "BackstopPool"

    def __init__(self, chain: Chain, address: str, engine: str, asset: str) -> None:
        if engine not in chain.contracts:
            raise Refused("engine has no code")
        id, vault, _ = chain.call(address, engine, "debt_of", (asset,))
        if id == 0:
            raise Refused("asset is no debt asset")
        super().__init__(chain, address)
        self._engine, self._asset, self._vault = engine, asset, vault
        self._risk: str = chain.call(address, engine, "risk_engine", ())
        self.put(self._now(), "_window")

    # ------------------------------------------------------------ lenders

    def deposit(self, sender: str, assets: int) -> None:
        """It waits."""
        self._settle(sender)
        if assets == 0:
            raise Refused("zero assets")
        if self.get("_cash") * USED_UP < self.get("_shares"):
            raise Refused("pool is used up")
        if self.get("_cash") + self.get("_waiting") + assets > MAX_ASSETS:
            raise Refused("amount is too large")
        stake = self._stake(sender)
        self._add(stake.window, -stake.waiting)
        stake = Stake(stake.shares, stake.waiting + assets, self._now())
        self._add(stake.window, stake.waiting)
        self.put(stake, "_stakes", sender)
        self.put(self.get("_waiting") + assets, "_waiting")
        self.emit("Deposit", owner=sender, assets=assets, window=stake.window)
        before = self._call(self._asset, "balanceOf", self.address)
        self._must("transferFrom", sender, self.address, assets)
        if self._call(self._asset, "balanceOf", self.address) < before + assets:
            raise Refused("token takes a fee")

    def cancel_deposit(self, sender: str, assets: int, receiver: str) -> int:
        """What was sent."""
        self._settle(sender)
        stake = self._stake(sender)
        sent = stake.waiting if assets == MAX_UINT256 else assets
        if sent == 0:
            raise Refused("zero assets")
        if sent > stake.waiting:
            raise Refused("more than what waits")
        self._add(stake.window, -sent)
        self.put(stake._replace(waiting=stake.waiting - sent), "_stakes", sender)
        self.put(self.get("_waiting") - sent, "_waiting")
        self.emit("CancelDeposit", owner=sender, receiver=receiver, assets=sent)
        self._push(receiver, sent)
        return sent

    def withdraw(self, sender: str, assets: int, receiver: str) -> int:
        """What was sent."""
        self._settle(sender)
        cash, shares = self.get("_cash"), self.get("_shares")
        stake = self._stake(sender)
        worth = self._worth(stake.shares, cash, shares)
        sent = worth if assets == MAX_UINT256 else assets
        if sent == 0:
            raise Refused("zero assets")
        if sent > worth:
            raise Refused("balance too low")
        burnt = up(sent * shares, cash)
        self.put(stake._replace(shares=stake.shares - burnt), "_stakes", sender)
        self.put(shares - burnt, "_shares")
        self.put(cash - sent, "_cash")
        self._check_exit(stake.shares, sent, burnt, cash, shares)
        self.emit("Withdraw", owner=sender, receiver=receiver, assets=sent, shares=burnt)
        self._push(receiver, sent)
        return sent

    def claim(self, sender: str, asset: str, receiver: str) -> int:
        """Units that left."""
        self._settle(sender)
        if receiver == self.address:
            raise Refused("receiver is not valid")
        amount = self.get("_owed", sender, asset)
        if amount == 0:
            raise Refused("nothing to claim")
        self.put(0, "_owed", sender, asset)
        self.emit("Claim", owner=sender, asset=asset, receiver=receiver, amount=amount)
        id = self.get("_ids", asset)
        left = min(amount, self._received().get(id, 0))
        sent = 0
        for number, part in ((0, left), (id, amount - left)):
            if part:
                account = account_id(self.address, number)
                sent += self._call(
                    self._engine, "withdraw_collateral", account, asset, part, receiver
                )
        return sent

    # ------------------------------------------------------------ liquidation

    def mark(self, sender: str, account: bytes) -> None:
        """Seen liquidatable."""
        if not self._is_liquidatable(account):
            raise Refused("account is healthy")
        mark, now = self._mark(account), self.chain.now
        mark = Mark(now if now > mark.seen + MARK_LASTS else mark.since, now)
        self.put(mark, "_marks", account)
        self.emit("SetMark", account=account, since=mark.since)

    def unmark(self, sender: str, account: bytes) -> None:
        """Seen healthy."""
        if self._mark(account).since == 0:
            raise Refused("account is not marked")
        if self._is_liquidatable(account):
            raise Refused("account is liquidatable")
        self._clear(account)

    def buy(self, sender: str, account: bytes, collateral: str, max_repay: int) -> int:
        """What the pool paid."""
        self._roll()
        mark, now = self._mark(account), self.chain.now
        if mark.since == 0:
            raise Refused("account is not marked")
        if now < mark.since + WAIT:
            raise Refused("mark is too young")
        if now > mark.seen + MARK_LASTS:
            raise Refused("mark has lapsed")
        if max_repay == 0:
            raise Refused("zero assets")
        cash = self.get("_cash")
        room = self._room(
            cash, self.get("_shares"), self.get("_start_cash"), self.get("_start_shares")
        )
        cap = min(max_repay, room * BPS // (BPS + MOST_FEE))
        if cap == 0:
            raise Refused("slice is used up")
        if self._call(self._risk, "words_of", self._asset)[0] & SOURCE == 0:
            raise Refused("asset is settled")
        for id in self._received():
            self._put_away(id)
        before = self._received()
        self._call(self._asset, "approve", self._vault, room)
        paid, _ = self._call(
            self._engine, "liquidate",
            account, self._asset, collateral, cap, 0, self.address, self._inbox(), b"",
        )  # fmt: skip
        self._call(self._asset, "approve", self._vault, 0)
        exact.below(paid, room, "a purchase beyond the slice")
        self.put(cash - paid, "_cash")
        self.emit("Buy", account=account, collateral=collateral, caller=sender, paid=paid)
        self._take(sender, before, paid)
        if self._is_liquidatable(account):
            self.put(mark._replace(seen=now), "_marks", account)
        else:
            self._clear(account)
        return int(paid)

    def _received(self) -> dict[int, int]:
        """Units by id in the account that receives."""
        found = {}
        for word in self._call(self._engine, "words_of", self._inbox()):
            for side in (0, 1):
                tag, amount = word >> (208 + 8 * side) & 255, word >> (104 * side) & MAX_AMOUNT
                if tag:
                    found[tag] = amount
        return found

    def _put_away(self, id: int) -> bool:
        """To the asset's own account, unless the engine refuses. A want of gas is not modelled."""
        asset, shelf = self._call(self._risk, "asset_of", id), account_id(self.address, id)
        try:
            with self.chain.undone_if_refused():
                self._call(
                    self._engine, "move_collateral", self._inbox(), shelf, asset, MAX_UINT256
                )
        except Refused:
            return False
        return True

    def _take(self, caller: str, before: dict[int, int], paid: int) -> None:
        """What came into the inbox, for the caller and all shares."""
        found, value = [], 0
        for id, amount in self._received().items():
            amount -= before.get(id, 0)
            if amount == 0:
                continue
            asset = self._call(self._risk, "asset_of", id)
            found.append((id, asset, amount))
            if self._put_away(id):
                value += self._value(asset, amount, down)
        cost = self._value(self._asset, paid, up)
        if value < cost:
            raise Refused("worth less than it costs")
        part = min(REWARD, (value - cost) * WAD // (2 * value)) if value else REWARD
        for id, asset, amount in found:
            self._distribute(caller, id, asset, amount, part)

    def _distribute(self, caller: str, id: int, asset: str, amount: int, part: int) -> None:
        if self.get("_ids", asset) == 0:
            self.put(id, "_ids", asset)
            self.put((*self._collaterals(), asset), "_collaterals")
        reward = amount * part // WAD
        self.put(self.get("_owed", caller, asset) + reward, "_owed", caller, asset)
        more = (amount - reward) * SCALE // self.get("_shares")
        if exact.CHECK_ROUNDING:
            # all shares together get all that is theirs but part of a unit
            told = Fraction(more * self.get("_shares"), SCALE)
            exact.at_most(int(told), amount - reward, 2, "what shares earn")
        self.put(self.get("_per_share", asset) + more, "_per_share", asset)
        self.emit("Take", asset=asset, amount=amount, reward=reward)

    def _value(self, asset: str, amount: int, round: Any) -> int:
        price = self._call(self._risk, "quote", asset)[0]
        rule = self._call(self._risk, "words_of", asset)[0]
        return int(min(round(amount * price, 10 ** (rule >> 222 & 31)), 2**120))

    def _is_liquidatable(self, account: bytes) -> bool:
        position = self._call(self._engine, "position_of", account)
        return int(self._call(self._risk, "health_of", position)[0]) < WAD

    def _clear(self, account: bytes) -> None:
        self.put(Mark(), "_marks", account)
        self.emit("ClearMark", account=account)

    # ------------------------------------------------------------ windows and stakes

    def _roll(self) -> None:
        now = self._now()
        if now == self.get("_window"):
            return
        books = self._rolled()
        for window, shares in books.joining.items():
            batch = self._batch(window)
            self.put(Batch(batch.assets, shares), "_batches", window)
            self.put(self.get("_waiting") - batch.assets, "_waiting")
            for asset in self._collaterals():
                self.put(self.get("_per_share", asset), "_opening", window, asset)
            self.emit("Join", window=window, assets=batch.assets, shares=shares)
        for name in ("_cash", "_start_cash"):
            self.put(books.cash, name)
        for name in ("_shares", "_start_shares"):
            self.put(books.shares, name)
        self.put(now, "_window")

    def _rolled(self) -> Books:
        last = self.get("_window")
        cash, shares = self.get("_cash"), self.get("_shares")
        joining = {}
        for window in (last - 1, last):
            assets = self._batch(window).assets
            if window + 2 > self._now() or assets == 0:
                continue
            joined = assets * shares // cash if shares else assets * FIRST_SHARES
            exact.below(assets * FIRST_SHARES, joined, "a share dearer than at first")
            if shares:
                exact.at_most(joined, Fraction(assets * shares, cash), 1, "joining")
            cash, shares, joining[window] = cash + assets, shares + joined, joined
        return Books(cash, shares, joining)

    def _settle(self, owner: str) -> None:
        self._roll()
        stake = self._stake(owner)
        joined = self._joined(stake, {})
        if stake.shares + joined == 0:
            return
        for asset in self._collaterals():
            owed = self.get("_owed", owner, asset) + self._earned(owner, asset, stake, joined)
            self.put(owed, "_owed", owner, asset)
            self.put(self.get("_per_share", asset), "_settled", owner, asset)
        if joined:
            self.put(Stake(stake.shares + joined), "_stakes", owner)

    def _joined(self, stake: Stake, joining: dict[int, int]) -> int:
        if stake.waiting == 0 or stake.window + 2 > self._now():
            return 0
        batch = self._batch(stake.window)
        return stake.waiting * (batch.shares or joining.get(stake.window, 0)) // batch.assets

    def _earned(self, owner: str, asset: str, stake: Stake, joined: int) -> int:
        now = self.get("_per_share", asset)
        earned = stake.shares * (now - self.get("_settled", owner, asset)) // SCALE
        if joined and self._batch(stake.window).shares:
            earned += joined * (now - self.get("_opening", stake.window, asset)) // SCALE
        return int(earned)

    def _room(self, cash: int, shares: int, start_cash: int, start_shares: int) -> int:
        if shares == 0:
            return 0
        return max(0, cash - up(start_cash * shares * (SLICE - 1), start_shares * SLICE))

    def _check_exit(self, held: int, sent: int, burnt: int, cash: int, shares: int) -> None:
        """An exit makes nobody poorer, no share dearer than at first, and takes what is held."""
        if not exact.CHECK_ROUNDING:
            return
        exact.at_least(burnt, Fraction(sent * shares, cash), 1, "shares burnt")
        exact.below(burnt, held, "shares burnt")
        exact.below((cash - sent) * FIRST_SHARES, shares - burnt, "a share dearer than at first")
        if shares != burnt:
            exact.below(Fraction(cash, shares), Fraction(cash - sent, shares - burnt), "an exit")

    # ------------------------------------------------------------ views

    @reentrant
    def asset(self, sender: str) -> str:
        """The debt asset."""
        return self._asset

    @reentrant
    def engine(self, sender: str) -> str:
        """Whose accounts are liquidated."""
        return self._engine

    @view
    def totals(self, sender: str) -> tuple[int, int, int]:
        """Cash, shares, and what waits."""
        books = self._rolled()
        waiting = self.get("_cash") + self.get("_waiting") - books.cash
        return books.cash, books.shares, waiting

    @view
    def room(self, sender: str) -> int:
        """What is left of the slice."""
        books = self._rolled()
        start = books.cash, books.shares
        if self._now() == self.get("_window"):
            start = self.get("_start_cash"), self.get("_start_shares")
        return self._room(books.cash, books.shares, *start)

    @view
    def stake_of(self, sender: str, owner: str) -> Stake:
        """As of now."""
        stake = self._stake(owner)
        joined = self._joined(stake, self._rolled().joining)
        return Stake(stake.shares + joined) if joined else stake

    @view
    def assets_of(self, sender: str, owner: str) -> int:
        """Worth of the owner's shares."""
        books = self._rolled()
        return self._worth(self.stake_of(sender, owner).shares, books.cash, books.shares)

    @view
    def claimable(self, sender: str, owner: str, asset: str) -> int:
        """What `claim` would send."""
        stake = self._stake(owner)
        joined = self._joined(stake, self._rolled().joining)
        return int(self.get("_owed", owner, asset)) + self._earned(owner, asset, stake, joined)

    @view
    def collaterals(self, sender: str) -> tuple[str, ...]:
        """All that was ever taken."""
        return self._collaterals()

    @view
    def mark_of(self, sender: str, account: bytes) -> Mark:
        """Lapsed or not."""
        return self._mark(account)

    # ------------------------------------------------------------ state

    def _now(self) -> int:
        return self.chain.now // WINDOW

    def _inbox(self) -> bytes:
        return account_id(self.address, 0)

    def _stake(self, owner: str) -> Stake:
        found: Stake = self.get("_stakes", owner, default=Stake())
        return found

    def _mark(self, account: bytes) -> Mark:
        found: Mark = self.get("_marks", account, default=Mark())
        return found

    def _batch(self, window: int) -> Batch:
        found: Batch = self.get("_batches", window, default=Batch())
        return found

    def _add(self, window: int, assets: int) -> None:
        batch = self._batch(window)
        self.put(Batch(batch.assets + assets, batch.shares), "_batches", window)

    def _collaterals(self) -> tuple[str, ...]:
        found: tuple[str, ...] = self.get("_collaterals", default=())
        return found

    @staticmethod
    def _worth(held: int, cash: int, shares: int) -> int:
        return held * cash // shares if shares else 0

    def _call(self, target: str, function: str, *args: Any) -> Any:
        return self.chain.call(self.address, target, function, args)

    def _must(self, function: str, *args: Any) -> None:
        if self._call(self._asset, function, *args) is False:
            raise Refused("token transfer failed")

    def _push(self, receiver: str, amount: int) -> None:
        if receiver in (ZERO_ADDRESS, self.address):
            raise Refused("receiver is not valid")
        self._must("transfer", receiver, amount)

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """Structs field by field; the list of collaterals with its length first."""
        if name == "_collaterals":
            yield Word(name, (0,), len(self._collaterals()))
            for i, asset in enumerate(self._collaterals()):
                yield Word(name, (1 + i,), int(asset, 16))
        elif name in STRUCTS:
            for i, value in enumerate(self.get(name, *keys, default=STRUCTS[name])):
                yield Word(name, (*keys, i), value)
        else:
            yield Word(name, keys, self.get(name, *keys))
