"""A loss booked in slices of less than a hundredth of the vault each was followed by no CAUTION."""

import pytest

from breakwater.units import DAY


@pytest.fixture
def gone(new_market):
    """A fifth of what is lent rests on ether that fell by three quarters."""
    market = new_market(cash=10**6)
    market.deposit("WETH", 200)
    market.borrow("USDC", 310_000)
    market.host.advance(DAY)
    market.price("WETH", 500)
    market.settle("WETH")
    return market


def test_loss_in_one_call(gone):
    gone.liquidate("USDC", "WETH")
    assert gone.assets["USDC"].vault.level() == 1


def test_loss_in_slices(gone):
    """One block, one liquidator; a slice writes off less than 1 % of the total."""
    usdc = gone.assets["USDC"]
    total = usdc.vault.totalAssets()
    lost = 0
    for _ in range(100):
        if not gone.legs():
            break
        receipt = gone.liquidate("USDC", "WETH", 2_500 * usdc.unit)
        lost += receipt.event("Liquidate").bad_debt
    assert lost > total // 5
    assert usdc.vault.level() == 1
