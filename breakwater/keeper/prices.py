"""Which price is due for a poke.

Each within 15 minutes, as a stored price pulls at the average for no longer; at once after a move,
so that the average and the volatility see it; and each minute while the status is not VALID, as two
pokes a minute apart confirm a jump.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from breakwater.ape_host import FailedOnNode
from breakwater.driver import Quote
from breakwater.host import Reverted
from breakwater.keeper.store import Poke, Store

EVERY = 900
"""Seconds between pokes of an asset."""

UNSETTLED = 60
"""Seconds between them while its status is not VALID."""

MOVE = 50
"""BPS of a price since the last poke, after which it is poked at once."""

_BPS = 10_000


def is_due(quote: Quote, last: Poke | None, now: int) -> bool:
    """Whether an asset is to be poked."""
    if last is None or now - last.time >= EVERY:
        return True
    if quote.status != 0 and now - last.time >= UNSETTLED:
        return True
    moved = abs(quote.price - last.price) * _BPS
    return quote.price != 0 and moved >= MOVE * last.price


def poke(
    protocol: Any, store: Store, sender: str, say: Callable[[str], None], send: bool
) -> tuple[dict[str, Quote], int]:
    """Poke what is due; the quotes of all, and how many were poked, or would be without `send`."""
    quotes, count = {}, 0
    for symbol, token in protocol.tokens.items():
        quotes[symbol] = quote = protocol.lens.quote(token)
        if not is_due(quote, store.last_poke(token.address), protocol.host.now):
            continue
        count += 1
        if not send:
            continue
        try:
            protocol.breaker.poke(token, sender=sender)
        except (Reverted, FailedOnNode) as error:
            say(f"{symbol} could not be poked: {error}")
        quotes[symbol] = protocol.lens.quote(token)
    return quotes, count
