# pragma version 0.4.3
"""
@title Uniswap trader mock
@license MIT
@notice Adds liquidity to a Uniswap v3 pool and swaps in it, with the tokens that it holds.
"""

from ethereum.ercs import IERC20


interface IPool:
    def token0() -> address: view
    def token1() -> address: view
    def mint(owner: address, lower: int24, upper: int24, liquidity: uint128, data: Bytes[32]) -> (
        uint256, uint256
    ): nonpayable
    def burn(lower: int24, upper: int24, liquidity: uint128) -> (uint256, uint256): nonpayable
    def swap(
        receiver: address, zero_for_one: bool, amount: int256, limit: uint160, data: Bytes[32]
    ) -> (int256, int256): nonpayable


@external
def mint(pool: address, lower: int24, upper: int24, liquidity: uint128):
    extcall IPool(pool).mint(self, lower, upper, liquidity, b"")


@external
def burn(pool: address, lower: int24, upper: int24, liquidity: uint128):
    extcall IPool(pool).burn(lower, upper, liquidity)


@external
def swap_to(pool: address, zero_for_one: bool, limit: uint160):
    """
    @notice Swaps until the pool's square root of price [2**96] is there, whatever it costs.
    """
    extcall IPool(pool).swap(self, zero_for_one, 2**120, limit, b"")


@external
def uniswapV3MintCallback(amount0: uint256, amount1: uint256, data: Bytes[32]):
    self._pay(convert(amount0, int256), convert(amount1, int256))


@external
def uniswapV3SwapCallback(amount0: int256, amount1: int256, data: Bytes[32]):
    self._pay(amount0, amount1)


@internal
def _pay(amount0: int256, amount1: int256):
    if amount0 > 0:
        token0: address = staticcall IPool(msg.sender).token0()
        extcall IERC20(token0).transfer(msg.sender, convert(amount0, uint256))
    if amount1 > 0:
        token1: address = staticcall IPool(msg.sender).token1()
        extcall IERC20(token1).transfer(msg.sender, convert(amount1, uint256))
