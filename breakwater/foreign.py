"""Contracts of others, their bytecode as their authors published it on npm: WETH9 and Uniswap v3.

They need `make node`; nothing that runs without Node.js may ask for them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from math import exp, isqrt, log
from pathlib import Path
from typing import Any, Self

from breakwater import artifacts
from breakwater.contract import Address
from breakwater.errors import UserError
from breakwater.host import Abi, Host, Receipt
from breakwater.mocks import TokenMock, UniswapTraderMock

FOLDER = artifacts.ROOT / "node_modules"
CORE = FOLDER / "@uniswap" / "v3-core" / "artifacts" / "contracts"
PERIPHERY = FOLDER / "@uniswap" / "v3-periphery" / "artifacts" / "contracts"

FEE, SPACING = 3_000, 60
SPACINGS = {500: 10, FEE: SPACING, 10_000: 200}
"""Of ticks, by the fee [millionths] of a pool."""
_ZERO = "0x" + 40 * "0"
_FOREVER = 2**256 - 1

_PATHS = {
    "WETH9": FOLDER / "canonical-weth" / "build" / "contracts" / "WETH9.json",
    "UniswapV3Factory": CORE / "UniswapV3Factory.sol" / "UniswapV3Factory.json",
    "UniswapV3Pool": CORE / "UniswapV3Pool.sol" / "UniswapV3Pool.json",
    "SwapRouter": PERIPHERY / "SwapRouter.sol" / "SwapRouter.json",
    "NonfungiblePositionManager": (
        PERIPHERY / "NonfungiblePositionManager.sol" / "NonfungiblePositionManager.json"
    ),
    "QuoterV2": PERIPHERY / "lens" / "QuoterV2.sol" / "QuoterV2.json",
}


def is_installed() -> bool:
    """Whether all of them are there."""
    return all(path.is_file() for path in _PATHS.values())


@cache
def _artifact(name: str) -> dict[str, Any]:
    path: Path = _PATHS[name]
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except OSError:
        raise UserError(f"{name} is not installed: `make node` does it") from None


def abi(name: str) -> Abi:
    """Interface of a contract by its author's name for it. UserError when it is not installed."""
    found: Abi = _artifact(name)["abi"]
    return found


def deploy(host: Host, name: str, *args: Any, sender: str) -> str:
    """Deploy one; its address. UserError when it is not installed."""
    return host.deploy_raw(abi(name), _artifact(name)["bytecode"], args, sender=sender)


class WETH9(TokenMock):
    """The wrapped coin, as the tokens of a devnet are handled: `mint` wraps the sender's coins."""

    @classmethod
    def create(cls, host: Host, *, sender: str) -> Self:
        """Deploy it."""
        return cls(host, deploy(host, "WETH9", sender=sender))

    def mint(self, receiver: Address, amount: int, *, sender: Address) -> Receipt:
        """Wrap `amount` wei of the sender's and hand it to `receiver`."""
        done = self._own("deposit", [], sender, amount)
        return done if receiver == sender else self.transfer(receiver, amount, sender=sender)

    def burn(self, owner: Address, amount: int, *, sender: Address) -> Receipt:
        """Unwrap `amount` wei of `owner`, who must be the sender."""
        if owner != sender:
            raise ValueError("only who holds wrapped coins unwraps them")
        return self._own("withdraw", [amount], sender)

    def _own(self, function: str, args: list[Any], sender: Address, value: int = 0) -> Receipt:
        who = sender if isinstance(sender, str) else sender.address
        return self.host.transact(
            self.address, abi("WETH9"), function, args, sender=who, value=value
        )


# ------------------------------------------------------------------------------ prices


def widest(fee: int) -> int:
    """The highest tick that liquidity may reach, by the fee of a pool."""
    return 887_272 // SPACINGS[fee] * SPACINGS[fee]


WIDE = widest(FEE)


def sqrt_price(tick: int) -> int:
    """Square root of a price [2**96] in the middle of a tick."""
    return int(exp((tick + 0.5) / 2 * log(1.0001)) * 2**96)


