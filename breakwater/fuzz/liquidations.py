"""Liquidations: whom, on which terms, in slices, and the losses that they book."""

from __future__ import annotations

from typing import Final

from breakwater.fuzz.events import Change, Event, Told
from breakwater.fuzz.grants import Grants
from breakwater.fuzz.positions import Health, Legs
from breakwater.fuzz.state import Slice, Waited
from breakwater.observation.words import M96
from breakwater.units import RAY, WAD

PATIENCE: Final = 600
"""Seconds that an account under water only at the spot of a jump waits."""

_STAMP: Final = 2**20 - 1


class Liquidations(Grants):
    """SOLV-6, 7 and 9 of accounts to which a call did nothing else."""

    def _liquidated(self, told: Told, changed: list[Change]) -> None:
        by_account = {change.account: change for change in changed}
        for event in told.liquidations:
            account = event.topics[1]
            change = by_account.get(account)
            if change is None or account in told.credited:
                continue
            others = [
                other
                for other in told.engine
                if other is not event
                and other.name != "Seize"
                and (account == other.topics[1] or account == other.topics[2])
            ]
            if not others:
                self._liquidation(event, change, told)
            elif all(other.name == "Liquidate" for other in others) and event.words[3]:
                # above water it stays there, whatever the first of them were
                health = self.health(change.before, PATIENCE)
                above = health.collateral - 2 * self.dust(change.before)
                if health.priced and above * WAD > health.debt * (WAD + health.tip):
                    self._unjustified(event, change)

    def _liquidation(self, event: Event, change: Change, told: Told) -> None:
        before = change.before
        name = self._name(change.number)
        health = self._health_before(change)
        patience = PATIENCE if health.under_water else 0
        at_jump = health
        if patience:
            health = self.health(before, patience)
        reported, incentive = event.words[5:7]
        held = self.stated_hold(before, at_jump)
        if held is not None:
            self._differs("GATE-4", 1, f"{{}} is liquidated: {held}", name)
        self._room("SOLV-6", WAD - 1 - health.factor, WAD, "health of {} before liquidation", name)
        gap = abs(reported - health.factor)
        self._room("SOLV-6", -gap, 0, "health reported for {}", name)
        fresh = self._is_stamped(change.words)
        self._room("SOLV-6", -int(fresh), 0, "{} raised its risk in this block", name)
        after = self.health(change.after, patience)
        dust = self.dust(before)
        self._sliced(event, change, health, after, patience, dust)
        if at_jump.under_water or change.account in self.waited:
            self._across(event, change, told, at_jump, health)
        if health.under_water:
            self._room(
                "SOLV-6", -abs(incentive - health.tip), 0, "incentive under water of {}", name
            )
            self._loss(event, change, health)
            return
        if event.words[3]:
            self._unjustified(event, change)
        self._room("SOLV-6", health.incentive_max - incentive, WAD, "incentive of {}", name)
        self._seized(event, change, patience)
        self._least_left(event, change)
        if not health.priced:
            return  # LIVE-3 goes before SOLV-7
        if after.debt:
            allowed = health.factor * dust // after.debt + 1
            self._room(
                "SOLV-7", after.factor - health.factor + allowed, WAD, "health of {} after", name
            )
        owed = -(-after.debt * (WAD + health.tip) // WAD)
        self._room(
            "SOLV-7", after.collateral - owed + 2 * dust, after.collateral,
            "collateral and debt of {} after", name,
        )  # fmt: skip

    def _health_before(self, change: Change) -> Health:
        """Of an account before the call. Prices stay while a call is judged."""
        found = change.health
        if found is None:
            found = change.health = self.health(change.before)
        return found

    def _is_stamped(self, words: tuple[int, ...]) -> bool:
        """Whether an account raised its risk in this block."""
        stamp = 1 + self.block % _STAMP
        return any(word >> 224 & _STAMP == stamp for word in words)

    def dust(self, legs: Legs) -> int:
        """Value of two of the smallest units of every debt [WAD]: what rounding may cost."""
        found = 0
        for tag, _ in legs:
            if tag >= 128:
                asset = self._listed[(tag & 127) - 1]
                found += 2 * -(-(self.price(asset.id).as_debt or 1) // asset.unit) + 2
        return found

    def _sliced(
        self,
        event: Event,
        change: Change,
        health: Health,
        after: Health,
        patience: int,
        dust: int,
    ) -> None:
        """The next slice of a pair pays no more: at prices as they were, and if nothing else
        happened to the account. Where a slice ended a wait `_across` has the bound."""
        account, debt, collateral = event.topics[1:4]
        pair = account, self._by_topic[debt], self._by_topic[collateral]
        incentive = event.words[6]
        known = self.sliced.get(pair)
        if known is not None and known[:3] == (self.now, change.words, patience):
            most = known.incentive - incentive + known.allowed
            name = self._name(change.number)
            self._room("SOLV-7", most, WAD, "incentive of the next slice of {}", name)
        if after.debt and health.priced:
            # what is seized is rounded down: a unit of collateral may stay; and the incentive,
            # by as many of its units as health, times weight over ltv, is off: what a large
            # slice left with the account for that weighs more on a small rest
            price = self.price(pair[2])
            unit = price.as_collateral // self._listed[pair[2] - 1].unit + 1
            off = self.price(pair[1]).weight // max(price.liquidation_ltv, 1) + 2
            allowed = 4 * WAD * (dust + unit) // after.debt + 4
            allowed += off * (health.debt // after.debt)
            words = self.accounts[change.number]
            self.sliced[pair] = Slice(self.now, words, patience, incentive, allowed)

    def _across(
        self, event: Event, change: Change, told: Told, at_jump: Health, health: Health
    ) -> None:
        """Slices at prices that wait for a jump pay more than they take at the jump. Those that
        follow when they have lifted the account above water there bring no more than what the
        account was worth there before all of them."""
        known = self.waited.pop(change.account, None)
        if known is not None and known[:2] != (self.now, change.words):
            known = None
        differs = at_jump.collateral != health.collateral or at_jump.debt != health.debt
        waits = at_jump.under_water and differs
        if not health.priced or not (waits or known):
            return
        repaid, fee = event.words[1:3]
        id = self._by_topic[event.topics[2]]
        gain = -(repaid + fee) * self.price(id).as_debt // self._listed[id - 1].unit
        taken = [(event.topics[3], event.words[4])]
        for other in told.engine:
            if other.name == "Seize" and other.topics[1] == change.account:
                taken.append((other.topics[2], other.words[0]))
        for topic, amount in taken:
            id = self._by_topic[topic]
            gain += amount * self.price(id).as_collateral // self._listed[id - 1].unit
        most = at_jump.collateral - at_jump.debt
        if known is not None:
            most, gain = known.most, known.gain + gain
            # still under water, it pays the tip, which the whole would have paid as well
            if not waits and not health.under_water:
                left = most - gain + self.dust(change.before)
                name = self._name(change.number)
                self._room("SOLV-7", left, WAD, "all slices of {} across its wait", name)
        self.waited[change.account] = Waited(self.now, self.accounts[change.number], most, gain)

    def _seized(self, event: Event, change: Change, patience: int) -> None:
        """Not more than what was paid is worth, and the incentive."""
        debt_id, id = self._by_topic[event.topics[2]], self._by_topic[event.topics[3]]
        debt, collateral = self._listed[debt_id - 1], self._listed[id - 1]
        if patience:
            owed_price = self.patient_price(debt_id, patience).as_debt
            price = self.patient_price(id, patience).as_collateral
        else:
            owed_price, price = self.price(debt_id).as_debt, self.price(id).as_collateral
        paid = (event.words[1] + 1) * owed_price // debt.unit + 1
        taken = event.words[4] * price // collateral.unit
        most = paid * (WAD + event.words[6]) // WAD
        self._room("SOLV-6", most - taken, most, "seized from {}", self._name(change.number))

    def _least_left(self, event: Event, change: Change) -> None:
        """No debt below the least is left, unless the collateral is used up."""
        debt_id, id = self._by_topic[event.topics[2]], self._by_topic[event.topics[3]]
        least, left = self.least[debt_id], self._owed(change.after, debt_id)
        if left and least and any(tag == id for tag, _ in change.after):
            self._room("CAP-1", left - least, least, "debt left to {}", self._name(change.number))

    def _owed(self, legs: Legs, id: int) -> int:
        """Debt in an asset [token units]."""
        for tag, shares in legs:
            if tag == id | 128:
                return -(-shares * self.index(self._listed[id - 1].vault) // RAY)
        return 0

    # ------------------------------------------------------------ losses

    def _unjustified(self, event: Event, change: Change) -> None:
        what = "a loss of {}, which could pay"
        self._differs("SOLV-9", event.words[3], what, self._name(change.number))

    def _loss(self, event: Event, change: Change, health: Health) -> None:
        """SOLV-9: under water, what is not paid of a debt is booked at once, in proportion to what
        is paid of what has to be; but for what collateral that waits for a price may cover."""
        id = self._by_topic[event.topics[2]]
        priced = waiting = 0
        for tag, amount in change.before:
            if tag < 128:
                words, unit = self.rules[tag], self._listed[tag - 1].unit
                price = self.patient_price(tag, PATIENCE)
                if price.valid:
                    priced += amount * price.as_collateral // unit
                else:
                    last = max(words[2] & M96, words[2] >> 96 & M96)
                    waiting += amount * last // unit
        paid, lost = event.words[1], event.words[3]
        debt = self._listed[id - 1]
        owed = self._owed(change.before, id)
        owed_price = self.patient_price(id, PATIENCE).as_debt
        whole = 0
        if health.collateral >= WAD:
            whole = -(-priced * WAD // (WAD + health.tip))
            whole = -(-whole * -(-owed * owed_price // debt.unit) // health.debt)
            whole = min(-(-whole * debt.unit // owed_price), owed)
        stays = 0
        if waiting >= WAD:
            stays = min(owed, -(-waiting * debt.unit // owed_price))
        due = owed - stays
        if paid < whole:
            due = due * (paid * WAD // whole) // WAD
        due = max(due - paid, 0)
        # shares are whole, and each may be worth several units
        allowed = 2 * (self.index(debt.vault) // RAY + 1) + 1
        name = self._name(change.number)
        self._room("SOLV-9", allowed - abs(lost - due), 0, "what {} left unpaid", name)
        if paid < whole and not stays:
            self._least_left(event, change)
