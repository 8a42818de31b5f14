"""Model of who may act for an account, and for how much. Specification, Operators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from breakwater.abi import checksum_bytes
from breakwater.model import signature as typed
from breakwater.model.chain import ZERO_ADDRESS, Contract, Refused, Word, reentrant, view

DEPOSIT, WITHDRAW, BORROW, REPAY, MOVE, LIQUIDATE = (1 << bit for bit in range(6))
ALL_ACTIONS = 63

UNLIMITED = 2**128 - 1
"""Amount of a grant without bound."""
LAST_EXPIRY = 2**40 - 1

SET_OPERATOR_TYPE = (
    "SetOperator(bytes32 account,address operator,address asset,uint256 actions,"
    "uint256 amount,uint256 expiry,uint256 nonce,uint256 deadline)"
)
EIP_1271_MAGIC = bytes.fromhex("1626ba7e")


class Grant(NamedTuple):
    """What an operator may do. No actions: revoked, which is not the same as no grant."""

    actions: int
    amount: int = 0
    """[token units] left"""
    expiry: int = 0

    def packed(self) -> int:
        """As stored: amount 128, expiry 40, actions; bit 255 for what is revoked."""
        if self.actions == 0:
            return 1 << 255
        return self.amount | self.expiry << 128 | self.actions << 168


def owner_of(account: bytes) -> str:
    """Checksummed address of an account's owner."""
    return checksum_bytes(account[:20])


class Operators(Contract):
    """The part of the credit engine that keeps grants and nonces."""

    # ------------------------------------------------------------ granting

    def set_operator(
        self,
        sender: str,
        account: bytes,
        operator: str,
        asset: str,
        actions: int,
        amount: int,
        expiry: int,
    ) -> None:
        """By the owner's call."""
        if actions > ALL_ACTIONS:
            raise Refused()
        if sender != owner_of(account):
            raise Refused("caller is not account owner")
        self._grant(account, operator, asset, actions, amount, expiry)

    def set_operator_by_signature(
        self,
        sender: str,
        account: bytes,
        operator: str,
        asset: str,
        actions: int,
        amount: int,
        expiry: int,
        nonce: int,
        deadline: int,
        signature: bytes,
    ) -> None:
        """By the owner's signature, sent by anyone."""
        if actions > ALL_ACTIONS or len(signature) > 65:
            raise Refused()
        if self.chain.now > deadline:
            raise Refused("signature has expired")
        owner = owner_of(account)
        self._use_nonce(owner, nonce)
        digest = self.digest(account, operator, asset, actions, amount, expiry, nonce, deadline)
        if owner == ZERO_ADDRESS or not self._is_signed(owner, digest, signature):
            raise Refused("signature is not valid")
        self._grant(account, operator, asset, actions, amount, expiry)

    def cancel_nonce(self, sender: str, nonce: int) -> None:
        """Uses up a nonce of the caller."""
        self._use_nonce(sender, nonce)

    def _grant(
        self, account: bytes, operator: str, asset: str, actions: int, amount: int, expiry: int
    ) -> None:
        bounded = min(amount, UNLIMITED)
        if asset == ZERO_ADDRESS and bounded != UNLIMITED:
            raise Refused("any asset takes no amount")
        grant = Grant(actions, bounded, min(expiry, LAST_EXPIRY)) if actions else Grant(0)
        self.put(grant, "operators", account, operator, asset)
        self.emit(
            "SetOperator",
            account=account,
            operator=operator,
            asset=asset,
            actions=actions,
            amount=bounded,
            expiry=expiry,
        )

    def _use_nonce(self, owner: str, nonce: int) -> None:
        """Nonces are bits, 256 in a word."""
        used, bit = self.get("nonces", owner, nonce >> 8), 1 << (nonce & 255)
        if used & bit:
            raise Refused("nonce is used")
        self.put(used | bit, "nonces", owner, nonce >> 8)
        self.emit("UseNonce", owner=owner, nonce=nonce)

    # ------------------------------------------------------------ acting

    def authorize(self, sender: str, account: bytes, action: int, asset: str, amount: int) -> None:
        """Owner, or an operator with the action, in time, with `amount` left, which is spent.

        A grant for the asset goes before one for any asset.
        """
        if sender == owner_of(account):
            return
        scope = asset
        grant = self.get("operators", account, sender, asset, default=None)
        if grant is None:
            scope = ZERO_ADDRESS
            grant = self.get("operators", account, sender, scope, default=None)
        if grant is None or not grant.actions & action:
            raise Refused("caller may not do this")
        if self.chain.now > grant.expiry:
            raise Refused("operator's grant has expired")
        if grant.amount != UNLIMITED:
            if amount > grant.amount:
                raise Refused("operator's amount is spent")
            left = grant._replace(amount=grant.amount - amount)
            self.put(left, "operators", account, sender, scope)

    # ------------------------------------------------------------ signatures

    def digest(self, account: bytes, operator: str, asset: str, *numbers: int) -> bytes:
        """What an owner signs: actions, amount, expiry, nonce and deadline are the numbers."""
        message = typed.hashed(SET_OPERATOR_TYPE, account, operator, asset, *numbers)
        return typed.digest(self._domain(), message)

    def _domain(self) -> bytes:
        return typed.domain("Breakwater", "1", self.chain.chain_id, self.address)

    def _is_signed(self, owner: str, digest: bytes, signature: bytes) -> bool:
        signer = self.chain.contracts.get(owner)
        if signer is None:
            return recovered(digest, signature) == owner
        if not hasattr(signer, "isValidSignature"):
            return False
        try:
            with self.chain.undone_if_refused():
                args = (digest, signature)
                answer = self.chain.call(self.address, owner, "isValidSignature", args)
        except Refused:
            return False
        return bool(answer == EIP_1271_MAGIC)

    # ------------------------------------------------------------ views

    @view
    def operator_of(
        self, sender: str, account: bytes, operator: str, asset: str
    ) -> tuple[int, int, int]:
        """Actions, amount left, expiry."""
        grant = self.get("operators", account, operator, asset, default=Grant(0))
        return grant.actions, grant.amount, grant.expiry

    @view
    def is_nonce_used(self, sender: str, owner: str, nonce: int) -> bool:
        """Whether a signature with this nonce is void."""
        return bool(self.get("nonces", owner, nonce >> 8) >> (nonce & 255) & 1)

    @reentrant
    def DOMAIN_SEPARATOR(self, sender: str) -> bytes:
        """EIP-712 domain."""
        return self._domain()

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """A grant or 256 nonces in one word each."""
        value = self.get(name, *keys)
        if name == "operators":
            yield Word(name, keys, value.packed() if value else 0)
        elif name == "nonces":
            yield Word(name, keys, value)
        else:
            yield from super().words(name, keys)


def recovered(digest: bytes, signature: bytes) -> str:
    """Who signed; the zero address for a signature of another length. Refused as `ecdsa` does.

    65 bytes are r, s, v; 64 bytes r and s with the parity of v in the highest bit (EIP-2098).
    """
    if len(signature) == 65:
        s, v = int.from_bytes(signature[32:64], "big"), signature[64]
    elif len(signature) == 64:
        packed = int.from_bytes(signature[32:], "big")
        s, v = packed & (2**255 - 1), 27 + (packed >> 255)
    else:
        return ZERO_ADDRESS
    if s > typed.CURVE_ORDER // 2:
        raise Refused("ecdsa: invalid signature `s` value")
    signer = typed.ecrecover(digest, v, int.from_bytes(signature[:32], "big"), s)
    if signer == ZERO_ADDRESS:
        raise Refused("ecdsa: invalid signature")
    return signer
