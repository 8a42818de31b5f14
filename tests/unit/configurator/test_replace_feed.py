"""`replace_feed`: a new source agrees with the old one and blends in, without surprise (GATE-3)."""

from fractions import Fraction

import pytest

from breakwater.driver import BlendFeed
from breakwater.mocks import AggregatorMock, BadFeedMock
from breakwater.units import DAY, HOUR, WAD
from tests.market import ZERO, refuses


@pytest.fixture
def other(market):
    """Another aggregator of WETH."""
    return AggregatorMock.deploy(market.host, 8, 2_000 * 10**8, sender=market.owner)


def replace(market, source, *, max_age=DAY, second=ZERO, name="WETH", is_feed=False):
    """The feed from the old source to the new."""
    receipt = market.configurator.replace_feed(
        market.assets[name], source, is_feed, max_age, second, sender=market.owner
    )
    blend = BlendFeed.at(market.host, receipt.value)
    event = receipt.event("ReplaceFeed")
    assert (event.asset, event.blend) == (market.assets[name].address, blend.address)
    assert event.source == getattr(source, "address", source)
    return blend


def tell(market, source, dollars):
    source.set(int(Fraction(str(dollars)) * 10**8), sender=market.owner)


def source_of(market, name="WETH"):
    config = market.lens.config_of(market.assets[name])
    return config.source, config.is_feed, config.max_age


def quoted(dollars, low=None, high=None):
    three = low or dollars, dollars, high or dollars
    return tuple(int(Fraction(str(x)) * 10**8) * 10**10 for x in three)


def test_replace_feed__begins_with_the_old_price(market, other):
    before = market.risk.quote(market.assets["WETH"])
    tell(market, other, 2_100)
    blend = replace(market, other, max_age=2 * DAY)
    assert blend.quote()[1] == before.price
    assert source_of(market) == (blend.address, True, 2 * DAY)
    assert market.configurator.blend_of(market.assets["WETH"]) == blend.address
    assert (blend.BAND(), blend.AVERAGE(), blend.START()) == (500, 0, market.host.now)


@pytest.mark.parametrize("hours", [0, 6, 12, 18, 23])
def test_quote__moves_in_a_straight_line(market, other, hours):
    blend = replace(market, other)
    market.host.advance(hours * HOUR)
    market.price("WETH", 2_000)
    tell(market, other, 2_096)
    price = 2_000 + 96 * hours // 24
    assert blend.quote()[:3] == quoted(price)
    tell(market, other, 1_910)
    price = 2_000 - Fraction(90 * hours, 24)
    assert blend.quote()[:3] == quoted(price)
    assert blend.quote()[4] == 1


@pytest.mark.parametrize("hours", [0, 9, 24])
def test_quote__low_and_high_have_lines_of_their_own(market, hours):
    """Each from what it was to what it will be: at no end does it leave its source."""
    market.add_asset("TWO", decimals=18, dollars=2_000, sources=2)
    two = market.add_asset("NEXT", decimals=18, dollars=2_000, sources=2).config.source
    market.price("TWO", 2_000, 2_002)
    market.price("NEXT", 2_048, 2_052)
    before = market.risk.quote(market.assets["TWO"])
    blend = replace(market, two, name="TWO", is_feed=True)
    after = market.risk.quote(market.assets["TWO"])
    assert (after.low, after.price, after.high) == (before.low, before.price, before.high)
    market.host.advance(hours * HOUR)
    market.price("TWO", 2_000, 2_002)
    market.price("NEXT", 2_048, 2_052)
    w = Fraction(hours, 24)
    assert blend.quote()[:3] == quoted(2_001 + 49 * w, 2_000 + 48 * w, 2_002 + 50 * w)


def test_quote__is_the_new_one_after_a_day(market, other):
    blend = replace(market, other)
    market.host.advance(DAY - 1)
    market.refresh()
    tell(market, other, 2_050)
    assert not blend.is_over()
    market.host.advance(1)
    assert blend.is_over()
    assert blend.quote()[:3] == quoted(2_050)


def test_quote__apart_is_the_old_one_and_dispersed(market, other):
    blend = replace(market, other)
    for hours in (1, 40):
        market.host.advance(hours * HOUR)
        market.refresh()
        tell(market, other, 2_100)
        assert not blend.is_refused()
        tell(market, other, "2_100.01")
        assert blend.quote()[:3] == quoted(2_000)
        assert blend.quote()[4] == 3
        assert blend.is_refused()
        assert not blend.is_over()


