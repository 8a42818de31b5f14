"""The devnet's neighbours: the real WETH9 and Uniswap v3, its pools kept at the feeds' prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from breakwater import deploy, foreign
from breakwater.addresses import AddressBook
from breakwater.ape_host import FailedOnNode
from breakwater.deploy.periphery import ROUTER, leverage_router
from breakwater.deploy.protocol import ZERO
from breakwater.driver import FlashLiquidator
from breakwater.errors import UserError
from breakwater.foreign import WETH9, Uniswap
from breakwater.host import Host, Reverted
from breakwater.markets import Market, Pool
from breakwater.units import MAX_UINT256

MAKER = "market_maker"
"""Label of the account whose the pools' first positions are."""

SIDE = 200
"""What a pool over all prices holds on each side, for a swap of 1 to move the price by 1 %: the
root of 1.01 is half a percent above 1."""

_NEAR = 100_000
"""A pool is at a price when their roots differ by less than this part of it."""

_PARTS = ("factory", "router", "positions", "quoter")


def wrap(host: Host, market: Market, book: AddressBook, progress: deploy.Progress) -> None:
    """Deploy the wrapped coin before the protocol. UserError where an older devnet had a mock."""
    if market.devnet is None or not market.devnet.wrapped:
        return
    key = f"tokens.{market.devnet.wrapped}"
    done = key in book
    if not done:
        sender = deploy.accounts_of(host, market)["deployer"]
        book.add(key, "", WETH9.create(host, sender=sender).address, host)
    elif book.entries[key].contract:
        raise UserError(
            f"this devnet was made when {market.devnet.wrapped} was a mock: "
            "`breakwater devnet --fresh` deploys everything anew"
        )
    progress(key, not done)


class Exchange:
    """Uniswap's contracts and the market's pools, on a devnet."""

    def __init__(self, protocol: deploy.Protocol, uniswap: Uniswap, pools: Mapping[str, str]):
        self.protocol = protocol
        self.uniswap = uniswap
        self.pools = pools
        """Addresses by name, such as "WETH/USDC"."""
        devnet = protocol.market.devnet
        assert devnet is not None
        self._markets = {pool.name: pool for pool in devnet.pools}

    @classmethod
    def load(cls, protocol: deploy.Protocol, book: AddressBook) -> Exchange | None:
        """The one in an address book; None where the market has no pools. AddressBookError where
        parts are missing.
        """
        devnet = protocol.market.devnet
        if devnet is None or not devnet.pools:
            return None
        weth = protocol.tokens[devnet.wrapped].address
        parts = [book.address(f"uniswap.{part}") for part in _PARTS]
        uniswap = Uniswap(protocol.host, weth, *parts)
        return cls(
            protocol,
            uniswap,
            {pool.name: book.address(f"pools.{pool.name}") for pool in devnet.pools},
        )

    def prices(self, name: str) -> tuple[int, int] | None:
        """What the feeds say of a pool's two assets, in the market file's order [WAD]; None where
        one has no valid price.
        """
        protocol = self.protocol
        found = [
            protocol.lens.quote(protocol.tokens[symbol]).price
            for symbol in self._markets[name].assets
        ]
        return (found[0], found[1]) if all(found) else None

    def price(self, name: str) -> float:
        """What a pool pays for a whole token of its first asset, in whole ones of its second."""
        pool, market = self._markets[name], self.protocol.market
        first, second = (self.protocol.tokens[symbol].address for symbol in pool.assets)
        root = self.uniswap.sqrt_price(self.pools[name]) / 2**96
        ratio = root**2 if int(first, 16) < int(second, 16) else root**-2
        one, other = (market.decimals(symbol) for symbol in pool.assets)
        return float(ratio * 10.0 ** (one - other))

    def align(self, *, sender: str) -> list[str]:
        """Swap in every pool that is not at the feeds' prices until it is; names of those pools.

        The sender gets what it sells minted. A pool that somebody else moves at that moment, and
        one whose assets have no valid price, are left for the next time.
        """
        moved = []
        for name in self.pools:
            try:
                if self._align(name, sender):
                    moved.append(name)
            except (Reverted, FailedOnNode):
                pass
        return moved

    def _align(self, name: str, sender: str) -> bool:
        prices = self.prices(name)
        if prices is None:
            return False
        pool, address = self._markets[name], self.pools[name]
        wanted, now = target(self.protocol, pool, prices), self.uniswap.sqrt_price(address)
        if abs(wanted - now) * _NEAR < wanted:
            return False
        tokens = sorted(
            (self.protocol.tokens[symbol] for symbol in pool.assets),
            key=lambda token: int(token.address, 16),
        )
        liquidity = self.protocol.host.call(address, foreign.abi("UniswapV3Pool"), "liquidity")
        if wanted < now:
            sold, bought = tokens
            need = (liquidity << 96) * (now - wanted) // (now * wanted)
        else:
            bought, sold = tokens
            need = liquidity * (wanted - now) >> 96
        amount = 2 * need + 1  # the fee, and what others provide on the way
        held = sold.balanceOf(sender)
        if held < amount:
            sold.mint(sender, amount - held, sender=sender)
        if sold.allowance(sender, self.uniswap.router) < amount:
            sold.approve(self.uniswap.router, MAX_UINT256, sender=sender)
        self.uniswap.swap(
            sold.address, bought.address, pool.fee, amount, sender=sender, limit=wanted
        )
        return True


