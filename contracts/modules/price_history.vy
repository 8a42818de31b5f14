# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Price history
@license MIT
@notice What a poke makes of a quote and of the two words that the last one stored.
@dev    Part of the `CircuitBreaker`, which reads both from the `RiskEngine` and hands the new words
        to it. Layout of the words: `price_words`. Formulae: docs/specification.md, Prices.

        VOLATILITY
          Daily, from squared returns between samples at least SAMPLE_TIME apart, averaged with
          weight x/(1 + x), x = elapsed / VOLATILITY_TIME.
"""

from contracts.interfaces import IRiskEngine
from contracts.modules import price_words

WAD: constant(uint256) = 10**18

SAMPLE_TIME: constant(uint256) = 600  # [s]
VOLATILITY_TIME: constant(uint256) = 31_163  # [s] half-life 6 hours
CONFIRM_TIME: constant(uint256) = 60  # [s] between two pokes that saw the same jump
MAX_VOLATILITY: constant(uint256) = 2**32 - 1

MASK_17: constant(uint256) = 2**17 - 1
MASK_96: constant(uint256) = 2**96 - 1


@view
@internal
def _poked(
    quote: IRiskEngine.Quote, rule: uint256, checkpoint: uint256, seen: uint256
) -> (uint256, uint256, uint256):
    """
    @dev The next checkpoint and observation, and the volatility [WAD] before it is cut to its
         unit. Without a valid price the checkpoint stands.
    """
    if quote.status == price_words.STALE:
        return (
            checkpoint,
            (
                seen
                & ~(
                    (price_words.MASK_32 << price_words.SILENCE_AT)
                    | (MASK_17 << price_words.FADED_AT)
                )
            )
            | (block.timestamp << price_words.SILENCE_AT)
            | (price_words._faded(seen) << price_words.FADED_AT),
            quote.volatility,
        )

    volatility: uint256 = quote.volatility
    reference: uint256 = seen & MASK_96
    reference_time: uint256 = (seen >> price_words.REFERENCE_TIME_AT) & price_words.MASK_32
    # no stored time is in the future, and all are below 2**32
    elapsed: uint256 = unsafe_sub(block.timestamp, reference_time)
    if elapsed >= SAMPLE_TIME:
        volatility = self._volatility(quote, reference, elapsed)
        reference = quote.price
        reference_time = block.timestamp

    jump_since: uint256 = 0
    flags: uint256 = 0
    # sources that disagree end no row: whoever makes them would end the patience of a loss
    if price_words._is_jump(quote.price, quote.average, rule):
        up: uint256 = 1 if quote.price > quote.average else 0
        jump_since = (seen >> price_words.JUMP_SINCE_AT) & price_words.MASK_32
        confirmed: uint256 = (seen >> price_words.CONFIRMED_AT) & 1
        if jump_since == 0 or up != (seen >> price_words.JUMP_IS_UP_AT) & 1:
            jump_since = block.timestamp
            confirmed = 0
        elif block.timestamp > unsafe_add(
            checkpoint >> price_words.TIME_AT, price_words.MAX_GAP
        ) or price_words._is_jump(quote.price, checkpoint & MASK_96, rule):
            # nobody looked in between, or it went on by a whole band: it may be another one
            jump_since = block.timestamp
            confirmed = 0
        elif block.timestamp >= unsafe_add(jump_since, CONFIRM_TIME):
            confirmed = 1
        flags = (up << price_words.JUMP_IS_UP_AT) | (confirmed << price_words.CONFIRMED_AT)

    waited: uint256 = price_words._waited(seen, checkpoint)
    last_wait: uint256 = (seen >> price_words.LAST_WAIT_AT) & price_words.MASK_32
    if quote.status == price_words.DISPERSED or (seen >> price_words.DISPERSED_AT) & 1 == 1:
        last_wait = block.timestamp
    if quote.status == price_words.DISPERSED:
        flags |= 1 << price_words.DISPERSED_AT

    return (
        quote.price
        | (quote.average << price_words.AVERAGE_AT)
        | (volatility // price_words.VOLATILITY_UNIT << price_words.VOLATILITY_AT)
        | (block.timestamp << price_words.TIME_AT),
        reference
        | (reference_time << price_words.REFERENCE_TIME_AT)
        | (jump_since << price_words.JUMP_SINCE_AT)
        | (last_wait << price_words.LAST_WAIT_AT)
        | (waited << price_words.WAITED_AT)
        | flags,
        volatility,
    )


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
        unsafe_mul(unsafe_div(unsafe_mul(change, change), WAD), price_words.DAY), elapsed
    )
    weight: uint256 = unsafe_div(unsafe_mul(elapsed, WAD), unsafe_add(elapsed, VOLATILITY_TIME))
    variance = unsafe_div(
        unsafe_add(unsafe_mul(variance, unsafe_sub(WAD, weight)), unsafe_mul(sample, weight)),
        WAD,
    )
    return min(isqrt(unsafe_mul(variance, WAD)), MAX_VOLATILITY * price_words.VOLATILITY_UNIT)


@internal
@view
def _settled(checkpoint: uint256, price: uint256) -> uint256:
    """
    @dev The checkpoint of an asset that is wound down: spot and average are its settlement price.
    """
    return (
        price
        | price << price_words.AVERAGE_AT
        | checkpoint & price_words.MASK_32 << price_words.VOLATILITY_AT
        | block.timestamp << price_words.TIME_AT
    )
