"""A helper that takes more than it was given: Exactly, August 2023, 7 million dollars; Prisma,
March 2024, 11 million; Seneca, February 2024; Silo's leverage helper, June 2025, 0.5 million; Onyx,
September 2024, 3.8 million.

Users had approved a periphery contract without a bound, and it believed what its caller said: a
market of the attacker's, another's account, another's permit. What it could do for its users it did
to them.

Here a helper is an operator with a grant: for an account, for an asset, up to an amount. What pulls
tokens pulls them from who calls.
"""

import pytest

from breakwater.units import WAD
from tests.incidents.ledger import Ledger, stripped
from tests.market import BORROW, refuses


def helped(market):
    """The borrower lets a helper borrow 1,000 USDC for him; the helper is the attacker's."""
    market.deposit("WETH", 100)
    market.engine.set_operator(
        market.account(), market.other, market.assets["USDC"], BORROW, 1_000 * 10**6, 2**40,
        sender=market.borrower,
    )  # fmt: skip
    return market


def take(market, whole, times=1):
    """So much for the helper, so often; what it got [dollars]."""
    before = Ledger(market).worth(market.other)
    for _ in range(times):
        market.engine.borrow(
            market.account(), market.assets["USDC"], whole * 10**6, market.other,
            sender=market.other,
        )  # fmt: skip
    return Ledger(market).worth(market.other) - before


def test_amount_is_not_spent(new_market):
    """As it was: all that the account can borrow, a thousand at a time."""
    with stripped("operator_amount_unspent"):
        market = helped(new_market())
    assert take(market, 1_000, 159) == 159_000


def test_amount_is_spent(market):
    """A thousand in all, of that asset, for that account; nor anything else."""
    helped(market)
    assert take(market, 600) == 600
    with refuses("operator's amount is spent"):
        take(market, 401)
    assert take(market, 400) == 400
    with refuses("operator's amount is spent"):
        take(market, 1)
    me, mine = market.other, market.account(0)
    weth, dai = market.assets["WETH"], market.assets["DAI"]
    for call in (
        lambda: market.engine.withdraw_collateral(mine, weth, 1, me, sender=me),
        lambda: market.engine.move_collateral(mine, market.account(1), weth, 1, sender=me),
        lambda: market.engine.borrow(mine, dai, 10**20, me, sender=me),
        lambda: market.engine.borrow(market.account(1), dai, 10**20, me, sender=me),
    ):
        with refuses("caller may not do this"):
            call()
    with refuses("caller is not account owner"):
        market.engine.set_operator(mine, me, weth, 63, 2**128, 2**40, sender=me)


def test_approvals_serve_their_owner_alone(market):
    """The borrower approved engine and vaults without a bound. Nobody but he spends that: whoever
    calls pays.
    """
    helped(market)
    me, victim = market.other, market.borrower
    for name in ("WETH", "USDC", "DAI"):
        market.give(name, victim, market.assets[name].units(10_000))
    held = {name: market.tokens(name, victim) for name in market.assets}
    usdc, weth = market.assets["USDC"], market.assets["WETH"]
    usdc.vault.deposit(10**9, victim, sender=victim)
    held["USDC"] -= 10**9
    market.give("WETH", me, 0)
    market.give("USDC", me, 0)
    take(market, 500)
    usdc.token.transfer(market.liquidator, 500 * 10**6, sender=me)
    for call in (
        lambda: market.engine.deposit_collateral(market.account(), weth, WAD, sender=me),
        lambda: market.engine.repay(market.account(), usdc, 10**8, sender=me),
        lambda: usdc.vault.deposit(10**8, me, sender=me),
    ):
        with refuses("balance too low"):
            call()
    with refuses("allowance too low"):
        usdc.vault.redeem(10**12, me, victim, sender=me)
    with refuses("allowance too low"):
        usdc.vault.transferFrom(victim, me, 1, sender=me)
    assert {name: market.tokens(name, victim) for name in market.assets} == held


@pytest.mark.parametrize("liar", ["vault", "token", "fund"])
def test_market_of_the_attacker(market, liar):
    """No call takes the address of a market, and what is not listed is nothing."""
    me, fake = market.other, market.host.account("fake")
    address = {"vault": market.assets["USDC"].vault.address, "token": fake, "fund": fake}[liar]
    with refuses("asset is no debt asset"):
        market.engine.borrow(market.account(0, me), address, 10**9, me, sender=me)
    with refuses("asset is no collateral"):
        market.engine.deposit_collateral(market.account(0, me), address, 1, sender=me)
    with refuses("ownable: caller is not the owner"):
        market.configurator.list_debt(address, 0, sender=me)
