"""`liquidate` while prices jump, disagree or are missing."""

import pytest

from breakwater.model import average
from breakwater.units import WAD
from tests.market import refuses

MINUTE = 60


@pytest.fixture
def jumpy(new_market):
    """100 WETH against 160,000 USDC; a move of 5 % is a jump."""
    market = new_market(WETH={"jump_band": 500})
    market.deposit("WETH", 100)
    market.borrow("USDC", 160_000)
    market.host.advance(12)
    return market


def poke(market, dollars, wait=0, name="WETH"):
    market.host.advance(wait)
    market.price(name, dollars)
    market.poke(name)


def test_liquidate__within_the_band_at_once(jumpy):
    jumpy.price("WETH", 1_901)
    jumpy.liquidate("USDC", "WETH")


def test_liquidate__one_print_does_not_liquidate(jumpy):
    market = jumpy
    market.price("WETH", 1_800)
    with refuses("account is healthy"):
        market.liquidate("USDC", "WETH")
    market.poke("WETH")
    with refuses("account is healthy"):
        market.liquidate("USDC", "WETH")


def test_liquidate__two_pokes_a_minute_apart_do(jumpy):
    market = jumpy
    poke(market, 1_800)
    poke(market, 1_800, 50)
    with refuses("account is healthy"):
        market.liquidate("USDC", "WETH")
    poke(market, 1_800, 10)
    market.liquidate("USDC", "WETH", 10**9)


def test_liquidate__pokes_must_see_the_same_jump(jumpy):
    """A poke between that found all well, or a jump the other way, begins anew."""
    market = jumpy
    start = market.host.snapshot()
    for between in (2_000, 2_300):
        poke(market, 1_700)
        poke(market, between, 70)
        poke(market, 1_700, 70)
        with refuses("account is healthy"):
            market.liquidate("USDC", "WETH")
        poke(market, 1_700, MINUTE)
        market.liquidate("USDC", "WETH", 10**9)
        market.host.restore(start)


@pytest.mark.parametrize(("gap", "confirmed"), [(3_600, True), (3_601, False)])
def test_liquidate__pokes_of_a_jump_are_an_hour_apart_at_most(jumpy, gap, confirmed):
    """Nobody looked in between: it may be another jump. And the last was at most an hour ago."""
    market = jumpy
    poke(market, 1_500)
    poke(market, 1_500, gap)
    assert market.risk.quote(market.assets["WETH"]).status == average.JUMP
    start = market.host.snapshot()
    if not confirmed:
        assert (
            market.risk.health_of(market.engine.position_of(market.account())).collateral_value
            > 160_000 * WAD
        )
        poke(market, 1_400, MINUTE)
    market.host.restore(start)
    position = market.engine.position_of(market.account())
    spot = 150_000 * WAD
    assert (market.risk.health_of(position).collateral_value == spot) == confirmed
    market.price("WETH", 1_430)
    market.host.advance(gap)
    market.refresh()
    value = market.risk.health_of(position).collateral_value
    assert (value == 143_000 * WAD) == confirmed


@pytest.mark.parametrize(("dollars", "believed"), [(1_425, True), (1_424, False), (1_577, False)])
def test_liquidate__a_print_beyond_the_band_is_not_of_the_row(jumpy, dollars, believed):
    """Of the spot that the last poke stored, 1,500: further on or back, it begins a row anew."""
    market = jumpy
    poke(market, 1_500)
    poke(market, 1_500, MINUTE)
    position = market.engine.position_of(market.account())
    market.price("WETH", dollars)
    spot = 100 * dollars * WAD
    assert market.risk.quote(market.assets["WETH"]).status == average.JUMP
    assert (market.risk.health_of(position).collateral_value == spot) == believed
    poke(market, dollars, 50)
    assert (market.risk.health_of(position).collateral_value == spot) == believed
    poke(market, dollars, 10)
    assert (market.risk.health_of(position).collateral_value == spot) == believed
    poke(market, dollars, 50)
    assert market.risk.health_of(position).collateral_value == spot


def test_liquidate__jump_upwards_of_the_debt(new_market):
    """Debt counts at the lower of spot and average until the jump is confirmed."""
    market = new_market(WETH={"jump_band": 500})
    market.deposit("USDC", 20_000)
    market.borrow("WETH", "7.6")
    market.host.advance(12)
    poke(market, 2_300)
    with refuses("account is healthy"):
        market.liquidate("WETH", "USDC")
    poke(market, 2_300, MINUTE)
    market.liquidate("WETH", "USDC")


def test_liquidate__average_has_followed(jumpy):
    """Below maintenance at spot and at the average: at once, confirmed or not."""
    market = jumpy
    poke(market, 1_850)
    while True:
        poke(market, 1_850, 900)
        if market.risk.quote(market.assets["WETH"]).average < 1_900 * WAD:
            break
    market.price("WETH", 1_700)
    assert market.risk.quote(market.assets["WETH"]).status == average.JUMP
    market.liquidate("USDC", "WETH", 10**9)


