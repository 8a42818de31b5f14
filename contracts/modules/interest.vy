# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Compound interest
@license MIT
@notice Growth of an index over a span: exp(x) for x = rate * time, from below.

        A span of x <= 1/2 is 1 + x + x^2/2 + x^3/6: its interest is within 0.5 % of exp(x) - 1.
        A longer one is halved until a part is at most 1/32, and the part's growth is squared as
        often as the span was halved. A part is short of exp by x^4/24 < 4e-8, there are at most
        512 of them, so growth is within 0.003 % of exact. Every step rounds down, so growth never
        exceeds exp(x); a longer span never grows less. From x = 16 on, and wherever the index
        would pass 2**112 - 1, it stays there: nothing reverts.
"""

RAY: constant(uint256) = 10**27
WAD_TO_RAY: constant(uint256) = 10**9
MAX_INDEX: constant(uint256) = 2**112 - 1
DIRECT: constant(uint256) = 10**27 // 2  # [RAY] highest x that is not halved
PART: constant(uint256) = 10**27 // 32  # [RAY] highest x of a part
SATURATED: constant(uint256) = 16 * 10**27  # [RAY] exp(16) * RAY is above MAX_INDEX
MAX_HALVINGS: constant(uint256) = 9  # 16 / 2**9 = 1/32


@internal
@pure
def _grow(index: uint256, rate: uint256, elapsed: uint256) -> uint256:
    """
    @dev `index` after `elapsed` seconds.
    @param index [RAY] below 2**112
    @param rate [WAD a second] below 2**40
    @param elapsed [seconds] below 2**32
    """
    # below 2**102; the product of index and growth is below 2**224
    x: uint256 = unsafe_mul(unsafe_mul(rate, elapsed), WAD_TO_RAY)
    return min(unsafe_div(unsafe_mul(index, self._growth(x)), RAY), MAX_INDEX)


@internal
@pure
def _growth(x: uint256) -> uint256:
    """
    @dev exp(x), rounded down and at most 2**112 - 1 [RAY]; zero x is no growth.
    @param x [RAY]
    """
    if x <= DIRECT:
        return self._series(x)
    if x >= SATURATED:
        return MAX_INDEX

    part: uint256 = x
    halvings: uint256 = 0
    for i: uint256 in range(MAX_HALVINGS):
        part >>= 1
        halvings = unsafe_add(halvings, 1)
        if part <= PART:
            break
    growth: uint256 = self._series(part)
    for i: uint256 in range(halvings, bound=MAX_HALVINGS):
        # growth <= exp(16) * RAY < 2**113
        growth = unsafe_div(unsafe_mul(growth, growth), RAY)
    return min(growth, MAX_INDEX)


@internal
@pure
def _series(x: uint256) -> uint256:
    """
    @dev 1 + x + x^2/2 + x^3/6 [RAY]; x at most 1/2, so every product is below 2**178.
    """
    square: uint256 = unsafe_div(unsafe_mul(x, x), 2 * RAY)
    cube: uint256 = unsafe_div(unsafe_mul(square, x), 3 * RAY)
    return unsafe_add(unsafe_add(RAY, x), unsafe_add(square, cube))
