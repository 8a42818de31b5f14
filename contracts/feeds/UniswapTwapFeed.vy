# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Uniswap TWAP feed
@license MIT
@notice The price of a token in a Uniswap v3 pool, averaged over a window that is fixed at
        construction, times the quote of the pool's other token.

        ACCOUNTING
        tick = the mean tick over the window, from observe([window, 0]), rounded towards minus
        infinity; average = 1.0001**tick * 10**decimals of the token / 10**decimals of the other,
        inverted where the token is token 1 [WAD].
        liquidity = the harmonic mean of the liquidity in range over the window.
        What a swap does in this block has lasted no second: it moves the average by nothing. A
        price held for s seconds moves the mean tick by s / window of the way.

        VALIDITY
        A pool that reverts, that does not reach back a window (its observations are too few),
        answers nonsense, or whose liquidity is below the least one is no price: INVALID, with
        zeros. So is a base that is none.

        QUOTE
        low = average * low of the base, and likewise price and high
        updated_at is that of the base, as the average ends now. status is DISPERSED if the base's
        is, else SINGLE: one pool is one source, however many stand behind its other token.
        A TWAP lags by half its window and shows what one pool was held at: it is made to bound
        another feed (see `CheckedFeed`), not to be the only source of an asset.

        ROUNDING
        The mean tick is within one tick, 0.01 %, of the mean. The price of the tick is within
        2**-105 of its exact value, then rounded down (see `tick_price`); low and price down, high
        up.

        ORACLE ASSUMPTIONS
        Holding the pool at a wrong price for a part of the window, through all its liquidity in
        range, costs more than what is lent on the average. The pool was made by the factory it
        claims: a contract that answers like one is believed.

        LIVENESS
        Who swaps in every block uses up an observation a block. The pool must have one for each
        OBSERVATION_TIME of the window at construction: enough where blocks take as long. Anyone
        may add more; with all 65,535 that a pool can have, observe took 92,350 gas of the 100,000
        it is given. See `gas_limit`.

        ROLES
        None: nothing can be changed.
