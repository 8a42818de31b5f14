"""What the risk engine refuses while the sequencer of a layer 2 is down, and in the hour after."""

import pytest

from breakwater.units import HOUR, WAD
from tests.market import REPAY, WITHDRAW, Market, refuses

DOWN, BACK = "sequencer is down", "grace after an outage"


@pytest.fixture
def market(host):
    market = Market(host, has_sequencer=True)
    market.deposit("WETH", 10)
    market.borrow("USDC", 15_000)
    market.deposit("WBTC", 1, market.account(1))
    market.deposit("WETH", 10, market.account(2))
    market.borrow("USDC", 1_000, market.account(2))
    market.give("USDC", market.borrower, 10**12)
    host.advance(12)
    return market


def say(market, word):
    market.uptime.set(int(word == DOWN), sender=market.other)


def test_outage__nobody_is_liquidated(market):
    market.price("WETH", 1_780)
    say(market, DOWN)
    for _ in range(2):
        with refuses(DOWN):
            market.liquidate("USDC", "WETH")
        market.price("WETH", 1_000)
        market.host.advance(30 * HOUR)
        market.refresh()
    say(market, BACK)
    market.refresh()
    # below a health of 0.95 at once
    market.liquidate("USDC", "WETH")


def test_outage__grace_for_an_hour_after(market):
    say(market, DOWN)
    market.host.advance(HOUR)
    say(market, BACK)
    market.price("WETH", 1_780)
    with refuses(BACK):
        market.liquidate("USDC", "WETH")
    market.host.advance(HOUR - 1)
    market.refresh()
    with refuses(BACK):
        market.liquidate("USDC", "WETH")
    market.host.advance(1)
    market.liquidate("USDC", "WETH")


@pytest.mark.parametrize("word", [DOWN, BACK])
def test_outage__no_new_risk_and_everything_else(market, word):
    """As at CAUTION: what makes an account safer passes."""
    say(market, word)
    me, weth, usdc = market.borrower, market.assets["WETH"], market.assets["USDC"]
    account = market.account(2)
    with refuses(word):
        market.borrow("USDC", 1, account)
    with refuses(word):
        market.engine.withdraw_collateral(account, weth, 1, me, sender=me)
    with refuses(word):
        legs = [market.leg(WITHDRAW, "WETH", WAD, account)]
        market.engine.batch(legs, b"", sender=me)
    assert market.lens.why_blocked(account, WITHDRAW, weth, 1) == word
    legs = [
        market.leg(REPAY, "USDC", 500 * usdc.unit, account),
        market.leg(WITHDRAW, "WETH", WAD, account),
    ]
    market.engine.batch(legs, b"", sender=me)
    market.engine.repay(account, usdc, 10**6, sender=me)
    market.deposit("WETH", 1, account)
    market.deposit("DAI", 1, account)
    market.engine.withdraw_collateral(
        market.account(1), market.assets["WBTC"], 10**8, me, sender=me
    )
    assert market.risk.quote(weth).level == 0


def test_outage__over_is_over(market):
    say(market, BACK)
    market.host.advance(HOUR)
    market.refresh()
    market.borrow("USDC", 1, market.account(2))
    legs = [market.leg(WITHDRAW, "WETH", WAD, market.account(2))]
    market.engine.batch(legs, b"", sender=market.borrower)


def test_sequencer_feed__is_told(market):
    assert market.risk.sequencer_feed() == market.sequencer.address
    assert Market(market.host).risk.sequencer_feed() == "0x" + "00" * 20
