"""Model of the `CreditEngine`: accounts, custody, margin checks, liquidations, batches.

Specification: Accounts, Liquidation, Batches. Amounts in token units, debt in debt shares.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from breakwater.model.chain import ZERO_ADDRESS, Chain, Refused, Word, reentrant, view
from breakwater.model.exposure import MAX_TOTAL, NO_BOOK, Book, decoded, encoded
from breakwater.model.legs import DEBT, MAX_AMOUNT, NO_STAMPS, NOTHING, Account, Packed
from breakwater.model.operators import (
    ALL_ACTIONS,
    BORROW,
    DEPOSIT,
    LIQUIDATE,
    MOVE,
    REPAY,
    WITHDRAW,
    Operators,
    owner_of,
)
from breakwater.model.owned import Owned
from breakwater.units import MAX_UINT256, RAY

STAMPS = 2**20 - 1
"""Blocks after which a stamp comes again."""
MAX_BATCH = 16
MAX_DATA = 1_024
NO_ACCOUNT = bytes(32)


class Debt(NamedTuple):
    """A debt asset."""

    id: int
    vault: str
    min_debt: int = 0


class Touched:
    """An account in a batch: how it stood, and the tags of the legs that raised its risk."""

    def __init__(self, before: Account) -> None:
        self.before = before
        self.tags = 0
        """One tag a byte, the latest lowest."""


class CreditEngine(Owned, Operators):
    """Where borrowers and liquidators act."""

    NAME = "CreditEngine"

    def __init__(self, chain: Chain, address: str, risk_engine: str, owner: str) -> None:
        if risk_engine not in chain.contracts:
            raise Refused("risk engine has no code")
        super().__init__(chain, address, owner)
        self.risk = risk_engine

    # ------------------------------------------------------------ a position's life

    def deposit_collateral(self, sender: str, account: bytes, asset: str, amount: int) -> int:
        """What arrived."""
        book = self._book(asset).addable().opened(self.chain.now)
        received = amount
        if book.takes_fee:
            before = self._ask(asset, "balanceOf", self.address)
            self._pull(sender, asset, amount)
            arrived = self._ask(asset, "balanceOf", self.address) - before
            if arrived < 0:
                raise Refused()
            received = min(arrived, amount)
        if received == 0:
            raise Refused("amount is zero")
        if received > MAX_AMOUNT:
            raise Refused("amount is too large")
        holder = self._account(account)
        is_new = holder.find(book.id) is None
        if received > book.room and (
            is_new
            or self._stamp() in holder.stamps
            or received > self._ask(self.risk, "shortfall", self._position(holder), book.id)
        ):
            if book.held + received > book.cap:
                raise Refused("collateral cap is reached")
            raise Refused("exposure growth limit is reached")
        if book.held + received > MAX_TOTAL:
            raise Refused("amount is too large")
        if is_new:
            self._check_new(sender, account, asset, book.id)
        self.put(holder.added(book.id, received), "accounts", account)
        self.put(book._replace(held=book.held + received), "books", asset)
        self.emit("DepositCollateral", account=account, asset=asset, payer=sender, amount=received)
        if not book.takes_fee:
            self._pull(sender, asset, amount)
        return received

    def withdraw_collateral(
        self, sender: str, account: bytes, asset: str, amount: int, receiver: str
    ) -> int:
        """What was sent."""
        return self._withdraw(sender, account, asset, amount, receiver, checked=True)

    def borrow(self, sender: str, account: bytes, asset: str, amount: int, receiver: str) -> int:
        """Debt shares recorded."""
        return self._borrow(sender, account, asset, amount, receiver, checked=True)

    def repay(self, sender: str, account: bytes, asset: str, amount: int) -> tuple[int, int]:
        """Assets paid, debt shares cancelled."""
        debt = self._debt(asset)
        holder = self._account(account)
        i = holder.find(DEBT | debt.id)
        if i is None:
            raise Refused("account has no such debt")
        owed = holder.legs[i][1]
        assets, shares = self._ask(debt.vault, "collect", amount, owed, sender, 0)
        if shares == 0:
            raise Refused("amount is too small")
        if shares != owed:
            self._check_least(debt, owed - shares)
        self.put(holder.lowered(i, shares, self._stamp()), "accounts", account)
        self.emit("Repay", account=account, asset=asset, payer=sender, assets=assets, shares=shares)
        return assets, shares

    def move_collateral(
        self, sender: str, source: bytes, target: bytes, asset: str, amount: int
    ) -> int:
        """What was moved."""
        return self._move(sender, source, target, asset, amount, checked=True)

    def liquidate(
        self,
        sender: str,
        account: bytes,
        debt_asset: str,
        collateral: str,
        max_repay: int,
        min_seized: int,
        receiver: str,
        credit: bytes,
        data: bytes,
    ) -> tuple[int, int]:
        """Debt assets paid, fee included; units of `collateral` seized."""
        if len(data) > MAX_DATA:
            raise Refused()
        if credit == account:
            raise Refused("credit is the account itself")
        if credit == NO_ACCOUNT:
            self._check_receiver(receiver)
        debt = self._debt(debt_asset)
        holder = self._account(account)
        stamp = self._stamp()
        if stamp in holder.stamps:
            raise Refused("risk was raised in this block")
        i = holder.find(DEBT | debt.id)
        position = self._owing(holder)
        repay, fee, write_off, seize, health, incentive, under_water = self._ask(
            self.risk,
            "liquidation_terms",
            position.packed(),
            DEBT | debt.id,
            self.get("books", collateral, default=NO_BOOK).id,
            max_repay,
            debt.min_debt,
        )
        if i is None:
            raise AssertionError("there are terms for a debt that is not held")
        # the collateral leaves the account, leg by leg
        now = self.chain.now
        may_pass = under_water or repay <= 2 * debt.min_debt
        legs = list(holder.legs)
        taken: list[tuple[str, int]] = []
        seized = 0
        for k, (tag, held) in enumerate(holder.legs):
            amount = seize[k >> 1] >> 104 * (k & 1) & MAX_AMOUNT
            if amount == 0:
                continue
            legs[k] = (tag, held - amount)
            asset = self._ask(self.risk, "asset_of", tag)
            if asset == collateral:
                seized = amount
            else:
                self.emit("Seize", account=account, asset=asset, amount=amount)
            book = self.get("books", asset).after_seizure(now, amount, may_pass)
            if credit == NO_ACCOUNT:
                book = book.opened(now)._replace(held=book.held - amount)
            else:
                self._credit(sender, credit, asset, tag, amount, is_seized=True)
            self.put(book, "books", asset)
            taken.append((asset, amount))
        if seized < min_seized:
            raise Refused("too little would be seized")
        if credit == NO_ACCOUNT:
            for asset, amount in taken:
                self._push(asset, receiver, amount)
        # the liquidator is called while he owes
        if data:
            args = (account, debt_asset, repay + fee, collateral, seized, data)
            self._ask(sender, "on_liquidate", *args)
        left = holder.legs[i][1]
        paid = 0
        if repay:
            paid, shares = self._ask(debt.vault, "collect", repay, left, sender, fee)
            left -= shares
        # of what is left the part that the terms write off
        bad_debt = 0
        owed = position.legs[i][1]
        lost = left if repay + write_off >= owed else left * write_off // (owed - repay)
        if write_off and lost:
            bad_debt = self._ask(debt.vault, "write_off", lost)
            left -= lost
        if left == holder.legs[i][1]:
            raise Refused("nothing to repay")
        legs[i] = (legs[i][0], left)
        after = holder._replace(legs=tuple(legs))
        if any(amount == 0 for _, amount in legs):
            after = after.dense(stamp)
        self.put(after, "accounts", account)
        self.emit(
            "Liquidate",
            account=account,
            debt_asset=debt_asset,
            collateral=collateral,
            liquidator=sender,
            repaid=paid,
            fund_fee=fee,
            bad_debt=bad_debt,
            seized=seized,
            health_factor=health,
            incentive=incentive,
        )
        return paid + fee, seized

    # ------------------------------------------------------------ batches

    def batch(self, sender: str, steps: Sequence[Sequence[Any]], data: bytes) -> None:
        """Legs in order, then one check of every account whose risk one of them raised."""
        if len(steps) > MAX_BATCH or len(data) > MAX_DATA:
            raise Refused()
        if any(step[0] > ALL_ACTIONS for step in steps):
            raise Refused()
        touched: dict[bytes, Touched] = {}

        def touch(account: bytes) -> Touched:
            if account not in touched:
                touched[account] = Touched(self._account(account))
            return touched[account]

        for step in steps:
            action, account, asset, amount, receiver, other, collateral, min_seized = step
            row = touch(account)
            if action == DEPOSIT:
                self.deposit_collateral(sender, account, asset, amount)
            elif action == WITHDRAW:
                self._withdraw(sender, account, asset, amount, receiver, checked=False)
                row.tags = row.tags << 8 | self._book(asset).id
            elif action == BORROW:
                self._borrow(sender, account, asset, amount, receiver, checked=False)
                row.tags = row.tags << 8 | DEBT | self._debt(asset).id
            elif action == REPAY:
                self.repay(sender, account, asset, amount)
            elif action == MOVE:
                touch(other)
                self._move(sender, account, other, asset, amount, checked=False)
                row.tags = row.tags << 8 | self._book(asset).id
            elif action == LIQUIDATE:
                if other != NO_ACCOUNT:
                    touch(other)
                if data:
                    # nobody is called while risk is unchecked
                    self._end_check(touched)
                self.liquidate(
                    sender,
                    account,
                    asset,
                    collateral,
                    amount,
                    min_seized,
                    receiver,
                    other,
                    data,
                )
            else:
                raise Refused("unknown action")
        self._end_check(touched)

    def _end_check(self, touched: dict[bytes, Touched]) -> None:
        """Initial margin, or safer than before, which takes off the stamps of this block."""
        for account, row in touched.items():
            after = self._account(account)
            if row.tags == 0 or not after.has_debt:
                continue
            raised = self._ask(
                self.risk,
                "check_batch",
                self._position(row.before),
                self._position(after),
                row.tags,
            )
            if not raised and self._stamp() not in row.before.stamps:
                self.put(after._replace(stamps=NO_STAMPS), "accounts", account)

    # ------------------------------------------------------------ administration

    def list_collateral(self, sender: str, asset: str, cap: int, takes_fee: bool) -> None:
        """Accounts may hold `asset`."""
        self._check_owner(sender)
        if self.get("books", asset, default=NO_BOOK) != NO_BOOK:
            raise Refused("collateral is listed already")
        id = self._listed_id(asset)
        self.emit("ListCollateral", asset=asset, id=id, cap=cap, takes_fee=takes_fee)
        self._set_cap(asset, Book(id, takes_fee=takes_fee), cap)

    def set_cap(self, sender: str, asset: str, cap: int) -> None:
        """How much all accounts together may hold."""
        self._check_owner(sender)
        self._set_cap(asset, self._book(asset), cap)

    def set_growth(self, sender: str, asset: str, growth: int) -> None:
        """What a day may add, in percent of the cap; 0: no limit."""
        self._check_owner(sender)
        book = self._book(asset)
        if growth > 100:
            raise Refused("growth is above 100 percent")
        self.put(book.limited(self.chain.now, book.cap, growth), "books", asset)
        self.emit("SetGrowth", asset=asset, growth=growth)

    def set_depth(self, sender: str, asset: str, depth: int) -> None:
        """What liquidations may seize in an hour; 0: no limit."""
        self._check_owner(sender)
        book = self._book(asset).deep(depth)
        self.put(book, "books", asset)
        self.emit("SetDepth", asset=asset, depth=book.depth)

    def end_collateral(self, sender: str, asset: str) -> None:
        """No more of it comes into any account, for good."""
        self._check_owner(sender)
        book: Book = self.get("books", asset, default=NO_BOOK)
        self.put(book._replace(ended=True), "books", asset)

    def list_debt(self, sender: str, vault: str, min_debt: int) -> None:
        """Accounts may borrow what `vault` lends."""
        self._check_owner(sender)
        asset = self._ask(vault, "asset")
        if self.get("debts", asset, default=None):
            raise Refused("debt is listed already")
        id = self._listed_id(asset)
        self.emit("ListDebt", asset=asset, vault=vault, id=id, min_debt=min_debt)
        self._write_debt(asset, Debt(id, vault), min_debt)

    def set_min_debt(self, sender: str, asset: str, min_debt: int) -> None:
        """Smallest debt an account may leave."""
        self._check_owner(sender)
        self._write_debt(asset, self._debt(asset), min_debt)

    def _listed_id(self, asset: str) -> int:
        id: int = self._ask(self.risk, "id_of", asset)
        if id == 0:
            raise Refused("asset is not listed")
        return id

    def _set_cap(self, asset: str, book: Book, cap: int) -> None:
        book = book.limited(self.chain.now, cap, book.growth)
        self.put(book, "books", asset)
        self.emit("SetCap", asset=asset, cap=book.cap)

    def _write_debt(self, asset: str, debt: Debt, min_debt: int) -> None:
        written = debt._replace(min_debt=decoded(encoded(min_debt)))
        self.put(written, "debts", asset)
        self.put(written, "debts_by_id", debt.id)
        self.emit("SetMinDebt", asset=asset, min_debt=written.min_debt)

    # ------------------------------------------------------------ views

    @view
    def words_of(self, sender: str, account: bytes) -> Packed:
        """Legs as stored."""
        return self._account(account).packed()

    @view
    def position_of(self, sender: str, account: bytes) -> Packed:
        """Legs with debt in assets as of now."""
        return self._position(self._account(account))

    @view
    def book_of(self, sender: str, asset: str) -> tuple[int, int, int, bool]:
        """Id, total held, cap, whether it takes a fee."""
        book: Book = self.get("books", asset, default=NO_BOOK)
        return book[:4]

    @view
    def book_word(self, sender: str, asset: str) -> int:
        """As stored."""
        book: Book = self.get("books", asset, default=NO_BOOK)
        return book.word

    @view
    def debt_of(self, sender: str, asset: str) -> tuple[int, str, int]:
        """Id, vault, least debt."""
        debt: Debt = self.get("debts", asset, default=Debt(0, ZERO_ADDRESS))
        return debt

    @view
    def is_unlocked(self, sender: str) -> bool:
        """Refused while a call is in progress."""
        return True

    @reentrant
    def risk_engine(self, sender: str) -> str:
        """Where margin is judged."""
        return self.risk

    # ------------------------------------------------------------ actions

    def _withdraw(
        self, sender: str, account: bytes, asset: str, amount: int, receiver: str, checked: bool
    ) -> int:
        book = self._book(asset)
        holder = self._account(account)
        i, sent = self._leaving(holder, book.id, amount)
        self.authorize(sender, account, WITHDRAW, asset, sent)
        self._check_receiver(receiver)
        after = self._taken_from(account, holder, i, sent)
        book = book.opened(self.chain.now)
        self.put(book._replace(held=book.held - sent), "books", asset)
        if checked and after.has_debt:
            self._ask(self.risk, "check_initial", self._position(after), book.id)
        self.emit(
            "WithdrawCollateral", account=account, asset=asset, receiver=receiver, amount=sent
        )
        self._push(asset, receiver, sent)
        return sent

    def _borrow(
        self, sender: str, account: bytes, asset: str, amount: int, receiver: str, checked: bool
    ) -> int:
        debt = self._debt(asset)
        tag = DEBT | debt.id
        self.authorize(sender, account, BORROW, asset, amount)
        if amount == 0:
            raise Refused("amount is zero")
        self._check_receiver(receiver)
        shares: int = self._ask(debt.vault, "lend", amount, receiver)
        after = self._account(account).added(tag, shares)
        i = after.find(tag)
        assert i is not None
        after = after.stamped(i, self._stamp())
        self.put(after, "accounts", account)
        self._check_least(debt, after.legs[i][1])
        if checked:
            self._ask(self.risk, "check_initial", self._position(after), tag)
        self.emit(
            "Borrow", account=account, asset=asset, receiver=receiver, assets=amount, shares=shares
        )
        return shares

    def _move(
        self, sender: str, source: bytes, target: bytes, asset: str, amount: int, checked: bool
    ) -> int:
        book = self._book(asset).addable()
        if source == target:
            raise Refused("accounts are the same")
        if owner_of(source) != owner_of(target):
            raise Refused("accounts of two owners")
        holder = self._account(source)
        i, moved = self._leaving(holder, book.id, amount)
        self.authorize(sender, source, MOVE, asset, moved)
        after = self._taken_from(source, holder, i, moved)
        self._credit(sender, target, asset, book.id, moved)
        if checked and after.has_debt:
            self._ask(self.risk, "check_initial", self._position(after), book.id)
        self.emit("MoveCollateral", source=source, target=target, asset=asset, amount=moved)
        return moved

    def _leaving(self, holder: Account, id: int, amount: int) -> tuple[int, int]:
        """Index of the leg, and what leaves it when `amount` is asked for."""
        i = holder.find(id)
        if i is None:
            raise Refused("account has no such collateral")
        held = holder.legs[i][1]
        if amount == MAX_UINT256:
            return i, held
        if amount == 0:
            raise Refused("amount is zero")
        if amount > held:
            raise Refused("not enough collateral")
        return i, amount

    def _taken_from(self, account: bytes, holder: Account, i: int, amount: int) -> Account:
        """Less collateral; with debt this raises risk, and is stamped."""
        stamp = self._stamp()
        if holder.has_debt:
            holder = holder.stamped(i, stamp)
        after = holder.lowered(i, amount, stamp)
        self.put(after, "accounts", account)
        return after

    def _credit(
        self,
        sender: str,
        account: bytes,
        asset: str,
        id: int,
        amount: int,
        *,
        is_seized: bool = False,
    ) -> None:
        """Adds collateral that the engine holds already."""
        holder = self._account(account)
        if holder.find(id) is None and is_seized:
            self.authorize(sender, account, DEPOSIT, asset, 0)
        elif holder.find(id) is None:
            self._check_new(sender, account, asset, id)
        self.put(holder.added(id, amount), "accounts", account)

    def _check_new(self, sender: str, account: bytes, asset: str, id: int) -> None:
        """Collateral that is new to an account needs the right to bring it, and a valid price."""
        self.authorize(sender, account, DEPOSIT, asset, 0)
        self._ask(self.risk, "check_listable", id)

    def _check_least(self, debt: Debt, shares: int) -> None:
        if owed(shares, self._ask(debt.vault, "debt_index")) < debt.min_debt:
            raise Refused("debt is below the minimum")

    def _check_receiver(self, receiver: str) -> None:
        if receiver in (ZERO_ADDRESS, self.address):
            raise Refused("receiver is not valid")

    # ------------------------------------------------------------ what is kept

    def _account(self, account: bytes) -> Account:
        found: Account = self.get("accounts", account, default=NOTHING)
        return found

    def _owing(self, holder: Account) -> Account:
        """The account with its debts in assets as of now."""
        if not holder.has_debt:
            return holder
        legs = []
        for tag, amount in holder.legs:
            if tag & DEBT:
                vault = self.get("debts_by_id", tag - DEBT).vault
                amount = min(owed(amount, self._ask(vault, "debt_index")), MAX_AMOUNT)
            legs.append((tag, amount))
        return holder._replace(legs=tuple(legs))

    def _position(self, holder: Account) -> Packed:
        """As the risk engine takes it."""
        return self._owing(holder).packed()

    def _stamp(self) -> int:
        """Of this block."""
        return 1 + self.chain.block % STAMPS

    def _book(self, asset: str) -> Book:
        book: Book = self.get("books", asset, default=NO_BOOK)
        if book.id == 0:
            raise Refused("asset is no collateral")
        return book

    def _debt(self, asset: str) -> Debt:
        debt: Debt | None = self.get("debts", asset, default=None)
        if debt is None:
            raise Refused("asset is no debt asset")
        return debt

    def _ask(self, contract: str, function: str, *args: Any) -> Any:
        return self.chain.call(self.address, contract, function, args)

    def _pull(self, sender: str, asset: str, amount: int) -> None:
        if self._ask(asset, "transferFrom", sender, self.address, amount) is False:
            raise Refused("token transfer failed")

    def _push(self, asset: str, receiver: str, amount: int) -> None:
        if self._ask(asset, "transfer", receiver, amount) is False:
            raise Refused("token transfer failed")

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """See the specification, Accounts."""
        value = self.get(name, *keys, default=None)
        if name == "accounts":
            for i, word in enumerate((value or NOTHING).packed()):
                yield Word(name, (*keys, i), word)
        elif name == "books":
            yield Word(name, keys, (value or NO_BOOK).word)
        elif name in ("debts", "debts_by_id"):
            id, vault, least = value or Debt(0, ZERO_ADDRESS)
            yield Word(name, keys, int(vault, 16) | id << 160 | encoded(least) << 168)
        elif name == "owner":
            yield Word(name, keys, int(value, 16))
        else:
            yield from super().words(name, keys)


def owed(shares: int, index: int) -> int:
    """What debt shares owe [token units], rounded up."""
    return -(-shares * index // RAY)