def target(protocol: deploy.Protocol, pool: Pool, prices: tuple[int, int]) -> int:
    """The square root of price [2**96] at which a pool is at `prices` of its assets."""
    sides = [
        (int(protocol.tokens[symbol].address, 16), price, protocol.market.decimals(symbol))
        for symbol, price in zip(pool.assets, prices, strict=True)
    ]
    (_, first, decimals), (_, second, other) = sorted(sides)
    return foreign.sqrt_price_of(first, second, decimals, other)


def build(
    protocol: deploy.Protocol, book: AddressBook, progress: deploy.Progress
) -> Exchange | None:
    """Deploy Uniswap, the market's pools with their first positions, a `FlashLiquidator` and a
    `LeverageRouter` over them, or what is left of it; None where the market has no pools.
    """
    devnet, host = protocol.market.devnet, protocol.host
    if devnet is None or not devnet.pools:
        return None
    me, weth = protocol.accounts["deployer"], protocol.tokens[devnet.wrapped].address

    def part(key: str, name: str, *args: Any) -> str:
        key = f"uniswap.{key}"
        done = key in book
        if not done:
            book.add(key, "", foreign.deploy(host, name, *args, sender=me), host)
        progress(key, not done)
        return book.address(key)

    factory = part("factory", "UniswapV3Factory")
    router = part("router", "SwapRouter", factory, weth)
    positions = part("positions", "NonfungiblePositionManager", factory, weth, ZERO)
    quoter = part("quoter", "QuoterV2", factory, weth)
    uniswap = Uniswap(host, weth, factory, router, positions, quoter)

    done = "flash_liquidator" in book
    if not done:
        flash = FlashLiquidator.deploy(host, protocol.credit_engine, factory, sender=me)
        book.add("flash_liquidator", FlashLiquidator.NAME, flash.address, host)
    progress("flash_liquidator", not done)
    progress(ROUTER, leverage_router(protocol, book, factory, sender=me)[1])

    for pool in devnet.pools:
        _open(protocol, book, uniswap, pool, progress)
    return Exchange.load(protocol, book)


def _open(
    protocol: deploy.Protocol,
    book: AddressBook,
    uniswap: Uniswap,
    pool: Pool,
    progress: deploy.Progress,
) -> None:
    market, maker = protocol.market, protocol.host.account(MAKER)
    prices = market.assets[pool.assets[0]].price, market.assets[pool.assets[1]].price
    tokens = {symbol: protocol.tokens[symbol] for symbol in pool.assets}
    key = f"pools.{pool.name}"
    done = key in book
    if not done:
        one, other = (token.address for token in tokens.values())
        root = target(protocol, pool, prices)
        made = uniswap.create_pool(one, other, pool.fee, root, sender=maker)
        book.add(key, "", made, protocol.host)
    progress(key, not done)

    step = f"position in {pool.name}"
    done = step in book.steps
    if not done:
        amounts = {}
        for (symbol, token), price in zip(tokens.items(), prices, strict=True):
            amount = SIDE * pool.depth * 10 ** market.decimals(symbol) // price
            token.mint(maker, amount, sender=maker)
            token.approve(uniswap.positions, amount, sender=maker)
            amounts[token.address] = amount
        uniswap.provide(amounts, pool.fee, sender=maker)
        book.mark(step)
    progress(step, not done)
