# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Range of prices
@license MIT
@notice The lowest and the highest price that pokes saw of an asset in the last 7 days on which they
        saw any: what a settlement price must lie in.
"""

DAY: constant(uint256) = 86_400
RANGE_DAYS: constant(uint256) = 7
MASK_96: constant(uint256) = 2**96 - 1

# spot that pokes saw on a day (UTC), a ring by asset and day mod 7: low 96, high 96 [WAD], day 64
ranges: HashMap[address, uint256[7]]
# day of the last poke that saw a price, since 1970
last_day: HashMap[address, uint256]


@view
@external
@reentrant
def range_of(asset: address) -> (uint256, uint256):
    """
    @notice See `ICircuitBreaker.range_of`.
    """
    return self._range(asset)


@view
@internal
def _range(asset: address) -> (uint256, uint256):
    low: uint256 = 0
    high: uint256 = 0
    last_day: uint256 = self.last_day[asset]
    for i: uint256 in range(RANGE_DAYS):
        word: uint256 = self.ranges[asset][i]
        if (word >> 192) + RANGE_DAYS <= last_day:
            continue
        if high == 0:
            low = word & MASK_96
        low = min(low, word & MASK_96)
        high = max(high, word >> 96 & MASK_96)
    return low, high


@internal
def _widen(asset: address, price: uint256):
    """
    @dev Written only on a new day, or beyond what the day has seen.
    """
    day: uint256 = block.timestamp // DAY
    word: uint256 = self.ranges[asset][day % RANGE_DAYS]
    low: uint256 = price
    high: uint256 = price
    if word >> 192 == day:
        low = min(word & MASK_96, price)
        high = max(word >> 96 & MASK_96, price)
    else:
        self.last_day[asset] = day
    if low | high << 96 | day << 192 != word:
        self.ranges[asset][day % RANGE_DAYS] = low | high << 96 | day << 192
