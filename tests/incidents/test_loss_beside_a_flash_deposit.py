"""Losses that the fund bears were followed by no CAUTION where they were booked beside a deposit of
a moment: what counts is the part of the total before the loss, and anyone raises that for a
transaction.
"""

from breakwater.units import DAY, MAX_UINT256


def test_loss_beside_a_flash_deposit(new_market):
    """A fifth of the vault is lost in one call; who deposits a hundred times as much around it, out
    of somebody's flash loan, pays less than a dollar for it.
    """
    market = new_market(cash=10**6)
    market.deposit("WETH", 200)
    market.borrow("USDC", 310_000)
    usdc, me = market.assets["USDC"], market.other
    usdc.vault.approve(usdc.fund, MAX_UINT256, sender=market.lender)
    usdc.fund.deposit(500_000 * 10**12, market.lender, sender=market.lender)
    market.host.advance(DAY)
    market.price("WETH", 500)
    market.settle("WETH")
    before = usdc.vault.totalAssets()
    lent = 100 * 10**6 * usdc.unit
    market.give("USDC", me, lent)
    shares = usdc.vault.deposit(lent, me, sender=me).value
    lost = market.liquidate("USDC", "WETH").event("Liquidate").bad_debt
    usdc.vault.redeem(shares, me, me, sender=me)
    assert lost > before // 5
    assert lent - market.tokens("USDC", me) < usdc.unit
    assert usdc.vault.level() == 1
