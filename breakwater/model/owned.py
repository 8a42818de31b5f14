"""Model of a contract that has an owner, who may hand it on but not give it up."""

from __future__ import annotations

from breakwater.model.chain import ZERO_ADDRESS, Chain, Contract, Refused, reentrant


class Owned(Contract):
    """Has an owner."""

    def __init__(self, chain: Chain, address: str, owner: str) -> None:
        if owner == ZERO_ADDRESS:
            raise Refused("owner is zero")
        super().__init__(chain, address)
        self.put(owner, "owner")

    @reentrant
    def owner(self, sender: str) -> str:
        """Who administers."""
        return str(self.get("owner"))

    @reentrant
    def transfer_ownership(self, sender: str, new_owner: str) -> None:
        """By the owner."""
        self._check_owner(sender)
        if new_owner == ZERO_ADDRESS:
            raise Refused("ownable: new owner is the zero address")
        self.put(new_owner, "owner")
        self.emit("OwnershipTransferred", previous_owner=sender, new_owner=new_owner)

    def _check_owner(self, sender: str) -> None:
        if sender != self.get("owner"):
            raise Refused("ownable: caller is not the owner")
