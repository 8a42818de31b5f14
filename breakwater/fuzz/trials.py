"""Trials of liveness: calls that must work, made at the end of a sequence.

Which ones are tried depends on the state alone, so that a replay tries the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from breakwater import mocks
from breakwater.fuzz.positions import owes
from breakwater.fuzz.prices import Asset
from breakwater.fuzz.slots import slot
from breakwater.model.latch import HALT
from breakwater.model.vault_views import WIND_DOWN
from breakwater.observation import exposure
from breakwater.observation.words import M112, M127, M128, mapped
from breakwater.promises.liveness import FLOOD, TOO_RECENT
from breakwater.promises.verdicts import Violation
from breakwater.units import BPS, MAX_UINT256, RAY, WAD

if TYPE_CHECKING:
    from breakwater.fuzz.watch import Watch

Trial = tuple[str, str, str, tuple[Any, ...], int, int]
"""Sender, target, function, arguments, seconds and blocks before it."""

Send = Callable[[Trial], str | None]
"""Makes a call for good; why it was refused."""

PATIENCE: Final = 600
"""Seconds that an account under water only at the spot of a jump waits."""

LENDERS: Final = ("lender_1", "lender_2")


_NOTHING_TO_DO: Final = {"nothing to repay", "collateral has no valid price"}


class Trials:
    """Of one market, which a watch follows."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        world = watch.world
        shares = slot("LendingVault", "_balances")
        self._shares = {name: mapped(shares, world.roles[name]) for name in LENDERS}
        taken = slot("LendingVault", "_taken")
        self._taken = {name: mapped(taken, world.roles[name]) for name in LENDERS}
        odd = [
            symbol
            for symbol in world.listings
            if isinstance(world.contracts[f"token.{symbol}"], mocks.OddTokenMock)
        ]
        self._odd = frozenset(odd)
        if odd:
            self._answer, self._fee, self._paused, self._blocked = (
                slot("OddTokenMock", name) for name in ("answer", "fee", "paused", "blocked")
            )

    def run(self, send: Send) -> list[Violation]:
        """One debtor, one lender, everyone below maintenance."""
        found: list[Violation] = []
        watch = self.watch
        turn = watch.block + watch.now
        weak = [i for i, legs in enumerate(watch.legs) if owes(legs) and watch.factor(i) < WAD]
        for i in weak:
            self._liquidate(i, send, found)
        count = len(watch.legs)
        for offset in range(count):
            i = (turn + offset) % count
            if owes(watch.legs[i]):
                self._repay(i, send, found)
                break
        if watch._vaults:
            self._withdraw(turn % len(watch._vaults), send, found)
        if watch._backstops is not None:
            watch._backstops.trials(turn, send, found)
        return found

    def _failed(self, promise: str, call: Trial, reason: str, found: list[Violation]) -> None:
        what = f"{call[1]}.{call[2]} by {call[0]} was refused: {reason or 'no reason'}"
        found.append(self.watch.violation(promise, what))

    def _moves(self, asset: Asset) -> bool:
        """Whether a token is in a state in which anything of it arrives at all."""
        watch = self.watch
        if asset.symbol not in self._odd:
            return True
        storage = watch.storage
        answers = bool(storage(asset.token, self._answer))
        arrives = storage(asset.token, self._fee) < BPS
        return answers and arrives and not storage(asset.token, self._paused)

    def _is_paid(self, asset: Asset) -> bool:
        """Whether a token moves between people and the vault that lends it."""
        watch = self.watch
        if not self._moves(asset):
            return False
        if asset.symbol not in self._odd:
            return True
        vault = mapped(self._blocked, watch._vaults[asset.vault].address)
        return not watch.evm.storage(asset.token, vault)

    def _repay(self, i: int, send: Send, found: list[Violation]) -> None:
        watch = self.watch
        name = watch._name(i)
        for tag, _ in list(watch.legs[i]):
            asset = watch._listed[(tag & 127) - 1]
            token = f"@token.{asset.symbol}"
            if tag >= 128:
                args = (name, token, MAX_UINT256)
                call: Trial | None = ("keeper", "engine", "repay", args, 0, 0)
                if not self._is_paid(asset):
                    continue
            else:
                call = self._top_up(i, asset)
            if call is None:
                continue
            watch._exact.add("LIVE-1")
            reason = send(call)
            if reason is not None and reason != "blocked":
                self._failed("LIVE-1", call, reason, found)

    def _top_up(self, i: int, asset: Asset) -> Trial | None:
        """A little of a collateral that an account holds; None where it need not be possible."""
        watch = self.watch
        book = watch.books[asset.id]
        room = exposure.reachable(book, watch.now) - (book & M112)
        if room < 2 and not watch._is_stamped(watch.accounts[i]):
            room = watch.shortfall(watch.legs[i], asset.id)  # above the limit who is weak may
        price = watch.price(asset.id)
        if room < 2 or not price.valid or price.level == WIND_DOWN or not self._moves(asset):
            return None
        amount = 1
        if asset.symbol in self._odd and watch.storage(asset.token, self._fee):
            amount = min(room, 10**6)  # or its fee takes all
        args = (watch._name(i), f"@token.{asset.symbol}", amount)
        return "keeper", "engine", "deposit_collateral", args, 0, 0

    def _withdraw(self, v: int, send: Send, found: list[Violation]) -> None:
        watch = self.watch
        vault = watch._vaults[v]
        storage = watch.storage
        level = watch.level_of(v)
        if level == HALT or not self._is_paid(watch._listed[vault.asset - 1]):
            return
        if level == WIND_DOWN:
            self._share_out(v, send, found)
            return
        books, _, claims, balance, _, _ = watch.vaults[v]
        total, fee = self._total(v)
        for lender in LENDERS:
            shares = storage(vault.address, self._shares[lender]) & M128
            worth = shares * (total - fee + 1) // ((claims & M128) + 10**6)
            # the balance is less than the books where some was lost
            assets = min(worth, watch.outflow_left(v, books & M112, level), balance)
            if assets == 0:
                continue
            args = (assets, f"@{lender}", f"@{lender}")
            call: Trial = (lender, f"vault.{vault.symbol}", "withdraw", args, 0, 0)
            watch._exact.add("LIVE-2")
            reason = send(call)
            if reason is not None:
                self._failed("LIVE-2", call, reason, found)
            return

    def _share_out(self, v: int, send: Send, found: list[Violation]) -> None:
        """In wind-down each lender gets his part of the cash, whoever came before him."""
        watch, vault = self.watch, self.watch._vaults[v]
        storage = watch.storage
        total, fee = self._total(v)
        books, _, claims, _, _, paid = watch.vaults[v]
        there, every = (books & M112) + (paid >> 128), (claims & M128) + (paid & M128)
        assets, shares = total - fee + 1 + (paid >> 128), every + 10**6
        # as if the fee had been settled, which whoever redeems may do
        every += fee * shares // assets
        for lender in LENDERS:
            word = storage(vault.address, self._shares[lender])
            held, redeemed = word & M128, word >> 128 & M127
            part = (held + redeemed) * there // every if every else 0
            part = min(part - storage(vault.address, self._taken[lender]), held * assets // shares)
            # the balance is less than the books where some was lost
            part = min(part, watch.vaults[v][3])
            if part <= 0:
                continue
            args = (part, f"@{lender}", f"@{lender}")
            call: Trial = (lender, f"vault.{vault.symbol}", "withdraw", args, 0, 0)
            watch._exact.add("LIVE-2")
            reason = send(call)
            if reason is not None:
                self._failed("LIVE-2", call, reason, found)

    def _total(self, v: int) -> tuple[int, int]:
        """Of a vault, and what of it is the fee owed to the fund."""
        books, _, claims, _, _, _ = self.watch.vaults[v]
        total = (books & M112) + (books >> 112 & M112) * self.watch.index(v) // RAY
        gain = max(total - (claims >> 128), 0)
        return total, gain * self.watch.configs[v][0] // BPS

    def _is_dust(self, i: int, debts: list[int]) -> bool:
        """Whether all that an account holds with a price is worth less than two units of a debt,
        or than a dollar while something else waits for a price."""
        watch = self.watch
        worth, waits = 0, False
        for tag, amount in watch.legs[i]:
            if tag < 128 and watch.price(tag).valid:
                worth += amount * watch.price(tag).as_collateral // watch._listed[tag - 1].unit
            waits = waits or (tag < 128 and not watch.price(tag).valid)
        return (waits and worth < WAD) or all(
            worth <= 2 * watch.price(id).as_debt // watch._listed[id - 1].unit for id in debts
        )

    def _liquidate(self, i: int, send: Send, found: list[Violation]) -> None:
        """Some liquidation of an account below maintenance must work, from the next block on."""
        watch = self.watch
        stamp = 1 + watch.block % (2**20 - 1)
        fresh = any(word >> 224 & (2**20 - 1) == stamp for word in watch.accounts[i])
        legs = list(watch.legs[i])
        debts = [tag & 127 for tag, _ in legs if tag >= 128]
        held = [tag for tag, _ in legs if tag < 128]
        priced = [
            id for id in debts if watch.price(id).valid and self._is_paid(watch._listed[id - 1])
        ]
        sold = [id for id in held if watch.price(id).valid]
        if not priced or (held and not sold):
            return  # it waits for a price, or for a token that can be paid
        # who cannot top up cannot be liquidated
        added = None
        for id in sold[:1]:
            more = self._top_up(i, watch._listed[id - 1])
            if more is not None:
                added = send(more)
                if watch.factor(i) >= WAD:
                    return  # it was that near
        reasons: list[str] = []
        watch._exact.add("LIVE-3")
        for debt in priced:
            for id in sold or [debt]:
                asset = watch._listed[id - 1]
                # credited to an account, so that no token can be in its way
                call: Trial = (
                    "keeper", "engine", "liquidate",
                    (watch._name(i), f"@token.{watch._listed[debt - 1].symbol}",
                     f"@token.{asset.symbol}", MAX_UINT256, 0, "@keeper",
                     "keeper#0", "0x"),
                    0, int(fresh and not reasons),
                )  # fmt: skip
                reason = send(call)
                if reason == FLOOD:
                    # what is never held back: a slice of twice the least debt
                    small = 2 * watch.least[debt]
                    args = (*call[3][:3], small, *call[3][4:])
                    reason = send((*call[:3], args, 0, 0)) if small else None
                if reason is None:
                    watch._exact.add("GATE-4")
                    if added not in (None, "blocked"):
                        self._failed(
                            "GATE-4",
                            call,
                            f"liquidated, and topping up: {added or 'no reason'}",
                            found,
                        )
                    return
                reasons.append(reason)
        # the stated holds: a person's, the sequencer's, and the grace after either
        if set(reasons) == {watch.stated_hold(watch.legs[i], watch.health(watch.legs[i]))}:
            return
        # at prices that wait for the jump it is healthy, topped up as it may be
        if TOO_RECENT in reasons and watch.health(watch.legs[i], PATIENCE).factor >= WAD:
            return
        if set(reasons) <= _NOTHING_TO_DO and self._is_dust(i, priced):
            return
        text = "; ".join(sorted(set(reasons)))
        self._failed(
            "LIVE-3", ("keeper", "engine", f"liquidate {watch._name(i)}", (), 0, 0), text, found
        )
