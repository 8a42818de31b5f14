"""What borrowers do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from breakwater.actions.positions import debt_in, health_line, held_in, whose
from breakwater.actions.refusals import LEVELS, level_line, refusal
from breakwater.actions.session import Session
from breakwater.errors import UserError
from breakwater.host import Reverted
from breakwater.units import BPS, MAX_UINT256, WAD, account_id, mul_div_up

# Actions of a leg, in the order of ICreditEngine.Action.
DEPOSIT, WITHDRAW, BORROW, REPAY = 1, 2, 4, 8

_ZERO = "0x" + 40 * "0"


def borrow(session: Session, text: str, collateral: Sequence[str], number: int) -> None:
    """Post collateral and borrow, in one transaction."""
    from breakwater.driver import Leg

    if not text and not collateral:
        raise UserError('say what to borrow ("1000 USDC"), or what to add (--collateral "1 WETH")')
    engine, sender = session.protocol.credit_engine, session.sender
    account = account_id(sender, number)
    steps, said, added = [], [], set()
    for one in collateral:
        amount, symbol = session.amount(one)
        if symbol in added:
            raise UserError(f"{symbol} is added twice: give one amount of it")
        added.add(symbol)
        session.pay(symbol, amount, engine, "add as collateral")
        steps.append(_leg(Leg, DEPOSIT, account, session.token(symbol), amount, sender))
        said.append(f"added {session.show(amount, symbol)} as collateral")
    borrowed = 0, ""
    if text:
        amount, symbol = borrowed = session.amount(text)
        vault = session.vault(symbol)
        least = session.protocol.credit_engine.debt_of(session.token(symbol))[2]
        owed = debt_in(session, account, symbol)
        if owed + amount < least:
            raise UserError(f"the least debt in {symbol} is {session.show(least, symbol)}")
        cash = vault.cash()
        if amount > cash:
            raise UserError(f"the vault of {symbol} has {session.show(cash, symbol)} to lend")
        steps.append(_leg(Leg, BORROW, account, session.token(symbol), amount, sender))
        said.append(f"borrowed {session.show(amount, symbol)}")
    try:
        engine.batch(steps, b"", sender=sender)
    except Reverted as error:
        raise UserError(_why_not(session, account, steps, error, borrowed[1])) from None
    for line in said:
        session.say(line)
    session.say(health_line(session, account))


def repay(session: Session, text: str, take_back: Sequence[str], number: int) -> None:
    """Repay debt, and take collateral out."""
    if not text and not take_back:
        raise UserError(
            'say what to repay ("500 USDC", "all USDC"), or what to take (--withdraw "1 WETH")'
        )
    engine, sender = session.protocol.credit_engine, session.sender
    account = account_id(sender, number)
    if text:
        amount, symbol = session.amount(text, all_of=True)
        token, vault = session.token(symbol), session.vault(symbol)
        owed = debt_in(session, account, symbol)
        if owed == 0:
            raise UserError(f"{whose(session, account)} has no debt in {symbol}")
        if amount >= owed:
            amount = MAX_UINT256
            # a second's interest may come before it is mined
            need = owed + mul_div_up(owed, vault.borrow_rate() * 60, WAD) + 1
            held = token.balanceOf(sender)
            session.pay(symbol, min(need, max(owed, held)), vault, "repay it all")
        else:
            least = engine.debt_of(token)[2]
            if owed - amount < least:
                most = session.show(max(0, owed - least), symbol)
                raise UserError(
                    f"that would leave {session.show(owed - amount, symbol)} of debt, below the "
                    f'least debt of {session.show(least, symbol)}: repay at most {most}, or "all '
                    f'{symbol}"'
                )
            session.pay(symbol, amount, vault, "repay")
        paid, _ = engine.repay(account, token, amount, sender=sender).value
        session.say(f"repaid {session.show(paid, symbol)}")
    for one in take_back:
        amount, symbol = session.amount(one, all_of=True)
        try:
            sent = engine.withdraw_collateral(
                account, session.token(symbol), amount, sender, sender=sender
            ).value
        except Reverted as error:
            if error.reason in ("not enough collateral", "account has no such collateral"):
                held = held_in(session, account, symbol)
                raise UserError(
                    f"{whose(session, account)} holds {session.show(held, symbol)} as collateral"
                ) from None
            raise
        session.say(f"took out {session.show(sent, symbol)}")
    session.say(health_line(session, account))


def _leg(kind: Any, action: int, account: bytes, token: Any, amount: int, sender: str) -> Any:
    return kind(action, account, token.address, amount, sender, bytes(32), _ZERO, 0)


def _why_not(
    session: Session, account: bytes, steps: Sequence[Any], error: Reverted, symbol: str
) -> str:
    """Why a batch was refused, with the number that matters."""
    sentence = refusal(session, error)
    if error.reason not in ("initial margin is not met", "leverage is too high") or not symbol:
        return sentence
    lens, protocol = session.protocol.lens, session.protocol
    held = {leg.asset for leg in lens.account(account).legs if not leg.is_debt}
    held |= {step.asset for step in steps if step.action == DEPOSIT}
    halted = [
        one
        for one, token in protocol.tokens.items()
        if token.address in held and lens.quote(token).level >= LEVELS.index("HALT")
    ]
    for one in halted:
        sentence += f" {one} counts nothing as collateral. {level_line(session, one)}"
    if len(steps) > 1:
        deposits = sum(
            _loan_value(session, session.protocol.symbol_of(step.asset), step.amount)
            for step in steps[:-1]
        )
        margin = session.protocol.lens.account(account).margin
        room = max(0, margin.collateral + deposits - margin.required)
        quote = session.protocol.lens.quote(session.token(symbol))
        price = max(quote.high, quote.average)
        weight = session.market.assets[symbol].parameters["debt_weight"]
        most = room * 10 ** session.market.decimals(symbol) * BPS // (price * weight)
        return f"{sentence} With that collateral about {session.show(most, symbol, 4)} would do."
    most = session.protocol.lens.max_borrow(account, session.token(symbol))
    return f"{sentence} It could borrow {session.show(most, symbol, 4)} more."


def _loan_value(session: Session, symbol: str, amount: int) -> int:
    """What an amount of collateral adds to the initial margin, volatility aside [WAD]."""
    quote = session.protocol.lens.quote(session.token(symbol))
    if quote.level >= LEVELS.index("HALT"):
        return 0
    ltv = session.protocol.lens.config_of(session.token(symbol)).borrow_ltv
    decimals = session.market.decimals(symbol)
    return int(amount * min(quote.low, quote.average) * ltv // (10**decimals * BPS))
