# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title NAV feed
@license MIT
@notice A price that somebody says: the net asset value of a fund, published again and again, or a
        fixed price. Both end.

        ACCOUNTING
        publish(price) stores a price and its time. A rise is at most
        last * growth * seconds since the last; a higher price is refused. A fall is taken at once,
        and can be taken back by no more than growth: there is no way to print a price and undo it.
        Publications compound, so over a time t they rise by a factor of at most exp(growth * t).

        VALIDITY
        The price is valid until max_age seconds after it was published, or after deployment: then
        INVALID, with zeros. Without a publisher it is a fixed price until that time, for good.

        QUOTE
        low = price = high = what was published, while it is valid. updated_at is now: what stands
        until it expires is current, and a reader's max_age need not be that of a fund which
        publishes once a week. status is SINGLE.

        ORACLE ASSUMPTIONS
        The publisher tells the value honestly, and the share can be sold at it. Neither holds when
        it matters most (xUSD, deUSD and USR were carried at par while the market paid a tenth): let
        a `CheckedFeed` whose market decides read this one.

        LIVENESS
        A publisher who falls silent ends the price after max_age. After that he may publish again;
        the bound has grown meanwhile. One who published far too low needs another feed.

        ROLES
        publisher: publishes. Nothing else can be changed.
"""

from contracts.interfaces import IPriceFeed
from contracts.modules import aggregator

implements: IPriceFeed


event Publish:
    price: uint256


BPS: constant(uint256) = 10_000
YEAR: constant(uint256) = 365 * 86_400
MAX_GROWTH: constant(uint256) = 10_000
MIN_AGE: constant(uint256) = 3_600
MAX_AGE: constant(uint256) = 366 * 86_400
MAX_PRICE: constant(uint256) = 2**128 - 1
OWN_GAS: constant(uint256) = 5_000

PUBLISHER: public(immutable(address))  # zero: the price is fixed
AGE: public(immutable(uint256))  # [seconds] that a price is valid
GROWTH: public(immutable(uint256))  # [BPS a year]

# bits 0-127 price [WAD], 128-191 time it was published [unix seconds]
packed_price: uint256


@deploy
def __init__(price: uint256, publisher: address, max_age: uint256, growth: uint256):
    """
    @param price [WAD per whole token] above 0.
    @param publisher Who publishes; zero for a fixed price.
    @param max_age [seconds] that a price is valid, 1 hour to 366 days.
    @param growth [BPS a year] fastest rise, at most 10_000; 0 for a fixed price.
    """
    assert price != 0 and price <= MAX_PRICE, "price is out of range"
    assert max_age >= MIN_AGE and max_age <= MAX_AGE, "max age is out of range"
    assert growth <= MAX_GROWTH, "growth is out of range"
    assert publisher != empty(address) or growth == 0, "a fixed price does not grow"
    PUBLISHER = publisher
    AGE = max_age
    GROWTH = growth
    self.packed_price = block.timestamp << 128 | price
    log Publish(price=price)


@external
def publish(price: uint256):
    """
    @notice Stores a price. For the publisher.
    @param price [WAD per whole token] above 0, at most `highest`.
    """
    assert msg.sender == PUBLISHER and PUBLISHER != empty(address), "not the publisher"
    assert price != 0, "price is zero"
    assert price <= self._highest(), "price rises too fast"
    self.packed_price = block.timestamp << 128 | price
    log Publish(price=price)


@view
@external
@reentrant
def quote() -> (uint256, uint256, uint256, uint256, uint256):
    """
    @notice See `IPriceFeed.quote`.
    """
    packed: uint256 = self.packed_price
    if block.timestamp - (packed >> 128) > AGE:
        return 0, 0, 0, 0, aggregator.FEED_INVALID
    price: uint256 = packed & MAX_PRICE
    return price, price, price, block.timestamp, aggregator.FEED_SINGLE


@view
@external
@reentrant
def published() -> (uint256, uint256):
    """
    @notice The last price [WAD], valid or not, and when it was published [unix seconds].
    """
    return self.packed_price & MAX_PRICE, self.packed_price >> 128


@view
@external
@reentrant
def highest() -> uint256:
    """
    @notice The highest price that may be published now [WAD].
    """
    return self._highest()


@view
@external
@reentrant
def gas_limit() -> uint256:
    """
    @notice See `IPriceFeed.gas_limit`.
    """
    return OWN_GAS


@view
@internal
def _highest() -> uint256:
    packed: uint256 = self.packed_price
    price: uint256 = packed & MAX_PRICE
    elapsed: uint256 = block.timestamp - (packed >> 128)
    return min(price + price * GROWTH * elapsed // (BPS * YEAR), MAX_PRICE)
