"""`repay`: by anyone, in every state, never leaving a debt below the minimum."""

import pytest

from breakwater.model import interest
from breakwater.units import MAX_UINT256
from tests.market import refuses

DAY = 86_400


@pytest.fixture
def indebted(market):
    market.deposit("WETH", 10)
    market.borrow("USDC", 10_000)
    return market


def repay(market, amount, sender=None, name="USDC"):
    sender = sender or market.borrower
    market.give(name, sender, 10**6 * market.assets[name].unit)
    return market.engine.repay(market.account(), market.assets[name], amount, sender=sender)


@pytest.mark.everywhere
def test_repay__part_by_anyone(indebted):
    market, usdc = indebted, indebted.assets["USDC"]
    shares = usdc.vault.debt_shares()
    receipt = repay(market, 4_000 * 10**6, market.other)
    paid, cancelled = receipt.value
    assert paid == 4_000 * 10**6
    assert cancelled <= 4_000 * 10**6
    assert receipt.event("Repay", market.engine.address).args == {
        "account": market.account(),
        "asset": usdc.address,
        "payer": market.other,
        "assets": paid,
        "shares": cancelled,
    }
    assert usdc.vault.debt_shares() == shares - cancelled
    assert market.owed("USDC") >= 6_000 * 10**6


def test_repay__shares_are_rounded_down(indebted):
    market, usdc = indebted, indebted.assets["USDC"]
    market.host.advance(300 * DAY)
    index, owed = usdc.vault.debt_index(), market.owed("USDC")
    paid, shares = repay(market, 1_234_567_891).value
    assert paid == 1_234_567_891
    assert shares == interest.shares_cancelled(paid, index)
    assert market.owed("USDC") >= owed - paid


@pytest.mark.everywhere
def test_repay__all(indebted):
    market, usdc = indebted, indebted.assets["USDC"]
    market.host.advance(300 * DAY)
    shares = usdc.vault.debt_shares()
    before = market.tokens("USDC", market.borrower) + 10**12
    paid, cancelled = repay(market, MAX_UINT256).value
    index = usdc.vault.debt_index()
    assert cancelled == shares
    assert 10_000 * 10**6 < paid <= interest.owed(shares, index)
    assert market.tokens("USDC", market.borrower) == before - paid
    assert [leg.asset for leg in market.legs()] == ["WETH"]
    assert usdc.vault.debt_shares() == 0


def test_repay__all_is_exact(indebted):
    market, usdc = indebted, indebted.assets["USDC"]
    market.host.advance(777 * DAY)
    owed = market.owed("USDC")
    assert repay(market, owed).value[0] == owed
    assert usdc.vault.debt_shares() == 0


def test_repay__more_than_is_owed_takes_what_is_owed(indebted):
    owed = indebted.owed("USDC")
    assert repay(indebted, owed + 1).value[0] == owed


def test_repay__every_decimals(scaled):
    market = scaled
    market.deposit("WETH", 10)
    market.borrow("USDC", 10_000)
    market.host.advance(100 * DAY)
    unit = market.assets["USDC"].unit
    owed = market.owed("USDC")
    repay(market, 5_000 * unit)
    assert 0 <= market.owed("USDC") - (owed - 5_000 * unit) <= 2
    repay(market, MAX_UINT256)
    assert market.owed("USDC") == 0


def test_repay__rest_below_the_minimum_reverts(indebted):
    market = indebted
    least = market.engine.debt_of(market.assets["USDC"])[2]
    with refuses("debt is below the minimum"):
        repay(market, 10_000 * 10**6 - least + 1)
    repay(market, 10_000 * 10**6 - least)
    assert market.owed("USDC") == least


def test_repay__debt_below_a_raised_minimum_may_be_closed_whole(indebted):
    market = indebted
    market.configurator.set_min_debt(market.assets["USDC"], 10**12, sender=market.owner)
    with refuses("debt is below the minimum"):
        repay(market, 1_000 * 10**6)
    repay(market, MAX_UINT256)
    assert market.owed("USDC") == 0


@pytest.mark.everywhere
def test_repay__refusals(indebted):
    market = indebted
    with refuses("account has no such debt"):
        repay(market, 1, name="DAI")
    with refuses("asset is no debt asset"):
        market.engine.repay(market.account(), market.assets["WBTC"], 1, sender=market.borrower)
    with refuses("amount is too small"):
        repay(market, 0)
    with refuses("balance too low"):
        market.assets["USDC"].token.approve(
            market.assets["USDC"].vault, MAX_UINT256, sender=market.guardian
        )
        market.engine.repay(market.account(), market.assets["USDC"], 10**6, sender=market.guardian)


def test_repay__less_than_a_share_reverts(indebted):
    indebted.host.advance(10 * DAY)
    with refuses("amount is too small"):
        repay(indebted, 1)
    repay(indebted, 2)


def test_repay__works_in_every_state(indebted):
    """LIVE-1: repaying works in every state."""
    market, usdc = indebted, indebted.assets["USDC"]
    market.breaker.trip(usdc, 2, 3_600, sender=market.guardian)
    market.breaker.trip(market.assets["WETH"], 2, 3_600, sender=market.guardian)
    for name in market.assets:
        market.break_feed(name)
    assert usdc.vault.level() == 2
    repay(market, 1_000 * 10**6)
    repay(market, MAX_UINT256, market.other)
    assert market.owed("USDC") == 0


def test_repay__does_not_stamp_the_block(indebted):
    market = indebted
    market.host.advance(12)
    repay(market, 10**6)
    market.price("WETH", 1_100)
    market.liquidate("USDC", "WETH")


def test_repay__stamp_survives_the_loss_of_its_leg(market):
    """Borrowing in one asset and closing another debt in the same block keeps the stamp."""
    market.deposit("WETH", 10)
    market.borrow("DAI", 1_000)
    market.host.advance(12)
    market.borrow("USDC", 10_000)
    repay(market, MAX_UINT256, name="DAI")
    market.price("WETH", 1_100)
    with refuses("risk was raised in this block"):
        market.liquidate("USDC", "WETH")
