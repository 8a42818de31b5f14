"""Tries what must always work, and undoes it: the promises of liveness.

The prober owns plenty of every token and names no account of its own. Each trial is a call that
runs in full on the present state and is thrown away.
"""

from __future__ import annotations

from collections.abc import Sequence

from breakwater.demo.stage import Stage
from breakwater.host import Reverted
from breakwater.observation import Observation, Trial, exposure
from breakwater.observation.words import DEBT, M112, bits, legs, stamp, stamps
from breakwater.promises.liveness import FLOOD, TOO_RECENT
from breakwater.units import MAX_UINT256, WAD

PLENTY = 2**100
PATIENCE = 600
"""Seconds for which a loss that rests on a jump waits: the stated hold of LIVE-3."""


class Prober:
    """Makes the trials; which accounts are tried goes round in order."""

    def __init__(self, stage: Stage, accounts: Sequence[bytes]) -> None:
        self.stage = stage
        self.accounts = list(accounts)
        self.address = stage.host.account("prober")
        self._turn = 0
        for symbol in stage.symbols:
            token = stage.token(symbol)
            stage.mint(symbol, self.address, PLENTY)
            token.approve(stage.engine, MAX_UINT256, sender=self.address)
            if symbol in stage.vaults:
                token.approve(stage.vaults[symbol], MAX_UINT256, sender=self.address)

    def trials(self, o: Observation, lenders: Sequence[tuple[str, str]]) -> list[Trial]:
        """A round of trials: one debtor, one lender (vault's symbol, address), the weak."""
        self._turn += 1
        found = []
        for offset in range(len(self.accounts)):
            account = self.accounts[(self._turn + offset) % len(self.accounts)]
            if any(tag >= DEBT for tag, _ in legs(o.accounts[account])):
                found += self.repay_and_add("LIVE-1", o, account)
                break
        if lenders:
            symbol, address = lenders[self._turn % len(lenders)]
            found += self._withdraw(symbol, address)
        weak = [
            account
            for account, words in o.accounts.items()
            if o.health(words, o.now).health_factor < WAD
        ]
        for account in weak[:3]:
            found += self.liquidate(o, account)
        return found

    def repay_and_add(self, promise: str, o: Observation, account: bytes) -> list[Trial]:
        """Repaying a debt whole, and adding a unit of a collateral that is held, priced or not."""
        found = []
        engine = self.stage.engine
        for tag, _ in legs(o.accounts[account]):
            asset = o.by_id[tag & 127]
            symbol = self.stage.symbol(asset.address)
            if tag >= DEBT:
                args: tuple[object, ...] = (account, asset.address, MAX_UINT256)
                found.append(self._try(promise, f"repay {symbol}", engine, "repay", args))
            elif not asset.is_settled:
                book = o.books[asset.address]
                if book & M112 < exposure.reachable(book, o.now):
                    args = (account, asset.address, 1)
                    what = f"add {symbol}"
                    found.append(self._try(promise, what, engine, "deposit_collateral", args))
        return found

    def liquidate(self, o: Observation, account: bytes) -> list[Trial]:
        """Some liquidation of an account below maintenance; none during the stated hold."""
        words = o.accounts[account]
        if stamp(o.block) in stamps(words):
            return []
        debts = [o.by_id[tag & 127] for tag, _ in legs(words) if tag >= DEBT]
        held = [o.by_id[tag] for tag, _ in legs(words) if tag < DEBT]
        reasons = []
        for debt in debts:
            for collateral in held:
                args = (
                    account,
                    debt.address,
                    collateral.address,
                    MAX_UINT256,
                    0,
                    self.stage.outside,
                    bytes(32),
                    b"",
                )
                trial = self._try("LIVE-3", "liquidate", self.stage.engine, "liquidate", args)
                least = o.debts[debt.address]
                if trial.reason == FLOOD and least:
                    args = (*args[:3], 2 * least, *args[4:])
                    trial = self._try("LIVE-3", "liquidate", self.stage.engine, "liquidate", args)
                if trial.passed:
                    return [trial]
                reasons.append(trial.reason)
        if TOO_RECENT in reasons and any(self._on_hold(o, asset.id) for asset in [*debts, *held]):
            return []
        return [Trial("LIVE-3", "liquidate", False, "; ".join(sorted(set(reasons))))]

    def _on_hold(self, o: Observation, id: int) -> bool:
        """Whether an asset is in a jump that was first seen less than PATIENCE ago, or not yet."""
        asset = o.by_id[id]
        since = bits(asset.seen, 128, 32)
        return asset.status(o.now) == 1 and (since == 0 or o.now < since + PATIENCE)

    def _withdraw(self, symbol: str, lender: str) -> list[Trial]:
        vault = self.stage.vaults[symbol]
        left = min(vault.cash(), vault.limits()[0])
        assets = min(left, vault.convertToAssets(vault.balanceOf(lender)))
        if assets == 0 or vault.level() >= 2:
            return []
        args = (assets, lender, lender)
        return [self._try("LIVE-2", f"withdraw {symbol}", vault, "withdraw", args, lender)]

    def _try(
        self,
        promise: str,
        what: str,
        contract: object,
        function: str,
        args: tuple[object, ...],
        sender: str = "",
    ) -> Trial:
        try:
            contract._try(function, *args, sender=sender or self.address)  # type: ignore[attr-defined]
        except Reverted as error:
            return Trial(promise, what, False, error.reason)
        return Trial(promise, what, True)
