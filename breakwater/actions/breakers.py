"""What guardians do."""

from __future__ import annotations

from typing import Any

from breakwater.actions.arguments import seconds_of
from breakwater.actions.figures import span, usd
from breakwater.actions.refusals import LEVELS, STATUSES, Attempt, hold_line, latched
from breakwater.actions.session import Session
from breakwater.errors import UserError


def breaker_status(session: Session) -> None:
    """Level of every asset, with what holds it up."""
    protocol = session.protocol
    session.say(f"guardian {session.name(protocol.breaker.guardian())}")
    for symbol, token in protocol.tokens.items():
        quote = protocol.lens.quote(token)
        text = f"{symbol}: level {LEVELS[quote.level]}, price {STATUSES[quote.status]}"
        if quote.price:
            text += f" ({usd(quote.price)}, average {usd(quote.average)})"
        hold = hold_line(session, symbol)
        session.say("; ".join([text, *latched(session, token), *([hold] if hold else [])]))


def breaker_trip(session: Session, symbol: str, level: str, duration: str) -> None:
    """Raise the level of an asset."""
    symbol = session.symbol(symbol)
    if level.upper() not in LEVELS[1:3]:
        raise UserError(f"{level} is no level to trip to: CAUTION or HALT")
    number = LEVELS.index(level.upper())
    breaker = session.protocol.breaker
    _only_guardian(session)
    with session.explained(Attempt(symbol=symbol)):
        breaker.trip(_listed(session, symbol), number, seconds_of(duration), sender=session.sender)
    session.say(f"{symbol} is at level {LEVELS[number]} for {duration}")
    session.next("breaker status", f"breaker reset {symbol}")


def breaker_hold(session: Session, symbol: str, duration: str) -> None:
    """Hold liquidations that rest on an asset, or end the hold that runs."""
    symbol = session.symbol(symbol)
    _only_guardian(session)
    seconds = seconds_of(duration) if duration else 0
    token = _listed(session, symbol)
    with session.explained(Attempt(symbol=symbol)):
        receipt = session.protocol.breaker.hold(token, seconds, sender=session.sender)
    left = max(0, receipt.event("Hold").until - session.host.now)
    if left:
        session.say(f"liquidations that rest on {symbol} are held for {span(left)}")
    else:
        session.say(
            f"liquidations that rest on {symbol} are held no more; an hour of grace follows"
        )


def breaker_poke(session: Session, symbol: str) -> None:
    """Store what the oracle says of an asset now. For anyone."""
    symbol = session.symbol(symbol)
    status = session.protocol.breaker.poke(_listed(session, symbol), sender=session.sender).value
    quote = session.protocol.lens.quote(session.token(symbol))
    session.say(
        f"{symbol}: level {LEVELS[quote.level]}, price {STATUSES[status]}, at "
        f"{usd(quote.price)}, average {usd(quote.average)}"
    )


def breaker_reset(session: Session, symbol: str) -> None:
    """Lift what has expired, and the guardian's own latch."""
    symbol = session.symbol(symbol)
    receipt = session.protocol.breaker.reset(_listed(session, symbol), sender=session.sender)
    lifted = len(receipt.events("Reset"))
    session.say(f"lifted {lifted} latch{'es' if lifted != 1 else ''} of {symbol}")
    level = session.protocol.lens.quote(session.token(symbol)).level
    session.say(f"{symbol}: level {LEVELS[level]}")
    is_guardian = session.protocol.breaker.guardian() == session.sender
    if level and not lifted and not is_guardian:
        session.say("what has not expired stays; the guardian's own only the guardian lifts early")


def _listed(session: Session, symbol: str) -> Any:
    """Token of an asset. UserError unless the chain lists it: the breaker would reset it."""
    token = session.token(symbol)
    if session.protocol.risk_engine.id_of(token) == 0:
        raise UserError(f"{symbol} is not listed on this chain: no breaker holds it")
    return token


def _only_guardian(session: Session) -> None:
    guardian = session.protocol.breaker.guardian()
    if session.sender != guardian:
        raise UserError(
            f"only the guardian, {session.name(guardian)}, may do this, and this is "
            f"{session.name(session.sender)}: add --account {session.label(guardian)}"
        )
