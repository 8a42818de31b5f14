"""Model of `FlashLiquidator`, and of the mocks of the pools that it sells in.

Amounts in token units, fees in millionths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from eth_abi.abi import decode, encode

from breakwater.abi import checksum
from breakwater.model.chain import ZERO_ADDRESS, Chain, Contract, Refused, Word, reentrant, view
from breakwater.model.legs import DEBT
from breakwater.model.tokens import checked

MAX_ROUTES = 7
_LOWEST = 4_295_128_739
_HIGHEST = 1_461_446_703_485_210_103_287_273_052_203_988_822_378_723_970_342
_DATA = ["address", "(address,uint24,address,uint24)[]"]

_NO_SALE = (ZERO_ADDRESS, ZERO_ADDRESS, 0)

Route = tuple[str, int, str, int]
"""Collateral, fee, middle (zero: one pool), fee of its pool."""


class FlashLiquidator(Contract):
    """Liquidates for who has no capital: sells what it is given before it pays."""

    NAME = "FlashLiquidator"

    def __init__(self, chain: Chain, address: str, credit_engine: str, factory: str) -> None:
        if credit_engine not in chain.contracts:
            raise Refused("credit engine has no code")
        if factory not in chain.contracts:
            raise Refused("factory has no code")
        super().__init__(chain, address)
        self.engine, self.pools = credit_engine, factory

    def liquidate(
        self,
        sender: str,
        account: bytes,
        debt_asset: str,
        collateral: str,
        max_repay: int,
        routes: Sequence[Route],
        min_profit: int,
    ) -> int:
        """Debt assets that the caller was sent."""
        if len(routes) > MAX_ROUTES:
            raise Refused()
        vault = self._ask(self.engine, "debt_of", debt_asset)[1]
        assets = self._collaterals(account)
        before = [self._held(asset) for asset in assets]
        for route in routes:
            if self._ask(self.engine, "book_of", route[0])[3]:
                raise Refused("collateral takes a fee")
        data = encode(_DATA, [vault, [tuple(route) for route in routes]])
        self._ask(
            self.engine, "liquidate", account, debt_asset, collateral, max_repay, 0, self.address,
            bytes(32), data,
        )  # fmt: skip
        if self._ask(debt_asset, "allowance", self.address, vault):
            self._ask(debt_asset, "approve", vault, 0)
        profit = self._held(debt_asset)
        if profit < min_profit:
            raise Refused("profit is too low")
        self.emit(
            "FlashLiquidate", account=account, debt_asset=debt_asset, caller=sender, profit=profit
        )
        self._send_all(debt_asset, sender)
        for asset, held in zip(assets, before, strict=True):
            if self._held(asset) > held:
                self._send_all(asset, sender)
        for route in routes:
            if route[2] != ZERO_ADDRESS:
                self._send_all(route[2], sender)
        return profit

    @reentrant
    def on_liquidate(
        self,
        sender: str,
        account: bytes,
        debt_asset: str,
        owed: int,
        collateral: str,
        seized: int,
        data: bytes,
    ) -> None:
        """Sells, and approves what is owed."""
        if sender != self.engine:
            raise Refused("caller is not the engine")
        vault, routes = decode(_DATA, data)
        for route in routes:
            sold, middle = checksum(route[0]), checksum(route[2])
            if middle == ZERO_ADDRESS:
                self._sell(sold, debt_asset, route[1])
            else:
                self._sell(sold, middle, route[1])
                self._sell(middle, debt_asset, route[3])
        if self._held(debt_asset) < owed:
            raise Refused("proceeds do not cover the debt")
        self._ask(debt_asset, "approve", checksum(vault), owed)

    @reentrant
    def uniswapV3SwapCallback(self, sender: str, amount0: int, amount1: int, data: bytes) -> None:
        """Pays what the pool asks for, once."""
        if len(data) > 32:
            raise Refused()
        pool, sold, amount = self.chain.transient.get((self.address, "sale"), _NO_SALE)
        if sender != pool:
            raise Refused("caller is not the pool")
        self.chain.transient[self.address, "sale"] = (ZERO_ADDRESS, sold, amount)
        wanted = max(amount0, amount1)
        if not 0 <= wanted <= amount:
            raise Refused("pool asks for too much")
        if self._ask(sold, "transfer", sender, wanted) is False:
            raise Refused("token transfer failed")

    @view
    @reentrant
    def credit_engine(self, sender: str) -> str:
        """Whose accounts are liquidated."""
        return self.engine

    @view
    @reentrant
    def factory(self, sender: str) -> str:
        """Whose pools are sold in."""
        return self.pools

    def _collaterals(self, account: bytes) -> list[str]:
        words = self._ask(self.engine, "words_of", account)
        risk = self._ask(self.engine, "risk_engine")
        found = []
        for i in range(8):
            tag = words[i >> 1] >> 208 + 8 * (i & 1) & 255
            if tag == 0:
                break
            if tag < DEBT:
                found.append(self._ask(risk, "asset_of", tag))
        return found

    def _sell(self, asset: str, wanted: str, fee: int) -> None:
        amount = self._held(asset)
        if amount == 0:
            return
        pool = self._ask(self.pools, "getPool", asset, wanted, fee)
        if pool == ZERO_ADDRESS:
            raise Refused("there is no such pool")
        zero_for_one = int(asset, 16) < int(wanted, 16)
        sale, transient = (self.address, "sale"), self.chain.transient
        transient[sale] = (pool, asset, amount)
        limit = _LOWEST + 1 if zero_for_one else _HIGHEST - 1
        self._ask(pool, "swap", self.address, zero_for_one, amount, limit, b"")
        self.chain.transient[sale] = (ZERO_ADDRESS, asset, amount)

    def _send_all(self, asset: str, receiver: str) -> None:
        amount = self._held(asset)
        if amount and self._ask(asset, "transfer", receiver, amount) is False:
            raise Refused("token transfer failed")

    def _held(self, asset: str) -> int:
        return int(self._ask(asset, "balanceOf", self.address))

    def _ask(self, contract: str, function: str, *args: Any) -> Any:
        return self.chain.call(self.address, contract, function, args)


class SwapFactoryMock(Contract):
    """Names the pools that it is told of."""

    NAME = "SwapFactoryMock"
    LOCKS = False

    def set_pool(self, sender: str, token: str, other: str, fee: int, pool: str) -> None:
        """For both orders of the two."""
        self.put(pool, "pools", token, other, fee)
        self.put(pool, "pools", other, token, fee)

    @view
    def getPool(self, sender: str, token: str, other: str, fee: int) -> str:
        """Zero: there is none."""
        return str(self.get("pools", token, other, fee, default=ZERO_ADDRESS))

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """Addresses."""
        yield Word(name, keys, int(self.get(name, *keys), 16))


class SwapPoolMock(Contract):
    """A pool at a price that anyone may set: it pays, then asks for its payment."""

    NAME = "SwapPoolMock"
    LOCKS = False

    def __init__(self, chain: Chain, address: str, token0: str, token1: str, fee: int) -> None:
        super().__init__(chain, address)
        self.tokens, self.millionths = (token0, token1), fee

    def set_odds(self, sender: str, worth: tuple[int, int], more: int, times: int) -> None:
        """So much of the first token is worth so much of the second; what it asks for beyond what
        is sold, and how often."""
        self.put(tuple(worth), "worth")
        self.put(more, "more")
        self.put(times, "times")

    def swap(
        self, sender: str, receiver: str, zero_for_one: bool, amount: int, limit: int, data: bytes
    ) -> tuple[int, int]:
        """Where the liquidity ends, a part of what is sold stays."""
        if len(data) > 32 or amount < 0:
            raise Refused()
        first = 0 if zero_for_one else 1
        worth = self.get("worth", default=(0, 0))
        given, taken = worth[first] * 10**6, worth[1 - first] * (10**6 - self.millionths)
        if checked(given) == 0:
            raise Refused()
        sold, bought = self.tokens[first], self.tokens[1 - first]
        asked, most = amount, self._held(bought)
        paid = checked(amount * checked(taken)) // given
        if paid > most:
            paid, asked = most, checked(most * given) // taken
        self._ask(bought, "transfer", receiver, paid)
        due = asked + self._held(sold)
        into = asked + self.get("more")
        if max(into, paid) >= 2**255:
            raise Refused()
        amounts = (into, -paid) if zero_for_one else (-paid, into)
        if self.get("times") > 4:
            raise Refused()
        for _ in range(self.get("times")):
            self._ask(sender, "uniswapV3SwapCallback", *amounts, data)
        if self._held(sold) < due:
            raise Refused("IIA")
        return amounts

    @view
    def fee(self, sender: str) -> int:
        """[millionths] of what is sold."""
        return self.millionths

    @view
    def worth(self, sender: str, index: int) -> int:
        """Of a token, see `set_odds`."""
        if index > 1:
            raise Refused()
        return int(self.get("worth", default=(0, 0))[index])

    @view
    def more(self, sender: str) -> int:
        """See `set_odds`."""
        return int(self.get("more"))

    @view
    def times(self, sender: str) -> int:
        """See `set_odds`."""
        return int(self.get("times"))

    def _held(self, token: str) -> int:
        return int(self._ask(token, "balanceOf", self.address))

    def _ask(self, contract: str, function: str, *args: Any) -> Any:
        return self.chain.call(self.address, contract, function, args)

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """A pair, and plain words."""
        value = self.get(name, *keys)
        if name == "worth":
            for i, part in enumerate(value):
                yield Word(name, (i,), part)
        else:
            yield Word(name, keys, int(value))
