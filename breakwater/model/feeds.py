"""Models of price sources: `MedianFeed`, `RateFeed`. Specification, Prices.

A quote is (low, price, high, updated_at, status): WAD per whole token, unix seconds. Who reads a
source trusts it in nothing; what he gets is an answer, the words that came back, or None where the
call failed. Gas is outside the model, but for what a feed asks for: one that would need more than a
feed is called with is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from breakwater.abi import checksum
from breakwater.host import interface_of
from breakwater.model import exact
from breakwater.model.aggregators import Answer, BadFeedMock
from breakwater.model.chain import Chain, Contract, Refused, Word, reentrant, view
from breakwater.model.tokens import text_words
from breakwater.units import BPS, HOUR, MAX_UINT256, WAD, YEAR

Quote = tuple[int, int, int, int, int]

INVALID, SINGLE, AGREED, DISPERSED = range(4)
"""Status of a feed's quote."""

NO_QUOTE: Quote = (0, 0, 0, 0, INVALID)
MAX_ANSWER = 2**128 - 1
MAX_ROUND = 2**80 - 1
MAX_SOURCES = 3
MIN_RATE, MAX_RATE = 10**15, 10**27
"""[WAD] assets per share that are believed."""
AGGREGATOR_GAS, FEED_GAS, CALL_GAS, NAV_GAS = 40_000, 200_000, 3_600, 5_000
MAX_CLAMP = 2**191 - 1


def need(gas_limit: int) -> int:
    """The gas that must be left for a call with this limit."""
    return gas_limit * 64 // 63 + 6_600


def median_gas(sources: int) -> int:
    """What a median feed asks for."""
    return (sources - 1) * (AGGREGATOR_GAS + CALL_GAS) + need(AGGREGATOR_GAS) + 4_000


def rate_gas(base: int) -> int:
    """What a rate feed over a base that asks for so much."""
    return 40_000 + CALL_GAS + need(base) + 5_000


def checked_gas(base: int, market: int) -> int:
    """What a checked feed over two that ask for so much."""
    return base + CALL_GAS + need(market) + 5_000


def gas_of(chain: Chain, caller: str, feed: str) -> int:
    """The gas that a feed asks for. Refused where a feed is not called with as much."""
    gas_limit = int(chain.call(caller, feed, "gas_limit", ()))
    if gas_limit > FEED_GAS:
        raise Refused("base needs too much gas")
    return gas_limit


def ask(chain: Chain, caller: str, target: str, function: str, *args: Any) -> Answer | None:
    """The words that a raw view call returns; None where it fails."""
    contract = chain.contracts.get(target)
    if contract is None:
        return ()
    if isinstance(contract, BadFeedMock):
        return contract.answer()
    if (function, len(args)) not in interface_of(contract.NAME).functions:
        return None
    try:
        value = chain.call(caller, target, function, args)
    except Refused:
        return None
    values = value if isinstance(value, tuple) else (value,)
    return tuple(
        [int(word, 16) if isinstance(word, str) else word & MAX_UINT256 for word in values]
    )


def one_word(chain: Chain, caller: str, target: str, function: str, *args: Any) -> int | None:
    """The word that a call answers; None where it answers another length, or fails."""
    answer = ask(chain, caller, target, function, *args)
    return answer[0] if answer is not None and len(answer) == 1 else None


