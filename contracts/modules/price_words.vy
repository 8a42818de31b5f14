# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Price words
@license MIT
@notice What a poke stores of an asset's price, and what follows from it and the time alone: for
        `price_oracle`, which reads it, and `price_history`, which makes the next.

        Checkpoint, one word by id: spot 96 | average 96 | volatility 32 [1e-9] | time 32

        Observation, what only a poke touches, one word by id:
          bits   0-95   reference price of the volatility sample
          bits  96-127  its time
          bits 128-159  since when pokes, none MAX_GAP after the one before, have seen a jump
          bits 160-191  when a poke last saw no price; 0: the last poke saw one
          bits 192-223  when dispersed sources last delayed anything
          bits 224-235  seconds waited since a day went by without
          bit  236      the jump is upwards
          bit  237      the jump was seen twice, CONFIRM_TIME apart
          bit  238      the last poke saw dispersed sources
          bits 239-255  seconds without a price that pokes have seen, at most FADE_TIME
"""

from contracts.modules import asset_config

BPS: constant(uint256) = 10_000
DAY: constant(uint256) = 86_400

# Status of a price
VALID: constant(uint256) = 0
JUMP: constant(uint256) = 1
DISPERSED: constant(uint256) = 2
STALE: constant(uint256) = 3

WAIT_TIME: constant(uint256) = 1_800  # [s] dispersion delays liquidation this long in a day
FADE_TIME: constant(uint256) = 86_400  # [s] seen without a price until a value of zero
MAX_GAP: constant(uint256) = 3_600  # [s] between two pokes for which what both saw is believed

VOLATILITY_UNIT: constant(uint256) = 10**9

# First bits of the parts of a checkpoint
AVERAGE_AT: constant(uint256) = 96
VOLATILITY_AT: constant(uint256) = 192
TIME_AT: constant(uint256) = 224

# and of an observation
REFERENCE_TIME_AT: constant(uint256) = 96
JUMP_SINCE_AT: constant(uint256) = 128
SILENCE_AT: constant(uint256) = 160
LAST_WAIT_AT: constant(uint256) = 192
WAITED_AT: constant(uint256) = 224
JUMP_IS_UP_AT: constant(uint256) = 236
CONFIRMED_AT: constant(uint256) = 237
DISPERSED_AT: constant(uint256) = 238
FADED_AT: constant(uint256) = 239

MASK_32: constant(uint256) = 2**32 - 1


@internal
@pure
def _is_jump(price: uint256, average: uint256, rule: uint256) -> bool:
    # prices below 2**128, band below 2**14
    gap: uint256 = unsafe_sub(price, average)
    if price < average:
        gap = unsafe_sub(average, price)
    return unsafe_mul(gap, BPS) > unsafe_mul(
        average, unsafe_mul((rule >> asset_config.BAND_AT) & 127, 50)
    )


@internal
@view
def _faded(seen: uint256) -> uint256:
    """
    @dev Seconds without a price, at most FADE_TIME: those that pokes have seen, and since the last
         of them at most MAX_GAP, so that an outage which ended unseen counts for no more.
    """
    last: uint256 = (seen >> SILENCE_AT) & MASK_32
    if last == 0:
        return 0
    return min(
        unsafe_add(seen >> FADED_AT, min(unsafe_sub(block.timestamp, last), MAX_GAP)), FADE_TIME
    )


@internal
@view
def _waited(seen: uint256, checkpoint: uint256) -> uint256:
    """
    @dev Seconds for which dispersed sources have delayed liquidations, at most WAIT_TIME, since a
         whole day went by without: so that no 24 hours hold more. The time since a poke that saw
         them disagree counts, whatever they did since.
    """
    waited: uint256 = (seen >> WAITED_AT) & 4095
    if (seen >> DISPERSED_AT) & 1 == 1:
        return min(
            unsafe_add(waited, unsafe_sub(block.timestamp, checkpoint >> TIME_AT)), WAIT_TIME
        )
    if block.timestamp >= unsafe_add((seen >> LAST_WAIT_AT) & MASK_32, DAY):
        return 0
    return waited