def sqrt_price_of(first: int, second: int, first_decimals: int, second_decimals: int) -> int:
    """Square root [2**96] of the price of a pool's `token0` in its `token1`, rounded down, from the
    prices of a whole token of each, in any one scale.
    """
    return isqrt((first * 10**second_decimals << 192) // (second * 10**first_decimals))


# ------------------------------------------------------------------------------ Uniswap


def factory(host: Host) -> str:
    """Uniswap's factory of pools."""
    return deploy(host, "UniswapV3Factory", sender=host.account("deployer"))


@dataclass(frozen=True)
class Uniswap:
    """Uniswap v3: its contracts' addresses, and what is done through them.

    Tokens are addresses, fees millionths. The position manager describes no picture of a position.
    """

    host: Host
    weth: str
    factory: str
    router: str
    """SwapRouter."""
    positions: str
    """NonfungiblePositionManager."""
    quoter: str
    """QuoterV2."""

    @classmethod
    def create(cls, host: Host, weth: str, *, sender: str) -> Self:
        """Deploy all four."""
        made = deploy(host, "UniswapV3Factory", sender=sender)
        return cls(
            host,
            weth,
            made,
            deploy(host, "SwapRouter", made, weth, sender=sender),
            deploy(host, "NonfungiblePositionManager", made, weth, _ZERO, sender=sender),
            deploy(host, "QuoterV2", made, weth, sender=sender),
        )

    def pool(self, one: str, other: str, fee: int) -> str:
        """Address of a pool; zero where there is none."""
        asked = [one, other, fee]
        return str(self.host.call(self.factory, abi("UniswapV3Factory"), "getPool", asked))

    def sqrt_price(self, pool: str) -> int:
        """Square root of a pool's price [2**96] as it is now."""
        return int(self.host.call(pool, abi("UniswapV3Pool"), "slot0")[0])

    def create_pool(self, one: str, other: str, fee: int, sqrt_price: int, *, sender: str) -> str:
        """Make a pool at a price, or leave it as it is where there is one; its address."""
        first, second = _sorted(one, other)
        done = self.host.transact(
            self.positions,
            abi("NonfungiblePositionManager"),
            "createAndInitializePoolIfNecessary",
            [first, second, fee, sqrt_price],
            sender=sender,
        )
        pool = str(done.value)
        self.host.register(pool, abi("UniswapV3Pool"))
        return pool

    def provide(
        self, amounts: dict[str, int], fee: int, *, sender: str, receiver: str | None = None
    ) -> int:
        """Add up to these amounts of two tokens as a position over all prices; its number. The
        sender holds them and has let `positions` take them.
        """
        first, second = _sorted(*amounts)
        reach = widest(fee)
        asked = (
            first, second, fee, -reach, reach, amounts[first], amounts[second], 0, 0,
            receiver or sender, _FOREVER,
        )  # fmt: skip
        done = self.host.transact(
            self.positions, abi("NonfungiblePositionManager"), "mint", [asked], sender=sender
        )
        return int(done.value[0])

    def swap(
        self,
        sold: str,
        bought: str,
        fee: int,
        amount: int,
        *,
        sender: str,
        limit: int = 0,
        least: int = 0,
    ) -> int:
        """Sell up to `amount` of a token, until the pool's square root of price [2**96] is `limit`
        where one is given; what was bought. The sender has let `router` take what it sells.
        """
        asked = (sold, bought, fee, sender, _FOREVER, amount, least, limit)
        done = self.host.transact(
            self.router, abi("SwapRouter"), "exactInputSingle", [asked], sender=sender
        )
        return int(done.value)

    def quote(self, sold: str, bought: str, fee: int, amount: int) -> int:
        """What selling `amount` would bring now."""
        asked = (sold, bought, amount, fee, 0)
        found = self.host.call(self.quoter, abi("QuoterV2"), "quoteExactInputSingle", [asked])
        return int(found[0])


def _sorted(one: str, other: str) -> tuple[str, str]:
    return (one, other) if int(one, 16) < int(other, 16) else (other, one)


class Pool:
    """A pool of two mock tokens for tests, with liquidity over all prices, or between two ticks.

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
        made = abi("UniswapV3Factory")
        self.abi = abi("UniswapV3Pool")
        pair = [first.address, second.address, fee]
        host.transact(self._factory, made, "createPool", pair, sender=self.me)
        self.address = str(host.call(self._factory, made, "getPool", pair))
        self._send("initialize", sqrt_price(tick))
        self.trader = UniswapTraderMock.deploy(host, sender=self.me)
        for token in self.tokens:
            token.mint(self.trader, 2**127, sender=self.me)
        lower, upper = between or (-widest(fee), widest(fee))
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
