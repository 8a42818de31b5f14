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
"""

AGGREGATOR_GAS: constant(uint256) = 40_000
FEED_GAS: constant(uint256) = 200_000
GAS_MARGIN: constant(uint256) = 4_000
AGGREGATOR_NEED: constant(uint256) = AGGREGATOR_GAS * 64 // 63 + 2_600 + GAS_MARGIN
MAX_ANSWER: constant(uint256) = 2**128 - 1


@view
@internal
def _read(source: address, source_decimals: uint256, max_age: uint256) -> (uint256, uint256):
    """
    @dev The answer of a Chainlink aggregator.
    @param source_decimals 0 to 30.
    @param max_age [seconds] an answer older than this is not valid
    @return price [WAD per whole token] and updated_at [unix seconds]; zeros when not valid.
    """
    if msg.gas < AGGREGATOR_NEED:
        raise "too little gas"
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
    if (
        answer == 0
        or answer > MAX_ANSWER
        or round_id > convert(max_value(uint80), uint256)
        or answered_in_round > convert(max_value(uint80), uint256)
        or answered_in_round < round_id
        or updated_at == 0
        or updated_at > block.timestamp
        or unsafe_sub(block.timestamp, updated_at) > max_age
    ):
        return 0, 0

    price: uint256 = 0
    if source_decimals <= 18:
        price = unsafe_mul(answer, 10**unsafe_sub(18, source_decimals))
    else:
        price = unsafe_div(answer, 10**unsafe_sub(source_decimals, 18))
    if price == 0 or price > MAX_ANSWER:
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
        raise "too little gas"
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
