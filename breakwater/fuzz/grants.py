"""What others may do to an account or with somebody's tokens: grants, approvals, and their use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from breakwater.fuzz.events import NOBODY, Change, Told
from breakwater.fuzz.state import Grant, State, padded
from breakwater.observation.words import M40, M128

# What an operator may be allowed, see docs/specification.md.
_DEPOSIT: Final = 1
_WITHDRAW: Final = 2
_BORROW: Final = 4
_MOVE: Final = 16
_SPENDS: Final = {"WithdrawCollateral": _WITHDRAW, "Borrow": _BORROW, "MoveCollateral": _MOVE}
_REVOKED: Final = 1 << 255


class Grants(State):
    """SOLV-8: nobody loses who neither acted nor agreed."""

    def _takings(self, transfers: list[tuple[Any, bytes]], actor: bytes) -> None:
        """Nobody loses tokens or shares in a call that is not his, without having approved."""
        self._alike("SOLV-8")
        for log, source in transfers:
            address = log.address
            if (address, source, actor) not in self.approved:
                what = "tokens of {} taken from who did not act"
                self._differs("SOLV-8", 1, what, self.world.name(address))

    def _operated(self, target: str, told: Told, changed: list[Change], actor: bytes) -> set[bytes]:
        """What was done to accounts of others is within what their owners granted, and the grants
        fall by it. The accounts that may have lost by that. `rights` in the order of the call."""
        used: set[Grant] = set()
        agreed: set[bytes] = set()
        owner, attacker = actor[12:], self._attacker[12:]
        called = self.armed or target == "attacker" or owner == attacker
        actors = (actor, self._attacker) if called and owner != attacker else (actor,)
        for event in told.rights:
            name, topics, words = event.name, event.topics, event.words
            account = topics[1]
            if account[:20] in self._pooled:
                agreed.add(account)
                continue
            asset = topics[3] if name == "MoveCollateral" else topics[2]
            if name == "SetOperator":
                actions, amount, expiry = words
                grant = account, topics[2], topics[3]
                word = min(amount, M128) | min(expiry, M40) << 128 | actions << 168
                self.grants[grant] = word if actions else _REVOKED
                used.add(grant)
            elif called and account[:20] == attacker:
                # he may have taken it himself, called back by who acted
                for token in (asset, NOBODY):
                    grant = account, actor, token
                    if grant in self.grants:
                        self.grants[grant] = self.storage(self._engine, self._grant_slot(grant))
            else:
                agreed.add(account)
                used.update(self._spend(account, actors, _SPENDS[name], asset, words[0]))
        for change in changed:
            account, before, after = change.account, change.before, change.after
            if account[:20] == owner or (called and account[:20] == attacker) or not after:
                continue
            if account[:20] in self._pooled and told.liquidations:
                continue
            held = {tag for tag, _ in before}
            for tag, _ in after:
                if tag < 128 and tag not in held:
                    token = padded(self._listed[tag - 1].token)
                    self._spend(account, actors, _DEPOSIT, token, 0)
        if used:
            self._spent(used)
        return agreed

    def _spent(self, used: set[Grant]) -> None:
        """What is left of grants is what is stored."""
        self._alike("SOLV-8")
        storage = self.storage
        for grant in used:
            if storage(self._engine, self._grant_slot(grant)) != self.grants[grant]:
                name = self._known_name(grant[0])
                self._differs("SOLV-8", 1, "what an operator of {} may still take", name)

    def _spend(
        self, account: bytes, actors: Sequence[bytes], action: int, asset: bytes, amount: int
    ) -> list[Grant]:
        """Take from the grant of one of those who may have acted."""
        for operator in actors:
            grant = account, operator, asset
            word = self.grants.get(grant, 0)
            if word == 0:
                grant = account, operator, NOBODY
                word = self.grants.get(grant, 0)
            left = word & M128
            if word >> 168 & action == 0 or self.now > word >> 128 & M40:
                continue
            if left != M128 and action != _DEPOSIT:
                if amount > left:
                    continue
                self.grants[grant] = word - amount
            return [grant]
        what = "{}: more than its owner granted to who acted"
        self._differs("SOLV-8", amount or 1, what, self._known_name(account))
        return []
