"""`_price_at` against powers that are exact, or enclosed by integers of 600 bits."""

import random
from fractions import Fraction

import pytest

from breakwater import artifacts
from breakwater.evm import EvmHost
from tests.ticks import enclosed

READER = """
# pragma version 0.4.3
from contracts.modules import tick_price

@view
@external
def price_at(tick: int256, exponent: uint256) -> uint256:
    return tick_price._price_at(tick, exponent)
"""

MAX_TICK = 887_272
ERROR = Fraction(1, 2**105)
"""Of the power, below it or above it; the header of the module."""


@pytest.fixture(scope="module")
def price_at():
    host = EvmHost()
    artifact = artifacts.compile_source(READER, "TickPriceReader")
    sender = host.account("deployer")
    address = host.deploy_raw(artifact.abi, artifact.bytecode, sender=sender)
    return lambda tick, exponent=18: host.call(address, artifact.abi, "price_at", [tick, exponent])


def check(price_at, tick, exponent):
    low, high = (power * 10**exponent for power in enclosed(tick))
    price = price_at(tick, exponent)
    if int(low * (1 - ERROR)) >= 2**128 or int(high * (1 + ERROR)) < 1:
        assert price == 0
        return
    if int(high * (1 + ERROR)) >= 2**128 and price == 0:
        return
    assert int(low * (1 - ERROR)) <= price <= int(high * (1 + ERROR))


def test_enclosed__is_the_power():
    for tick in (1, 2, 77, 4_096, 9_999):
        low, high = enclosed(tick)
        assert low <= Fraction(10_001, 10_000) ** tick <= high


@pytest.mark.parametrize("exponent", [0, 6, 18, 30, 36])
def test_price_at__every_bit_of_a_tick(price_at, exponent):
    for bit in range(20):
        for tick in ((1 << bit) - 1, 1 << bit):
            if tick <= MAX_TICK:
                check(price_at, tick, exponent)
                check(price_at, -tick, exponent)


@pytest.mark.parametrize("exponent", [0, 18, 36])
def test_price_at__ends(price_at, exponent):
    for tick in (0, 1, -1, MAX_TICK, -MAX_TICK, MAX_TICK - 1, 1 - MAX_TICK):
        check(price_at, tick, exponent)


def test_price_at__random(price_at):
    generator = random.Random(5)
    for _ in range(300):
        check(price_at, generator.randint(-MAX_TICK, MAX_TICK), generator.randint(0, 36))


def test_price_at__where_128_bits_end(price_at):
    """At exponent 18 the highest price is passed between two ticks."""
    low, high = 0, MAX_TICK
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if enclosed(middle)[0] * 10**18 < 2**128 else (low, middle)
    assert price_at(low) > 2**127
    assert price_at(high) == 0
    check(price_at, low, 18)


@pytest.mark.parametrize("tick", [MAX_TICK + 1, -MAX_TICK - 1, 2**255 - 1, -(2**255)])
def test_price_at__no_tick_of_a_pool(price_at, tick):
    assert price_at(tick) == 0


def test_price_at__zero_is_one(price_at):
    assert [price_at(0, exponent) for exponent in (0, 18, 36)] == [1, 10**18, 10**36]


def test_price_at__rises_with_the_tick(price_at):
    for tick in (-MAX_TICK, -400_000, -1, 0, 1, 200_000):
        assert price_at(tick, 36) <= price_at(tick + 1, 36)
