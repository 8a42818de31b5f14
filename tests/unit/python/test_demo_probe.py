"""Which accounts and collaterals the demo's prober tries."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from breakwater.demo.probe import Prober
from breakwater.observation.words import DEBT, legs, stamp, stamps

STAMPS = 2**20 - 1


class Engine:
    """Lets every call pass and keeps it."""

    def __init__(self):
        self.calls = []

    def _try(self, function, *args, sender):
        self.calls.append((function, args))


@pytest.fixture
def prober():
    one = object.__new__(Prober)
    one.stage = SimpleNamespace(engine=Engine(), symbol=str, outside="outside")
    one.address = "prober"
    return one


def account(stamped=0):
    """A leg of asset 1 beside a debt of asset 2."""
    tags = 1 << 208 | (DEBT | 2) << 216
    words = [10**18 | 10**6 << 104 | tags | stamped << 224 | 2 << 244, 0, 0, 0]
    assert [tag for tag, _ in legs(words)] == [1, DEBT | 2]
    return words


def observed(words, block=0, *, is_settled=False):
    assets = {
        id: SimpleNamespace(
            id=id, address=name, is_settled=is_settled, source=SimpleNamespace(price=0)
        )
        for id, name in ((1, "WETH"), (2, "USDC"))
    }
    return SimpleNamespace(
        accounts={b"one": words},
        by_id=assets,
        books={"WETH": 1 << 112 | 0xFFFF << 152},
        debts={"USDC": 0},
        block=block,
        now=0,
    )


@pytest.mark.parametrize("block", [0, 7, STAMPS - 1, STAMPS, STAMPS + 7])
def test_liquidate__not_in_the_block_of_the_stamp(prober, block):
    words = account(stamp(block))
    assert stamps(words)
    assert prober.liquidate(observed(words, block), b"one") == []
    [trial] = prober.liquidate(observed(words, block + 1), b"one")
    assert trial.passed


def test_repay_and_add__collateral_without_a_price(prober):
    found = prober.repay_and_add("LIVE-1", observed(account()), b"one")
    assert [trial.what for trial in found] == ["add WETH", "repay USDC"]


def test_repay_and_add__settled_collateral_is_left(prober):
    found = prober.repay_and_add("LIVE-1", observed(account(), is_settled=True), b"one")
    assert [trial.what for trial in found] == ["repay USDC"]
