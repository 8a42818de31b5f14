# pragma version 0.4.3
"""
@title Clamped aggregator mock
@license MIT
@notice A Chainlink aggregator with clamps, or a proxy of one: what it is told to be.
"""

from contracts.mocks import AggregatorMock as source

initializes: source
exports: (source.decimals, source.round_id, source.answer, source.updated_at)
exports: (source.answered_in_round, source.set_round, source.set_decimals, source.latestRoundData)

minAnswer: public(int256)  # as wide as they were set, so that a clamp may overflow int192
maxAnswer: public(int256)
aggregator: public(address)  # zero: no proxy


@deploy
def __init__(decimals: uint8, answer: int256, lowest: int256, highest: int256):
    source.__init__(decimals, answer)
    self.minAnswer = lowest
    self.maxAnswer = highest


@external
def set(answer: int256):
    """
    @notice A new round, as of now, cut off at the clamps.
    """
    source._set(min(max(answer, self.minAnswer), self.maxAnswer))


@external
def set_clamps(lowest: int256, highest: int256):
    self.minAnswer = lowest
    self.maxAnswer = highest


@external
def set_aggregator(aggregator: address):
    self.aggregator = aggregator
