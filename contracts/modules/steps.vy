# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Steps
@license MIT
@notice When each parameter of an asset was last loosened: no step comes before its interval is
        over.
@dev    Tightening asks for no step. How far one goes is judged by who takes it.
"""

INTERVAL: constant(uint256) = 3 * 86_400  # [s]
MASK_32: constant(uint256) = 2**32 - 1

# Lanes
CAP: constant(uint256) = 0
BORROW_LTV: constant(uint256) = 1
LIQUIDATION_LTV: constant(uint256) = 2
MIN_DEBT: constant(uint256) = 3
MAX_PRICE: constant(uint256) = 4
STEWARD: constant(uint256) = 5
GROWTH: constant(uint256) = 6
DEPTH: constant(uint256) = 7
LANES: constant(uint256) = 8

# By asset, the time of the last step of each parameter [unix seconds], 32 bits a lane
taken: HashMap[address, uint256]


@internal
def _take(asset: address, lane: uint256):
    """
    @dev Reverts before INTERVAL has passed since the last step of this parameter.
    """
    self._check_due(self._next(asset, lane))
    offset: uint256 = 32 * lane
    self.taken[asset] = (self.taken[asset] & ~(MASK_32 << offset)) | (block.timestamp << offset)


@view
@internal
def _next(asset: address, lane: uint256) -> uint256:
    """
    @dev [unix seconds]
    """
    return ((self.taken[asset] >> (32 * lane)) & MASK_32) + INTERVAL


@view
@internal
def _check_due(due: uint256):
    assert block.timestamp >= due, "step comes too soon"


@internal
def _take_all(asset: address):
    """
    @dev As if every parameter had been loosened now.
    """
    word: uint256 = 0
    for lane: uint256 in range(LANES):
        word |= block.timestamp << (32 * lane)
    self.taken[asset] = word
