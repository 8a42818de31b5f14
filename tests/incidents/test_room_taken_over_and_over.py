"""The same money, back for the two blocks around a boundary, took all of each window's room: no
lender could leave, nobody borrow or bring collateral, for as long as somebody cared to.
"""

import pytest

from breakwater.units import DAY, HOUR, WAD

WINDOW = 4 * HOUR
DAYS = 10


@pytest.fixture
def lent(market):
    """100 million USDC, a tenth may leave in a window and debt may grow by a twentieth; a quarter
    of it belongs to one who holds no more than a limit's worth back.
    """
    market.set_vault("USDC", outflow_limit=10, growth_limit=5)
    usdc = market.assets["USDC"]
    usdc.vault.transfer(market.other, usdc.vault.balanceOf(market.lender) // 4,
                        sender=market.lender)  # fmt: skip
    market.give("USDC", market.other, 0)
    market.give("USDC", market.lender, 0)
    to_boundary(market, 64 * WINDOW)
    usdc.token.approve(usdc.vault, 2**256 - 1, sender=market.other)
    market.give("USDC", market.borrower, usdc.unit)
    usdc.vault.deposit(1, market.borrower, sender=market.borrower)
    return market


def to_boundary(market, more=0):
    """The first second of the next window."""
    market.host.advance(more + WINDOW - (market.host.now + more) % WINDOW)
    market.refresh()


def test_exit_filled_by_money_that_comes_back(lent):
    """He takes the limit in the first block of a window and brings it back in the last one."""
    usdc, me = lent.assets["USDC"], lent.other
    vault = usdc.vault
    left = []
    for _ in range(6 * DAYS):
        room = vault.maxWithdraw(me)
        vault.withdraw(room, me, me, sender=me)
        left.append(vault.maxWithdraw(lent.lender))
        lent.host.advance(WINDOW - 13)
        left.append(vault.maxWithdraw(lent.lender))
        vault.deposit(room, me, sender=me)
        lent.host.advance(13)
    # a lender of 75 million finds some room in some window of ten days
    assert max(left) > 10**6 * usdc.unit


def test_loans_filled_by_debt_that_comes_back(lent):
    """Likewise with a debt that is paid for the two blocks around the boundary."""
    usdc = lent.assets["USDC"]
    lent.deposit("WETH", 10_000)
    lent.give("USDC", lent.borrower, 10**6 * usdc.unit)
    left = []
    for _ in range(6 * DAYS):
        room = usdc.vault.limits()[1]
        lent.engine.borrow(lent.account(), usdc, room, lent.borrower, sender=lent.borrower)
        left.append(usdc.vault.limits()[1])
        lent.host.advance(WINDOW - 13)
        left.append(usdc.vault.limits()[1])
        lent.engine.repay(lent.account(), usdc, 2**256 - 1, sender=lent.borrower)
        lent.host.advance(13)
        lent.refresh()
    assert max(left) > 10**6 * usdc.unit


def test_growth_filled_by_tokens_that_come_back(new_market):
    """Collateral that is taken out for the two blocks around midnight does take each day's room: a
    known limit. He pays for it with that room, all day; what he does not hold is open to others, in
    those blocks all of it is, and whoever comes in stays, below what he has to fill anew.
    """
    market = new_market(WETH={"cap": 1_000 * WAD})
    weth, me, other = market.assets["WETH"], market.account(0, market.other), market.account(5)
    market.deposit("WETH", 500)
    market.configurator.set_growth(weth, 10, sender=market.owner)
    market.host.advance(2 * DAY - market.host.now % DAY)
    market.refresh()
    market.give("WETH", market.other, 101 * WAD)
    for day in range(DAYS):
        room = market.lens.max_deposit(me, weth)
        assert 99 * WAD < room <= 100 * WAD
        market.engine.deposit_collateral(me, weth, room - WAD, sender=market.other)
        for wait in (0, DAY - 13):
            market.host.advance(wait)
            assert market.lens.max_deposit(other, weth) == WAD
        market.engine.withdraw_collateral(me, weth, room - WAD, market.other, sender=market.other)
        assert market.lens.max_deposit(other, weth) == room
        market.refresh()
        market.deposit("WETH", 10, other)
        assert market.engine.book_of(weth)[1] == (510 + 10 * day) * WAD
        market.host.advance(13)
        market.refresh()
