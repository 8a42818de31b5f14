"""What an account's owner lets others do for it."""

from __future__ import annotations

from collections.abc import Sequence

from breakwater.actions.arguments import seconds_of
from breakwater.actions.figures import Figures, span
from breakwater.actions.margin import BORROW, DEPOSIT, MOVE, WITHDRAW
from breakwater.actions.positions import flags, whose
from breakwater.actions.refusals import Attempt
from breakwater.actions.session import Session, resolve
from breakwater.deploy.protocol import ZERO
from breakwater.errors import UserError
from breakwater.units import MAX_UINT256, account_id

ACTIONS = {"deposit": DEPOSIT, "withdraw": WITHDRAW, "borrow": BORROW, "move": MOVE}
"""What may be granted, by its name here."""

_UNLIMITED = 2**128 - 1


def operator_show(session: Session, operator: str, number: int) -> None:
    """What an operator may do with one of the sender's accounts."""
    who, account = _who(session, operator), account_id(session.sender, number)
    session.say(f"{session.name(who)}, for {whose(session, account)}:")
    for name, value in _grants(session, account, who).items():
        session.say(f"{name}: {value}")
    if not _grants(session, account, who):
        session.say("nothing")


def operator_grant(
    session: Session,
    operator: str,
    what: str,
    actions: Sequence[str],
    lasts: str,
    number: int,
) -> None:
    """Let an operator act: with one asset up to an amount, with one asset, or with any."""
    who, account = _who(session, operator), account_id(session.sender, number)
    if not actions:
        raise UserError(f"say for what: --may {', --may '.join(ACTIONS)}; may be repeated")
    token, amount = ZERO, MAX_UINT256
    if what.lower() != "any":
        if " " in what.strip():
            amount, symbol, _ = session.amount(what, words=True)
        else:
            symbol = session.symbol(what)
        token = session.token(symbol).address
    expiry = session.host.now + seconds_of(lasts)
    _set(session, account, who, token, sum(ACTIONS[one] for one in set(actions)), amount, expiry,
         f"let {session.name(who)} {', '.join(actions)}", number)  # fmt: skip


def operator_revoke(session: Session, operator: str, what: str, number: int) -> None:
    """Take back what an operator may do with one asset, or every grant there is."""
    who, account = _who(session, operator), account_id(session.sender, number)
    found = [what] if what else list(_grants(session, account, who))
    if not found:
        raise UserError(f"{session.name(who)} may do nothing for {whose(session, account)}")
    for one in found:
        token = ZERO if one.lower() == "any" else session.token(one).address
        _set(session, account, who, token, 0, 0, 0,
             f"let {session.name(who)} do nothing more with {one}", number)  # fmt: skip


def _set(
    session: Session,
    account: bytes,
    who: str,
    token: str,
    actions: int,
    amount: int,
    expiry: int,
    did: str,
    number: int,
) -> None:
    before = _grants(session, account, who)
    with session.explained(Attempt(account)):
        session.protocol.credit_engine.set_operator(
            account, who, token, actions, amount, expiry, sender=session.sender
        )
    owner = session.label(session.sender)
    session.report(
        f"{did} for {whose(session, account)}",
        before,
        _grants(session, account, who),
        f"operator show {session.label(who)}{flags(number)} --account {owner}",
        *([f"operator revoke {session.label(who)}{flags(number)} --account {owner}"]
          if actions else []),
    )  # fmt: skip


def _who(session: Session, operator: str) -> str:
    who = resolve(operator, session.protocol.accounts)
    if who == session.sender:
        raise UserError("the owner needs no grant: name somebody else as the operator")
    return who


def _grants(session: Session, account: bytes, who: str) -> Figures:
    """What an operator may do, by asset."""
    found: Figures = {}
    assets = {"any": ZERO, **{one: t.address for one, t in session.protocol.tokens.items()}}
    for name, token in assets.items():
        actions, left, expiry = session.protocol.credit_engine.operator_of(account, who, token)
        if not actions:
            continue
        may = ", ".join(one for one, bit in ACTIONS.items() if int(actions) & bit)
        if left < _UNLIMITED:
            may += f", {session.brief(left, name)} in all"
        time = expiry - session.host.now
        found[name] = f"{may}, for {span(time)}" if time >= 0 else f"{may}, expired"
    return found
