"""A settlement is announced a day before; at what it may be is in risk_engine/test_settle.py."""

import pytest

from breakwater.units import DAY, WAD
from tests.market import refuses

PRICE = 2_000 * WAD


@pytest.fixture
def seen(market):
    """Pokes saw 2,000."""
    market.host.advance(900)
    market.refresh()
    market.poke("WETH")
    return market


def announce(market, price=PRICE):
    weth = market.assets["WETH"]
    return market.configurator.announce_settlement(weth, price, sender=market.owner)


def later(market, seconds):
    market.host.advance(seconds)
    market.refresh()


def test_announce_settlement__is_recorded_and_changes_nothing(seen):
    weth, rule = seen.assets["WETH"], seen.configurator
    before = seen.risk.words_of(weth), seen.risk.quote(weth)
    event = announce(seen).event("AnnounceSettlement")
    ready_at = seen.host.now + DAY
    assert event.args == {"asset": weth.address, "price": PRICE, "ready_at": ready_at}
    assert rule.announcement_of(weth) == (PRICE, ready_at)
    assert before == (seen.risk.words_of(weth), seen.risk.quote(weth))
    seen.deposit("WETH", 1)
    seen.borrow("USDC", 1_000)


def test_settle__a_day_later_to_the_second(seen):
    weth, settle = seen.assets["WETH"], seen.configurator.settle
    announce(seen)
    later(seen, DAY - 1)
    with refuses("step comes too soon"):
        settle(weth, sender=seen.owner)
    later(seen, 1)
    event = settle(weth, sender=seen.owner).event("Settle")
    assert event.args == {"asset": weth.address, "price": PRICE}
    assert seen.configurator.announcement_of(weth) == (0, 0)


def test_settle__what_was_not_announced_reverts(seen):
    for name in ("WETH", "DAI"):
        with refuses("no settlement is announced"):
            seen.configurator.settle(seen.assets[name], sender=seen.owner)
        announce(seen)


def test_settle__range_is_that_of_the_end(seen):
    """A price of a week ago may be out of it by then, and one that no poke had seen within."""
    weth, settle = seen.assets["WETH"], seen.configurator.settle
    announce(seen, 1_950 * WAD)
    later(seen, DAY)
    with refuses("price is out of range"):
        settle(weth, sender=seen.owner)
    seen.price("WETH", 1_950)
    seen.poke("WETH")
    start = seen.host.snapshot()
    settle(weth, sender=seen.owner)
    seen.host.restore(start)
    for _ in range(8):
        later(seen, DAY)
        seen.price("WETH", 1_900)
        seen.poke("WETH")
    with refuses("price is out of range"):
        settle(weth, sender=seen.owner)


def test_announce_settlement__anew_begins_the_day_anew(seen):
    weth, settle = seen.assets["WETH"], seen.configurator.settle
    announce(seen, 1_950 * WAD)
    later(seen, DAY - 1)
    announce(seen)
    later(seen, DAY - 1)
    with refuses("step comes too soon"):
        settle(weth, sender=seen.owner)
    later(seen, 1)
    settle(weth, sender=seen.owner)
    assert seen.risk.quote(weth).price == PRICE


def test_cancel_settlement__and_it_must_be_announced_anew(seen):
    weth, rule = seen.assets["WETH"], seen.configurator
    announce(seen)
    event = rule.cancel_settlement(weth, sender=seen.owner).event("CancelSettlement")
    assert event.args == {"asset": weth.address}
    assert rule.announcement_of(weth) == (0, 0)
    later(seen, DAY)
    for end in (rule.settle, rule.cancel_settlement):
        with refuses("no settlement is announced"):
            end(weth, sender=seen.owner)


def test_settlement__is_the_owners(seen):
    weth, rule = seen.assets["WETH"], seen.configurator
    announce(seen)
    later(seen, DAY)
    for call in (
        lambda: rule.announce_settlement(weth, PRICE, sender=seen.guardian),
        lambda: rule.cancel_settlement(weth, sender=seen.guardian),
        lambda: rule.settle(weth, sender=seen.guardian),
    ):
        with refuses("ownable: caller is not the owner"):
            call()
