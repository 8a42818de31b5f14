# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Reader of price sources
@license MIT
@notice Reads Chainlink aggregators and feeds that keep IPriceFeed, and trusts neither.

        VALIDITY
        A source that reverts, burns its gas, has no code, answers in another length than five
        words, in words its types don't allow, without completing its round, from the future or
        too late, is not valid: the answer is zeros. It never makes the caller revert.
        Feeds of today return answered_in_round = round_id, wrappers often 0 for both: either
        passes.

        GAS
        A source gets a fixed amount of gas. A caller who left less than that for it could make a
        good source look dead, so too little gas reverts. What must be left is
        limit * 64 / 63 for the rule of 63/64, 2,600 for a cold address, and a margin.

        CLAMPS
        An aggregator of Chainlink publishes nothing below its minAnswer or above its maxAnswer: a
        price beyond shows as the clamp. `_clamps` finds both, behind a proxy too; where none are
        told there are none.
"""

from contracts.interfaces import IPriceFeed

# Statuses of feeds, see IPriceFeed
FEED_INVALID: constant(uint256) = 0
FEED_SINGLE: constant(uint256) = 1
FEED_AGREED: constant(uint256) = 2
FEED_DISPERSED: constant(uint256) = 3

AGGREGATOR_GAS: constant(uint256) = 40_000
FEED_GAS: constant(uint256) = 200_000
# of an asset's own source: two feeds, while one replaces the other
SOURCE_GAS: constant(uint256) = 460_000
GAS_MARGIN: constant(uint256) = 4_000
AGGREGATOR_NEED: constant(uint256) = AGGREGATOR_GAS * 64 // 63 + 2_600 + GAS_MARGIN
CALL_GAS: constant(uint256) = 3_600  # spent around a call beside its limit: a cold address, words
MAX_CLAMP: constant(uint256) = 2**191 - 1
MAX_ANSWER: constant(uint256) = 2**128 - 1
MAX_ROUND: constant(uint256) = 2**80 - 1


@view
@internal
def _read(source: address, source_decimals: uint256, max_age: uint256) -> (uint256, uint256):
    """
    @dev The answer of a Chainlink aggregator.
    @param source_decimals 0 to 30.
    @param max_age [seconds] an answer older than this is not valid; below the present time
    @return price [WAD per whole token] and updated_at [unix seconds]; zeros when not valid.
    """
    if msg.gas < AGGREGATOR_NEED:
        self._starve()
    ok: bool = False
    data: Bytes[192] = b""
    # one word more than is wanted, so that a longer answer shows
    ok, data = raw_call(
        source,
        method_id("latestRoundData()"),
        max_outsize=192,
        gas=AGGREGATOR_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not ok or len(data) != 160:
        return 0, 0
    words: uint256[5] = abi_decode(data, uint256[5])

    round_id: uint256 = words[0]
    answer: uint256 = words[1]  # a negative int256 is above MAX_ANSWER
    updated_at: uint256 = words[3]
    answered_in_round: uint256 = words[4]
    # below zero it wraps to above all: an answer of zero, the future
    if (
        unsafe_sub(answer, 1) >= MAX_ANSWER
        or answered_in_round > MAX_ROUND
        or answered_in_round < round_id
        or updated_at == 0
        or unsafe_sub(block.timestamp, updated_at) > max_age
    ):
        return 0, 0

    price: uint256 = 0
    if source_decimals <= 18:
        price = unsafe_mul(answer, 10**unsafe_sub(18, source_decimals))
    else:
        price = unsafe_div(answer, 10**unsafe_sub(source_decimals, 18))
    if unsafe_sub(price, 1) >= MAX_ANSWER:
        return 0, 0
    return price, updated_at


@view
@internal
def _read_feed(
    source: address, gas_limit: uint256 = FEED_GAS
) -> (uint256, uint256, uint256, uint256, uint256):
    """
    @dev The quote of a feed that keeps IPriceFeed.
    @return low, price, high [WAD per whole token], updated_at [unix seconds], status (1 to 3);
            zeros when not valid.
    """
    if msg.gas < gas_limit * 64 // 63 + 2_600 + GAS_MARGIN:
        self._starve()
    ok: bool = False
    data: Bytes[192] = b""
    # one word more than is wanted, so that a longer answer shows
    ok, data = raw_call(
        source,
        method_id("quote()"),
        max_outsize=192,
        gas=gas_limit,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not ok or len(data) != 160:
        return 0, 0, 0, 0, 0
    words: uint256[5] = abi_decode(data, uint256[5])

    low: uint256 = words[0]
    price: uint256 = words[1]
    high: uint256 = words[2]
    updated_at: uint256 = words[3]
    status: uint256 = words[4]
    if (
        low == 0
        or low > price
        or price > high
        or high > MAX_ANSWER
        or updated_at == 0
        or updated_at > block.timestamp
        or status == 0
        or status > 3
    ):
        return 0, 0, 0, 0, 0
    return low, price, high, updated_at, status


@view
@internal
def _word(source: address, data: Bytes[36], gas_limit: uint256) -> (bool, uint256):
    """
    @dev The one word that a call answers, and whether it did.
    """
    if msg.gas < self._need(gas_limit):
        self._starve()
    ok: bool = False
    answer: Bytes[64] = b""
    # one word more than is wanted, so that a longer answer shows
    ok, answer = raw_call(
        source,
        data,
        max_outsize=64,
        gas=gas_limit,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not ok or len(answer) != 32:
        return False, 0
    return True, abi_decode(answer, uint256)


@view
@internal
def _clamps(source: address) -> (uint256, uint256):
    """
    @dev The least and the highest answer that an aggregator publishes, in units of its answers; 0
         and max_value(uint256) where it tells none. Of a proxy those of what it points to now.
    """
    ok: bool = False
    word: uint256 = 0
    target: address = source
    ok, word = self._word(source, method_id("aggregator()"), AGGREGATOR_GAS)
    if ok and word != 0 and word < 2**160:
        target = convert(convert(word, uint160), address)
    lowest: uint256 = 0
    ok, word = self._word(target, method_id("minAnswer()"), AGGREGATOR_GAS)
    if ok and word <= MAX_CLAMP:
        lowest = word
    highest: uint256 = max_value(uint256)
    ok, word = self._word(target, method_id("maxAnswer()"), AGGREGATOR_GAS)
    if ok and word <= MAX_CLAMP:
        highest = word
    return lowest, highest


@view
@internal
def _clamp_prices(source: address, source_decimals: uint256) -> (uint256, uint256):
    """
    @dev A price [WAD] that `_read` gives is not valid unless above the first and below the second:
         those are within 1 % of a clamp. Rounded inwards.
    """
    lowest: uint256 = 0
    highest: uint256 = 0
    lowest, highest = self._clamps(source)
    lowest = lowest * 101 // 100
    if highest != max_value(uint256):
        highest = (highest * 99 + 99) // 100
    if source_decimals <= 18:
        lowest *= 10**(18 - source_decimals)
        if highest != max_value(uint256):
            highest *= 10**(18 - source_decimals)
    else:
        lowest //= 10**(source_decimals - 18)
        if highest != max_value(uint256):
            highest //= 10**(source_decimals - 18)
    return lowest, highest


@pure
@internal
def _need(gas_limit: uint256) -> uint256:
    """
    @dev The gas that must be left for a call with this limit.
    """
    return gas_limit * 64 // 63 + 2_600 + GAS_MARGIN


@pure
@internal
def _starve():
    raise "too little gas"


@view
@internal
def _gas_of(feed: address) -> uint256:
    """
    @dev The gas that a feed asks for. Reverts where that is more than a feed is called with, or
         where the feed tells nothing: for constructors.
    """
    gas_limit: uint256 = staticcall IPriceFeed(feed).gas_limit()
    assert gas_limit <= FEED_GAS, "base needs too much gas"
    return gas_limit