def clamp_prices(chain: Chain, caller: str, source: str, decimals: int) -> tuple[int, int]:
    """A price [WAD] counts above the first and below the second: farther than 1 % from the clamps
    of the aggregator, or of what its proxy points to.
    """
    target = source
    word = one_word(chain, caller, source, "aggregator")
    if word and word < 2**160:
        target = checksum(f"0x{word:040x}")
    lowest, highest = (
        clamp if clamp is not None and clamp <= MAX_CLAMP else None
        for clamp in (
            one_word(chain, caller, target, "minAnswer"),
            one_word(chain, caller, target, "maxAnswer"),
        )
    )
    floor = (lowest or 0) * 101 // 100 * 10**18 // 10**decimals
    if highest is None:
        return floor, MAX_UINT256
    return floor, -(-highest * 99 // 100) * 10**18 // 10**decimals


@lru_cache(maxsize=4_096)
def aggregator_price(
    answer: Answer | None, decimals: int, max_age: int, now: int
) -> tuple[int, int]:
    """Price and updated_at of what an aggregator answered; zeros where it is not valid."""
    if answer is None or len(answer) != 5:
        return 0, 0
    round_id, price, _, updated_at, answered_in = answer
    if (
        not 0 < price <= MAX_ANSWER
        or not round_id <= answered_in <= MAX_ROUND
        or not 0 < updated_at <= now
        or now - updated_at > max_age
    ):
        return 0, 0
    scaled = price * 10**18 // 10**decimals
    return (scaled, updated_at) if 0 < scaled <= MAX_ANSWER else (0, 0)


def feed_quote(answer: Answer | None, now: int) -> Quote:
    """What a feed answered, or NO_QUOTE where that is no quote."""
    if answer is None or len(answer) != 5:
        return NO_QUOTE
    low, price, high, updated_at, status = answer
    if (
        not 0 < low <= price <= high <= MAX_ANSWER
        or not 0 < updated_at <= now
        or not SINGLE <= status <= DISPERSED
    ):
        return NO_QUOTE
    return low, price, high, updated_at, status


@lru_cache(maxsize=4_096)
def median_quote(found: tuple[tuple[int, int], ...], quorum: int, band: int, pegged: bool) -> Quote:
    """The quote of valid sources, each (price, updated_at)."""
    if len(found) < quorum:
        return NO_QUOTE
    prices = sorted(price for price, _ in found)
    oldest = min(updated_at for _, updated_at in found)

    def agree(lower: int, higher: int) -> bool:
        return (higher - lower) * BPS <= lower * band

    low, high = prices[0], prices[-1]
    if len(prices) == 1:
        return low, low, low, oldest, SINGLE
    if len(prices) == 2:
        return low, (low + high) // 2, high, oldest, AGREED if agree(low, high) else DISPERSED
    middle = prices[1]
    if agree(low, high) if pegged else agree(low, middle) or agree(middle, high):
        return middle, middle, middle, oldest, AGREED
    return low, middle, high, oldest, DISPERSED


class MedianFeed(Contract):
    """One quote from one to three aggregators. Nothing in it changes."""

    NAME = "MedianFeed"

    def __init__(
        self,
        chain: Chain,
        address: str,
        sources: Sequence[str],
        max_ages: Sequence[int],
        quorum: int,
        band: int,
        pegged: bool,
        description: str,
    ) -> None:
        if len(sources) > MAX_SOURCES or len(max_ages) > MAX_SOURCES:
            raise Refused()
        if not sources:
            raise Refused("no sources")
        if len(max_ages) != len(sources):
            raise Refused("one max age for each source")
        if not 1 <= quorum <= len(sources):
            raise Refused("quorum is out of range")
        if not 1 <= band <= 2_000:
            raise Refused("band is out of range")
        listed: list[tuple[str, int, int]] = []
        clamps: list[tuple[int, int]] = []
        for source, max_age in zip(sources, max_ages, strict=True):
            if source not in chain.contracts:
                raise Refused("source has no code")
            if any(source == other for other, _, _ in listed):
                raise Refused("source is listed twice")
            if not 60 <= max_age <= 68 * HOUR:
                raise Refused("max age is out of range")
            decimals = _decimals(chain, address, source)
            if decimals > 30:
                raise Refused("source has too many decimals")
            listed.append((source, max_age, decimals))
            clamps.append(clamp_prices(chain, address, source, decimals))
        super().__init__(chain, address)
        self.sources = tuple(listed)
        self.bounds = tuple(clamps)
        self.quorum = quorum
        self.band = band
        self.pegged = pegged
        self.put(description, "description")

    @reentrant
    def quote(self, sender: str) -> Quote:
        """See the module."""
        now = self.chain.now
        found = []
        for (source, max_age, decimals), (floor, ceiling) in zip(
            self.sources, self.bounds, strict=True
        ):
            answer = ask(self.chain, self.address, source, "latestRoundData")
            one = aggregator_price(answer, decimals, max_age, now)
            if floor < one[0] < ceiling:
                found.append(one)
        return median_quote(tuple(found), self.quorum, self.band, self.pegged)

    @reentrant
    def source(self, sender: str, index: int) -> tuple[str, int, int]:
        """A source, its max_age [seconds] and its decimals."""
        if index >= len(self.sources):
            raise Refused("no such source")
        return self.sources[index]

    @reentrant
    def clamps(self, sender: str, index: int) -> tuple[int, int]:
        """Prices of a source count above the first and below the second [WAD]."""
        if index >= len(self.sources):
            raise Refused("no such source")
        return self.bounds[index]

    @reentrant
    def gas_limit(self, sender: str) -> int:
        """What a caller gives."""
        return median_gas(len(self.sources))

    @view
    def COUNT(self, sender: str) -> int:
        """Sources."""
        return len(self.sources)

    @view
    def QUORUM(self, sender: str) -> int:
        """Valid sources needed for a price."""
        return self.quorum

    @view
    def BAND(self, sender: str) -> int:
        """[BPS] how far sources may be apart."""
        return self.band

    @view
    def PEGGED(self, sender: str) -> bool:
        """Whether all three must agree."""
        return self.pegged

    @view
    def description(self, sender: str) -> str:
        """For people."""
        return str(self.get("description"))

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """The description alone."""
        if name == "description":
            yield from text_words(name, self.get(name).encode())
        else:
            yield from super().words(name, keys)


class RateFeed(Contract):
    """The price of an ERC-4626 share: its rate times the quote of the asset behind it.

    actual  = assets that one whole share converts to [WAD]
    bounded = reference x (1 + growth x time since it was stored)
    """

    NAME = "RateFeed"

    def __init__(self, chain: Chain, address: str, vault: str, base: str, growth: int) -> None:
        if vault not in chain.contracts:
            raise Refused("vault has no code")
        if base not in chain.contracts:
            raise Refused("base has no code")
        if not 1 <= growth <= 10_000:
            raise Refused("growth is out of range")
        asset = chain.call(address, vault, "asset", ())
        if asset not in chain.contracts:
            raise Refused("asset has no code")
        decimals = _decimals(chain, address, vault), _decimals(chain, address, asset)
        if max(decimals) > 24:
            raise Refused("too many decimals")
        self.gas = rate_gas(gas_of(chain, address, base))
        if self.gas > FEED_GAS:
            raise Refused("base needs too much gas")
        super().__init__(chain, address)
        self.vault = vault
        self.base = base
        self.growth = growth
        self.one_share, self.one_asset = (10**places for places in decimals)
        try:
            rate = self._rate()
            if rate == 0:
                raise Refused("rate is not valid")
            if self._base()[4] == INVALID:
                raise Refused("base is not valid")
        except Refused:
            del chain.contracts[address]
            raise
        self.put((rate, chain.now), "packed_reference")

    def poke(self, sender: str) -> None:
        """Stores min(actual, bounded) as the new reference."""
        actual = self._rate()
        if actual == 0:
            raise Refused("rate is not valid")
        reference = min(actual, self._bounded())
        self.put((reference, self.chain.now), "packed_reference")
        self.emit("Poke", actual=actual, reference=reference)

    @reentrant
    def quote(self, sender: str) -> Quote:
        """low by min(actual, bounded), price and high by actual; low and price down, high up."""
        actual = self._rate()
        if actual == 0:
            return NO_QUOTE
        base_low, base_price, base_high, updated_at, status = self._base()
        if status == INVALID:
            return NO_QUOTE
        rate = min(actual, self._bounded())
        low = rate * base_low // WAD
        price = actual * base_price // WAD
        high = -(-actual * base_high // WAD)
        if exact.CHECK_ROUNDING:
            exact.at_most(low, Fraction(rate * base_low, WAD), what="low")
            exact.at_least(high, Fraction(actual * base_high, WAD), what="high")
        if low == 0 or high > MAX_ANSWER:
            return NO_QUOTE
        return low, price, high, updated_at, status

    @reentrant
    def gas_limit(self, sender: str) -> int:
        """What a caller gives."""
        return self.gas

    @reentrant
    def rates(self, sender: str) -> tuple[int, int]:
        """actual, 0 when not valid, and bounded [WAD]."""
        return self._rate(), self._bounded()

    @reentrant
    def reference(self, sender: str) -> tuple[int, int]:
        """The stored rate [WAD], and when it was stored."""
        rate, time = self.get("packed_reference")
        return rate, time

    @view
    def VAULT(self, sender: str) -> str:
        """Whose share is priced."""
        return self.vault

    @view
    def BASE(self, sender: str) -> str:
        """Feed of the vault's asset."""
        return self.base

    @view
    def GROWTH(self, sender: str) -> int:
        """[BPS a year] fastest rise that is believed."""
        return self.growth

    def _rate(self) -> int:
        """actual, rounded down; 0 where the vault's answer is none."""
        answer = one_word(self.chain, self.address, self.vault, "convertToAssets", self.one_share)
        if answer is None or answer > MAX_ANSWER:
            return 0
        rate = answer * WAD // self.one_asset
        return rate if MIN_RATE <= rate <= MAX_RATE else 0

    def _base(self) -> Quote:
        return feed_quote(ask(self.chain, self.address, self.base, "quote"), self.chain.now)

    def _bounded(self) -> int:
        """[WAD] the rise since the reference rounded down."""
        rate, time = self.get("packed_reference")
        rise: int = rate * self.growth * (self.chain.now - time) // (BPS * YEAR)
        return int(rate) + rise

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """Reference and its time in one word."""
        if name == "packed_reference":
            rate, time = self.get(name)
            yield Word(name, keys, rate | time << 128)
        else:
            yield from super().words(name, keys)


def _decimals(chain: Chain, caller: str, target: str) -> int:
    return int(chain.call(caller, target, "decimals", ()))
