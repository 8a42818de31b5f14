"""How the laboratory's market begins: who has what; deposits, stakes and loans."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from breakwater.fuzz.profiles import ROLES
from breakwater.model.backstop import WINDOW
from breakwater.units import MAX_UINT256

if TYPE_CHECKING:
    from breakwater.fuzz.world import World

_WEALTH = 2_000_000
"""Dollars of each asset that everyone starts with; the keeper, who tries things out, has more."""

_FIRST = ("borrower_1#0", "borrower_2#0", "borrower_3#0", "attacker#0")
"""Who owes from the start, in markets of few assets: one each of every pair."""


def begin(world: World) -> None:
    """Tokens and approvals, lenders of last resort, then deposits and loans."""
    _spread(world)
    _stand_by(world)
    _lend_and_borrow(world)


def _spread(world: World) -> None:
    """Tokens for everyone, and the approvals that let sequences begin at once."""
    actors = [role for role in ROLES if role not in ("owner", "governor", "guardian")]
    for symbol, listing in world.listings.items():
        token = f"token.{symbol}"
        for actor in (*actors, "attacker"):
            dollars = _WEALTH * 1_000 if actor == "keeper" else _WEALTH
            world._do(token, "mint", world.address(actor), listing.amount(dollars))
            world._do(token, "approve", world.contracts["engine"], MAX_UINT256, sender=actor)
            if listing.cash:
                vault = world.contracts[f"vault.{symbol}"]
                world._do(token, "approve", vault, MAX_UINT256, sender=actor)
            if listing.backstop:
                pool = world.contracts[f"backstop.{symbol}"]
                world._do(token, "approve", pool, MAX_UINT256, sender=actor)
    for symbol in world.debts:
        fund = world.contracts[f"fund.{symbol}"]
        for actor in ("lender_1", "staker", "attacker"):
            world._do(f"vault.{symbol}", "approve", fund, MAX_UINT256, sender=actor)


def _stand_by(world: World) -> None:
    """Lenders of last resort, whose deposits have joined, and one whose deposit waits."""
    for joins in (True, False):
        for symbol in world.pools:
            for lender, dollars in (("lender_1", 30_000), ("lender_2", 20_000)):
                amount = world.listings[symbol].amount(dollars)
                if joins or lender == "lender_2":
                    world._do(f"backstop.{symbol}", "deposit", amount, sender=lender)
        if joins and world.pools:
            world.host.advance(2 * WINDOW, 600)


def _lend_and_borrow(world: World) -> None:
    """First deposits, stakes and loans."""
    for symbol in world.debts:
        listing = world.listings[symbol]
        for lender, part in (("lender_1", 50), ("lender_2", 30), ("staker", 5)):
            amount = listing.amount(listing.cash * part // 100)
            world._do(f"vault.{symbol}", "deposit", amount, world.roles[lender], sender=lender)
        stake = listing.amount(listing.cash // 50) * 10**6
        world._do(f"fund.{symbol}", "deposit", stake, world.roles["staker"], sender="staker")
    if world.profile not in ("default", "periphery"):
        pairs = product(world.collaterals, world.debts)
        for account, (held, owed) in zip(_FIRST, pairs, strict=False):
            _hold(world, account, **{held: 20_000})
            _owe(world, account, **{owed: 10_000})
    else:
        _hold(world, "borrower_1#0", WETH=20_000)
        _owe(world, "borrower_1#0", USDC=8_000)
        _hold(world, "borrower_1#1", ODD=15_000, HOOK=10_000)
        _owe(world, "borrower_1#1", USDC=3_000)
        _hold(world, "borrower_2#0", WBTC=50_000, wstETH=10_000)
        _owe(world, "borrower_2#0", WETH=20_000, HOOK=2_000)
        _hold(world, "borrower_2#1", HOOK=5_000, WETH=1_000)
        _owe(world, "borrower_2#1", USDC=2_800)
        _hold(world, "borrower_3#0", USDC=20_000)
        _owe(world, "borrower_3#0", WBTC=8_000)
        _hold(world, "attacker#0", WETH=10_000, USDC=5_000)
        _owe(world, "attacker#0", USDC=2_000)
    world.host.advance(12, 1)


def _hold(world: World, account: str, **dollars: int) -> None:
    owner = account.split("#")[0]
    for symbol, worth in dollars.items():
        world._do(
            "engine", "deposit_collateral", world.account(account),
            world.contracts[f"token.{symbol}"], world.listings[symbol].amount(worth),
            sender=owner,
        )  # fmt: skip


def _owe(world: World, account: str, **dollars: int) -> None:
    owner = account.split("#")[0]
    for symbol, worth in dollars.items():
        world._do(
            "engine", "borrow", world.account(account), world.contracts[f"token.{symbol}"],
            world.listings[symbol].amount(worth), world.address(owner), sender=owner,
        )  # fmt: skip
