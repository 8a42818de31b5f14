"""Who there is: 60 borrowers of ten kinds, lenders of each vault, liquidators, one keeper.

Sizes are spread like a logarithmic normal, leverage between cautious and as far as it goes. The
whole is scaled to a budget, so that the market's caps are never what is tested.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from breakwater.demo.agents import Borrower
from breakwater.units import account_id


@dataclass(frozen=True)
class Kind:
    """A way to borrow: what is held, what is owed, how many of a hundred do so."""

    name: str
    collateral: dict[str, float]
    debts: dict[str, float]
    weight: int
    loops: int = 0


KINDS = (
    Kind("ether, isolated", {"WETH": 1}, {"USDC": 1}, 25),
    Kind("bitcoin, isolated", {"WBTC": 1}, {"USDC": 1}, 10),
    Kind("staked ether, isolated", {"wstETH": 1}, {"USDC": 1}, 8),
    Kind("cross of two", {"WETH": 0.6, "WBTC": 0.4}, {"USDC": 1}, 13),
    Kind("cross of three", {"WETH": 0.4, "WBTC": 0.3, "wstETH": 0.3}, {"USDC": 1}, 12),
    Kind("staked ether loop", {"wstETH": 1}, {"WETH": 1}, 15, loops=4),
    Kind("short of ether", {"USDC": 1}, {"WETH": 1}, 7),
    Kind("short of bitcoin", {"USDC": 0.7, "WETH": 0.3}, {"WBTC": 1}, 4),
    Kind("ether against bitcoin", {"WETH": 1}, {"WBTC": 1}, 3),
    Kind("two debts", {"WBTC": 0.5, "wstETH": 0.5}, {"USDC": 0.7, "WETH": 0.3}, 3),
)


def draw(
    rng: Random, count: int, budget: float, symbols: list[str], vaults: list[str], owners: list[str]
) -> list[Borrower]:
    """`count` borrowers with `budget` USD of equity between them."""
    kinds = [
        kind
        for kind in KINDS
        if all(symbol in symbols for symbol in kind.collateral)
        and all(symbol in vaults for symbol in kind.debts)
    ]
    total = sum(kind.weight for kind in kinds)
    sizes = [rng.lognormvariate(0, 1.0) for _ in range(count)]
    scale = budget / sum(sizes)
    found = []
    for index in range(count):
        # every kind in proportion, the order shuffled by the generator
        point = (index + 0.5) / count * total
        kind = kinds[-1]
        for candidate in kinds:
            if point < candidate.weight:
                kind = candidate
                break
            point -= candidate.weight
        equity = sizes[index] * scale
        careful = rng.random() < 0.2
        found.append(
            Borrower(
                index=index,
                kind=kind.name,
                address=owners[index],
                account=account_id(owners[index], index % 3),
                collateral=dict(kind.collateral),
                debts=dict(kind.debts),
                equity=equity,
                usage=rng.uniform(0.3, 0.97),
                loops=kind.loops,
                careful=rng.uniform(1.03, 1.2) if careful else 0.0,
                reserve=rng.uniform(0.1, 0.5) * equity if careful else 0.0,
                bold=rng.random() < 0.15,
            )
        )
    return found
