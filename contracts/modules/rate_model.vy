# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Adaptive interest rate
@license MIT
@notice A curve with a kink whose height follows demand. Pure: what it needs is handed in.

        CURVE, by utilization u, with `r` the rate at target and `k` the steepness
          u = 0: r / k      u = target: r      u = 1: max(r * k, 20 % a year)      linear between

        DRIFT of the rate at target over a span during which u held
          r' = clamp(r * exp(speed * error * elapsed), least, highest)
          error = (u - target) / (1 - target) above the target, (u - target) / target below
        The form is the adaptive curve of Morpho Blue's rate model. `r'` is rounded to the nearest
        unit, so that frequent accruals do not pull it down.

        DOMAIN  r < 2**40, u <= 1, 10 % <= target <= 99 %, 1 <= k <= 10, speed <= 100 a year,
        elapsed < 2**32 s, 0 < least <= highest <= 20_000 * least. Inside it nothing reverts; the
        highest rate is 20 a year, 6.4e11 a second, below 2**40.
"""

from contracts.modules import interest

RAY: constant(uint256) = 10**27
WAD: constant(uint256) = 10**18
BPS: constant(uint256) = 10_000
WAD_PER_BPS: constant(uint256) = 10**14
YEAR: constant(uint256) = 365 * 86_400
LEAST_FULL_RATE: constant(uint256) = 6_341_958_397  # [WAD a second] 20 % a year, rounded up


@internal
@pure
def _borrow_rate(
    rate_at_target: uint256, utilization: uint256, target: uint256, steepness: uint256
) -> uint256:
    """
    @dev The curve [WAD a second], rounded down.
    @param rate_at_target [WAD a second]
    @param utilization [WAD] at most 1
    @param target [BPS]
    @param steepness [BPS]
    """
    # rates are below 2**41, ratios below 2**60
    kink: uint256 = unsafe_mul(target, WAD_PER_BPS)
    if utilization < kink:
        least: uint256 = unsafe_div(unsafe_mul(rate_at_target, BPS), steepness)
        rise: uint256 = unsafe_mul(unsafe_sub(rate_at_target, least), utilization)
        return unsafe_add(least, unsafe_div(rise, kink))

    full: uint256 = max(unsafe_div(unsafe_mul(rate_at_target, steepness), BPS), LEAST_FULL_RATE)
    # full is not below the rate at target: steepness is at least 1
    rise: uint256 = unsafe_mul(unsafe_sub(full, rate_at_target), unsafe_sub(utilization, kink))
    return unsafe_add(rate_at_target, unsafe_div(rise, unsafe_sub(WAD, kink)))


@internal
@pure
def _drift(
    rate_at_target: uint256,
    utilization: uint256,
    target: uint256,
    speed: uint256,
    elapsed: uint256,
    least: uint256,
    highest: uint256,
) -> uint256:
    """
    @dev The rate at target [WAD a second] after `elapsed` seconds at `utilization`.
    @param utilization [WAD] at most 1
    @param target [BPS]
    @param speed [BPS a year]
    @param least [WAD a second]
    @param highest [WAD a second]
    """
    kink: uint256 = unsafe_mul(target, WAD_PER_BPS)
    # below 2**20 * 2**32 * 2**90; times an error below 2**60
    scale: uint256 = unsafe_mul(unsafe_mul(speed, elapsed), RAY)
    rate: uint256 = 0
    if utilization < kink:
        x: uint256 = unsafe_div(
            unsafe_mul(scale, unsafe_sub(kink, utilization)), unsafe_mul(kink, BPS * YEAR)
        )
        growth: uint256 = interest._growth(x)
        rate = unsafe_div(
            unsafe_add(unsafe_mul(rate_at_target, RAY), unsafe_div(growth, 2)), growth
        )
    else:
        x: uint256 = unsafe_div(
            unsafe_mul(scale, unsafe_sub(utilization, kink)),
            unsafe_mul(unsafe_sub(WAD, kink), BPS * YEAR),
        )
        # 2**40 * 2**112
        rate = unsafe_div(
            unsafe_add(unsafe_mul(rate_at_target, interest._growth(x)), RAY // 2), RAY
        )
    return min(max(rate, least), highest)
