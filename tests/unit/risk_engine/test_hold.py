"""A guardian's hold of liquidations that rest on one asset, and the hour of grace after it.

A borrower owes 15,000 USDC on 10 WETH: he is below maintenance under 1,807.23 USD, and below a
health factor of 0.95 under 1,716.87.
"""

import pytest

from breakwater.units import DAY, HOUR, MAX_UINT256, WAD
from tests.market import BORROW, MOVE, REPAY, WITHDRAW, ZERO, refuses

WEAK, WEAKER = 1_780, 1_700
LATCHED = 1 << 227


@pytest.fixture
def held(market):
    """WETH is held for 4 hours, and the borrower's account is weak."""
    market.deposit("WETH", 10)
    market.borrow("USDC", 15_000)
    market.host.advance(12)
    market.price("WETH", WEAK)
    market.until = hold(market, "WETH")
    return market


def hold(market, name, seconds=4 * HOUR):
    receipt = market.breaker.hold(market.assets[name], seconds, sender=market.guardian)
    return receipt.event("Hold", market.risk.address).until


def at(market, when):
    market.host.advance(when - market.host.now)
    market.refresh()


def test_hold__holds_until_it_ends_and_grace_for_an_hour_after(held):
    assert held.until == held.host.now + 4 * HOUR
    for when, reason in [
        (held.host.now, "liquidation is held"),
        (held.until - 1, "liquidation is held"),
        (held.until, "grace after a hold"),
        (held.until + HOUR - 1, "grace after a hold"),
    ]:
        at(held, when)
        with refuses(reason):
            held.liquidate("USDC", "WETH")
        with refuses(reason):
            held.lens.preview_liquidate(
                held.account(), held.assets["USDC"], held.assets["WETH"], MAX_UINT256
            )
    at(held, held.until + HOUR)
    held.liquidate("USDC", "WETH")


def test_hold__grace_protects_nobody_below_95(held):
    held.price("WETH", WEAKER)
    at(held, held.until - 1)
    with refuses("liquidation is held"):
        held.liquidate("USDC", "WETH")
    at(held, held.until)
    held.liquidate("USDC", "WETH")


