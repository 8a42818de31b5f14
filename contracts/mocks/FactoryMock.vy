# pragma version 0.4.3
"""
@title Factory mock
@license MIT
@notice Deploys feeds from a blueprint (ERC-5202), a few, and asks the last one for its quote.
"""

from contracts.interfaces import IPriceFeed

MOST: constant(uint256) = 8

BLUEPRINT: immutable(address)
made: public(uint256)
last: public(address)


@deploy
def __init__(blueprint: address):
    BLUEPRINT = blueprint


@external
def make(args: Bytes[1_024]) -> address:
    """
    @notice A new contract of the kind; `args` are its constructor's, encoded.
    """
    assert self.made < MOST, "no more of them"
    self.made += 1
    self.last = create_from_blueprint(BLUEPRINT, args, raw_args=True)
    return self.last


@external
def quote() -> (uint256, uint256, uint256, uint256, uint256):
    """
    @notice What the last one quotes.
    """
    assert self.last != empty(address), "none was made"
    return staticcall IPriceFeed(self.last).quote()
