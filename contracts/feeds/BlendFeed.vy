# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Blend feed
@license MIT
@notice From the old source of an asset to its new one in a straight line over 24 hours: nobody
        becomes liquidatable because a feed was replaced.

        QUOTE
        Prices are apart by (higher - lower) / lower. w goes from 0 to 1 in BLEND_TIME.
        old      new                       price             low, high              status
        valid    valid, within the band    old·(1-w)+new·w   their lines            see below
        valid    valid, apart; or INVALID  old               old's                  DISPERSED; old's
        INVALID  valid, within the band    new               new's                  new's
                 of the last average
        INVALID  anything else             INVALID, with zeros
        The line of low goes from the old low to the new low, and so on. Agreeing prices are AGREED
        where both are, DISPERSED where one is, else SINGLE, and from w = 1 on just the new quote.
        Where the old source is dead, its last prices stand for it, whatever the new ones are, and
        low and high are the outermost of the lines and of the new. The last average is what the
        last poke stored.

        WHY
        - While the old source lives, the new one can only say what the old one says: a lie stops
          new risk in the asset, and moves no price. Nor does the call that begins: what the new one
          says beyond the line is within the band, and counts bit by bit for liquidations and for
          new risk alike.
        - Nobody becomes liquidatable by the call that ends: it waits while the price is beyond the
          band from its average. Else sources that agree would confirm at once the jump that the
          two here did not.
        - A source that has been dead for a day is replaced from its last prices: low and high are
          those of the checkpoint, which liquidations have counted at. The new one, which agreed
          with the last average or with a second source, is believed for new risk at once.

        ROUNDING
        Down.

        LIVENESS
        See `gas_limit`.

        ROLES
        None: nothing can be changed. Made by the `Configurator`, out of a blueprint.