"""

from contracts.interfaces import IPriceFeed

implements: IPriceFeed


# Stateless.
from contracts.modules import aggregator
from contracts.modules import tick_price


interface IPool:
    def token0() -> address: view
    def token1() -> address: view
    # wider words than the pool's, so that pools of the same kind decode too
    def slot0() -> (uint256, int256, uint256, uint256, uint256, uint256, uint256): view


interface IToken:
    def decimals() -> uint8: view


WAD: constant(uint256) = 10**18
MIN_WINDOW: constant(uint256) = 30 * 60
MAX_WINDOW: constant(uint256) = 86_400
MIN_DECIMALS: constant(uint256) = 6
MAX_DECIMALS: constant(uint256) = 24
OBSERVATION_TIME: constant(uint256) = 12  # [seconds]
MAX_LIQUIDITY: constant(uint256) = 2**128 - 1
MAX_PRICE: constant(uint256) = 2**128 - 1
MASK_160: constant(uint256) = 2**160 - 1
MAX_SUM: constant(int256) = 2**55  # of ticks, as an int56
OBSERVE_GAS: constant(uint256) = 100_000
OWN_GAS: constant(uint256) = 12_000  # without calls

POOL: public(immutable(address))
TOKEN: public(immutable(address))
BASE: public(immutable(address))
WINDOW: public(immutable(uint256))  # [seconds]
LEAST_LIQUIDITY: public(immutable(uint256))  # [the pool's liquidity]
IS_TOKEN0: immutable(bool)
EXPONENT: immutable(uint256)  # from a price in units to WAD per whole token
BASE_GAS: immutable(uint256)
GAS_LIMIT: immutable(uint256)


@deploy
def __init__(
    pool: address, token: address, base: address, window: uint256, least_liquidity: uint256
):
    """
    @param pool The Uniswap v3 pool.
    @param token Which of its two tokens is priced.
    @param base Feed of the other token, which keeps IPriceFeed.
    @param window [seconds] 30 minutes to 1 day.
    @param least_liquidity [the pool's liquidity] above 0; its harmonic mean over the window.
    """
    assert pool.is_contract, "pool has no code"
    assert base.is_contract, "base has no code"
    assert window >= MIN_WINDOW and window <= MAX_WINDOW, "window is out of range"
    assert (least_liquidity != 0 and least_liquidity <= MAX_LIQUIDITY), "liquidity is out of range"
    token0: address = staticcall IPool(pool).token0()
    token1: address = staticcall IPool(pool).token1()
    assert token == token0 or token == token1, "pool has no such token"
    other: address = token1 if token == token0 else token0
    places: uint256 = convert(staticcall IToken(token).decimals(), uint256)
    other_places: uint256 = convert(staticcall IToken(other).decimals(), uint256)
    assert min(places, other_places) >= MIN_DECIMALS, "too few decimals"
    assert max(places, other_places) <= MAX_DECIMALS, "too many decimals"
    observations: uint256 = (staticcall IPool(pool).slot0())[3]
    assert observations * OBSERVATION_TIME >= window, "pool has too few observations"
    POOL = pool
    TOKEN = token
    BASE = base
    WINDOW = window
    LEAST_LIQUIDITY = least_liquidity
    IS_TOKEN0 = token == token0
    EXPONENT = 18 + places - other_places
    BASE_GAS = aggregator._gas_of(base)
    GAS_LIMIT = OBSERVE_GAS + aggregator.CALL_GAS + aggregator._need(BASE_GAS) + OWN_GAS
    assert GAS_LIMIT <= aggregator.FEED_GAS, "base needs too much gas"

    assert self._average() != 0, "average is not valid"
    assert aggregator._read_feed(base, BASE_GAS)[4] != aggregator.FEED_INVALID, "base is not valid"


@view
@external
@reentrant
def quote() -> (uint256, uint256, uint256, uint256, uint256):
    """
    @notice See `IPriceFeed.quote`.
    """
    average: uint256 = self._average()
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

    low = average * low // WAD
    price = average * price // WAD
    # the average was rounded down
    high = ((average + 1) * high + WAD - 1) // WAD
    if low == 0 or high > MAX_PRICE:
        return 0, 0, 0, 0, aggregator.FEED_INVALID
    return (
        low
    ), price, high, updated_at, aggregator.FEED_DISPERSED if status == aggregator.FEED_DISPERSED else aggregator.FEED_SINGLE


@view
@external
@reentrant
def means() -> (int256, uint256):
    """
    @notice Mean tick and harmonic mean of the liquidity over the window; zeros when not valid.
    """
    return self._means()


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
def _average() -> uint256:
    """
    @dev Price of the token in the other, over the window [WAD]; 0 when not valid.
    """
    tick: int256 = 0
    liquidity: uint256 = 0
    tick, liquidity = self._means()
    if liquidity < LEAST_LIQUIDITY:
        return 0
    if not IS_TOKEN0:
        tick = -tick
    return tick_price._price_at(tick, EXPONENT)


@view
@internal
def _means() -> (int256, uint256):
    # who leaves too little gas could make a good pool look dead
    if msg.gas < aggregator._need(OBSERVE_GAS):
        raise "too little gas"
    ago: DynArray[uint256, 2] = [WINDOW, 0]
    ok: bool = False
    data: Bytes[288] = b""
    # one word more than is wanted, so that a longer answer shows
    ok, data = raw_call(
        POOL,
        abi_encode(ago, method_id=method_id("observe(uint32[])")),
        max_outsize=288,
        gas=OBSERVE_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not ok or len(data) != 256:
        return 0, 0
    # two lists of two: where they begin, then each with its length
    heads: uint256[3] = empty(uint256[3])
    begin: int256 = 0
    end: int256 = 0
    length: uint256 = 0
    first: uint256 = 0
    last: uint256 = 0
    heads, begin, end, length, first, last = abi_decode(
        data, (uint256[3], int256, int256, uint256, uint256, uint256)
    )
    if heads[0] != 64 or heads[1] != 160 or heads[2] != 2 or length != 2:
        return 0, 0
    if max(begin, end) >= MAX_SUM or min(begin, end) < -MAX_SUM or max(first, last) > MASK_160:
        return 0, 0

    seconds: int256 = convert(WINDOW, int256)
    change: int256 = end - begin
    tick: int256 = change // seconds
    # division cuts off towards zero
    if change < 0 and tick * seconds != change:
        tick -= 1
    # seconds per unit of liquidity [2**128]; the sum wraps around
    thinness: uint256 = unsafe_sub(last, first) & MASK_160
    if thinness == 0:
        return 0, 0
    return tick, (WINDOW << 128) // thinness
