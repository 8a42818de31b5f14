"""The real Uniswap v3, its bytecode as its authors published it, and who moves its price."""

from __future__ import annotations

import json
from math import exp, log
from typing import Any

from breakwater import artifacts
from breakwater.host import Host
from breakwater.mocks import TokenMock, UniswapTraderMock

ARTIFACTS = artifacts.ROOT / "node_modules" / "@uniswap" / "v3-core" / "artifacts" / "contracts"
FEE, SPACING = 3_000, 60
SPACINGS = {500: 10, FEE: SPACING, 10_000: 200}
"""Of ticks, by the fee [millionths] of a pool."""
WIDE = 887_272 // SPACING * SPACING
"""The highest tick that liquidity may reach."""


def _artifact(name: str) -> dict[str, Any]:
    path = ARTIFACTS / f"{name}.sol" / f"{name}.json"
    return dict(json.loads(path.read_text(encoding="utf-8")))


def sqrt_price(tick: int) -> int:
    """Square root of a price [2**96] in the middle of a tick."""
    return int(exp((tick + 0.5) / 2 * log(1.0001)) * 2**96)


def factory(host: Host) -> str:
    """Uniswap's factory of pools."""
    found = _artifact("UniswapV3Factory")
    return host.deploy_raw(found["abi"], found["bytecode"], sender=host.account("deployer"))


class Pool:
    """A pool of two mock tokens with liquidity over all prices, or between two ticks.

    The tokens are its own unless they are given; `tokens` has them as the pool sorts them.
    """

    def __init__(
        self,
        host: Host,
        decimals: tuple[int, int] = (18, 6),
        tick: int = -200_000,
        liquidity: int = 10**20,
        observations: int = 200,
        *,
        tokens: tuple[Any, Any] | None = None,
        made_by: str | None = None,
        fee: int = FEE,
        between: tuple[int, int] | None = None,
    ) -> None:
        self.host = host
        self.me = host.account("deployer")
        first, second = tokens or (self._token(decimals[0]), self._token(decimals[1]))
        while int(first.address, 16) > int(second.address, 16):
            # the pool sorts them, and a test wants to know which is which
            first, second = (
                (second, first) if tokens else (self._token(decimals[0]), self._token(decimals[1]))
            )
        self.tokens = first, second
        self.fee, self.liquidity = fee, liquidity
        self._factory = made_by or factory(host)
        abi = _artifact("UniswapV3Factory")["abi"]
        self.abi = _artifact("UniswapV3Pool")["abi"]
        pair = [first.address, second.address, fee]
        host.transact(self._factory, abi, "createPool", pair, sender=self.me)
        self.address = str(host.call(self._factory, abi, "getPool", pair))
        self._send("initialize", sqrt_price(tick))
        self.trader = UniswapTraderMock.deploy(host, sender=self.me)
        for token in self.tokens:
            token.mint(self.trader, 2**127, sender=self.me)
        widest = WIDE // SPACINGS[fee] * SPACINGS[fee]
        lower, upper = between or (-widest, widest)
        self.trader.mint(self.address, lower, upper, liquidity, sender=self.me)
        if observations > 1:
            self.grow(observations)

    def _token(self, decimals: int) -> TokenMock:
        return TokenMock.deploy(self.host, "Token", "TKN", decimals, sender=self.me)

    def _send(self, function: str, *args: Any) -> None:
        self.host.transact(self.address, self.abi, function, list(args), sender=self.me)

    @property
    def sqrt_price(self) -> int:
        """Square root of the price [2**96] as it is now."""
        return int(self.host.call(self.address, self.abi, "slot0")[0])

    @property
    def tick(self) -> int:
        """Where the price is now."""
        return int(self.host.call(self.address, self.abi, "slot0")[1])

    @property
    def observations(self) -> int:
        """How many are kept."""
        return int(self.host.call(self.address, self.abi, "slot0")[3])

    def grow(self, observations: int) -> None:
        """Room for more observations; the next swap takes it."""
        self._send("increaseObservationCardinalityNext", observations)
        self.host.advance(12)
        self.swap_to(self.tick + 1)

    def swap_to(self, tick: int) -> None:
        """One swap, through all the liquidity on the way."""
        limit, now = sqrt_price(tick), self.sqrt_price
        if limit != now:
            self.trader.swap_to(self.address, limit < now, limit, sender=self.me)
