"""Other prices, on a devnet."""

from __future__ import annotations

from breakwater import markets
from breakwater.actions.arguments import seconds_of
from breakwater.actions.figures import usd
from breakwater.actions.refusals import LEVELS, STATUSES
from breakwater.actions.session import Session
from breakwater.errors import UserError
from breakwater.units import UnitError, parse_units


def set_price(session: Session, symbol: str, price: str, advance: str) -> None:
    """Let the mock aggregators of an asset answer another price. On a devnet only."""
    protocol, symbol = session.protocol, session.symbol(symbol)
    if session.market.devnet is None:
        raise UserError("prices are set on a devnet only: elsewhere they come from the feeds")
    number = price.removeprefix("$").replace(",", "")
    try:
        wanted = parse_units(number, 8) * 10**10
    except UnitError as error:
        raise UserError(f"the price is USD for one {symbol}, such as 2400.50: {error}") from None
    parameters = session.market.assets[symbol].parameters
    lowest, highest = parameters["min_price"], parameters["max_price"]
    if not lowest <= wanted <= highest:
        raise UserError(
            f"{usd(wanted)} is outside of what the market takes for a valid price of {symbol}: "
            f"{usd(lowest)} to {usd(highest)}"
        )
    seconds = seconds_of(advance) if advance else 0
    before = protocol.lens.quote(protocol.tokens[symbol]).price
    protocol.set_price(symbol, wanted, sender=session.sender)
    protocol.poke(sender=session.sender)
    left = seconds
    while left > 0:
        step = min(left, 5 * 60)
        session.host.advance(step)
        protocol.refresh(sender=session.sender)
        protocol.poke(sender=session.sender)
        left -= step
    was = f" (was {usd(before)})" if before else ""
    session.say(f"{symbol} is at {usd(wanted)}{was}")
    if seconds:
        session.say(f"the devnet's clock moved on by {markets.show_duration(seconds)}")
    for one in protocol.tokens:
        quote = protocol.lens.quote(protocol.tokens[one])
        if quote.level or one == symbol:
            session.say(
                f"{one}: level {LEVELS[quote.level]}, price {STATUSES[quote.status]}, "
                f"average {usd(quote.average)}"
            )
    session.next("markets", "position borrower")
