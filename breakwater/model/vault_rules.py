"""Model of `rulebook` and `vault_rules`. Specification, Governance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from breakwater.model.chain import Refused, Word, view
from breakwater.model.oracle import Rule, Term, rule_of, term_of
from breakwater.model.schedule import DOUBLINGS, INTERVAL, Schedule
from breakwater.model.vault_books import VaultConfig, packed, unpacked


class Vaults(Schedule):
    """What a configurator does to vaults. By vault the time of its last step."""

    engine: str
    risk: str

    def open_vault(
        self, sender: str, vault: str, fund: str, seed: int, config: Sequence[Any]
    ) -> None:
        """Once, with a seed from the owner."""
        self._check_owner(sender)
        self._check_genesis()
        if self._ask(fund, "asset") != vault:
            raise Refused("fund is of another vault")
        asset = self._ask(vault, "asset")
        before = self._ask(asset, "balanceOf", self.address)
        if self._ask(asset, "transferFrom", sender, self.address, seed) is False:
            raise Refused("token transfer failed")
        if self._ask(asset, "balanceOf", self.address) < before + seed:
            raise Refused("token takes a fee")
        self._ask(asset, "approve", vault, seed)
        wanted = VaultConfig(*config)
        self._ask(vault, "open", fund, seed, packed(wanted), wanted.flash_fee)
        self.emit("SetVault", vault=vault, config=wanted)

    def set_vault(self, sender: str, vault: str, config: Sequence[Any]) -> None:
        """Tighter at once, looser in steps."""
        self._check_owner(sender)
        wanted = VaultConfig(*config)
        word = packed(wanted)
        if self.get("sealed_at") and self._is_step(vault, unpacked(word, 0)):
            if self.chain.now < self._next_vault_step(vault):
                raise Refused("step comes too soon")
            self.put(self.chain.now, "loosened_at", vault)
        self._ask(vault, "write_config", word, wanted.flash_fee)
        self.emit("SetVault", vault=vault, config=wanted)

    def wind_down_vault(self, sender: str, vault: str) -> None:
        """For good; no more of its shares comes into any account."""
        self._check_owner(sender)
        self._ask(vault, "wind_down")
        self._ask(self.engine, "end_collateral", vault)

    @view
    def vault_config_of(self, sender: str, vault: str) -> VaultConfig:
        """As it is kept."""
        return unpacked(*self._ask(vault, "config"))

    @view
    def next_vault_step(self, sender: str, vault: str) -> int:
        """When the next step of its configuration may come."""
        return self._next_vault_step(vault)

    def _next_vault_step(self, vault: str) -> int:
        last: int = self.get("loosened_at", vault)
        return last + INTERVAL

    def _is_step(self, vault: str, after: VaultConfig) -> bool:
        """Whether something is looser than it is kept."""
        before = unpacked(*self._ask(vault, "config"))
        found = False
        for name in ("deposit_cap", "debt_cap", "limit_floor"):
            old, new = getattr(before, name), getattr(after, name)
            if new > old:
                found = True
                if new > 2 * old and not self._is_first(self._ask(vault, "asset"), new):
                    raise Refused("step is too large")
        for name in ("outflow_limit", "growth_limit"):
            old, new = getattr(before, name), getattr(after, name)
            if is_looser(old, new):
                found = True
                check_limit(old, new)
        for name in ("target_utilization", "steepness", "min_rate", "max_rate"):
            old, new = getattr(before, name), getattr(after, name)
            if new != old:
                found = True
                at_most_twice(old, new)
        return found

    def _check_genesis(self) -> None:
        if self.get("sealed_at"):
            raise Refused("genesis is over")

    def _step(self, asset: str, lane: int) -> bool:
        """Whether there are steps; takes one."""
        if not self.get("sealed_at"):
            return False
        self._take_step(asset, lane)
        return True

    def _is_first(self, asset: str, cap: int) -> bool:
        """Whether it is worth no more than what a new asset begins with."""
        unit = 10 ** self._kept(asset)[0].decimals
        return cap * self._price(asset) // unit <= self.limit >> DOUBLINGS

    def _price(self, asset: str) -> int:
        price: int = self._ask(self.risk, "quote", asset)[0]
        if price == 0:
            raise Refused("price is not valid")
        return price

    def _cap(self, asset: str) -> int:
        cap: int = self._ask(self.engine, "book_of", asset)[2]
        return cap

    def _kept(self, asset: str) -> tuple[Rule, Term]:
        rule, term, _, _ = self._ask(self.risk, "words_of", asset)
        return rule_of(rule), term_of(term)

    def _ask(self, target: str, function: str, *args: Any) -> Any:
        return self.chain.call(self.address, target, function, args)

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """A word each."""
        if name in ("sealed_at", "loosened_at"):
            yield Word(name, keys, self.get(name, *keys))
        else:
            yield from super().words(name, keys)


def at_most(value: int, most: int) -> None:
    """Of a step."""
    if value > most:
        raise Refused("step is too large")


def at_most_twice(before: int, after: int) -> None:
    """Or at least half."""
    at_most(max(before, after), 2 * min(before, after))


def is_looser(before: int, after: int) -> bool:
    """Of a limit, where 0 is none."""
    return before != 0 and (after == 0 or after > before)


def check_limit(before: int, after: int) -> None:
    """A step of such a limit."""
    at_most(after or 2 * before + 1, 2 * before)
