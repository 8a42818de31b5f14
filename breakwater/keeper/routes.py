"""How a flash liquidation may sell what it seizes: pools of the factory over listed assets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from breakwater.driver import FlashLiquidator, Route

FEES = (500, 3_000, 10_000)
"""Of Uniswap's pools [millionths]."""

ZERO = "0x" + 40 * "0"

_WORD = {"internalType": "address", "name": "", "type": "address"}
_GET_POOL = [
    {
        "type": "function",
        "name": "getPool",
        "stateMutability": "view",
        "inputs": [
            {"name": "token", "type": "address"},
            {"name": "other", "type": "address"},
            {"name": "fee", "type": "uint24"},
        ],
        "outputs": [_WORD],
    }
]


class Routes:
    """Pools that there are; looked up once for each pair and fee, and those missing again."""

    def __init__(self, flash: FlashLiquidator, tokens: Sequence[str]) -> None:
        self._flash = flash
        self._factory = flash.factory()
        self._tokens = tokens
        self._known: set[tuple[str, str, int]] = set()

    def of(self, collateral: str, debt: str) -> list[Route]:
        """Every way to sell a collateral for the debt asset, those through one pool first."""
        direct = [Route(collateral, fee, ZERO, 0) for fee in self._fees(collateral, debt)]
        over = [
            Route(collateral, first, middle, second)
            for middle in self._tokens
            if middle not in (collateral, debt)
            for first in self._fees(collateral, middle)
            for second in self._fees(middle, debt)
        ]
        return direct + over

    def _fees(self, one: str, other: str) -> Iterator[int]:
        for fee in FEES:
            if self._is_there(one, other, fee):
                yield fee

    def _is_there(self, one: str, other: str, fee: int) -> bool:
        key = (min(one, other), max(one, other), fee)
        if key not in self._known:
            pool: Any = self._flash.host.call(
                self._factory, _GET_POOL, "getPool", [one, other, fee]
            )
            if pool == ZERO:
                return False
            self._known.add(key)
        return True
