"""What liquidators do."""

from __future__ import annotations

from typing import Any

from breakwater.actions.figures import Figures, of_account, percent
from breakwater.actions.positions import flags, whose
from breakwater.actions.refusals import Attempt
from breakwater.actions.session import Session, resolve
from breakwater.errors import UserError
from breakwater.units import MAX_UINT256, account_id

_ANY = MAX_UINT256 >> 100
"""Most to repay where no limit is given."""


def liquidate(
    session: Session, of: str, number: int, debt: str, collateral: str, most: str = ""
) -> None:
    """Repay debt of an account below maintenance and take collateral for it."""
    protocol, sender = session.protocol, session.sender
    account = account_id(resolve(of, protocol.accounts), number)
    debt, collateral = session.symbol(debt), session.symbol(collateral)
    debt_token, token = session.token(debt), session.token(collateral)
    vault = session.vault(debt)
    limit = _ANY
    if most:
        limit, symbol, _ = session.amount(most)
        if symbol != debt:
            raise UserError(f"--max is an amount of {debt}, the debt to repay, not of {symbol}")
    with session.explained(Attempt(account, (), debt, collateral)):
        limit, terms = _affordable(session, account, debt, collateral, limit)
        before = _figures(session, account, debt, collateral)
        cost, held = terms.repay + terms.fund_fee, debt_token.balanceOf(sender)
        # a moment's interest more may be taken
        session.pay(debt, min(cost + cost // 1_000 + 1, max(held, cost)), vault, "repay")
        paid, seized = protocol.credit_engine.liquidate(
            account, debt_token, token, limit, 0, sender, bytes(32), b"", sender=sender
        ).value
    session.report(
        f"liquidate {whose(session, account)}: pay {session.show(paid, debt)}, take "
        f"{session.show(seized, collateral)}",
        before,
        _figures(session, account, debt, collateral),
        f"position {session.label(resolve(of, protocol.accounts))}{flags(number)}",
    )
    session.say(_terms_line(session, terms, debt, collateral))


def _affordable(
    session: Session, account: bytes, debt: str, collateral: str, limit: int
) -> tuple[int, Any]:
    """The limit that the liquidator can pay for, and the terms with it. Raises Reverted."""
    preview = session.protocol.lens.preview_liquidate
    debt_token, token = session.token(debt), session.token(collateral)
    held = debt_token.balanceOf(session.sender)
    terms = preview(account, debt_token, token, limit)
    if terms.repay + terms.fund_fee > held:
        # the fee is below a hundredth of the payment
        limit = held * 100 // 101
        if limit == 0:
            raise UserError(f"{session.name(session.sender)} holds no {debt} to repay with")
        terms = preview(account, debt_token, token, limit)
    return limit, terms


def _figures(session: Session, account: bytes, debt: str, collateral: str) -> Figures:
    shown = of_account(session, account, [debt])
    for symbol in (debt, collateral):
        held = session.token(symbol).balanceOf(session.sender)
        shown[f"in the liquidator's wallet, {symbol}"] = session.brief(held, symbol)
    return shown


def _terms_line(session: Session, terms: Any, debt: str, collateral: str) -> str:
    line = f"terms: repay {session.show(terms.repay, debt, 6)}"
    if terms.fund_fee:
        line += f" and {session.show(terms.fund_fee, debt, 6)} for the fund"
    line += f", take {session.show(terms.seized, collateral, 6)}"
    for address, amount in zip(terms.collaterals, terms.amounts, strict=True):
        other = session.protocol.symbol_of(address)
        if other != collateral:
            line += f" and {session.show(amount, other, 6)}"
    line += f", incentive {percent(terms.incentive)}"
    if terms.write_off:
        line += f"; {session.show(terms.write_off, debt, 6)} of bad debt is written off"
    return line
