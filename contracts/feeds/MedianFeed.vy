# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Median feed
@license MIT
@notice One quote from one to three Chainlink aggregators.

        VALIDITY
        A source counts when its answer is positive, complete, not from the future, no older than
        its own max_age (see `aggregator`), and neither at nor within 1 % of a clamp of its
        aggregator: a market beyond the clamp shows as the clamp (LUNA stood at 0.107 of a least
        0.10). Clamps are those that source, or what its proxy points to, tells at construction; who
        tells none has none. Fewer valid sources than the quorum is no price: INVALID, with zeros.

        QUOTE
        Two prices are apart by (higher - lower) / lower.
        valid  status                                          price   low, high
        1      SINGLE                                          it      it
        2      AGREED, apart by at most the band; else         mean    lowest, highest
               DISPERSED
        3      volatile: AGREED if any two are apart by at     median  median, median
               most the band (the median is one of them)
               pegged: AGREED if all three are
        3      else DISPERSED                                  median  lowest, highest
        updated_at is that of the oldest valid source: who reads this feed needs a max_age of at
        least the largest among the sources.

        ROUNDING
        Prices are WAD per whole token, rounded down from more than 18 decimals; the mean is
        rounded down.

        ORACLE ASSUMPTIONS
        At most one of three sources is wrong, or none of two. With the quorum at 1 a single
        source is believed when the others are silent. The decimals of a source never change, nor
        do its clamps: a proxy that moves to an aggregator with narrower ones needs a new feed.

        LIVENESS
        A source that reverts, burns the gas it is given or answers nonsense is left out. Three
        such sources cost less than the 200,000 gas a feed is called with (see `gas_limit`).

        ROLES
        None: nothing can be changed.
