"""What liquidators do."""

from __future__ import annotations

from typing import Any

from breakwater.actions.positions import health_line, whose
from breakwater.actions.session import Session, resolve
from breakwater.errors import UserError
from breakwater.host import Reverted
from breakwater.units import MAX_UINT256, account_id, from_wad


def liquidate(
    session: Session,
    of: str,
    number: int,
    debt: str,
    collateral: str,
    most: str,
    look: bool,
) -> None:
    """Repay debt of an account below maintenance and take collateral for it."""
    protocol, sender = session.protocol, session.sender
    account = account_id(resolve(of, protocol.accounts), number)
    debt, collateral = session.symbol(debt), session.symbol(collateral)
    debt_token, token = session.token(debt), session.token(collateral)
    vault = session.vault(debt)
    limit = MAX_UINT256 // 2**100
    if most:
        limit, symbol = session.amount(most)
        if symbol != debt:
            raise UserError(f"--max is an amount of {debt}, the debt to repay, not of {symbol}")
    held = debt_token.balanceOf(sender)
    try:
        terms = protocol.lens.preview_liquidate(account, debt_token, token, limit)
        if terms.repay + terms.fund_fee > held:
            # the fee is below a hundredth of the payment
            limit = held * 100 // 101
            if limit == 0:
                raise UserError(f"{session.name(sender)} holds no {debt} to repay with")
            terms = protocol.lens.preview_liquidate(account, debt_token, token, limit)
    except Reverted as error:
        if error.reason == "account is healthy":
            raise UserError(
                f"{whose(session, account)} is healthy: {health_line(session, account)}"
            ) from None
        raise
    cost = terms.repay + terms.fund_fee
    if look:
        session.say(_terms_line(session, terms, debt, collateral, "would repay"))
        return
    session.pay(
        debt, cost + cost // 1_000 + 1 if held > cost + cost // 1_000 else cost, vault, "repay"
    )
    paid, seized = protocol.credit_engine.liquidate(
        account, debt_token, token, limit, 0, sender, bytes(32), b"", sender=sender
    ).value
    session.say(f"paid {session.show(paid, debt)}, took {session.show(seized, collateral)}")
    session.say(_terms_line(session, terms, debt, collateral, "terms: repay"))
    session.say(f"{whose(session, account)}: {health_line(session, account)}")


def _terms_line(session: Session, terms: Any, debt: str, collateral: str, verb: str) -> str:
    line = f"{verb} {session.show(terms.repay, debt, 6)}"
    if terms.fund_fee:
        line += f" and {session.show(terms.fund_fee, debt, 6)} for the fund"
    line += f", take {session.show(terms.seized, collateral, 6)}"
    for address, amount in zip(terms.collaterals, terms.amounts, strict=True):
        other = session.protocol.symbol_of(address)
        if other != collateral:
            line += f" and {session.show(amount, other, 6)}"
    line += f", incentive {from_wad(terms.incentive * 100, 2)} %"
    if terms.write_off:
        line += f"; {session.show(terms.write_off, debt, 6)} of bad debt would be written off"
    return line
