"""Collateral that can't be withdrawn when it is seized: markets of Aave v2 at full utilization,
November 2022 and April 2026.

What a borrower had posted was lent on, all of it. A liquidator would have been paid with a claim on
a market without cash; he was to be sent the tokens, and so nobody came.

Collateral here lies in the engine and is lent to nobody. It may itself be such a claim, the shares
of a vault: those are seized as what they are.
"""

from fractions import Fraction

import pytest

from breakwater.driver import MedianFeed, RateFeed
from breakwater.mocks import AggregatorMock
from breakwater.units import DAY, WAD
from tests.incidents.ledger import bug, joined, stripped
from tests.market import refuses

ENGINE = "contracts/CreditEngine.vy"

REDEEMS = joined(
    "redeems_what_it_seizes",
    bug(
        "redeems",
        "A liquidator is sent what the shares are worth.",
        "CreditEngine",
        ENGINE,
        (
            "from ethereum.ercs import IERC20\n",
            "from ethereum.ercs import IERC20\nfrom ethereum.ercs import IERC4626\n",
        ),
        (
            "        self._push(seizure.asset, receiver, seizure.amount)\n",
            "        extcall IERC4626(seizure.asset).redeem(seizure.amount, receiver, self)\n",
        ),
    ),
)


def claims(market):
    """Shares of the DAI vault, 20,000 dollars, behind 14,990 USDC; all DAI is lent. DAI falls."""
    host, owner, dai = market.host, market.owner, market.assets["DAI"]
    source = AggregatorMock.deploy(host, 8, 10**8, sender=owner)
    dollar = MedianFeed.deploy(host, [source], [DAY], 1, 100, False, "DAI / USD", sender=owner)
    feed = RateFeed.deploy(host, dai.vault, dollar, 1_000, sender=owner)
    market.add_asset(
        "claim", decimals=24, dollars=1, token=dai.vault, source=feed.address, is_feed=True
    )
    market.give("DAI", market.borrower, 20_000 * WAD)
    dai.vault.deposit(20_000 * WAD, market.borrower, sender=market.borrower)
    dai.vault.approve(market.engine, 2**256 - 1, sender=market.borrower)
    shares = dai.vault.balanceOf(market.borrower)
    market.engine.deposit_collateral(
        market.account(), market.assets["claim"], shares, sender=market.borrower
    )
    market.borrow("USDC", 15_990)
    market.deposit("WETH", 10**5, market.account(1))
    market.borrow("DAI", Fraction(dai.vault.cash(), WAD), market.account(1))
    assert dai.vault.cash() == 0
    host.advance(12)
    source.set(96_000_000, sender=owner)
    return market


def test_no_cash_no_liquidator(new_market):
    """As it was: it is liquidated when somebody pays back, and not before."""
    with stripped(REDEEMS):
        market = claims(new_market())
    for cap in (2**255, 10**9):
        with refuses("not enough cash"):
            market.liquidate("USDC", "claim", cap)


@pytest.mark.parametrize("credited", [False, True])
def test_seized_as_shares(market, credited):
    """Shares for a liquidator's hands, or on his account, where they carry a loan at once."""
    claims(market)
    mine = market.account(0, market.liquidator)
    credit = mine if credited else bytes(32)
    event = market.liquidate("USDC", "claim", credit=credit).event("Liquidate")
    dai = market.assets["DAI"]
    got = market.held("claim", mine) if credited else dai.vault.balanceOf(market.liquidator)
    assert got == event.seized > 0
    worth = dai.vault.convertToAssets(got) / WAD * 0.96
    repaid = event.repaid / 10**6
    assert repaid < worth <= repaid * (1 + event.incentive / WAD) * (1 + 1e-6)
    if credited:
        market.engine.borrow(
            mine, market.assets["USDC"], int(worth * 0.79 * 10**6), market.liquidator,
            sender=market.liquidator,
        )  # fmt: skip
    else:
        with refuses("not enough cash"):
            dai.vault.redeem(got, market.liquidator, market.liquidator, sender=market.liquidator)


def test_debt_of_a_vault_without_cash(market):
    """And a debt in a vault that has lent everything is liquidated as well: it brings the cash."""
    claims(market)
    market.price("WETH", 1_000)
    market.settle("WETH", rounds=20)
    account = market.account(1)
    before = market.assets["DAI"].vault.cash()
    event = market.liquidate("DAI", "WETH", account=account).event("Liquidate")
    assert market.assets["DAI"].vault.cash() - before == event.repaid + event.fund_fee
