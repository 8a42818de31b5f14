# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Levels and tokens of a vault
@license MIT
@notice Its token, what of it is out in a flash loan, and the level that says what works now.
@dev    The breaker latches what a person or a sensor holds. The vault itself is at CAUTION for a
        day after a loss above 1 % of its total, or of the reference of its limits. A level is 3
        once the vault is wound down, for good; a halt goes before.
        The flag in the books saves the reading of all that where nothing was ever latched. It can't
        be lost: it is set in mid-call at the earliest after the action in progress wrote its books.
"""

from contracts.interfaces import ILendingVault
from contracts.modules import latch
from contracts.modules import ledger
from contracts.modules import share
from ethereum.ercs import IERC20
from snekmate.auth import ownable

uses: ownable
uses: ledger

# the levels that the breaker latches, under the vault's own address
initializes: latch

CAUTION: constant(uint256) = 1
HALT: constant(uint256) = 2
WIND_DOWN: constant(uint256) = 3
LOSS_CAUTION: constant(uint256) = 86_400  # [s]
LOSS_PART: constant(uint256) = 100  # losses above this part of the total are followed by CAUTION

ASSET: immutable(address)

_breaker: address
# end of a halt that found the vault short and spends none of the latch budget [unix seconds]
_short_until: uint256
# bits 0-39 end of CAUTION after losses, 40-79 when the last was booked [unix seconds]
# 80-207 those that no CAUTION has followed, faded until then [assets]
_losses: uint256
_flash_out: transient (uint256)


@deploy
def __init__(asset: address, breaker: address):
    ASSET = asset
    self._breaker = breaker
    log ILendingVault.SetBreaker(breaker=breaker)


@external
def set_breaker(breaker: address):
    ownable._check_owner()
    self._breaker = breaker
    log ILendingVault.SetBreaker(breaker=breaker)


@external
@reentrant
def set_level(caution_until: uint256, halt_until: uint256, held_until: uint256):
    """
    @dev Re-entrant: a sensor may trip in mid-call.
    """
    if msg.sender != self._breaker:
        share._fail("caller is not the breaker")
    # every halt counts, so that lenders are locked in for at most 7 days in any 30, but for one
    # that nobody holds while there is less than the books say
    held: uint256 = held_until
    short_until: uint256 = min(self._short_until, halt_until)
    if halt_until > max(held_until, short_until):
        if staticcall IERC20(ASSET).balanceOf(self) + self._flash_out < ledger._books & ledger.M112:
            short_until = halt_until
        else:
            held = halt_until
    self._short_until = short_until
    latch._set(self, caution_until, halt_until, held)
    books: uint256 = ledger._books << 1 >> 1
    if self._level() != 0:
        books |= ledger.FLAG
    ledger._books = books
    log ILendingVault.SetLevel(caution_until=caution_until, halt_until=halt_until)


@view
@external
@reentrant
def breaker() -> address:
    return self._breaker


@view
@external
@reentrant
def level() -> uint256:
    return self._level()


@view
@external
@reentrant
def asset() -> address:
    return ASSET


@view
@external
@reentrant
def cash() -> uint256:
    return unsafe_sub(ledger._books & ledger.M112, self._flash_out)


@view
@external
@reentrant
def flash_out() -> uint256:
    return self._flash_out


@view
@internal
def _level() -> uint256:
    level: uint256 = latch._level(self)
    if level == HALT:
        return HALT
    if ledger._config >> 255 != 0:
        return WIND_DOWN
    if block.timestamp < self._losses & ledger.M40:
        return CAUTION
    return level


@view
@internal
def _check_level(highest: uint256):
    """
    @dev Reverts above level `highest`.
    """
    level: uint256 = self._level()
    if level > highest:
        if level == CAUTION:
            share._fail("vault is in caution")
        if level == HALT:
            share._fail_halted()
        share._fail_wound_down()


@internal
def _after_loss(books: uint256, loss: uint256, total: uint256) -> uint256:
    """
    @dev The books, flagged where losses are large: no loans before people have seen what they
         were. Until a CAUTION follows, a loss fades to nothing in a day, and the sum of all may not
         be above 1 % of the total: slices count as what they are slices of.
    @param total [assets]; at most the reference of the limits, which a deposit of this moment does
           not raise.
    """
    word: uint256 = self._losses
    elapsed: uint256 = unsafe_sub(block.timestamp, word >> 40 & ledger.M40)
    fading: uint256 = unsafe_sub(LOSS_CAUTION, min(elapsed, LOSS_CAUTION))
    # below 2**112 * 2**17
    lost: uint256 = unsafe_add(unsafe_div(unsafe_mul(word >> 80, fading), LOSS_CAUTION), loss)
    if unsafe_mul(lost, LOSS_PART) <= total:
        self._losses = word & ledger.M40 | block.timestamp << 40 | lost << 80
        return books
    until: uint256 = unsafe_add(block.timestamp, LOSS_CAUTION)
    self._losses = until
    log ILendingVault.LossCaution(until=until)
    return books | ledger.FLAG


@internal
def _send(receiver: address, amount: uint256):
    if not extcall IERC20(ASSET).transfer(receiver, amount, default_return_value=True):
        share._fail_transfer()


@internal
def _pull(payer: address, amount: uint256):
    if not extcall IERC20(ASSET).transferFrom(payer, self, amount, default_return_value=True):
        share._fail_transfer()
