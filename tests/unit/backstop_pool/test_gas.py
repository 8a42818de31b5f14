"""Gas of whole transactions on anvil: what the README tells."""

import pytest

from tests.backstop import Backstop
from tests.market import Market

MARK, BUY, FIRST = 126_397, 250_242, 493_838


@pytest.mark.ape
@pytest.mark.slow
def test_gas(ape_host):
    """Within 1 % of what was measured."""
    market = Market(ape_host)
    backstop = Backstop(market)
    market.deposit("WETH", 100)
    market.borrow("USDC", 120_000)
    backstop.stand(first=60_000 * 10**6, second=30_000 * 10**6)
    market.price("WETH", 1_400)
    market.settle("WETH", rounds=12)
    backstop.window()
    mark = backstop.pool.mark(market.account(), sender=market.other)
    ape_host.advance(600, 5)
    first = backstop.buy(max_repay=3 * 10**9)
    again = backstop.buy(max_repay=10**9)
    for receipt, measured in ((mark, MARK), (again, BUY), (first, FIRST)):
        assert receipt.gas_used == pytest.approx(measured, rel=0.01)
