# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Price oracle
@license MIT
@notice From feeds to one quote per asset: spot, average, volatility, status, level.
@dev    Part of the `RiskEngine`. Amounts of money are in the numeraire (USD), prices in WAD per
        whole token.

        SOURCES
          A source is a Chainlink aggregator, read directly, or a feed that keeps `IPriceFeed`. It
          is valid when it answers, is complete, fresh and inside the asset's absolute bounds. A
          source that reverts, has no code, answers garbage or burns its gas is not valid.
        AVERAGE
          Exponential, with time constant AVERAGE_TIME. `poke` stores spot, average and time; a
          reader extrapolates to now: the stored spot pulls for at most AVERAGE_TIME / 3, so that
          one print followed by silence moves the average by less than a third of the print.
          The weight 1 - exp(-x) is taken as x - x**2/2 + x**3/6, above it by at most x**4/24
          (5.2e-4 at x = 1/3).
        WIND-DOWN
          An asset without a source has its settlement price, which is valid, and level 3.
        STATUS
          0 VALID, 1 JUMP (spot away from its average by more than the band), 2 DISPERSED (the
          feed's sources disagree), 3 STALE (no valid price).
"""

from contracts.interfaces import IRiskEngine
from contracts.modules import aggregator
from contracts.modules import asset_config
from contracts.modules import latch
from contracts.modules import legs
from contracts.modules import price_words

uses: latch

WAD: constant(uint256) = 10**18

# In the state that `_read` returns
LEVEL: constant(uint256) = 12  # all bits of it
HALTED: constant(uint256) = 8  # set from HALT on
AGREED: constant(uint256) = 16

AVERAGE_TIME: constant(uint256) = 2_700  # [s] half-life 31 minutes

MASK_96: constant(uint256) = 2**96 - 1


# Rules of an asset, one word by id:
#   bits   0-159  source; zero: wound down, at the price of the checkpoint
#   bits 160-171  highest age [minutes]
#   bits 172-176  decimals of the aggregator, 31: the source keeps IPriceFeed
#   bits 177-183  jump band [50 bps]
#   bits 184-197  borrow_ltv [bps]
#   bits 198-205  borrow_ltv - floor [50 bps]
#   bits 206-213  debt_weight - 1 [100 bps]
#   bits 214-221  highest leverage [5_000 bps]
#   bits 222-226  decimals of the token
#   bit  227      a level or a hold may be latched
#   bits 228-234  volatility slope [1_000 bps]
#   bits 235-242  volatility reference [10 bps]
#   bits 243-249  u: prices from 2**u are not valid
#   bits 250-255  r: prices below 2**(u - r) are not valid
rules: uint256[128]
LATCHED: constant(uint256) = 1 << 227

# What pokes store, two words by id: layout in price_words, made by price_history
checkpoints: uint256[128]
observations: uint256[128]

assets: address[128]
ids: HashMap[address, uint256]
count: uint256


@internal
@view
def _source_quote(rule: uint256) -> (uint256, uint256, uint256, uint256, uint256):
    """
    @dev low, price, high, updated_at and the feed's status; a price of 0 is not valid.
    """
    source: address = convert(rule & asset_config.SOURCE, address)
    feed_decimals: uint256 = (rule >> asset_config.FEED_DECIMALS_AT) & 31
    max_age: uint256 = unsafe_mul((rule >> asset_config.AGE_AT) & 4095, 60)
    low: uint256 = 0
    price: uint256 = 0
    high: uint256 = 0
    updated_at: uint256 = 0
    status: uint256 = 1
    if feed_decimals != asset_config.IS_FEED:
        price, updated_at = aggregator._read(source, feed_decimals, max_age)
        low = price
        high = price
    else:
        low, price, high, updated_at, status = aggregator._read_feed(source, aggregator.SOURCE_GAS)
        # updated_at is not in the future
        if status == 0 or unsafe_sub(block.timestamp, updated_at) > max_age:
            return 0, 0, 0, updated_at, 0
    upper: uint256 = (rule >> asset_config.UPPER_AT) & 127
    # the exponents are packed so that upper - range is not negative
    if low >> unsafe_sub(upper, rule >> asset_config.RANGE_AT) == 0 or high >> upper != 0:
        return 0, 0, 0, updated_at, 0
    return low, price, high, updated_at, status


@internal
@view
def _average(checkpoint: uint256) -> uint256:
    """
    @dev Prices are below 2**96 and x below 2**60: no product reaches 2**256. The last poke was
         not in the future.
    """
    spot: uint256 = checkpoint & MASK_96
    average: uint256 = (checkpoint >> price_words.AVERAGE_AT) & MASK_96
    elapsed: uint256 = unsafe_sub(block.timestamp, checkpoint >> price_words.TIME_AT)
    if elapsed == 0 or spot == average:
        return average
    x: uint256 = unsafe_div(unsafe_mul(min(elapsed, AVERAGE_TIME // 3), WAD), AVERAGE_TIME)
    square: uint256 = unsafe_div(unsafe_mul(x, x), WAD)
    weight: uint256 = unsafe_add(
        unsafe_sub(x, unsafe_div(square, 2)), unsafe_div(unsafe_mul(square, x), 6 * WAD)
    )
    if spot >= average:
        return unsafe_add(average, unsafe_div(unsafe_mul(unsafe_sub(spot, average), weight), WAD))
    return unsafe_sub(average, unsafe_div(unsafe_mul(unsafe_sub(average, spot), weight), WAD))


@internal
@view
def _read(id: uint256, rule: uint256) -> (uint256, uint256, uint256, uint256, uint256):
    """
    @dev low, price, high, average [WAD] and the state of asset `id`, packed since a loan reads it:
           bits   0-1    status
           bits   2-3    level, 3 is WIND-DOWN
           bit    4      at least two sources agree
           bits  64-95   volatility [1e-9]
           bits 128-255  updated_at [unix seconds]
    """
    checkpoint: uint256 = self.checkpoints[id]
    low: uint256 = 0
    price: uint256 = 0
    high: uint256 = 0
    updated_at: uint256 = 0
    feed_status: uint256 = 0
    low, price, high, updated_at, feed_status = self._source_quote(rule)
    average: uint256 = self._average(checkpoint)
    state: uint256 = checkpoint >> 128 & price_words.MASK_32 << 64 | updated_at << 128
    level: uint256 = 0
    if price == 0:
        # looked at last, so that it costs nobody else
        if rule & asset_config.SOURCE == 0 and checkpoint != 0:
            price = checkpoint & MASK_96
            low = price
            high = price
            level = 3
        else:
            state |= price_words.STALE
            level = 2
    elif feed_status == aggregator.FEED_DISPERSED:
        state |= price_words.DISPERSED
        level = 1
    elif price_words._is_jump(price, average, rule):
        state |= price_words.JUMP
        level = 1
    if feed_status == aggregator.FEED_AGREED:
        state |= AGREED
    if rule & LATCHED != 0:
        level = max(level, latch._level(self.assets[id]))
    return low, price, high, average, state | (level << 2)


@internal
@view
def _quote(id: uint256, rule: uint256) -> IRiskEngine.Quote:
    quote: IRiskEngine.Quote = empty(IRiskEngine.Quote)
    state: uint256 = 0
    quote.low, quote.price, quote.high, quote.average, state = self._read(id, rule)
    quote.status = state & 3
    quote.level = (state >> 2) & 3
    quote.volatility = self._volatility_of(state)
    quote.updated_at = state >> 128
    return quote


@internal
@pure
def _volatility_of(state: uint256) -> uint256:
    """
    @dev [WAD] out of what `_read` returns.
    """
    return unsafe_mul((state >> 64) & price_words.MASK_32, price_words.VOLATILITY_UNIT)


@internal
@view
def _liquidation_prices(
    id: uint256, rule: uint256, patience: uint256
) -> (uint256, uint256, uint256, bool):
    """
    @dev What a maintenance check may count asset `id` at: as collateral, as debt [WAD], its
         volatility [WAD], and whether there is a valid price. While spot is in an unconfirmed
         jump, whichever of spot and average favours the borrower; a jump is confirmed when two
         pokes saw it or two sources agree, and has lasted `patience` seconds. A spot away by more
         than the band from that of the last poke is one that no poke saw. Sources that disagree
         delay liquidation for WAIT_TIME a day, in which their jump is not confirmed; from then on
         they count as one source.
    """
    low: uint256 = 0
    price: uint256 = 0
    high: uint256 = 0
    average: uint256 = 0
    state: uint256 = 0
    low, price, high, average, state = self._read(id, rule)
    volatility: uint256 = self._volatility_of(state)
    status: uint256 = state & 3
    if status == price_words.VALID:
        return high, low, volatility, True
    seen: uint256 = self.observations[id]
    checkpoint: uint256 = self.checkpoints[id]
    if status == price_words.STALE:
        low, high = self._last(id)
        high = high * (price_words.FADE_TIME - price_words._faded(seen)) // price_words.FADE_TIME
        return high, low, volatility, False
    waits: bool = False
    if status == price_words.DISPERSED:
        waits = price_words._waited(seen, checkpoint) < price_words.WAIT_TIME
        if not waits:
            low = price
            high = price
    if not waits:
        up: bool = price > average
        since: uint256 = (seen >> price_words.JUMP_SINCE_AT) & price_words.MASK_32
        poked: bool = (
            since != 0
            and up == ((seen >> price_words.JUMP_IS_UP_AT) & 1 == 1)
            and block.timestamp
            <= unsafe_add(checkpoint >> price_words.TIME_AT, price_words.MAX_GAP)
            and not price_words._is_jump(price, checkpoint & MASK_96, rule)
        )
        confirmed: bool = state & AGREED != 0 or (
            poked and (seen >> price_words.CONFIRMED_AT) & 1 == 1
        )
        if patience != 0:
            confirmed = confirmed and poked and block.timestamp >= unsafe_add(since, patience)
        if confirmed:
            return high, low, volatility, True
    if not price_words._is_jump(price, average, rule):
        return high, low, volatility, True
    return max(high, average), min(low, average), volatility, True


@internal
@view
def _last(id: uint256) -> (uint256, uint256):
    """
    @dev The lower and the higher of spot and average as the last poke with a price stored them
         [WAD]: a print that one poke saw may have been wrong.
    """
    checkpoint: uint256 = self.checkpoints[id]
    spot: uint256 = checkpoint & MASK_96
    average: uint256 = (checkpoint >> price_words.AVERAGE_AT) & MASK_96
    return min(spot, average), max(spot, average)


@internal
def _begin(asset: address, id: uint256, rule: uint256):
    """
    @dev The first checkpoint: spot is its own average. Reverts without a valid price.
    """
    self.rules[id] = rule
    self.assets[id] = asset
    self.ids[asset] = id
    low: uint256 = 0
    price: uint256 = 0
    high: uint256 = 0
    updated_at: uint256 = 0
    status: uint256 = 0
    low, price, high, updated_at, status = self._source_quote(rule)
    if price == 0:
        legs._fail("price is not valid")
    if status == aggregator.FEED_DISPERSED:
        legs._fail("sources disagree")
    self.checkpoints[id] = (
        price | (price << price_words.AVERAGE_AT) | (block.timestamp << price_words.TIME_AT)
    )
    self.observations[id] = price | (block.timestamp << price_words.REFERENCE_TIME_AT)
