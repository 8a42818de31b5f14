"""The share of a vault that was wound down was brought to accounts as before, at the worth of debts
that nobody pays: bought for a quarter, lent on at three quarters.
"""

from contextlib import suppress

from breakwater.driver import MedianFeed, RateFeed
from breakwater.host import Reverted
from breakwater.mocks import AggregatorMock
from breakwater.units import DAY, MAX_UINT256, WAD
from tests.incidents.ledger import Ledger


def test_shares_of_what_ended(new_market):
    market = new_market(cash=10**6)
    host, owner, dai = market.host, market.owner, market.assets["DAI"]
    vault, me = dai.vault, market.other
    source = AggregatorMock.deploy(host, 8, 10**8, sender=owner)
    dollar = MedianFeed.deploy(host, [source], [2 * DAY], 1, 100, False, "DAI", sender=owner)
    claim = RateFeed.deploy(host, vault, dollar, 1_000, sender=owner)
    market.add_asset(
        "claim", decimals=24, dollars=1, token=vault, cap=2**104,
        source=claim.address, is_feed=True, max_age=2 * DAY,
    )  # fmt: skip
    market.deposit("WETH", 1_000)
    market.borrow("DAI", 800_000)
    # ether dies within the week; settled at a price of its first day: 800,000 rest on nothing
    market.poke("WETH")
    weth = market.assets["WETH"]
    market.configurator.announce_settlement(weth, 2_000 * WAD, sender=owner)
    host.advance(DAY)
    market.refresh()
    source.set(10**8, sender=owner)
    market.configurator.settle(weth, sender=owner)
    market.configurator.wind_down_vault(vault, sender=owner)
    # 200,000 in cash for a million shares: a fifth is what they are worth
    true = Ledger(market, WETH=1, claim="0.2")
    bought = 200_000 * 10**24
    vault.transfer(me, bought, sender=market.lender)
    before = true.worth(me)
    vault.approve(market.engine, MAX_UINT256, sender=me)
    account = market.account(0, me)
    usdc = market.assets["USDC"]
    with suppress(Reverted):
        market.engine.deposit_collateral(account, vault, bought, sender=me)
        market.engine.borrow(account, usdc, 140_000 * usdc.unit, me, sender=me)
    assert true.worth(me, account) <= before
