# pragma version 0.4.3
"""
@title Swap pool mock
@license MIT
@notice A Uniswap v3 pool at a price that anyone may set: it pays, then asks for its payment in the
        callback. What it holds is its liquidity; where that ends, a part of what is sold stays.
"""

from ethereum.ercs import IERC20


interface ISwapper:
    def uniswapV3SwapCallback(amount0: int256, amount1: int256, data: Bytes[32]): nonpayable


tokens: address[2]
fee: public(uint256)  # [millionths]
worth: public(uint256[2])  # so much of the first token is worth so much of the second
more: public(uint256)  # asked for beyond what is sold
times: public(uint256)  # that it asks


@deploy
def __init__(token0: address, token1: address, fee: uint256):
    self.tokens = [token0, token1]
    self.fee = fee


@external
def set_odds(worth: uint256[2], more: uint256, times: uint256):
    self.worth = worth
    self.more = more
    self.times = times


@external
def swap(
    receiver: address, zero_for_one: bool, amount: int256, limit: uint160, data: Bytes[32]
) -> (int256, int256):
    first: uint256 = 0 if zero_for_one else 1
    given: uint256 = self.worth[first] * 10**6
    taken: uint256 = self.worth[1 - first] * (10**6 - self.fee)
    bought: address = self.tokens[1 - first]
    asked: uint256 = convert(amount, uint256)
    paid: uint256 = asked * taken // given
    most: uint256 = staticcall IERC20(bought).balanceOf(self)
    if paid > most:
        paid = most
        asked = most * given // taken
    extcall IERC20(bought).transfer(receiver, paid, default_return_value=True)
    due: uint256 = asked + staticcall IERC20(self.tokens[first]).balanceOf(self)
    amounts: int256[2] = empty(int256[2])
    amounts[first] = convert(asked + self.more, int256)
    amounts[1 - first] = -convert(paid, int256)
    for _: uint256 in range(self.times, bound=4):
        extcall ISwapper(msg.sender).uniswapV3SwapCallback(amounts[0], amounts[1], data)
    assert staticcall IERC20(self.tokens[first]).balanceOf(self) >= due, "IIA"
    return amounts[0], amounts[1]
