"""The model of interest and rates beside the modules."""

from __future__ import annotations

import random

import pytest

from breakwater import artifacts
from breakwater.evm import EvmHost
from breakwater.model import interest
from breakwater.units import RAY, WAD

RATES = """
# pragma version 0.4.3
from contracts.modules import interest
from contracts.modules import rate_model

@view
@external
def grown(index: uint256, rate: uint256, elapsed: uint256) -> uint256:
    return interest._grow(index, rate, elapsed)

@view
@external
def growth_down(x: uint256) -> uint256:
    return interest._growth(x)

@view
@external
def borrow_rate(r: uint256, u: uint256, target: uint256, steepness: uint256) -> uint256:
    return rate_model._borrow_rate(r, u, target, steepness)

@view
@external
def drifted(
    r: uint256, u: uint256, t: uint256, speed: uint256, dt: uint256, low: uint256, high: uint256
) -> uint256:
    return rate_model._drift(r, u, t, speed, dt, low, high)
"""


@pytest.mark.usefixtures("check_rounding")
def test_interest__beside_the_modules():
    host, dice = EvmHost(), random.Random("rates")
    artifact = artifacts.compile_source(RATES, "Rates")
    address = host.deploy_raw(artifact.abi, artifact.bytecode, sender=host.account("owner"))

    def compare(function, *args):
        expected = getattr(interest, function)(*args)
        assert host.call(address, artifact.abi, function, args) == expected, (function, args)

    def below(most):
        return (
            int(most * 10 ** -dice.uniform(0, 12)) if dice.random() < 0.7 else dice.randrange(most)
        )

    for edge in (RAY // 32, RAY // 16, RAY // 2, RAY, 16 * RAY):
        for x in range(edge - 3, edge + 4):
            compare("growth_down", x)
    for _ in range(600):
        compare("growth_down", below(18 * RAY))
        compare("grown", RAY + below(2**112 - RAY), below(2**40), below(2**32))
        target, rate = dice.randrange(1_000, 9_901), below(2**40)
        kink = target * 10**14
        used = dice.choice((0, WAD, kink, kink - 1, kink + 1, below(WAD), below(WAD)))
        compare("borrow_rate", rate, used, target, dice.randrange(10_000, 100_001))
        span = below(10**6), below(2**32), below(10**9), 10**9 + below(2**40)
        compare("drifted", rate, used, target, *span)
