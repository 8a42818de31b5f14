# pragma version 0.4.3
"""
@title Price of a tick
@license MIT
@notice Uniswap v3 counts prices in ticks: tick t is the price 1.0001**t, token 1 for token 0, both
        in units.

        ROUNDING
        Powers are kept as 128 leading bits. Each of at most 39 products loses less than 2**-126 of
        its value, and a square doubles what was lost, so the power is below the exact one by less
        than 2**-105 of it; its inverse, for t < 0, above by as much. The result is rounded down.
"""

MAX_TICK: constant(int256) = 887_272
MAX_PRICE: constant(uint256) = 2**128 - 1
ONE: constant(uint256) = 2**127
STEP: constant(uint256) = 10_001 * 2**127 // 10_000


@pure
@internal
def _price_at(tick: int256, exponent: uint256) -> uint256:
    """
    @dev 1.0001**tick * 10**exponent; 0 where that is none of 1 to 2**128 - 1, or no pool has the
         tick. Unsafe: mantissas are below 2**128, their products below 2**256, 10**36 < 2**120.
    @param exponent 0 to 36.
    """
    if tick > MAX_TICK or tick < -MAX_TICK:
        return 0
    up: bool = tick >= 0
    left: uint256 = convert(tick if up else -tick, uint256)
    # the price is mantissa * 2**(power - 127), and so is the square that it is made from
    mantissa: uint256 = ONE
    power: uint256 = 0
    square: uint256 = STEP
    square_power: uint256 = 0
    for _: uint256 in range(20):
        if left & 1 == 1:
            mantissa = unsafe_mul(mantissa, square) >> 127
            power = unsafe_add(power, square_power)
            if mantissa >> 128 != 0:
                mantissa >>= 1
                power = unsafe_add(power, 1)
        left >>= 1
        if left == 0:
            break
        square = unsafe_mul(square, square) >> 127
        square_power = unsafe_mul(square_power, 2)
        if square >> 128 != 0:
            square >>= 1
            square_power = unsafe_add(square_power, 1)

    # 2**power is at most the highest price, 2**128
    price: uint256 = 0
    if up:
        price = (unsafe_mul(mantissa, 10**exponent) << 1) >> unsafe_sub(128, power)
    else:
        price = unsafe_mul(unsafe_div(2**254, mantissa), 10**exponent) >> unsafe_add(127, power)
    return price if price <= MAX_PRICE else 0
