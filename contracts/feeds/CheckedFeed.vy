# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Checked feed
@license MIT
@notice The quote of one feed, checked by that of another, its market: the rate of a share by what
        the share is sold for, a net asset value by its market, a median by the average of a pool.

        QUOTE
        Prices are apart by (higher - lower) / lower.
        base     market                 price     low, high             updated_at  status
        INVALID  any                    INVALID, with zeros
        valid    apart by <= band       base's    lower low, higher     older       base's
                                                  high of both
        valid    apart by more,         base's    lower low, higher     older       DISPERSED
                 not deciding                     high of both
        valid    apart by more,         market's  lower low, higher     older       DISPERSED
                 deciding                         high of both
        valid    INVALID, not deciding  base's quote as it is
        valid    INVALID, deciding      INVALID, with zeros

        WHY
        - New risk always counts the worse of both, so what one of them overstates is not lent on.
        - Agreement makes no status better: a market that lags, or is an average, confirms nothing,
          and a jump of the base that it happens to agree with waits as it would have.
        - Disagreement is DISPERSED: no new risk, and liquidations wait a stated time at what
          favours the borrower. Then they use the price. Where the base is made of independent markets and
          the market only bounds (a TWAP), that is the base's. Where the base is what an issuer says
          (a rate, a net asset value), a loss shows in the market first (USR, xUSD, deUSD), and
          waiting for the issuer is how lenders lost: the market decides.
        - A pool that ran dry must not kill the price of medians, so without the market a base that
          stands by itself stands. What nobody can be shown to buy is no collateral: where the
          market decides, its silence is no price.

        ROUNDING
        None.

        ORACLE ASSUMPTIONS
        Base and market price the same token in the same numeraire, and whoever moves one does not
        move the other: else the check checks nothing.

        LIVENESS
        Both feeds at their limit, and what is done here, fit into the gas a feed is called with;
        what would not is refused (see `gas_limit`).

        ROLES
        None: nothing can be changed.
"""

from contracts.interfaces import IPriceFeed

implements: IPriceFeed


# Stateless.
from contracts.modules import aggregator

BPS: constant(uint256) = 10_000
MAX_BAND: constant(uint256) = 2_000
OWN_GAS: constant(uint256) = 5_000  # without calls

BASE: public(immutable(address))
MARKET: public(immutable(address))
BAND: public(immutable(uint256))  # [BPS]
DECIDES: public(immutable(bool))  # the market, where they are apart
BASE_GAS: immutable(uint256)
MARKET_GAS: immutable(uint256)
GAS_LIMIT: immutable(uint256)


@deploy
def __init__(base: address, market: address, band: uint256, decides: bool):
    """
    @param base Feed that is checked; keeps IPriceFeed.
    @param market Feed that checks it; keeps IPriceFeed.
    @param band [BPS] 1 to 2_000.
    @param decides Whether the market's price counts where they are apart.
    """
    assert base.is_contract, "base has no code"
    assert market.is_contract, "market has no code"
    assert base != market, "market is the base"
    assert band != 0 and band <= MAX_BAND, "band is out of range"
    BASE = base
    MARKET = market
    BAND = band
    DECIDES = decides
    BASE_GAS = aggregator._gas_of(base)
    MARKET_GAS = aggregator._gas_of(market)
    GAS_LIMIT = BASE_GAS + aggregator.CALL_GAS + aggregator._need(MARKET_GAS) + OWN_GAS
    assert GAS_LIMIT <= aggregator.FEED_GAS, "feeds need too much gas"

    price: uint256 = aggregator._read_feed(base, BASE_GAS)[1]
    assert price != 0, "base is not valid"
    other: uint256 = aggregator._read_feed(market, MARKET_GAS)[1]
    assert other != 0, "market is not valid"
    assert self._agree(price, other), "market is apart from the base"


@view
@external
@reentrant
def quote() -> (uint256, uint256, uint256, uint256, uint256):
    """
    @notice See `IPriceFeed.quote`.
    """
    low: uint256 = 0
    price: uint256 = 0
    high: uint256 = 0
    updated_at: uint256 = 0
    status: uint256 = 0
    low, price, high, updated_at, status = aggregator._read_feed(BASE, BASE_GAS)
    if status == aggregator.FEED_INVALID:
        return 0, 0, 0, 0, aggregator.FEED_INVALID
    market_low: uint256 = 0
    market: uint256 = 0
    market_high: uint256 = 0
    market_time: uint256 = 0
    market_status: uint256 = 0
    market_low, market, market_high, market_time, market_status = aggregator._read_feed(
        MARKET, MARKET_GAS
    )
    if market_status == aggregator.FEED_INVALID:
        if DECIDES:
            return 0, 0, 0, 0, aggregator.FEED_INVALID
        return low, price, high, updated_at, status

    if not self._agree(price, market):
        status = aggregator.FEED_DISPERSED
        if DECIDES:
            price = market
    return (
        min(low, market_low), price, max(high, market_high), min(updated_at, market_time), status
    )


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
def _agree(price: uint256, other: uint256) -> bool:
    """
    @dev True if the prices are apart by at most the band. Both are below 2**128.
    """
    lower: uint256 = min(price, other)
    return (max(price, other) - lower) * BPS <= lower * BAND
