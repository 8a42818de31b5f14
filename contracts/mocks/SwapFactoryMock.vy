# pragma version 0.4.3
"""
@title Swap factory mock
@license MIT
@notice Names the Uniswap v3 pools that it is told of.
"""

pools: HashMap[address, HashMap[address, HashMap[uint24, address]]]


@external
def set_pool(token: address, other: address, fee: uint24, pool: address):
    """
    @notice For both orders of the two.
    """
    self.pools[token][other][fee] = pool
    self.pools[other][token][fee] = pool


@view
@external
def getPool(token: address, other: address, fee: uint24) -> address:
    return self.pools[token][other][fee]
