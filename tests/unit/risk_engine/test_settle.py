"""WIND-DOWN: a settlement price for good, within what pokes saw in a week."""

import pytest

from breakwater.units import DAY, HOUR, MAX_UINT256, WAD
from tests.market import BORROW, REPAY, WITHDRAW, refuses


@pytest.fixture
def market(market):
    """The borrower owes 15,000 USDC on 10 WETH; pokes saw WETH at 1,900 to 2,100 USD."""
    market.deposit("WETH", 10)
    market.borrow("USDC", 15_000)
    for dollars in (2_100, 1_900, 2_000):
        market.host.advance(900)
        market.price("WETH", dollars)
        market.poke("WETH")
    return market


def settle(market, dollars, name="WETH"):
    return market.wind_down(name, dollars if dollars > 10**9 else dollars * WAD)


def test_settle__price_for_good(market):
    weth, risk = market.assets["WETH"], market.risk
    rule, term, word, seen = risk.words_of(weth)
    event = settle(market, 1_950).event("Settle")
    assert event.args == {"asset": weth.address, "price": 1_950 * WAD}
    price, now = 1_950 * WAD, market.host.now
    volatility = (word >> 192) & (2**32 - 1)
    assert risk.words_of(weth) == (
        rule >> 160 << 160, term, price | price << 96 | volatility << 192 | now << 224, seen,
    )  # fmt: skip
    assert volatility
    market.price("WETH", 5_000)
    for wait in (0, HOUR, 30 * DAY):
        market.host.advance(wait)
        quote = risk.quote(weth)
        assert quote[:4] == (price,) * 4
        assert (quote.volatility, quote.status, quote.level) == (volatility * 10**9, 0, 3)
        # a poke stores nothing more
        assert not market.poke("WETH").logs
    assert risk.words_of(weth)[2] == price | price << 96 | volatility << 192 | now << 224


@pytest.mark.parametrize("dollars", [1_900, 2_100])
def test_settle__at_the_ends_of_the_range(market, dollars):
    assert market.breaker.range_of(market.assets["WETH"]) == (1_900 * WAD, 2_100 * WAD)
    weth, owner = market.assets["WETH"], market.owner
    market.configurator.announce_settlement(weth, dollars * WAD, sender=owner)
    market.host.advance(DAY)
    # it is lent, and what it costs is not known
    market.break_feed("WETH")
    market.configurator.settle(weth, sender=owner)


@pytest.mark.parametrize("spot", [1_980, 2_020])
def test_settle__of_what_is_lent_at_no_more_than_it_costs(market, spot):
    """The higher of spot and average, though pokes saw 2,100 USD."""
    weth = market.assets["WETH"]
    market.configurator.announce_settlement(weth, 2_000 * WAD, sender=market.owner)
    market.host.advance(DAY)
    market.price("WETH", spot)
    quote = market.risk.quote(weth)
    highest = max(quote.high, quote.average)
    assert (highest > spot * WAD) == (spot < 2_000)
    with refuses("price is out of range"):
        market.breaker.settlement_of(weth, highest + 1)
    assert market.breaker.settlement_of(weth, highest) & 2**96 - 1 == highest


@pytest.mark.parametrize("price", [0, 1_900 * WAD - 1, 2_100 * WAD + 1, 2**255])
def test_settle__out_of_the_range_reverts(market, price):
    with refuses("price is out of range"):
        market.wind_down("WETH", price)


def test_settle__of_what_no_poke_saw_reverts(market):
    with refuses("price is out of range"):
        settle(market, 1, "DAI")


def test_settle__refusals(market):
    weth = market.assets["WETH"]
    with refuses("caller is not configurator"):
        market.risk.settle(weth, 2_000 * WAD, sender=market.owner)
    with refuses("ownable: caller is not the owner"):
        market.configurator.settle(weth, sender=market.guardian)
    market.risk.set_configurator(market.other, sender=market.owner)
    with refuses("asset is not listed"):
        market.risk.settle(market.other, 2_000 * WAD, sender=market.other)
    market.risk.settle(weth, 2_000 * WAD, sender=market.other)
    with refuses("asset is settled"):
        market.risk.settle(weth, 2_000 * WAD, sender=market.other)


