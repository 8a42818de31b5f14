"""A pool for USDC, and an account that is below maintenance at 1,400."""

import pytest

from tests.backstop import Backstop
from tests.market import Market


@pytest.fixture
def backstop(market: Market) -> Backstop:
    """The pool, empty."""
    return Backstop(market)


@pytest.fixture
def fallen(backstop: Backstop) -> Backstop:
    """60,000 and 30,000 USDC stand; the borrower's 100 WETH back 120,000 USDC at 1,400."""
    market = backstop.market
    market.deposit("WETH", 100)
    market.borrow("USDC", 120_000)
    backstop.stand(first=60_000 * 10**6, second=30_000 * 10**6)
    market.price("WETH", 1_400)
    market.settle("WETH", rounds=20)
    backstop.window()
    return backstop
