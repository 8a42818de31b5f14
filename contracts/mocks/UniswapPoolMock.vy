# pragma version 0.4.3
"""
@title Uniswap pool mock
@license MIT
@notice A Uniswap v3 pool whose `observe` answers any bytes that it is told.
"""

token0: public(address)
token1: public(address)
cardinality: uint256
answer: Bytes[512]
burning: public(bool)


@deploy
def __init__(token0: address, token1: address, cardinality: uint256):
    self.token0 = token0
    self.token1 = token1
    self.cardinality = cardinality


@external
def set_answer(answer: Bytes[512]):
    """
    @notice Any bytes; none: it does not reach back so far.
    """
    self.answer = answer


@external
def set_burning(burning: bool):
    """
    @notice Whether `observe` burns all its gas.
    """
    self.burning = burning


@view
@external
def slot0() -> (uint256, int256, uint256, uint256, uint256, uint256, bool):
    return 2**96, 0, 0, self.cardinality, self.cardinality, 0, True


@view
@external
@raw_return
def observe(ago: DynArray[uint32, 8]) -> Bytes[512]:
    assert len(self.answer) != 0, "OLD"
    spent: uint256 = 0
    for i: uint256 in range(2**255 if self.burning else 0, bound=2**255):
        spent += i % 2
    return self.answer
