# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Reasons
@license MIT
@notice What the breaker has latched of an asset: for each reason a level and its expiry, all in one
        word.
"""

from contracts.interfaces import ICircuitBreaker

CAUTION: constant(uint256) = 1
HALT: constant(uint256) = 2

# Positions of the latches in their word, in the order of ICircuitBreaker.Reason
AT_PRICE_JUMP: constant(uint256) = 0
AT_DISPERSION: constant(uint256) = 1
AT_STALE: constant(uint256) = 2
AT_GUARDIAN: constant(uint256) = 3
AT_SUPPLY: constant(uint256) = 4
AT_INSOLVENCY: constant(uint256) = 5
REASONS: constant(uint256) = 6

LATCH_BITS: constant(uint256) = 36
LATCH_MASK: constant(uint256) = 2**36 - 1
LEVEL_AT: constant(uint256) = 34
UNTIL_MASK: constant(uint256) = 2**34 - 1

# By asset: latches of 36 bits (until [unix seconds] 34, level 2), in the order of the reasons
latches: HashMap[address, uint256]


@view
@external
@reentrant
def level_of(asset: address) -> uint256:
    """
    @notice See `ICircuitBreaker.level_of`.
    """
    word: uint256 = self.latches[asset]
    if self._expiry(word, HALT) > block.timestamp:
        return HALT
    if self._expiry(word, CAUTION) > block.timestamp:
        return CAUTION
    return 0


@view
@external
@reentrant
def latch_of(asset: address, reason: ICircuitBreaker.Reason) -> (uint256, uint256):
    """
    @notice See `ICircuitBreaker.latch_of`.
    """
    for i: uint256 in range(REASONS):
        if reason == self._reason(i):
            return self._latch(self.latches[asset], i)
    raise "one reason at a time"


@internal
def _lift_expired(asset: address, packed: uint256) -> uint256:
    """
    @dev `packed` without the latches that have expired, each of which is logged.
    """
    word: uint256 = packed
    for i: uint256 in range(REASONS):
        bits: uint256 = packed >> (LATCH_BITS * i) & LATCH_MASK
        if bits != 0 and bits & UNTIL_MASK <= block.timestamp:
            word = self._with(word, i, 0, 0)
            log ICircuitBreaker.Reset(asset=asset, reason=self._reason(i))
    return word


@view
@internal
def _vault_levels(word: uint256, halt: uint256) -> (uint256, uint256, uint256):
    """
    @dev What the guardian has latched and a halt for insolvency until `halt`: the ends of CAUTION,
         of HALT and of what the guardian holds.
    """
    level: uint256 = 0
    until: uint256 = 0
    level, until = self._latch(word, AT_GUARDIAN)
    halt_until: uint256 = halt if halt > block.timestamp else 0
    if level == HALT:
        halt_until = max(halt_until, until)
    return until if level == CAUTION else 0, halt_until, until


@internal
def _tripped(
    asset: address, word: uint256, at: uint256, level: uint256, duration: uint256
) -> uint256:
    """
    @dev `word` with a sensor's latch set, never to an earlier expiry; logged where that changes it.
    """
    until: uint256 = max(self._latch(word, at)[1], block.timestamp + duration)
    latched: uint256 = self._with(word, at, level, until)
    if latched != word:
        self._log_trip(asset, latched, at)
    return latched


@internal
def _log_trip(asset: address, word: uint256, at: uint256):
    level: uint256 = 0
    until: uint256 = 0
    level, until = self._latch(word, at)
    log ICircuitBreaker.Trip(asset=asset, reason=self._reason(at), level=level, until=until)


@view
@internal
def _expiry(word: uint256, level: uint256) -> uint256:
    """
    @dev The latest expiry of a latch of exactly this level, 0 for none [unix seconds].
    """
    latest: uint256 = 0
    for i: uint256 in range(REASONS):
        bits: uint256 = word >> (LATCH_BITS * i) & LATCH_MASK
        if bits >> LEVEL_AT == level:
            latest = max(latest, bits & UNTIL_MASK)
    return latest


@view
@internal
def _latch(word: uint256, at: uint256) -> (uint256, uint256):
    """
    @dev Level and expiry of one latch; zeros once expired.
    """
    bits: uint256 = word >> (LATCH_BITS * at) & LATCH_MASK
    if bits & UNTIL_MASK <= block.timestamp:
        return 0, 0
    return bits >> LEVEL_AT, bits & UNTIL_MASK


@pure
@internal
def _with(word: uint256, at: uint256, level: uint256, until: uint256) -> uint256:
    """
    @dev `word` with one latch replaced.
    """
    lowest: uint256 = LATCH_BITS * at
    return word & ~(LATCH_MASK << lowest) | (level << LEVEL_AT | until) << lowest


@pure
@internal
def _reason(at: uint256) -> ICircuitBreaker.Reason:
    """
    @dev The flag's members are the powers of two, in the order of the latches.
    """
    return convert(1 << at, ICircuitBreaker.Reason)