@pytest.mark.parametrize(("dollars", "is_spared"), [("1716.88", True), ("1716.86", False)])
def test_hold__grace_ends_at_a_health_of_95(market, dollars, is_spared):
    market.breaker.hold(market.assets["WETH"], 1, sender=market.guardian)
    market.host.advance(1)
    market.price("WETH", float(dollars))
    position = market.position(("WETH", 10 * WAD, False), ("USDC", 15_000 * 10**6, True))
    health = market.risk.health_of(position).health_factor
    assert (health >= 95 * WAD // 100) == is_spared
    args = position, 128 | market.assets["USDC"].id, market.assets["WETH"].id, 10**6, 0
    if is_spared:
        with refuses("grace after a hold"):
            market.risk.liquidation_terms(*args)
    else:
        assert market.risk.liquidation_terms(*args).repay == 10**6


@pytest.mark.parametrize("is_debt", [False, True])
@pytest.mark.parametrize(("units", "rests"), [(3_000_000, True), (2_999_999, False)])
def test_hold__rests_on_a_leg_worth_a_tenth_of_all_debts(market, units, rests, is_debt):
    """0.03 WBTC are worth 1,500 USD, beside 15,000 USD of debt."""
    hold(market, "WBTC")
    market.price("WETH", 1_500)
    usdc = 15_000 * 10**6 - is_debt * units * 500
    position = market.position(
        ("WETH", 10 * WAD, False), ("USDC", usdc, True), ("WBTC", units, is_debt)
    )
    assert market.risk.health_of(position).debt_value == 15_000 * WAD
    args = position, 128 | market.assets["USDC"].id, market.assets["WETH"].id, 10**6, 0
    if rests:
        with refuses("liquidation is held"):
            market.risk.liquidation_terms(*args)
    else:
        assert market.risk.liquidation_terms(*args).repay == 10**6


def test_hold__under_water_too(held):
    held.price("WETH", 1_000)
    with refuses("liquidation is held"):
        held.liquidate("USDC", "WETH")
    at(held, held.until)
    held.liquidate("USDC", "WETH")


def test_hold__others_and_all_else_go_on(held):
    """Repaying, adding; loans and liquidations that rest on other assets."""
    weth, usdc, me = held.assets["WETH"], held.assets["USDC"], held.borrower
    other = held.account(1)
    held.deposit("WBTC", 1, other)
    held.borrow("DAI", 30_000, other)
    held.host.advance(12)
    held.price("WBTC", 35_000)
    held.liquidate("DAI", "WBTC", account=other)
    held.give("USDC", me, 10**9)
    held.engine.repay(held.account(), usdc, 10**6, sender=me)
    held.deposit("WETH", 5)
    held.deposit("WBTC", 1, held.account(2))
    held.borrow("DAI", 100, held.account(2))
    assert held.risk.quote(weth).level == 0


@pytest.mark.parametrize("name", ["WETH", "USDC"])
def test_hold__no_new_risk_beside_what_is_held(market, name):
    """Collateral or debt, until the grace is over: it would shield the account."""
    account, me = market.account(), market.borrower
    weth, dai = market.assets["WETH"], market.assets["DAI"]
    market.deposit("WETH", 10)
    market.deposit("DAI", 30_000)
    market.borrow("USDC", 5_000)
    until = hold(market, name)
    for when in (market.host.now, until, until + HOUR - 1):
        at(market, when)
        for asset in (weth, dai):
            assert market.lens.why_blocked(account, WITHDRAW, asset, 1) == "asset is held"
            with refuses("asset is held"):
                market.engine.withdraw_collateral(account, asset, 1, me, sender=me)
        assert market.lens.why_blocked(account, BORROW, dai, 10**21) == "asset is held"
        assert market.lens.max_borrow(account, dai) == 0
        with refuses("asset is held"):
            market.borrow("DAI", 1_000)
    at(market, until + HOUR)
    market.borrow("DAI", 1_000)
    market.engine.withdraw_collateral(account, weth, 1, me, sender=me)


def test_hold__the_way_out_of_what_is_held(market):
    """All of a collateral, where the rest meets the initial margin; or a batch that is safer."""
    account, me, weth = market.account(), market.borrower, market.assets["WETH"]
    market.deposit("WETH", 10)
    market.deposit("DAI", 30_000)
    market.borrow("USDC", 5_000)
    market.give("USDC", me, 10**9)
    hold(market, "WETH")
    safer = [market.leg(REPAY, "USDC", 10**9, account), market.leg(WITHDRAW, "WETH", 1, account)]
    market.engine.batch(safer, b"", sender=me)
    assert market.lens.why_blocked(account, WITHDRAW, weth, 2**256 - 1) == ""
    market.engine.withdraw_collateral(account, weth, 2**256 - 1, me, sender=me)
    market.borrow("USDC", 1_000)


def test_hold__nothing_held_is_brought_new_to_an_account(held):
    """By a deposit or a move, until the grace is over. More of what is there may be added."""
    market, new = held, held.account(7)
    market.deposit("DAI", 1, new)
    move = [market.leg(MOVE, "WETH", 1, market.account(2), other=new)]
    for when in (market.host.now, market.until, market.until + HOUR - 1):
        at(market, when)
        with refuses("asset is held"):
            market.deposit("WETH", 1, new)
        with refuses("asset is held"):
            market.risk.check_listable(market.assets["WETH"].id)
        market.deposit("WETH", 1)
    at(market, market.until + HOUR)
    market.deposit("WETH", 1, market.account(2))
    market.engine.batch(move, b"", sender=market.borrower)


def test_hold__what_is_seized_may_be_new_to_the_account_credited(held):
    """Of an account with no more than dust of what is held: no token may be in the way."""
    market, weak, mine = held, held.account(4), held.account(0, held.liquidator)
    at(market, market.until + HOUR)
    market.deposit("WETH", "0.01", weak)
    market.deposit("WBTC", 1, weak)
    market.borrow("DAI", 35_000, weak)
    market.host.advance(7 * DAY)
    market.refresh()
    hold(market, "WETH")
    market.price("WBTC", 46_000)
    before = market.held("WETH", weak)
    market.liquidate("DAI", "WETH", account=weak, credit=mine)
    assert market.held("WETH", mine) == before - market.held("WETH", weak) > 0


def test_hold__ended_early_begins_the_grace(held):
    held.host.advance(100)
    receipt = held.breaker.hold(held.assets["WETH"], 0, sender=held.guardian)
    ended = held.host.now
    assert receipt.event("Hold").until == ended
    held.refresh()
    with refuses("grace after a hold"):
        held.liquidate("USDC", "WETH")
    held.host.advance(60)
    # once more ends nothing: grace is not begun anew
    receipt = held.breaker.hold(held.assets["WETH"], 0, sender=held.guardian)
    assert receipt.event("Hold").until == ended
    at(held, ended + HOUR)
    held.liquidate("USDC", "WETH")


@pytest.mark.parametrize("is_ended", [False, True])
def test_hold__once_in_seven_days(held, is_ended):
    """From start to start, also where it was ended early: 4 hours in any 7 days."""
    start = held.host.now
    if is_ended:
        held.breaker.hold(held.assets["WETH"], 0, sender=held.guardian)
    held.host.advance(7 * DAY - 1)
    with refuses("hold was less than 7 days ago"):
        hold(held, "WETH")
    hold(held, "WBTC")  # of another asset
    held.host.advance(1)
    assert hold(held, "WETH") == start + 7 * DAY + 4 * HOUR


def test_hold__refusals(market):
    weth, guardian = market.assets["WETH"], market.guardian
    with refuses("caller is not guardian"):
        market.breaker.hold(weth, HOUR, sender=market.owner)
    with refuses("duration above 4 hours"):
        market.breaker.hold(weth, 4 * HOUR + 1, sender=guardian)
    with refuses("asset is not listed"):
        market.breaker.hold(market.other, HOUR, sender=guardian)
    with refuses("caller is not the breaker"):
        market.risk.hold(weth, HOUR, sender=guardian)


def test_hold__bound_where_it_acts(market):
    """Whatever the breaker says, it is 4 hours, once in 7 days."""
    weth, other = market.assets["WETH"], market.other
    market.risk.set_breaker(other, sender=market.owner)
    for duration in (2**256 - 1, 1):
        until = market.risk.hold(weth, duration, sender=other).event("Hold").until
        assert until == market.host.now + min(duration, 4 * HOUR)
        with refuses("hold was less than 7 days ago"):
            market.risk.hold(weth, 1, sender=other)
        market.host.advance(7 * DAY)


def test_hold__spends_none_of_what_latches_may_cover(held):
    held.breaker.trip(held.assets["WETH"], 2, 7 * DAY, sender=held.guardian)


def test_hold__is_kept_when_rules_are_written(held):
    before = held.risk.words_of(held.assets["WETH"])[1]
    held.configurator.set_borrow_ltv(held.assets["WETH"], 7_000, sender=held.owner)
    assert held.risk.words_of(held.assets["WETH"])[1] == before
    held.configurator.ramp_liquidation_ltv(held.assets["WETH"], 8_200, 3 * DAY, sender=held.owner)
    assert held.risk.words_of(held.assets["WETH"])[1] >> 185 == before >> 185 != 0
    with refuses("liquidation is held"):
        held.liquidate("USDC", "WETH")


def test_hold__outlasts_latches_that_come_and_go(held):
    """The flag that says to look stays for hold and grace; `reset` takes it off after."""
    weth = held.assets["WETH"]

    def is_latched():
        return held.risk.words_of(weth)[0] & LATCHED != 0

    held.breaker.trip(weth, 1, HOUR, sender=held.guardian)
    held.breaker.reset(weth, sender=held.guardian)
    for when in (held.host.now, held.until, held.until + HOUR - 1):
        at(held, when)
        held.breaker.reset(weth, sender=held.other)
        assert is_latched()
    at(held, held.until + HOUR)
    assert is_latched()
    assert held.breaker.reset(weth, sender=held.other).event("SetLevel").halt_until == 0
    assert not is_latched()
    held.liquidate("USDC", "WETH")


def test_reset__without_a_hold_pushes_nothing(market):
    assert not market.breaker.reset(market.assets["WETH"], sender=market.other).logs
    assert not market.breaker.reset(ZERO, sender=market.other).logs


def test_hold__nothing_held_is_borrowed(held):
    """It would shield an account that owes something else, until the grace is over."""
    market, account, weth = held, held.account(7), held.assets["WETH"]
    market.deposit("WBTC", 1, account)
    market.borrow("USDC", 10_000, account)
    steps = [
        market.leg(REPAY, "USDC", 5_000 * 10**6, account),
        market.leg(BORROW, "WETH", WAD, account),
    ]
    market.give("USDC", market.borrower, 5_000 * 10**6)
    for when in (market.host.now, market.until - 1, market.until, market.until + HOUR - 1):
        at(market, when)
        with refuses("asset is held"):
            market.borrow("WETH", 1, account)
        with refuses("asset is held"):
            market.engine.batch(steps, b"", sender=market.borrower)
        assert market.lens.why_blocked(account, BORROW, weth, WAD) == "asset is held"
    at(market, market.until + HOUR)
    market.engine.batch(steps, b"", sender=market.borrower)
    market.borrow("WETH", 1, account)
