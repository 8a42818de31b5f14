"""The whole protocol on a chain, for tests of what stands on all of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from breakwater.evm import EvmHost
from breakwater.host import Host
from tests.market import ASSETS, Market


@pytest.fixture
def new_market(host: Host) -> Callable[..., Market]:
    """Builds a market; a name with a dict of rules changes or adds an asset."""

    def make(
        debts: tuple[str, ...] = ("USDC", "DAI", "WETH"),
        cash: int = 10**8,
        min_debt: int = 100,
        **assets: dict[str, Any],
    ) -> Market:
        listed = {name: {**ASSETS.get(name, {}), **assets.get(name, {})} for name in
                  [*ASSETS, *(name for name in assets if name not in ASSETS)]}  # fmt: skip
        return Market(host, listed, debts, cash, min_debt)

    return make


@pytest.fixture
def market(host: Host, new_market: Callable[..., Market], request: pytest.FixtureRequest) -> Market:
    """WETH, WBTC, USDC and DAI as collateral; USDC, DAI and WETH are lent."""
    if isinstance(host, EvmHost):
        return new_market()
    ready, _ = request.getfixturevalue("_ape_market")
    return ready  # type: ignore[no-any-return]


@pytest.fixture(params=[6, 8, 18])
def collateral_decimals(request: pytest.FixtureRequest) -> int:
    """Decimals of the collateral."""
    return int(request.param)


@pytest.fixture(params=[6, 8, 18])
def debt_decimals(request: pytest.FixtureRequest) -> int:
    """Decimals of the debt asset."""
    return int(request.param)


@pytest.fixture
def scaled(
    new_market: Callable[..., Market], collateral_decimals: int, debt_decimals: int
) -> Market:
    """The market with every pair of decimals."""
    return new_market(
        debts=("USDC", "DAI"),
        WETH={"decimals": collateral_decimals},
        USDC={"decimals": debt_decimals},
    )
