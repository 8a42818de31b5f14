"""What assets count at, from storage words: the sources' answers, averages, levels, terms.

The arithmetic is that of contracts/modules/price_oracle.vy and contracts/feeds/, which read the
same words. Prices are kept until time passes, a source is set, or rules are read anew.
"""

from __future__ import annotations

from typing import Final

from breakwater import mocks
from breakwater.abi import checksum_bytes
from breakwater.evm import EvmHost
from breakwater.fuzz import pools, slots
from breakwater.fuzz.aggregators import AGGREGATOR_ROUND, BAD_MODE, BAD_WORDS, aggregator_price
from breakwater.fuzz.averages import (
    FADE_TIME,
    MAX_GAP,
    WAIT_TIME,
    averaged,
    faded,
    is_jump,
    is_still,
    ramped,
    volatility_after,
    waited,
)
from breakwater.fuzz.quotes import Price, Quote, Terms, terms_of
from breakwater.fuzz.slots import slot
from breakwater.fuzz.world import World
from breakwater.observation.words import M32, M64, M96, M128, mapped
from breakwater.units import BPS, WAD, YEAR

VALID: Final = 0
JUMP: Final = 1
DISPERSED: Final = 2
STALE: Final = 3
WIND_DOWN: Final = 3

_IS_FEED: Final = 31
_GROWTH: Final = 1_000  # [BPS a year] of the rate feeds of the world
_FEED_UNIT: Final = 10**10  # answers of the world's aggregators have 8 decimals
_NO_CLAMPS: Final = 0, 2**256
_SOURCE: Final = 2**160 - 1  # of a rule; zero: the asset is wound down
_NEVER: Final = 2**64  # a time after all others
_SAMPLE_TIME: Final = 600
_CONFIRM_TIME: Final = 60

_NO_QUOTE: Final = Quote(0, 0, 0, 0)
UNREAD: Final = (_NO_QUOTE, -1)
"""A quote that is not known, until when."""


class Asset:
    """Where the words of an asset are."""

    __slots__ = (
        "age",
        "announced",
        "bad",
        "balance",
        "band",
        "base",
        "book",
        "bounds",
        "breaker",
        "checkpoint",
        "clamps",
        "debt",
        "decimals",
        "feed",
        "home",
        "id",
        "latch",
        "market",
        "observation",
        "pegged",
        "pool",
        "ranges",
        "readings",
        "reference",
        "rule",
        "scale",
        "silent",
        "source",
        "sources",
        "supply",
        "symbol",
        "term",
        "token",
        "unit",
        "vault",
        "vault_halt",
    )

    unit: int
    scale: int

    def __init__(self, world: World, symbol: str, id: int, scale: int) -> None:
        """`scale`: decimals that values are counted in."""
        listing = world.listings[symbol]
        token = world.contracts[f"token.{symbol}"].address
        self.symbol = symbol
        self.id = id
        self.token = token
        self.decimals = listing.decimals
        self.unit = listing.unit
        self.scale = 10 ** (scale - listing.decimals)
        self.book = mapped(slot("CreditEngine", "books"), token)
        self.debt = mapped(slot("CreditEngine", "debts"), token)
        self.rule = slot("RiskEngine", "rules") + id
        self.checkpoint = slot("RiskEngine", "checkpoints") + id
        self.observation = slot("RiskEngine", "observations") + id
        self.term = slot("RiskEngine", "terms") + id
        self.latch = mapped(slot("RiskEngine", "_expiries"), token)
        self.breaker = mapped(slot("CircuitBreaker", "latches"), token)
        self.silent = mapped(slot("CircuitBreaker", "stale_since"), token)
        self.reference = mapped(slot("CircuitBreaker", "_references"), token)
        first = mapped(slot("CircuitBreaker", "ranges"), token)
        self.ranges = range(first, first + 7)
        first = mapped(slot("Configurator", "announcement_of"), token)
        self.announced = range(first, first + 2)
        self.readings = mapped(slot("CircuitBreaker", "_readings"), token)
        self.supply = slot(world.contracts[f"token.{symbol}"].NAME, "totalSupply")
        self.vault_halt = mapped(slot("CircuitBreaker", "vault_halts"), token)
        self.balance = mapped(balances(world, symbol), world.contracts["engine"].address)
        self.vault = world.debts.index(symbol) if symbol in world.debts else -1
        feed = world.contracts.get(f"feed.{symbol}")
        self.feed = None if feed is None else feed.address
        of = listing.rate_over or symbol
        self.age = world.configs[symbol].max_age
        self.band, self.pegged = listing.band, listing.pegged
        self.sources = [
            world.contracts[f"source.{of}.{i}"].address
            for i in range(len(world.listings[of].sources))
        ]
        self.base = list(world.listings).index(of) + 1 if listing.rate_over else None
        self.clamps = [_NO_CLAMPS] * len(self.sources)
        if any(listing.clamps):
            lowest, highest = (clamp * 10**8 for clamp in listing.clamps)
            least, most = lowest + lowest // 100, highest - highest // 100
            self.clamps[0] = least * _FEED_UNIT, most * _FEED_UNIT
        self.market, self.bounds = listing.market, pools.ema_bounds(listing.dollars)
        pool = world.contracts.get(f"pool.{symbol}")
        self.pool = "" if pool is None else pool.address
        source = world.contracts.get(f"source.{of}.0") or world.contracts[f"nav.{symbol}"]
        self.source = source.address
        self.home = int(self.feed or self.source, 16)
        self.bad = isinstance(source, mocks.BadFeedMock)


