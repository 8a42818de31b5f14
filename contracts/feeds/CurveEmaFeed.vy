# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Curve EMA feed
@license MIT
@notice The price of a coin of a Curve pool: the pool's moving average against its coin 0, times the
        quote of coin 0.

        ACCOUNTING
        average = price_oracle, last = the price that the last trade left, both coins of the pool's
        coin 0 for one whole coin [WAD]. A trade moves last at once and average only as time passes,
        a fraction 1 - 2**(-t/half) of the way after t seconds.

        VALIDITY
        Average and last are positive, the average lies within the bounds given at construction,
        and its half-life is no less than the least one: who rules the pool may shorten it, so it is
        asked at each reading. A pool that reverts, as one does that is locked in mid-call, burns
        its gas, or answers nonsense is no price: INVALID, with zeros. So is a base that is none.

        QUOTE
        low   = min(average, last) * low of the base: a fall counts at once where new risk counts
                collateral, a rise only as the average follows
        price = average * price of the base
        high  = max(average, last) * high of the base
        updated_at is that of the base, as an average is always current. status is DISPERSED if the
        base's is, else SINGLE: one pool is one source, however many stand behind its coin 0.

        ROUNDING
        Low and price down, high up.

        ORACLE ASSUMPTIONS
        Trading a pool away from the market and keeping it there for a half-life costs more than
        what the protocol lends against the coin: `last` is anyone's to set for a moment, which
        lowers low and raises high only. The prices of a pool that scales its coins by rates (an
        oracle's, an ERC-4626's) are of the scaled coins; a pool with `stored_rates` is refused for
        them, for a two-coin stable pool without it the deployer has to look. Stable pools cut
        prices off at 2: let the upper bound be below. Those made before 12 December 2023 that have
        coins of unequal decimals misprice when liquidity leaves in unequal parts.

        LIVENESS
        Without trades the average ends at the last price and stays. See `gas_limit`.

        ROLES
        None: nothing can be changed.
