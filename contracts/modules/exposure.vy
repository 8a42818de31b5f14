# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Exposure
@license MIT
@notice How much of a collateral is held for all accounts, how fast that may grow, and how much of
        it liquidations may seize: one word, the book of the collateral.
@dev    WORD
          bits   0-111  total held for accounts [token units]
          bits 112-118  id
          bit  119      ended: wound down, no more of it comes into any account
          bits 120-143  cap [token units], see `compact`
          bit  144      takes a fee on transfer
          bits 145-151  growth: what a day may add [percent of the cap]; 0: no limit
          bits 152-175  what the total may reach today [token units], see `compact`
          bits 176-191  the day which that is of, mod 2**16
          bits 192-215  depth: what an hour may seize [token units], see `compact`; 0: no limit
          bits 216-235  the hour in which something was last seized, mod 2**20
          bits 236-255  how much in that hour, in parts of the depth: PARTS is all of it
        GROWTH
          Days and hours are aligned: a number is `block.timestamp // length`. What first moves the
          total in a day opens it, from the total before: that stood since an earlier block, so
          nothing within a block moves it. What leaves makes room, for anyone.
          At most `growth` of the cap in one day, so at most twice that in any 24 hours. Room is
          filled by who keeps tokens here, at the cost of that capital; taken out before midnight
          and brought again after it, they fill the next day's too. Top-ups of accounts below
          maintenance don't need any.
        SEIZURE
          All that liquidations take counts, sent or credited: it is what will be sold. Each is
          rounded up to a part of the depth, so an hour never has more than that.
"""

from contracts.modules import compact
from contracts.modules import legs

MAX_TOTAL: constant(uint256) = 2**112 - 1
ENDED: constant(uint256) = 1 << 119
TAKES_FEE: constant(uint256) = 1 << 144
DAY: constant(uint256) = 86_400
HOUR: constant(uint256) = 3_600
PARTS: constant(uint256) = 2**19
MAX_PARTS: constant(uint256) = 2**20 - 1
MAX_HOUR: constant(uint256) = 2**20 - 1
CODE: constant(uint256) = 2**24 - 1  # of an amount
DEPTH: constant(uint256) = CODE << 192
MAX_DEPTH: constant(uint256) = 2**235  # above what is ever seized; times PARTS in a word
# all but depth and what was seized
COUNTED: constant(uint256) = (2**192 - 1) | MAX_HOUR << 216
# cap, growth, what may be reached today, and the day
LIMITS: constant(uint256) = (2**24 - 1) << 120 | (2**47 - 1) << 145


@view
@internal
def _opened(book: uint256) -> uint256:
    """
    @dev The book with today's limit; before the total is moved.
    """
    today: uint256 = unsafe_div(block.timestamp, DAY) & 65_535
    if book >> 176 & 65_535 == today:
        return book
    return (book & ~((2**40 - 1) << 152)) | self._fresh(book) << 152 | today << 176


@view
@internal
def _limited(book: uint256, cap: uint256, growth: uint256) -> uint256:
    """
    @dev The book with another cap (see `compact`) and growth. More room than a limit left today
         comes with the next day: else a deposit of a moment would be built upon. Where something
         moved today under no limit, what stood before is not known: the first one counts from zero.
    """
    limited: uint256 = (book & ~LIMITS) | cap << 120 | growth << 145
    limit: uint256 = self._fresh(limited)
    today: uint256 = unsafe_div(block.timestamp, DAY) & 65_535
    if book >> 176 & 65_535 == today and growth != 0:
        stands: uint256 = book >> 152 & CODE
        if self._growth(book) == 0:
            limit = self._fresh(limited & ~MAX_TOTAL)
        elif compact._decode(stands) < compact._decode(limit):
            limit = stands
    return limited | limit << 152 | today << 176


@view
@internal
def _seized(book: uint256, taken: uint256, may_pass: bool) -> uint256:
    """
    @dev The book, which has a depth, after a liquidation took that much. Above the depth only
         what may pass does.
    """
    depth: uint256 = compact._decode(book >> 192)
    hour: uint256 = unsafe_div(block.timestamp, HOUR) & MAX_HOUR
    # taken < 2**104, depth <= 2**256 - 2**240
    parts: uint256 = unsafe_div(unsafe_add(unsafe_mul(taken, PARTS), unsafe_sub(depth, 1)), depth)
    if book >> 216 & MAX_HOUR == hour:
        parts = unsafe_add(parts, book >> 236)
    if parts > PARTS and not may_pass:
        legs._fail("liquidation limit is reached")
    return (book & (2**216 - 1)) | hour << 216 | min(parts, MAX_PARTS) << 236


@pure
@internal
def _deepened(book: uint256, code: uint256) -> uint256:
    """
    @dev The book with another depth (see `compact`). What was seized stays counted, in parts of
         that, rounded up.
    """
    depth: uint256 = min(compact._decode(code), MAX_DEPTH)
    parts: uint256 = 0
    if depth != 0:
        parts = ((book >> 236) * min(self._depth(book), MAX_DEPTH) + depth - 1) // depth
    return (book & COUNTED) | code << 192 | min(parts, MAX_PARTS) << 236


@pure
@internal
def _fresh(book: uint256) -> uint256:
    """
    @dev What the total may reach on a day that begins with it as it is, see `compact`.
    """
    growth: uint256 = self._growth(book)
    if growth == 0:
        return book >> 120 & CODE
    cap: uint256 = min(self._cap(book), MAX_TOTAL)
    more: uint256 = unsafe_div(unsafe_mul(cap, growth), 100)
    return compact._encode(min(cap, unsafe_add(book & MAX_TOTAL, more)))


@pure
@internal
def _id(book: uint256) -> uint256:
    return book >> 112 & 127


@pure
@internal
def _cap(book: uint256) -> uint256:
    return compact._decode(book >> 120)


@pure
@internal
def _growth(book: uint256) -> uint256:
    return book >> 145 & 127


@pure
@internal
def _room(book: uint256) -> uint256:
    """
    @dev What may be added today to a book that is open.
    """
    if book & ENDED != 0:
        return 0
    total: uint256 = book & MAX_TOTAL
    return max(compact._decode(book >> 152), total) - total


@pure
@internal
def _depth(book: uint256) -> uint256:
    return compact._decode(book >> 192)


@view
@internal
def _depth_left(book: uint256) -> uint256:
    """
    @dev What liquidations may still seize in this hour, of a book that has a depth: just that
         much passes.
    """
    if book >> 216 & MAX_HOUR != block.timestamp // HOUR & MAX_HOUR:
        return self._depth(book)
    left: uint256 = PARTS - min(book >> 236, PARTS)
    return (min(self._depth(book), MAX_TOTAL) * left) // PARTS