def balances(world: World, symbol: str) -> int:
    """Slot of the balances of an asset's token."""
    return slot(world.contracts[f"token.{symbol}"].NAME, "balanceOf")


class Prices:
    """Prices of one market, until now."""

    now: int
    rules: list[tuple[int, ...]]
    """By id: rule, term, checkpoint, observation, latch, what the breaker has latched, and since
    when its pokes find no price."""
    prices: list[Price | None]
    quotes: list[tuple[Quote, int]]

    def __init__(self, world: World, scale: int) -> None:
        if not isinstance(world.host, EvmHost):
            raise TypeError("a watch needs the in-process EVM")
        slots.check()
        self.world = world
        self.host = world.host
        self.evm = world.host._evm
        # looked up once: a call reads some ten words
        self.storage: pools.Storage = self.evm.storage
        # an asset that is not listed yet gets the next id
        self._listed = [Asset(world, s, i + 1, scale) for i, s in enumerate(world.listings)]
        self._terms: dict[tuple[int, int], Terms] = {}
        self._steady: dict[int, tuple[tuple[int, ...], Quote, Price]] = {}
        """Prices that time alone does not change: of which words, of which quote."""
        self._feeds: dict[str, list[int]] = {}
        self._uptime = world.contracts["uptime"].address
        self._sequencer = world.contracts["sequencer"].address
        self._last_grace = slot("SequencerFeed", "last_grace")
        self._staked_rate = slot("StakedTokenMock", "rate")
        self._reference = slot("RateFeed", "packed_reference")
        dollar = world.contracts.get("nav.dollar")
        self._dollar = "" if dollar is None else dollar.address
        self._risk = world.contracts["risk"].address

    def _quote(self, asset: Asset, rule: int) -> Quote:
        """Of a source, or of the settlement."""
        if rule and not rule & _SOURCE:
            price = self.rules[asset.id][2] & M96
            return Quote(price, price, price, 1)
        return self._sourced(asset, rule)

    def _sourced(self, asset: Asset, rule: int) -> Quote:
        known, until = self.quotes[asset.id]
        now = self.now
        if now <= until:
            return known
        if rule & _SOURCE != asset.home:
            found = self.quotes[asset.id] = self._replaced(asset, rule), now
            return found[0]
        return self._home_quote(asset, rule)

    def _replaced(self, asset: Asset, rule: int) -> Quote:
        """What a source answers that is not the one an asset was listed with: a `BlendFeed`, or an
        aggregator. The former may look at the stored prices: as they were before a poke, which is
        judged after it."""
        address = checksum_bytes((rule & _SOURCE).to_bytes(20, "big"))
        if rule >> 172 & 31 != _IS_FEED:
            words = [self.storage(address, AGGREGATOR_ROUND + i) for i in range(4)]
            price = aggregator_price(rule, self.now, words[0], words[1], words[2], words[3])
            return Quote(price, price, price, 1) if price else _NO_QUOTE
        stored, before = self.storage(self._risk, asset.checkpoint), self.rules[asset.id][2]
        if stored != before:
            self.evm.insert_account_storage(self._risk, asset.checkpoint, before)
        low, price, high, updated_at, status = self.host.call(address, "BlendFeed", "quote")
        if stored != before:
            self.evm.insert_account_storage(self._risk, asset.checkpoint, stored)
        upper = rule >> 243 & 127
        if (
            self.now - updated_at > (rule >> 160 & 4_095) * 60
            or low >> (upper - (rule >> 250)) == 0
            or high >> upper != 0
        ):
            return _NO_QUOTE
        return Quote(low, price, high, status)

    def _home_quote(self, asset: Asset, rule: int) -> Quote:
        """Of the source that an asset was listed with."""
        now, storage = self.now, self.storage
        if asset.feed is None:
            source = asset.source
            if asset.bad:
                if storage(source, BAD_MODE):
                    self.quotes[asset.id] = _NO_QUOTE, _NEVER
                    return _NO_QUOTE
                words = [storage(source, BAD_WORDS + i) for i in (0, 1, 3, 4)]
            else:
                words = [storage(source, AGGREGATOR_ROUND + i) for i in (0, 1, 2, 3)]
            price = aggregator_price(rule, now, words[0], words[1], words[2], words[3])
            found = Quote(price, price, price, 1) if price else _NO_QUOTE
            until = words[2] + (rule >> 160 & 4_095) * 60 if price else now
            self.quotes[asset.id] = found, until
            return found
        if asset.base is not None:
            return self._rate_quote(asset, rule)
        found, oldest, until = self._median(asset) if asset.sources else self._nav(asset)
        if asset.market and found.low:
            found, until = self._checked(asset, found, until)
        upper = rule >> 243 & 127
        if (
            now - oldest > (rule >> 160 & 4_095) * 60
            or found.low >> (upper - (rule >> 250)) == 0
            or found.high >> upper != 0
        ):
            found = _NO_QUOTE
        self.quotes[asset.id] = found, until
        return found

    def _nav(self, asset: Asset) -> tuple[Quote, int, int]:
        """What a NavFeed answers, as of when, and until when."""
        price, until = pools.nav(self.storage, asset.source, self.now, pools.NAV_AGE)
        if price == 0:
            return _NO_QUOTE, self.now, _NEVER
        return Quote(price, price, price, 1), self.now, until

    def _checked(self, asset: Asset, base: Quote, until: int) -> tuple[Quote, int]:
        """What a CheckedFeed answers over a base and a pool beside dollars that are published."""
        storage = self.storage
        dollar, valid = pools.nav(storage, self._dollar, self.now, pools.DOLLAR_AGE)
        if asset.market == "CurveEmaFeed":
            average, last = pools.ema(storage, asset.pool, *asset.bounds)
            least, most = min(average, last), max(average, last)
        else:
            least = average = pools.twap(storage, asset.pool, asset.decimals)
            most = average + 1
        market = average * dollar // WAD
        lowest, highest = least * dollar // WAD, -(-most * dollar // WAD)
        decides = not asset.sources  # what is published is checked by who decides
        until = min(until, valid) if dollar else until
        low, price, high, status = base.low, base.price, base.high, base.status
        if average == 0 or lowest == 0 or highest >= 2**128:
            return (_NO_QUOTE if decides else base), until
        if abs(price - market) * BPS > min(price, market) * asset.band:
            price, status = market if decides else price, 3
        return Quote(min(low, lowest), price, max(high, highest), status), until

    def _median(self, asset: Asset) -> tuple[Quote, int, int]:
        """What a MedianFeed answers over mock aggregators, as of when, and until when."""
        storage, now = self.storage, self.now
        age = asset.age
        prices: list[int] = []
        oldest, until = now, _NEVER
        for source, (floor, ceiling) in zip(asset.sources, asset.clamps, strict=True):
            updated_at = storage(source, AGGREGATOR_ROUND + 2)
            if updated_at > now:
                until = now  # it will be valid
                continue
            answer = storage(source, AGGREGATOR_ROUND + 1)
            price = answer * _FEED_UNIT
            if (
                floor < price < ceiling
                and price < 2**128
                and storage(source, AGGREGATOR_ROUND)
                <= storage(source, AGGREGATOR_ROUND + 3)
                < 2**80
                and updated_at
                and now - updated_at <= age
            ):
                prices.append(price)
                if updated_at < oldest:
                    oldest = updated_at
                if updated_at + age < until:
                    until = updated_at + age
        prices.sort()
        count, band = len(prices), asset.band
        found = _NO_QUOTE
        if count == 1:
            found = Quote(prices[0], prices[0], prices[0], 1)
        elif count == 2:
            near = (prices[1] - prices[0]) * BPS <= prices[0] * band
            mean = (prices[0] + prices[1]) // 2
            found = Quote(prices[0], mean, prices[1], 2 if near else 3)
        elif count == 3:
            low, price, high = prices
            if asset.pegged:
                near = (high - low) * BPS <= low * band
            else:
                near = (price - low) * BPS <= low * band or (high - price) * BPS <= price * band
            found = Quote(price, price, price, 2) if near else Quote(low, price, high, 3)
        return found, oldest, until

    def _rate_quote(self, asset: Asset, rule: int) -> Quote:
        """What a RateFeed answers over the mock of a staked token; see contracts/feeds."""
        storage, now = self.storage, self.now
        assert asset.base is not None
        assert asset.feed is not None
        base = self._listed[asset.base - 1]
        base_rule = self.rules[base.id][0]
        if base_rule & _SOURCE == base.home:
            below = self._quote(base, base_rule)
        else:
            # the base is settled or has another source by now, of another age, and the rate has not
            kept = self.quotes[base.id]
            below = self._home_quote(base, base_rule | 4_095 << 160)
            self.quotes[base.id] = kept
        low, price, high, status = below.low, below.price, below.high, below.status
        actual = storage(asset.token, self._staked_rate)
        found = _NO_QUOTE
        if price and 10**15 <= actual <= 10**27:
            packed = storage(asset.feed, self._reference)
            stored = packed & M128
            bounded = stored + stored * _GROWTH * (now - (packed >> 128)) // (BPS * YEAR)
            low = min(actual, bounded) * low // WAD
            price = actual * price // WAD
            high = (actual * high + WAD - 1) // WAD
            upper = rule >> 243 & 127
            if low >> (upper - (rule >> 250)) != 0 and high >> upper == 0:
                found = Quote(low, price, high, status)
        self.quotes[asset.id] = found, now
        return found

    def _priced_by(self, target: str) -> list[int]:
        """Ids of the assets that a source, a feed, or a token with a rate prices."""
        found = self._feeds.get(target)
        if found is None:
            symbol = target.split(".")[1]
            found = self._feeds[target] = [
                asset.id
                for asset in self._listed
                if symbol in (asset.symbol, self.world.listings[asset.symbol].rate_over)
                or (symbol == "dollar" and asset.market)
            ]
        return found

    def spot(self, id: int) -> int:
        """Price of the source; 0 when it is not valid [WAD]."""
        found = self.prices[id]
        if found is not None:
            return found.spot
        return self._quote(self._listed[id - 1], self.rules[id][0]).price

    def counted(self, id: int) -> int:
        """What net worth counts an asset at: the price of its source, without one the last that a
        poke stored [WAD]. Any price would do, as long as it is the same before and after."""
        found = self.prices[id]
        if found is not None:
            spot = found.spot
        elif id == 0:
            return 0  # a leg of no asset, which is a finding of its own
        else:
            quote, until = self.quotes[id]
            if self.now > until or not self.rules[id][0] & _SOURCE:
                quote = self._quote(self._listed[id - 1], self.rules[id][0])
            spot = quote.price
        return spot or self.rules[id][2] & M96

    def price(self, id: int) -> Price:
        """What an asset counts at now."""
        found = self.prices[id]
        if found is None:
            words = self.rules[id]
            quote = self._quote(self._listed[id - 1], words[0])
            steady = self._steady.get(id)
            if steady is not None and steady[0] is words and steady[1] is quote:
                found = steady[2]
            else:
                found = self._priced(words, quote, 0)
                if words[4] == 0 and found.status == VALID and is_still(words, self.now):
                    self._steady[id] = words, quote, found
            self.prices[id] = found
        return found

    def patient_price(self, id: int, patience: int) -> Price:
        """The same in liquidations, if a jump counts only after so many seconds."""
        found = self.prices[id] or self.price(id)
        if patience == 0 or found.status == VALID or found.status == STALE:
            return found
        return self._price(id, self.rules[id], patience)

    def _price(self, id: int, words: tuple[int, ...], patience: int) -> Price:
        return self._priced(words, self._quote(self._listed[id - 1], words[0]), patience)

    def _priced(self, words: tuple[int, ...], quote: Quote, patience: int) -> Price:
        rule, term, checkpoint, seen, latch = words[0], words[1], words[2], words[3], words[4]
        terms = self._terms.get((rule, term))
        if terms is None:
            terms = self._terms[rule, term] = terms_of(rule, term)
        ltv, slope, reference, end = terms.ltv, terms.slope, terms.reference, terms.end
        now = self.now
        low, spot, high, feed_status = quote.low, quote.price, quote.high, quote.status
        stored = checkpoint & M96
        average = checkpoint >> 96 & M96
        if stored != average:
            average = averaged(stored, average, now - (checkpoint >> 224))
        if spot and feed_status != 3 and abs(spot - average) * BPS <= average * terms.band:
            status, level, as_collateral, as_debt = VALID, 0, high, low
        else:
            status, level, as_collateral, as_debt = _unusual(
                rule, quote, average, checkpoint, seen, now, patience
            )
        if latch:
            if now < latch & M64 and level < 1:
                level = 1
            if now < latch >> 64 & M64:
                level = 2
        if rule and not rule & _SOURCE:
            level = WIND_DOWN

        volatility = (checkpoint >> 192 & M32) * 10**9
        if slope and volatility > reference:
            drop = (volatility - reference) * slope // 10**15
            ltv = max(max(ltv - terms.most_off, 0), ltv - drop)
        if terms.start != end and now - terms.since < terms.duration:
            end = ramped(terms.start, end, now - terms.since, terms.duration)
        return Price(
            spot, low if low < average else average,
            (high if high > average else average) if spot else as_debt,
            level, status, ltv, terms.weight, terms.leverage, as_collateral, as_debt, spot != 0,
            end, terms.tip, terms.incentive_max, average, volatility,
        )  # fmt: skip

    def poked(self, id: int) -> tuple[int, int, int]:
        """Status that a poke finds of an asset, and the checkpoint and observation it leaves."""
        now = self.now
        words = self.rules[id]
        rule, checkpoint, seen = words[0], words[2], words[3]
        if not rule & _SOURCE:
            return VALID, checkpoint, seen
        quote = self._quote(self._listed[id - 1], rule)
        spot, feed_status = quote.price, quote.status
        if spot == 0:
            kept = seen & ~(M32 << 160) & (1 << 239) - 1
            return STALE, checkpoint, kept | now << 160 | faded(seen, now) << 239
        stored, average, poked_at = checkpoint & M96, checkpoint >> 96 & M96, checkpoint >> 224
        if stored != average:
            average = averaged(stored, average, now - poked_at)
        # reference of the sample, its time, and what pokes saw of a jump or of dispersion
        sampled, since, flags = seen & M128, 0, 0
        volatility = checkpoint >> 192 & M32
        if now - (sampled >> 96) >= _SAMPLE_TIME:
            volatility = volatility_after(volatility, spot, sampled & M96, now - (sampled >> 96))
            sampled = spot | now << 96
        status = VALID
        if feed_status == 3:
            status, flags = DISPERSED, 1 << 238
        if is_jump(rule, spot, average):
            status, up = status or JUMP, int(spot > average)
            since, confirmed = seen >> 128 & M32, seen >> 237 & 1
            gap = now > poked_at + MAX_GAP or is_jump(rule, spot, stored)
            if since == 0 or up != seen >> 236 & 1 or gap:
                since, confirmed = now, 0
            elif now >= since + _CONFIRM_TIME:
                confirmed = 1
            flags |= up << 236 | confirmed << 237
        waits = 0
        if seen >> 192 or flags:
            waits = waited(seen, checkpoint, now) << 224
            waits |= (now if (seen | flags) >> 238 & 1 else seen >> 192 & M32) << 192
        found = spot | average << 96 | volatility << 192 | now << 224
        return status, found, sampled | since << 128 | waits | flags