"""

from contracts.interfaces import IAggregatorV3
from contracts.interfaces import IPriceFeed

implements: IPriceFeed


# Stateless.
from contracts.modules import aggregator

BPS: constant(uint256) = 10_000
MAX_SOURCES: constant(uint256) = 3
MAX_DECIMALS: constant(uint256) = 30
MAX_BAND: constant(uint256) = 2_000
MIN_AGE: constant(uint256) = 60
MAX_AGE: constant(uint256) = 68 * 3_600
OWN_GAS: constant(uint256) = 4_000  # without calls

COUNT: public(immutable(uint256))  # sources
QUORUM: public(immutable(uint256))  # valid sources needed for a price
BAND: public(immutable(uint256))  # [BPS] how far sources may be apart
PEGGED: public(immutable(bool))  # all three must agree
SOURCES: immutable(address[MAX_SOURCES])
MAX_AGES: immutable(uint256[MAX_SOURCES])  # [seconds]
DECIMALS: immutable(uint256[MAX_SOURCES])
FLOORS: immutable(uint256[MAX_SOURCES])  # [WAD] a price down to here is at the clamp
CEILINGS: immutable(uint256[MAX_SOURCES])  # [WAD] a price up from here is at the clamp
description: public(String[64])


@deploy
def __init__(
    sources: DynArray[address, MAX_SOURCES],
    max_ages: DynArray[uint256, MAX_SOURCES],
    quorum: uint256,
    band: uint256,
    pegged: bool,
    description: String[64],
):
    """
    @param sources 1 to 3 aggregators, each once.
    @param max_ages [seconds] of each source, 1 minute to 68 hours.
    @param quorum Valid sources needed for a price, 1 to the number of sources.
    @param band [BPS] 1 to 2_000.
    @param pegged Disagreement of any source is disagreement.
    @param description For people, such as "ETH / USD".
    """
    assert len(sources) != 0, "no sources"
    assert len(max_ages) == len(sources), "one max age for each source"
    assert quorum != 0 and quorum <= len(sources), "quorum is out of range"
    assert band != 0 and band <= MAX_BAND, "band is out of range"

    list: address[MAX_SOURCES] = empty(address[MAX_SOURCES])
    ages: uint256[MAX_SOURCES] = empty(uint256[MAX_SOURCES])
    scales: uint256[MAX_SOURCES] = empty(uint256[MAX_SOURCES])
    floors: uint256[MAX_SOURCES] = empty(uint256[MAX_SOURCES])
    ceilings: uint256[MAX_SOURCES] = empty(uint256[MAX_SOURCES])
    for i: uint256 in range(len(sources), bound=MAX_SOURCES):
        source: address = sources[i]
        assert source.is_contract, "source has no code"
        assert source not in list, "source is listed twice"
        assert max_ages[i] >= MIN_AGE and max_ages[i] <= MAX_AGE, "max age is out of range"
        places: uint256 = convert(staticcall IAggregatorV3(source).decimals(), uint256)
        assert places <= MAX_DECIMALS, "source has too many decimals"
        list[i] = source
        ages[i] = max_ages[i]
        scales[i] = places
        floors[i], ceilings[i] = aggregator._clamp_prices(source, places)

    COUNT = len(sources)
    QUORUM = quorum
    BAND = band
    PEGGED = pegged
    SOURCES = list
    MAX_AGES = ages
    DECIMALS = scales
    FLOORS = floors
    CEILINGS = ceilings
    self.description = description


@view
@external
@reentrant
def quote() -> (uint256, uint256, uint256, uint256, uint256):
    """
    @notice See `IPriceFeed.quote`.
    """
    prices: uint256[MAX_SOURCES] = empty(uint256[MAX_SOURCES])  # [WAD] the valid ones, rising
    valid: uint256 = 0
    oldest: uint256 = max_value(uint256)
    for i: uint256 in range(COUNT, bound=MAX_SOURCES):
        price: uint256 = 0
        updated_at: uint256 = 0
        price, updated_at = aggregator._read(SOURCES[i], DECIMALS[i], MAX_AGES[i])
        # no price is 0, which is never above the floor
        if price <= FLOORS[i] or price >= CEILINGS[i]:
            continue
        oldest = min(oldest, updated_at)
        for j: uint256 in range(valid, bound=MAX_SOURCES):
            if price < prices[j]:
                # the one that is put in pushes the next one up
                larger: uint256 = prices[j]
                prices[j] = price
                price = larger
        prices[valid] = price
        valid += 1

    if valid < QUORUM:
        return 0, 0, 0, 0, aggregator.FEED_INVALID
    if valid == 1:
        return prices[0], prices[0], prices[0], oldest, aggregator.FEED_SINGLE
    if valid == 2:
        status: uint256 = (
            aggregator.FEED_AGREED
            if self._agree(prices[0], prices[1])
            else aggregator.FEED_DISPERSED
        )
        return prices[0], (prices[0] + prices[1]) // 2, prices[1], oldest, status

    agreed: bool = False
    if PEGGED:
        agreed = self._agree(prices[0], prices[2])
    else:
        agreed = self._agree(prices[0], prices[1]) or self._agree(prices[1], prices[2])
    if agreed:
        return prices[1], prices[1], prices[1], oldest, aggregator.FEED_AGREED
    return prices[0], prices[1], prices[2], oldest, aggregator.FEED_DISPERSED


@view
@external
@reentrant
def source(index: uint256) -> (address, uint256, uint256):
    """
    @notice A source, its max_age [seconds] and its decimals.
    """
    assert index < COUNT, "no such source"
    return SOURCES[index], MAX_AGES[index], DECIMALS[index]


@view
@external
@reentrant
def clamps(index: uint256) -> (uint256, uint256):
    """
    @notice A price of this source counts above the first and below the second only [WAD]: 0 and
            max_value(uint256) where its aggregator has no clamps.
    """
    assert index < COUNT, "no such source"
    return FLOORS[index], CEILINGS[index]


@view
@external
@reentrant
def gas_limit() -> uint256:
    """
    @notice See `IPriceFeed.gas_limit`.
    """
    before: uint256 = (COUNT - 1) * (aggregator.AGGREGATOR_GAS + aggregator.CALL_GAS)
    return before + aggregator.AGGREGATOR_NEED + OWN_GAS


@view
@internal
def _agree(lower: uint256, higher: uint256) -> bool:
    """
    @dev True if the prices are apart by at most the band. Both are below 2**128.
    """
    return (higher - lower) * BPS <= lower * BAND
