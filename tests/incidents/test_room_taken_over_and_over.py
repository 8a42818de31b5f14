"""The same money, back for the two blocks around a boundary, takes all of each window's room: no
lender leaves, nobody borrows or brings collateral, for as long as somebody cares to. A known limit;
these hold what it takes, what the others keep meanwhile, and that all ends with it.
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
    usdc, me, other = lent.assets["USDC"], lent.other, lent.lender
    vault, limit = usdc.vault, lent.assets["USDC"].unit * 10**7
    whole = vault.cash()
    for number in range(6 * DAYS):
        room = vault.maxWithdraw(me)
        vault.withdraw(room, me, me, sender=me)
        # no window gives him, or him and the others, more than the limit
        assert room <= limit
        assert vault.cash() >= whole - limit
        assert vault.maxWithdraw(other) == 0
        # what others bring, or pay, may leave
        if number % 6 == 0:
            lent.give("USDC", lent.borrower, 5 * 10**6 * usdc.unit)
            usdc.token.approve(vault, 5 * 10**6 * usdc.unit, sender=lent.borrower)
            vault.deposit(5 * 10**6 * usdc.unit, lent.borrower, sender=lent.borrower)
            assert vault.maxWithdraw(other) == 5 * 10**6 * usdc.unit
            vault.withdraw(5 * 10**6 * usdc.unit, other, other, sender=other)
            whole = min(whole, vault.cash() + room)
        lent.host.advance(WINDOW - 13)
        vault.deposit(room, me, sender=me)
        # so may what he brought, until the boundary
        assert vault.maxWithdraw(other) == room
        lent.host.advance(13)
    # he takes it and stays away: a tenth of the total in each window after
    vault.withdraw(vault.maxWithdraw(me), me, me, sender=me)
    for _ in range(2):
        lent.host.advance(WINDOW)
        room = vault.maxWithdraw(other)
        assert room > vault.totalAssets() // 11
        vault.withdraw(room, other, other, sender=other)


def test_exit_once_he_leaves_it_in(lent):
    """Or he leaves it where it is: at the boundary the room is everybody's."""
    vault, me, other = lent.assets["USDC"].vault, lent.other, lent.lender
    for _ in range(2):
        room = vault.maxWithdraw(me)
        vault.withdraw(room, me, me, sender=me)
        assert vault.maxWithdraw(other) == 0
        lent.host.advance(WINDOW - 13)
        vault.deposit(room, me, sender=me)
        lent.host.advance(13)
    assert vault.maxWithdraw(other) > 99 * room // 100
    vault.withdraw(room // 2, other, other, sender=other)


def test_loans_filled_by_debt_that_comes_back(lent):
    """Likewise with a debt, which pays interest all along and needs collateral of its own."""
    usdc, borrower = lent.assets["USDC"], lent.borrower
    lent.deposit("WETH", 10_000)
    lent.give("USDC", borrower, 10**6 * usdc.unit)
    before = usdc.token.balanceOf(borrower)
    for _ in range(6 * DAYS):
        room = usdc.vault.limits()[1]
        lent.engine.borrow(lent.account(), usdc, room, borrower, sender=borrower)
        assert usdc.vault.limits()[1] == 0
        lent.host.advance(WINDOW - 13)
        lent.engine.repay(lent.account(), usdc, 2**256 - 1, sender=borrower)
        # what is paid may be lent at once, to anybody
        assert usdc.vault.limits()[1] > room * 99 // 100
        lent.host.advance(13)
        lent.refresh()
    # ten days of interest on a twentieth of the vault
    paid = before - usdc.token.balanceOf(borrower)
    assert paid > usdc.unit * 100
    assert usdc.vault.totalAssets() > 10**8 * usdc.unit + paid // 2
    # and once he stays away, or stays, others borrow
    lent.engine.borrow(lent.account(), usdc, room, borrower, sender=borrower)
    lent.host.advance(WINDOW)
    assert usdc.vault.limits()[1] > room * 9 // 10


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
