"""`RiskEngine`: who may poke, latch, write and name; lookups."""

import pytest

from breakwater.driver import Configurator, RiskEngine
from breakwater.mocks import AggregatorMock, TokenMock
from tests.market import ZERO, refuses


def test_constructor__refusals(market):
    owner = market.owner
    with refuses("breaker is zero"):
        RiskEngine.deploy(market.host, ZERO, owner, ZERO, sender=owner)
    with refuses("owner is zero"):
        RiskEngine.deploy(market.host, market.breaker, ZERO, ZERO, sender=owner)


@pytest.mark.everywhere
def test_write_checkpoint__breaker_alone(market):
    weth = market.assets["WETH"]
    with refuses("caller is not the breaker"):
        market.risk.write_checkpoint(weth, 1, 2, sender=market.owner)
    before = market.risk.words_of(weth)
    market.risk.set_breaker(market.other, sender=market.owner)
    market.risk.write_checkpoint(weth, 2**256 - 1, 2**255, sender=market.other)
    assert market.risk.words_of(weth) == (*before[:2], 2**256 - 1, 2**255)
    with refuses("asset is not listed"):
        market.risk.write_checkpoint(market.other, 1, 2, sender=market.other)


@pytest.mark.everywhere
def test_set_level__breaker_alone(market):
    weth = market.assets["WETH"]
    with refuses("caller is not the breaker"):
        market.risk.set_level(weth, 0, 0, 0, sender=market.owner)
    market.risk.set_breaker(market.other, sender=market.owner)
    now = market.host.now
    receipt = market.risk.set_level(weth, now + 200, now + 100, now + 150, sender=market.other)
    assert receipt.event("SetLevel", market.risk.address).args == {
        "asset": weth.address,
        "caution_until": now + 200,
        "halt_until": now + 100,
    }
    assert market.risk.latch_of(weth) == (now + 200, now + 100, now + 150)
    assert market.risk.quote(weth).level == 2
    market.host.advance(100)
    assert market.risk.quote(weth).level == 1
    market.host.advance(100)
    assert market.risk.quote(weth).level == 0
    with refuses("asset is not listed"):
        market.risk.set_level(market.other, 0, 0, 0, sender=market.other)
    with refuses("latch is too long"):
        market.risk.set_level(weth, market.host.now + 10**6, 0, 0, sender=market.other)


def test_set_level__is_kept_when_rules_are_written(market):
    weth = market.assets["WETH"]
    market.breaker.trip(weth, 2, 3_600, sender=market.guardian)
    market.configurator.set_borrow_ltv(weth, 7_000, sender=market.owner)
    assert market.risk.quote(weth).level == 2


@pytest.mark.everywhere
def test_write_asset__configurator_alone(market):
    weth = market.assets["WETH"]
    rule, term, *_ = market.risk.words_of(weth)
    with refuses("caller is not configurator"):
        market.risk.write_asset(weth, rule, term, sender=market.owner)
    receipt = market.configurator.set_borrow_ltv(weth, 8_000, sender=market.owner)
    assert receipt.event("WriteAsset").args == {
        "asset": weth.address,
        "id": weth.id,
        "rule": rule,
        "term": term,
    }


def test_write_asset__more_than_127_revert(market):
    risk, owner = market.risk, market.owner
    risk.set_configurator(market.other, sender=owner)
    feed = AggregatorMock.deploy(market.host, 8, 10**8, sender=owner)
    rule, term, *_ = risk.words_of(market.assets["USDC"])
    rule = rule >> 160 << 160 | int(feed.address, 16)
    for i in range(len(market.assets) + 1, 128):
        asset = "0x" + (0xA000 + i).to_bytes(20, "big").hex()
        assert risk.write_asset(asset, rule, term, sender=market.other).value == i
    with refuses("too many assets"):
        risk.write_asset("0x" + "ab" * 20, rule, term, sender=market.other)


@pytest.mark.everywhere
def test_set_breaker_and_configurator(market):
    risk, owner = market.risk, market.owner
    for call, name, event, zero in [
        (risk.set_breaker, "breaker", "SetBreaker", "breaker is zero"),
        (risk.set_configurator, "configurator", "SetConfigurator", "configurator is zero"),
    ]:
        with refuses("ownable: caller is not the owner"):
            call(market.other, sender=market.other)
        with refuses(zero):
            call(ZERO, sender=owner)
        assert call(market.other, sender=owner).event(event).args == {name: market.other}
        assert getattr(risk, name)() == market.other


def test_ids__are_in_the_order_of_listing(market):
    for i, asset in enumerate(market.assets.values(), 1):
        assert market.risk.id_of(asset) == i
        assert market.risk.asset_of(i) == asset.address
    assert market.risk.id_of(market.other) == 0
    for call in (market.risk.quote, market.risk.words_of):
        with refuses("asset is not listed"):
            call(market.other)


def test_quote__token_that_is_not_listed_by_the_engine_has_one(market):
    token = TokenMock.deploy(market.host, "X", "X", 18, sender=market.owner)
    with refuses("asset is not listed"):
        market.risk.quote(token)
    assert Configurator.at(market.host, market.configurator.address).risk_engine() == (
        market.risk.address
    )
