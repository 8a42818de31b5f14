"""What an account holds and owes, and how far it is from liquidation."""

from __future__ import annotations

from typing import Any

from breakwater.actions.figures import borrow_rate, leverage, liquidation_prices, usd
from breakwater.actions.session import Session, resolve
from breakwater.units import WAD, account_id, account_owner, from_wad


def position(session: Session, of: str, number: int) -> None:
    """Everything about one account."""
    protocol = session.protocol
    owner = resolve(of, protocol.accounts) if of else session.sender
    account = account_id(owner, number)
    state = protocol.lens.account(account)
    session.say(f"{whose(session, account)}, id 0x{account.hex()}")
    if not state.legs:
        session.say("holds nothing and owes nothing")
        who = f"{flags(number)} --account {session.label(owner)}"
        session.next(f'borrow "1000 USDC" --collateral "1 WETH"{who}')
        return
    prices = liquidation_prices(session, state)
    for leg in sorted(state.legs, key=lambda one: bool(one.is_debt)):
        symbol = protocol.symbol_of(leg.asset)
        value = leg.amount * leg.price // 10 ** session.market.decimals(symbol)
        line = f"{'owes' if leg.is_debt else 'holds'} {session.show(leg.amount, symbol, 6)}"
        line += f" = {usd(value)}, at {usd(leg.price)}" if leg.price else ", no valid price"
        if leg.is_debt:
            line += f"; {borrow_rate(session, symbol)} a year"
        price = prices.get(f"liquidation price of {symbol}")
        if price:
            line += f"; liquidation price {price}"
        elif not leg.is_debt and state.health.debt_value and not leg.liquidation_price:
            line += "; no price of it alone leads to liquidation"
        session.say(line)
    session.say(health_line(session, account))
    cap = from_wad(state.margin.max_leverage, 2)
    session.say(f"leverage {leverage(state.leverage)} (at most {cap} x for new risk)")
    room = []
    for symbol in protocol.vaults:
        most = protocol.lens.max_borrow(account, session.token(symbol))
        if most:
            room.append(session.brief(most, symbol))
    session.say(f"could borrow {' or '.join(room)} more" if room else "could borrow nothing more")
    _next(session, owner, number, state)


def _next(session: Session, owner: str, number: int, state: Any) -> None:
    """What may be done with it: by its owner, or by a liquidator where it is below maintenance."""
    debts = [session.protocol.symbol_of(leg.asset) for leg in state.legs if leg.is_debt]
    held = [session.protocol.symbol_of(leg.asset) for leg in state.legs if not leg.is_debt]
    who, which = session.label(owner), flags(number)
    if not debts:
        session.next(f'repay --withdraw "all {held[0]}"{which} --account {who}')
        return
    if state.health.health_factor < WAD and held:
        session.next(f"liquidate {who} {debts[0]} {held[0]}{which}")
    session.next(f'repay "max {debts[0]}"{which} --account {who}')


def account_of(session: Session, of: str, number: int) -> bytes:
    """One of the sender's accounts, or of another owner's who is named."""
    owner = resolve(of, session.protocol.accounts) if of else session.sender
    return account_id(owner, number)


def flags(number: int) -> str:
    """What names an account that is not the first in a command."""
    return f" --number {number}" if number else ""


def whose(session: Session, account: bytes) -> str:
    """Which of whose accounts it is."""
    number = int.from_bytes(account[20:], "big")
    return f"account {number} of {session.name(account_owner(account))}"


def within(session: Session, account: bytes) -> str:
    """What tells an account from the sender's first in a sentence."""
    first = account == account_id(session.sender, 0)
    return "" if first else f" in {whose(session, account)}"


def _state_amount(session: Session, account: bytes, symbol: str, debt: bool) -> int:
    address = session.token(symbol).address
    for leg in session.protocol.lens.account(account).legs:
        if leg.asset == address and leg.is_debt == debt:
            return int(leg.amount)
    return 0


def debt_in(session: Session, account: bytes, symbol: str) -> int:
    """What an account owes of an asset [token units]."""
    return _state_amount(session, account, symbol, True)


def held_in(session: Session, account: bytes, symbol: str) -> int:
    """What an account holds of an asset as collateral [token units]."""
    return _state_amount(session, account, symbol, False)


def health_line(session: Session, account: bytes) -> str:
    """An account's health as a sentence."""
    health = session.protocol.lens.account(account).health
    if health.debt_value == 0:
        return "no debt, so no liquidation"
    text = f"health factor {from_wad(health.health_factor, 4)}"
    if health.health_factor < WAD:
        return f"{text}: below maintenance, anyone may liquidate"
    return f"{text} (liquidation below 1)"
