"""Feeds in market files: a value that is published, and any feed checked by its market."""

from pathlib import Path

import pytest

from breakwater import deploy, markets
from breakwater.deploy import DeployError
from breakwater.driver import CheckedFeed, MedianFeed, NavFeed, RateFeed
from breakwater.evm import EvmHost
from breakwater.markets import MarketError
from breakwater.units import DAY, WAD

TEXT = markets.DEFAULT.read_text(encoding="utf-8")

CHECK = """
      check:
        apart: 2 %
        decides: true
        quorum: 1
        band: 1 %
        pegged: false
        sources:
          - max_age: 75 min"""
NAV = f"""kind: nav
      publisher: governor
      valid_for: 30 days
      growth: 5 %/year{CHECK}"""


def write(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = TEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = tmp_path / "market.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(tmp_path: Path, *changes: tuple[str, str]) -> str:
    with pytest.raises(MarketError) as caught:
        markets.load(write(tmp_path, *changes))
    return str(caught.value)


PUBLISHED = ("kind: aggregator", NAV)
OVER_WBTC = ("base: WETH", "base: WBTC")


CHECKED_USDC = ("      pegged: true", f"{CHECK[1:]}\n      pegged: true")


@pytest.fixture
def market(tmp_path: Path) -> markets.Market:
    """WBTC is published and checked, USDC is a median that is checked."""
    return markets.load(write(tmp_path, PUBLISHED, CHECKED_USDC))


def test_load__published_and_checked(market: markets.Market) -> None:
    feed = market.assets["WBTC"].feed
    assert (feed.kind, feed.publisher, feed.valid_for, feed.growth) == (
        "nav", "governor", 30 * DAY, 500,
    )  # fmt: skip
    assert feed.check is not None
    assert (feed.check.band, feed.check.decides, len(feed.check.market.sources)) == (200, True, 1)
    assert len(market.assets["USDC"].feed.all_sources) == 3


def test_deploy__published_and_checked(market: markets.Market) -> None:
    protocol = deploy.deploy(EvmHost(), market)
    host, me = protocol.host, protocol.accounts["deployer"]
    kinds: tuple[tuple[str, type[NavFeed] | type[MedianFeed]], ...]
    kinds = ("WBTC", NavFeed), ("USDC", MedianFeed)
    for symbol, kind in kinds:
        feed = protocol.feeds[symbol]
        assert isinstance(feed, CheckedFeed)
        assert feed.DECIDES()
        assert kind.at(host, feed.BASE()).quote()[1] == market.assets[symbol].price
        assert protocol.lens.quote(protocol.tokens[symbol]).status == 0
    nav = NavFeed.at(host, protocol.feeds["WBTC"].BASE())
    assert nav.PUBLISHER() == protocol.accounts["governor"]

    with pytest.raises(DeployError, match="the price of WBTC is published by governor"):
        protocol.set_price("WBTC", WAD, sender=me)
    with pytest.raises(DeployError, match="the price of WETH is not checked by a market"):
        protocol.set_market("WETH", WAD, sender=me)
    fair = market.assets["WBTC"].price
    protocol.set_market("WBTC", fair // 10, sender=me)
    assert protocol.feeds["WBTC"].quote()[::4] == (fair // 10, 3)
    protocol.set_price("USDC", 99 * WAD // 100, sender=me)
    assert protocol.feeds["USDC"].quote() == (99 * WAD // 100,) * 3 + (host.now, 2)


def test_deploy__rate_checked_by_the_market_of_the_share(tmp_path: Path) -> None:
    rate = ("      growth: 20 %/year", f"      growth: 20 %/year{CHECK}")
    market = markets.load(write(tmp_path, OVER_WBTC, rate))
    protocol = deploy.deploy(EvmHost(), market)
    feed = protocol.feeds["wstETH"]
    assert isinstance(feed, CheckedFeed)
    assert RateFeed.at(protocol.host, feed.BASE()).quote()[1] == market.assets["wstETH"].price
    assert feed.quote()[4] == 1
    # a feed that dies with its market, and is refreshed with it
    protocol.host.advance(80 * 60)
    assert feed.quote()[4] == 0
    protocol.refresh(sender=protocol.accounts["deployer"])
    assert feed.quote()[4] == 1


def test_deploy__fixed_price(tmp_path: Path) -> None:
    market = markets.load(
        write(tmp_path, ("kind: aggregator", "kind: nav\n      valid_for: 366 days"))
    )
    protocol = deploy.deploy(EvmHost(), market)
    feed = protocol.feeds["WBTC"]
    assert isinstance(feed, NavFeed)
    assert int(feed.PUBLISHER(), 16) == 0
    with pytest.raises(DeployError, match="the price of WBTC is fixed"):
        protocol.set_price("WBTC", WAD, sender=protocol.accounts["deployer"])


def test_verify__names_what_differs(market: markets.Market) -> None:
    from dataclasses import replace

    protocol = deploy.deploy(EvmHost(), market)
    asset = market.assets["WBTC"]
    assert asset.feed.check is not None
    feed = replace(
        asset.feed,
        publisher="lender",
        valid_for=DAY,
        growth=1,
        check=replace(asset.feed.check, band=1, decides=False),
    )
    other = replace(market, assets={**market.assets, "WBTC": replace(asset, feed=feed)})
    with pytest.raises(DeployError) as caught:
        deploy.verify(protocol, other)
    said = str(caught.value)
    for piece in (
        "distance that WBTC may have from its market is 200, should be 1",
        "whether the market of WBTC decides is True, should be False",
        "publisher of WBTC is ",
        "validity of WBTC's price is 2592000, should be 86400",
        "growth of WBTC is 500, should be 1",
    ):
        assert piece in said
    assert len(said.splitlines()) == 6


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            [("kind: aggregator", f"kind: aggregator{CHECK}")],
            "assets.WBTC.feed.check is given for an aggregator: give it as a median of one source",
        ),
        (
            [PUBLISHED, ("publisher: governor", "publisher: governess")],
            "assets.WBTC.feed.publisher is governess: must be one of deployer, ",
        ),
        ([PUBLISHED, ("valid_for: 30 days", "valid_for: 30 min")], "must be 1 h to 366 days"),
        ([PUBLISHED, ("growth: 5 %/year", "growth: 101 %/year")], "must be 0 %/year to 100 %/year"),
        ([PUBLISHED, ("      growth: 5 %/year\n", "")], "assets.WBTC.feed.growth is missing"),
        ([PUBLISHED, ("apart: 2 %", "apart: 21 %")], "apart is 21 %: must be 0.01 % to 20 %"),
        ([PUBLISHED, OVER_WBTC], "base is WBTC, whose own price is a nav: give one with sources"),
        (
            [PUBLISHED, ("          - max_age: 75 min", "          - max_age: 76 min")],
            "assets.WBTC.max_age is 75 min: must be at least 76 min",
        ),
        (
            [("      growth: 20 %/year", f"      growth: 20 %/year{CHECK}")],
            "assets.wstETH.feed.check has too many sources: both feeds must fit into 200,000 gas",
        ),
    ],
)
def test_load__wrong(tmp_path: Path, changes: list[tuple[str, str]], says: str) -> None:
    assert says in refused(tmp_path, *changes)


def test_load__base_that_is_checked(tmp_path: Path) -> None:
    said = refused(tmp_path, CHECKED_USDC, ("      base: WETH", "      base: USDC"))
    assert "base is USDC, whose own price is checked: give one that is not" in said