def test_quote__dead_new_source_leaves_the_old(market, other):
    blend = replace(market, other)
    market.host.advance(HOUR)
    other.set_round(9, 0, 0, 0, sender=market.owner)
    assert blend.quote()[:3] == quoted(2_000)
    assert blend.quote()[4] == 1
    assert blend.is_refused()


def test_quote__dead_old_source_leaves_what_the_average_says(market, other):
    blend = replace(market, other)
    market.host.advance(HOUR)
    market.break_feed("WETH")
    for dollars, price in ((2_100, 2_100), ("2_100.01", 0), (1_904, 0), (1_905, 1_905)):
        tell(market, other, dollars)
        assert blend.quote()[:3] == quoted(price)
        assert (blend.quote()[4] == 0) == (price == 0)
        assert not blend.is_refused()
    other.set_round(9, 0, 0, 0, sender=market.owner)
    assert blend.quote() == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("name", ["old", "new"])
def test_quote__ages(market, other, name):
    """Each source has its own."""
    blend = replace(market, other, max_age=2 * DAY)
    market.host.advance(DAY + 1)
    tell(market, other, 2_000)
    assert blend.quote()[1] == 2_000 * WAD  # of the new one: the old is too old
    market.refresh()
    market.host.advance(DAY)
    market.refresh()
    market.host.advance(DAY + (name == "new"))
    assert blend.quote()[1] == (2_000 * WAD if name == "old" else 0)


def test_replace_feed__refusals(market, other):
    weth, owner, call = market.assets["WETH"], market.owner, market.configurator.replace_feed
    args = weth, other, False, DAY, ZERO
    with refuses("ownable: caller is not the owner"):
        call(*args, sender=market.other)
    with refuses("asset is not listed"):
        call(market.other, other, False, DAY, ZERO, sender=owner)
    for max_age in (0, 90, 4_096 * 60):
        with refuses("max_age out of range"):
            call(weth, other, False, max_age, ZERO, sender=owner)
    odd = AggregatorMock.deploy(market.host, 31, 10**30, sender=owner)
    with refuses("feed decimals out of range"):
        call(weth, odd, False, DAY, ZERO, sender=owner)
    for dollars in ("2_100.01", "1_904.76"):
        tell(market, other, dollars)
        with refuses("source is apart from the old"):
            call(*args, sender=owner)
    other.set_round(9, 0, 0, 0, sender=owner)
    with refuses("source is not valid"):
        call(*args, sender=owner)
    tell(market, other, 2_000)
    call(*args, sender=owner)
    with refuses("replacement is under way"):
        call(*args, sender=owner)


def test_replace_feed__sources_that_disagree_revert(market):
    feed = market.add_asset("TWO", decimals=18, dollars=2_000, sources=2).config.source
    market.price("TWO", 1_990, 2_020)
    with refuses("sources disagree"):
        replace(market, feed, is_feed=True)
    market.price("TWO", 2_000, 2_000)
    blend = replace(market, feed, is_feed=True)
    assert blend.quote()[4] == 1  # two sources agree on one side only


def test_replace_feed__feed_that_needs_too_much_gas_reverts(market):
    bad = BadFeedMock.deploy(market.host, 18, sender=market.owner)
    bad.set_words([WAD, WAD, WAD, market.host.now, 2], sender=market.owner)
    assert bad.gas_limit() == 50_000
    limit = replace(market, bad, is_feed=True, name="DAI").gas_limit()
    assert limit == 40_000 + 20_000 + 2 * 3_600 + 50_000 * 64 // 63 + 6_600 + 8_000


