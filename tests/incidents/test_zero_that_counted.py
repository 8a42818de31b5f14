"""A part that could not be priced, and counted as nothing: Makina, January 2026.

A share's value was the sum of its parts. The path to one of them ended in a pool that did not
exist, and what it did not answer was added as zero: shares were nearly free, and 5.1 million
dollars left with them. Too low a price is a theft as much as one too high: of whoever is priced by
it.
"""

import pytest

from breakwater import artifacts
from breakwater.driver import CurveEmaFeed, MedianFeed, RateFeed
from breakwater.mocks import AggregatorMock, CurvePoolMock, StakedTokenMock, TokenMock
from breakwater.units import WAD
from tests.market import refuses

SUM = """
# pragma version 0.4.3

PARTS: immutable(address[2])
WEIGHTS: immutable(uint256[2])

@deploy
def __init__(parts: address[2], weights: uint256[2]):
    PARTS = parts
    WEIGHTS = weights

@view
@external
def quote() -> (uint256, uint256, uint256, uint256, uint256):
    value: uint256 = 0
    for i: uint256 in range(2):
        ok: bool = False
        data: Bytes[160] = b""
        ok, data = raw_call(
            PARTS[i], method_id("quote()"), max_outsize=160,
            is_static_call=True, revert_on_failure=False
        )
        if ok and len(data) == 160:  # "else it is worth nothing"
            value += convert(slice(data, 32, 32), uint256) * WEIGHTS[i] // 10**18
    return value, value, value, block.timestamp, 1
"""


class Parts:
    """A dollar that lies idle for every nine in a pool, each a source of its own."""

    def __init__(self, market):
        self.host, self.me, self.on = market.host, market.owner, market
        self.idle, self.pool = (
            AggregatorMock.deploy(self.host, 8, 10**8, sender=self.me) for _ in range(2)
        )

    def median(self, source):
        return MedianFeed.deploy(
            self.host, [source], [86_400], 1, 100, False, "part", sender=self.me
        )

    def borrow(self, feed):
        """A healthy loan on a share of a dollar."""
        self.on.add_asset("SHARE", decimals=6, dollars=1, source=feed, is_feed=True)
        self.on.deposit("SHARE", 100_000)
        self.on.borrow("USDC", 50_000)

    def lose(self):
        """The pool does not answer any more; an hour of pokes."""
        for _ in range(6):
            self.host.advance(600)
            self.on.refresh()
            self.idle.set(10**8, sender=self.me)
            self.pool.set_round(9, 0, 0, 0, sender=self.me)
            self.on.poke("SHARE")


@pytest.fixture
def parts(market):
    return Parts(market)


def test_part_without_an_answer_is_nothing(market, parts):
    """As it was: the share falls to ten cents, and a healthy account is sold whole at a loss."""
    artifact = artifacts.compile_source(SUM, "SumFeed")
    args = [
        [parts.median(parts.idle).address, parts.median(parts.pool).address],
        [WAD // 10, 9 * WAD // 10],
    ]
    feed = market.host.deploy_raw(artifact.abi, artifact.bytecode, args, sender=market.owner)
    parts.borrow(feed)
    parts.lose()
    event = market.liquidate("USDC", "SHARE").event("Liquidate")
    assert event.seized == 100_000 * 10**6
    assert event.bad_debt > 0


def test_part_without_an_answer_is_no_price(market, parts):
    """A share by its rate: without its base it has no price, and is sold to nobody."""
    token = TokenMock.deploy(market.host, "Part", "PART", 6, sender=market.owner)
    vault = StakedTokenMock.deploy(market.host, "Share", "SHARE", token, sender=market.owner)
    feed = RateFeed.deploy(market.host, vault, parts.median(parts.pool), 1_000, sender=market.owner)
    parts.borrow(feed.address)
    parts.lose()
    assert feed.quote() == (0, 0, 0, 0, 0)
    with refuses("account is healthy"):
        market.liquidate("USDC", "SHARE")


@pytest.mark.parametrize("zero", ["rate", "average", "last"])
def test_zero_is_never_a_factor(market, parts, zero):
    """Of any feed with two parts, one that is zero is no price, not a price of zero."""
    host, me = market.host, market.owner
    token = TokenMock.deploy(host, "Part", "PART", 6, sender=me)
    if zero == "rate":
        vault = StakedTokenMock.deploy(host, "Share", "SHARE", token, sender=me)
        token.mint(vault, 10**6, sender=me)
        vault.mint(me, WAD, sender=me)
        feed = RateFeed.deploy(host, vault, parts.median(parts.pool), 1_000, sender=me)
        assert feed.quote()[1] == WAD
        # emptied: a share converts to nothing
        vault.redeem(WAD - 1, me, me, sender=me)
        vault.mint(me, 10**30, sender=me)
    else:
        pool = CurvePoolMock.deploy(host, [token, token], [10**30] * 2, WAD, sender=me)
        feed = CurveEmaFeed.deploy(
            host, pool, parts.median(parts.pool), 1, True, True, 600, 1, 2 * WAD, sender=me
        )
        assert feed.quote()[1] == WAD
        pool.set_prices(*((0, WAD) if zero == "average" else (WAD, 0)), sender=me)
    assert feed.quote() == (0, 0, 0, 0, 0)
