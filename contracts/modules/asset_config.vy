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
        | (config.max_age // 60 << 160)
        | (feed_decimals << 172)
        | (config.jump_band // 50 << 177)
        | (config.borrow_ltv << 184)
        | (drop // 50 << 198)
        | ((config.debt_weight - BPS) // 100 << 206)
        | (config.max_leverage // 5_000 << 214)
        | (decimals << 222)
        | (config.volatility_slope // 1_000 << 228)
        | (config.volatility_ref // 10 << 235)
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
        | (config.liquidation_ltv << 14)
        | (config.tip << 92)
        | (config.incentive_min << 106)
        | (config.incentive_max << 120)
        | (config.incentive_slope << 134)
        | (config.target_health << 150)
        | (config.target_slope << 164)
        | (convert(config.closes_whole, uint256) << 184)
    )


@view
@internal
def _unpack(rule: uint256, term: uint256) -> IConfigurator.AssetConfig:
    """
    @dev The configuration as it applies now: liquidation_ltv along its ramp.
    """
    upper: uint256 = (rule >> 243) & 127
    return IConfigurator.AssetConfig(
        source=convert(rule & (2**160 - 1), address),
        is_feed=(rule >> 172) & 31 == IS_FEED,
        max_age=((rule >> 160) & 4_095) * 60,
        min_price=1 << (upper - (rule >> 250)),
        max_price=1 << upper,
        jump_band=((rule >> 177) & 127) * 50,
        borrow_ltv=(rule >> 184) & MASK_14,
        borrow_ltv_floor=((rule >> 184) & MASK_14) - ((rule >> 198) & 255) * 50,
        liquidation_ltv=self._liquidation_ltv(term),
        debt_weight=BPS + ((rule >> 206) & 255) * 100,
        max_leverage=((rule >> 214) & 255) * 5_000,
        volatility_ref=((rule >> 235) & 255) * 10,
        volatility_slope=((rule >> 228) & 127) * 1_000,
        tip=(term >> 92) & MASK_14,
        incentive_min=(term >> 106) & MASK_14,
        incentive_max=(term >> 120) & MASK_14,
        incentive_slope=(term >> 134) & 65_535,
        target_health=(term >> 150) & MASK_14,
        target_slope=(term >> 164) & (2**20 - 1),
        closes_whole=(term >> 184) & 1 == 1,
    )


@pure
@internal
def _with_borrow_ltv(rule: uint256, borrow_ltv: uint256) -> uint256:
    """
    @dev The rule with another borrow_ltv; its floor stays where it was, or moves down with it.
    """
    lowest: uint256 = ((rule >> 184) & MASK_14) - ((rule >> 198) & 255) * 50
    drop: uint256 = 0
    if borrow_ltv > lowest:
        drop = (borrow_ltv - lowest) // 50
    return (
        (rule & ~((MASK_14 << 184) | (255 << 198))) | (borrow_ltv << 184) | (min(drop, 255) << 198)
    )


@pure
@internal
def _with_max_price(rule: uint256, max_price: uint256) -> uint256:
    """
    @dev The rule with a higher max_price.
    """
    upper: uint256 = (rule >> 243) & 127
    lower: uint256 = upper - (rule >> 250)
    assert max_price >= 1 << upper, "max_price is not raised"
    return (rule & (2**243 - 1)) | self._bounds(lower, self._upper(max_price))


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
    return (upper << 243) | ((upper - lower) << 250)


@pure
@internal
def _max_price(rule: uint256) -> uint256:
    """
    @dev [WAD] prices from here on are not valid.
    """
    return 1 << ((rule >> 243) & 127)


@pure
@internal
def _base_ltv(rule: uint256) -> uint256:
    """
    @dev [BPS] borrow_ltv, before volatility.
    """
    return (rule >> 184) & MASK_14


@pure
@internal
def _jump_band(rule: uint256) -> uint256:
    """
    @dev [BPS]
    """
    return ((rule >> 177) & 127) * 50


@view
@internal
def _liquidation_ltv(term: uint256) -> uint256:
    """
    @dev [BPS] as of now: on a straight line from the start of the ramp to its end, rounded
         towards the start.
    """
    start: uint256 = term & MASK_14
    target: uint256 = (term >> 14) & MASK_14
    if start == target:
        return target
    elapsed: uint256 = unsafe_sub(block.timestamp, (term >> 28) & (2**40 - 1))
    duration: uint256 = (term >> 68) & (2**24 - 1)
    if elapsed >= duration:
        return target
    if target > start:
        return start + (target - start) * elapsed // duration
    return start - (start - target) * elapsed // duration


@pure
@internal
def _decimals(rule: uint256) -> uint256:
    return (rule >> 222) & 31


@pure
@internal
def _debt_weight(rule: uint256) -> uint256:
    """
    @dev [BPS] 10_000 to 35_500.
    """
    return unsafe_add(BPS, unsafe_mul(rule >> 206 & 255, 100))


@pure
@internal
def _value_down(amount: uint256, price: uint256, rule: uint256) -> uint256:
    """
    @dev amount < 2**104, price < 2**96; a token has 6 to 24 decimals.
    """
    return min(unsafe_div(unsafe_mul(amount, price), 10**(rule >> 222 & 31)), MAX_VALUE)


@pure
@internal
def _value_up(amount: uint256, price: uint256, rule: uint256) -> uint256:
    unit: uint256 = 10**(rule >> 222 & 31)
    return min(
        unsafe_div(unsafe_add(unsafe_mul(amount, price), unsafe_sub(unit, 1)), unit), MAX_VALUE
    )


@pure
@internal
def _borrow_ltv(rule: uint256, volatility: uint256) -> uint256:
    """
    @dev max(floor, base - slope * max(0, volatility - reference)) [BPS]
    """
    base: uint256 = rule >> 184 & 16_383
    slope: uint256 = rule >> 228 & 127  # [1_000 bps]
    if slope == 0:
        return base
    reference: uint256 = (rule >> 235 & 255) * 10 * BPS_WAD
    if volatility <= reference:
        return base
    drop: uint256 = (volatility - reference) * slope // (10 * BPS_WAD)
    return max(self._floor(rule), base - min(drop, base))


@pure
@internal
def _floor(rule: uint256) -> uint256:
    base: uint256 = (rule >> 184) & 16_383
    drop: uint256 = ((rule >> 198) & 255) * 50
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