def test_replace_feed__dead_old_source(market, other):
    """Its last prices fade out, after a day; the new one agrees with the average, or a second."""
    weth = market.assets["WETH"]
    market.break_feed("WETH")
    with refuses("source is not dead for a day"):
        replace(market, other)
    for _ in range(24):
        market.poke("WETH")
        market.host.advance(HOUR)
    market.poke("WETH")
    second = BadFeedMock.deploy(market.host, 18, sender=market.owner)
    second.set_words([2_300 * WAD] * 3 + [market.host.now, 1], sender=market.owner)
    tell(market, other, 2_400)
    with refuses("source is apart from the last"):
        replace(market, other)
    tell(market, other, "2_415.01")
    with refuses("source is apart from the last"):
        replace(market, other, second=second)
    tell(market, other, 2_400)
    blend = replace(market, other, second=second)
    assert blend.AVERAGE() == 2_000 * WAD
    assert blend.quote()[:3] == quoted(2_000, 2_000, 2_400)
    market.host.advance(12 * HOUR)
    tell(market, other, 1_800)
    assert blend.quote()[:3] == quoted(1_900, 1_800, 1_900)
    assert market.risk.quote(weth).price == 1_900 * WAD
    assert not blend.is_refused()
    market.host.advance(12 * HOUR)
    assert blend.quote()[:3] == quoted(1_800)
    other.set_round(9, 0, 0, 0, sender=market.owner)
    assert blend.quote() == (0, 0, 0, 0, 0)


def test_replace_feed__dead_old_source_and_the_average(market, other):
    market.break_feed("WETH")
    for _ in range(25):
        market.poke("WETH")
        market.host.advance(HOUR)
    tell(market, other, 2_100)
    assert replace(market, other).quote()[:3] == quoted(2_000, 2_000, 2_100)


def silence(market, hours):
    """Pokes that find no price of WETH, at the ends of as many hours."""
    market.poke("WETH")
    for _ in range(hours):
        market.host.advance(HOUR)
        market.poke("WETH")


@pytest.mark.parametrize("lived", [True, False])
def test_replace_feed__of_one_that_died_in_its_replacement(market, other, lived):
    """After a day without any price: whichever it stood on, the old source or its last prices."""
    weth, call = market.assets["WETH"], market.configurator.replace_feed
    if not lived:
        market.break_feed("WETH")
        silence(market, 24)
    first = replace(market, other)
    assert (first.AVERAGE() == 0) == lived
    market.poke("WETH")
    market.break_feed("WETH")
    other.set_round(9, 0, 0, 0, sender=market.owner)
    silence(market, 23)
    third = AggregatorMock.deploy(market.host, 8, 2_000 * 10**8, sender=market.owner)
    market.host.advance(HOUR - 1)
    with refuses("replacement is under way"):
        call(weth, third, False, DAY, ZERO, sender=market.owner)
    market.host.advance(1)
    again = replace(market, third)
    assert market.configurator.blend_of(weth) == again.address != first.address
    assert market.risk.quote(weth).price == 2_000 * WAD
    # it does not read the one before it, and asks for no gas for it
    assert again.gas_limit() == 20_000 + 2 * 3_600 + 40_000 * 64 // 63 + 6_600 + 8_000
    market.host.advance(DAY)
    tell(market, third, 2_010)
    market.configurator.finish_replacement(weth, sender=market.other)
    assert source_of(market)[0] == third.address


def test_replace_feed__not_while_there_is_a_price_again(market, other):
    """A day of silence that is over ends nothing."""
    replace(market, other)
    market.break_feed("WETH")
    other.set_round(9, 0, 0, 0, sender=market.owner)
    silence(market, 24)
    tell(market, other, 2_000)
    third = AggregatorMock.deploy(market.host, 8, 2_000 * 10**8, sender=market.owner)
    with refuses("replacement is under way"):
        replace(market, third)


def test_finish_replacement__anyone_after_a_day(market, other):
    weth, call = market.assets["WETH"], market.configurator.finish_replacement
    with refuses("no replacement is under way"):
        call(weth, sender=market.other)
    replace(market, other, max_age=2 * DAY)
    market.host.advance(DAY - 1)
    market.refresh()
    tell(market, other, 2_050)
    with refuses("replacement is not over"):
        call(weth, sender=market.other)
    market.host.advance(1)
    before = market.risk.quote(weth)
    event = call(weth, sender=market.other).event("FinishReplacement")
    assert (event.asset, event.source) == (weth.address, other.address)
    assert source_of(market) == (other.address, False, 2 * DAY)
    after = market.risk.quote(weth)
    assert (after.low, after.price, after.high) == (before.low, before.price, before.high)
    assert market.configurator.blend_of(weth) == ZERO
    again = AggregatorMock.deploy(market.host, 8, 2_050 * 10**8, sender=market.owner)
    replace(market, again)