def _unusual(
    rule: int, quote: Quote, average: int, checkpoint: int, seen: int, now: int, patience: int
) -> tuple[int, int, int, int]:
    """Status, level and liquidation prices of an asset that is not VALID."""
    low, spot, high, feed_status = quote.low, quote.price, quote.high, quote.status
    stored, mean = checkpoint & M96, checkpoint >> 96 & M96
    if spot == 0:
        left = FADE_TIME - faded(seen, now)
        return STALE, 2, max(stored, mean) * left // FADE_TIME, min(stored, mean)
    status = JUMP
    if feed_status == 3:
        status = DISPERSED
        waits = waited(seen, checkpoint, now) < WAIT_TIME
        if not is_jump(rule, spot, average):
            return DISPERSED, 1, high if waits else spot, low if waits else spot
        if waits:
            return DISPERSED, 1, max(high, average), min(low, average)
        low = high = spot
    since = seen >> 128 & M32
    poked = (
        since != 0
        and (spot > average) == (seen >> 236 & 1 == 1)
        and now <= (checkpoint >> 224) + MAX_GAP
        and not is_jump(rule, spot, stored)
    )
    confirmed = feed_status == 2 or (poked and seen >> 237 & 1 == 1)
    if patience:
        confirmed = confirmed and poked and now >= since + patience
    if confirmed:
        return status, 1, high, low
    return status, 1, max(high, average), min(low, average)
