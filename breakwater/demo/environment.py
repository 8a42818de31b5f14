"""Between the agents and the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from breakwater.demo.agents import Borrower
from breakwater.demo.script import MAIN
from breakwater.host import Receipt, Reverted
from breakwater.units import MAX_UINT256, WAD

if TYPE_CHECKING:
    from breakwater.demo.simulation import Simulation

CHUNK = 32


class Environment:
    """What agents see and can do."""

    def __init__(self, simulation: Simulation) -> None:
        self._run = simulation
        self.stage = simulation.stage
        self.market = simulation.market
        self.main = MAIN
        self.borrowers: list[Borrower] = []
        self.health: list[float] = []
        self.levels: dict[str, int] = {}
        self.elapsed = 0
        self.now = 0
        self._weak: list[int] = []
        self._legs: dict[int, tuple[list[str], list[str]]] = {}

    def act(
        self,
        what: str,
        call: Callable[[], Receipt],
        *,
        refused: bool = False,
        account: bytes | None = None,
    ) -> Receipt | None:
        """Make a call and judge it. None where it was refused, if `refused` allows for that."""
        return self._run.act(what, call, refused, account)

    def refuse(self, what: str, error: Reverted) -> None:
        """Count a refusal."""
        self._run.refuse(what, error)

    def poke(self, symbol: str, sender: str) -> None:
        """Poke the breaker; the level that the asset is at afterwards is known to all."""
        self._run.poke(symbol, sender)

    def look(self) -> None:
        """Read every health factor from the Lens."""
        found: list[int] = []
        accounts = [borrower.account for borrower in self.borrowers]
        for start in range(0, len(accounts), CHUNK):
            found += self.stage.lens.health_factors(accounts[start : start + CHUNK])
        self.health = [float("inf") if value == MAX_UINT256 else value / WAD for value in found]
        self._weak = sorted(
            (index for index, value in enumerate(found) if value < WAD),
            key=lambda index: self.health[index],
        )
        self._legs.clear()

    def below_maintenance(self) -> list[int]:
        """Borrowers below maintenance at the last look, the weakest first."""
        return list(self._weak)

    def recovered(self, index: int) -> None:
        """A borrower is healthy again."""
        if index in self._weak:
            self._weak.remove(index)

    def legs(self, index: int) -> tuple[list[str], list[str]]:
        """Symbols of what a borrower owes and holds, as the Lens shows it."""
        found = self._legs.get(index)
        if found is None:
            state = self.stage.lens.account(self.borrowers[index].account)
            found = (
                [self.stage.symbol(leg.asset) for leg in state.legs if leg.is_debt],
                [self.stage.symbol(leg.asset) for leg in state.legs if not leg.is_debt],
            )
            self._legs[index] = found
        return found

    def liquidated(self, index: int, liquidator: str, receipt: Receipt) -> None:
        """Note a liquidation."""
        self._legs.pop(index, None)
        self._run.note_liquidation(index, liquidator, receipt)
