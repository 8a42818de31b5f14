"""What lenders do."""

from __future__ import annotations

from breakwater.actions.refusals import LEVELS, refusal
from breakwater.actions.session import Session
from breakwater.driver import LendingVault
from breakwater.errors import UserError
from breakwater.host import Reverted
from breakwater.units import BPS, MAX_UINT256, WAD, YEAR, from_wad


def supply(session: Session, text: str) -> None:
    """Lend to a vault."""
    amount, symbol = session.amount(text)
    vault = session.vault(symbol)
    room = vault.maxDeposit(session.sender)
    _check_level(session, vault.level(), ("HALT", "WIND-DOWN"))
    if amount > room:
        raise UserError(f"the vault of {symbol} takes at most {session.show(room, symbol)} more")
    session.pay(symbol, amount, vault, "lend")
    vault.deposit(amount, session.sender, sender=session.sender)
    session.say(f"lent {session.show(amount, symbol)}")
    _show_lender(session, symbol)


def withdraw(session: Session, text: str) -> None:
    """Take back what was lent."""
    amount, symbol = session.amount(text, all_of=True)
    vault = session.vault(symbol)
    shares = vault.balanceOf(session.sender)
    worth = vault.convertToAssets(shares)
    most = vault.maxWithdraw(session.sender)
    if shares == 0:
        raise UserError(f"{session.name(session.sender)} has lent no {symbol}")
    _check_level(session, vault.level(), ("HALT",))
    if amount == MAX_UINT256:
        if most < worth:
            raise UserError(
                f"{session.show(most, symbol)} of the {session.show(worth, symbol)} lent may be "
                f"withdrawn now: {_what_binds(vault, most)}; give an amount"
            )
        got = vault.redeem(shares, session.sender, session.sender, sender=session.sender).value
    else:
        if amount > most:
            if most >= worth:
                raise UserError(f"{session.show(most, symbol)} is all that was lent")
            raise UserError(
                f"{session.show(most, symbol)} may be withdrawn now: {_what_binds(vault, most)}"
            )
        vault.withdraw(amount, session.sender, session.sender, sender=session.sender)
        got = amount
    session.say(f"withdrew {session.show(got, symbol)}")
    _show_lender(session, symbol)


def _check_level(session: Session, level: int, refused: tuple[str, ...]) -> None:
    if LEVELS[level] in refused:
        reason = "vault is halted" if LEVELS[level] == "HALT" else "vault is wound down"
        raise UserError(refusal(session, Reverted(reason)))


def _what_binds(vault: LendingVault, most: int) -> str:
    """Why a lender cannot withdraw more than `most` [assets], which is less than he lent."""
    if LEVELS[vault.level()] == "WIND-DOWN":
        return "the vault is wound down, and that is his part of its cash"
    if most < vault.cash():
        return "no more may leave the vault in this window of 4 hours"
    return "the rest is on loan"


def _show_lender(session: Session, symbol: str) -> None:
    vault = session.vault(symbol)
    worth = vault.convertToAssets(vault.balanceOf(session.sender))
    spec = session.market.vaults[symbol]
    used = vault.utilization()
    rate = vault.borrow_rate() * YEAR * used // WAD * (BPS - spec.config.reserve_factor) // BPS
    session.say(
        f"{session.name(session.sender)} has {session.show(worth, symbol, 6)} in the vault, which "
        f"is {from_wad(used * 100, 1)} % on loan and earns {from_wad(rate * 100, 2)} % a year"
    )
