"""The action `look`: a view of any contract, asked with arguments that fit the state.

Views change nothing, so no promise judges them; the reference model predicts what they return, and
what they say while prices are odd, levels are up or accounts are empty is where they go wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from breakwater import artifacts
from breakwater.fuzz.genes import Call, Gene, rung

if TYPE_CHECKING:
    from breakwater.fuzz.player import Player
    from breakwater.fuzz.world import World

OWN: Final = (
    "BackstopPool", "CheckedFeed", "CircuitBreaker", "Configurator", "CreditEngine", "CurveEmaFeed",
    "FlashLiquidator", "InsuranceFund", "LendingVault", "Lens", "MedianFeed", "NavFeed", "RateFeed",
    "RiskEngine", "SequencerFeed", "UniswapTwapFeed",
)  # fmt: skip
"""Contracts that are looked at."""


class View(NamedTuple):
    """A view function of a contract of the market."""

    target: str
    function: str
    inputs: tuple[tuple[str, str], ...]
    """Type and name of each argument."""


def views(world: World) -> list[View]:
    """Every view of the market's own contracts, in a fixed order."""
    found = []
    for target, contract in sorted(world.contracts.items()):
        if contract.NAME not in OWN:
            continue
        for entry in artifacts.load(contract.NAME).abi:
            if entry["type"] == "function" and entry["stateMutability"] in ("view", "pure"):
                inputs = tuple((part["type"], part["name"]) for part in entry["inputs"])
                found.append(View(target, entry["name"], inputs))
    return found


def look(p: Player, g: Gene) -> list[Call]:
    """A view of any contract; half the time what users ask `Lens`."""
    views = p.lens_views if g[1] & 128 else p.views
    view = views[(g[1] << 8 | g[2]) % len(views)]
    return [p.call(g, "keeper", view.target, view.function, *arguments(p, view, g))]


def arguments(p: Player, view: View, gene: bytes) -> tuple[Any, ...]:
    """Arguments of a view: the bytes of the gene from the third on choose them."""
    # `Lens` is asked about an account first
    first = gene[3] if view.target == "lens" else gene[4]
    return tuple(
        _argument(p, view, kind, name, gene[3 + at % 5], first)
        for at, (kind, name) in enumerate(view.inputs)
    )


def _argument(p: Player, view: View, kind: str, name: str, byte: int, first: int) -> Any:
    if kind == "bytes32":
        return p.names[byte % len(p.names)]
    if kind == "bytes32[]":
        return [p.names[(byte + n) % len(p.names)] for n in range(byte % 5)]
    if kind == "uint256[4]":
        words = p.watch.accounts[(first if name == "before" else byte) % p.account_count]
        return [*words, *[0] * (4 - len(words))]
    if kind == "address":
        legs = p.legs(first % p.account_count) if view.target == "lens" and byte & 192 else []
        if name == "debt_asset" and legs:
            return f"@token.{p.debts[p.owing(byte, legs)]}"
        if name in ("asset", "collateral") and legs:
            return p.token(p.held(byte, legs))
        if name in ("asset", "token", "debt_asset", "collateral", "arg0"):
            return p.token(1 + byte % len(p.symbols))
        who = _PEOPLE[byte % len(_PEOPLE)]
        return f"@{who}" if who else "0x" + "00" * 20
    return _number(p, view, name, byte, first)


_PEOPLE: Final[tuple[str, ...]] = (
    "lender_1",
    "borrower_1",
    "staker",
    "operator",
    "attacker",
    "engine",
    "lender_2",
    "",
)


def _number(p: Player, view: View, name: str, byte: int, first: int) -> int:
    if name in ("id", "index", "reason", "nonce"):
        return byte % 10
    if name == "action" and byte & 7:
        return 1 << (byte >> 3) % 3  # DEPOSIT, WITHDRAW, BORROW: the others are not explained
    if name == "action":
        return 8 << (byte >> 3) % 3
    if name in ("touched", "tag", "debt_tag", "collateral_tag"):
        # a leg of the account that is asked about, or any tag
        legs = p.legs(first % p.account_count)
        if not legs or byte & 64:
            return byte % 9 | byte & 128
        wanted = [tag for tag, _ in legs if (tag >= 128) == (name == "debt_tag")]
        if name in ("touched", "tag") or not wanted:
            wanted = [tag for tag, _ in legs]
        return wanted[byte % len(wanted)]
    if view.target == "lens" and byte & 64:
        legs = p.legs(first % p.account_count)
        return rung(byte, max((amount for tag, amount in legs if tag < 128), default=0))
    symbol = view.target.partition(".")[2]
    v = p.debts.index(symbol) if symbol in p.debts else byte % p.vault_count
    limit = p.cash(v) * (10**6 if name == "shares" else 1)
    return rung(byte, limit)