def test_finish_replacement__not_while_they_are_apart(market, other):
    replace(market, other)
    market.host.advance(2 * DAY)
    market.refresh()
    tell(market, other, 2_101)
    with refuses("replacement is not over"):
        market.configurator.finish_replacement(market.assets["WETH"], sender=market.other)


def test_cancel_replacement__while_the_new_source_is_refused(market, other):
    weth, call = market.assets["WETH"], market.configurator.cancel_replacement
    old = source_of(market)
    with refuses("no replacement is under way"):
        call(weth, sender=market.owner)
    replace(market, other)
    with refuses("ownable: caller is not the owner"):
        call(weth, sender=market.other)
    with refuses("new source is not refused"):
        call(weth, sender=market.owner)
    tell(market, other, 3_000)
    event = call(weth, sender=market.owner).event("CancelReplacement")
    assert event.source == old[0]
    assert source_of(market) == old


def healths(market, *accounts):
    return [
        market.risk.health_of(market.engine.position_of(account)).health_factor
        for account in accounts
    ]


@pytest.mark.parametrize("dollars", [1_905, 2_000, 2_100])
def test_replacement__makes_nobody_liquidatable(market, other, dollars):
    """GATE-3: with ether as collateral, and as a debt, one dollar above maintenance."""
    one, two = market.account(0), market.account(1)
    market.deposit("WETH", 10, one)
    market.borrow("USDC", 15_999, one)
    market.deposit("USDC", 30_000, two)
    market.borrow("WETH", "11.4", two)
    market.host.advance(12)
    tell(market, other, dollars)

    def unchanged(act):
        before = healths(market, one, two)
        act()
        assert healths(market, one, two) == before

    unchanged(lambda: replace(market, other))
    for _ in range(6):
        market.host.advance(4 * HOUR)
        market.refresh()
        tell(market, other, dollars)
        market.poke("WETH")
    unchanged(
        lambda: market.configurator.finish_replacement(market.assets["WETH"], sender=market.other)
    )


def test_replacement__apart_delays_nobody_below_maintenance(market, other):
    """A new source that lies buys its owner half an hour of dispersion and no new risk."""
    market.deposit("WETH", 10)
    market.borrow("USDC", 15_800)
    replace(market, other)
    market.host.advance(HOUR)
    market.refresh()
    tell(market, other, 20_000)
    with refuses("price sources disagree"):
        market.engine.withdraw_collateral(
            market.account(), market.assets["WETH"], 1, market.borrower, sender=market.borrower
        )
    market.price("WETH", 1_700)
    market.poke("WETH")
    market.host.advance(31 * 60)
    market.refresh()
    market.liquidate("USDC", "WETH")


def test_replacement__of_a_feed_by_a_feed_fits_its_gas(market):
    """Two medians of three: what the risk engine gives is enough for any two feeds."""
    three = market.add_asset("SIX", decimals=18, dollars=7, sources=3)
    spare = market.add_asset("SPARE", decimals=18, dollars=7, sources=3)
    blend = replace(market, spare.config.source, name="SIX", is_feed=True)
    assert 200_000 < blend.gas_limit() <= 460_000
    quote = market.risk.quote(three)
    assert (quote.price, quote.status) == (7 * WAD, 0)
    assert blend.quote()[4] == 2


def test_settle__ends_a_replacement_and_lets_none_begin(market, other):
    weth, rule = market.assets["WETH"], market.configurator
    rule.announce_settlement(weth, 2_000 * WAD, sender=market.owner)
    market.host.advance(DAY)
    market.refresh()
    replace(market, other)
    market.host.advance(900)
    market.refresh()
    market.poke("WETH")
    rule.settle(weth, sender=market.owner)
    assert rule.blend_of(weth) == ZERO
    market.host.advance(DAY)
    market.refresh()
    for end in (rule.cancel_replacement, rule.finish_replacement):
        with refuses("no replacement is under way"):
            end(weth, sender=market.owner)
    with refuses("asset is settled"):
        rule.replace_feed(weth, other, False, DAY, ZERO, sender=market.owner)
    assert market.risk.quote(weth)[1] == 2_000 * WAD
