"""The model of interest and rates beside the modules."""

from __future__ import annotations

import random

import pytest

from breakwater.evm import EvmHost
from breakwater.model import interest
from breakwater.units import RAY, WAD
from tests import rates


@pytest.mark.usefixtures("check_rounding")
def test_interest__beside_the_modules():
    call, dice = rates.deploy(EvmHost()), random.Random("rates")

    def compare(function, *args):
        expected = getattr(interest, function)(*args)
        assert call(function, *args) == expected, (function, args)

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