"""

from contracts.interfaces import IPriceFeed
from contracts.interfaces import IRiskEngine

implements: IPriceFeed


# Stateless.
from contracts.modules import aggregator
from contracts.modules import asset_config
from contracts.modules import price_words


# See `IPriceFeed.quote`; zeros when not valid.
struct Quote:
    low: uint256
    price: uint256
    high: uint256
    updated_at: uint256
    status: uint256


BPS: constant(uint256) = 10_000
BLEND_TIME: constant(uint256) = 86_400  # [s]
MASK_96: constant(uint256) = 2**96 - 1
WORDS_GAS: constant(uint256) = 20_000  # of the call to the risk engine
OWN_GAS: constant(uint256) = 8_000  # without calls

# Whose quote it is
OLD_ALONE: constant(uint256) = 1
BOTH: constant(uint256) = 2
NEW_ALONE: constant(uint256) = 3

RISK_ENGINE: immutable(address)
ASSET: immutable(address)
# Sources, packed as the lower 177 bits of `price_oracle.rules`: source, highest age, decimals
OLD: public(immutable(uint256))
NEW: public(immutable(uint256))
BAND: public(immutable(uint256))  # [BPS]
START: public(immutable(uint256))  # [unix seconds]
# The last prices of a source that was dead from the start [WAD]; 0: it lived
LOWER: immutable(uint256)
AVERAGE: public(immutable(uint256))
HIGHER: immutable(uint256)
OLD_GAS: immutable(uint256)
NEW_GAS: immutable(uint256)
GAS_LIMIT: immutable(uint256)


@deploy
def __init__(
    risk_engine: address, asset: address, old: uint256, new: uint256, band: uint256, second: address
):
    """
    @param risk_engine Has listed `asset`.
    @param old The source it has, packed.
    @param new The source it gets, packed.
    @param band [BPS] which both may be apart.
    @param second zero where the old one lives. Else it has been dead for a day: the new one must
           agree with the last average, or with `second`, a feed; the risk engine stands for none.
    """
    RISK_ENGINE = risk_engine
    ASSET = asset
    OLD = old
    NEW = new
    BAND = band
    START = block.timestamp
    old_gas: uint256 = 0
    if second == empty(address):
        # a dead one is not read, and need not tell: it may be another blend
        old_gas = self._gas_of(old)
    OLD_GAS = old_gas
    NEW_GAS = self._gas_of(new)
    GAS_LIMIT = (
        OLD_GAS + WORDS_GAS + 2 * aggregator.CALL_GAS + aggregator._need(NEW_GAS) + OWN_GAS
    )
    fresh: Quote = self._read(new, NEW_GAS)
    assert fresh.price != 0, "source is not valid"
    assert fresh.status != aggregator.FEED_DISPERSED, "sources disagree"
    spot: uint256 = 0
    average: uint256 = 0
    if second == empty(address):
        other: uint256 = self._read(old, OLD_GAS).price
        assert other != 0, "source is not dead for a day"
        assert self._agree(fresh.price, other, band), "source is apart from the old"
    else:
        spot, average = self._last(risk_engine, asset)
        agrees: bool = self._agree(fresh.price, average, band)
        if not agrees and second != risk_engine:
            other: uint256 = aggregator._read_feed(second)[1]
            agrees = other != 0 and self._agree(fresh.price, other, band)
        assert agrees, "source is apart from the last"
    LOWER = min(spot, average)
    AVERAGE = average
    HIGHER = max(spot, average)


@view
@external
@reentrant
def quote() -> (uint256, uint256, uint256, uint256, uint256):
    """
    @notice See `IPriceFeed.quote`.
    """
    quote: Quote = empty(Quote)
    side: uint256 = 0
    quote, side = self._quote()
    return quote.low, quote.price, quote.high, quote.updated_at, quote.status


@view
@external
@reentrant
def is_over() -> bool:
    """
    @notice Whether the new source may stand alone: BLEND_TIME is over, the quote is its quote, and
            no jump.
    """
    return (
        block.timestamp - START >= BLEND_TIME and self._quote()[1] == NEW_ALONE and self._is_calm()
    )


@view
@external
@reentrant
def is_refused() -> bool:
    """
    @notice Whether the old source may stand alone again: the quote is its quote, as the new one is
            apart from it, or not valid, and is no jump.
    """
    return self._quote()[1] == OLD_ALONE and self._is_calm()


@view
@external
@reentrant
def gas_limit() -> uint256:
    """
    @notice See `IPriceFeed.gas_limit`. Above what a feed upon feeds may ask for: no feed stands on
            this one.
    """
    return GAS_LIMIT


@view
@internal
def _quote() -> (Quote, uint256):
    """
    @dev And whose it is.
    """
    new: Quote = self._read(NEW, NEW_GAS)
    elapsed: uint256 = block.timestamp - START
    old: Quote = empty(Quote)
    if AVERAGE != 0:
        if new.price == 0:
            return empty(Quote), 0
        old = Quote(
            low=LOWER, price=AVERAGE, high=HIGHER, updated_at=new.updated_at, status=new.status
        )
    else:
        old = self._read(OLD, OLD_GAS)
        if old.price == 0:
            if new.price != 0 and self._agree(new.price, self._last(RISK_ENGINE, ASSET)[1], BAND):
                return new, NEW_ALONE
            return empty(Quote), 0
        if new.price == 0:
            return old, OLD_ALONE
        if not self._agree(old.price, new.price, BAND):
            old.status = aggregator.FEED_DISPERSED
            return old, OLD_ALONE
    if elapsed >= BLEND_TIME:
        return new, NEW_ALONE

    status: uint256 = aggregator.FEED_SINGLE
    if old.status == aggregator.FEED_DISPERSED or new.status == aggregator.FEED_DISPERSED:
        status = aggregator.FEED_DISPERSED
    elif old.status == aggregator.FEED_AGREED and new.status == aggregator.FEED_AGREED:
        status = aggregator.FEED_AGREED
    line: Quote = Quote(
        low=self._between(old.low, new.low, elapsed),
        price=self._between(old.price, new.price, elapsed),
        high=self._between(old.high, new.high, elapsed),
        updated_at=min(old.updated_at, new.updated_at),
        status=status,
    )
    if AVERAGE != 0:
        # no band holds these together
        line.low = min(line.low, new.low)
        line.high = max(line.high, new.high)
    return line, BOTH


@view
@internal
def _is_calm() -> bool:
    """
    @dev Whether the asset's price is within the band of its average, or there is none.
    """
    quote: IRiskEngine.Quote = staticcall IRiskEngine(RISK_ENGINE).quote(ASSET)
    return quote.price == 0 or self._agree(quote.price, quote.average, BAND)


@pure
@internal
def _between(old: uint256, new: uint256, elapsed: uint256) -> uint256:
    """
    @dev Prices are below 2**128.
    """
    return (old * (BLEND_TIME - elapsed) + new * elapsed) // BLEND_TIME


@view
@internal
def _read(source: uint256, gas_limit: uint256) -> Quote:
    """
    @dev The quote of a packed source, zeros when not valid.
    """
    target: address = convert(source & asset_config.SOURCE, address)
    max_age: uint256 = ((source >> asset_config.AGE_AT) & 4_095) * 60
    found: Quote = empty(Quote)
    if (source >> asset_config.FEED_DECIMALS_AT) & 31 != asset_config.IS_FEED:
        found.price, found.updated_at = aggregator._read(
            target, (source >> asset_config.FEED_DECIMALS_AT) & 31, max_age
        )
        found.low = found.price
        found.high = found.price
        found.status = aggregator.FEED_SINGLE if found.price != 0 else aggregator.FEED_INVALID
        return found
    found.low, found.price, found.high, found.updated_at, found.status = aggregator._read_feed(
        target, gas_limit
    )
    if block.timestamp - found.updated_at > max_age:
        return empty(Quote)
    return found


@view
@internal
def _gas_of(source: uint256) -> uint256:
    if (source >> asset_config.FEED_DECIMALS_AT) & 31 != asset_config.IS_FEED:
        return aggregator.AGGREGATOR_GAS
    return aggregator._gas_of(convert(source & asset_config.SOURCE, address))


@view
@internal
def _last(risk_engine: address, asset: address) -> (uint256, uint256):
    """
    @dev Spot and average as the last poke with a price stored them [WAD].
    """
    rule: uint256 = 0
    term: uint256 = 0
    checkpoint: uint256 = 0
    observation: uint256 = 0
    rule, term, checkpoint, observation = staticcall IRiskEngine(risk_engine).words_of(asset)
    return checkpoint & MASK_96, (checkpoint >> price_words.AVERAGE_AT) & MASK_96


@pure
@internal
def _agree(price: uint256, other: uint256, band: uint256) -> bool:
    """
    @dev True if the prices are apart by at most the band. Both are below 2**128.
    """
    lower: uint256 = min(price, other)
    return (max(price, other) - lower) * BPS <= lower * band
