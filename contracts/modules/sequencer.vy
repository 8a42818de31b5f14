# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Sequencer
@license MIT
@notice What the risk engine refuses while the sequencer of a layer 2 is down, and in the grace
        after.
"""

from contracts.interfaces import ISequencerFeed
from contracts.modules import legs

GRACE: constant(uint256) = 1  # see ISequencerFeed
DOWN: constant(uint256) = 2

# SequencerFeed; zero: none
FEED: immutable(address)


@deploy
def __init__(feed: address):
    FEED = feed


@view
@internal
def _state() -> uint256:
    if FEED == empty(address):
        return 0
    return staticcall ISequencerFeed(FEED).state()


@view
@internal
def _check(has_grace: bool):
    """
    @dev Reverts while the sequencer is down, and in the grace after that for who has it.
    """
    state: uint256 = self._state()
    if state == DOWN:
        legs._fail("sequencer is down")
    if state == GRACE and has_grace:
        legs._fail("grace after an outage")