def test_liquidate__loss_by_a_jump_waits_ten_minutes(jumpy):
    """Under water only at spot: after 600 seconds of the jump."""
    market, account = jumpy, jumpy.account(2)
    market.deposit("WETH", 100, account)
    market.borrow("USDC", 130_000, account)
    market.host.advance(12)
    poke(market, 1_250)
    poke(market, 1_250, MINUTE)
    with refuses("price jump is too recent"):
        market.liquidate("USDC", "WETH", account=account)
    market.host.advance(600 - MINUTE - 1)
    market.refresh()
    with refuses("price jump is too recent"):
        market.liquidate("USDC", "WETH", account=account)
    market.host.advance(1)
    assert market.risk.quote(market.assets["WETH"]).status == average.JUMP
    event = market.liquidate("USDC", "WETH", account=account).event("Liquidate")
    assert event.bad_debt > 5_000 * 10**6


def test_liquidate__standard_terms_while_a_loss_waits(jumpy):
    """Below maintenance at the average, under water at spot: a standard slice in the meantime."""
    market = jumpy
    for _ in range(3):
        poke(market, 1_910, 900)
    poke(market, 1_850, 900)
    poke(market, 1_850, 900)
    poke(market, 1_850, 900)
    assert market.risk.quote(market.assets["WETH"]).average < 1_920 * WAD
    poke(market, 1_500)
    poke(market, 1_500, MINUTE)
    event = market.liquidate("USDC", "WETH", 10**9).event("Liquidate")
    assert event.bad_debt == 0
    assert event.incentive > 5 * 10**15


def test_liquidate__two_agreeing_sources_confirm_at_once(new_market):
    market = new_market(WETH={"jump_band": 500, "sources": 2})
    market.deposit("WETH", 100)
    market.borrow("USDC", 160_000)
    market.host.advance(12)
    market.price("WETH", 1_800)
    assert market.risk.quote(market.assets["WETH"]).status == average.JUMP
    market.liquidate("USDC", "WETH", 10**9)
    market.price("WETH", 1_500)
    with refuses("price jump is too recent"):  # agreement does not stand in for patience
        market.liquidate("USDC", "WETH", 10**9)


def test_liquidate__sources_that_disagree_delay_for_half_an_hour(new_market):
    """At most 30 minutes in 24 hours; then the middle counts."""
    market = new_market(WETH={"sources": 2})
    market.deposit("WETH", 100)
    market.borrow("USDC", 160_000)
    market.host.advance(12)
    market.price("WETH", 2_000, 1_700)
    with refuses("account is healthy"):
        market.liquidate("USDC", "WETH")
    market.poke("WETH")
    market.host.advance(1_799)
    market.refresh()
    with refuses("account is healthy"):
        market.liquidate("USDC", "WETH")
    market.host.advance(1)
    market.refresh()
    middle = market.spot()["WETH"].flat(1_850 * WAD)
    wanted = market.health(WETH=middle).health_factor
    event = market.liquidate("USDC", "WETH", 10**9).event("Liquidate")
    assert event.health_factor == wanted


