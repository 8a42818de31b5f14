"""What the actors of a market do: a gene (`breakwater.fuzz.genes`) becomes calls."""

from __future__ import annotations

from typing import Final

from breakwater.fuzz import looks
from breakwater.fuzz.actions import (
    attackers,
    backstops,
    borrowers,
    deployments,
    ends,
    feeds,
    flashes,
    governance,
    lenders,
    liquidators,
    tokens,
)
from breakwater.fuzz.genes import Act

ACTIONS: tuple[tuple[str, Act, int], ...] = (
    ("deposit", lenders.deposit, 7),
    ("mint", lenders.mint, 3),
    ("withdraw", lenders.withdraw, 7),
    ("redeem", lenders.redeem, 5),
    ("redeem_for", lenders.redeem_for, 2),
    ("pass_shares", lenders.pass_shares, 3),
    ("approve", lenders.approve, 2),
    ("settle", lenders.settle, 2),
    ("add", borrowers.add, 16),
    ("take", borrowers.take, 13),
    ("borrow", borrowers.borrow, 24),
    ("repay", borrowers.repay, 14),
    ("move", borrowers.move, 6),
    ("batch", borrowers.batch, 20),
    ("grant", borrowers.grant, 4),
    ("delegate", borrowers.delegate, 5),
    ("sign", borrowers.sign, 2),
    ("liquidate", liquidators.liquidate, 19),
    ("corner", liquidators.corner, 6),
    ("stake", lenders.stake, 4),
    ("unstake", lenders.unstake, 5),
    ("trip", governance.trip, 6),
    ("schedule", governance.schedule, 4),
    ("execute", governance.execute, 3),
    ("botch", governance.botch, 3),
    ("grow", governance.grow, 2),
    ("steer", governance.steer, 2),
    ("replace", governance.replace, 2),
    ("donate", attackers.donate, 4),
    ("flash", attackers.flash, 7),
    ("hook", attackers.hook, 7),
    ("odd", tokens.odd, 1),
    ("intrude", attackers.intrude, 1),
    ("misuse", attackers.misuse, 1),
    ("look", looks.look, 5),
    ("price", feeds.price, 16),
    ("issue", feeds.issue, 2),
    ("vanish", feeds.vanish, 1),
    ("rate", feeds.rate, 2),
    ("bad_feed", feeds.bad_feed, 3),
    ("refresh", feeds.refresh, 3),
    ("deploy", deployments.deploy, 3),
    ("poke", feeds.poke, 6),
    ("wait", feeds.wait, 2),
    ("tiny", attackers.tiny, 1),
)
"""Name, what it does, and how often it is drawn (in 256)."""

PERIPHERY: tuple[tuple[str, Act, int], ...] = (
    *((name, act, max(weight // 2, 1)) for name, act, weight in ACTIONS if name != "look"),
    ("look", looks.look, 20),
    ("stand_by", backstops.stand_by, 8),
    ("stand_down", backstops.stand_down, 8),
    ("claim", backstops.claim, 6),
    ("mark", backstops.mark, 4),
    ("last_resort", backstops.last_resort, 20),
    ("ambush", backstops.ambush, 8),
    ("flash_liquidate", flashes.flash_liquidate, 12),
    ("swap", flashes.swap, 6),
    ("settlement", ends.settlement, 3),
    ("wind_down", ends.wind_down, 2),
    ("replacement", ends.replacement, 4),
    ("youth", ends.youth, 3),
    ("crowd", ends.crowd, 3),
    ("explain", ends.explain, 7),
    ("tickets", ends.tickets, 4),
    ("stretch", ends.stretch, 2),
    ("outage", feeds.outage, 2),
)
"""Where there are contracts of the periphery; and what takes many right calls."""

REFUSED: Final = frozenset({"intrude", "misuse"})
"""Actions that must never succeed."""

NAMES: Final = tuple(name for name, _, _ in ACTIONS)


def _table(actions: tuple[tuple[str, Act, int], ...]) -> tuple[int, ...]:
    found = [number for number, (_, _, weight) in enumerate(actions) for _ in range(weight)]
    assert len(found) <= 256, len(found)
    return tuple(found[byte * len(found) // 256] for byte in range(256))


TABLE: Final = _table(ACTIONS)
"""The action of a gene's first byte."""

PERIPHERY_TABLE: Final = _table(PERIPHERY)
"""The same, where there are contracts of the periphery."""

DRAWN: Final[list[tuple[str, Act]]] = [ACTIONS[number][:2] for number in TABLE]
PERIPHERY_DRAWN: Final[list[tuple[str, Act]]] = [
    PERIPHERY[number][:2] for number in PERIPHERY_TABLE
]
"""Their names, and what they do."""
