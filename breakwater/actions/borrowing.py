"""What borrowers do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from breakwater.actions import margin
from breakwater.actions.figures import of_account
from breakwater.actions.margin import BORROW, DEPOSIT, WITHDRAW
from breakwater.actions.positions import account_of, debt_in, flags, held_in, whose, within
from breakwater.actions.refusals import Attempt, Step
from breakwater.actions.session import ALL, MOST, Amount, Session
from breakwater.deploy.protocol import ZERO
from breakwater.errors import UserError
from breakwater.units import MAX_UINT256, WAD, account_owner, mul_div_up


def borrow(
    session: Session, text: str, collateral: Sequence[str], number: int, of: str = ""
) -> None:
    """Post collateral and borrow, in one transaction."""
    if not text and not collateral:
        raise UserError('say what to borrow ("1000 USDC"), or what to add (--collateral "1 WETH")')
    account = account_of(session, of, number)
    steps = _added(session, collateral)
    if text:
        steps.append(_borrowed(session, account, steps, session.amount(text, words=True)))
    named = [step.symbol for step in steps]
    before = of_account(session, account, named)
    for step in steps:
        if step.action == DEPOSIT:
            session.pay(
                step.symbol, step.amount, session.protocol.credit_engine, "add as collateral"
            )
    _batch(session, account, steps)
    back = "" if text else "--withdraw "
    did = [
        f"{'borrow' if step.action == BORROW else 'add'} {session.show(step.amount, step.symbol)}"
        for step in reversed(steps)
    ]
    session.report(
        f"{', '.join(did)}{within(session, account)}",
        before,
        of_account(session, account, named),
        f"position {session.label(account_owner(account))}{flags(number)}",
        f'repay {back}"max {steps[-1].symbol}"{_by(session, account, number)}',
    )


def repay(session: Session, text: str, take_back: Sequence[str], number: int, of: str = "") -> None:
    """Repay debt, and take collateral out."""
    if not text and not take_back:
        raise UserError(
            'say what to repay ("500 USDC", "max USDC"), or what to take (--withdraw "1 WETH")'
        )
    account = account_of(session, of, number)
    did, named = [], []
    paid = session.amount(text, words=True) if text else None
    taken = [session.amount(one, words=True) for one in take_back]
    named = [one.symbol for one in (*([paid] if paid else []), *taken)]
    before = of_account(session, account, named)
    if paid:
        did.append(_repay(session, account, paid))
    did += [_take_out(session, account, one) for one in taken]
    session.report(
        f"{', '.join(did)}{within(session, account)}",
        before,
        of_account(session, account, named),
        f"position {session.label(account_owner(account))}{flags(number)}",
    )


def _by(session: Session, account: bytes, number: int) -> str:
    """What names the account and who acts for it in a command."""
    owner, sender = session.label(account_owner(account)), session.label(session.sender)
    of = "" if owner == sender else f" --of {owner}"
    return f"{flags(number)}{of} --account {sender}"


def _added(session: Session, collateral: Sequence[str]) -> list[Step]:
    """Collateral to bring, each asset once."""
    steps: list[Step] = []
    for one in collateral:
        amount, symbol, word = session.amount(one, words=True)
        if symbol in [step.symbol for step in steps]:
            raise UserError(f"{symbol} is added twice: give one amount of it")
        if word:
            amount = session.token(symbol).balanceOf(session.sender)
            if amount == 0:
                raise UserError(f"{session.name(session.sender)} holds no {symbol} to add")
        steps.append(Step(DEPOSIT, symbol, amount))
    return steps


def _borrowed(session: Session, account: bytes, added: Sequence[Step], wanted: Amount) -> Step:
    """What to borrow after what is added."""
    amount, symbol, word = wanted
    vault = session.vault(symbol)
    if word == ALL:
        raise UserError(f'"max {symbol}" borrows the most that works now, and there is no all')
    if word == MOST:
        position = margin.after(session, account, added)
        amount = margin.safely(margin.most(session, position, BORROW, symbol))
        if amount == 0:
            raise UserError(f"{whose(session, account)} can borrow no {symbol} now")
    least = session.protocol.credit_engine.debt_of(session.token(symbol))[2]
    if debt_in(session, account, symbol) + amount < least:
        raise UserError(f"the least debt in {symbol} is {session.show(least, symbol)}")
    if amount > vault.cash():
        raise UserError(f"the vault of {symbol} has {session.show(vault.cash(), symbol)} to lend")
    return Step(BORROW, symbol, amount)


def _batch(session: Session, account: bytes, steps: Sequence[Step]) -> None:
    from breakwater.driver import Leg

    legs: list[Any] = [
        Leg(
            step.action,
            account,
            session.token(step.symbol).address,
            step.amount,
            session.sender,
            bytes(32),
            ZERO,
            0,
        )
        for step in steps
    ]
    with session.explained(Attempt(account, tuple(steps), symbol=steps[-1].symbol)):
        session.protocol.credit_engine.batch(legs, b"", sender=session.sender)


def _repay(session: Session, account: bytes, wanted: Amount) -> str:
    amount, symbol, word = wanted
    token, vault, sender = session.token(symbol), session.vault(symbol), session.sender
    owed = debt_in(session, account, symbol)
    if owed == 0:
        raise UserError(f"{whose(session, account)} has no debt in {symbol}")
    held = token.balanceOf(sender)
    # a minute's interest may come before it is mined
    need = owed + mul_div_up(owed, vault.borrow_rate() * 60, WAD) + 1
    if word == MOST and held < need:
        amount = min(held, owed)
    if amount >= owed:
        amount = MAX_UINT256
        session.pay(symbol, min(need, max(owed, held)), vault, "repay it all")
    else:
        least = session.protocol.credit_engine.debt_of(token)[2]
        if owed - amount < least:
            most = session.show(max(0, owed - least), symbol)
            raise UserError(
                f"that would leave {session.show(owed - amount, symbol)} of debt, below the least "
                f'debt of {session.show(least, symbol)}: repay at most {most}, or "all {symbol}"'
            )
        session.pay(symbol, amount, vault, "repay")
    with session.explained(Attempt(account, (Step(margin.REPAY, symbol, amount),), symbol)):
        receipt = session.protocol.credit_engine.repay(account, token, amount, sender=sender)
    return f"repay {session.show(receipt.value[0], symbol)}"


def _take_out(session: Session, account: bytes, wanted: Amount) -> str:
    amount, symbol, word = wanted
    held = held_in(session, account, symbol)
    if word == MOST and held:
        position = margin.after(session, account, ())
        most = margin.most(session, position, WITHDRAW, symbol)
        amount = MAX_UINT256 if most == held else margin.safely(most)
    step = Step(WITHDRAW, symbol, held if amount == MAX_UINT256 else amount)
    with session.explained(Attempt(account, (step,))):
        sent = session.protocol.credit_engine.withdraw_collateral(
            account, session.token(symbol), amount, session.sender, sender=session.sender
        ).value
    return f"take out {session.show(sent, symbol)}"
