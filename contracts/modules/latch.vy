# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Levels that are latched until they expire
@license MIT
@notice For each key the expiry of CAUTION and of HALT, and the budget of what may be held.

        EXPIRY
        A latch ends by itself: nobody has to call anything. Both expiries are stored as given and
        may be lowered, since the breaker recomputes them from its sensors. None lies further
        ahead than MAX_LATCH.

        BUDGET
        A key is held until held_until, and for at most MAX_LATCHED in any WINDOW, whoever calls.
        What counts as held is the deployable's to say: what a person latched, and at a vault
        every halt but one that found it short. The held time is kept as at most 8 disjoint
        intervals, oldest first; only the last can still run.

        Let f(t) be the held time in (t - WINDOW, t]. Claim: f(t) <= MAX_LATCHED for every t. Only
        f(end of the last interval) is checked, because
        1. outside the intervals f does not rise, and inside one its slope is 1 or 0, so over
           each interval f is greatest at that interval's end;
        2. an edit moves only the end of the last interval, which is not before now, so f up to
           the start of that interval is what it was when it was checked;
        3. lowering the last end from e to e' leaves f(e') <= f(e): a lift never reverts;
        4. a dropped interval ended before now - WINDOW, and every later check looks at a window
           that begins at now - WINDOW or after.
        Windows that begin at an interval's start need no check of their own: each is some
        (t - WINDOW, t].
"""

from contracts.modules import legs

MAX_LATCH: constant(uint256) = 7 * 86_400  # [s]
MAX_LATCHED: constant(uint256) = 7 * 86_400  # [s]
WINDOW: constant(uint256) = 30 * 86_400  # [s]
MAX_INTERVALS: constant(uint256) = 8
MASK: constant(uint256) = 2**64 - 1


# bits 0-63 caution_until, 64-127 halt_until, 128-191 held_until [unix seconds]
_expiries: HashMap[address, uint256]
# bits 0-63 end, 64-127 start [unix seconds]; start < end
_holds: HashMap[address, DynArray[uint256, MAX_INTERVALS]]


@internal
def _set(key: address, caution_until: uint256, halt_until: uint256, held_until: uint256):
    """
    @dev Replaces the expiries of `key`; those in the past mean none.
    @param caution_until [unix seconds] end of CAUTION
    @param halt_until [unix seconds] end of HALT
    @param held_until [unix seconds] end of what counts against the budget
    """
    if max(max(caution_until, halt_until), held_until) > block.timestamp + MAX_LATCH:
        legs._fail("latch is too long")

    self._expiries[key] = caution_until | halt_until << 64 | held_until << 128
    self._hold(key, held_until)


@internal
def _hold(key: address, end: uint256):
    """
    @dev Makes the last interval of `key` run from its start, or from now, to `end`.
    """
    holds: DynArray[uint256, MAX_INTERVALS] = self._holds[key]
    running: bool = False
    if len(holds) != 0:
        # one that ends now is continued, not followed
        running = holds[len(holds) - 1] & MASK >= block.timestamp

    if end <= block.timestamp:
        if running:
            start: uint256 = holds.pop() >> 64
            if start < block.timestamp:
                holds.append(start << 64 | block.timestamp)
            self._holds[key] = holds
        return

    if running:
        start: uint256 = holds.pop() >> 64
        holds.append(start << 64 | end)
    else:
        kept: DynArray[uint256, MAX_INTERVALS] = []
        for hold: uint256 in holds:
            if (hold & MASK) + WINDOW >= block.timestamp:
                kept.append(hold)
        if len(kept) >= MAX_INTERVALS:
            legs._fail("latch budget is spent")
        kept.append(block.timestamp << 64 | end)
        holds = kept

    held: uint256 = 0
    for hold: uint256 in holds:
        start: uint256 = max((hold >> 64) + WINDOW, end) - WINDOW
        held += max(hold & MASK, start) - start
    if held > MAX_LATCHED:
        legs._fail("latch budget is spent")
    self._holds[key] = holds


@view
@internal
def _level(key: address) -> uint256:
    """
    @dev 2 (HALT) before halt_until, else 1 (CAUTION) before caution_until, else 0.
    """
    expiries: uint256 = self._expiries[key]
    if block.timestamp < expiries >> 64 & MASK:
        return 2
    if block.timestamp < expiries & MASK:
        return 1
    return 0


@view
@internal
def _until(key: address) -> (uint256, uint256):
    """
    @dev caution_until and halt_until as they were set [unix seconds].
    """
    expiries: uint256 = self._expiries[key]
    return expiries & MASK, expiries >> 64 & MASK


@view
@internal
def _held_until(key: address) -> uint256:
    """
    @dev End of what counts against the budget, as it was set [unix seconds].
    """
    return self._expiries[key] >> 128
