"""Models of the feeds that pools and publishers stand behind, and of one feed checked by another.

See the heads of the contracts, and `breakwater.model.feeds` for what they share.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any

from breakwater.model import exact
from breakwater.model.chain import ZERO_ADDRESS, Chain, Contract, Refused, Word, reentrant, view
from breakwater.model.feeds import (
    CALL_GAS,
    DISPERSED,
    FEED_GAS,
    INVALID,
    MAX_ANSWER,
    NAV_GAS,
    NO_QUOTE,
    SINGLE,
    Quote,
    ask,
    checked_gas,
    feed_quote,
    gas_of,
    need,
    one_word,
)
from breakwater.units import BPS, DAY, HOUR, WAD, YEAR

MAX_TICK = 887_272
_ONE = 1 << 127


class _Feed(Contract):
    """What asks for a fixed amount of gas and is built upon feeds."""

    gas: int

    @reentrant
    def gas_limit(self, sender: str) -> int:
        """What a caller gives."""
        return self.gas

    def _read(self, feed: str) -> Quote:
        return feed_quote(ask(self.chain, self.address, feed, "quote"), self.chain.now)

    def _demand(self, *conditions: tuple[bool, str]) -> None:
        """Of a constructor whose calls need the contract to be there: as if it never was."""
        for holds, reason in conditions:
            if not holds:
                del self.chain.contracts[self.address]
                raise Refused(reason)


def _times(least: int, rate: int, most: int, base: Quote) -> Quote:
    """A base's quote times rates [WAD], as one source; low and price down, high up."""
    base_low, base_price, base_high, updated_at, base_status = base
    if base_status == INVALID:
        return NO_QUOTE
    low, price = least * base_low // WAD, rate * base_price // WAD
    high = -(-most * base_high // WAD)
    if exact.CHECK_ROUNDING:
        exact.at_most(low, Fraction(least * base_low, WAD), what="low")
        exact.at_least(high, Fraction(most * base_high, WAD), what="high")
    if low == 0 or high > MAX_ANSWER:
        return NO_QUOTE
    return low, price, high, updated_at, DISPERSED if base_status == DISPERSED else SINGLE


class CurveEmaFeed(_Feed):
    """A coin of a Curve pool: its average, bounded by its last price, times the quote of coin 0."""

    NAME = "CurveEmaFeed"

    def __init__(
        self,
        chain: Chain,
        address: str,
        pool: str,
        base: str,
        index: int,
        stable: bool,
        by_index: bool,
        least_half_life: int,
        lowest: int,
        highest: int,
    ) -> None:
        for holds, reason in (
            (pool in chain.contracts, "pool has no code"),
            (base in chain.contracts, "base has no code"),
            (1 <= index <= 7, "index is out of range"),
            (by_index or index == 1, "pool of two has no such coin"),
            (300 <= least_half_life <= 7 * DAY, "half-life is out of range"),
            (0 < lowest < highest <= MAX_ANSWER, "bounds are out of order"),
        ):
            if not holds:
                raise Refused(reason)
        if stable and by_index:
            rates = chain.call(address, pool, "stored_rates", ())
            for i in (0, index):
                coin = chain.call(address, pool, "coins", (i,))
                places = int(chain.call(address, coin, "decimals", ()))
                if i >= len(rates):
                    raise Refused()
                if places > 36 or rates[i] != 10 ** (36 - places):
                    raise Refused("pool scales its coins")
        self.gas = 3 * (25_000 + CALL_GAS) + need(gas_of(chain, address, base)) + 5_000
        if self.gas > FEED_GAS:
            raise Refused("base needs too much gas")
        super().__init__(chain, address)
        self.pool, self.base, self.index = pool, base, index
        self.stable, self.by_index = stable, by_index
        self.least_half_life, self.lowest, self.highest = least_half_life, lowest, highest
        self._demand(
            (self._half_life() >= least_half_life, "half-life is too short"),
            (self._prices()[0] != 0, "average is not valid"),
            (self._read(base)[4] != INVALID, "base is not valid"),
        )

    @reentrant
    def quote(self, sender: str) -> Quote:
        """low by the lower of average and last price, high by the higher."""
        average, last = self._prices()
        if self._half_life() < self.least_half_life or average == 0:
            return NO_QUOTE
        return _times(min(average, last), average, max(average, last), self._read(self.base))

    def _asked(self, function: str, *args: int) -> int:
        word = one_word(self.chain, self.address, self.pool, function, *args)
        return word if word is not None and word <= MAX_ANSWER else 0

    def _prices(self) -> tuple[int, int]:
        args = (self.index - 1,) if self.by_index else ()
        average = self._asked("price_oracle", *args)
        last = self._asked("last_price" if self.stable else "last_prices", *args)
        valid = self.lowest <= average <= self.highest and last != 0
        return (average, last) if valid else (0, 0)

    def _half_life(self) -> int:
        """[seconds]; a stable pool tells the time to 1/e."""
        if self.stable:
            return self._asked("ma_exp_time") * 694 // 1_000
        return self._asked("ma_time")

    @view
    def POOL(self, sender: str) -> str:
        """The Curve pool."""
        return self.pool

    @view
    def BASE(self, sender: str) -> str:
        """Feed of coin 0."""
        return self.base

    @view
    def INDEX(self, sender: str) -> int:
        """Of the coin that is priced."""
        return self.index

    @view
    def STABLE(self, sender: str) -> bool:
        """A stableswap pool."""
        return self.stable

    @view
    def BY_INDEX(self, sender: str) -> bool:
        """Whether prices are asked with an index."""
        return self.by_index

    @view
    def LEAST_HALF_LIFE(self, sender: str) -> int:
        """[seconds]."""
        return self.least_half_life

    @view
    def LOWEST(self, sender: str) -> int:
        """[WAD] average that is believed."""
        return self.lowest

    @view
    def HIGHEST(self, sender: str) -> int:
        """[WAD] average that is believed."""
        return self.highest


@lru_cache(maxsize=4_096)
def tick_price(tick: int, exponent: int) -> int:
    """1.0001**tick x 10**exponent within 2**-105 of it, rounded down; 0 where that is none of 1 to
    2**128 - 1. The 128 leading bits of each power are kept.
    """
    if abs(tick) > MAX_TICK:
        return 0

    def product(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
        mantissa, power = left[0] * right[0] >> 127, left[1] + right[1]
        return (mantissa >> 1, power + 1) if mantissa >> 128 else (mantissa, power)

    found, square = (_ONE, 0), (10_001 * _ONE // 10_000, 0)
    for bit in range(20):
        if abs(tick) >> bit & 1:
            found = product(found, square)
        square = product(square, square)
    mantissa, power = found
    if tick >= 0:
        price = (mantissa * 10**exponent << 1) >> (128 - power)
    else:
        price = ((1 << 254) // mantissa * 10**exponent) >> (127 + power)
    return price if price <= MAX_ANSWER else 0


class UniswapTwapFeed(_Feed):
    """A token of a Uniswap v3 pool: its average over a window times the quote of the other."""

    NAME = "UniswapTwapFeed"

    def __init__(
        self,
        chain: Chain,
        address: str,
        pool: str,
        token: str,
        base: str,
        window: int,
        least_liquidity: int,
    ) -> None:
        for holds, reason in (
            (pool in chain.contracts, "pool has no code"),
            (base in chain.contracts, "base has no code"),
            (1_800 <= window <= DAY, "window is out of range"),
            (0 < least_liquidity < 2**128, "liquidity is out of range"),
        ):
            if not holds:
                raise Refused(reason)
        tokens = [chain.call(address, pool, name, ()) for name in ("token0", "token1")]
        if token not in tokens:
            raise Refused("pool has no such token")
        own, other = tokens if token == tokens[0] else tokens[::-1]
        places = [int(chain.call(address, one, "decimals", ())) for one in (own, other)]
        if min(places) < 6:
            raise Refused("too few decimals")
        if max(places) > 24:
            raise Refused("too many decimals")
        if chain.call(address, pool, "slot0", ())[3] * 12 < window:
            raise Refused("pool has too few observations")
        self.gas = 100_000 + CALL_GAS + need(gas_of(chain, address, base)) + 12_000
        if self.gas > FEED_GAS:
            raise Refused("base needs too much gas")
        super().__init__(chain, address)
        self.pool, self.token, self.base = pool, token, base
        self.window, self.least_liquidity = window, least_liquidity
        self.sign = 1 if token == tokens[0] else -1
        self.exponent = 18 + places[0] - places[1]
        self._demand(
            (self._average() != 0, "average is not valid"),
            (self._read(base)[4] != INVALID, "base is not valid"),
        )

    @reentrant
    def quote(self, sender: str) -> Quote:
        """The average was rounded down: one unit more for the high."""
        average = self._average()
        if average == 0:
            return NO_QUOTE
        return _times(average, average, average + 1, self._read(self.base))

    @reentrant
    def means(self, sender: str) -> tuple[int, int]:
        """Mean tick, towards minus infinity, and harmonic mean of the liquidity; zeros where there
        is none.
        """
        words = ask(self.chain, self.address, self.pool, "observe", (self.window, 0))
        if words is None or len(words) != 8 or words[:3] + words[5:6] != (64, 160, 2, 2):
            return 0, 0
        begin, end = (word - (word >> 255 << 256) for word in words[3:5])
        if not all(-(2**55) <= one < 2**55 for one in (begin, end)) or max(words[6:]) >= 2**160:
            return 0, 0
        thinness = (words[7] - words[6]) % 2**160
        if thinness == 0:
            return 0, 0
        return (end - begin) // self.window, (self.window << 128) // thinness

    def _average(self) -> int:
        tick, liquidity = self.means(ZERO_ADDRESS)
        if liquidity < self.least_liquidity:
            return 0
        return tick_price(self.sign * tick, self.exponent)

    @view
    def POOL(self, sender: str) -> str:
        """The Uniswap v3 pool."""
        return self.pool

    @view
    def TOKEN(self, sender: str) -> str:
        """Which is priced."""
        return self.token

    @view
    def BASE(self, sender: str) -> str:
        """Feed of the other token."""
        return self.base

    @view
    def WINDOW(self, sender: str) -> int:
        """[seconds]."""
        return self.window

    @view
    def LEAST_LIQUIDITY(self, sender: str) -> int:
        """Harmonic mean over the window."""
        return self.least_liquidity


class NavFeed(_Feed):
    """A price that its publisher says, until it expires; fixed without a publisher."""

    NAME = "NavFeed"
    gas = NAV_GAS

    def __init__(
        self, chain: Chain, address: str, price: int, publisher: str, max_age: int, growth: int
    ) -> None:
        for holds, reason in (
            (0 < price <= MAX_ANSWER, "price is out of range"),
            (HOUR <= max_age <= 366 * DAY, "max age is out of range"),
            (growth <= 10_000, "growth is out of range"),
            (publisher != ZERO_ADDRESS or growth == 0, "a fixed price does not grow"),
        ):
            if not holds:
                raise Refused(reason)
        super().__init__(chain, address)
        self.publisher, self.age, self.growth = publisher, max_age, growth
        self.put((price, chain.now), "packed_price")
        self.emit("Publish", price=price)

    def publish(self, sender: str, price: int) -> None:
        """Only the rise is bounded."""
        if sender != self.publisher or sender == ZERO_ADDRESS:
            raise Refused("not the publisher")
        if price == 0:
            raise Refused("price is zero")
        if price > self.highest(sender):
            raise Refused("price rises too fast")
        self.put((price, self.chain.now), "packed_price")
        self.emit("Publish", price=price)

    @reentrant
    def quote(self, sender: str) -> Quote:
        """As of now, while it is valid."""
        price, time = self.get("packed_price")
        if self.chain.now - time > self.age:
            return NO_QUOTE
        return price, price, price, self.chain.now, SINGLE

    @reentrant
    def published(self, sender: str) -> tuple[int, int]:
        """The last price, and when."""
        price, time = self.get("packed_price")
        return price, time

    @reentrant
    def highest(self, sender: str) -> int:
        """That may be published now, the rise rounded down."""
        price, time = self.get("packed_price")
        rise = price * self.growth * (self.chain.now - time) // (BPS * YEAR)
        return min(int(price + rise), MAX_ANSWER)

    @view
    def PUBLISHER(self, sender: str) -> str:
        """Zero: nobody."""
        return self.publisher

    @view
    def AGE(self, sender: str) -> int:
        """[seconds] that a price is valid."""
        return self.age

    @view
    def GROWTH(self, sender: str) -> int:
        """[BPS a year]."""
        return self.growth

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """Price and its time in one word."""
        if name == "packed_price":
            price, time = self.get(name)
            yield Word(name, keys, price | time << 128)
        else:
            yield from super().words(name, keys)


class CheckedFeed(_Feed):
    """The quote of one feed, checked by that of another, its market."""

    NAME = "CheckedFeed"

    def __init__(
        self, chain: Chain, address: str, base: str, market: str, band: int, decides: bool
    ) -> None:
        for holds, reason in (
            (base in chain.contracts, "base has no code"),
            (market in chain.contracts, "market has no code"),
            (base != market, "market is the base"),
            (1 <= band <= 2_000, "band is out of range"),
        ):
            if not holds:
                raise Refused(reason)
        self.gas = checked_gas(gas_of(chain, address, base), gas_of(chain, address, market))
        if self.gas > FEED_GAS:
            raise Refused("feeds need too much gas")
        super().__init__(chain, address)
        self.base, self.market, self.band, self.decides = base, market, band, decides
        one, other = self._read(base), self._read(market)
        self._demand(
            (one[4] != INVALID, "base is not valid"),
            (other[4] != INVALID, "market is not valid"),
            (self._agree(one[1], other[1]), "market is apart from the base"),
        )

    @reentrant
    def quote(self, sender: str) -> Quote:
        """The worse of both for new risk; where they are apart, DISPERSED."""
        base, market = self._read(self.base), self._read(self.market)
        if base[4] == INVALID:
            return NO_QUOTE
        if market[4] == INVALID:
            return NO_QUOTE if self.decides else base
        agree = self._agree(base[1], market[1])
        return (
            min(base[0], market[0]),
            base[1] if agree or not self.decides else market[1],
            max(base[2], market[2]),
            min(base[3], market[3]),
            base[4] if agree else DISPERSED,
        )

    def _agree(self, price: int, other: int) -> bool:
        lower, higher = sorted((price, other))
        return (higher - lower) * BPS <= lower * self.band

    @view
    def BASE(self, sender: str) -> str:
        """Feed that is checked."""
        return self.base

    @view
    def MARKET(self, sender: str) -> str:
        """Feed that checks it."""
        return self.market

    @view
    def BAND(self, sender: str) -> int:
        """[BPS] apart that is agreement."""
        return self.band

    @view
    def DECIDES(self, sender: str) -> bool:
        """Whether the market's price counts where they are apart."""
        return self.decides
