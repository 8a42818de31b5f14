"""What owners sign: typed data, its types as the ABI has them, with the key that ape holds."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from breakwater.contract import Contract
from breakwater.errors import UserError
from breakwater.host import interface_of

if TYPE_CHECKING:
    from breakwater.actions.session import Session

_GRANT = [
    {"name": "account", "type": "bytes32"},
    {"name": "operator", "type": "address"},
    {"name": "asset", "type": "address"},
    {"name": "actions", "type": "uint256"},
    {"name": "amount", "type": "uint256"},
    {"name": "expiry", "type": "uint256"},
    {"name": "nonce", "type": "uint256"},
    {"name": "deadline", "type": "uint256"},
]
"""Of `operators.SET_OPERATOR_TYPE`."""


def nonce() -> int:
    """One that nobody has used: they may come in any order."""
    return secrets.randbits(256)


def has_key(session: Session) -> bool:
    """Whether ape can sign for the sender."""
    return _key(session) is not None


def grant(session: Session, message: dict[str, Any]) -> bytes:
    """The sender's signature over a `SetOperator` of the credit engine."""
    domain = _domain(session, "Breakwater", session.protocol.credit_engine)
    return _sign(session, domain, "SetOperator", _GRANT, message)


def order(session: Session, router: Contract, terms: dict[str, Any]) -> bytes:
    """The sender's signature over an order of the leverage router."""
    entry = interface_of(router.NAME).function("order_hash", 1).inputs.entries[0]
    fields = [{"name": one["name"], "type": one["type"]} for one in entry["components"]]
    domain = _domain(session, "Breakwater LeverageRouter", router)
    return _sign(session, domain, "Order", fields, terms)


def _domain(session: Session, name: str, contract: Contract) -> dict[str, Any]:
    return {
        "name": name,
        "version": "1",
        "chainId": session.host.chain_id,
        "verifyingContract": contract.address,
    }


def _key(session: Session) -> Any:
    import ape

    for one in (*ape.accounts.test_accounts, *ape.accounts):
        if str(one.address) == session.sender:
            return one
    return None


def _sign(
    session: Session,
    domain: dict[str, Any],
    name: str,
    fields: list[dict[str, str]],
    message: dict[str, Any],
) -> bytes:
    from eth_account.messages import encode_typed_data

    key = _key(session)
    if key is None:
        raise UserError(f"{session.name(session.sender)} cannot sign: ape holds no key of it")
    signed = key.sign_message(encode_typed_data(domain, {name: fields}, message))
    if signed is None:
        raise UserError("it was not signed")
    return bytes(signed.encode_rsv())
