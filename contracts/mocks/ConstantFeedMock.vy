# pragma version 0.4.3
"""
@title Constant feed mock
@license MIT
@notice A Chainlink aggregator whose answer is part of its code and always fresh.
"""

DECIMALS: immutable(uint8)
ANSWER: immutable(int256)


@deploy
def __init__(decimals: uint8, answer: int256):
    DECIMALS = decimals
    ANSWER = answer


@view
@external
def decimals() -> uint8:
    return DECIMALS


@view
@external
def latestRoundData() -> (uint80, int256, uint256, uint256, uint80):
    return 1, ANSWER, block.timestamp, block.timestamp, 1
