"""The protocol on a host, as the demo handles it: by symbols, with whole tokens beside units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from breakwater import deploy, markets
from breakwater.deploy import Protocol, Token
from breakwater.driver import LendingVault, RateFeed
from breakwater.errors import UserError
from breakwater.host import Host, Log, Receipt
from breakwater.mocks import StakedTokenMock
from breakwater.observation.observer import Observer
from breakwater.units import WAD

REPEAT = 3_600
"""Seconds after which an aggregator repeats an answer that has not changed."""


class Stage:
    """A deployed market. `outside` is the address that stands for everyone else."""

    def __init__(self, host: Host, market: markets.Market, prices: Mapping[str, float]) -> None:
        self.host = host
        self.market = with_prices(market, prices)
        self.protocol: Protocol = deploy.deploy(host, self.market)
        self.engine = self.protocol.credit_engine
        self.risk = self.protocol.risk_engine
        self.breaker = self.protocol.breaker
        self.lens = self.protocol.lens
        self.vaults: Mapping[str, LendingVault] = self.protocol.vaults
        self.symbols = list(self.market.assets)
        self.admin = self.protocol.accounts["deployer"]
        self.outside = host.account("outside")
        self._symbols = {token.address: name for name, token in self.protocol.tokens.items()}
        self._answers: dict[str, tuple[int, int]] = {}
        self._scale = {name: 10 ** self.market.decimals(name) for name in self.symbols}
        devnet = self.market.devnet
        self._rates = dict(devnet.rates) if devnet is not None else {}
        self.logs: list[tuple[int, Log]] = []
        """Every event since it was last taken, with the time of its block."""

    # ------------------------------------------------------------ names and amounts

    @property
    def priced(self) -> list[str]:
        """Assets with a price of their own."""
        return [name for name in self.symbols if self.protocol.aggregators[name]]

    @property
    def rated(self) -> dict[str, str]:
        """Assets priced by a rate, and the asset behind each."""
        return {
            name: asset.feed.base
            for name, asset in self.market.assets.items()
            if asset.feed.kind == "rate"
        }

    @property
    def collaterals(self) -> list[str]:
        """Assets that may be collateral."""
        return [name for name, asset in self.market.assets.items() if asset.cap is not None]

    def token(self, symbol: str) -> Token:
        """The token of an asset."""
        return self.protocol.tokens[symbol]

    def symbol(self, address: str) -> str:
        """The symbol of a token's address."""
        return self._symbols[address]

    def units(self, symbol: str, amount: float) -> int:
        """Whole tokens in units, rounded down."""
        return int(amount * self._scale[symbol])

    def whole(self, symbol: str, units: int) -> float:
        """Units in whole tokens."""
        return units / self._scale[symbol]

    def rate(self, symbol: str) -> float:
        """Assets that one whole token of a rated asset stood for at the start."""
        return self._rates[symbol] / WAD

    # ------------------------------------------------------------ acts

    def mint(self, symbol: str, receiver: str, units: int) -> None:
        """Give tokens: bought outside, or brought along."""
        self.token(symbol).mint(receiver, units, sender=self.admin)

    def set_price(self, symbol: str, price: float) -> None:
        """Let the aggregators of an asset answer a price in USD; repeats only when it must."""
        wad = round(price * 10**8) * 10**10
        last, time = self._answers.get(symbol, (0, 0))
        if wad == last and self.host.now - time < REPEAT:
            return
        self.protocol.set_price(symbol, wad, sender=self.admin)
        self._answers[symbol] = (wad, self.host.now)

    def set_rate(self, symbol: str, rate: float) -> None:
        """Let a rated asset convert to `rate` assets."""
        token = self.token(symbol)
        base = self.market.assets[symbol].feed.base
        if isinstance(token, StakedTokenMock):
            units = round(rate * 10**12) * self._scale[base] // 10**12
            if self._answers.get(symbol, (0, 0))[0] != units:
                token.set_rate(units, sender=self.admin)
                self._answers[symbol] = (units, self.host.now)

    def poke(self, symbol: str, sender: str) -> Receipt:
        """Poke the breaker."""
        return self.breaker.poke(self.token(symbol), sender=sender)

    def poke_rates(self, sender: str) -> None:
        """Store the rates of rated assets."""
        for feed in self.protocol.feeds.values():
            if isinstance(feed, RateFeed):
                feed.poke(sender=sender)

    def observer(self) -> Observer:
        """What reads the state of all this."""
        return Observer(
            self.host,
            engine=self.engine,
            risk=self.risk,
            breaker=self.breaker,
            vaults=self.vaults.values(),
            assets=[self.token(name).address for name in self.symbols],
        )


def with_prices(market: markets.Market, prices: Mapping[str, float]) -> markets.Market:
    """The market with other first prices. UserError where one is outside the asset's bounds."""
    if market.devnet is None:
        raise UserError(f"{market.path.name} is no market of a devnet: the demo makes its tokens")
    assets = dict(market.assets)
    for symbol, price in prices.items():
        asset = assets[symbol]
        wad = round(price * 10**8) * 10**10
        low, high = asset.parameters["min_price"], asset.parameters["max_price"]
        if not low <= wad <= high:
            raise UserError(
                f"{symbol} begins at {price:g} USD, and {market.path.name} allows"
                f" {low / WAD:g} to {high / WAD:g} USD for it"
            )
        assets[symbol] = replace(asset, price=wad)
    return replace(market, assets=assets)
