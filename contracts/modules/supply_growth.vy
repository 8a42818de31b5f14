# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Growth of an issuer's supply
@license MIT
@notice Tells when a token's supply stands further above what it was a day before than its limit
        allows: somebody may have minted what nothing backs, while the price is still what it was.

        READING
        `totalSupply` with a fixed amount of gas. A token that reverts, burns its gas or answers in
        another length gives no reading, and without one nothing changes. Supplies are clipped at
        MAX_SUPPLY. Too little gas for the call reverts: nobody makes a token look silent.

        REFERENCE
        Kept are the least and the highest reading of the running day, from the reading that began
        it to the first that is a day later, which also begins the next. Then the reference moves,
        by as little as brings it between the two; the first is the least of its day. It never
        rises above the least reading of a whole day: a supply that is minted, read and burnt in
        one transaction doesn't raise it, nor does one that is burnt and minted again lower it,
        as long as somebody else has it read once a day. For a supply that only grew it is what was
        there one to two days ago.

        TRIP
        Too much is what is above the limit in two readings at least 10 minutes apart and in all
        between. What stays is the reference after at most two days and two gaps between readings.
"""

from contracts.interfaces import ICircuitBreaker
from contracts.modules import aggregator

BPS: constant(uint256) = 10_000
MIN_LIMIT: constant(uint256) = 10  # [BPS]
MAX_LIMIT: constant(uint256) = 10_000  # [BPS]
READING_GAS: constant(uint256) = 100_000
CONFIRMED_AFTER: constant(uint256) = 600  # [s]
DAY: constant(uint256) = 86_400  # [s]

M40: constant(uint256) = 2**40 - 1
M112: constant(uint256) = 2**112 - 1
MAX_SUPPLY: constant(uint256) = M112
# Nothing is above it
NO_REFERENCE: constant(uint256) = MAX_SUPPLY


# bits 0-111 reference, 112-223 least of the day [token units], 224-239 limit [BPS]
_references: HashMap[address, uint256]
# bits 0-111 highest of the day [token units], 112-151 its first reading, 152-191 first of the
# readings in a row that were too much [unix seconds]
_readings: HashMap[address, uint256]


@internal
def _set_limit(asset: address, limit: uint256):
    """
    @dev A limit where there was none begins a day without a reference.
    @param limit [BPS] of growth; 0: off
    """
    assert limit == 0 or (limit >= MIN_LIMIT and limit <= MAX_LIMIT), "limit out of range"
    growth: ICircuitBreaker.SupplyGrowth = self._load(asset)
    if growth.limit == 0 or limit == 0:
        growth = empty(ICircuitBreaker.SupplyGrowth)
        if limit != 0:
            growth.reference = NO_REFERENCE
    growth.limit = limit
    self._store(asset, growth)


@internal
def _observe(asset: address) -> bool:
    """
    @dev Reads the supply, and moves the reference where a day is over.
    @return Whether the asset has grown by too much for long enough.
    """
    growth: ICircuitBreaker.SupplyGrowth = self._load(asset)
    if growth.limit == 0:
        return False
    is_read: bool = False
    supply: uint256 = 0
    is_read, supply = aggregator._word(asset, method_id("totalSupply()"), READING_GAS)
    if not is_read:
        return False
    supply = min(supply, MAX_SUPPLY)

    if growth.day_start == 0:
        growth.day_start = block.timestamp
        growth.least = supply
    growth.least = min(growth.least, supply)
    growth.highest = max(growth.highest, supply)
    if block.timestamp - growth.day_start >= DAY:
        if growth.reference == NO_REFERENCE:
            growth.reference = growth.least
        growth.reference = min(max(growth.reference, growth.least), growth.highest)
        growth.day_start = block.timestamp
        growth.least = supply
        growth.highest = supply

    most: uint256 = growth.reference * (BPS + growth.limit)  # 112 bits times 15 bits
    if supply * BPS <= most:
        growth.excess_since = 0
    elif growth.excess_since == 0:
        growth.excess_since = block.timestamp
    self._store(asset, growth)
    return (growth.excess_since != 0 and block.timestamp - growth.excess_since >= CONFIRMED_AFTER)


@view
@internal
def _load(asset: address) -> ICircuitBreaker.SupplyGrowth:
    word: uint256 = self._references[asset]
    if word == 0:
        return empty(ICircuitBreaker.SupplyGrowth)
    readings: uint256 = self._readings[asset]
    return ICircuitBreaker.SupplyGrowth(
        limit=word >> 224,
        reference=word & M112,
        least=word >> 112 & M112,
        highest=readings & M112,
        day_start=readings >> 112 & M40,
        excess_since=readings >> 152,
    )


@internal
def _store(asset: address, growth: ICircuitBreaker.SupplyGrowth):
    self._references[asset] = growth.reference | growth.least << 112 | growth.limit << 224
    self._readings[asset] = (growth.highest | growth.day_start << 112 | growth.excess_since << 152)
