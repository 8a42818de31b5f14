# pragma version 0.4.3
"""
@title Aggregator mock
@license MIT
@notice A Chainlink aggregator that anyone may set.
"""

decimals: public(uint8)
round_id: public(uint256)
answer: public(int256)
updated_at: public(uint256)
answered_in_round: public(uint256)


@deploy
def __init__(decimals: uint8, answer: int256):
    self.decimals = decimals
    self._set(answer)


@external
def set(answer: int256):
    """
    @notice A new round, as of now.
    """
    self._set(answer)


@external
def set_round(round_id: uint256, answer: int256, updated_at: uint256, answered_in_round: uint256):
    self.round_id = round_id
    self.answer = answer
    self.updated_at = updated_at
    self.answered_in_round = answered_in_round


@external
def set_decimals(decimals: uint8):
    self.decimals = decimals


@view
@external
def latestRoundData() -> (uint256, int256, uint256, uint256, uint256):
    """
    @notice Words as wide as they were set, so that a round may overflow uint80.
    """
    return self.round_id, self.answer, self.updated_at, self.updated_at, self.answered_in_round


@internal
def _set(answer: int256):
    self.round_id += 1
    self.answer = answer
    self.updated_at = block.timestamp
    self.answered_in_round = self.round_id
