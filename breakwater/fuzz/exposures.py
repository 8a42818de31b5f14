"""CAP-1 of collaterals: their caps, how fast they grow, how much of them liquidations seize."""

from __future__ import annotations

from typing import Final

from breakwater.fuzz.events import Change, Event, Told
from breakwater.fuzz.liquidations import Liquidations
from breakwater.fuzz.prices import WIND_DOWN, Asset
from breakwater.observation import exposure
from breakwater.observation.asset import TARGET_CEILING
from breakwater.observation.words import M32, M112
from breakwater.units import HOUR

_SPENDS: Final = frozenset({"WithdrawCollateral", "Borrow", "MoveCollateral"})
"""What an operator needs a grant for."""


_COMES_IN: Final = {"DepositCollateral": 2, "MoveCollateral": 3, "Borrow": 2}
"""The topic of an event with what comes into an account."""


class Exposures(Liquidations):
    """From the books as they were before a call, its events, and the books as they are."""

    def _opened(self, asset: Asset, old: int, new: int) -> None:
        """The day was opened from the total before the call, and its limit stands."""
        if old >> 112 & 127:
            left = exposure.slack(old, new, self.now)
            self._room("CAP-1", left, exposure.cap(old), "limit of {} today", asset.symbol)

    def _caps(self, told: Told, changed: list[Change], is_engine: bool) -> None:
        """Above its limit an account below maintenance may add what it lacks. Backwards, since the
        books are known as they are after the call."""
        totals: dict[int, int] = {}
        for at in range(len(told.engine) - 1, -1, -1):
            event = told.engine[at]
            if event.name == "Liquidate" or event.name == "Seize":
                return  # what was seized may have left the books, or not
            if event.name != "DepositCollateral" and event.name != "WithdrawCollateral":
                continue
            id = self._by_topic.get(event.topics[2], 0)
            if id == 0:
                continue
            book = self.books[id]
            total, amount = totals.get(id, book & M112), event.words[-1]
            if event.name == "WithdrawCollateral":
                totals[id] = total + amount
                continue
            totals[id] = total - amount
            most = exposure.reachable(book, self.now)
            room = most - total
            if room < 0:
                earlier = told.engine[:at] if is_engine else []
                room = max(room, self._lacking(event, id, earlier, changed, at > 0) - amount)
            self._room("CAP-1", room, most, "limit of collateral {}", self._listed[id - 1].symbol)

    def _comes_in(self, told: Told) -> None:
        """Nothing that is wound down comes into an account, nor a loan of what is held: it would
        shield the account, or stand for more than it is worth."""
        for event in told.engine:
            at = _COMES_IN.get(event.name)
            if at is None:
                continue
            id = self._by_topic.get(event.topics[at], 0)
            if id == 0:
                continue
            symbol = self._listed[id - 1].symbol
            until = self.rules[id][1] >> 217 & M32
            if event.name != "Borrow":
                if self.price(id).level == WIND_DOWN:
                    self._differs("CAP-1", 1, "more of {}, which is wound down", symbol)
            elif until and self.now < until + HOUR:
                self._differs("LIVE-3", 1, "a loan of {}, which is held", symbol)

    def _lacking(
        self, event: Event, id: int, earlier: list[Event], changed: list[Change], moved: bool
    ) -> int:
        """What an account below maintenance may add above a limit: to what it holds, up to the
        health that a liquidation restores, unless it raised its risk in this block."""
        account = event.topics[1]
        for change in changed:
            words, before = change.words, change.before
            if change.account != account:
                continue
            named = [one.name for one in earlier if account in one.topics[1:3]]
            if self._is_stamped(words) or not _SPENDS.isdisjoint(named):
                return 0
            if not named and all(tag != id for tag, _ in before):
                return 0
            # what came before it may have brought a collateral with a higher target
            return self.shortfall(before, id, TARGET_CEILING if moved else 0)
        return 0

    def _flood(self, told: Told, changed: list[Change]) -> None:
        """What liquidations seize is counted, and held back above the depth: unless a slice is
        small, or its account under water."""
        by_account = {change.account: change for change in changed}
        counts: dict[int, int] = {}
        taken: list[tuple[bytes, int]] = []
        for event in told.engine:
            if event.name == "Seize":
                taken.append((event.topics[2], event.words[0]))
            if event.name != "Liquidate":
                continue
            taken.append((event.topics[3], event.words[4]))
            _, paid, _, lost, _, _, incentive = event.words
            small = paid <= 2 * self.least[self._by_topic[event.topics[2]]]
            for topic, amount in taken:
                id = self._by_topic.get(topic, 0)
                old = told.books_before.get(id, self.books[id])
                depth = exposure.depth(old)
                if depth == 0 or amount == 0:
                    continue
                count = counts.get(id, exposure.counted(old, self.now))
                counts[id] = count = exposure.more(count, amount, depth)
                change = by_account.get(event.topics[1])
                if small or lost or change is None:
                    continue
                if incentive != self._health_before(change).tip:
                    left = exposure.PARTS - count
                    self._room(
                        "CAP-1", left, exposure.PARTS, "depth of {}", self._listed[id - 1].symbol
                    )
            taken = []
        for id, count in counts.items():
            gap = count - exposure.counted(self.books[id], self.now)
            if gap:
                self._differs("CAP-1", gap, "what was seized of {}", self._listed[id - 1].symbol)