def test_liquidate__disagreement_does_not_shield_who_is_below_at_the_best_source(new_market):
    market = new_market(WETH={"sources": 2})
    market.deposit("WETH", 100)
    market.borrow("USDC", 160_000)
    market.host.advance(12)
    market.price("WETH", 1_900, 1_700)
    event = market.liquidate("USDC", "WETH", 10**9).event("Liquidate")
    assert abs(event.health_factor - 100 * 1_900 * 83 * WAD // (160_000 * 100)) < 10**10


@pytest.fixture
def apart(new_market):
    """As `jumpy`, of two sources."""
    market = new_market(WETH={"jump_band": 500, "sources": 2})
    market.deposit("WETH", 100)
    market.borrow("USDC", 160_000)
    market.host.advance(12)
    return market


def poke_both(market, *dollars, wait=0):
    market.host.advance(wait)
    market.price("WETH", *dollars)
    market.poke("WETH")


@pytest.mark.parametrize(("second", "is_jump"), [(1_880, False), (1_875, True)])
def test_liquidate__disagreement_within_the_band_or_a_jump(apart, second, is_jump):
    """The best source says 1,920, where the account is below maintenance; the middle is away from
    the average by exactly 5 %, or by more: then that counts as well.
    """
    apart.price("WETH", 1_920, second)
    if is_jump:
        with refuses("account is healthy"):
            apart.liquidate("USDC", "WETH")
    else:
        apart.liquidate("USDC", "WETH", 10**9)


def waited(market):
    """The day's half hour of waiting is over, and the average where it was."""
    poke_both(market, 2_000, 1_950)
    for _ in range(15):
        poke_both(market, 2_000, 1_950, wait=120)
    for _ in range(60):
        poke_both(market, 2_000, wait=120)


def test_liquidate__sources_that_disagree_after_the_wait_count_as_one(apart):
    """Their jump is confirmed by two pokes a minute apart."""
    market = apart
    waited(market)
    poke_both(market, 2_000, 1_600)
    with refuses("account is healthy"):
        market.liquidate("USDC", "WETH")
    poke_both(market, 2_000, 1_600, wait=59)
    with refuses("account is healthy"):
        market.liquidate("USDC", "WETH")
    poke_both(market, 2_000, 1_600, wait=1)
    health = market.risk.health_of(market.engine.position_of(market.account()))
    assert health.collateral_value == 180_000 * WAD
    market.liquidate("USDC", "WETH", 10**9)


def test_liquidate__loss_at_sources_that_disagree_is_patient(apart):
    """1,500 in the middle puts the account under water; at the average it is weak after a while."""
    market = apart
    waited(market)
    poke_both(market, 2_000, 1_000)
    poke_both(market, 2_000, 1_000, wait=60)
    with refuses("price jump is too recent"):
        market.liquidate("USDC", "WETH")
    for _ in range(8):
        poke_both(market, 2_000, 1_000, wait=60)
    market.host.advance(59)
    market.refresh()
    pair = market.assets["USDC"], market.assets["WETH"]
    assert market.lens.preview_liquidate(market.account(), *pair, 2**256 - 1).write_off == 0
    market.host.advance(1)
    market.refresh()
    assert market.liquidate("USDC", "WETH").event("Liquidate").bad_debt > 0


def test_liquidate__disagreement_in_between_ends_no_patience(apart):
    """Else who makes one source flicker keeps a loss off the books."""
    market = apart
    poke_both(market, 1_500)
    for at in range(1, 11):
        poke_both(market, 1_500, *[1_550] * (at % 2), wait=60)
    assert market.liquidate("USDC", "WETH").event("Liquidate").bad_debt > 0


@pytest.fixture
def two(market):
    """WETH and WBTC carry 40,000 USDC."""
    market.deposit("WETH", 12)
    market.deposit("WBTC", 1)
    market.borrow("USDC", 50_000)
    market.borrow("DAI", 2_000)
    market.host.advance(12)
    return market


def fading(market):
    position = market.engine.position_of(market.account())
    return market.risk.health_of(position).collateral_value


def unseen(market, name, seconds):
    """Pokes every half hour of an asset without a price."""
    market.poke(name)
    for _ in range(seconds // 1_800):
        market.host.advance(1_800)
        market.poke(name)


def test_liquidate__collateral_fades_only_as_pokes_saw_it(two):
    """A silence between two pokes fades by an hour at most, and after the last by another."""
    market = two
    market.break_feed("WBTC")
    market.poke("WBTC")
    for seconds in (3_600, 7_200):
        for gap in (3_599, 1, 80_000):
            market.host.advance(gap)
            market.refresh("WETH", "USDC", "DAI")
            counted = min(seconds, seconds - 3_600 + gap)
            if gap == 1:
                counted = seconds
            left = 50_000 * WAD * (86_400 - counted) // 86_400
            assert abs(fading(market) - 24_000 * WAD - left) <= 10**11
        market.poke("WBTC")


def test_liquidate__collateral_without_a_price_fades(two):
    """At its last valid price, going to zero over 24 hours from the poke that missed it, of which
    pokes must see every one.
    """
    market = two
    market.break_feed("WBTC")
    market.host.advance(7_200)
    market.refresh("WETH", "USDC", "DAI")
    assert fading(market) == 74_000 * WAD  # nobody saw it yet
    market.poke("WBTC")
    for elapsed in (0, 1, 3_600, 43_200, 86_399, 86_400, 100_000):
        start = market.host.snapshot()
        for _ in range(elapsed // 3_600):
            market.host.advance(3_600)
            market.poke("WBTC")
        market.host.advance(elapsed % 3_600)
        market.refresh("WETH", "USDC", "DAI")
        left = 50_000 * WAD * (86_400 - min(elapsed, 86_400)) // 86_400
        assert abs(fading(market) - 24_000 * WAD - left) <= 10**11
        market.host.restore(start)


def test_liquidate__collateral_without_a_price_is_not_seized_others_are(two):
    market = two
    market.break_feed("WBTC")
    unseen(market, "WBTC", 30_000)
    market.refresh("WETH", "USDC", "DAI")
    with refuses("collateral has no valid price"):
        market.liquidate("USDC", "WBTC")
    event = market.liquidate("USDC", "WETH").event("Liquidate")
    assert event.seized > 0
    assert market.held("WBTC") == 10**8


def test_liquidate__debt_without_a_price_is_not_paid_others_are(two):
    market = two
    market.price("WETH", 1_000)
    market.break_feed("DAI")
    with refuses("debt has no valid price"):
        market.liquidate("DAI", "WETH")
    market.liquidate("USDC", "WETH")


def test_liquidate__price_that_comes_back_ends_the_fading(two):
    market = two
    market.break_feed("WBTC")
    unseen(market, "WBTC", 40_000)
    assert fading(market) < 60_000 * WAD
    market.refresh()
    market.poke("WBTC")
    assert fading(market) == 74_000 * WAD
    market.break_feed("WBTC")
    market.poke("WBTC")
    assert fading(market) == 74_000 * WAD
