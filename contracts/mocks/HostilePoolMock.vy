# pragma version 0.4.3
"""
@title Hostile pool mock
@license MIT
@notice A factory whose only pool it is itself: it takes what it is told to, and pays nothing.
"""


interface ISwapper:
    def uniswapV3SwapCallback(amount0: int256, amount1: int256, data: Bytes[32]): nonpayable


more: public(int256)  # asked for beyond what is sold
times: public(uint256)  # that it asks


@external
def set_odds(more: int256, times: uint256):
    self.more = more
    self.times = times


@view
@external
def getPool(token: address, other: address, fee: uint24) -> address:
    return self


@external
def swap(
    receiver: address, zero_for_one: bool, amount: int256, limit: uint160, data: Bytes[32]
) -> (int256, int256):
    asked: int256 = amount + self.more
    for i: uint256 in range(self.times, bound=4):
        if zero_for_one:
            extcall ISwapper(msg.sender).uniswapV3SwapCallback(asked, min_value(int256), data)
        else:
            extcall ISwapper(msg.sender).uniswapV3SwapCallback(min_value(int256), asked, data)
    return 0, 0
