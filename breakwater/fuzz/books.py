"""Vaults and funds: what their words must be after the events of a call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from breakwater.fuzz.events import Event
from breakwater.fuzz.exposures import Exposures
from breakwater.fuzz.state import _window_of
from breakwater.model import vault_limits
from breakwater.observation.words import M32, M40, M112, M127, M128, mapped
from breakwater.units import BPS, RAY

Words = tuple[int, int, int, int, int, int]
"""Of a vault: books, rates, claims, its balance of the token, the fund's shares, and what was
redeemed (from bit 0) and paid (from bit 128) since it was wound down."""

Config = tuple[int, int, int, int]
"""Of a vault: reserve factor, deposit cap, debt cap, highest rate."""


class _Flow:
    """What the events of a vault add up to [assets]."""

    __slots__ = ("booked", "entries", "fees", "flow", "later", "lent", "paid", "payments")

    flow: int
    """What came in less what went out, interest and payments of debt aside."""
    fees: int
    paid: int
    lent: int
    payments: int
    """Number of payments and loans."""
    entries: int
    """Number of deposits and withdrawals."""
    later: int
    """What the total may have risen by since the last deposit: fees, and of each payment or loan
    the part of a unit that rounding leaves to the lenders. -1: no deposit."""
    booked: Sequence[Event]

    def __init__(
        self,
        flow: int = 0,
        fees: int = 0,
        paid: int = 0,
        lent: int = 0,
        payments: int = 0,
        entries: int = 0,
        later: int = -1,
        booked: Sequence[Event] = (),
    ) -> None:
        self.flow = flow
        self.fees = fees
        self.paid = paid
        self.lent = lent
        self.payments = payments
        self.entries = entries
        self.later = later
        self.booked = booked


class _Totals:
    """The totals of a vault at one moment, the interest until now included."""

    __slots__ = ("assets", "debt", "fee", "supply", "total")

    total: int
    debt: int
    fee: int
    assets: int
    supply: int

    def __init__(self, total: int, debt: int, fee: int, assets: int, supply: int) -> None:
        self.total = total
        self.debt = debt
        self.fee = fee
        self.assets = assets
        self.supply = supply


_NO_FLOW: Final = _Flow()


def _totals(words: Words, index: int, factor: int) -> _Totals:
    books, claims, paid = words[0], words[2], words[5]
    debt = (books >> 112 & M112) * index // RAY
    total = (books & M112) + debt
    if total > M112:
        total = M112
    gain = total - (claims >> 128)
    fee = gain * factor // BPS if gain > 0 else 0
    assets, supply = total - fee + 1 + (paid >> 128), (claims & M128) + 10**6 + (paid & M128)
    return _Totals(total, debt, fee, assets, supply)


class Books(Exposures):
    """SOLV-1, 2, 4, 9, 10 and 11 of vaults, and CAP-1 of theirs."""

    def _vault(
        self, v: int, old: Words, new: Words, events: list[Event], config: Config | None = None
    ) -> tuple[int, int]:
        """Judge a vault; what its total rose by, and the loss it booked. `config`: the old one."""
        symbol = self._vaults[v].symbol
        index = self._grown(v, old[1], new[1])
        factor, deposit_cap, debt_cap, highest = self.configs[v]
        self._room(
            "SOLV-4", highest - (new[1] >> 112 & M40), highest, "growth of the index of {}", symbol
        )
        before = _totals(old, index, factor if config is None else config[0])
        after = _totals(new, index, factor)
        total, debt, fee = after.total, after.debt, after.fee
        assets, supply = after.assets, after.supply
        cash = new[0] & M112
        lost = self.lost_cash[v]
        self._room("SOLV-1", new[3] + lost - cash, 0, "balance of the vault of {}", symbol)
        if lost:
            self.lost_cash[v] = max(min(lost, cash - new[3]), 0)
        owed = (supply - 10**6) * assets // supply - (new[5] >> 128)
        self._room("SOLV-2", cash + debt - fee - owed, 0, "books of {}", symbol)

        flow = self._flow(events, index, symbol) if events else _NO_FLOW
        rise = total - before.total
        self._room(
            "SOLV-2", rise - flow.flow + len(events), 0, "total of {} after its events", symbol
        )
        if flow.booked:
            self._booked(flow, before, after, symbol)
        else:
            worth = before.assets * supply
            ahead = assets * before.supply - worth
            self._room("SOLV-4", ahead, worth, "worth of a share of {}, no loss", symbol)
            if flow.entries == 1 and not flow.fees:
                self._entered(events, flow, before, symbol)
        if flow.later >= 0:
            left = deposit_cap - total + flow.later
            self._room("CAP-1", left, deposit_cap, "deposit cap of {}", symbol)
        if flow.lent:
            self._room("CAP-1", debt_cap - debt, debt_cap, "debt cap of {}", symbol)
        if events:
            if new[5]:
                self._shared_out(v, new, events)
            self._flowed(v, old, new, events)
            if self.stops[v] or any(self.ends[v]):
                self._stopped(v, events)
            self.ends[v] = self._read_ends(self._vaults[v])
        return rise, sum([event.words[1] for event in flow.booked]) if flow.booked else 0

    def _grown(self, v: int, old_rates: int, rates: int) -> int:
        """The index of a vault now, which is judged."""
        due = self.index(v)
        index, old_index = rates & M112, old_rates & M112
        gap = 0
        if rates >> 192 & M32 == self.now & M32:
            gap = index - due
        elif rates != old_rates:
            gap = index - old_index or -1
        self._exact.add("SOLV-11")
        if not gap:
            return due
        symbol = self._vaults[v].symbol
        self._room("SOLV-11", -abs(gap), 0, "index of {}: what every debtor owes", symbol)
        if self.now == old_rates >> 192 & M32 or index < old_index:
            self._room("SOLV-4", -abs(gap), 0, "index of {} in zero time", symbol)
        self.indices[v] = index
        return index

    def _flow(self, events: list[Event], index: int, symbol: str) -> _Flow:
        """Add events up; SOLV-10 of loans and payments."""
        flow = fees = paid = lent = payments = entries = 0
        later = -1
        booked: list[Event] = []
        for event in events:
            name, words = event.name, event.words
            if name == "Lend" or name == "Collect":
                payments += 1
                later += later >= 0
            if name == "Lend":
                lent += words[0]
                self._room("SOLV-10", words[1] - 1, 0, "shares of a loan of {}", symbol)
                ahead = words[1] * index - words[0] * RAY
                self._room("SOLV-10", ahead, RAY, "debt of a loan of {}", symbol)
            elif name == "Collect":
                flow += words[2]
                fees += words[2]
                later += words[2] if later >= 0 else 0
                paid += words[0]
                self._room(
                    "SOLV-10", words[0] * RAY - words[1] * index, RAY, "a payment of {}", symbol
                )
            elif name == "Deposit":
                flow += words[0]
                entries += 1
                later = 0
            elif name == "Withdraw":
                flow -= words[0]
                entries += 1
            elif name == "WriteOff":
                flow -= words[1]
                booked.append(event)
            elif name == "FlashLoan":
                flow += words[1]
                fees += words[1]
                later += words[1] if later >= 0 else 0
        return _Flow(flow, fees, paid, lent, payments, entries, later, booked)

    def _booked(self, flow: _Flow, before: _Totals, after: _Totals, symbol: str) -> None:
        """Shares fall by the loss and by nothing else, and its parts are what they should be."""
        booked = flow.booked
        loss = sum(event.words[3] for event in booked)
        fall = before.assets * after.supply // before.supply - after.assets
        # fees paid in the same call make up for a part of it
        gap = max(fall - loss, loss - flow.fees - fall)
        self._room("SOLV-4", 2 + 2 * len(booked) - gap, 0, "shares of {} fall", symbol)
        for event in booked:
            words = event.words
            gap = abs(words[1] - words[2] - words[3])
            self._room("SOLV-9", -gap, 0, "parts of a loss of {}", symbol)
        if len(booked) == 1 and not flow.fees:
            words = booked[0].words
            worth = words[4] * before.assets // before.supply
            self._room(
                "SOLV-9", 2 - abs(worth - words[2]), 0, "the fund's part of a loss {}", symbol
            )
            gap = abs(before.debt + flow.lent - after.debt - flow.paid - words[1])
            self._room("SOLV-9", flow.payments + 2 - gap, 0, "debts of {} after a loss", symbol)

    def _entered(self, events: list[Event], flow: _Flow, before: _Totals, symbol: str) -> None:
        """One deposit or withdrawal, at the price from before it."""
        # a loan or payment around it left a part of a unit to the lenders
        other = flow.payments * before.supply
        for event in events:
            name, words = event.name, event.words
            if name == "Deposit":
                ahead = words[0] * before.supply - words[1] * before.assets + other
                self._room("SOLV-10", ahead, before.supply, "a deposit of {}", symbol)
            elif name == "Withdraw":
                ahead = words[1] * before.assets - words[0] * before.supply + other
                self._room("SOLV-10", ahead, before.supply, "a withdrawal of {}", symbol)

    def _shared_out(self, v: int, new: Words, events: list[Event]) -> None:
        """Who took of a vault that is wound down took no more than his part of what is and was
        there, at whatever price.
        """
        vault, storage = self._vaults[v], self.evm.storage
        every = (new[2] & M128) + (new[5] & M128)
        there = (new[0] & M112) + (new[5] >> 128)
        for event in events:
            if event.name != "Withdraw":
                continue
            owner = event.topics[3]
            word = storage(vault.address, mapped(self._shares, owner))
            taken = storage(vault.address, mapped(self._taken, owner))
            part = ((word & M128) + (word >> 128 & M127)) * there
            self._room("SOLV-2", part - taken * every, part, "one's part of {}", vault.symbol)

    def _stopped(self, v: int, events: list[Event]) -> None:
        """GATE-2: nothing that the level of a vault forbids."""
        level = self.level_of(v)
        if level == 0:
            return
        for event in events:
            highest = _HIGHEST.get(event.name, 3)
            if level > highest and (level, event.name) != (3, "Withdraw"):
                what = f"{event.name} at level {level} of the vault of {{}}"
                self._differs("GATE-2", level - highest, what, self._vaults[v].symbol)
        self._exact.add("GATE-2")

    def _taken_away(self, target: str, args: Sequence[Any]) -> bool:
        """Whether an issuer burnt what the protocol holds: no promise can keep that. From then on
        what is lacking counts as if it were there, and no more may be lacking."""
        asset = self._by_name[f"@{target}"]
        if args[0] == "@engine":
            held = self.storage(asset.token, asset.balance)
            self.held[asset.id] = held
            self.lost[asset.id] = max((self.books[asset.id] & M112) - held, 0)
        elif args[0] == f"@vault.{asset.symbol}":
            v = asset.vault
            words = self.vaults[v] = self._read_vault(self._vaults[v])
            self.lost_cash[v] = max((words[0] & M112) - words[3], 0)
        else:
            return False
        return True

    def _flowed(self, v: int, old: Words, new: Words, events: list[Event]) -> None:
        """CAP-1: cash stays above what the limits of the window let leave, and debt below."""
        out = [event.name for event in events if event.name in ("Lend", "Withdraw")]
        level = self.level_of(v)
        if not out or level >= 2:
            return
        vault = self._vaults[v]
        window = _window_of(self.storage(vault.address, self._window))
        cash, symbol = new[0] & M112, vault.symbol
        if cash < old[0] & M112:
            least = vault_limits.value_of(window.least_cash())
            self._room("CAP-1", cash - least, cash, "outflow of {}", symbol)
        if "Lend" in out:
            debt = (new[0] >> 112 & M112) * self.index(v) // RAY
            most = vault_limits.value_of(window.most_debt())
            self._room("CAP-1", most - debt, most, "growth of the debt of {}", symbol)

    def _fund(self, v: int, before: Words, minted: int) -> None:
        """A fund's share is worth no less after an entry or exit than before it."""
        vault = self._vaults[v]
        supply, reserve = self._read_fund(vault)
        old_supply, old_reserve = self.funds[v]
        self.funds[v] = supply, reserve
        if old_reserve == 0:
            return
        worth = (before[4] + minted + 1) * (supply + reserve)
        ahead = (self.vaults[v][4] + 1) * (old_supply + old_reserve) - worth
        self._room("SOLV-8", ahead, worth, "worth of a fund share of {}", vault.symbol)


_HIGHEST: Final = {"Lend": 0, "Deposit": 1, "Withdraw": 1, "FlashLoan": 1}
"""Levels of a vault at which it still does that; anything else at any."""