def test_write_asset__source_neither_ends_nor_comes_back(market):
    weth, other = market.assets["WETH"], market.other
    rule, term, *_ = market.risk.words_of(weth)
    ended = rule >> 160 << 160
    market.risk.set_configurator(other, sender=market.owner)
    with refuses("source cannot come or go"):
        market.risk.write_asset(weth, ended, term, sender=other)
    market.risk.settle(weth, 2_000 * WAD, sender=other)
    with refuses("source cannot come or go"):
        market.risk.write_asset(weth, rule, term, sender=other)
    market.risk.write_asset(weth, ended, term, sender=other)
    assert market.risk.quote(weth).level == 3


def test_settle__ltvs_may_still_be_moved(market):
    weth = market.assets["WETH"]
    settle(market, 2_000)
    market.configurator.ramp_liquidation_ltv(weth, 4_000, 3 * DAY, sender=market.owner)
    market.host.advance(3 * DAY)
    market.refresh()
    market.liquidate("USDC", "WETH")


def test_settle__liquidation_at_the_settlement_price(market):
    """1,900 USD leave a health of 1.0513; what the feed says no longer counts, on either side."""
    settle(market, 1_900)
    market.price("WETH", 1_000)
    health = market.risk.health_of(market.engine.position_of(market.account()))
    assert health.collateral_value == 19_000 * WAD
    with refuses("account is healthy"):
        market.liquidate("USDC", "WETH")
    market.price("USDC", "1.1")
    expected = market.terms("USDC", "WETH", WETH=market.spot()["DAI"].flat(1_900 * WAD))
    paid, seized = market.liquidate("USDC", "WETH").value
    assert (paid, seized) == (expected.repay + expected.fund_fee, expected.seize["WETH"])


def test_settle__of_a_debt_at_the_settlement_price(market):
    account = market.account(1)
    market.deposit("USDC", 30_000, account)
    market.borrow("WETH", 10, account)
    market.host.advance(12)
    settle(market, 2_000)
    market.price("USDC", "0.75")
    assert market.risk.health_of(market.engine.position_of(account)).debt_value >= 20_000 * WAD
    market.liquidate("WETH", "USDC", account=account)


def test_settle__new_risk_is_refused(market):
    settle(market, 2_000)
    weth, usdc, me = market.assets["WETH"], market.assets["USDC"], market.borrower
    with refuses("asset is settled"):
        market.engine.withdraw_collateral(market.account(), weth, 1, me, sender=me)
    assert market.lens.why_blocked(market.account(), WITHDRAW, weth, 1) == "asset is settled"
    with refuses("asset is settled"):
        market.borrow("USDC", 1)
    assert market.lens.why_blocked(market.account(), BORROW, usdc, 10**9) == "asset is settled"
    assert market.lens.max_borrow(market.account(), usdc) == 0
    market.deposit("USDC", 10_000, market.account(3))
    with refuses("asset is settled"):
        market.borrow("WETH", "0.1", market.account(3))
    with refuses("asset is settled"):
        market.deposit("WETH", 1, market.account(3))
    with refuses("asset is settled"):
        market.risk.check_listable(weth.id)
    margin = market.lens.margin_of(market.engine.position_of(market.account()))
    assert (margin.collateral, margin.exposure) == (0, 0)


def test_settle__the_way_out_of_what_would_shield_a_debt(market):
    """All of it, where the rest meets the initial margin; then loans go on."""
    settle(market, 2_000)
    account, weth, usdc = market.account(), market.assets["WETH"], market.assets["USDC"]
    for reason, added in ("initial margin is not met", 15_000), ("", 15_000):
        market.deposit("DAI", added)
        assert market.lens.why_blocked(account, WITHDRAW, weth, 2**256 - 1) == reason
        assert market.lens.why_blocked(account, WITHDRAW, weth, 1) == "asset is settled"
    with refuses("asset is settled"):
        market.borrow("USDC", 100)
    dai = market.assets["DAI"]
    with refuses("asset is settled"):
        market.engine.withdraw_collateral(account, dai, 1, market.borrower, sender=market.borrower)
    me = market.borrower
    market.engine.withdraw_collateral(account, weth, 2**256 - 1, me, sender=me)
    market.borrow("USDC", 100)
    assert market.lens.max_borrow(account, usdc) > 0


