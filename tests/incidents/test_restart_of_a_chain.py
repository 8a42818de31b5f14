"""Restarts of a layer 2 whose sequencer was down for hours.

Nobody gets a transaction in meanwhile, while markets go on. In the first block after it liquidators
stand before the owners who could not pay; and who borrows there does so at the price from before.
Aave guarded against both, and took the guard out again in v3.7: wrong uptime signals had kept
liquidators out when they were needed most.

Here ether falls by a fifth in two hours without a block. An account that was at 68 % then has a
health factor of 0.97.
"""

import pytest

from breakwater.evm import EvmHost
from breakwater.host import Reverted
from breakwater.units import DAY, HOUR, MAX_UINT256, MINUTE, WAD
from tests.incidents.ledger import Ledger, bug, put, stripped, take
from tests.market import Market, refuses

BACK = "grace after an outage"
OWED = 13_690
FALLEN = 1_600

EVERY_RETURN_HAS_GRACE = bug(
    "every_return_has_grace",
    "A sequencer that comes back has grace however short ago it had it.",
    "SequencerFeed",
    "contracts/feeds/SequencerFeed.vy",
    (
        "    if block.timestamp < last + GRACE_TIME or "
        "(elapsed < GRACE_TIME and since >= last + DAY):\n",
        "    if elapsed < GRACE_TIME:\n",
    ),
)
A_RETURN_ENDS_A_GRACE = bug(
    "a_return_ends_a_grace",
    "A sequencer that comes back a second time has no grace any more.",
    "SequencerFeed",
    "contracts/feeds/SequencerFeed.vy",
    (
        "    if block.timestamp < last + GRACE_TIME or "
        "(elapsed < GRACE_TIME and since >= last + DAY):\n",
        "    if elapsed < GRACE_TIME and (since == last or since >= last + DAY):\n",
    ),
)
DOWN_IS_BELIEVED = bug(
    "down_is_believed",
    "An uptime feed that says down is believed for as long as it says so.",
    "SequencerFeed",
    "contracts/feeds/SequencerFeed.vy",
    (
        "        return DOWN if elapsed <= MAX_OUTAGE else UP\n",
        "        return DOWN\n",
    ),
)


def built(has_sequencer=True):
    market = Market(EvmHost(), has_sequencer=has_sequencer)
    market.deposit("WETH", 10)
    market.borrow("USDC", OWED)
    market.give("WETH", market.other, 10 * WAD)
    market.host.advance(DAY)
    market.refresh()
    return market


def outage(market, hours=2):
    """Nobody acts. What the chain learns first is that there was an outage."""
    if hasattr(market, "uptime"):
        market.uptime.set(1, sender=market.owner)
    market.host.advance(hours * HOUR)
    if hasattr(market, "uptime"):
        market.uptime.set(0, sender=market.owner)
        market.sequencer.poke(sender=market.other)


def restart(has_sequencer, dollars=FALLEN):
    market = built(has_sequencer)
    outage(market)
    market.price("WETH", dollars)
    return market


def test_first_in_the_queue():
    """As it was: health is 13,280 / 13,690, the incentive 1 % + 2.995 %, and 5,858 are repaid; the
    owner pays 234 dollars for two hours in which he could do nothing.
    """
    market = restart(has_sequencer=False)
    ledger = Ledger(market, WETH=FALLEN)
    before = ledger.worth(market.borrower, market.account())
    market.liquidate("USDC", "WETH")
    lost = before - ledger.worth(market.borrower, market.account())
    assert lost == pytest.approx(234, abs=1)


def test_owner_has_an_hour():
    """With the feed he pays back, or brings more, and loses nothing; after the hour it is late."""
    market = restart(has_sequencer=True)
    start = market.host.snapshot()
    market.host.advance(HOUR - 1)
    market.refresh()
    with refuses(BACK):
        market.liquidate("USDC", "WETH")
    late = market.host.snapshot()
    market.host.advance(1)
    market.refresh()
    market.liquidate("USDC", "WETH")
    market.host.restore(late)
    ledger = Ledger(market, WETH=FALLEN)
    market.deposit("WETH", "0.4")
    before = ledger.worth(market.borrower, market.account())
    market.host.advance(2)
    market.refresh()
    with refuses("account is healthy"):
        market.liquidate("USDC", "WETH")
    assert ledger.worth(market.borrower, market.account()) == pytest.approx(before, abs=0.01)
    market.host.restore(start)
    usdc = market.assets["USDC"]
    usdc.token.approve(usdc.vault, 10**9, sender=market.borrower)
    market.engine.repay(market.account(), usdc, 10**9, sender=market.borrower)
    market.host.advance(HOUR)
    market.refresh()
    with refuses("account is healthy"):
        market.liquidate("USDC", "WETH")


def stumble(market):
    """Ten minutes after its return it is down again, for a block."""
    market.host.advance(10 * MINUTE)
    market.uptime.set(1, sender=market.owner)
    market.host.advance(12)
    market.uptime.set(0, sender=market.owner)
    market.sequencer.poke(sender=market.other)
    market.refresh()


