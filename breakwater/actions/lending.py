"""What lenders do."""

from __future__ import annotations

from breakwater.actions.figures import of_lender, span
from breakwater.actions.refusals import LEVELS, Attempt, refusal
from breakwater.actions.session import ALL, MOST, Session
from breakwater.driver import LendingVault
from breakwater.errors import UserError
from breakwater.host import Reverted


def supply(session: Session, text: str) -> None:
    """Lend to a vault."""
    amount, symbol, word = session.amount(text, words=True)
    vault = session.vault(symbol)
    _check_level(session, symbol, ("HALT", "WIND-DOWN"))
    room = vault.maxDeposit(session.sender)
    held = session.token(symbol).balanceOf(session.sender)
    if word:
        amount = min(held, room) if word == MOST else held
        if amount == 0:
            raise UserError(
                f"{session.name(session.sender)} holds {session.show(held, symbol)}, and the vault "
                f"takes {session.show(room, symbol)}"
            )
    if amount > room:
        raise UserError(f"the vault of {symbol} takes at most {session.show(room, symbol)} more")
    before = of_lender(session, symbol)
    session.pay(symbol, amount, vault, "lend")
    with session.explained(Attempt(symbol=symbol)):
        vault.deposit(amount, session.sender, sender=session.sender)
    session.report(
        f"lend {session.show(amount, symbol)}",
        before,
        of_lender(session, symbol),
        "markets",
        f'withdraw "max {symbol}" --account {session.label(session.sender)}',
    )


def withdraw(session: Session, text: str) -> None:
    """Take back what was lent."""
    amount, symbol, word = session.amount(text, words=True)
    vault, sender = session.vault(symbol), session.sender
    shares = vault.balanceOf(sender)
    if shares == 0:
        raise UserError(f"{session.name(sender)} has lent no {symbol}")
    worth, most = vault.convertToAssets(shares), vault.maxWithdraw(sender)
    _check_level(session, symbol, ("HALT",))
    if word == MOST:
        amount, word = most, ALL if most >= worth else ""
        if most == 0:
            raise UserError(f"nothing may be withdrawn now: {_what_binds(session, vault, 0)}")
    if word == ALL and most < worth:
        raise UserError(
            f"{session.show(most, symbol)} of the {session.show(worth, symbol)} lent may be "
            f'withdrawn now: {_what_binds(session, vault, most)}; give an amount, or "max {symbol}"'
        )
    if not word and amount > most:
        raise UserError(
            f"{session.show(most, symbol)} is all that was lent"
            if most >= worth
            else f"{session.show(most, symbol)} may be withdrawn now: "
            f"{_what_binds(session, vault, most)}"
        )
    before = of_lender(session, symbol)
    with session.explained(Attempt(symbol=symbol)):
        if word:
            amount = vault.redeem(shares, sender, sender, sender=sender).value
        else:
            vault.withdraw(amount, sender, sender, sender=sender)
    session.report(
        f"withdraw {session.show(amount, symbol)}", before, of_lender(session, symbol), "markets"
    )


def _check_level(session: Session, symbol: str, refused: tuple[str, ...]) -> None:
    level = LEVELS[session.vault(symbol).level()]
    if level in refused:
        reason = "vault is halted" if level == "HALT" else "vault is wound down"
        raise UserError(refusal(session, Reverted(reason), Attempt(symbol=symbol)))


def _what_binds(session: Session, vault: LendingVault, most: int) -> str:
    """Why a lender cannot withdraw more than `most` [assets], which is less than he lent."""
    if LEVELS[vault.level()] == "WIND-DOWN":
        return "the vault is wound down, and that is his part of its cash"
    if most < vault.cash():
        left = span(vault.limits()[2] - session.host.now)
        return f"no more may leave the vault in this window of 4 hours, the next begins in {left}"
    return "the rest is on loan"
