"""An average whose window the attacker chooses: Inverse Finance, April 2022, 15.6 million dollars.

The oracle averaged from whoever had poked it last. One transaction poked it and bought nearly all
INV of a thin pool; in the next block the average was over that one block, and INV counted at fifty
times its price.
"""

import pytest

from breakwater import artifacts
from breakwater.driver import CheckedFeed, NavFeed, UniswapTwapFeed
from breakwater.evm import EvmHost
from breakwater.foreign import Pool
from breakwater.units import WAD
from tests.incidents.conftest import harm

pytestmark = pytest.mark.needs("uniswap")
TICK, WINDOW = -236_000, 1_800
"""57 dollars of 6 decimals for a token of 18."""

CHOSEN = """
# pragma version 0.4.3
from contracts.modules import tick_price

interface IPool:
    def observe(ago: DynArray[uint32, 1]) -> (DynArray[int56, 1], DynArray[uint160, 1]): view

POOL: immutable(address)
sum: int256
time: uint256
price: uint256

@deploy
def __init__(pool: address):
    POOL = pool
    self._observe()

@external
def poke():
    # "the window is as long as nobody poked"
    sum: int256 = self.sum
    time: uint256 = self.time
    self._observe()
    if self.time != time:
        mean: int256 = (self.sum - sum) // convert(self.time - time, int256)
        self.price = tick_price._price_at(mean, 30)

@view
@external
def quote() -> (uint256, uint256, uint256, uint256, uint256):
    return self.price, self.price, self.price, block.timestamp, 1

@internal
def _observe():
    sums: DynArray[int56, 1] = []
    liquidity: DynArray[uint160, 1] = []
    sums, liquidity = staticcall IPool(POOL).observe([0])
    self.sum = convert(sums[0], int256)
    self.time = block.timestamp
"""


@pytest.fixture
def host():
    return EvmHost()


@pytest.fixture
def pool(host):
    pool = Pool(host, tick=TICK, liquidity=10**14)
    host.advance(2 * WINDOW)
    return pool


@pytest.fixture
def dollar(host, pool):
    return NavFeed.deploy(host, WAD, "0x" + "00" * 20, 86_400, 0, sender=pool.me)


def pump(pool):
    """All that the attack buys, for one block."""
    pool.swap_to(TICK + 40_000)
    pool.host.advance(12)


def test_average_since_the_last_poke(host, pool):
    """As it was: one block is the whole window."""
    artifact = artifacts.compile_source(CHOSEN, "ChosenWindowFeed")
    feed = host.deploy_raw(artifact.abi, artifact.bytecode, [pool.address], sender=pool.me)
    host.advance(600)
    host.transact(feed, artifact.abi, "poke", sender=pool.me)
    quote = host.call(feed, artifact.abi, "quote")
    true = quote[1] / WAD
    assert true == pytest.approx(57, rel=0.05)
    host.transact(feed, artifact.abi, "poke", sender=pool.me)
    pump(pool)
    host.transact(feed, artifact.abi, "poke", sender=pool.me)
    quote = host.call(feed, artifact.abi, "quote")
    assert harm(quote, 1_000, true) > 2_000_000


def test_average_over_a_window_that_was_fixed(host, pool, dollar):
    """A block moves it by a block's part of the way: 12 of 1,800 seconds, 2.7 %."""
    feed = UniswapTwapFeed.deploy(
        host, pool.address, pool.tokens[0], dollar, WINDOW, 10**13, sender=pool.me
    )
    true = feed.quote()[1] / WAD
    pump(pool)
    quote = feed.quote()
    assert quote[1] / WAD / true == pytest.approx(1.0001 ** (40_000 * 12 / WINDOW), rel=2e-4)
    assert harm(quote, 1_000, true) < 0


def test_average_as_a_bound(host, pool, dollar):
    """And where it only bounds a price that somebody says, it lifts what is lent by nothing."""
    twap = UniswapTwapFeed.deploy(
        host, pool.address, pool.tokens[0], dollar, WINDOW, 10**13, sender=pool.me
    )
    said = NavFeed.deploy(host, twap.quote()[1], pool.me, 86_400, 0, sender=pool.me)
    checked = CheckedFeed.deploy(host, said, twap, 200, False, sender=pool.me)
    low = checked.quote()[0]
    pump(pool)
    assert checked.quote()[0] == low
    # apart by 2.7 %: no new risk at all
    assert checked.quote()[4] == 3