"""

from contracts.interfaces import IPriceFeed

implements: IPriceFeed


# Stateless.
from contracts.modules import aggregator


interface IPool:
    def coins(index: uint256) -> address: view
    def stored_rates() -> DynArray[uint256, 8]: view


interface ICoin:
    def decimals() -> uint8: view


WAD: constant(uint256) = 10**18
MAX_INDEX: constant(uint256) = 7
MIN_HALF_LIFE: constant(uint256) = 300
MAX_HALF_LIFE: constant(uint256) = 7 * 86_400
MAX_PRICE: constant(uint256) = 2**128 - 1
POOL_GAS: constant(uint256) = 25_000  # of each of three calls
OWN_GAS: constant(uint256) = 5_000  # without calls

POOL: public(immutable(address))
BASE: public(immutable(address))
INDEX: public(immutable(uint256))  # of the coin that is priced
STABLE: public(immutable(bool))
BY_INDEX: public(immutable(bool))
LEAST_HALF_LIFE: public(immutable(uint256))  # [seconds]
LOWEST: public(immutable(uint256))  # [WAD coins 0 a coin]
HIGHEST: public(immutable(uint256))  # [WAD coins 0 a coin]
BASE_GAS: immutable(uint256)
GAS_LIMIT: immutable(uint256)


@deploy
def __init__(
    pool: address,
    base: address,
    index: uint256,
    stable: bool,
    by_index: bool,
    least_half_life: uint256,
    lowest: uint256,
    highest: uint256,
):
    """
    @param pool The Curve pool.
    @param base Feed of the pool's coin 0, which keeps IPriceFeed.
    @param index Of the coin that is priced, from 1.
    @param stable A stableswap pool (last_price, ma_exp_time), or a cryptoswap one (last_prices,
           ma_time).
    @param by_index Prices are asked with an index (stableswap-ng, tricrypto), or without.
    @param least_half_life [seconds] of the average, 300 to 7 days. Pools have 600 by default.
    @param lowest [WAD] average that is believed, coins 0 a coin.
    @param highest [WAD] average that is believed.
    """
    assert pool.is_contract, "pool has no code"
    assert base.is_contract, "base has no code"
    assert index != 0 and index <= MAX_INDEX, "index is out of range"
    assert by_index or index == 1, "pool of two has no such coin"
    assert (
        least_half_life >= MIN_HALF_LIFE and least_half_life <= MAX_HALF_LIFE
    ), "half-life is out of range"
    assert lowest != 0 and lowest < highest and highest <= MAX_PRICE, "bounds are out of order"
    if stable and by_index:
        rates: DynArray[uint256, 8] = staticcall IPool(pool).stored_rates()
        for i: uint256 in [0, index]:
            coin: address = staticcall IPool(pool).coins(i)
            places: uint256 = convert(staticcall ICoin(coin).decimals(), uint256)
            assert places <= 36 and rates[i] == 10**(36 - places), "pool scales its coins"
    POOL = pool
    BASE = base
    INDEX = index
    STABLE = stable
    BY_INDEX = by_index
    LEAST_HALF_LIFE = least_half_life
    LOWEST = lowest
    HIGHEST = highest
    BASE_GAS = aggregator._gas_of(base)
    GAS_LIMIT = 3 * (POOL_GAS + aggregator.CALL_GAS) + aggregator._need(BASE_GAS) + OWN_GAS
    assert GAS_LIMIT <= aggregator.FEED_GAS, "base needs too much gas"

    assert self._half_life() >= LEAST_HALF_LIFE, "half-life is too short"
    assert self._prices()[0] != 0, "average is not valid"
    assert aggregator._read_feed(base, BASE_GAS)[4] != aggregator.FEED_INVALID, "base is not valid"


@view
@external
@reentrant
def quote() -> (uint256, uint256, uint256, uint256, uint256):
    """
    @notice See `IPriceFeed.quote`.
    """
    if self._half_life() < LEAST_HALF_LIFE:
        return 0, 0, 0, 0, aggregator.FEED_INVALID
    average: uint256 = 0
    last: uint256 = 0
    average, last = self._prices()
    if average == 0:
        return 0, 0, 0, 0, aggregator.FEED_INVALID
    low: uint256 = 0
    price: uint256 = 0
    high: uint256 = 0
    updated_at: uint256 = 0
    status: uint256 = 0
    low, price, high, updated_at, status = aggregator._read_feed(BASE, BASE_GAS)
    if status == aggregator.FEED_INVALID:
        return 0, 0, 0, 0, aggregator.FEED_INVALID

    low = min(average, last) * low // WAD
    price = average * price // WAD
    high = (max(average, last) * high + WAD - 1) // WAD
    if low == 0 or high > MAX_PRICE:
        return 0, 0, 0, 0, aggregator.FEED_INVALID
    return (
        low
    ), price, high, updated_at, aggregator.FEED_DISPERSED if status == aggregator.FEED_DISPERSED else aggregator.FEED_SINGLE


@view
@external
@reentrant
def gas_limit() -> uint256:
    """
    @notice See `IPriceFeed.gas_limit`.
    """
    return GAS_LIMIT


@view
@internal
def _prices() -> (uint256, uint256):
    """
    @dev Average and last price [WAD], zeros when not valid.
    """
    average: uint256 = 0
    last: uint256 = 0
    if BY_INDEX:
        average = self._ask(abi_encode(INDEX - 1, method_id=method_id("price_oracle(uint256)")))
        if STABLE:
            last = self._ask(abi_encode(INDEX - 1, method_id=method_id("last_price(uint256)")))
        else:
            last = self._ask(abi_encode(INDEX - 1, method_id=method_id("last_prices(uint256)")))
    else:
        average = self._ask(method_id("price_oracle()"))
        if STABLE:
            last = self._ask(method_id("last_price()"))
        else:
            last = self._ask(method_id("last_prices()"))
    if average < LOWEST or average > HIGHEST or last == 0:
        return 0, 0
    return average, last


@view
@internal
def _half_life() -> uint256:
    """
    @dev [seconds] of the average; 0 when the pool's answer is not valid.
    """
    if STABLE:
        # the time in which the distance falls to 1/e
        return self._ask(method_id("ma_exp_time()")) * 694 // 1_000
    return self._ask(method_id("ma_time()"))


@view
@internal
def _ask(data: Bytes[36]) -> uint256:
    """
    @dev The pool's answer, 0 when it is none or has more than 128 bits.
    """
    ok: bool = False
    word: uint256 = 0
    ok, word = aggregator._word(POOL, data, POOL_GAS)
    if not ok or word > MAX_PRICE:
        return 0
    return word
