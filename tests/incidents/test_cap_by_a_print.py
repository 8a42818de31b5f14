"""A wrong print of a debt, or of what is added itself, made room above a cap."""

from fractions import Fraction

from breakwater.driver import MedianFeed
from breakwater.mocks import AggregatorMock
from breakwater.units import WAD
from tests.market import refuses


def _pegged(host):
    """Three sources at a dollar, all of which must agree."""
    owner = host.account("owner")
    feeds = [AggregatorMock.deploy(host, 8, 10**8, sender=owner) for _ in range(3)]
    feed = MedianFeed.deploy(host, feeds, [86_400] * 3, 2, 100, True, "PEG", sender=owner)
    return feeds, {"source": feed.address, "is_feed": True}


def _add(market, name, whole):
    asset = market.assets[name]
    market.give(name, market.borrower, asset.units(whole))
    market.engine.deposit_collateral(
        market.account(), asset, asset.units(whole), sender=market.borrower
    )


def _below_margin_by_little(market, name):
    market.deposit(name, 1)
    market.deposit("DAI", 100_000)
    market.configurator.set_cap(market.assets[name], 0, sender=market.owner)
    market.borrow("USDC", 74_000)
    market.host.advance(12)


def test_print_of_a_debt(market):
    """Maintenance counts a debt in a jump that nobody confirmed at its average."""
    _below_margin_by_little(market, "WETH")
    market.price("USDC", 3)
    with refuses("collateral cap is reached"):
        _add(market, "WETH", 80)


def test_wrong_source_of_a_debt(new_market, host):
    """One source of three is wrong, which is assumed: 160,000 dollars above a cap of zero."""
    feeds, rules = _pegged(host)
    market = new_market(USDC=rules)
    _below_margin_by_little(market, "WETH")
    feeds[0].set(3 * 10**8, sender=market.owner)
    with refuses("collateral cap is reached"):
        _add(market, "WETH", 80)


def test_wrong_source_of_what_is_added(new_market, host):
    """100 dollars of margin are missing; at a hundredth of its price 13,000 of PEG went in."""
    feeds, rules = _pegged(host)
    market = new_market(PEG={"decimals": 18, "dollars": 1, **rules})
    market.deposit("PEG", 1)
    market.deposit("DAI", 100_000)
    market.configurator.set_cap(market.assets["PEG"], 0, sender=market.owner)
    market.borrow("USDC", 74_900)
    market.host.advance(12)
    market.price("DAI", Fraction(9973, 10_000))
    feeds[0].set(10**6, sender=market.owner)
    with refuses("collateral cap is reached"):
        _add(market, "PEG", 10_000)
    assert market.held("PEG") == WAD