def test_second_outage_of_a_moment():
    """It took what was left of the hour, 49 minutes and 48 seconds; it takes none of it now, and
    adds none.
    """
    with stripped(A_RETURN_ENDS_A_GRACE):
        market = restart(has_sequencer=True)
        stumble(market)
        market.liquidate("USDC", "WETH")
    market = restart(has_sequencer=True)
    stumble(market)
    with refuses(BACK):
        market.liquidate("USDC", "WETH")
    market.host.advance(HOUR - 10 * MINUTE - 12 - 1)
    market.refresh()
    with refuses(BACK):
        market.liquidate("USDC", "WETH")
    market.host.advance(1)
    market.refresh()
    market.liquidate("USDC", "WETH")


@pytest.mark.parametrize("has_sequencer", [False, True])
def test_loan_at_the_price_of_before(has_sequencer):
    """The price feed's update stands behind the thief's loan: 10 WETH that pay 15,000 carry 16,000.
    With the feed he waits for an hour, and the update is there.
    """
    market = built(has_sequencer)
    market.refresh()
    outage(market)
    me, ledger = market.other, Ledger(market, WETH=1_500)
    before, lent = ledger.worth(me), ledger.lenders(market.account())
    account = put(market, me, "WETH", 10)
    if not has_sequencer:
        take(market, me, "USDC", 15_999)
        assert ledger.worth(me, account) - before == pytest.approx(999)
        assert lent - ledger.lenders(account, market.account()) == pytest.approx(999)
        return
    with refuses(BACK):
        take(market, me, "USDC", 1_000)
    market.host.advance(HOUR)
    market.price("WETH", 1_500)
    market.poke("WETH")
    with refuses("initial margin is not met"):
        take(market, me, "USDC", 12_001)
    take(market, me, "USDC", 11_999)
    assert ledger.lenders(account, market.account()) >= lent


def test_grace_costs_lenders_nothing():
    """What has grace is worth 0.95 / 0.83 of its debt at least, 14.4 % more. It falls on by 1 % a
    minute: below 0.95 it has none, and the first liquidation is soon enough.
    """
    market = restart(has_sequencer=True)
    ledger = Ledger(market, WETH=FALLEN)
    dollars = FALLEN
    while dollars * 10 * 0.83 >= OWED * 0.95:
        with refuses(BACK):
            market.liquidate("USDC", "WETH")
        market.host.advance(MINUTE)
        dollars = dollars * 99 // 100
        market.price("WETH", dollars)
    assert dollars * 10 > OWED * 1.13
    receipt = market.liquidate("USDC", "WETH")
    assert receipt.event("Liquidate").bad_debt == 0
    ledger.true["WETH"] = dollars
    collateral, debt = ledger.of(market.account())
    assert debt < collateral * 0.83


def kept_out(market, flap):
    """Minutes of a day in which nobody liquidates."""
    minutes = 0
    pair = market.assets["USDC"], market.assets["WETH"]
    for minute in range(0, DAY // MINUTE, 10):
        if minute % 60 == 0:
            flap(market)
        market.refresh()
        start = market.host.snapshot()
        try:
            market.lens.preview_liquidate(market.account(), *pair, MAX_UINT256)
        except Reverted:
            with refuses(BACK):
                market.liquidate("USDC", "WETH")
            minutes += 10
        market.host.restore(start)
        market.host.advance(10 * MINUTE)
    return minutes


def flap(market):
    """Down for no time at all, and back; a keeper pokes."""
    market.uptime.set(1, sender=market.owner)
    market.uptime.set(0, sender=market.owner)
    market.sequencer.poke(sender=market.other)


def test_uptime_that_flaps():
    """Every hour: grace without end, or for one hour in 24."""
    with stripped(EVERY_RETURN_HAS_GRACE):
        market = restart(has_sequencer=True)
        assert kept_out(market, flap) == DAY // MINUTE
    market = restart(has_sequencer=True)
    assert kept_out(market, flap) == HOUR // MINUTE


def test_uptime_that_is_stuck():
    """What Aave feared: a feed that says down while the chain runs. It is believed for a week."""

    def weeks(number):
        market.host.advance(number * 7 * DAY)
        market.refresh()

    with stripped(DOWN_IS_BELIEVED):
        market = built()
        market.uptime.set(1, sender=market.owner)
        market.price("WETH", FALLEN)
        weeks(52)
        with refuses("sequencer is down"):
            market.liquidate("USDC", "WETH")
    market = built()
    market.uptime.set(1, sender=market.owner)
    market.price("WETH", FALLEN)
    weeks(1)
    with refuses("sequencer is down"):
        market.liquidate("USDC", "WETH")
    market.host.advance(1)
    market.refresh()
    market.liquidate("USDC", "WETH")
    take(market, market.borrower, "USDC", 1)