def test_settle__without_debt_what_is_settled_shields_nothing(market):
    free, me = market.account(5), market.borrower
    market.deposit("WETH", 2, free)
    market.deposit("DAI", 100, free)
    settle(market, 2_000)
    for name in ("DAI", "WETH"):
        market.engine.withdraw_collateral(free, market.assets[name], 1, me, sender=me)


def test_settle__dead_asset_at_what_pokes_saw_last(market):
    market.break_feed("WETH")
    for _ in range(20):
        market.host.advance(DAY)
        market.poke("WETH")
    settle(market, 2_000)
    assert market.risk.quote(market.assets["WETH"]).status == 0


def test_settle__hold_and_latches_go_on(market):
    weth = market.assets["WETH"]
    market.configurator.announce_settlement(weth, 1_900 * WAD, sender=market.owner)
    market.host.advance(DAY)
    market.refresh()
    market.breaker.hold(weth, HOUR, sender=market.guardian)
    market.configurator.settle(weth, sender=market.owner)
    market.price("USDC", "1.1")
    with refuses("liquidation is held"):
        market.liquidate("USDC", "WETH")
    market.breaker.trip(weth, 2, DAY, sender=market.guardian)
    assert market.risk.quote(weth).level == 3


def test_health_of__id_that_is_not_listed_has_no_settlement(market):
    """It has no price, as before."""
    position = [WAD | (99 | 128) << 208, 0, 0, 0]
    tags = 128 | 99, market.assets["WETH"].id
    assert market.risk.health_of(position).debt_value == 0
    with refuses("price is stale"):
        market.risk.check_listable(99)
    both = market.position(("WETH", 1, False), ("USDC", 10**12, True))
    both[1] = position[0]
    with refuses("debt has no valid price"):
        market.risk.liquidation_terms(both, *tags, 1, 0)


@pytest.fixture
def ended(market):
    """30,000 USDC carry 5,000 DAI and 1 WETH, settled at 2,000 USD, in an account of their own."""
    account = market.account(1)
    market.deposit("USDC", 30_000, account)
    market.borrow("DAI", 5_000, account)
    market.borrow("WETH", 1, account)
    market.give("WETH", market.borrower, WAD)
    market.give("DAI", market.borrower, 5_000 * WAD)
    settle(market, 2_000)
    market.host.advance(12)
    return market


def test_settle__debt_beside_it_takes_no_new_risk(ended):
    """Of whatever asset: nobody knows what it is worth. Paid back, it is in nothing's way."""
    market, account, me = ended, ended.account(1), ended.borrower
    usdc, weth = market.assets["USDC"], market.assets["WETH"]
    with refuses("asset is settled"):
        market.borrow("DAI", 1, account)
    with refuses("asset is settled"):
        market.engine.withdraw_collateral(account, usdc, 1, me, sender=me)
    with refuses("asset is settled"):
        market.engine.move_collateral(account, market.account(2), usdc, 1, sender=me)
    market.engine.repay(account, weth, MAX_UINT256, sender=me)
    market.borrow("DAI", 1, account)
    market.engine.withdraw_collateral(account, usdc, 1, me, sender=me)


@pytest.mark.parametrize("rest", [1, 0])
def test_settle__no_batch_is_safer_beside_a_debt_in_it(ended, rest):
    """Half of all debt is paid, and as much of the collateral leaves; or all WETH is paid."""
    market, account = ended, ended.account(1)
    pays = [market.leg(REPAY, "DAI", 4_000 * WAD, account)]
    if not rest:
        pays.append(market.leg(REPAY, "WETH", MAX_UINT256, account))
    steps = [*pays, market.leg(WITHDRAW, "USDC", 15_000 * 10**6, account)]
    if rest:
        with refuses("asset is settled"):
            market.engine.batch(steps, b"", sender=market.borrower)
    else:
        market.engine.batch(steps, b"", sender=market.borrower)
