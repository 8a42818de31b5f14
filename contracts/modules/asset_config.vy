# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Asset configuration
@license MIT
@notice Between `AssetConfig` and the two words it is kept in: `price_oracle.rules` and
        `maintenance.terms`, whose bit tables stand there.
@dev    Every parameter is checked for its range and its step, so that nothing is cut off.
"""

from contracts.interfaces import IConfigurator

BPS: constant(uint256) = 10_000
BPS_WAD: constant(uint256) = 10**14  # one basis point
MAX_VALUE: constant(uint256) = 2**120  # [WAD] value of one leg: 1.3e18 USD
GAP: constant(uint256) = 200  # [BPS] least distance from borrow_ltv to liquidation_ltv
MASK_14: constant(uint256) = 2**14 - 1
IS_FEED: constant(uint256) = 31
LOWEST_PRICE: constant(uint256) = 10**9  # [WAD]
HIGHEST_PRICE: constant(uint256) = 10**28  # [WAD]

# First bits of what is packed in the rules
SOURCE: constant(uint256) = 2**160 - 1  # all bits of the source
AGE_AT: constant(uint256) = 160
FEED_DECIMALS_AT: constant(uint256) = 172
BAND_AT: constant(uint256) = 177
BORROW_LTV_AT: constant(uint256) = 184
DROP_AT: constant(uint256) = 198
WEIGHT_AT: constant(uint256) = 206
LEVERAGE_AT: constant(uint256) = 214
DECIMALS_AT: constant(uint256) = 222
VOLATILITY_SLOPE_AT: constant(uint256) = 228
VOLATILITY_REF_AT: constant(uint256) = 235
UPPER_AT: constant(uint256) = 243
RANGE_AT: constant(uint256) = 250

# and in the terms
TARGET_LTV_AT: constant(uint256) = 14
RAMP_START_AT: constant(uint256) = 28
RAMP_TIME_AT: constant(uint256) = 68
TIP_AT: constant(uint256) = 92
INCENTIVE_MIN_AT: constant(uint256) = 106
INCENTIVE_MAX_AT: constant(uint256) = 120
INCENTIVE_SLOPE_AT: constant(uint256) = 134
TARGET_HEALTH_AT: constant(uint256) = 150
TARGET_SLOPE_AT: constant(uint256) = 164
CLOSES_WHOLE_AT: constant(uint256) = 184
HOLD_AT: constant(uint256) = 185
HOLD_END_AT: constant(uint256) = 217
IS_NEW_AT: constant(uint256) = 249
IS_NEW: constant(uint256) = 1 << IS_NEW_AT


@pure
@internal
def _pack(
    config: IConfigurator.AssetConfig, decimals: uint256, feed_decimals: uint256
) -> (uint256, uint256):
    """
    @dev Rules and terms; reverts naming the parameter that is out of its range.
    """
    return self._pack_rule(config, decimals, feed_decimals), self._pack_term(config)


@pure
@internal
def _pack_rule(
    config: IConfigurator.AssetConfig, decimals: uint256, feed_decimals: uint256
) -> uint256:
    assert decimals >= 6 and decimals <= 24, "decimals out of range"
    assert feed_decimals <= IS_FEED, "feed decimals out of range"
    self._check_age(config.max_age)
    self._check(config.jump_band, 50, 6_350, 50, "jump_band out of range")
    self._check(config.debt_weight, BPS, 35_500, 100, "debt_weight out of range")
    self._check(config.max_leverage, BPS, 1_275_000, 5_000, "max_leverage out of range")
    self._check(config.volatility_ref, 0, 2_550, 10, "volatility_ref out of range")
    self._check(config.volatility_slope, 0, 127_000, 1_000, "volatility_slope out of range")
    assert config.borrow_ltv_floor <= config.borrow_ltv, "borrow_ltv_floor out of range"
    drop: uint256 = config.borrow_ltv - config.borrow_ltv_floor
    self._check(drop, 0, 255 * 50, 50, "borrow_ltv_floor out of range")
    if config.borrow_ltv != 0:
        assert config.borrow_ltv + GAP <= config.liquidation_ltv, "borrow_ltv is too high"

    assert config.min_price >= LOWEST_PRICE, "min_price out of range"
    upper: uint256 = self._upper(config.max_price)
    assert config.min_price < config.max_price, "min_price out of range"

    return (
        convert(config.source, uint256)
        | (config.max_age // 60 << AGE_AT)
        | (feed_decimals << FEED_DECIMALS_AT)
        | (config.jump_band // 50 << BAND_AT)
        | (config.borrow_ltv << BORROW_LTV_AT)
        | (drop // 50 << DROP_AT)
        | ((config.debt_weight - BPS) // 100 << WEIGHT_AT)
        | (config.max_leverage // 5_000 << LEVERAGE_AT)
        | (decimals << DECIMALS_AT)
        | (config.volatility_slope // 1_000 << VOLATILITY_SLOPE_AT)
        | (config.volatility_ref // 10 << VOLATILITY_REF_AT)
        | self._bounds(self._upper(config.min_price) - 1, upper)
    )


@pure
@internal
def _pack_term(config: IConfigurator.AssetConfig) -> uint256:
    assert config.tip != 0 and config.tip <= config.incentive_min, "tip out of range"
    self._check(config.incentive_max, config.incentive_min, 5_000, 1, "incentive out of range")
    self._check(config.incentive_slope, 0, 65_535, 1, "incentive_slope out of range")
    self._check(config.target_health, BPS + 1, 16_000, 1, "target_health out of range")
    self._check(config.target_slope, 0, 1_000_000, 1, "target_slope out of range")
    assert config.liquidation_ltv < BPS, "liquidation_ltv is too high"
    return (
        config.liquidation_ltv
        | (config.liquidation_ltv << TARGET_LTV_AT)
        | (config.tip << TIP_AT)
        | (config.incentive_min << INCENTIVE_MIN_AT)
        | (config.incentive_max << INCENTIVE_MAX_AT)
        | (config.incentive_slope << INCENTIVE_SLOPE_AT)
        | (config.target_health << TARGET_HEALTH_AT)
        | (config.target_slope << TARGET_SLOPE_AT)
        | (convert(config.closes_whole, uint256) << CLOSES_WHOLE_AT)
    )


@view
@internal
def _unpack(rule: uint256, term: uint256) -> IConfigurator.AssetConfig:
    """
    @dev The configuration as it applies now: liquidation_ltv along its ramp.
    """
    upper: uint256 = (rule >> UPPER_AT) & 127
    return IConfigurator.AssetConfig(
        source=convert(rule & SOURCE, address),
        is_feed=(rule >> FEED_DECIMALS_AT) & 31 == IS_FEED,
        max_age=((rule >> AGE_AT) & 4_095) * 60,
        min_price=1 << (upper - (rule >> RANGE_AT)),
        max_price=1 << upper,
        jump_band=((rule >> BAND_AT) & 127) * 50,
        borrow_ltv=(rule >> BORROW_LTV_AT) & MASK_14,
        borrow_ltv_floor=((rule >> BORROW_LTV_AT) & MASK_14) - ((rule >> DROP_AT) & 255) * 50,
        liquidation_ltv=self._liquidation_ltv(term),
        debt_weight=BPS + ((rule >> WEIGHT_AT) & 255) * 100,
        max_leverage=((rule >> LEVERAGE_AT) & 255) * 5_000,
        volatility_ref=((rule >> VOLATILITY_REF_AT) & 255) * 10,
        volatility_slope=((rule >> VOLATILITY_SLOPE_AT) & 127) * 1_000,
        tip=(term >> TIP_AT) & MASK_14,
        incentive_min=(term >> INCENTIVE_MIN_AT) & MASK_14,
        incentive_max=(term >> INCENTIVE_MAX_AT) & MASK_14,
        incentive_slope=(term >> INCENTIVE_SLOPE_AT) & 65_535,
        target_health=(term >> TARGET_HEALTH_AT) & MASK_14,
        target_slope=(term >> TARGET_SLOPE_AT) & (2**20 - 1),
        closes_whole=(term >> CLOSES_WHOLE_AT) & 1 == 1,
    )


@pure
@internal
def _with_borrow_ltv(rule: uint256, borrow_ltv: uint256) -> uint256:
    """
    @dev The rule with another borrow_ltv; its floor stays where it was, or moves down with it.
    """
    lowest: uint256 = ((rule >> BORROW_LTV_AT) & MASK_14) - ((rule >> DROP_AT) & 255) * 50
    drop: uint256 = 0
    if borrow_ltv > lowest:
        drop = (borrow_ltv - lowest) // 50
    return (
        (rule & ~((MASK_14 << BORROW_LTV_AT) | (255 << DROP_AT)))
        | (borrow_ltv << BORROW_LTV_AT)
        | (min(drop, 255) << DROP_AT)
    )


@pure
@internal
def _with_max_price(rule: uint256, max_price: uint256) -> uint256:
    """
    @dev The rule with a higher max_price.
    """
    upper: uint256 = (rule >> UPPER_AT) & 127
    lower: uint256 = upper - (rule >> RANGE_AT)
    assert max_price >= 1 << upper, "max_price is not raised"
    return (rule & (2**UPPER_AT - 1)) | self._bounds(lower, self._upper(max_price))


@pure
@internal
def _upper(price: uint256) -> uint256:
    """
    @dev The exponent of the lowest power of two above a price, of at least 1.
    """
    assert price <= HIGHEST_PRICE, "max_price out of range"
    upper: uint256 = 0
    for i: uint256 in range(94):
        if 1 << i <= price:
            upper = i + 1
    return upper


@pure
@internal
def _bounds(lower: uint256, upper: uint256) -> uint256:
    assert upper - lower <= 63, "price bounds are too far apart"
    return (upper << UPPER_AT) | ((upper - lower) << RANGE_AT)


@pure
@internal
def _max_price(rule: uint256) -> uint256:
    """
    @dev [WAD] prices from here on are not valid.
    """
    return 1 << ((rule >> UPPER_AT) & 127)


@pure
@internal
def _base_ltv(rule: uint256) -> uint256:
    """
    @dev [BPS] borrow_ltv, before volatility.
    """
    return (rule >> BORROW_LTV_AT) & MASK_14


@pure
@internal
def _jump_band(rule: uint256) -> uint256:
    """
    @dev [BPS]
    """
    return ((rule >> BAND_AT) & 127) * 50


@view
@internal
def _liquidation_ltv(term: uint256) -> uint256:
    """
    @dev [BPS] as of now: on a straight line from the start of the ramp to its end, rounded
         towards the start.
    """
    start: uint256 = term & MASK_14
    target: uint256 = (term >> TARGET_LTV_AT) & MASK_14
    if start == target:
        return target
    elapsed: uint256 = unsafe_sub(block.timestamp, (term >> RAMP_START_AT) & (2**40 - 1))
    duration: uint256 = (term >> RAMP_TIME_AT) & (2**24 - 1)
    if elapsed >= duration:
        return target
    if target > start:
        return start + (target - start) * elapsed // duration
    return start - (start - target) * elapsed // duration


@pure
@internal
def _unit(rule: uint256) -> uint256:
    """
    @dev One whole token [token units].
    """
    return 10**(rule >> DECIMALS_AT & 31)


@pure
@internal
def _debt_weight(rule: uint256) -> uint256:
    """
    @dev [BPS] 10_000 to 35_500.
    """
    return unsafe_add(BPS, unsafe_mul(rule >> WEIGHT_AT & 255, 100))


@pure
@internal
def _value_down(amount: uint256, price: uint256, rule: uint256) -> uint256:
    """
    @dev amount < 2**104, price < 2**96; a token has 6 to 24 decimals.
    """
    return min(unsafe_div(unsafe_mul(amount, price), 10**(rule >> DECIMALS_AT & 31)), MAX_VALUE)


@pure
@internal
def _value_up(amount: uint256, price: uint256, rule: uint256) -> uint256:
    unit: uint256 = 10**(rule >> DECIMALS_AT & 31)
    return min(
        unsafe_div(unsafe_add(unsafe_mul(amount, price), unsafe_sub(unit, 1)), unit), MAX_VALUE
    )


@pure
@internal
def _borrow_ltv(rule: uint256, volatility: uint256) -> uint256:
    """
    @dev max(floor, base - slope * max(0, volatility - reference)) [BPS]
    """
    base: uint256 = rule >> BORROW_LTV_AT & MASK_14
    slope: uint256 = rule >> VOLATILITY_SLOPE_AT & 127  # [1_000 bps]
    if slope == 0:
        return base
    reference: uint256 = (rule >> VOLATILITY_REF_AT & 255) * 10 * BPS_WAD
    if volatility <= reference:
        return base
    drop: uint256 = (volatility - reference) * slope // (10 * BPS_WAD)
    return max(self._floor(rule), base - min(drop, base))


@pure
@internal
def _floor(rule: uint256) -> uint256:
    base: uint256 = (rule >> BORROW_LTV_AT) & MASK_14
    drop: uint256 = ((rule >> DROP_AT) & 255) * 50
    return base - drop if base > drop else 0


@pure
@internal
def _check_age(max_age: uint256):
    self._check(max_age, 60, 4_095 * 60, 60, "max_age out of range")


@pure
@internal
def _check(given: uint256, lowest: uint256, highest: uint256, step: uint256, why: String[32]):
    if given < lowest or given > highest or given % step != 0:
        raise why
