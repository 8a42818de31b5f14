"""A rate that is fixed while the money is out: utilization that a flash loan makes, for a moment,
and a rate that stays until somebody calls again. Found in reviews of rates that follow what is
there just then.
"""

import pytest

from tests.incidents.ledger import Hand, bug, stripped

MONTH = 30 * 86_400

RATE_FIXED_INSIDE = bug(
    "rate_fixed_inside",
    "A flash loan fixes the rate with the cash that is left beside it.",
    "LendingVault",
    "contracts/LendingVault.vy",
    (
        "    vault_level._flash_out = amount\n    vault_level._send(receiver, amount)\n",
        "    vault_level._flash_out = amount\n"
        "    rules: uint256 = ledger._config\n"
        "    now: uint256 = ledger._accrued(books, rules)\n"
        "    ledger._fix_rate(unsafe_sub(books, amount), now, rules, ledger._debt(books, now))\n"
        "    vault_level._send(receiver, amount)\n",
    ),
)


def lent(market):
    """100,000 of 200,000 are lent at 2.67 % a year."""
    usdc = market.assets["USDC"]
    out = usdc.vault.cash() - 100_000 * usdc.unit
    usdc.vault.withdraw(out, market.lender, market.lender, sender=market.lender)
    market.deposit("WETH", 100)
    market.give("USDC", market.lender, 100_000 * usdc.unit)
    usdc.vault.deposit(100_000 * usdc.unit, market.lender, sender=market.lender)
    market.borrow("USDC", 100_000)
    return usdc.vault


def flash(market, vault, accrues=False):
    hand = Hand(market)
    hand.when_called(*[(vault, "accrue")] * accrues)
    token = market.assets["USDC"].token
    hand.call(vault, "flashLoan", hand.address, token.address, vault.cash(), b"")


def interest(market, vault):
    """Of a month, in dollars."""
    before = vault.debt_assets()
    market.host.advance(MONTH)
    return (vault.debt_assets() - before) / 10**6


def test_rate_of_a_moment_lasts(new_market):
    """As it was: one flash loan of what was left, and a month at 20 % a year."""
    with stripped(RATE_FIXED_INSIDE):
        market = new_market()
    vault = lent(market)
    start = market.host.snapshot()
    usual = interest(market, vault)
    market.host.restore(start)
    flash(market, vault)
    assert usual == pytest.approx(100_000 * 0.02667 / 365 * 30, rel=0.01)
    assert interest(market, vault) == pytest.approx(100_000 * 0.2 / 365 * 30, rel=0.01)


@pytest.mark.parametrize("accrues", [False, True])
def test_rate_of_a_moment_is_none(market, accrues):
    """With an accrual inside it or without: what is out counts as cash."""
    vault = lent(market)
    rate = vault.borrow_rate()
    flash(market, vault, accrues)
    assert vault.borrow_rate() == rate
    assert interest(market, vault) == pytest.approx(100_000 * 0.02667 / 365 * 30, rel=0.01)


def test_time_is_charged_at_its_own_rate(market):
    """What is borrowed, or withdrawn, at the end of a month changes the rate of the next one."""
    vault = lent(market)
    market.host.advance(MONTH)
    before = vault.debt_assets()
    market.refresh()
    market.deposit("WETH", 100, market.account(1))
    market.borrow("USDC", 99_000, market.account(1))
    assert vault.debt_assets() - before == pytest.approx(99_000 * 10**6, abs=2)
    assert vault.utilization() <= 10**18
    assert vault.borrow_rate() * 365 * 86_400 / 10**18 > 0.15
