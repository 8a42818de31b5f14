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
        VOLATILITY
          Daily, from squared returns between samples at least SAMPLE_TIME apart, averaged with
          weight x/(1 + x), x = elapsed / VOLATILITY_TIME.
        STATUS
          0 VALID, 1 JUMP (spot away from its average by more than the band), 2 DISPERSED (the
          feed's sources disagree), 3 STALE (no valid price).
"""

from contracts.interfaces import IRiskEngine
from contracts.modules import aggregator
from contracts.modules import latch

uses: latch

WAD: constant(uint256) = 10**18
BPS: constant(uint256) = 10_000
DAY: constant(uint256) = 86_400

VALID: constant(uint256) = 0
JUMP: constant(uint256) = 1
DISPERSED: constant(uint256) = 2
STALE: constant(uint256) = 3
AGREED: constant(uint256) = 16  # see `_read`
FEED_AGREED: constant(uint256) = 2  # see IPriceFeed
FEED_DISPERSED: constant(uint256) = 3

AVERAGE_TIME: constant(uint256) = 2_700  # [s] half-life 31 minutes
SAMPLE_TIME: constant(uint256) = 600  # [s]
VOLATILITY_TIME: constant(uint256) = 31_163  # [s] half-life 6 hours
CONFIRM_TIME: constant(uint256) = 60  # [s] between two pokes that saw the same jump
WAIT_TIME: constant(uint256) = 1_800  # [s] dispersion delays liquidation this long in a day
FADE_TIME: constant(uint256) = 86_400  # [s] seen without a price until a value of zero
MAX_GAP: constant(uint256) = 3_600  # [s] between two pokes for which what both saw is believed

VOLATILITY_UNIT: constant(uint256) = 10**9
MAX_VOLATILITY: constant(uint256) = 2**32 - 1

MASK_17: constant(uint256) = 2**17 - 1
MASK_32: constant(uint256) = 2**32 - 1
MASK_96: constant(uint256) = 2**96 - 1
IS_FEED: constant(uint256) = 31


# Rules of an asset, one word by id:
#   bits   0-159  source
#   bits 160-171  highest age [minutes]
#   bits 172-176  decimals of the aggregator, 31: the source keeps IPriceFeed
#   bits 177-183  jump band [50 bps]
#   bits 184-197  borrow_ltv [bps]
#   bits 198-205  borrow_ltv - floor [50 bps]
#   bits 206-213  debt_weight - 1 [100 bps]
#   bits 214-221  highest leverage [5_000 bps]
#   bits 222-226  decimals of the token
#   bit  227      a level may be latched
#   bits 228-234  volatility slope [1_000 bps]
#   bits 235-242  volatility reference [10 bps]
#   bits 243-249  u: prices from 2**u are not valid
#   bits 250-255  r: prices below 2**(u - r) are not valid
rules: uint256[128]
LATCHED: constant(uint256) = 1 << 227

# Checkpoint, one word by id: spot 96 | average 96 | volatility 32 [1e-9] | time 32
checkpoints: uint256[128]

# What only `poke` touches, one word by id:
#   bits   0-95   reference price of the volatility sample
#   bits  96-127  its time
#   bits 128-159  since when pokes, none MAX_GAP after the one before, have seen a jump
#   bits 160-191  when a poke last saw no price; 0: the last poke saw one
#   bits 192-223  when dispersed sources last delayed anything
#   bits 224-235  seconds waited since a day went by without
#   bit  236      the jump is upwards
#   bit  237      the jump was seen twice, CONFIRM_TIME apart
#   bit  238      the last poke saw dispersed sources
#   bits 239-255  seconds without a price that pokes have seen, at most FADE_TIME
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
    source: address = convert(rule & (2**160 - 1), address)
    feed_decimals: uint256 = (rule >> 172) & 31
    max_age: uint256 = unsafe_mul((rule >> 160) & 4095, 60)
    low: uint256 = 0
    price: uint256 = 0
    high: uint256 = 0
    updated_at: uint256 = 0
    status: uint256 = 1
    if feed_decimals != IS_FEED:
        price, updated_at = aggregator._read(source, feed_decimals, max_age)
        low = price
        high = price
    else:
        low, price, high, updated_at, status = aggregator._read_feed(source, aggregator.SOURCE_GAS)
        # updated_at is not in the future
        if status == 0 or unsafe_sub(block.timestamp, updated_at) > max_age:
            return 0, 0, 0, updated_at, 0
    upper: uint256 = (rule >> 243) & 127
    # the exponents are packed so that upper - range is not negative
    if low >> unsafe_sub(upper, rule >> 250) == 0 or high >> upper != 0:
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
    average: uint256 = (checkpoint >> 96) & MASK_96
    elapsed: uint256 = unsafe_sub(block.timestamp, checkpoint >> 224)
    if elapsed == 0 or spot == average:
        return average
    x: uint256 = min(elapsed, AVERAGE_TIME // 3) * WAD // AVERAGE_TIME
    square: uint256 = unsafe_div(unsafe_mul(x, x), WAD)
    weight: uint256 = unsafe_add(
        unsafe_sub(x, square // 2), unsafe_div(unsafe_mul(square, x), 6 * WAD)
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
           bits   2-3    level
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
    state: uint256 = (((checkpoint >> 192) & MASK_32) << 64) | (updated_at << 128)
    level: uint256 = 0
    if price == 0:
        state |= STALE
        level = 2
    elif feed_status == FEED_DISPERSED:
        state |= DISPERSED
        level = 1
    elif self._is_jump(price, average, rule):
        state |= JUMP
        level = 1
    if feed_status == FEED_AGREED:
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
    return unsafe_mul((state >> 64) & MASK_32, VOLATILITY_UNIT)


@internal
@pure
def _is_jump(price: uint256, average: uint256, rule: uint256) -> bool:
    # prices below 2**128, band below 2**14
    gap: uint256 = unsafe_sub(max(price, average), min(price, average))
    return unsafe_mul(gap, BPS) > unsafe_mul(average, unsafe_mul((rule >> 177) & 127, 50))


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
         delay liquidation for WAIT_TIME a day.
    """
    low: uint256 = 0
    price: uint256 = 0
    high: uint256 = 0
    average: uint256 = 0
    state: uint256 = 0
    low, price, high, average, state = self._read(id, rule)
    volatility: uint256 = self._volatility_of(state)
    status: uint256 = state & 3
    if status == VALID:
        return high, low, volatility, True
    seen: uint256 = self.observations[id]
    checkpoint: uint256 = self.checkpoints[id]
    if status == JUMP:
        up: bool = price > average
        since: uint256 = (seen >> 128) & MASK_32
        poked: bool = (
            since != 0
            and up == ((seen >> 236) & 1 == 1)
            and block.timestamp <= unsafe_add(checkpoint >> 224, MAX_GAP)
            and not self._is_jump(price, checkpoint & MASK_96, rule)
        )
        confirmed: bool = state & AGREED != 0 or (poked and (seen >> 237) & 1 == 1)
        if patience != 0:
            confirmed = confirmed and poked and block.timestamp >= unsafe_add(since, patience)
        if confirmed:
            return high, low, volatility, True
        return max(high, average), min(low, average), volatility, True
    if status == DISPERSED:
        if self._waited(seen, checkpoint) >= WAIT_TIME:
            return price, price, volatility, True
        return high, low, volatility, True
    low, high = self._last(id)
    return high * (FADE_TIME - self._faded(seen)) // FADE_TIME, low, volatility, False


@internal
@view
def _last(id: uint256) -> (uint256, uint256):
    """
    @dev The lower and the higher of spot and average as the last poke with a price stored them
         [WAD]: a print that one poke saw may have been wrong.
    """
    checkpoint: uint256 = self.checkpoints[id]
    spot: uint256 = checkpoint & MASK_96
    average: uint256 = (checkpoint >> 96) & MASK_96
    return min(spot, average), max(spot, average)


@internal
@view
def _faded(seen: uint256) -> uint256:
    """
    @dev Seconds without a price, at most FADE_TIME: those that pokes have seen, and since the last
         of them at most MAX_GAP, so that an outage which ended unseen counts for no more.
    """
    last: uint256 = (seen >> 160) & MASK_32
    if last == 0:
        return 0
    return min(unsafe_add(seen >> 239, min(unsafe_sub(block.timestamp, last), MAX_GAP)), FADE_TIME)


@internal
@view
def _waited(seen: uint256, checkpoint: uint256) -> uint256:
    """
    @dev Seconds for which dispersed sources have delayed liquidations, at most WAIT_TIME, since a
         whole day went by without: so that no 24 hours hold more. The time since a poke that saw
         them disagree counts, whatever they did since.
    """
    waited: uint256 = (seen >> 224) & 4095
    if (seen >> 238) & 1 == 1:
        return min(unsafe_add(waited, unsafe_sub(block.timestamp, checkpoint >> 224)), WAIT_TIME)
    if block.timestamp >= unsafe_add((seen >> 192) & MASK_32, DAY):
        return 0
    return waited


@internal
def _poke(id: uint256) -> IRiskEngine.Quote:
    """
    @dev Writes checkpoint and observation. Without a valid price the checkpoint stands.
    """
    rule: uint256 = self.rules[id]
    checkpoint: uint256 = self.checkpoints[id]
    seen: uint256 = self.observations[id]
    quote: IRiskEngine.Quote = self._quote(id, rule)
    if quote.status == STALE:
        self.observations[id] = (
            (seen & ~((MASK_32 << 160) | (MASK_17 << 239)))
            | (block.timestamp << 160)
            | (self._faded(seen) << 239)
        )
        return quote

    reference: uint256 = seen & MASK_96
    reference_time: uint256 = (seen >> 96) & MASK_32
    # no stored time is in the future, and all are below 2**32
    elapsed: uint256 = unsafe_sub(block.timestamp, reference_time)
    if elapsed >= SAMPLE_TIME:
        quote.volatility = self._volatility(quote, reference, elapsed)
        reference = quote.price
        reference_time = block.timestamp

    jump_since: uint256 = 0
    flags: uint256 = 0
    if quote.status == JUMP:
        up: uint256 = 1 if quote.price > quote.average else 0
        jump_since = (seen >> 128) & MASK_32
        confirmed: uint256 = (seen >> 237) & 1
        if jump_since == 0 or up != (seen >> 236) & 1:
            jump_since = block.timestamp
            confirmed = 0
        elif block.timestamp > unsafe_add(checkpoint >> 224, MAX_GAP) or self._is_jump(
            quote.price, checkpoint & MASK_96, rule
        ):
            # nobody looked in between, or it went on by a whole band: it may be another one
            jump_since = block.timestamp
            confirmed = 0
        elif block.timestamp >= unsafe_add(jump_since, CONFIRM_TIME):
            confirmed = 1
        flags = (up << 236) | (confirmed << 237)

    waited: uint256 = self._waited(seen, checkpoint)
    last_wait: uint256 = (seen >> 192) & MASK_32
    if quote.status == DISPERSED or (seen >> 238) & 1 == 1:
        last_wait = block.timestamp
    if quote.status == DISPERSED:
        flags |= 1 << 238

    self.checkpoints[id] = (
        quote.price
        | (quote.average << 96)
        | (quote.volatility // VOLATILITY_UNIT << 192)
        | (block.timestamp << 224)
    )
    self.observations[id] = (
        reference
        | (reference_time << 96)
        | (jump_since << 128)
        | (last_wait << 192)
        | (waited << 224)
        | flags
    )
    return quote


@internal
@pure
def _volatility(quote: IRiskEngine.Quote, reference: uint256, elapsed: uint256) -> uint256:
    """
    @dev Daily volatility [WAD] after one more sample. Saturates at 429 %. Unsafe: prices are
         below 2**96, the clipped change and the volatility below 2**67, times below 2**32.
    """
    gap: uint256 = unsafe_sub(max(quote.price, reference), min(quote.price, reference))
    change: uint256 = min(unsafe_div(unsafe_mul(gap, WAD), reference), 100 * WAD)
    variance: uint256 = unsafe_div(unsafe_mul(quote.volatility, quote.volatility), WAD)
    sample: uint256 = unsafe_div(
        unsafe_mul(unsafe_div(unsafe_mul(change, change), WAD), DAY), elapsed
    )
    weight: uint256 = unsafe_div(unsafe_mul(elapsed, WAD), unsafe_add(elapsed, VOLATILITY_TIME))
    variance = unsafe_div(
        unsafe_add(unsafe_mul(variance, unsafe_sub(WAD, weight)), unsafe_mul(sample, weight)),
        WAD,
    )
    return min(isqrt(unsafe_mul(variance, WAD)), MAX_VOLATILITY * VOLATILITY_UNIT)


@internal
def _begin(asset: address, id: uint256, rule: uint256):
    """
    @dev The first checkpoint: spot is its own average. Reverts without a valid price.
    """
    low: uint256 = 0
    price: uint256 = 0
    high: uint256 = 0
    updated_at: uint256 = 0
    status: uint256 = 0
    low, price, high, updated_at, status = self._source_quote(rule)
    assert price != 0, "price is not valid"
    assert status != FEED_DISPERSED, "sources disagree"
    self.rules[id] = rule
    self.assets[id] = asset
    self.ids[asset] = id
    self.checkpoints[id] = price | (price << 96) | (block.timestamp << 224)
    self.observations[id] = price | (block.timestamp << 96)


@internal
def _set_level(asset: address, caution_until: uint256, halt_until: uint256, held_until: uint256):
    latch._set(asset, caution_until, halt_until, held_until)
    id: uint256 = self.ids[asset]
    rule: uint256 = self.rules[id] & ~LATCHED
    if max(caution_until, halt_until) > block.timestamp:
        rule |= LATCHED
    self.rules[id] = rule
